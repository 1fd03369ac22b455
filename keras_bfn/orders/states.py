"""What the receiver knows of each variable: own times, and which variables are known."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_bfn._parts import list_parts, map_parts, names_of, unzip_parts
from keras_bfn._random import uniform
from keras_bfn._validation import is_number, refusal
from keras_bfn.flows.flow import expand
from keras_bfn.orders.orders import cut, join, number_of_variables

# The kinds of states that training draws for the variables of an example.
KINDS = ("together", "given", "own", "random", "left_to_right")
SOME_OF = "some of "  # before the name of a part


class State(NamedTuple):
    """How much is known of each variable, and its weights in the cost; or dicts of the parts'.

    Attributes:
        t: times, `(batch, *event_shape)`.
        known: bool, `(batch, *event_shape)`: true for variables known with certainty, at no cost.
        messages: the weight of the messages about each variable, `(batch, *event_shape)`.
        coded: the weight of coding each variable directly, `(batch, *event_shape)`.
        causal: bool, `(batch,)`: true for examples in which the network predicts each position from
            those before it; None if the network does not receive it.
    """

    t: Any
    known: Any
    messages: Any
    coded: Any
    causal: Any = None


def check_states(flow, takes_causal, states):
    """Returns the fraction of each kind of state in training, a dict.

    Raises:
        ValueError: if the fractions are invalid, or of kinds that do not apply.
    """
    takes_causal = takes_causal and names_of(flow) is None  # only one sequence has positions
    can_be_coded = [part.can_be_coded_directly for (part,) in list_parts(flow)]
    shares = states
    if states is None:
        shares = {"together": 2, "given": 1, "random": 1}
        if not all(can_be_coded):
            shares = {"together": 1, "given": 1}
        if takes_causal and any(can_be_coded):
            shares["left_to_right"] = sum(shares.values())
    parts = list(flow) if len(can_be_coded) > 1 else []
    names = [*KINDS, *parts, *(SOME_OF + part for part in parts)]
    if isinstance(shares, str) and shares in names:
        shares = {shares: 1.0}
    if not isinstance(shares, dict) or not shares or not set(shares) <= set(names):
        expected = f"must be a dict from some of {names} to weights, or one of these names"
        raise refusal("states", expected, states)
    values = shares.values()
    are_shares = all(is_number(share) and 0 <= share < math.inf for share in values)
    if not are_shares or sum(values) <= 0:
        raise refusal("states", "must contain numbers of at least 0, not all 0", states)
    if not any(can_be_coded) and (shares.get("random") or shares.get("left_to_right")):
        expected = 'must not have "random" or "left_to_right" for a flow without direct coding'
        raise refusal("states", expected, states)
    if shares.get("left_to_right") and not takes_causal:
        expected = 'must not have "left_to_right" for a dict of flows, or a network without '
        raise refusal("states", f'{expected}"causal"', states)
    return {kind: share / sum(values) for kind, share in shares.items()}


def draw_state(shares, flow, event_shape, loss, place, observed, seed):
    """Draws the state of each example in training.

    `place`, evenly spread in [0, 1), selects the kind, and the time within it. `shares` holds the
    fraction of examples in each kind of state:

    - `"together"`: all variables at the same time, as in the paper;
    - `"given"`: a random fraction known (single variables, those before or after a position, or
      whole parts), the others at the same time;
    - `"own"`: each variable at its own time;
    - `"random"`: a random fraction known, the others unknown and coded directly;
    - `"left_to_right"`: all coded directly, each position given those before it;
    - the name of a part: that part known, the others at the same time;
    - `"some of "` and the name of a part: a random fraction of that part known, its other variables
      unknown and not sent, those of other parts at the same time.

    Returns:
        A `State`. In each kind, its mean cost is that of sending the variables that are not given.
    """
    batch_size = ops.shape(place)[0]
    wide = (batch_size, number_of_variables(event_shape))
    noise = uniform(wide, seed)
    observed = ops.ones(wide, "bool") if observed is None else join(observed, event_shape)
    zeros, nothing, start, causal = ops.zeros(wide, "float32"), ops.zeros(wide, "bool"), 0.0, None
    # For all kinds: times, known variables, and the weights of messages and of direct coding.
    found = zeros, nothing, zeros, zeros
    for kind, share in shares.items():
        if share == 0:
            continue
        is_kind = ((place >= start) & (place < start + share))[:, None]
        # Evenly spread over the examples of this kind.
        u = ops.clip((place - start) / share, 0.0, 1.0 - 2.0**-24)[:, None]
        start += share
        t, known, coded, unsent = loss.times(u) + zeros, nothing, zeros, nothing
        if kind == "own":
            t = loss.times(ops.mod(noise + u, 1.0))
        elif kind == "given":
            known = _draw_given(noise, event_shape, batch_size, seed)
        elif kind == "random":
            t, known = zeros, noise < u
            coded = _weigh_hidden(flow, event_shape, ~known, observed)
        elif kind == "left_to_right":
            known, coded, causal = observed, ops.cast(observed, "float32"), is_kind[:, 0]
        elif kind not in KINDS:
            part = kind if kind in event_shape else kind.removeprefix(SOME_OF)
            place_of_part = list(event_shape).index(part)
            is_of_part = ops.logical_or(nothing, _part_of_each(event_shape) == place_of_part)
            known = is_of_part
            if part != kind:
                known, unsent = is_of_part & (noise < uniform((batch_size, 1), seed)), is_of_part
                t = ops.where(is_of_part, 0.0, t)
        known = known & observed
        by_messages = kind not in ("random", "left_to_right")
        messages = zeros if not by_messages else ops.cast(~(known | unsent), "float32")
        these = t, known, messages, coded
        found = [ops.where(is_kind, a, b) for a, b in zip(these, found, strict=True)]
    return State(*(cut(values, event_shape) for values in found), causal)


def scored_state(event_shape, order, in_one_pass, name, loss, u, x, observed, noise, known=None):
    """Returns the state in which a loss scores examples, without bias over `u`.

    Args:
        event_shape, order, loss, u, observed, noise: as in `state_in_order`.
        in_one_pass: bool. Whether one network call predicts each position from those before it.
        name: `"transmission"`, which only counts messages, or `"reconstruction"`, which also counts
            variables that are coded directly.
        x: data, or a dict of the parts' data.
        known: the variables known from the start, by default none.

    Returns:
        A `State`.
    """
    if known is None:
        known = map_parts(lambda x: ops.zeros_like(x, "bool"), x)
    if in_one_pass:
        state = left_to_right_state(known, observed, x)
    else:
        state = state_in_order(order, loss, event_shape, u, noise, known, observed)
    if name == "transmission":
        return state._replace(coded=map_parts(ops.zeros_like, state.coded))
    return state


def left_to_right_state(known, observed, x):
    """Returns the state in which all unknown variables are coded directly, left to right."""
    # Only one sequence has positions: there are no parts.
    observed = ops.ones(ops.shape(x), "bool") if observed is None else ops.cast(observed, "bool")
    coded = ops.cast(observed & ~known, "float32")
    nothing = ops.zeros_like(coded)
    return State(nothing, observed, nothing, coded, ops.ones((ops.shape(x)[0],), "bool"))


def cost(loss, flow, x, prediction, messages, coded, seed):
    """Returns the nats of each variable of one part: of its messages, and of coding it directly."""
    # Masked first: an infinite loss times 0 would be NaN.
    nats = ops.where(messages > 0, loss(flow, x, prediction, seed), 0.0) * messages
    if not flow.can_be_coded_directly:
        return nats
    output = flow.output_distribution(prediction.params, prediction.s, prediction.t)
    return nats - ops.where(coded > 0, output.log_prob(x), 0.0) * coded


def next_time(loss, state):
    """Returns the time after the messages that are scored, `(batch,)`; 0 if there are none."""

    def latest(t, messages):
        after = ops.where(messages > 0, loss.next_times(t), 0.0)
        return ops.max(ops.reshape(after, (ops.shape(after)[0], -1)), axis=1)

    parts = list_parts(state.t, state.messages)
    return functools.reduce(ops.maximum, [latest(*part) for part in parts])


def _weigh_hidden(flow, event_shape, hidden, observed):
    """Returns the weights of coding hidden variables directly; on average, they sum to n.

    Of n observed variables, from 0 to n are hidden, all numbers equally often. Each hidden variable
    has the weight n + 1, divided by the number of hidden variables.
    """
    can_be_coded = np.array([part.can_be_coded_directly for (part,) in list_parts(flow)])
    hidden = hidden & observed
    num_observed, num_hidden = (
        ops.sum(ops.cast(which, "float32"), axis=1, keepdims=True) for which in (observed, hidden)
    )
    weight = (num_observed + 1.0) / ops.maximum(num_hidden, 1.0)
    coded = ops.logical_and(hidden, can_be_coded[_part_of_each(event_shape)])
    return ops.where(coded, weight, 0.0)


def _draw_given(noise, event_shape, batch_size, seed):
    """Draws the given variables: single ones, those on one side of a position, or whole parts."""
    size = noise.shape[1]
    share, how, side, what = (uniform((batch_size, 1), seed) for _ in range(4))
    place = (ops.arange(size, dtype="float32") + 0.5)[None] / size
    beside = ops.where(side < 0.5, place < share, place >= share)
    found = ops.where(how < 0.5, noise < share, beside)
    if names_of(event_shape) is None or len(event_shape) < 2:
        return found
    # From 1 to P - 1 of P whole parts are given, all numbers equally often.
    num_parts = len(event_shape)
    rank = ops.argsort(ops.argsort(uniform((batch_size, num_parts), seed), axis=1), axis=1)
    number = 1.0 + ops.floor(share * (num_parts - 1))
    is_given = ops.cast(rank, "float32") < number
    whole = ops.take(is_given, _part_of_each(event_shape), axis=1)
    return ops.where(what < 2 / 3, whole, found)


def _part_of_each(event_shape):
    """Returns the number of the part to which each variable belongs, `(size,)`."""
    sizes = [math.prod(shape) for (shape,) in list_parts(event_shape)]
    return np.repeat(np.arange(len(sizes)), sizes)


def split(order, event_shape, noise, known, observed):
    """Returns the variables known from the start, those to be sent, and their groups in an order.

    Args:
        order, event_shape, noise, known, observed: as in `state_in_order`.

    Returns:
        The tuple of `known` and `open`, bool, both false for missing variables, and group numbers.
    """
    open = map_parts(lambda known: ~known, known)
    if observed is not None:
        open, known = (map_parts(ops.logical_and, part, observed) for part in (open, known))
    groups = order.groups(event_shape, noise, open)
    return known, open, map_parts(ops.convert_to_tensor, groups)


def state_in_order(order, loss, event_shape, u, noise, known, observed):
    """Returns the state at a random step of an order, to estimate its cost by one network call.

    Args:
        order: a `keras_bfn.orders.Order`.
        loss: a `keras_bfn.losses.BFNLoss`: of transmission, or of reconstruction.
        event_shape: the shape of an example, or a dict of the parts'.
        u: in [0, 1), `(batch,)`: the fraction of the order that has been sent.
        noise: as in `keras_bfn.orders.Order.groups`.
        known: bool, `(batch, *event_shape)`, or a dict: true for variables known from the start.
        observed: true for observed variables, or None.

    Returns:
        A `State`, whose cost, averaged over `u`, is that of the order.
    """
    num_groups = order.count_groups(event_shape)
    known, open, groups = split(order, event_shape, noise, known, observed)
    place = u * num_groups
    now = ops.minimum(ops.floor(place), num_groups - 1)
    inside = loss.times(place - now)
    now = ops.cast(now, "int32")
    is_coded = ops.take(ops.convert_to_tensor(order.groups_coded(event_shape)), now)

    def state(groups, known, open):
        axes = (-1, *(1,) * (len(groups.shape) - 1))
        here, directly = ops.reshape(now, axes), ops.reshape(is_coded, axes)
        sent = (groups == here) & open
        count = float(num_groups) * ops.cast(sent, "float32")
        return State(
            t=ops.where(sent & ~directly, expand(inside, groups), 0.0),
            known=known | ((groups < here) & open),
            messages=ops.where(directly, 0.0, count),
            coded=ops.where(directly, count, 0.0),
        )

    return State(*unzip_parts(map_parts(state, groups, known, open)))
