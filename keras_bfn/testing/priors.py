"""The contract of input distributions and priors."""

import math

import numpy as np
from keras import ops

from keras_bfn.testing.claims import draw_data, require, require_float32, require_mean, requiring
from keras_bfn.testing.costs import LOSSES, measure_costs

MOST_EVIDENCE = 1e6
NUM_DRAWS = 2**15


def check_input_distribution(flow, x, name):
    """Requires that the input distribution starts independent of the data and ends at the data."""
    embedding, means = flow.embed(x), []
    for beta in (0.0, MOST_EVIDENCE):
        theta = flow.input_params(flow.gain * beta * embedding, np.full(len(x), beta, "float32"))
        means.append(ops.convert_to_numpy(flow.input_mean(theta)))
    nothing, everything = means
    claim = f"{name}.input_mean must be the same for all data when there is no evidence"
    require(np.allclose(nothing, nothing[:1], rtol=1e-5), f"{claim}. It is {nothing}")
    off, unit = np.abs(everything - x), 1 if flow.discrete else np.ptp(x)
    if not flow.discrete and _is_circle(flow):
        low, high = flow.data_range
        off = np.minimum(off, high - low - off)
    claim = f"{name}.input_mean must tend to the data as evidence grows"
    require((off < 0.01 * unit).all(), f"{claim}: for {x} it is {everything}")


def _is_circle(flow):
    """Whether both ends of the range are the same point."""
    ends = np.stack(np.broadcast_arrays(*flow.data_range)).astype("float32")
    low, high = ops.convert_to_numpy(flow.embed(ends))
    return np.allclose(low, high, atol=1e-5)


def check_prior(flow, event_shape, rng):
    """Tests that the input distribution starts at the prior, and is the posterior under it."""
    name = f"{type(flow).__name__}(prior=...)"
    with requiring("Argument `event_shape` must match the prior", ValueError):
        flow.check_event_shape(event_shape)
    shape = (4, *event_shape)
    x = draw_data(flow, shape, rng)
    params = ops.convert_to_tensor(rng.standard_normal((*shape, flow.output_size)), "float32")
    for t in (0.0, 1e-7, 0.5, 1.0):
        times = np.full(4, t, "float32")
        s = flow.sample_evidence(x, times, 0)
        theta = flow.input_params(s, flow.schedule.beta(times))
        require_float32(theta, (*shape, flow.theta_size), f"{name}.input_params(s, beta)")
        finite = np.isfinite(ops.convert_to_numpy(theta)).all()
        require(finite, f"{name}.input_params(s, beta) must be finite. It is not at t = {t:g}")
        means = [
            ops.convert_to_numpy(flow.output_distribution(sign * params, s, times).mean())
            for sign in (1.0, -1.0)
        ]
        claim = f"{name}.output_distribution(params, s, t).mean() must be finite"
        require(np.isfinite(means).all(), f"{claim}. It is not at t = {t:g}")
        claim = f"{name}.output_distribution(params, s, t).mean() must depend on params"
        require(t != 0.5 or (means[0] != means[1]).any(), f"{claim}. It does not at t = {t:g}")
    check_input_distribution(flow, x, name)
    if flow.theta_is_probs:
        _check_costs(flow, x, name, int(rng.integers(2**31)))


def _check_costs(flow, x, name, seed):
    rows = np.tile(x, (NUM_DRAWS, *np.ones(x.ndim - 1, int)))
    losses = {name: LOSSES[name] for name in ("continuous-time loss", "reconstruction loss")}
    nats = sum(measure_costs(flow, rows, losses, seed).values()).astype("float64")
    if flow.scans:
        log_probs = flow.prior.log_prob(x)
    else:
        prior = np.broadcast_to(flow.prior, (*x.shape, flow.num_classes))
        log_probs = np.log(np.take_along_axis(prior, x[..., None], axis=-1))
        log_probs = log_probs.reshape(len(x), -1).sum(axis=1)
    claim = "the continuous-time and reconstruction losses must add up to -log of the prior"
    claim = (
        f"with the input distribution as the output distribution, {claim} probability of the data"
    )
    nats = nats.reshape(NUM_DRAWS, len(x), -1).sum(axis=2)
    require_mean(nats, -log_probs, f"{name}: {claim}", 0.002 * math.prod(x.shape[1:]))
