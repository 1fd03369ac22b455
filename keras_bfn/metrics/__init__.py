"""Metrics of training and evaluation beside the loss, and measures of sample quality."""

from keras_bfn.metrics.frechet import FrechetDistance as FrechetDistance
from keras_bfn.metrics.frechet import frechet_distance as frechet_distance
from keras_bfn.metrics.sample_quality import SampleQuality as SampleQuality
from keras_bfn.metrics.text_quality import spelling_rate as spelling_rate
