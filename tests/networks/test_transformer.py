"""A transformer: sequences of one channel or several, and the causal form."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import keras_bfn
from keras_bfn import testing
from keras_bfn.flows import DiscreteFlow
from keras_bfn.orders.programs import LeftToRightProgram
from keras_bfn.samplers import AncestralSampler
from tests.backends import everywhere
from tests.models.small import FLOWS
from tests.networks.causal import FLOW, LENGTH, VARIANTS, make_inputs, make_network
from tests.tensors import run, to_numpy


@pytest.mark.once
@pytest.mark.parametrize("name", FLOWS)
def test_a_transformer_of_several_channels_keeps_its_contract(name):
    flow = FLOWS[name]()
    network = keras_bfn.networks.Transformer(flow, (6, 3), width=8, num_layers=1, num_heads=2)
    testing.check_network(network, flow)


def seen_by(network, inputs, causal):
    """Which positions each position's output hangs on: `(seen, seeing)`."""
    inputs = inputs | {"causal": np.full(len(inputs["theta"]), causal)}
    before = run(network, inputs)
    seen = np.zeros((LENGTH, LENGTH), bool)
    for i in range(LENGTH):
        theta = inputs["theta"].copy()
        theta[:, i] = np.roll(theta[:, i], 1, axis=-1) * 0.9 + 0.02
        change = np.abs(run(network, {**inputs, "theta": theta}) - before)
        seen[i] = change.reshape(len(theta), LENGTH, -1).max(axis=(0, 2)) > 0
    return seen


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(VARIANTS), "plain", "even_kernel"))
def test_each_position_hangs_on_earlier_ones_alone_where_it_is_causal(name):
    network = make_network(**VARIANTS[name])
    inputs = make_inputs(network, **VARIANTS[name])
    assert_array_equal(seen_by(network, inputs, True), np.triu(np.ones((LENGTH, LENGTH)), 1))
    assert seen_by(network, inputs, False).all()


@pytest.mark.parametrize("name", everywhere(list(VARIANTS), "plain"))
def test_a_mixed_batch_is_each_form_alone(name):
    network = make_network(**VARIANTS[name])
    inputs = make_inputs(network, num=4, **{k: v for k, v in VARIANTS[name].items() if k != "num"})
    causal = np.array([True, False, False, True])
    mixed = run(network, {**inputs, "causal": causal})
    for form in (True, False):
        alone = run(network, {**inputs, "causal": np.full(4, form)})
        assert_allclose(mixed[causal == form], alone[causal == form], rtol=1e-4, atol=1e-5)
        assert np.abs(mixed - alone)[causal != form].max() > 1e-3


@pytest.mark.once
def test_without_a_causal_example_the_network_is_the_one_without_a_causal_form():
    plain, causal = make_network(causal=False), make_network()
    weights = {weight.path: weight for weight in causal.weights if "causal" not in weight.path}
    for own, weight in zip(weights.values(), plain.weights, strict=True):
        own.assign(weight)
    inputs = make_inputs(plain)
    expected = run(plain, inputs)
    found = run(causal, {**inputs, "causal": np.zeros(2, bool)})
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


ONE_BY_ONE = {
    **{name: variant for name, variant in VARIANTS.items() if name != "shared_times"},
    "frequencies": {"flow": DiscreteFlow(3, beta_1=3.0, prior=[0.7, 0.2, 0.1])},
    "binary": {"flow": DiscreteFlow(2, beta_1=3.0)},
    "signals_and_classes": {"conditions": {"a": 3, "b": (LENGTH, 2)}, "masked": True},
}


@pytest.mark.once
@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_one_position_after_another_is_predicted_as_in_one_call(name):
    options = ONE_BY_ONE[name]
    flow, shape = options.get("flow", FLOW), options.get("shape", (LENGTH,))
    network = make_network(**options)
    model = keras_bfn.AnyOrderNetwork(flow, network, seed=0)
    rng, num = np.random.default_rng(0), 6
    x = rng.integers(0, flow.num_values, (num, *shape)).astype("int32")
    inputs, mask = {"given": x, "known": np.zeros(x.shape, bool), "ones": np.ones(num)}, None
    if "conditions" in options:
        inputs["condition"] = np.arange(num, dtype="int32") % 3
        if isinstance(options["conditions"], dict):
            signal = rng.standard_normal((num, LENGTH, 2)).astype("float32")
            inputs["condition"] = {"a": inputs["condition"], "b": signal}
    if options.get("masked"):
        there = np.arange(LENGTH) < 1 + np.arange(num)[:, None] % LENGTH
        inputs["observed"], mask = there.astype("float32"), ops.convert_to_tensor(there)
    inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
    known = ops.ones(x.shape, "bool") if mask is None else mask
    s = model.sample_evidence(x, np.zeros(num, "float32"), known)
    expected = model.predict_params(
        s,
        np.zeros(num, "float32"),
        inputs.get("condition"),
        observed=mask,
        known=known,
        causal=ops.ones(num, "bool"),
    ).params
    positions = network.one_by_one()
    fixed = positions.fixed(
        LeftToRightProgram(model, AncestralSampler(), None).network_inputs(inputs)
    )
    kept, past = positions.start(num, room=2)
    for i in range(LENGTH):
        if i == 2:
            kept, past = positions.put_by(kept, past)
        last = flow.known_params(inputs["given"][:, max(i - 1, 0)])
        params, kept = positions.next(last, ops.convert_to_tensor(i), fixed, kept, past)
        is_seen = np.ones(num, bool) if mask is None else there[:, i]
        found, wanted = to_numpy(params)[is_seen], to_numpy(expected[:, i])[is_seen]
        assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)
