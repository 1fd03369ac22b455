"""Base classes of the package's layers."""

from typing import Any, Self

import keras

from keras_bfn._config import argument_names, own_config


class Layer(keras.layers.Layer):
    """Base class of layers whose config holds the constructor's arguments.

    Each argument is an attribute of the same name.
    """

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **own_config(self, type(self))}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        own = {name: config[name] for name in argument_names(cls) if name in config}
        return super().from_config({**config, **keras.saving.deserialize_keras_object(own)})


class Float32Layer(Layer):
    """A `Layer` that computes in float32 under any policy, where half precision is too coarse."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"}, autocast=False)
