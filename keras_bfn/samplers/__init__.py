"""How evidence grows from the prior to a sample."""

from keras_bfn.samplers.sampler import AncestralSampler as AncestralSampler
from keras_bfn.samplers.sampler import Sampler as Sampler
from keras_bfn.samplers.sampler import get as get
