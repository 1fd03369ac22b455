"""Training and evaluation, inside Keras's own."""

import warnings

import keras
from keras import ops

from keras_bfn import losses
from keras_bfn._devices import averaged, scope_of
from keras_bfn._keras import (
    of_no_backend,
    prefer_less,
    scale_loss,
    seeded,
    stand_in_for_targets,
    unshare_buffers,
)
from keras_bfn._parts import map_parts, sum_parts
from keras_bfn._signals import after
from keras_bfn._validation import check_int, refusal
from keras_bfn.models.data_checks import check_no_targets, check_training_data, split_condition
from keras_bfn.models.missing import count_variables, split_missing, sum_variables
from keras_bfn.models.scoring import nats_per_example
from keras_bfn.models.training_checks import (
    bind,
    check_batch,
    check_compilation,
    check_loss_weights,
)
from keras_bfn.models.whole_steps import finalize_wholly, keep_variables


class WeightedMean(keras.losses.Loss):
    """Keras's own reduction: sample weights, and the scaling of replicas, of given values."""

    def __init__(self):
        super().__init__(reduction="mean_with_sample_weight", dtype="float32")

    def call(self, y_true, y_pred):
        return y_pred


def compile(
    self,
    optimizer="adamw",
    loss="continuous_time",
    loss_weights=None,
    num_repeats=1,
    **kwargs,
):
    """Configures the model for training.

    Args:
        optimizer: as in Keras.
        loss: the transmission loss, a `keras_bfn.losses.BFNLoss`; continuous time by default.
        loss_weights: for a dict of flows, a dict from names of parts to numbers: what a nat of that
            part counts in the loss, 1 by default. Of no effect on other metrics.
        num_repeats: int. How often `evaluate` and validation look at each example, at times evenly
            spread. More looks are as much more work, and curves that tell more.
        **kwargs: as in Keras; `metrics` are refused, for there are no targets.

    Raises:
        ValueError: if an argument is none of these.

    Example:

    >>> model.compile("adamw", loss=keras_bfn.losses.DiscreteTimeLoss(num_steps=20))
    """
    loss, optimizer = losses.get(loss), check_compilation(optimizer, **kwargs)
    loss_weights = check_loss_weights(loss_weights, self.flow)
    self.num_repeats = check_int("num_repeats", num_repeats, 1)
    self.transmission_loss, self.loss_weights = loss, loss_weights
    keras.Model.compile(self, optimizer=optimizer, **kwargs)
    self._asked_jit_compile = kwargs.get("jit_compile", "auto")
    if kwargs.get("auto_scale_loss", True):
        scale_loss(self, self.network)
    self.programs.cache_clear()


def get_compile_config(self):
    """As in Keras, with what `compile` was told, whatever backend this is."""
    config = keras.Model.get_compile_config(self)
    if not config:  # not compiled
        return config
    config["loss"] = keras.saving.serialize_keras_object(self.transmission_loss)
    config["loss_weights"] = self.loss_weights and dict(self.loss_weights)
    config["num_repeats"] = self.num_repeats
    config["jit_compile"] = self._asked_jit_compile  # Keras 3.15 keeps what "auto" came to here
    config["optimizer"] = of_no_backend(config["optimizer"])
    return config


def compile_from_config(self, config):
    """Compiles as `get_compile_config` says."""
    self.compile(**keras.saving.deserialize_keras_object(config))
    _build_optimizer(self)


def fit(self, x=None, y=None, *args, **kwargs):
    """Trains the model, as in Keras.

    Args:
        x: data of shape `(num, *event_shape)`, or for a dict of flows a dict of the parts' data;
            the tuple `(data, condition)`; or a `tf.data.Dataset`, `keras.utils.PyDataset` or torch
            `DataLoader` that yields `data`, `(data,)` or `((data, condition),)` in batches.
        y: must be None: the data are their own target.
        *args, **kwargs: `batch_size`, `epochs`, `callbacks` and the others of `keras.Model.fit`,
            but for `class_weight`. `validation_data` takes what `x` takes; it is looked at with
            the same noise after every epoch, so that epochs compare. `sample_weight` is of the
            examples, or of the variables, an array shaped as the data, or a dict of some parts'. A
            pipeline yields `(x, weights, weights)`: Keras on TensorFlow takes no None in between.

    Returns:
        A `keras.callbacks.History`.

    Raises:
        ValueError: if the data do not suit the model, before training starts.

    Example:

    >>> history = model.fit(images, epochs=2, batch_size=32, verbose=0)
    """
    self._assert_compile_called("fit")
    arguments = bind(keras.Model.fit, self, x, y, *args, **kwargs)
    x = check_training_data(self, x, y, sample_weight=arguments.get("sample_weight"))
    arguments["x"] = x
    validation_data = arguments.get("validation_data")
    if validation_data is not None:
        is_pair = isinstance(validation_data, (tuple, list)) and len(validation_data) == 2
        if is_pair and validation_data[1] is not None:  # of data and conditions, as `x` may be
            validation_data = (validation_data,)
        if isinstance(validation_data, (tuple, list)) and not 0 < len(validation_data) < 4:
            expected = "must be data, (data, condition), (data,) or (data, None, sample_weight)"
            raise refusal("validation_data", expected, validation_data)
        val_x, val_y, val_weight = keras.utils.unpack_x_y_sample_weight(validation_data)
        val_x = check_training_data(self, val_x, val_y, "validation_data", val_weight)
        # Where there are weights, they stand in for targets, too: see `stand_in_for_targets`.
        val_data = (val_x,) if val_weight is None else (val_x, val_weight, val_weight)
        arguments["validation_data"] = val_data
    stand_in_for_targets(arguments)
    prefer_less(arguments.get("callbacks"), self.metrics)
    if getattr(x, "shuffles_itself", False):  # keras_bfn.datasets.Batches
        arguments["shuffle"] = False
    _build_optimizer(self)

    def end():
        if getattr(self.optimizer, "inner_optimizer", self.optimizer).use_ema:
            unshare_buffers(self.trainable_variables)

    with after(end), keep_variables(self), finalize_wholly(self.optimizer):
        return keras.Model.fit(self, **arguments)


def evaluate(self, x=None, y=None, *args, seed=0, **kwargs):
    """Reports what data cost.

    Args:
        x, y: as in `fit`.
        seed: int, of the noise and the times: the same data cost the same. None draws others.
        *args, **kwargs: `batch_size` and the others of `keras.Model.evaluate`.

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
    arguments = bind(keras.Model.evaluate, self, x, y, *args, **kwargs)
    if not kwargs.get("_use_cached_eval_dataset"):  # else `fit` has checked them
        weight = arguments.get("sample_weight")
        arguments["x"] = check_training_data(self, x, y, sample_weight=weight)
    stand_in_for_targets(arguments)
    with seeded(self.seed_generator, seed), keep_variables(self):
        return keras.Model.evaluate(self, **arguments)


def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
    """Makes one step of training.

    Args:
        x, y, sample_weight: as in `fit`, of one batch: arrays or tensors.
        class_weight: must be None.
        return_dict: bool. As in Keras.

    Returns:
        As in Keras: the loss so far.

    Raises:
        ValueError: if the data do not suit the model.

    Example:

    >>> loss = model.train_on_batch(images[:16])
    """
    arguments = check_batch(self, "train_on_batch", x, y, sample_weight, class_weight, return_dict)
    _build_optimizer(self)
    with keep_variables(self):
        return keras.Model.train_on_batch(self, **arguments)


def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):  # noqa: PT028
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
    arguments = check_batch(self, "test_on_batch", x, y, sample_weight, None, return_dict)
    with keep_variables(self):
        return keras.Model.test_on_batch(self, **arguments)


def _build_optimizer(model):
    """Makes the optimizer's variables before the first step.

    On TensorFlow, where that step makes them and failed, no other step could.
    """
    if model.built and not model.optimizer.built:
        with scope_of(model):
            model.optimizer.build(model.trainable_variables)


def repeat(values, num_repeats):
    """Rows of a tensor, or of a nest of tensors, so many times, one after the other."""
    if num_repeats == 1:
        return values
    return keras.tree.map_structure(
        lambda x: None if x is None else ops.concatenate([x] * num_repeats), values
    )


def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
    """Nats per variable; updates the metrics, too."""
    x, _ = split_condition(x)
    if sample_weight is None:
        check_no_targets(y)
    x, mask = split_missing(self, x)
    counts, of_examples = count_variables(x, mask, sample_weight)
    losses_by_name = {
        "transmission": self.transmission_loss,
        "reconstruction": self.reconstruction_loss,
    }
    num_repeats = 1 if training else self.num_repeats
    seen, counted = repeat((x, counts), num_repeats)
    nats = {
        name: nats_per_example(
            losses_by_name[name], self.flow, seen, looks, self.seed_generator, counted
        )
        for name, looks in y_pred.items()
    }
    cost, looks = nats["transmission"], y_pred["transmission"]
    if training and self.times == "parts":
        # What is known costs nothing.
        cost = map_parts(lambda nats, look: ops.where(look.t < 1.0, nats, 0.0), cost, looks)
    if num_repeats > 1:
        nats = keras.tree.map_structure(
            lambda nats: ops.mean(ops.reshape(nats, (num_repeats, -1)), axis=0), nats
        )
        cost = nats["transmission"]
    if self.loss_weights:
        cost = {name: self.loss_weights.get(name, 1.0) * cost[name] for name in cost}
    # In means over variables, an example weighs as much as its variables do.
    size, weight = self.num_variables, of_examples
    if counts is not None:
        size = sum_parts(sum_variables(counts))
        weight = size if weight is None else size * weight
    per_variable = ops.divide_no_nan(sum_parts(cost), size)
    total = self._mean(per_variable, per_variable, weight)
    added = keras.Model.compute_loss(self, training=training) if self.losses else 0.0
    if "reconstruction" in nats:
        # Not in `call`, where Keras 3.15 on JAX lets no metric be updated.
        self.loss_tracker.update_state(per_variable + added, weight)
        _update_trackers(self, nats, size, weight, of_examples)
    return total + added if self.losses else total  # with the regularisers of the network


def _update_trackers(model, nats, size, weight, of_examples):
    by_part = map_parts(lambda flow, *costs: sum(costs), model.flow, *nats.values())
    per_example = sum_parts(by_part)
    reconstruction = ops.divide_no_nan(sum_parts(nats["reconstruction"]), size)
    model.reconstruction_tracker.update_state(reconstruction, weight)
    model.bits_per_dim_tracker.update_state(ops.divide_no_nan(per_example, size), weight)
    model.nats_per_example_tracker.update_state(per_example, of_examples)
    for name, tracker in model.part_trackers.items():
        tracker.update_state(by_part[name], of_examples)


def compute_metrics(self, x, y, y_pred, sample_weight=None):
    """All metrics of the model; in training, where it looks once, the loss alone."""
    if "reconstruction" in y_pred:
        results = self.get_metrics_result()
    else:
        results = {m.name: m.result() for m in self.metrics if m.name == "loss"}
    return averaged(results, self)


def get_metrics_result(self):
    """As in Keras; but the loss of what was evaluated is the mean over all that counts in it.

    Keras's is the mean over batches, which may count more and less.
    """
    results = keras.Model.get_metrics_result(self)
    evaluated, own = self.loss_tracker, results.pop(self.loss_tracker.name)
    results["loss"] = ops.where(evaluated.count > 0, own, results["loss"])
    return results


def quantize(self, *args, **kwargs):
    """As in Keras, without a warning for each layer that it leaves as it is.

    What was compiled of the model is compiled anew.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Layer .* does not have a `quantize` method")
        keras.Model.quantize(self, *args, **kwargs)
    self.programs.cache_clear()
