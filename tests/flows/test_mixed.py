"""Each variable of mixed data is treated as its own flow would, and they are coded together."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

import keras_bfn
from keras_bfn.codec.chain import Chain
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow, MixedFlow
from keras_bfn.losses import (
    ContinuousTimeLoss,
    DiscreteTimeLoss,
    ReconstructionLoss,
    stratified_uniform,
)
from keras_bfn.schedules import ExponentialSchedule, QuadraticSchedule, fit, remaining_cost
from tests import exact
from tests.checks import assert_mean_is
from tests.flows.contract import assert_shapes_and_dtypes
from tests.tensors import gradient, to_numpy, to_tensor

SCHEDULE = ExponentialSchedule(0.1)
FLOWS = [
    DiscreteFlow(2, schedule=SCHEDULE),
    DiscreteFlow(5, schedule=SCHEDULE),
    DiscreteFlow(5, schedule=ExponentialSchedule(0.1)),
    DiscretizedFlow(17, schedule=SCHEDULE),
    DiscretizedFlow(3, prediction="data", schedule=SCHEDULE),
    DiscreteFlow(2, schedule=SCHEDULE),
]
FLOW = MixedFlow(FLOWS)
every_variable = pytest.mark.parametrize("i", range(len(FLOWS)))
TIMES = np.linspace(0, 1, 6, dtype="float32")


def draw_data(flows=FLOWS, shape=(6,)):
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, flow.data_range[1] + 1, shape) for flow in flows]
    return np.stack(columns, axis=-1).astype("int32")


def draw_noise(*shape):
    return to_tensor(np.random.default_rng(1).standard_normal(shape))


def own(flow, x, i, size):
    """What of `(..., variables, numbers)` is of variable i, and its flow's."""
    return x[..., i : i + 1, : getattr(flow, size)]


@pytest.mark.parametrize("event_shape", [(6,), (4, 4, 6)], ids=str)
def test_shapes_and_dtypes(event_shape, seed):
    assert_shapes_and_dtypes(FLOW, event_shape, seed)


@every_variable
def test_what_is_known_of_a_variable_is_what_its_flow_would_know(i):
    flow, x = FLOWS[i], draw_data()
    beta = FLOW.schedule.beta(TIMES)
    noise = draw_noise(6, len(FLOWS), FLOW.embedding_size)
    mixed = FLOW.receive(FLOW.embed(x), beta, noise)
    alone = flow.receive(flow.embed(x[:, i : i + 1]), beta, own(flow, noise, i, "embedding_size"))
    theta, expected = FLOW.input_params(mixed, beta), flow.input_params(alone, beta)
    assert_allclose(to_numpy(own(flow, theta, i, "theta_size")), to_numpy(expected), atol=2e-6)
    assert_array_equal(to_numpy(theta)[:, i, flow.theta_size :], 0)
    assert_allclose(
        to_numpy(FLOW.input_mean(theta))[:, i : i + 1],
        to_numpy(flow.input_mean(expected)),
        atol=2e-5,
    )
    shortcut = FLOW.evidence_params(theta)
    assert shortcut.shape == (6, len(FLOWS), FLOW.output_size)
    shortcut = to_numpy(own(flow, shortcut, i, "output_size"))
    expected = flow.evidence_params(own(flow, theta, i, "theta_size"))
    if isinstance(flow, DiscreteFlow):
        assert_allclose(shortcut, to_numpy(expected), rtol=1e-6)
    else:
        assert_array_equal(shortcut, expected)  # zero


@every_variable
def test_an_answer_means_and_costs_what_it_would_in_its_flow(i):
    flow, x = FLOWS[i], draw_data()
    beta = FLOW.schedule.beta(TIMES)
    noise = draw_noise(6, len(FLOWS), FLOW.embedding_size)
    own_noise = own(flow, noise, i, "embedding_size")
    params = draw_noise(6, len(FLOWS), FLOW.output_size)
    own_x = x[:, i : i + 1]
    s = FLOW.receive(FLOW.embed(x), beta, noise)
    own_s = flow.receive(flow.embed(own_x), beta, own_noise)
    mixed = FLOW.output_distribution(params, s, TIMES)
    alone = flow.output_distribution(own(flow, params, i, "output_size"), own_s, TIMES)

    num = flow.data_range[1] + 1
    probs = to_numpy(mixed.probs())[:, i : i + 1]
    assert_allclose(probs[..., :num], to_numpy(alone.probs()), atol=2e-6)
    assert_array_equal(probs[..., num:], 0)
    assert_allclose(
        to_numpy(FLOW.expected_embedding(mixed))[:, i : i + 1, : flow.embedding_size],
        flow.gain**0.5 * to_numpy(flow.expected_embedding(alone)),
        atol=1e-5,
    )
    alpha = to_tensor(np.linspace(0.1, 2.0, 6))
    for cost in (
        lambda flow, x, d, s, params, noise: flow.log_receiver_ratio(x, d, alpha, noise),
        lambda flow, x, d, s, params, noise: flow.reconstruction_loss(x, params, s),
        lambda flow, x, d, s, params, noise: ContinuousTimeLoss()(flow, x, params, s, TIMES),
    ):
        own_params = own(flow, params, i, "output_size")
        expected = to_numpy(cost(flow, own_x, alone, own_s, own_params, own_noise))
        found = to_numpy(cost(FLOW, x, mixed, s, params, noise))[:, i : i + 1]
        assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_gradients_of_what_is_not_looked_at_are_zero_and_the_others_finite():
    x, t = draw_data(), TIMES
    s = FLOW.receive(FLOW.embed(x), FLOW.schedule.beta(t), draw_noise(6, 6, FLOW.embedding_size))

    def cost(params):
        return ReconstructionLoss()(FLOW, x, params, s, t) + ContinuousTimeLoss()(
            FLOW, x, params, s, t
        )

    slope = gradient(cost, np.zeros((6, 6, FLOW.output_size)))
    assert np.isfinite(slope).all()
    for i, flow in enumerate(FLOWS):
        assert_array_equal(slope[:, i, flow.output_size :], 0)
        assert np.abs(slope[:, i, : flow.output_size]).max() > 1e-3


def test_samples_and_modes_are_data(seed):
    params = draw_noise(6, len(FLOWS), FLOW.output_size)
    s = FLOW.sample_evidence(draw_data(), TIMES, seed)
    distribution = FLOW.output_distribution(params, s, TIMES)
    for each in (distribution, distribution.tempered(2.0)):
        for draw in (each.sample(seed), each.mode()):
            FLOW.check_data(ops.convert_to_numpy(draw))


# A coin, three letters and three levels, independent.
EXACT = ExponentialSchedule(0.4)
EXACT_FLOW = MixedFlow(
    [
        DiscreteFlow(2, schedule=EXACT),
        DiscreteFlow(3, schedule=EXACT),
        DiscretizedFlow(3, prediction="data", schedule=EXACT),
    ]
)
EXACT_PRIORS = [[0.8, 0.2], [0.6, 0.3, 0.1], [0.5, 0.2, 0.3]]
ENTROPY = sum(exact.entropy(np.array(prior)) for prior in EXACT_PRIORS)


def draw_exact(num):
    rng = np.random.default_rng(0)
    columns = [rng.choice(len(prior), num, p=prior) for prior in EXACT_PRIORS]
    return np.stack(columns, axis=1).astype("int32")


def exact_params(s, t):
    """The posteriors of the three variables, each as its own flow takes it."""
    coin, letter, level = EXACT_FLOW.flows
    params = [
        exact.class_logits(2**0.5 * own(coin, s, 0, "embedding_size"), EXACT_PRIORS[0]),
        exact.class_logits(3**0.5 * own(letter, s, 1, "embedding_size"), EXACT_PRIORS[1]),
        exact.normal_over_bins(level, own(level, s, 2, "embedding_size"), t, EXACT_PRIORS[2]),
    ]
    padded = [ops.pad(each, [(0, 0), (0, 0), (0, 3 - each.shape[-1])]) for each in params]
    return ops.concatenate(padded, axis=1)


@pytest.mark.parametrize(
    "loss", [ContinuousTimeLoss(), DiscreteTimeLoss(1, 2), DiscreteTimeLoss(5, 2)]
)
def test_loss_plus_reconstruction_of_exact_posteriors_is_the_entropy(loss, seed):
    x = draw_exact(100_000)
    nats = 0.0
    for part in (loss, ReconstructionLoss()):
        t = part.times(stratified_uniform(len(x), seed))
        s = EXACT_FLOW.sample_evidence(x, t, seed)
        nats = nats + to_numpy(part(EXACT_FLOW, x, exact_params(s, t), s, t, seed)).sum(axis=1)
    assert_mean_is(ENTROPY, nats, precision=0.01)


@pytest.mark.parametrize("num_steps", [1, 5, 20])
def test_the_bits_of_exact_posteriors_are_the_entropy(num_steps):
    pytest.importorskip("constriction")
    from tests.codec.crafting import coded

    chain = Chain(EXACT_FLOW, num_steps, resolution=0.25)
    priors = [np.append(prior, [0.0] * (3 - len(prior))) for prior in EXACT_PRIORS]
    with np.errstate(divide="ignore"):
        log_priors = np.log(priors)

    def look(s, i):
        points, precision = chain.channel.points, chain.precision[i]
        likelihoods = (s[..., None, :] * points - 0.5 * precision * points**2).sum(axis=-1)
        return special.log_softmax(log_priors + likelihoods, axis=-1)

    x = draw_exact(2000)
    bits = coded(chain, x, look)
    expected = sum(-np.log2(prior)[x[:, i]].sum() for i, prior in enumerate(EXACT_PRIORS))
    assert_allclose(bits, expected, rtol=0.005, atol=1)


def test_the_accuracy_that_mixed_data_need_is_by_the_mean_cost_of_a_variable():
    x = draw_data(shape=(300,))
    costs = [remaining_cost(flow, x[:, i], 3.0) for i, flow in enumerate(FLOWS)]
    assert float(remaining_cost(FLOW, x, 3.0)) == pytest.approx(np.mean(costs), rel=0.02)
    schedule = fit(FLOW, x)
    assert isinstance(schedule, ExponentialSchedule)
    beta_1 = float(schedule.beta(1.0))
    assert float(remaining_cost(FLOW, x, beta_1)) == pytest.approx(0.01, rel=0.05)


@pytest.fixture(scope="module")
def model():
    """Of two columns, of which the second is the first, or one more, and a third by itself."""
    keras.utils.set_random_seed(0)
    schedule = ExponentialSchedule(0.02)
    classes, levels = DiscreteFlow(5, schedule=schedule), DiscretizedFlow(17, schedule=schedule)
    flow = MixedFlow([classes, classes, levels])
    network = keras_bfn.networks.MLP(flow, (3,), width=32, num_blocks=1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(3e-3))
    model.fit(table(), batch_size=50, epochs=50, verbose=0)
    return model


def table():
    rng = np.random.default_rng(0)
    first, step = rng.integers(0, 4, 1000), rng.integers(0, 2, 1000)
    return np.stack([first, first + step, rng.integers(4, 8, 1000)], axis=1).astype("int32")


def test_a_model_learns_what_columns_have_to_do_with_each_other(model):
    nats = model.code_length(table(), num_repeats=4, seed=0, verbose=0)
    mean = (nats["transmission"] + nats["reconstruction"]).mean()
    apart = np.log(4) + exact.entropy(np.array([1, 2, 2, 2, 1]) / 8) + np.log(4)
    together = np.log(4) + np.log(2) + np.log(4)
    assert together < mean < 0.5 * (together + apart)


@pytest.mark.parametrize("sampler", ["ancestral", "sde2", "ode2"])
def test_samples_are_rows_of_the_table(model, sampler):
    rows = model.generate(200, num_steps=20, sampler=sampler, seed=0, verbose=0)
    model.flow.check_data(rows)
    # Of independent columns 0.44, and of any levels 0.35.
    assert np.isin(rows[:, 1] - rows[:, 0], (0, 1)).mean() > 0.65
    assert ((rows[:, 2] > 2) & (rows[:, 2] < 9)).mean() > 0.75


def test_a_hidden_column_is_completed(model):
    known = np.array([True, False, True])
    rows, known = table()[:200], np.tile(known, (200, 1))
    completed = model.inpaint(rows, known, num_steps=20, num_particles=16, seed=0, verbose=0)
    assert_array_equal(completed[known], rows[known])
    assert np.isin(completed[:, 1] - completed[:, 0], (0, 1)).mean() > 0.7


def test_a_table_is_compressed_at_the_cost_that_the_loss_states(model):
    pytest.importorskip("constriction")
    x, codec = table(), keras_bfn.codec.Codec(model, num_steps=10, batch_size=50)
    data, report = codec.compress(x, return_report=True, verbose=0)
    assert_array_equal(codec.decompress(data, verbose=0), x)
    nats = model.code_length(x, num_steps=10, num_repeats=20, seed=0, verbose=0)
    stated = (nats["transmission"] + nats["reconstruction"]).mean() / np.log(2)
    assert report["bits_per_example"] == pytest.approx(stated, rel=0.02)


def test_a_model_comes_back_from_its_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert repr(loaded.flow) == repr(model.flow)
    theta, t = np.zeros((2, 3, loaded.flow.theta_size)), np.zeros(2)
    inputs = {"theta": theta, "t": t}
    assert_array_equal(to_numpy(loaded.network(inputs)), to_numpy(model.network(inputs)))


def test_config_and_serialisation_round_trip():
    saved = json.dumps(keras.saving.serialize_keras_object(FLOW))
    loaded = keras.saving.deserialize_keras_object(json.loads(saved))
    for other in (MixedFlow.from_config(FLOW.get_config()), loaded):
        assert [repr(flow) for flow in other.flows] == [repr(flow) for flow in FLOWS]
        assert other.schedule.get_config() == SCHEDULE.get_config()


@pytest.mark.parametrize(
    ("flows", "message"),
    [
        ([], r"`flows` must be a list of flows.*flows=\[\]"),
        (FLOWS[0], "`flows` must be a list of flows.*DiscreteFlow"),
        ([FLOWS[0], ContinuousFlow(schedule=SCHEDULE)], "`flows` must hold.*ContinuousFlow"),
        ([FLOWS[0], FLOW], "`flows` must hold.*MixedFlow"),
        ([FLOWS[0], 3], "`flows` must hold.*3"),
        ([FLOWS[0], DiscreteFlow(3, beta_1=99.0)], "one `schedule`.*Exponential.*Quadratic.*99"),
        (
            [FLOWS[0], DiscreteFlow(3, schedule=ExponentialSchedule(0.2))],
            "one `schedule`.*0.1.*0.2",
        ),
    ],
)
def test_wrong_flows_are_refused(flows, message):
    with pytest.raises(ValueError, match=message):
        MixedFlow(flows)


def test_equal_schedules_need_not_be_one_object():
    flows = [DiscreteFlow(2, schedule=QuadraticSchedule(3.0)), DiscreteFlow(4, beta_1=3.0)]
    assert MixedFlow(flows).data_range == (0, 3)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (draw_data()[:, :5], r"`table` must have 6 variables.*shape \(6, 5\)"),
        (draw_data() + 17, r"`table` must lie in \[0, 16\]"),
        (draw_data() + np.array([0, 0, 5, 0, 0, 0]), r"`table\[..., 1:3\]` must lie in \[0, 4\]"),
        (draw_data().astype("float32"), "`table` must hold integers"),
    ],
)
def test_data_that_do_not_suit_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        FLOW.check_data(x, name="table")


def test_training_on_data_that_do_not_suit_is_refused(model):
    with pytest.raises(ValueError, match=r"`x\[..., 0:2\]` must lie in \[0, 4\]"):
        model.fit(np.full((4, 3), 7), verbose=0)
