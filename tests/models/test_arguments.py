"""Arguments of `compile`, `fit` and the like are checked before Keras has them."""

import keras
import numpy as np
import pytest

from tests.inputs.test_arrays_of_parts import PARTS, make_plain, refuses
from tests.models.parts import make_model

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def plain():
    return make_plain()


@pytest.mark.parametrize(
    ("loss_weights", "message"),
    [
        ({"imag": 1.0}, rf"be a dict from some of {PARTS} to weights. Received: .*'imag'"),
        ([1.0, 1.0, 1.0], rf"be a dict from some of {PARTS}"),
        (2.0, rf"be a dict from some of {PARTS}.*=2.0"),
        (
            {"image": -1},
            r"contain finite numbers of at least 0. Received: loss_weights\['image'\]=-1",
        ),
        ({"image": np.nan}, r"contain finite numbers of at least 0.*nan"),
        ({"image": np.inf}, r"contain finite numbers of at least 0.*inf"),
        ({"image": True}, r"contain finite numbers of at least 0.*True"),
        ({"image": "1"}, r"contain finite numbers of at least 0.*'1'"),
        ({"image": None}, r"contain finite numbers of at least 0.*None"),
    ],
)
def test_bad_loss_weights_are_refused(model, loss_weights, message):
    with refuses("`loss_weights` must .*" + message):
        model.compile("sgd", loss_weights=loss_weights)


@pytest.mark.parametrize("loss_weights", [{"image": 1.0}, {}, 1.0])
def test_loss_weights_of_a_plain_flow_are_refused(plain, loss_weights):
    with refuses("`loss_weights` must be None unless the flow is a dict"):
        plain.compile("sgd", loss_weights=loss_weights)


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
