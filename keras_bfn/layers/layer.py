"""Base classes of the package's layers."""

from typing import Any, Self

import keras

from keras_bfn._config import argument_names, own_config
from keras_bfn._typing import TensorShape


class Layer(keras.layers.Layer):
    """Base class of layers whose config holds the constructor's arguments.

    Each argument is an attribute of the same name. By default, the output has the shape of the
    first input.
    """

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Creates no weights, whatever the shapes of the inputs."""

    def compute_output_shape(self, x_shape: TensorShape, *others: Any, **more: Any) -> TensorShape:
        return x_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **own_config(self, type(self))}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        own = {name: config[name] for name in argument_names(cls) if name in config}
        return super().from_config({**config, **keras.saving.deserialize_keras_object(own)})


def built(layer, shape):
    """Returns a layer, with weights for inputs of this shape."""
    layer.build(shape)
    return layer


class Float32Layer(Layer):
    """A `Layer` that computes in float32 under any policy, where half precision is too coarse."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"}, autocast=False)
