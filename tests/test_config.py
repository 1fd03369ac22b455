"""Schedules, flows, losses, samplers, guidances and tokenizers never change, and equal by value."""

import copy
import json
import math
import pickle

import keras
import numpy as np
import pytest

from keras_bfn import datasets, flows, guidance, losses, orders, samplers, schedules, tables
from keras_bfn._config import Immutable, key_of

pytestmark = pytest.mark.once

MADE = [
    schedules.QuadraticSchedule(2.0),
    flows.DiscreteFlow(3, beta_1=2.0),
    flows.DiscretizedFlow(17, sigma_1=0.1),
    losses.ContinuousTimeLoss(),
    losses.DiscreteTimeLoss(num_steps=3),
    samplers.SDE2Sampler(temperature=0.5, noise=0.5, top_k=3),
    orders.LeftToRight(),
    guidance.ClassifierFreeGuidance(2.0, (0.2, 0.8)),
    datasets.Letters("ab"),
    datasets.Bytes(),
]
of_each = pytest.mark.parametrize("made", MADE, ids=lambda made: type(made).__name__)


@of_each
def test_nothing_can_be_set(made):
    of_class = {"gain", "discrete", "theta_range", "deterministic", "shorthands"}
    before = dict(vars(made))
    for name in {*made.get_config(), *of_class, "new"}:
        with pytest.raises(AttributeError):
            setattr(made, name, 1.0)
    assert vars(made) == before


def test_a_number_of_numpy_is_one_of_python():
    flow = flows.DiscreteFlow(np.int64(3), beta_1=np.float32(0.3))
    schedule = flow.get_config()["schedule"]
    assert json.loads(json.dumps(schedule)) == schedule
    assert type(flow).from_config(flow.get_config()) == flow
    column = tables.Number(step=np.float32(0.5))
    assert tables.Number.from_config(column.get_config()) == column


@of_each
def test_nothing_can_be_deleted(made):
    for name in made.get_config():
        with pytest.raises(AttributeError):
            delattr(made, name)
        assert hasattr(made, name)


@of_each
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_the_same_and_cannot_be_changed_either(made, again):
    copied = again(made)
    assert copied == made
    assert hash(copied) == hash(made)
    with pytest.raises(AttributeError):
        copied.new = 1.0


def test_a_constructor_can_set_what_it_likes():
    class Derived(samplers.SDE1Sampler):
        deterministic = False

        def __init__(self, share):
            super().__init__()
            self.share, self.deterministic = share, True
            self.share = 2.0 * share

    made = Derived(0.5)
    assert made.deterministic
    assert made.share == 1.0
    with pytest.raises(AttributeError, match=r"`Derived` cannot be changed.*share=2\.0"):
        made.share = 2.0


@keras.saving.register_keras_serializable("keras_bfn_tests")
class Nucleotides(flows.DiscreteFlow):
    def __init__(self, beta_1=1.0):
        super().__init__(4, beta_1)
        self.beta_1 = beta_1


def test_a_subclass_keeps_an_argument_that_abbreviates_another_of_its_base():
    flow = Nucleotides(3.0)
    assert flow.get_config() == {"beta_1": 3.0}
    assert flow != Nucleotides(1.0)
    assert Nucleotides.from_config(flow.get_config()).schedule.beta_1 == 3


class Pen(Immutable):
    """A user's object, of which a program is fed `ink` at each call."""

    fed = ("ink",)

    def __init__(self, width, ink=None):
        self.width, self.ink = width, ink


def make_function():
    return lambda x: x


DENSE, FUNCTION = keras.layers.Dense(2), make_function()
SAME = {
    "numbers": (1, 1),
    "nan": (math.nan, float("nan")),
    "arrays": (np.arange(3), np.arange(3)),
    "an array and one that is not contiguous": (np.ones((2, 2)), np.ones((4, 4))[::2, ::2]),
    "nests": ({"a": [1, (2.0, "b")]}, {"a": [1, (2.0, "b")]}),
    "sets": ({1, 2}, {2, 1}),
    "immutable objects": (Pen(1.0), Pen(1.0)),
    "immutable objects in a list": ([Pen(1.0)], [Pen(1.0)]),
    "for a program, what it is fed": (Pen(1.0, ink=1).traced(), Pen(1.0, ink=2).traced()),
    "one function": (FUNCTION, FUNCTION),
    "one layer": (DENSE, DENSE),
}
OTHER = {
    "an int and a float": (1, 1.0),
    "one and true": (1, True),
    "zeros": (0.0, -0.0),
    "dtypes": (np.zeros(2, "float32"), np.zeros(2, "float64")),
    "shapes": (np.zeros((2, 1)), np.zeros((1, 2))),
    "values": (np.zeros(2), np.ones(2)),
    "an array and a list": (np.zeros(2), [0.0, 0.0]),
    "a list and a tuple": ([1], (1,)),
    "names": ({"a": 1}, {"b": 1}),
    "the order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "immutable objects": (Pen(1.0), Pen(2.0)),
    "what is fed to a program": (Pen(1.0, ink=1), Pen(1.0, ink=2)),
    "objects": (object(), object()),
    "an object and a number": (object(), 2.0),
    "an object and a number in a list": ([object()], [2.0]),
    "functions of one code": (make_function(), make_function()),
    "layers": (keras.layers.Dense(2), keras.layers.Dense(2)),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_keys_of_what_is_alike_are_equal(one, other):
    assert key_of(one) == key_of(other)
    assert hash(key_of(one)) == hash(key_of(other))


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_keys_of_what_differs_differ(one, other):
    assert key_of(one) != key_of(other)


def test_what_is_fed_to_a_program_is_no_attribute_in_it():
    pen = Pen(1.0, ink=1)
    with pytest.raises(
        AttributeError, match="`ink` of `Pen` is not an attribute in a compiled pro"
    ):
        pen.traced().ink  # noqa: B018
    assert pen.traced(ink=3).ink == 3
    assert (pen.ink, pen.traced().width) == (1, 1.0)
