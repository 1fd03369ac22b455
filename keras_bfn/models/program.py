"""Compiled functions of a Bayesian flow network."""

import keras
import numpy as np
from keras import ops

from keras_bfn import _keras
from keras_bfn._parts import list_parts
from keras_bfn._validation import check_int
from keras_bfn.looks import output_distributions
from keras_bfn.models.data_checks import count_examples

DEFAULT_BATCH_SIZE = 64


class Program(keras.Model):
    """Base class: a small model without weights of its own, to be run by `predict`.

    `predict` compiles it once per batch shape on every backend, batches, and shows progress. The
    constructor takes the model and what can be hashed: `ProgramCache` keeps a program for each.

    Args:
        model: the `BayesianFlowNetwork`.
    """

    def __init__(self, model):
        super().__init__(dtype="float32", autocast=False)
        self.model = model
        self.built = True
        if model.compiled:
            self.compile(jit_compile=model.jit_compile, run_eagerly=model.run_eagerly)

    def predict(self, *args, **kwargs):
        with _keras.keep_variables(self):
            return super().predict(*args, **kwargs)


class SamplingProgram(Program):
    """Base class of programs that look, act, and look again.

    Args:
        model: the `BayesianFlowNetwork`.
        times: float32 array, the times of the looks.
    """

    def __init__(self, model, times):
        super().__init__(model)
        self.times = times

    def look(self, s, i, inputs, known_parts=()):
        """Shows evidence to the network at the i-th time.

        Args:
            s: evidence, or a dict of the parts' evidence.
            i: int or scalar int tensor.
            inputs: the program's; used are `"ones"`, of shape `(batch,)`, and, if present,
                `"condition"` and `"guidance_scale"`.
            known_parts: names of parts whose time is 1, whatever the step.

        Returns:
            The tuple of looks and output distributions, one of each, or dicts of them.
        """
        model, ones = self.model, inputs["ones"]
        t = _keras.per_example(self.time(i), ones)
        if known_parts:
            t = {name: ones if name in known_parts else t for name in model.flow}
        looks = model.look(
            s, t, inputs.get("condition"), guidance_scale=inputs.get("guidance_scale")
        )
        return looks, output_distributions(model.flow, looks)

    def time(self, i):
        return ops.take(ops.convert_to_tensor(self.times), i)

    def loop(self, num_steps, look, act, state):
        """Runs `state = act(i, state, *look(i, state))` for i in 0..num_steps - 1.

        `act` may draw from the model's seed generator; `look` may call the network.
        """
        return _keras.loop(self.model.seed_generator, num_steps, look, act, state)


def mean_times(sampler, flow, num_steps):
    """The times of a sampler's looks: those that each part would have, averaged."""
    times = [sampler.times(flow, num_steps) for (flow,) in list_parts(flow)]
    return (
        times[0] if len(times) == 1 else np.mean(times, axis=0, dtype="float64").astype("float32")
    )


def check_batch_size(batch_size, num_rows, default=DEFAULT_BATCH_SIZE):
    """The batch size, or the default one, at most the number of rows."""
    batch_size = default if batch_size is None else batch_size
    return min(check_int("batch_size", batch_size, 1), num_rows)


def predict(model, program_class, arguments, inputs, batch_size, seed, verbose):
    """What a program makes of all rows of `inputs`.

    It is run on full batches, so that it is compiled once.
    """
    num = count_examples(inputs)
    batch_size = divisible(batch_size)
    rows = np.arange(-(-num // batch_size) * batch_size) % num
    inputs = keras.tree.map_structure(lambda values: values[rows], inputs)
    program = model.programs.get(model, program_class, *arguments)
    with _keras.seeded(model.seed_generator, seed):
        outputs = program.predict(inputs, batch_size=batch_size, verbose=verbose)
    return keras.tree.map_structure(lambda values: values[:num], outputs)


def divisible(batch_size):
    """The batch size, or a little more: what the devices that `keras.distribution` names can share.

    JAX refuses a batch that does not divide among them.
    """
    distribution = keras.distribution.distribution()
    num_devices = 1 if distribution is None else distribution.num_model_replicas
    return -(-batch_size // num_devices) * num_devices


class ProgramCache:
    """Programs by what they were built for. Not a dict: Keras 3.15 would track them as layers."""

    def __init__(self):
        self._programs = {}

    def get(self, model, program_class, *arguments):
        key = (program_class, *arguments)
        if key not in self._programs:
            self._programs[key] = program_class(model, *arguments)
        return self._programs[key]

    def __len__(self):
        return len(self._programs)

    def clear(self):
        self._programs.clear()
