"""The quick part of the relations: a few cases of each kind, always the same."""

import keras
import pytest

from tests.metamorphic.run import SHARES, run

# Elsewhere most of their time is compiling. All relations of all kinds are in 2,000 cases.
NUM_CASES = 12 if keras.backend.backend() == "torch" else 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SHARES)
def test_relations_hold(kind):
    counts, wrong, _ = run(NUM_CASES, 0, [kind])  # which prints each case that is wrong
    assert counts == {kind: NUM_CASES}
    assert not wrong
