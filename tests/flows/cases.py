"""One flow of every kind: the contract holds for all of them."""

import keras
import numpy as np
from keras import ops

from keras_bfn.flows import (
    CircularFlow,
    ContinuousFlow,
    DiscreteFlow,
    DiscretizedFlow,
    JointNormal,
    MarkovChain,
)
from keras_bfn.schedules import ExponentialSchedule, QuadraticSchedule, Schedule


@keras.saving.register_keras_serializable("keras_bfn_tests")
class LinearSchedule(Schedule):
    """A user's own schedule: beta(t) = slope t."""

    def __init__(self, slope):
        self.slope = slope

    def beta(self, t):
        return self.slope * ops.cast(t, "float32")

    def derivative(self, t):
        return self.slope * ops.ones_like(ops.cast(t, "float32"))

    def inverse(self, beta):
        return ops.cast(beta, "float32") / self.slope

    def get_config(self):
        return {"slope": self.slope}


NORMAL = JointNormal([0.1, 0.0, -0.2], [[0.09, 0.05, 0.0], [0.05, 0.04, -0.02], [0.0, -0.02, 0.16]])
CHAIN = MarkovChain.fit(np.array([[0, 1, 1, 2, 0, 1, 1, 2, 0, 0, 2, 1]]), num_classes=3, order=2)

FLOWS = {
    "continuous-noise": ContinuousFlow(sigma_1=0.02),
    "continuous-data": ContinuousFlow(sigma_1=0.02, prediction="data"),
    "continuous-residual": ContinuousFlow(sigma_1=0.02, prediction="residual"),
    "continuous-bins": ContinuousFlow(sigma_1=0.02, num_bins=17),
    "continuous-own_schedule": ContinuousFlow(schedule=LinearSchedule(50.0)),
    "continuous-own_units": ContinuousFlow(sigma_1=0.02, center=15.0, scale=25.0),
    **{
        f"discretized-{k}-{prediction}": DiscretizedFlow(k, sigma_1=0.02, prediction=prediction)
        for k in (2, 17, 256)
        for prediction in ("noise", "data")
    },
    "discretized-own_schedule": DiscretizedFlow(17, schedule=QuadraticSchedule(30.0)),
    "discrete-2": DiscreteFlow(2, beta_1=9.0),
    "discrete-3": DiscreteFlow(3, beta_1=5.0),
    "discrete-27": DiscreteFlow(27, beta_1=0.5625),
    "circular": CircularFlow(sigma_1=0.02),
    "discrete-own_schedule": DiscreteFlow(3, schedule=ExponentialSchedule(0.3)),
}

PRIORS = {
    "continuous": ContinuousFlow(sigma_1=0.02, prior=(0.3, 0.5)),
    "continuous-joint": ContinuousFlow(sigma_1=0.02, prediction="residual", prior=NORMAL),
    "discretized-joint": DiscretizedFlow(17, sigma_1=0.02, prior=NORMAL),
    "discretized": DiscretizedFlow(
        17, sigma_1=0.02, prior=[np.linspace(-0.2, 0.2, 3), [0.5, 0.2, 1.0]]
    ),
    "discrete-2": DiscreteFlow(2, beta_1=9.0, prior=[[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]),
    "discrete-3": DiscreteFlow(3, beta_1=5.0, prior=[0.7, 0.2, 0.1]),
    "discrete-3-chain": DiscreteFlow(3, beta_1=5.0, prior=CHAIN),
}


def random_data(flow, shape):
    """Data that reach both ends of the flow's range."""
    rng, (low, high) = np.random.default_rng(0), flow.data_range
    x = rng.integers(low, high + 1, shape) if flow.discrete else rng.uniform(low, high, shape)
    x.flat[:2] = low, high
    return x.astype("int32" if flow.discrete else "float32")
