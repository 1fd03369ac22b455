"""Training over two devices, left alone and interrupted: see `test_distribution.py`."""

import contextlib
import pathlib
import sys

import keras
import numpy as np

import keras_bfn
from tests.models.small import FLOWS, ConditionNetwork, make_data
from tests.models.states import state_of

FLOW = FLOWS["binary"]()


class Costly(ConditionNetwork):
    """Adds a constant to the loss."""

    def call(self, inputs):
        self.add_loss(keras.ops.convert_to_tensor(1000.0))
        return super().call(inputs)


def distribute():
    """A function that returns the context in which to make a model."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.MirroredStrategy()
        assert strategy.num_replicas_in_sync == 2
        return strategy.scope
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    assert keras.distribution.distribution().num_model_replicas == 2
    return contextlib.nullcontext


def train(directory, epochs, scope):
    keras.utils.set_random_seed(0)
    with scope():
        model = keras_bfn.BayesianFlowNetwork(FLOW, ConditionNetwork(FLOW.output_size), seed=0)
        model.compile(keras.optimizers.AdamW(1e-2, use_ema=True))
    data = keras_bfn.datasets.Batches(make_data(FLOW), lambda rows, rng: rows, batch_size=8)
    resume = keras_bfn.callbacks.Resume(directory, data=data)
    model.fit(data, epochs=epochs, callbacks=[resume], verbose=0)
    return model


def losses_with_what_a_network_adds(scope):
    with scope():
        model = keras_bfn.BayesianFlowNetwork(FLOW, Costly(FLOW.output_size), seed=0)
        model.compile("adamw")
    x = make_data(FLOW)
    fitted = model.fit(x, batch_size=8, verbose=0).history["loss"][0]
    return fitted, model.evaluate(x, batch_size=8, verbose=0, return_dict=True)["loss"]


def main(directory):
    scope = distribute()
    print("Losses:", *losses_with_what_a_network_adds(scope))
    alone = train(directory / "alone", 2, scope)
    train(directory / "stopped", 1, scope)
    resumed = train(directory / "stopped", 2, scope)
    np.savez(directory / "alone.npz", *state_of(alone))
    np.savez(directory / "resumed.npz", *state_of(resumed))
    nats = alone.code_length(make_data(FLOW, 5), num_steps=3, verbose=0)
    print("Code lengths:", len(nats["transmission"]))
    print("Samples:", len(alone.generate(3, 2, verbose=0)))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
