"""Time of a training step and of `generate`, relative to the bare network.

    KERAS_BACKEND=jax python -m benchmarks overhead --cases unet parts

A training step is compared with one of the bare network, the same Keras model on its own. The bare
network is trained with the same optimizer and the mean squared error, on fixed inputs and targets;
the inputs have the shapes of theta and t. `generate` with n steps is compared with n + 1 compiled
forward passes of the bare network, by `predict_on_batch`. Seconds are those of this package.

With `--noise`, the comparison is not with this package's model, but with the bare network and the
normal samples that one evaluation takes. These are generated as in this package and summed, in a
separate program.
"""

import functools

import keras
from keras import ops

from benchmarks.cases import CASES, CONVOLUTIONAL, count_rows, make_case, network_inputs
from benchmarks.timing import ratio
from keras_bfn import BayesianFlowNetwork
from keras_bfn._parts import map_parts, sum_parts
from keras_bfn._random import make_seed_generator, normal


class Noise(keras.Model):
    """Generates the normal samples of one evaluation of data, and returns their sums."""

    def __init__(self, flow, x):
        super().__init__()
        self.seed_generator = make_seed_generator(0)
        self.shapes = map_parts(lambda flow, x: tuple(flow.embed(x).shape), flow, x)

    def call(self, t):
        draws = map_parts(lambda shape: normal(shape, self.seed_generator), self.shapes)
        return t + sum_parts(map_parts(ops.sum, draws))


class Pair:
    """A case's model, and its bare network."""

    def __init__(self, name, toy=False, jit_compile="auto", data_format=None):
        sizes = {"data_format": data_format} if name in CONVOLUTIONAL else {}
        flow, network, self.x = make_case(name, toy, **sizes)
        self.model = BayesianFlowNetwork(flow, network, seed=0)
        self.model.compile(keras.optimizers.AdamW(1e-4), jit_compile=jit_compile)
        self.bare = make_case(name, toy, **sizes).network
        losses = keras.tree.map_structure(lambda _: "mean_squared_error", self.bare.output)
        jit_compile = self.model.jit_compile
        self.bare.compile(keras.optimizers.AdamW(1e-4), losses, jit_compile=jit_compile)
        self.num = count_rows(self.x)
        self.inputs, self.targets = network_inputs(self.bare, self.num)
        self.noise = Noise(flow, self.x)

    def step(self):
        return self.model.train_on_batch(self.x)

    def bare_step(self):
        return self.bare.train_on_batch(self.inputs, self.targets)

    def bare_step_and_noise(self):
        self.bare_step()
        self.draw()

    def draw(self):
        self.noise.predict_on_batch(self.inputs["t"])

    def generate(self, num_steps):
        self.model.generate(self.num, num_steps, batch_size=self.num, verbose=0)

    def passes(self, num_steps):
        for _ in range(num_steps + 1):
            self.bare.predict_on_batch(self.inputs)

    def passes_and_noise(self, num_steps):
        self.passes(num_steps)
        for _ in range(num_steps):
            self.draw()


def measure(
    cases=None,
    rounds=15,
    steps=10,
    toy=False,
    jit_compile="auto",
    data_format=None,
    noise=False,
):
    """Yields two rows per case: one for the training step, and one for `generate`."""
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        pair = Pair(name, toy, jit_compile, data_format)
        row = {"case": name, "weights": pair.bare.count_params(), "batch": pair.num}
        step, generate = pair.step, pair.generate
        if noise:
            step, generate = pair.bare_step_and_noise, pair.passes_and_noise
        yield {**row, "what": "training step", **ratio(pair.bare_step, step, rounds)}
        passes, generate = (functools.partial(run, steps) for run in (pair.passes, generate))
        yield {**row, "what": f"generate, {steps} steps", **ratio(passes, generate, rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("overhead")
