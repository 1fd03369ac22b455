"""Fixtures of the whole suite."""

import keras
import pytest


@pytest.fixture
def seed():
    """The test's own stream of random numbers, the same in every run."""
    return keras.random.SeedGenerator(0)
