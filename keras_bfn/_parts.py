"""Data of one or several kinds: values per variable are a tensor, or a dict of tensors.

A model's flow is a `Flow`, or a dict from the names of parts to flows. In the latter case data,
evidence, theta, outputs and event shapes are dicts with the same names. The code for both cases is
in this file; flows, losses and samplers handle a single part.
"""

import keras
from keras import ops

from keras_bfn._validation import check_shape, mismatch, refusal


def map_parts(function, first, *others):
    """Returns `function(first, *others)` or, for dicts, a dict of its results for the parts.

    Args:
        function: takes the values of one part.
        first: the value that decides: for data of several kinds a dict, such as that of the flows.
            The parts are taken in its order.
        *others: if `first` is a dict, dicts with its names, or a single value for all parts.
    """
    if not isinstance(first, dict):
        return function(first, *others)
    return {
        name: function(value, *(x[name] if isinstance(x, dict) else x for x in others))
        for name, value in first.items()
    }


def unzip_parts(values):
    """Turns a dict of the parts' tuples into a tuple of dicts; a single tuple is unchanged."""
    if not isinstance(values, dict):
        return values
    return tuple(
        dict(zip(values, column, strict=True)) for column in zip(*values.values(), strict=True)
    )


def list_parts(first, *others):
    """Returns the values of each part, in order: a list of tuples."""
    if not isinstance(first, dict):
        return [(first, *others)]
    return list(map_parts(lambda *values: values, first, *others).values())


def of_any_part(values):
    """Returns a dict's first value, for what is alike in all parts, or the value itself."""
    return next(iter(values.values())) if isinstance(values, dict) else values


def sum_parts(values):
    """Returns the sum of a dict's tensors, or the tensor itself."""
    return sum(values.values()) if isinstance(values, dict) else values


def sum_variables(x):
    """Returns the sum over the variables of each example, `(batch,)`, for one part."""
    return ops.sum(ops.reshape(x, (ops.shape(x)[0], -1)), axis=-1)


def sum_counted(costs, counts):
    """Returns the sum over the variables of each example, each by its weight or 1."""
    return sum_variables(costs if counts is None else costs * counts)


def count_examples(x):
    """Returns the number of examples in an array, or in the arrays of a dict."""
    return len(keras.tree.flatten(x)[0])


def leave_out(names, values):
    """Returns the values of all parts but these."""
    return {name: values[name] for name in values if name not in names} if names else values


def order_parts(flow, values):
    """Returns the values of some parts in the order of the flow: JAX sorts dicts by name."""
    if isinstance(values, dict):
        return {name: values[name] for name in flow if name in values}
    return values


def check_part(part):
    """Returns the argument `part`, the name of a part, or None, for a flow not known yet."""
    if part is not None and not isinstance(part, str):
        raise refusal("part", "must be the name of a part, or None", part)
    return part


def pick_part(name, flow, *values):
    """Returns the tuple of the flow and the values of the part called `name`.

    Raises:
        ValueError: if the part does not exist, or none of several parts was named.
    """
    if not isinstance(flow, dict):
        if name is not None:
            raise refusal("part", "must be None unless the flow is a dict", name)
        return (flow, *values)
    if not isinstance(name, str) or name not in flow:
        raise refusal("part", f"must be one of {list(flow)}", name)
    return (flow[name], *(value[name] for value in values))


def names_of(values):
    """Returns the set of a dict's part names; None for other values."""
    return set(values) if isinstance(values, dict) else None


def describe(x):
    """Describes an invalid value in a message, by a dict's names or by its type."""
    if isinstance(x, dict):
        return f"a dict with the keys {sorted(map(str, x))}"
    return f"a {type(x).__name__}"


def part_names(flow, name):
    """Returns the name of each part in messages: `x['image']`, or `x` for data of one kind."""
    if isinstance(flow, dict):
        return {part: f"{name}[{part!r}]" for part in flow}
    return name


def check_names(flow, x, name="x", some=False):
    """Returns the `part_names`; raises a `ValueError` unless `x` has the flow's parts.

    With `some`, parts may be left out.
    """
    is_dict = isinstance(flow, dict)
    suits = is_dict == isinstance(x, dict)
    if is_dict and suits:
        suits = x.keys() <= flow.keys() if some else x.keys() == flow.keys()
    if not suits:
        expected = f"must not be a dict, because the flow is {flow!r}"
        if is_dict:
            expected = f"must be a dict with {'some of ' if some else ''}the parts {list(flow)}"
        raise mismatch(name, expected, describe(x))
    return part_names(flow, name)


def check_event_shape(flow, event_shape):
    """Returns the event shape as a tuple, or a dict of the parts' tuples.

    Raises:
        ValueError: if it is not a shape, has other parts, or differs from that of a flow's prior.
    """
    names = check_names(flow, event_shape, "event_shape")
    event_shape = map_parts(check_shape, names, event_shape)
    map_parts(lambda flow, shape: flow.check_event_shape(shape), flow, event_shape)
    return event_shape


def check_has_event_shape(model):
    """Raises a `ValueError` if the model does not know the shape of an example yet."""
    if model.event_shape is None:
        raise ValueError(
            "The model has no `event_shape` yet. Pass it to the constructor, or train the model "
            "first. Received: event_shape=None"
        )
