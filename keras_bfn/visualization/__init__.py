"""Plots of samples, trajectories and forecasts."""

from keras_bfn.visualization.animation import animate_generation as animate_generation
from keras_bfn.visualization.flow_plot import plot_flow as plot_flow
from keras_bfn.visualization.grid import draw_grid as draw_grid
from keras_bfn.visualization.plots import plot_samples as plot_samples
from keras_bfn.visualization.plots import plot_trajectory as plot_trajectory
from keras_bfn.visualization.series import plot_forecast as plot_forecast
from keras_bfn.visualization.series import plot_series as plot_series
