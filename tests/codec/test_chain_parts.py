"""With the exact posterior for a network, the bits of several kinds of data are their entropy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn.codec import Codec
from keras_bfn.codec.chain import Chain
from tests import exact
from tests.codec.crafting import coded
from tests.models.exact_parts import (
    CENTRES,
    TRIPLES,
    make_triple_model,
    places_of,
    triple_marginals_in_float64,
    triples,
)

pytest.importorskip("constriction")
pytestmark = pytest.mark.once("jax")

ENTROPY = exact.entropy(TRIPLES) / np.log(2)


def likely_triples(num):
    """As often as they are likely, without chance, in a random order."""
    places = np.searchsorted(np.cumsum(TRIPLES), (np.arange(num) + 0.5) / num)
    return triples(np.random.default_rng(0).permutation(places))


def information(x):
    """Of each triple, in bits."""
    return -np.log2(TRIPLES.ravel()[places_of(x)])


def triple_bits(x, num_steps):
    """What a class and two grades cost, each part by a chain of its own."""
    flow = make_triple_model().flow
    chains = {name: Chain(part, num_steps, resolution=0.25) for name, part in flow.items()}

    def expect(s, i):
        grades = s["grades"] * CENTRES - 0.5 * chains["grades"].precision[i] * CENTRES**2
        log_likelihoods = np.concatenate([s["kind"], grades.reshape(-1, 6)], axis=1)
        log_probs = np.log(np.maximum(triple_marginals_in_float64(log_likelihoods), 1e-30))
        return {"kind": log_probs[:, :3], "grades": log_probs[:, 3:].reshape(-1, 2, 3)}

    return coded(chains, x, expect)


@pytest.mark.slow_to_compile
def test_the_fewer_the_messages_the_more_bits_dependent_parts_cost():
    x = likely_triples(1500)
    costs = np.array([triple_bits(x, n) / 1500 for n in (1, 4, 16, 64)])
    print(f"{np.round(costs, 3)} bits, entropy {ENTROPY:.3f}")
    independent = [exact.entropy(TRIPLES.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    assert costs[0] == pytest.approx(sum(independent) / np.log(2), rel=0.01)
    excess = costs - ENTROPY
    assert (excess[1:] < 0.5 * excess[:-1]).all()
    assert 0 < excess[-1] < 0.03 * ENTROPY


@pytest.mark.slow_to_compile
def test_with_messages_of_little_accuracy_dependent_parts_cost_their_entropy():
    x = likely_triples(750)
    bits = triple_bits(x, 300)
    print(f"{bits / 750:.4f} bits, entropy {ENTROPY:.4f}")
    # One of ten million numbers lies beyond the coder's range, and costs 20 bits more.
    assert_allclose(bits, 750 * ENTROPY, rtol=0.005, atol=20)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("triple", [(0, 0, 0), (1, 2, 0)])
def test_a_triple_costs_what_it_is_unlikely_whatever_the_evidence(triple):
    place = np.ravel_multi_index(triple, TRIPLES.shape)
    x = triples(np.full(200, place))
    assert_allclose(triple_bits(x, 150), information(x).sum(), rtol=0.02, atol=20)


@pytest.mark.slow
def test_a_file_of_several_kinds_costs_what_the_loss_says():
    """The standard error is told by how the two costs differ over eight parts of the data."""
    model, x, num_steps, num_parts = make_triple_model(), likely_triples(8000), 10, 8
    codec = Codec(model, num_steps, batch_size=1000)
    measured = []
    for i in range(num_parts):
        part = {name: values[1000 * i : 1000 * (i + 1)] for name, values in x.items()}
        _, report = codec.compress(part, return_report=True, verbose=0)
        measured.append(report["bits_per_example"])
    nats = model.code_length(
        x, num_steps, num_repeats=2 * num_steps, batch_size=8000, seed=0, verbose=0
    )
    stated = (nats["transmission"] + nats["reconstruction"]) / np.log(2)
    differences = np.array(measured) - stated.reshape(num_parts, -1).mean(axis=1)
    standard_error = differences.std(ddof=1) / num_parts**0.5
    print(f"{np.mean(measured):.4f} bits, loss {stated.mean():.4f}, +- {standard_error:.4f}")
    assert standard_error < 0.012 * stated.mean()
    assert abs(differences.mean()) < 4 * standard_error


@pytest.mark.slow_to_compile
def test_a_file_of_several_kinds_comes_back():
    x = likely_triples(50)
    x["kind"] = x["kind"].astype("int64")
    codec = Codec(make_triple_model(), num_steps=10, batch_size=20)
    data = codec.compress(x, verbose=0)
    back = codec.decompress(data, verbose=0)
    assert list(back) == ["kind", "grades"]
    for name in x:
        assert back[name].dtype == x[name].dtype
    np.testing.assert_equal(back, x)
