"""Guidance of samples by any differentiable function of the data, and ready-made likelihoods."""

from keras_bfn.guidance.expected import Expected as Expected
from keras_bfn.guidance.guidance import Guidance as Guidance
from keras_bfn.guidance.guidance import get as get
from keras_bfn.guidance.likelihoods import ClassifierGuidance as ClassifierGuidance
from keras_bfn.guidance.likelihoods import Constraint as Constraint
from keras_bfn.guidance.likelihoods import LinearInverse as LinearInverse
from keras_bfn.guidance.syntax import Automaton as Automaton
from keras_bfn.models.classifier_free import ClassifierFreeGuidance as ClassifierFreeGuidance
