"""Inpainting: the rest of an example, given parts of it, by sequential Monte Carlo."""

import math

import keras
import numpy as np
from keras import ops

from keras_bfn._random import seeded
from keras_bfn._validation import check_int
from keras_bfn.models.data_checks import check_arrays
from keras_bfn.models.generation import DEFAULT_BATCH_SIZE
from keras_bfn.models.sampling_program import (
    SamplingProgram,
    condition_inputs,
    predict_rows,
)
from keras_bfn.samplers import AncestralSampler


class InpaintingProgram(SamplingProgram):
    """Ancestral sampling in which the known variables send their own messages.

    Each example has a number of particles. A particle's weight is what its receiver thought of the
    messages of the known variables, over what their sender did; where the weights have become too
    uneven, the particles of an example are drawn anew by weight.

    Call arguments:
        inputs: dict with `"x"` and `"mask"`, of shape `(batch, *event_shape)`; `"ones"`, of shape
            `(batch,)`; and for conditional models `"condition"`, of shape `(batch, ...)`, and
            `"guidance_scale"`, of shape `(batch,)`.
    """

    def __init__(self, model, num_steps, num_particles):
        super().__init__(model, AncestralSampler().times(model.flow, num_steps))
        self.num_particles = num_particles

    def call(self, inputs):
        flow, seed = self.model.flow, self.model.seed_generator
        num_steps, num_examples = len(self.times) - 1, ops.shape(inputs["ones"])[0]
        # One row for each particle, those of an example together.
        inputs = {name: ops.repeat(v, self.num_particles, axis=0) for name, v in inputs.items()}
        x, known = inputs["x"], inputs["mask"] > 0.5
        num_variables = math.prod(self.model.event_shape)

        def of_known(nats):
            """Sums per particle over the known variables: `(num_examples, num_particles)`."""
            shape = (num_examples, self.num_particles, num_variables)
            return ops.sum(ops.reshape(ops.where(known, nats, 0.0), shape), axis=-1)

        def look(i, state):
            return self.look(state[0], i, inputs)

        def act(i, state, seen, distribution):
            s, log_weights, log_likelihood, sizes = state
            alpha = flow.schedule.beta(self.time(i + 1)) - flow.schedule.beta(self.time(i))
            sent = ops.where(known, x, ops.cast(distribution.sample(seed), x.dtype))
            noise = keras.random.normal(ops.shape(s), dtype="float32", seed=seed)
            # The particles of an example receive the same messages from what is known.
            shared = ops.repeat(noise[:: self.num_particles], self.num_particles, axis=0)
            noise = ops.where(known[..., None], shared, noise)
            ratios = flow.log_receiver_ratio(x, distribution, alpha * inputs["ones"], noise)
            s = s + flow.receive(flow.embed(sent), alpha, noise)
            log_weights, gained, size = reweight(log_weights, of_known(ratios))
            if self.num_particles > 1:
                s, log_weights = resample(s, log_weights, size, seed)
            sizes = ops.slice_update(sizes, (i, 0), size[None])
            return s, log_weights, log_likelihood + gained, sizes

        state = (
            ops.zeros((*ops.shape(x), flow.embedding_size)),
            ops.zeros((num_examples, self.num_particles)) - math.log(self.num_particles),
            ops.zeros((num_examples,)),
            ops.zeros((num_steps + 1, num_examples)),
        )
        state = self.loop(num_steps, look, act, state)
        seen, distribution = look(num_steps, state)
        s, log_weights, log_likelihood, sizes = state
        last_word = flow.reconstruction_loss(x, seen["params"], s)
        log_weights, gained, size = reweight(log_weights, -of_known(last_word))
        sizes = ops.slice_update(sizes, (num_steps, 0), size[None])

        completed = ops.where(known, x, ops.cast(distribution.mode(), x.dtype))
        return {
            "x": ops.take(completed, systematic(log_weights, 1, seed), axis=0),
            "log_likelihood": log_likelihood + gained,
            "effective_sample_size": ops.transpose(sizes),
        }


def reweight(log_weights, log_ratios):
    """Normalised log weights, times the ratios; what their sum grew by; and their effective number.

    Args:
        log_weights, log_ratios: of shape `(num_examples, num_particles)`.

    Returns:
        The tuple of log weights, shaped as given; the logarithm of their sum before they were
        normalised, and the effective sample size, 1 / sum of squared weights, both of shape
        `(num_examples,)`.
    """
    log_weights = log_weights + log_ratios
    total = ops.logsumexp(log_weights, axis=1)
    log_weights = log_weights - total[:, None]
    return log_weights, total, ops.exp(-ops.logsumexp(2.0 * log_weights, axis=1))


def resample(s, log_weights, size, seed):
    """Draws the particles anew of the examples whose effective number has fallen below half."""
    num_particles = log_weights.shape[1]
    worn = (size < 0.5 * num_particles)[:, None]
    drawn = ops.reshape(systematic(log_weights, num_particles, seed), ops.shape(log_weights))
    kept = ops.reshape(ops.arange(ops.size(drawn), dtype="int32"), ops.shape(drawn))
    rows = ops.reshape(ops.where(worn, drawn, kept), (-1,))
    return ops.take(s, rows, axis=0), ops.where(worn, -math.log(num_particles), log_weights)


def systematic(log_weights, num_draws, seed):
    """Draws particles by weight, with one uniform number for each example.

    Particle k of an example is drawn `num_draws` times its weight, rounded up or down.

    Args:
        log_weights: normalised, of shape `(num_examples, num_particles)`.
        num_draws: int.
        seed: a `SeedGenerator`.

    Returns:
        The particles' rows, of shape `(num_examples * num_draws,)`, where row
        `n * num_particles + k` is particle k of example n.
    """
    num_examples, num_particles = ops.shape(log_weights)[0], log_weights.shape[1]
    uniform = keras.random.uniform((num_examples, 1), seed=seed)
    points = (uniform + ops.arange(num_draws, dtype="float32")) / num_draws
    cumulative = ops.cumsum(ops.exp(log_weights), axis=1)
    below = ops.cast(cumulative[:, None, :] <= points[:, :, None], "int32")
    # The weights' sum is 1 up to rounding.
    particles = ops.minimum(ops.sum(below, axis=-1), num_particles - 1)
    first_rows = ops.arange(num_examples, dtype="int32")[:, None] * num_particles
    return ops.reshape(first_rows + particles, (-1,))


def inpaint(
    model,
    x,
    mask,
    num_steps,
    num_particles,
    condition,
    guidance_scale,
    seed,
    batch_size,
    return_statistics,
    verbose,
):
    """See `BayesianFlowNetwork.inpaint`."""
    num_steps = check_int("num_steps", num_steps, 1)
    num_particles = check_int("num_particles", num_particles, 1)
    x = np.asarray(x)
    conditions = condition_inputs(model, condition, guidance_scale, len(x))
    check_arrays(model, (x, conditions["condition"]) if conditions else x)
    mask = _check_mask(mask, x.shape)
    if batch_size is None:
        batch_size = max(1, DEFAULT_BATCH_SIZE // num_particles)
    batch_size = min(check_int("batch_size", batch_size, 1), len(x))
    model.build_for(x.shape, conditions.get("condition"))

    program = model.programs.get(
        ("inpaint", num_steps, num_particles),
        lambda: InpaintingProgram(model, num_steps, num_particles),
    )
    inputs = {"x": x, "mask": mask, "ones": np.ones(len(x), "float32"), **conditions}
    with seeded(model.seed_generator, seed):
        outputs = predict_rows(program, inputs, batch_size, verbose)
    x = outputs.pop("x")
    outputs["effective_sample_size"] = outputs["effective_sample_size"].T
    return (x, outputs) if return_statistics else x


def _check_mask(mask, shape):
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape not in (shape, shape[1:]):
        raise ValueError(
            f"Argument `mask` must be of booleans, true where `x` is known, of shape {shape} or "
            f"{shape[1:]}. Received: shape {mask.shape}, dtype {mask.dtype}"
        )
    return np.broadcast_to(mask, shape).astype("float32")
