"""However a model is compiled: what was stopped goes on as if it had not been."""

import keras
import numpy as np
import pytest
from keras import ops, optimizers

from keras_bfn.callbacks import Resume
from tests.models.small import EVENT_SHAPE, FLOWS, make_model
from tests.models.states import renewable, state_of, variables_of

BACKEND = keras.backend.backend()
FLOW = FLOWS["discrete"]()
X = np.zeros((24, *EVENT_SHAPE), "int32")  # quickly learnt


def of_several():
    by_layer = {"dense_1/.*": optimizers.SGD(0.01, momentum=0.9)}
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(optimizers.Adam(0.01), by_layer))


# What `compile` is told.
OPTIONS = {
    "several steps per execution": lambda: {"steps_per_execution": 2},
    "eagerly": lambda: {"run_eagerly": True},
    "compiled": lambda: {"jit_compile": True},
    "not compiled": lambda: {"jit_compile": False},
    "accumulated gradients": lambda: {
        "optimizer": optimizers.Adam(0.01, gradient_accumulation_steps=2)
    },
    "averages": lambda: {"optimizer": optimizers.Adam(0.01, use_ema=True)},
    "Muon": lambda: {"optimizer": optimizers.Muon(0.01)},
    "schedule-free": lambda: {"optimizer": optimizers.ScheduleFreeAdamW(0.01)},
    "several optimizers": lambda: {"optimizer": of_several()},
    "a scaled loss": lambda: {"optimizer": optimizers.LossScaleOptimizer(optimizers.Adam(0.01))},
    "mixed_bfloat16": dict,
    "mixed_float16": dict,
}
QUICK = ["several steps per execution"]
if BACKEND == "torch":  # where nothing is compiled
    QUICK = ["accumulated gradients", "several optimizers", "mixed_float16"]
CASES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in OPTIONS]


def fit(model, epochs, directory=None):
    callbacks = [] if directory is None else [Resume(directory, verbose=0)]
    options = {"shuffle": False, "callbacks": callbacks, "verbose": 0}
    return model.fit(X, epochs=epochs, batch_size=4, **options).history["loss"]


def copy_seeds(model, other):
    """Seeds are not in a .keras file, but in those of `Resume`."""
    for variable, state in zip(model.non_trainable_variables, other, strict=True):
        variable.assign(state)


@pytest.mark.slow_to_compile
@pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated")  # within `torch.compile`
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # the same
@pytest.mark.filterwarnings("ignore:Dynamo detected")  # the same
@pytest.mark.parametrize("option", CASES)
def test_training_goes_on_after_it_was_stopped_as_if_it_had_not_been(option, tmp_path, request):
    if option == "several steps per execution" and BACKEND == "torch":
        pytest.skip("Keras on PyTorch has one step per execution")
    if option == "compiled":
        request.getfixturevalue("xla")
    model = make_model(FLOW, compiled=False, dtype=option if "mixed" in option else None)
    model.compile(**{"optimizer": optimizers.Adam(0.01)} | OPTIONS[option]())
    fresh = renewable(model)

    losses = fit(fresh(), 3)
    assert losses[2] < losses[0]
    expected = state_of(model)

    fit(fresh(), 1, tmp_path)
    fit(fresh(), 3, tmp_path)
    for found, alone in zip(state_of(model), expected, strict=True):
        np.testing.assert_array_equal(found, alone)

    # `fit` ends with the averages for weights: not as if there had been one of all epochs.
    fit(fresh(), 1)
    model.save(tmp_path / "model.keras")
    seeds = [ops.convert_to_numpy(variable) for variable in model.non_trainable_variables]
    fit(model, 2)
    expected = state_of(model)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    copy_seeds(loaded, seeds)
    fit(loaded, 2)
    assert len(variables_of(loaded)) == len(expected)
    for found, alone in zip(state_of(loaded), expected, strict=True):
        np.testing.assert_array_equal(found, alone)
