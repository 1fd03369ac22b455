"""Compiled programs of a model: how they run, are reused, and what samplers share."""

import operator

import keras
import numpy as np
from keras import ops

from keras_bfn import _keras
from keras_bfn._backend.devices import scope_of
from keras_bfn._backend.weights import KeepsWeights
from keras_bfn._config import Immutable, Same, key_of
from keras_bfn._keras import layers_within
from keras_bfn._parts import count_examples, list_parts, map_parts, order_parts
from keras_bfn._validation import check_int
from keras_bfn.inputs.missing import put_missing

DEFAULT_ROWS = 64  # in a batch
STEPS = 1024  # a program's maximum number of steps is a multiple of this
MOST_PROGRAMS = 64  # kept for a model
# Attributes that Keras changes in a layer or a model during use.
_STEPS = {"train_function", "test_function", "predict_function"}
_PASSING = _STEPS | {"training", "history", "stop_training", "stop_evaluating", "stop_predicting"}


class Program(KeepsWeights, keras.Model):
    """Base class of programs: a small Keras model without weights of its own, run by `predict`.

    On every backend, `predict` compiles it once per batch shape, makes batches and shows progress.
    The constructor takes the model and further arguments, for which `model.programs` reuses it.

    Args:
        model: the `BayesianFlowNetwork`.

    Attributes:
        num_rows: int. The number of rows that the program makes of one row of its inputs.
    """

    num_rows = 1

    def __init__(self, model):
        super().__init__(dtype="float32", autocast=False)
        self.model = model
        self.built = True
        if model.compiled:
            self.compile(jit_compile=model.jit_compile, run_eagerly=model.run_eagerly)

    def predict(self, *args, **kwargs):
        with self.keeping_weights():
            return super().predict(*args, **kwargs)

    def predict_on_batch(self, x):
        with self.keeping_weights():
            return super().predict_on_batch(x)

    def predict_batches(self, batches, verbose):
        """Does what `predict` does, for `RepeatedBatches` on one device, by a single trace.

        TensorFlow takes 30 milliseconds to set up the pipeline of `predict`.
        """
        steps = batches.num_batches
        shown = {"add_progbar": verbose != 0, "verbose": verbose, "epochs": 1, "steps": steps}
        callbacks = keras.callbacks.CallbackList(model=self, **shown)
        callbacks.on_predict_begin()
        outputs = []
        for i in range(steps):
            callbacks.on_predict_batch_begin(i)
            outputs.append(self.predict_on_batch(*batches[i]))
            callbacks.on_predict_batch_end(i)
        callbacks.on_predict_end()
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *outputs)

    def run(self, inputs, batch_size, seed, verbose, num_repeats=1):
        """Returns the outputs for all rows of `inputs`, the rows of one repeat after the other."""
        num, devices = count_examples(inputs), count_devices(self.model)
        batch_size = check_batch_size(batch_size, num_repeats * num, self.num_rows)
        batch_size += -batch_size % devices  # JAX refuses a batch that they cannot divide evenly
        batches = RepeatedBatches(inputs, num, num_repeats, batch_size)
        on_one_device = keras.distribution.distribution() is None and devices == 1
        predict = self.predict_batches if on_one_device else self.predict
        with _keras.seeded(self.model.seed_generator, seed):
            outputs = predict(batches, verbose=verbose)
        if batches.num % batches.batch_size == 0:
            return outputs
        return keras.tree.map_structure(lambda rows: rows[: batches.num], outputs)


class RepeatedBatches(keras.utils.PyDataset):
    """The inputs of a program: all rows, `num_repeats` times, in full batches of one shape.

    Repeat r of R is for times in [r / R, (r + 1) / R), from `"low"` to `"high"`, so that those of
    each example are evenly spread. The last batch is padded with the first examples.
    """

    def __init__(self, inputs, num_examples, num_repeats, batch_size):
        super().__init__()
        self.inputs, self.num_examples = inputs, num_examples
        self.num_repeats, self.batch_size = num_repeats, batch_size
        self.num = num_repeats * self.num_examples

    @property
    def num_batches(self):
        return -(-self.num // self.batch_size)

    def __getitem__(self, index):
        places = np.arange(index * self.batch_size, (index + 1) * self.batch_size) % self.num
        repeats, rows = np.divmod(places, self.num_examples)
        inputs = keras.tree.map_structure(lambda values: values[rows], self.inputs)
        inputs["low"] = (repeats / self.num_repeats).astype("float32")
        inputs["high"] = ((repeats + 1) / self.num_repeats).astype("float32")
        return (inputs,)


class Programs:
    """A model's programs, reused for arguments that are equal by value, or the same Keras layers.

    A program receives arguments as `Immutable.traced` returns them. With other arguments, such as a
    plain function, it is made anew for each call: nothing tells whether what they read has changed.
    All programs are made anew if anything of the model has changed but the values of its variables.

    Args:
        model: the `BayesianFlowNetwork`.
    """

    def __init__(self, model):
        self.model, self.kept, self.keys, self.shapes = model, {}, {}, {}

    def __call__(self, kind, *arguments):
        """Returns the program `kind(model, *arguments)`."""
        if self.is_stale("programs"):
            self.kept.clear()
        arguments = [x.traced() if hasattr(x, "traced") else x for x in arguments]
        try:
            key = kind, key_of(arguments, _layer_key)
        except _MayChangeError:
            key = None
        program = self.kept.pop(key, None)
        if program is None:
            with scope_of(self.model):
                # Arrays of its own: those of the arguments may be written to.
                program = kind(self.model, *map(_own, arguments))
            # Tracked by Keras, so that their weights are not compiled as constants.
            program.layers_of_arguments = _layers_in(arguments)
        if key is not None:
            self.kept[key] = program
            if len(self.kept) > MOST_PROGRAMS:
                del self.kept[next(iter(self.kept))]
        return program

    def is_stale(self, name):
        """Whether the model has changed since the last call with this name.

        Keras 3.15 keeps using a compiled function after the model's layers, variables or attributes
        have been replaced.
        """
        model = self.model
        how = model.compiled and (model.jit_compile, model.run_eagerly), self.shapes.get(name)
        held = [*_held_by(model), how]
        before, self.keys[name] = self.keys.get(name), held
        if before is None:
            return False
        are_same = len(before) == len(held) and all(map(operator.is_, before[:-1], held))
        return not are_same or before[-1] != how

    def expect_weights(self, name, weight):
        """Keeps the shapes of the weights that a compiled function will meet in batches.

        For weights of two shapes, TensorFlow would make one function, which knows neither shape.

        Args:
            name: "train", "test", or "validation" for those of `fit`.
            weight: weights as batches have them.
        """
        if not isinstance(weight, tuple):  # a tuple has a function of its own
            self.shapes[name] = [tuple(one.shape[1:]) for one in keras.tree.flatten(weight)]

    def clear(self):
        """Forgets all programs, and the model's last known state."""
        self.kept.clear()
        self.keys.clear()


def _own(value):
    """Returns a value with copies of all arrays in it, within objects and containers too."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)(map(_own, value))
    if type(value) is dict:
        return {name: _own(part) for name, part in value.items()}
    if isinstance(value, Immutable):
        return value.traced(**_own(vars(value)))
    return value


def _layers_in(value):
    """Returns the Keras layers among the values of arguments, within objects and containers too."""
    if isinstance(value, keras.Layer):
        return [value]
    parts = vars(value) if isinstance(value, Immutable) else value
    parts = parts.values() if isinstance(parts, dict) else parts
    if not isinstance(parts, (list, tuple, type({}.values()))):
        return []
    return [layer for part in parts for layer in _layers_in(part)]


class _MayChangeError(Exception):
    """An argument of a program has no value that can be compared later."""


def _layer_key(layer):
    """Returns the key of a Keras layer or model."""
    if not isinstance(layer, keras.Layer):
        raise _MayChangeError
    return Same(*_held_by(layer))


def _held_by(layer):
    """Returns the current objects in a Keras layer or model, and in its layers."""
    held = list(layer.variables)
    for one in (layer, *layers_within(layer)):
        held += (one, one.dtype_policy, one.trainable)
        for name, part in vars(one).items():
            if not name.startswith("_") and name not in _PASSING:
                held.append(part)
    return held


class SamplingProgram(Program):
    """Base class of programs that predict and take steps of a sampler.

    Args:
        model: the `BayesianFlowNetwork`.
        sampler: a `keras_bfn.samplers.Sampler`.
        classifier_free: a `keras_bfn.guidance.ClassifierFreeGuidance`, or None.
    """

    def __init__(self, model, sampler, classifier_free=None):
        super().__init__(model)
        self.sampler, self.classifier_free = sampler, classifier_free

    def start(self, batch_size, seed):
        """Returns the sampler's initial state, or a dict of the parts' states."""

        def start(flow, event_shape):
            shape = (batch_size, *event_shape, flow.embedding_size)
            return self.sampler.init(flow, shape, seed)

        return map_parts(start, self.model.flow, self.model.event_shape)

    def predict_params(self, s, t, t_next, inputs, scale=None):
        """Predicts data from evidence.

        Args:
            s: evidence, or a dict of the parts'.
            t: a scalar tensor, the time.
            t_next: a scalar tensor, the time of the next prediction.
            inputs: the program's inputs, of which these are used: `"ones"`, of shape `(batch,)`,
                and, if present, `"condition"`, and `"observed"`, the mask of observed variables.
            scale: that of classifier-free guidance, a scalar tensor or `(batch,)`.
        """
        # Not a constant: in Keras 3.15, TensorFlow folds a constant added to the output of a
        # `Dense` layer into the layer's bias, with wrong shapes.
        t, arrival, guide = t * inputs["ones"], None, None
        if "t_next" in self.model.signature.optional:
            arrival = self.sampler.arrival(t_next) * inputs["ones"]
        if self.classifier_free is not None:
            guide = self.classifier_free.calling(scale * inputs["ones"])
        return self.model.predict_in(inputs, s, t, t_next=arrival, guide=guide)

    def output(self, flow, prediction):
        """Returns the output distribution of one part, as the sampler takes it."""
        output = flow.output_distribution(prediction.params, prediction.s, prediction.t)
        return self.sampler.sharpen(output)

    def end(self, outputs, seed, inputs):
        """Samples the last output distributions, or takes their modes."""
        x = map_parts(self.sampler.finish, self.model.flow, outputs, seed)
        return self.model.complete(x, inputs)


class LoopProgram(SamplingProgram):
    """Base class of programs that repeatedly predict and step, at times set in advance.

    The times and their number are variables, so one program serves all.

    Args:
        model, sampler, classifier_free: as in `SamplingProgram`.
        most_steps: int.
        num_scales: int, the number of guides, that by a condition among them.
    """

    def __init__(self, model, sampler, most_steps, classifier_free=None, num_scales=1):
        super().__init__(model, sampler, classifier_free)
        self.most_steps = most_steps
        unknown = {"initializer": "zeros", "trainable": False}
        self.num_steps = self.add_weight((), dtype="int32", name="num_steps", **unknown)
        # After the last prediction's time comes 1, at which its jump arrives.
        self.times = self.add_weight((most_steps + 2,), name="times", **unknown)
        self.scales = self.add_weight((most_steps + 1, num_scales), name="scales", **unknown)

    def set_steps(self, times, *guides):
        """Sets the times of the predictions, and the scales of all guides at these times."""
        room = (0, self.most_steps + 1 - len(times))
        self.num_steps.assign(len(times) - 1)
        self.times.assign(np.pad(times, (0, room[1] + 1), constant_values=1.0))
        scales = [np.ones(len(times)) if guide is None else guide.scales(times) for guide in guides]
        if scales:
            self.scales.assign(np.pad(np.stack(scales, axis=-1), (room, (0, 0))))

    def loop(self, predict, act, state, draw=None):
        """Runs `state = act(i, state, *predict(i, state, draw()))` for each step i.

        `act` and `draw` may draw from the model's seed generator; `predict` may call the network.
        """
        num_steps = ops.copy(self.num_steps)
        return _keras.loop(self.model.seed_generator, num_steps, predict, act, state, draw)


def find_times(model, sampler, num_steps, up_to_1=False):
    """Returns the times of the predictions, float32: the mean of the parts' times.

    With `end="last"`, the last is that before 1, unless `up_to_1`.
    """
    times = [sampler.times(flow, num_steps) for (flow,) in list_parts(model.flow)]
    times = np.mean(times, axis=0, dtype="float64").astype("float32")
    return times[:-1] if sampler.end == "last" and not up_to_1 else times


def finish_samples(model, inputs, outputs):
    """Returns a program's samples, with missing variables marked.

    Raises:
        ValueError: if the network returned NaN or infinity.
    """
    check_found(model, outputs["num_unknown"])
    x, observed = order_parts(model.flow, outputs["x"]), inputs.get("observed")
    return x if observed is None else map_parts(put_missing, x, observed)


def check_found(model, num_unknown):
    """Raises a `ValueError` if some of the network's outputs are NaN or infinity.

    Args:
        model: the `BayesianFlowNetwork`.
        num_unknown: for each sample, how many of the network's outputs are not finite.
    """
    if not num_unknown.any():
        return
    all_weights = model.network.weights
    weights = [w.path for w in all_weights if not np.isfinite(ops.convert_to_numpy(w)).all()]
    if weights:
        raise ValueError(
            "The network's weights must be finite. Received: NaN or infinity in "
            f"{len(weights)} of {len(all_weights)} weights, such as {weights[0]}"
        )
    raise ValueError(
        "The network must return finite numbers. Received: NaN or infinity for "
        f"{np.count_nonzero(num_unknown)} of {num_unknown.size} samples"
    )


def count_devices(model):
    """Returns the number of the model's devices, among which they divide a batch."""
    distribution = keras.distribution.distribution()
    strategy = getattr(model, "distribute_strategy", None)  # on TensorFlow
    if distribution is not None:
        return distribution.num_model_replicas
    return 1 if strategy is None else strategy.num_replicas_in_sync


def check_batch_size(batch_size, num_examples, num_rows=1):
    """Returns the batch size, in examples of `num_rows` rows each; at most all examples."""
    if batch_size is None:
        return min(max(1, DEFAULT_ROWS // num_rows), num_examples)
    return min(check_int("batch_size", batch_size, 1), num_examples)
