"""A training run that may be killed at any moment: see `test_resume.py`."""

import sys
import time

import keras
import numpy as np

import keras_bfn
from tests.models.states import state_of


def make_model(width=8, dtype=None, tokenizer=None, beta_1=4.0):
    """With all that keeps a state: dropout, dropped labels, averages, a falling learning rate."""
    keras.utils.set_random_seed(0)
    flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=beta_1)
    network = keras_bfn.networks.MLP(
        flow, (6,), width=width, num_blocks=1, dropout=0.2, conditions=3, dtype=dtype
    )
    model = keras_bfn.BayesianFlowNetwork(
        flow, network, condition_dropout=0.2, tokenizer=tokenizer, seed=0
    )
    schedule = keras.optimizers.schedules.CosineDecay(3e-2, decay_steps=60)
    model.compile(keras.optimizers.AdamW(schedule, use_ema=True, ema_momentum=0.9))
    return model


def make_data(transform=None):
    rng = np.random.default_rng(0)
    examples = rng.integers(0, 2, (70, 6)).astype("int32")
    labels = rng.integers(0, 3, 70).astype("int32")
    return keras_bfn.datasets.Batches(examples, transform or flip, batch_size=8, labels=labels)


def flip(rows, rng):
    return np.where(rng.random(rows.shape) < 0.1, 1 - rows, rows)


class Slow(keras.callbacks.Callback):
    """Tells each epoch, and makes it last a third of a second."""

    def on_epoch_begin(self, epoch, logs=None):
        print("Epoch", epoch, flush=True)

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.03)


def main(directory, path):
    model, train = make_model(), make_data()
    callbacks = [Slow(), keras_bfn.callbacks.Resume(directory, data=train)]
    model.fit(train, epochs=8, callbacks=callbacks, verbose=0)
    np.savez(path, *state_of(model))


if __name__ == "__main__":
    main(*sys.argv[1:])
