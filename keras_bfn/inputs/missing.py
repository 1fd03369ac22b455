"""Missing variables, -1 in integers and NaN in floats, and the weights of variables.

The receiver gets no messages about a missing variable, which costs nothing. A network that takes a
`"mask"` is given the mask of observed variables. Masks are bool tensors of the shape of the data,
or dicts of the parts' masks; None if all variables are observed.
"""

import numpy as np
from keras import ops

from keras_bfn._parts import check_names, count_examples, map_parts, part_names, unzip_parts
from keras_bfn._validation import check_fits, mismatch, refusal, standard_dtype, to_numpy
from keras_bfn.flows.flow import expand


def fill_missing_variables(flow, x, allow_missing):
    """Returns the tuple of data in int32 or float32, and the mask of observed variables or None.

    With `allow_missing`, missing values are replaced by a valid value; else the mask is None.
    """

    def cast(flow, x):
        return ops.cast(x, "int32" if flow.discrete else "float32")

    def fill(flow, x):
        mask = x != -1 if flow.discrete else x == x  # false for NaN
        return ops.where(mask, x, ops.cast(some_value(flow), x.dtype)), mask

    x = map_parts(cast, flow, x)
    return unzip_parts(map_parts(fill, flow, x)) if allow_missing else (x, None)


def observed_mask(theta, observed):
    """Returns the mask of observed variables that a network takes; by default all are."""
    if observed is None:
        return ops.ones(ops.shape(theta)[:-1], "bool")
    return ops.cast(observed, "bool")


def is_missing(x):
    """Returns which variables of a numpy array are missing."""
    return x == -1 if np.issubdtype(x.dtype, np.signedinteger) else np.not_equal(x, x)


def fill_missing(flow, x):
    """Returns a numpy array with missing values replaced by a valid value."""
    missing = is_missing(x)
    return put_some_value(flow, x, missing) if missing.any() else x


def put_some_value(flow, x, unknown):
    """Returns a numpy array with a valid value for each variable that is unknown."""
    # Not in the dtype of `x`, which may not be able to hold that value.
    return np.where(unknown, np.asarray(some_value(flow), standard_dtype(x.dtype.name)), x)


def some_value(flow):
    """Returns a value that the data could have."""
    low, high = flow.data_range
    if flow.discrete:
        return low
    middle = 0.5 * (low + high)
    return np.where(np.isfinite(middle), middle, np.clip(0.0, low, high))


def put_missing(x, mask):
    """Returns a numpy array with -1 or NaN for each variable that is not observed."""
    dtype = np.promote_types(x.dtype, "int8")  # which has -1
    return np.where(mask > 0.5, x.astype(dtype), dtype.type(np.nan if dtype.kind == "f" else -1))


def within_lengths(model, lengths, event_shape, num):
    """Returns which variables are within the lengths of sequences: 1 for these, else 0, in float32.

    Raises:
        ValueError: if the model does not allow missing variables, or a length is invalid.
    """
    if not model.allow_missing:
        expected = "must be None unless the model has allow_missing=True or a network that takes "
        raise refusal("lengths", f"{expected}a 'mask'", lengths)
    if isinstance(lengths, dict):
        check_names(model.flow, lengths, "lengths", some=True)
        lengths = dict.fromkeys(model.flow) | lengths

    def there(shape, lengths, name):
        if lengths is None:
            return np.ones((num, *shape), "float32")
        lengths, longest = to_numpy(lengths, name), shape[0] if shape else 0
        suits = lengths.dtype.kind in "iu" and lengths.shape in ((), (num,))
        if not suits or lengths.min() < 1 or lengths.max() > longest:
            expected = f"must be one integer or {num} integers in 1..{longest}"
            raise refusal(name, expected, lengths.tolist())
        places = np.arange(longest).reshape(-1, *[1] * (len(shape) - 1))
        is_there = places < lengths.reshape(-1, *[1] * len(shape))
        return np.broadcast_to(is_there, (num, *shape)).astype("float32")

    return map_parts(there, event_shape, lengths, part_names(model.flow, "lengths"))


def check_sample_weight(model, sample_weight, x):
    """Returns the weights of examples or variables in the form of `arrange_weight`.

    Raises:
        ValueError: if their shapes do not match, or they are not finite numbers of at least 0.
    """
    names, values = "sample_weight", None if isinstance(x, dict) else x
    if isinstance(sample_weight, dict):
        names, values = check_names(model.flow, sample_weight, names, some=True), x
    weight = map_parts(_check_weight, sample_weight, values, names, count_examples(x))
    return arrange_weight(weight, x)


def _check_weight(weight, values, name, num):
    allowed = [(num,), (num, 1)]
    if values is not None and values.shape not in allowed:
        allowed.append(tuple(values.shape))
    shape = getattr(weight, "shape", None)
    if shape is None or tuple(shape) not in allowed:
        came = f"a {type(weight).__name__}" if shape is None else f"shape {tuple(shape)}"
        shapes = " or ".join(map(str, allowed))
        raise mismatch(name, f"must be an array of weights, of shape {shapes}", came)
    found = to_numpy(weight, name)
    if found.dtype.kind not in "biuf" or not (np.isfinite(found) & (found >= 0)).all():
        raise refusal(name, "must contain finite numbers of at least 0", found)
    check_fits(found, "float32", name)
    return weight if ops.is_tensor(weight) else found.astype("float32", copy=False)


def arrange_weight(weight, x):
    """Returns weights in a structure that shows whether they are of examples or of variables.

    Weights of examples become a tuple of one array, `(num,)`; weights of variables are shaped as
    the data. The structures differ because TensorFlow reuses a function traced for one rank for
    another.

    Args:
        weight: `(num,)` or `(num, 1)`, or shaped as the data; or a dict of either for some parts.
        x: data, or a dict of the parts' data.
    """
    if isinstance(weight, dict):
        return {part: _broadcast(one, x[part]) for part, one in weight.items()}
    reshape = np.reshape if isinstance(weight, np.ndarray) else ops.reshape
    return (reshape(weight, (-1,)),) if _is_of_examples(weight, x) else weight


def _broadcast(weight, x):
    if tuple(weight.shape) == tuple(x.shape):
        return weight
    library = np if isinstance(weight, np.ndarray) else ops
    weight = library.reshape(weight, (-1,) + (1,) * (len(x.shape) - 1))
    return library.broadcast_to(weight, x.shape)


def count_variables(x, mask, sample_weight):
    """Returns the weight of each variable in sums over an example, and of each example in means.

    Args:
        x: data, or a dict of the parts' data.
        mask: the mask of observed variables, or None.
        sample_weight: weights as `arrange_weight` takes or returns them, or None.

    Returns:
        The tuple of tensors shaped as the data, and of one of shape `(batch,)`. Either is None if
        all its weights are 1.
    """
    weight, is_dict, of_examples = sample_weight, isinstance(sample_weight, dict), None
    if weight is not None and not is_dict and not isinstance(weight, (tuple, list)):
        weight = arrange_weight(weight, x)  # from a pipeline
    if isinstance(weight, (tuple, list)):
        weight, of_examples = None, ops.cast(weight[0], "float32")
    if weight is None and mask is None:
        return None, of_examples
    weight = dict.fromkeys(x) | weight if is_dict else weight

    def count(x, mask, weight):
        counts = ops.ones(ops.shape(x), "float32") if mask is None else ops.cast(mask, "float32")
        if weight is None:
            return counts
        weight = ops.cast(weight, "float32")
        if tuple(weight.shape[1:]) != tuple(x.shape[1:]):
            weight = expand(ops.reshape(weight, (-1,)), x)
        return counts * weight

    return map_parts(count, x, mask, weight), of_examples


def _is_of_examples(weight, x):
    if isinstance(x, dict) or len(weight.shape) == 1:
        return True
    return tuple(weight.shape[1:]) == (1,) and tuple(x.shape[1:]) != (1,)
