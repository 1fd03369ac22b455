"""Steps that are made wholly or not at all, whatever is raised meanwhile."""

import contextlib

import keras

from keras_bfn._backend import rows_of_process
from keras_bfn._scopes import keep_scopes
from keras_bfn._signals import after_failure, uninterrupted

# What a step takes and gives on JAX, by how much it is: to predict, to evaluate, to train.
_STATES = {
    2: ("trainable_variables", "non_trainable_variables"),
    3: ("trainable_variables", "non_trainable_variables", "metrics_variables"),
    4: (
        "trainable_variables",
        "non_trainable_variables",
        "optimizer_variables",
        "metrics_variables",
    ),
}


@contextlib.contextmanager
def keep_variables(model):
    """Leaves a model the variables of its last whole step if what is inside fails.

    In Keras 3.15 on JAX, `fit`, `evaluate` and `predict` take the values out of the variables while
    they run, and a step on a batch destroys them. When one was refused or interrupted, the weights
    were gone; and a `fit` that failed put averages in their place, which are zeros before the first
    step.
    """
    if not hasattr(model, "jax_state_sync"):
        with keep_scopes():
            yield
        return
    model.jax_state_sync()
    model._jax_state = model.last_weights = None  # what an earlier call left
    kept = []

    def restore():
        if not kept:
            kept.append(model.last_weights)
        model.jax_state_sync()
        if kept[0] is not None:
            for variable, weight in zip(model.trainable_variables, kept[0], strict=True):
                variable.assign(weight)

    try:
        with after_failure(restore), keep_scopes():  # in a scope nothing is assigned
            yield
    finally:
        model.last_weights = None


@contextlib.contextmanager
def finalize_wholly(optimizer):
    """Lets `fit` put averages in the place of all weights, or of none."""
    finalize = optimizer.finalize_variable_values

    def finalize_all(variables):
        with uninterrupted():
            finalize(variables)

    optimizer.finalize_variable_values = finalize_all
    try:
        yield
    finally:
        del optimizer.finalize_variable_values


class _InPlace:
    """The mixin of TensorFlow and PyTorch, where a step changes one variable after the other."""

    def make_train_function(self, force=False):
        is_made = self.train_function is not None and not force
        super().make_train_function(force)
        if is_made:
            return
        step = self.train_function

        def whole_step(*args):
            with uninterrupted():
                return step(*args)

        self.train_function = whole_step


class _OfNewValues:
    """The mixin of JAX, where a step destroys the values that it takes, and returns new ones."""

    def _get_jax_state(self, purge_model_variables=False, **groups):
        with uninterrupted():
            state = super()._get_jax_state(purge_model_variables=purge_model_variables, **groups)
            if purge_model_variables:
                self._hold(state)
        return state

    def _make_function(self, step, *args, **kwargs):
        def whole_step(state, data):
            with uninterrupted():
                outputs, state = step(state, data)
                self._hold(state)
            return rows_of_process(outputs), state

        return super()._make_function(whole_step, *args, **kwargs)

    def _hold(self, state):
        """Tells Keras at once where the values are that the variables lack."""
        self._jax_state = dict(zip(_STATES[len(state)], state, strict=True))
        self._jax_state_synced = False

    def jax_state_sync(self):
        super().jax_state_sync()
        # Before `fit` puts averages in their place.
        self.last_weights = [weight.value for weight in self.trainable_variables]


# Mixed into a Keras model. Whatever is raised, its variables are those of a whole step.
WholeSteps = _OfNewValues if keras.backend.backend() == "jax" else _InPlace
