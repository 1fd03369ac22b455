"""The averages of the weights that an optimizer keeps, in the place of the weights."""

import contextlib

from keras import ops

from keras_bfn._keras import copy_values
from keras_bfn._signals import after


def has_averages(model):
    """Whether the optimizer keeps averages, and has made a step: before it, they are zeros."""
    optimizer = _inner_optimizer(model)
    if not getattr(optimizer, "use_ema", False) or not optimizer.built:
        return False
    return int(ops.convert_to_numpy(optimizer._iterations)) > 0


@contextlib.contextmanager
def averaged_weights(self):
    """A context in which the model has its optimizer's averaged weights (EMA).

    However it is left, the raw weights come back. Meanwhile, other threads wait for their turn.

    Raises:
        ValueError: if the optimizer keeps no averages.

    Example:

    ```python
    model.compile(keras.optimizers.AdamW(use_ema=True))
    model.fit(x)
    with model.averaged_weights():
        model.evaluate(x)
        model.save("averaged.keras")
    ```
    """
    with self.turn:
        optimizer = _inner_optimizer(self)
        if not has_averages(self):
            raise ValueError(
                "Averaged weights need an optimizer with use_ema=True that has been trained with. "
                f"Received: a model with optimizer {optimizer!r}"
            )
        weights = self.trainable_variables
        # Keras 3.15 has no public name for them.
        averages = copy_values(optimizer._model_variables_moving_average)
        raw = copy_values(weights)

        def assign(values):
            for weight, value in zip(weights, values, strict=True):
                weight.assign(value)

        with after(lambda: assign(raw)):
            assign(averages)
            yield self


def _inner_optimizer(model):
    optimizer = getattr(model, "optimizer", None)  # a model that is not compiled has none
    return getattr(optimizer, "inner_optimizer", optimizer)
