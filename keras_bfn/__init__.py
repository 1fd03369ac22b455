"""Bayesian Flow Networks for Keras 3, on TensorFlow, JAX and PyTorch."""

from keras_bfn import _imports as _imports  # first, to say what is missing
from keras_bfn import callbacks as callbacks
from keras_bfn import checkpoints as checkpoints
from keras_bfn import codec as codec
from keras_bfn import datasets as datasets
from keras_bfn import devices as devices
from keras_bfn import distillation as distillation
from keras_bfn import distributions as distributions
from keras_bfn import flows as flows
from keras_bfn import guidance as guidance
from keras_bfn import layers as layers
from keras_bfn import losses as losses
from keras_bfn import metrics as metrics
from keras_bfn import networks as networks
from keras_bfn import orders as orders
from keras_bfn import presets as presets
from keras_bfn import recipes as recipes
from keras_bfn import samplers as samplers
from keras_bfn import schedules as schedules
from keras_bfn import series as series
from keras_bfn import simulation as simulation
from keras_bfn import tables as tables
from keras_bfn import testing as testing
from keras_bfn import visualization as visualization
from keras_bfn.models import BayesianFlowNetwork as BayesianFlowNetwork
from keras_bfn.models.generation import GenerationResult as GenerationResult
from keras_bfn.orders import AnyOrderNetwork as AnyOrderNetwork
from keras_bfn.predictions import Prediction as Prediction

__version__ = "0.3.0"
