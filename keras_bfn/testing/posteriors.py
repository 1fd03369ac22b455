"""Exact posteriors in the place of networks: the best output that a network could give."""

import keras
import numpy as np
from keras import ops

from keras_bfn.distributions import Categorical
from keras_bfn.flows.flow import expand


class ExactFlow:
    """A flow of integers whose output distribution is the exact posterior of a single variable.

    All else is the flow's own: what data cost by its losses then is known in advance.

    Args:
        flow: a `keras_bfn.flows.Flow` of integers 0..K-1.
        prior: float array `(K,)`, how often each value occurs.
    """

    def __init__(self, flow, prior):
        self.flow, self.prior = flow, np.asarray(prior)

    def __getattr__(self, name):
        return getattr(self.flow, name)

    def output_distribution(self, params, s, t):
        """p(k | s), proportional to `prior_k exp(s e(k) - c beta |e(k)|^2 / 2)`."""
        embeddings = self.embed(ops.arange(self.num_values, dtype="int32"))
        lengths = ops.sum(ops.square(embeddings), axis=-1)
        precision = self.gain * expand(self.schedule.beta(t), s)
        log_likelihoods = ops.matmul(s, ops.transpose(embeddings)) - 0.5 * precision * lengths
        return Categorical(log_likelihoods + ops.convert_to_tensor(np.log(self.prior), "float32"))


class PairPosterior(keras.layers.Layer):
    """A network for two dependent variables of K classes: the exact marginals of both.

    Args:
        joint_prior: float array `(K, K)`, how often each pair occurs.
    """

    def __init__(self, joint_prior):
        super().__init__()
        self.joint_prior = np.asarray(joint_prior)

    def call(self, inputs):
        # Up to what is common to all classes, the evidence is the logarithm of theta.
        s = ops.log(ops.maximum(inputs["theta"], 1e-30))
        log_prior = ops.convert_to_tensor(np.log(self.joint_prior), "float32")
        log_joint = log_prior + s[:, 0, :, None] + s[:, 1, None, :]
        marginals = [ops.logsumexp(log_joint, axis=2), ops.logsumexp(log_joint, axis=1)]
        return ops.stack(marginals, axis=1)


class NormalPosterior(keras.layers.Layer):
    """A network for numbers from N(0, std^2): their mean given the evidence.

    For `ContinuousFlow(sigma_1, prediction="data")`.

    Args:
        flow: the flow.
        std: float.
    """

    def __init__(self, flow, std):
        super().__init__()
        self.flow, self.std = flow, std

    def call(self, inputs):
        beta = expand(self.flow.schedule.beta(inputs["t"]), inputs["theta"])
        s = (1.0 + beta) * inputs["theta"]
        return s / (beta + self.std**-2)
