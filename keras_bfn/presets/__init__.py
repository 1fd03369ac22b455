"""Presets: models by name, with their weights and training recipes."""

from keras_bfn.presets.conditions import with_conditions as with_conditions
from keras_bfn.presets.publishing import upload_preset as upload_preset
from keras_bfn.presets.registry import PRESETS as PRESETS
from keras_bfn.presets.registry import Preset as Preset
from keras_bfn.presets.registry import Recipe as Recipe
