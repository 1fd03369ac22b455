"""Generation: from the prior to samples, in one compiled program."""

import numpy as np
from keras import ops

from keras_bfn import samplers
from keras_bfn._random import seeded
from keras_bfn._validation import check_int
from keras_bfn.models.sampling_program import (
    SamplingProgram,
    check_event_shape,
    condition_inputs,
    predict_rows,
)
from keras_bfn.samplers import ODE1Sampler

DEFAULT_BATCH_SIZE = 64


class GenerationProgram(SamplingProgram):
    """Runs a sampler from its start to its end.

    Call arguments:
        inputs: dict with `"ones"`, of shape `(batch,)`; `"latents"`, the sampler's state at the
            start, if it is given; and for conditional models `"condition"`, of shape
            `(batch, ...)`, and `"guidance_scale"`, of shape `(batch,)`.
    """

    def __init__(self, model, sampler, num_steps, return_trajectory):
        times = sampler.times(model.flow, num_steps)
        # With end="last" the last look is the one before t = 1.
        super().__init__(model, times[:-1] if sampler.end == "last" else times)
        self.sampler = sampler
        self.return_trajectory = return_trajectory

    def call(self, inputs):
        flow, seed = self.model.flow, self.model.seed_generator
        shape = (ops.shape(inputs["ones"])[0], *self.model.event_shape)
        num_steps = len(self.times) - 1

        def look(i, carry):
            state, _ = carry
            s = self.sampler.evidence(flow, state, self.time(i))
            seen, distribution = self.look(s, i, inputs)
            if self.sampler.temperature != 1:
                distribution = distribution.tempered(self.sampler.temperature)
            return seen, distribution

        def act(i, carry, seen, distribution):
            state, trajectory = carry
            t, t_next = self.time(i), self.time(i + 1)
            state = self.sampler.step(flow, state, distribution, t, t_next, seed)
            return state, _record(trajectory, i, seen)

        if "latents" in inputs:
            state = self.sampler.init_from(inputs["latents"])
        else:
            state = self.sampler.init(flow, (*shape, flow.embedding_size), seed)
        sizes = {
            "evidence": flow.embedding_size,
            "theta": flow.theta_size,
            "params": flow.output_size,
        }
        trajectory = {
            name: ops.zeros((num_steps + 1, *shape, size))
            for name, size in sizes.items()
            if self.return_trajectory
        }
        carry = self.loop(num_steps, look, act, (state, trajectory))

        seen, distribution = look(num_steps, carry)
        x = distribution.sample(seed) if self.sampler.end == "sample" else distribution.mode()
        # predict joins batches along the first axis.
        trajectory = _record(carry[1], num_steps, seen)
        return {"x": x} | {name: ops.moveaxis(v, 0, 1) for name, v in trajectory.items()}


def _record(trajectory, i, seen):
    """Writes what was seen at step i, if a trajectory is kept."""
    return {
        name: ops.slice_update(whole, (i,) + (0,) * len(seen[name].shape), seen[name][None])
        for name, whole in trajectory.items()
    }


def generate(
    model,
    num_samples,
    num_steps,
    sampler,
    condition,
    guidance_scale,
    latents,
    seed,
    batch_size,
    return_trajectory,
    verbose,
):
    """See `BayesianFlowNetwork.generate`."""
    num_samples = check_int("num_samples", num_samples, 1)
    num_steps = check_int("num_steps", num_steps, 1)
    if batch_size is None:
        batch_size = DEFAULT_BATCH_SIZE
    batch_size = min(check_int("batch_size", batch_size, 1), num_samples)
    sampler = samplers.get(sampler)
    check_event_shape(model)
    inputs = {"ones": np.ones(num_samples, "float32")}
    inputs |= condition_inputs(model, condition, guidance_scale, num_samples)
    if latents is not None:
        inputs["latents"] = _check_latents(model, latents, sampler, num_samples)
    model.build_for((num_samples, *model.event_shape), inputs.get("condition"))

    program = model.programs.get(
        ("generate", type(sampler), repr(sampler.get_config()), num_steps, return_trajectory),
        lambda: GenerationProgram(model, sampler, num_steps, return_trajectory),
    )
    with seeded(model.seed_generator, seed):
        outputs = predict_rows(program, inputs, batch_size, verbose)
    x = outputs.pop("x")
    if not return_trajectory:
        return x
    return x, {"t": program.times} | {
        name: np.moveaxis(outputs[name], 1, 0) for name in ("evidence", "theta", "params")
    }


def check_deterministic(sampler):
    """Raises a `ValueError` unless the sampler's samples are a function of its start."""
    if not isinstance(sampler, ODE1Sampler):
        raise ValueError(
            "Argument `sampler` must be deterministic, 'ode1' or 'ode2', for its samples to be a "
            f"function of latents. Received: sampler={sampler!r}"
        )


def _check_latents(model, latents, sampler, num_samples):
    check_deterministic(sampler)
    latents = np.asarray(latents, "float32")
    shape = (num_samples, *model.event_shape, model.flow.embedding_size)
    if latents.shape != shape or not np.isfinite(latents).all():
        raise ValueError(
            f"Argument `latents` must be finite and have shape {shape}, which is (num_samples, "
            f"*event_shape, embedding_size). Received: shape {latents.shape}"
        )
    return latents
