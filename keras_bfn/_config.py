"""Plain values that are set once: what schedules, flows, losses and samplers are."""

import inspect

import keras
import numpy as np

from keras_bfn._sameness import ByValue, key_of


class _Sealed(type):
    """Tells each object that its constructor has returned."""

    def __call__(cls, *args, **kwargs):
        made = super().__call__(*args, **kwargs)
        vars(made)["_is_made"] = True
        return made

    @property
    def __signature__(cls):
        """That of the constructor, which `help` would not see for `__call__`."""
        if cls.__init__ is object.__init__:
            return inspect.Signature()
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        return inspect.Signature(parameters)


class Immutable(ByValue, metaclass=_Sealed):
    """An object that is told by the arguments of its constructor, and never changes.

    A subclass keeps each argument under its own name, as layers do. Its config and repr follow.
    Where a constructor takes `**kwargs` for that of its base class, theirs are included. Two are
    equal if their classes and attributes are; functions and Keras layers equal themselves alone.

    Attributes:
        shorthands: names of arguments that are short for another, and not kept.
    """

    shorthands = ()
    _is_made = False

    def __setattr__(self, name, value):
        if self._is_made:
            raise AttributeError(
                f"A `{type(self).__name__}` cannot be changed: make another. "
                f"Received: {name}={value!r}"
            )
        super().__setattr__(name, value)

    def __delattr__(self, name):
        raise AttributeError(f"A `{type(self).__name__}` cannot be changed. Received: del {name}")

    def get_config(self):
        """The constructor's arguments, as plain values that JSON can hold."""
        return own_config(self, type(self))

    @classmethod
    def from_config(cls, config):
        """The object whose `get_config` is `config`."""
        return cls(**keras.saving.deserialize_keras_object(config))

    def __eq__(self, other):
        return type(self) is type(other) and key_of(self) == key_of(other)

    def __hash__(self):
        return hash(key_of(self))

    def __repr__(self):
        values = {name: getattr(self, name, None) for name in argument_names(type(self))}
        told = (f"{name}={_describe(value)}" for name, value in values.items() if value is not None)
        return f"{type(self).__name__}({', '.join(told)})"


def _describe(value):
    is_long = isinstance(value, np.ndarray) and value.size > 4
    return f"array of shape {value.shape}" if is_long else repr(value)


def own_config(made, cls):
    """What the constructor of `cls` was told of an object, as plain values that JSON can hold."""
    names = argument_names(cls)
    for name in names:
        if not hasattr(made, name):
            raise AttributeError(
                f"{type(made).__name__} must keep its constructor's argument `{name}` as an "
                "attribute of the same name"
            )
    return keras.saving.serialize_keras_object({name: getattr(made, name) for name in names})


def argument_names(cls):
    """What a constructor is told by name: its arguments, and those that it takes as `**kwargs`."""
    names = []
    for base in cls.__mro__:
        if base.__module__.startswith("keras.src."):
            break
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(base.__init__).parameters.values()
        names += [
            p.name
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            and p.name not in getattr(cls, "shorthands", ())
        ]
        if all(p.kind != p.VAR_KEYWORD for p in parameters):
            break
    return names
