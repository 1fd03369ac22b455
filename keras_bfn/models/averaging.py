"""The averages of the weights that an optimizer keeps, in the place of the weights."""

import contextlib

from keras import ops


def has_averages(model):
    """Whether the optimizer keeps averages, and has made a step: before it, they are zeros."""
    optimizer = _inner_optimizer(model)
    if not getattr(optimizer, "use_ema", False) or not optimizer.built:
        return False
    return int(ops.convert_to_numpy(optimizer._iterations)) > 0


@contextlib.contextmanager
def averaged_weights(self):
    """A context in which the model has its optimizer's averaged weights (EMA).

    However it is left, the raw weights come back.

    Raises:
        ValueError: if the optimizer keeps no averages.

    Example:

    ```python
    with model.averaged_weights():
        model.evaluate(x)
        model.save("averaged.keras")
    ```
    """
    optimizer = _inner_optimizer(self)
    if not has_averages(self):
        raise ValueError(
            "Averaged weights need an optimizer with use_ema=True that has been trained with. "
            f"Received: a model with optimizer {optimizer!r}"
        )
    weights = self.trainable_variables
    averages = optimizer._model_variables_moving_average
    # Through numpy: on JAX, two variables that shared a buffer would lose it in the next step.
    raw = [ops.convert_to_numpy(weight).copy() for weight in weights]
    try:
        for weight, average in zip(weights, averages, strict=True):
            weight.assign(ops.convert_to_numpy(average).copy())
        yield self
    finally:
        for weight, value in zip(weights, raw, strict=True):
            weight.assign(value)


def _inner_optimizer(model):
    optimizer = getattr(model, "optimizer", None)  # a model that is not compiled has none
    return getattr(optimizer, "inner_optimizer", optimizer)
