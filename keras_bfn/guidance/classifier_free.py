"""Classifier-free guidance: how strongly conditions guide samples, and when."""

from collections.abc import Sequence

from keras_bfn._config import Immutable
from keras_bfn._typing import Scale
from keras_bfn._validation import check_interval, check_scale, is_number, refusal


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


def get_classifier_free(guidance_scale):
    """Returns `guidance_scale` if it is a `ClassifierFreeGuidance`, else one of that scale.

    Raises:
        ValueError: if it is neither that nor a scale.
    """
    if isinstance(guidance_scale, ClassifierFreeGuidance):
        return guidance_scale
    return ClassifierFreeGuidance(check_scale("guidance_scale", guidance_scale))
