"""The cost of data in nats: continuous-time, n-step and reconstruction loss."""

from keras_bfn.losses.losses import BFNLoss as BFNLoss
from keras_bfn.losses.losses import ContinuousTimeLoss as ContinuousTimeLoss
from keras_bfn.losses.losses import CrossEntropyLoss as CrossEntropyLoss
from keras_bfn.losses.losses import DiscreteTimeLoss as DiscreteTimeLoss
from keras_bfn.losses.losses import ReconstructionLoss as ReconstructionLoss
from keras_bfn.losses.losses import get as get
from keras_bfn.losses.losses import stratified_uniform as stratified_uniform
