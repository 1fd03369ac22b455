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
from keras_bfn.inference.guiding import Guiding, check_found, check_guidance, guidance_inputs
from keras_bfn.inference.particles import (
    KnownVariables,
    ParticleProgram,
    default_rows,
    finish_statistics,
)
from keras_bfn.inference.program import check_batch_size, predict, room_for
from keras_bfn.inputs.arrays import (
    check_data,
    check_has_event_shape,
    count_examples,
    read_all,
    standardize,
)
from keras_bfn.inputs.conditions import condition_inputs
from keras_bfn.inputs.missing import (
    fill_missing,
    is_missing,
    length_inputs,
    put_missing,
    some_value,
)
from keras_bfn.samplers import AncestralSampler


def inpaint(
    model,
    x,
    mask,
    num_steps,
    num_particles,
    condition,
    guidance_scale,
    guidance_interval,
    guidance_rescale,
    guidance,
    twisted,
    lengths,
    seed,
    batch_size,
    return_statistics,
    verbose,
):
    """What `BayesianFlowNetwork.inpaint` returns for these arguments."""
    num_steps = check_int("num_steps", num_steps, 1, MOST_STEPS)
    num_particles = check_int("num_particles", num_particles, 1)
    twisted = check_bool("twisted", twisted)
    check_verbose(verbose)
    weighs = check_bool("return_statistics", return_statistics) or num_particles > 1
    if isinstance(model.flow, dict):
        x, mask = _fill_in_parts(model, x, mask)
    masks = for_each_part(model.flow, mask)
    if names_of(x) == names_of(model.flow):
        x = map_parts(_ignore_unknown, model.flow, read_all(x, "x"), masks)
    x = standardize(check_data(model.flow, model.event_shape, x, allow_missing=True))
    num = count_examples(x)
    batch_size = check_batch_size(batch_size, num, default_rows(num_particles))
    interval = check_interval("guidance_interval", guidance_interval)
    conditions = condition_inputs(model, condition, num, guidance_scale, guidance_rescale)
    mask = map_parts(_check_mask, model.flow, masks, x, part_names(model.flow, "mask"))
    model.build_for(map_parts(np.shape, x), conditions.get("condition"))
    lengths = length_inputs(model, lengths, num)
    observed = lengths.get("observed")
    if lengths:
        mask = map_parts(np.multiply, mask, observed)
    filled = map_parts(fill_missing, model.flow, x)

    guidance = check_guidance(model, guidance, num, weighs)
    what = KnownVariables(filled, mask, twisted)
    what = what if guidance is None else what * guidance
    inputs = {"ones": np.ones(num, "float32"), **conditions, **lengths}
    inputs |= guidance_inputs(what, num)
    arguments = (AncestralSampler(), room_for(num_steps), num_particles, (), what)
    guiding = Guiding(guidance_scale, interval, what)
    outputs = predict(
        model, ParticleProgram, arguments, inputs, batch_size, seed, verbose, num_steps, guiding
    )
    check_found(model, outputs.pop("unknown_at"), outputs.pop("num_unknown"))
    x = order_parts(model.flow, outputs.pop("x"))
    if lengths:
        x = map_parts(put_missing, x, observed)
    return (x, finish_statistics(model, outputs, num_steps, observed)) if return_statistics else x


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
