"""With times of the parts' own, a model scores and draws some parts given the others."""

import keras
import numpy as np
import pytest
from keras import ops
from keras_bfn.inputs.part_times import draw_times
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import keras_bfn
from keras_bfn import losses
from keras_bfn.samplers import SDE2Sampler
from tests import exact
from tests.backends import everywhere
from tests.checks import MIN_P_VALUE, assert_draws_follow, assert_mean_is
from tests.injected_noise import injected_noise
from tests.models.parts import (
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
from tests.models.small import predict_at, tree_to_tensors
from tests.tensors import to_numpy

X = make_data()
FLAG_GIVEN_WORD = JOINT_PRIOR / JOINT_PRIOR.sum(axis=1, keepdims=True)
WORD_GIVEN_FLAG = JOINT_PRIOR / JOINT_PRIOR.sum(axis=0, keepdims=True)


@pytest.fixture(scope="module")
def model():
    return make_model(times="variables")


@pytest.fixture(scope="module")
def pair_model():
    return make_pair_model(times="variables")


@pytest.fixture(scope="module")
def times(model):
    """The times that 20,000 examples in training are looked at, `(20000, 3)`."""
    t = draw_times(model, losses.ContinuousTimeLoss(), 20_000, training=True)
    assert list(t) == list(FLOWS)
    return np.stack([to_numpy(part) for part in t.values()], axis=1)


def is_shared(times):
    return (times == times[:, :1]).all(axis=1)


def assert_uniform(times):
    assert stats.kstest(times, "uniform").pvalue > MIN_P_VALUE


def test_half_of_the_examples_have_one_time_for_all_parts(times):
    shared = times[is_shared(times)][:, 0]
    assert stats.binomtest(len(shared), len(times), 0.5).pvalue > MIN_P_VALUE
    assert shared.max() < 1.0
    assert_uniform(shared)


def test_of_the_others_parts_are_known_by_half_but_never_all(times):
    known = times[~is_shared(times)] == 1.0
    num_known = known.sum(axis=1)
    assert num_known.max() == 2
    # One is never known, each of two others by half: 0, 1 or 2 are known.
    counts = np.bincount(num_known, minlength=3)
    assert stats.chisquare(counts, np.array([0.25, 0.5, 0.25]) * len(known)).pvalue > MIN_P_VALUE
    for part in known.T:
        assert stats.binomtest(int(part.sum()), len(part), 1 / 3).pvalue > MIN_P_VALUE


def test_parts_that_are_not_known_have_times_of_their_own(times):
    own = times[~is_shared(times)]
    for part in own.T:
        assert_uniform(part[part < 1.0])
    both = own[(own[:, :2] < 1.0).all(axis=1)]
    assert stats.pearsonr(both[:, 0], both[:, 1]).pvalue > MIN_P_VALUE


def test_messages_have_times_of_their_own_too(model):
    t = draw_times(model, losses.DiscreteTimeLoss(4), 200, training=True)
    for part in t.values():
        assert set(np.unique(to_numpy(part))) == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_out_of_training_there_is_one_time(model):
    loss = losses.ContinuousTimeLoss()
    assert draw_times(model, loss, 5, training=False).shape == (5,)
    assert draw_times(make_model(), loss, 5, training=True).shape == (5,)


@pytest.mark.once
def test_what_is_known_costs_nothing(model):
    known = np.random.default_rng(0).random((NUM, 3)) < 0.5
    t = np.where(known, 1.0, np.random.default_rng(1).random((NUM, 3))).astype("float32")
    predictions = predict_at(model, X, dict(zip(FLOWS, t.T, strict=True)), training=True)
    outputs = {"data": tree_to_tensors(X), "transmission": predictions}
    loss = model.compute_loss(X, y_pred=outputs, training=True)
    nats = 0.0
    for i, (name, flow) in enumerate(FLOWS.items()):
        part = to_numpy(losses.ContinuousTimeLoss()(flow, X[name], predictions[name]))
        nats += np.where(known[:, i], 0.0, part.reshape(NUM, -1).sum(axis=1))
    assert_allclose(to_numpy(loss), nats.mean() / NUM_VARIABLES, rtol=1e-5)


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
def test_the_cost_of_some_parts_given_others_is_that_of_looks_at_known_parts(model, num_steps):
    kwargs = {"batch_size": NUM, "verbose": 0}
    transmission = losses.get(None) if num_steps is None else losses.DiscreteTimeLoss(num_steps)
    kinds = {"transmission": transmission, "reconstruction": losses.ReconstructionLoss()}
    with injected_noise():
        # The program is made anew, with injected noise for what it draws.
        nats = make_model(times="variables").code_length(X, num_steps, given=["label"], **kwargs)
        for name, loss in kinds.items():
            t = loss.times(losses.stratified_uniform(NUM))
            predictions = predict_at(model, X, {"size": t, "image": t, "label": ops.ones_like(t)})
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


@pytest.mark.once
def test_the_order_of_what_is_given_does_not_matter(model):
    kwargs = {"num_steps": 3, "batch_size": NUM, "seed": 0, "verbose": 0}
    num_programs = len(model.programs)
    nats = model.code_length(X, given=["label", "size"], **kwargs)
    for given in (("size", "label"), {"label", "size"}, ["size", "label", "size"]):
        again = model.code_length(X, given=given, **kwargs)
        keras.tree.map_structure(assert_array_equal, nats, again)
    assert list(nats["parts"]) == ["image"]
    assert len(model.programs) == num_programs + 1


@pytest.mark.once
def test_given_data_come_back_as_they_are_beside_what_is_drawn(model):
    given = {"size": X["size"][:5].astype("float64"), "label": X["label"][:5].astype("uint8")}
    sampler = SDE2Sampler(temperature=0.9)  # of levels: real numbers have none, and are given
    kwargs = {"num_steps": 3, "sampler": sampler, "seed": 0, "batch_size": 3, "verbose": 0}
    x, predictions, *_ = model.generate(5, given=given, return_details=True, **kwargs)
    assert list(x) == list(predictions) == list(FLOWS)
    for name, part in given.items():
        assert x[name].dtype == ("float32" if name == "size" else "int32")
        assert_array_equal(x[name], part.astype(x[name].dtype))
        assert_array_equal(predictions[name].t, np.ones(4))
        assert np.ptp(predictions[name].s, axis=0).max() == 0.0  # drawn once
    FLOWS["image"].check_data(x["image"])
    assert_allclose(predictions["image"].t, np.linspace(0, 1, 4), rtol=1e-6)
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
    guided = model.predict_params(s, t, classes, guidance_scale=np.full(NUM, 3.0, "float32"))
    plain, none = (model.predict_params(s, t, c) for c in (classes, np.full(NUM, NUM_CLASSES)))
    for name in FLOWS:
        with_class, without_class = (
            to_numpy(prediction[name].params) for prediction in (plain, none)
        )
        expected = without_class + 3.0 * (with_class - without_class)
        assert_allclose(to_numpy(guided[name].params), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_other_verbs_take_parts_as_messages(model):
    completed = model.inpaint(X, {"label": True}, 2, num_particles=2, seed=0, verbose=0)
    assert_array_equal(completed["label"], X["label"])
    if IS_TORCH:
        latents = model.encode(X, 2, seed=0, verbose=0)
        again = model.generate(NUM, 2, "ode2", latents=latents, verbose=0)
        for name, flow in FLOWS.items():
            flow.check_data(again[name])


@pytest.mark.parametrize("given", everywhere(["word", "flag"], "flag"))
def test_a_part_costs_its_entropy_given_the_other(pair_model, given):
    x = draw_pairs(40_000)
    nats = pair_model.code_length(x, given=[given], batch_size=40_000, seed=0, verbose=0)
    marginal = JOINT_PRIOR.sum(axis=1 if given == "word" else 0)
    rest = exact.entropy(JOINT_PRIOR) - exact.entropy(marginal)
    assert_mean_is(rest, nats["transmission"] + nats["reconstruction"], precision=0.02)


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
    model = keras_bfn.BayesianFlowNetwork(PAIR_FLOWS, network, times="variables", seed=0)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, decay_steps=240)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(draw_pairs(6000), epochs=8, batch_size=200, verbose=0)
    for flag in (0, 1):
        given = {"flag": np.full((2000, 1), flag)}
        x = model.generate(2000, 20, given=given, seed=0, batch_size=2000, verbose=0)
        frequencies = np.bincount(x["word"], minlength=3) / 2000
        assert np.abs(frequencies - WORD_GIVEN_FLAG[:, flag]).sum() < 0.15
