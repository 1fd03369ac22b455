"""The state of a model in training, as arrays, and the way back to it."""

import keras
from keras import ops


def variables_of(model):
    return [*model.variables, *model.optimizer.variables]


def state_of(model):
    """All that training changes, as arrays."""
    return [ops.convert_to_numpy(variable).copy() for variable in variables_of(model)]


def renewable(model):
    """A function that returns the model as it is now: a new one would be compiled anew."""
    model.optimizer.build(model.trainable_variables)
    first = state_of(model)

    def renew():
        keras.utils.set_random_seed(0)
        for variable, array in zip(variables_of(model), first, strict=True):
            variable.assign(array)
        return model

    return renew


class NotesWeights(keras.callbacks.Callback):
    """Notes the weights of the model before the first step and after each."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_begin(self, logs=None):
        self.on_train_batch_end(-1)

    def on_train_batch_end(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.weights.append(self.model.get_weights())
