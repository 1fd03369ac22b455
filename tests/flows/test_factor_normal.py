"""Many numbers that go together by few factors: Bayes' rule, as for a joint normal."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from keras_bfn import Prediction
from keras_bfn.flows import ContinuousFlow, FactorNormal, JointNormal
from keras_bfn.losses import ContinuousTimeLoss, stratified_uniform
from tests.checks import assert_mean_is
from tests.tensors import to_numpy

SIZE = 12
RNG = np.random.default_rng(0)
LOADINGS = 0.2 * RNG.normal(size=(SIZE, 3))
PRIOR = FactorNormal(np.full(SIZE, 0.1), LOADINGS, RNG.uniform(1e-4, 0.1, SIZE))
SAME = JointNormal(PRIOR.mean, PRIOR.covariance)


def draw(num, seed=0):
    return np.random.default_rng(seed).multivariate_normal(PRIOR.mean, PRIOR.covariance, num)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("shares", [True, False])
def test_the_posterior_is_that_of_all_evidence_at_once(shares):
    rng = np.random.default_rng(1)
    accuracies = rng.choice(np.float32([0.0, 0.5, 30.0, 400.0, 2.5e7]), (40, 1 if shares else SIZE))
    s = accuracies * draw(40) + np.sqrt(accuracies) * rng.normal(size=(40, SIZE))
    precision = np.linalg.inv(PRIOR.covariance.astype("float64"))
    left = [np.linalg.inv(precision + np.diag(row)) for row in accuracies * np.ones((40, SIZE))]
    means = [c @ (precision @ PRIOR.mean + row) for c, row in zip(left, s, strict=True)]
    beta = ops.convert_to_tensor(accuracies[:, 0] if shares else accuracies)
    s = ops.convert_to_tensor(s.astype("float32"))
    assert_allclose(to_numpy(PRIOR.posterior_mean(s, beta)), means, atol=2e-6)
    variances = to_numpy(PRIOR.posterior_variance(beta))
    assert variances.min() > 0
    assert_allclose(variances, [np.diag(c) for c in left], atol=2e-7)
    mask = ops.convert_to_tensor(rng.uniform(size=(40, SIZE)) < 0.7)
    found, expected = (prior.fill_in(s, beta, mask) for prior in (PRIOR, SAME))
    assert_allclose(to_numpy(found), to_numpy(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_normal_data_cost_what_all_together_tell(seed):
    prior = FactorNormal(np.zeros(SIZE), LOADINGS / 3, PRIOR.variances / 9)  # data in [-1, 1]
    flow = ContinuousFlow(sigma_1=0.02, prediction="residual", prior=prior)
    x = np.random.default_rng(0).multivariate_normal(prior.mean, prior.covariance, 50_000)
    x, loss = x.astype("float32"), ContinuousTimeLoss()
    t = loss.times(stratified_uniform(len(x), seed))
    s = flow.sample_evidence(x, t, seed)
    nats = loss(flow, x, Prediction(t, s, None, ops.zeros_like(s)), seed)
    beta_1 = float(flow.schedule.beta(1.0))
    expected = 0.5 * np.linalg.slogdet(np.eye(SIZE) + beta_1 * prior.covariance)[1]
    assert_mean_is(expected, to_numpy(nats).sum(axis=1), 0.006)


@pytest.mark.once
def test_factors_are_found_in_rows_with_missing_numbers():
    x = draw(20_000)
    x[np.random.default_rng(0).uniform(size=x.shape) < 0.2] = np.nan
    fitted = FactorNormal.fit(x, num_factors=3)
    assert fitted.loadings.shape == (SIZE, 3)
    assert_allclose(fitted.mean, PRIOR.mean, atol=0.01)
    assert_allclose(fitted.covariance, PRIOR.covariance, rtol=0.03, atol=0.005)
    assert FactorNormal.fit(draw(30)).loadings.shape == (SIZE, SIZE - 1)


@pytest.mark.once
def test_rows_are_completed_as_by_the_joint_normal_of_all():
    x = np.where(np.random.default_rng(0).uniform(size=(50, SIZE)) < 0.3, np.nan, draw(50))
    assert_allclose(PRIOR.complete(x), SAME.complete(x), atol=1e-5)
    one = np.repeat(np.where(np.arange(SIZE) < 3, np.nan, draw(1)), 40_000, axis=0)
    found, expected = (
        prior.complete(one, np.random.default_rng(i))[:, :3]
        for i, prior in enumerate((PRIOR, SAME))
    )
    assert_allclose(found.mean(axis=0), expected.mean(axis=0), atol=0.01)
    assert_allclose(np.cov(found.T), np.cov(expected.T), atol=0.002)
    assert PRIOR.complete(one[:0]).shape == (0, SIZE)
    few = PRIOR.marginal(4)
    assert type(few) is FactorNormal
    assert_allclose(few.covariance, SAME.marginal(4).covariance)


@pytest.mark.once
def test_many_numbers_are_told_as_well_as_by_a_joint_normal():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 80)) + rng.normal(size=(400, 80))
    costs = []
    for kind in (JointNormal, FactorNormal):
        prior = kind.fit(x[:200])
        covariance, left = prior.covariance.astype("float64"), x[200:] - prior.mean
        squares = np.einsum("ni,ij,nj->n", left, np.linalg.inv(covariance), left).mean()
        costs.append(0.5 * (np.linalg.slogdet(covariance)[1] + squares))
    assert costs[1] < costs[0] + 0.5


@pytest.mark.once
def test_it_is_told_by_its_config():
    flow = ContinuousFlow(sigma_1=0.02, prediction="residual", prior=PRIOR)
    made = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(flow))
    assert made == flow
    assert repr(made.prior) == "FactorNormal(size=12, num_factors=3)"
