"""A pair of dependent classes, likelihoods of it, and what is exact about them."""

import numpy as np
from keras import ops

from keras_bfn.guidance import Guidance
from tests.models.exact_models import JOINT_PRIOR
from tests.tensors import to_tensor

LOG_LIKELIHOOD = np.array([[-2.0, 0, 1], [1, -2, 0], [1.5, 0, -2.5]])
LIKELIHOOD = np.exp(LOG_LIKELIHOOD)
TILTED = JOINT_PRIOR * LIKELIHOOD / np.sum(JOINT_PRIOR * LIKELIHOOD)


def of_marginals(probs):
    """The logarithm of the mean likelihood, as if the pair's classes were independent."""
    return ops.log(ops.einsum("bi,ij,bj->b", probs[:, 0], to_tensor(LIKELIHOOD), probs[:, 1]))


class Exact(Guidance):
    """The mean likelihood, given all evidence."""

    def log_h(self, expected):
        s = expected.predictions.s
        log_joint = to_tensor(np.log(JOINT_PRIOR)) + s[:, 0, :, None] + s[:, 1, None, :]
        log_joint = ops.log_softmax(ops.reshape(log_joint, (-1, 9)), axis=-1)
        return ops.logsumexp(log_joint + to_tensor(LOG_LIKELIHOOD.ravel()), axis=1)


class Untwisted(Guidance):
    """Only weights tell of the likelihood: steps are as they would be without it."""

    def log_h(self, expected, **values):
        return ops.stop_gradient(super().log_h(expected, **values))


class UntwistedMarginals(Untwisted):
    """As `Untwisted`, of the mean likelihood. It has no function, so its program is reused."""

    def likelihood(self, data):
        return of_marginals(data)


def total_variation(x, probs=TILTED):
    """Between pairs and their probabilities."""
    frequencies = np.bincount(x @ [3, 1], minlength=9) / len(x)
    return 0.5 * np.abs(frequencies - probs.ravel()).sum()


def generate(model, num, num_steps, **options):
    """All samples in one batch, with a seed."""
    options = {"sampler": "sde1", "seed": 1, "batch_size": num, "verbose": 0, **options}
    return model.generate(num, num_steps, **options)
