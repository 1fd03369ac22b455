"""Compiled programs of a Bayesian flow network: how they run, and what samplers share."""

import functools

import keras
import numpy as np
from keras import ops

from keras_bfn import _keras
from keras_bfn._backend.traits import compiles_gradients_of_scans
from keras_bfn._interrupts import WholeSteps, whole_steps
from keras_bfn._parts import count_examples, list_parts, map_parts, order_parts
from keras_bfn._random import Noise, normal, uniform
from keras_bfn._sameness import layers_read_by
from keras_bfn._validation import check_int, mismatch
from keras_bfn.inference.guiding import guided_prediction, scales_at
from keras_bfn.inputs.missing import put_missing

DEFAULT_ROWS = 64  # in a batch
STEPS = 1024  # a program's maximum number of steps is a multiple of this


class Program(WholeSteps, keras.Model):
    """Base class of programs: a small Keras model without weights of its own, run by `predict`.

    On every backend, `predict` compiles it once per batch shape, makes batches and shows progress.
    The constructor takes the model and further arguments; `model.programs` caches a program for
    each set of arguments.

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
        with whole_steps(self):
            return super().predict(*args, **kwargs)

    def predict_on_batch(self, x):
        with whole_steps(self):
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
        num = num_repeats * count_examples(inputs)
        batch_size = check_batch_size(batch_size, num, self.num_rows)
        batches = RepeatedBatches(inputs, num_repeats, round_up(batch_size, self.model))
        on_one_device = keras.distribution.distribution() is None and round_up(1, self.model) == 1
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

    def __init__(self, inputs, num_repeats, batch_size):
        super().__init__()
        self.inputs, self.num_examples = inputs, count_examples(inputs)
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


class SamplingProgram(Program):
    """Base class of programs that predict and take steps of a sampler.

    Args:
        model: the `BayesianFlowNetwork`.
        sampler: a `keras_bfn.samplers.Sampler`.
        guidance: a `keras_bfn.guidance.Guidance`, or None.
    """

    def __init__(self, model, sampler, guidance=None):
        super().__init__(model)
        self.sampler, self.guidance = sampler, guidance
        # Tracked by Keras, so that their weights are not compiled as constants.
        self.guiding_layers = layers_read_by(guidance)
        scans = any(flow.scans for (flow,) in list_parts(model.flow))
        if guidance is not None and scans and self.compiled and not compiles_gradients_of_scans():
            self.compile(jit_compile=False, run_eagerly=model.run_eagerly)

    def find_times(self, num_steps, up_to_1=False):
        """Returns the times of the predictions, float32: the mean of the parts' times.

        With `end="last"`, the last is that before 1, unless `up_to_1`.
        """
        times = [self.sampler.times(flow, num_steps) for (flow,) in list_parts(self.model.flow)]
        times = np.mean(times, axis=0, dtype="float64").astype("float32")
        return times[:-1] if self.sampler.end == "last" and not up_to_1 else times

    def start(self, batch_size, seed):
        """Returns the sampler's initial state, or a dict of the parts' states."""

        def start(flow, event_shape):
            shape = (batch_size, *event_shape, flow.embedding_size)
            return self.sampler.init(flow, shape, seed)

        return map_parts(start, self.model.flow, self.model.event_shape)

    def predict_params(self, states, time, inputs, scales=None, noise=None, t_next=None):
        """Predicts data from the sampler's state, guided or not.

        Args:
            states: the sampler's state, or a dict of the parts' states.
            time: a scalar tensor.
            inputs: the program's inputs, of which these are used: `"ones"`, of shape `(batch,)`,
                and, if present, `"condition"`, `"guidance_scale"` and `"guidance_rescale"`;
                `"observed"`, the mask of observed variables; `"given"` and `"known"`, data and a
                mask of the variables known from the start; and, with a guidance, its `"values"`.
            scales: a scalar for each likelihood of the guidance; by default none guides.
            noise: as in `guided_prediction`.
            t_next: a scalar tensor, the time of the next prediction, for samplers that jump.

        Returns:
            The tuple of the predictions, one or a dict; the output distributions, as the sampler
            takes them; and, with a guidance, its shift of the expected embedding, and log h, else
            None and None.
        """
        flow, known = self.model.flow, inputs.get("known")
        s = map_parts(self.sampler.evidence, flow, states, time)
        # Not a constant: in Keras 3.15, TensorFlow folds a constant added to the output of a
        # `Dense` layer into the layer's bias, with wrong shapes.
        t, arrival = time * inputs["ones"], None
        if self.sampler.jumps:
            arrival = self.sampler.arrival(t_next) * inputs["ones"]

        def predict(s):
            if known is not None:
                s = map_parts(know, flow, s, inputs["given"], known)
            return self.ask(s, t, inputs, known=known, t_next=arrival)

        if scales is None:
            predictions, shift, log_h = predict(s), None, None
        else:
            predictions, shift, log_h = guided_prediction(
                self.guidance, predict, flow, s, inputs, scales, noise
            )
        return predictions, self.outputs(predictions), shift, log_h

    def ask(self, s, t, inputs, **known):
        """Calls the network with the condition, the mask and the guidance scale in the inputs."""
        given = inputs.get("condition"), False, inputs.get("observed")
        guides = inputs.get("guidance_scale"), inputs.get("guidance_rescale")
        return self.model.predict_params(s, t, *given, *guides, **known)

    def outputs(self, predictions):
        """Returns the output distributions, as the sampler takes them."""

        def output(flow, one):
            return self.sampler.sharpen(flow.output_distribution(one.params, one.s, one.t))

        return map_parts(output, self.model.flow, predictions)

    def step(self, states, outputs, t, t_next, seed, shift=None):
        """Returns the sampler's states after a step, given the output distributions before it."""
        # Samplers that are never guided need not take a shift.
        shifts = () if shift is None else (shift,)
        given = states, outputs, t, t_next, seed, *shifts
        return map_parts(self.sampler.step, self.model.flow, *given)

    def end(self, outputs, seed, inputs=()):
        """Samples the last output distributions, or takes their modes; keeps known variables."""
        x = map_parts(self.sampler.finish, self.model.flow, outputs, seed)
        if "known" not in inputs:
            return x
        return map_parts(put_known, x, inputs["given"], inputs["known"])


class LoopProgram(SamplingProgram):
    """Base class of programs that repeatedly predict and step, at times set in advance.

    The times and their number are variables, so one program serves all.

    Args:
        model, sampler, guidance: as in `SamplingProgram`.
        most_steps: int.
    """

    def __init__(self, model, sampler, most_steps, guidance=None):
        super().__init__(model, sampler, guidance)
        self.most_steps = most_steps
        unknown = {"initializer": "zeros", "trainable": False}
        self.num_steps = self.add_weight((), dtype="int32", name="num_steps", **unknown)
        # After the last prediction's time comes 1, at which its jump arrives.
        self.times = self.add_weight((most_steps + 2,), name="times", **unknown)
        num_scales = 1 if guidance is None else 1 + len(guidance.leaves())
        self.scales = self.add_weight((most_steps + 1, num_scales), name="scales", **unknown)

    def set_steps(self, num_steps, classifier_free=None, guidance=None):
        """Sets the times for `num_steps` steps, and the scales of all guides at these times."""
        times = self.find_times(num_steps)
        room = (0, self.most_steps + 1 - len(times))
        self.num_steps.assign(len(times) - 1)
        self.times.assign(np.pad(times, (0, room[1] + 1), constant_values=1.0))
        if classifier_free is not None or guidance is not None:
            scales = scales_at(times, classifier_free, guidance)
            self.scales.assign(np.pad(scales, (room, (0, 0))))

    def scales_at(self, i):
        """Returns the scales at step i, a list: the condition's, then the likelihoods'."""
        return ops.unstack(ops.copy(self.scales)[i], self.scales.shape[1])

    def predict_at(self, i, states, inputs, noise=None, guides=True):
        """Calls `predict_params` at the time of step i, with the scales of that step.

        Args:
            i, states, inputs, noise: as in `predict_params`.
            guides: bool. Whether the guidance, if any, applies: whether a step follows.
        """
        if "guidance_rescale" in inputs:  # then a condition guides
            inputs = inputs | {"guidance_scale": self.scales_at(i)[0] * inputs["ones"]}
        is_guided = guides and self.guidance is not None
        scales = self.scales_at(i)[1:] if is_guided else None
        times = ops.copy(self.times)
        return self.predict_params(states, times[i], inputs, scales, noise, times[i + 1])

    def draw_noise(self, inputs):
        """Draws the noise of a guidance that uses samples: see `keras_bfn.guidance.Expected`."""
        seed, batch_size = self.model.seed_generator, ops.shape(inputs["ones"])[0]
        num_draws = self.guidance.num_draws

        def draw(flow, event_shape):
            shape, taken = (batch_size, *event_shape), Noise()
            nothing = (
                ops.zeros((*shape, n), "float32") for n in (flow.output_size, flow.embedding_size)
            )
            flow.output_distribution(*nothing, inputs["ones"]).sample(taken)
            kinds = {"normal": normal, "uniform": uniform}
            return {
                name: kinds[name.split("_")[0]]((num_draws, *shape), seed)
                for name, shape in taken.shapes.items()
            }

        return map_parts(draw, self.model.flow, self.model.event_shape)

    def loop(self, predict, act, state, inputs):
        """Runs `state = act(i, state, *predict(i, state, noise))` for each step i.

        `act` may draw from the model's seed generator; `predict` may call the network. The noise
        comes from `draw_noise`, or is None if no guidance needs it.
        """
        draws = self.guidance is not None and self.guidance.num_draws is not None
        draw = functools.partial(self.draw_noise, inputs) if draws else None
        num_steps = ops.copy(self.num_steps)
        return _keras.loop(self.model.seed_generator, num_steps, predict, act, state, draw)


def finish_samples(model, inputs, outputs):
    """Returns a program's samples, with missing variables marked.

    Raises:
        ValueError: if the network or a guidance returned NaN or infinity.
    """
    check_found(model, outputs.get("unknown_at", np.zeros(0)), outputs["num_unknown"])
    x, observed = order_parts(model.flow, outputs["x"]), inputs.get("observed")
    return x if observed is None else map_parts(put_missing, x, observed)


def check_found(model, unknown_at, num_unknown):
    """Raises a `ValueError` if the network or a guidance returned NaN or infinity.

    Args:
        model: the `BayesianFlowNetwork`.
        unknown_at: for each sample, the first step at which a guidance did so, or -1.
        num_unknown: for each sample, how many of the network's outputs are not finite.
    """
    steps = unknown_at[unknown_at >= 0]
    if not num_unknown.any() and not steps.size:
        return
    all_weights = model.network.weights
    weights = [w.path for w in all_weights if not np.isfinite(ops.convert_to_numpy(w)).all()]
    if weights:
        raise ValueError(
            "The network's weights must be finite. Received: NaN or infinity in "
            f"{len(weights)} of {len(all_weights)} weights, such as {weights[0]}"
        )
    if not steps.size:
        raise ValueError(
            "The network must return finite numbers. Received: NaN or infinity for "
            f"{np.count_nonzero(num_unknown)} of {num_unknown.size} samples"
        )
    came = f"NaN or infinity for {steps.size} of {unknown_at.size} samples, first at step "
    raise mismatch("guidance", "must be finite and have a finite gradient", f"{came}{steps.min()}")


def know(flow, s, x, known):
    """Returns evidence in which the known variables of `x` are known for sure."""
    return ops.where(known[..., None], flow.known_evidence(x), s)


def put_known(x, given, known):
    """Returns data in which the known variables are replaced by those of `given`."""
    return ops.where(known, ops.cast(given, x.dtype), x)


def round_up(batch_size, model):
    """Returns the batch size, rounded up to a multiple of the number of the model's devices.

    JAX refuses a batch that the devices cannot divide evenly.
    """
    distribution = keras.distribution.distribution()
    strategy = getattr(model, "distribute_strategy", None)  # on TensorFlow
    num_devices = 1 if strategy is None else strategy.num_replicas_in_sync
    if distribution is not None:
        num_devices = distribution.num_model_replicas
    return -(-batch_size // num_devices) * num_devices


def room_for(num_steps):
    """Returns the `most_steps` of a program for this number of steps."""
    return -(-num_steps // STEPS) * STEPS


def check_batch_size(batch_size, num_examples, num_rows=1):
    """Returns the batch size, in examples of `num_rows` rows each; at most all examples."""
    if batch_size is None:
        return min(max(1, DEFAULT_ROWS // num_rows), num_examples)
    return min(check_int("batch_size", batch_size, 1), num_examples)
