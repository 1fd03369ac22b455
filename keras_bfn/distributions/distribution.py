"""The contract of output distributions."""

from keras import ops

from keras_bfn._typing import Seed, Tensor
from keras_bfn._validation import lacks


class Distribution:
    """Base class of distributions over one variable, for a whole batch of variables at once.

    Every parameter is a float32 tensor of shape `(batch, *event_shape)`, with one more axis for
    classes. All methods work variable by variable; nothing is summed. They return float32 tensors,
    except samples and modes of integers, which are int32.

    A new distribution is a subclass. It must define `mean`, `mode`, `sample` and `log_prob`, and
    for integers 0..K-1 `log_probs`; samplers with a temperature, `top_k` or `top_p` need `tempered`
    and `truncated`. A distribution over 0..K-1 with known unnormalised probabilities can be a
    `Categorical(logits)`, or a subclass of it whose constructor computes the logits.

    Example, the output distribution of a flow:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=1.0)
    >>> params, s, t = np.zeros((2, 5, 3)), np.zeros((2, 5, 3)), np.zeros(2)
    >>> flow.output_distribution(params, s, t).probs().shape
    (2, 5, 3)
    """

    def mean(self) -> Tensor:
        """Returns the expected value, of shape `(batch, *event_shape)`."""
        raise lacks(self, "mean")

    def mode(self) -> Tensor:
        """Returns the likeliest value, of shape `(batch, *event_shape)`."""
        raise lacks(self, "mode")

    def sample(self, seed: Seed = None) -> Tensor:
        """Returns a sample of each variable.

        Args:
            seed: as in `keras_bfn.distributions.normal` and `uniform`, which it must sample with.

        Returns:
            A tensor of shape `(batch, *event_shape)`.
        """
        raise lacks(self, "sample")

    def tempered(self, temperature: float) -> "Distribution":
        """Returns the distribution with density proportional to p^(1 / temperature).

        Raises:
            ValueError: if there is no such distribution.
        """
        raise lacks(self, "tempered")

    def truncated(self, top_k: int | None = None, top_p: float | None = None) -> "Distribution":
        """Returns the distribution restricted to its likeliest values and normalised.

        Args:
            top_k: int or None: the number of values kept. Of equally likely values, the smallest
                are kept.
            top_p: float in (0, 1], or None: of those, keep the fewest whose total probability
                reaches `top_p`, to the precision of float32. At 1 all are kept.

        Raises:
            ValueError: if there is no such distribution.
        """
        raise lacks(self, "truncated")

    def log_prob(self, x: Tensor) -> Tensor:
        """Returns the log probability (or density) of `x` in nats, of the shape of `x`."""
        raise lacks(self, "log_prob")

    def log_probs(self) -> Tensor:
        """Returns the log probabilities of 0..K-1, of shape `(batch, *event_shape, K)`."""
        raise lacks(self, "log_probs")

    def probs(self) -> Tensor:
        """Returns the probabilities of 0..K-1, of shape `(batch, *event_shape, K)`."""
        return ops.exp(self.log_probs())
