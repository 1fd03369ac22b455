"""Reuse of compiled programs, by keys that are equal only for equivalent arguments.

Plain Python values, numpy arrays, containers of these and `ByValue` objects are compared by value
and type: 1, 1.0 and True differ. Everything else is compared by identity, and its key keeps it
alive. A function's key holds the current values that it reads: globals, closures, defaults, and
those of Keras variables. A Keras layer's key holds the current attributes and variables of the
layer and of all layers in it.
"""

import functools
import hashlib
import operator
import types

import keras
import numpy as np

from keras_bfn._backend.devices import scope_of
from keras_bfn._keras import layers_within

_PLAIN = {type(None), bool, int, float, complex, str, bytes}
_CONTAINERS = (tuple, list, set, frozenset, dict)
# Attributes that Keras changes in a layer or a model during use.
_PASSING = {
    "train_function",
    "test_function",
    "predict_function",
    "training",
    "history",
    "stop_training",
    "stop_evaluating",
    "stop_predicting",
}


class ByValue:
    """Base class of objects that are equal if their classes and attributes are.

    Attributes:
        fed: names of attributes that a compiled program receives at each call. They do not affect
            the key, unless a method of a user's class reads them.
    """

    fed: tuple[str, ...] = ()


class _Same:
    """Objects that are equal only to themselves."""

    def __init__(self, *objects):
        self.objects = objects

    def __eq__(self, other):
        if not isinstance(other, _Same):
            return NotImplemented
        mine, theirs = self.objects, other.objects
        return len(mine) == len(theirs) and all(map(operator.is_, mine, theirs))

    def __hash__(self):
        return hash(tuple(map(id, self.objects)))


def key_of(value, within=()):
    """Returns a hashable key, equal to that of any value that a trace would treat alike.

    Args:
        value: any object.
        within: the objects that contain this one, to handle those that refer to themselves.
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind, repr(value)  # nan equals itself, and -0.0 differs from 0.0
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        digest = hashlib.blake2b(np.ascontiguousarray(value)).digest()
        return kind, value.dtype.str, value.shape, digest
    if isinstance(value, keras.Layer):
        return layer_key(value)
    if isinstance(value, keras.Variable):  # on JAX, traces hold its value
        return _Same(value), key_of(keras.ops.convert_to_numpy(value))
    for depth, outer in enumerate(within):
        if outer is value:
            return "within", depth
    parts = value
    if isinstance(value, ByValue):
        own, fed = _of_own_classes(kind), set(value.fed)
        parts = own | vars(value)
        for part in own.values():
            if isinstance(part, types.FunctionType):
                fed -= _names_in(part.__code__)
        for name in fed:
            parts.pop(name, None)
    elif not isinstance(value, _CONTAINERS):
        parts = _parts_of(value)
    if parts is None:
        return _Same(value)
    within, values = (*within, value), parts
    if isinstance(parts, dict):
        values = [*parts, *parts.values()]
    keys = [(type(x), repr(x)) if type(x) in _PLAIN else key_of(x, within) for x in values]
    keys = frozenset(keys) if isinstance(parts, (set, frozenset)) else tuple(keys)
    return _Same(value) if isinstance(value, types.FunctionType) else kind, keys


def _parts_of(value):
    """Returns what a function or a part of one reads and calls; None for other objects."""
    if isinstance(value, types.FunctionType):
        return _read_by(value)
    if isinstance(value, types.MethodType):
        return value.__func__, value.__self__
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    return None


def layers_read_by(value):
    """Returns the Keras layers that a function, a `ByValue` object or a container reads."""
    found, seen, rest = [], [], [value]
    while rest:
        value = rest.pop()
        if any(value is one for one in seen):
            continue
        seen.append(value)
        parts = value if isinstance(value, _CONTAINERS) else _parts_of(value)
        if isinstance(value, keras.Layer):
            found.append(value)
        elif isinstance(value, ByValue):
            rest += vars(value), _of_own_classes(type(value))
        elif isinstance(value, types.MethodType):
            rest += *parts, getattr(value.__self__, "__dict__", {})
        elif parts is not None:
            rest += parts.values() if isinstance(parts, dict) else parts
        elif callable(value) and not isinstance(value, type):
            rest += type(value).__call__, getattr(value, "__dict__", {})
    return found


def layer_key(layer):
    """Returns the key of a Keras layer or model: the current objects in it and its layers."""
    held = list(layer.variables)
    for one in (layer, *layers_within(layer)):
        held += (one, one.dtype_policy, one.trainable)
        for name, part in vars(one).items():
            if not name.startswith("_") and name not in _PASSING:
                held.append(part)
    return _Same(*held)


def _read_by(function):
    """Returns the external values that a function reads; of functions, only those of its module."""
    names = _names_in(function.__code__)
    read = {name: x for name, x in function.__globals__.items() if name in names}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    read |= {f"{name} (enclosed)": _contents(cell) for name, cell in cells}
    read |= {"defaults": function.__defaults__, "keyword defaults": function.__kwdefaults__}
    return {
        name: x
        for name, x in read.items()
        if not isinstance(x, (type, types.ModuleType)) and _is_of_module(x, function)
    }


def _names_in(code):
    """Returns the names that code reads, including those in nested functions."""
    within = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names_in, within))


def _contents(cell):
    try:
        return cell.cell_contents
    except ValueError:  # its variable is not defined yet
        return None


def _is_of_module(value, function):
    """Whether a value is not a function, or one of the same module as `function`."""
    return getattr(value, "__globals__", function.__globals__) is function.__globals__


def _of_own_classes(cls):
    """Returns the attributes of user-defined classes: not of this package, Keras or Python."""
    package = __name__.partition(".")[0]
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] not in (package, "builtins", "keras"):
            for name, part in vars(base).items():
                if not name.startswith("__"):
                    found[name] = getattr(part, "fget", None) or getattr(part, "__func__", part)
    return found


class Programs:
    """A cache of a model's programs, which are made on first use.

    A program is reused for arguments with the same key (`key_of`), as long as its own arguments
    still have that key, and nothing of the model has changed but the values of its variables.

    Args:
        model: the `BayesianFlowNetwork`.
        most: int. The maximum number of programs kept, those used last.
    """

    def __init__(self, model, most=64):
        self.model, self.most = model, most
        self.kept, self.keys = {}, {}

    def __call__(self, kind, *arguments):
        """Returns the program `kind(model, *arguments)`."""
        if self.is_stale("programs"):
            self.kept.clear()
        key = kind, key_of(arguments)
        program, made_with = self.kept.pop(key, (None, None))
        if program is None or key_of(made_with) != key[1]:
            with scope_of(self.model):
                program, made_with = kind(self.model, *arguments), arguments
        self.kept[key] = program, made_with
        if len(self.kept) > self.most:
            del self.kept[next(iter(self.kept))]
        return program

    def __len__(self):
        return len(self.kept)

    def is_stale(self, name):
        """Whether the model has changed since the last call with this name.

        Keras 3.15 keeps using a compiled function after the model's layers, variables or attributes
        have been replaced.
        """
        model = self.model
        how = (model.jit_compile, model.run_eagerly) if model.compiled else None
        before, self.keys[name] = self.keys.get(name), (layer_key(model), how)
        return before not in (None, self.keys[name])

    def clear(self):
        """Forgets all programs, and the model's last known state."""
        self.kept.clear()
        self.keys.clear()
