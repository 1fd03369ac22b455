"""Inpainting: completes examples of which parts are known, by sequential Monte Carlo."""

import numpy as np

from keras_bfn import guidance as guidances
from keras_bfn._parts import count_examples, map_parts
from keras_bfn._validation import check_bool, check_int
from keras_bfn.inference.generation import draw
from keras_bfn.inference.particles import KnownVariables
from keras_bfn.inputs.given import check_partly_known
from keras_bfn.inputs.missing import fill_missing, within_lengths
from keras_bfn.samplers import AncestralSampler


def inpaint(model, x, mask, order, twisted, lengths, options):
    """Returns the result of `BayesianFlowNetwork.inpaint` for these arguments.

    With `times="variables"`, it generates given the known variables; otherwise their likelihood
    guides generation.
    """
    check_int("num_particles", options.num_particles, 1)
    check_bool("twisted", twisted)
    x, mask = check_partly_known(model, x, mask)
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
