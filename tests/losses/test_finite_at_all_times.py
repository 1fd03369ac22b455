"""No loss, gradient or sample is NaN or infinite, whatever the network returns, at any time."""

import numpy as np
import pytest

from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.testing.costs import check_edges
from tests.backends import everywhere

FLOWS = {
    **{
        f"continuous-{prediction}-{num_bins}-{sigma_1}": ContinuousFlow(
            sigma_1, prediction, num_bins
        )
        for sigma_1 in (1e-3, 0.1)
        for prediction in ("noise", "data")
        for num_bins in (None, 256)
    },
    **{
        f"discretized-{k}-{prediction}-{sigma_1}": DiscretizedFlow(k, sigma_1, prediction)
        for k in (2, 27, 256)
        for sigma_1 in (1e-3, 0.1)
        for prediction in ("noise", "data")
    },
    **{
        f"discrete-{k}-{beta_1}": DiscreteFlow(k, beta_1)
        for k in (2, 27, 256)
        for beta_1 in (0.01, 9.0)
    },
}


def check(flow):
    check_edges(flow, np.array(flow.data_range, "int32" if flow.discrete else "float32"))


# The strongest messages about bins, and the weakest about classes.
EXTREMES = ("discretized-256-noise-0.001", "discrete-256-0.01")


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("flow", everywhere(FLOWS, *EXTREMES))
def test_losses_gradients_and_samples_are_finite(flow):
    check(flow)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "flow",
    [
        DiscretizedFlow(20_000, 1e-3),
        pytest.param(DiscreteFlow(50_000, 9.0), marks=pytest.mark.slow),
    ],
)
def test_so_they_are_of_as_many_values_as_words(flow):
    check(flow)
