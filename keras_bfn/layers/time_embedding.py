"""Time, as networks like to see it."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_bfn")
class TimeEmbedding(keras.layers.Layer):
    """Sinusoids of the time, at frequencies from 1/10,000 to 1 of `scale`.

    Always float32: bfloat16 would round t = 0.999 to 1.

    Args:
        size: even int. The number of sinusoids.
        scale: float. The number of radians that the fastest sinusoid runs through over t in [0, 1];
            the paper's image network takes 4,000.

    Call arguments:
        t: float tensor of shape `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, size)`.

    Example:

    >>> keras_bfn.layers.TimeEmbedding(64)(np.array([0.0, 0.5])).shape
    (2, 64)
    """

    def __init__(self, size, scale=4000.0, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        if size < 2 or size % 2:
            raise ValueError(
                f"Argument `size` must be a positive even integer. Received: size={size}"
            )
        self.size = size
        self.scale = scale

    def call(self, t):
        half = self.size // 2
        frequencies = self.scale * ops.exp(
            -math.log(1e4) / half * ops.arange(half, dtype="float32")
        )
        angles = ops.cast(t, "float32")[:, None] * frequencies
        return ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)

    def compute_output_shape(self, t_shape):
        return (t_shape[0], self.size)

    def get_config(self):
        config = {**super().get_config(), "size": self.size, "scale": self.scale}
        del config["dtype"]
        return config
