"""Students only generate, by jumps; their classes say of which teacher they are."""

import numpy as np
import pytest

import keras_bfn
from keras_bfn.distillation import AnyOrderStudent, JumpSampler, Student, make_student

FLOW = keras_bfn.flows.DiscreteFlow(3, beta_1=3.0)
X = np.random.default_rng(0).integers(0, 3, (8, 4))


def make_teacher(cls, **options):
    network = keras_bfn.networks.MLP(FLOW, (4,), width=8, num_blocks=1, **options)
    return cls(FLOW, network, seed=0)


TEACHERS = {
    Student: lambda: make_teacher(keras_bfn.BayesianFlowNetwork),
    AnyOrderStudent: lambda: make_teacher(keras_bfn.AnyOrderNetwork, times="variables"),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("cls", TEACHERS)
def test_a_student_is_of_its_teachers_kind_and_jumps(cls):
    student = make_student(TEACHERS[cls]())
    assert type(student) is cls
    assert student.get_sampler(None) == student.get_sampler("jump") == JumpSampler()
    assert student.generate(2, 1, verbose=0).shape == (2, 4)
    with pytest.raises(ValueError, match="`sampler` must be 'jump', or a `JumpSampler`"):
        student.generate(2, 1, "sde2", verbose=0)


REFUSED = {
    "fit": lambda model: model.fit(X),
    "evaluate": lambda model: model.evaluate(X),
    "train_on_batch": lambda model: model.train_on_batch(X),
    "code_length": lambda model: model.code_length(X),
    "loss_by_time": lambda model: model.loss_by_time(X),
    "encode": lambda model: model.encode(X),
    "inpaint": lambda model: model.inpaint(X, True),
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", REFUSED)
def test_all_else_is_refused(name):
    for make in TEACHERS.values():
        with pytest.raises(ValueError, match=r"A student of .* only jumps"):
            REFUSED[name](make_student(make()))


def test_others_do_not_jump():
    with pytest.raises(ValueError, match="`sampler` must not jump unless the model is a student"):
        TEACHERS[Student]().generate(2, 1, JumpSampler(), verbose=0)
    with pytest.raises(ValueError, match="`order` must be 'together' for a student"):
        make_student(TEACHERS[AnyOrderStudent]()).generate(2, 1, order="random", verbose=0)
