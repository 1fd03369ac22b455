"""Data of one kind, or of several: whatever is per variable is a tensor, or a dict of tensors.

A model's flow is a `Flow`, or a dict from the names of parts to flows. Data, evidence, theta,
outputs and event shapes then are dicts with the same names. The code that branches on that is here:
flows, losses and samplers know one part only.
"""


def map_parts(function, flow, *values):
    """`function(flow, *values)`, or, for a dict of flows, a dict of it for each part.

    Args:
        function: takes the flow of one part, and the values of that part.
        flow: a `Flow`, or a dict of flows.
        *values: for a dict of flows, dicts that have its names.
    """
    if isinstance(flow, dict):
        return {
            name: function(part, *(value[name] for value in values)) for name, part in flow.items()
        }
    return function(flow, *values)


def list_parts(flow, *values):
    """The parts, in order: a list of tuples of a part's flow and its values."""
    parts = map_parts(lambda *part: part, flow, *values)
    return list(parts.values()) if isinstance(flow, dict) else [parts]


def for_each_part(flow, value):
    """The same value for every part."""
    return map_parts(lambda _: value, flow)


def sum_parts(values):
    """The sum of a dict's tensors, or the tensor itself."""
    return sum(values.values()) if isinstance(values, dict) else values


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
            raise ValueError(
                f"Argument `part` must be None for data of one kind. Received: part={name!r}"
            )
        return (flow, *values)
    if name not in flow:
        raise ValueError(f"Argument `part` must be one of {list(flow)}. Received: part={name!r}")
    return (flow[name], *(value[name] for value in values))


def check_names(flow, x, name="x"):
    """Raises a `ValueError` unless `x` is a dict with the names of a dict of flows, or no dict."""
    if isinstance(flow, dict):
        if not isinstance(x, dict) or set(x) != set(flow):
            came = sorted(map(str, x)) if isinstance(x, dict) else f"a {type(x).__name__}"
            raise ValueError(
                f"Argument `{name}` must be a dict with the parts {list(flow)}. Received: {came}"
            )
    elif isinstance(x, dict):
        raise ValueError(
            f"Argument `{name}` must be one array for {flow!r}. Received: a dict with the names "
            f"{sorted(map(str, x))}"
        )
