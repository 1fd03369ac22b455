"""Data of one kind, or of several: whatever is per variable is a tensor, or a dict of tensors.

A model's flow is a `Flow`, or a dict from the names of parts to flows. Data, evidence, theta,
outputs and event shapes then are dicts with the same names. The code that branches on that is here:
flows, losses and samplers know one part only.
"""

import keras
from keras import ops

from keras_bfn._validation import check_shape, mismatch, refusal


def map_parts(function, first, *others):
    """`function(first, *others)`, or, of dicts, a dict of it for each part.

    Args:
        function: takes the values of one part.
        first: what decides: for data of several kinds a dict, such as that of the flows. In its
            order the parts are taken.
        *others: if it is a dict, dicts that have its names, or one value for all parts.
    """
    if not isinstance(first, dict):
        return function(first, *others)
    return {
        name: function(value, *(x[name] if isinstance(x, dict) else x for x in others))
        for name, value in first.items()
    }


def unzip_parts(values):
    """Of the tuples of all parts the first values, the second ones and so on: a tuple."""
    if not isinstance(values, dict):
        return values
    return tuple(
        dict(zip(values, column, strict=True)) for column in zip(*values.values(), strict=True)
    )


def list_parts(first, *others):
    """The values of each part, in order: a list of tuples."""
    if not isinstance(first, dict):
        return [(first, *others)]
    return list(map_parts(lambda *values: values, first, *others).values())


def of_any_part(values):
    """One part's value, for what is alike in all: the first of a dict, or the value itself."""
    return next(iter(values.values())) if isinstance(values, dict) else values


def sum_parts(values):
    """The sum of a dict's tensors, or the tensor itself."""
    return sum(values.values()) if isinstance(values, dict) else values


def sum_variables(x):
    """The sum over the variables of each example, `(batch,)`, of one part."""
    return ops.sum(ops.reshape(x, (ops.shape(x)[0], -1)), axis=-1)


def count_examples(x):
    """How many examples there are in an array, or in the arrays of a dict."""
    return len(keras.tree.flatten(x)[0])


def leave_out(names, values):
    """The values of all parts but these."""
    return {name: values[name] for name in values if name not in names} if names else values


def order_parts(flow, values):
    """The values of some parts in the order of the flow: JAX returns dicts sorted by name."""
    if isinstance(values, dict):
        return {name: values[name] for name in flow if name in values}
    return values


def pick_part(name, flow, *values):
    """The tuple of the flow and the values of the part called `name`.

    Raises:
        ValueError: if there is no such part, or, of several, none was named.
    """
    if not isinstance(flow, dict):
        if name is not None:
            raise refusal("part", "must be None for data of one kind", name)
        return (flow, *values)
    if not isinstance(name, str) or name not in flow:
        raise refusal("part", f"must be one of {list(flow)}", name)
    return (flow[name], *(value[name] for value in values))


def names_of(values):
    """The names of the parts of a dict, a set; None if it is none."""
    return set(values) if isinstance(values, dict) else None


def describe(x):
    """What to say that came in the place of parts, or of one: a dict of these names, or a type."""
    if isinstance(x, dict):
        return f"a dict with the names {sorted(map(str, x))}"
    return f"a {type(x).__name__}"


def part_names(flow, name):
    """What to call each part in a message: `x['image']`, or `x` for data of one kind."""
    if isinstance(flow, dict):
        return {part: f"{name}[{part!r}]" for part in flow}
    return name


def check_names(flow, x, name="x"):
    """The `part_names`, or a `ValueError` unless `x` has the parts of a dict of flows, or none."""
    is_dict = isinstance(flow, dict)
    if is_dict != isinstance(x, dict) or (is_dict and x.keys() != flow.keys()):
        expected = f"a dict with the parts {list(flow)}" if is_dict else f"one array for {flow!r}"
        raise mismatch(name, f"must be {expected}", describe(x))
    return part_names(flow, name)


def check_event_shape(flow, event_shape):
    """The event shape as a tuple, or a dict of the parts' tuples.

    Raises:
        ValueError: if it is no shape, not the shapes of these parts, or not that of a flow's prior.
    """
    names = check_names(flow, event_shape, "event_shape")
    event_shape = map_parts(check_shape, names, event_shape)
    map_parts(lambda flow, shape: flow.check_event_shape(shape), flow, event_shape)
    return event_shape


def check_has_event_shape(model):
    """Raises a `ValueError` if the model does not know the shape of an example yet."""
    if model.event_shape is None:
        raise ValueError(
            "The model has no `event_shape` yet: give it to the constructor, or train first. "
            "Received: event_shape=None"
        )
