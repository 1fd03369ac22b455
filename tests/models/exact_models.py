"""Models whose network is the exact posterior of two dependent variables."""

import keras
import numpy as np
from keras import ops

import keras_bfn
from tests import exact

JOINT_PRIOR = np.array([[0.25, 0.02, 0.03], [0.05, 0.2, 0.05], [0.02, 0.08, 0.3]])


class PairNetwork(keras.layers.Layer):
    """Answers with the exact marginals of a pair of classes."""

    def __init__(self, joint_prior):
        super().__init__()
        self.joint_prior = joint_prior

    def call(self, inputs):
        # Up to what is common to all classes, the evidence is the logarithm of theta.
        s = ops.log(ops.maximum(inputs["theta"], 1e-30))
        return exact.pair_logits(s, self.joint_prior)


def make_pair_model(beta_1=12.0):
    flow = keras_bfn.flows.DiscreteFlow(3, beta_1)
    return keras_bfn.BayesianFlowNetwork(flow, PairNetwork(JOINT_PRIOR), event_shape=(2,), seed=0)
