"""Keras's normalisations, the same of the same name in files, and faster on CPUs."""

import keras
from keras import ops

from keras_bfn._backend import is_on_cpu, normalize_groups


@keras.saving.register_keras_serializable("keras_bfn")
class LayerNormalization(keras.layers.LayerNormalization):
    """Normalises the last axis, on JAX and TensorFlow on CPUs by products with ones.

    There, XLA takes the sums of Keras's own, and of its gradients, together with all that they are
    of, and a Transformer's block takes longer (`python -m benchmarks pieces`). The mean is a
    product, and so is its repetition. In training, the input alone is kept for the gradient.
    """

    def call(self, x, training=False):
        if keras.backend.backend() == "torch" or not is_on_cpu():
            return super().call(x)
        normalize = _normalize_of_input if training else _normalize
        gamma, beta = map(ops.copy, (self.gamma, self.beta))  # tensors: TensorFlow takes no others
        y = normalize(ops.cast(x, "float32"), gamma, beta, self.epsilon)
        return ops.cast(y, self.compute_dtype)


def _mean(x):
    """Of the last axis, which stays."""
    return ops.matmul(x, ops.full((x.shape[-1], 1), 1 / x.shape[-1]))


def _repeat(x, size):
    return ops.matmul(x, ops.ones((1, size)))


def _statistics(x, epsilon):
    """The mean, and the inverse of the standard deviation."""
    mean = _mean(x)
    variance = _mean(ops.square(x - _repeat(mean, x.shape[-1])))
    return mean, ops.rsqrt(variance + epsilon)


def _unit(x, mean, inverse):
    return (x - _repeat(mean, x.shape[-1])) * _repeat(inverse, x.shape[-1])


def _normalize(x, gamma, beta, epsilon):
    return _unit(x, *_statistics(x, epsilon)) * gamma + beta


def _normalize_of_input(x, gamma, beta, epsilon):
    """The same, with a gradient that is made of the input, and of a number or two of each row."""

    @ops.custom_gradient
    def normalize(x, gamma, beta):
        mean, inverse = _statistics(x, epsilon)

        def gradient(upstream):
            # What does not wait for it, XLA would keep, and TensorFlow compute at once.
            zero = 0.0 * upstream[..., :1]
            late_mean, late_inverse = mean + zero, inverse + zero
            unit = _unit(x, late_mean, late_inverse)
            of_unit = upstream * gamma
            size, rows = x.shape[-1], tuple(range(len(x.shape) - 1))
            across = _repeat(_mean(of_unit), size) + unit * _repeat(_mean(of_unit * unit), size)
            of_x = (of_unit - across) * _repeat(late_inverse, size)
            return of_x, ops.sum(upstream * unit, rows), ops.sum(upstream, rows)

        return _unit(x, mean, inverse) * gamma + beta, gradient

    return normalize(x, gamma, beta)


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
