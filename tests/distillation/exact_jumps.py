"""Networks that jump exactly along the paths of normal data, N(0, STD^2)."""

import keras
import numpy as np
from keras import ops

import keras_bfn
from keras_bfn.distillation import Student
from keras_bfn.flows import expand
from tests.exact import NormalPosterior

STD = 0.2  # of data that are hardly ever clipped to [-1, 1]
FLOW = keras_bfn.flows.ContinuousFlow(sigma_1=0.1, prediction="data")


def growth(beta, beta_next):
    """The factor by which u = s / sqrt(beta) grows along a path."""
    return ops.sqrt((1.0 + STD**2 * beta_next) / (1.0 + STD**2 * beta))


class ExactJumps(keras.layers.Layer):
    """The mean of the posterior mean along a path; at t_next = 1, that at its end."""

    jumps = True

    def __init__(self, start):
        super().__init__()
        self.start = start

    def call(self, inputs):
        t, t_next = (expand(inputs[name], inputs["theta"]) for name in ("t", "t_next"))
        beta, beta_next = FLOW.schedule.beta(t), FLOW.schedule.beta(t_next)
        s = (1.0 + beta) * inputs["theta"]  # from the mean of the input distribution
        # What comes as of `start` is of t = 0.
        left = ops.where(t > self.start + 1e-6, beta, 0.0)
        u, grown = s / ops.sqrt(beta), growth(left, beta_next)
        step = ops.sqrt(beta_next) - ops.sqrt(left)
        along = (grown - 1.0) * u / ops.where(step == 0, 1.0, step)
        at_end = ops.sqrt(beta_next) * grown * u / (beta_next + STD**-2)
        return ops.where(t_next == 1, at_end, along)


def make_exact_model(start=0.02):
    return Student(FLOW, ExactJumps(start), event_shape=(3,), seed=0)


def make_exact_teacher():
    network = NormalPosterior(FLOW, STD)
    return keras_bfn.BayesianFlowNetwork(FLOW, network, event_shape=(3,), seed=0)


def samples_of(latents):
    """The data at the ends of the paths from these latents."""
    beta = float(FLOW.schedule.beta(1.0))
    u = latents[..., 0] * float(growth(0.0, beta))
    return np.sqrt(beta) * u / (beta + STD**-2)
