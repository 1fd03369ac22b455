"""From left to right in one call: a causal Transformer is scored as it draws, and learns both ways.

Networks are random: what they say of all sequences adds up to one distribution, whatever it is.
"""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import keras_bfn
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow, JointNormal, MarkovChain
from keras_bfn.models.programs import find_times
from keras_bfn.networks import Transformer
from keras_bfn.orders import Blocks, Groups, LeftToRight, programs
from keras_bfn.orders.programs import is_in_one_pass
from keras_bfn.samplers import AncestralSampler
from tests.backends import everywhere
from tests.checks import assert_draws_follow
from tests.networks.causal import FLOW, LENGTH, NUM_CLASSES, SMALL, VARIANTS, make_network
from tests.tensors import to_numpy

NUM_DRAWS = 4000
ALL = np.array(list(itertools.product(range(NUM_CLASSES), repeat=LENGTH)), "int32")
PLACES = NUM_CLASSES ** np.arange(LENGTH)[::-1]
once = pytest.mark.once


def make_model(states=None, flow=FLOW, **options):
    network = make_network(flow, **options)
    return keras_bfn.AnyOrderNetwork(flow, network, states=states, seed=0)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def both_ways():
    """A model without a causal form."""
    return make_model(causal=False)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(["plain", "without_attention"], "plain"))
def test_where_keys_and_values_are_put_by_changes_no_draw(name, monkeypatch):
    drawn = []
    for room in (LENGTH, 3):
        monkeypatch.setattr(programs, "ROOM", room)
        options = {"order": "left_to_right", "seed": 0, "verbose": 0}
        drawn.append(make_model(**VARIANTS[name]).generate(16, **options))
    assert_array_equal(drawn[1], drawn[0])


def cost(model, x=ALL, order="left_to_right", **options):
    options = {"batch_size": len(x), "seed": 0, "verbose": 0, **options}
    nats = model.code_length(x, order=order, **options)
    assert_array_equal(nats["transmission"], np.zeros(len(x)))
    return nats["reconstruction"]


def causal_params(model, x):
    """What the causal form predicts of examples that are known."""
    known = ops.convert_to_tensor(np.ones(x.shape, bool))
    s, ones = model.sample_evidence(x, np.zeros(len(x)), known), ops.ones(len(x), "bool")
    return model.predict_params(s, np.zeros(len(x), "float32"), known=known, causal=ones).params


@once
def test_the_cost_in_one_call_is_that_of_as_many_calls_as_there_are_positions(model):
    expected, rng = np.zeros(len(ALL)), np.random.default_rng(0)
    for i in range(LENGTH):
        x = ALL.copy()
        x[:, i:] = rng.integers(0, NUM_CLASSES, x[:, i:].shape)  # not yet known
        log_probs = to_numpy(ops.log_softmax(causal_params(model, x)[:, i]))
        expected -= log_probs[np.arange(len(ALL)), ALL[:, i]]
    assert_allclose(cost(model), expected, rtol=1e-4)
    assert np.ptp(expected) > 1


@once
@pytest.mark.parametrize("states", [None, {"left_to_right": 1.0}])
def test_one_call_says_all_so_that_repeats_add_nothing(states):
    model = make_model(states)
    assert_allclose(cost(model, num_repeats=3), cost(model), rtol=1e-5)
    assert_allclose(cost(model, order=LeftToRight(), batch_size=7), cost(model), rtol=1e-5)


MODELS = ("model", "both_ways")


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", MODELS)
def test_costs_of_all_sequences_are_those_of_one_distribution_which_is_drawn(name, request):
    model = request.getfixturevalue(name)
    repeats = 1 if name == "model" else LENGTH  # of one position at a time, all of them
    probs = np.exp(-cost(model, num_repeats=repeats))
    assert probs.sum() == pytest.approx(1, abs=1e-4)
    options = {"order": "left_to_right", "seed": 0, "batch_size": NUM_DRAWS, "verbose": 0}
    x = model.generate(NUM_DRAWS, 1, **options)
    assert_draws_follow(probs, x @ PLACES)


@once
def test_what_is_drawn_by_blocks_that_are_quantised_is_drawn_as_it_costs():
    """The first and the last layers are not, as is usual."""
    model = make_model()
    model.quantize("int8", filters=lambda layer: "projection" not in layer.name)
    assert model.network.goes_one_by_one
    x = model.generate(NUM_DRAWS, 1, order="left_to_right", seed=0, batch_size=2000, verbose=0)
    assert_draws_follow(np.exp(-cost(model)), x @ PLACES)


@once
@pytest.mark.parametrize("known", [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1]])
@pytest.mark.parametrize("name", MODELS)
def test_the_rest_is_drawn_as_it_costs_given_what_is_known(name, known, request):
    model, known = request.getfixturevalue(name), np.array(known, bool)
    values = np.array([2, 0, 1, 2])
    x = ALL[(values == ALL)[:, known].all(axis=1)]
    is_prefix = known[0]
    repeats = 1 if name == "model" and is_prefix else LENGTH
    probs = np.exp(-cost(model, x, known=known, num_repeats=repeats))
    assert probs.sum() == pytest.approx(1, abs=1e-4)
    given = np.tile(np.where(known, values, -1), (NUM_DRAWS, 1))
    options = {"seed": 0, "batch_size": NUM_DRAWS, "verbose": 0}
    drawn = model.generate(NUM_DRAWS, 1, given=given, order="left_to_right", **options)
    cells = {tuple(row): i for i, row in enumerate(x)}
    assert_draws_follow(probs, [cells[tuple(row)] for row in drawn])


@once
def test_a_prefix_that_is_given_costs_what_the_whole_costs_less_what_it_costs(model):
    whole = cost(model).reshape([NUM_CLASSES] * LENGTH)
    known = np.arange(LENGTH) < 2
    given = cost(model, known=known).reshape(whole.shape)
    prefix = -np.log(np.exp(-whole).sum(axis=(2, 3), keepdims=True))
    assert_allclose(given + prefix, whole, rtol=1e-4, atol=1e-4)


@once
def test_when_one_call_says_all():
    model = make_model()
    prefix, suffix = np.arange(LENGTH) < 2, np.arange(LENGTH) >= 2
    each = np.array([prefix, prefix[::-1] & False])
    assert is_in_one_pass(model, LeftToRight())
    assert is_in_one_pass(model, LeftToRight(), np.tile(prefix, (2, 1)))
    assert is_in_one_pass(model, LeftToRight(), each)
    assert not is_in_one_pass(model, LeftToRight(), np.tile(suffix, (2, 1)))

    class RightToLeft(LeftToRight):
        def groups(self, event_shape, noise=None, open=None):
            return super().groups(event_shape, noise, open)[:, ::-1]

    for order in (LeftToRight(2), Blocks(1), Groups(np.arange(LENGTH)), RightToLeft()):
        assert not is_in_one_pass(model, order)
    assert not is_in_one_pass(make_model({"together": 1.0}), LeftToRight())
    assert not is_in_one_pass(make_model(causal=False), LeftToRight())


@once
def test_channels_of_a_position_are_told_at_once():
    flow = DiscreteFlow(2, beta_1=2.0)
    model = make_model(flow=flow, shape=(2, 2))
    x = np.array(list(itertools.product(range(2), repeat=4)), "int32").reshape(-1, 2, 2)
    assert is_in_one_pass(model, LeftToRight(2))
    probs = np.exp(-cost(model, x, order=LeftToRight(2)))
    assert probs.sum() == pytest.approx(1, abs=1e-4)
    options = {"order": LeftToRight(2), "seed": 0, "batch_size": NUM_DRAWS, "verbose": 0}
    drawn = model.generate(NUM_DRAWS, 1, **options).reshape(-1, 4)
    assert_draws_follow(probs, drawn @ np.array([8, 4, 2, 1]))


@once
def test_sequences_of_other_lengths_cost_what_is_there():
    model = make_model(masked=True)
    x = ALL[: NUM_CLASSES**LENGTH : NUM_CLASSES**2].copy()  # all prefixes of two
    x[:, 2:] = -1
    probs = np.exp(-cost(model, x))
    assert probs.sum() == pytest.approx(1, abs=1e-4)
    options = {"order": "left_to_right", "seed": 0, "batch_size": NUM_DRAWS, "verbose": 0}
    drawn = model.generate(NUM_DRAWS, 1, lengths=2, **options)
    assert (drawn[:, 2:] == -1).all()
    assert_draws_follow(probs, drawn[:, :2] @ np.array([NUM_CLASSES, 1]))


PRIORS = {
    "plain": FLOW,
    "chain": DiscreteFlow(
        NUM_CLASSES, beta_1=3.0, prior=MarkovChain([[8, 1, 1], [1, 8, 1], [1, 1, 8]])
    ),
    "joint": DiscretizedFlow(
        NUM_CLASSES,
        sigma_1=0.1,
        prediction="data",
        prior=JointNormal(np.zeros(LENGTH), 0.05 * np.eye(LENGTH) + 0.15),
    ),
}


@pytest.mark.parametrize("masked", everywhere({"masked": True, "not masked": False}, "masked"))
@pytest.mark.parametrize("name", everywhere(list(PRIORS), "joint"))
def test_what_comes_later_is_not_told_by_a_gap_before_it(name, masked):
    network = make_network(PRIORS[name], masked=masked)
    model = keras_bfn.AnyOrderNetwork(PRIORS[name], network, allow_missing=True, seed=0)
    for gap in (0, 1, 2):
        with_gap = ALL[ALL[:, gap] == 0]
        with_gap[:, gap] = -1
        nats = model.code_length(with_gap, order="left_to_right", seed=0, verbose=0)
        assert np.exp(-nats["reconstruction"]).sum() == pytest.approx(1, abs=1e-4)


@once
def test_it_learns_from_left_to_right():
    """Each letter follows from the one before it, the first is any."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, NUM_CLASSES, 4000)
    x = ((first[:, None] + np.arange(LENGTH)) % NUM_CLASSES).astype("int32")
    keras.utils.set_random_seed(0)
    network = Transformer(FLOW, LENGTH, **{**SMALL, "width": 16}, times="variables", causal=True)
    model = keras_bfn.AnyOrderNetwork(FLOW, network, states={"left_to_right": 1.0}, seed=0)
    model.compile(keras.optimizers.Adam(2e-2))
    model.fit(x, batch_size=100, epochs=1, verbose=0)
    assert cost(model, x[:100]).mean() == pytest.approx(np.log(NUM_CLASSES), abs=0.05)
    drawn = model.generate(300, 1, order="left_to_right", seed=0, verbose=0)
    follows = (np.diff(drawn, axis=1) % NUM_CLASSES == 1).all(axis=1)
    assert follows.mean() > 0.95


@pytest.mark.once
@pytest.mark.parametrize("end", ["mode", "last"])
def test_one_group_of_everything_ends_as_messages_about_all_at_once(both_ways, end):
    sampler = AncestralSampler(end=end)
    options = {"num_steps": 2, "sampler": sampler, "seed": 0, "verbose": 0}
    found, expected = (
        both_ways.generate(64, order=order, **options) for order in (Blocks(LENGTH), "together")
    )
    assert_array_equal(found, expected)


@pytest.mark.once
def test_a_sampler_that_ends_early_saves_a_call_for_each_group():
    plans = []
    for end in ("mode", "last"):
        model, sampler, order = make_model(causal=False), AncestralSampler(end=end), Blocks(2)
        program = programs.OrderedProgram(model, sampler, None, 64, order, False)
        times = find_times(model, sampler, 5)
        program.set_plan(programs.plan_calls(order.groups_coded(model.event_shape), times))
        plans.append(int(program.num_calls))
    num_groups = LENGTH // 2
    assert plans == [6 * num_groups, 5 * num_groups]


@once
def test_what_is_given_beyond_the_lengths_changes_no_draw():
    drawn = []
    for last in (-1, 1):
        given = np.full((8, LENGTH), -1, "int32")
        given[:, 0], given[:, -1] = 1, last
        options = {"order": "left_to_right", "lengths": 2, "seed": 0, "verbose": 0}
        drawn.append(make_model(masked=True).generate(8, given=given, **options))
    assert_array_equal(drawn[1], drawn[0])
    assert (drawn[0][:, 2:] == -1).all()
