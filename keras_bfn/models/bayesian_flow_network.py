"""The model: a flow and a network, trained by `fit`."""

import contextlib
import inspect
import math

import keras
from keras import ops

from keras_bfn import losses
from keras_bfn._random import make_seed_generator
from keras_bfn._validation import check_rate
from keras_bfn.flows import Flow
from keras_bfn.flows.flow import expand
from keras_bfn.metrics import BitsPerDim
from keras_bfn.models.averaging import averaged_weights
from keras_bfn.models.data_checks import (
    check_is_conditional,
    check_no_targets,
    check_shape,
    check_training_data,
    split_condition,
)
from keras_bfn.models.preset_model import PresetModel
from keras_bfn.models.program import ProgramCache
from keras_bfn.models.sampling_model import SamplingModel
from keras_bfn.models.scoring_model import ScoringModel


class _PerExampleMean(keras.losses.Loss):
    """Keras's own reduction: sample weights, and the scaling of replicas, of given values."""

    def call(self, y_true, y_pred):
        return y_pred


def _stand_in_for_targets(arguments):
    """Puts weights in the place of targets too: without targets, Keras drops the weights."""
    if arguments.get("sample_weight") is not None and arguments.get("y") is None:
        arguments["y"] = arguments["sample_weight"]


def _of_no_backend(config):
    """An optimizer's config that names the class `keras.optimizers` has, not torch's own."""
    config = dict(config)
    if config["module"].startswith("keras.src.backend."):
        config |= {"module": "keras.optimizers", "registered_name": None}
    if "inner_optimizer" in config["config"]:
        inner = _of_no_backend(config["config"]["inner_optimizer"])
        config["config"] = {**config["config"], "inner_optimizer": inner}
    return config


@keras.saving.register_keras_serializable("keras_bfn")
class BayesianFlowNetwork(PresetModel, SamplingModel, ScoringModel, keras.Model):
    """A Bayesian flow network: trains with `fit`, scores data, generates.

    `fit` minimises the nats per variable that it costs to send the data. `evaluate` and validation
    report `loss` (that cost), `reconstruction` (the cost of the last word, nats per variable),
    `bits_per_dim` (the sum of both in bits) and `nats_per_example` (the sum for all variables).

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        network: a Keras model or layer that takes a dict of `"theta"`, the input distribution's
            parameters, `(batch, *event_shape, flow.theta_size)`; `"t"`, the time, `(batch,)`; and,
            if it is conditional, `"condition"`, `(batch, ...)`. It returns the output
            distribution's parameters, `(batch, *event_shape, flow.output_size)`.
        event_shape: the shape of one example, such as `(28, 28, 1)`. By default read off the
            network's own input, or, if it has none, off the first data.
        label_dropout: float in [0, 1). In training, each condition is replaced by the network's
            `null_class` with this probability, so that `generate` can be guided. The networks of
            this package that take `num_classes` have a null class; an own network has one if it
            has an attribute of that name.
        seed: int or None. The model's noise and times repeat for the same seed on the same backend.

    Call arguments:
        inputs: data of shape `(batch, *event_shape)`, or the tuple `(data, condition)`.
        training: bool. In training, one look at a random time; else also one at t = 1.

    Returns:
        A dict from `"transmission"` (and `"reconstruction"`) to the triple `(params, s, t)`: the
        network's answer, the evidence that it was shown, and the time.

    Raises:
        ValueError: if the network's output does not have `flow.output_size` numbers per variable,
            the data do not suit the flow, or labels are to be dropped without a null class.

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

    def __init__(self, flow, network, event_shape=None, label_dropout=0.0, seed=None, **kwargs):
        if not isinstance(flow, Flow):
            raise ValueError(
                f"Argument `flow` must be a `keras_bfn.flows.Flow`. Received: flow={flow!r}"
            )
        if not isinstance(network, keras.Layer):
            raise ValueError(
                f"Argument `network` must be a Keras model or layer. Received: network={network!r}"
            )
        # The evidence, times and losses are float32 under every policy; the network has its own.
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.flow = flow
        self.network = network
        self.label_dropout = check_rate("label_dropout", label_dropout)
        if label_dropout and self.null_class is None:
            raise ValueError(
                "Argument `label_dropout` must be 0 for a network without a `null_class`. "
                f"Received: label_dropout={label_dropout}"
            )
        self.seed = seed
        self.seed_generator = make_seed_generator(seed)
        self.transmission_loss = losses.get(None)
        self.reconstruction_loss = losses.ReconstructionLoss()
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.bits_per_dim_tracker = BitsPerDim()
        self.nats_per_example_tracker = keras.metrics.Mean(name="nats_per_example")
        self._mean = _PerExampleMean(name="per_example_mean", dtype="float32")
        self.programs = ProgramCache()

        inputs = self.network_inputs()
        if event_shape is None and inputs:
            event_shape = inputs["theta"].shape[1:-1]
        self.event_shape = None if event_shape is None else tuple(event_shape)
        if inputs:
            self._check_network(inputs["theta"].shape, self.network.output.shape)
            self.built = True

    @property
    def null_class(self):
        """The condition that means "no class", or None if the network has none."""
        return getattr(self.network, "null_class", None)

    def network_inputs(self):
        """The network's own symbolic inputs, if it is a functional model; else an empty dict."""
        is_model = isinstance(self.network, keras.Model)
        inputs = getattr(self.network, "input", None) if is_model else None
        if inputs is None:
            return {}
        names = set(inputs) if isinstance(inputs, dict) else set()
        if not {"theta", "t"} <= names <= {"theta", "t", "condition"}:
            names = sorted(names) if names else type(inputs).__name__
            raise ValueError(
                "Argument `network` must take a dict of 'theta', 't' and, if it is conditional, "
                f"'condition'. Received: a network that takes {names}"
            )
        return inputs

    def _check_network(self, theta_shape, output_shape):
        for verb, shape, size in (
            ("take a theta of", theta_shape, self.flow.theta_size),
            ("return", output_shape, self.flow.output_size),
        ):
            expected = (None, *self.event_shape, size)
            if tuple(shape)[1:] != expected[1:]:
                raise ValueError(
                    f"Argument `network` must {verb} shape {expected} for {self.flow!r} with "
                    f"event_shape={self.event_shape}. Received: a network with shape {tuple(shape)}"
                )

    def build(self, input_shape):
        """Creates the weights of a network that is a plain layer, and checks what it answers."""
        conditional = isinstance(input_shape[0], (tuple, list))
        data_shape = input_shape[0] if conditional else input_shape
        if self.event_shape is None:
            self.event_shape = tuple(data_shape[1:])
        theta_shape = (None, *self.event_shape, self.flow.theta_size)
        inputs = {
            "theta": keras.KerasTensor(theta_shape, "float32"),
            "t": keras.KerasTensor((None,), "float32"),
        }
        if conditional:
            inputs["condition"] = keras.KerasTensor((None, *input_shape[1][1:]), "float32")
        self._check_network(theta_shape, self.network(inputs).shape)

    def compile(self, optimizer="adamw", loss="continuous_time", **kwargs):
        """Configures the model for training.

        Args:
            optimizer: as in Keras.
            loss: the transmission loss, a `keras_bfn.losses.BFNLoss`; continuous time by default.
            **kwargs: as in Keras; `metrics` are refused, for there are no targets.
        """
        self.transmission_loss = losses.get(loss)
        for name in ("metrics", "weighted_metrics", "loss_weights"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"Argument `{name}` must be None: there are no targets, and `loss`, "
                    f"`reconstruction` and more are reported. Received: {kwargs[name]!r}"
                )
        super().compile(optimizer=optimizer, **kwargs)
        self._asked_jit_compile = kwargs.get("jit_compile", "auto")
        is_scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        if self._computes_in_float16() and kwargs.get("auto_scale_loss", True) and not is_scaled:
            # Keras would go by the model's own policy, which is float32.
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.programs.clear()

    def _computes_in_float16(self):
        layers = [self.network, *getattr(self.network, "layers", ())]
        return any(layer.dtype_policy.name == "mixed_float16" for layer in layers)

    def get_compile_config(self):
        config = super().get_compile_config()
        if not config:  # not compiled
            return config
        config["loss"] = keras.saving.serialize_keras_object(self.transmission_loss)
        # Keras would keep what "auto" came to, and the class of optimizer, on this backend.
        config["jit_compile"] = self._asked_jit_compile
        config["optimizer"] = _of_no_backend(config["optimizer"])
        return config

    def averaged_weights(self):
        """A context in which the model has its optimizer's averaged weights (EMA).

        However it is left, the raw weights come back.

        Raises:
            ValueError: if the optimizer keeps no averages.

        Example:

        ```python
        with model.averaged_weights():
            model.evaluate(x)
            model.save("averaged.keras")
        ```
        """
        return averaged_weights(self)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains the model, as in Keras.

        Args:
            x: data of shape `(num, *event_shape)`, the tuple `(data, condition)`, or a
                `tf.data.Dataset`, `keras.utils.PyDataset` or torch `DataLoader` that yields `data`,
                `(data,)` or `((data, condition),)` in batches. (On TensorFlow, Keras takes no
                `DataLoader` of bare tensors: use a `TensorDataset`.)
            y: must be None: the data are their own target.
            *args, **kwargs: as in Keras. `validation_data` takes what `x` takes.

        Raises:
            ValueError: if the data do not suit the model, before training starts.
        """
        self._assert_compile_called("fit")
        x = check_training_data(self, x, y)
        arguments = inspect.signature(super().fit).bind(x, y, *args, **kwargs).arguments
        validation_data = arguments.get("validation_data")
        if validation_data is not None:
            val_x, val_y, val_weight = keras.utils.unpack_x_y_sample_weight(validation_data)
            val_x = check_training_data(self, val_x, val_y, name="validation_data")
            # Where there are weights, they stand in for targets, too: see below.
            val_data = (val_x,) if val_weight is None else (val_x, val_weight, val_weight)
            arguments["validation_data"] = val_data
        _stand_in_for_targets(arguments)
        if getattr(x, "shuffles_itself", False):  # keras_bfn.datasets.Batches
            arguments["shuffle"] = False
        try:
            return super().fit(**arguments)
        finally:
            if getattr(self.optimizer, "inner_optimizer", self.optimizer).use_ema:
                # On JAX, Keras leaves one buffer in the weights and in the optimizer's averages.
                # The next compiled step donates it: saving or a second fit would find it deleted.
                for weight in self.trainable_variables:
                    weight.assign(ops.copy(weight))

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Reports `loss`, `reconstruction` (nats per variable), and their sum: `bits_per_dim` and
        `nats_per_example`.

        The arguments are Keras's; `x` and `y` as in `fit`.
        """
        self._assert_compile_called("evaluate")
        if not kwargs.get("_use_cached_eval_dataset"):  # else `fit` has checked them
            x = check_training_data(self, x, y)
        parameters = inspect.signature(super().evaluate).parameters
        arguments = dict(zip(parameters, (x, y, *args), strict=False), **kwargs)
        _stand_in_for_targets(arguments)
        return super().evaluate(**arguments)

    def call(self, inputs, training=False):
        x, condition = split_condition(inputs)
        self.flow.check_dtype(keras.backend.standardize_dtype(x.dtype))
        check_shape(self, x.shape)
        check_is_conditional(self, condition is not None)
        if training and self.label_dropout and condition is not None:
            condition = self._drop_labels(condition)
        looks = {"transmission": self.transmission_loss}
        if not training:
            looks["reconstruction"] = self.reconstruction_loss
        return {
            name: self.look(
                loss.times(losses.stratified_uniform(ops.shape(x)[0], self.seed_generator)),
                x,
                condition,
                training,
            )
            for name, loss in looks.items()
        }

    def _drop_labels(self, condition):
        batch_size = ops.shape(condition)[:1]
        dropped = keras.random.uniform(batch_size, seed=self.seed_generator) < self.label_dropout
        dropped = ops.reshape(dropped, (-1,) + (1,) * (len(condition.shape) - 1))
        return ops.where(dropped, ops.cast(self.null_class, condition.dtype), condition)

    def look(self, t, x, condition=None, training=False):
        """Draws evidence about `x` at time `t` and asks the network: `(params, s, t)`."""
        t = ops.convert_to_tensor(t, dtype="float32")
        s = self.flow.sample_evidence(x, t, self.seed_generator)
        theta = self.flow.input_params(s, self.flow.schedule.beta(t))
        return self.ask(theta, t, condition, training), s, t

    def ask(self, theta, t, condition=None, training=False, guidance_scale=None):
        """The network's answer in float32, of shape `(batch, *event_shape, flow.output_size)`.

        Args:
            theta: the input distribution's parameters, `(batch, *event_shape, flow.theta_size)`.
            t: time, `(batch,)`.
            condition: `(batch, ...)`, or None.
            training: bool.
            guidance_scale: `(batch,)`, or None. The answer without a class, plus so many times what
                the class changes in it: one call of the network, on a batch of twice the size.
        """
        if guidance_scale is not None:
            theta, t = (ops.concatenate([part, part]) for part in (theta, t))
            no_class = ops.full_like(condition, self.null_class)
            condition = ops.concatenate([condition, no_class])
        inputs = {"theta": theta, "t": t}
        if condition is not None:
            inputs["condition"] = condition
        # Said outright: on JAX, Keras's trainer does not hand `training` down to inner layers.
        params = ops.cast(self.network(inputs, training=training), "float32")
        if guidance_scale is not None:
            params, without = ops.split(params, 2)
            params = without + expand(guidance_scale, params) * (params - without)
        return params

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        x, _ = split_condition(x)
        if sample_weight is None:
            check_no_targets(y)

        def mean_over_variables(name, loss):
            per_variable = loss(self.flow, x, *y_pred[name], self.seed_generator)
            return ops.mean(ops.reshape(per_variable, (ops.shape(x)[0], -1)), axis=-1)

        nats = mean_over_variables("transmission", self.transmission_loss)
        if "reconstruction" in y_pred:
            last_word = mean_over_variables("reconstruction", self.reconstruction_loss)
            self.reconstruction_tracker.update_state(last_word, sample_weight)
            self.bits_per_dim_tracker.update_state(nats + last_word, sample_weight)
            per_example = math.prod(self.event_shape) * (nats + last_word)
            self.nats_per_example_tracker.update_state(per_example, sample_weight)
        total = self._mean(nats, nats, sample_weight)
        if self.losses:  # regularisers of the network
            total = total + super().compute_loss(training=training)
        return total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        results = self.get_metrics_result()
        return results if "reconstruction" in y_pred else {"loss": results["loss"]}

    def build_for(self, data_shape, condition=None):
        """Builds the model for data of this shape, if it is not built yet."""
        if self.built:
            return
        # TensorFlow distributes the variables that are made in the scope of its strategy.
        strategy = getattr(self, "distribute_strategy", None)
        with contextlib.nullcontext() if strategy is None else strategy.scope():
            self.build(data_shape if condition is None else (data_shape, condition.shape))
        self.built = True

    def get_config(self):
        return {
            "flow": keras.saving.serialize_keras_object(self.flow),
            "network": keras.saving.serialize_keras_object(self.network),
            "event_shape": self.event_shape,
            "label_dropout": self.label_dropout,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("flow", "network"):
            config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        return cls(**config)
