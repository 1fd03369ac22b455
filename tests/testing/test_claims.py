"""Claims that all checks share."""

import pytest

from keras_bfn import testing
from tests.testing.test_networks import FLOW

pytestmark = pytest.mark.once  # what is without fault is checked on each backend


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (testing.check_flow, "discrete", "A flow must be a `keras_bfn.flows.Flow`"),
        (testing.check_schedule, 9.0, "A schedule must be a `keras_bfn.schedules.Schedule`"),
        (testing.check_sampler, "sde1", "A sampler must be a `keras_bfn.samplers.Sampler`"),
        (lambda x: testing.check_network(x, FLOW, (4,)), 3, "`network` must be a Keras model"),
    ],
)
def test_what_is_none_of_its_kind_is_told_so(check, value, message):
    with pytest.raises(AssertionError, match=message):
        check(value)
