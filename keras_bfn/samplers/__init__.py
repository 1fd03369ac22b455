"""How evidence grows from the prior to a sample."""

from keras_bfn.samplers.ode import ODE1Sampler as ODE1Sampler
from keras_bfn.samplers.ode import ODE2Sampler as ODE2Sampler
from keras_bfn.samplers.registry import get as get
from keras_bfn.samplers.sampler import Sampler as Sampler
from keras_bfn.samplers.sde import AncestralSampler as AncestralSampler
from keras_bfn.samplers.sde import SDE1Sampler as SDE1Sampler
from keras_bfn.samplers.sde import SDE2Sampler as SDE2Sampler
