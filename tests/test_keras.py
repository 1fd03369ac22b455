"""What stands in for Keras; that Keras still needs it: `test_workarounds.py`."""

import types

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn import _keras
from keras_bfn._random import make_seed_generator
from tests.tensors import to_numpy

pytestmark = pytest.mark.once


def test_a_loop_gives_what_one_step_after_another_gives():
    """With draws in it, which go on from those before it."""

    def predict(i, state, drawn):
        return (ops.cast(i, "float32") + drawn,)

    def run(by_loop):
        generator = make_seed_generator(3)

        def draw():
            return keras.random.normal((2,), seed=generator)

        def act(i, state, prediction):
            return state + prediction * keras.random.normal((2,), seed=generator)

        if by_loop:
            state = _keras.loop(generator, 3, predict, act, ops.zeros((2,)), draw)
        else:
            state = ops.zeros((2,))
            for i in range(3):
                drawn = draw()
                state = act(i, state, *predict(i, state, drawn))
        return to_numpy(state), to_numpy(generator.state)

    for found, expected in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_draws_by_a_seed_leave_the_generator_where_it_was():
    generator = make_seed_generator(0)
    before = to_numpy(generator.state)
    drawn = []
    for seed in (5, 5, None):
        with _keras.seeded(generator, seed):
            drawn.append(to_numpy(keras.random.normal((3,), seed=generator)))
        if seed is not None:
            np.testing.assert_array_equal(to_numpy(generator.state), before)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[1] != drawn[2]).all()
    assert (to_numpy(generator.state) != before).any()


def test_a_generator_is_where_it_was_after_an_error_too():
    generator = make_seed_generator(0)
    before = to_numpy(generator.state)

    def draw_and_fail():
        with _keras.seeded(generator, 5):
            generator.next()
            raise OSError("of data")

    with pytest.raises(OSError, match="of data"):
        draw_and_fail()
    np.testing.assert_array_equal(to_numpy(generator.state), before)


def test_dicts_within_dicts_are_put_in_order_by_name():
    structure = {"b": {"d": 1, "c": 2}, "a": 3}
    values = {"a": 30, "b": {"c": 20, "d": 10}}
    ordered = _keras.in_order_of(structure, values)
    assert ordered == values
    assert [list(ordered), list(ordered["b"])] == [["b", "a"], ["d", "c"]]
    others = {"a": 1, "x": 2}
    assert _keras.in_order_of(structure, others) is others


def nested():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)])
    return keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(2)])


def test_layers_within_layers_are_found_and_what_was_done_to_them_is_done_to_others():
    model, other = nested(), nested()
    layers = _keras.layers_within(model)
    assert sum(isinstance(layer, keras.layers.Dense) for layer in layers) == 3
    assert len(_keras.layers_with_kernels(model)) == 3
    policies = _keras.layer_policies(model)
    assert _keras.changed_layers(model, policies) == {}
    dense = _keras.layers_with_kernels(model)
    dense[0].trainable = False
    dense[1].quantize("int8")
    dense[2].dtype_policy = "mixed_bfloat16"
    changes = _keras.changed_layers(model, policies)
    assert sorted(changes.values(), key=str) == [
        {"dtype": "mixed_bfloat16"},
        {"quantization": "int8"},
        {"trainable": False},
    ]
    _keras.change_layers(other, changes)
    assert _keras.changed_layers(other, policies) == changes


def test_a_frozen_layer_may_hold_one_that_trains():
    model, other = nested(), nested()
    inner = model.layers[0]
    inner.trainable = False
    inner.layers[1].trainable = True
    _keras.change_layers(other, _keras.changed_layers(model, _keras.layer_policies(other)))
    for one, copy in zip(*map(_keras.layers_within, (model, other)), strict=True):
        assert one.trainable == copy.trainable


@pytest.mark.parametrize(
    ("monitor", "mode", "expected"),
    [
        ("val_nats", "auto", "min"),
        ("nats", "auto", "min"),
        ("val_nats", "max", "max"),
        ("val_accuracy", "auto", "auto"),
    ],
)
def test_callbacks_that_leave_the_direction_open_learn_that_less_is_better(monitor, mode, expected):
    callback = types.SimpleNamespace(monitor=monitor, mode=mode)
    _keras.prefer_less([callback, keras.callbacks.Callback()], [keras.metrics.Mean("nats")])
    assert callback.mode == expected


def test_an_optimizers_config_names_no_backend():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.5))
    config = keras.optimizers.serialize(optimizer)
    found = _keras.of_no_backend(config)
    assert "backend" not in str(found)
    again = keras.optimizers.deserialize(found)
    assert float(again.inner_optimizer.learning_rate) == 0.5
    assert config == keras.optimizers.serialize(optimizer)  # which is not changed


@pytest.mark.parametrize(("policy", "is_scaled"), [("mixed_float16", True), ("float32", False)])
def test_the_loss_is_scaled_once_for_a_network_in_float16(policy, is_scaled):
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, dtype=policy)])
    network = keras.Sequential([keras.Input((2,)), inner])
    model = keras.Sequential([network])
    model.compile("sgd", auto_scale_loss=False)
    for _ in range(2):
        _keras.scale_loss(model, network)
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled is is_scaled
    inner = model.optimizer.inner_optimizer if is_scaled else model.optimizer
    assert not isinstance(inner, keras.optimizers.LossScaleOptimizer)


def test_copied_values_do_not_change_with_their_variables():
    variables = [keras.Variable(np.zeros(3)), keras.Variable(np.ones(2))]
    values = _keras.copy_values(variables)
    for variable in variables:
        variable.assign_add(ops.ones_like(variable))
    assert [value.tolist() for value in values] == [[0.0] * 3, [1.0] * 2]


def test_batches_of_a_loader_are_tuples_and_its_own_stay_lists():
    torch_data = pytest.importorskip("torch.utils.data")
    rows = [({"a": np.float32(i)}, np.float32(i)) for i in range(4)]
    loader = torch_data.DataLoader(rows, batch_size=2)
    assert isinstance(next(iter(loader)), list)
    first, _ = _keras.yield_tuples(loader)
    assert isinstance(first, tuple)
    assert first[0]["a"].tolist() == [0.0, 1.0]
    single = torch_data.DataLoader(np.zeros((4, 3), "float32"), batch_size=2)
    (batch,) = next(iter(_keras.yield_tuples(single)))
    assert tuple(batch.shape) == (2, 3)


def test_an_input_has_the_name_of_its_key_only_where_it_is_one_tensor():
    one = _keras.symbolic("condition", (5,), "int32")
    assert (one.name, tuple(one.shape), one.dtype) == ("condition", (None, 5), "int32")
    parts = _keras.symbolic("condition", {"a": (), "b": (2,)}, {"a": "int32", "b": "float32"})
    assert {name: (tuple(x.shape), x.dtype) for name, x in parts.items()} == {
        "a": ((None,), "int32"),
        "b": ((None, 2), "float32"),
    }
