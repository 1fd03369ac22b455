"""Variables that are missing cost nothing, say nothing, and could be anything."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow, MarkovChain
from keras_bfn.networks import MLP, Transformer
from tests.backends import everywhere
from tests.injected_noise import noise_of_places
from tests.models.parts import IS_TORCH
from tests.models.small import predict_at
from tests.tensors import to_numpy, to_tensor, value_and_gradient

NUM, SHORT, LONG, TIME = 4, 5, 8, 0.4
RNG = np.random.default_rng(0)
CHAIN = MarkovChain.fit(RNG.integers(0, 2, (50, 20)) + RNG.integers(0, 2, (50, 1)), 3, order=2)
FLOWS = {
    "discrete": DiscreteFlow(3, beta_1=2.0),
    "chain": DiscreteFlow(3, beta_1=2.0, prior=CHAIN),
    "shares": DiscreteFlow(3, beta_1=2.0, prior=[0.2, 0.7, 0.1]),
    "levels": DiscretizedFlow(3, sigma_1=0.3),
    "numbers": ContinuousFlow(sigma_1=0.3),
    "numbers, prior": ContinuousFlow(sigma_1=0.3, prior=(0.4, 0.2)),
}
OPTIONS = {"batch_size": NUM, "verbose": 0}


def make_data(flow, length, seed=1):
    rng = np.random.default_rng(seed)
    if flow.discrete:
        return rng.integers(0, 3, (NUM, length)).astype("int32")
    return rng.uniform(-1, 1, (NUM, length)).astype("float32")


def pad(x):
    """Sequences as long as the model's, with what is missing at their ends."""
    missing = np.full((len(x), LONG - x.shape[1]), -1 if x.dtype.kind == "i" else np.nan, x.dtype)
    return np.concatenate([x, missing], axis=1)


def randomize(network):
    rng = np.random.default_rng(0)
    network.set_weights([0.3 * rng.standard_normal(w.shape) for w in network.get_weights()])
    return network


def make_model(flow, length=LONG, masked=True):
    """Of the same weights, whatever the length of its sequences."""
    network = Transformer(flow, length, 8, 1, num_heads=2, kernel_size=3, masked=masked)
    model = BayesianFlowNetwork(flow, randomize(network), seed=0)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def costs(model, x):
    """What each verb says that examples cost, in nats; the loss and what a step changes."""
    logs = model.evaluate(x, return_dict=True, **OPTIONS)
    found = {f"evaluate {name}": value for name, value in logs.items()}
    if IS_TORCH:
        for num_steps in (None, 4):
            nats = model.code_length(x, num_steps, **OPTIONS)
            found |= {f"{num_steps} {name}": values for name, values in nats.items()}
        found["by time"] = model.loss_by_time(x, num_intervals=2, **OPTIONS)["loss"]
    before = model.get_weights()
    found["fit"] = model.fit(x, shuffle=False, **OPTIONS).history["loss"][0]
    found["step"] = changes(model, before)
    assert all(np.isfinite(values).all() for values in found.values())
    return found


def changes(model, before):
    moved = [a - b for a, b in zip(model.get_weights(), before, strict=True)]
    return np.concatenate([np.ravel(weight) for weight in moved])


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "numbers"))
def test_padded_sequences_cost_what_they_cost_without(name):
    flow = FLOWS[name]
    x, nothing = make_data(flow, SHORT), pad(make_data(flow, 0))
    with noise_of_places(TIME):
        model = make_model(flow)
        padded = costs(model, pad(x))
        alone = costs(make_model(flow, SHORT, masked=False), x)
        # Examples of which nothing is there change nothing.
        options, before = {**OPTIONS, "return_dict": True}, model.get_weights()
        logs, with_nothing = (
            model.evaluate(values, **options)
            for values in (pad(x), np.concatenate([pad(x), nothing]))
        )
        assert model.fit(nothing, **OPTIONS).history["loss"] == [0.0]
        assert not any(model.evaluate(nothing, **options).values())
    for verb, expected in alone.items():
        atol = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(padded[verb], expected, rtol=1e-5, atol=atol, err_msg=verb)
    assert np.abs(alone["step"]).max() > 1e-3
    assert not changes(model, before).any()
    for measure in ("loss", "reconstruction", "bits_per_dim"):
        assert with_nothing[measure] == pytest.approx(logs[measure], rel=1e-6)


@pytest.mark.once
def test_a_batch_of_two_lengths_costs_what_both_do_by_their_variables():
    flow = FLOWS["discrete"]
    short, long = make_data(flow, SHORT), make_data(flow, LONG)
    with noise_of_places(TIME):
        options = {"batch_size": 2 * NUM, "verbose": 0, "shuffle": False}
        found = make_model(flow)
        logs = found.evaluate(np.concatenate([pad(short), long]), return_dict=True, verbose=0)
        found.fit(np.concatenate([pad(short), long]), **options)
        parts = [make_model(flow, SHORT, False), make_model(flow, LONG, False)]
        losses = [part.evaluate(x, verbose=0) for part, x in zip(parts, (short, long), strict=True)]
        for part, x in zip(parts, (short, long), strict=True):
            part.fit(x, **options)
    total = SHORT + LONG
    names = ["loss", "reconstruction", "bits_per_dim"]
    expected = (SHORT * np.array(losses[0][:3]) + LONG * np.array(losses[1][:3])) / total
    np.testing.assert_allclose([logs[name] for name in names], expected, rtol=1e-5)
    mean = np.mean([loss[3] for loss in losses])
    np.testing.assert_allclose(logs["nats_per_example"], mean, rtol=1e-5)
    start = make_model(flow).get_weights()
    both, of_short, of_long = (changes(model, start) for model in (found, *parts))
    expected = (SHORT * of_short + LONG * of_long) / total
    np.testing.assert_allclose(both, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.once
def test_examples_count_by_their_weights_and_by_their_variables():
    flow = FLOWS["discrete"]
    short, long = make_data(flow, SHORT), make_data(flow, LONG)
    options = {"batch_size": 2 * NUM, "verbose": 0, "return_dict": True}
    with noise_of_places(TIME):
        model = make_model(flow)
        both = np.concatenate([pad(short), long])
        weights = np.repeat([3.0, 0.5], NUM).astype("float32")
        found = model.evaluate(both, sample_weight=weights, **options)
        alone = [model.evaluate(x, **options) for x in (pad(short), long)]
    shares = np.array([3.0 * SHORT, 0.5 * LONG])
    for name in ("loss", "reconstruction", "bits_per_dim"):
        of_short, of_long = (logs[name] for logs in alone)
        assert of_short != pytest.approx(of_long, rel=1e-2)
        expected = np.average([of_short, of_long], weights=shares)
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, err_msg=name)


def own_network(flow, masked):
    """A functional network of Keras's own layers, which sees all positions."""
    inputs = {
        "theta": keras.Input((LONG, flow.theta_size), name="theta"),
        "t": keras.Input((), name="t"),
    }
    parts = [layers.Flatten()(inputs["theta"]), layers.Reshape((1,))(inputs["t"])]
    if masked:
        inputs["mask"] = keras.Input((LONG,), dtype="bool", name="mask")
        parts.append(ops.cast(inputs["mask"], "float32"))
    x = layers.Dense(8, "tanh")(layers.Concatenate()(parts))
    x = layers.Dense(LONG * flow.output_size)(x)
    return keras.Model(inputs, layers.Reshape((LONG, flow.output_size))(x))


@keras.saving.register_keras_serializable("keras_bfn_tests")
class OwnLayer(layers.Layer):
    """A plain layer that asks for no mask, though it is given one."""

    def __init__(self, units):
        super().__init__()
        self.dense = layers.Dense(units)

    def build(self, input_shape):
        self.dense.build(input_shape["theta"])

    def call(self, inputs):
        mean = ops.mean(inputs["theta"], axis=1, keepdims=True)
        return self.dense(inputs["theta"] + mean) + inputs["t"][:, None, None]


NETWORKS = {
    "with a mask": lambda flow: own_network(flow, True),
    "without": lambda flow: own_network(flow, False),
    "a layer": lambda flow: OwnLayer(flow.output_size),
    "masked Transformer": lambda flow: Transformer(flow, LONG, 8, 1, 2, masked=True),
    "MLP": lambda flow: MLP(flow, (LONG,), width=8, num_blocks=1),
}


def make_own(name, flow):
    allow = None if "mask" in name and name != "without" else True
    model = BayesianFlowNetwork(flow, NETWORKS[name](flow), (LONG,), allow_missing=allow, seed=0)
    model.build_for((None, LONG))
    randomize(model.network)
    assert model.allow_missing
    return model


@pytest.mark.parametrize("name", everywhere(list(NETWORKS), "with a mask"))
@pytest.mark.parametrize("kind", everywhere(list(FLOWS), "numbers"))
def test_nothing_is_heard_of_what_is_missing(name, kind):
    """Whatever stands in its place, in the data or in the evidence."""
    flow = FLOWS[kind]
    model = make_own(name, flow)
    there = np.random.default_rng(3).random((NUM, LONG)) < 0.6
    there[0] = False
    x = make_data(flow, LONG)
    with_holes = np.where(there, x, x.dtype.type(-1 if flow.discrete else np.nan))
    t = np.linspace(0.0, 1.0, NUM, dtype="float32")
    s = to_numpy(model.sample_evidence(x, t)).astype("float32")

    def params(s):
        return model.predict_params(s, t, observed=there).params

    expected, slope = value_and_gradient(params, np.where(there[..., None], s, 0.0))
    for other in (s, s + 1e9, np.nan, np.inf):
        disturbed = np.where(there[..., None], s, other)
        found, found_slope = value_and_gradient(params, disturbed)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found_slope, slope)
    assert np.isfinite(slope).all()
    assert not slope[~there].any()
    theta = to_numpy(model.predict_params(s, t, observed=there).theta)
    first = to_numpy(flow.input_params(to_tensor(s * 0.0), to_tensor(t * 0.0)))
    np.testing.assert_allclose(theta[~there], first[~there], rtol=1e-6)
    seen = predict_at(model, with_holes, t)
    assert all(np.isfinite(to_numpy(values)).all() for values in seen)
    assert not to_numpy(seen.s)[~there].any()


@pytest.mark.once
def test_a_network_that_takes_a_mask_is_told_it():
    flow = FLOWS["discrete"]
    model = make_own("with a mask", flow)
    s, t = np.zeros((2, LONG, 3), "float32"), np.zeros(2, "float32")
    there = np.array([[True] * LONG, [True] * SHORT + [False] * (LONG - SHORT)])
    told = to_numpy(model.predict_params(s, t, observed=there).params)
    assert np.abs(told[0] - told[1]).max() > 0.01  # the evidence is the same
    np.testing.assert_allclose(to_numpy(model.predict_params(s, t).params), told[[0, 0]], rtol=1e-6)


def test_generated_sequences_have_their_lengths():
    flow, lengths = FLOWS["discrete"], np.array([1, SHORT, LONG, 3])
    model, options = make_model(flow), {"num_steps": 3, "seed": 0, "verbose": 0}
    x = model.generate(NUM, lengths=lengths, **options)
    np.testing.assert_array_equal(x >= 0, np.arange(LONG) < lengths[:, None])
    assert set(np.unique(x)) <= {-1, 0, 1, 2}
    if not IS_TORCH:
        return
    np.testing.assert_array_equal(
        model.generate(NUM, lengths=SHORT, **options),
        model.generate(NUM, lengths=np.full(NUM, SHORT), **options),
    )
    whole = model.generate(NUM, **options)
    assert (whole >= 0).all()
    np.testing.assert_array_equal(whole, model.generate(NUM, lengths=LONG, **options))
    completed = model.inpaint(whole, np.arange(LONG) < 2, 3, lengths=lengths, verbose=0)
    np.testing.assert_array_equal(completed >= 0, np.arange(LONG) < lengths[:, None])
    known = np.arange(LONG) < np.minimum(lengths, 2)[:, None]
    np.testing.assert_array_equal(completed[known], whole[known])


@pytest.mark.once
def test_a_short_sequence_is_generated_as_by_a_short_model():
    flow = FLOWS["numbers"]
    with noise_of_places(TIME):
        options = {"num_steps": 3, "sampler": "ode1", "verbose": 0}
        found = make_model(flow).generate(NUM, lengths=SHORT, **options)
        expected = make_model(flow, SHORT, masked=False).generate(NUM, **options)
        latents = make_model(flow).encode(pad(expected), 3, verbose=0)
        of_short = make_model(flow, SHORT, masked=False).encode(expected, 3, verbose=0)
    np.testing.assert_allclose(found[:, :SHORT], expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(found[:, SHORT:]).all()
    np.testing.assert_allclose(latents[:, :SHORT], of_short, rtol=1e-4, atol=1e-5)
    assert not latents[:, SHORT:].any()


@pytest.mark.once
@pytest.mark.parametrize("name", ["discrete", "numbers"])
def test_inpaint_without_a_mask_fills_in_what_is_missing(name):
    """Of a model that has learnt nothing of missing variables, too."""
    flow = FLOWS[name]
    model = BayesianFlowNetwork(flow, MLP(flow, (LONG,), width=8, num_blocks=1), seed=0)
    x = make_data(flow, LONG)
    there = np.random.default_rng(3).random(x.shape) < 0.5
    holes = np.where(there, x, x.dtype.type(-1 if flow.discrete else np.nan))
    options = {"num_steps": 3, "num_particles": 2, "seed": 0, "verbose": 0}
    completed = model.inpaint(holes, **options)
    np.testing.assert_array_equal(completed[there], x[there])
    assert np.isfinite(completed).all()
    assert (completed >= flow.data_range[0]).all()
    np.testing.assert_array_equal(completed, model.inpaint(x, there, **options))


@pytest.mark.once("jax")  # the only one whose loops are always compiled
@pytest.mark.usefixtures("xla")
def test_a_chain_of_a_compiled_model_is_completed():
    """A step takes the gradient of the chain's marginals, which are a loop."""
    flow = DiscreteFlow(3, beta_1=1.0, prior=CHAIN)
    model = BayesianFlowNetwork(flow, Transformer(flow, 6, 8, num_layers=1, num_heads=2), seed=0)
    model.compile("adamw", jit_compile=keras.backend.backend() != "torch")
    x = np.array([[0, 1, 2, 2, 1, 0]])
    completed = model.inpaint(x, np.arange(6) < 3, 3, num_particles=2, verbose=0)
    assert (completed[:, :3] == x[:, :3]).all()
