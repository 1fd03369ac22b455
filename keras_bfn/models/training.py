"""Training and evaluation, inside Keras's own."""

import inspect
import math
import numbers

import keras

from keras_bfn import losses
from keras_bfn._keras import of_no_backend, stand_in_for_targets, unshare_buffers
from keras_bfn.models.data_checks import check_training_data


class PerExampleMean(keras.losses.Loss):
    """Keras's own reduction: sample weights, and the scaling of replicas, of given values."""

    def call(self, y_true, y_pred):
        return y_pred


def compile(self, optimizer="adamw", loss="continuous_time", loss_weights=None, **kwargs):
    """Configures the model for training.

    Args:
        optimizer: as in Keras.
        loss: the transmission loss, a `keras_bfn.losses.BFNLoss`; continuous time by default.
        loss_weights: for a dict of flows, a dict from names of parts to numbers: what a nat of that
            part counts in the loss, 1 by default. Of no effect on other metrics.
        **kwargs: as in Keras; `metrics` are refused, for there are no targets.

    Raises:
        ValueError: if an argument is none of these.

    Example:

    >>> model.compile("adamw", loss=keras_bfn.losses.DiscreteTimeLoss(num_steps=20))
    """
    self.transmission_loss = losses.get(loss)
    for name in ("metrics", "weighted_metrics"):
        if kwargs.get(name) is not None:
            raise ValueError(
                f"Argument `{name}` must be None: there are no targets, and `loss`, "
                f"`reconstruction` and more are reported. Received: {kwargs[name]!r}"
            )
    self.loss_weights = _check_loss_weights(loss_weights, self.flow)
    keras.Model.compile(self, optimizer=optimizer, **kwargs)
    self._asked_jit_compile = kwargs.get("jit_compile", "auto")
    is_scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
    if _computes_in_float16(self) and kwargs.get("auto_scale_loss", True) and not is_scaled:
        # Keras would go by the model's own policy, which is float32.
        self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
    self.programs.clear()


def _check_loss_weights(loss_weights, flow):
    if loss_weights is None:
        return None
    names = list(flow) if isinstance(flow, dict) else []
    is_dict = isinstance(loss_weights, dict) and set(loss_weights) <= set(names)
    if not names or not is_dict:
        expected = f"a dict from some of {names}" if names else "None for data of one kind"
        raise ValueError(
            f"Argument `loss_weights` must be {expected}. Received: loss_weights={loss_weights!r}"
        )
    for name, weight in loss_weights.items():
        if not isinstance(weight, numbers.Real) or not 0 <= weight < math.inf:
            raise ValueError(
                "Argument `loss_weights` must hold finite numbers of at least 0. "
                f"Received: loss_weights[{name!r}]={weight!r}"
            )
    return {name: float(weight) for name, weight in loss_weights.items()}


def _computes_in_float16(model):
    layers = [model.network, *getattr(model.network, "layers", ())]
    return any(layer.dtype_policy.name == "mixed_float16" for layer in layers)


def get_compile_config(self):
    """As in Keras, with what `compile` was told, whatever backend this is."""
    config = keras.Model.get_compile_config(self)
    if not config:  # not compiled
        return config
    config["loss"] = keras.saving.serialize_keras_object(self.transmission_loss)
    config["loss_weights"] = self.loss_weights and dict(self.loss_weights)
    # Keras would keep what "auto" came to, and the class of optimizer, on this backend.
    config["jit_compile"] = self._asked_jit_compile
    config["optimizer"] = of_no_backend(config["optimizer"])
    return config


def compile_from_config(self, config):
    """Compiles as `get_compile_config` says."""
    self.compile(**keras.saving.deserialize_keras_object(config))
    if self.built:
        self.optimizer.build(self.trainable_variables)


def fit(self, x=None, y=None, *args, **kwargs):
    """Trains the model, as in Keras.

    Args:
        x: data of shape `(num, *event_shape)`, or for a dict of flows a dict of the parts' data;
            the tuple `(data, condition)`; or a `tf.data.Dataset`, `keras.utils.PyDataset` or torch
            `DataLoader` that yields `data`, `(data,)` or `((data, condition),)` in batches. (On
            TensorFlow, Keras takes no `DataLoader` of bare tensors: use a `TensorDataset`.)
        y: must be None: the data are their own target.
        *args, **kwargs: as in Keras. `validation_data` takes what `x` takes.

    Raises:
        ValueError: if the data do not suit the model, before training starts.

    Example:

    >>> history = model.fit(images, epochs=2, batch_size=32, verbose=0)
    """
    self._assert_compile_called("fit")
    x = check_training_data(self, x, y)
    arguments = inspect.signature(keras.Model.fit).bind(self, x, y, *args, **kwargs).arguments
    del arguments["self"]
    validation_data = arguments.get("validation_data")
    if validation_data is not None:
        val_x, val_y, val_weight = keras.utils.unpack_x_y_sample_weight(validation_data)
        val_x = check_training_data(self, val_x, val_y, name="validation_data")
        # Where there are weights, they stand in for targets, too: see `stand_in_for_targets`.
        val_data = (val_x,) if val_weight is None else (val_x, val_weight, val_weight)
        arguments["validation_data"] = val_data
    stand_in_for_targets(arguments)
    if getattr(x, "shuffles_itself", False):  # keras_bfn.datasets.Batches
        arguments["shuffle"] = False
    try:
        return keras.Model.fit(self, **arguments)
    finally:
        if getattr(self.optimizer, "inner_optimizer", self.optimizer).use_ema:
            unshare_buffers(self.trainable_variables)


def evaluate(self, x=None, y=None, *args, **kwargs):
    """Reports what data cost.

    Args:
        x, y: as in `fit`.
        *args, **kwargs: as in Keras.

    Returns:
        As in Keras: `loss` and `reconstruction`, in nats per variable; their sum as `bits_per_dim`
        and as `nats_per_example`; and, for a dict of flows, of each part `<name>_nats_per_example`.
        All but `loss`, which is what `fit` minimises, know no weights of parts.

    Raises:
        ValueError: if the data do not suit the model.

    Example:

    >>> logs = model.evaluate(images, return_dict=True, verbose=0)
    >>> sorted(logs)
    ['bits_per_dim', 'loss', 'nats_per_example', 'reconstruction']
    """
    self._assert_compile_called("evaluate")
    if not kwargs.get("_use_cached_eval_dataset"):  # else `fit` has checked them
        x = check_training_data(self, x, y)
    parameters = list(inspect.signature(keras.Model.evaluate).parameters)[1:]
    arguments = dict(zip(parameters, (x, y, *args), strict=False), **kwargs)
    stand_in_for_targets(arguments)
    return keras.Model.evaluate(self, **arguments)
