"""What the benchmarks compare with is itself right."""

import collections
import math

import numpy as np
import pytest

from benchmarks import masked_diffusion, sequences, text_baselines
from keras_bfn import flows, networks
from keras_bfn.datasets import Letters, embedded_text, text_file

pytestmark = pytest.mark.once

LETTERS = Letters()
STRENGTHS = [0.5, 1.0, 2.0, 1.0, 0.3]


@pytest.fixture(scope="module")
def text():
    data = embedded_text(batch_size=200, seq_length=100)
    return np.concatenate([data.validation[0], data.test[0]]).astype("int64")


def probability(seen, context, letter, strengths):
    """By the definition, letter by letter."""
    if len(context) >= len(strengths):
        context = context[len(context) - len(strengths) + 1 :]
    after = collections.Counter(
        seen[i + len(context)]
        for i in range(len(seen) - len(context))
        if seen.startswith(context, i)
    )
    shorter = probability(seen, context[1:], letter, strengths) if context else 1 / 27
    weight = strengths[len(context)] * len(after)
    return (after[letter] + weight * shorter) / (after.total() + weight) if after else shorter


def test_n_gram_probabilities_are_those_of_the_definition(text):
    seen, new = text[0], text[1:3]
    model = text_baselines.NGrams(seen, STRENGTHS)
    expected = [
        probability(LETTERS.decode(seen), row[max(0, place - 4) : place], letter, STRENGTHS)
        for row in LETTERS.decode(new)
        for place, letter in enumerate(row)
    ]
    assert model.bits_per_token(new) == pytest.approx(-np.log2(expected).mean(), rel=1e-12)
    np.testing.assert_allclose(model.probabilities(2).sum(axis=-1), 1, rtol=1e-12)


def test_each_order_beats_the_one_below_and_windows_cost_more_than_a_text_that_runs_on(text):
    train, validation, test = text[:120].ravel(), text[120:150].ravel(), text[150:]
    model = text_baselines.NGrams(train, [1.0] * 5)
    before = model.bits_per_token(validation)
    text_baselines.choose_strengths(model, validation)
    assert set(model.strengths) <= set(text_baselines.STRENGTHS)
    assert model.bits_per_token(validation) < before
    bits = [model.bits_per_token(test.ravel(), size) for size in range(4)]
    assert math.log2(27) > bits[0] > bits[1] > bits[2] > bits[3]
    assert model.bits_per_token(test) > model.bits_per_token(test.ravel())


def test_the_parts_of_a_text_are_those_of_the_data_set(tmp_path, text):
    path = tmp_path / "text.txt"
    path.write_text(LETTERS.decode(text.ravel()[:1000]))
    parts = text_baselines.load_parts(path)
    data = text_file(path, batch_size=50, seq_length=1)
    for part, batches in zip(parts[1:], data[1:], strict=True):
        np.testing.assert_array_equal(part, batches[0].ravel())
    assert LETTERS.decode(np.concatenate(parts)) == path.read_text()


@pytest.mark.slow
def test_messages_and_known_letters_cost_independent_letters_what_they_must():
    shares = np.arange(1, 28) / np.arange(1, 28).sum()
    letters = np.random.default_rng(0).choice(27, (160, masked_diffusion.LENGTH), p=shares)
    flow = flows.DiscreteFlow(27, beta_1=0.75, prior=shares)
    # Untrained, it says of each letter what the evidence about it alone says.
    network = networks.Transformer(flow, masked_diffusion.LENGTH, 8, num_layers=1, num_heads=0)
    expected = -np.log2(shares[letters]).mean()
    for bound in ("shared times", "masked"):
        bits, _ = masked_diffusion.measure(flow, network, letters.astype("int32"), bound, 24)
        assert bits == pytest.approx(expected, abs=0.05), bound


def test_letters_are_drawn_from_the_chain():
    counts = np.random.default_rng(0).integers(0, 50, (3, 3))
    chain = flows.MarkovChain(counts)
    letters = masked_diffusion.draw_chain(chain, 20_000, np.random.default_rng(1))
    found = flows.MarkovChain.fit(letters[None], 3, order=1)
    np.testing.assert_allclose(found.probabilities(1), chain.probabilities(1), atol=0.02)


def test_entities_cost_the_entropy_of_their_process():
    pytest.importorskip("pandas")
    df, nats = sequences.make_entities(4000, np.random.default_rng(0))

    def entropy(*shares):
        return -sum(share * math.log(share) for share in shares)

    steps = (sequences.LENGTHS - 1) @ sequences.SHARES
    each = [entropy(kept, (1 - kept) / 2, (1 - kept) / 2) for kept in sequences.KEPT.values()]
    expected = math.log(2) + entropy(*sequences.SHARES) + math.log(3) + steps * np.mean(each)
    assert nats.mean() == pytest.approx(expected, abs=4 * nats.std() / math.sqrt(len(nats)))
    assert len(nats) == df["entity"].nunique()
    assert sequences.share_kept(df) == pytest.approx(sequences.KEPT, abs=0.02)
