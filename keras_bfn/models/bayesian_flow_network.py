"""The model: a flow and a network, trained by `fit`."""

import contextlib
import math
import threading
import warnings

import keras
import numpy as np
from keras import ops

from keras_bfn import _random, losses
from keras_bfn._backend import scope_of
from keras_bfn._config import own_config
from keras_bfn._interrupts import WholeSteps, in_turn, whole_steps
from keras_bfn._keras import (
    averaged,
    build_network,
    of_no_backend,
    scale_loss,
    seeded,
    unshare_buffers,
)
from keras_bfn._parts import (
    check_event_shape,
    check_names,
    map_parts,
    of_any_part,
    pick_part,
    sum_parts,
    sum_variables,
    unzip_parts,
)
from keras_bfn._sameness import Programs
from keras_bfn._validation import check_choice, check_int, check_path
from keras_bfn.flows.flow import check_flow
from keras_bfn.inference import encoding, exported, generation, inpainting, scoring, text, windows
from keras_bfn.inputs import states
from keras_bfn.inputs.arrays import check_form, check_no_targets, split_condition
from keras_bfn.inputs.conditions import (
    cast_conditions,
    check_dropout,
    check_null_condition,
    drop_conditions,
    guide,
    with_null_conditions,
)
from keras_bfn.inputs.missing import count_variables, fill_missing_variables, observed
from keras_bfn.metrics import BitsPerDim
from keras_bfn.models import averaging
from keras_bfn.models.arguments import (
    batch_arguments,
    check_compilation,
    check_loss_weights,
    evaluate_arguments,
    fit_arguments,
)
from keras_bfn.networks.network import TIMES
from keras_bfn.orders import Together
from keras_bfn.orders.orders import check_order, is_in_one_pass
from keras_bfn.predictions import (
    Prediction,
    Signature,
    check_graph,
    check_outputs,
    input_distribution,
    make_symbolic_inputs,
    nats_per_example,
)
from keras_bfn.presets.folder import save_folder
from keras_bfn.presets.publishing import publish
from keras_bfn.presets.registry import PRESETS, load_preset
from keras_bfn.saving import export, files

EVALUATED = ("transmission", "reconstruction")  # the losses that are computed
TRAINED = EVALUATED[:1]


@keras.saving.register_keras_serializable("keras_bfn")
class BayesianFlowNetwork(WholeSteps, keras.Model):
    """A Bayesian flow network: trains with `fit`, scores data, generates.

    `fit` minimises the nats per variable that it costs to send the data. `evaluate` and validation
    report `loss` (that cost), `reconstruction` (the cost of the data once all messages have come,
    nats per variable), `bits_per_dim` (the sum of both in bits) and `nats_per_example` (the sum for
    all variables).

    Data of several kinds are a dict, and `flow` is a dict of flows with the same names. All that is
    per variable then is such a dict: data, evidence, theta, the network's output, samples, masks.
    Costs add up, each part's in nats; `evaluate` tells `<name>_nats_per_example` of each.

    A call that fails or is interrupted leaves what the last whole step left. Threads take turns.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`, or a dict from names of parts to flows.
        network: a Keras model or layer that takes a dict of `"theta"`, the input distribution's
            parameters, `(batch, *event_shape, flow.theta_size)`; `"t"`, the time, `(batch,)`; if it
            is conditional, `"condition"`, `(batch, ...)`; and, if it is told which variables are
            there, `"mask"`, bool, `(batch, *event_shape)`. It returns the output distribution's
            parameters, `(batch, *event_shape, flow.output_size)`. For a dict of flows, `"theta"`,
            `"mask"` and what it returns are dicts.
        event_shape: the shape of one example, such as `(28, 28, 1)`, or a dict of shapes; `()` for
            one variable. By default read off the network's own input, or, if it has none, off the
            first data.
        condition_dropout: float in [0, 1). In training, each condition is replaced by its
            `null_condition` with this probability, so that `generate` can be guided. Of a dict of
            conditions all are, together; with a dict of floats, each by itself.
        null_condition: number, or an array of the shape of one condition, or a dict of these: the
            condition that means "none", which `generate` takes when it is given none. By default
            the network's attribute of that name: networks of this package have it for classes.
            Conditions are converted to the dtype of the network's own input, or, if it declares
            none, to that of their null condition: int32 or float32.
        times: `"shared"` or `"variables"`. With `"variables"`, each variable is known to an
            accuracy of its own: `"t"` is shaped as the data, and the network learns to take some
            variables as known. Then variables can be sent in any `order`, and `given=` any others.
        orders: with `times="variables"`, a dict from kinds of states to the fractions of training
            examples in them: `"together"`, all variables at the same time t; `"given"`, some known
            (single variables, all on one side of a position, or whole parts), the others at the
            same time; `"own"`, each at a time of its own; `"random"`, a random fraction known, the
            others unknown and coded directly; `"left_to_right"`, all coded directly in one call,
            each position given those before it, by a network that takes `"causal"`; and, for a dict
            of flows, the name of a part that has no kind's name: it is known, the others at the
            same time. Known variables cost nothing. By default, half of the examples are together,
            a quarter given and a quarter random; if not all data can be coded directly, half are
            given; and if the network takes `"causal"`, half of all are left to right.
        allow_missing: bool. Whether variables of the data may be missing: -1 in integers, NaN in
            numbers. The receiver gets no messages about them, and they cost nothing. By default,
            if the network takes a `"mask"`.
        tokenizer: what turns text into the data and back, such as `keras_bfn.datasets.Letters()`,
            or None; for a dict of flows, a dict of those of the parts that are text. It is saved
            with the model; `generate_text` and `continue_text` use it.
        seed: int or None. The model's noise and times repeat for the same seed on the same backend.
        **kwargs: `name`, as of every Keras model.

    Call arguments:
        inputs: data of shape `(batch, *event_shape)`, or a dict of the parts' data; or the tuple of
            that and a condition.
        training: bool. In training, one prediction at a random time; else also one at t = 1.

    Returns:
        A dict of `"data"`, with some value in the place of each that is missing; `"mask"`, if some
        may be; and `"transmission"` (and, if not in training, `"reconstruction"`): a
        `keras_bfn.Prediction`, or a dict of the parts' predictions.

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

    presets = PRESETS

    def __init__(
        self,
        flow,
        network,
        event_shape=None,
        condition_dropout=0.0,
        null_condition=None,
        times="shared",
        orders=None,
        allow_missing=None,
        tokenizer=None,
        seed=None,
        **kwargs,
    ):
        check_flow(flow)
        # The evidence, times and losses are float32 under every policy; the network has its own.
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.flow = flow
        self.network = network
        self.signature = Signature(network, allow_missing)
        self.null_condition = check_null_condition(null_condition, network, self.signature)
        self.condition_dropout = check_dropout(condition_dropout, self.null_condition)
        self.allow_missing = self.signature.allow_missing
        self.tokenizer = text.check_model_tokenizer(flow, tokenizer)
        self.times = check_choice("times", times, TIMES)
        self.orders = states.check_shares(flow, times, self.signature.takes_causal, orders)
        self.seed = seed
        self.seed_generator = _random.make_seed_generator(seed)
        self.transmission_loss = losses.get(None)
        self.reconstruction_loss = losses.ReconstructionLoss()
        self.loss_weights = None
        self.num_repeats, self.order = 1, Together()
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.bits_per_dim_tracker = BitsPerDim()
        self.nats_per_example_tracker = keras.metrics.Mean(name="nats_per_example")
        self.part_trackers = {
            name: keras.metrics.Mean(name=f"{name}_nats_per_example")
            for name in (flow if isinstance(flow, dict) else ())
        }
        self.loss_tracker = keras.metrics.Mean(name="evaluated_loss")
        self._mean = WeightedMean()
        self.turn = threading.RLock()
        self.programs = Programs(self)  # no dict, whose models Keras 3.15 would track as layers

        inputs = self.signature.inputs
        if event_shape is None and inputs is not None:
            check_names(flow, inputs["theta"], "network.input['theta']")
            event_shape = map_parts(lambda theta: theta.shape[1:-1], inputs["theta"])
        self.event_shape = None if event_shape is None else check_event_shape(flow, event_shape)
        if inputs is not None:
            check_graph(flow, self.event_shape, times, network)
            self.built = True

    @property
    def conditional(self):
        """Whether the network takes a condition; None if it does not say."""
        return self.signature.conditional

    @property
    def num_variables(self):
        """How many variables an example has, those of all parts."""
        return sum_parts(map_parts(math.prod, self.event_shape))

    def build(self, input_shape):
        """Creates the weights of a network that is not built, and checks what it returns."""
        conditional = isinstance(input_shape, (tuple, list)) and isinstance(
            input_shape[0], (tuple, list, dict)
        )
        data_shape, condition_shape = input_shape if conditional else (input_shape, None)
        if self.event_shape is None:
            event_shape = map_parts(lambda shape: shape[1:], data_shape)
            self.event_shape = check_event_shape(self.flow, event_shape)
        inputs = make_symbolic_inputs(
            self.flow, self.event_shape, condition_shape, self.times, self.allow_missing
        )
        check_outputs(self.flow, self.event_shape, build_network(self.network, inputs))
        # A `Sequential` has inputs now.
        self.signature = Signature(self.network, self.allow_missing)

    def build_for(self, shape, condition=None):
        """Builds the model for data of this shape, or of the parts' shapes, if it is not built yet.

        `fit` of Keras 3.15 would build it in an epoch of its own, which a `PyDataset` would count.
        """
        if self.built:
            return
        # TensorFlow distributes the variables that are made in the scope of its strategy.
        with scope_of(self):
            self.build(shape if condition is None else (shape, map_parts(np.shape, condition)))
        self.built = True

    def make_train_function(self, force=False):
        super().make_train_function(force or self.programs.is_stale("train"))

    def make_test_function(self, force=False):
        super().make_test_function(force or self.programs.is_stale("test"))

    def make_predict_function(self, force=False):
        super().make_predict_function(force or self.programs.is_stale("predict"))

    def compile(
        self,
        optimizer="adamw",
        loss="continuous_time",
        loss_weights=None,
        num_repeats=1,
        order="together",
        **kwargs,
    ):
        """Configures the model for training.

        Args:
            optimizer: as in Keras.
            loss: the transmission loss, a `keras_bfn.losses.BFNLoss`; continuous time by default.
            loss_weights: for a dict of flows, a dict from names of parts to numbers: what a nat of
                that part counts in the loss, 1 by default. Of no effect on other metrics.
            num_repeats: int. How many times `evaluate` and validation score each example, at
                evenly spread times. More repeats are more work, and lower the noise of curves.
            order: as in `code_length`: in which order `evaluate` and validation send variables.
                What is told is part of `reconstruction` and `bits_per_dim`, not of `loss`. Training
                goes by the model's `orders`.
            **kwargs: as in Keras; `metrics` are refused, for there are no targets.

        Raises:
            ValueError: if an argument is none of these.

        Example:

        >>> model.compile("adamw", loss=keras_bfn.losses.DiscreteTimeLoss(num_steps=20))
        """
        loss, optimizer = losses.get(loss), check_compilation(optimizer, **kwargs)
        loss_weights = check_loss_weights(loss_weights, self.flow)
        self.num_repeats = check_int("num_repeats", num_repeats, 1)
        self.order = check_order(self, order)
        self.transmission_loss, self.loss_weights = loss, loss_weights
        super().compile(optimizer=optimizer, **kwargs)
        self._asked_jit_compile = kwargs.get("jit_compile", "auto")
        if kwargs.get("auto_scale_loss", True):
            scale_loss(self, self.network)
        self.programs.clear()

    def get_compile_config(self):
        """As in Keras, with what `compile` was told, whatever backend this is."""
        config = super().get_compile_config()
        if not config:  # not compiled
            return config
        config["loss"] = keras.saving.serialize_keras_object(self.transmission_loss)
        config["loss_weights"] = self.loss_weights and dict(self.loss_weights)
        config["num_repeats"] = self.num_repeats
        config["order"] = keras.saving.serialize_keras_object(self.order)
        config["jit_compile"] = self._asked_jit_compile  # Keras 3.15 keeps what "auto" came to here
        config["optimizer"] = of_no_backend(config["optimizer"])
        return config

    def compile_from_config(self, config):
        """Compiles as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.build_optimizer()

    def build_optimizer(self):
        """Makes the optimizer's variables before the first step.

        On TensorFlow, where that step makes them and failed, no other step could.
        """
        if self.built and not self.optimizer.built:
            with scope_of(self):
                self.optimizer.build(self.trainable_variables)

    @in_turn
    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains the model, as in Keras.

        Args:
            x: data of shape `(num, *event_shape)`, or for a dict of flows a dict of the parts'
                data; the tuple `(data, condition)`; or a `tf.data.Dataset`, `keras.utils.PyDataset`
                or torch `DataLoader` that yields `data`, `(data,)` or `((data, condition),)` in
                batches.
            y: must be None: the data are their own target.
            *args, **kwargs: `batch_size`, `epochs`, `callbacks` and the others of
                `keras.Model.fit`, but for `class_weight`. `validation_data` takes what `x` takes;
                it is scored with the same noise after every epoch, so that epochs compare.
                `sample_weight` is of the examples, or of the variables, an array shaped as the
                data, or a dict of some parts'. A pipeline yields `(x, weights, weights)`: Keras on
                TensorFlow takes no None in between.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: if the data do not suit the model, before training starts.

        Example:

        >>> history = model.fit(images, epochs=2, batch_size=32, verbose=0)
        """
        arguments = fit_arguments(self, super().fit, x, y, *args, **kwargs)
        self.build_optimizer()
        with whole_steps(self, self.optimizer):
            history = super().fit(**arguments)
        if getattr(self.optimizer, "inner_optimizer", self.optimizer).use_ema:
            unshare_buffers(self.trainable_variables)
        return history

    @in_turn
    def evaluate(self, x=None, y=None, *args, seed=0, **kwargs):
        """Reports what data cost.

        Args:
            x, y: as in `fit`.
            seed: int, of the noise and the times: the same data cost the same. None draws others.
            *args, **kwargs: `batch_size` and the others of `keras.Model.evaluate`.

        Returns:
            As in Keras: `loss` and `reconstruction`, in nats per variable; their sum as
            `bits_per_dim` and as `nats_per_example`; and, for a dict of flows, of each part
            `<name>_nats_per_example`. `loss_weights` change `loss` alone. Nats per variable are
            means over the variables, by `sample_weight`. Nats per example are sums over an
            example's variables, by their weights, averaged over the examples, by theirs; an example
            of which no variable counts, as all are missing or of weight 0, is left out.

        Raises:
            ValueError: if the data do not suit the model.

        Example:

        >>> logs = model.evaluate(images, return_dict=True, verbose=0)
        >>> sorted(logs)
        ['bits_per_dim', 'loss', 'nats_per_example', 'reconstruction']
        """
        arguments = evaluate_arguments(self, super().evaluate, x, y, *args, **kwargs)
        with seeded(self.seed_generator, seed), whole_steps(self):
            return super().evaluate(**arguments)

    @in_turn
    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Makes one step of training.

        Args:
            x, y, sample_weight: as in `fit`, of one batch: arrays, or tensors, whose values are not
                checked.
            class_weight: must be None.
            return_dict: bool. As in Keras.

        Returns:
            As in Keras: the loss so far.

        Raises:
            ValueError: if the data do not suit the model.

        Example:

        >>> loss = model.train_on_batch(images[:16])
        """
        arguments = batch_arguments(
            self, super().train_on_batch, x, y, sample_weight, return_dict, class_weight
        )
        self.build_optimizer()
        with whole_steps(self, self.optimizer):
            return super().train_on_batch(**arguments)

    @in_turn
    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Reports what one batch costs, and those before it since metrics were reset.

        Args:
            x, y, sample_weight, return_dict: as in `train_on_batch`.

        Returns:
            As in Keras: what `evaluate` returns.

        Raises:
            ValueError: if the data do not suit the model.

        Example:

        >>> logs = model.test_on_batch(images[:16], return_dict=True)
        """
        arguments = batch_arguments(self, super().test_on_batch, x, y, sample_weight, return_dict)
        with whole_steps(self):
            return super().test_on_batch(**arguments)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Nats per variable; updates the metrics, too."""
        if sample_weight is None:
            check_no_targets(y)
        counts, of_examples = count_variables(y_pred["data"], y_pred.get("mask"), sample_weight)
        data, counted, nats = y_pred["data"], counts, {}
        num_repeats = 1 if training else self.num_repeats
        if num_repeats > 1:
            data, counted = repeat((data, counted), num_repeats)
        for name in TRAINED if training else EVALUATED:
            loss = getattr(self, f"{name}_loss")
            state = y_pred["states"].get(name, states.State(None))
            scored = data, y_pred[name], self.seed_generator, counted, state.messages, state.told
            nats[name] = nats_per_example(loss, self.flow, *scored)
        if num_repeats > 1:
            nats = keras.tree.map_structure(
                lambda x: ops.mean(ops.reshape(x, (num_repeats, -1)), axis=0), nats
            )
        cost = nats["transmission"]
        if self.loss_weights:
            cost = {name: self.loss_weights.get(name, 1.0) * cost[name] for name in cost}
        # In means over variables, an example weighs as much as its variables do.
        size, weight = self.num_variables, of_examples
        if counts is not None:
            size = sum_parts(map_parts(sum_variables, counts))
            weight = size if weight is None else size * weight
        per_variable = ops.divide_no_nan(sum_parts(cost), size)
        total = self._mean(per_variable, per_variable, weight)
        added = super().compute_loss(training=training) if self.losses else 0.0
        if not training:
            # Not in `call`, where Keras 3.15 on JAX lets no metric be updated.
            self.loss_tracker.update_state(per_variable + added, weight)
            self._update_metrics(nats, size, weight, of_examples)
        return total + added if self.losses else total  # with the regularisers of the network

    def _update_metrics(self, nats, size, weight, of_examples):
        by_part = map_parts(lambda flow, *costs: sum(costs), self.flow, *nats.values())
        per_example = sum_parts(by_part)
        reconstruction = ops.divide_no_nan(sum_parts(nats["reconstruction"]), size)
        self.reconstruction_tracker.update_state(reconstruction, weight)
        self.bits_per_dim_tracker.update_state(ops.divide_no_nan(per_example, size), weight)
        if weight is not None:  # an example of which nothing counts is none
            counted = ops.cast(weight > 0, "float32")
            of_examples = counted if of_examples is None else counted * of_examples
        self.nats_per_example_tracker.update_state(per_example, of_examples)
        for name, tracker in self.part_trackers.items():
            tracker.update_state(by_part[name], of_examples)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """All metrics of the model; in training, the loss alone."""
        if "reconstruction" in y_pred:
            results = self.get_metrics_result()
        else:
            results = {m.name: m.result() for m in self.metrics if m.name == "loss"}
        return averaged(results, self)

    def get_metrics_result(self):
        """As in Keras; but the loss of what was evaluated is the mean over all that counts in it.

        Keras's is the mean over batches, which may count more and less.
        """
        results = super().get_metrics_result()
        evaluated, own = self.loss_tracker, results.pop(self.loss_tracker.name)
        results["loss"] = ops.where(evaluated.count > 0, own, results["loss"])
        return results

    def quantize(self, *args, **kwargs):
        """As in Keras, without a warning for each layer that it leaves as it is.

        What was compiled of the model is compiled anew.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Layer .* does not have a `quantize` method")
            super().quantize(*args, **kwargs)
        self.programs.clear()

    @contextlib.contextmanager
    def averaged_weights(self):
        """A context in which the model has its optimizer's averaged weights (EMA).

        However it is left, the raw weights come back. Meanwhile, other threads wait for their turn.

        Raises:
            ValueError: if the optimizer keeps no averages.

        Example:

        ```python
        model.compile(keras.optimizers.AdamW(use_ema=True))
        model.fit(x)
        with model.averaged_weights():
            model.evaluate(x)
            model.save("averaged.keras")
        ```
        """
        with self.turn, averaging.assigned(self):
            yield self

    def call(self, inputs, training=False):
        x, condition = split_condition(inputs)
        check_form(self.flow, self.event_shape, x)
        self.signature.check_conditional(condition is not None)
        x, mask = fill_missing_variables(self.flow, x, self.allow_missing)
        outputs = {"data": x, "states": {}} | ({} if mask is None else {"mask": mask})
        seed, num_repeats = self.seed_generator, 1 if training else self.num_repeats
        batch_size = ops.shape(of_any_part(x))[0]
        if training and self.condition_dropout and condition is not None:
            condition = drop_conditions(
                cast_conditions(self, condition), self.null_condition, self.condition_dropout, seed
            )
        if num_repeats > 1:
            x, condition, mask = repeat((x, condition, mask), num_repeats)
        for name in TRAINED if training else EVALUATED:
            loss = getattr(self, f"{name}_loss")
            if training and self.times == "variables":
                state = states.draw_state(
                    self.orders, self.flow, self.event_shape, loss, batch_size, mask, seed
                )
            else:
                u = losses.stratified_uniform(batch_size, seed)
                if num_repeats > 1:  # each repeat in its own part of [0, 1)
                    more = [
                        losses.stratified_uniform(batch_size, seed) + i
                        for i in range(1, num_repeats)
                    ]
                    u = ops.concatenate([u, *more]) / num_repeats
                if self.times == "variables":
                    noise = self.order.draw_noise(self.event_shape, ops.shape(u)[0], seed)
                    in_one_pass = is_in_one_pass(self, self.order)
                    state = states.scored_state(
                        self.order, in_one_pass, name, loss, u, noise, x, mask
                    )
                else:
                    state = states.State(loss.times(u))
            if self.times == "variables":
                outputs["states"][name] = state
            t, known, _, _, causal = state
            s = self.sample_evidence(x, t, known)
            outputs[name] = self.predict_params(
                s, t, condition, training, mask, known=known, causal=causal
            )
        return outputs

    def sample_evidence(self, x, t, known=None):
        """Draws evidence about data.

        Args:
            x: data, `(batch, *event_shape)`, or a dict of the parts'.
            t: time, `(batch,)`, or of each variable, shaped as `x`.
            known: bool, shaped as `x`: which variables are known for sure. By default none.

        Returns:
            Evidence, `(batch, *event_shape, flow.embedding_size)`, or a dict of the parts'.
        """

        def sample(flow, x, t, known):
            s = flow.sample_evidence(x, t, self.seed_generator)
            return s if known is None else ops.where(known[..., None], flow.known_evidence(x), s)

        return map_parts(sample, self.flow, x, t, known)

    def predict_params(
        self,
        s,
        t,
        condition=None,
        training=False,
        mask=None,
        guidance_scale=None,
        guidance_rescale=None,
        known=None,
        causal=None,
        drawn=None,
    ):
        """Predicts the parameters of the output distribution from evidence.

        Args:
            s: evidence, `(batch, *event_shape, flow.embedding_size)`, or a dict of the parts'.
            t: time, `(batch,)`, or, with `times="variables"`, of each variable, shaped as the data.
            condition: `(batch, ...)`, a dict of such, or None.
            training: bool.
            mask: which variables are observed, `(batch, *event_shape)`, or a dict of the parts'. By
                default all are.
            guidance_scale: `(batch,)`, or None. The output without a condition, and without what is
                known, plus so many times what these change in it: one call of the network, on a
                batch of twice the size.
            guidance_rescale: `(batch,)`, or None: from 0 to 1, how much of the way back the guided
                output is scaled to the standard deviation, over all variables of an example, that
                it has for the condition without guidance.
            known: bool, `(batch, *event_shape)`, or a dict of the parts', with
                `times="variables"`: which variables are known for sure, by the evidence that
                `sample_evidence` gives for them. By default none.
            causal: bool, `(batch,)`, for a network that takes it: where each position is predicted
                from those before it alone. By default nowhere.
            drawn: bool, shaped as `known`: which of these are known only because they were drawn,
                and stay so where guidance forgets what is known. By default none.

        Returns:
            A `keras_bfn.Prediction`, or a dict of the parts' predictions.

        Example, the output distribution of an image of which nothing is known yet:

        >>> s = model.sample_evidence(images, t=np.zeros(len(images)))
        >>> prediction = model.predict_params(s, t=np.zeros(len(images)))
        >>> prediction.params.shape
        (16, 4, 4, 1, 1)
        """
        evidence, time, has_own_times = s, t, self.times == "variables"
        t, s, theta = unzip_parts(
            map_parts(
                input_distribution, self.flow, evidence, t, mask, known, has_own_times, causal
            )
        )
        inputs = {"theta": theta, "t": t if has_own_times else ops.cast(time, "float32")}
        if self.signature.takes_mask:
            inputs["mask"] = map_parts(observed, theta, mask)
        if self.signature.takes_causal:
            nowhere = ops.zeros((ops.shape(of_any_part(theta))[0],), "bool")
            inputs["causal"] = nowhere if causal is None else causal
        if condition is not None:
            inputs["condition"] = cast_conditions(self, condition)
        if guidance_scale is not None:
            unknown = {}
            if known is not None:

                def forget(flow, s, t, mask, known, drawn):
                    given = known if drawn is None else known & ~drawn
                    s, t = ops.where(given[..., None], 0.0, s), ops.where(given, 0.0, t)
                    t, _, theta = input_distribution(flow, s, t, mask, drawn, has_own_times)
                    return theta, t

                unknown["theta"], unknown["t"] = unzip_parts(
                    map_parts(forget, self.flow, evidence, t, mask, known, drawn)
                )
            inputs = with_null_conditions(inputs, self.null_condition, unknown)
        params = self.signature.call(self.network, inputs, training)
        if guidance_scale is not None:
            params = guide(params, guidance_scale, guidance_rescale)
        return map_parts(Prediction, t, s, theta, params)

    @in_turn
    def code_length(
        self,
        x,
        num_steps=None,
        num_repeats=1,
        batch_size=128,
        order="together",
        given=None,
        sample_weight=None,
        seed=None,
        verbose="auto",
    ):
        """What it costs to send each example, estimated without bias.

        Args:
            x: data of shape `(num, *event_shape)`, or a dict of the parts' data; or the tuple
                `(data, condition)`.
            num_steps: int or None. The number of messages; None is the continuous-time limit.
            num_repeats: int. Each example is scored at this many times, evenly spread over [0, 1];
                with `num_repeats=num_steps`, once at each step.
            batch_size: int.
            order: in which order variables are sent: a `keras_bfn.orders.Order`, its name
                (`"together"`, `"random"`, `"left_to_right"`), or an array of group numbers. For
                models with `times="variables"`. What is told is part of `"reconstruction"`. Each
                repeat scores one step of each example's order: all of them, if there are as many
                repeats as groups.
            given: what is known to sender and receiver from the start: names of parts, a bool mask
                that broadcasts to the data, or a dict of masks of some parts. The cost is that of
                the rest, given these. For models with `times="variables"`.
            sample_weight: how much each variable counts, an array shaped as the data, or a dict of
                the parts'; or each example, `(num,)`. By default 1.
            seed: int or None. The same seed gives the same result on the same backend.
            verbose: as in `keras.Model.predict`.

        Returns:
            A dict of `"transmission"` (the messages) and `"reconstruction"` (the data once all
            messages have come): numpy arrays of shape `(num,)`, in nats per example. The sum is the
            code length. For a dict of flows, there is also `"parts"`: for each part that is sent,
            the same two.

        Raises:
            ValueError: if the data do not suit the model or an argument is out of its range.

        Example:

        >>> nats = model.code_length(images, num_steps=100)
        >>> (nats["transmission"] + nats["reconstruction"]).mean()
        """
        loss = losses.get(None) if num_steps is None else losses.DiscreteTimeLoss(num_steps)
        nats, given = scoring.score(
            self, x, loss, num_repeats, batch_size, order, given, sample_weight, seed, verbose
        )
        return scoring.add_up(nats, given)

    @in_turn
    def loss_by_time(self, x, num_intervals=20, batch_size=128, seed=None, verbose="auto"):
        """Where in time the model pays: the continuous-time loss in each interval of time.

        Each example is scored once in every interval. A schedule is well chosen if no part of
        time is wasted on messages that cost next to nothing.

        Args:
            x: as in `code_length`.
            num_intervals: int. [0, 1] is cut into so many.
            batch_size, seed, verbose: as in `code_length`.

        Returns:
            A dict of `"t"`, the intervals' middles, and `"loss"`, nats per example and unit of
            time, averaged over the examples: numpy arrays of shape `(num_intervals,)`. The mean of
            `"loss"` is an estimate of the transmission loss. For a dict of flows, there is also
            `"parts"`, a dict of each part's share of the loss.

        Raises:
            ValueError: if the data do not suit the model or an argument is out of its range.

        Example:

        >>> profile = model.loss_by_time(images, num_intervals=10)
        >>> profile["loss"].mean()  # about model.code_length(images)["transmission"].mean()
        """
        num_intervals = check_int("num_intervals", num_intervals, 1)
        nats, _ = scoring.score(
            self, x, losses.get(None), num_intervals, batch_size, seed=seed, verbose=verbose
        )
        return scoring.profile(nats["transmission"], num_intervals)

    @in_turn
    def generate(
        self,
        num_samples,
        num_steps=100,
        sampler="ancestral",
        condition=None,
        guidance_scale=1.0,
        guidance=None,
        num_particles=None,
        order="together",
        given=None,
        latents=None,
        lengths=None,
        seed=None,
        batch_size=None,
        return_details=False,
        verbose="auto",
    ):
        """Generates samples with `num_steps + 1` network calls.

        Args:
            num_samples: int, at least 1.
            num_steps: int, at least 1.
            sampler: a `keras_bfn.samplers.Sampler` or a name: `"ancestral"`, the paper's; or
                `"sde1"`, `"sde2"`, `"ode1"`, `"ode2"`, which need fewer steps. Temperature, start,
                end and spacing of steps are options of the objects. For few steps, try
                `SDE2Sampler(start=0.02, spacing="log_beta")`; of 256 bins, whose accuracy grows
                faster, `start=0.001`.
            condition: for conditional models, an array of shape `(num_samples, ...)`. Left out, it
                is the network's null condition, if it has one.
            guidance_scale: float, a function of the time in [0, 1] that returns one, or a
                `keras_bfn.guidance.ClassifierFreeGuidance`, which has an interval of time, too. 1
                samples what the network has learnt; above 1, the conditions stand out more than
                that: the network's output is that for the null condition plus so many times what
                the condition changes in it. Train with `condition_dropout` for it. What is `given`
                guides likewise, away from not knowing it.
            guidance: a function of the expected data that returns a log likelihood for each sample,
                or a `keras_bfn.guidance.Guidance`, which has a scale and an interval of its own.
                Samples are drawn given an event of this likelihood. May be used together with a
                condition.
            num_particles: int, at least 1, or None. With more than one, of which each sample is
                chosen by weight, what is only approximate about a guidance is made up for (twisted
                sequential Monte Carlo): as they grow, samples follow the model's own distribution
                times the likelihood. A single one is weighed, too, for the details. For the
                samplers `"ancestral"` and `"sde1"`, with a guidance. By default nothing is weighed.
            order: in which order variables are drawn, as in `code_length`; with
                `times="variables"`. What is told takes one network call for each group, other
                groups `num_steps + 1` each. In other orders than together, conditions guide, but no
                `guidance`, and there are no particles, latents and details.
            given: what is known from the start, with `times="variables"`: data of `num_samples`
                examples, NaN, or -1 in integers, where they are not known; for a dict of flows, a
                dict of some parts. The rest is drawn given these.
            latents: where a deterministic sampler (`"ode1"`, `"ode2"`) starts: an array of shape
                `(num_samples, *event_shape, flow.embedding_size)`, as `encode` returns it, or a
                dict of the parts' that are not given. By default drawn from N(0, flow.gain).
            lengths: how long the sequences are: an int, or integers of shape `(num_samples,)`; for
                a dict of flows, a dict of those of some parts. For models that allow missing
                variables: those beyond are -1 or NaN. By default as long as the model's.
            seed: int or None. The same seed gives the same samples on the same backend.
            batch_size: int; by default all at once, up to 64. One program is compiled for each
                batch size and sampler, and used again for any number of steps.
            return_details: bool. Whether to return, too, how the samples came about: every
                prediction, or, with particles, how these fared.
            verbose: as in `keras.Model.predict`.

        Returns:
            A numpy array of shape `(num_samples, *event_shape)`, int32 for discrete and discretised
            data, else float32; or a dict of the parts'. With `return_details`, a
            `keras_bfn.GenerationResult`, whose `samples` these are.

        Raises:
            ValueError: if an argument is out of its range, or the model has no event shape yet.

        Example:

        >>> images = model.generate(64, num_steps=20, sampler="ode2", seed=0)
        """
        guides = generation.Guides(condition, guidance_scale, guidance)
        options = generation.Options(
            num_steps, num_particles, seed, batch_size, return_details, verbose
        )
        return generation.generate(
            self, num_samples, sampler, order, given, latents, lengths, guides, options
        )

    @in_turn
    def encode(
        self,
        x,
        num_steps=100,
        sampler="ode2",
        condition=None,
        seed=None,
        batch_size=None,
        verbose="auto",
    ):
        """The latents from which a deterministic sampler generates `x`, up to its error.

        Evidence about `x` is drawn at t = 1, and the sampler runs backwards from there to its
        `start`. Where many small steps late in time do not suffice, space them evenly in log(beta):
        with `ODE2Sampler(start=0.01, spacing="log_beta")`, 50 of them give the digits of the guide
        back but for single levels.

        Args:
            x: data, of shape `(num, *event_shape)`, or a dict of the parts' data.
            num_steps: int, at least 1.
            sampler: `"ode1"`, `"ode2"`, or a deterministic sampler.
            condition: as in `generate`.
            seed: int or None, of the evidence.
            batch_size: int; by default up to 64.
            verbose: as in `keras.Model.predict`.

        Returns:
            A float32 array of shape `(num, *event_shape, flow.embedding_size)`, or a dict of the
            parts': the evidence at the sampler's `start`, divided by the square root of its
            accuracy. Over data that the model knows well and for an early start it is distributed
            as N(0, flow.gain), so interpolate on the sphere.

        Raises:
            ValueError: if the sampler is not deterministic, the data do not suit the model, or an
                argument is out of its range.

        Example:

        >>> latents = model.encode(images)
        >>> again = model.generate(len(images), sampler="ode2", latents=latents)
        """
        return encoding.encode(self, x, num_steps, sampler, condition, seed, batch_size, verbose)

    @in_turn
    def inpaint(
        self,
        x,
        mask=None,
        num_steps=100,
        num_particles=1,
        condition=None,
        guidance_scale=1.0,
        guidance=None,
        order="together",
        twisted=True,
        lengths=None,
        seed=None,
        batch_size=None,
        return_details=False,
        verbose="auto",
    ):
        """Completes each example, given its known variables.

        The known variables send their true messages. The others are sampled as by the ancestral
        sampler, guided by how well the network expects what is known. What that gets wrong, as
        where several known variables tell of each other, sequential Monte Carlo makes up for: each
        particle is weighted by how much likelier its path is under the model, and drawn anew by
        weight (systematic resampling) when the effective sample size falls below half. As particles
        grow, the completions follow the model's own conditional distribution.

        With `times="variables"`, the network has learnt to take variables as known: the others are
        drawn given these, in any order, and particles only serve a `guidance`.

        Args:
            x: data, of shape `(num, *event_shape)`; what it holds where it is not known is ignored.
                One completion is made for each example: repeat an example for several. For a dict
                of flows, a dict of the parts' data; a part that is left out is not known.
            mask: true where `x` is known: a bool, or an array of bool that broadcasts to `(num,
                *event_shape)`. For a dict of flows, a dict of masks; a part that is left out is not
                known. By default all is known but NaN, or -1 in integers.
            num_steps: int, at least 1. The network is called `num_steps + 1` times.
            num_particles: int, at least 1. Each call is on `num_particles` rows per example.
            condition, guidance_scale: as in `generate`.
            guidance: as in `generate`: samples are drawn given both.
            order: as in `generate`.
            twisted: bool. Whether what is known guides the steps, which takes the gradient of the
                network at each. Else only weights tell: with one particle, nothing asks whether
                what was made up goes with what is known. The gradient of a network that has learnt
                little can mislead: the higher `log_likelihood` of the details tells which is right.
            lengths, seed, verbose: as in `generate`.
            batch_size: int, in examples; by default up to 64 rows.
            return_details: bool. Whether to return, too, how the particles fared.

        Returns:
            An array shaped as `x`, or a dict of all parts: int32 or float32, as `generate` returns
            them, whatever the dtype of `x`. Where `x` is known, it holds the values of `x`. With
            `return_details`, a `keras_bfn.GenerationResult`, whose `samples` these are.

        Raises:
            ValueError: if the data do not suit the model, or an argument is out of its range.

        Example:

        >>> known = np.zeros(images.shape, bool)
        >>> known[:, :2] = True  # the two rows at the top
        >>> completed = model.inpaint(images, known, num_steps=50, num_particles=4)
        """
        guides = generation.Guides(condition, guidance_scale, guidance)
        options = generation.Options(
            num_steps, num_particles, seed, batch_size, return_details, verbose
        )
        return inpainting.inpaint(self, x, mask, order, twisted, lengths, guides, options)

    def generate_text(
        self, num_samples, num_steps=100, *, length=None, stride=None, part=None, **options
    ):
        """Generates samples as `generate` does, and decodes them with the model's tokenizer.

        Args:
            num_samples, num_steps: as in `generate`.
            **options: `sampler`, `condition`, `guidance_scale`, `guidance`, `num_particles`,
                `order`, `given`, `latents`, `lengths` (in tokens), `seed`, `batch_size` and
                `verbose`, as in `generate`.
            length, stride: as in `continue_text`: the first window is generated, and continued.
            part: for a dict of flows, the name of the part whose text is returned.

        Returns:
            A list of `num_samples` strings.

        Raises:
            ValueError: if the model has no tokenizer, or an argument is out of its range.

        Example:

        >>> texts = text_model.generate_text(4, num_steps=20, sampler="sde2", seed=0)
        """
        tokenizer, window = text.text_part(self, part)
        windows.refuse_details(options, "generate")
        length = window if length is None else check_int("length", length, 1)
        stride = windows.check_stride(stride, window, window)
        samples = self.generate(num_samples, num_steps, **options)
        tokens = pick_part(part, self.flow, samples)[1]
        if length != window:
            kept = "condition", "guidance_scale", "order", "seed", "batch_size", "verbose"
            options = {name: options[name] for name in kept if name in options}
            tokens = self._go_on(tokens, part, window, length, stride, num_steps, options)
        return text.decode(tokenizer, tokens)

    def continue_text(
        self,
        prompt,
        num_samples=1,
        num_steps=100,
        *,
        length=None,
        stride=None,
        part=None,
        **options,
    ):
        """Completes texts of which the first tokens are known, as `inpaint` does.

        Args:
            prompt: string, or a list of strings, each of at most as many tokens as the texts are to
                have.
            num_samples: int. The number of texts for each prompt.
            num_steps: int, as in `inpaint`.
            **options: `num_particles`, `condition`, `guidance_scale`, `guidance`, `twisted`,
                `order`, `lengths`, `seed`, `batch_size` and `verbose`, as in `inpaint`. With more
                particles, what is made up goes better with the prompt. A condition has a row for
                each text that is returned.
            length: int or None: how many tokens the texts are to have. By default as many as the
                model's. Longer ones are made window by window: each begins with the end of the
                last, and is completed.
            stride: int or None: so many tokens are new in each window after the first, by default
                half of it.
            part: for a dict of flows, the name of the part that the prompt is about. No other part
                is known.

        Returns:
            A list of `num_samples` strings for each prompt, one prompt after the other. Each begins
            with its prompt, as the tokenizer decodes it.

        Raises:
            ValueError: if the model has no tokenizer, a prompt is too long or does not suit it, or
                an argument is out of its range.

        Example:

        >>> texts = text_model.continue_text("ca", num_samples=3, num_steps=20, num_particles=4)
        """
        tokenizer, window = text.text_part(self, part)
        windows.refuse_details(options, "inpaint")
        length = window if length is None else check_int("length", length, 1)
        stride = windows.check_stride(stride, window, window)
        starts = text.encode_prompts(tokenizer, prompt, num_samples, length)
        tokens = self._go_on(starts, part, window, length, stride, num_steps, options)
        return text.decode(tokenizer, tokens)

    def forecast(self, past, horizon, num_steps=100, *, stride=None, **options):
        """Continues series to any horizon, window by window, as `continue_text` continues texts.

        For models of series, whose event shapes are `(length, ...)`, of one length in all parts.
        Each window begins with the end of what there is, the past and what was drawn, and is
        completed by `inpaint`. So each step is drawn given at least the `length - stride` steps
        before the new ones, and without what came before the window. A window can begin anywhere.
        If those that the model was trained on begin at one phase of a period, let `length`,
        `stride` and the number of steps in the past be multiples of it.

        Args:
            past: data, `(num, steps, ...)`, of any number of steps; at most the last `length` are
                used. NaN, or -1 in integers, are not known. One continuation is drawn for each
                series: repeat a series for several. For a dict of flows, a dict of all parts.
            horizon: int. How many steps follow.
            num_steps: int, as in `inpaint`, for each window.
            stride: int below `length`: so many steps are new in each window after the first, by
                default half of it. With fewer, more of the past is seen, and it takes longer.
            **options: `num_particles`, `condition`, `guidance_scale`, `guidance`, `twisted`,
                `order`, `seed`, `batch_size` and `verbose`, as in `inpaint`. A condition holds for
                all windows of its series.

        Returns:
            What follows, an array `(num, horizon, ...)`, int32 or float32, or a dict of the parts'.

        Raises:
            ValueError: if the model is not of series, the past is not of its data, or an argument
                is out of its range.

        Example, the next 10 rows of images of 4, as if they were series:

        >>> model.forecast(images, horizon=10, num_steps=3, verbose=0).shape
        (16, 10, 4, 1)
        """
        windows.refuse_details(options, "inpaint")
        past, steps, window = windows.check_past(self, past)
        length = steps + check_int("horizon", horizon, 1)
        stride = windows.check_stride(stride, window, window - 1)
        series = self._go_on(past, None, window, length, stride, num_steps, options)
        return map_parts(lambda x: x[:, steps:], series)

    def _go_on(self, starts, part, window, length, stride, num_steps, options):
        """The sequences that begin so, of all parts or of one."""

        def complete(x, seed):
            return self.inpaint(x, None, num_steps, **(options | {"seed": seed}))

        starts = starts if part is None else {part: starts}
        found = windows.go_on(complete, starts, window, length, stride, options.get("seed"))
        return found if part is None else found[part]

    @in_turn
    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Writes the model to a `.keras` file, as in Keras.

        The file gets its name when it is complete: a save that fails leaves the one before it.
        """
        is_whole = zipped is not False and files.is_one_file(filepath, ".keras", overwrite)
        with files.whole(filepath) if is_whole else contextlib.nullcontext(filepath) as path:
            super().save(path, overwrite, zipped, **kwargs)

    @in_turn
    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Writes all weights to a `.weights.h5` file, as in Keras; else as `save`."""
        if max_shard_size is None and files.is_one_file(filepath, ".weights.h5", overwrite):
            files.write_weights(filepath, super().save_weights)
        else:
            super().save_weights(filepath, overwrite, max_shard_size)

    @in_turn
    def save_to_preset(self, folder):
        """Writes the model to a folder, for `from_preset` on any backend.

        The folder gets `config.json`, `model.weights.h5` and `metadata.json`. The optimizer's state
        is not kept: `model.save` does that.

        Args:
            folder: path. Made if need be; files of the same names are replaced.

        Raises:
            ValueError: if the model has no weights yet.

        Example:

        >>> model.save_to_preset("digits_preset")
        >>> model = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
        """
        if not self.built:
            raise ValueError(
                "The model has no weights yet: give its constructor an `event_shape`, or train "
                "first. Received: a model that is not built"
            )
        save_folder(self, check_path("folder", folder))

    @classmethod
    def from_preset(cls, preset, load_weights=True, dtype=None):
        """A model by name, from a hub, or from a folder.

        Args:
            preset: a key of `BayesianFlowNetwork.presets`; a handle, `hf://user/repo`, or that with
                `@revision`, of Hugging Face, or `kaggle://user/model/framework/variation`, or that
                with `/version`, of Kaggle; or the path of a folder written by `save_to_preset`.
                What a hub sends is kept by its library (`huggingface_hub`, `kagglehub`), and no
                code in it runs.
            load_weights: bool. Without, the weights are new: for the paper's models, ready to be
                trained by the paper's recipe. With, those of its authors are downloaded, which
                needs `huggingface_hub` and `torch`.
            dtype: the dtype policy of the network, in the place of that it was saved with; of a
                network of `keras_bfn.networks` alone. In `"mixed_bfloat16"` it generates in less
                time and memory.

        Returns:
            A `BayesianFlowNetwork`. The paper's presets are compiled with the paper's optimizer; a
            folder's model is compiled if the saved one was. Networks of the paper's presets follow
            Keras's global dtype policy. The recipe's batch size and number of steps are in
            `BayesianFlowNetwork.presets[preset].recipe`.

        Raises:
            ValueError: if there is no such preset, its files are not complete, or its network
                cannot be given a dtype.
            ImportError: if a package that the download needs is not installed.

        Example:

        >>> model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
        >>> images = model.generate(16, num_steps=20, seed=0, verbose=0)

        ```python
        model = keras_bfn.BayesianFlowNetwork.from_preset("hf://user/repo@main")
        ```
        """
        return load_preset(cls, preset, load_weights, dtype)

    def upload_preset(
        self, uri, data, license, figures=None, samples=None, folder=None, private=False
    ):
        """Publishes the model on a hub: its preset, a card README.md, and a picture of samples.

        The card has the data, the figures, the flow and the network, how to load the model, and the
        licence. To change it, give a `folder`, edit what is there, and upload that as it is by
        `keras_bfn.presets.upload_preset`.

        Args:
            uri: string. `hf://user/repo` or `kaggle://user/model/framework/variation`. A model of
                this name gets another revision or version. The hub's library knows who you are
                (`hf auth login`, `kagglehub.login()`).
            data: string. What the model was trained on, in words.
            license: string, as Hugging Face writes it: `"apache-2.0"`, `"cc-by-4.0"`, `"other"`.
                (On Kaggle it is in the card alone.)
            figures: dict from what was measured, and its unit, to a number; or what
                `evaluate(x, return_dict=True)` returned. None for no figures.
            samples: array of images to show, `(num, height, width, channels)`. By default, if the
                data are images, the model draws some in 50 steps, of each class if it knows
                classes.
            folder: path of a new folder, or of a preset, to write to. By default one that is
                removed when it is uploaded.
            private: bool. As in `keras_bfn.presets.upload_preset`.

        Raises:
            ValueError: if the model has no weights yet, an argument is not of the form above, or
                other files are in the folder: they would be published, too.
            ImportError: if `huggingface_hub` or `kagglehub` is not installed, or, for a picture,
                matplotlib.

        Example:

        ```python
        model.upload_preset(
            "hf://user/digits",
            data="1,500 of scikit-learn's 8x8 digits, 17 levels.",
            license="apache-2.0",
            figures=model.evaluate(test_images, return_dict=True),
        )
        model = keras_bfn.BayesianFlowNetwork.from_preset("hf://user/digits")
        ```
        """
        publish(self, uri, data, license, figures, samples, folder, private)

    def export(
        self,
        filepath,
        format="tf_saved_model",
        *,
        what="step",
        sampler="ancestral",
        condition=None,
        guided=False,
    ):
        """Writes a step of a sampler, or the network, for runtimes without Python.

        | `format` | written by | read by |
        |---|---|---|
        | `"tf_saved_model"` | TensorFlow; JAX with `tensorflow` installed | `tf.saved_model.load` |
        | `"onnx"` | PyTorch, with `pip install "keras-bfn[export]"` | `onnxruntime` |
        | `"torch"` | PyTorch | `torch.export.load` |

        A model that was saved by `save` loads under each backend, and can be exported there. What
        is exported is a function of a flat dict of tensors, and returns one; the batch may have any
        size. The parts of a dict of flows are told apart by their names: `state_image`, `x_image`.

        A step takes

        - `t` and `t_next`, scalars: the time, and that of the next prediction. Let the first be the
          sampler's `start`, 0 by default, and the last 1 (with `end="last"`, the last but one),
          where `t_next` is the same;
        - `state`, `(batch, *event_shape, flow.embedding_size)`, what the sampler carries, or
          `state_0`, `state_1` and so on. At the first step it is not used, and may be zeros;
        - its noise, new numbers in every step: `normal_0` and so on, standard normal, and
          `uniform_0` and so on, from [0, 1). A deterministic sampler uses the noise of the first
          step alone: its latents, divided by `sqrt(flow.gain)`;
        - of a conditional model `condition`, `(batch, ...)`, or `condition_name` for each of a
          dict;
        - if it is `guided`, `guidance_scale`, `(batch,)`;
        - of a model that allows missing variables `there`, `(batch, *event_shape)`: 1 for those
          that are there, else 0.

        It returns `next_state`, or `next_state_0` and so on; `params`, what the network returned;
        and `x`, data: the mode of what it expects, or what else the sampler has for an `end`. The
        `x` of the last step are the samples.

        A network takes `theta`; `t`, `(batch,)`, or with `times="variables"` shaped as the data;
        and `condition`, `mask` and `causal`, as it declares them. It returns `params`.

        Args:
            filepath: path. A folder for `"tf_saved_model"`, else a file: `.onnx`, or `.pt2`. It
                gets its name when it is complete, and takes the place of a file or of a SavedModel
                that is there. (Of more than 1 GB of weights, ONNX puts those into a second file
                beside it.)
            format: string, one of the table.
            what: `"step"` or `"network"`.
            sampler: as in `generate`. Its temperature, start and end are part of the step.
            condition: for a conditional network that is not functional and has no null condition,
                an example: an array of shape `(num, ...)`, or a dict of such.
            guided: bool. Whether the step takes a `guidance_scale`, and calls the network on a
                batch of twice the size.

        Raises:
            ValueError: if an argument is none of these, the backend does not write the format, the
                sampler draws other noise, or the model has no event shape yet.
            ImportError: if a package that the format needs is not installed.

        Example, on PyTorch. From `session` on it needs onnxruntime and numpy alone:

        ```python
        model.export("step.onnx", format="onnx", sampler="sde2")

        session = onnxruntime.InferenceSession("step.onnx")
        names = [output.name for output in session.get_outputs()]
        shapes = {i.name: i.shape for i in session.get_inputs()}
        shapes = {name: [num_samples, *s[1:]] if s else [] for name, s in shapes.items()}
        feed = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
        rng = np.random.default_rng(0)
        draw = {"normal": rng.standard_normal, "uniform": rng.random}
        times = np.linspace(0, 1, num_steps + 1, dtype="float32")
        for t, t_next in zip(times, np.append(times[1:], times[-1])):
            for name in feed:
                kind = name.split("_")[0]
                if kind in draw:
                    feed[name] = draw[kind](shapes[name], "float32")
            feed["t"], feed["t_next"] = np.array(t), np.array(t_next)
            outputs = dict(zip(names, session.run(None, feed)))
            states = {name: x for name, x in outputs.items() if name.startswith("next_")}
            feed |= {name.removeprefix("next_"): x for name, x in states.items()}
        samples = outputs["x"]
        ```
        """
        filepath = export.check_target(filepath, format)
        function, inputs = exported.make_function(self, what, sampler, condition, guided)
        export.export(self, function, inputs, filepath, format)

    def get_config(self):
        return {**own_config(self, BayesianFlowNetwork), "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**keras.saving.deserialize_keras_object(config, custom_objects))


class WeightedMean(keras.losses.Loss):
    """Keras's own reduction: sample weights, and the scaling of replicas, of given values."""

    def __init__(self):
        super().__init__(reduction="mean_with_sample_weight", dtype="float32")

    def call(self, y_true, y_pred):
        return y_pred


def repeat(values, num_repeats):
    """Rows of a nest of tensors, so many times, one after the other."""
    return keras.tree.map_structure(
        lambda x: None if x is None else ops.concatenate([x] * num_repeats), values
    )
