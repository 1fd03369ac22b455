"""Data types: their messages, input distributions and output distributions."""

from keras_bfn.flows.circular import CircularFlow as CircularFlow
from keras_bfn.flows.continuous import ContinuousFlow as ContinuousFlow
from keras_bfn.flows.discrete import DiscreteFlow as DiscreteFlow
from keras_bfn.flows.discretized import DiscretizedFlow as DiscretizedFlow
from keras_bfn.flows.factor_normal import FactorNormal as FactorNormal
from keras_bfn.flows.flow import Flow as Flow
from keras_bfn.flows.flow import expand as expand
from keras_bfn.flows.joint_normal import JointNormal as JointNormal
from keras_bfn.flows.priors import MarkovChain as MarkovChain
from keras_bfn.flows.priors import fit_prior as fit_prior
from keras_bfn.flows.scaling import fit_scaling as fit_scaling
