"""Callbacks: checkpoints to resume from, samples during training, and a time budget."""

from keras_bfn.callbacks.resume import Resume as Resume
from keras_bfn.callbacks.samples import SampleImages as SampleImages
from keras_bfn.callbacks.samples import SampleText as SampleText
from keras_bfn.callbacks.time_budget import TimeBudget as TimeBudget
