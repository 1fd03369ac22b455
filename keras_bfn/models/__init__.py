"""The model that `fit` trains."""

from keras_bfn.models.bayesian_flow_network import BayesianFlowNetwork as BayesianFlowNetwork
