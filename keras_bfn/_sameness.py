"""What a compiled program depends on: keys that are equal for what is the same, and for no more."""

import functools
import hashlib
import os
import pathlib
import sys
import sysconfig
import types

import keras
import numpy as np

_LIBRARIES = (
    str(pathlib.Path(__file__).parent) + os.sep,
    *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
# What Keras and PyTorch change in a layer while it is used, or never.
_PASSING = {
    "build",
    "quantize",
    "call_signature_parameters",
    "train_function",
    "test_function",
    "predict_function",
    "training",
    "history",
    "stop_training",
    "stop_evaluating",
    "last_weights",
}


class ByValue:
    """Base class of objects that are the same if their classes and attributes are.

    Attributes:
        fed: names of attributes that a compiled program is given at each call. They make no
            difference to it, unless a method of the user's own class names them.
    """

    fed = ()


def key_of(value):
    """What can be hashed, and is equal to the key of a value that a trace would treat alike.

    Plain Python values, numpy arrays, containers of these and `ByValue` objects are compared by
    value, types included: 1, 1.0 and True differ. All else is compared by identity, and the key
    keeps it alive. Of a function of the user's own, so are the values of the globals, closures and
    defaults that it reads now, and of a layer its attributes, layers and variables.
    """
    return _Keys().of(value)


# What is made of other values, and compared by these.
_PARTED = tuple, list, set, frozenset, dict, types.MethodType, functools.partial, ByValue


class _Same:
    """An object that is equal to itself alone."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self):
        return id(self.value)


class _Keys:
    """One walk through a value.

    Attributes:
        within: the objects that are being walked through, for what refers to itself.
        known: what is compared by identity and was walked through, by id.
    """

    def __init__(self):
        self.within, self.known = [], {}

    def of(self, value):
        kind = type(value)
        if value is None or kind in (bool, int, str, bytes):
            return kind, value
        if kind in (float, complex):
            return kind, repr(value)  # nan is itself, and -0.0 is not 0.0
        if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
            return kind, value.dtype, value.shape, hashlib.blake2b(value.tobytes()).digest()
        if isinstance(value, _PARTED):
            return self._of_value(value)
        if isinstance(value, types.FunctionType):
            return self._once(value, self._of_function)
        if isinstance(value, keras.Layer):
            return self._once(value, self._of_layers)
        return _Same(value)

    def _of_value(self, value):
        for depth, outer in enumerate(self.within):
            if outer is value:
                return "within", depth
        self.within.append(value)
        try:
            return type(value), self._parts(value)
        finally:
            self.within.pop()

    def _parts(self, value):
        if isinstance(value, (tuple, list)):
            return tuple(map(self.of, value))
        if isinstance(value, (set, frozenset)):
            return frozenset(map(self.of, value))
        if isinstance(value, dict):
            return tuple((self.of(name), self.of(part)) for name, part in value.items())
        if isinstance(value, types.MethodType):
            return self.of(value.__func__), self.of(value.__self__)
        if isinstance(value, functools.partial):
            return self._parts((value.func, value.args, value.keywords))
        methods = _own_attributes(type(value))
        named = set().union(*map(_names_in, filter(None, map(_code_of, methods.values()))))
        fed = set(value.fed) - named
        attributes = {name: part for name, part in vars(value).items() if name not in fed}
        return self._once(type(value), lambda _: self._parts(methods)), self._parts(attributes)

    def _once(self, value, parts):
        """The identity of an object, and what it holds now; of one that is known, that alone."""
        if id(value) in self.known:
            return _Same(value)
        self.known[id(value)] = value
        return _Same(value), parts(value)

    def _of_function(self, function):
        code = function.__code__
        if code.co_filename.startswith(_LIBRARIES):
            return ()
        enclosed = tuple(map(_contents, function.__closure__ or ()))
        names = sorted(name for name in _names_in(code) if name in function.__globals__)
        read = {name: function.__globals__[name] for name in names}
        return self._parts((enclosed, read, function.__defaults__, function.__kwdefaults__))

    def _of_layers(self, layer):
        layers = layer._flatten_layers()
        self.known |= {id(one): one for one in layers}
        weights = layer.trainable_variables, layer.non_trainable_variables
        return tuple(map(self._of_layer, layers)), tuple(tuple(map(_Same, w)) for w in weights)

    def _of_layer(self, layer):
        attributes = {
            name: part
            for name, part in vars(layer).items()
            if not name.startswith("_") and name not in _PASSING
        }
        return _Same(layer), layer.trainable, layer.dtype_policy.name, self._parts(attributes)


def _names_in(code):
    """The names that a function's code reads, that of functions within it, too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names


def _code_of(function):
    return getattr(function, "__code__", None)


def _own_attributes(cls):
    """The attributes of the user's own classes among the bases, methods and getters as functions.

    What the constructor does is in the object's attributes.
    """
    own = {}
    for base in reversed(cls.__mro__):
        if not _is_of_library(base):
            own |= vars(base)
    return {
        name: getattr(part, "fget", None) or getattr(part, "__func__", part)
        for name, part in own.items()
        if name not in ("__init__", "__dict__", "__weakref__")
    }


def _contents(cell):
    try:
        return cell.cell_contents
    except ValueError:  # empty: what it is to hold is not defined yet
        return None


def _is_of_library(cls):
    module = cls.__module__
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module.partition(".")[0] in sys.stdlib_module_names or file.startswith(_LIBRARIES)
