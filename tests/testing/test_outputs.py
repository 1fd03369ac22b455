"""The density of samples, by the length of an interval that holds many of them."""

import numpy as np
import pytest
from scipy import stats

from keras_bfn import flows
from keras_bfn.testing.outputs import check_samples

pytestmark = pytest.mark.once

FLOW = flows.ContinuousFlow(0.1)
MIXTURE = np.random.default_rng(0).integers(0, 2, (4096, 1)) * 100.0


def make_draws(x, log_prob, peak):
    return {
        "drawn": x,
        "log_prob": log_prob,
        "mode_log_prob": np.full(x.shape, peak),
        "sure_data": x,
        "expected_data": np.broadcast_to(x.mean(axis=0), x.shape),
    }


@pytest.mark.parametrize("factor", [1.0, 0.6, 1.6])
@pytest.mark.parametrize("gap", [0.0, MIXTURE], ids=["one", "two, far apart"])
def test_a_wrong_density_is_found_even_if_samples_lie_in_two_places(gap, factor):
    x = gap + np.random.default_rng(1).gamma(3.0, size=(4096, 1))
    density = sum(stats.gamma(3.0).pdf(x - start) for start in np.unique(gap))
    log_prob = np.log(factor * density / np.size(np.unique(gap)))
    draws = make_draws(x, log_prob, log_prob.max())
    if factor == 1:
        check_samples(FLOW, draws)
    else:
        with pytest.raises(AssertionError, match="must be the density of its samples"):
            check_samples(FLOW, draws)


def test_points_have_no_density():
    check_samples(FLOW, make_draws(np.full((512, 2), 0.3), np.zeros((512, 2)), 0.0))
