"""Thousands of calls in one process: the memory they take, what is compiled, what they change.

    python -m tests.attacks.long_life 1000

Makes so many calls of `generate` and of `code_length`, with arguments that change within bounds,
and five times as many steps of training. Memory is the resident set of the process, its slope by
least squares over the second half. Compiled are the live functions: of JAX, what it compiled; of
TensorFlow, its concrete functions; PyTorch compiles none. `keras_predict` is a dense layer's
`predict`, which all of them but `fit` call: what it leaves behind is not ours. Then two models make
samples in four threads, which are to be those of one thread.
"""

import collections
import concurrent.futures
import gc
import pathlib
import random
import sys

import keras
import numpy as np
from keras import ops
from keras.src.random.seed_generator import global_seed_generator
from keras.src.utils import rng_utils

import keras_bfn

SAMPLERS = ("ancestral", "sde1", "sde2", "ode1", "ode2")
STEPS_OF_A_FIT = 50
PAGE = 4  # kB


def make_model(seed):
    keras.utils.set_random_seed(seed)
    flow = keras_bfn.flows.DiscreteFlow(2, beta_1=4.0)
    network = keras_bfn.networks.MLP(flow, (8,), 16, 1, conditions=3)
    model = keras_bfn.BayesianFlowNetwork(flow, network, condition_dropout=0.1, seed=seed)
    model.compile("adamw")
    return model


def make_data(num):
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (num, 8)).astype("int32"), rng.integers(0, 3, num).astype("int32")


def generate(model, rng):
    num = int(rng.integers(8, 20))
    return model.generate(
        num,
        int(rng.integers(1, 6)),
        sampler=str(rng.choice(SAMPLERS)),
        condition=rng.integers(0, 3, num),
        guidance_scale=float(rng.choice([0.5, 1.0, 2.0])),
        batch_size=int(rng.choice([4, 8])),
        seed=int(rng.integers(100)),
        verbose=0,
    )


def code_length(model, rng):
    x, condition = make_data(int(rng.integers(8, 20)))
    num_steps = rng.choice([None, 5, 10])
    batch_size = int(rng.choice([4, 8]))
    options = {"batch_size": batch_size, "seed": 0, "verbose": 0}
    return model.code_length((x, condition), num_steps, **options)["transmission"]


def keras_predict(model, rng):
    x = np.zeros((int(rng.integers(8, 20)), 2))
    model.predict(x, batch_size=int(rng.choice([4, 8])), verbose=0)


def fit(model, rng):
    batch_size = int(rng.choice([4, 8]))
    x = make_data(STEPS_OF_A_FIT * batch_size)
    model.fit(x, batch_size=batch_size, verbose=0)


def resident():
    """The memory of this process, in kB; 0 where it is not told."""
    path = pathlib.Path("/proc/self/statm")
    return PAGE * int(path.read_text().split()[1]) if path.exists() else 0


class Compiled:
    """Counts what is compiled and alive."""

    def __init__(self):
        self.num = 0
        if keras.backend.backend() == "jax":
            import jax

            jax.monitoring.register_event_duration_secs_listener(self._note)

    def _note(self, event, duration, **kwargs):
        self.num += event.endswith("backend_compile_duration")

    def count(self):
        if keras.backend.backend() == "tensorflow":
            gc.collect()
            kinds = collections.Counter(type(x).__name__ for x in gc.get_objects())
            return kinds["ConcreteFunction"]
        return self.num


def live(model, call, num, compiled, rng):
    """Calls so many times: kB per call, and what was compiled at half of them and at the end."""
    memory = []
    for i in range(num):
        if i == num // 2:
            at_half = compiled.count()
        call(model, rng)
        memory.append(resident())
    second = memory[num // 2 :]
    slope = np.polyfit(np.arange(len(second)), second, 1)[0]
    return slope, at_half, compiled.count()


def global_state():
    """What is shared by all that is in a process, as text."""
    config = keras.config
    return {
        "numpy.random": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
        "random": repr(random.getstate()),
        "floatx": config.floatx(),
        "image_data_format": config.image_data_format(),
        "epsilon": config.epsilon(),
        "dtype_policy": config.dtype_policy().name,
        "random_seed": rng_utils.get_random_seed(),
        "seed_generator": repr(ops.convert_to_numpy(global_seed_generator().state)),
    }


def changes(call):
    """The names of what a call changes of the global state."""
    before = global_state()
    call()
    after = global_state()
    return [name for name in before if before[name] != after[name]]


def in_threads(models, num, num_threads=4):
    """How many of so many calls of `generate` in threads give other samples than in one thread."""

    def ask(i):
        return generate(models[i % len(models)], np.random.default_rng(i))

    expected = [ask(i) for i in range(num)]
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        found = list(pool.map(ask, range(num)))
    return sum(not np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def run(num):
    """Prints a row for each kind of calls; the numbers that should be zero, by name."""
    compiled, rng, bad = Compiled(), np.random.default_rng(0), {}
    models = [make_model(seed) for seed in range(2)]
    layer = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    calls = {"fit": num // 10, "keras_predict": num, "generate": num, "code_length": num}
    print(f"{keras.backend.backend():<14}{'calls':>8}{'kB a call':>12}{'compiled':>10}", end="")
    print(f"{'at the end':>12}{'programs':>10}  changes")
    for name, times in calls.items():
        call = globals()[name]
        model = layer if name == "keras_predict" else models[0]
        changed = changes(lambda call=call, model=model: call(model, rng))
        slope, at_half, at_end = live(model, call, times, compiled, rng)
        programs = len(models[0].programs.kept)
        print(f"{name:<14}{times:>8}{slope:>12.2f}{at_half:>10}{at_end:>12}{programs:>10}", end="")
        print(f"  {', '.join(changed) or 'nothing'}", flush=True)
        bad[f"{name}: compiled in the second half"] = max(0, at_end - at_half)
        if name != "fit":  # in which Keras shuffles by the generators of Python and NumPy
            bad[f"{name}: changes"] = len(changed)
    wrong = in_threads(models, num // 5)
    print(f"{num // 5} calls of generate in four threads: {wrong} with other samples")
    return bad | {"threads": wrong}


def main():
    bad = run(int(sys.argv[1]))
    sys.exit(any(bad.values()))


if __name__ == "__main__":
    main()
