"""The accuracy that data need: what each variable costs once its own evidence is known."""

import functools
import math

import numpy as np
from keras import ops

from keras_bfn._validation import check_between, check_int
from keras_bfn.distributions import DiscretizedNormal
from keras_bfn.distributions.discrete import bin_number
from keras_bfn.schedules.schedule import ExponentialSchedule, QuadraticSchedule

MIN_BETA, MAX_BETA, TOLERANCE = 1e-6, 1e12, 1e-3  # of the search
CHUNK = 2**20  # log probabilities held at a time


def fit(flow, x, reconstruction=0.01, num_draws=10_000, seed=0):
    """The schedule at whose end `reconstruction` nats per variable are left to pay.

    More accuracy would spend the last part of the time on what is known already. `fit` finds, by
    bisection, the least accuracy at which `remaining_cost` is at most `reconstruction`.

    Args:
        flow: a `keras_bfn.flows.Flow`, a `ContinuousFlow` with `num_bins`. Of its schedule only the
            kind counts.
        x: numpy array of data, of any shape.
        reconstruction: positive float, nats per variable. Below `10 / num_draws` few draws decide.
        num_draws: int. With 10,000, `beta_1` differs from seed to seed by 1 or 2%. With 1,000 and
            50,000 classes it differs by 5%, and takes minutes.
        seed: int.

    Returns:
        A `QuadraticSchedule` or an `ExponentialSchedule`, for the flow's argument `schedule`.

    Raises:
        ValueError: if an argument is out of its range, if the flow has another kind of schedule or
            no bins, or if no accuracy leaves `reconstruction` nats.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=1.0)
    >>> schedule = keras_bfn.schedules.fit(flow, images)
    >>> round(schedule.beta_1)
    7
    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, schedule=schedule)

    Reference: "Accuracy schedule" in section 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037), where beta_1 is found by trial.
    """
    schedule = getattr(flow, "schedule", None)
    if not isinstance(schedule, (ExponentialSchedule, QuadraticSchedule)):
        raise ValueError(
            "Argument `flow` must be a flow with an exponential or a quadratic schedule. "
            f"Received: flow={flow!r}"
        )
    check_between("reconstruction", reconstruction, 0, math.inf)
    curve = _curve(flow, x, num_draws, seed)
    low, high = MIN_BETA, MAX_BETA
    if not curve(high) <= reconstruction < curve(low):
        raise ValueError(
            "Argument `reconstruction` must be a number of nats per variable that evidence can "
            f"leave: of `x`, {curve(low):.3f} without evidence, {curve(high):.3f} with the most. "
            f"Received: reconstruction={reconstruction!r}"
        )
    while high > (1.0 + TOLERANCE) * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if curve(middle) <= reconstruction else (middle, high)
    if isinstance(schedule, ExponentialSchedule):
        return ExponentialSchedule(sigma_1=(1.0 + high) ** -0.5)
    return QuadraticSchedule(beta_1=high)


def remaining_cost(flow, x, beta, num_draws=10_000, seed=0):
    """What a variable costs after evidence about it alone, of accuracy `beta`.

    For integers it is H(x | s), the mean entropy of the exact posterior. The prior is how often a
    value occurs in `x`, whatever the place: a network that knows places and neighbours can but pay
    less. For a `ContinuousFlow` it is the reconstruction loss of the input distribution's mean.

    Args:
        flow: a `keras_bfn.flows.Flow`, a `ContinuousFlow` with `num_bins`.
        x: numpy array of data, of any shape.
        beta: accuracy, a float or an array.
        num_draws: int. How many variables are drawn, and evidence about each.
        seed: int. The draws are the same at each accuracy.

    Returns:
        Nats per variable, float64, shaped as `beta`.

    Raises:
        ValueError: if an argument is out of its range, or a `ContinuousFlow` has no bins.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    >>> [round(float(keras_bfn.schedules.remaining_cost(flow, images, beta)), 1) for beta in (0, 9)]
    [0.7, 0.0]
    """
    beta = np.asarray(beta, "float64")
    if not np.all((beta >= 0) & (beta < math.inf)):
        raise ValueError(f"Argument `beta` must be finite and >= 0. Received: beta={beta}")
    return np.vectorize(_curve(flow, x, num_draws, seed), otypes=["float64"])(beta)[()]


def _curve(flow, x, num_draws, seed):
    """The remaining cost as a function of one accuracy: the mean over variables of all kinds."""
    num_draws, seed = check_int("num_draws", num_draws, 1), check_int("seed", seed, 0)
    flow.check_data(x)
    x = np.asarray(x)
    curves = [(_curve_of_kind(*part, num_draws, seed), part[1].size) for part in flow.split(x)]
    return lambda beta: sum(curve(beta) * size for curve, size in curves) / x.size


def _curve_of_kind(flow, x, num_draws, seed):
    x = np.ravel(x)
    if flow.discrete:
        num_values = flow.data_range[1] + 1
        counts = np.bincount(x.astype("int64"), minlength=num_values)
        costs = functools.partial(_entropies, flow, np.log(np.maximum(counts, 1e-300) / len(x)))
    elif flow.num_bins is None:
        raise ValueError(
            "Argument `flow` must have `num_bins`: without bins no accuracy is enough for real "
            f"numbers, and `sigma_1` can't be found from data. Received: flow={flow!r}"
        )
    else:
        num_values, costs = 1, functools.partial(_last_words, flow)

    def curve(beta):
        rng = np.random.default_rng(seed)
        chunks = np.array_split(rng.choice(x, num_draws), -(-num_draws * num_values // CHUNK))
        return sum(costs(chunk, beta, rng).sum() for chunk in chunks) / num_draws

    return curve


def _entropies(flow, log_prior, x, beta, rng):
    """The entropy of the posterior, which one message as accurate as all the evidence gives."""
    noise = ops.convert_to_tensor(rng.standard_normal((len(x), flow.embedding_size)), "float32")
    ratios = flow._log_likelihood_ratios(x, np.array([beta]), noise)
    logits = log_prior + ops.convert_to_numpy(ratios)
    logits -= logits.max(axis=-1, keepdims=True)
    weights = np.exp(logits)
    total = weights.sum(axis=-1)
    return np.log(total) - (weights * logits).sum(axis=-1) / total


def _last_words(flow, x, beta, rng):
    """The reconstruction loss of mu = s / (1 + beta)."""
    s = beta * x + math.sqrt(beta) * rng.standard_normal(len(x))
    mean = ops.convert_to_tensor(np.clip(s / (1.0 + beta), -1.0, 1.0), "float32")
    std = flow.reconstruction_std or (1.0 + beta) ** -0.5
    output = DiscretizedNormal(mean, std, flow.num_bins)
    bins = bin_number(ops.convert_to_tensor(x, "float32"), flow.num_bins)
    return -ops.convert_to_numpy(output.log_prob(bins))
