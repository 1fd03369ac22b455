"""Keras's normalisations, the same of the same name in files, and faster on CPUs."""

import keras
from keras import ops

from keras_bfn._backend import is_on_cpu, normalize_groups, recompute


@keras.saving.register_keras_serializable("keras_bfn")
class LayerNormalization(keras.layers.LayerNormalization):
    """Normalises the last axis, on JAX and TensorFlow on CPUs by products with ones.

    There, XLA takes the sums of Keras's own, and of its gradients, together with all that they are
    of, and a Transformer's block takes longer (`python -m benchmarks pieces`). The mean is a
    product, and so is its repetition; then so are their gradients. On JAX, in training, nothing but
    the input is kept for these.
    """

    def call(self, x, training=False):
        if keras.backend.backend() == "torch" or not is_on_cpu():
            return super().call(x)
        if training and keras.backend.backend() == "jax":
            return recompute(self._normalize)(x)
        return self._normalize(x)

    def _normalize(self, x):
        size = x.shape[-1]
        average, repeat = ops.full((size, 1), 1 / size), ops.ones((1, size))
        x = ops.cast(x, "float32")
        centred = x - ops.matmul(ops.matmul(x, average), repeat)
        variance = ops.matmul(ops.square(centred), average)
        unit = centred * ops.matmul(ops.rsqrt(variance + self.epsilon), repeat)
        return ops.cast(unit * self.gamma + self.beta, self.compute_dtype)


@keras.saving.register_keras_serializable("keras_bfn")
class GroupNormalization(keras.layers.GroupNormalization):
    """Normalises groups of channels, on PyTorch with channels first by PyTorch's own."""

    def call(self, x):
        if keras.backend.backend() != "torch" or self.axis != 1:
            return super().call(x)
        gamma, beta = map(ops.convert_to_tensor, (self.gamma, self.beta))
        return normalize_groups(x, self.groups, gamma, beta, self.epsilon)


def group_norm(channels, groups, axis, **kwargs):
    """Group normalisation in at most `groups` groups of equal size, at least four channels each.

    A group of one channel would take away what a block adds to all positions alike: the time.
    """
    most = max(1, min(groups, channels // 4))
    groups = max(g for g in range(1, most + 1) if channels % g == 0)
    return GroupNormalization(groups, axis=axis, epsilon=1e-5, **kwargs)
