"""Inpainting: completes examples of which parts are known, by sequential Monte Carlo."""

import numpy as np
from keras import ops

from keras_bfn._parts import count_examples, map_parts, of_any_part, sum_parts, sum_variables
from keras_bfn._validation import check_bool, check_int
from keras_bfn.guidance.guidance import Guidance, get
from keras_bfn.inputs.known import check_partly_known
from keras_bfn.inputs.missing import fill_missing, within_lengths
from keras_bfn.models.generation import add_condition, draw
from keras_bfn.samplers import AncestralSampler


class KnownVariables(Guidance):
    """The likelihood that the known variables have their given values.

    Args:
        x: data, an array or a dict of the parts' arrays.
        known: 1 for known variables, else 0, shaped as `x`.
        twisted: bool. If False, h is 1 before the end.
    """

    fed = (*Guidance.fed, "x", "known")

    def __init__(self, x, known, twisted):
        super().__init__()
        self.x, self.known, self.twisted = x, known, twisted
        self.acts = twisted

    def rows(self, num_samples):
        return {"x": self.x, "known": self.known}

    def known_variables(self, values):
        return values["0"]["x"], map_parts(lambda known: known > 0.5, values["0"]["known"])

    def log_h(self, expected, x, known):
        if not self.twisted:
            return ops.zeros(ops.shape(of_any_part(x))[:1], "float32")

        def nats(flow, x, output, one):
            return flow.log_expected(x, output, one.t)

        return _sum_known(nats, expected, x, known)

    def log_likelihood(self, expected, x, known):
        def nats(flow, x, output, one):
            return -flow.reconstruction_loss(x, one.params, one.s, one.t)

        return _sum_known(nats, expected, x, known)


def _sum_known(nats, expected, x, known):
    """Returns the sum of `nats(flow, x, output, prediction)` over the known variables."""

    def of_part(flow, x, output, one, known):
        return sum_variables(ops.where(known > 0.5, nats(flow, x, output, one), 0.0))

    seen = x, expected.outputs, expected.predictions, known
    return sum_parts(map_parts(of_part, expected.flow, *seen))


def prepare(model, x, known, lengths):
    """Returns the inputs of a program that completes data, the data, and their known variables."""
    x, known = check_partly_known(model, x, known)
    num, event_shape = count_examples(x), map_parts(lambda x: x.shape[1:], x)
    inputs = {"ones": np.ones(num, "float32")}
    if lengths is not None:
        inputs["observed"] = within_lengths(model, lengths, event_shape, num)
        known = map_parts(np.multiply, known, inputs["observed"])
    return inputs, map_parts(fill_missing, model.flow, x), known


def inpaint(model, x, known, twisted, lengths, options):
    """Returns the result of `BayesianFlowNetwork.inpaint` for these arguments."""
    check_int("num_particles", options.num_particles, 1)
    check_bool("twisted", twisted)
    inputs, x, known = prepare(model, x, known, lengths)
    guidance, others = KnownVariables(x, known, twisted), get(options.guidance)
    options = options._replace(guidance=guidance if others is None else guidance * others)
    event_shape = map_parts(lambda x: x.shape[1:], x)
    inputs, classifier_free = add_condition(model, event_shape, inputs, options)
    return draw(model, AncestralSampler(), inputs, classifier_free, options)
