"""The quick part of the relations: a few cases of each kind, always the same."""

import warnings

import keras
import pytest

from tests.metamorphic.run import SHARES, run_case

# Elsewhere most of their time is compiling. All relations of all kinds are in 2,000 cases.
NUM_CASES = 12 if keras.backend.backend() == "torch" else 2


@pytest.mark.parametrize("kind", SHARES)
def test_relations_hold(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(NUM_CASES):
            run_case(kind, seed)
