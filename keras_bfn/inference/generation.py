"""Generation: from the prior to samples, in one compiled program."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_bfn import orders
from keras_bfn._backend.operations import write_step
from keras_bfn._parts import check_has_event_shape, map_parts, order_parts
from keras_bfn._validation import check_bool, check_int, check_steps, check_verbose, refusal
from keras_bfn.inference.encoding import check_latents
from keras_bfn.inference.guiding import check_guidance, first_unknown
from keras_bfn.inference.ordered import draw_in_order
from keras_bfn.inference.particles import ParticleProgram, check_particles
from keras_bfn.inference.program import LoopProgram, finish_samples, room_for
from keras_bfn.inputs.conditions import check_classifier_free, condition_inputs
from keras_bfn.inputs.given import given_inputs
from keras_bfn.inputs.missing import put_missing, within_lengths
from keras_bfn.orders.orders import check_order
from keras_bfn.predictions import Prediction, count_unknown
from keras_bfn.samplers.samplers import sampler_for


class GenerationProgram(LoopProgram):
    """Runs a sampler from its start to its end.

    Call arguments:
        inputs: dict with `"ones"`, of shape `(batch,)`; optionally `"latents"`, where the sampler
            starts; `"given"` and `"known"`, data and a bool mask of the variables known from the
            start; for conditional models `"condition"`, of shape `(batch, ...)`, and, if it guides,
            `"guidance_rescale"`, of shape `(batch,)`; `"observed"`, if some variables are missing;
            and the `"values"` of a guidance.
    """

    def __init__(self, model, sampler, most_steps, guidance, keeps_trajectory):
        super().__init__(model, sampler, most_steps, guidance)
        self.keeps_trajectory = keeps_trajectory

    def call(self, inputs):
        model, sampler, seed = self.model, self.sampler, self.model.seed_generator
        batch_size, times = ops.shape(inputs["ones"])[0], ops.copy(self.times)

        def predict(i, carry, noise):
            return self.predict_at(i, carry[0], inputs, noise)

        def act(i, carry, predictions, outputs, shift, log_h):
            states, trajectory, unknown_at = carry
            if shift is not None:
                unknown_at = first_unknown(unknown_at, i, log_h, shift)
            states = self.step(states, outputs, times[i], times[i + 1], seed, shift)
            if self.keeps_trajectory:
                trajectory = record(trajectory, i, predictions)
            return states, trajectory, unknown_at

        def nothing(flow, event_shape):
            sizes = (flow.embedding_size, flow.theta_size, flow.output_size)
            # Steps come second: predict joins batches along the first axis.
            shape = (batch_size, self.most_steps + 1)
            arrays = (ops.zeros((*shape, *event_shape, size), "float32") for size in sizes)
            own_times = event_shape if model.times == "variables" else ()
            return Prediction(ops.zeros((*shape, *own_times), "float32"), *arrays)

        if "latents" in inputs:
            states = map_parts(sampler.init_from, inputs["latents"])
        else:
            states = self.start(batch_size, seed)
        trajectory = ()
        if self.keeps_trajectory:
            trajectory = map_parts(nothing, model.flow, model.event_shape)
        carry = states, trajectory, ops.full((batch_size,), -1, dtype="int32")
        states, trajectory, unknown_at = self.loop(predict, act, carry, inputs)

        last = ops.copy(self.num_steps)
        predictions, outputs, *_ = self.predict_at(last, states, inputs, guides=False)
        if self.keeps_trajectory:
            trajectory = record(trajectory, last, predictions)
        return {
            "x": self.end(outputs, seed, inputs),
            "trajectory": trajectory,
            "unknown_at": unknown_at,
            "num_unknown": count_unknown(predictions),
        }


def record(trajectory, i, predictions):
    """Writes the predictions at step i into a trajectory."""

    return keras.tree.map_structure(
        lambda whole, seen: write_step(whole, i, seen), trajectory, predictions
    )


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

    condition: Any
    guidance_scale: Any
    guidance: Any
    num_steps: Any
    num_particles: Any
    seed: Any
    batch_size: Any
    return_details: Any
    verbose: Any


def refuse_details(options, function):
    """Raises a `ValueError` if the options for this function request details beside its result."""
    if options.get("return_details"):
        expected = f"must be False. For details, use `{function.__name__}`"
        raise refusal("return_details", expected, options["return_details"])


def generate(model, num_samples, sampler, order, given, latents, lengths, options):
    """Returns the result of `BayesianFlowNetwork.generate` for these arguments."""
    num_samples = check_int("num_samples", num_samples, 1)
    sampler = sampler_for(model, sampler)
    check_has_event_shape(model)
    inputs = {"ones": np.ones(num_samples, "float32")}
    if lengths is not None:
        inputs["observed"] = within_lengths(model, lengths, model.event_shape, num_samples)
    if given is not None:
        inputs |= given_inputs(model, given, num_samples)
        if lengths is not None:  # what is given beyond them is not part of the example
            inputs["known"] = map_parts(np.logical_and, inputs["known"], inputs["observed"])
    if latents is not None:
        known = inputs.get("known")
        inputs["latents"] = check_latents(model, latents, known, sampler, num_samples)
    return draw(model, model.event_shape, sampler, order, inputs, options)


def draw(model, event_shape, sampler, order, inputs, options):
    """Returns samples, or a `GenerationResult` with them.

    Args:
        model: the `BayesianFlowNetwork`.
        event_shape: the shape of a sample, or a dict of the parts' shapes.
        sampler: a `keras_bfn.samplers.Sampler`.
        order: the order in which variables are sampled.
        inputs: the program's inputs other than guides: `"ones"`, of shape `(num_samples,)`, and
            optionally `"given"` and `"known"`, `"latents"` and `"observed"`.
        options: `Options`.
    """
    num_samples, condition, guidance = len(inputs["ones"]), options.condition, options.guidance
    num_steps = check_steps(options.num_steps)
    details = check_bool("return_details", options.return_details)
    check_verbose(options.verbose)
    scale = options.guidance_scale
    classifier_free = check_classifier_free(model, condition, "known" in inputs, scale)
    inputs = inputs | condition_inputs(model, condition, num_samples)
    if classifier_free is not None:
        inputs["guidance_rescale"] = np.full(num_samples, classifier_free.rescale, "float32")
    if not model.built:
        shapes = map_parts(lambda shape: (num_samples, *shape), event_shape)
        model.build_for(shapes, inputs.get("condition"))
    if guidance is not None:
        guidance, inputs["values"] = check_guidance(model, guidance, sampler, num_samples)
    order = check_order(model, order)
    if type(order) is not orders.Together:
        return draw_in_order(model, sampler, order, inputs, classifier_free, guidance, options)
    most_steps, num_particles = room_for(num_steps), options.num_particles
    if num_particles is None:
        kind, setting = GenerationProgram, details
        if details:  # a trajectory has exactly this many predictions
            most_steps = num_steps - 1 if sampler.end == "last" else num_steps
    else:
        kind, setting = ParticleProgram, check_int("num_particles", num_particles, 1)
        check_particles(sampler, guidance, are_weighed=details or num_particles > 1)
    program = model.programs(kind, sampler, most_steps, guidance, setting)
    program.set_steps(num_steps, classifier_free, guidance)
    outputs = program.run(inputs, options.batch_size, options.seed, options.verbose)
    samples = finish_samples(model, inputs, outputs)
    return _result(model, inputs, outputs, samples, num_steps) if details else samples


def _result(model, inputs, outputs, samples, num_steps):
    """Returns the `GenerationResult` of a program's inputs and outputs."""
    if "trajectory" in outputs:
        trajectory = order_parts(model.flow, outputs["trajectory"])
        in_steps = map_parts(lambda part: _in_steps(model.times, part), trajectory)
        return GenerationResult(samples, in_steps)
    particles, observed = order_parts(model.flow, outputs["particles"]), inputs.get("observed")
    if observed is not None:
        particles = map_parts(lambda x, mask: put_missing(x, mask[:, None]), particles, observed)
    return GenerationResult(
        samples,
        log_likelihood=outputs["log_likelihood"],
        effective_sample_size=outputs["effective_sample_size"].T[: num_steps + 1],
        particles=particles,
        log_weights=outputs["log_weights"],
    )


def _in_steps(times, prediction):
    """Returns a trajectory with its steps first; shared times are kept once, not per sample."""
    steps = Prediction(*(np.moveaxis(values, 1, 0) for values in prediction))
    return steps._replace(t=steps.t[:, 0]) if times == "shared" else steps
