"""Small known joint distributions: models whose networks are their exact posteriors, and a sampler.

The sampler is written in numpy and float64 from the documentation alone. Its samples decide what
those of the package must be distributed as, at any number of steps and with any option.
"""

import functools

import keras
import numpy as np
from keras import ops
from scipy import special, stats

import keras_bfn
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, JointNormal, MarkovChain
from tests.tensors import to_tensor

MIN_P_VALUE = 1e-8  # of thousands of cases, each with several tests
MOST_ERRORS = 7.0  # standard errors
BETA_1 = 8.0


class ClassPosterior(keras.layers.Layer):
    """The exact marginals of `num` dependent variables, as logits."""

    def __init__(self, joint, prior=None):
        super().__init__()
        self.joint, self.prior = joint, prior

    def call(self, inputs):
        theta, k = inputs["theta"], len(self.joint)
        if theta.shape[-1] == 1:
            theta = ops.concatenate([1.0 - theta, theta], axis=-1)
        s = ops.log(ops.maximum(theta, 1e-30))
        if self.prior is not None:
            s = s - to_tensor(np.log(self.prior))
        has_value = to_tensor(_has_value(self.joint.ndim, k))
        log_joint = ops.matmul(ops.reshape(s, (-1, self.joint.ndim * k)), ops.transpose(has_value))
        posterior = ops.softmax(log_joint + to_tensor(np.log(self.joint.ravel())), axis=-1)
        marginals = ops.reshape(ops.matmul(posterior, has_value), (-1, self.joint.ndim, k))
        logits = ops.log(ops.maximum(marginals, 1e-30))
        return logits[..., 1:] - logits[..., :1] if k == 2 else logits


class InputItself(keras.layers.Layer):
    """For flows whose prior is the joint distribution: theta is the exact posterior."""

    def call(self, inputs):
        return ops.log(ops.maximum(inputs["theta"], 1e-30))


class NumberPosterior(keras.layers.Layer):
    """For flows whose prior is the joint distribution: what stands for theta, the exact mean."""

    def __init__(self, prediction, mean, covariance):
        super().__init__()
        self.prediction, self.mean, self.precision = prediction, mean, 1 / np.diag(covariance)

    def call(self, inputs):
        theta = inputs["theta"]
        if self.prediction == "data":
            return theta
        if self.prediction == "residual":
            return 0.0 * theta
        # The noise in the evidence s, of which theta is made.
        mean, precision = (to_tensor(x[:, None]) for x in (self.mean, self.precision))
        beta = to_tensor(Numbers.sigma_1) ** (-2.0 * inputs["t"][:, None, None]) - 1.0
        root = ops.sqrt(ops.maximum(beta, 1e-6))
        return ((precision + beta) * theta - precision * mean) / root - root * theta


def _has_value(num, num_classes):
    """Whether a joint outcome (row) has a value (column) of a variable."""
    values = np.indices((num_classes,) * num).reshape(num, -1)
    return np.concatenate([np.eye(num_classes)[column] for column in values], axis=1)


class Classes:
    """Dependent classes: the joint distribution is an array with one axis for each variable."""

    def __init__(self, joint, prior=None, is_known_to_flow=False):
        self.joint = joint / joint.sum()
        self.num, self.num_classes = joint.ndim, len(joint)
        self.gain, self.shape = float(self.num_classes), (joint.ndim, self.num_classes)
        self.has_value = _has_value(*self.shape)
        flow = DiscreteFlow(self.num_classes, BETA_1, prior=prior)
        network = InputItself() if is_known_to_flow else ClassPosterior(self.joint, prior)
        self.model = keras_bfn.BayesianFlowNetwork(flow, network, (self.num,), seed=0)

    def output(self, s, beta):
        """The marginals, `(num, variables, classes)`."""
        log_joint = s.reshape(len(s), -1) @ self.has_value.T + np.log(self.joint.ravel())
        return (special.softmax(log_joint, axis=1) @ self.has_value).reshape(s.shape)

    def sharpen(self, probs, temperature, top_k, top_p):
        if temperature != 1:
            probs = probs ** (1 / temperature)
            probs = probs / probs.sum(axis=-1, keepdims=True)
        order = np.argsort(-probs, axis=-1)
        ranked = np.take_along_axis(probs, order, axis=-1)
        if top_k is not None:
            ranked[..., top_k:] = 0
        ranked = ranked / ranked.sum(axis=-1, keepdims=True)
        if top_p is not None:
            ranked = np.where(ranked.cumsum(axis=-1) - ranked < top_p, ranked, 0)
            ranked = ranked / ranked.sum(axis=-1, keepdims=True)
        kept = np.zeros_like(probs)
        np.put_along_axis(kept, order, ranked, axis=-1)
        return kept

    def expected(self, probs):
        return probs

    def draw(self, probs, rng):
        return self.embed((rng.random(probs.shape[:-1])[..., None] > probs.cumsum(-1)).sum(-1))

    def mode(self, probs):
        return probs.argmax(axis=-1)

    def value(self, embedding):
        return embedding.argmax(axis=-1)

    def embed(self, x):
        return np.eye(self.num_classes)[np.minimum(x, self.num_classes - 1)]

    def cells(self, x):
        """The number of the joint outcome."""
        return x @ (self.num_classes ** np.arange(self.num - 1, -1, -1))

    def draw_data(self, num, rng):
        cells = rng.choice(self.joint.size, num, p=self.joint.ravel())
        return np.stack(np.unravel_index(cells, self.joint.shape), axis=1).astype("int32")

    def beta(self, t):
        return BETA_1 * t**2

    def time(self, beta):
        return (beta / BETA_1) ** 0.5

    def extrapolation_line(self, beta):
        return beta**0.5


class Numbers:
    """Dependent normal numbers in units of their own."""

    sigma_1, gain = 0.1, 1.0
    center, scale = 3.0, 2.0

    def __init__(self, mean, covariance, prediction="data", is_joint=False):
        self.mean, self.covariance = np.array(mean), np.array(covariance)
        self.num, self.shape = len(mean), (len(mean),)
        if is_joint:
            prior = JointNormal(self.mean, self.covariance)
        else:
            prior = self.mean, np.sqrt(np.diag(self.covariance))
        flow = ContinuousFlow(
            self.sigma_1, prediction, prior=prior, center=self.center, scale=self.scale
        )
        network = NumberPosterior(prediction, self.mean, self.covariance)
        self.model = keras_bfn.BayesianFlowNetwork(flow, network, (self.num,), seed=0)

    def output(self, s, beta):
        precision = np.linalg.inv(self.covariance)
        right = s + precision @ self.mean
        return right @ np.linalg.inv(precision + beta * np.eye(self.num))

    def sharpen(self, output, temperature, top_k, top_p):
        return output

    def expected(self, output):
        return output

    def draw(self, output, rng):
        return output

    def mode(self, output):
        return self.center + self.scale * output

    value = mode

    def draw_data(self, num, rng):
        e = rng.multivariate_normal(self.mean, self.covariance, num)
        return self.mode(e).astype("float32")

    def beta(self, t):
        return self.sigma_1 ** (-2 * t) - 1

    def time(self, beta):
        return np.log1p(beta) / (-2 * np.log(self.sigma_1))


# No two classes are equally likely: of those that are, any may be cut.
PAIR = np.array([[0.25, 0.02, 0.03], [0.05, 0.18, 0.05], [0.02, 0.08, 0.32]])
BITS = np.array([[[0.2, 0.03], [0.05, 0.12]], [[0.02, 0.2], [0.08, 0.3]]])
MARGINALS = np.stack([PAIR.sum(axis=1), PAIR.sum(axis=0)])
SHARES = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
COUNTS = np.array([[60, 5, 20], [10, 40, 3], [2, 30, 50]])
COVARIANCE = 0.1**2 * np.array([[1.0, 0.7], [0.7, 1.5]])
APART = np.diag([0.1**2, 0.15**2])


def _chain():
    chain = MarkovChain(COUNTS)
    values = np.indices((3, 3, 3)).reshape(3, -1).T
    return Classes(np.exp(chain.log_prob(values)).reshape(3, 3, 3), chain, True)


_MAKERS = {
    "pair": lambda: Classes(PAIR),
    "bits": lambda: Classes(BITS),
    "prior": lambda: Classes(PAIR, MARGINALS.astype("float32")),
    "independent": lambda: Classes(np.einsum("i,j->ij", *SHARES), SHARES, True),
    "chain": _chain,
    "numbers": lambda: Numbers([0.1, -0.2], COVARIANCE, is_joint=True),
    "apart": lambda: Numbers([0.1, -0.2], APART),
    "residual": lambda: Numbers([0.1, -0.2], APART, "residual"),
    "noise": lambda: Numbers([0.1, -0.2], APART, "noise"),
}
OF_CLASSES = ["pair", "bits", "prior", "independent", "chain"]
OF_NUMBERS = ["numbers", "apart", "residual", "noise"]


@functools.cache
def get(name):
    """The truth of this name: one for each process, with the programs of its model."""
    return _MAKERS[name]()


def simulate(
    truth,
    num,
    num_steps,
    rng,
    kind="ancestral",
    noise=1.0,
    temperature=1.0,
    top_k=None,
    top_p=None,
    end="mode",
    start=0.0,
    spacing="t",
    shift=None,
    latents=None,
):
    """Samples by the sampler that is called `kind`; `shift(s, beta, t)` guides it.

    With `end="output"`, the last output distributions in the place of samples.
    """
    c, shape = truth.gain, (num, *truth.shape)
    times = times_of(truth, num_steps, start, spacing)
    betas = truth.beta(times)
    is_ode, is_second = kind.startswith("ode"), kind.endswith("2")
    # u = s / sqrt(beta) for the solvers of the ODE.
    u = np.sqrt(c) * rng.standard_normal(shape) if latents is None else latents
    s = np.sqrt(betas[0]) * u

    def output(s, beta):
        return truth.sharpen(truth.output(s, beta), temperature, top_k, top_p)

    last = None
    for i in range(num_steps):
        now, then = betas[i], betas[i + 1]
        if is_ode:
            s = np.sqrt(now) * u
        out = output(s, now)
        if end == "last" and i == num_steps - 1:
            return truth.mode(out)
        e = truth.draw(out, rng) if kind == "ancestral" else truth.expected(out)
        if shift is not None:
            e = e + shift(s, now, times[i])
        mean = e
        if is_second and last is not None:
            mean = e + extrapolation(truth, betas[i - 1 : i + 2], is_ode) * (e - last)
        last = e
        if is_ode:
            u = u + c * (np.sqrt(then) - np.sqrt(now)) * mean
        else:
            s, std = message(truth, s, mean, now, then, noise)
            s = s + std * rng.standard_normal(shape)
    s = np.sqrt(betas[-1]) * u if is_ode else s
    out = output(s, betas[-1])
    if end == "output":
        return out
    return truth.value(truth.draw(out, rng)) if end == "sample" else truth.mode(out)


def times_of(truth, num_steps, start=0.0, spacing="t"):
    """The times of all predictions."""
    if spacing == "t":
        return np.linspace(start, 1, num_steps + 1)
    return truth.time(np.geomspace(truth.beta(start), truth.beta(1.0), num_steps + 1))


def message(truth, s, mean, now, then, noise=1.0):
    """The mean and the standard deviation of the evidence after a step."""
    c = truth.gain
    if noise == 1 or now == 0:  # all noise is new before the first message
        return s + c * (then - now) * mean, np.sqrt(c * (then - now))
    r, square = now / then, noise**2
    kept = r ** ((square - 1) / 2) * s + c * then * (1 - r ** ((1 + square) / 2)) * mean
    return kept, np.sqrt(c * then * (1 - r**square))


def extrapolation(truth, betas, is_ode):
    """How much further e_hat moves on average in a step, in units of how it moved in the last.

    Numbers move along a line in log(beta), or in sqrt(beta) where an accuracy is 0, as classes do.
    """
    if isinstance(truth, Classes):
        last, now, then = np.sqrt(betas)
        if not is_ode:  # the mean over messages, whose accuracy is the square
            u = np.linspace(now, then, 20_001)
            u = 0.5 * (u[1:] + u[:-1])
            return np.average(u - now, weights=u) / (now - last)
    else:
        last, now, then = np.log(betas) if betas[0] > 0 else np.sqrt(betas)
    return 0.5 * (then - now) / (now - last)


def assert_same_cells(drawn, expected, what):
    """Two samples of integers have one distribution (chi-squared)."""
    size = max(drawn.max(), expected.max()) + 1
    counts = np.stack([np.bincount(x, minlength=size) for x in (drawn, expected)])
    rare = counts.sum(axis=0) < 100
    counts = np.concatenate([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)], axis=1)
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] > 1 and counts.sum(axis=0).min() < 100:  # too few even together
        counts = counts[:, :-1]
    if counts.shape[1] < 2:
        return
    p_value = stats.chi2_contingency(counts).pvalue
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert p_value > MIN_P_VALUE, f"{what}: p = {p_value:.1e}, frequencies\n{shares.round(4)}"


def assert_same_numbers(drawn, expected, what):
    """Two samples of rows of numbers have one distribution (Kolmogorov and Smirnov)."""
    for name, side in (("sum", [1, 1]), ("difference", [1, -1]), ("first", [1, 0])):
        both = drawn @ side, expected @ side
        everything = np.concatenate(both)
        if np.ptp(everything) < 1e-4 * max(1.0, np.abs(everything).max()):
            continue  # one number, but for rounding
        p_value = stats.ks_2samp(*both).pvalue
        assert p_value > MIN_P_VALUE, (
            f"{what}: p = {p_value:.1e} of the {name}, means {np.mean(drawn @ side):.4f} and "
            f"{np.mean(expected @ side):.4f}, deviations {np.std(drawn @ side):.4f} and "
            f"{np.std(expected @ side):.4f}"
        )


def assert_mean_is(expected, draws, what, tolerance=0.0):
    """The mean of draws is `expected`, a number, or draws of which it is the mean."""
    draws, expected = np.ravel(draws).astype("float64"), np.ravel(expected).astype("float64")
    error = abs(draws.mean() - expected.mean())
    allowed = tolerance + 1e-5 * abs(expected.mean())
    for x in (draws, expected):  # Bernstein's bound, in terms of what was drawn
        allowed += MOST_ERRORS * (x.std() / x.size**0.5 + 2 * np.ptp(x) / x.size)
    assert error < allowed, (
        f"{what}: mean {draws.mean():.5f}, expected {expected.mean():.5f}, {allowed:.5f} allowed"
    )
