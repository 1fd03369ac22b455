"""Schedules, flows, losses, samplers and tokenizers are what they were made as, for ever."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest

from keras_bfn import datasets, flows, losses, samplers, schedules, tables

pytestmark = pytest.mark.once

MADE = [
    schedules.QuadraticSchedule(2.0),
    flows.DiscreteFlow(3, beta_1=2.0),
    flows.DiscretizedFlow(17, sigma_1=0.1),
    losses.ContinuousTimeLoss(),
    losses.DiscreteTimeLoss(num_steps=3),
    samplers.SDE2Sampler(temperature=0.5, noise=0.5, top_k=3),
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
