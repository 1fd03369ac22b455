"""What the benchmarks compare with is itself right."""

import collections
import math
import statistics

import numpy as np
import pytest

from benchmarks import forecasts, masked_diffusion, sequences, text_baselines
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


def test_the_measures_of_a_seasonal_naive_forecast_are_those_by_hand():
    series = np.arange(1.0, 25.0)  # a rise of 12 a year
    future = np.arange(25.0, 43.0)[None]  # 12 beyond the repeated year, then 24
    naive = np.tile(series[-12:], 2)[:18]
    values = np.broadcast_to(naive, (1, 199, 18))
    found = forecasts.measure(values, [series], future)
    assert found["MASE"] == pytest.approx((12 * 12 + 6 * 24) / 18 / 12)
    assert found["CRPS"] == pytest.approx(found["MASE"])  # a single point
    assert found["CRPS of totals"] == pytest.approx(found["MASE"])  # all errors have one sign
    assert found["sMAPE"] == pytest.approx(np.mean(200 * (future - naive) / (future + naive)))
    assert found["in 80%"] == found["in 95%"] == 0


def test_the_measures_of_a_normal_forecast_are_those_of_the_closed_form():
    normal = statistics.NormalDist(100, 2)
    values = np.array([normal.inv_cdf(level) for level in forecasts.LEVELS])
    came = np.array([normal.inv_cdf((i + 0.5) / 1800) for i in range(1800)]).reshape(100, 18)
    known = [np.repeat([90.0, 94.0], 12)] * 100
    values = np.broadcast_to(values[None, :, None], (100, 199, 18))
    found = forecasts.measure(values, known, came)
    assert found["MASE"] == pytest.approx(2 * math.sqrt(2 / math.pi) / 4, rel=2e-3)
    assert found["CRPS"] == pytest.approx(2 / math.sqrt(math.pi) / 4, rel=0.01)
    assert found["in 80%"] == pytest.approx(80, abs=0.2)
    assert found["in 95%"] == pytest.approx(95, abs=0.2)
    shuffled = np.random.default_rng(0).permuted(values, axis=1)  # independent months
    again = forecasts.measure(shuffled, known, came)
    assert again["CRPS"] == pytest.approx(found["CRPS"])
    assert again["totals in 80%"] < found["totals in 80%"]


@pytest.fixture(scope="module")
def many_series():
    rng = np.random.default_rng(0)
    lengths = rng.integers(30, 90, 8)
    months = [np.arange(length) for length in lengths]
    return [
        np.exp(6 + np.sin(month * math.pi / 6) + 0.1 * rng.standard_normal(len(month)))
        for month in months
    ]


@pytest.mark.parametrize("name", ["model", "quantiles"])
def test_a_network_forecasts_series_of_many_lengths(name, many_series, monkeypatch):
    monkeypatch.setattr(forecasts, "STEPS_PER_EPOCH", 8)
    monkeypatch.setattr(forecasts, "WIDTH", 16)
    values = forecasts.forecast_by_network(name, many_series, many_series[::2], epochs=1, seed=0)
    assert values.shape == (4, 199, 18)
    assert (np.isfinite(values) & (values > 0)).all()
    assert (np.diff(values, axis=1) >= 0).all() == (name == "quantiles")  # others are paths
