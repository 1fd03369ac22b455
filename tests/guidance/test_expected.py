"""What is expected of data: means, draws and variances, of each kind, known or missing."""

import numpy as np
import pytest
from keras import ops

from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.guidance import Expected, Guidance
from keras_bfn.predictions import Prediction
from tests.guidance.cases import LIKELIHOOD, of_marginals
from tests.tensors import to_numpy, to_tensor, value_and_gradient

RNG = np.random.default_rng(0)
FLOWS = {
    "classes": DiscreteFlow(3, beta_1=2.0),
    "binary": DiscreteFlow(2, beta_1=2.0),
    "bins": DiscretizedFlow(9, sigma_1=0.1, prediction="data"),
    "numbers": ContinuousFlow(0.1, prediction="data", center=5.0, scale=[2.0, 3.0]),
    "prior": ContinuousFlow(0.1, prediction="data", prior=(0.1, 0.4)),
}
T = np.array([0.2, 0.4, 0.6, 0.8], "float32")


def prediction(flow, params=None):
    s = to_tensor(RNG.standard_normal((4, 2, flow.embedding_size)))
    if params is None:
        params = 0.3 * RNG.standard_normal((4, 2, flow.output_size)) - 0.5
    return Prediction(to_tensor(T), s, None, to_tensor(params))


def expect(flow, **options):
    seen = prediction(flow)
    output = flow.output_distribution(seen.params, seen.s, seen.t)
    return Expected(flow, seen, output, **options), output


@pytest.mark.once
@pytest.mark.parametrize("name", FLOWS)
def test_data_and_variances_have_one_form(name):
    """That of `data`, also of what is known, and of variables that are missing."""
    flow = FLOWS[name]
    expected, output = expect(flow)
    data, variances = to_numpy(expected.data()), to_numpy(expected.variances())
    shape = (4, 2, flow.num_classes) if isinstance(flow, DiscreteFlow) else (4, 2)
    assert data.shape == variances.shape == shape
    assert (variances > 0).all()
    x = to_numpy(output.mode()).astype("int32" if flow.discrete else "float32")
    known = Expected(flow, prediction(flow), None, given=ops.convert_to_tensor(x))
    sure = to_numpy(known.data())
    assert sure.shape == shape
    np.testing.assert_allclose(sure if len(shape) == 2 else sure.argmax(axis=-1), x, rtol=1e-6)
    assert not to_numpy(known.variances()).any()
    observed = np.array([[1, 0]] * 4, "float32")
    hidden, _ = expect(flow, observed=to_tensor(observed))
    for values in (hidden.data(), hidden.variances()):
        assert not to_numpy(values)[:, 1].any()
        assert to_numpy(values)[:, 0].any()


@pytest.mark.once
@pytest.mark.parametrize("name", ["classes", "bins", "prior"])
def test_more_evidence_about_each_variable_tilts_what_is_expected(name):
    """By p_O(x) exp(evidence . e(x)), which for a prior of its own is as by Bayes."""
    flow = FLOWS[name]
    seen = prediction(flow)
    output = flow.output_distribution(seen.params, seen.s, seen.t)
    more = to_tensor(RNG.standard_normal((4, 2, flow.embedding_size)))
    tilted = flow.tilted(output, more, seen.t)
    if name == "classes":
        weights = np.exp(to_numpy(output.log_probs()) + to_numpy(more))
        found = to_numpy(tilted.probs())
    elif name == "bins":
        centres = (2 * np.arange(9) + 1) / 9 - 1
        weights = np.exp(to_numpy(output.log_probs()) + to_numpy(more) * centres)
        found = to_numpy(tilted.probs())
    else:
        variance = 1.0 / (to_numpy(flow.schedule.beta(seen.t)) + 0.4**-2)
        expected = to_numpy(output.mean()) + variance[:, None] * to_numpy(more)[..., 0]
        np.testing.assert_allclose(to_numpy(tilted.mean()), expected, rtol=1e-4)
        return
    np.testing.assert_allclose(found, weights / weights.sum(axis=-1, keepdims=True), atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("name", ["classes", "binary", "bins"])
def test_draws_are_data_as_often_as_they_are_expected(name):
    flow, num_draws = FLOWS[name], 4000
    noise = {
        "uniform_0": to_tensor(RNG.uniform(size=(num_draws, 4, 2))),
        "normal_0": to_tensor(RNG.standard_normal((num_draws, 4, 2))),
    }
    expected, _ = expect(flow, noise=noise)
    draws = to_numpy(expected.draws(num_draws))
    data = to_numpy(expected.data())
    assert draws.shape == (4 * num_draws, *data.shape[1:])
    np.testing.assert_allclose(draws, np.round(draws), atol=1e-5)
    draws = draws.reshape(num_draws, *data.shape)  # one batch after the other
    error = 5 * (draws.std(axis=0) + 1e-3) / num_draws**0.5
    assert (np.abs(draws.mean(axis=0) - data) < error).all()
    if name != "bins":
        np.testing.assert_allclose(draws.var(axis=0), to_numpy(expected.variances()), atol=0.03)


@pytest.mark.once
def test_h_of_many_draws_is_the_mean_likelihood_and_its_gradient_that_of_the_expected_data():
    """Of a likelihood that is linear in the data, both are known."""
    flow, num_draws = FLOWS["classes"], 3000
    noise = {"uniform_0": to_tensor(RNG.uniform(size=(num_draws, 1, 2)))}
    seen = prediction(flow)

    def linear(probs):
        return ops.log(probs[:, 0, 0] + 2.0 * probs[:, 0, 1] + 5.0 * probs[:, 0, 2])

    def log_h(guidance):
        def of_logits(logits):
            one = Prediction(seen.t[:1], seen.s[:1], None, logits)
            output = flow.output_distribution(logits, one.s, one.t)
            return guidance.log_h(Expected(flow, one, output, noise=noise))

        return value_and_gradient(of_logits, to_numpy(seen.params)[:1])

    found, expected = (log_h(Guidance(linear, num_draws=n)) for n in (num_draws, None))
    np.testing.assert_allclose(found[0], expected[0], atol=0.05)
    np.testing.assert_allclose(found[1], expected[1], atol=0.05)
    pair, by_draws = log_h(Guidance(of_marginals)), log_h(Guidance(of_marginals, num_draws=50))
    probs = to_numpy(ops.softmax(seen.params[:1]))
    assert pair[0][0] == pytest.approx(np.log(probs[0, 0] @ LIKELIHOOD @ probs[0, 1]), abs=1e-4)
    assert np.isfinite(by_draws[1]).all()
