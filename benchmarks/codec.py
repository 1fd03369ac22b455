"""Speed of the codec in examples per second, by number of messages and of lanes.

    KERAS_BACKEND=jax python -m benchmarks codec

The cases are presets with weights, on their own samples, and `grey levels`: an MLP for 28x28 images
with 256 grey levels, on the digits that it has learnt. `benchmarks/codec_speed.py` explains the
columns.
"""

import importlib.util

import numpy as np

import keras_bfn
from benchmarks import codec_speed
from benchmarks.report import Missing
from keras_bfn import flows

CASES = ("bfn_digits", "bfn_mnist", "grey levels")


def grey_levels(num):
    """Returns a model of scikit-learn's digits at 28x28 with 256 levels, and `num` of them."""
    from benchmarks import codec_costs

    digits = np.repeat(np.repeat(codec_costs.digits(17), 4, axis=1), 4, axis=2)
    x = digits[:, 2:30, 2:30] * 255 // 16
    return codec_costs.train(flows.DiscretizedFlow(256, sigma_1=0.001), x, False), x[:num]


def make_case(name, num):
    """Returns a model and `num` examples."""
    if name == "grey levels":
        return grey_levels(num)
    model = keras_bfn.BayesianFlowNetwork.from_preset(name)
    return model, model.generate(num, num_steps=10, sampler="sde2", seed=0, verbose=0)


def measure(cases=None, num_steps=(10, 50), lanes=(1, 8, 64), rounds=3):
    """Yields one row for each case, number of messages and number of lanes."""
    for package in ("constriction", "sklearn"):
        if importlib.util.find_spec(package) is None:
            raise Missing(f"needs {package}")
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        model, x = make_case(name, max(lanes))
        for messages in num_steps:
            for num_lanes in lanes:
                found = codec_speed.measure(model, x[:num_lanes], messages, rounds)
                names = ("compress", "decompress", "network")
                row = {"case": name, "messages": messages, "lanes": num_lanes}
                yield {**row, **dict(zip(names, map(float, found), strict=True))}


if __name__ == "__main__":
    from benchmarks.report import main

    main("codec")
