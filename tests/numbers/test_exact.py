"""Closed forms in float32 against the same in float64, wherever hypothesis looks."""

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats

from keras_bfn import Prediction
from keras_bfn.flows import CircularFlow, ContinuousFlow, JointNormal
from keras_bfn.losses import ContinuousTimeLoss, ReconstructionLoss
from keras_bfn.schedules import ExponentialSchedule, QuadraticSchedule
from tests.backends import everywhere
from tests.numbers import exact
from tests.numbers.cases import KINDS, ROWS, cases, check_many, how_many, powers
from tests.tensors import to_numpy, to_tensor

OUTPUTS = st.one_of(st.just(0.0), st.floats(-7, 4, width=32), st.floats(-300, 300, width=32))
TIMES = st.one_of(st.sampled_from([0.0, 1e-3, 1.0]), st.floats(0, 1, width=32))
MOST_STEPS = 1_000_000


def require_close(found, expected, what):
    excess = np.abs(found - expected.value) / np.maximum(expected.error, 1e-30)
    worst = int(np.argmax(excess))
    assert excess[worst] <= 1, (
        f"{what}: {found[worst]:.9g} is not {expected.value[worst]:.9g}, off by "
        f"{excess[worst]:.3g} of what rounding explains"
    )


def check_losses(case):
    flow, x, t, params = case[:4]
    e_x = exact.embed(flow, x[:, 0])

    def prediction(t):
        beta = to_numpy(flow.schedule.beta(t))[:, None]
        s = flow.sample_evidence(x, to_tensor(t), case.noise()["evidence"])
        wide = params[:, 0].astype("float64"), to_numpy(s)[:, 0], t.astype("float64")[:, None]
        return Prediction(to_tensor(t), s, None, to_tensor(params)), (*wide, beta)

    seen, wide = prediction(t)
    e_hat = exact.expected_embedding(flow, *wide)
    slope = to_numpy(flow.schedule.derivative(t))[:, None]
    found = to_numpy(ContinuousTimeLoss()(flow, x, seen))[:, 0]
    expected = exact.continuous_time_loss(flow, e_x, e_hat, slope)
    require_close(found, expected, "continuous-time loss")
    check_messages(case, seen, wide, e_x, e_hat)

    at_end, wide = prediction(np.ones_like(t))
    found = to_numpy(ReconstructionLoss()(flow, x, at_end))[:, 0]
    require_close(-found, log_prob(flow, x[:, 0], e_x, wide), "reconstruction loss")


def check_messages(case, seen, wide, e_x, e_hat):
    """Of one step, of twenty, of a million."""
    flow, x, t = case[:3]
    output = flow.output_distribution(seen.params, seen.s, seen.t)
    for num_steps in (1, 20, MOST_STEPS):
        step = np.minimum(np.floor(t * num_steps) + 1, num_steps).astype("float32")
        alpha = flow.schedule.alpha(step, num_steps)
        found = flow.sender_receiver_kl(x, output, alpha, case.noise()["evidence"])
        found, alpha = to_numpy(found)[:, 0], to_numpy(alpha)[:, None]
        if isinstance(flow, ContinuousFlow):
            expected = exact.continuous_time_loss(flow, e_x, e_hat, alpha)
        else:
            expected = exact.message_cost(case, *wide, alpha)
        require_close(found, expected, f"message of {num_steps} steps")


def log_prob(flow, x, e_x, wide):
    """The log probability or density at t = 1."""
    if isinstance(flow, CircularFlow):
        return exact.log_von_mises(wide[0], x.astype("float64"))
    if flow.discrete:
        return exact.Number(*(part[np.arange(ROWS), x] for part in exact.log_probs(flow, *wide)))
    mean, std = exact.expected_embedding(flow, *wide), flow.schedule.sigma_1
    if flow.num_bins is None:
        value, z = stats.norm(mean.value, std).logpdf(e_x), (e_x - mean.value) / std
        off = mean.error / std
        error = (np.abs(z) + off) * off + 1e-5 * (1 + np.abs(value))
        return exact.Number(value[:, 0], error[:, 0])
    bins = np.minimum(np.floor(0.5 * (e_x[:, 0] + 1) * flow.num_bins), flow.num_bins - 1)
    both = exact.log_bins(mean, np.full((ROWS, 1), std), flow.num_bins)
    value, error = (part[np.arange(ROWS), bins.astype(int)] for part in both)
    return exact.Number(value, error + 1e-5 * (1 + np.abs(value)))


@how_many
@pytest.mark.parametrize("kind", everywhere(KINDS, "circular"))
def test_losses_are_those_of_float64(kind, num, num_values):
    check_many(cases(kind, num_values, OUTPUTS, TIMES, powers(1e-4, 0.9)), check_losses, num)


@how_many
@pytest.mark.parametrize("kind", ["exponential", "quadratic"])
def test_schedules_are_those_of_float64(kind, num, num_values):
    """At each time, down to the smallest; and each message of up to a million."""
    drawn = st.tuples(
        powers(1e-6, 0.999) if kind == "exponential" else powers(1e-9, 1e9),
        st.lists(TIMES, min_size=ROWS, max_size=ROWS).map(np.float32),
        powers(1, MOST_STEPS).map(round),
    )

    def check(case):
        argument, t, num_steps = case
        wide = t.astype("float64")
        step = np.minimum(np.floor(wide * num_steps) + 1, num_steps)
        if kind == "exponential":
            schedule, rate = ExponentialSchedule(argument), -2 * np.log(argument)
            beta, slope = np.expm1(rate * wide), rate * np.exp(rate * wide)
            alpha = np.exp(rate * (step - 1) / num_steps) * np.expm1(rate / num_steps)
            rounding = 1e-6 + 2e-7 * rate
        else:
            schedule, rounding = QuadraticSchedule(argument), 1e-6
            beta, slope = argument * wide**2, 2 * argument * wide
            alpha = argument * (2 * step - 1) / num_steps**2
        found = {
            "beta": (schedule.beta(t), beta),
            "derivative": (schedule.derivative(t), slope),
            "alpha": (schedule.alpha(step, num_steps), alpha),
        }
        for name, (value, expected) in found.items():
            np.testing.assert_allclose(
                to_numpy(value), expected, rtol=rounding, atol=1e-37, err_msg=name
            )
        late = wide > 1e-3
        back = to_numpy(schedule.inverse(to_tensor(beta)))[late]
        np.testing.assert_allclose(back, wide[late], rtol=rounding)

    check_many(drawn, check, num)


@pytest.mark.slow_to_compile
@how_many
def test_what_goes_together_is_known_as_in_float64(num, num_values):
    """The posterior of normal data, where some are missing, too."""
    drawn = st.tuples(
        st.sampled_from((1, 3, 12)), powers(1e-3, 1), powers(1e-3, 1e6), st.integers(0, 2**32 - 1)
    )

    def check(case):
        size, least_std, beta, seed = case
        rng, beta = np.random.default_rng(seed), float(np.float32(beta))
        axes = np.linalg.qr(rng.standard_normal((size, size)))[0]
        variances = np.geomspace(least_std**2, 1, size)
        prior = JointNormal(rng.uniform(-1, 1, size), (axes * variances) @ axes.T)
        mask = rng.uniform(size=(ROWS, size)) < 0.7
        x = rng.multivariate_normal(prior.mean, prior.covariance, ROWS)
        s = np.float32(beta * x + np.sqrt(beta) * rng.standard_normal(x.shape))
        betas = to_tensor(np.full(ROWS, beta))

        def posterior(there):
            """By the covariance of what was heard, which beta = 0 leaves whole."""
            c = prior.covariance.astype("float64")
            gain = c[:, there] @ np.linalg.inv(c[np.ix_(there, there)] + np.eye(there.sum()) / beta)
            return gain, np.diag(c - gain @ c[there])

        whole = np.ones(size, bool)
        gain, variance = posterior(whole)
        means = prior.mean + (s / beta - prior.mean) @ gain.T
        # The evidence is rounded, and so are the axes.
        rounding = 1e-6 * (1 + np.abs(s).max() / beta) * np.sqrt(size)
        found = to_numpy(prior.posterior_mean(to_tensor(s), betas))
        np.testing.assert_allclose(found, means, atol=4 * rounding)
        found = to_numpy(prior.posterior_variance(betas))
        np.testing.assert_allclose(found, np.tile(variance, (ROWS, 1)), rtol=1e-4, atol=2e-7)

        filled = to_numpy(prior.fill_in(to_tensor(s), betas, to_tensor(mask) > 0))
        for row, there in enumerate(mask):
            gain, _ = posterior(there)
            mean = prior.mean + gain @ (s[row, there] / beta - prior.mean[there])
            np.testing.assert_allclose(filled[row, there], s[row, there])
            np.testing.assert_allclose(filled[row, ~there] / beta, mean[~there], atol=20 * rounding)

    check_many(drawn, check, num)
