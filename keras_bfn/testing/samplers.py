"""The contract of samplers."""

import itertools
import math
from unittest import mock

import keras
import numpy as np
from keras import ops

from keras_bfn import _random
from keras_bfn._validation import check_int, check_number, check_seed
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, expand
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.samplers import Sampler
from keras_bfn.testing.claims import require, require_config, require_shape

JOINT_PRIOR = np.array([[0.25, 0.02, 0.03], [0.05, 0.2, 0.05], [0.02, 0.08, 0.3]])
NUM_SAMPLES = 8000
VARIANCE_TOLERANCE = 0.05  # 0.01 for chance, and 0.035 for the first-order error of 60 steps
STD = 0.2  # of data that are hardly ever clipped to [-1, 1]


def check_sampler(
    sampler: Sampler, num_steps: int = 200, order: int | None = None, seed: int = 0
) -> None:
    """Tests that a sampler satisfies its contract.

    It can be saved, and is immutable. Its times rise from `start` to 1; they repeat only if it
    predicts several times in a step. The same seed gives the same samples, another seed different
    ones. Its state keeps its shapes and dtypes. If it is deterministic, samples are a function of
    the latents, and data can be encoded. With the exact posterior of two dependent variables as the
    network, many steps sample their joint distribution, and few steps approximate it less well. On
    the way, evidence about classes and about normal data has the variance of the Bayesian flow
    distribution, N(c beta e(x), c beta) over the data, and each example's evidence builds on what
    was known of that example.

    Without `order`, a variance that is wrong by less than 5% passes. A sampler that branches on the
    time in Python passes on PyTorch, and fails on JAX and TensorFlow.

    Args:
        sampler: a `keras_bfn.samplers.Sampler`.
        num_steps: int. The number of steps that must suffice.
        order: None, 1 or 2: the order of convergence to test, at least. It is measured by the
            variance of evidence about normal data, from `start=0.05`: pass a sampler with that
            start. It must draw one normal tensor in a step, at most.
        seed: int.

    Raises:
        AssertionError: if a check fails; the message says what is wrong.

    Example:

    >>> keras_bfn.testing.check_sampler(keras_bfn.samplers.SDE1Sampler())
    """
    require_config(sampler, Sampler)
    check_int("num_steps", num_steps, 1)
    if order is not None:
        check_number("order", order)
    check_seed(seed)
    _check_times(sampler)
    _check_state(sampler)
    _check_joint_distribution(sampler, num_steps, seed)
    _check_normal_data(sampler, num_steps, seed)
    _check_seeds(sampler)
    if order is not None:
        _check_order(sampler, order)


class PairPosterior(keras.layers.Layer):
    """A network for two dependent variables of three classes: the exact marginals of both."""

    def call(self, inputs):
        # Up to a constant common to all classes, the evidence is the logarithm of theta.
        s = ops.log(ops.maximum(inputs["theta"], 1e-30))
        log_prior = ops.convert_to_tensor(np.log(JOINT_PRIOR), "float32")
        log_joint = log_prior + s[:, 0, :, None] + s[:, 1, None, :]
        marginals = [ops.logsumexp(log_joint, axis=2), ops.logsumexp(log_joint, axis=1)]
        return ops.stack(marginals, axis=1)


class NormalPosterior(keras.layers.Layer):
    """A network for independent variables, N(0, STD^2): their posterior means."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        beta = expand(self.flow.schedule.beta(inputs["t"]), inputs["theta"])
        return inputs["theta"] * (1.0 + beta) / (beta + STD**-2)


def make_normal_flow():
    """Returns a flow for numbers that tells them to 0.1."""
    return ContinuousFlow(sigma_1=0.1, prediction="data")


def make_pair_model():
    """Returns a model whose network is `PairPosterior`."""
    return BayesianFlowNetwork(DiscreteFlow(3, 12.0), PairPosterior(), event_shape=(2,), seed=0)


def _sample(model, sampler, num_steps, seed):
    """Returns samples and their trajectory, all of one batch."""
    options = {"seed": seed, "batch_size": NUM_SAMPLES, "verbose": 0, "return_details": True}
    return model.generate(NUM_SAMPLES, num_steps, sampler, **options)


def _check_times(sampler):
    name = type(sampler).__name__
    for flow, num_steps in itertools.product((DiscreteFlow(3, 2.0), make_normal_flow()), (1, 2, 5)):
        times = np.asarray(sampler.times(flow, num_steps))
        claim = f"{name}.times for {num_steps} steps must have {num_steps} + 1 times, or, with k"
        claim = f"{claim} predictions in a step, k * {num_steps} + 1"
        are_steps = times.ndim == 1 and (times.size - 1) % num_steps == 0
        require(are_steps, f"{claim}. They have shape {times.shape}")
        is_right = (times[0], times[-1]) == (np.float32(sampler.start), 1)
        rises = (np.diff(times) >= 0).all() and len(np.unique(times)) > num_steps
        claim = f"{name}.times must rise from start={sampler.start} to 1"
        require(is_right and rises, f"{claim}. They are {times.tolist()}")


def _check_state(sampler):
    name, flow, seed = type(sampler).__name__, DiscreteFlow(3, 2.0), keras.random.SeedGenerator(0)
    t, t_next = sampler.times(flow, 4)[:2]
    state = sampler.init(flow, (2, 5, 3), seed)
    s = sampler.evidence(flow, state, t)
    require_shape(s, (2, 5, 3), f"{name}.evidence")
    output = flow.output_distribution(ops.zeros((2, 5, 3)), s, ops.full((2,), t))
    after = sampler.step(flow, state, output, t, t_next, seed)

    def form(x):
        return f"{tuple(x.shape)} {keras.backend.standardize_dtype(x.dtype)}"

    before, after = (keras.tree.map_structure(form, each) for each in (state, after))
    claim = f"{name}.step must keep the state's shapes and dtypes"
    require(before == after, f"{claim}. They were {before}, and are {after} after a step")


def _check_seeds(sampler):
    name, model = type(sampler).__name__, make_pair_model()
    kwargs = {"num_steps": 5, "sampler": sampler, "verbose": 0}
    first, again, other = (model.generate(64, seed=seed, **kwargs) for seed in (1, 1, 2))
    require((first == again).all(), f"{name}: the same seed must give the same samples")
    require((first != other).any(), f"{name}: another seed must give other samples")
    if sampler.deterministic:
        latents = np.random.default_rng(0).standard_normal((64, 2, 3)).astype("float32") * 3**0.5
        first, other = (model.generate(64, seed=seed, latents=latents, **kwargs) for seed in (1, 2))
        claim = f"{name} is declared deterministic, but the same latents give other samples"
        require((first == other).all(), f"{claim} with another seed")
        found = model.encode(first, 5, sampler, seed=1, verbose=0)
        require_shape(found, (64, 2, 3), f"The latents that {name} encodes")
        require(np.isfinite(found).all(), f"{name} must encode data as finite latents")


def _check_joint_distribution(sampler, num_steps, seed):
    name, model = type(sampler).__name__, make_pair_model()

    def distance(x):
        """Returns chi-squared of the pairs' counts, standardised by its mean and deviation."""
        counts = np.bincount(x @ [3, 1], minlength=9)
        expected = NUM_SAMPLES * JOINT_PRIOR.ravel()
        return (np.sum((counts - expected) ** 2 / expected) - 8.0) / 4.0

    found, coarse = (_sample(model, sampler, n, seed) for n in (num_steps, 2))
    many, few = distance(found.samples), distance(coarse.samples)
    claim = f"{name}: {num_steps} steps with the exact posterior must sample the joint distribution"
    came = f"Chi-squared of {NUM_SAMPLES} samples is {many:.1f} standard deviations too large"
    require(many < 8.0, f"{claim}. {came}")
    claim = f"{name}: 2 steps cannot sample the joint distribution better than {num_steps} do"
    require(few > many, claim)
    share = np.stack([JOINT_PRIOR.sum(axis=1), JOINT_PRIOR.sum(axis=0)])
    _check_variance(name, found.trajectory, model.flow, share * (1.0 - share))


def _check_normal_data(sampler, num_steps, seed):
    name = type(sampler).__name__
    flow = make_normal_flow()
    model = BayesianFlowNetwork(flow, NormalPosterior(flow), event_shape=(2,), seed=0)
    found = _sample(model, sampler, num_steps, seed).trajectory
    _check_variance(name, found, model.flow, STD**2)
    early, late = (s[:, :, 0].T.astype("float64") for s in found.s[-2:])
    beta, beta_late = (float(model.flow.schedule.beta(t)) for t in found.t[-2:])
    # Of N(beta x, beta) at two accuracies, with independent noise of what is between. With less
    # noise, the correlation is higher; with more, it is a little lower.
    of_early, of_late = (b + (b * STD) ** 2 for b in (beta, beta_late))
    expected = (beta + beta * beta_late * STD**2) / math.sqrt(of_early * of_late)
    correlation = np.corrcoef(early.ravel(), late.ravel())[0, 1]
    claim = f"{name}: an example's evidence must build on its own evidence before. Before and after"
    claim = f"{claim} the last step, they must have a correlation of {expected:.2f} or more"
    require(correlation > expected - 0.05, f"{claim}. It is {correlation:.2f}")


def _check_variance(name, trajectory, flow, embedding_variance):
    """Compares the variance of evidence with that of messages about data, at four times."""
    num = len(trajectory.t)
    for i in (num // 4, num // 2, 3 * num // 4, num - 1):
        t, s = trajectory.t[i], trajectory.s[i].astype("float64")
        c_beta = flow.gain * float(flow.schedule.beta(t))
        ratio = np.mean(s.var(axis=0) / (c_beta**2 * embedding_variance + c_beta))
        claim = f"{name}: evidence at t = {t:.3g} must have the variance of messages about data"
        claim = f"{claim}, N(c beta e(x), c beta) with c = flow.gain = {flow.gain}"
        is_right = abs(ratio - 1.0) < VARIANCE_TOLERANCE
        require(is_right, f"{claim}. It is {ratio:.3f} times theirs")


def _check_order(sampler, order):
    name = type(sampler).__name__
    claim = f"{name} must have start=0.05 when the order is measured"
    require(sampler.start == 0.05, f"{claim}. It has start={sampler.start}")
    num_steps = np.array([16, 32, 64, 128])
    exact = exact_variance(sampler)
    errors = [abs(evidence_variance(sampler, n) / exact - 1) for n in num_steps]
    slope = -np.polyfit(np.log(num_steps), np.log(errors), 1)[0]
    claim = "the error must decrease as the number of steps to the power"
    came = f"With {num_steps.tolist()} steps it is {[f'{error:.2g}' for error in errors]}"
    why = f"a power of -{slope:.2f}: either the limit of many steps is wrong, or the order"
    require(slope > order - 0.25, f"{name}: {claim} -{order}, or faster. {came}, {why}")


def evidence_variance(sampler, num_steps):
    """Returns the variance of evidence about normal data at t = 1, without sampling noise.

    With the exact posterior as the network, evidence is linear in the noise. Row i of the batch is
    perturbed by the i-th draw alone, by too little ever to be clipped.
    """
    flow, unit = make_normal_flow(), 0.01
    rows = iter(unit * np.eye(num_steps + 1, dtype="float32"))

    def normal(shape, **kwargs):
        return ops.convert_to_tensor(next(rows).reshape([int(size) for size in shape]))

    with (
        mock.patch.object(_random, "draw_normal", normal),
        mock.patch.object(keras.random, "normal", normal),  # which custom samplers may use
    ):
        state = sampler.init(flow, (num_steps + 1, 1, 1))
        for t, t_next in itertools.pairwise(sampler.times(flow, num_steps)):
            s, times = sampler.evidence(flow, state, t), ops.full((num_steps + 1,), t)
            # The posterior mean.
            params = s / (flow.schedule.beta(t) + STD**-2)
            output = flow.output_distribution(params, s, times)
            state = sampler.step(flow, state, output, t, t_next)
    s = ops.convert_to_numpy(sampler.evidence(flow, state, 1.0)).astype("float64")
    return np.sum(np.square(s / unit))


def exact_variance(sampler):
    """Returns the same for infinitely many steps, from a start at N(0, beta_0)."""
    schedule = make_normal_flow().schedule
    beta_0, beta_1 = (float(schedule.beta(t)) for t in (sampler.start, 1.0))
    if sampler.deterministic:
        # u = s / sqrt(beta) is multiplied by sqrt((1 + tau^2 beta_1) / (1 + tau^2 beta_0)).
        return beta_1 * (1 + STD**2 * beta_1) / (1 + STD**2 * beta_0)
    # d s = (s / (beta + 1 / tau^2)) d beta + a Brownian motion.
    growth = (beta_1 + STD**-2) / (beta_0 + STD**-2)
    return beta_1 + beta_1**2 * STD**2 - (beta_0 * STD * growth) ** 2
