"""Particles make up for what is approximate about a guidance, and weigh it without bias."""

import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn.guidance import Guidance
from tests.guidance.cases import (
    LIKELIHOOD,
    LOG_LIKELIHOOD,
    Untwisted,
    UntwistedMarginals,
    generate,
    of_marginals,
    total_variation,
)
from tests.inputs.test_missing import FLOWS as LONG_FLOWS
from tests.inputs.test_missing import SHORT
from tests.inputs.test_missing import make_model as make_long_model
from tests.models.exact_models import make_pair_model

NUM, NUM_STEPS = 3000, 20


@pytest.fixture(scope="module")
def model():
    return make_pair_model()


@pytest.mark.slow
@pytest.mark.once
def test_samples_converge_as_particles_grow(model):
    """Nearer by far if steps are twisted by the likelihood than by weights alone."""
    errors = {
        guidance: [
            total_variation(generate(model, NUM, 40, guidance=guidance, num_particles=n))
            for n in numbers
        ]
        for guidance, numbers in (
            (Guidance(of_marginals), (1, 2, 8)),
            (Untwisted(of_marginals), (2, 8)),
        )
    }
    (one, two, eight), untwisted = errors.values()
    print(list(errors.values()))
    assert 0.07 < one < 0.13
    assert two < 0.7 * one
    assert eight < 0.4 * one
    assert untwisted[0] > 4 * two
    assert untwisted[1] > 3 * eight


@pytest.fixture(scope="module")
def likelihoods(model):
    """Of samples without guidance, by a sampler."""

    def find(sampler):
        x = generate(model, 20_000, NUM_STEPS, sampler=sampler, seed=7)
        return LIKELIHOOD[x[:, 0], x[:, 1]]

    return {sampler: find(sampler) for sampler in ("sde1", "ancestral")}


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("guidance", "num_particles", "sampler"),
    [
        (Guidance(of_marginals), 1, "sde1"),
        (Guidance(of_marginals), 4, "sde1"),
        (Guidance(of_marginals), 4, "ancestral"),
        (Guidance(of_marginals, through_network=False), 4, "sde1"),
        pytest.param(Guidance(of_marginals, num_draws=64), 2, "sde1", marks=pytest.mark.slow),
        (Guidance(of_marginals, scale=2.0), 8, "sde1"),
        (Untwisted(of_marginals), 4, "sde1"),
        (Untwisted(of_marginals, num_draws=2), 4, "sde1"),
        (Guidance(of_marginals) + Guidance(of_marginals, scale=0.0), 2, "sde1"),
    ],
)
def test_the_mean_likelihood_is_estimated_without_bias(
    model, likelihoods, guidance, num_particles, sampler
):
    """That of what the same sampler draws in as many steps, however few."""
    options = {"guidance": guidance, "num_particles": num_particles, "return_details": True}
    result = generate(model, NUM, NUM_STEPS, sampler=sampler, **options)
    powers = [likelihoods[sampler] ** leaf.scale for leaf in guidance.leaves()]
    expected = np.mean(powers, axis=0)  # of a sum
    found = np.exp(result.log_likelihood.astype("float64"))
    error = np.hypot(found.std() / len(found) ** 0.5, expected.std() / len(expected) ** 0.5)
    print(f"{found.mean():.4f} +- {error:.4f}, expected {expected.mean():.4f}")
    assert error < 0.05 * expected.mean()
    assert abs(found.mean() - expected.mean()) < 3 * error


@pytest.mark.once
def test_details_have_the_shapes_that_are_told(model):
    options = {"guidance": of_marginals, "return_details": True}
    found = generate(model, 6, 3, batch_size=4, num_particles=3, **options)
    assert isinstance(found, keras_bfn.GenerationResult)
    assert found.samples.shape == (6, 2)
    assert found.log_likelihood.shape == (6,)
    assert found.particles.shape == (6, 3, 2)
    assert found.effective_sample_size.shape == (4, 6)
    np.testing.assert_allclose(np.exp(found.log_weights).sum(axis=1), 1.0, rtol=1e-4)
    assert found.trajectory is None
    plain = generate(model, 6, 3, batch_size=4, **options)
    assert plain.trajectory.t.shape == (4,)
    assert plain[2:] == (None,) * 4


@pytest.mark.once
def test_one_particle_may_be_guided_for_a_while_if_nothing_is_asked_of_its_weight(model):
    guidance = Guidance(of_marginals, interval=(0.0, 0.5))
    assert generate(model, 6, 3, guidance=guidance, num_particles=1).shape == (6, 2)


@pytest.mark.slow_to_compile
def test_one_particle_weighs_what_its_likelihood_is_with_the_scale_of_each_call():
    """Where steps are not shifted. One program serves all scales."""
    model = make_pair_model()
    for scale in (1.0, 2.0):
        guidance = UntwistedMarginals(scale=scale)
        found = generate(model, 5, 2, guidance=guidance, num_particles=1, return_details=True)
        x = found.samples
        expected = scale * LOG_LIKELIHOOD[x[:, 0], x[:, 1]]
        np.testing.assert_allclose(found.log_likelihood, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(found.particles[:, 0], x)
    assert len(model.programs.kept) == 1


@pytest.mark.once
def test_what_is_impossible_is_not_drawn_where_particles_are_left(model):
    found = generate(
        model,
        2000,
        20,
        guidance=Guidance(lambda p: ops.log(1.0 - 0.9999 * p[:, 0, 0])),
        num_particles=4,
        return_details=True,
    )
    x = found.samples
    assert (x[:, 0] == 0).mean() < 0.002
    assert np.exp(found.log_likelihood).mean() == pytest.approx(0.7, abs=0.03)


@pytest.mark.once
def test_a_guidance_that_knows_no_likelihood_cannot_weigh(model):
    class Steers(Guidance):
        def log_h(self, expected):
            return of_marginals(expected.data())

    assert generate(model, 2, 2, guidance=Steers()).shape == (2, 2)
    with pytest.raises(ValueError, match=r"`guidance` must have a method `log_likelihood`.*Steers"):
        generate(model, 2, 2, guidance=Steers(), num_particles=2)


@pytest.mark.once
def test_a_likelihood_that_is_no_number_in_the_end_is_refused(model):
    """What is sure then, and no sooner."""

    def of_sure(probs):
        return 0.0 * ops.log(1.0 - ops.max(probs[:, 0], axis=-1))

    with pytest.raises(
        ValueError, match=r"`guidance` must be finite.*2 of 2 samples, first at ste"
    ):
        generate(model, 2, 2, guidance=of_sure, num_particles=2)


@pytest.mark.once
def test_particles_end_where_their_sequences_do():
    flow = LONG_FLOWS["discrete"]
    model = make_long_model(flow)
    options = {"guidance": lambda p: ops.sum(p[:, 0, 0:1], axis=1), "return_details": True}
    found = model.generate(2, 2, lengths=SHORT, num_particles=2, verbose=0, **options)
    x = found.samples
    assert (x[:, SHORT:] == -1).all()
    assert (found.particles[:, :, SHORT:] == -1).all()
    assert (found.particles[:, :, :SHORT] >= 0).all()
