"""Whether values are data of a type: the methods of flows that check them."""

import numpy as np

from keras_bfn._validation import to_numpy


def check_data(self, x, name="x"):
    """Raises a `ValueError` if the numpy array `x` is not data of this type."""
    x = np.atleast_1d(self.check_values(x, name))
    least, most, (low, high) = x.min(axis=0), x.max(axis=0), self.data_range
    if not self.discrete:  # as precise as what is sent
        with np.errstate(over="ignore"):
            least, most, low, high = map(np.float32, (least, most, low, high))
    outside = np.asarray((least < low) | (most > high))
    if outside.any():
        # For arrays of ranges, that of the first variable to leave it.
        variable = np.unravel_index(np.argmax(outside), outside.shape)
        low, high = (np.broadcast_to(end, outside.shape)[variable] for end in self.data_range)
        raise ValueError(
            f"Argument `{name}` must lie in [{low:.9g}, {high:.9g}] for {self!r}. "
            f"Received: values from {x.min()} to {x.max()}"
        )


def check_values(self, x, name="x"):
    """Returns `x` as a numpy array, or raises a `ValueError` if it holds no such values.

    What `check_data` checks, but for `data_range`.
    """
    x = to_numpy(x, name)
    if x.size == 0:
        raise ValueError(
            f"Argument `{name}` must hold data. Received: an empty array of shape {x.shape}"
        )
    self.check_dtype(x.dtype.name, name)
    if not np.isfinite(x).all():
        raise ValueError(
            f"Argument `{name}` must be finite. Received: an array with NaN or infinity"
        )
    return x


def check_dtype(self, dtype, name="x"):
    """Raises a `ValueError` unless `dtype` (a string) suits this type of data."""
    suits = ("int" in dtype or dtype == "bool") if self.discrete else "float" in dtype
    if not suits:
        expected = "integers" if self.discrete else "floats"
        raise ValueError(
            f"Argument `{name}` must hold {expected} for {self!r}. Received: dtype {dtype}"
        )
