"""A look: evidence about an example, and what the network says to it."""

from typing import Any, NamedTuple

from keras_bfn._parts import for_each_part, map_parts


class Look(NamedTuple):
    """What was seen when the network was asked about evidence, for data of one kind.

    For data of several kinds, there is a dict of looks, one for each part. A trajectory of samples
    is a look, too, with an axis of steps before all others.

    Attributes:
        t: the time, of shape `(batch,)`.
        s: the evidence, of shape `(batch, *event_shape, flow.embedding_size)`.
        theta: the parameters of the input distribution, which the network is shown, of shape
            `(batch, *event_shape, flow.theta_size)`.
        params: the network's output, the parameters of the output distribution, of shape
            `(batch, *event_shape, flow.output_size)`.

    Example, the looks of a trajectory:

    >>> samples, trajectory = model.generate(2, num_steps=3, return_trajectory=True)
    >>> [trajectory.t.shape, trajectory.s.shape, trajectory.params.shape]
    [(4,), (4, 2, 4, 4, 1, 2), (4, 2, 4, 4, 1, 1)]
    """

    t: Any
    s: Any
    theta: Any
    params: Any


def look(flow, network, s, t, mask=None):
    """Shows evidence to a network.

    Args:
        flow: a `keras_bfn.flows.Flow`, or a dict of flows.
        network: function of `theta` to the output distribution's parameters.
        s: evidence, or a dict of the parts' evidence.
        t: time, of shape `(batch,)`, or a dict of the parts' times.
        mask: bool, `(batch, *event_shape)`, or a dict of that: which variables are there. Of the
            others nothing is heard. By default all are.

    Returns:
        A `Look`, or a dict of them.
    """

    def hear(flow, s, t, mask):
        beta = flow.schedule.beta(t)
        return (s, flow.input_params(s, beta)) if mask is None else flow.hear(s, beta, mask)

    heard = map_parts(hear, flow, s, t, for_each_part(flow, mask))
    theta = map_parts(lambda _, heard: heard[1], flow, heard)
    return map_parts(
        lambda _, t, heard, params: Look(t, *heard, params), flow, t, heard, network(theta)
    )


def output_distributions(flow, looks):
    """What the network expects: an output distribution, or a dict of them."""
    return map_parts(
        lambda flow, look: flow.output_distribution(look.params, look.s, look.t), flow, looks
    )
