"""What is expected of data as functions that can be differentiated, for `keras_bfn.guidance`."""

from keras import ops

from keras_bfn._validation import lacks
from keras_bfn.distributions import Categorical


def expected_data(self, distribution):
    """What is expected of the data under an output distribution.

    Returns:
        For numbers, and for integers that are ordered, the mean in the data's own units,
        `(batch, *event_shape)`; for classes, all probabilities, `(batch, *event_shape, K)`; for
        angles, the means of cosine and sine, `(batch, *event_shape, 2)`.
    """
    return distribution.mean()


def sure_data(self, x):
    """Data in the form of `expected_data`, as if one were sure of them.

    Numbers as floats, classes one-hot, angles as cosine and sine.
    """
    return ops.cast(x, "float32")


def expected_variance(self, distribution, t):
    """The variances of what `expected_data` gives the mean of, shaped as it.

    Args:
        distribution: the output distribution at `t`.
        t: time, of shape `(batch,)`.

    Returns:
        A tensor, in the square of the data's unit.
    """
    if self.num_values is None:
        raise lacks(self, "expected_variance", ", which this guidance needs")
    values = ops.arange(self.num_values, dtype="float32")
    probs = distribution.probs()
    mean = ops.sum(probs * values, axis=-1, keepdims=True)
    return ops.sum(probs * ops.square(values - mean), axis=-1)


def log_expected(self, x, distribution, t):
    """How likely values are by what is expected of the data before t = 1.

    Args:
        x: data, of shape `(batch, *event_shape)`.
        distribution: the output distribution at `t`.
        t: time, of shape `(batch,)`.

    Returns:
        The log probability, or density, of each variable, in nats, `(batch, *event_shape)`.
    """
    return distribution.log_prob(x)


def tilted(self, distribution, evidence, t):
    """The output distribution after so much more evidence about each variable, on its own.

    It is proportional to `p_O(x) exp(evidence . e(x))`: what the other variables tell of it, and
    it of them, is left out.

    Args:
        distribution: the output distribution at `t`.
        evidence: of shape `(batch, *event_shape, embedding_size)`.
        t: time, of shape `(batch,)`.

    Returns:
        A `keras_bfn.distributions.Distribution`.

    Raises:
        NotImplementedError: if the flow does not know it.
    """
    if self.num_values is None:
        raise lacks(self, "tilted", ", which guidance with through_network=False needs")
    embeddings = ops.transpose(self._embed_all_values())
    return Categorical(distribution.log_probs() + ops.matmul(evidence, embeddings))
