"""Arguments of `compile` and `fit` are taken as by Keras."""

import keras
import numpy as np
import pytest

from tests.models.small import FLOWS, make_model

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def plain():
    return make_model(FLOWS["discretized"]())


def test_callbacks_that_monitor_a_cost_of_the_model_learn_that_less_is_better(plain):
    stopping = keras.callbacks.EarlyStopping("val_bits_per_dim")
    x = np.zeros((4, *plain.event_shape), "int32")
    plain.fit(x, validation_data=x, callbacks=[stopping], verbose=0)
    assert stopping.mode == "min"


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "sgd", "loss_weights": None},
        {"optimizer": keras.optimizers.SGD(0.5), "run_eagerly": True, "jit_compile": False},
        {"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.5}}},
    ],
)
def test_an_optimizer_is_one_its_name_or_its_config_as_in_keras(plain, options):
    plain.compile(**options)
    assert isinstance(plain.optimizer, keras.optimizers.SGD)
