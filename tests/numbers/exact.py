"""The closed forms of all data types in float64, by numpy and scipy; and how far float32 is off.

Accuracies and centres of bins are taken as float32 has them, for both sides of a channel do. Of
each number there is what rounding may change in it: what goes in is rounded by 6e-8, and a formula
may magnify that.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from keras_bfn.flows import CircularFlow, ContinuousFlow, DiscreteFlow

EPS = 1.2e-7


class Number(NamedTuple):
    """A value, and what rounding may change in it."""

    value: np.ndarray
    error: np.ndarray


def _data_of_noise(noise, s, t, beta):
    """The data that a noise implies, as `Number`, and 1 / sqrt(beta)."""
    known, root = t >= np.float32(1e-6), np.sqrt(np.where(t >= 1e-7, beta, 1.0))
    value = np.where(known, (s / root - noise) / root, 0.0)
    error = np.where(known, 2 * EPS * (np.abs(s / root) + np.abs(noise)) / root, 0.0)
    return Number(value, error), np.where(known, 1 / root, np.nan)


def _normal(flow, params, s, t, beta):
    """The mean of a normal over bins, and its standard deviation."""
    mean, std = Number(params[:, :1], EPS), np.exp(params[:, 1:])
    if flow.prediction == "noise":
        mean, scale = _data_of_noise(mean.value, s, t, beta)[0], _data_of_noise(0, s, t, beta)[1]
        std = np.where(np.isnan(scale), 1.0, scale * std)
    return mean, np.clip(std, min(1e-3, 0.256 / flow.num_bins), 10.0)


def log_bins(mean, std, num_bins):
    """Log probabilities of all bins, `(rows, K)`."""
    edges = 2 * np.arange(num_bins + 1) / num_bins - 1
    z = (edges - mean.value) / std
    off = (mean.error + 2 * EPS * (1 + np.abs(mean.value))) / std + 1e-6 * np.abs(z)
    far = np.maximum(np.abs(z[:, :-1]), np.abs(z[:, 1:]))
    far[:, 0], far[:, -1] = np.abs(z[:, 1]), np.abs(z[:, -2])
    z[:, 0], z[:, -1] = -np.inf, np.inf
    mirror = z[:, :-1] + z[:, 1:] > 0
    low, high = np.where(mirror, -z[:, 1:], z[:, :-1]), np.where(mirror, -z[:, :-1], z[:, 1:])
    log_low, log_high = special.log_ndtr(low), special.log_ndtr(high)
    middle = 0.5 * (low + high)  # of bins so narrow that the tails do not differ in float64
    narrow = (high - low) * (1 + np.abs(middle)) < 1e-4
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = log_low - log_high
        value = np.where(
            narrow,
            np.log(high - low) - 0.5 * middle**2 - 0.5 * np.log(2 * np.pi),
            log_high + np.where(apart < -1, np.log1p(-np.exp(apart)), np.log(-np.expm1(apart))),
        )
    return Number(value, (1 + far) * off[:, 1:] + 3e-6 * (1 + np.abs(value)))


def log_probs(flow, params, s, t, beta):
    """Log probabilities of integers, `(rows, K)`."""
    if not isinstance(flow, DiscreteFlow):
        return log_bins(*_normal(flow, params, s, t, beta), flow.num_bins)
    if flow.num_classes == 2:
        params = np.concatenate([np.zeros_like(params), params], axis=-1)
    value = special.log_softmax(params, axis=-1)
    return Number(value, 2e-6 + 1e-9 * flow.num_classes + 2 * EPS * np.abs(value))


def centres(num_bins):
    """Those of all bins, `(K,)`, as float32 has them."""
    return np.float32((2 * np.arange(num_bins) + 1) / num_bins - 1).astype("float64")


def embed(flow, x):
    """e(x) of each row, `(rows, embedding_size)`."""
    if isinstance(flow, DiscreteFlow):
        return (x[:, None] == np.arange(flow.num_classes)).astype("float64")
    if flow.discrete:
        return centres(flow.num_bins)[x][:, None]
    x = x.astype("float64")[:, None]
    return np.concatenate([np.cos(x), np.sin(x)], -1) if isinstance(flow, CircularFlow) else x


def expected_embedding(flow, params, s, t, beta):
    """e_hat, `(rows, embedding_size)`."""
    if isinstance(flow, CircularFlow):
        kappa = np.linalg.norm(params, axis=-1, keepdims=True)
        shrinkage = special.i1e(kappa) / special.i0e(kappa) / np.maximum(kappa, 1e-30)
        return Number(params * np.where(kappa < 1e-9, 0.5, shrinkage), 1e-6)
    if isinstance(flow, ContinuousFlow):
        mean = Number(params, EPS)
        if flow.prediction == "noise":
            mean = _data_of_noise(params, s, t, beta)[0]
        elif flow.prediction == "residual":
            value = s / (1 + beta) + params / np.sqrt(1 + beta)
            mean = Number(value, 4 * EPS * (1 + np.abs(params) / np.sqrt(1 + beta)))
        return Number(np.clip(mean.value, -1, 1), mean.error + EPS)
    probs = np.exp(log_probs(flow, params, s, t, beta).value)
    if isinstance(flow, DiscreteFlow):
        most = 5e-6 + 1e-9 * flow.num_classes + 4 * EPS * np.abs(params).max()
        return Number(probs, most * np.minimum(probs, 1 - probs) + EPS)
    mean, std = _normal(flow, params, s, t, beta)
    steepest = 1 + 2 / flow.num_bins / std
    value = probs @ centres(flow.num_bins)[:, None]
    return Number(value, 1.5e-6 + steepest * (mean.error + 2 * EPS))


def continuous_time_loss(flow, e_x, e_hat, slope):
    """(c / 2) beta'(t) |e(x) - e_hat|^2."""
    apart, weight = e_x - e_hat.value, 0.5 * flow.gain * slope[:, 0]
    value = weight * np.square(apart).sum(axis=-1)
    error = weight * ((2 * np.abs(apart) + e_hat.error) * e_hat.error).sum(axis=-1)
    return Number(value, error + 1e-5 * value)


def log_von_mises(natural, x):
    """The log density of angles, `(rows,)`."""
    kappa = np.linalg.norm(natural, axis=-1)
    apart = x - np.arctan2(natural[:, 1], natural[:, 0])
    value = -2 * kappa * np.sin(apart / 2) ** 2 - np.log(2 * np.pi * special.i0e(kappa))
    return Number(value, 2e-6 + 1e-6 * np.abs(value) + 3 * EPS * kappa * np.abs(np.sin(apart)))


def log_receiver_ratio(flow, x, e_x, params, log_p, alpha, noise):
    """log p_R(y) - log p_S(y | x) of a message with this noise, `(rows,)`."""
    scale = np.sqrt(flow.gain * alpha)
    if isinstance(flow, CircularFlow):
        evidence = alpha * e_x + scale * noise
        before, after = log_von_mises(params, x), log_von_mises(params + evidence, x)
        # By the difference of the normalisers, which is exact where there is little evidence.
        both = [np.linalg.norm(m, axis=-1) for m in (params + evidence, params)]
        grown = np.sum(evidence * (2 * params + evidence), axis=-1) / np.maximum(sum(both), 1e-30)
        value = grown + np.log(special.i0e(both[0]) / special.i0e(both[1]))
        size = np.linalg.norm(evidence, axis=-1)
        error = np.where(size < 1, 2e-6 * size, before.error + after.error)
        return Number(value - np.sum(evidence * e_x, axis=-1), error)
    # |e_k - e_x|^2, and how far the noise points from e_x to e_k
    if isinstance(flow, DiscreteFlow):
        far = 2.0 * (1 - e_x)
        along = noise - np.sum(noise * e_x, axis=-1, keepdims=True)
    else:
        apart = centres(flow.num_bins) - e_x
        far, along = apart**2, apart * noise
    ratios = scale * along - 0.5 * scale**2 * far
    value = special.logsumexp(log_p.value + ratios, axis=-1)
    # By what each class grows, which is exact where p of x is 1 but for 1e-23.
    probs = np.exp(log_p.value)
    grown = np.where(
        ratios < 1, probs * np.expm1(np.minimum(ratios, 1)), np.exp(log_p.value + ratios) - probs
    )
    value = np.where(np.abs(value) < 0.4, np.log1p(np.maximum(np.sum(grown, axis=-1), -0.5)), value)
    posterior = special.softmax(log_p.value + ratios, axis=-1)
    error = np.sum(posterior * log_p.error, axis=-1) + 5e-6 * (1 + np.abs(value))
    by_growth = np.minimum(error, np.sum(np.abs(grown) * (5e-6 + log_p.error), axis=-1))
    return Number(value, np.where(np.abs(value) < 0.4, by_growth, error))


def message_cost(case, params, s, t, beta, alpha):
    """KL(sender || receiver), by a case's noise and its mirror image, `(rows,)`."""
    flow, x = case.flow, case.x[:, 0]
    rng = np.random.default_rng(case.seed)
    noise = np.float32(rng.standard_normal((len(x), 1, flow.embedding_size)))[:, 0]
    log_p = log_probs(flow, params, s, t, beta) if flow.discrete else None
    sides = [
        log_receiver_ratio(flow, x, embed(flow, x), params, log_p, alpha, sign * noise)
        for sign in (1.0, -1.0)
    ]
    return Number(-0.5 * sum(side.value for side in sides), 0.5 * sum(side.error for side in sides))
