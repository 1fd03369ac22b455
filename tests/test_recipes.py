"""Recipes: rates that rise and fall, averages, and which matrices are Muon's."""

import keras
import numpy as np
import pytest

from keras_bfn import flows, networks, recipes

RECIPES = [recipes.adamw, recipes.muon]
once = pytest.mark.once


@once
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(("num_steps", "warmup"), [(1000, 100), (3000, 200), (5, 0)])
def test_the_rate_rises_and_falls_to_zero_at_the_last_step(recipe, num_steps, warmup):
    optimizer = recipe(num_steps, 0.5)
    rate = keras.optimizers.get(optimizer)._learning_rate
    rates = [float(rate(step)) for step in range(num_steps + 1)]
    assert np.argmax(rates) == warmup
    assert max(rates) == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.0, abs=1e-7)
    assert (np.diff(rates[: warmup + 1]) > 0).all()
    assert (np.diff(rates[warmup:]) <= 0).all()


@once
@pytest.mark.parametrize("recipe", RECIPES)
def test_options_are_the_optimizers_own(recipe):
    optimizer = recipe(100, weight_decay=0.5, use_ema=False, name="mine")
    assert (optimizer.weight_decay, optimizer.use_ema, optimizer.name) == (0.5, False, "mine")
    assert recipe(3000).ema_momentum == pytest.approx(1 - 15 / 3000)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()


@once
@pytest.mark.parametrize("recipe", RECIPES)
def test_without_a_number_of_steps_the_rate_is_constant(recipe):
    optimizer = recipe(peak_rate=0.25)
    assert (float(optimizer.learning_rate), optimizer.ema_momentum) == (0.25, 0.995)
    optimizer.learning_rate = 0.5  # which Keras refuses of a schedule


@pytest.mark.slow_to_compile
def test_muon_has_the_matrices_of_blocks_and_adamw_all_else():
    """In a step of AdamW after equal gradients, all numbers change by as much."""
    flow = flows.DiscreteFlow(num_classes=5, beta_1=1.0)
    network = networks.Transformer(flow, 8, width=16, num_layers=1, num_heads=2)
    optimizer = recipes.muon(1000, weight_decay=0.0, adam_weight_decay=0.0)
    weights, rng = network.trainable_variables, np.random.default_rng(0)
    optimizer.build(weights)
    gradients = [
        keras.ops.convert_to_tensor(rng.normal(size=w.shape).astype("float32")) for w in weights
    ]
    optimizer.apply(gradients, weights)  # at a rate of 0
    before = [keras.ops.convert_to_numpy(w) for w in weights]
    optimizer.apply(gradients, weights)
    for weight, old in zip(weights, before, strict=True):
        change = np.abs(keras.ops.convert_to_numpy(weight) - old)
        assert change.max() > 0
        is_even = np.ptp(change) < 0.01 * change.max()
        assert is_even == (len(weight.shape) < 2 or "block" not in weight.path), weight.path
