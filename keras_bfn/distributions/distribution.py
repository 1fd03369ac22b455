"""The contract of output distributions."""

from keras import ops

from keras_bfn._validation import lacks


class Distribution:
    """A distribution over one variable, for a whole batch of variables at once.

    Every parameter is a float32 tensor of shape `(batch, *event_shape)`, or that with one axis more
    for the classes. All methods work variable by variable; nothing is summed. What is returned is
    float32, but for draws and modes of integers, which are int32.

    A new distribution is a subclass. It must have `mean`, `mode`, `sample` and `log_prob`, and over
    integers 0..K-1 `log_probs`; `tempered` and `truncated` are for samplers with a temperature,
    `top_k` or `top_p`. Whatever is proportional to known numbers over 0..K-1 can be had from
    `Categorical(logits)`, or from a subclass whose constructor computes the logits.

    Example, the output distribution of a flow:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=1.0)
    >>> params, s, t = np.zeros((2, 5, 3)), np.zeros((2, 5, 3)), np.zeros(2)
    >>> flow.output_distribution(params, s, t).probs().shape
    (2, 5, 3)
    """

    def mean(self):
        """The expected value, of shape `(batch, *event_shape)`."""
        raise lacks(self, "mean")

    def mode(self):
        """The likeliest value, of shape `(batch, *event_shape)`."""
        raise lacks(self, "mode")

    def sample(self, seed=None):
        """A draw, of shape `(batch, *event_shape)`.

        Args:
            seed: as in `keras_bfn.distributions.normal` and `uniform`, by which it must draw.

        Returns:
            A tensor of shape `(batch, *event_shape)`.
        """
        raise lacks(self, "sample")

    def tempered(self, temperature):
        """The distribution with density p^(1 / temperature), normalised.

        Raises:
            ValueError: if there is none.
        """
        raise lacks(self, "tempered")

    def truncated(self, top_k=None, top_p=None):
        """The distribution over its likeliest values alone, normalised.

        Args:
            top_k: int or None: so many. Of values that are as likely, the least are kept.
            top_p: float in (0, 1], or None: of those, the fewest whose probability reaches it, to
                the precision of float32. At 1 all are kept.

        Raises:
            ValueError: if there is none.
        """
        raise lacks(self, "truncated")

    def log_prob(self, x):
        """The log probability (or density) of `x` in nats, of the shape of `x`."""
        raise lacks(self, "log_prob")

    def log_probs(self):
        """Over 0..K-1: all log probabilities, of shape `(batch, *event_shape, K)`."""
        raise lacks(self, "log_probs")

    def probs(self):
        """Over 0..K-1: all probabilities, of shape `(batch, *event_shape, K)`."""
        return ops.exp(self.log_probs())
