"""What becomes of a model's weights if a call fails or is interrupted, such as by Ctrl-C."""

import collections
import contextlib
import functools
from typing import Any

import keras
from keras import ops

from keras_bfn._backend.processes import rows_of_process

# The groups of variables that a compiled step takes on JAX, by their number: `predict`,
# `evaluate`, `fit`.
_WEIGHTS = ("trainable_variables", "non_trainable_variables")
_GROUPS = {
    2: _WEIGHTS,
    3: (*_WEIGHTS, "metrics_variables"),
    4: (*_WEIGHTS, "optimizer_variables", "metrics_variables"),
}


class _InPlace:
    """The mixin for TensorFlow and PyTorch, whose steps change variables in place."""

    keeping_weights = staticmethod(contextlib.nullcontext)  # an error costs no weights anyway


_Mixin: Any = object  # the methods that `super()` finds are those of `keras.Model`


class _Held(_Mixin):
    """The mixin for JAX, whose steps destroy the values passed to them and return new ones.

    In Keras 3.15, only local variables refer to the new values at first, and are lost with an
    exception. This mixin refers to them, too.
    """

    _jax_state: Any

    @functools.cached_property
    def _done(self):
        """The outputs and the state of the last complete step, if not yet in the variables."""
        return collections.deque(maxlen=1)

    def _purge_model_variables(self, **groups):
        """Keeps the values in the variables until a step has taken them."""

    def _make_function(self, step_function, concatenate_outputs=False):
        compiled = set()  # the batch shapes for which it is compiled

        def held_step(state, data):
            shapes = tuple(tuple(x.shape) for x in keras.tree.flatten(data) if x is not None)
            if shapes not in compiled:  # an interrupt may strike Python code that compiles
                self._done.append((None, keras.tree.map_structure(ops.copy, state)))
            # Called and stored without Python code in between, which an interrupt could strike.
            self._done.extend(map(step_function, (state,), (data,)))
            compiled.add(shapes)
            outputs, state = self._done[-1]
            return rows_of_process(outputs), state

        return super()._make_function(held_step, concatenate_outputs)

    def jax_state_sync(self) -> None:
        if self._done:
            state = self._done[-1][1]
            self._jax_state = dict(zip(_GROUPS[len(state)], state, strict=True))
        super().jax_state_sync()
        self._done.clear()

    @contextlib.contextmanager
    def keeping_weights(self):
        """A context in which an error leaves the weights of the last complete step."""
        try:
            yield
        except BaseException:
            self.jax_state_sync()
            self._jax_state = None
            raise


KeepsWeights: Any = _Held if keras.backend.backend() == "jax" else _InPlace
