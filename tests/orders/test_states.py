"""With a time for each variable, variables may be known: training states, costs, and samples."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import keras_bfn
from keras_bfn import losses
from keras_bfn.flows import DiscreteFlow
from keras_bfn.guidance import ClassifierFreeGuidance
from keras_bfn.orders.orders import join
from keras_bfn.orders.states import draw_state
from tests import exact
from tests.checks import MIN_P_VALUE, assert_draws_follow, assert_mean_is
from tests.injected_noise import injected_noise
from tests.models.parts import (
    EVENT_SHAPES,
    FLOWS,
    IS_TORCH,
    JOINT_PRIOR,
    NUM,
    NUM_CLASSES,
    NUM_VARIABLES,
    PAIR_FLOWS,
    PAIR_SHAPES,
    draw_pairs,
    make_data,
    make_model,
    make_pair_model,
)
from tests.models.small import tree_to_tensors
from tests.tensors import to_numpy

X = make_data()
FLAG_GIVEN_WORD = JOINT_PRIOR / JOINT_PRIOR.sum(axis=1, keepdims=True)
WORD_GIVEN_FLAG = JOINT_PRIOR / JOINT_PRIOR.sum(axis=0, keepdims=True)
NUM_STATES = 20_000
LETTERS, LENGTH = DiscreteFlow(3, beta_1=2.0), 5


@pytest.fixture(scope="module")
def model():
    return make_model(times="variables")


@pytest.fixture(scope="module")
def pair_model():
    return make_pair_model(times="variables")


def draw(
    flow=FLOWS, event_shape=EVENT_SHAPES, loss=None, observed=None, num=NUM_STATES, **fractions
):
    """The states of many examples in training, each attribute `(num, variables)`."""
    seed = keras.random.SeedGenerator(0)
    loss = losses.ContinuousTimeLoss() if loss is None else loss
    place = losses.stratified_uniform(num, seed)
    state = draw_state(fractions, flow, event_shape, loss, place, observed, seed)
    causal = None if state.causal is None else ops.convert_to_numpy(state.causal)
    return type(state)(
        *(ops.convert_to_numpy(join(part, event_shape)) for part in state[:4]), causal
    )


def draw_letters(**options):
    return draw(LETTERS, (LENGTH,), **options)


def assert_uniform(values):
    assert stats.kstest(values, "uniform").pvalue > MIN_P_VALUE


def assert_fraction_is(expected, found):
    found = np.ravel(found)
    assert stats.binomtest(int(found.sum()), found.size, expected).pvalue > MIN_P_VALUE


def test_together_all_variables_are_at_one_time_and_none_is_known():
    state = draw(together=1.0)
    assert (state.t == state.t[:, :1]).all()
    assert_uniform(state.t[:, 0])
    assert not state.known.any()
    assert (state.messages == 1).all()
    assert (state.coded == 0).all()
    assert state.causal is None


def test_given_some_are_known_the_others_are_at_one_time_and_what_is_known_costs_nothing():
    state = draw(given=1.0)
    assert (state.t == state.t[:, :1]).all()
    assert_uniform(state.t[:, 0])
    assert_array_equal(state.messages, ~state.known)
    assert (state.coded == 0).all()
    # Whether variables or whole parts are given, half of all are.
    for share in state.known.mean(axis=0):
        assert abs(share - 0.5) < 0.02


@pytest.mark.once
def test_whole_parts_are_given_but_never_all():
    flow = {name: DiscreteFlow(3, beta_1=2.0) for name in "abc"}
    known = draw(flow, dict.fromkeys(flow, (8,)), given=1.0).known.reshape(-1, 3, 8)
    is_whole = (known.all(axis=2) | ~known.any(axis=2)).all(axis=1)
    # Of the rest, the known are here and there, or lie on one side of a place.
    num_known = known[is_whole].all(axis=2).sum(axis=1)
    counts = np.bincount(num_known, minlength=4)
    # In two thirds of the examples, one part or two, equally often.
    assert counts[1] > 0.95 * NUM_STATES / 3
    assert counts[2] > 0.95 * NUM_STATES / 3


def test_the_part_that_is_named_is_given_and_the_rest_are_at_one_time():
    state = draw(image=1.0)
    is_image = np.repeat([False, True, False], [1, 6, 1])
    assert_array_equal(state.known, np.tile(is_image, (NUM_STATES, 1)))
    assert_array_equal(state.messages, ~state.known)
    assert (state.t == state.t[:, :1]).all()
    assert_uniform(state.t[:, 0])
    assert (state.coded == 0).all()


@pytest.mark.once
def test_of_some_of_a_part_all_numbers_of_variables_are_given_equally_often():
    state = draw(**{"some of image": 1.0})
    is_image = np.repeat([False, True, False], [1, 6, 1])
    assert not state.known[:, ~is_image].any()
    counts = np.bincount(state.known.sum(axis=1), minlength=7)
    assert stats.chisquare(counts).pvalue > MIN_P_VALUE
    # The others of the part are not sent, as those that are missing; other parts are.
    assert_array_equal(state.messages, np.tile(~is_image, (NUM_STATES, 1)))
    assert (state.t[:, is_image] == 0).all()
    assert (state.t[:, ~is_image] == state.t[:, :1]).all()
    assert_uniform(state.t[:, 0])


@pytest.mark.once
def test_here_and_there_and_on_either_side_of_a_place_variables_are_given():
    known = draw_letters(given=1.0).known
    patterns, counts = np.unique(known, axis=0, return_counts=True)
    assert len(patterns) == 2**LENGTH
    is_side = (np.diff(patterns.astype(int), axis=1) != 0).sum(axis=1) <= 1
    assert counts[is_side].sum() > 0.6 * NUM_STATES  # by chance alone 10 of 32 are
    for share in known.mean(axis=0):
        assert abs(share - 0.5) < 0.02


@pytest.mark.once
def test_own_times_are_uniform_and_independent():
    state = draw(own=1.0)
    for t in state.t.T:
        assert_uniform(t)
    for i in range(NUM_VARIABLES - 1):
        assert stats.pearsonr(state.t[:, i], state.t[:, i + 1]).pvalue > MIN_P_VALUE
    assert not state.known.any()
    assert (state.messages == 1).all()


def test_random_some_are_known_and_the_others_are_told_as_often_as_sent_in_all():
    state = draw_letters(random=1.0)
    hidden = ~state.known
    num_hidden = hidden.sum(axis=1)
    counts = np.bincount(num_hidden, minlength=LENGTH + 1)
    assert stats.chisquare(counts).pvalue > MIN_P_VALUE  # all numbers equally often
    assert_array_equal(state.t, np.zeros_like(state.t))
    assert_array_equal(state.messages, np.zeros_like(state.t))
    assert_array_equal(state.coded > 0, hidden)
    for weights in state.coded.T:
        assert_mean_is(1.0, weights, precision=0.02)


def test_what_cannot_be_told_is_not():
    state = draw(random=1.0)
    can_be_coded_directly = np.arange(NUM_VARIABLES) == NUM_VARIABLES - 1  # the label
    assert (state.coded[:, ~can_be_coded_directly] == 0).all()
    assert_mean_is(1.0, state.coded[:, can_be_coded_directly], precision=0.03)


def test_left_to_right_all_are_told_given_all_and_the_network_is_told_so():
    state = draw_letters(left_to_right=1.0)
    assert state.known.all()
    assert (state.coded == 1).all()
    assert (state.messages == 0).all()
    assert state.causal.all()


def test_kinds_come_in_their_shares():
    state = draw_letters(together=0.5, random=0.125, left_to_right=0.375)
    assert_fraction_is(0.375, state.causal)
    assert abs(state.causal.mean() - 0.375) < 2 / NUM_STATES  # not by chance
    is_together = (state.messages == 1).all(axis=1)
    assert abs(is_together.mean() - 0.5) < 2 / NUM_STATES
    assert_uniform(state.t[is_together, 0])


@pytest.mark.once
@pytest.mark.parametrize("kind", ["together", "given", "own", "random", "left_to_right"])
def test_what_is_missing_is_neither_known_nor_told(kind):
    observed = np.random.default_rng(0).random((NUM_STATES, LENGTH)) < 0.6
    state = draw_letters(observed=ops.convert_to_tensor(observed), **{kind: 1.0})
    assert not state.known[~observed].any()
    assert (state.coded[~observed] == 0).all()
    if kind in ("random", "left_to_right"):
        assert_mean_is(1.0, state.coded[observed], precision=0.02)


@pytest.mark.once
@pytest.mark.parametrize("names", [list(FLOWS), sorted(FLOWS)], ids=str)
def test_missing_parts_are_found_by_name_whatever_their_order(names):
    observed = {name: np.full((500, *EVENT_SHAPES[name]), name != "image") for name in names}
    state = draw(observed=tree_to_tensors(observed), num=500, given=1.0)
    is_image = np.arange(NUM_VARIABLES) % (NUM_VARIABLES - 1) > 0  # between size and label
    assert not state.known[:, is_image].any()
    assert state.known[:, ~is_image].any(axis=0).all()


@pytest.mark.once
def test_messages_have_times_of_their_own_too():
    state = draw(loss=losses.DiscreteTimeLoss(4), num=200, own=1.0)
    for t in state.t.T:
        assert set(np.unique(t)) == {0.0, 0.25, 0.5, 0.75}


@pytest.mark.once
def test_out_of_training_there_is_one_time(model):
    outputs = model(tree_to_tensors(X))
    for state in outputs["states"].values():
        assert not any(to_numpy(known).any() for known in state.known.values())
    t = {name: to_numpy(outputs["transmission"][name].t) for name in FLOWS}
    for name, shape in EVENT_SHAPES.items():
        assert t[name].shape == (NUM, *shape)
        assert_array_equal(t[name].reshape(NUM, -1), np.tile(t["size"][:, None], t[name][0].size))
        assert_array_equal(to_numpy(outputs["reconstruction"][name].t), np.ones((NUM, *shape)))


@pytest.mark.once
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {"together": 0.5, "given": 0.25, "random": 0.25}),
        ({"own": 3, "given": 1}, {"own": 0.75, "given": 0.25}),
        ({"together": 1, "random": 0}, {"together": 1.0, "random": 0.0}),
        ("random", {"random": 1.0}),
    ],
)
def test_weights_of_states_are_kept_as_fractions(given, expected, tmp_path):
    network = keras_bfn.networks.MLP(LETTERS, (LENGTH,), 8, num_blocks=1, times="variables")
    model = keras_bfn.AnyOrderNetwork(LETTERS, network, states=given)
    assert model.states == expected
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (type(loaded), loaded.states) == (keras_bfn.AnyOrderNetwork, expected)


@pytest.mark.once
def test_the_name_of_one_kind_is_for_all_examples(pair_model, tmp_path):
    network = keras_bfn.networks.Transformer(
        LETTERS, LENGTH, 8, 1, num_heads=2, times="variables", causal=True
    )
    model = keras_bfn.AnyOrderNetwork(LETTERS, network, states="left_to_right")
    assert model.states == {"left_to_right": 1.0}
    assert type(model).from_config(model.get_config()).states == model.states
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").states == model.states
    pair = type(model)(PAIR_FLOWS, pair_model.network, states="word", event_shape=PAIR_SHAPES)
    assert pair.states == {"word": 1.0}


@pytest.mark.once
def test_states_by_default_depend_on_what_can_be_coded_directly():
    def states_of(flow, network=keras_bfn.networks.MLP, **options):
        network = network(flow, (LENGTH,), 8, 1, times="variables", **options)
        return keras_bfn.AnyOrderNetwork(flow, network).states

    assert states_of(FLOWS["size"]) == {"together": 0.5, "given": 0.5}
    causal = states_of(LETTERS, keras_bfn.networks.Transformer, num_heads=2, causal=True)
    assert causal == {"together": 0.25, "given": 0.125, "random": 0.125, "left_to_right": 0.5}
    assert not hasattr(make_model(), "states")


@pytest.mark.once
@pytest.mark.parametrize("loss", [losses.ContinuousTimeLoss(), losses.DiscreteTimeLoss(3)])
def test_a_training_step_costs_the_messages_and_what_is_coded_directly(loss):
    made = make_model(times="variables")
    states = {"own": 1, "given": 1, "random": 2}  # in all of which something costs
    options = {"event_shape": EVENT_SHAPES, "seed": 0}
    model = keras_bfn.AnyOrderNetwork(FLOWS, made.network, states=states, **options)
    model.compile("sgd", loss=loss)
    with injected_noise():
        outputs = model(tree_to_tensors(X), training=True)
        found = model.compute_loss(X, y_pred=outputs, training=True)
        nats = 0.0
        for name, flow in FLOWS.items():
            prediction = outputs["transmission"][name]
            state = outputs["states"]["transmission"]
            messages, coded = (to_numpy(part[name]) for part in (state.messages, state.coded))
            known = to_numpy(state.known[name]).astype(bool)
            assert known.any()
            assert messages.any()
            assert (messages[known] == 0).all()
            assert (coded[known] == 0).all()
            cost = to_numpy(loss(flow, X[name], prediction)) * messages
            if name == "label":
                assert coded.any()
                output = flow.output_distribution(prediction.params, prediction.s, prediction.t)
                cost = cost - to_numpy(output.log_prob(X[name])) * coded
            nats += cost.reshape(NUM, -1).sum(axis=1)
    assert_allclose(to_numpy(found), nats.mean() / NUM_VARIABLES, rtol=1e-5)


@keras.saving.register_keras_serializable("keras_bfn_tests")
class WalledSchedule(keras_bfn.schedules.Schedule):
    """An accuracy that there is up to t = 1.05 only."""

    def __init__(self):
        pass

    def beta(self, t):
        t = ops.cast(t, "float32")
        return t / (1.05 - t)

    def derivative(self, t):
        return 1.05 / ops.square(1.05 - ops.cast(t, "float32"))


@pytest.mark.once
def test_what_is_known_is_scored_by_a_message_that_there_is():
    # Not counted, but its gradients are: zero times what is not a number is not a number.
    flow = keras_bfn.flows.DiscretizedFlow(5, schedule=WalledSchedule())
    x, one = X["image"], ops.ones((NUM,))
    s = flow.sample_evidence(x, one)
    prediction = keras_bfn.Prediction(one, s, None, ops.zeros((*x.shape, 2)))
    nats = losses.DiscreteTimeLoss(3)(flow, x, prediction)
    assert np.isfinite(to_numpy(nats)).all()


@pytest.mark.once
@pytest.mark.parametrize("num_steps", [None, 3])
def test_the_cost_of_some_parts_given_others_is_that_of_predictions_from_known_parts(num_steps):
    kwargs = {"batch_size": NUM, "verbose": 0}
    transmission = (
        losses.ContinuousTimeLoss() if num_steps is None else losses.DiscreteTimeLoss(num_steps)
    )
    kinds = {"transmission": transmission, "reconstruction": losses.ReconstructionLoss()}
    known = {name: np.full(part.shape, name == "label") for name, part in X.items()}
    known, x = tree_to_tensors(known), tree_to_tensors(X)
    with injected_noise():
        model = make_model(times="variables")
        nats = model.code_length(X, num_steps, known=["label"], **kwargs)
        for name, loss in kinds.items():
            t = loss.times(losses.stratified_uniform(NUM))
            s = model.sample_evidence(x, t, known)
            predictions = model.predict_params(s, t, known=known)
            assert_array_equal(to_numpy(predictions["label"].t), np.ones(NUM))
            costs = {
                part: to_numpy(loss(FLOWS[part], X[part], predictions[part]))
                .reshape(NUM, -1)
                .sum(axis=1)
                for part in ("size", "image")
            }
            for part, cost in costs.items():
                assert_allclose(nats["parts"][part][name], cost, rtol=1e-4)
            assert_allclose(nats[name], sum(costs.values()), rtol=1e-4)
    assert list(nats["parts"]) == ["size", "image"]


@pytest.mark.slow_to_compile
def test_what_is_known_for_sure_leaves_no_doubt(model):
    known = tree_to_tensors({name: np.ones(part.shape, bool) for name, part in X.items()})
    s = model.sample_evidence(tree_to_tensors(X), np.zeros(NUM, "float32"), known)
    for name, prediction in model.predict_params(s, np.zeros(NUM), known=known).items():
        flow = FLOWS[name]
        assert_array_equal(to_numpy(prediction.t), np.ones(X[name].shape))
        assert_allclose(to_numpy(flow.input_mean(prediction.theta)), X[name], atol=1e-3)


class ReturnsTimes(keras.layers.Layer):
    """A network whose output is the times that it is told."""

    def call(self, inputs):
        return 0.0 * inputs["theta"] + inputs["t"][..., None]


def test_the_network_is_told_each_time_1_of_what_is_known_and_0_of_what_is_missing():
    options = {"event_shape": (LENGTH,), "allow_missing": True}
    model = keras_bfn.AnyOrderNetwork(LETTERS, ReturnsTimes(), **options)
    rng = np.random.default_rng(0)
    own = rng.uniform(0.1, 0.9, (NUM, LENGTH)).astype("float32")
    known, observed = rng.random((2, NUM, LENGTH)) < 0.5
    s = np.zeros((NUM, LENGTH, 3), "float32")
    for t, each in ((own, own), (own[:, 0], own[:, :1])):
        seen = {"observed": tree_to_tensors(observed), "known": tree_to_tensors(known)}
        prediction = model.predict_params(*tree_to_tensors((s, t)), **seen)
        expected = np.where(observed, np.where(known, 1.0, each), 0.0)
        assert_array_equal(to_numpy(prediction.t), expected)
        assert_array_equal(to_numpy(prediction.params), np.stack([expected] * 3, axis=-1))


@pytest.mark.once
def test_the_order_of_what_is_given_does_not_matter(model):
    kwargs = {"num_steps": 3, "batch_size": NUM, "seed": 0, "verbose": 0}
    num_programs = len(model.programs.kept)
    nats = model.code_length(X, known=["label", "size"], **kwargs)
    for known in (("size", "label"), {"label", "size"}, ["size", "label", "size"]):
        again = model.code_length(X, known=known, **kwargs)
        keras.tree.map_structure(assert_array_equal, nats, again)
    assert list(nats["parts"]) == ["image"]
    assert len(model.programs.kept) == num_programs + 1


@pytest.mark.once
def test_given_data_come_back_as_they_are_beside_what_is_drawn(model):
    given = {"size": X["size"][:5].astype("float64"), "label": X["label"][:5].astype("uint8")}
    kwargs = {"num_steps": 3, "sampler": "sde2", "seed": 0, "batch_size": 3, "verbose": 0}
    x, predictions, *_ = model.generate(5, given=given, return_details=True, **kwargs)
    assert list(x) == list(predictions) == list(FLOWS)
    for name, part in given.items():
        assert x[name].dtype == ("float32" if name == "size" else "int32")
        assert_array_equal(x[name], part.astype(x[name].dtype))
        assert_array_equal(predictions[name].t, np.ones((4, 5)))
        assert np.ptp(predictions[name].s, axis=0).max() == 0.0
    FLOWS["image"].check_data(x["image"])
    t = predictions["image"].t
    assert t.shape == (4, 5, *EVENT_SHAPES["image"])
    assert_allclose(t.reshape(4, -1), np.linspace(0, 1, 4)[:, None] + np.zeros(30), rtol=1e-6)
    swapped = {name: given[name] for name in ("label", "size")}
    assert_array_equal(model.generate(5, given=swapped, **kwargs)["image"], x["image"])


@pytest.mark.once
def test_what_is_given_needs_no_latents(model):
    latents = model.encode(X, 2, seed=0, verbose=0)
    kwargs = {"given": {"label": X["label"]}, "seed": 0, "verbose": 0}
    whole = model.generate(NUM, 2, "ode1", latents=latents, **kwargs)
    del latents["label"]
    drawn = model.generate(NUM, 2, "ode1", latents=latents, **kwargs)
    for name in FLOWS:
        assert_array_equal(drawn[name], whole[name])
    del latents["image"]
    with pytest.raises(ValueError, match=r"`latents` must be a dict with the parts.*'image'"):
        model.generate(NUM, 2, "ode1", latents=latents, **kwargs)


@pytest.mark.once
def test_what_is_given_meets_conditions_and_guidance():
    model = make_model(times="variables", conditions=NUM_CLASSES)
    model.condition_dropout = 0.1  # else guidance warns
    rng = np.random.default_rng(0)
    classes = np.arange(NUM) % NUM_CLASSES
    model.network.set_weights([rng.standard_normal(w.shape) for w in model.network.get_weights()])
    given = {"label": X["label"]}
    x = model.generate(NUM, 2, condition=classes, guidance_scale=3.0, given=given, verbose=0)
    assert_array_equal(x["label"], X["label"])
    FLOWS["image"].check_data(x["image"])
    s, t = model.sample_evidence(X, np.ones(NUM, "float32")), rng.random((3, NUM))
    t = dict(zip(FLOWS, t.astype("float32"), strict=True))
    guide = ClassifierFreeGuidance(3.0).calling(np.full(NUM, 3.0, "float32"))
    guided = model.predict_params(s, t, classes, guide=guide)
    plain, none = (model.predict_params(s, t, c) for c in (classes, np.full(NUM, NUM_CLASSES)))
    for name in FLOWS:
        with_class, without_class = (
            to_numpy(prediction[name].params) for prediction in (plain, none)
        )
        expected = without_class + 3.0 * (with_class - without_class)
        assert_allclose(to_numpy(guided[name].params), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_inpainting_is_generation_given_what_is_known(model):
    mask = {"label": True, "image": np.array([True, False])[:, None, None]}
    completed = model.inpaint(X, mask, 2, num_particles=3, seed=0, verbose=0)  # none are needed
    known = np.broadcast_to(mask["image"], X["image"].shape)
    given = {"label": X["label"], "image": np.where(known, X["image"], -1)}
    drawn = model.generate(NUM, 2, given=given, seed=0, verbose=0)
    for name in FLOWS:
        assert_array_equal(completed[name], drawn[name])
    assert_array_equal(completed["image"][known], X["image"][known])


@pytest.mark.once
def test_encoding_and_plain_generation_know_nothing_for_sure(model):
    latents = model.encode(X, 2, seed=0, verbose=0)
    options = {"sampler": "ode2", "return_details": True, "verbose": 0}
    again = model.generate(NUM, 2, latents=latents, **options)
    for name, flow in FLOWS.items():
        flow.check_data(again.samples[name])
        t = again.trajectory[name].t
        assert_allclose(t.reshape(3, -1), np.tile([[0.0], [0.5], [1.0]], t[0].size), rtol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("given", ["word", "flag"])
def test_a_part_costs_its_entropy_given_the_other(pair_model, given):
    x = draw_pairs(40_000)
    nats = pair_model.code_length(x, known=[given], batch_size=40_000, seed=0, verbose=0)
    marginal = JOINT_PRIOR.sum(axis=1 if given == "word" else 0)
    rest = exact.entropy(JOINT_PRIOR) - exact.entropy(marginal)
    assert_mean_is(rest, nats["transmission"] + nats["reconstruction"], precision=0.02)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("word", [0, 1, 2])
def test_a_part_is_drawn_by_its_distribution_given_the_other(pair_model, word):
    x = pair_model.generate(
        4000, 40, given={"word": np.full(4000, word)}, seed=word, batch_size=4000, verbose=0
    )
    assert (x["word"] == word).all()
    assert x["flag"].shape == (4000, 1)
    assert_draws_follow(FLAG_GIVEN_WORD[word], x["flag"])


@pytest.mark.skipif(not IS_TORCH, reason="all backends learn the same")
@pytest.mark.slow
def test_a_network_learns_to_take_parts_as_known():
    keras.utils.set_random_seed(0)
    network = keras_bfn.networks.MultiPart(
        PAIR_FLOWS, PAIR_SHAPES, width=16, num_blocks=1, mixer="mlp", times="variables"
    )
    model = keras_bfn.AnyOrderNetwork(PAIR_FLOWS, network, seed=0)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, decay_steps=240)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(draw_pairs(6000), epochs=8, batch_size=200, verbose=0)
    for flag in (0, 1):
        given = {"flag": np.full((2000, 1), flag)}
        x = model.generate(2000, 20, given=given, seed=0, batch_size=2000, verbose=0)
        frequencies = np.bincount(x["word"], minlength=3) / 2000
        assert np.abs(frequencies - WORD_GIVEN_FLAG[:, flag]).sum() < 0.15
