"""What models do with times of the variables' own: each verb, option and file, in any order."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import keras_bfn
from keras_bfn.callbacks import Resume
from keras_bfn.datasets import Letters
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.guidance import ClassifierFreeGuidance
from keras_bfn.networks import MLP, Transformer
from keras_bfn.orders import Blocks, Groups, Random
from keras_bfn.samplers import AncestralSampler
from tests.backends import everywhere
from tests.checks import assert_draws_follow
from tests.injected_noise import injected_noise
from tests.models.small import save_and_load
from tests.models.states import state_of
from tests.tensors import to_numpy

LENGTH, NUM_CLASSES = 4, 3
FLOW = DiscreteFlow(NUM_CLASSES, beta_1=3.0)
STATES = {"together": 1, "given": 1, "own": 1, "random": 1, "left_to_right": 1}
X = np.random.default_rng(0).integers(0, NUM_CLASSES, (24, LENGTH)).astype("int32")
CLASSES = np.arange(24, dtype="int32") % 3
ORDERS = {
    "together": "together",
    "random": Random(2),
    "left_to_right": "left_to_right",
    "blocks": Blocks(2),
    "groups": Groups([1, 0, 0, 2], coded_directly=[True, False, True]),
}
QUIET = {"batch_size": 24, "seed": 0, "verbose": 0}
once = pytest.mark.once


def make_model(flow=FLOW, states=STATES, seed=0, model=None, **options):
    """A model with a network of random weights, which tells all states apart."""
    keras.utils.set_random_seed(seed)
    small = {"width": 8, "num_layers": 1, "num_heads": 2, "causal": True}
    network = Transformer(flow, LENGTH, times="variables", **{**small, **options})
    rng = np.random.default_rng(seed)
    network.set_weights([0.4 * rng.standard_normal(w.shape) for w in network.get_weights()])
    return keras_bfn.AnyOrderNetwork(flow, network, states=states, seed=seed, **(model or {}))


def total(nats):
    return nats["transmission"] + nats["reconstruction"]


def costs_of(model):
    """What the data cost in every order."""
    return {
        name: total(model.code_length(X, 3, order=order, **QUIET)) for name, order in ORDERS.items()
    }


def say(model, x=X, condition=None):
    """What a model says in every order."""
    data = x if condition is None else (x, condition)
    given = np.where(np.arange(LENGTH) < 1, x, -1).astype(x.dtype)
    said = {}
    for name, order in ORDERS.items():
        options = {"condition": condition, "order": order, **QUIET}
        said[name] = (
            total(model.code_length(data, 3, order=order, **QUIET)),
            model.generate(24, 3, **options),
            model.generate(24, 3, given=given, **options),
        )
    return said


def assert_same(one, other):
    keras.tree.map_structure(lambda a, b: assert_allclose(a, b, rtol=1e-4, atol=1e-4), one, other)


@once
def test_a_saved_model_says_the_same_in_every_order(tmp_path):
    model = make_model(model={"condition_dropout": 0.25}, conditions=3)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit((X, CLASSES), epochs=1, verbose=0)
    loaded = save_and_load(model, "file", tmp_path)
    assert loaded.states == dict.fromkeys(STATES, 0.2)
    assert type(loaded) is keras_bfn.AnyOrderNetwork
    assert loaded.network.causal
    assert_same(say(loaded, condition=CLASSES), say(model, condition=CLASSES))
    loaded.fit((X, CLASSES), epochs=1, verbose=0)


@once
def test_training_goes_on_as_if_it_had_not_been_interrupted(tmp_path):
    def run(folder, epochs):
        model = make_model(dropout=0.1)
        model.compile(keras.optimizers.Adam(0.01))
        resume = Resume(tmp_path / folder, verbose=0)
        model.fit(X, epochs=epochs, batch_size=8, shuffle=False, callbacks=[resume], verbose=0)
        return state_of(model)

    expected = run("whole", 3)
    run("cut", 1)
    for found, value in zip(run("cut", 3), expected, strict=True):
        assert_array_equal(found, value)


def is_of(kind, state):
    """For each example, whether a state is of a kind, by what there is in no other."""
    t, known, messages, coded = map(to_numpy, state[:4])
    known = known.astype(bool)
    if kind == "left_to_right":
        return to_numpy(state.causal)
    if kind == "random":
        return ((coded > 0) == ~known).all(axis=1) & (messages == 0).all(axis=1)
    one_time = (t == t[:, :1]).all(axis=1)
    is_own, are_given = (
        (messages > 0).all(axis=1) & ~one_time,
        one_time & (messages == ~known).all(1),
    )
    return {"own": is_own, "given": are_given, "together": are_given & ~known.any(axis=1)}[kind]


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("kind", everywhere(list(STATES), "own"))
def test_every_kind_of_state_trains_and_is_validated(kind):
    model = make_model(states={kind: 1.0})
    if keras.backend.backend() == "torch":  # elsewhere each operation by itself is compiled
        state = model(ops.convert_to_tensor(X), training=True)["states"]["transmission"]
        assert is_of(kind, state).all()
        assert kind != "given" or to_numpy(state.known).any()
    order = kind if kind in ("random", "left_to_right") else "together"
    model.compile(keras.optimizers.Adam(0.05), order=order)
    x = np.tile([[0, 1, 2, 0]], (24, 1))  # which is learnt soon
    history = model.fit(x, epochs=8, batch_size=8, validation_data=x, verbose=0).history
    assert np.mean(history["loss"][4:]) < 0.8 * np.mean(history["loss"][:4])
    assert history["val_nats_per_example"][-1] < 0.6 * history["val_nats_per_example"][0]
    logs = model.evaluate(x, batch_size=24, return_dict=True, verbose=0)
    assert_allclose(logs["loss"] + logs["reconstruction"], logs["nats_per_example"] / LENGTH, 1e-5)


@once
@pytest.mark.parametrize("name", ORDERS)
def test_evaluation_is_in_the_order_that_was_compiled(name, tmp_path):
    model = make_model()
    model.compile("sgd", order=ORDERS[name], num_repeats=4)
    x = np.tile(X, (20, 1))
    logs = model.evaluate(x, batch_size=480, return_dict=True, verbose=0)
    options = {**QUIET, "batch_size": len(x), "seed": 1}
    nats = model.code_length(x, num_repeats=8, order=ORDERS[name], **options)
    error = total(nats).std() / len(x) ** 0.5
    assert abs(logs["nats_per_example"] - total(nats).mean()) < 6 * error + 1e-4
    if name == "left_to_right":  # exact, and all told
        assert_allclose(logs["nats_per_example"], total(nats).mean(), rtol=1e-5)
        assert logs["loss"] == 0
    assert save_and_load(model, "file", tmp_path).order == keras_bfn.orders.get(ORDERS[name])


@once
def test_what_is_evaluated_is_sent_together():
    model = make_model()
    model.compile("sgd", loss="continuous_time")
    with injected_noise():
        logs = model.evaluate(X, batch_size=24, return_dict=True, verbose=0)
        nats = model.code_length(X, batch_size=24, verbose=0)
    assert_allclose(logs["nats_per_example"], total(nats).mean(), rtol=1e-5)


@once
@pytest.mark.parametrize("kind", STATES)
def test_weights_of_variables_count_in_each_kind_of_state(kind):
    model = make_model(states={kind: 1.0})
    weight = np.random.default_rng(0).random(X.shape).astype("float32")
    weight[:, 1] = 0
    costs = []
    for variable in range(LENGTH):  # the loss is linear in the weights of the variables' costs
        one = np.where(np.arange(LENGTH) == variable, weight, 0.0)
        model.compile("sgd")
        with injected_noise():
            outputs = model(ops.convert_to_tensor(X), training=True)
            loss = model.compute_loss(X, y_pred=outputs, sample_weight=ops.convert_to_tensor(one))
        costs.append(to_numpy(loss) * one.sum())
    with injected_noise():
        outputs = model(ops.convert_to_tensor(X), training=True)
        weight = ops.convert_to_tensor(weight)
        loss = model.compute_loss(X, y_pred=outputs, sample_weight=weight)
    assert costs[1] == 0
    assert_allclose(to_numpy(loss), sum(costs) / to_numpy(ops.sum(weight)), rtol=1e-4)


def sequences(length=LENGTH):
    return np.array(list(itertools.product(range(NUM_CLASSES), repeat=length)), "int32")


@once
@pytest.mark.parametrize("causal", [True, False])
def test_conditions_guide_what_is_told(causal):
    states = STATES if causal else None
    model = make_model(
        states=states, model={"condition_dropout": 0.25}, conditions=3, causal=causal
    )
    every, log_p = sequences(), 0.0
    classes = np.full(len(every), 1, "int32")
    scale = np.full(len(every), 2.0, "float32")
    for i in range(LENGTH):
        place = np.arange(LENGTH) < (LENGTH if causal else i)
        known = ops.convert_to_tensor(np.tile(place, (len(every), 1)))
        t = np.zeros(len(every), "float32")
        s = np.where(place[:, None], to_numpy(model.flow.known_evidence(every)), 0.0)
        predictions = model.predict_params(
            s.astype("float32"),
            t,
            classes,
            guide=ClassifierFreeGuidance(2.0).calling(scale),
            known=known,
            drawn=known,
            causal=ops.ones(len(every), "bool") if causal else None,
        )
        logits = to_numpy(ops.log_softmax(predictions.params[:, i]))
        log_p = log_p + logits[np.arange(len(every)), every[:, i]]
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-4)
    options = {"condition": np.full(3000, 1), "order": "left_to_right", "seed": 0, "verbose": 0}
    x = model.generate(3000, 1, guidance_scale=2.0, batch_size=3000, **options)
    assert_draws_follow(np.exp(log_p), x @ NUM_CLASSES ** np.arange(LENGTH)[::-1])


@once
def test_what_is_given_is_strengthened():
    """With a scale of 0, it is as if nothing were given."""
    model = make_model()
    given = np.ones((3000, LENGTH), "int32")
    given[:, -1] = -1

    def last(seed, order, **options):
        x = model.generate(3000, 1, order=order, seed=seed, batch_size=3000, verbose=0, **options)
        return np.bincount(x[:, -1], minlength=NUM_CLASSES) / len(x)

    first = last(0, Groups([1] * (LENGTH - 1) + [0]))  # when nothing is known
    for order in ("random", "left_to_right"):
        plain, none = (last(1, order, given=given, guidance_scale=scale) for scale in (1.0, 0.0))
        assert_allclose(none, first, atol=0.05)
        assert np.abs(none - plain).max() > 0.07


@once
def test_from_left_to_right_a_condition_is_strengthened_beside_what_is_given(monkeypatch):
    model = make_model(model={"condition_dropout": 0.25}, conditions=3)
    options = {"given": np.where(np.arange(LENGTH) < 2, X, -1), "order": "left_to_right", **QUIET}
    options["sampler"] = AncestralSampler(top_k=1)

    def draw(scale):
        found = model.generate(24, condition=CLASSES, guidance_scale=scale, **options)
        model.programs.clear()
        with monkeypatch.context() as patch:  # one call of the network for each position
            patch.setattr(Transformer, "goes_one_by_one", False)
            again = model.generate(24, condition=CLASSES, guidance_scale=scale, **options)
        model.programs.clear()
        assert_array_equal(found, again)
        return found

    assert (draw(8.0) != draw(1.0)).any()
    assert_array_equal(draw(0.0), model.generate(24, **options))  # the null condition


@once
def test_guidance_in_an_order_is_a_number_with_a_rescaling():
    model = make_model(model={"condition_dropout": 0.25}, conditions=3)
    options = {"condition": CLASSES, "order": Blocks(2), **QUIET}
    plain, guided, rescaled = (
        model.generate(24, 3, guidance_scale=scale, **options)
        for scale in (1.0, 5.0, ClassifierFreeGuidance(5.0, rescale=1.0))
    )
    assert (plain != guided).any()
    assert (guided != rescaled).any()
    for scale in (lambda t: 2.0, ClassifierFreeGuidance(2.0, interval=(0.2, 0.8))):
        with pytest.raises(ValueError, match=r"`guidance_scale` must be constant in time"):
            model.generate(24, 3, guidance_scale=scale, **options)


@once
def test_what_is_given_meets_guidance_by_functions_and_particles():
    model = make_model()
    given = np.where(np.arange(LENGTH) < 2, X, -1)

    def prefer(probs):  # the last class, at the last place
        return ops.log(probs[:, -1, -1] + 1e-3)

    options = {"given": given, "guidance": prefer, **QUIET}
    for particles in (None, 1, 4):
        x = model.generate(24, 10, num_particles=particles, **options)
        assert_array_equal(x[:, :2], X[:, :2])
        assert (x[:, -1] == NUM_CLASSES - 1).mean() > 0.7
    completed = model.inpaint(
        X, np.arange(LENGTH) < 2, 10, num_particles=4, guidance=prefer, **QUIET
    )
    assert_array_equal(completed[:, :2], X[:, :2])
    assert (completed[:, -1] == NUM_CLASSES - 1).mean() > 0.7


@once
def test_matrices_of_low_rank_learn_and_are_saved(tmp_path):
    model = make_model(kernel_size=3)
    before = costs_of(model)
    model.network.enable_lora(2)
    assert_same(costs_of(model), before)
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(X, epochs=2, verbose=0)
    after = costs_of(model)
    assert np.abs(after["left_to_right"] - before["left_to_right"]).max() > 0.01
    assert_same(costs_of(save_and_load(model, "preset", tmp_path)), after)


@once
def test_a_quantised_network_says_nearly_the_same_in_every_order():
    model = make_model(kernel_size=3)
    before = costs_of(model)
    model.quantize("int8")
    for name, cost in costs_of(model).items():
        assert np.abs(cost - before[name]).mean() < 0.1 * np.abs(before[name]).mean()


@once
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains_and_stays_close(policy):
    full, half = make_model(), make_model(dtype=policy)
    expected = costs_of(full)
    for name, cost in costs_of(half).items():
        assert_allclose(cost, expected[name], rtol=0.1, atol=0.1, err_msg=name)
    half.compile(keras.optimizers.Adam(0.01))
    history = half.fit(X, epochs=2, batch_size=8, validation_data=X, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    s = half.sample_evidence(X, np.full(X.shape, 0.5, "float32"))
    prediction = half.predict_params(s, np.full(X.shape, 0.5, "float32"))
    assert {keras.backend.standardize_dtype(part.dtype) for part in prediction} == {"float32"}


def pad(x, length):
    return np.where(np.arange(LENGTH) < length, x, -1).astype("int32")


@once
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_sequences_have_lengths_in_every_order(order):
    model = make_model(masked=True)
    lengths = 1 + np.arange(24) % LENGTH
    there = np.arange(LENGTH) < lengths[:, None]
    x = model.generate(24, 3, lengths=lengths, order=order, **QUIET)
    assert_array_equal(x == -1, ~there)
    FLOW.check_data(x[there])
    completed = model.inpaint(X, np.arange(LENGTH) < 1, 3, lengths=lengths, order=order, **QUIET)
    assert_array_equal(completed == -1, ~there)
    assert_array_equal(completed[:, 0], X[:, 0])
    nats = total(model.code_length(x, order=order, **QUIET))
    assert np.isfinite(nats).all()


@once
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("order", "num_groups"), [([1, 0, 2, 3], 4), ([0, 1, 1, 2], 3), ("left_to_right", 4)]
)
def test_what_is_missing_costs_nothing_in_any_order(order, num_groups, masked):
    model = make_model(states=None, masked=masked, causal=False, model={"allow_missing": True})
    every = pad(np.pad(sequences(2), ((0, 0), (0, 2))), 2)
    options = {**QUIET, "batch_size": len(every), "num_repeats": num_groups}
    nats = model.code_length(every, order=order, **options)
    assert_array_equal(nats["transmission"], np.zeros(len(every)))
    assert np.exp(-nats["reconstruction"]).sum() == pytest.approx(1, abs=1e-4)


@once
@pytest.mark.parametrize("kind", STATES)
def test_sequences_of_other_lengths_train_in_each_kind_of_state(kind):
    model = make_model(states={kind: 1.0}, masked=True)
    model.compile(keras.optimizers.Adam(0.05))
    x = np.where(np.arange(LENGTH) < 1 + np.arange(24)[:, None] % LENGTH, [0, 1, 2, 0], -1)
    history = model.fit(x, epochs=8, batch_size=8, verbose=0).history
    assert np.mean(history["loss"][4:]) < 0.8 * np.mean(history["loss"][:4])
    nothing = np.full_like(X, -1)  # whole examples may be missing
    assert np.isfinite(model.train_on_batch(nothing))


@once
def test_latents_and_trajectories_are_those_of_what_is_sent_together():
    model = make_model()
    latents = model.encode(X, 5, seed=0, verbose=0)
    again = model.generate(24, 5, "ode2", latents=latents, verbose=0)
    FLOW.check_data(again)
    given = np.where(np.arange(LENGTH) < 2, X, -1)
    options = {"sampler": "ancestral", "return_details": True, **QUIET}
    result = model.generate(24, 5, given=given, **options)
    t = result.trajectory.t
    assert t.shape == (6, 24, LENGTH)
    assert (t[:, :, :2] == 1).all()
    assert_allclose(t[:, 0, 2], np.linspace(0, 1, 6), rtol=1e-6)
    assert result.trajectory.s.shape == (6, 24, LENGTH, NUM_CLASSES)


@once
@pytest.mark.parametrize("order", ["together", "left_to_right", "random"])
def test_texts_are_written_and_continued_in_any_order(order):
    flow = DiscreteFlow(27, beta_1=2.0)
    model = make_model(flow, states=None, model={"tokenizer": Letters()})
    texts = model.generate_text(3, 2, order=order, seed=0, verbose=0)
    assert [len(text) for text in texts] == [LENGTH] * 3
    texts = model.continue_text(["ab", "z"], 2, 2, order=order, seed=0, verbose=0)
    assert [text[:2] for text in texts[:2]] == ["ab"] * 2
    assert all(text.startswith("z") for text in texts[2:])


@once
@pytest.mark.parametrize(
    "flow", [ContinuousFlow(0.1), ContinuousFlow(0.1, "data"), DiscretizedFlow(9, 0.1)]
)
def test_numbers_are_sent_in_blocks_and_given(flow):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (24, LENGTH)).astype("float32")
    x = ((x + 1) * 4.5).astype("int32").clip(0, 8) if flow.discrete else x
    network = MLP(flow, (LENGTH,), width=16, num_blocks=1, times="variables")
    model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(x, epochs=2, batch_size=8, verbose=0)
    known = np.arange(LENGTH) < 2
    given = np.where(known, x, -1 if flow.discrete else np.nan).astype(x.dtype)
    for order in ("together", Blocks(1), Groups([0, 1, 1, 0], coded_directly=False)):
        drawn = model.generate(24, 4, given=given, order=order, **QUIET)
        assert_array_equal(drawn[:, known], x[:, known])
        flow.check_data(drawn)
        nats = model.code_length(x, 3, known=known, order=order, **QUIET)
        assert np.isfinite(total(nats)).all()


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("sampler", everywhere(["ode2", "sde1"], "ode2"))
def test_one_block_of_all_variables_is_drawn_as_they_are_together(sampler):
    """The last prediction, too, is at t = 1: of numbers theta hangs on the time."""
    flow = ContinuousFlow(0.3, "data")
    network = MLP(flow, (LENGTH,), width=8, num_blocks=1, times="variables")
    rng = np.random.default_rng(0)
    network.set_weights([0.2 * rng.standard_normal(w.shape) for w in network.get_weights()])
    model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
    together, block = (
        model.generate(24, 3, sampler=sampler, order=order, **QUIET)
        for order in ("together", Blocks(LENGTH))
    )
    assert np.ptp(together) > 0.1
    assert_allclose(block, together, rtol=1e-5, atol=1e-5)


@once
def test_each_numbers_own_time_is_seen():
    """Theta of a number does not tell how well it is known."""
    flow = ContinuousFlow(0.1)
    for network in (
        MLP(flow, (LENGTH,), width=8, num_blocks=1, times="variables"),
        Transformer(flow, LENGTH, width=8, num_layers=1, num_heads=2, times="variables"),
    ):
        rng = np.random.default_rng(0)
        network.set_weights([rng.standard_normal(w.shape) for w in network.get_weights()])
        theta = rng.standard_normal((1, LENGTH, 1)).astype("float32")
        times = [[0.2, 0.8, 0.5, 0.5], [0.8, 0.2, 0.5, 0.5]]  # of one mean
        one, other = (
            to_numpy(network({"theta": theta, "t": np.array([t], "float32")})) for t in times
        )
        assert np.abs(one - other).min() > 1e-6


@once
def test_a_random_order_repeats_with_the_models_seed_or_the_calls():
    def run(seed):
        model, options = make_model(seed=seed), {"order": "random", "batch_size": 24, "verbose": 0}
        drawn = [model.generate(24, 1, **options) for _ in range(2)]
        costs = [total(model.code_length(X, **options)) for _ in range(2)]
        return *drawn, *costs, model.generate(24, 1, seed=7, **options)

    first, again, other = run(0), run(0), run(1)
    for one, same in zip(first, again, strict=True):
        assert_array_equal(one, same)
    assert (first[0] != first[1]).any()
    assert (first[2] != first[3]).any()
    assert (first[0] != other[0]).any()
