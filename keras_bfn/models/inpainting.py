"""Inpainting: the rest of an example, given parts of it, by sequential Monte Carlo."""

import numpy as np

from keras_bfn._parts import (
    describe,
    for_each_part,
    map_parts,
    names_of,
    order_parts,
    part_names,
)
from keras_bfn._validation import (
    MOST_STEPS,
    check_bool,
    check_int,
    check_interval,
    check_verbose,
    standard_dtype,
    to_numpy,
)
from keras_bfn.models.conditions import condition_inputs
from keras_bfn.models.data_checks import (
    check_data,
    check_has_event_shape,
    count_examples,
    read_all,
    standardize,
)
from keras_bfn.models.guiding import Guiding, check_found, check_guidance, guidance_inputs
from keras_bfn.models.missing import (
    fill_missing,
    is_missing,
    length_inputs,
    put_missing,
    some_value,
)
from keras_bfn.models.particles import (
    KnownVariables,
    ParticleProgram,
    default_rows,
    finish_statistics,
)
from keras_bfn.models.program import check_batch_size, predict, room_for
from keras_bfn.samplers import AncestralSampler


def inpaint(
    self,
    x,
    mask=None,
    num_steps=100,
    num_particles=1,
    condition=None,
    guidance_scale=1.0,
    guidance_interval=(0.0, 1.0),
    guidance_rescale=0.0,
    guidance=None,
    twisted=True,
    lengths=None,
    seed=None,
    batch_size=None,
    return_statistics=False,
    verbose="auto",
):
    """Completes each example, given its known variables.

    The known variables send their true messages. The others are sampled as by the ancestral
    sampler, guided by how well the network expects what is known. What that gets wrong, as where
    several known variables tell of each other, sequential Monte Carlo makes up for: each particle
    is weighted by how much likelier its path is under the model, and drawn anew by weight
    (systematic resampling) when the effective sample size falls below half. As particles grow, the
    completions follow the model's own conditional distribution.

    Args:
        x: data, of shape `(num, *event_shape)`; what it holds where it is not known is ignored.
            One completion is made for each example: repeat an example for several. For a dict of
            flows, a dict of the parts' data; a part that is left out is not known.
        mask: true where `x` is known: a bool, or an array of bool that broadcasts to
            `(num, *event_shape)`. For a dict of flows, a dict of masks; a part that is left out is
            not known. By default all is known but NaN, or -1 in integers.
        num_steps: int, at least 1. The network is called `num_steps + 1` times.
        num_particles: int, at least 1. Each call is on `num_particles` rows per example.
        condition, guidance_scale, guidance_interval, guidance_rescale: as in `generate`.
        guidance: as in `generate`: samples are drawn given both.
        twisted: bool. Whether what is known guides the steps, which takes the gradient of the
            network at each. Else only weights tell: with one particle, nothing asks whether what
            was made up goes with what is known.
        lengths, seed, verbose: as in `generate`.
        batch_size: int, in examples; by default up to 64 rows.
        return_statistics: bool. Whether to return, too, how the particles fared.

    Returns:
        An array shaped as `x`, or a dict of all parts: int32 or float32, as `generate` returns
        them, whatever the dtype of `x`. Where `x` is known, it holds the values of `x`. With
        `return_statistics`, the tuple of it and a dict as of `generate`. `"log_likelihood"` is the
        logarithm of an unbiased estimate of the probability (or density) that the model gives to
        the known variables, times the likelihood of a `guidance`.

    Raises:
        ValueError: if the data do not suit the model, or an argument is out of its range.

    Example:

    >>> known = np.zeros(images.shape, bool)
    >>> known[:, :2] = True  # the two rows at the top
    >>> completed = model.inpaint(images, known, num_steps=50, num_particles=4)
    """
    num_steps = check_int("num_steps", num_steps, 1, MOST_STEPS)
    num_particles = check_int("num_particles", num_particles, 1)
    twisted = check_bool("twisted", twisted)
    check_verbose(verbose)
    weighs = check_bool("return_statistics", return_statistics) or num_particles > 1
    if isinstance(self.flow, dict):
        x, mask = _fill_in_parts(self, x, mask)
    masks = for_each_part(self.flow, mask)
    if names_of(x) == names_of(self.flow):
        x = map_parts(_ignore_unknown, self.flow, read_all(x, "x"), masks)
    x = standardize(check_data(self.flow, self.event_shape, x, allow_missing=True))
    num = count_examples(x)
    batch_size = check_batch_size(batch_size, num, default_rows(num_particles))
    interval = check_interval("guidance_interval", guidance_interval)
    conditions = condition_inputs(self, condition, num, guidance_scale, guidance_rescale)
    mask = map_parts(_check_mask, self.flow, masks, x, part_names(self.flow, "mask"))
    self.build_for(map_parts(np.shape, x), conditions.get("condition"))
    lengths = length_inputs(self, lengths, num)
    there = lengths.get("there")
    if lengths:
        mask = map_parts(np.multiply, mask, there)
    filled = map_parts(fill_missing, self.flow, x)

    guidance = check_guidance(self, guidance, num, weighs)
    what = KnownVariables(filled, mask, twisted)
    what = what if guidance is None else what * guidance
    inputs = {"ones": np.ones(num, "float32"), **conditions, **lengths}
    inputs |= guidance_inputs(what, num)
    arguments = (AncestralSampler(), room_for(num_steps), num_particles, (), what)
    guiding = Guiding(guidance_scale, interval, what)
    outputs = predict(
        self, ParticleProgram, arguments, inputs, batch_size, seed, verbose, num_steps, guiding
    )
    check_found(self, outputs.pop("unknown_at"), outputs.pop("num_unknown"))
    x = order_parts(self.flow, outputs.pop("x"))
    if lengths:
        x = map_parts(put_missing, x, there)
    return (x, finish_statistics(self, outputs, num_steps, there)) if return_statistics else x


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
    x, mask = to_numpy(x), to_numpy(mask, "mask")
    if mask.dtype != bool or x.dtype.kind not in "iuf":
        return x
    try:
        known = np.broadcast_to(mask, x.shape)
    except ValueError:
        return x
    # Not in the dtype of `x`, which need not hold that value.
    return np.where(known, x, np.asarray(some_value(flow), standard_dtype(x.dtype.name)))


def _check_mask(flow, mask, x, name):
    missing = is_missing(x)
    mask = ~missing if mask is None else to_numpy(mask, name)
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
