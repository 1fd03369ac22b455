"""Predictions: what a network returns for evidence, what it stands for, and what it costs."""

from typing import Any, NamedTuple

from keras import ops

from keras_bfn._parts import map_parts
from keras_bfn.flows.flow import Flow, expand
from keras_bfn.inputs.missing import sum_variables


class Prediction(NamedTuple):
    """Evidence at a time, and what the network predicts from it, for data of one kind.

    For data of several kinds, there is a dict of predictions, one for each part. A trajectory of
    samples is a prediction, too, with an axis of steps before all others.

    Attributes:
        t: the time, of shape `(batch,)`, or of each variable, `(batch, *event_shape)`.
        s: the evidence, of shape `(batch, *event_shape, flow.embedding_size)`.
        theta: the parameters of the input distribution, which the network takes, of shape
            `(batch, *event_shape, flow.theta_size)`.
        params: the network's output, the parameters of the output distribution, of shape
            `(batch, *event_shape, flow.output_size)`.

    Example, a trajectory:

    >>> trajectory = model.generate(2, num_steps=3, return_details=True).trajectory
    >>> [trajectory.t.shape, trajectory.s.shape, trajectory.params.shape]
    [(4,), (4, 2, 4, 4, 1, 2), (4, 2, 4, 4, 1, 1)]
    """

    t: Any
    s: Any
    theta: Any
    params: Any


def input_distribution(flow, s, t, mask=None, known=None, has_own_times=False, causal=None):
    """What a network is given about data of one kind, in float32.

    Args:
        flow: a `keras_bfn.flows.Flow`.
        s: evidence, `(batch, *event_shape, flow.embedding_size)`.
        t: time, `(batch,)`, or of each variable, `(batch, *event_shape)`.
        mask: bool, `(batch, *event_shape)`: which variables are observed. By default all are.
        known: bool, `(batch, *event_shape)`: which variables are known for sure, by evidence
            `flow.known_evidence`. By default none.
        has_own_times: bool. Whether the time that is returned is that of each variable: of what is
            known 1, of what is not observed 0.
        causal: bool, `(batch,)`: where each variable is predicted from those before it, so that
            nothing may tell of one that is not observed, in a joint prior. By default nowhere.

    Returns:
        The tuple of the time, the evidence and the parameters theta of the input distribution. Of
        variables that are not observed they are those of before the first message; of those that
        are known, evidence is that of t = 1 without noise.
    """
    s = ops.convert_to_tensor(s, dtype="float32")
    t = ops.convert_to_tensor(t, dtype="float32")
    beta = flow.schedule.beta(t)
    if known is not None:
        beta = ops.where(known, flow.known_accuracy(), expand(beta, known))
    if mask is None:
        theta = flow.input_params(s, beta)
    else:
        mask = ops.cast(mask, "bool")
        heard = flow.hear(s, beta, mask)
        if causal is not None:
            apart = Flow.hear(flow, s, beta, mask)
            heard = (ops.where(expand(causal, a), a, b) for a, b in zip(apart, heard, strict=True))
        s, theta = heard
    if known is not None:
        # Their time is 1: output distributions, which hang on evidence and time, go by that.
        share = flow.schedule.beta(1.0) / flow.known_accuracy()
        s = ops.where(known[..., None], share * s, s)
    if has_own_times:
        t = ops.broadcast_to(expand(t, s[..., 0]), ops.shape(s)[:-1])
        t = t if known is None else ops.where(known, 1.0, t)
        t = t if mask is None else ops.where(mask, t, 0.0)
    return t, s, theta


def output_distributions(flow, predictions):
    """The output distribution that a prediction stands for, or a dict of the parts'."""
    return map_parts(
        lambda flow, one: flow.output_distribution(one.params, one.s, one.t), flow, predictions
    )


def nats_per_example(loss, flow, x, predictions, seed, counts=None, messages=None, told=None):
    """What examples cost by a loss: `(batch,)`, or a dict of that for each part.

    Args:
        loss: a `keras_bfn.losses.BFNLoss`.
        flow: the flow, or a dict of flows.
        x: data, or a dict of the parts' data.
        predictions: a `keras_bfn.Prediction` for evidence about `x`, or a dict of them.
        seed: the `SeedGenerator` of losses that draw.
        counts: how much each variable counts, shaped as `x`; by default 1.
        messages, told: those of a `keras_bfn.inputs.states.State` of variables that are known or
            told.
    """

    def cost(flow, x, prediction, counts, messages, told):
        nats = loss(flow, x, prediction, seed)
        if messages is not None:
            # Where neither counts, no number is too large for a product.
            nats = ops.where(messages > 0, nats, 0.0) * messages
        if told is not None and flow.can_be_told:
            output = flow.output_distribution(prediction.params, prediction.s, prediction.t)
            nats = nats - ops.where(told > 0, output.log_prob(x), 0.0) * told
        return sum_variables(nats if counts is None else nats * counts)

    return map_parts(cost, flow, x, predictions, counts, messages, told)
