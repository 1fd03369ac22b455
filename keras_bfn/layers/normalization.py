"""Group normalisation with Keras's name in files, but faster on PyTorch."""

import keras

from keras_bfn._backend.operations import normalize_groups


@keras.saving.register_keras_serializable("keras_bfn")
class GroupNormalization(keras.layers.GroupNormalization):
    """Group normalisation; on PyTorch with channels first, PyTorch's own operation."""

    def call(self, x):
        normalized = normalize_groups(self, x)
        return super().call(x) if normalized is None else normalized


def group_norm(channels, groups, axis, **kwargs):
    """Returns a group normalisation with at most `groups` equal groups of at least four channels.

    Groups of one channel would remove what a block adds equally to all positions: the time.
    """
    most = max(1, min(groups, channels // 4))
    groups = max(g for g in range(1, most + 1) if channels % g == 0)
    return GroupNormalization(groups, axis=axis, epsilon=1e-5, **kwargs)
