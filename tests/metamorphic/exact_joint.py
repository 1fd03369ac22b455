"""Samples, completions and costs against exact joint distributions, at 20,000 samples.

At few steps, and with options that act at each step, the oracle is the sampler of
`tests.metamorphic.truths`. Otherwise it is the joint distribution itself.
"""

import functools
import itertools

import keras
import numpy as np
from keras import ops
from scipy import special, stats

import keras_bfn
from keras_bfn import samplers
from keras_bfn.flows import DiscreteFlow
from keras_bfn.guidance import (
    ClassifierFreeGuidance,
    ClassifierGuidance,
    Constraint,
    Guidance,
    LinearInverse,
)
from tests import exact
from tests.metamorphic import truths
from tests.metamorphic.truths import (
    OF_CLASSES,
    OF_NUMBERS,
    assert_mean_is,
    assert_same_cells,
    assert_same_numbers,
    simulate,
)
from tests.models import exact_angles, exact_parts
from tests.tensors import to_tensor

NUM, NUM_EXPECTED = 20_000, 60_000
MOST_DRAWS = 2
LEAST_DRAWS = 50
FEW_STEPS = (1, 2, 3, 5, 8)
KINDS = {
    "ancestral": samplers.AncestralSampler,
    "sde1": samplers.SDE1Sampler,
    "sde2": samplers.SDE2Sampler,
    "ode1": samplers.ODE1Sampler,
    "ode2": samplers.ODE2Sampler,
}


def check(rng):
    names = list(CHECKS)
    odds = np.array([CHECKS[name] for name in names], "float64")
    globals()[f"check_{rng.choice(names, p=odds / odds.sum())}"](rng)


def choose(rng, *values):
    """One of the values, as it is."""
    return values[rng.integers(len(values))]


def seed_of(rng):
    return int(rng.integers(2**31))


def draw_options(rng, are_classes, kind, ends=("mode", "sample", "last")):
    """Options of a sampler, few of them other than by default."""
    options = {}
    if rng.random() < 0.4:
        options["end"] = choose(rng, *ends)
    if rng.random() < 0.3:
        options["start"] = choose(rng, 0.1, 0.4)
        if rng.random() < 0.5:
            options["spacing"] = "log_beta"
    if kind in ("sde1", "sde2") and rng.random() < 0.3:
        options["noise"] = choose(rng, 0.0, 0.5)
    if are_classes and rng.random() < 0.6:
        more = ({"temperature": 0.6}, {"temperature": 2.0}, {"top_k": 1}, {"top_k": 2})
        options |= choose(
            rng, *more, {"top_p": 0.57}, {"top_p": 0.85}, {"temperature": 2, "top_k": 2}
        )
    return options


def assert_same(truth, drawn, expected, what):
    """Two samples of data have one distribution."""
    if isinstance(truth, truths.Classes):
        assert_same_cells(truth.cells(drawn), truth.cells(expected), what)
    else:
        assert_same_numbers(drawn.astype("float64"), expected, what)


def generate(truth, num_steps, rng, num=NUM, **options):
    options = {"batch_size": num, "seed": seed_of(rng), "verbose": 0, **options}
    return truth.model.generate(num, num_steps, **options)


def check_samplers(rng):
    """Each sampler with each option, at few steps, as the reference."""
    name, kind = choose(rng, *OF_CLASSES, *OF_NUMBERS), choose(rng, *KINDS)
    truth, num_steps = truths.get(name), choose(rng, *FEW_STEPS)
    options = draw_options(rng, name in OF_CLASSES, kind)
    what = f"{name}, {kind}, {num_steps} steps, {options}"
    x = generate(truth, num_steps, rng, sampler=KINDS[kind](**options))
    assert_same(truth, x, simulate(truth, NUM_EXPECTED, num_steps, rng, kind, **options), what)


def check_latents(rng):
    """Deterministic samplers make of latents what the reference makes of them."""
    name, kind = choose(rng, *OF_CLASSES, *OF_NUMBERS), choose(rng, "ode1", "ode2")
    truth, num_steps = truths.get(name), choose(rng, *FEW_STEPS)
    options = draw_options(rng, name in OF_CLASSES, kind, ends=("mode", "last"))
    num = 500
    latents = np.sqrt(truth.gain) * rng.standard_normal((num, *truth.shape))
    given = latents if name in OF_CLASSES else latents[..., None]
    x = generate(truth, num_steps, rng, num, sampler=KINDS[kind](**options), latents=given)
    expected = simulate(truth, num, num_steps, rng, kind, latents=latents, **options)
    same = (np.abs(x - expected) < 2e-3).all(axis=1)
    # Where two classes are as likely, or a cut is close, rounding decides.
    least = 0.99 if name in OF_CLASSES else 1.0
    what = f"{name}, {kind}, {num_steps} steps, {options}"
    assert same.mean() >= least, f"{what}: {same.mean():.3f} as expected, {x[~same][0]}"


def check_trajectory(rng):
    """What a step adds to the evidence, beside what it must, is standard normal noise."""
    name, kind = choose(rng, *OF_CLASSES, *OF_NUMBERS), choose(rng, "sde1", "sde2")
    truth, num_steps, num = truths.get(name), choose(rng, 2, 5), 4000
    options = draw_options(rng, name in OF_CLASSES, kind, ends=("mode", "sample"))
    what = f"{name}, {kind}, {num_steps} steps, {options}"
    sampler = KINDS[kind](**options)
    trajectory = generate(
        truth, num_steps, rng, num, sampler=sampler, return_details=True
    ).trajectory
    times = truths.times_of(
        truth, num_steps, options.get("start", 0.0), options.get("spacing", "t")
    )
    np.testing.assert_allclose(trajectory.t, times, atol=1e-4, err_msg=what)
    betas = truth.beta(times)
    s = trajectory.s.astype("float64").reshape(num_steps + 1, num, *truth.shape)
    cuts = [options.get(key, value) for key, value in (("temperature", 1), ("top_k", None))]
    if betas[0] > 0:
        assert_standard_normal(s[0] / np.sqrt(truth.gain * betas[0]), 0 * s[0], f"{what}, at first")
    last = None
    for i in range(num_steps):
        output = truth.sharpen(truth.output(s[i], betas[i]), *cuts, options.get("top_p"))
        mean = e = truth.expected(output)
        if kind == "sde2" and last is not None:
            mean = e + truths.extrapolation(truth, betas[i - 1 : i + 2], False) * (e - last)
        last = e
        noise = options.get("noise", 1.0)
        expected, std = truths.message(truth, s[i], mean, betas[i], betas[i + 1], noise)
        error = s[i + 1] - expected
        if std == 0:
            # Rounding may cut another class, of hardly any sample.
            away = np.abs(error).reshape(num, -1).max(axis=1) > 1e-2
            assert away.mean() < 0.01, f"{what}, step {i}: {away.mean():.3f} away"
        else:
            assert_standard_normal(error / std, e, f"{what}, step {i}")


def assert_standard_normal(noise, e, what):
    """Of mean 0 and variance 1, and as much for every embedding that is expected."""
    size = noise.size
    assert abs(noise.mean()) < 6 / size**0.5, f"{what}: mean {noise.mean():.4f}"
    assert abs(noise.var() - 1) < 6 * (2 / size) ** 0.5, f"{what}: variance {noise.var():.4f}"
    along = e - e.mean()
    if along.std() > 1e-6:
        slope = (noise * along).mean() / along.std()
        assert abs(slope) < 6 / size**0.5, f"{what}: follows what is expected, {slope:.4f}"


# --- conditions -----------------------------------------------------------------------------------

OF_CONDITION = np.stack([truths.PAIR, truths.PAIR[::-1].T + 0.02])
OF_CONDITION /= OF_CONDITION.sum(axis=(1, 2), keepdims=True)
NONE = 2


class ConditionalPosterior(keras.layers.Layer):
    """The exact marginals of a pair of classes, given one of two conditions, or none."""

    null_condition = NONE

    def call(self, inputs):
        s = ops.log(ops.maximum(inputs["theta"], 1e-30))
        joints = np.stack([*OF_CONDITION, OF_CONDITION.mean(axis=0)])
        log_joint = ops.take(to_tensor(np.log(joints)), ops.cast(inputs["condition"], "int32"), 0)
        log_joint = log_joint + s[:, 0, :, None] + s[:, 1, None, :]
        log_joint = log_joint - ops.logsumexp(log_joint, axis=(1, 2), keepdims=True)
        return ops.stack([ops.logsumexp(log_joint, axis=2), ops.logsumexp(log_joint, axis=1)], 1)


@functools.cache
def conditional_model():
    flow = DiscreteFlow(3, truths.BETA_1)
    return keras_bfn.BayesianFlowNetwork(
        flow, ConditionalPosterior(), (2,), condition_dropout=0.1, seed=0
    )


class GuidedByCondition(truths.Classes):
    """The reference's view of the model above, with a scale that depends on the time."""

    def __init__(self, condition, scale):
        self.joints = [OF_CONDITION[condition], OF_CONDITION.mean(axis=0)]
        self.num, self.num_classes, self.gain, self.shape = 2, 3, 3.0, (2, 3)
        self.has_value, self.scale = truths._has_value(2, 3), scale

    def output(self, s, beta):
        logs = []
        for joint in self.joints:
            self.joint = joint
            logs.append(np.log(super().output(s, beta)))
        logs = logs[1] + self.scale(float(self.time(beta))) * (logs[0] - logs[1])
        return special.softmax(logs, axis=-1)


def check_conditions(rng):
    """Guidance by a condition, as the reference; scale 1 gives the conditional distribution."""
    condition, kind = choose(rng, 0, 1, None), choose(rng, *KINDS)
    num_steps = choose(rng, *FEW_STEPS)
    scale = choose(rng, 1.0, 0.0, 2.0, lambda t: 1.0 + 2.0 * t)
    interval = choose(rng, (0.0, 1.0), (0.25, 0.7))
    if condition is None:
        scale = 1.0

    def scale_at(t):
        inside = interval[0] - 1e-6 <= t <= interval[1] + 1e-6
        return (scale(t) if callable(scale) else scale) if inside else 1.0

    options = draw_options(rng, True, kind) if rng.random() < 0.3 else {}
    given = None if condition is None else np.full(NUM, condition)
    x = conditional_model().generate(
        NUM,
        num_steps,
        KINDS[kind](**options),
        given,
        guidance_scale=ClassifierFreeGuidance(scale, interval),
        seed=seed_of(rng),
        batch_size=NUM,
        verbose=0,
    )
    truth = GuidedByCondition(condition or 0, scale_at if condition is not None else lambda t: 0.0)
    expected = simulate(truth, NUM_EXPECTED, num_steps, rng, kind, **options)
    what = f"condition {condition}, scale {scale}, {interval}, {kind}, {num_steps} steps, {options}"
    assert_same(truth, x, expected, what)


# --- guidance -------------------------------------------------------------------------------------


def table_log_likelihood(xp, probs, table):
    """The log of the mean likelihood, as if variables were independent; `table` has all logs."""
    weights, (num, num_classes) = xp.exp(table), probs.shape[1:]
    for i in range(num):
        weights = xp.reshape(weights, (-1, num_classes, num_classes ** (num - 1 - i)))
        weights = xp.einsum("bk,bkr->br", probs[:, i], weights)
    return xp.log(weights[:, 0])


def of_table(probs, table):
    return table_log_likelihood(ops, probs, table)


def count_zeros(probs):
    return ops.sum(probs[:, :, 0], axis=1)


def classify(probs, xp=ops):
    """Logits of three classes, linear in the expected data."""
    size = int(np.prod(probs.shape[1:]))
    weights = np.cos(np.arange(3 * size).reshape(size, 3)).astype("float32")
    return xp.matmul(xp.reshape(probs, (-1, size)), weights if xp is np else to_tensor(weights))


def of_bump(x, center):
    """A likelihood of the first of two numbers, and of their difference."""
    return -ops.square(3.0 * (x[:, 0] - center)) - 2.0 * ops.square(x[:, 1] - x[:, 0])


class Leaf:
    """A likelihood of the package, and the same in numpy.

    Args:
        make: function of options to a `Guidance`.
        log_h: function of what is expected of the data, and of the output distribution at which
            covariances are taken; or None with draws.
        log_likelihood: function of data as `truth.embed` or the numbers have them.
    """

    def __init__(self, make, log_h, log_likelihood, scale, interval, num_draws=None):
        self.make, self.log_h, self.log_likelihood = make, log_h, log_likelihood
        self.scale, self.interval, self.num_draws = scale, interval, num_draws

    def scale_at(self, t):
        inside = self.interval[0] - 1e-6 <= t <= self.interval[1] + 1e-6
        return (self.scale(t) if callable(self.scale) else self.scale) if inside else 0.0


def draw_leaf(truth, rng, through_network, weighs, num):
    """A likelihood of moderate strength; if samples are weighed, with one scale."""
    scale = choose(rng, 1.0, 0.5) if weighs else choose(rng, 1.0, 0.5, 1.5, lambda t: 1.5 - t)
    interval = (0.0, 1.0) if weighs else choose(rng, (0.0, 1.0), (0.0, 1.0), (0.25, 0.7))
    options = {"through_network": through_network, "scale": scale, "interval": interval}
    num_draws = None if weighs else choose(rng, None, None, 2)  # uneven weights
    which = choose(rng, "fn", "fn", "linear", "constraint", "classifier")
    if isinstance(truth, truths.Classes):
        if which == "fn":
            table = rng.normal(size=truth.joint.size).astype("float32")
            values = {"table": np.tile(table, (num, 1))}
            guidance = Guidance(of_table, values, num_draws=num_draws, **options)

            def log_h(probs, base):
                return table_log_likelihood(np, probs, np.tile(table, (len(probs), 1)))

            return Leaf(guidance, log_h, lambda e: log_h(e, None), scale, interval, num_draws)
        if which == "classifier":
            target = int(rng.integers(3))
            guidance = ClassifierGuidance(classify, target, True, num_draws=num_draws, **options)

            def log_h(probs, base):
                return special.log_softmax(classify(probs, np), axis=1)[:, target]

            return Leaf(guidance, log_h, lambda e: log_h(e, None), scale, interval, num_draws)
        target = float(rng.integers(0, truth.num + 1))
        if which == "constraint":
            guidance = Constraint(count_zeros, target, 0.8, num_draws=num_draws, **options)

            def log_h(probs, base):
                return stats.norm.logpdf(probs[:, :, 0].sum(axis=1), target, 0.8)

            return Leaf(guidance, log_h, lambda e: log_h(e, None), scale, interval, num_draws)
        A, noise = np.zeros((2, truth.num * truth.num_classes)), 0.9
        A[0], A[1, : truth.num_classes], A[1, 0] = np.arange(A.shape[1]) % 3, 1, 2
        y = A @ truth.embed(truth.draw_data(1, rng)).ravel() + rng.normal(size=2) * noise
        guidance = LinearInverse(A, y, noise, **options)

        def covariance(probs):
            found = noise**2 * np.eye(2)
            for i in range(truth.num):
                part, p = A.reshape(2, *truth.shape)[:, i], probs[:, i]
                means = p @ part.T
                found = found + np.einsum("mk,bk,lk->bml", part, p, part)
                found = found - means[:, :, None] * means[:, None, :]
            return found

        def log_h(probs, base):
            return log_normal(y - probs.reshape(len(probs), -1) @ A.T, covariance(base))

        def log_likelihood(e):
            return log_normal(y - e.reshape(len(e), -1) @ A.T, noise**2 * np.eye(2)[None])

        return Leaf(guidance, log_h, log_likelihood, scale, interval)

    if which != "linear":
        center = float(np.float32(truth.center + rng.normal() * 0.3))
        guidance = Guidance(
            of_bump, {"center": np.full(num, center)}, num_draws=num_draws, **options
        )

        def log_h(x, base):
            return -np.square(3 * (x[:, 0] - center)) - 2 * np.square(x[:, 1] - x[:, 0])

        return Leaf(guidance, log_h, lambda x: log_h(x, None), scale, interval, num_draws)
    A, noise = np.array([[1.0, -1.0], [0.5, 0.5]]), 0.3
    y = A @ (truth.center + truth.scale * truth.mean) + rng.normal(size=2) * 0.2
    guidance = LinearInverse(A, y, noise, **options)

    def log_h(x, base):
        beta = base
        open_ = np.linalg.inv(np.linalg.inv(truth.covariance) + beta * np.eye(2)).diagonal()
        C = truth.scale**2 * np.diag(open_)
        return log_normal(y - x @ A.T, (A @ C @ A.T + noise**2 * np.eye(2))[None])

    def log_likelihood(x):
        return log_normal(y - x @ A.T, noise**2 * np.eye(2)[None])

    return Leaf(guidance, log_h, log_likelihood, scale, interval)


def log_normal(error, covariance):
    """log N(error; 0, covariance), of one covariance or of one for each row."""
    square = np.sum(error * np.linalg.solve(covariance, error[:, :, None])[:, :, 0], axis=1)
    return -0.5 * (square + np.linalg.slogdet(2 * np.pi * covariance)[1])


def draw_guidance(truth, rng, through_network, weighs=False, num=NUM):
    """A guidance, its `log_h(expected, base, t)` and its `log_likelihood(data)` in numpy."""
    leaves = [
        draw_leaf(truth, rng, through_network, weighs, num) for _ in range(choose(rng, 1, 1, 2))
    ]
    how = choose(rng, "both", "either")
    guidance = leaves[0].make
    if len(leaves) == 2:
        guidance = guidance * leaves[1].make if how == "both" else guidance + leaves[1].make

    def total(logs):
        if len(logs) == 1 or how == "both":
            return sum(logs)
        return np.logaddexp(*logs) - np.log(2)

    def log_h(data, base, t, draws):
        """At data that are expected near `base`, and draws that move as these do."""

        def of_leaf(leaf):
            if leaf.num_draws is None:
                return leaf.log_h(data, base)
            logs = [leaf.log_h(draw, base) for draw in draws[: leaf.num_draws]]
            return special.logsumexp(logs, axis=0) - np.log(leaf.num_draws)

        return total([leaf.scale_at(t) * of_leaf(leaf) for leaf in leaves])

    def log_likelihood(data):
        return total([leaf.scale_at(1.0) * leaf.log_likelihood(data) for leaf in leaves])

    what = f"{[type(leaf.make).__name__ for leaf in leaves]} {how}, scales " + str(
        [(leaf.scale, leaf.interval, leaf.make.num_draws) for leaf in leaves]
    )
    return guidance, log_h, log_likelihood, what


def make_shift(truth, log_h, through_network, rng, step=1e-4):
    """The gradient of log h by the evidence, by central differences."""

    def shift(s, beta, t):
        at = truth.output(s, beta)
        are_classes = isinstance(truth, truths.Classes)
        base = at if are_classes else truth.mode(at)
        draws = [truth.draw(at, rng) if are_classes else base for _ in range(MOST_DRAWS)]

        def value(move):
            if through_network:
                out = truth.output(s + move, beta)
            elif are_classes:
                out = special.softmax(np.log(np.maximum(at, 1e-300)) + move, axis=-1)
            else:
                own = np.linalg.inv(np.linalg.inv(truth.covariance) + beta * np.eye(truth.num))
                out = at + own.diagonal() * move
            data = out if are_classes else truth.mode(out)
            moved = [draw + data - base for draw in draws]
            return log_h(data, at if are_classes else beta, t, moved)

        found = np.zeros(s.shape).reshape(len(s), -1)
        for i in range(found.shape[1]):
            move = np.zeros(found.shape[1])
            move[i] = step
            move = move.reshape(1, *s.shape[1:])
            found[:, i] = (value(move) - value(-move)) / (2 * step)
        return found.reshape(s.shape)

    return shift


def check_guided(rng):
    """Guidance without particles, at few steps: the drift is the gradient of log h."""
    name, kind = choose(rng, "pair", "bits", "independent", *OF_NUMBERS), choose(rng, *KINDS)
    truth, num_steps = truths.get(name), choose(rng, 1, 2, 4)
    through_network = choose(rng, True, True, False)
    guidance, log_h, _, what = draw_guidance(truth, rng, through_network)
    options = draw_options(rng, name in OF_CLASSES, kind) if rng.random() < 0.3 else {}
    what = f"{name}, {kind}, {num_steps} steps, {options}, through {through_network}: {what}"
    x = generate(truth, num_steps, rng, sampler=KINDS[kind](**options), guidance=guidance)
    shift = make_shift(truth, log_h, through_network, rng)
    expected = simulate(truth, NUM, num_steps, rng, kind, shift=shift, **options)
    assert_same(truth, x, expected, what)


def as_data(truth, x):
    return truth.embed(x) if isinstance(truth, truths.Classes) else x.astype("float64")


def features(truth, x):
    """What is compared of weighted data: whether each outcome, or moments; `(..., num)`."""
    if isinstance(truth, truths.Classes):
        return np.eye(truth.joint.size)[truth.cells(x)]
    e = (x.astype("float64") - truth.center) / truth.scale
    return np.stack([np.ones(e.shape[:-1]), e[..., 0], e[..., 1], e[..., 0] * e[..., 1]], axis=-1)


def assert_weights_are(truth, x, statistics, expected, weights, what):
    """Weighted samples and particles have the means of the weighted samples that are expected."""
    chances = np.exp(statistics.log_likelihood.astype("float64"))
    shares = np.exp(statistics.log_weights.astype("float64"))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-4, err_msg=what)
    of_expected = features(truth, expected) * weights[:, None]
    of_samples = features(truth, x) * chances[:, None]
    of_particles = (features(truth, statistics.particles) * shares[..., None]).sum(axis=1)
    # Each sample is one of its particles, by weight.
    away = features(truth, x) - of_particles
    for i in range(away.shape[1]):
        assert_mean_is(0.0, away[:, i], f"{what}: choice, {i}", 1e-5)
    of_particles = of_particles * chances[:, None]
    # What is proposed hardly ever is estimated by few weights, however heavy.
    are_common = (features(truth, x) != 0).sum(axis=0) >= LEAST_DRAWS
    tolerance = 3e-4 * weights.mean()
    for found, kind in ((of_samples, "samples"), (of_particles, "particles")):
        for i in np.flatnonzero(are_common):
            assert_mean_is(of_expected[:, i], found[:, i], f"{what}: {kind}, {i}", tolerance)
    if isinstance(truth, truths.Classes):
        tolerance += of_expected[:, ~are_common].mean(axis=0).sum()
    assert_mean_is(weights, chances, f"{what}: likelihood", tolerance)


def check_particles(rng):
    """Weights make up for what a guidance gets wrong, however few the steps and particles."""
    name, kind = choose(rng, *OF_CLASSES, *OF_NUMBERS), choose(rng, "ancestral", "sde1")
    truth, num_steps = truths.get(name), choose(rng, 8, 12)
    through_network, num_particles = choose(rng, True, True, False), choose(rng, 1, 4)
    num = NUM // num_particles
    found = draw_guidance(truth, rng, through_network, weighs=True, num=num)
    guidance, _, log_likelihood, what = found
    options = {}
    if rng.random() < 0.3:
        options = draw_options(rng, name in OF_CLASSES, "ancestral", ends=("mode", "sample"))
    what = f"{name}, {kind}, {num_steps} steps, {options}, {num_particles} particles, {what}"
    statistics = generate(
        truth,
        num_steps,
        rng,
        num,
        sampler=KINDS[kind](**options),
        guidance=guidance,
        num_particles=num_particles,
        return_details=True,
    )
    x = statistics.samples
    expected = simulate(truth, NUM_EXPECTED, num_steps, rng, kind, **options)
    weights = np.exp(log_likelihood(as_data(truth, expected)))
    assert_weights_are(truth, x, statistics, expected, weights, what)


# --- completions ----------------------------------------------------------------------------------


def check_inpaint(rng):
    """Completions have the weights of the model's own conditional distribution."""
    name = choose(rng, *OF_CLASSES, *OF_NUMBERS)
    truth, num_steps = truths.get(name), choose(rng, 4, 10)
    twisted, num_particles = choose(rng, True, True, False), choose(rng, 1, 4)
    num = NUM // num_particles
    known = truth.draw_data(1, rng)[0]
    mask = np.zeros(truth.num, bool)
    mask[rng.permutation(truth.num)[: rng.integers(1, truth.num)]] = True
    guidance, log_likelihood, what = None, None, ""
    if rng.random() < 0.3:
        guidance, _, log_likelihood, what = draw_guidance(truth, rng, True, weighs=True, num=num)
    what = f"{name}, {known} where {mask}, twisted {twisted}, {num_particles} particles, {what}"
    statistics = truth.model.inpaint(
        np.tile(known, (num, 1)),
        np.tile(mask, (num, 1)),
        num_steps,
        num_particles,
        guidance=guidance,
        twisted=twisted,
        seed=seed_of(rng),
        batch_size=num,
        return_details=True,
        verbose=0,
    )
    x = statistics.samples
    assert (x[:, mask] == known[mask]).all(), what
    out = simulate(truth, NUM_EXPECTED, num_steps, rng, end="output")
    expected = np.where(mask, known, truth.mode(out))
    if isinstance(truth, truths.Classes):
        weights = np.take_along_axis(out, np.broadcast_to(known, expected.shape)[..., None], -1)
        weights = np.where(mask, weights[..., 0], 1).prod(axis=1)
    else:
        std = truth.scale * truth.sigma_1
        weights = np.where(mask, stats.norm.pdf(known, truth.mode(out), std), 1).prod(axis=1)
    if log_likelihood is not None:
        weights = weights * np.exp(log_likelihood(as_data(truth, expected)))
    assert_weights_are(truth, x, statistics, expected, weights, f"{num_steps} steps, {what}")


class PartPosterior(keras.layers.Layer):
    """The exact marginals of two dependent parts, of three classes and of two."""

    def call(self, inputs):
        first = ops.log(ops.maximum(inputs["theta"]["first"], 1e-30))
        second = ops.clip(inputs["theta"]["second"], 1e-30, 1.0)
        rest = ops.clip(1.0 - inputs["theta"]["second"], 1e-30, 1.0)
        second = ops.log(ops.concatenate([rest, second], axis=-1))
        log_joint = to_tensor(np.log(PARTS)) + first[:, :, None] + second[:, None, :]
        of_second = ops.logsumexp(log_joint, axis=1)
        return {
            "first": ops.logsumexp(log_joint, axis=2),
            "second": of_second[:, 1:] - of_second[:, :1],
        }


PARTS = np.array([[0.3, 0.05], [0.1, 0.2], [0.05, 0.3]])


@functools.cache
def part_model():
    flow = {"first": DiscreteFlow(3, 12.0), "second": DiscreteFlow(2, 16.0)}
    shapes = {"first": (), "second": ()}
    return keras_bfn.AnyOrderNetwork(flow, PartPosterior(), event_shape=shapes, seed=0)


def check_given(rng):
    """Parts that are known: frequencies and costs of the other."""
    model, given = part_model(), choose(rng, "first", "second")
    value = int(rng.integers(len(PARTS) if given == "first" else 2))
    conditional = PARTS[value] if given == "first" else PARTS[:, value]
    conditional = conditional / conditional.sum()
    other = "second" if given == "first" else "first"
    known = np.full(NUM, value, choose(rng, "int32", "int64", "int8"))
    if rng.random() < 0.5:
        x = model.generate(
            NUM,
            choose(rng, 20, 30),
            choose(rng, *KINDS),
            given={given: known},
            seed=seed_of(rng),
            batch_size=NUM,
            verbose=0,
        )
        assert (x[given] == value).all()
        # Of a single variable, each sampler's steps are right but for their length.
        counts = np.bincount(x[other], minlength=len(conditional))
        error = np.abs(counts / NUM - conditional).max()
        assert error < 0.03 + 7 * 0.5 / np.sqrt(NUM), (given, value, counts / NUM, conditional)
        if model.flow[other].num_classes == 2:
            return
    drawn = rng.choice(len(conditional), NUM, p=conditional)
    num_steps = choose(rng, None, 1, 4)
    nats = model.code_length(
        {given: known, other: drawn}, num_steps, 1, NUM, known=[given], seed=seed_of(rng), verbose=0
    )
    assert list(nats["parts"]) == [other]
    total = nats["transmission"] + nats["reconstruction"]
    # A single variable costs its entropy whatever the number of messages.
    for k in range(len(conditional)):
        what = f"{other} = {k} given {given} = {value}, {num_steps} messages"
        assert_mean_is(-np.log(conditional[k]), total[drawn == k], what, tolerance=0.01)


def check_parts_inpaint(rng):
    """A kind and two grades, completed by particles: the likelihood, and what is frequent."""
    model, num_steps = triple_model(), 40
    drawn = exact_parts.triples(rng.choice(27, 1, p=exact_parts.TRIPLES.ravel()))
    known = {"kind": int(drawn["kind"][0]), "grades": drawn["grades"][0]}
    masks = {"kind": bool(rng.random() < 0.5), "grades": rng.random(2) < 0.5}
    if not masks["kind"] and not masks["grades"].any():
        masks["kind"] = True
    num = 2000
    statistics = model.inpaint(
        {"kind": np.full(num, known["kind"]), "grades": np.tile(known["grades"], (num, 1))},
        {"kind": masks["kind"], "grades": masks["grades"]},
        num_steps,
        8,
        seed=seed_of(rng),
        batch_size=num,
        return_details=True,
        verbose=0,
    )
    x = statistics.samples
    place = [
        known["kind"] if masks["kind"] else slice(None),
        *(
            int(g) if m else slice(None)
            for g, m in zip(known["grades"], masks["grades"], strict=True)
        ),
    ]
    joint = exact_parts.TRIPLES[tuple(place)]
    chances = np.exp(statistics.log_likelihood.astype("float64"))
    what = f"{known} where {masks}"
    assert_mean_is(joint.sum(), chances, what, tolerance=0.005 + 0.05 * joint.sum())
    if joint.ndim == 0:
        return
    values = np.column_stack([x["kind"], x["grades"]])
    is_known = np.array([masks["kind"], *masks["grades"]])
    free = values[:, ~is_known] @ (3 ** np.arange((~is_known).sum())[::-1])
    shares = np.bincount(free, minlength=joint.size) / num
    error = 0.5 * np.abs(shares - joint.ravel() / joint.sum()).sum()
    assert error < 0.05 + 7 * 0.5 / np.sqrt(num), f"{what}: total variation {error:.3f}"


@functools.cache
def triple_model():
    return exact_parts.make_triple_model()


# --- costs ----------------------------------------------------------------------------------------


def total_nats(model, x, rng, num_steps=None, num_repeats=1):
    nats = model.code_length(
        x, num_steps, num_repeats, batch_size=NUM, seed=seed_of(rng), verbose=0
    )
    return nats["transmission"] + nats["reconstruction"]


def check_joint_costs(rng):
    """In continuous time each outcome costs the negative log of its probability."""
    truth = truths.get(name := choose(rng, *OF_CLASSES))
    x = truth.draw_data(NUM, rng)
    nats, cells = total_nats(truth.model, x, rng), truth.cells(x)
    for cell in np.unique(cells):
        if (here := nats[cells == cell]).size > 500:
            what = f"{name}, outcome {cell}"
            assert_mean_is(-np.log(truth.joint.ravel()[cell]), here, what, tolerance=0.01)
    assert_mean_is(exact.entropy(truth.joint), nats, f"{name}, entropy", tolerance=0.02)


def check_single_costs(rng):
    """A single variable costs its entropy in any number of messages."""
    name = choose(rng, "binary", "classes", "frequencies")
    model, prior = single_model(name)
    x = rng.choice(len(prior), (NUM, 1), p=prior).astype("int32")
    num_steps = choose(rng, None, 1, 2, 5, 20)
    nats = total_nats(model, x, rng, num_steps)
    for k in range(len(prior)):
        what = f"{name} {k}, {num_steps} messages"
        assert_mean_is(-np.log(prior[k]), nats[x[:, 0] == k], what, tolerance=2e-3)


class SinglePosterior(keras.layers.Layer):
    """Of one variable, whose evidence is all there is: the logits of prior times likelihood."""

    def __init__(self, prior, is_known_to_flow):
        super().__init__()
        self.prior, self.is_known_to_flow = prior, is_known_to_flow

    def call(self, inputs):
        theta = inputs["theta"]
        if theta.shape[-1] == 1:
            logits = ops.log(ops.maximum(theta, 1e-30)) - ops.log(ops.maximum(1.0 - theta, 1e-30))
            more = float(np.log(self.prior[1] / self.prior[0]))
        else:
            logits = ops.log(ops.maximum(theta, 1e-30))
            more = to_tensor(np.log(self.prior))
        return logits if self.is_known_to_flow else logits + more


@functools.cache
def single_model(name):
    prior = np.array([0.8, 0.2]) if name == "binary" else np.array([0.6, 0.3, 0.1])
    flow = {
        "binary": lambda: DiscreteFlow(2, 2.0),
        "classes": lambda: DiscreteFlow(3, 2.0),
        "frequencies": lambda: DiscreteFlow(3, 2.0, prior=prior),
    }[name]()
    network = SinglePosterior(prior, name == "frequencies")
    return keras_bfn.BayesianFlowNetwork(flow, network, (1,), seed=0), prior


def check_number_costs(rng):
    """Normal numbers, in units of their own, in any number of messages: the closed form."""
    truth = truths.get(name := choose(rng, *OF_NUMBERS))
    num_steps = choose(rng, None, 1, 3, 10)
    x = truth.draw_data(NUM, rng)
    nats = truth.model.code_length(x, num_steps, 1, NUM, seed=seed_of(rng), verbose=0)
    precision = np.linalg.inv(truth.covariance)

    def open_(beta):
        return np.trace(np.linalg.inv(precision + beta * np.eye(truth.num)))

    end = truth.beta(1.0)
    if num_steps is None:
        expected = 0.5 * np.linalg.slogdet(np.eye(truth.num) + end * truth.covariance)[1]
    else:
        betas = truth.beta(np.linspace(0, 1, num_steps + 1))
        expected = 0.5 * sum((then - now) * open_(now) for now, then in itertools.pairwise(betas))
    what = f"{name}, {num_steps} messages"
    assert_mean_is(expected, nats["transmission"], f"{what}, transmission")
    std = truth.scale / np.sqrt(1 + end)
    expected = truth.num * np.log(std * np.sqrt(2 * np.pi)) + 0.5 * (1 + end) * open_(end)
    assert_mean_is(expected, nats["reconstruction"], f"{what}, reconstruction")


def check_part_costs(rng):
    """Parts of several kinds cost their joint entropy; angles, what they are unlikely."""
    which = choose(rng, "triple", "mixture", "angles", "side")
    if which == "triple":
        places = rng.choice(27, NUM, p=exact_parts.TRIPLES.ravel())
        nats = total_nats(triple_model(), exact_parts.triples(places), rng)
        expected = -np.log(exact_parts.TRIPLES.ravel()[places])
        assert_mean_is(0.0, nats - expected, which, tolerance=0.02)
        return
    if which == "mixture":
        truth = exact_parts.MixtureTruth(label=12.0, number=0.02**-2 - 1)
        x = exact_parts.mixture(NUM)
        nats = mixture_model().code_length(x, None, 1, NUM, seed=seed_of(rng), verbose=0)
        assert_mean_is(truth.information(), nats["transmission"], f"{which}, transmission", 0.005)
        for part, cost in (
            ("label", truth.label_entropy()),
            ("number", truth.number_reconstruction()),
        ):
            found = nats["parts"][part]["reconstruction"]
            assert_mean_is(cost, found, f"{which}, {part}", tolerance=0.005)
        return
    num = 4000
    if which == "angles":
        x = exact_angles.draw_pairs(num, rng)
        expected = -np.log(exact_angles.pair_density(*x.T.astype("float64")))
    else:
        x = exact_angles.draw_sides(num, rng)
        expected = -np.log(exact_angles.side_density(x["side"], x["angle"].astype("float64")))
    nats = total_nats(angle_model(which), x, rng)
    assert_mean_is(0.0, nats - expected, which, tolerance=0.02)


@functools.cache
def mixture_model():
    return exact_parts.make_mixture_model()


@functools.cache
def angle_model(which):
    make = {"angles": exact_angles.make_pair_model, "side": exact_angles.make_side_model}[which]
    return make()


# How often each is drawn, beside the others.
CHECKS = {
    "samplers": 4,
    "latents": 2,
    "trajectory": 3,
    "conditions": 3,
    "guided": 4,
    "particles": 4,
    "inpaint": 4,
    "given": 2,
    "parts_inpaint": 1,
    "joint_costs": 1,
    "single_costs": 1,
    "number_costs": 1,
    "part_costs": 1,
}
