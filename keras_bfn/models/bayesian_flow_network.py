"""The model: a flow and a network, trained by `fit`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import keras
from keras import ops

from keras_bfn import _keras, _random, losses, predictions, samplers
from keras_bfn._config import own_config
from keras_bfn._parts import check_event_shape, map_parts, sum_parts, unzip_parts
from keras_bfn._typing import (
    ArrayLike,
    Data,
    Nest,
    Parts,
    Scale,
    Shape,
    Tensor,
    TokenizerLike,
    Verbose,
)
from keras_bfn._validation import check_int, refusal
from keras_bfn.flows import Flow
from keras_bfn.flows.flow import check_flow
from keras_bfn.inputs import conditions
from keras_bfn.inputs.arrays import check_form, check_no_targets, split_condition
from keras_bfn.inputs.missing import fill_missing_variables, observed_mask
from keras_bfn.losses import BFNLoss
from keras_bfn.models import arguments, encoding, generation, scoring, sums
from keras_bfn.models.building import Built
from keras_bfn.models.classifier_free import ClassifierFreeGuidance
from keras_bfn.models.generation import Options
from keras_bfn.models.programs import Programs
from keras_bfn.models.trainer import in_turn
from keras_bfn.predictions import State
from keras_bfn.samplers import Sampler

EVALUATED = "evaluated_loss"  # beside Keras's own "loss", whose place it takes in results
RECONSTRUCTION = losses.ReconstructionLoss()


@keras.saving.register_keras_serializable("keras_bfn")
class BayesianFlowNetwork(Built):
    """A Bayesian flow network: trains with `fit`, scores data and generates samples.

    `fit` minimises the cost of the messages, in nats per variable. `evaluate` and validation report
    `loss` (that cost), `reconstruction` (the cost of the data after all messages, in nats per
    variable), `bits_per_dim` (the sum of both, in bits per variable) and `nats_per_example` (the
    sum over all variables, in nats).

    For data of several kinds, `flow` is a dict of flows, and everything that exists per variable is
    a dict with the same names: data, evidence, theta, the network's output, samples and masks. The
    costs of the parts, in nats, are added; `evaluate` also reports `<name>_nats_per_example`.

    All variables of an example are sent together, as in the paper. `keras_bfn.AnyOrderNetwork`,
    a subclass, sends them in any order, and conditions on any of them.

    A call that fails or is interrupted leaves the model with its weights. Calls from several
    threads run one at a time. `predict` of Keras is refused.

    In training, Keras's own `train_step` calls `call`, then `compute_loss`, on each batch. The base
    classes only check, build, compile and save. A batch takes these steps, the first three in
    `call` (2 and 3 by `predict_state`), the last two in `compute_loss`:

    1. `draw_state`: the times, `loss.times` of evenly spread numbers, which `call` draws;
    2. `sample_evidence`: `flow.sample_evidence` of the data, at these times;
    3. `predict_params`: theta is `flow.input_params` of the evidence, or `flow.hear` with missing
       variables, and `call_network` calls the network;
    4. `costs`: the loss scores the prediction, in nats per variable;
    5. `compute_loss`: sums over the variables of an example that count, and means over examples.

    | to change | write |
    |---|---|
    | what is scored, how it is weighted by time | a `keras_bfn.losses.BFNLoss` for `compile` |
    | how samples are made | a `keras_bfn.samplers.Sampler`: examples are there |
    | the data type, or its prior | a `keras_bfn.flows.Flow`: `input_params` holds the prior |
    | the rule of classifier-free guidance | the class in `models/classifier_free.py` |
    | an event that samples are conditioned on | a `keras_bfn.guidance.Guidance` |
    | any of the steps above | a subclass, as `keras_bfn.AnyOrderNetwork` is |

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`, or a dict from names of parts to flows.
        network: a Keras model or layer that takes a dict: `"theta"`, the parameters of the input
            distribution, `(batch, *event_shape, flow.theta_size)`; `"t"`, the time, `(batch,)`; for
            conditional networks `"condition"`, `(batch, ...)`; and, for networks that take them,
            `"mask"`, bool, `(batch, *event_shape)`, true for observed variables, and `"t_next"`,
            `(batch,)`, the time after the next message. It returns the parameters of the output
            distribution, `(batch, *event_shape, flow.output_size)`. For a dict of flows, `"theta"`,
            `"mask"` and the output are dicts.
        event_shape: the shape of one example, such as `(28, 28, 1)`, or a dict of shapes; `()` for
            one variable. By default inferred from the network's own input, or, if it has none, from
            the first data.
        condition_dropout: float in [0, 1). The probability that training replaces a condition by
            its `null_condition`, so that `generate` can use classifier-free guidance. For a dict of
            conditions, one float drops all of them together; a dict of floats drops each
            independently. Verbs warn if a condition is left out whose null was never learnt.
        null_condition: number, or an array of the shape of one condition, or a dict of these: the
            condition that means "none", which `generate` uses by default. By default the network's
            attribute of that name; the networks of this package have it for classes. Conditions are
            converted to the dtype of the network's own input, or, if it declares none, to that of
            their null condition: int32 or float32.
        allow_missing: bool. Whether variables of the data may be missing: -1 in integers, NaN in
            numbers. No messages are sent about them, and they cost nothing. By default true if the
            network takes a `"mask"`.
        tokenizer: a tokenizer that converts text to data and back, such as
            `keras_bfn.datasets.Letters()`, or None; for a dict of flows, a dict with a tokenizer
            for each text part. It is saved with the model and used by `generate_text` and
            `continue_text`.
        seed: int or None. The same seed gives the same noise and times on the same backend.
        **kwargs: `name`, as for every Keras model.

    Call arguments:
        inputs: data of shape `(batch, *event_shape)`, or a dict of the parts' data; or the tuple
            `(data, condition)`.
        training: bool. If true, predicts once, at a random time; otherwise also at t = 1.

    Returns:
        A dict with `"data"`, in which missing variables have arbitrary values; `"observed"`, if
        variables may be missing; `"transmission"` and, if not in training, `"reconstruction"`: a
        `keras_bfn.Prediction`, or a dict of the parts' predictions; `"states"`, what `draw_state`
        returned for each of these; and `"added"`, if the network adds losses, their sum.

    Raises:
        ValueError: if the network's output does not have `flow.output_size` numbers per variable,
            the data do not suit the flow, or an argument is out of its range.

    Example:

    ```python
    flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    network = keras_bfn.networks.MLP(flow, event_shape=(8,), width=32)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(optimizer="adamw")
    model.fit(np.random.randint(0, 2, (64, 8)), epochs=2)
    model.generate(4, num_steps=10)
    ```

    Reference: [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    # The inputs that networks may declare.
    input_names: tuple[str, ...] = ("theta", "t", "condition", "mask", "t_next")
    flow: Nest
    event_shape: Nest  # None until it is known

    def __init__(
        self,
        flow: Parts[Flow],
        network: keras.Layer,
        event_shape: Parts[Shape] | None = None,
        condition_dropout: Parts[float] = 0.0,
        null_condition: Parts[ArrayLike] | None = None,
        allow_missing: bool | None = None,
        tokenizer: Parts[TokenizerLike] | None = None,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        check_flow(flow)
        super().__init__(**kwargs)
        self.flow, self.network = flow, network
        self.signature = predictions.Signature(network, allow_missing, self.input_names)
        self.null_condition = conditions.check_null_condition(
            null_condition, network, self.signature
        )
        self.condition_dropout = conditions.check_dropout(condition_dropout, self.null_condition)
        self.allow_missing = self.signature.allow_missing
        self.tokenizer = tokenizer
        self.seed = seed
        self.seed_generator = _random.make_seed_generator(seed)
        self.transmission_loss = losses.get("auto", flow)
        self.loss_weights, self.num_repeats = None, 1
        names = [f"{name}_nats_per_example" for name in (flow if isinstance(flow, dict) else ())]
        self.trackers = {
            name: keras.metrics.Mean(name, "float32")
            for name in (EVALUATED, "reconstruction", "bits_per_dim", "nats_per_example", *names)
        }
        self._mean = WeightedMean()
        self._may_be_new = True  # until samples were generated
        self.programs = Programs(self)  # not a dict: Keras 3.15 would track its models as layers

        inputs = self.signature.inputs
        if event_shape is None and inputs is not None:
            event_shape = self.signature.infer_event_shape(flow)
        self.event_shape = None if event_shape is None else check_event_shape(flow, event_shape)
        if inputs is not None:
            predictions.check_graph(flow, self.event_shape, self.time_shape, network)
            self.built = True

    @property
    def conditional(self) -> bool | None:
        """Whether the network takes a condition; None if it does not declare this."""
        return self.signature.conditional

    @property
    def num_variables(self) -> int:
        """The number of variables of an example, over all parts."""
        shape = self.event_shape
        return sum(map(math.prod, shape.values() if isinstance(shape, dict) else [shape]))

    @property
    def time_shape(self) -> Nest:
        """The shape of the times of an example's variables; None for one time for all of them."""
        return None

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that converts text to data and back, or a dict of the parts', or None."""
        return self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Parts[TokenizerLike] | None) -> None:
        if tokenizer is not None:
            from keras_bfn import text

            text.check_model_tokenizer(self.flow, tokenizer)
        self._tokenizer = tokenizer

    def make_train_function(self, force: bool = False) -> None:
        super().make_train_function(force or self.programs.is_stale("train"))

    def make_test_function(self, force: bool = False) -> None:
        super().make_test_function(force or self.programs.is_stale("test"))

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adamw",
        loss: str | BFNLoss = "auto",
        loss_weights: Mapping[str, float] | None = None,
        num_repeats: int = 1,
        **kwargs,
    ) -> None:
        """Configures the model for training.

        Args:
            optimizer: as in Keras.
            loss: the transmission loss, a `keras_bfn.losses.BFNLoss`, `"continuous_time"`, or
                `"cross_entropy"`. By default (`"auto"`), `"cross_entropy"` if all variables are
                classes: see `keras_bfn.losses.CrossEntropyLoss`.
            loss_weights: for a dict of flows, a dict from names of parts to the weights of their
                nats in the loss, 1 by default. Other metrics are unaffected.
            num_repeats: int. How many times `evaluate` and validation score each example, at evenly
                spread times. More repeats take longer and make the metrics less noisy.
            **kwargs: as in Keras, except `metrics` and `weighted_metrics`, which must be None,
                because there are no targets.

        Raises:
            ValueError: if an argument is unknown or invalid.

        Example:

        >>> model.compile("adamw", loss=keras_bfn.losses.DiscreteTimeLoss(num_steps=20))
        """
        loss = losses.get(loss, self.flow)
        optimizer = arguments.check_compilation(optimizer, kwargs)
        loss_weights = arguments.check_loss_weights(loss_weights, self.flow)
        self.num_repeats = check_int("num_repeats", num_repeats, 1)
        self.transmission_loss, self.loss_weights = loss, loss_weights
        super().compile(optimizer, **kwargs)
        self.programs.clear()

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the arguments of `compile`, as in Keras, independent of the backend."""
        config = super().get_compile_config()
        if config:  # compiled
            own: dict[str, Any] = {"loss": self.transmission_loss}
            own |= {"loss_weights": self.loss_weights, "num_repeats": self.num_repeats}
            config |= keras.saving.serialize_keras_object(own)
        return config

    @in_turn
    def fit(self, x: Data = None, y: None = None, *args, **kwargs) -> keras.callbacks.History:
        """Trains the model, as in Keras.

        Args:
            x: data of shape `(num, *event_shape)`, or for a dict of flows a dict of the parts'
                data; the tuple `(data, condition)`; or a `tf.data.Dataset`, `keras.utils.PyDataset`
                or torch `DataLoader` that yields `data`, `(data,)` or `((data, condition),)` in
                batches.
            y: must be None: the data are their own target.
            *args, **kwargs: other arguments of `keras.Model.fit`, such as `batch_size`, `epochs`
                and `callbacks`; not `class_weight`. `validation_data` has one of the forms of `x`.
                It is scored with the same noise after every epoch, so that epochs are comparable.
                `sample_weight` has one weight per example, or one per variable: an array of the
                data's shape, or a dict for some parts. A pipeline yields `(x, weights, weights)`,
                because Keras on TensorFlow does not accept None between data and weights.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: if the data do not suit the model, before training starts.

        Example:

        >>> history = model.fit(images, epochs=2, batch_size=32, verbose=0)
        """
        return self._fit(arguments.fit_arguments(self, super().fit, x, y, *args, **kwargs))

    @in_turn
    def evaluate(
        self, x: Data = None, y: None = None, *args, seed: int | None = 0, **kwargs
    ) -> Any:
        """Scores data: computes the model's losses and metrics.

        Args:
            x, y: as in `fit`.
            seed: int, for the noise and the times: the same data give the same result. None draws
                new noise and times.
            *args, **kwargs: other arguments of `keras.Model.evaluate`, such as `batch_size`.

        Returns:
            As in Keras: `loss` and `reconstruction`, in nats per variable; their sum as
            `bits_per_dim` and as `nats_per_example`; and, for a dict of flows,
            `<name>_nats_per_example` of each part. `loss_weights` change `loss` only. Nats per
            variable are means over variables, weighted by `sample_weight`. Nats per example are
            weighted sums over an example's variables, averaged over examples by the examples'
            weights. Examples whose variables are all missing or of weight 0 are ignored.

        Raises:
            ValueError: if the data do not suit the model.

        Example:

        >>> logs = model.evaluate(images, return_dict=True, verbose=0)
        >>> sorted(logs)
        ['bits_per_dim', 'loss', 'nats_per_example', 'reconstruction']
        """
        checked = arguments.evaluate_arguments(self, super().evaluate, x, y, *args, **kwargs)
        seeded = _keras.seeded(self.seed_generator, seed)
        with seeded, self.keeping_weights(), arguments.evaluation_of(checked["x"]):
            return super().evaluate(**checked)

    @in_turn
    def train_on_batch(
        self,
        x: Data,
        y: None = None,
        sample_weight: Parts[ArrayLike] | None = None,
        class_weight: None = None,
        return_dict: bool = False,
    ) -> Any:
        """Runs one training step.

        Args:
            x, y, sample_weight: as in `fit`, for one batch of arrays or tensors. Values of tensors
                are not checked.
            class_weight: must be None.
            return_dict: bool. As in Keras.

        Returns:
            As in Keras: the loss of this batch.

        Raises:
            ValueError: if the data do not suit the model.

        Example:

        >>> loss = model.train_on_batch(images[:16])
        """
        checked = arguments.batch_arguments(
            self, super().train_on_batch, x, y, sample_weight, return_dict, class_weight
        )
        self.build_optimizer()
        with self.keeping_weights():
            return super().train_on_batch(**checked)

    @in_turn
    def test_on_batch(
        self,
        x: Data,
        y: None = None,
        sample_weight: Parts[ArrayLike] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Scores one batch. As in Keras, the metrics are those of this batch alone.

        Args:
            x, y, sample_weight, return_dict: as in `train_on_batch`.

        Returns:
            As in Keras: the metrics that `evaluate` returns.

        Raises:
            ValueError: if the data do not suit the model.

        Example:

        >>> logs = model.test_on_batch(images[:16], return_dict=True)
        """
        checked = arguments.batch_arguments(
            self, super().test_on_batch, x, y, sample_weight, return_dict
        )
        with self.keeping_weights():
            return super().test_on_batch(**checked)

    def predict(self, *args, **kwargs) -> NoReturn:
        """Raises a `TypeError` that names the methods to call instead."""
        raise TypeError(
            "A Bayesian flow network generates data and scores them: call `generate` for samples, "
            "`inpaint` to complete data, `code_length` or `evaluate` for their cost, and "
            "`predict_params` for the network's prediction from evidence"
        )

    predict_on_batch = predict

    def call(self, inputs: Any, training: bool = False) -> dict[str, Any]:
        x, condition = split_condition(inputs)
        check_form(self.flow, self.event_shape, x)
        self.signature.check_conditional(condition is not None)
        x, observed = fill_missing_variables(self.flow, x, self.allow_missing)
        outputs = {"data": x, "states": {}} | ({} if observed is None else {"observed": observed})
        seed, num_repeats = self.seed_generator, 1 if training else self.num_repeats
        batch_size = ops.shape(keras.tree.flatten(x)[0])[0]
        if training and self.condition_dropout and condition is not None:
            condition = conditions.cast_conditions(self, condition)
            rates = self.condition_dropout
            condition = conditions.drop_conditions(condition, self.null_condition, rates, seed)
        if num_repeats > 1:
            x, condition, observed = sums.repeat((x, condition, observed), num_repeats)
        for name in ("transmission",) if training else ("transmission", "reconstruction"):
            loss = RECONSTRUCTION if name == "reconstruction" else self.transmission_loss
            u = losses.stratified_uniform(batch_size, seed)
            if num_repeats > 1:
                u = sums.spread(u, num_repeats)
            state = self.draw_state(name, loss, u, x, observed, training)
            outputs[name] = self.predict_state(state, loss, x, condition, observed, training)
            outputs["states"][name] = state
            if name == "transmission" and self.losses:  # those that the network adds
                outputs["added"] = ops.reshape(sum(map(ops.sum, self.losses)), (1,))
        return outputs

    def draw_state(self, name, loss, u, x, observed, training=False):
        """Returns the state of the receiver in which a loss scores each example: a time.

        An `AnyOrderNetwork` draws more, from all of the arguments.

        Args:
            name: `"transmission"` or `"reconstruction"`.
            loss: a `keras_bfn.losses.BFNLoss`.
            u: numbers in [0, 1), `(batch,)`, evenly spread: the cost is the mean over them.
            x: data, or a dict of the parts'.
            observed: the mask of observed variables, or None.
            training: bool.
        """
        return State(loss.times(u))

    def predict_state(self, state, loss, x, condition, observed, training=False):
        """Returns predictions from evidence sampled about data, in a state of `draw_state`."""
        s, takes_next = self.sample_evidence(x, state.t), "t_next" in self.signature.optional
        t_next = loss.next_times(state.t) if takes_next else None
        return self.predict_params(s, state.t, condition, observed, training, t_next)

    def costs(self, loss, x, predictions, state):
        """Returns the nats of each variable by a loss, shaped as the data.

        An `AnyOrderNetwork` also weighs them by what was known in the state.
        """

        def cost(flow, x, prediction):
            return loss(flow, x, prediction, self.seed_generator)

        return map_parts(cost, self.flow, x, predictions)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Returns the loss in nats per variable, and updates the metrics when evaluating.

        Whether it evaluates follows from `y_pred`, the result of a call with `training=False`, and
        not from `training`, which the trainer passes only to methods with this argument.
        """
        if sample_weight is None and y is not None:
            check_no_targets(y)
        if not isinstance(y_pred, dict) or "states" not in y_pred:
            raise refusal("y_pred", "must be what a call of the model on `x` returned", y_pred)
        x, nats, evaluates = y_pred["data"], {}, "reconstruction" in y_pred
        num_repeats = self.num_repeats if evaluates else 1
        weights = sums.weigh(x, y_pred.get("observed"), sample_weight, self.num_variables)
        x = sums.repeat(x, num_repeats) if num_repeats > 1 else x
        for name, state in y_pred["states"].items():
            loss = RECONSTRUCTION if name == "reconstruction" else self.transmission_loss
            found = self.costs(loss, x, y_pred[name], state)
            nats[name] = sums.per_example(found, weights.of_variables, num_repeats)
        cost = nats["transmission"]
        if self.loss_weights:
            cost = {name: self.loss_weights.get(name, 1.0) * cost[name] for name in cost}
        per_variable = ops.divide_no_nan(sum_parts(cost), weights.num_variables)
        added = y_pred.get("added", 0.0)  # by the network
        if evaluates:
            # Not in `call`: Keras 3.15 on JAX does not allow metric updates there.
            self.trackers[EVALUATED].update_state(per_variable + added, weights.in_means)
            sums.track(self.trackers, nats, weights)
        loss = self._mean(per_variable, per_variable, weights.in_means)
        return loss + self._mean(added, added) if "added" in y_pred else loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Returns all metrics of the model; in training, only the loss."""
        if "reconstruction" in y_pred:
            results = self.get_metrics_result()
        else:
            results = {}
            for metric in self.metrics:
                if metric.name == "loss":
                    results["loss"] = metric.result()
        return _keras.averaged(results, self)

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the metrics, as in Keras, but averages an evaluated loss over all data by weight.

        Keras averages over batches, whose total weights may differ. So it does for a subclass with
        a `compute_loss` of its own.
        """
        results = super().get_metrics_result()
        evaluated, own = self.trackers[EVALUATED], results.pop(EVALUATED)
        if type(self).compute_loss is BayesianFlowNetwork.compute_loss:
            results["loss"] = ops.where(evaluated.count > 0, own, results["loss"])
        return results

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns."""
        return [name for name in super().metrics_names if name != EVALUATED]

    def sample_evidence(self, x: Parts[Tensor], t: Parts[Tensor]) -> Nest:
        """Samples evidence about data, at given times.

        Args:
            x: data, `(batch, *event_shape)`, or a dict of the parts'.
            t: time, `(batch,)`, or one per variable, shaped as `x`.

        Returns:
            Evidence, `(batch, *event_shape, flow.embedding_size)`, or a dict of the parts'.
        """

        def sample(flow, x, t):
            return flow.sample_evidence(x, t, self.seed_generator)

        return map_parts(sample, self.flow, x, t)

    def predict_params(
        self,
        s: Parts[Tensor],
        t: Parts[Tensor],
        condition: Parts[Tensor] | None = None,
        observed: Parts[Tensor] | None = None,
        training: bool = False,
        t_next: Tensor | None = None,
        guide: Callable[..., Any] | None = None,
    ) -> Nest:
        """Predicts the parameters of the output distribution from evidence.

        Args:
            s: evidence, `(batch, *event_shape, flow.embedding_size)`, or a dict of the parts'.
            t: time, `(batch,)`.
            condition: `(batch, ...)`, a dict of such, or None.
            observed: bool, true for observed variables, `(batch, *event_shape)`, or a dict of the
                parts'. By default all are.
            training: bool.
            t_next: time after the next message, `(batch,)`, for networks that take it; by default
                `t`.
            guide: how to call the network: None, or what
                `keras_bfn.guidance.ClassifierFreeGuidance.calling` returns.

        Returns:
            A `keras_bfn.Prediction`, or a dict of the parts' predictions.

        Example, the output distribution of images before any message:

        >>> s = model.sample_evidence(images, t=np.zeros(len(images)))
        >>> prediction = model.predict_params(s, t=np.zeros(len(images)))
        >>> prediction.params.shape
        (16, 4, 4, 1, 1)
        """
        heard = map_parts(predictions.input_distribution, self.flow, s, t, observed)
        times, s, theta = unzip_parts(heard) if isinstance(heard, dict) else heard
        t = ops.cast(t, "float32")
        inputs = self.network_inputs(theta, t, condition, observed, t_next)
        if guide is None:
            params = self.call_network(inputs, training)
        else:
            params = guide(self.call_network, inputs, self.without_condition(inputs))
        return map_parts(predictions.Prediction, times, s, theta, params)

    def network_inputs(self, theta, t, condition, observed, t_next):
        """Returns the inputs of the network; see `predict_params`."""
        inputs = {"theta": theta, "t": t}
        if "mask" in self.signature.optional:
            inputs["mask"] = map_parts(observed_mask, theta, observed)
        if "t_next" in self.signature.optional:
            inputs["t_next"] = t if t_next is None else ops.cast(t_next, "float32")
        if condition is not None:
            inputs["condition"] = conditions.cast_conditions(self, condition)
        return inputs

    def without_condition(self, inputs):
        """Returns the inputs of the unconditional prediction of classifier-free guidance."""
        if "condition" not in inputs:
            return inputs
        null, rates = self.null_condition, self.condition_dropout
        return inputs | {"condition": conditions.null_conditions(inputs["condition"], null, rates)}

    def call_network(self, inputs, training=False):
        """Returns the network's output in float32.

        `training` is passed explicitly: in Keras 3.15 on JAX, the trainer does not pass it to inner
        layers, so dropout would be off in training.
        """
        if self.signature.is_nested:
            inputs = _keras.in_order_of(self.signature.inputs, inputs)
        return map_parts(ops.cast, self.network(inputs, training=training), "float32")

    def predict_in(self, inputs, s, t, t_next=None, guide=None):
        """Predicts in a program of sampling, given the program's inputs.

        Here, they hold the condition and the observed variables; for an `AnyOrderNetwork`, also
        what is given.
        """
        condition, observed = inputs.get("condition"), inputs.get("observed")
        return self.predict_params(s, t, condition, observed, t_next=t_next, guide=guide)

    def complete(self, x, inputs):
        """Returns the samples of a program that has these inputs."""
        return x

    def get_sampler(self, identifier: str | Sampler | None) -> Sampler:
        """Returns the sampler of an object, a name, or None, and checks that it suits the model."""
        sampler = samplers.get(identifier)
        sampler.check_model(self)
        return sampler.starting_for(self.flow)

    def get_guidance(self, identifier: Callable[..., Any] | None) -> Any:
        """Returns the `keras_bfn.guidance.Guidance` of an object, a function, or None."""
        from keras_bfn import guidance

        return guidance.get(identifier)

    @in_turn
    def code_length(
        self,
        x: Data,
        num_steps: int | None = None,
        num_repeats: int = 1,
        batch_size: int = 128,
        sample_weight: Parts[ArrayLike] | None = None,
        seed: int | None = None,
        verbose: Verbose = "auto",
    ) -> dict[str, Any]:
        """Estimates the cost of sending each example, without bias.

        Args:
            x: data of shape `(num, *event_shape)`, or a dict of the parts' data; or the tuple
                `(data, condition)`.
            num_steps: int or None. The number of messages; None is the continuous-time limit.
            num_repeats: int. Each example is scored at this many times, evenly spread over [0, 1];
                with `num_repeats=num_steps`, once at each step.
            batch_size: int.
            sample_weight: the weight of each variable, an array shaped as the data, or a dict of
                the parts'; or of each example, `(num,)`. By default 1.
            seed: int or None. The same seed gives the same result on the same backend.
            verbose: as in `keras.Model.predict`.

        Returns:
            A dict of `"transmission"` (the messages) and `"reconstruction"` (the data after all
            messages): numpy arrays of shape `(num,)`, in nats per example. Their sum is the code
            length. For a dict of flows, `"parts"` holds the same two for each part that is sent.

        Raises:
            ValueError: if the data do not suit the model or an argument is out of its range.

        Example:

        >>> nats = model.code_length(images, num_steps=100)
        >>> (nats["transmission"] + nats["reconstruction"]).mean()
        """
        loss = scoring.loss_of(num_steps)
        nats = scoring.score(self, x, loss, num_repeats, batch_size, seed, verbose, sample_weight)
        return scoring.add_up(nats)

    @in_turn
    def loss_by_time(
        self,
        x: Data,
        num_intervals: int = 20,
        batch_size: int = 128,
        seed: int | None = None,
        verbose: Verbose = "auto",
    ) -> dict[str, Any]:
        """Estimates the continuous-time loss in each interval of time.

        Each example is scored once in every interval. With a well-chosen schedule, no interval
        costs almost nothing.

        Args:
            x: as in `code_length`.
            num_intervals: int. The number of equal intervals of [0, 1].
            batch_size, seed, verbose: as in `code_length`.

        Returns:
            A dict of `"t"`, the intervals' midpoints, and `"loss"`, in nats per example and unit of
            time, averaged over the examples: numpy arrays of shape `(num_intervals,)`. The mean of
            `"loss"` estimates the transmission loss. For a dict of flows, `"parts"` holds each
            part's contribution to the loss.

        Raises:
            ValueError: if the data do not suit the model or an argument is out of its range.

        Example:

        >>> profile = model.loss_by_time(images, num_intervals=10)
        >>> profile["loss"].mean()  # about model.code_length(images)["transmission"].mean()
        """
        num_intervals = check_int("num_intervals", num_intervals, 1)
        loss = losses.ContinuousTimeLoss()
        nats = scoring.score(self, x, loss, num_intervals, batch_size, seed, verbose)
        return scoring.profile(nats["transmission"], num_intervals)

    @in_turn
    def generate(
        self,
        num_samples: int,
        num_steps: int = samplers.NUM_STEPS,
        sampler: str | Sampler | None = None,
        condition: Parts[ArrayLike] | None = None,
        guidance_scale: Scale | ClassifierFreeGuidance = 1.0,
        guidance: Callable[..., Any] | None = None,
        num_particles: int | None = None,
        latents: Parts[ArrayLike] | None = None,
        lengths: Parts[ArrayLike] | None = None,
        seed: int | None = None,
        batch_size: int | None = None,
        return_details: bool = False,
        verbose: Verbose = "auto",
    ) -> Nest:
        """Generates samples with `num_steps + 1` network calls.

        Args:
            num_samples: int, at least 1.
            num_steps: int, at least 1.
            sampler: a `keras_bfn.samplers.Sampler` or a name: `"ancestral"`, the paper's, or
                `"sde1"`, `"sde2"`, `"ode1"`, `"ode2"`, which need fewer steps. Sampler objects have
                options for temperature, start, end and spacing of steps. By default
                `SDE2Sampler(spacing="log_beta")`; with particles `"ancestral"`, and with latents
                the default of `encode`.
            condition: for conditional models, an array of shape `(num_samples, ...)`. By default
                the model's null condition, if it has one.
            guidance_scale: float, a function that maps the time in [0, 1] to one, or a
                `keras_bfn.guidance.ClassifierFreeGuidance`, which also has an interval of time. The
                network's output is that for the null condition, plus this scale times the change
                that the condition causes. 1 samples the learnt distribution; larger values
                strengthen the condition, and need a model trained with `condition_dropout`. If that
                is a dict, conditions that it does not drop are not strengthened.
            guidance: a function of the expected data that returns a log likelihood for each sample,
                or a `keras_bfn.guidance.Guidance`, which has its own scale and interval. Samples
                are conditioned on an event of this likelihood, and also on the condition, if any.
                A function is compiled anew in each call, a `Guidance` once: see there.
            num_particles: int, at least 1, or None. With more than one, twisted sequential Monte
                Carlo corrects the approximation of the guidance, and each sample is one of its
                particles, chosen by weight. As their number grows, samples follow the model's own
                distribution times the likelihood. With 1, nothing is corrected, but the details
                include weights. Particles need a guidance, and the sampler `"ancestral"` or
                `"sde1"`. By default nothing is weighted.
            latents: where a deterministic sampler, such as `"ode2"`, starts: an array of shape
                `(num_samples, *event_shape, flow.embedding_size)`, as `encode` returns it, or a
                dict of the parts'. By default sampled from N(0, flow.gain).
            lengths: the lengths of the sequences: an int, or integers of shape `(num_samples,)`;
                for a dict of flows, a dict of these for some parts. For models that allow missing
                variables; those beyond the length are -1 or NaN. By default the model's full
                length.
            seed: int or None. The same seed and batch size give the same samples on the same
                backend.
            batch_size: int; by default all at once, up to 64. One program is compiled for each
                batch size and sampler, and reused for any number of steps.
            return_details: bool. Whether to also return all predictions, or, with particles, their
                weights and effective sample sizes.
            verbose: as in `keras.Model.predict`.

        Returns:
            A numpy array of shape `(num_samples, *event_shape)`, int32 for discrete and discretised
            data, otherwise float32; or a dict of the parts' arrays. With `return_details`, a
            `keras_bfn.GenerationResult`, whose `samples` are this array or dict.

        Raises:
            ValueError: if an argument is out of its range, or the model has no event shape yet.

        Example:

        >>> images = model.generate(64, num_steps=20, sampler="ode2", seed=0)
        """
        options = Options(
            num_steps=num_steps,
            condition=condition,
            guidance_scale=guidance_scale,
            guidance=guidance,
            num_particles=num_particles,
            seed=seed,
            batch_size=batch_size,
            return_details=return_details,
            verbose=verbose,
        )
        return generation.generate(self, num_samples, sampler, latents, lengths, options)

    @in_turn
    def encode(
        self,
        x: Data,
        num_steps: int = samplers.NUM_STEPS,
        sampler: str | Sampler | None = None,
        condition: Parts[ArrayLike] | None = None,
        seed: int | None = None,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
    ) -> Nest:
        """Finds latents from which a deterministic sampler generates `x`, up to its error.

        Evidence about `x` is sampled at t = 1, and the sampler runs backwards from there to its
        `start`. The accuracy of numbers and levels rises fast late in time. Steps that are evenly
        spaced in time, as those of `"ode2"`, are too large there: with a small `sigma_1`, nothing
        of the data may come back. By default, here and in `generate` with latents, steps are evenly
        spaced in log(beta): 50 of them reproduce the digits of the guide except for single levels.

        Args:
            x: data, of shape `(num, *event_shape)`, or a dict of the parts' data.
            num_steps: int, at least 1.
            sampler: `"ode1"`, `"ode2"`, or a deterministic sampler; by default
                `ODE2Sampler(spacing="log_beta")`.
            condition: as in `generate`.
            seed: int or None, for sampling the evidence.
            batch_size: int; by default up to 64.
            verbose: as in `keras.Model.predict`.

        Returns:
            A float32 array of shape `(num, *event_shape, flow.embedding_size)`, or a dict of the
            parts': the evidence at the sampler's `start`, divided by the square root of its
            accuracy. For data that the model fits well and an early start, its distribution is
            N(0, flow.gain), so interpolate on the sphere.

        Raises:
            ValueError: if the sampler is not deterministic, the data do not suit the model, or an
                argument is out of its range.

        Example:

        >>> latents = model.encode(images, 50)
        >>> again = model.generate(len(images), 50, latents=latents)
        """
        sampler = samplers.DEFAULT_DETERMINISTIC if sampler is None else sampler
        return encoding.encode(self, x, num_steps, sampler, condition, seed, batch_size, verbose)

    @in_turn
    def inpaint(
        self,
        x: Data,
        known: Parts[ArrayLike] | None = None,
        num_steps: int = samplers.NUM_STEPS,
        num_particles: int = 1,
        condition: Parts[ArrayLike] | None = None,
        guidance_scale: Scale | ClassifierFreeGuidance = 1.0,
        guidance: Callable[..., Any] | None = None,
        twisted: bool = True,
        lengths: Parts[ArrayLike] | None = None,
        seed: int | None = None,
        batch_size: int | None = None,
        return_details: bool = False,
        verbose: Verbose = "auto",
    ) -> Nest:
        """Completes each example, given its known variables.

        The known variables send their true messages. The others are sampled by the ancestral
        sampler, guided by the likelihood of the known variables under the network's prediction.
        This is approximate, for example where several known variables depend on each other.
        Sequential Monte Carlo corrects it: each particle is weighted by how much likelier its path
        is under the model, and particles are resampled (systematic resampling) when the effective
        sample size falls below half. As their number grows, the completions follow the model's own
        conditional distribution.

        Args:
            x: data, of shape `(num, *event_shape)`; unknown values are ignored. Each example is
                completed once: repeat an example for several completions. For a dict of flows, a
                dict of the parts' data; parts that are left out are unknown.
            known: true where `x` is known: a bool, or an array of bool that broadcasts to `(num,
                *event_shape)`. For a dict of flows, a dict of masks; parts that are left out are
                unknown. By default all values but NaN, or -1 in integers, are known.
            num_steps: int, at least 1. The network is called `num_steps + 1` times.
            num_particles: int, at least 1. Each call is on `num_particles` rows per example.
            condition, guidance_scale: as in `generate`.
            guidance: as in `generate`: samples are conditioned on it and on the known variables.
            twisted: bool. Whether the known variables guide the steps, which takes the gradient of
                the network at each step. Otherwise they only affect the weights; with one particle,
                completions then need not fit the known variables. The gradient of a poorly trained
                network can mislead: prefer the setting with the higher `log_likelihood` in the
                details.
            lengths, seed, verbose: as in `generate`.
            batch_size: int, in examples; by default up to 64 rows.
            return_details: bool. Whether to also return the particles, with their weights and
                effective sample sizes.

        Returns:
            An array shaped as `x`, or a dict of all parts: int32 or float32, as `generate` returns
            them, whatever the dtype of `x`. Known values are those of `x`. With `return_details`, a
            `keras_bfn.GenerationResult`, whose `samples` are this array or dict.

        Raises:
            ValueError: if the data do not suit the model, or an argument is out of its range.

        Example:

        >>> known = np.zeros(images.shape, bool)
        >>> known[:, :2] = True  # the two rows at the top
        >>> completed = model.inpaint(images, known, num_steps=50, num_particles=4)
        """
        from keras_bfn.guidance import inpainting

        options = Options(
            num_steps=num_steps,
            condition=condition,
            guidance_scale=guidance_scale,
            guidance=guidance,
            num_particles=num_particles,
            seed=seed,
            batch_size=batch_size,
            return_details=return_details,
            verbose=verbose,
        )
        return inpainting.inpaint(self, x, known, twisted, lengths, options)

    def generate_text(
        self,
        num_samples: int,
        num_steps: int = samplers.NUM_STEPS,
        *,
        length: int | None = None,
        stride: int | None = None,
        part: str | None = None,
        **options,
    ) -> list[str]:
        """Generates samples as `generate` does, and decodes them with the model's tokenizer.

        Args:
            num_samples, num_steps: as in `generate`.
            **options: other arguments of `generate`. In `given`, unknown tokens are -1; `lengths`
                are in tokens.
            length, stride: as in `continue_text`: the first window is generated, then continued.
                `sampler`, `given` and `latents` apply to the first window only.
            part: for a dict of flows, the name of the part whose text is returned.

        Returns:
            A list of `num_samples` strings.

        Raises:
            TypeError: if there is no such option.
            ValueError: if the model has no tokenizer, or an argument is out of its range.

        Example:

        >>> texts = text_model.generate_text(4, num_steps=20, sampler="sde2", seed=0)
        """
        from keras_bfn import text

        return text.generate_text(self, num_samples, num_steps, length, stride, part, options)

    def continue_text(
        self,
        prompt: str | Sequence[str],
        num_samples: int = 1,
        num_steps: int = samplers.NUM_STEPS,
        *,
        length: int | None = None,
        stride: int | None = None,
        part: str | None = None,
        **options,
    ) -> list[str]:
        """Completes texts that start with a prompt, as `inpaint` does.

        Args:
            prompt: string, or a list of strings, each of at most as many tokens as the completed
                texts.
            num_samples: int. The number of texts for each prompt.
            num_steps: int, as in `inpaint`.
            **options: other arguments of `inpaint`. With more particles, completions fit the prompt
                better. A condition has a row for each returned text.
            length: int or None. The number of tokens of the texts, by default the model's. Longer
                texts are completed window by window: each window starts with the end of the text so
                far.
            stride: int or None. The number of new tokens in each window after the first, by default
                half the window.
            part: for a dict of flows, the name of the part that starts with the prompt. All other
                parts are unknown.

        Returns:
            A list of strings: `num_samples` for the first prompt, then for the next, and so on.
            Each begins with its prompt, as the tokenizer decodes it.

        Raises:
            TypeError: if there is no such option. For a `sampler`, use `generate_text(given=...)`.
            ValueError: if the model has no tokenizer, a prompt is too long or does not suit it, or
                an argument is out of its range.

        Example:

        >>> texts = text_model.continue_text("ca", num_samples=3, num_steps=20, num_particles=4)
        """
        from keras_bfn.text import continue_text

        return continue_text(self, prompt, num_samples, num_steps, length, stride, part, options)

    def get_config(self) -> dict[str, Any]:
        return {**own_config(self, BayesianFlowNetwork), "name": self.name}


class WeightedMean(keras.losses.Loss):
    """Applies Keras's reduction to given values: sample weights, and the scaling of replicas."""

    def __init__(self):
        super().__init__(reduction="mean_with_sample_weight", dtype="float32")

    def call(self, y_true, y_pred):
        return y_pred
