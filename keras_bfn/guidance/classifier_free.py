"""Classifier-free guidance: how strongly conditions guide samples, and when."""

from keras_bfn._config import Immutable
from keras_bfn._validation import check_interval, check_scale, is_number, refusal


class ClassifierFreeGuidance(Immutable):
    """Guidance by a condition, away from the null condition.

    The network's output becomes that for the null condition plus `scale` times what the condition
    changes in it. Train with `condition_dropout` for it.

    Args:
        scale: float, or function of the time in [0, 1] that returns one. 1 samples what the network
            has learnt; above 1, the conditions stand out more than that.
        interval: two times, t0 < t1 in [0, 1]: before and after, the scale is 1.
        rescale: float in [0, 1]: how much of the way back the guided output is scaled to the
            standard deviation that it has with the condition alone.

    Raises:
        ValueError: if an argument is none of these, or there is no guidance to scale back.

    Example:

    ```python
    digits = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
    by_class = keras_bfn.guidance.ClassifierFreeGuidance(scale=3.0, interval=(0.2, 0.8))
    classes = np.arange(16) % 10
    digits.generate(16, num_steps=20, condition=classes, guidance_scale=by_class)
    ```

    References: [Ho and Salimans, 2022](https://arxiv.org/abs/2207.12598); the interval:
    [Kynkäänniemi et al., 2024](https://arxiv.org/abs/2404.07724); the scaling back: section 3.4 of
    [Lin et al., 2024](https://arxiv.org/abs/2305.08891).
    """

    def __init__(self, scale=1.0, interval=(0.0, 1.0), rescale=0.0):
        self.scale = check_scale("scale", scale)
        self.interval = check_interval("interval", interval)
        is_share = is_number(rescale) and 0 <= rescale <= 1
        if not is_share or (rescale and scale == 1):
            expected = "must be a number in [0, 1], and 0 where there is no guidance to scale back"
            raise refusal("rescale", expected, rescale)
        self.rescale = float(rescale)


def get_classifier_free(guidance_scale):
    """The `ClassifierFreeGuidance` that an argument `guidance_scale` is, or is the scale of.

    Raises:
        ValueError: if it is neither that nor a scale.
    """
    if isinstance(guidance_scale, ClassifierFreeGuidance):
        return guidance_scale
    return ClassifierFreeGuidance(check_scale("guidance_scale", guidance_scale))
