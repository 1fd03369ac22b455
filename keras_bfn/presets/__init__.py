"""Presets: models by name, with the weights and the recipe that belong to them."""

from keras_bfn.presets.preset import Preset as Preset
from keras_bfn.presets.preset import Recipe as Recipe
from keras_bfn.presets.registry import PRESETS as PRESETS
from keras_bfn.presets.upload import upload_preset as upload_preset
