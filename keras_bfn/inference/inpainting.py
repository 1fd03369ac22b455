"""Inpainting: completes examples of which parts are known, by sequential Monte Carlo."""

import numpy as np

from keras_bfn import guidance as guidances
from keras_bfn._parts import (
    check_has_event_shape,
    check_names,
    count_examples,
    map_parts,
    names_of,
    part_names,
)
from keras_bfn._validation import check_bool, check_int, mismatch, standard_dtype, to_numpy
from keras_bfn.inference.generation import draw
from keras_bfn.inference.particles import KnownVariables
from keras_bfn.inputs.arrays import check_data, read_all, standardize
from keras_bfn.inputs.missing import (
    all_missing,
    check_mask,
    fill_missing,
    is_missing,
    some_value,
    spread,
    within_lengths,
)
from keras_bfn.samplers import AncestralSampler


def inpaint(model, x, mask, order, twisted, lengths, options):
    """Returns the result of `BayesianFlowNetwork.inpaint` for these arguments.

    With `times="variables"`, it generates given the known variables; otherwise their likelihood
    guides generation.
    """
    check_int("num_particles", options.num_particles, 1)
    check_bool("twisted", twisted)
    if isinstance(model.flow, dict):
        x, mask = _fill_in_parts(model, x, mask)
    if names_of(x) == names_of(model.flow):
        x = map_parts(_ignore_unknown, model.flow, read_all(x, "x"), mask)
    x = standardize(check_data(model.flow, model.event_shape, x, allow_missing=True))
    mask = map_parts(_check_mask, model.flow, mask, x, part_names(model.flow, "mask"))
    num, event_shape = count_examples(x), map_parts(lambda x: x.shape[1:], x)
    inputs = {"ones": np.ones(num, "float32")}
    if lengths is not None:
        inputs["observed"] = within_lengths(model, lengths, event_shape, num)
        mask = map_parts(np.multiply, mask, inputs["observed"])
    x = map_parts(fill_missing, model.flow, x)
    if model.times == "variables":
        inputs |= {"given": x, "known": map_parts(lambda mask: mask > 0.5, mask)}
        if options.guidance is None or options.num_particles == 1:  # nothing needs to be weighed
            options = options._replace(num_particles=None)
    else:
        known, guidance = KnownVariables(x, mask, twisted), guidances.get(options.guidance)
        options = options._replace(guidance=known if guidance is None else known * guidance)
    return draw(model, event_shape, AncestralSampler(), order, inputs, options)


def _fill_in_parts(model, x, mask):
    """Returns data and masks of all parts: parts left out are missing, and unknown."""
    check_has_event_shape(model)
    mask = dict.fromkeys(x) if mask is None and isinstance(x, dict) else mask
    check_names(model.flow, x, "x", some=True)
    check_names(model.flow, mask, "mask", some=True)
    if not mask or not set(mask) <= set(x):
        expected = "must contain the parts that `mask` names, at least one"
        raise mismatch("x", expected, f"x with {list(x)}, mask with {list(mask)}")
    # Anything but an array of examples is refused later.
    num = next((np.shape(part)[0] for part in x.values() if np.ndim(part)), 1)
    filled = map_parts(all_missing, model.flow, model.event_shape, num)
    return filled | x, dict.fromkeys(model.flow, False) | mask


def _ignore_unknown(flow, x, mask):
    """Returns data with unknown values replaced by valid ones; errors are left for later."""
    x = to_numpy(x)
    known = spread(to_numpy(mask, "mask"), x.shape)
    if known is None or x.dtype.kind not in "iuf":
        return x
    # Not in the dtype of `x`, which may not be able to hold that value.
    return np.where(known, x, np.asarray(some_value(flow), standard_dtype(x.dtype.name)))


def _check_mask(flow, mask, x, name):
    missing = is_missing(x)
    known = check_mask(name, ~missing if mask is None else mask, x.shape)
    if (known & missing).any():
        expected = "must be false where `x` is missing (NaN or, for integers, -1)"
        raise mismatch(name, expected, f"true for {(known & missing).sum()} missing values")
    return known.astype("float32")
