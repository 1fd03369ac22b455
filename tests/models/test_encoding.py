"""`encode` finds where a deterministic sampler would have started."""

import numpy as np
import pytest

from keras_bfn.samplers import ODE2Sampler
from tests.models.exact_models import make_pair_model
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("sampler", ["ode1", "ode2"])
def test_what_is_encoded_is_generated_again(sampler):
    model = make_pair_model()
    x = np.random.default_rng(0).integers(0, 3, (200, 2))
    latents = model.encode(x, 200, sampler, seed=0, batch_size=200, verbose=0)
    assert latents.shape == (200, 2, 3)
    again = model.generate(200, 200, sampler, latents=latents, batch_size=200, verbose=0)
    assert np.mean(again == x) > 0.99


def test_latents_of_the_data_are_distributed_as_those_of_samples():
    model = make_pair_model()
    joint = model.network.joint_prior
    rng = np.random.default_rng(0)
    pairs = rng.choice(9, size=4000, p=joint.ravel())
    x = np.stack(np.unravel_index(pairs, (3, 3)), axis=1).astype("int32")
    latents = model.encode(x, 100, seed=0, batch_size=4000, verbose=0)
    # Messages about classes count up to what is common to all classes.
    latents = latents - latents.mean(axis=-1, keepdims=True)
    covariance = np.cov(latents.reshape(4000, 6), rowvar=False)
    one = 3 * (np.eye(3) - 1 / 3)
    np.testing.assert_allclose(covariance, np.kron(np.eye(2), one), atol=0.15)


def test_the_same_seed_encodes_the_same():
    model = make_model(FLOWS["discretized"]())
    x = make_data(model.flow, 5)
    sampler = ODE2Sampler(start=0.05, spacing="log_beta")
    latents = model.encode(x, 4, sampler, seed=0, batch_size=2, verbose=0)
    assert latents.shape == (5, *EVENT_SHAPE, 1)
    assert latents.dtype == "float32"
    np.testing.assert_array_equal(
        latents, model.encode(x, 4, sampler, seed=0, batch_size=2, verbose=0)
    )
