"""The contract of data types."""

import math

import keras
import numpy as np
from keras import ops

from keras_bfn._random import Noise
from keras_bfn._typing import ArrayLike, Shape
from keras_bfn._validation import check_seed, check_shape
from keras_bfn.flows import Flow
from keras_bfn.flows.flow import expand
from keras_bfn.testing.claims import (
    Compiled,
    draw_data,
    is_refused,
    require,
    require_float32,
    require_mean,
    require_saving,
    require_shape,
    requiring,
)
from keras_bfn.testing.costs import MOST_NUMBERS, check_edges, check_entropy
from keras_bfn.testing.definitions import check_definitions, check_output_distribution
from keras_bfn.testing.outputs import check_samples, check_values
from keras_bfn.testing.priors import check_input_distribution, check_prior
from keras_bfn.testing.schedules import check_schedule

NUM_VARIABLES = 3
MOST_DRAWS = 2**13
MOST_VALUES = 2**16  # of integers whose log probabilities are all computed


def check_flow(
    flow: Flow, x: ArrayLike | None = None, seed: int = 0, event_shape: Shape = (3,)
) -> None:
    """Tests that a data type satisfies its contract.

    It checks that

    - everything without a default is defined;
    - all methods return the right shapes and dtypes;
    - the flow's config restores it, and it is saved with a model;
    - the schedule satisfies its own contract;
    - samples of the flow distribution agree with sums of messages;
    - samples of the output distribution agree with `expected_embedding`, `expected_data`,
      `log_receiver_ratio`, its density and its mode;
    - for integers, its `log_prob`, `mean` and `tempered`, the reconstruction loss and `tilted`
      agree with its `log_probs`;
    - `sender_receiver_kl` agrees with messages, and with its limit for small ones;
    - losses, gradients and samples are finite at t = 0, 1e-7 and 1, for any network output;
    - for up to 512 values, with the exact posterior as the network, the n-step or continuous-time
      loss and the reconstruction loss sum to the entropy of the data.

    A flow with a `prior` must define `input_mean`, and its class must accept `prior=None`, with
    which the other checks are made. For classes, the input distribution alone must yield a cost of
    -log of their prior probability. A flow whose variables each have a `center` and a `scale` is
    checked with those of the first, and each variable must be treated as by a flow of its own.

    Args:
        flow: a `keras_bfn.flows.Flow`.
        x: numpy array of data, of any shape; by default drawn from the whole `flow.data_range`,
            which must then be finite.
        seed: int.
        event_shape: the shape of an example, for a flow that suits only some shapes.

    Raises:
        AssertionError: if a check fails; the message says what is wrong.

    Example:

    >>> keras_bfn.testing.check_flow(keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=2.0))
    """
    require_saving(flow, Flow)
    check_definitions(flow)
    check_schedule(flow.schedule)
    rng = np.random.default_rng(check_seed(seed))
    event_shape = check_shape("event_shape", event_shape)
    name, has_input_mean = type(flow).__name__, type(flow).input_mean is not Flow.input_mean
    if getattr(flow, "prior", None) is not None:
        require(has_input_mean, f"{name} has a prior, and must define `input_mean`")
        check_prior(flow, event_shape, rng)
        with requiring(f"{name} has a prior, and must accept None for it", TypeError, ValueError):
            flow = type(flow).from_config({**flow.get_config(), "prior": None})
    if any(map(np.ndim, flow.data_range)):
        flow = _check_each_variable(flow, event_shape, rng)
    x = _draw_data(flow, rng) if x is None else np.ravel(x)
    _check_data_checks(flow, x)
    shape = (*x.shape, flow.embedding_size)
    require_shape(flow.embed(x), shape, f"{name}.embed(x)")
    check_output_distribution(flow)
    _check_shapes(flow, x)
    _check_draws(flow, x, rng)
    if flow.num_values is not None and flow.num_values <= MOST_VALUES:
        check_values(flow, x[:NUM_VARIABLES], rng)
    if has_input_mean:
        check_input_distribution(flow, x[:NUM_VARIABLES], name)
    check_edges(flow, x)
    if flow.num_values is not None and flow.num_values <= 512:
        check_entropy(flow, rng)


def _check_each_variable(flow, event_shape, rng):
    """Requires that variables with their own ranges are treated as by flows of those ranges.

    Returns the flow of the first variable.
    """
    x = draw_data(flow, (4, *event_shape), rng)
    params = rng.standard_normal((*x.shape, flow.output_size)).astype("float32")
    noise = rng.standard_normal((*x.shape, flow.embedding_size)).astype("float32")
    t = np.full(len(x), 0.6, "float32")

    def compute(flow, *arrays):
        results = compute_all(flow, *map(ops.convert_to_tensor, arrays), t, Noise())
        results = {name: x for methods in results.values() for name, x in methods.items()}
        return keras.tree.map_structure(ops.convert_to_numpy, results)

    together = compute(flow, x, params, noise)
    low, high = (np.broadcast_to(end, event_shape) for end in flow.data_range)
    flows = {}
    for place in np.ndindex(*event_shape):
        own = {"center": (low[place] + high[place]) / 2, "scale": (high[place] - low[place]) / 2}
        flows[place] = type(flow).from_config({**flow.get_config(), **own})
        variable = (slice(None), *place)
        alone = compute(flows[place], x[variable], params[variable], noise[variable])
        for method, expected in alone.items():
            is_same = np.allclose(together[method][variable], expected, rtol=1e-3, atol=1e-4)
            claim = f"{type(flow).__name__}.{method} must equal, for each variable, that of a flow "
            require(is_same, f"{claim}with its `center` and `scale`. It does not for {place}")
    return flows[(0,) * len(event_shape)]


def _draw_data(flow, rng):
    low, high = flow.data_range
    is_finite = math.isfinite(high - low)
    require(is_finite, "Argument `x` is required, because `data_range` is not finite")
    x = draw_data(flow, 64, rng)
    x[:2] = low, high
    return x


def _check_data_checks(flow, x):
    """Requires that `check_data` accepts data, and nothing else."""
    name = type(flow).__name__
    low, _ = flow.data_range
    with requiring(f"{name}.check_data must accept its own data", ValueError):
        flow.check_data(x)
    wrong = {"the wrong kind": x.astype("float32" if flow.discrete else "int32"), "no data": x[:0]}
    if math.isfinite(low):
        wrong["data out of range"] = np.append(x, low - 1 - abs(low)).astype(x.dtype)
    for what, values in wrong.items():
        refused = is_refused(ValueError, flow.check_data, values)
        require(refused, f"{name}.check_data must raise a `ValueError` for {what}")


def compute_all(flow, x, params, noise, t, seed):
    """Returns the results of all methods of a flow, grouped by the size of their last axis."""
    beta, embedding = flow.schedule.beta(t), flow.embed(x)
    s = flow.receive(embedding, beta, noise)
    theta = flow.input_params(s, beta)
    output = flow.output_distribution(params, s, t)
    kl = flow.sender_receiver_kl(x, output, beta, seed)
    ratio = flow.log_receiver_ratio(x, output, beta, noise)
    has_mean = type(flow).input_mean is not Flow.input_mean
    has_own = type(flow).evidence_params is not Flow.evidence_params
    return {
        "embedding_size": {
            "embed(x)": embedding,
            "sample_evidence(x, t)": flow.sample_evidence(x, t, seed),
            "observe(embedding, alpha)": flow.observe(embedding, beta, seed),
            "receive(embedding, alpha, noise)": s,
            "expected_embedding(distribution)": flow.expected_embedding(output),
        },
        "theta_size": {"input_params(s, beta)": theta},
        "output_size": {"evidence_params(theta)": flow.evidence_params(theta)} if has_own else {},
        "": {
            "output_distribution(params, s, t).mean()": output.mean(),
            "output_distribution(params, s, t).log_prob(x)": output.log_prob(x),
            "sender_receiver_kl(x, distribution, alpha)": kl,
            "log_receiver_ratio(x, distribution, alpha, noise)": ratio,
            "reconstruction_loss(x, params, s, t)": flow.reconstruction_loss(x, params, s, t),
            **({"input_mean(theta)": flow.input_mean(theta)} if has_mean else {}),
        },
    }


def _check_shapes(flow, x):
    """Requires the right shapes for symbolic inputs, and float32 results for wider dtypes."""

    def compute(inputs, seed):
        return compute_all(flow, *inputs, seed)

    def shapes(event_shape):
        full = (4, *event_shape)
        return full, (*full, flow.output_size), (*full, flow.embedding_size), (4,)

    dtypes = ("int32" if flow.discrete else "float32", "float32", "float32", "float32")
    for event_shape in ((), (5,), (4, 4, 3)):
        inputs = tuple(map(keras.KerasTensor, shapes(event_shape), dtypes))
        _require_results(flow, event_shape, Compiled(compute)(inputs))
    full, *others, times = shapes((NUM_VARIABLES,))
    x = np.resize(x, full).astype("int64" if flow.discrete else "float64")
    inputs = x, *map(ops.zeros, others), np.full(times, 0.5)
    results = compute_all(flow, *inputs, keras.random.SeedGenerator(0))
    _require_results(flow, (NUM_VARIABLES,), results)


def _require_results(flow, event_shape, results):
    for size, methods in results.items():
        shape = (4, *event_shape, *((getattr(flow, size),) if size else ()))
        for method, result in methods.items():
            require_float32(result, shape, f"{type(flow).__name__}.{method}")


def _check_draws(flow, x, rng):
    name = type(flow).__name__
    x = np.concatenate([x[:2], x[-1:]])[:NUM_VARIABLES]
    params = rng.standard_normal((len(x), flow.output_size)).astype("float32")
    numbers = len(x) * max(flow.embedding_size, flow.num_values or 1)
    num = max(64, min(MOST_DRAWS, MOST_NUMBERS // numbers))
    draws = _draw_all(flow, x, params, num, int(rng.integers(2**31)))

    embedding = ops.convert_to_numpy(flow.embed(x)).astype("float64")
    for kind, t, what in (
        ("at_once", 0.4, "sample_evidence(x, t=0.4)"),
        ("at_the_end", 1.0, "sample_evidence(x, t=1)"),
        ("in_two", 0.4, "the sum of two messages by `observe`, as accurate as at t = 0.4"),
    ):
        precision = flow.gain * float(flow.schedule.beta(t))
        noise = (draws[kind].astype("float64") - precision * embedding) / math.sqrt(precision)
        claim = f"{name}: {what} must be N(c beta e(x), c beta)"
        rounding = 1e-5 * math.sqrt(precision)
        require_mean(noise, 0.0, f"{claim}; standardised", rounding)
        require_mean(np.square(noise), 1.0, f"{claim}; standardised and squared", rounding)
        flat = noise.reshape(num, -1)[:, :16]
        products = flat[:, :, None] * flat[:, None, :]
        claim = f"{claim}, with independent components"
        require_mean(products, np.eye(flat.shape[1]), claim, rounding)

    expected = draws["expected_embedding"][0].astype("float64")
    claim = f"{name}.expected_embedding must be the mean embedding of samples from the output"
    require_mean(draws["drawn_embedding"], expected, claim, 1e-5)
    claim = f"{name}.log_receiver_ratio must use the mean density over samples from the output"
    require_mean(draws["drawn_ratio"], draws["ratio"][0], claim, 1e-4)
    claim = f"{name}: the ratio of receiver to sender density must be 1 on average over messages"
    require_mean(draws["likelihood_ratio"], 1.0, claim, 1e-4)
    difference = draws["kl"].astype("float64") - draws["surprise"]
    claim = f"{name}.sender_receiver_kl must be -log_receiver_ratio on average over messages"
    require_mean(difference, 0.0, claim, 1e-4)
    limit = 0.5 * flow.gain * np.square(embedding - expected).sum(axis=-1)
    claim = f"{name}.sender_receiver_kl of a small message must be (c / 2) alpha |e(x) - e_hat|^2"
    require_mean(draws["small_kl"], limit, claim, 0.02 * limit + 1e-3 * limit.max())
    check_samples(flow, draws)


def _draw_all(flow, x, params, num, seed):
    """Draws many samples of everything random: the rows differ only in their noise."""

    def compute(ones, seed):
        def repeat(row):
            row = ops.convert_to_tensor(row)
            return ops.broadcast_to(row, (num, *row.shape))

        rows, early = repeat(x), 0.4 * ones
        beta = flow.schedule.beta(early)
        half, embedding = 0.5 * beta, flow.embed(rows)
        # The same evidence for all rows: its mean.
        s = flow.gain * expand(beta, embedding) * embedding
        output = flow.output_distribution(repeat(params), s, early)
        drawn = output.sample(seed)

        # Messages with partial information on x: embeddings about 1 apart, at this accuracy.
        alpha = ones / flow.gain
        noise = keras.random.normal(ops.shape(embedding), seed=seed)
        one_noise = ops.broadcast_to(noise[:1], ops.shape(noise))
        apart = flow.embed(drawn) - embedding
        ratios = ops.sum(apart * one_noise - 0.5 * ops.square(apart), axis=-1)
        few = ones * 0.01 / flow.gain
        log_ratio = flow.log_receiver_ratio(rows, output, alpha, noise)
        return {
            "drawn": drawn,
            "log_prob": output.log_prob(drawn),
            "mode_log_prob": output.log_prob(output.mode()),
            "sure_data": flow.sure_data(drawn),
            "expected_data": flow.expected_data(output),
            "at_once": flow.sample_evidence(rows, early, seed),
            "at_the_end": flow.sample_evidence(rows, ones, seed),
            "in_two": flow.observe(embedding, half, seed) + flow.observe(embedding, half, seed),
            "drawn_embedding": flow.embed(drawn),
            "expected_embedding": flow.expected_embedding(output),
            "drawn_ratio": ops.exp(ratios),
            "ratio": ops.exp(flow.log_receiver_ratio(rows, output, alpha, one_noise)),
            "surprise": -log_ratio,
            "likelihood_ratio": ops.exp(log_ratio),
            "kl": flow.sender_receiver_kl(rows, output, alpha, seed),
            "small_kl": flow.sender_receiver_kl(rows, output, few, seed) / few[:, None],
        }

    return Compiled(compute, seed).predict_on_batch(np.ones(num, "float32"))
