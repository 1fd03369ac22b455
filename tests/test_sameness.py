"""Keys are equal for what a compiled program would treat alike, and for nothing else."""

import functools
import math

import keras
import numpy as np
import pytest

from keras_bfn._sameness import ByValue, Programs, key_of
from tests.models.small import FLOWS, make_model

pytestmark = pytest.mark.once


class Pen(ByValue):
    """A user's object, of which a program is fed `ink` at each call."""

    fed = ("ink", "colour")

    def __init__(self, width, ink=None, colour=None):
        self.width, self.ink, self.colour = width, ink, colour

    def draw(self):
        return self.width, self.colour


def make_function(factor):
    return lambda x: factor * x


def itself():
    values = [1]
    values.append(values)
    return values


DENSE, FUNCTION = keras.layers.Dense(2), make_function(2)
SAME = {
    "numbers": (lambda: 1, lambda: 1),
    "nan": (lambda: math.nan, lambda: float("nan")),
    "arrays": (lambda: np.arange(3), lambda: np.arange(3)),
    "an array and one that is not contiguous": (
        lambda: np.ones((2, 2)),
        lambda: np.ones((4, 4))[::2, ::2],
    ),
    "nests": (lambda: {"a": [1, (2.0, "b")]}, lambda: {"a": [1, (2.0, "b")]}),
    "sets": (lambda: {1, 2}, lambda: {2, 1}),
    "what holds itself": (itself, itself),
    "by value": (lambda: Pen(1.0), lambda: Pen(1.0)),
    "what is fed": (lambda: Pen(1.0, ink=1), lambda: Pen(1.0, ink=2)),
    "partials": (lambda: functools.partial(FUNCTION, 1), lambda: functools.partial(FUNCTION, 1)),
    "methods": (lambda: Pen(1.0).draw, lambda: Pen(1.0).draw),
    "one function": (lambda: FUNCTION, lambda: FUNCTION),
    "one layer": (lambda: DENSE, lambda: DENSE),
}
OTHER = {
    "an int, a float and a bool": (1, 1.0),
    "one and true": (1, True),
    "zeros": (0.0, -0.0),
    "dtypes": (np.zeros(2, "float32"), np.zeros(2, "float64")),
    "shapes": (np.zeros((2, 1)), np.zeros((1, 2))),
    "values": (np.zeros(2), np.ones(2)),
    "an array and a list": (np.zeros(2), [0.0, 0.0]),
    "a list and a tuple": ([1], (1,)),
    "names": ({"a": 1}, {"b": 1}),
    "the order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "by value": (Pen(1.0), Pen(2.0)),
    "what a user's method reads, though it is fed": (Pen(1.0, colour=1), Pen(1.0, colour=2)),
    "objects": (object(), object()),
    "functions of one code": (make_function(2), make_function(2)),
    "partials": (functools.partial(FUNCTION, 1), functools.partial(FUNCTION, 2)),
    "layers": (keras.layers.Dense(2), keras.layers.Dense(2)),
}


@pytest.mark.parametrize(("make", "again"), SAME.values(), ids=SAME)
def test_keys_of_what_is_alike_are_equal(make, again):
    one, other = key_of(make()), key_of(again())
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_keys_of_what_differs_differ(one, other):
    assert key_of(one) != key_of(other)


def test_a_functions_key_is_of_the_values_that_it_reads_now():
    factor = 2.0

    def function(x):
        return factor * x

    before = key_of(function)
    factor = 3.0
    assert key_of(function) != before
    factor = 2.0
    assert key_of(function) == before


def test_a_functions_key_is_of_the_variables_that_it_reads_now():
    target = keras.Variable([2.0, 1.0])

    def function(x):
        return target * x

    before = key_of(function)
    assert key_of(function) == before
    target.assign([3.0, 1.0])
    assert key_of(function) != before
    target.assign([2.0, 1.0])
    assert key_of(function) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: setattr(layer, "trainable", False),
        lambda layer: setattr(layer, "activation", keras.activations.tanh),
        lambda layer: setattr(layer, "dtype_policy", keras.DTypePolicy("bfloat16")),
        lambda layer: layer.enable_lora(1),
    ],
)
def test_a_models_key_changes_with_what_is_done_to_a_layer_and_not_with_its_weights(change):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    before = key_of(model)
    model.layers[0].set_weights([np.ones((3, 2)), np.ones(2)])
    assert key_of(model) == before
    change(model.layers[0])
    assert key_of(model) != before


class Made:
    """A program that says what it was made of."""

    def __init__(self, model, *arguments):
        self.arguments = arguments


def test_a_program_is_made_once_for_equal_arguments_and_those_used_last_are_kept():
    programs = Programs(make_model(FLOWS["binary"]()), most=2)
    one, two = programs(Made, 1), programs(Made, 2)
    assert programs(Made, 1) is one
    assert programs(Made, 3).arguments == (3,)  # in the place of 2
    assert len(programs) == 2
    assert programs(Made, 1) is one
    assert programs(Made, 2) is not two


def test_a_program_is_made_anew_when_its_argument_or_the_model_has_changed():
    model, values = make_model(FLOWS["binary"]()), [1]
    programs = Programs(model)
    first = programs(Made, values)
    values.append(2)
    assert programs(Made, [1]) is not first  # for what it was made of has changed
    kept = programs(Made, [1])
    assert programs(Made, [1]) is kept
    model.network.layers[-2].trainable = False
    assert programs(Made, [1]) is not kept
    programs.clear()
    assert len(programs) == 0
