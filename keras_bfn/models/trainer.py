"""What every trained model of the package does around Keras's training: locks, files, averages."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar, cast

import keras

from keras_bfn import _keras
from keras_bfn._backend.weights import KeepsWeights
from keras_bfn._validation import tell_arguments
from keras_bfn.models import averaging

Verb = TypeVar("Verb", bound=Callable[..., Any])


def in_turn(verb: Verb) -> Verb:
    """Makes a model's method wait while another thread runs such a method.

    The methods draw from the model's seed generator, and some change its variables. A method, and
    the callbacks of `fit`, may call other such methods.
    """

    @functools.wraps(verb)
    def take_turn(model, *args, **kwargs):
        with model.turn:
            try:
                return verb(model, *args, **kwargs)
            except TypeError as error:
                tell_arguments(error, verb)
                raise

    return cast(Verb, take_turn)


class Trainer(KeepsWeights, keras.Model):
    """A Keras model with the workarounds that `compile`, `fit` and saving need.

    A subclass has an attribute `network`, whose layers are trained.
    """

    network: Any

    def __init__(self, **kwargs) -> None:
        # Evidence, times and losses are float32 under every policy; the network has its own policy.
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.turn = threading.RLock()
        self._is_averaged = False  # whether the averages stand in the weights' place

    def compile(self, optimizer: Any = "adamw", **kwargs) -> None:
        super().compile(optimizer=optimizer, **kwargs)
        self._asked_jit_compile = kwargs.get("jit_compile", "auto")
        if kwargs.get("auto_scale_loss", True):
            _keras.scale_loss(self, self.network)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the arguments of `compile`, as in Keras, independent of the backend."""
        config = super().get_compile_config()
        if config:  # compiled
            config["jit_compile"] = self._asked_jit_compile  # Keras 3.15 keeps what "auto" became
            # Keras 3.15 takes the optimizer out of its own record when it writes an .h5 file.
            made = config.get("optimizer") or keras.saving.serialize_keras_object(self.optimizer)
            config["optimizer"] = _keras.of_no_backend(made)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model with the arguments that `get_compile_config` returned."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.build_optimizer()

    def build_optimizer(self) -> None:
        """Creates the optimizer's variables before the first step.

        On TensorFlow, if the first step created them and failed, every later step would fail.

        Raises:
            ValueError: if weights are averaged, and others train than when they were created.
        """
        if self.built:
            _keras.build_optimizer(self)

    def _fit(self, arguments: dict[str, Any]) -> keras.callbacks.History:
        """Calls `fit` of Keras with checked arguments."""
        _keras.build_optimizer(self)
        try:
            with self.keeping_weights():
                return super().fit(**arguments)
        finally:  # after an error, too, averages are in the place of the weights
            if getattr(self.optimizer, "inner_optimizer", self.optimizer).use_ema:  # type: ignore[union-attr]
                _keras.unshare_buffers(self.trainable_variables)

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[Self]:
        """A context in which the model has its optimizer's averaged weights (EMA).

        The raw weights are restored on exit, also after an error. Other threads wait meanwhile.
        Weights that are trained, loaded or assigned meanwhile are lost.

        Raises:
            ValueError: if the optimizer keeps no averages, or the model was quantized since.

        Example:

        ```python
        model.compile(keras.optimizers.AdamW(use_ema=True))
        model.fit(x)
        with model.averaged_weights():
            model.evaluate(x)
            model.save("averaged.keras")
        ```
        """
        with self.turn, averaging.assigned(self):
            before, self._is_averaged = self._is_averaged, True
            try:
                yield self
            finally:
                self._is_averaged = before

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        return cls(**keras.saving.deserialize_keras_object(config, custom_objects))
