"""Fixtures of the whole suite."""

import gc

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


@pytest.fixture(autouse=True, scope="module")
def memory():
    """Frees, after each file, what its models were compiled to: gigabytes, on JAX."""
    yield
    gc.collect()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
