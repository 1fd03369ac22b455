"""The contract of transmission losses."""

import math

import numpy as np
from keras import ops

from keras_bfn import flows
from keras_bfn._backend.gradients import value_and_gradient
from keras_bfn._validation import check_seed
from keras_bfn.flows.flow import expand
from keras_bfn.losses import ReconstructionLoss
from keras_bfn.losses.losses import BFNLoss
from keras_bfn.predictions import Prediction
from keras_bfn.testing.claims import (
    Compiled,
    draw_data,
    require,
    require_float32,
    require_mean,
    require_saving,
    requiring,
)
from keras_bfn.testing.costs import ExactFlow, make_prior, run_edges

STD = 0.01  # of numbers of which messages tell so little that one costs as much as infinitely many
SHAPES = (((), ()), ((4,), (4,)), ((2, 2), ()), ((2, 2), (2, 2)))  # of an example, and its times
NUM_SHIFTS, NUM_POINTS, GENERATOR = 64, 1021, 76  # of evenly spread points
TOLERANCE = 0.002  # of a mean, beside five standard errors, which are up to 0.7% of it


def check_loss(loss: BFNLoss, seed: int = 0) -> None:
    """Tests that a transmission loss satisfies its contract.

    Its times are in [0, 1], and each is a function of one uniform number. It returns float32 nats
    per variable, for any event shape, and for one time per example or per variable. The nats of a
    variable do not depend on other variables or examples, and are the same for the same seed. They
    and their gradients are finite at the edges of time, for any network output, and a small step
    against the gradient lowers them. The loss is saved with a model, and is immutable.

    With the exact posterior of one variable as the network, its mean and the reconstruction loss
    sum to the entropy of the data, up to 0.2% and five standard errors. It is therefore unbiased,
    and its values are comparable to those of other losses. All of this is checked for classes and
    for bins. Unless the loss raises a `NotImplementedError` for numbers, the same is checked for
    them, except at the edges of time, with their information in place of the entropy.

    Args:
        loss: a `keras_bfn.losses.BFNLoss`.
        seed: int.

    Raises:
        AssertionError: if a check fails; the message says what is wrong.

    Example:

    >>> keras_bfn.testing.check_loss(keras_bfn.losses.DiscreteTimeLoss(num_steps=10))

    Reference: the sum is the entropy by the chain rule for the messages of section 3 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """
    require_saving(loss, BFNLoss)
    name, rng = type(loss).__name__, np.random.default_rng(check_seed(seed))
    _check_times(loss, rng)
    for flow in (
        flows.DiscreteFlow(3, beta_1=2.0),
        flows.DiscretizedFlow(5, sigma_1=0.2, prediction="data"),
        flows.ContinuousFlow(sigma_1=0.5, prediction="data"),
    ):
        if _check_shapes(loss, flow, rng):
            if flow.discrete:
                run_edges(flow, np.arange(flow.num_values), {name: loss})  # type: ignore[arg-type]
            _check_nats(loss, flow, rng)
            _check_mean(loss, flow, rng)


def _check_times(loss, rng):
    name = f"{type(loss).__name__}.times"

    def call(uniform):
        shape = uniform.shape
        with requiring(f"{name}(uniform) must take numbers of any shape, {shape}", Exception):
            times = loss.times(ops.convert_to_tensor(uniform))
        require_float32(times, shape, f"{name}(uniform)")
        return ops.convert_to_numpy(times)

    uniform = np.linspace(0.0, 1.0, 64, endpoint=False, dtype="float32")
    order = rng.permutation(64)
    some = order[:60].reshape(15, 2, 2)
    times, again, shuffled = call(uniform), call(uniform[some]), call(uniform[order])
    low, high = times.min(), times.max()
    claim = f"{name} must map [0, 1) to times in [0, 1]"
    require(0 <= low <= high <= 1, f"{claim}. They are from {low} to {high}")
    claim = f"{name}(uniform) must map uniform numbers one by one: a time must not depend on the "
    is_same = np.allclose(again, times[some], atol=1e-6)
    is_same = is_same and np.allclose(shuffled, times[order], atol=1e-6)
    require(is_same, f"{claim}other numbers, or on their order")


def _draw(loss, flow, event_shape, time_shape, rng):
    """Returns data, times, evidence and a network's output for three examples."""
    x = draw_data(flow, (3, *event_shape), rng)
    uniform = rng.uniform(size=(3, *time_shape)).astype("float32")
    t = loss.times(ops.convert_to_tensor(uniform))
    s = flow.sample_evidence(x, t, int(rng.integers(2**31)))
    params = 0.5 * rng.standard_normal((*x.shape, flow.output_size), "float32")
    return x, ops.convert_to_numpy(t), ops.convert_to_numpy(s), params


def _score(loss, flow, *drawn):
    x, t, s, params = map(ops.convert_to_tensor, drawn)
    theta = flow.input_params(s, flow.schedule.beta(t))
    return loss(flow, x, Prediction(t, s, theta, params), 0)


def _check_shapes(loss, flow, rng):
    """Returns whether the loss is defined for the flow; requires nats per variable if it is."""
    name = f"{type(loss).__name__}(flow, x, prediction, seed) for {type(flow).__name__}"
    for event_shape, time_shape in SHAPES:
        drawn = _draw(loss, flow, event_shape, time_shape, rng)
        x, t, *_ = drawn
        what = f"data of shape {x.shape} and times of shape {t.shape}"
        try:
            nats, again = _score(loss, flow, *drawn), _score(loss, flow, *drawn)
        except NotImplementedError:
            require(not flow.discrete, f"{name} must be defined")
            return False
        except Exception as error:
            raise AssertionError(f"{name} must take {what}: {error}") from error
        require_float32(nats, x.shape, f"{name}, for {what},")
        same = np.allclose(*map(ops.convert_to_numpy, (nats, again)), rtol=1e-4)
        require(same, f"{name} must return the same nats for the same seed")
    return True


def _check_nats(loss, flow, rng):
    """Requires that nats are those of each variable by itself, and fall against the gradient."""
    name = f"{type(loss).__name__}(flow, x, prediction, seed) for {type(flow).__name__}"

    def compute(inputs, seed):
        *given, params = inputs
        (nats, _), gradient = value_and_gradient(
            lambda params: (_score(loss, flow, *given, params), {}), params
        )
        return nats, gradient

    program = Compiled(compute)
    one, other = (_draw(loss, flow, (2, 2), (2, 2), rng) for _ in range(2))
    kept = rng.uniform(size=one[0].shape) < 0.5
    mixed = tuple(
        np.where(kept.reshape(*kept.shape, *(1,) * (a.ndim - kept.ndim)), a, b)
        for a, b in zip(one, other, strict=True)
    )
    with requiring(f"{name} must have a gradient by the params", Exception):
        results = map(program.predict_on_batch, (one, other, mixed))
        (nats, gradient), (others, _), (both, _) = results
    claim = f"{name}: the nats of a variable must not depend on other variables or examples"
    require(np.allclose(both, np.where(kept, nats, others), rtol=1e-4, atol=1e-5), claim)
    *given, params = one
    step = 1e-3 * gradient / max(np.abs(gradient).max(), 1e-30)
    lower, _ = program.predict_on_batch((*given, params - step))
    claim = f"{name}: a small step of the params against the gradient must lower the nats"
    require(np.sum(lower - nats) < 0, claim)


def _check_mean(loss, flow, rng):
    """Requires the mean that is known in advance, at evenly spread times, noise and numbers."""
    name, size = f"{type(loss).__name__} for {type(flow).__name__}", flow.embedding_size
    points = _spread_evenly(2 + size, rng)
    if flow.discrete:
        claim = "the loss plus the reconstruction loss must equal the entropy"
        (prior, expected), losses = make_prior(flow.num_values), (loss, ReconstructionLoss())
        x = np.tile(np.arange(flow.num_values, dtype="int32"), (len(points), 1))
        flow = ExactFlow(flow, prior)
    else:
        claim = "the loss must equal the information of all messages"
        prior, losses, x = np.ones(1), (loss,), STD * _to_normal(points[:, -1:])
        expected = 0.5 * math.log1p(STD**2 * float(flow.schedule.beta(1.0)))

    def compute(inputs, seed):
        x, nats = inputs["x"], 0.0
        for loss in losses:
            t = loss.times(inputs["uniform"])
            beta = flow.schedule.beta(t)
            s = flow.receive(flow.embed(x), beta, inputs["noise"])
            params = ops.zeros((*ops.shape(x), flow.output_size))
            if not flow.discrete:
                params = s / (expand(beta, s) + STD**-2)  # the posterior mean
            prediction = Prediction(t, s, flow.input_params(s, beta), params)
            nats = nats + loss(flow, x, prediction, seed)
        return nats

    noise = _to_normal(points[:, None, 1 : 1 + size])
    inputs = {"x": x, "uniform": points[:, 0], "noise": noise}
    nats = Compiled(compute, int(rng.integers(2**31))).predict_on_batch(inputs)
    means = (nats.astype("float64") @ prior).reshape(NUM_SHIFTS, NUM_POINTS).mean(axis=1)
    claim = f"{name}: with the exact posterior as the network, {claim}"
    require_mean(means, expected, claim, TOLERANCE * expected)


def _spread_evenly(size, rng):
    """Returns points in the unit cube: a Korobov lattice, for each shift by a random vector.

    Folding each axis in the middle makes functions periodic, so that means converge faster.
    """
    steps = np.array([GENERATOR**axis % NUM_POINTS for axis in range(size)])
    lattice = np.arange(NUM_POINTS)[:, None] * steps / NUM_POINTS
    points = (rng.uniform(size=(NUM_SHIFTS, 1, size)) + lattice).reshape(-1, size) % 1.0
    return np.minimum(1.0 - np.abs(2.0 * points - 1.0), 1.0 - 2.0**-24).astype("float32")


def _to_normal(uniform):
    """Returns standard normal numbers, increasing functions of uniform ones."""
    odd = ops.convert_to_tensor(np.clip(2.0 * uniform - 1.0, -1.0 + 1e-6, 1.0 - 1e-6))
    return math.sqrt(2.0) * ops.convert_to_numpy(ops.erfinv(odd))
