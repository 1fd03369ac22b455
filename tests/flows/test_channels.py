"""What goes through a channel is what a flow sends, and nothing that Bob could tell is lost."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose
from scipy import stats

from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from tests.flows.cases import FLOWS, random_data
from tests.tensors import to_numpy, to_tensor

DISCRETE = {name: flow for name, flow in FLOWS.items() if flow.discrete}
every_flow = pytest.mark.parametrize("flow", DISCRETE.values(), ids=DISCRETE)
PRECISIONS = [1e-3, 1.0, 30.0, 1e3, 1e6]


def values_of(flow):
    return np.arange(flow.data_range[1] + 1)


def embeddings(flow):
    """Of all values, `(K, embedding_size)`."""
    return to_numpy(flow.embed(values_of(flow)))


def line_up(channel, embedded):
    """What of whole messages goes through the channel."""
    return embedded if channel.size > 1 else embedded @ channel.direction[:, None]


@every_flow
def test_values_are_as_far_apart_in_the_channel_as_in_the_flow(flow):
    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    embedded = flow.channel().embed(values_of(flow))
    assert embedded.shape == (len(values_of(flow)), flow.channel().size)
    assert_allclose(distances(embedded), distances(embeddings(flow)), rtol=1e-5, atol=1e-6)


@every_flow
def test_evidence_of_a_channel_tells_the_network_what_all_evidence_does(flow):
    channel, rng = flow.channel(), np.random.default_rng(0)
    x = random_data(flow, (50, 3))
    for beta in (0.1, 2.0):
        precision = flow.gain * beta
        s = precision * to_numpy(flow.embed(x))
        s += np.sqrt(precision) * rng.standard_normal(s.shape)
        through = channel.evidence(line_up(channel, s))
        assert through.shape == s.shape
        theta, seen = (
            to_numpy(flow.input_params(to_tensor(each), ops.full((50,), beta)))
            for each in (s, through)
        )
        assert_allclose(seen, theta, atol=1e-6)


@pytest.mark.once  # a channel is NumPy's
@pytest.mark.parametrize("precision", PRECISIONS)
@every_flow
def test_log_likelihoods_differ_as_log_normal_densities_do(flow, precision):
    channel, rng = flow.channel(), np.random.default_rng(0)
    x = random_data(flow, (40,))
    embedded = embeddings(flow)
    y = embedded[x] + rng.standard_normal((40, flow.embedding_size)) / np.sqrt(precision)
    first, log_likelihoods = channel.candidates(precision * line_up(channel, y), precision)
    densities = stats.norm.logpdf(y[:, None], embedded, precision**-0.5).sum(axis=-1)
    places = first[:, None] + np.arange(log_likelihoods.shape[1])
    expected = np.take_along_axis(densities, places, axis=1)
    assert_allclose(
        log_likelihoods - log_likelihoods[:, :1],
        expected - expected[:, :1],
        rtol=1e-4,
        atol=1e-4 * max(1.0, precision**0.5),
    )


@pytest.mark.once  # a channel is NumPy's
@pytest.mark.parametrize("precision", PRECISIONS)
@every_flow
def test_every_value_that_a_message_may_be_about_is_a_candidate(flow, precision):
    channel, rng = flow.channel(), np.random.default_rng(0)
    num_values = len(values_of(flow))
    points = channel.embed(values_of(flow))
    y = points[rng.integers(0, num_values, 200)]
    y = y + rng.standard_normal(y.shape) / np.sqrt(precision)
    y[:20] *= 10.0  # as a bad network's messages
    first, log_likelihoods = channel.candidates(precision * y, precision)
    num = log_likelihoods.shape[1]
    assert (first >= 0).all()
    assert (first + num <= num_values).all()
    all_of_them = -0.5 * precision * np.square(y[:, None] - points).sum(axis=-1)
    all_of_them -= all_of_them.max(axis=1, keepdims=True)
    places = np.arange(num_values)
    missing = (places < first[:, None]) | (places >= first[:, None] + num)
    # Six standard deviations: a probability of 1e-8 beside the likeliest value's.
    assert (all_of_them[missing] < -16).all()


def test_precise_messages_have_few_candidates():
    channel = FLOWS["discretized-256-noise"].channel()
    gained = 1e6 * np.array([[0.3], [-0.999], [5.0]])
    assert channel.candidates(gained, 1e6)[1].shape == (3, 3)
    assert channel.candidates(gained / 1e6, 1.0)[1].shape == (3, 256)


def test_two_classes_need_one_number_and_more_need_as_many_as_there_are():
    sizes = {name: flow.channel().size for name, flow in DISCRETE.items()}
    assert sizes["discrete-2"] == 1
    assert sizes["discrete-3"] == 3
    assert sizes["discrete-27"] == 27
    assert sizes["discretized-2-noise"] == sizes["discretized-256-data"] == 1


@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_channel_takes_values_of_any_shape_and_integer_type(num_classes):
    channel = DiscreteFlow(num_classes, beta_1=1.0).channel()
    x = np.array([[0, 1], [1, 0]])
    for dtype in ("uint8", "int64", "int32"):
        embedded = channel.embed(x.astype(dtype))
        assert embedded.dtype == "float64"
        assert embedded.shape == (2, 2, channel.size)
        assert_allclose(embedded, channel.embed(x))


@pytest.mark.parametrize("flow", [ContinuousFlow(), ContinuousFlow(num_bins=17)])
def test_real_numbers_have_no_channel(flow):
    with pytest.raises(ValueError, match="no code of finite length"):
        flow.channel()
