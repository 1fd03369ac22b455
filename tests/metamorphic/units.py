"""Changes of units: costs change by the Jacobian alone, samples as the data do.

Of numbers moved and scaled, classes in another order, levels counted from the other end, angles
turned, times on other days, and nats beside bits.
"""

import datetime
import functools
import math
import warnings
import zoneinfo

import keras
import numpy as np
import pandas
import polars
from keras import ops

import keras_bfn
from keras_bfn import flows, schedules
from keras_bfn.flows import CircularFlow, ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.guidance import LinearInverse
from keras_bfn.tables import Angle, Category, Levels, Number, Table
from tests.metamorphic.exact_joint import choose, seed_of
from tests.tensors import to_numpy, to_tensor

NUM, SIZE = 32, 3


def check(rng):
    odds = np.array(list(CHECKS.values()), "float64")
    globals()[f"check_{rng.choice(list(CHECKS), p=odds / odds.sum())}"](rng)


def assert_close(found, expected, what, tolerance=2e-4):
    """Up to rounding, in units of how large the expected values are."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    error = np.abs(found - expected).max(initial=0.0)
    assert error < tolerance * scale, f"{what}: away by {error:.2e}, of {scale:.2e}"


# --- numbers --------------------------------------------------------------------------------------


def mlp(size, output_size):
    """A function of evidence and time with fixed weights."""

    class Network(keras.layers.Layer):
        def build(self, shape):
            rng = np.random.default_rng(3)
            self.first = to_tensor(rng.normal(size=(math.prod(shape["theta"][1:]) + 1, 16)))
            self.second = to_tensor(0.5 * rng.normal(size=(16, size * output_size)))

        def call(self, inputs):
            theta = ops.reshape(inputs["theta"], (ops.shape(inputs["theta"])[0], -1))
            x = ops.concatenate([theta, inputs["t"][:, None]], axis=1)
            x = ops.matmul(ops.tanh(ops.matmul(x, self.first)), self.second)
            return ops.reshape(x, (-1, size, output_size))

    return Network()


COVARIANCE = 0.04 * (np.eye(SIZE) + 0.5)
PRIORS = {
    "none": None,
    "one": (0.1, 0.3),
    "each": np.array([[0.1, 0.0, -0.2], [0.3, 0.2, 0.4]]),
    "joint": flows.JointNormal(np.array([0.1, 0.0, -0.1]), COVARIANCE),
}
UNITS = {
    "celsius": (15.0, 25.0),
    "thousandths": (0.0, 1000.0),
    "small": (2e-3, 5e-3),
    "each": (np.array([1.0, -20.0, 300.0]), np.array([2.0, 0.5, 40.0])),
    "scales": (5.0, np.array([1.0, 2.0, 3.0])),
}
FLOWS_OF_NUMBERS = {
    "noise": {"prediction": "noise"},
    "data": {"prediction": "data"},
    "residual": {"prediction": "residual"},
    "bins": {"prediction": "data", "num_bins": 20},
    "wide": {"prediction": "residual", "reconstruction_std": 0.2},
}


@functools.cache
def number_model(which, prior, units):
    center, scale = UNITS[units] if units else (0.0, 1.0)
    flow = ContinuousFlow(
        0.05, prior=PRIORS[prior], center=center, scale=scale, **FLOWS_OF_NUMBERS[which]
    )
    return keras_bfn.BayesianFlowNetwork(flow, mlp(SIZE, 1), (SIZE,), seed=0)


def check_number_models(rng):
    """A verb of a model in units of its own is that of the model in [-1, 1]."""
    which, prior, units = choose(rng, *POOL)
    center, scale = UNITS[units]
    plain, other = number_model(which, prior, None), number_model(which, prior, units)
    e = rng.uniform(-0.9, 0.9, (NUM, SIZE)).astype("float32")
    if which == "bins":  # no edge of a bin is near
        e = (np.floor(10 * (e + 1)) + 0.5) / 10 - 1
    x = (center + scale * e).astype("float32")
    jacobian = np.log(np.broadcast_to(scale, (SIZE,))).sum()
    options, verb = {"seed": seed_of(rng), "batch_size": NUM, "verbose": 0}, choose(rng, *VERBS)
    what = f"{verb}, {which}, prior {prior}, units {units}"
    # What is subtracted from data in float32 has that many digits less.
    rounding = 3e-7 * np.max(np.abs(center) / scale + 1)
    tolerance = 3e-4 + 300 * rounding

    if verb == "code_length":
        num_steps = choose(rng, None, 1, 10)
        first, second = (
            m.code_length(v, num_steps, 2, **options) for m, v in ((plain, e), (other, x))
        )
        assert_close(second["transmission"], first["transmission"], what, tolerance)
        more = 0.0 if which == "bins" else jacobian
        expected = first["reconstruction"] + more
        assert_close(second["reconstruction"], expected, f"{what}, reconstruction", tolerance)
    elif verb == "generate":
        sampler = choose(rng, "ancestral", "sde2", "ode1")
        first, second = (m.generate(NUM, 5, sampler, **options) for m in (plain, other))
        assert_close((second - center) / scale, first, what, tolerance)
    elif verb == "inpaint":
        mask = np.array([True, False, False])
        of_first, of_second = (
            m.inpaint(v, mask, 5, 2, return_details=True, **options)
            for m, v in ((plain, e), (other, x))
        )
        first, second = of_first.samples, of_second.samples
        # A particle that is drawn by a weight on an edge may be another.
        same = np.abs((second - center) / scale - first).max(axis=1) < tolerance
        assert same.mean() > 0.8, f"{what}: {same.mean():.2f} of the completions agree"
        more = 0.0 if which == "bins" else jacobian_of(scale, mask)
        found = of_second.log_likelihood + more
        assert_close(np.median(found - of_first.log_likelihood), 0.0, what, tolerance)
    elif verb == "measured":
        A, noise = np.array([[1.0, -1.0, 0.5]]), 0.2
        y = A @ (0.2 * rng.normal(size=SIZE))
        # y = A e, of e = (x - center) / scale.
        A_other = A / np.broadcast_to(scale, (SIZE,))
        y_other = y + A_other @ np.broadcast_to(center, (SIZE,))
        first = plain.generate(NUM, 5, "sde1", guidance=LinearInverse(A, y, noise), **options)
        second = LinearInverse(A_other, y_other, noise)
        second = other.generate(NUM, 5, "sde1", guidance=second, **options)
        assert_close((second - center) / scale, first, what, 10 * tolerance)
    else:
        latents = rng.normal(size=(NUM, SIZE, 1)).astype("float32")
        first, second = (
            m.generate(NUM, 5, "ode2", latents=latents, **options) for m in (plain, other)
        )
        assert_close((second - center) / scale, first, what, tolerance)
        first, second = (m.encode(v, 5, **options) for m, v in ((plain, first), (other, second)))
        assert_close(second, first, f"{what}, encoded", 100 * tolerance)


VERBS = ("code_length", "code_length", "generate", "inpaint", "measured", "latents")
POOL = [
    ("noise", "none", "celsius"),
    ("data", "one", "each"),
    ("residual", "joint", "scales"),
    ("bins", "each", "small"),
    ("wide", "one", "thousandths"),
    ("residual", "each", "celsius"),
]


def jacobian_of(scale, mask):
    return np.log(np.broadcast_to(scale, mask.shape))[mask].sum()


def check_number_flows(rng):
    """All that a flow says, of any scaling, prior and prediction, without a model."""
    which, prior = choose(rng, *FLOWS_OF_NUMBERS), choose(rng, *PRIORS)
    center, scale = 3.0 * rng.normal(size=(2, SIZE))
    scale = np.exp(scale)
    scale = np.maximum(scale, 1e-2 * np.abs(center))
    options = {"sigma_1": 0.05, "prior": PRIORS[prior], **FLOWS_OF_NUMBERS[which]}
    plain, other = ContinuousFlow(**options), ContinuousFlow(center=center, scale=scale, **options)
    what = f"{which}, prior {prior}, center {center}, scale {scale}"
    e = rng.uniform(-0.9, 0.9, (NUM, SIZE)).astype("float32")
    x = (center + scale * e).astype("float32")
    t = rng.random(NUM).astype("float32")
    if rng.random() < 0.3:
        t[:4] = 0.0, 1e-7, 1.0, 1e-5
    noise = to_tensor(rng.normal(size=(NUM, SIZE, 1)))
    beta = plain.schedule.beta(to_tensor(t))
    s = plain.receive(to_tensor(e[..., None]), beta, noise)
    params = to_tensor(0.3 * rng.normal(size=(NUM, SIZE, 1)))
    first, second = (flow.output_distribution(params, s, to_tensor(t)) for flow in (plain, other))
    digits = 1e-4 * (1 + np.max(np.abs(center) / scale))

    def in_range(flow, values, power=1):
        values = to_numpy(values)
        if flow is plain:
            return values
        return (values - center) / scale if power == 1 else values / scale**power

    assert_close(to_numpy(other.embed(x)), to_numpy(plain.embed(e)), f"{what}: embed", digits)
    for name, power in (("mean", 1), ("mode", 1)):
        values = [
            in_range(f, getattr(d, name)(), power) for f, d in ((plain, first), (other, second))
        ]
        assert_close(*values, f"{what}: {name}", digits)
    values = [to_numpy(f.expected_embedding(d)) for f, d in ((plain, first), (other, second))]
    assert_close(*values, f"{what}: expected_embedding", digits)
    values = [
        in_range(f, f.expected_variance(d, to_tensor(t)), 2)
        for f, d in ((plain, first), (other, second))
    ]
    assert_close(*values, f"{what}: expected_variance", digits)
    evidence = to_tensor(0.3 * rng.normal(size=(NUM, SIZE, 1)))
    values = [
        in_range(f, f.tilted(d, evidence, to_tensor(t)).mean())
        for f, d in ((plain, first), (other, second))
    ]
    assert_close(*values, f"{what}: tilted", digits)
    values = [
        to_numpy(f.log_expected(to_tensor(v), d, to_tensor(t)))
        for f, d, v in ((plain, first, e), (other, second, x))
    ]
    assert_close(values[1] + np.log(scale), values[0], f"{what}: log_expected", 10 * digits)
    alpha = to_tensor(rng.random(NUM))
    for name, args in (("log_receiver_ratio", (alpha, noise)), ("sender_receiver_kl", (alpha,))):
        values = [
            to_numpy(getattr(f, name)(to_tensor(v), d, *args))
            for f, d, v in ((plain, first, e), (other, second, x))
        ]
        assert_close(*values, f"{what}: {name}", 10 * digits)
    theta = plain.input_params(s, beta)
    assert_close(to_numpy(other.input_params(s, beta)), to_numpy(theta), f"{what}: theta", digits)
    if which == "noise":  # which says nothing where there is none yet
        early, mean = t < 1e-6, to_numpy(plain.input_mean(theta))
        found = to_numpy(first.mean())
        assert_close(found[early], mean[early], f"{what}: mean before any message", 1e-3)
    values = [in_range(f, f.input_mean(theta)) for f in (plain, other)]
    assert_close(*values, f"{what}: input_mean", digits)
    values = [
        to_numpy(f.reconstruction_loss(to_tensor(v), params, s, np.ones(len(v), "float32")))
        for f, v in ((plain, e), (other, x))
    ]
    if which != "bins":
        values[1] = values[1] - np.log(scale)
        assert_close(values[1], values[0], f"{what}: reconstruction", 30 * digits)


def check_fit_scaling(rng):
    """Scalings of data that are moved and scaled are moved and scaled; priors stay."""
    by, per = choose(rng, "range", "deviation"), choose(rng, "all", "channel", "variable")
    margin = choose(rng, 0.0, 0.1, 1.0)
    shape = choose(rng, (3,), (4, 2))
    a, b = float(np.exp(rng.normal())), 10 * float(rng.normal())
    x = rng.normal(size=(50, *shape)) + rng.normal(size=shape)
    other = a * x + b
    what = f"by {by}, per {per}, margin {margin}, a {a}, b {b}"
    flow = ContinuousFlow(0.02)
    first, second = (flows.fit_scaling(flow, v, by, per, margin) for v in (x, other))
    assert_close(second.center, a * first.center + b, what, 1e-6)
    assert_close(second.scale, a * first.scale, what, 1e-6)
    low, high = first.data_range
    assert ((x >= low - 1e-6) & (x <= high + 1e-6)).all(), what
    inside = [
        np.clip(v, *(np.asarray(end, "float32") for end in f.data_range)).astype("float32")
        for v, f in ((x, first), (other, second))
    ]
    each = bool(rng.random() < 0.5)
    priors = [
        flows.fit_prior(f, v, per_variable=each).prior
        for f, v in zip((first, second), inside, strict=True)
    ]
    assert_close(priors[1], priors[0], f"{what}: prior", 1e-4 * (1 + abs(b) / a))
    # The order of examples, and a copy of each, change nothing.
    again = flows.fit_scaling(flow, np.concatenate([x, x])[rng.permutation(100)], by, per, margin)
    assert_close(again.center, first.center, what, 1e-6)
    assert_close(again.scale, first.scale, what, 1e-6)


# --- classes, levels, angles ----------------------------------------------------------------------


def check_classes(rng):
    """Classes in another order cost the same, with the rows of all that is about them."""
    k, num = int(choose(rng, 2, 3, 5)), 6
    order = rng.permutation(k)  # the class that was order[i] is now i
    now = np.argsort(order)
    has_prior = rng.random() < 0.5
    prior = (
        rng.dirichlet(np.ones(k), *(() if rng.random() < 0.5 else (num,))) if has_prior else None
    )
    first = DiscreteFlow(k, 3.0, prior=prior)
    second = DiscreteFlow(k, 3.0, prior=None if prior is None else prior[..., order])
    x = rng.integers(0, k, (NUM, num))
    t = rng.random(NUM).astype("float32")
    noise, s = rng.normal(size=(2, NUM, num, k))
    logits = 2.0 * rng.normal(size=(NUM, num, k))
    alpha = to_tensor(rng.random(NUM))
    what = f"{k} classes in order {order}, prior {has_prior}"

    def params(logits):
        return to_tensor(logits[..., 1:] - logits[..., :1] if k == 2 else logits)

    def values_of(flow, x, noise, s, logits):
        output = flow.output_distribution(params(logits), to_tensor(s), to_tensor(t))
        x, noise, s = ops.convert_to_tensor(x, "int32"), to_tensor(noise), to_tensor(s)
        theta = to_numpy(flow.input_params(s, flow.schedule.beta(to_tensor(t))))
        theta = np.concatenate([1 - theta, theta], axis=-1) if k == 2 else theta
        top = output.truncated(min(2, k), None)
        return {
            "log_prob": to_numpy(output.log_prob(x)),
            "probs": to_numpy(output.probs()),
            "warm": to_numpy(output.tempered(2.0).probs()),
            "top": to_numpy(top.probs()),
            "embedding": to_numpy(flow.expected_embedding(output)),
            "variance": to_numpy(flow.expected_variance(output, to_tensor(t))),
            "tilted": to_numpy(flow.tilted(output, s, to_tensor(t)).probs()),
            "ratio": to_numpy(flow.log_receiver_ratio(x, output, alpha, noise)),
            "reconstruction": to_numpy(flow.reconstruction_loss(x, params(logits), s, t)),
            "theta": theta,
            "evidence": to_numpy(flow.receive(flow.embed(x), alpha, noise)),
        }

    before = values_of(first, x, noise, s, logits)
    after = values_of(second, now[x], noise[..., order], s[..., order], logits[..., order])
    for name, values in before.items():
        permuted = values[..., order] if values.shape[-1] == k and values.ndim == 3 else values
        assert_close(after[name], permuted, f"{what}: {name}")
    chain = flows.MarkovChain.fit(x, k, order=2)
    other = flows.MarkovChain.fit(now[x], k, order=2)
    for n in range(3):
        expected = chain.probabilities(n)[np.ix_(*[order] * (n + 1))]
        assert_close(other.probabilities(n), expected, f"{what}: chain after {n}", 1e-9)
    assert_close(other.log_prob(now[x]), chain.log_prob(x), f"{what}: chain", 1e-9)
    found = to_numpy(other.marginals(to_tensor(s[..., order])))
    assert_close(found, to_numpy(chain.marginals(to_tensor(s)))[..., order], f"{what}: marginals")


def check_levels(rng):
    """Levels counted from the other end are the mirror image; of two, they are classes."""
    k, num = int(choose(rng, 2, 3, 4, 7, 16, 256)), 5
    prediction = choose(rng, "noise", "data")
    prior = choose(rng, None, (0.2, 0.5))
    mirrored = None if prior is None else (-prior[0], prior[1])
    first = DiscretizedFlow(k, 0.1, prediction, prior=prior)
    second = DiscretizedFlow(k, 0.1, prediction, prior=mirrored)
    x = rng.integers(0, k, (NUM, num))
    t = rng.random(NUM).astype("float32")
    if rng.random() < 0.3:
        t[:3] = 0.0, 1e-7, 1.0
    noise = rng.normal(size=(NUM, num, 1))
    s, params = rng.normal(size=(NUM, num, 1)), rng.normal(size=(NUM, num, 2)) * [0.6, 1.0]
    alpha = to_tensor(rng.random(NUM))
    what = f"{k} levels, {prediction}, prior {prior}"

    def values_of(flow, x, noise, s, params):
        output = flow.output_distribution(to_tensor(params), to_tensor(s), to_tensor(t))
        x, noise, s = ops.convert_to_tensor(x, "int32"), to_tensor(noise), to_tensor(s)
        probs = to_numpy(output.probs())
        assert_close(probs.sum(axis=-1), 1, f"{what}: probabilities", 1e-4)
        mean = probs @ np.arange(k)
        assert_close(to_numpy(output.mean()), mean, f"{what}: mean", 1e-4)
        variance = probs @ np.arange(k) ** 2.0 - mean**2
        found = to_numpy(flow.expected_variance(output, to_tensor(t)))
        assert_close(found, variance, f"{what}: variance", 2e-3)
        likeliest = np.take_along_axis(probs, to_numpy(output.mode()).astype(int)[..., None], -1)
        assert_close(likeliest[..., 0], probs.max(axis=-1), f"{what}: mode", 1e-4)
        tilted = probs * np.exp(to_numpy(s) * ((2 * np.arange(k) + 1) / k - 1))
        tilted = tilted / tilted.sum(axis=-1, keepdims=True)
        found = to_numpy(flow.tilted(output, s, to_tensor(t)).probs())
        assert_close(found, tilted, f"{what}: tilted", 1e-3)
        return {
            "log_prob": to_numpy(output.log_prob(x)),
            "probs": probs[..., ::-1] if flow is second else probs,
            "ratio": to_numpy(flow.log_receiver_ratio(x, output, alpha, noise)),
            "reconstruction": to_numpy(
                flow.reconstruction_loss(x, to_tensor(params), s, np.ones(NUM, "float32"))
            ),
        }

    before = values_of(first, x, noise, s, params)
    after = values_of(second, k - 1 - x, -noise, -s, params * [-1, 1])
    for name, values in before.items():
        assert_close(after[name], values, f"{what}: {name}", 1e-3)


def check_angles(rng):
    """Turned angles cost the same, with all that is about them turned, too; -pi is pi."""
    flow, num = CircularFlow(0.1), 4
    turn = rng.uniform(-np.pi, np.pi)
    R = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    x = rng.uniform(-np.pi, np.pi, (NUM, num)).astype("float32")
    x[0] = -np.pi
    turned = np.angle(np.exp(1j * (x + turn)))
    t, alpha = to_tensor(rng.random(NUM)), to_tensor(rng.random(NUM))
    noise, s, params = rng.normal(size=(3, NUM, num, 2))
    params = params * np.exp(rng.normal(size=(NUM, num, 1)))
    what = f"turned by {turn:.4f}"

    def values_of(x, noise, s, params):
        x, noise, s, params = map(to_tensor, (x, noise, s, params))
        output = flow.output_distribution(params, s, t)
        return {
            "log_prob": to_numpy(output.log_prob(x)),
            "ratio": to_numpy(flow.log_receiver_ratio(x, output, alpha, noise)),
            "theta": to_numpy(flow.input_params(s, alpha)),
            "embedding": to_numpy(flow.expected_embedding(output)),
            "tilted": to_numpy(flow.tilted(output, s, t).natural),
            "evidence": to_numpy(flow.receive(flow.embed(x), alpha, noise)),
            "reconstruction": to_numpy(flow.reconstruction_loss(x, params, s, t)),
            "mean": to_numpy(flow.embed(output.mean())),
        }

    before = values_of(x, noise, s, params)
    for name, values in values_of(turned, noise @ R, s @ R, params @ R).items():
        expected = before[name] @ R if before[name].ndim == 3 else before[name]
        assert_close(values, expected, f"{what}: {name}", 1e-3)
    x[0] = np.pi
    for name, values in values_of(x, noise, s, params).items():
        assert_close(values, before[name], f"-pi and pi: {name}", 1e-4)


def check_schedules(rng):
    """What `sigma_1` and `beta_1` are short for; bits are nats over log 2."""
    sigma_1, beta_1 = float(rng.uniform(0.01, 0.5)), float(rng.uniform(0.5, 9))
    t = to_tensor(rng.random(20))
    for short, long in (
        (ContinuousFlow(sigma_1), ContinuousFlow(schedule=schedules.ExponentialSchedule(sigma_1))),
        (CircularFlow(sigma_1), CircularFlow(schedule=schedules.ExponentialSchedule(sigma_1))),
        (DiscreteFlow(3, beta_1), DiscreteFlow(3, schedule=schedules.QuadraticSchedule(beta_1))),
    ):
        assert_close(*(to_numpy(f.schedule.beta(t)) for f in (short, long)), f"{short}", 1e-6)
        assert_close(to_numpy(short.schedule.inverse(short.schedule.beta(t))), t, f"{short}", 1e-4)
    end = to_numpy(ContinuousFlow(sigma_1).schedule.beta(1.0))
    assert_close((1 + end) ** -0.5, sigma_1, "sigma_1", 1e-4)
    which, prior, units = choose(rng, *POOL)
    model, num = number_model(which, prior, units), 8
    center, scale = UNITS[units]
    x = (center + scale * rng.uniform(-0.9, 0.9, (num, SIZE))).astype("float32")
    if not model.compiled:
        model.compile(keras.optimizers.SGD(0.0))
    logs = model.evaluate(x, batch_size=num, verbose=0, return_dict=True)
    total = logs["loss"] + logs["reconstruction"]
    assert_close(logs["bits_per_dim"], total / math.log(2), "bits of evaluate", 1e-4)
    assert_close(logs["nats_per_example"], total * SIZE, "nats of evaluate", 1e-4)


# --- tables ---------------------------------------------------------------------------------------


def times(rng, num):
    """In whole minutes, within some years."""
    return np.datetime64("2021-03-01") + rng.integers(0, 10**6, num).astype("timedelta64[m]")


def frame_of(library, values, unit="us"):
    if library is polars:
        return polars.DataFrame({"c": polars.Series(values.astype(f"datetime64[{unit}]"))})
    return pandas.DataFrame({"c": pandas.Series(values.astype(f"datetime64[{unit}]"))})


def fit(library, values, column=None, **options):
    df = values if hasattr(values, "columns") else library.DataFrame({"c": values})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Table.from_dataframe(df, **({} if column is None else {"c": column})), df


def assert_same_data(first, second, what, tolerance=1e-5):
    for part, x in first.items():
        np.testing.assert_array_equal(np.isnan(x), np.isnan(second[part]), err_msg=what)
        assert_close(np.nan_to_num(second[part]), np.nan_to_num(x), f"{what}: {part}", tolerance)


def check_columns(rng):
    """A column in other units is sent as the same data, and comes back in those."""
    library, num = choose(rng, pandas, polars), 40
    which = choose(rng, "number", "spikes", "integers", "levels", "angle", "category")
    if which in ("number", "spikes"):
        scaling = choose(rng, "quantiles", "mean")
        x = rng.normal(size=num)
        if which == "spikes" and scaling == "mean":
            x = x.round(1)
        # A power of two: floats are the same but for their exponents.
        a, b = choose(rng, 2.0, 0.25, 1024.0), choose(rng, 0.0, 3.0)
        x = np.round(x * 2**20) / 2**20  # such that b can be added exactly
        other = a * (x + b)
        columns = [Number(scaling), Number(scaling)]
        back = lambda y: y / a - b  # noqa: E731
    elif which == "integers":
        x = rng.integers(0, 50_000, num)
        a, b = int(choose(rng, 1, 3, 7)), int(choose(rng, 0, 11, 2**53, -(2**40)))
        other, columns = a * x + b, [Number(), Number()]
        back = lambda y: (y - b) // a  # noqa: E731
    elif which == "levels":
        x, b = rng.integers(0, 60, num), int(choose(rng, 5, -30, 10**6))
        other, columns = x + b, [None, None] if len(set(x)) > 10 else [Levels(), Levels()]
        back = lambda y: y - b  # noqa: E731
    elif which == "angle":
        period, a = choose(rng, 24, 360, 7), choose(rng, 2, 15, 1)
        low, turns = choose(rng, 0, -3), choose(rng, 0, 1, -2)
        x = rng.integers(0, period, num) + low
        b = turns * period * a
        other = a * x + b
        columns = [Angle(period, low), Angle(period * a, low * a + b)]
        back = lambda y: (y - b) // a  # noqa: E731
    else:
        x = rng.choice([3, 1, 7, 12], num)
        a, b = 1, int(choose(rng, 100, -20))
        other, columns = x + b, [Category(), Category()]
        back = lambda y: y - b  # noqa: E731
    (first, df), (second, moved) = (
        fit(library, v, c) for v, c in zip((x, other), columns, strict=True)
    )
    what = f"{which}, {library.__name__}, {locals().get('a')}, {locals().get('b')}"
    data = first.encode(df)
    assert_same_data(data, second.encode(moved), what)
    flow, flow_moved = first.flow(), second.flow()
    if which in ("levels", "category", "angle"):
        assert flow == flow_moved, f"{what}: {flow} and {flow_moved}"
    # Others than these: what a model could draw.
    drawn = {
        part: rng.integers(0, f.num_values, 30)
        if f.discrete
        else rng.uniform(-0.5, 0.5, (30, *first.event_shape()[part])).astype("float32")
        for part, f in flow.items()
    }
    found, expected = np.array(second.decode(drawn)["c"]), np.array(first.decode(drawn)["c"])
    if which in ("number", "spikes"):
        assert_close(back(found), expected, f"{what}: decode", 1e-5)
    else:
        np.testing.assert_array_equal(back(found), expected, err_msg=what)


def check_times(rng):
    """Times on other days, in other units and zones, are sent as the same data."""
    library, num = choose(rng, pandas, polars), 40
    cycles = choose(rng, (), ("day",), ("day", "week"), (3600.0,))
    x = times(rng, num)
    what = f"{library.__name__}, cycles {cycles}"
    first, df = fit(library, frame_of(library, x), Number(cycles=list(cycles)))
    data = first.encode(df)
    how = choose(rng, "days", "unit", "zone", "library")
    if how == "days":
        days = 7 * int(rng.integers(-400, 400))  # of whole weeks
        moved = x + np.timedelta64(days, "D")
        second, other = fit(library, frame_of(library, moved), Number(cycles=list(cycles)))
        assert_same_data(data, second.encode(other), f"{what}, {days} days later")
        drawn = {
            part: rng.uniform(-0.9, 0.9, (30, *first.event_shape()[part])).astype("float32")
            for part in first.flow()
        }
        found, expected = (
            np.array(table.decode(drawn)["c"], "datetime64[us]") for table in (second, first)
        )
        away = found - expected
        assert (away == np.timedelta64(days, "D")).all(), f"{what}: {away} for {days} days"
    elif how == "unit":
        unit = choose(rng, "ns", "ms")
        other = frame_of(library, x, unit)
        assert_same_data(data, first.encode(other), f"{what}, in {unit}")
        second, _ = fit(library, other, Number(cycles=list(cycles)))
        assert_same_data(data, second.encode(other), f"{what}, fitted in {unit}")
        found = np.array(second.decode(second.encode(other))["c"], "datetime64[us]")
        expected = np.array(first.decode(data)["c"], "datetime64[us]")
        assert np.abs((found - expected).astype(int)).max() <= 1000, f"{what}: decoded in {unit}"
    elif how == "zone":
        # Both with a zone: the moments count.
        names = rng.permutation(["Asia/Tokyo", "Europe/Berlin", "America/New_York"])[:2].tolist()
        moments = [
            datetime.datetime.fromisoformat(f"{v}+00:00")
            for v in x.astype("datetime64[s]").astype(str)
        ]
        frames = [library.DataFrame({"c": zoned(library, moments, name)}) for name in names]
        (second, one), (_, two) = (fit(library, f, Number(cycles=list(cycles))) for f in frames)
        assert_same_data(second.encode(one), second.encode(two), f"{what}, zones {names}")
        decoded = second.decode(second.encode(two))
        assert str(decoded["c"].dtype) == str(one["c"].dtype), f"{what}: {decoded['c'].dtype}"
        found = [moment.timestamp() for moment in decoded["c"]]
        again = [moment.timestamp() for moment in second.decode(second.encode(one))["c"]]
        assert found == again, f"{what}: decoded"
    else:
        other_library = polars if library is pandas else pandas
        other = frame_of(other_library, x)
        assert_same_data(data, first.encode(other), f"{what}, of the other library")


def zoned(library, moments, name):
    if library is pandas:
        return pandas.Series(pandas.to_datetime(moments, utc=True).tz_convert(name))
    there = [moment.astimezone(zoneinfo.ZoneInfo(name)) for moment in moments]
    return polars.Series(there, dtype=polars.Datetime("us", name))


@functools.cache
def table_models():
    """Two models of one frame in two units, with the same weights."""
    rng, num = np.random.default_rng(8), 64
    x = np.round(rng.normal(size=num) * 2**10) / 2**10
    first = pandas.DataFrame(
        {
            "x": x,
            "n": rng.integers(0, 30, num),
            "when": times(rng, num).astype("datetime64[us]"),
            "wind": rng.integers(0, 24, num),
            "class": rng.choice(["a", "b"], num),
        }
    )
    models = []
    for df, wind in ((first, Angle(24)), (other_units(first), Angle(360))):
        table = Table.from_dataframe(df, when=Number(cycles=["day"]), wind=wind)
        keras.utils.set_random_seed(0)
        models.append(table.make_model(width=16, num_blocks=1, dropout=0.0, seed=0))
        rng = np.random.default_rng(9)
        for weight in models[-1].network.trainable_weights:
            weight.assign(rng.normal(size=weight.shape, scale=0.2))
    return first, *models


def other_units(df):
    return df.assign(
        x=1024.0 * df["x"],
        n=df["n"] + 100,
        when=df["when"] + pandas.Timedelta(days=70),
        wind=15 * df["wind"],
    )


def check_table_models(rng):
    """Scores are those of the same rows; samples and imputed cells are in the new units."""
    df, first, second = table_models()
    seed, rows = seed_of(rng), df.iloc[rng.permutation(64)[:16]].reset_index(drop=True)
    verb = choose(rng, "score", "sample", "impute")
    options = {"seed": seed, "batch_size": 16}
    if verb == "score":
        before, after = (
            model.log_likelihood(frame, num_repeats=2, **options)
            for model, frame in ((first, rows), (second, other_units(rows)))
        )
        assert_close(after, before, "log_likelihood", 1e-3)
        return
    if verb == "sample":
        before, after = (model.sample(16, num_steps=3, **options) for model in (first, second))
    else:
        hidden = rows.copy()
        hidden.loc[rng.permutation(16)[:6], "x"] = None
        hidden.loc[rng.permutation(16)[:6], "when"] = None
        options |= {"num_steps": 3}
        before, after = (
            model.impute(frame, **options)
            for model, frame in ((first, hidden), (second, other_units(hidden)))
        )
    expected = other_units(before)
    for name in expected:
        if expected[name].dtype.kind == "f":
            same = np.abs(expected[name] - after[name]) < 1e-3 * (1024 + expected[name].abs())
        elif expected[name].dtype.kind == "M":
            same = (expected[name] - after[name]).abs() < pandas.Timedelta("5min")
        else:
            same = expected[name] == after[name]
        # Rounding may choose another class or particle, but hardly ever.
        assert same.mean() > 0.8, (
            f"{verb}, {name}: {after[name].tolist()}, {expected[name].tolist()}"
        )


CHECKS = {
    "number_models": 5,
    "number_flows": 3,
    "fit_scaling": 2,
    "classes": 3,
    "levels": 3,
    "angles": 2,
    "schedules": 2,
    "columns": 4,
    "times": 4,
    "table_models": 2,
}
