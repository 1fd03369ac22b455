"""The networks that both the published solvers and ours were asked to sample."""

import numpy as np

ETA = 0.01  # the time of the first look
NUM_STEPS = 8
NUM_CLASSES, BETA_1 = 5, 2.25
SIGMA_1 = 0.05

# The evidence's shape, event shape first and embedding last.
SHAPES = {"continuous": (3, 4, 1), "discrete": (3, 4, NUM_CLASSES)}
SOLVERS = ("sde1", "sde2", "ode1", "ode2")


def make_weights(data_type):
    """Of a network with one hidden layer over all variables and the time."""
    rng = np.random.default_rng(sorted(SHAPES).index(data_type))
    size = int(np.prod(SHAPES[data_type][1:]))
    return {
        "w_1": rng.normal(size=(size, 16)),
        "w_t": rng.normal(size=(1, 16)),
        "w_2": rng.normal(size=(16, size)) / 3,
    }


def answer(theta, t, weights, matmul, tanh):
    """theta, `(batch, size)`, and t, `(batch, 1)`, of any library, to `(batch, size)`."""
    hidden = tanh(matmul(theta, weights["w_1"]) + matmul(t, weights["w_t"]))
    return matmul(hidden, weights["w_2"])


def make_noise(data_type):
    """Of the start and of every step: `(1 + NUM_STEPS, *SHAPES[data_type])`."""
    shape = (1 + NUM_STEPS, *SHAPES[data_type])
    return np.random.default_rng(2).normal(size=shape)
