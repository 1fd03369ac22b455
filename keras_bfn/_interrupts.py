"""Protection of variables and of threads' turns against errors and interrupts such as Ctrl-C.

Signals are deferred only while variables change: during an optimizer's update and, on JAX, during a
compiled step, which cannot be interrupted anyway. Tracing, compilation and all Python code can be
interrupted at once.
"""

import contextlib
import functools
import itertools
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import keras
from keras import ops

from keras_bfn._backend.processes import rows_of_process
from keras_bfn._backend.traits import steps_take_values, untraced

# Signals that users, timers and batch systems send. Windows has only the first two.
_NAMES = ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1")
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
# The groups of variables that a compiled step takes on JAX, by their number: `predict`,
# `evaluate`, `fit`.
_WEIGHTS = ("trainable_variables", "non_trainable_variables")
_GROUPS = {
    2: _WEIGHTS,
    3: (*_WEIGHTS, "metrics_variables"),
    4: (*_WEIGHTS, "optimizer_variables", "metrics_variables"),
}


Verb = TypeVar("Verb", bound=Callable[..., Any])


@contextlib.contextmanager
def uninterrupted():
    """Defers signals such as Ctrl-C until the block has ended."""
    if threading.current_thread() is not threading.main_thread():  # other threads receive none
        yield
        return
    handlers, waiting = {}, []
    try:
        # A stack puts all handlers back, even if one of them raises meanwhile.
        with contextlib.ExitStack() as stack:
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    handlers[number] = handler
                    stack.callback(signal.signal, number, handler)
                    signal.signal(number, lambda *arguments: waiting.append(arguments))
            yield
    finally:
        for number, frame in waiting:
            handlers[number](number, frame)


@contextlib.contextmanager
def restoring(restore):
    """Calls `restore()` on any exit of the block, and again if an interrupt strikes the call."""
    try:
        yield
    finally:
        try:
            restore()
        except BaseException:
            with uninterrupted():
                restore()
            raise


def in_turn(verb: Verb) -> Verb:
    """Makes a model's method wait while another thread runs such a method.

    The methods draw from the model's seed generator, and some change its variables. A method, and
    the callbacks of `fit`, may call other such methods.
    """

    @functools.wraps(verb)
    def take_turn(model, *args, **kwargs):
        with model.turn:
            return verb(model, *args, **kwargs)

    return cast(Verb, take_turn)


@contextlib.contextmanager
def whole_steps(model, optimizer=None):
    """Restores a model to its last complete step if the block fails.

    Args:
        model: a Keras model with the mixin `WholeSteps`.
        optimizer: the optimizer of a block that trains. Its updates are not interrupted, and a
            `fit` that fails does not replace the weights by their averages.
    """
    before = {} if optimizer is None else dict(vars(optimizer))
    if optimizer is not None:
        outer, finalize = sys.exc_info()[1], optimizer.finalize_variable_values

        def finalize_unless_failed(variables):
            if sys.exc_info()[1] is outer:
                with uninterrupted():
                    finalize(variables)

        optimizer.apply = functools.partial(_apply_whole, optimizer.apply)
        optimizer.finalize_variable_values = finalize_unless_failed
    try:
        yield
    except BaseException:
        with uninterrupted():
            model.restore()
        raise
    finally:
        for name in ("apply", "finalize_variable_values") if optimizer is not None else ():
            vars(optimizer).pop(name, None)
            if name in before:
                vars(optimizer)[name] = before[name]


@untraced
def _apply_whole(apply, *args, **kwargs):
    with uninterrupted():
        return apply(*args, **kwargs)


class _InPlace:
    """The mixin for TensorFlow and PyTorch, whose steps change variables in place."""

    def restore(self) -> None:
        """Does nothing, because nothing is lost."""


_Mixin: Any = object  # the methods that `super()` finds are those of `keras.Model`


class _HeldByTrainer(_Mixin):
    """The mixin for JAX, whose steps destroy the values passed to them and return new ones.

    While Keras 3.15 trains, evaluates or predicts, only local variables of its loops refer to the
    values. This mixin refers to them, too.
    """

    _held: Any = None
    _jax_state: Any

    def _purge_model_variables(self, **groups):
        """Keeps the values in the variables until a step has taken them."""

    def make_train_function(self, force: bool = False) -> None:
        self._make("train_function", super().make_train_function, force)

    def make_test_function(self, force: bool = False) -> None:
        self._make("test_function", super().make_test_function, force)

    def make_predict_function(self, force: bool = False) -> Any:
        self._make("predict_function", super().make_predict_function, force)
        return self.predict_function

    def _make(self, name, make, force):
        before = getattr(self, name)
        make(force)
        if getattr(self, name) is not before:
            setattr(self, name, self._holding(getattr(self, name)))

    def _holding(self, step):
        compiled = set()  # the batch shapes for which it is compiled

        def held_step(state, iterator):
            data = next(iterator)
            shapes = tuple(tuple(x.shape) for x in keras.tree.flatten(data) if x is not None)
            iterator = itertools.chain([data], iterator)
            if shapes in compiled:
                with uninterrupted():
                    outputs, state = step(state, iterator)
                    self._hold(state)
            else:  # compilation comes first, which may be interrupted
                self._hold(keras.tree.map_structure(ops.copy, state))
                outputs, state = step(state, iterator)
                self._hold(state)
                compiled.add(shapes)
            return rows_of_process(outputs), state

        return held_step

    def _hold(self, state):
        vars(self)["_held"] = state  # setattr would make Keras track its lists

    def jax_state_sync(self) -> None:
        if self._held is not None:
            # Keras writes this state into the variables. Otherwise, an interrupt between a step's
            # end and Keras's assignment of its result would lose all weights.
            self._jax_state = dict(zip(_GROUPS[len(self._held)], self._held, strict=True))
        super().jax_state_sync()
        self._hold(None)

    def restore(self) -> None:
        """Writes the values of the last complete step into the variables."""
        self.jax_state_sync()
        self._jax_state = None


WholeSteps: Any = _HeldByTrainer if steps_take_values() else _InPlace
