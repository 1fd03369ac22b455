"""Steps that are made wholly or not at all, whatever is raised meanwhile."""

import contextlib
import signal
import threading

import keras

# By which a user, a timer or a batch system interrupts; Windows has the first two alone.
_NAMES = ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1")
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]

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
def uninterrupted():
    """Lets signals, such as that of Ctrl-C, wait until what is inside has ended."""
    if threading.current_thread() is not threading.main_thread():  # others get none
        yield
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    waiting, is_inside = [], True

    def handle(number, frame):
        if is_inside:
            waiting.append((number, frame))
        else:  # a signal has come while handlers are put back
            handlers[number](number, frame)

    try:
        for number in handlers:
            signal.signal(number, handle)
        yield
    finally:
        is_inside = False
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in waiting:
            handlers[number](number, frame)


@contextlib.contextmanager
def keep_variables(model):
    """Leaves a model the variables of its last whole step if `fit`, `evaluate` or `predict` fails.

    In Keras 3.15 on JAX, these take the values out of the variables while they run. When one was
    refused or interrupted, the weights were gone; and a `fit` that failed put averages in their
    place, which are zeros before the first step.
    """
    model.last_weights = None
    try:
        yield
    except BaseException:
        if hasattr(model, "jax_state_sync"):
            weights = model.last_weights
            model.jax_state_sync()
            if weights is not None:
                for variable, weight in zip(model.trainable_variables, weights, strict=True):
                    variable.assign(weight)
        raise
    finally:
        model.last_weights = None


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
            return outputs, state

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
