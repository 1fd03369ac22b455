"""The contract of output distributions: their methods agree with each other, and with samples."""

import contextlib

import numpy as np
from keras import ops

from keras_bfn.flows.flow import expand
from keras_bfn.testing.claims import Compiled, require, require_mean

MOST_VALUES = 64  # of which each has its own row
MOST_NUMBERS = 2**21  # in one tensor
NATS = 1e-2  # by which log probabilities may differ: those of very unlikely values lose digits


def check_samples(flow, draws):
    """Requires that samples have the means and the density that the distribution states.

    Args:
        flow: a `keras_bfn.flows.Flow`.
        draws: dict of arrays, each with one row per sample: the samples, `"drawn"`; their
            `"log_prob"`, and that of the `"mode"`; their `"sure_data"`, and the `"expected_data"`.
    """
    name = type(flow).__name__
    expected = draws["expected_data"][0].astype("float64")
    claim = f"{name}.expected_data must be the mean of `sure_data` over samples from the output"
    require_mean(draws["sure_data"], expected, claim, 1e-4 * max(1.0, np.abs(expected).max()))
    claim = f"{name}.output_distribution(params, s, t).mode() must be the likeliest value"
    likeliest = draws["log_prob"].max(axis=0)
    require((draws["mode_log_prob"][0] >= likeliest - NATS).all(), claim)
    if flow.num_values is not None:
        return
    claim = f"{name}.output_distribution(params, s, t).log_prob must be the density of its samples"
    for x, log_prob in zip(draws["drawn"].T, draws["log_prob"].T, strict=True):
        if len(np.unique(x)) < 0.9 * len(x):  # points of positive probability have no density
            continue
        # In any interval, the mean of 1 / density is the length. We take the densest.
        half, quarter = len(x) // 2, len(x) // 8
        some = np.sort(x[:half])
        start = np.argmin(some[quarter:] - some[:-quarter])
        low, high = some[start], some[start + quarter]
        inside = (x[half:] >= low) & (x[half:] <= high)
        lengths = np.where(inside, np.exp(-log_prob[half:].astype("float64")), 0.0)
        require_mean(lengths / (high - low), 1.0, f"{claim}; their ratio", NATS)


def check_values(flow, x, rng):
    """Requires that all that is stated of integers agrees with their log probabilities."""
    name = type(flow).__name__
    output = f"{name}.output_distribution(params, s, t)"
    num = max(2, min(MOST_VALUES, flow.num_values, MOST_NUMBERS // (len(x) * flow.num_values)))
    values = np.unique(np.linspace(0, flow.num_values - 1, num).astype("int32"))
    row = rng.standard_normal((len(x), flow.output_size)).astype("float32")
    evidence = rng.standard_normal((len(x), flow.embedding_size)).astype("float32")

    def compute(values, seed):
        def repeat(row):
            row = ops.convert_to_tensor(row)
            return ops.broadcast_to(row, (len(values), *row.shape))

        def evidence_at(t):
            beta = flow.schedule.beta(t)
            return flow.gain * expand(beta, embedding) * embedding

        params, embedding = repeat(row), flow.embed(repeat(x))
        early, late = (t * ops.ones(len(values)) for t in (0.5, 1.0))
        output = flow.output_distribution(params, evidence_at(early), early)
        values = ops.broadcast_to(values[:, None], (len(values), len(x)))
        s = evidence_at(late)
        end = flow.output_distribution(params, s, late)
        tempered = {}
        with contextlib.suppress(NotImplementedError):
            tempered["tempered"] = output.tempered(0.5).log_probs()
        return tempered | {
            "log_probs": output.log_probs(),
            "log_prob": output.log_prob(values),
            "mean": output.mean(),
            "cost": flow.reconstruction_loss(values, params, s, late),
            "end": -end.log_prob(values),
            "tilted": flow.tilted(output, repeat(evidence), early).log_probs(),
        }

    found = Compiled(compute).predict_on_batch(values)
    log_probs = found["log_probs"][0].astype("float64")
    probs = np.exp(log_probs)
    total = probs.sum(axis=-1)
    require(np.allclose(total, 1.0, atol=1e-3), f"{output}.log_probs() must add up to 1: {total}")

    def require_same(found, expected, claim):
        places = expected < 50.0  # beyond, they are rounded to nothing
        off = np.abs(np.where(places, found - expected, 0.0)).max()
        require(off <= NATS * (1.0 + 1e-2 * np.abs(expected[places]).max()), f"{claim}. It is not")

    claim = f"{output}.log_prob(x) must be `log_probs()` at x"
    require_same(-found["log_prob"], -log_probs[:, values].T, claim)
    expected = probs @ np.arange(flow.num_values)
    claim = f"{output}.mean() must be the expected value, {expected}"
    require(np.allclose(found["mean"][0], expected, atol=1e-3 * flow.num_values), claim)
    claim = f"{name}.reconstruction_loss must be -log_prob(x) of the output, for integers"
    require_same(found["cost"], found["end"], claim)
    if "tempered" in found:
        claim = f"{output}.tempered(temperature) must have p^(1 / temperature), normalised"
        require_same(-found["tempered"][0], -normalize(2.0 * log_probs), claim)
    embeddings = ops.convert_to_numpy(flow.embed(ops.arange(flow.num_values, dtype="int32")))
    claim = f"{name}.tilted must multiply probabilities by exp(evidence . e(x))"
    require_same(-found["tilted"][0], -normalize(log_probs + evidence @ embeddings.T), claim)


def normalize(logits):
    """Returns log probabilities."""
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
