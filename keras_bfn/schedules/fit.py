"""The accuracy that data need: what each variable costs once its own evidence is known."""

import math

import numpy as np
from keras import ops

from keras_bfn._validation import check_between, check_int
from keras_bfn.distributions import DiscretizedNormal
from keras_bfn.distributions.discrete import bin_number
from keras_bfn.schedules.schedule import ExponentialSchedule, QuadraticSchedule

# The accuracies among which `fit` looks, and how closely.
MIN_BETA, MAX_BETA, TOLERANCE = 1e-6, 1e12, 1e-3
# How many log probabilities are held at a time.
CHUNK = 2**20


def fit(flow, x, reconstruction=0.01, num_draws=10_000, seed=0):
    """The schedule that ends where the data are known but for `reconstruction` nats per variable.

    A larger beta_1 (a smaller sigma_1) spends the time near t = 1 on data that are known already; a
    smaller one leaves much to the reconstruction loss. This finds, by bisection, the least accuracy
    at which `remaining_cost` is at most `reconstruction`.

    Args:
        flow: a `keras_bfn.flows.Flow`. Only the kind of its schedule matters, not the value of
            `beta_1` or `sigma_1`. A `ContinuousFlow` needs `num_bins`.
        x: numpy array of data, of any shape.
        reconstruction: positive float. Nats per variable, from 10 / `num_draws` up: what is smaller
            hangs on few draws.
        num_draws: int. With 10,000, `beta_1` varies from seed to seed by one or two percent.
        seed: int. The seed of the draws.

    Returns:
        A `QuadraticSchedule` or an `ExponentialSchedule`, as the flow has, for `schedule=`.

    Raises:
        ValueError: if an argument is out of its range, if no accuracy leaves just `reconstruction`
            nats, if the flow has a schedule of another kind, or a `ContinuousFlow` has no bins.

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
            "Argument `flow` must be a `keras_bfn.flows.Flow` with an `ExponentialSchedule` or a "
            f"`QuadraticSchedule`. Received: flow={flow!r}"
        )
    check_between("reconstruction", reconstruction, 0, math.inf)
    curve = _curve(flow, x, num_draws, seed)
    low, high = MIN_BETA, MAX_BETA
    most, least = curve(low), curve(high)
    if not least <= reconstruction < most:
        raise ValueError(
            f"Argument `reconstruction` must lie between {least:.3g} and {most:.3g} for these data, "
            "the nats per variable that are left at the greatest accuracy and at none. "
            f"Received: reconstruction={reconstruction!r}"
        )
    while high > (1.0 + TOLERANCE) * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if curve(middle) <= reconstruction else (middle, high)
    if isinstance(schedule, ExponentialSchedule):
        return ExponentialSchedule(sigma_1=(1.0 + high) ** -0.5)
    return QuadraticSchedule(beta_1=high)


def remaining_cost(flow, x, beta, num_draws=10_000, seed=0):
    """What a variable still costs once evidence about it alone was gathered at accuracy `beta`.

    For integers it is the expected entropy of the exact posterior, H(x | s), measured with draws of
    the evidence `s`. The prior is how often each value occurs in `x`, at all places together: who
    does not know the place of a variable knows less, so that this bounds from above what the best
    network pays, which also sees the place and the other variables. For a `ContinuousFlow` with
    `num_bins` it is the reconstruction loss of the input distribution's own mean, for any network
    can answer that.

    Args:
        flow: a `keras_bfn.flows.Flow`. Its schedule has no effect.
        x: numpy array of data, of any shape.
        beta: accuracy, a float or an array, at least 0.
        num_draws: int. The number of variables and of messages about them that are drawn.
        seed: int. The seed of the draws, which are the same at each accuracy.

    Returns:
        Nats per variable, float64, shaped as `beta`.

    Raises:
        ValueError: if an argument is out of its range, or a `ContinuousFlow` has no bins.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    >>> nats = keras_bfn.schedules.remaining_cost(flow, images, beta=np.array([0.0, 9.0]))
    >>> [round(float(n), 2) for n in nats]
    [0.69, 0.0]
    """
    beta = np.asarray(beta, "float64")
    if not np.all((beta >= 0) & (beta < math.inf)):
        raise ValueError(
            f"Argument `beta` must be finite and at least 0. Received: beta={beta.tolist()}"
        )
    return np.vectorize(_curve(flow, x, num_draws, seed), otypes=["float64"])(beta)[()]


def _curve(flow, x, num_draws, seed):
    """The remaining cost as a function of one accuracy."""
    num_draws, seed = check_int("num_draws", num_draws, 1), check_int("seed", seed, 0)
    flow.check_data(x)
    x = np.ravel(x)
    costs, num_values = _costs_in_bins(flow), 1
    if flow.discrete:
        num_values = flow.data_range[1] + 1
        frequencies = np.bincount(x.astype("int64"), minlength=num_values) / len(x)
        costs = _entropies(flow, np.log(np.maximum(frequencies, 1e-300)))

    def curve(beta):
        rng = np.random.default_rng(seed)
        chunks = np.array_split(rng.choice(x, num_draws), -(-num_draws * num_values // CHUNK))
        return sum(costs(chunk, beta, rng).sum() for chunk in chunks) / num_draws

    return curve
