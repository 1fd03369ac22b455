"""Classifier-free guidance: how strongly conditions guide samples, and when."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._parts import names_of
from keras_bfn._typing import Array, Nest, Parts, Scale, Tensor
from keras_bfn._validation import (
    check_interval,
    check_numbers,
    check_scale,
    is_number,
    mismatch,
    refusal,
    warn,
)
from keras_bfn.flows.flow import expand


class ClassifierFreeGuidance(Immutable):
    """Guidance towards a condition, away from the null condition.

    The network's output becomes the output for the null condition plus `scale` times the difference
    that the condition makes. It requires training with `condition_dropout`.

    Args:
        scale: float, or function of the time in [0, 1] that returns one. At 1, samples are those of
            the conditional model as trained; above 1, they show the condition more strongly.
        interval: two times, t0 < t1 in [0, 1]: before t0 and after t1, the scale is 1.
        rescale: float in [0, 1]. How far the guided output is scaled back to the standard deviation
            that it has with the condition alone; 1 is all the way.

    Raises:
        ValueError: if an argument is invalid, or there is no guidance to scale back.

    A subclass with another rule defines `combine`, which is given the scale of the moment: in a
    compiled program, `scale` and `interval` are no attributes.

    ```python
    class Sharpened(keras_bfn.guidance.ClassifierFreeGuidance):
        def combine(self, params, without, scale):
            return keras_bfn.flows.expand(scale, params) * params
    ```

    Example:

    ```python
    digits = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
    by_class = keras_bfn.guidance.ClassifierFreeGuidance(scale=3.0, interval=(0.2, 0.8))
    classes = np.arange(16) % 10
    digits.generate(16, num_steps=20, condition=classes, guidance_scale=by_class)
    ```

    References: [Ho and Salimans, 2022](https://arxiv.org/abs/2207.12598); the interval:
    [Kynkäänniemi et al., 2024](https://arxiv.org/abs/2404.07724); the rescaling: section 3.4 of
    [Lin et al., 2024](https://arxiv.org/abs/2305.08891).
    """

    fed = ("scale", "interval")  # inputs of compiled programs, which are the same for all values

    def __init__(
        self, scale: Scale = 1.0, interval: Sequence[float] = (0.0, 1.0), rescale: float = 0.0
    ) -> None:
        self.scale = check_scale("scale", scale)
        self.interval = check_interval("interval", interval)
        is_share = is_number(rescale) and 0 <= rescale <= 1
        if not is_share or (rescale and scale == 1):
            expected = "must be a number in [0, 1], and 0 if `scale` is 1"
            raise refusal("rescale", expected, rescale)
        self.rescale = float(rescale)

    def combine(self, params: Tensor, without: Tensor, scale: Tensor) -> Tensor:
        """Returns the guided output of the network, for data of one kind.

        Args:
            params: the output given the condition, `(batch, *event_shape, flow.output_size)`.
            without: the output for the null condition, of the same shape.
            scale: `(batch,)`.

        Returns:
            A tensor of the same shape.
        """
        guided = without + expand(scale, params) * (params - without)
        if not self.rescale:
            return guided
        axes = tuple(range(1, len(params.shape)))
        # The deviation of a single number is 0, with an infinite gradient: leave it unchanged.
        spread, guided_spread = (
            ops.sqrt(ops.maximum(ops.var(x, axes, keepdims=True), 1e-12)) for x in (params, guided)
        )
        return guided * (1.0 + self.rescale * (spread / guided_spread - 1.0))

    def scales(self, times: Array) -> Array:
        """Returns the scale at each of the times, float32."""
        return scales_at("guidance_scale", times, self.scale, self.interval, otherwise=1)

    def calling(self, scale: Tensor) -> Callable[..., Any]:
        """Returns how to call a network with this scale: the argument `guide` of `predict_params`.

        `predict_params` calls it in place of `call_network`. It ends in `combine`.

        Args:
            scale: `(batch,)`.

        Returns:
            A function of the network, of its inputs, and of the same inputs without the condition,
            that returns the guided output. It calls the network once, on a batch of twice the size.
        """
        return functools.partial(self._call, scale)

    def _call(self, scale, network, inputs, without):
        both = network(keras.tree.map_structure(lambda *x: ops.concatenate(x), inputs, without))
        return self.of_both(both, scale)

    def of_both(self, both: Parts[Tensor], scale: Tensor) -> Nest:
        """Returns `combine` of the halves of the network's output, for each part."""

        def of_part(both):
            params = ops.reshape(both, (2, -1, *both.shape[1:]))
            return self.combine(params[0], params[1], scale)

        return keras.tree.map_structure(of_part, both)


def scales_at(name, times, scale, interval, otherwise):
    """Returns a scale, or function of the time, at these times; `otherwise` outside the interval.

    Raises:
        ValueError: if the function does not return finite numbers.
    """
    scales = check_numbers(name, [scale(float(t)) if callable(scale) else scale for t in times])
    if scales.shape != np.shape(times) or not np.isfinite(scales).all():
        expected = "must return a finite number for each time in [0, 1]"
        raise refusal(name, expected, scales.tolist())
    is_inside = (times >= np.float32(interval[0])) & (times <= np.float32(interval[1]))
    return np.where(is_inside, scales, np.float32(otherwise))


def check_classifier_free(model, guidance_scale, condition, can_forget=False):
    """Returns a `ClassifierFreeGuidance`, or None for a scale of 1, which means no guidance.

    Args:
        model: the `BayesianFlowNetwork`.
        guidance_scale: a number, a function, or a `ClassifierFreeGuidance`.
        condition: the argument of the verb, or None.
        can_forget: bool. Whether there is something else to guide by: variables that are given.

    Raises:
        ValueError: if the scale is invalid, or there is no condition to guide by, or no null
            condition to guide away from.
    """
    if is_number(guidance_scale) and guidance_scale == 1:
        return None
    found = guidance_scale
    if not isinstance(found, ClassifierFreeGuidance):
        found = ClassifierFreeGuidance(check_scale("guidance_scale", guidance_scale))
    if type(found) is ClassifierFreeGuidance and found.scale == 1:
        return None
    has_null = condition is not None and model.null_condition is not None
    if not has_null and not can_forget:
        missing = "condition=None" if condition is None else "a network without `null_condition`"
        expected = (
            "must be 1 unless there are a condition and a null condition to guide away from, or "
            "variables are `given` (a `guidance` has its own scale)"
        )
        came = f"guidance_scale={guidance_scale} with {missing}"
        raise mismatch("guidance_scale", expected, came)
    if has_null:
        warn_if_unlearnt(model, "guidance_scale")
    return found


def warn_if_unlearnt(model, name):
    """Warns if this argument guides a model away from a null condition without training."""
    if not any(keras.tree.flatten(model.condition_dropout)):
        warn(
            f"The argument `{name}` guides away from the null condition. With "
            "condition_dropout=0, the model has not learnt it, unless the training data contain it."
        )


def warn_if_null(model, condition):
    """Warns if a condition is left out, and training has not learnt its null condition."""
    null, rates = model.null_condition, model.condition_dropout
    if isinstance(null, dict):
        left_out = sorted(set(null) - (names_of(condition) or set()))
    else:
        left_out = ["condition"] if condition is None and null is not None else []
    unlearnt = [name for name in left_out if not _rate_of(name, rates)]
    if unlearnt:
        warn(
            f"The argument `condition` leaves out {unlearnt}, and the null condition replaces it. "
            "With condition_dropout=0, the model has not learnt it, unless the training data "
            "contain it. Give the condition, or train with `condition_dropout`."
        )


def _rate_of(name, rates):
    return rates.get(name, 0.0) if isinstance(rates, dict) else rates
