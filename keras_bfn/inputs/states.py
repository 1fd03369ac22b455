"""What Bob knows of each variable: the times of their own, and which are known for sure."""

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_bfn import losses
from keras_bfn._parts import list_parts, map_parts, names_of, unzip_parts
from keras_bfn._random import uniform
from keras_bfn._validation import is_number, refusal
from keras_bfn.flows.flow import expand
from keras_bfn.orders.orders import cut, join, number_of_variables

# The kinds of states in which training sees the variables of an example.
KINDS = ("together", "given", "own", "random", "left_to_right")


class State(NamedTuple):
    """How much is known of each variable, and how it is scored; dicts for data of several kinds.

    Attributes:
        t: times, `(batch, *event_shape)`; with shared times `(batch,)`, and all else is None.
        known: bool, `(batch, *event_shape)`: what is known for sure, and costs nothing.
        messages: how much messages about each variable count, `(batch, *event_shape)`.
        told: how much it counts to tell each variable.
        causal: bool, `(batch,)`: where the network predicts each position from those before it;
            None where it is not told.
    """

    t: Any
    known: Any = None
    messages: Any = None
    told: Any = None
    causal: Any = None


def check_shares(flow, times, takes_causal, shares):
    """Returns the share of each kind of state in training, a dict; None with shared times.

    Raises:
        ValueError: if they are no shares of kinds that there are.
    """
    if times == "shared":
        if shares is not None:
            raise refusal("orders", 'must be None unless times="variables"', shares)
        return None
    takes_causal = takes_causal and names_of(flow) is None  # positions are those of one sequence
    told = [part.can_be_told for (part,) in list_parts(flow)]
    can_be_told = any(told)
    if shares is None:
        shares = (
            {"together": 2, "given": 1, "random": 1} if all(told) else {"together": 1, "given": 1}
        )
        if takes_causal and can_be_told:
            shares["left_to_right"] = sum(shares.values())
    names = [*KINDS, *(flow if isinstance(flow, dict) and len(flow) > 1 else ())]
    if not isinstance(shares, dict) or not shares or not set(shares) <= set(names):
        raise refusal("orders", f"must be a dict from some of {names} to shares", shares)
    values = shares.values()
    are_shares = all(is_number(share) and 0 <= share < math.inf for share in values)
    if not are_shares or sum(values) <= 0:
        raise refusal("orders", "must hold numbers of at least 0, not all of them 0", shares)
    if not can_be_told and (shares.get("random") or shares.get("left_to_right")):
        raise refusal("orders", "must be without what is told for a flow that cannot be", shares)
    if shares.get("left_to_right") and not takes_causal:
        expected = (
            'must be without "left_to_right" for a dict of flows, or a network without "causal"'
        )
        raise refusal("orders", expected, shares)
    return {kind: share / sum(values) for kind, share in shares.items()}


def draw_state(shares, flow, event_shape, loss, batch_size, mask, seed):
    """Draws the state of each example in training.

    Examples are in these kinds of states, as `shares` say:

    - `"together"`: all variables are at one time, as in the paper;
    - `"given"`: some are known, at a random share: here and there, before or after some place, or
      whole parts; the rest are at one time;
    - `"own"`: each variable is at a time of its own;
    - `"random"`: some are known, at a random share, and the rest are unknown, and told;
    - `"left_to_right"`: all are told, each position after those before it;
    - the name of a part: it is known, and the rest are at one time.

    Returns:
        A `State`, whose mean cost in each kind is that of sending the variables that are not given.
    """
    size = number_of_variables(event_shape)
    wide = (batch_size, size)
    place = losses.stratified_uniform(batch_size, seed)  # of kinds, and of times in each
    noise = uniform(wide, seed)
    observed = ops.ones(wide, "bool") if mask is None else join(mask, event_shape)
    zeros, causal = ops.zeros(wide), None
    # Of each kind: times, what is known, and how much messages and telling count.
    found, start = (zeros, ops.zeros(wide, "bool"), zeros, zeros), 0.0
    for kind, share in shares.items():
        if share == 0:
            continue
        is_kind = ops.logical_and(place >= start, place < start + share)[:, None]
        # Evenly spread over the examples of a kind.
        u = ops.clip((place - start) / share, 0.0, 1.0 - 2.0**-24)[:, None]
        start += share
        t, known, told = loss.times(u) + zeros, ops.zeros(wide, "bool"), zeros
        if kind == "own":
            t = loss.times(ops.mod(noise + u, 1.0))
        elif kind == "given":
            known = _draw_given(noise, event_shape, batch_size, seed)
        elif kind == "random":
            t, known = zeros, noise < u
            told = _weigh_hidden(flow, event_shape, ~known, observed)
        elif kind == "left_to_right":
            known, told, causal = observed, ops.cast(observed, "float32"), is_kind[:, 0]
        elif kind not in KINDS:
            known = ops.logical_or(known, _is_of_part(kind, event_shape))
        known = known & observed
        is_told = kind in ("random", "left_to_right")
        messages = zeros if is_told else ops.cast(~known, "float32")
        these = (t, known, messages, told)
        found = tuple(ops.where(is_kind, a, b) for a, b in zip(these, found, strict=True))
    return State(*(cut(values, event_shape) for values in found), causal)


def scored_state(order, in_one_pass, name, loss, u, noise, x, mask, known=None):
    """The state in which a loss scores examples, without bias over `u`.

    Args:
        order, loss, u, noise, mask: as in `state_in_order`.
        in_one_pass: bool. Whether one network call predicts each position from those before it.
        name: `"transmission"`, of which only messages are part, or `"reconstruction"`, which has
            what is told, too.
        x: data, or a dict of the parts' data.
        known: what is known from the start; by default nothing.

    Returns:
        A `State`.
    """
    if known is None:
        known = map_parts(lambda x: ops.zeros_like(x, "bool"), x)
    if in_one_pass:
        state = left_to_right_state(known, mask, x)
    else:
        event_shape = map_parts(lambda x: tuple(x.shape[1:]), x)
        state = state_in_order(order, loss, event_shape, u, noise, known, mask)
    if name == "transmission":
        return state._replace(told=map_parts(ops.zeros_like, state.told))
    return state


def left_to_right_state(known, mask, x):
    """All variables told, each position after those before it, but what is known."""
    observed = map_parts(lambda x: ops.ones_like(x, "bool"), x)
    if mask is not None:
        observed = map_parts(lambda mask: ops.cast(mask, "bool"), mask)
    told = map_parts(lambda a, b: ops.cast(a & ~b, "float32"), observed, known)
    nothing = map_parts(ops.zeros_like, told)
    return State(nothing, observed, nothing, told, ops.ones((ops.shape(x)[0],), "bool"))


def _weigh_hidden(flow, event_shape, hidden, observed):
    """How much it counts to tell each hidden variable: in all as the n observed ones, on average.

    From 0 to n are hidden, all numbers equally often, so each counts as (n + 1) of the hidden ones.
    """
    can_be_told = [
        np.full((1, math.prod(shape)), part.can_be_told)
        for part, shape in list_parts(flow, event_shape)
    ]
    hidden = ops.logical_and(hidden, observed)
    num_observed, num_hidden = (
        ops.sum(ops.cast(which, "float32"), axis=1, keepdims=True) for which in (observed, hidden)
    )
    weight = (num_observed + 1.0) / ops.maximum(num_hidden, 1.0)
    told = ops.logical_and(hidden, np.concatenate(can_be_told, axis=1))
    return ops.where(told, weight, 0.0)


def _draw_given(noise, event_shape, batch_size, seed):
    """Which variables are given: here and there, on one side of a place, or whole parts."""
    size = noise.shape[1]
    share, how, side, what = (uniform((batch_size, 1), seed) for _ in range(4))
    place = (ops.arange(size, dtype="float32") + 0.5)[None] / size
    beside = ops.where(side < 0.5, place < share, place >= share)
    found = ops.where(how < 0.5, noise < share, beside)
    if names_of(event_shape) is None or len(event_shape) < 2:
        return found
    # Of P parts, from 1 to P - 1 are given as wholes, all numbers equally often.
    parts = [math.prod(shape) for shape in event_shape.values()]
    rank = ops.argsort(ops.argsort(uniform((batch_size, len(parts)), seed), axis=1), axis=1)
    number = 1.0 + ops.floor(share * (len(parts) - 1))
    is_given = ops.cast(rank, "float32") < number
    whole = ops.concatenate(
        [ops.repeat(is_given[:, i : i + 1], size, axis=1) for i, size in enumerate(parts)], axis=1
    )
    return ops.where(what < 2 / 3, whole, found)


def _is_of_part(name, event_shape):
    """Which variables are of the part called `name`: bool, `(1, size)`."""
    sizes = [math.prod(shape) for shape in event_shape.values()]
    return np.repeat([part == name for part in event_shape], sizes)[None]


def split(order, event_shape, noise, known, mask):
    """What is known from the start, what is to be sent, and in which group of an order.

    Args:
        order, event_shape, noise, known, mask: as in `state_in_order`.

    Returns:
        The tuple of `known` and of `open`, bool, without what is missing, and of group numbers.
    """
    open = map_parts(lambda known: ~known, known)
    if mask is not None:
        open, known = (map_parts(ops.logical_and, part, mask) for part in (open, known))
    groups = order.groups(event_shape, noise, open)
    return known, open, map_parts(ops.convert_to_tensor, groups)


def state_in_order(order, loss, event_shape, u, noise, known, mask):
    """Where a random example of its order is, for an unbiased estimate of the cost in one call.

    Args:
        order: a `keras_bfn.orders.Order`.
        loss: a `keras_bfn.losses.BFNLoss`: of transmission, or of reconstruction.
        event_shape: the shape of an example, or a dict of the parts'.
        u: in [0, 1), `(batch,)`: how far the order has come.
        noise: as `keras_bfn.orders.Order.groups` takes it.
        known: bool, `(batch, *event_shape)`, or a dict: what is known from the start.
        mask: which variables are there, or None.

    Returns:
        A `State`, whose cost is the order's on average over `u`.
    """
    num_groups = order.count_groups(event_shape)
    known, open, groups = split(order, event_shape, noise, known, mask)
    place = u * num_groups
    now = ops.minimum(ops.floor(place), num_groups - 1)
    inside = loss.times(place - now)
    now = ops.cast(now, "int32")
    is_told = ops.take(ops.convert_to_tensor(np.broadcast_to(order.told, num_groups)), now)

    def state(groups, known, open):
        axes = (-1, *(1,) * (len(groups.shape) - 1))
        here, told = ops.reshape(now, axes), ops.reshape(is_told, axes)
        sent = (groups == here) & open
        count = float(num_groups) * ops.cast(sent, "float32")
        return State(
            t=ops.where(sent & ~told, expand(inside, groups), 0.0),
            known=known | ((groups < here) & open),
            messages=ops.where(told, 0.0, count),
            told=ops.where(told, count, 0.0),
        )

    return State(*unzip_parts(map_parts(state, groups, known, open)))
