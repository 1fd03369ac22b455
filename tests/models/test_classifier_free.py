"""Guidance by conditions is told by a number, a function of the time, or an object."""

import numpy as np
import pytest

import keras_bfn
from keras_bfn.guidance import ClassifierFreeGuidance
from keras_bfn.models.classifier_free import check_classifier_free
from tests.models.test_guiding_by_classes import make_class_model

pytestmark = pytest.mark.once


def test_it_is_told_by_its_values_and_never_changes():
    guidance = ClassifierFreeGuidance(3, [0.2, 0.8], 1)
    assert guidance == ClassifierFreeGuidance(3.0, (0.2, 0.8), 1.0)
    assert guidance != ClassifierFreeGuidance(3.0)
    assert repr(guidance) == "ClassifierFreeGuidance(scale=3.0, interval=(0.2, 0.8), rescale=1.0)"
    with pytest.raises(AttributeError, match="cannot be changed"):
        guidance.scale = 2.0


def test_a_number_or_a_function_is_the_scale_of_it():
    model = make_class_model("binary", condition_dropout=0.1)

    def strength(t):
        return 1.0 + t

    for scale in (2, 2.0, strength):
        found = check_classifier_free(model, scale, condition=[0])
        assert found == ClassifierFreeGuidance(scale)
    guidance = ClassifierFreeGuidance(2.0, rescale=0.5)
    assert check_classifier_free(model, guidance, condition=[0]) is guidance
    assert check_classifier_free(model, 1.0, condition=[0]) is None


def test_a_model_takes_each():
    model = make_class_model("binary", condition_dropout=0.1)
    options = {"condition": np.array([0, 1, 2, 1]), "sampler": "ode1", "seed": 0, "verbose": 0}

    def run(guidance_scale):
        result = model.generate(4, 3, guidance_scale=guidance_scale, return_details=True, **options)
        return result.trajectory.params

    guided = run(2.0)
    for same in (lambda t: 2.0, ClassifierFreeGuidance(2.0)):
        np.testing.assert_array_equal(run(same), guided)
    np.testing.assert_array_equal(run(ClassifierFreeGuidance()), run(1.0))
    assert np.abs(run(ClassifierFreeGuidance(2.0, (0.0, 0.5))) - guided).max() > 1e-3
    assert len(model.programs.kept) == 2  # with guidance, and without


def test_all_verbs_take_it():
    model = make_class_model("binary", condition_dropout=0.1)
    x = model.generate(2, 2, condition=[0, 1], seed=0, verbose=0)
    options = {"condition": [0, 1], "seed": 0, "verbose": 0, "return_details": True}
    completions = [
        model.inpaint(x, x > 0, 2, guidance_scale=scale, **options)
        for scale in (3.0, ClassifierFreeGuidance(3.0), 1.0)
    ]
    assert all(isinstance(one, keras_bfn.GenerationResult) for one in completions)
    found, same, plain = (one.log_likelihood for one in completions)
    np.testing.assert_array_equal(found, same)
    assert (found != plain).all()
