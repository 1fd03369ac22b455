"""Generation: from the prior to samples, in one compiled program."""

import functools
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bfn import samplers
from keras_bfn._backend.operations import write_step
from keras_bfn._parts import check_has_event_shape, check_names, map_parts, order_parts
from keras_bfn._validation import (
    check_bool,
    check_int,
    check_numbers,
    check_steps,
    check_verbose,
    mismatch,
    refusal,
    warn,
)
from keras_bfn.inputs.conditions import condition_inputs
from keras_bfn.inputs.missing import within_lengths
from keras_bfn.models.classifier_free import check_classifier_free, warn_if_null
from keras_bfn.models.programs import STEPS, LoopProgram, find_times, finish_samples
from keras_bfn.predictions import Prediction, count_unknown
from keras_bfn.samplers.samplers import check_deterministic


class GenerationProgram(LoopProgram):
    """Runs a sampler from its start to its end.

    Call arguments:
        inputs: dict with `"ones"`, of shape `(batch,)`; optionally `"latents"`, where the sampler
            starts; for conditional models `"condition"`, of shape `(batch, ...)`; `"observed"`, if
            some variables are missing; and what the model's `predict_in` and `complete` take.
    """

    def __init__(self, model, sampler, most_steps, classifier_free, keeps_trajectory, num_scales=1):
        super().__init__(model, sampler, most_steps, classifier_free, num_scales)
        self.keeps_trajectory = keeps_trajectory

    def call(self, inputs):
        # Read here: on JAX, `act` would take a variable for a constant of the first call.
        inputs = inputs | {"times": ops.copy(self.times), "scales": ops.copy(self.scales)}
        predict = functools.partial(self.predict_at, inputs)
        act = functools.partial(self.act, inputs)
        carry = self.loop(predict, act, self.begin(inputs), self.drawing(inputs))
        return self.finish(inputs, carry)

    def begin(self, inputs):
        """Returns what the loop carries before the first step."""
        batch_size = ops.shape(inputs["ones"])[0]

        def nothing(flow, event_shape, time_shape):
            sizes = (flow.embedding_size, flow.theta_size, flow.output_size)
            # Steps come second: predict joins batches along the first axis.
            shape = (batch_size, self.most_steps + 1)
            arrays = (ops.zeros((*shape, *event_shape, size), "float32") for size in sizes)
            return Prediction(ops.zeros((*shape, *(time_shape or ())), "float32"), *arrays)

        if "latents" in inputs:
            states = map_parts(self.sampler.init_from, inputs["latents"])
        else:
            states = self.start(batch_size, self.model.seed_generator)
        trajectory, model = (), self.model
        if self.keeps_trajectory:
            trajectory = map_parts(nothing, model.flow, model.event_shape, model.time_shape)
        return {"states": states, "trajectory": trajectory}

    def drawing(self, inputs):
        """Returns a function that draws the noise of each prediction; None if there is none."""
        return None

    def predict_at(self, inputs, i, carry, noise):
        """Returns the predictions of step i, and the output distributions as the sampler takes."""
        times, scale = inputs["times"], inputs["scales"][i, 0]
        s = map_parts(self.sampler.evidence, self.model.flow, carry["states"], times[i])
        predictions = self.predict_params(s, times[i], times[i + 1], inputs, scale)
        return predictions, map_parts(self.output, self.model.flow, predictions)

    def act(self, inputs, i, carry, predictions, outputs, *shift):
        """Returns what the loop carries after step i."""
        times, seed = inputs["times"], self.model.seed_generator
        step, flow, states = self.sampler.step, self.model.flow, carry["states"]
        states = map_parts(step, flow, states, outputs, times[i], times[i + 1], seed, *shift)
        trajectory = self.record(carry, i, predictions) if self.keeps_trajectory else ()
        return carry | {"states": states, "trajectory": trajectory}

    def record(self, carry, i, predictions):
        """Returns the trajectory with the predictions of step i."""
        return keras.tree.map_structure(
            lambda whole, seen: write_step(whole, i, seen), carry["trajectory"], predictions
        )

    def finish(self, inputs, carry):
        """Makes the last prediction; returns the program's outputs."""
        last = ops.copy(self.num_steps)
        predictions, outputs = GenerationProgram.predict_at(self, inputs, last, carry, None)
        return {
            "x": self.end(outputs, self.model.seed_generator, inputs),
            "trajectory": self.record(carry, last, predictions) if self.keeps_trajectory else (),
            "num_unknown": count_unknown(predictions),
        }


class GenerationResult(NamedTuple):
    """Samples and their history, which `generate` and `inpaint` return with `return_details`.

    Attributes:
        samples: the result without details: an array of shape `(num_samples, *event_shape)`, or a
            dict of the parts' arrays.
        trajectory: a `keras_bfn.Prediction`, or a dict of the parts' predictions. With shared
            times, its `t` has the shape `(num_steps + 1,)`; `s`, `theta` and `params` have a first
            axis of `num_steps + 1`. A sampler with `end="last"` makes one prediction fewer. None
            with particles.
        log_likelihood: `(num_samples,)`, in nats: the logarithm of an unbiased estimate of E[L],
            the expected likelihood under the model. For `inpaint`, the estimate is of the
            probability (or density) of the known variables under the model, times the likelihood of
            a `guidance`. This and the following attributes are None without particles.
        effective_sample_size: `(num_steps + 1, num_samples)`, from 1 to `num_particles`, at each
            step before resampling.
        particles: all particles, `(num_samples, num_particles, *event_shape)`, or a dict of the
            parts' arrays.
        log_weights: the particles' log weights, `(num_samples, num_particles)`.

    Example:

    >>> result = model.generate(2, num_steps=3, return_details=True)
    >>> [result.samples.shape, result.trajectory.t.shape, result.trajectory.params.shape]
    [(2, 4, 4, 1), (4,), (4, 2, 4, 4, 1, 1)]
    """

    samples: Any
    trajectory: Any = None
    log_likelihood: Any = None
    effective_sample_size: Any = None
    particles: Any = None
    log_weights: Any = None


class Options(NamedTuple):
    """The arguments of `BayesianFlowNetwork.generate` and `inpaint` that set how to sample."""

    num_steps: Any
    condition: Any
    guidance_scale: Any
    guidance: Any
    num_particles: Any
    seed: Any
    batch_size: Any
    return_details: Any
    verbose: Any


def prepare(model, num_samples, lengths):
    """Returns the inputs of a program that makes this number of samples."""
    num_samples = check_int("num_samples", num_samples, 1)
    check_has_event_shape(model)
    inputs = {"ones": np.ones(num_samples, "float32")}
    if lengths is not None:
        inputs["observed"] = within_lengths(model, lengths, model.event_shape, num_samples)
    return inputs


def add_condition(model, event_shape, inputs, options, can_forget=False):
    """Returns the inputs with the condition, and the `ClassifierFreeGuidance` or None.

    An unbuilt model is built.

    Args:
        model: the `BayesianFlowNetwork`.
        event_shape: the shape of a sample, or a dict of the parts' shapes.
        inputs: the program's inputs.
        options: `Options`.
        can_forget: as in `check_classifier_free`.
    """
    check_steps(options.num_steps)
    check_bool("return_details", options.return_details)
    check_verbose(options.verbose)
    num_samples, condition = len(inputs["ones"]), options.condition
    found = check_classifier_free(model, options.guidance_scale, condition, can_forget)
    inputs = inputs | condition_inputs(model, condition, num_samples)
    warn_if_null(model, condition)
    if not model.built:
        shapes = map_parts(lambda shape: (num_samples, *shape), event_shape)
        model.build_for(shapes, inputs.get("condition"))
    warn_if_new(model)
    return inputs, found


def warn_if_new(model):
    """Warns, once for each model, if all biases of the network are 0, as they are at first."""
    if not model._may_be_new:
        return
    model._may_be_new, weights = False, model.network.weights
    # Those of tokens, which are random, have two axes.
    biases = [w for w in weights if w.path.endswith("/bias") and len(w.shape) == 1]
    if biases and not any(ops.any(ops.not_equal(bias, 0)) for bias in biases):
        warn(
            "The network has been neither trained nor loaded: all of its biases are 0. Call `fit`, "
            "`load_weights` or `from_preset` before `generate`, which now returns noise"
        )


def generate(model, num_samples, sampler, latents, lengths, options):
    """Returns the result of `BayesianFlowNetwork.generate` for these arguments."""
    inputs = prepare(model, num_samples, lengths)
    sampler = model.get_sampler(default_sampler(sampler, latents, options))
    if latents is not None:
        inputs["latents"] = check_latents(model, latents, sampler, num_samples)
    inputs, classifier_free = add_condition(model, model.event_shape, inputs, options)
    return draw(model, sampler, inputs, classifier_free, options)


def default_sampler(sampler, latents, options):
    """Returns the sampler; if it is None, one that suits latents or particles, if there are any."""
    if sampler is None and latents is not None:
        return samplers.DEFAULT_DETERMINISTIC
    return "ancestral" if sampler is None and options.num_particles is not None else sampler


def draw(model, sampler, inputs, classifier_free, options):
    """Returns samples, or a `GenerationResult` with them.

    Args:
        model: the `BayesianFlowNetwork`.
        sampler: a `keras_bfn.samplers.Sampler`.
        inputs, classifier_free: as `add_condition` returns them.
        options: `Options`.
    """
    if options.guidance is not None:
        guidance = model.get_guidance(options.guidance)
        return guidance.draw(model, sampler, inputs, classifier_free, options)
    if options.num_particles is not None:
        expected = "must be None without a `guidance`, which weights the particles"
        raise refusal("num_particles", expected, options.num_particles)
    details, times = options.return_details, find_times(model, sampler, options.num_steps)
    program = model.programs(
        GenerationProgram, sampler, room_of(times, details), classifier_free, details
    )
    program.set_steps(times, classifier_free)
    outputs = program.run(inputs, options.batch_size, options.seed, options.verbose)
    samples = finish_samples(model, inputs, outputs)
    return with_trajectory(model, samples, outputs) if details else samples


def room_of(times, details):
    """Returns a program's `most_steps`; a trajectory has exactly as many predictions as times."""
    return len(times) - 1 if details else -(-(len(times) - 1) // STEPS) * STEPS


def with_trajectory(model, samples, outputs):
    """Returns the `GenerationResult` of samples and of a program's outputs."""

    def in_steps(prediction, time_shape):
        """Returns the steps first; a time of all variables is kept once, not per sample."""
        steps = Prediction(*(np.moveaxis(values, 1, 0) for values in prediction))
        return steps if time_shape is not None else steps._replace(t=steps.t[:, 0])

    trajectory = order_parts(model.flow, outputs["trajectory"])
    return GenerationResult(samples, map_parts(in_steps, trajectory, model.time_shape))


def check_latents(model, latents, sampler, num_samples):
    """Returns the latents from which samples start.

    Raises:
        ValueError: if they are not finite numbers of this shape, or the sampler does not take them.
    """
    check_deterministic(sampler)
    names = check_names(model.flow, latents, "latents")

    def check(flow, event_shape, latents, name):
        latents = check_numbers(name, latents)
        shape = (num_samples, *event_shape, flow.embedding_size)
        if latents.shape != shape or not np.isfinite(latents).all():
            expected = f"must be finite and have shape {shape}: (num_samples, *event_shape, "
            raise mismatch(name, f"{expected}embedding_size)", f"shape {latents.shape}")
        return latents

    return map_parts(check, model.flow, model.event_shape, latents, names)
