"""Code lengths in bits."""

import math

import keras

from keras_bfn._typing import DType, Tensor


@keras.saving.register_keras_serializable("keras_bfn")
class BitsPerDim(keras.metrics.Mean):
    """The mean of code lengths, which are given in nats per variable, in bits per variable.

    Args:
        name: string.
        dtype: as for every Keras metric.

    Example:

    >>> metric = keras_bfn.metrics.BitsPerDim()
    >>> metric.update_state([0.0, 2 * np.log(2)])
    >>> float(metric.result())  # 1.0 up to rounding
    """

    def __init__(self, name: str = "bits_per_dim", dtype: DType = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def result(self) -> Tensor:
        return super().result() / math.log(2.0)
