"""Immutable objects, equal by value: schedules, flows, losses, samplers, orders and guidances."""

import hashlib
import inspect
import operator
from typing import Any, Self

import keras
import numpy as np

from keras_bfn._validation import tell_arguments

_PLAIN = {type(None), bool, int, float, complex, str, bytes}


class _Sealed(type):
    """Marks each object as made once its constructor has returned."""

    def __call__(cls, *args, **kwargs):
        try:
            made = super().__call__(*args, **kwargs)
        except TypeError as error:
            tell_arguments(error, cls)
            raise
        vars(made)["_is_made"] = True
        return made

    @property
    def __signature__(cls):
        """The constructor's signature, which `__call__` would hide from `help`."""
        if cls.__init__ is object.__init__:
            return inspect.Signature()
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        return inspect.Signature(parameters)


class Immutable(metaclass=_Sealed):
    """An object that is defined by its constructor's arguments, and never changes.

    A subclass keeps each argument as an attribute of the same name, as layers do. Its config and
    repr follow. If a constructor passes `**kwargs` to its base class, they include the base class's
    arguments. Two objects are equal if their classes and attributes are; functions and Keras layers
    are equal only to themselves.

    Attributes:
        shorthands: pairs of an argument and of the one that it abbreviates. The first is not kept,
            unless a subclass does not take the second. With None, it is never kept.
        fed: names of attributes that a compiled program receives anew at each call.
    """

    shorthands: tuple[tuple[str, str | None], ...] = ()
    fed: tuple[str, ...] = ()
    _is_made = False

    def traced(self, **values) -> Self:
        """Returns a copy for a compiled program: without the attributes `fed`, or with `values`."""
        made = object.__new__(type(self))
        vars(made).update(vars(self))
        for name in self.fed:
            vars(made).pop(name, None)
        vars(made).update(values)
        return made

    def __getattr__(self, name: str) -> Any:
        if name in type(self).fed:
            expected = f"is not an attribute in a compiled program, whose methods take `{name}`"
            raise AttributeError(f"`{name}` of `{type(self).__name__}` {expected} as an argument")
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value):
        if self._is_made:
            raise AttributeError(
                f"A `{type(self).__name__}` cannot be changed. Create a new one instead. "
                f"Received: {name}={value!r}"
            )
        if isinstance(value, (np.number, np.bool_)):  # which a config cannot hold
            value = value.item()
        super().__setattr__(name, value)

    def __delattr__(self, name):
        raise AttributeError(f"A `{type(self).__name__}` cannot be changed. Received: del {name}")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, as plain values that JSON can hold."""
        return own_config(self, type(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns the object whose `get_config` is `config`."""
        return cls(**keras.saving.deserialize_keras_object(config))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and key_of(self) == key_of(other)

    def __hash__(self) -> int:
        return hash(key_of(self))

    def __repr__(self) -> str:
        values = {name: getattr(self, name, None) for name in argument_names(type(self))}
        told = (f"{name}={_describe(value)}" for name, value in values.items() if value is not None)
        return f"{type(self).__name__}({', '.join(told)})"


class Same:
    """Objects that are equal only to themselves; a key that holds them keeps them alive."""

    def __init__(self, *objects):
        self.objects = objects

    def __eq__(self, other):
        if not isinstance(other, Same):
            return NotImplemented
        mine, theirs = self.objects, other.objects
        return len(mine) == len(theirs) and all(map(operator.is_, mine, theirs))

    def __hash__(self):
        return hash(tuple(map(id, self.objects)))


def key_of(value, other=Same):
    """Returns a hashable key, equal to that of values that are the same by value and type.

    Plain values, arrays, containers of these and `Immutable` objects are compared by value: 1, 1.0
    and True differ.

    Args:
        value: any object.
        other: function that returns the key of any other object; by default by identity.
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind, repr(value)  # nan equals itself, and -0.0 differs from 0.0
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        digest = hashlib.blake2b(np.ascontiguousarray(value)).digest()
        return kind, value.dtype.str, value.shape, digest
    parts = vars(value) if isinstance(value, Immutable) else value
    if isinstance(parts, dict) and (kind is dict or parts is not value):
        parts = [*parts, *parts.values()]
    elif kind not in (tuple, list, set, frozenset):
        return other(value)
    keys = [(type(x), repr(x)) if type(x) in _PLAIN else key_of(x, other) for x in parts]
    return kind, frozenset(keys) if kind in (set, frozenset) else tuple(keys)


def _describe(value):
    is_long = isinstance(value, np.ndarray) and value.size > 4
    return f"array of shape {value.shape}" if is_long else repr(value)


def own_config(made, cls):
    """Returns an object's arguments to the constructor of `cls`, as values that JSON can hold."""
    names = argument_names(cls)
    for name in names:
        if not hasattr(made, name):
            raise AttributeError(
                f"{type(made).__name__} must store its constructor argument `{name}` as an "
                "attribute of the same name"
            )
    return keras.saving.serialize_keras_object({name: getattr(made, name) for name in names})


def argument_names(cls):
    """Returns the names of a constructor's arguments, including those taken as `**kwargs`."""
    names, shorthands = [], getattr(cls, "shorthands", ())
    for base in cls.__mro__:
        if base.__module__.startswith("keras.src."):
            break
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(base.__init__).parameters.values()
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if all(p.kind != p.VAR_KEYWORD for p in parameters):
            break
    short = {name for name, other in shorthands if other in (None, *names)}
    return [name for name in names if name not in short]
