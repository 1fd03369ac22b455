"""The contract of data types, run over every flow."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from tests.checks import assert_draws_are_normal
from tests.flows.cases import FLOWS, random_data
from tests.flows.contract import BATCH, assert_shapes_and_dtypes
from tests.tensors import to_numpy, to_tensor

NUM_DRAWS = 20_000
TIMES = np.float32([0, 0.3, 0.7, 1])

every_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)


def random_params(flow):
    rng = np.random.default_rng(1)
    return to_tensor(rng.standard_normal((BATCH, 5, flow.output_size)))


def random_look(flow, seed):
    """Data, evidence about them at all TIMES, and a random output distribution."""
    x = random_data(flow, (BATCH, 5))
    s = flow.sample_evidence(x, TIMES, seed)
    return x, s, flow.output_distribution(random_params(flow), s, TIMES)


@every_flow
@pytest.mark.parametrize("event_shape", [(5,), (4, 4, 1), (4, 4, 3)], ids=str)
def test_shapes_and_dtypes(flow, event_shape, seed):
    assert_shapes_and_dtypes(flow, event_shape, seed)


@every_flow
def test_samples_and_modes_are_data(flow, seed):
    x, _, distribution = random_look(flow, seed)
    for draw in (distribution.sample(seed), distribution.mode()):
        assert draw.shape == x.shape
        flow.check_data(ops.convert_to_numpy(draw))


@every_flow
def test_expected_embedding_is_the_mean_of_the_embedding(flow, seed):
    _, _, distribution = random_look(flow, seed)
    if flow.discrete:
        embeddings = to_numpy(flow.embed(np.arange(flow.data_range[1] + 1)))
        expected = to_numpy(distribution.probs()) @ embeddings
    else:
        expected = to_numpy(flow.embed(distribution.mean()))
    assert_allclose(to_numpy(flow.expected_embedding(distribution)), expected, atol=3e-6)


@every_flow
def test_the_input_distribution_starts_at_the_prior(flow, seed):
    s = flow.sample_evidence(random_data(flow, (BATCH, 5)), np.zeros(BATCH, "float32"), seed)
    assert_array_equal(to_numpy(s), 0)
    theta = flow.input_params(s, np.zeros(BATCH, "float32"))
    prior = 1 / flow.num_classes if isinstance(flow, DiscreteFlow) else 0
    assert_allclose(to_numpy(theta), prior, rtol=1e-6)
    assert_allclose(to_numpy(flow.input_mean(theta)), np.mean(flow.data_range), rtol=1e-6)


@every_flow
def test_the_input_distribution_ends_at_the_data(flow, seed):
    x, beta = random_data(flow, (BATCH, 5)), np.full(BATCH, 1e10, "float32")
    theta = flow.input_params(flow.observe(flow.embed(x), beta, seed), beta)
    embedding = to_numpy(flow.embed(x))[..., -flow.theta_size :]
    assert_allclose(to_numpy(theta), embedding, atol=1e-4)
    assert_allclose(to_numpy(flow.input_mean(theta)), x, atol=1e-2)


@every_flow
@pytest.mark.parametrize("t", [0.4, 1.0])
def test_one_look_at_t_is_the_sum_of_messages_until_t(flow, t, seed):
    x = np.full((NUM_DRAWS, 1), random_data(flow, (3,))[2])
    beta = float(flow.schedule.beta(t))
    at_once = flow.sample_evidence(x, np.full(NUM_DRAWS, t), seed)
    ends = to_numpy(flow.schedule.beta(t * np.linspace(0, 1, 5)))
    messages = [flow.observe(flow.embed(x), to_tensor(alpha), seed) for alpha in np.diff(ends)]
    for s in (at_once, sum(messages)):
        for embedding, draws in zip(
            to_numpy(flow.embed(x))[0, 0], np.moveaxis(to_numpy(s)[:, 0], -1, 0), strict=True
        ):
            precision = flow.gain * beta
            assert_draws_are_normal(precision * embedding, precision**0.5, draws)


@every_flow
def test_noise_is_independent_between_variables_and_numbers(flow, seed):
    x = np.broadcast_to(random_data(flow, (1, 3)), (NUM_DRAWS, 3))
    s = to_numpy(flow.sample_evidence(x, np.ones(NUM_DRAWS), seed)).reshape(NUM_DRAWS, -1)
    correlation = np.corrcoef(s, rowvar=False)
    assert_allclose(correlation, np.eye(len(correlation)), atol=6 * NUM_DRAWS**-0.5)


@every_flow
def test_arrays_of_any_width_give_float32(flow, seed):
    x, params = random_data(flow, (BATCH, 5)), random_params(flow)
    alpha = np.linspace(0.1, 1, BATCH)
    for dtype in ("uint8", "int64") if flow.discrete else ("float16", "float64"):
        x = x.astype(dtype)
        flow.check_data(x)
        s = flow.sample_evidence(x, TIMES.astype("float64"), seed)
        distribution = flow.output_distribution(params, s, TIMES.astype("float64"))
        for result in (
            s,
            flow.input_params(s, alpha),
            flow.observe(flow.embed(x), alpha, seed),
            flow.expected_embedding(distribution),
            flow.sender_receiver_kl(x, distribution, alpha, seed),
            flow.reconstruction_loss(x, params, s),
        ):
            assert keras.backend.standardize_dtype(result.dtype) == "float32"


@every_flow
def test_config_and_serialisation_round_trip(flow):
    assert set(flow.get_config()) == set(inspect.signature(type(flow)).parameters)
    copy = type(flow).from_config(flow.get_config())
    saved = json.dumps(keras.saving.serialize_keras_object(flow))
    loaded = keras.saving.deserialize_keras_object(json.loads(saved))
    for other in (copy, loaded):
        assert type(other) is type(flow)
        assert other.get_config() == flow.get_config()
        assert type(other.schedule) is type(flow.schedule)
        assert other.schedule.get_config() == flow.schedule.get_config()


@every_flow
def test_data_of_the_wrong_kind_are_refused(flow):
    x = random_data(flow, (BATCH, 5)).astype("float32" if flow.discrete else "int32")
    expected = "integers" if flow.discrete else "floats"
    with pytest.raises(
        ValueError, match=f"`images` must hold {expected}.*Received: dtype {x.dtype}"
    ):
        flow.check_data(x, name="images")
    with pytest.raises(ValueError, match=f"must hold {expected}"):
        flow.check_dtype(x.dtype.name)


@every_flow
@pytest.mark.parametrize("value", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_data_that_are_no_numbers_are_refused(flow, value):
    with pytest.raises(ValueError, match="`x` must hold"):
        flow.check_data(value)


@every_flow
def test_data_out_of_range_are_refused(flow):
    low, high = flow.data_range
    for value in (low - 1, high + 1):
        x = random_data(flow, (BATCH, 5))
        x[1, 1] = value
        with pytest.raises(ValueError, match=rf"`x` must lie in \[{low}, {high}\].*{value}"):
            flow.check_data(x)


@every_flow
def test_empty_data_are_refused(flow):
    with pytest.raises(ValueError, match=r"`x` must hold data.*shape \(0, 5\)"):
        flow.check_data(random_data(flow, (BATCH, 5))[:0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_are_not_finite_are_refused(value):
    flow = FLOWS["continuous-noise"]
    x = random_data(flow, (BATCH, 5))
    x[1, 1] = value
    with pytest.raises(ValueError, match=r"`x` must be finite.*NaN or infinity"):
        flow.check_data(x)


@every_flow
def test_good_data_are_taken(flow):
    flow.check_data(random_data(flow, (BATCH, 5)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContinuousFlow(sigma_1=1.5), "`sigma_1`.*1.5"),
        (
            lambda: ContinuousFlow(prediction="x"),
            "`prediction` must be one of.*'noise', 'data'.*'x'",
        ),
        (lambda: ContinuousFlow(num_bins=1), "`num_bins`.*at least 2.*1"),
        (lambda: ContinuousFlow(reconstruction_std=0), "`reconstruction_std`.*between 0.*=0"),
        (lambda: ContinuousFlow(reconstruction_std=-1.0), "`reconstruction_std`.*=-1.0"),
        (lambda: ContinuousFlow(schedule=9.0), "`schedule`.*9.0"),
        (lambda: DiscretizedFlow(1), "`num_bins`.*at least 2.*1"),
        (lambda: DiscretizedFlow(2.0), "`num_bins`.*2.0"),
        (lambda: DiscretizedFlow(16, sigma_1=0), "`sigma_1`.*0"),
        (lambda: DiscretizedFlow(16, prediction=None), "`prediction`.*None"),
        (lambda: DiscreteFlow(1, beta_1=1.0), "`num_classes`.*at least 2.*1"),
        (lambda: DiscreteFlow(3, beta_1=-1.0), "`beta_1`.*-1.0"),
        (lambda: DiscreteFlow(3), "`beta_1` and `schedule`.*None"),
        (
            lambda: DiscreteFlow(3, beta_1=1.0, schedule=FLOWS["discrete-3"].schedule),
            "`beta_1` and `schedule`.*1.0",
        ),
    ],
)
def test_wrong_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@every_flow
def test_the_receiver_ratio_is_that_of_two_densities(flow, seed):
    # The mean of p_R / p_S over messages from the sender is 1, whatever the receiver expects.
    low, high = flow.data_range
    value = 0.7 * low + 0.3 * high
    x = np.full((NUM_DRAWS, 1), round(value) if flow.discrete else np.float32(value))
    t = np.full(NUM_DRAWS, 0.2, "float32")
    s = flow.sample_evidence(x, t, seed)
    params = ops.repeat(random_params(flow)[:1, :1], NUM_DRAWS, axis=0)
    # All receivers alike: those of one evidence.
    s = ops.repeat(s[:1], NUM_DRAWS, axis=0)
    distribution = flow.output_distribution(params, s, t)
    noise = keras.random.normal((NUM_DRAWS, 1, flow.embedding_size), seed=seed)
    # An accuracy at which the ratio varies, but not by much.
    alpha = np.full(NUM_DRAWS, 0.1 / flow.gain, "float32")
    ratio = np.exp(to_numpy(flow.log_receiver_ratio(x, distribution, alpha, noise)))
    standard_error = ratio.std() / np.sqrt(NUM_DRAWS)
    assert ratio.std() > 1e-3
    assert abs(ratio.mean() - 1) < 4 * standard_error + 1e-5


@every_flow
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_line_goes_on_as_it_went(flow, deterministic):
    # The mean over a short step lies in its middle, whatever the line is drawn in.
    ratio = float(flow.extrapolation(0.5, 0.51, 0.52, deterministic))
    assert ratio == pytest.approx(0.5, rel=0.15)
    assert float(flow.extrapolation(0.5, 0.51, 0.54, deterministic)) > 2.5 * ratio
    assert np.isfinite(float(flow.extrapolation(0.0, 0.0, 0.1, deterministic)))
    assert 0 < float(flow.extrapolation(0.0, 0.1, 0.2, deterministic)) < 2


@pytest.mark.parametrize("name", ["discrete-3", "discrete-own_schedule"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_line_in_the_root_of_the_accuracy_has_its_exact_mean(name, deterministic):
    flow, (last, now, then) = FLOWS[name], (0.2, 0.5, 0.9)
    root = np.sqrt(to_numpy(flow.schedule.beta(np.linspace(now, then, 10_001))))
    moved = (root - root[0]) / (root[0] - float(flow.schedule.beta(last)) ** 0.5)
    grown = root if deterministic else root**2  # what a step adds up over
    mean = np.trapezoid(moved, grown) / (grown[-1] - grown[0])
    assert float(flow.extrapolation(last, now, then, deterministic)) == pytest.approx(
        mean, rel=1e-4
    )
