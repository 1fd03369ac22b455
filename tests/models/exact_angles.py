"""Models of dependent angles, or of an angle and a class, whose networks are exact posteriors."""

import keras
import numpy as np
from keras import ops
from scipy import special

import keras_bfn
from keras_bfn.distributions import VonMises
from keras_bfn.flows import CircularFlow, DiscreteFlow
from tests.tensors import to_tensor

SIGMA_1 = 0.15
# Two angles, of a density proportional to exp(PULL cos x_1 + BOND cos(x_1 - x_2)).
PULL, BOND = 1.5, 2.0
# As fine as the sharpest density there is, of concentration 75, asks for.
_NUM_POINTS = 40
_ANGLES = 2 * np.pi * np.arange(_NUM_POINTS) / _NUM_POINTS - np.pi
CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)


def log_normalizer(natural):
    """log of the integral of exp(natural . e(x)) over the circle."""
    zero = ops.zeros(ops.shape(natural)[:-1])
    return natural[..., 0] - VonMises(natural).log_prob(zero)


def natural_of(mean_vector):
    """The natural parameters of the von Mises distribution with this mean vector."""
    length = ops.sqrt(ops.sum(ops.square(mean_vector), axis=-1, keepdims=True))
    length = ops.clip(length, 1e-6, 1.0 - 1e-6)
    kappa = length * (2.0 - length**2) / (1.0 - length**2)
    for _ in range(4):  # Newton's method
        resultant = VonMises(ops.pad(kappa, ((0, 0),) * (len(kappa.shape) - 1) + ((0, 1),)))
        resultant = resultant.mean_vector()[..., :1]
        slope = 1.0 - resultant / kappa - ops.square(resultant)
        kappa = ops.maximum(kappa - (resultant - length) / slope, 0.5 * kappa)
    return mean_vector * kappa / length


class PairPosterior(keras.layers.Layer):
    """The exact mean vectors of both angles, by an integral over each."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        s = self.flow.evidence_params(inputs["theta"])
        first, second = s[:, 0] + to_tensor([PULL, 0.0]), s[:, 1]
        circle = to_tensor(CIRCLE)

        def mean_vector(own, other):
            log_density = ops.sum(own[:, None] * circle, axis=-1)
            log_density = log_density + log_normalizer(BOND * circle + other[:, None])
            probs = ops.softmax(log_density, axis=-1)
            return ops.sum(probs[..., None] * circle, axis=1)

        return natural_of(ops.stack([mean_vector(first, second), mean_vector(second, first)], 1))


def make_pair_model():
    flow = CircularFlow(SIGMA_1)
    return keras_bfn.BayesianFlowNetwork(flow, PairPosterior(flow), event_shape=(2,), seed=0)


def pair_density(first, second):
    density = np.exp(PULL * np.cos(first) + BOND * np.cos(first - second))
    return density / (4 * np.pi**2 * special.i0(PULL) * special.i0(BOND))


def draw_pairs(num, rng):
    first = rng.vonmises(0, PULL, num)
    second = np.angle(np.exp(1j * (first + rng.vonmises(0, BOND, num))))
    return np.stack([first, second], axis=1).astype("float32")


# A side, and an angle whose mean direction is that of the side.
SIDES, CENTRES, KAPPA = np.array([0.3, 0.7]), np.array([-1.0, 2.5]), 3.0
NATURALS = KAPPA * np.stack([np.cos(CENTRES), np.sin(CENTRES)], axis=-1)


class SidePosterior(keras.layers.Layer):
    """The exact log odds of the side and mean vector of the angle."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        s = {name: self.flow[name].evidence_params(inputs["theta"][name]) for name in self.flow}
        naturals = s["angle"][:, None] + to_tensor(NATURALS)
        evidence = log_normalizer(naturals)  # the same concentration on both sides
        log_odds = float(np.log(SIDES[1] / SIDES[0])) + s["side"]
        log_odds = log_odds + evidence[:, 1:] - evidence[:, :1]
        share = ops.sigmoid(log_odds)
        means = VonMises(naturals).mean_vector()
        mean = share * means[:, 1] + (1.0 - share) * means[:, 0]
        return {"side": log_odds, "angle": natural_of(mean)}


def make_side_model():
    flow = {"side": DiscreteFlow(2, beta_1=9.0), "angle": CircularFlow(SIGMA_1)}
    event_shape = {"side": (), "angle": ()}
    return keras_bfn.BayesianFlowNetwork(flow, SidePosterior(flow), event_shape, seed=0)


def side_density(side, angle):
    exponent = KAPPA * np.cos(angle - CENTRES[side])
    return SIDES[side] * np.exp(exponent) / (2 * np.pi * special.i0(KAPPA))


def draw_sides(num, rng):
    side = (rng.random(num) < SIDES[1]).astype("int32")
    angle = np.angle(np.exp(1j * (CENTRES[side] + rng.vonmises(0, KAPPA, num))))
    return {"side": side, "angle": angle.astype("float32")}


class OwnEvidence(keras.layers.Layer):
    """The exact posterior of an angle of which nothing else is known."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        return self.flow.evidence_params(inputs["theta"])


def make_single_model():
    flow = CircularFlow(SIGMA_1)
    return keras_bfn.BayesianFlowNetwork(flow, OwnEvidence(flow), event_shape=(), seed=0)
