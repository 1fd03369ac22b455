"""The samplers that need no student of `keras_bfn.distillation`."""

from keras_bfn.samplers import samplers

SAMPLERS = {name: kind for name, kind in samplers.SAMPLERS.items() if not kind.jumps}
