"""Fixtures of the whole suite."""

import keras
import pytest

if keras.backend.backend() == "torch":
    import torch

    # The models of the tests are too small for threads: they would spend their time waiting.
    torch.set_num_threads(1)


@pytest.fixture
def seed():
    """The test's own stream of random numbers, the same in every run."""
    return keras.random.SeedGenerator(0)
