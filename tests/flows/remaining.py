"""Data of known frequencies, and flows for them: what is left to pay after evidence."""

import numpy as np
import pytest

from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow

ZIPF = (p := 1 / np.arange(1, 28)) / p.sum()


def data(prior, num=100_000):
    """Integers that occur as often as the prior says, to within one."""
    return np.searchsorted(np.cumsum(prior)[:-1], (np.arange(num) + 0.5) / num)


def even(num_values):
    return np.full(num_values, 1 / num_values)


def centres(bins, num_bins):
    return (2 * bins + 1) / num_bins - 1


FLOWS = {
    "discrete-2": (DiscreteFlow(2, beta_1=1.0), data([0.7, 0.3])),
    "discrete-27": (DiscreteFlow(27, beta_1=1.0), data(ZIPF)),
    "discretized-17": (DiscretizedFlow(17), data(even(17))),
    "continuous": (ContinuousFlow(num_bins=17), centres(data(even(17)), 17)),
}
every_flow = pytest.mark.parametrize(("flow", "x"), FLOWS.values(), ids=FLOWS)
