"""Generation: from the prior to samples, in one compiled program."""

import inspect

import keras
import numpy as np
from keras import ops

from keras_bfn import samplers
from keras_bfn._parts import check_names, leave_out, list_parts, map_parts, order_parts, part_names
from keras_bfn._validation import (
    MOST_STEPS,
    check_bool,
    check_int,
    check_interval,
    check_numbers,
    check_verbose,
    refusal,
)
from keras_bfn.looks import Look
from keras_bfn.models.conditions import condition_inputs
from keras_bfn.models.data_checks import check_data, check_has_event_shape, standardize
from keras_bfn.models.guiding import (
    Guiding,
    check_found,
    check_guidance,
    count_unknown,
    first_unknown,
    guidance_inputs,
)
from keras_bfn.models.missing import length_inputs, put_missing
from keras_bfn.models.part_times import check_given
from keras_bfn.models.particles import (
    ParticleProgram,
    check_particles,
    default_rows,
    finish_statistics,
)
from keras_bfn.models.program import LoopProgram, check_batch_size, predict, room_for


class GenerationProgram(LoopProgram):
    """Runs a sampler from its start to its end.

    Call arguments:
        inputs: dict with `"ones"`, of shape `(batch,)`; `"latents"`, where the sampler starts, if
            it is given; `"given"`, a dict of the data of parts that are known; and for conditional
            models `"condition"`, of shape `(batch, ...)`, and, if it guides, `"guidance_rescale"`,
            of shape `(batch,)`; `"there"`, if some variables are not; and the `"values"` of a
            guidance.
    """

    def __init__(self, model, sampler, most_steps, return_trajectory, given=(), guidance=None):
        super().__init__(model, sampler, most_steps, given, guidance)
        self.return_trajectory = return_trajectory

    def find_times(self, num_steps):
        times = super().find_times(num_steps)
        # With `end="last"`, the last look is the one before t = 1.
        return times[:-1] if self.sampler.end == "last" else times

    def call(self, inputs):
        model, sampler, seed = self.model, self.sampler, self.model.seed_generator
        batch_size = ops.shape(inputs["ones"])[0]
        known = self.evidence_of_given(inputs)

        def look(carry, i, t, noise):
            return self.look_at(i, carry[0], t, inputs, known, noise)

        def act(carry, looks, outputs, shift, log_h, i, t, t_next):
            states, trajectory, unknown_at = carry
            if shift is not None:
                unknown_at = first_unknown(unknown_at, i, log_h, shift)
            states = self.step(states, outputs, t, t_next, seed, shift)
            return states, record(trajectory, i, looks), unknown_at

        def nothing(flow, event_shape):
            sizes = (flow.embedding_size, flow.theta_size, flow.output_size)
            # Steps come second: predict joins batches along the first axis.
            shape = (batch_size, self.most_steps + 1)
            return Look(ops.zeros(shape), *(ops.zeros((*shape, *event_shape, n)) for n in sizes))

        if "latents" in inputs:
            states = map_parts(lambda _, u: sampler.init_from(u), self.drawn, inputs["latents"])
        else:
            states = self.start(batch_size, seed)
        trajectory = ()
        if self.return_trajectory:
            trajectory = map_parts(nothing, model.flow, model.event_shape)
        carry = states, trajectory, ops.full((batch_size,), -1, dtype="int32")
        carry, num_steps, t = self.loop(look, act, carry, lambda: self.draw_noise(inputs))

        states, trajectory, unknown_at = carry
        looks, outputs, *_ = self.look_at(num_steps, states, t, inputs, known, guided=False)
        x = self.end(outputs, seed)
        trajectory = record(trajectory, num_steps, looks)
        num_unknown = count_unknown(map_parts(lambda _, look: look, self.drawn, looks))
        return {
            "x": x,
            "trajectory": trajectory,
            "unknown_at": unknown_at,
            "num_unknown": num_unknown,
        }


def record(trajectory, i, looks):
    """Writes what was seen at step i, if a trajectory is kept."""

    def write(whole, seen):
        return ops.slice_update(whole, (0, i) + (0,) * (len(seen.shape) - 1), seen[:, None])

    return keras.tree.map_structure(write, trajectory, looks) if trajectory else trajectory


def generate(
    self,
    num_samples,
    num_steps=100,
    sampler="ancestral",
    condition=None,
    guidance_scale=1.0,
    guidance_interval=(0.0, 1.0),
    guidance_rescale=0.0,
    guidance=None,
    num_particles=1,
    given=None,
    latents=None,
    lengths=None,
    seed=None,
    batch_size=None,
    return_trajectory=False,
    return_statistics=False,
    verbose="auto",
):
    """Generates samples with `num_steps + 1` network calls.

    Args:
        num_samples: int, at least 1.
        num_steps: int, at least 1.
        sampler: a `keras_bfn.samplers.Sampler` or a name: `"ancestral"`, the paper's; or
            `"sde1"`, `"sde2"`, `"ode1"`, `"ode2"`, which need fewer steps. Temperature, start,
            end and spacing of steps are options of the objects. For few
            steps, try `SDE2Sampler(start=0.02, spacing="log_beta")`; of 256 bins, whose accuracy
            grows faster, `start=0.001`.
        condition: for conditional models, an array of shape `(num_samples, ...)`. Left out, it
            is the network's null condition, if it has one.
        guidance_scale: float, or function of the time in [0, 1] that returns one. 1 samples what
            the network has learnt; above 1, the conditions stand out more than that: the network's
            output is that for the null condition plus so many times what the condition changes in
            it. Train with `condition_dropout` for it.
        guidance_interval: two times, t0 < t1 in [0, 1]: before and after, the scale is 1.
        guidance_rescale: float in [0, 1]: how much of the way back the guided output is scaled to
            the standard deviation that it has with the condition alone.
        guidance: a function of the expected data that returns a log likelihood for each sample, or
            a `keras_bfn.guidance.Guidance`, which has a scale and an interval of its own. Samples
            are drawn given an event of this likelihood. May be used together with a condition.
        num_particles: int. With more than one, of which each sample is chosen by weight, what is
            only approximate about a guidance is made up for (twisted sequential Monte Carlo): as
            they grow, samples follow the model's own distribution times the likelihood. For the
            samplers `"ancestral"` and `"sde1"`.
        given: for a model with `times="parts"`, a dict of parts that are known: for each an array
            of `num_samples` examples. The other parts are drawn given these, with no inpainting.
        latents: where a deterministic sampler (`"ode1"`, `"ode2"`) starts: an array of shape
            `(num_samples, *event_shape, flow.embedding_size)`, as `encode` returns it, or a dict of
            the parts' that are drawn. By default drawn from N(0, flow.gain).
        lengths: how long the sequences are: an int, or integers of shape `(num_samples,)`; for a
            dict of flows, a dict of those of some parts. For models that allow missing variables:
            those beyond are -1 or NaN. By default as long as the model's.
        seed: int or None. The same seed gives the same samples on the same backend.
        batch_size: int; by default all at once, up to 64. One program is compiled for each
            batch size and sampler, and used again for any number of steps.
        return_trajectory: bool. Whether to return the steps, too. Not with particles.
        return_statistics: bool. Whether to return, too, how the particles fared; with a guidance.
        verbose: as in `keras.Model.predict`.

    Returns:
        A numpy array of shape `(num_samples, *event_shape)`, int32 for discrete and discretised
        data, else float32; or a dict of the parts'. With `return_trajectory`, the tuple of it and a
        `keras_bfn.Look`, or a dict of the parts' looks: its `t` has the shape `(num_steps + 1,)`,
        and `s`, `theta` and `params` have an axis of `num_steps + 1` before all
        others. A sampler with `end="last"` makes one look less. With `return_statistics`, the
        tuple of it and a dict: `"log_likelihood"`, `(num_samples,)`, in nats, the logarithm of an
        unbiased estimate of E[L], the mean of the likelihood over what the model draws;
        `"effective_sample_size"`, `(num_steps + 1, num_samples)`, of 1 to `num_particles`, at each
        look before particles are drawn anew; and all of the `"particles"`, `(num_samples,
        num_particles, *event_shape)`, with their `"log_weights"`, `(num_samples, num_particles)`.

    Raises:
        ValueError: if an argument is out of its range, or the model has no event shape yet.

    Example:

    >>> images = model.generate(64, num_steps=20, sampler="ode2", seed=0)

    Reference: guidance by conditions follows
    [Ho and Salimans, 2022](https://arxiv.org/abs/2207.12598), its interval
    [Kynkäänniemi et al., 2024](https://arxiv.org/abs/2404.07724), its scaling back section 3.4 of
    [Lin et al., 2024](https://arxiv.org/abs/2305.08891).
    """
    num_samples = check_int("num_samples", num_samples, 1)
    num_steps = check_int("num_steps", num_steps, 1, MOST_STEPS)
    num_particles = check_int("num_particles", num_particles, 1)
    weighs = check_bool("return_statistics", return_statistics) or num_particles > 1
    sampler = samplers.get(sampler)
    check_bool("return_trajectory", return_trajectory)
    check_verbose(verbose)
    check_has_event_shape(self)
    inputs = {"ones": np.ones(num_samples, "float32")}
    interval = check_interval("guidance_interval", guidance_interval)
    inputs |= condition_inputs(self, condition, num_samples, guidance_scale, guidance_rescale)
    given = _check_given_data(self, given, num_samples)
    check_sampler(sampler, leave_out(given, self.flow))
    if given:
        inputs["given"] = given
    if latents is not None:
        inputs["latents"] = _check_latents(self, latents, given, sampler, num_samples)
    inputs |= length_inputs(self, lengths, num_samples, given)
    shapes = map_parts(lambda shape: (num_samples, *shape), self.event_shape)
    self.build_for(shapes, inputs.get("condition"))
    guidance = check_guidance(self, guidance, num_samples, weighs)
    inputs |= guidance_inputs(guidance, num_samples)
    if guidance is not None and "shift" not in inspect.signature(sampler.step).parameters:
        raise refusal("sampler", "must have a `step` that takes a `shift` to be guided", sampler)
    guiding = Guiding(guidance_scale, interval, guidance)
    if weighs:
        check_particles(sampler, guidance, latents, return_trajectory)
        batch_size = check_batch_size(batch_size, num_samples, default_rows(num_particles))
        program = ParticleProgram
        arguments = (sampler, room_for(num_steps), num_particles, tuple(given), guidance)
    else:
        batch_size = check_batch_size(batch_size, num_samples)
        program, most_steps = GenerationProgram, room_for(num_steps)
        if return_trajectory:  # which has room for as many looks as there are
            most_steps = num_steps - 1 if sampler.end == "last" else num_steps
        arguments = (sampler, most_steps, return_trajectory, tuple(given), guidance)
    outputs = predict(
        self, program, arguments, inputs, batch_size, seed, verbose, num_steps, guiding
    )
    check_found(self, outputs.pop("unknown_at"), outputs.pop("num_unknown"))
    x, there = outputs.pop("x"), inputs.get("there")
    x = order_parts(self.flow, x | given if given else x)
    if there is not None:
        x = map_parts(put_missing, x, there)
    if return_trajectory:
        return x, map_parts(_in_steps, self.flow, outputs["trajectory"])
    return (x, finish_statistics(self, outputs, num_steps, there)) if return_statistics else x


def _in_steps(flow, look):
    """A trajectory with its steps first; all samples are looked at at the same times."""
    steps = Look(*(np.moveaxis(values, 1, 0) for values in look))
    return steps._replace(t=steps.t[:, 0])


def check_sampler(sampler, flow):
    """Raises a `ValueError` if a sampler does not suit a flow, or a dict of flows to draw."""
    if sampler.temperature != 1 or sampler.top_k is not None or sampler.top_p is not None:
        for (part,) in list_parts(flow):  # what they sharpen says whether it can be
            params, s = (ops.zeros((1, n)) for n in (part.output_size, part.embedding_size))
            sampler.sharpen(part.output_distribution(params, s, ops.ones(1)))


def check_deterministic(sampler):
    """Raises a `ValueError` unless the sampler's samples are a function of its start."""
    if not sampler.deterministic:
        raise ValueError(
            "Argument `sampler` must be deterministic, such as 'ode1' or 'ode2', for its samples "
            f"to be a function of latents. Received: sampler={sampler!r}"
        )


def _check_given_data(model, given, num_samples):
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(
            "Argument `given` must be a dict from names of parts to their data. "
            f"Received: a {type(given).__name__}"
        )
    names = check_given(model, list(given))
    data = {}
    for name in names:
        flow, event_shape = model.flow[name], model.event_shape[name]
        found = check_data(flow, event_shape, given[name], f"given[{name!r}]", model.allow_missing)
        data[name] = standardize(found)
        if len(data[name]) != num_samples:
            raise ValueError(
                f"Argument `given` must hold {num_samples} examples of each part. "
                f"Received: {len(data[name])} of {name!r}"
            )
    return data


def _check_latents(model, latents, given, sampler, num_samples):
    check_deterministic(sampler)
    flow = model.flow
    if isinstance(latents, dict):  # only what is drawn starts somewhere
        flow, latents = leave_out(given, flow), leave_out(given, latents)
    check_names(flow, latents, "latents")

    def check(flow, event_shape, latents, name):
        latents = check_numbers(name, latents)
        shape = (num_samples, *event_shape, flow.embedding_size)
        if latents.shape != shape or not np.isfinite(latents).all():
            raise ValueError(
                f"Argument `{name}` must be finite and have shape {shape}, which is (num_samples, "
                f"*event_shape, embedding_size). Received: shape {latents.shape}"
            )
        return latents

    return map_parts(check, flow, model.event_shape, latents, part_names(flow, "latents"))
