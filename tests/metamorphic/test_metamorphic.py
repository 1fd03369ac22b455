"""The quick part of the relations: a few cases of each kind, always the same."""

import pytest

from tests.metamorphic.run import SHARES, run

NUM_CASES = 5  # all relations of all kinds are in 2,000


@pytest.mark.once  # elsewhere most of their time is compiling
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SHARES)
def test_relations_hold(kind):
    counts, wrong, _ = run(NUM_CASES, 0, [kind])  # which prints each case that is wrong
    assert counts == {kind: NUM_CASES}
    assert not wrong
