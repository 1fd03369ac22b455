"""What a training step and `generate` cost beside the network that they call.

    KERAS_BACKEND=jax python -m benchmarks overhead --cases unet parts

A training step is compared with that of the bare network, the same Keras model on its own: it is
trained with the same optimizer on given inputs, tensors of the shapes of theta and t, to lower the
mean square of the output's difference from a given one. `generate` with n steps is compared with
n + 1 compiled forward passes of the bare network, by `predict_on_batch`. Seconds are ours.
"""

import keras

from benchmarks.cases import CASES, count_rows, make_case, network_inputs
from benchmarks.timing import ratio
from keras_bfn import BayesianFlowNetwork


def bare_network(network, jit_compile):
    """Compiles a network to be trained on its own."""
    losses = keras.tree.map_structure(lambda _: "mean_squared_error", network.output)
    network.compile(keras.optimizers.AdamW(1e-4), losses, jit_compile=jit_compile)
    return network


def measure(cases=None, rounds=15, steps=10, toy=False, jit_compile="auto"):
    """Yields a row for the training step of each case, and one for `generate`."""
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        flow, network, x = make_case(name, toy)
        model = BayesianFlowNetwork(flow, network, seed=0)
        model.compile(keras.optimizers.AdamW(1e-4), jit_compile=jit_compile)
        bare = bare_network(make_case(name, toy).network, model.jit_compile)
        batch_size = count_rows(x)
        inputs, targets = network_inputs(bare, batch_size)

        def bare_step(bare=bare, inputs=inputs, targets=targets):
            bare.train_on_batch(inputs, targets)

        def step(model=model, x=x):
            model.train_on_batch(x)

        def passes(bare=bare, inputs=inputs):
            for _ in range(steps + 1):
                bare.predict_on_batch(inputs)

        def generate(model=model, batch_size=batch_size):
            model.generate(batch_size, steps, batch_size=batch_size, verbose=0)

        row = {"case": name, "weights": network.count_params(), "batch": batch_size}
        yield {**row, "what": "training step", **ratio(bare_step, step, rounds)}
        yield {**row, "what": f"generate, {steps} steps", **ratio(passes, generate, rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("overhead")
