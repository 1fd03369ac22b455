"""What the layers of this package share."""

import keras

from keras_bfn._config import argument_names, own_config


def check_axes(name, shape, least, most=None):
    """Raises a `ValueError` unless a shape has so many axes, that of examples among them."""
    most = least if most is None else most
    if not least <= len(shape) <= most:
        numbers = str(least) if least == most else f"{least} to {most}"
        raise ValueError(
            f"Argument `{name}` must have {numbers} axes. Received: {name} of shape {tuple(shape)}"
        )


class Layer(keras.layers.Layer):
    """Base class: a layer's config is what its constructor is told.

    Each argument is kept under its own name.
    """

    def get_config(self):
        return {**super().get_config(), **own_config(self, type(self))}

    @classmethod
    def from_config(cls, config):
        own = {name: config[name] for name in argument_names(cls) if name in config}
        return super().from_config({**config, **keras.saving.deserialize_keras_object(own)})


class Float32Layer(Layer):
    """The same, in float32 whatever the policy: for what half precision does not see."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"}, autocast=False)
