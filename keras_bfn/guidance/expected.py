"""The expected data, given a prediction."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras import ops

from keras_bfn._parts import map_parts
from keras_bfn._random import Noise
from keras_bfn._typing import Nest, Parts, Tensor

if TYPE_CHECKING:
    from keras_bfn.distributions import Distribution
    from keras_bfn.flows.flow import Flow
    from keras_bfn.predictions import Prediction


class Expected:
    """What the network expects of the data: the argument of a guidance.

    For a dict of flows, each attribute is a dict of all parts.

    Attributes:
        flow: the flow.
        predictions: the `keras_bfn.Prediction`.
        outputs: the output distribution; None if all variables are known.
        given: the known data, or None if no variable is known.
        known: bool, which variables are known, with their values in `given`; None if all are, or
            none.
        observed: float or bool, `(batch, *event_shape)`, which variables are observed; or None.
        noise: for `draws`, a dict from the names of the random numbers in a `Noise` to tensors with
            an axis of draws before all others; or None.

    Example, a guidance by the ink of an image and its standard deviation:

    ```python
    class Ink(keras_bfn.guidance.Guidance):
        def log_h(self, expected):
            ink = keras.ops.sum(expected.data(), axis=(1, 2, 3))
            variance = 1.0 + keras.ops.sum(expected.variances(), axis=(1, 2, 3))
            square = keras.ops.square(ink - 250.0) / variance
            return -0.5 * (square + keras.ops.log(variance))

    # For a flow whose expected data are numbers, one for each pixel.
    digits = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
    digits.generate(16, num_steps=20, guidance=Ink())
    ```
    """

    flow: Nest
    predictions: Nest

    def __init__(
        self,
        flow: "Parts[Flow]",
        predictions: "Parts[Prediction]",
        outputs: "Parts[Distribution] | None",
        given: Parts[Tensor] | None = None,
        known: Parts[Tensor] | None = None,
        observed: Parts[Tensor] | None = None,
        noise: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.flow, self.predictions = flow, predictions
        self.outputs, self.given, self.known, self.observed, self.noise = (
            map_parts(lambda _, values: values, flow, values)
            for values in (outputs, given, known, observed, noise)
        )

    def data(self) -> Nest:
        """Returns the expected data: what `flow.expected_data` returns for each part.

        They are probabilities `(batch, *event_shape, K)` for classes, mean cosines and sines
        `(batch, *event_shape, 2)` for angles, and else expected values in the data's own units,
        `(batch, *event_shape)`. Known variables have their known values, and missing ones are 0.
        """
        return self._each(
            lambda flow, output, prediction, noise: flow.expected_data(output),
            lambda flow, x: flow.sure_data(x),
        )

    def draws(self, num_draws: int) -> Nest:
        """Returns draws from the output distribution, in the form of `data`, batch after batch.

        Their gradient is that of the expected data (straight-through).
        """

        def draw(flow, output, prediction, noise):
            expected, draws = flow.expected_data(output), []
            for i in range(num_draws):
                given = Noise({name: numbers[i] for name, numbers in noise.items()})
                x = flow.sure_data(output.sample(given))
                draws.append(expected + ops.stop_gradient(x - expected))
            return ops.concatenate(draws)

        return self._each(
            draw, lambda flow, x: ops.concatenate([flow.sure_data(x)] * num_draws), num_draws
        )

    def variances(self) -> Nest:
        """Returns the variance of each number of `data`, in its shape; 0 for known variables."""
        return self._each(
            lambda flow, output, prediction, noise: flow.expected_variance(output, prediction.t),
            lambda flow, x: ops.zeros_like(flow.sure_data(x)),
        )

    def _each(self, of_drawn, of_known, num_copies=1):
        def spread(mask, values):
            """Repeats a mask for each copy, with an axis more if variables have several numbers."""
            mask = ops.concatenate([mask] * num_copies)
            return mask if len(mask.shape) == len(values.shape) else mask[..., None]

        def each(flow, prediction, output, given, known, observed, noise):
            if output is None:
                values = of_known(flow, given)
            else:
                values = of_drawn(flow, output, prediction, noise)
                if known is not None:
                    values = ops.where(spread(known, values), of_known(flow, given), values)
            if observed is None:
                return values
            return values * spread(ops.cast(observed, "float32"), values)

        seen = self.predictions, self.outputs, self.given, self.known, self.observed, self.noise
        return map_parts(each, self.flow, *seen)
