"""What a message about one variable may be about: points of a space, in numpy and float64.

Messages that differ only along some directions need to be sent only along these. A channel knows
them; `keras_bfn.codec` sends numbers through it.
"""

import math

import numpy as np

# So many standard deviations from a message there is no value that it could be about.
FARTHEST = 6.0


class Line:
    """Evenly spaced points on a line: bins in their order, or two classes.

    Args:
        points: float array `(K,)`, rising: where the embedding of each value lies on the line.
        direction: float array `(embedding_size,)`: the unit vector along which the line runs.
    """

    size = 1

    def __init__(self, points, direction=(1.0,)):
        self.points = np.asarray(points, "float64")
        self.direction = np.asarray(direction, "float64")

    def embed(self, values):
        """Where the embeddings of integers of any shape lie: a float64 array `(..., size)`."""
        return self.points[np.asarray(values, "int64")][..., None]  # of booleans, too

    def evidence(self, s):
        """The evidence, `(..., embedding_size)`, of what was gathered through the channel."""
        return s * self.direction

    def candidates(self, gained, precision):
        """The values that a message may have been about.

        Args:
            gained: float64 array `(..., size)`, the evidence `precision * y` of the message `y`.
            precision: float, that of the message, `c alpha`.

        Returns:
            The tuple of the first candidate, an int array `(...)`, and the log likelihoods, up to a
            constant, of the M values from it on, `(..., M)`.
        """
        num, num_values = self.num_candidates(precision), len(self.points)
        step = self.points[1] - self.points[0]
        message = gained / precision
        nearest = np.rint((message[..., 0] - self.points[0]) / step)
        first = np.clip(nearest - num // 2, 0, num_values - num).astype("int64")
        points = self.points[first[..., None] + np.arange(num)]
        return first, -0.5 * precision * np.square(message - points)

    def num_candidates(self, precision):
        """How many values a message of this precision may have been about, M."""
        step = self.points[1] - self.points[0]
        return min(len(self.points), 2 * math.ceil(FARTHEST / (math.sqrt(precision) * step)) + 1)


class Simplex:
    """The corners of a simplex: K classes without an order. As `Line`."""

    def __init__(self, num_classes):
        self.size = num_classes

    def embed(self, values):
        return (np.asarray(values)[..., None] == np.arange(self.size)).astype("float64")

    def evidence(self, s):
        return s

    def candidates(self, gained, precision):
        return np.zeros(gained.shape[:-1], "int64"), gained


class Points:
    """Any K points of a space. As `Line`.

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
