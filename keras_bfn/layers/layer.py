"""What the layers of this package share."""

import keras

from keras_bfn._config import argument_names, own_config


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
