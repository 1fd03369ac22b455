"""Numbers that go together: the joint prior is that of Bayes' rule for normal data."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import keras_bfn
from keras_bfn import Prediction
from keras_bfn.flows import ContinuousFlow, FactorNormal, JointNormal
from keras_bfn.losses import ContinuousTimeLoss, stratified_uniform
from tests.checks import assert_mean_is
from tests.flows.cases import NORMAL
from tests.models.parts import CLASSES
from tests.tensors import to_numpy

BETA = np.array([0.0, 0.5, 30.0, 400.0], "float32")
MASK = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 1]], "bool")
KINDS = pytest.mark.parametrize("kind", [JointNormal, FactorNormal])
S6 = np.array([[1, 0, 1, 1, 1, 0], [0, 0, 1, 1, 1, 1]], "bool")
S = np.sqrt(BETA)[:, None] * np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def posteriors(s, accuracies):
    """Means and variances, by precision matrices in float64, of `accuracies` `(batch, 3)`."""
    prior = np.linalg.inv(NORMAL.covariance.astype("float64"))
    found = [np.linalg.inv(prior + np.diag(row)) for row in accuracies]
    means = [c @ (prior @ NORMAL.mean + row) for c, row in zip(found, s, strict=True)]
    return np.array(means), np.array([np.diag(c) for c in found])


def test_the_posterior_is_that_of_all_evidence_at_once():
    means, variances = posteriors(S, BETA[:, None] * np.ones((4, 3)))
    flow = ContinuousFlow(prior=NORMAL)
    assert_allclose(to_numpy(flow.input_params(S[..., None], BETA))[..., 0], means, atol=1e-6)
    found = NORMAL.posterior_variance(ops.convert_to_tensor(BETA))
    assert_allclose(to_numpy(found), variances, atol=1e-7)


def test_the_posterior_is_that_of_evidence_of_each_variables_own_accuracy():
    rng = np.random.default_rng(0)
    accuracies = rng.choice(np.float32([0.0, 0.5, 30.0, 400.0, 2.5e7]), (40, 3))
    x = rng.multivariate_normal(NORMAL.mean, NORMAL.covariance, 40)
    s = accuracies * x + np.sqrt(accuracies) * rng.normal(size=(40, 3))
    means, variances = posteriors(s, accuracies)
    s, beta = ops.convert_to_tensor(s.astype("float32")), ops.convert_to_tensor(accuracies)
    assert_allclose(to_numpy(NORMAL.posterior_mean(s, beta)), means, atol=2e-5)
    found = to_numpy(NORMAL.posterior_variance(beta))
    assert_allclose(found, variances, atol=1e-7)
    assert found.min() >= 0
    flow = ContinuousFlow(prior=NORMAL)
    assert_allclose(to_numpy(flow.input_params(s[..., None], beta))[..., 0], means, atol=2e-5)


@pytest.mark.once
@pytest.mark.parametrize("known", [2.5e7, 1e10])
def test_accuracies_of_all_sizes_beside_each_other_cost_no_digits(known):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(12, 2))  # of few: each number nearly follows from the others
    covariance = 0.05 * factors @ factors.T + 1e-3 * np.eye(12)
    prior = JointNormal(np.zeros(12), covariance)
    accuracies = rng.choice(np.float32([0.0, 0.5, 30.0, known / 1e4, known]), (50, 12))
    x = rng.multivariate_normal(prior.mean, prior.covariance, 50)
    s = (accuracies * x).astype("float32")
    precision = np.linalg.inv(prior.covariance.astype("float64"))
    left = [np.linalg.inv(precision + np.diag(row.astype("float64"))) for row in accuracies]
    s, beta = ops.convert_to_tensor(s), ops.convert_to_tensor(accuracies)
    found = to_numpy(prior.posterior_variance(beta))
    assert found.min() > 0
    assert_allclose(found, [np.diag(c) for c in left], atol=2e-6)
    means = [c @ row for c, row in zip(left, to_numpy(s), strict=True)]
    assert_allclose(to_numpy(prior.posterior_mean(s, beta)), means, atol=2e-5)


@pytest.mark.once
def test_one_accuracy_for_all_is_that_of_each():
    s, shared = ops.convert_to_tensor(S), ops.convert_to_tensor(BETA)
    own = ops.convert_to_tensor(BETA[:, None] * np.ones((4, 3), "float32"))
    for one, each in (
        (NORMAL.posterior_mean(s, shared), NORMAL.posterior_mean(s, own)),
        (NORMAL.posterior_variance(shared), NORMAL.posterior_variance(own)),
    ):
        assert_allclose(to_numpy(one), to_numpy(each), atol=1e-6)


@pytest.mark.once
def test_what_is_known_for_sure_is_an_accuracy_without_end():
    """Of a residual that is predicted, the others are told what a conditional normal tells."""
    prior = np.linalg.inv(NORMAL.covariance.astype("float64"))
    flow = ContinuousFlow(sigma_1=0.02, prior=NORMAL)
    x = np.array([[0.3, 0.0, -0.5]], "float32")
    known = np.array([[True, False, True]])
    s = np.where(known[..., None], to_numpy(flow.known_evidence(x)), 0.0).astype("float32")
    beta = np.where(known, float(flow.known_accuracy()), 0.0).astype("float32")
    theta = to_numpy(flow.input_params(*map(ops.convert_to_tensor, (s, beta))))[..., 0]
    rest = -prior[1, [0, 2]] @ (x[0, [0, 2]] - NORMAL.mean[[0, 2]]) / prior[1, 1]
    assert_allclose(theta, [[0.3, NORMAL.mean[1] + rest, -0.5]], atol=1e-5)


def test_what_is_not_heard_of_tells_nothing_and_is_what_the_others_tell():
    means, _ = posteriors(S * MASK, BETA[:, None] * MASK)
    flow = ContinuousFlow(prior=NORMAL)
    s, mask = ops.convert_to_tensor(S[..., None]), ops.convert_to_tensor(MASK)
    heard, theta = flow.hear(s, ops.convert_to_tensor(BETA), mask)
    assert_allclose(to_numpy(theta)[..., 0], means, atol=2e-6)
    assert_allclose(to_numpy(heard)[..., 0][MASK], S[MASK])


@pytest.mark.once
def test_normal_data_cost_what_all_together_tell(seed):
    prior = JointNormal([0.0, 0.0, 0.0], NORMAL.covariance / 16)  # data lie in [-1, 1]
    flow = ContinuousFlow(sigma_1=0.02, prediction="residual", prior=prior)
    x = np.random.default_rng(0).multivariate_normal(prior.mean, prior.covariance, 100_000)
    x, loss = x.astype("float32"), ContinuousTimeLoss()
    t = loss.times(stratified_uniform(len(x), seed))
    s = flow.sample_evidence(x, t, seed)
    nats = loss(flow, x, Prediction(t, s, None, ops.zeros_like(s)), seed)
    beta_1 = float(flow.schedule.beta(1.0))
    expected = 0.5 * np.linalg.slogdet(np.eye(3) + beta_1 * prior.covariance)[1]
    assert_mean_is(expected, to_numpy(nats).sum(axis=1), 0.006)


class NoResidual(keras.layers.Layer):
    """The exact network for normal data: the residual of the input distribution's mean is 0."""

    def call(self, inputs):
        return ops.zeros_like(inputs["theta"])


@pytest.mark.once
@KINDS
@pytest.mark.parametrize("what", ["missing", "missing, shared times", "groups"])
def test_normal_data_with_gaps_or_in_groups_cost_their_entropy(what, kind):
    covariance = 0.01 * 0.8 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(np.full(6, 0.2), covariance, 500).astype("float32")
    prior = JointNormal(np.full(6, 0.2), covariance)
    if kind is FactorNormal:  # with all factors, the same distribution
        values, vectors = np.linalg.eigh(covariance - 1e-4 * np.eye(6))
        prior = FactorNormal(np.full(6, 0.2), vectors * np.sqrt(values), np.full(6, 1e-4))
    model = CLASSES["shared" if "shared" in what else "variables"](
        ContinuousFlow(0.02, prediction="residual", prior=prior),
        NoResidual(),
        event_shape=(6,),
        allow_missing=True,
        seed=0,
    )
    options, sent = {}, np.arange(6)
    if "missing" in what:
        x[:, 1::2], sent = np.nan, sent[::2]
    else:
        options["order"] = keras_bfn.orders.Groups(np.arange(6) % 2, coded_directly=False)
    nats = model.code_length(x, num_repeats=20, batch_size=500, verbose=0, **options)
    covariance, own = covariance[np.ix_(sent, sent)], x[:, sent] - 0.2
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    # The exact cost of each row takes away the noise of the data.
    apart = 0.5 * (np.einsum("ni,ij,nj->n", own, np.linalg.inv(covariance), own) - len(sent))
    assert_mean_is(entropy, nats["transmission"] + nats["reconstruction"] - apart, 0.03)


@pytest.mark.once
def test_it_is_fitted_to_rows_with_missing_numbers():
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(NORMAL.mean, NORMAL.covariance, 20_000)
    x[rng.uniform(size=x.shape) < 0.2] = np.nan
    fitted = JointNormal.fit(x)
    assert_allclose(fitted.mean, NORMAL.mean, atol=0.01)
    assert_allclose(fitted.covariance, NORMAL.covariance, atol=0.005)
    same = np.repeat(rng.normal(size=(99, 1)), 2, axis=1)  # one number twice, and one never seen
    JointNormal.fit(np.concatenate([same, np.full((99, 1), np.nan)], axis=1))


@pytest.mark.once
@KINDS
@pytest.mark.parametrize(
    "rows",
    [
        [[1.0]],
        [[1.0, 2.0]],
        [[np.nan, 2.0]],
        [[1.0, np.nan], [np.nan, 2.0]],
        np.full((9, 2), np.nan),
        np.ones((9, 2)),
        np.where(np.eye(6) > 0, np.nan, np.arange(36.0).reshape(6, 6)),
    ],
)
def test_it_is_fitted_to_few_rows_and_completes_them(rows, kind):
    fitted = kind.fit(rows)
    for rng in (None, np.random.default_rng(0)):
        found = fitted.complete(rows, rng)
        assert np.isfinite(found).all()
        assert_allclose(found[~np.isnan(rows)], np.array(rows)[~np.isnan(rows)])


@pytest.mark.once
def test_numbers_that_nearly_follow_from_others_are_told_where_a_fifth_is_missing():
    """With covariances of the pairs that are there, errors are 3.5 times those of the truth."""
    rng = np.random.default_rng(0)
    factors = 0.3 * rng.normal(size=(15, 3))
    true = JointNormal(np.zeros(15), factors @ factors.T + 4e-4 * np.eye(15))
    x = rng.multivariate_normal(true.mean, true.covariance, 300)
    there = rng.uniform(size=x.shape) > 0.2
    fitted = JointNormal.fit(np.where(there, x, np.nan))
    beta = np.where(there, np.float32(1e6), 0.0)
    errors = []
    for prior in (true, fitted):
        evidence = map(ops.convert_to_tensor, ((beta * x).astype("float32"), beta))
        errors.append(np.abs(x - to_numpy(prior.posterior_mean(*evidence)))[~there].mean())
    assert errors[1] < 1.05 * errors[0]


@pytest.mark.once
def test_a_number_that_few_rows_have_is_no_more_certain_than_these_make_it():
    """Equal numbers in two rows of 200 are a chance."""
    x = np.random.default_rng(0).normal(0, 0.3, (200, 2))
    x[2:, 1] = np.nan
    x[:2, 1] = 0.1
    assert 0.1 < np.sqrt(JointNormal.fit(x).covariance[1, 1]) < 0.3


@pytest.mark.once
@KINDS
@pytest.mark.parametrize("prediction", ["residual", "noise"])
def test_of_an_event_of_several_axes_all_variables_go_together(kind, prediction):
    x = 0.2 * np.random.default_rng(0).normal(size=(50, 3)).cumsum(axis=1)
    x = np.concatenate([x, -x], axis=1)
    flow = ContinuousFlow(sigma_1=0.1, prediction=prediction, prior=kind.fit(x))
    rng = np.random.default_rng(1)
    output, s = (rng.normal(size=(2, 6, 1)).astype("float32") for _ in range(2))
    shapes = ((2, 6), (2, 3, 2))
    for t in (np.float32([0.2, 0.7]), rng.uniform(0.1, 0.9, (2, 6)).astype("float32")):
        found = []
        for shape in shapes:
            own, evidence = (ops.reshape(part, (*shape, 1)) for part in (output, s))
            time = ops.convert_to_tensor(t if t.ndim == 1 else t.reshape(shape))
            told = flow.hear(evidence, flow.schedule.beta(time), np.reshape(S6, shape))
            made = flow.output_distribution(own, evidence, time)
            parts = (*told, flow.input_variance(time, np.zeros(shape)), made.mean())
            found.append([to_numpy(part).reshape(2, 6) for part in parts])
        for one, other in zip(*found, strict=True):
            assert_allclose(one, other, atol=1e-6)
    flow.check_event_shape((3, 2))
    with pytest.raises(ValueError, match=r"6 variables.* \(3, 3\)"):
        flow.check_event_shape((3, 3))


@pytest.mark.once
def test_rows_are_completed_by_conditional_draws_or_means():
    covariance = NORMAL.covariance.astype("float64")
    x = np.array([[0.3, np.nan, np.nan], [0.1, 0.2, 0.3], [np.nan] * 3], "float32")
    found = NORMAL.complete(x)
    assert_allclose(found[1], x[1])
    assert_allclose(found[2], NORMAL.mean)
    slope = covariance[0, 1:] / covariance[0, 0]
    assert_allclose(found[0, 1:], NORMAL.mean[1:] + slope * (0.3 - NORMAL.mean[0]), atol=1e-6)
    drawn = NORMAL.complete(np.repeat(x[:1], 40_000, axis=0), np.random.default_rng(0))[:, 1:]
    assert_allclose(drawn.mean(axis=0), found[0, 1:], atol=0.01)
    left = covariance[1:, 1:] - covariance[0, 0] * np.outer(slope, slope)
    assert_allclose(np.cov(drawn.T), left, atol=0.005)


@pytest.mark.once
def test_many_rows_are_believed():
    x = np.random.default_rng(0).multivariate_normal(NORMAL.mean, NORMAL.covariance, 20_000)
    fitted = JointNormal.fit(x)
    assert_allclose(fitted.covariance, np.cov(x.T, bias=True), atol=0.01 * 0.09)


@pytest.mark.once
@KINDS
def test_few_rows_of_many_numbers_do_not_tell_what_goes_with_what(kind):
    rng = np.random.default_rng(0)
    apart = ~np.eye(60, dtype=bool)
    fitted = kind.fit(rng.normal(size=(30, 60)))
    assert np.abs(fitted.covariance[apart]).max() < 0.1  # of the rows themselves, 0.7
    alike = rng.normal(size=(30, 1)) + 0.1 * rng.normal(size=(30, 60))
    assert kind.fit(alike).covariance[apart].min() > 0.7


@pytest.mark.once
def test_it_is_told_by_its_config():
    flow = ContinuousFlow(sigma_1=0.02, prediction="residual", prior=NORMAL)
    made = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(flow))
    assert made == flow
    assert repr(made.prior) == "JointNormal(size=3)"
