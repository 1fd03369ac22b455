"""Exact posteriors in the place of networks: the best output that a network could have."""

import keras
import numpy as np
from keras import ops
from scipy import special

from keras_bfn.flows import expand
from tests.tensors import to_numpy, to_tensor


def class_logits(s, prior):
    """DiscreteFlow, one variable: p(k | s) is proportional to prior_k exp(s_k)."""
    return _as_params(ops.log(to_tensor(prior)) + s)


def pair_logits(s, joint_prior):
    """DiscreteFlow, two dependent variables: the marginals of prior_kl exp(s_1k + s_2l)."""
    log_joint = ops.log(to_tensor(joint_prior)) + s[:, 0, :, None] + s[:, 1, None, :]
    marginals = [ops.logsumexp(log_joint, axis=2), ops.logsumexp(log_joint, axis=1)]
    return _as_params(ops.stack(marginals, axis=1))


def _as_params(logits):
    return logits[..., 1:] - logits[..., :1] if logits.shape[-1] == 2 else logits


def normal_over_bins(flow, s, t, prior):
    """DiscretizedFlow with two or three bins: the normal whose mass in the bins is p(k | s).

    The likelihood of bin k is exp(s e_k - beta e_k^2 / 2).
    """
    num_bins = len(prior)
    centres = (2 * np.arange(num_bins) + 1) / num_bins - 1
    beta = to_numpy(flow.schedule.beta(t)).reshape(-1, 1, 1)
    log_p = np.log(prior) + to_numpy(s) * centres - beta * centres**2 / 2
    log_p = log_p - special.logsumexp(log_p, axis=-1, keepdims=True)
    # The standard normal's quantiles at the inner edges.
    edges = np.stack([_quantile(log_p, edge) for edge in range(1, num_bins)], axis=-1)
    std = np.ones_like(edges[..., 0])
    if num_bins == 3:
        std = (2 / 3) / (edges[..., 1] - edges[..., 0])
    mean = 2 / num_bins - 1 - std * edges[..., 0]
    return to_tensor(np.stack([mean, np.log(std)], axis=-1))


def _quantile(log_p, edge):
    below = special.logsumexp(log_p[..., :edge], axis=-1)
    above = special.logsumexp(log_p[..., edge:], axis=-1)
    return np.where(below < above, special.ndtri_exp(below), -special.ndtri_exp(above))


def normal_mean(flow, s, t, tau):
    """ContinuousFlow, data from N(0, tau^2): the mean of N(s / precision, 1 / precision)."""
    return s / (ops.reshape(flow.schedule.beta(t), (-1, 1, 1)) + tau**-2)


class NormalPosterior(keras.layers.Layer):
    """The same as a network, for `ContinuousFlow(sigma_1, prediction="data")`."""

    def __init__(self, flow, tau):
        super().__init__()
        self.flow, self.tau = flow, tau

    def call(self, inputs):
        beta = expand(self.flow.schedule.beta(inputs["t"]), inputs["theta"])
        return (1.0 + beta) * inputs["theta"] / (beta + self.tau**-2)


def as_noise(flow, mean, s, t):
    """The noise for which a flow with prediction="noise" reads off `mean`."""
    root = ops.sqrt(ops.reshape(flow.schedule.beta(t), (-1, 1, 1)))
    return s / root - root * mean


def as_noise_params(flow, params, s, t):
    """The same for the mean and log standard deviation of a DiscretizedFlow."""
    log_root = 0.5 * ops.log(ops.reshape(flow.schedule.beta(t), (-1, 1, 1)))
    return ops.concatenate(
        [as_noise(flow, params[..., :1], s, t), params[..., 1:] + log_root], axis=-1
    )


def entropy(probs):
    """In nats."""
    return special.entr(probs).sum()
