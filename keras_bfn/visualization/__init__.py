"""Pictures of samples, and of how they come about."""

from keras_bfn.visualization.plots import plot_samples as plot_samples
from keras_bfn.visualization.plots import plot_trajectory as plot_trajectory
