"""Times of the parts of the data."""

import keras
from keras import ops

from keras_bfn import losses
from keras_bfn._parts import map_parts

SHARED = 0.5  # the share of the examples, in training, whose parts have one time
KNOWN = 0.5  # of the other examples' parts, but one of each, the share that is known


def check_times(flow, times):
    """Returns `times`, or raises a `ValueError` if no parts can have times of their own."""
    if times == "parts" and (not isinstance(flow, dict) or len(flow) < 2):
        raise ValueError(
            "Argument `times` must be 'shared' unless `flow` is a dict of two flows or more. "
            f"Received: times='parts', flow={flow!r}"
        )
    return times


def draw_times(model, loss, batch_size, training, num_repeats=1):
    """The times of the predictions of a loss: `(batch,)`, or a dict of the parts' own times.

    With repeats, one batch after the other, each in its own part of [0, 1].
    """
    seed = model.seed_generator
    uniform = [losses.stratified_uniform(batch_size, seed) + i for i in range(num_repeats)]
    uniform = ops.concatenate(uniform) / num_repeats if num_repeats > 1 else uniform[0]
    shared = loss.times(uniform)
    if model.times == "shared" or not training:
        return shared
    is_shared, place = (keras.random.uniform((batch_size,), seed=seed) for _ in range(2))
    never_known = ops.floor(place * len(model.flow))
    times = {}
    for i, name in enumerate(model.flow):
        own = loss.times(losses.stratified_uniform(batch_size, seed))
        known = keras.random.uniform((batch_size,), seed=seed) < KNOWN
        own = ops.where(ops.logical_and(known, never_known != i), 1.0, own)
        times[name] = ops.where(is_shared < SHARED, shared, own)
    return times


def leave_out_known(nats, predictions):
    """What parts cost in training by a loss, those that are known nothing."""
    return map_parts(
        lambda nats, prediction: ops.where(prediction.t < 1.0, nats, 0.0), nats, predictions
    )


def check_given(model, given):
    """Returns names of parts that are known, as a sorted tuple.

    Raises:
        ValueError: if they are not some, but not all, of the model's parts, or its network was not
            trained to take parts as known.
    """
    names = list(model.flow) if isinstance(model.flow, dict) else []
    given = (given,) if isinstance(given, str) else () if given is None else given
    if not isinstance(given, (tuple, list, set)):
        raise ValueError(
            f"Argument `given` must be a list of names of parts. Received: a {type(given).__name__}"
        )
    if not given:
        return ()
    if model.times != "parts":
        raise ValueError(
            'Argument `given` needs a model with times="parts", whose network has learnt to take '
            "parts as known. Others take what is known as messages, in `inpaint`. "
            f"Received: given={list(given)} with times={model.times!r}"
        )
    if any(name not in names for name in given) or set(given) == set(names):
        raise ValueError(
            f"Argument `given` must name some of {names}, but not all. Received: {list(given)}"
        )
    return tuple(sorted(set(given)))
