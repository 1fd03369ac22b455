"""The contract of data types."""

import math

import keras
import numpy as np
from keras import ops

from keras_bfn._validation import check_seed, check_shape
from keras_bfn.flows import Flow
from keras_bfn.flows.flow import expand
from keras_bfn.testing.claims import (
    require,
    require_float32,
    require_mean,
    require_saving,
    require_shape,
)
from keras_bfn.testing.costs import MOST_NUMBERS, check_edges, check_entropy
from keras_bfn.testing.definitions import check_definitions, check_output_distribution
from keras_bfn.testing.priors import check_prior
from keras_bfn.testing.schedules import check_schedule

NUM_VARIABLES = 3
MOST_DRAWS = 2**13


def check_flow(flow, x=None, seed=0, event_shape=(3,)):
    """Proves that a data type keeps its contract.

    That all is there that has no default; shapes and dtypes of all methods; configs and saving; the
    schedule; draws from the flow distribution against sums of messages; the output distribution's
    draws against `expected_embedding` and `log_receiver_ratio`; `sender_receiver_kl` against
    messages, and its limit for small ones; finite losses, gradients and samples at t = 0, 1e-7 and
    1, whatever the network returns; and, for up to 512 values, that with the exact posterior for a
    network, n-step and continuous-time loss and reconstruction add up to the entropy of the data.
    Of a flow with a prior, the same without it; and that by the prior classes cost its -log, with
    no network. Of one whose variables have each a `center` and a `scale`, the same with those of
    the first; and that each variable is treated as by a flow of its own.

    Args:
        flow: a `keras_bfn.flows.Flow`.
        x: numpy array of data, of any shape; by default drawn from all of `flow.data_range`, which
            must be finite then.
        seed: int.
        event_shape: the shape of an example, for a flow that suits some shapes only.

    Raises:
        AssertionError: if it does not; the message says what is wrong.

    Example:

    >>> keras_bfn.testing.check_flow(keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=2.0))
    """
    require(isinstance(flow, Flow), f"A flow must be a `keras_bfn.flows.Flow`. It is {flow!r}")
    check_definitions(flow)
    check_schedule(flow.schedule)
    require_saving(flow)
    rng, event_shape = (
        np.random.default_rng(check_seed(seed)),
        check_shape("event_shape", event_shape),
    )
    if getattr(flow, "prior", None) is not None:
        check_prior(flow, event_shape, rng)
        flow = type(flow).from_config({**flow.get_config(), "prior": None})
    if any(map(np.ndim, flow.data_range)):
        flow = _check_each_variable(flow, event_shape, rng)
    x = _draw_data(flow, rng) if x is None else np.ravel(x)
    _check_data_checks(flow, x)
    require_shape(flow.embed(x), (len(x), flow.embedding_size), f"{type(flow).__name__}.embed(x)")
    require_float32(flow.embed(x), f"{type(flow).__name__}.embed(x)")
    check_output_distribution(flow, x)
    for event_shape in ((), (5,), (4, 4, 3)):
        _check_shapes(flow, event_shape)
    _check_dtypes(flow, x)
    _check_draws(flow, x, rng)
    if type(flow).input_mean is not Flow.input_mean:
        _check_input_distribution(flow, x)
    check_edges(flow, x)
    if flow.num_values is not None and flow.num_values <= 512:
        check_entropy(flow, rng)


def _check_each_variable(flow, event_shape, rng):
    """Variables with ranges of their own are each as in a flow of that range. Returns the first."""
    x = rng.uniform(*flow.data_range, (4, *event_shape)).astype("float32")
    params = rng.standard_normal((*x.shape, flow.output_size)).astype("float32")
    noise = rng.standard_normal((*x.shape, flow.embedding_size)).astype("float32")
    together = _without_chance(flow, x, params, noise)
    low, high = (np.broadcast_to(end, event_shape) for end in flow.data_range)
    flows = {}
    for place in np.ndindex(*event_shape):
        own = {"center": (low[place] + high[place]) / 2, "scale": (high[place] - low[place]) / 2}
        flows[place] = type(flow).from_config({**flow.get_config(), **own})
        variable = (slice(None), *place)
        alone = _without_chance(flows[place], x[variable], params[variable], noise[variable])
        for method, expected in alone.items():
            require(
                np.allclose(together[method][variable], expected, rtol=1e-3, atol=1e-4),
                f"{type(flow).__name__}.{method} must be, of each variable, as by a flow with its "
                f"`center` and `scale`. It is not of variable {place}",
            )
    return flows[(0,) * len(event_shape)]


def _without_chance(flow, x, params, noise):
    """What a flow computes of one draw of the evidence, as numpy arrays."""
    t = np.full(len(x), 0.6, "float32")
    beta = flow.schedule.beta(t)
    embedding = flow.embed(x)
    params, noise = map(ops.convert_to_tensor, (params, noise))
    s = flow.receive(embedding, beta, noise)
    output = flow.output_distribution(params, s, t)
    found = {
        "embed(x)": embedding,
        "input_mean(theta)": flow.input_mean(flow.input_params(s, beta)),
        "output_distribution(params, s, t).mean()": output.mean(),
        "expected_embedding(distribution)": flow.expected_embedding(output),
        "log_receiver_ratio(x, distribution, alpha, noise)": flow.log_receiver_ratio(
            x, output, beta, noise
        ),
        "reconstruction_loss(x, params, s)": flow.reconstruction_loss(x, params, s),
    }
    return {method: ops.convert_to_numpy(value) for method, value in found.items()}


def _draw_data(flow, rng):
    low, high = flow.data_range
    require(math.isfinite(high - low), "Argument `x` is needed: `data_range` is not finite")
    x = rng.integers(low, high + 1, 64) if flow.discrete else rng.uniform(low, high, 64)
    x[:2] = low, high
    return x.astype("int32" if flow.discrete else "float32")


def _check_data_checks(flow, x):
    """`check_data` takes data, and nothing else."""
    name = type(flow).__name__
    low, _ = flow.data_range
    try:
        flow.check_data(x)
    except ValueError as error:
        raise AssertionError(f"{name}.check_data must take its own data: {error}") from error
    wrong = {"the wrong kind": x.astype("float32" if flow.discrete else "int32"), "no data": x[:0]}
    if math.isfinite(low):
        wrong["data out of range"] = np.append(x, low - 1 - abs(low)).astype(x.dtype)
    for what, values in wrong.items():
        try:
            flow.check_data(values)
        except ValueError:
            continue
        require(False, f"{name}.check_data must raise a `ValueError` for {what}")


class Methods(keras.layers.Layer):
    """All that a flow computes, so that Keras works out shapes without numbers."""

    def __init__(self, flow):
        super().__init__(dtype="float32", autocast=False)
        self.flow = flow
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, x, params, t):
        return compute_all(self.flow, x, params, t, self.seed_generator)


def compute_all(flow, x, params, t, seed):
    """What each method of a flow returns, by what its shape is that of."""
    beta = flow.schedule.beta(t)
    s = flow.sample_evidence(x, t, seed)
    output = flow.output_distribution(params, s, t)
    embedding = flow.embed(x)
    noise = ops.zeros_like(embedding)
    return {
        "embedding_size": {
            "embed(x)": embedding,
            "sample_evidence(x, t)": s,
            "observe(embedding, alpha)": flow.observe(embedding, beta, seed),
            "receive(embedding, alpha, noise)": flow.receive(embedding, beta, noise),
            "expected_embedding(distribution)": flow.expected_embedding(output),
        },
        "theta_size": {"input_params(s, beta)": flow.input_params(s, beta)},
        "": {
            "output_distribution(params, s, t).mean()": output.mean(),
            "output_distribution(params, s, t).log_prob(x)": output.log_prob(x),
            "sender_receiver_kl(x, distribution, alpha)": flow.sender_receiver_kl(
                x, output, beta, seed
            ),
            "log_receiver_ratio(x, distribution, alpha, noise)": flow.log_receiver_ratio(
                x, output, beta, noise
            ),
            "reconstruction_loss(x, params, s)": flow.reconstruction_loss(x, params, s),
        },
    }


def _require_results(flow, event_shape, batch_size, results):
    for size, methods in results.items():
        shape = (batch_size, *event_shape, *((getattr(flow, size),) if size else ()))
        for method, result in methods.items():
            name = f"{type(flow).__name__}.{method}"
            require_shape(result, shape, name)
            require_float32(result, name)


def _check_shapes(flow, event_shape):
    results = Methods(flow)(
        keras.KerasTensor((4, *event_shape), "int32" if flow.discrete else "float32"),
        keras.KerasTensor((4, *event_shape, flow.output_size), "float32"),
        keras.KerasTensor((4,), "float32"),
    )
    _require_results(flow, event_shape, 4, results)


def _check_dtypes(flow, x):
    """Arrays of any width give float32."""
    x = np.resize(x, (4, NUM_VARIABLES))
    params = ops.zeros((4, NUM_VARIABLES, flow.output_size))
    seed = keras.random.SeedGenerator(0)
    dtype = "int64" if flow.discrete else "float64"
    results = compute_all(flow, x.astype(dtype), params, np.full(4, 0.5), seed)
    _require_results(flow, (NUM_VARIABLES,), 4, results)


def _check_input_distribution(flow, x):
    """It starts at what is known of all data, and ends at the data."""
    name, x = type(flow).__name__, x[:NUM_VARIABLES]
    embedding, most = flow.embed(x), np.full(len(x), 1e10, "float32")
    nothing = flow.input_mean(flow.input_params(ops.zeros_like(embedding), 0.0 * most))
    nothing = ops.convert_to_numpy(nothing)
    require(
        np.allclose(nothing, nothing[0], rtol=1e-5),
        f"{name}.input_mean must be the same for all data when there is no evidence. "
        f"It is {nothing}",
    )
    seed = keras.random.SeedGenerator(0)
    theta = flow.input_params(flow.observe(embedding, most, seed), most)
    everything = ops.convert_to_numpy(flow.input_mean(theta))
    off, unit = np.abs(everything - x), 1 if flow.discrete else np.ptp(x)
    if not flow.discrete and _is_circle(flow):
        low, high = flow.data_range
        off = np.minimum(off, high - low - off)
    require(
        (off < 0.01 * unit).all(),
        f"{name}.input_mean must tend to the data as evidence grows: of {x} it is {everything}",
    )


def _is_circle(flow):
    """Whether both ends of the range are one."""
    low, high = ops.convert_to_numpy(flow.embed(np.array(flow.data_range, "float32")))
    return np.allclose(low, high, atol=1e-5)


class Draws(keras.Model):
    """Many draws of everything that is random, in one program.

    Rows of a batch are alike but for their noise.
    """

    def __init__(self, flow, x, params, seed):
        super().__init__(dtype="float32", autocast=False)
        self.flow, self.x, self.params = flow, x, params
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, ones):
        flow, seed = self.flow, self.seed_generator

        def repeat(row):
            row = ops.convert_to_tensor(row)
            return ops.broadcast_to(row, (*ops.shape(ones), *row.shape))

        x, early, late = repeat(self.x), 0.4 * ones, ones
        beta = flow.schedule.beta(early)
        half, embedding = 0.5 * beta, flow.embed(x)
        # The same evidence for all: its mean.
        s = flow.gain * expand(beta, embedding) * embedding
        output = flow.output_distribution(repeat(self.params), s, early)
        drawn = output.sample(seed)

        # Messages that tell of x, but not all: of embeddings about 1 apart.
        alpha = ones / flow.gain
        noise = keras.random.normal(ops.shape(embedding), seed=seed)
        one_noise = ops.broadcast_to(noise[:1], ops.shape(noise))
        apart = flow.embed(drawn) - embedding
        ratios = ops.sum(apart * one_noise - 0.5 * ops.square(apart), axis=-1)
        few = ones * 0.01 / flow.gain
        return {
            "at_once": flow.sample_evidence(x, early, seed),
            "at_the_end": flow.sample_evidence(x, late, seed),
            "in_two": flow.observe(embedding, half, seed) + flow.observe(embedding, half, seed),
            "drawn_embedding": flow.embed(drawn),
            "expected_embedding": flow.expected_embedding(output),
            "drawn_ratio": ops.exp(ratios),
            "ratio": ops.exp(flow.log_receiver_ratio(x, output, alpha, one_noise)),
            "surprise": -flow.log_receiver_ratio(x, output, alpha, noise),
            "likelihood_ratio": ops.exp(flow.log_receiver_ratio(x, output, alpha, noise)),
            "kl": flow.sender_receiver_kl(x, output, alpha, seed),
            "small_kl": flow.sender_receiver_kl(x, output, few, seed) / few[:, None],
        }


def _check_draws(flow, x, rng):
    name = type(flow).__name__
    x = np.concatenate([x[:2], x[-1:]])[:NUM_VARIABLES]
    params = rng.standard_normal((len(x), flow.output_size)).astype("float32")
    numbers = len(x) * max(flow.embedding_size, flow.num_values or 1)
    num = max(64, min(MOST_DRAWS, MOST_NUMBERS // numbers))
    draws = Draws(flow, x, params, int(rng.integers(2**31))).predict(
        np.ones(num, "float32"), batch_size=num, verbose=0
    )

    embedding = ops.convert_to_numpy(flow.embed(x)).astype("float64")
    for kind, t, what in (
        ("at_once", 0.4, "sample_evidence(x, t=0.4)"),
        ("at_the_end", 1.0, "sample_evidence(x, t=1)"),
        ("in_two", 0.4, "two messages, `observe`, that together are as accurate as at t = 0.4"),
    ):
        precision = flow.gain * float(flow.schedule.beta(t))
        noise = (draws[kind].astype("float64") - precision * embedding) / math.sqrt(precision)
        claim = f"{name}: {what} must be N(c beta e(x), c beta)"
        rounding = 1e-5 * math.sqrt(precision)
        require_mean(noise, 0.0, f"{claim}; in its own units", rounding)
        require_mean(np.square(noise), 1.0, f"{claim}; the variance in its own units", rounding)
        flat = noise.reshape(num, -1)[:, :16]
        products = flat[:, :, None] * flat[:, None, :]
        require_mean(products, np.eye(flat.shape[1]), f"{claim}, all numbers independent", rounding)

    expected = draws["expected_embedding"][0].astype("float64")
    claim = f"{name}.expected_embedding must be the mean embedding of draws from the output"
    require_mean(draws["drawn_embedding"], expected, claim, 1e-5)
    claim = f"{name}.log_receiver_ratio must be that of the mean density over draws from the output"
    require_mean(draws["drawn_ratio"], draws["ratio"][0], claim, 1e-4)
    claim = f"{name}: receiver over sender density must be 1 on average over the sender's messages"
    require_mean(draws["likelihood_ratio"], 1.0, claim, 1e-4)
    difference = draws["kl"].astype("float64") - draws["surprise"]
    claim = f"{name}.sender_receiver_kl must be -log_receiver_ratio on average over messages"
    require_mean(difference, 0.0, claim, 1e-4)
    limit = 0.5 * flow.gain * np.square(embedding - expected).sum(axis=-1)
    claim = f"{name}.sender_receiver_kl of a small message must be (c / 2) alpha |e(x) - e_hat|^2"
    require_mean(draws["small_kl"], limit, claim, 0.02 * limit + 1e-3 * limit.max())
