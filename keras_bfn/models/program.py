"""Compiled functions of a Bayesian flow network."""

import keras


class Program(keras.Model):
    """Base class: a small model without weights of its own, to be run by `predict`.

    `predict` compiles it once per batch shape on every backend, batches, and shows progress.

    Args:
        model: the `BayesianFlowNetwork`.
    """

    def __init__(self, model):
        super().__init__(dtype="float32", autocast=False)
        self.model = model
        self.built = True
        if model.compiled:
            self.compile(jit_compile=model.jit_compile, run_eagerly=model.run_eagerly)


def divisible(batch_size):
    """The batch size, or a little more: what the devices that `keras.distribution` names can share.

    JAX refuses a batch that does not divide among them.
    """
    distribution = keras.distribution.distribution()
    num_devices = 1 if distribution is None else distribution.num_model_replicas
    return -(-batch_size // num_devices) * num_devices


class ProgramCache:
    """Programs by what they were built for. Not a dict: Keras would track one as layers."""

    def __init__(self):
        self._programs = {}

    def get(self, key, build):
        if key not in self._programs:
            self._programs[key] = build()
        return self._programs[key]

    def __len__(self):
        return len(self._programs)

    def clear(self):
        self._programs.clear()
