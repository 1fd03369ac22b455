"""Samplers: algorithms that take evidence from the prior to a sample."""

from keras_bfn.samplers.samplers import DEFAULT as DEFAULT
from keras_bfn.samplers.samplers import DEFAULT_DETERMINISTIC as DEFAULT_DETERMINISTIC
from keras_bfn.samplers.samplers import NUM_STEPS as NUM_STEPS
from keras_bfn.samplers.samplers import AncestralSampler as AncestralSampler
from keras_bfn.samplers.samplers import ODE1Sampler as ODE1Sampler
from keras_bfn.samplers.samplers import ODE2Sampler as ODE2Sampler
from keras_bfn.samplers.samplers import Sampler as Sampler
from keras_bfn.samplers.samplers import SDE1Sampler as SDE1Sampler
from keras_bfn.samplers.samplers import SDE2Sampler as SDE2Sampler
from keras_bfn.samplers.samplers import get as get
