"""Channels: the embeddings of a variable's values as points of a space, in numpy and float64.

If the embeddings differ only along some directions, messages are needed only along these. A channel
defines the directions; `keras_bfn.codec` sends numbers through it.
"""

import math

import numpy as np

# Values more than this many standard deviations from a message are not candidates.
FARTHEST = 6.0


class Line:
    """Evenly spaced points on a line: ordered bins, or two classes.

    Args:
        points: float array `(K,)`, increasing: the position of each value's embedding on the line.
        direction: float array `(embedding_size,)`: the unit vector of the line.
    """

    size = 1

    def __init__(self, points, direction=(1.0,)):
        self.points = np.asarray(points, "float64")
        self.direction = np.asarray(direction, "float64")

    def embed(self, values):
        """Returns the points of integers of any shape: a float64 array `(..., size)`."""
        return self.points[np.asarray(values, "int64")][..., None]  # also for booleans

    def evidence(self, s):
        """Returns evidence `(..., embedding_size)` from evidence in the channel's coordinates."""
        return s * self.direction

    def candidates(self, gained, precision):
        """Returns the values that a message may encode.

        Args:
            gained: float64 array `(..., size)`, the evidence `precision * y` of the message `y`.
            precision: float, the precision of the message, `c alpha`.

        Returns:
            The tuple of the first candidate, an int array `(...)`, and the log likelihoods, up to a
            constant, of the M consecutive values from it on, `(..., M)`.
        """
        num, num_values = self.num_candidates(precision), len(self.points)
        step = self.points[1] - self.points[0]
        message = gained / precision
        nearest = np.rint((message[..., 0] - self.points[0]) / step)
        first = np.clip(nearest - num // 2, 0, num_values - num).astype("int64")
        points = self.points[first[..., None] + np.arange(num)]
        return first, -0.5 * precision * np.square(message - points)

    def num_candidates(self, precision):
        """Returns M, the number of values that a message of this precision may encode."""
        step = self.points[1] - self.points[0]
        return min(len(self.points), 2 * math.ceil(FARTHEST / (math.sqrt(precision) * step)) + 1)


class Points:
    """Any K points of a space. Methods are as in `Line`.

    Args:
        points: float array `(K, size)`: the embedding of each value.
    """

    def __init__(self, points):
        self.points = np.asarray(points, "float64")
        self.size = self.points.shape[-1]

    def embed(self, values):
        return self.points[np.asarray(values, "int64")]

    def evidence(self, s):
        return s

    def candidates(self, gained, precision):
        log_likelihoods = gained @ self.points.T
        log_likelihoods -= 0.5 * precision * np.square(self.points).sum(axis=-1)
        return np.zeros(gained.shape[:-1], "int64"), log_likelihoods


class Simplex(Points):
    """The corners of a simplex: K unordered classes."""

    def __init__(self, num_classes):
        self.size = num_classes

    def embed(self, values):
        return (np.asarray(values)[..., None] == np.arange(self.size)).astype("float64")

    def candidates(self, gained, precision):
        return np.zeros(gained.shape[:-1], "int64"), gained
