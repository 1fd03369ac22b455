"""One flow of every kind: the contract holds for all of them."""

import keras
import numpy as np
from keras import ops

from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
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


FLOWS = {
    "continuous-noise": ContinuousFlow(sigma_1=0.02),
    "continuous-data": ContinuousFlow(sigma_1=0.02, prediction="data"),
    "continuous-bins": ContinuousFlow(sigma_1=0.02, num_bins=17),
    "continuous-own_schedule": ContinuousFlow(schedule=LinearSchedule(50.0)),
    **{
        f"discretized-{k}-{prediction}": DiscretizedFlow(k, sigma_1=0.02, prediction=prediction)
        for k in (2, 17, 256)
        for prediction in ("noise", "data")
    },
    "discretized-own_schedule": DiscretizedFlow(17, schedule=QuadraticSchedule(30.0)),
    "discrete-2": DiscreteFlow(2, beta_1=9.0),
    "discrete-3": DiscreteFlow(3, beta_1=5.0),
    "discrete-27": DiscreteFlow(27, beta_1=0.5625),
    "discrete-own_schedule": DiscreteFlow(3, schedule=ExponentialSchedule(0.3)),
}


def random_data(flow, shape):
    """Data that reach both ends of the flow's range."""
    rng, (low, high) = np.random.default_rng(0), flow.data_range
    x = rng.integers(low, high + 1, shape) if flow.discrete else rng.uniform(low, high, shape)
    x.flat[:2] = low, high
    return x.astype("int32" if flow.discrete else "float32")
