"""Inpainting: the rest of an example, given parts of it, by sequential Monte Carlo."""

import math

import keras
import numpy as np
from keras import ops

from keras_bfn._parts import (
    describe,
    for_each_part,
    map_parts,
    names_of,
    order_parts,
    part_names,
    sum_parts,
)
from keras_bfn._validation import check_int
from keras_bfn.models.conditions import condition_inputs, to_numpy
from keras_bfn.models.data_checks import check_data, check_has_event_shape, count_examples, read_all
from keras_bfn.models.missing import (
    fill_missing,
    is_missing,
    length_inputs,
    put_missing,
    some_value,
)
from keras_bfn.models.program import (
    DEFAULT_BATCH_SIZE,
    LoopProgram,
    check_batch_size,
    predict,
    room_for,
)
from keras_bfn.samplers import AncestralSampler


class InpaintingProgram(LoopProgram):
    """Ancestral sampling in which the known variables send their own messages.

    Each example has a number of particles. A particle's weight is what its receiver thought of the
    messages of the known variables, over what their sender did; where the weights have become too
    uneven, the particles of an example are drawn anew by weight.

    Call arguments:
        inputs: dict with `"x"` and `"mask"`, of shape `(batch, *event_shape)`, or dicts of the
            parts'; `"ones"`, of shape `(batch,)`; for conditional models `"condition"`, of shape
            `(batch, ...)`, and `"guidance_scale"`, of shape `(batch,)`; and `"there"`, if some
            variables are not.
    """

    def __init__(self, model, most_steps, num_particles):
        super().__init__(model, AncestralSampler(), most_steps)
        self.num_particles = num_particles

    def call(self, inputs):
        flow, seed, num_particles = self.model.flow, self.model.seed_generator, self.num_particles
        num_examples = ops.shape(inputs["ones"])[0]
        # One row for each particle, those of an example together.
        inputs = keras.tree.map_structure(
            lambda values: ops.repeat(values, num_particles, axis=0), inputs
        )
        x = inputs["x"]
        known = map_parts(lambda mask: mask > 0.5, inputs["mask"])

        def of_known(nats):
            """Sums per particle over the known variables: `(num_examples, num_particles)`."""

            def of_part(nats, known):
                nats = ops.where(known, nats, 0.0)
                return ops.sum(ops.reshape(nats, (num_examples, num_particles, -1)), axis=-1)

            return sum_parts(map_parts(of_part, nats, known))

        def look(state, i, t):
            return self.look(state[0], t, inputs)

        def act(state, looks, outputs, i, t, t_next):
            s, log_weights, log_likelihood, sizes = state

            def advance(flow, s, x, known, output):
                """The next evidence of a part, and how well its messages were expected."""
                alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
                sent = ops.where(known, x, ops.cast(output.sample(seed), x.dtype))
                noise = keras.random.normal(ops.shape(s), dtype="float32", seed=seed)
                # The particles of an example receive the same messages from what is known.
                shared = ops.repeat(noise[::num_particles], num_particles, axis=0)
                noise = ops.where(known[..., None], shared, noise)
                ratios = flow.log_receiver_ratio(x, output, alpha * inputs["ones"], noise)
                return s + flow.receive(flow.embed(sent), alpha, noise), ratios

            advanced = map_parts(advance, flow, s, x, known, outputs)
            s = map_parts(lambda part: part[0], advanced)
            ratios = map_parts(lambda part: part[1], advanced)
            log_weights, gained, size = reweight(log_weights, of_known(ratios))
            if num_particles > 1:
                rows, log_weights = resample(log_weights, size, seed)
                s = map_parts(lambda s: ops.take(s, rows, axis=0), s)
            sizes = ops.slice_update(sizes, (i, 0), size[None])
            return s, log_weights, log_likelihood + gained, sizes

        state = (
            map_parts(lambda flow, x: ops.zeros((*ops.shape(x), flow.embedding_size)), flow, x),
            ops.zeros((num_examples, num_particles)) - math.log(num_particles),
            ops.zeros((num_examples,)),
            ops.zeros((self.most_steps + 1, num_examples)),
        )
        state, num_steps, t = self.loop(look, act, state)
        looks, outputs = look(state, num_steps, t)
        _, log_weights, log_likelihood, sizes = state
        reconstruction = map_parts(
            lambda flow, x, look: -flow.reconstruction_loss(x, look.params, look.s), flow, x, looks
        )
        log_weights, gained, size = reweight(log_weights, of_known(reconstruction))
        sizes = ops.slice_update(sizes, (num_steps, 0), size[None])

        chosen = systematic(log_weights, 1, seed)

        def complete(x, known, output):
            completed = ops.where(known, x, ops.cast(output.mode(), x.dtype))
            return ops.take(completed, chosen, axis=0)

        return {
            "x": map_parts(complete, x, known, outputs),
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


def resample(log_weights, size, seed):
    """Draws the particles anew of the examples whose effective number has fallen below half.

    Returns:
        The tuple of the rows of the particles that go on, of shape
        `(num_examples * num_particles,)`, and their log weights.
    """
    num_particles = log_weights.shape[1]
    worn = (size < 0.5 * num_particles)[:, None]
    drawn = ops.reshape(systematic(log_weights, num_particles, seed), ops.shape(log_weights))
    kept = ops.reshape(ops.arange(ops.size(drawn), dtype="int32"), ops.shape(drawn))
    rows = ops.reshape(ops.where(worn, drawn, kept), (-1,))
    return rows, ops.where(worn, -math.log(num_particles), log_weights)


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
    self,
    x,
    mask=None,
    num_steps=100,
    num_particles=1,
    condition=None,
    guidance_scale=1.0,
    lengths=None,
    seed=None,
    batch_size=None,
    return_statistics=False,
    verbose="auto",
):
    """Completes each example, given its known variables.

    The known variables send their true messages, the others are sampled as by the ancestral
    sampler. With one particle that is all, and the result is biased: nothing asks whether what
    was made up goes with what is known. With more, sequential Monte Carlo does: each particle
    is weighted by how well it expected the messages of the known variables, and drawn anew by
    weight (systematic resampling) when the effective sample size falls below half. As
    particles grow, the completions follow the model's own conditional distribution.

    Args:
        x: data, of shape `(num, *event_shape)`; what it holds where it is not known is ignored.
            One completion is made for each example: repeat an example for several. For a dict of
            flows, a dict of the parts' data; a part that is left out is not known.
        mask: true where `x` is known: a bool, or an array of bool that broadcasts to
            `(num, *event_shape)`. For a dict of flows, a dict of masks; a part that is left out is
            not known. By default all is known but NaN, or -1 in integers.
        num_steps: int, at least 1. The network is called `num_steps + 1` times.
        num_particles: int, at least 1. Each call is on `num_particles` rows per example.
        condition, guidance_scale, lengths, seed, verbose: as in `generate`.
        batch_size: int, in examples; by default up to 64 rows.
        return_statistics: bool. Whether to return, too, how the particles fared.

    Returns:
        An array shaped as `x`, equal to it where it is known, or a dict of all parts. With
        `return_statistics`, the tuple of it and a dict: `"effective_sample_size"`,
        `(num_steps + 1, num)`, of 1 to `num_particles`, at each look before resampling; and
        `"log_likelihood"`, `(num,)`, in nats: the logarithm of an unbiased estimate of the
        probability (or density) that the model gives to the known variables.

    Raises:
        ValueError: if the data do not suit the model, or an argument is out of its range.

    Example:

    >>> known = np.zeros(images.shape, bool)
    >>> known[:, :2] = True  # the two rows at the top
    >>> completed = model.inpaint(images, known, num_steps=50, num_particles=4)
    """
    num_steps = check_int("num_steps", num_steps, 1)
    num_particles = check_int("num_particles", num_particles, 1)
    if isinstance(self.flow, dict):
        x, mask = _fill_in_parts(self, x, mask)
    masks = for_each_part(self.flow, mask)
    if names_of(x) == names_of(self.flow):
        x = map_parts(_ignore_unknown, self.flow, read_all(x, "x"), masks)
    x = check_data(self.flow, self.event_shape, x, allow_missing=True)
    num = count_examples(x)
    batch_size = check_batch_size(batch_size, num, max(1, DEFAULT_BATCH_SIZE // num_particles))
    conditions = condition_inputs(self, condition, guidance_scale, num)
    mask = map_parts(_check_mask, self.flow, masks, x, part_names(self.flow, "mask"))
    self.build_for(map_parts(np.shape, x), conditions.get("condition"))
    lengths = length_inputs(self, lengths, num)
    there = lengths.get("there")
    if lengths:
        mask = map_parts(np.multiply, mask, there)
    filled = map_parts(fill_missing, self.flow, x)

    inputs = {"x": filled, "mask": mask, "ones": np.ones(num, "float32"), **conditions, **lengths}
    arguments = (room_for(num_steps), num_particles)
    outputs = predict(
        self, InpaintingProgram, arguments, inputs, batch_size, seed, verbose, num_steps
    )
    x = order_parts(self.flow, outputs.pop("x"))
    if lengths:
        x = map_parts(put_missing, x, there)
    outputs["effective_sample_size"] = outputs["effective_sample_size"].T[: num_steps + 1]
    return (x, outputs) if return_statistics else x


def _fill_in_parts(model, x, mask):
    """Data and masks of all parts: those that are left out are unknown, and could be anything."""
    check_has_event_shape(model)
    mask = dict.fromkeys(x) if mask is None and isinstance(x, dict) else mask
    for name, parts in (("x", x), ("mask", mask)):
        if not isinstance(parts, dict) or not parts or not set(parts) <= set(model.flow):
            raise ValueError(
                f"Argument `{name}` must be a dict with some of the parts {list(model.flow)}. "
                f"Received: {describe(parts)}"
            )
    missing = [name for name in mask if name not in x]
    if missing:
        raise ValueError(
            f"Argument `x` must hold the parts that `mask` names. Received: x without {missing}"
        )
    # What is no array of examples is refused later.
    num = next((np.shape(part)[:1] for part in x.values() if np.ndim(part)), (1,))

    def fill(flow, shape):
        dtype = "int32" if flow.discrete else "float32"
        return np.full((*num, *shape), flow.data_range[0], dtype)

    filled = map_parts(fill, model.flow, model.event_shape)
    return filled | x, dict.fromkeys(model.flow, False) | mask


def _ignore_unknown(flow, x, mask):
    """Data, with some value in the place of each that is not known. What is wrong is left so."""
    x, mask = to_numpy(x), np.asarray(mask)
    if mask.dtype != bool or x.dtype.kind not in "iuf":
        return x
    try:
        known = np.broadcast_to(mask, x.shape)
    except ValueError:
        return x
    return np.where(known, x, np.asarray(some_value(flow), x.dtype))


def _check_mask(flow, mask, x, name):
    missing = is_missing(x)
    mask = ~missing if mask is None else np.asarray(mask)
    try:
        known = np.broadcast_to(mask, x.shape)
    except ValueError:
        known = None
    if mask.dtype != bool or known is None:
        raise ValueError(
            f"Argument `{name}` must be of booleans, true where `x` is known, and broadcast to "
            f"{x.shape}. Received: shape {mask.shape}, dtype {mask.dtype}"
        )
    if (known & missing).any():
        raise ValueError(
            f"Argument `{name}` must be false where `x` holds NaN or, in integers, -1. "
            f"Received: true for {(known & missing).sum()} of these"
        )
    return known.astype("float32")
