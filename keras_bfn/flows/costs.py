"""What a variable costs once its own evidence is known: for schedules that fit data."""

import math

import numpy as np
from keras import ops

from keras_bfn._validation import check_int, check_seed, lacks, refusal, to_numpy

CHUNK = 2**20  # log probabilities held at a time


def remaining_cost(self, x, num_draws=10_000, seed=0):
    """What a variable costs after evidence about it alone, by the accuracy of the evidence.

    For integers it is H(x | s), the mean entropy of the exact posterior. The prior is how often
    a value occurs in `x`, whatever the place: a network that knows places and neighbours can
    but pay less. For a `ContinuousFlow` it is the reconstruction loss of the input
    distribution's mean.

    Args:
        x: numpy array of data, of any shape.
        num_draws: int. How many variables are drawn, and evidence about each.
        seed: int. The draws are the same at each accuracy.

    Returns:
        A function from the accuracy, a float or an array, to nats per variable, in float64.

    Raises:
        ValueError: if an argument is out of its range, or a `ContinuousFlow` has no bins.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    >>> cost = flow.remaining_cost(images)
    >>> [round(float(cost(beta)), 1) for beta in (0, 9)]
    [0.7, 0.0]
    """
    num_draws, seed = check_int("num_draws", num_draws, 1), check_seed(seed)
    self.check_data(x)
    numbers = x if self.num_values is not None else ops.convert_to_numpy(self.embed(x))
    x, log_prior = np.ravel(numbers), np.zeros(1)
    if self.num_values is not None:
        counts = np.bincount(x.astype("int64"), minlength=self.num_values)
        log_prior = np.log(np.maximum(counts, 1e-300) / len(x))

    def cost(beta):
        rng = np.random.default_rng(seed)
        num_chunks = -(-num_draws * len(log_prior) // CHUNK)
        chunks = np.array_split(rng.choice(x, num_draws), num_chunks)
        costs = [self._cost_after_evidence(chunk, beta, log_prior, rng) for chunk in chunks]
        return np.concatenate(costs).mean()

    def cost_of_all(beta):
        beta = to_numpy(beta, "beta")
        if beta.dtype.kind not in "biuf" or not np.all((beta >= 0) & (beta < math.inf)):
            raise refusal("beta", "must be finite and >= 0", beta)
        return np.vectorize(cost, otypes=["float64"])(beta)[()]

    return cost_of_all


def cost_after_evidence(self, x, beta, log_prior, rng):
    """The entropy of the posterior, which one message as accurate as all evidence gives."""
    if self.num_values is None:
        raise lacks(self, "remaining_cost", ": by default only integers 0..K-1 have it")
    noise = ops.convert_to_tensor(rng.standard_normal((len(x), self.embedding_size)), "float32")
    ratios = self.log_likelihood_ratios(x, np.array([beta]), noise)
    logits = log_prior + ops.convert_to_numpy(ratios)
    logits -= logits.max(axis=-1, keepdims=True)
    weights = np.exp(logits)
    total = weights.sum(axis=-1)
    return np.log(total) - (weights * logits).sum(axis=-1) / total
