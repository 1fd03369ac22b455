"""How fast the codec is: examples per second, by the number of messages and of lanes.

    KERAS_BACKEND=jax python -m benchmarks codec

Of the presets that come with weights, on their own samples: `benchmarks/codec_speed.py` says what
the columns are.
"""

import importlib.util

import keras_bfn
from benchmarks import codec_speed
from benchmarks.report import Missing

CASES = ("bfn_digits", "bfn_mnist")


def measure(cases=None, num_steps=(10, 50), lanes=(1, 64), rounds=3):
    """Yields a row for each preset, number of messages and number of lanes."""
    if importlib.util.find_spec("constriction") is None:
        raise Missing("needs constriction")
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        model = keras_bfn.BayesianFlowNetwork.from_preset(name)
        x = model.generate(max(lanes), num_steps=10, sampler="sde2", seed=0, verbose=0)
        for messages in num_steps:
            for num_lanes in lanes:
                found = codec_speed.measure(model, x[:num_lanes], messages, rounds)
                names = ("compress", "decompress", "network")
                row = {"case": name, "messages": messages, "lanes": num_lanes}
                yield {**row, **dict(zip(names, map(float, found), strict=True))}


if __name__ == "__main__":
    from benchmarks.report import main

    main("codec")
