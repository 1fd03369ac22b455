"""A verb after others, with whatever arguments, equals the verb alone on a new model.

The models of the pool are used by all cases of a process, one after the other; each case gives
its model new weights, asks for a few things more, some of which fail, and then compares one verb
with what a new model with the same weights gives.
"""

import collections
import contextlib
import functools
import gc

import keras
import numpy as np

from keras_bfn import losses
from keras_bfn._random import start_from
from tests.metamorphic import calls, pool

HISTORY = collections.defaultdict(lambda: collections.deque(maxlen=30))
NAMES = tuple(pool.KINDS)
COMMON = (
    "code_length",
    "evaluate",
    "train",
    "fit",
    "inpaint",
    "generate:sde1_plain",
    "encode:ode1_plain",
    "compress",
    "guided:ink0",
    "generate:scale2",
    "generate:given_label",
    "generate:lengths",
)


class Stop(Exception):
    """What is raised inside a call."""


def check(rng):
    """One case."""
    chance = rng.uniform()
    if chance < 0.12:
        (check_lora if chance < 0.06 else check_unseeded)(rng)
        return
    name = str(rng.choice(NAMES))
    model = pool.model_of(name)
    last = draw_call(rng, name)
    if rng.uniform() < 0.7:  # what differs in one value alone comes before it
        twins = twins_of(name, last)
        before = [(str(rng.choice(twins)), 0)] if twins else []
    else:
        before = []
    before += [(draw_common(rng, name), int(rng.integers(3))) for _ in range(rng.integers(1, 4))]
    weights, seed = int(rng.integers(3)), int(rng.integers(2))
    history = HISTORY[name]
    for call, call_seed in before:
        pool.set_weights(model, int(rng.integers(3)))
        history.append(call)
        calls.calls_of(name)[call](model, call_seed)
        if rng.uniform() < 0.5:
            disturb(rng, name, model, history)
    pool.set_weights(model, weights)
    history.append(last)
    expected = alone(name, weights, last, seed)
    found = calls.calls_of(name)[last](model, seed)
    what = f"{name}, {last}, weights {weights}, seed {seed}, after {list(history)[:-1]}"
    pool.assert_same(found, expected, what)


def draw_call(rng, name):
    """A call: verbs come equally often, however many ways there are to call each."""
    by_verb = collections.defaultdict(list)
    for call in calls.calls_of(name):
        by_verb[call.split(":")[0]].append(call)
    verb = rng.choice(sorted(by_verb), p=_chances(by_verb))
    return str(rng.choice(by_verb[verb]))


def draw_common(rng, name):
    """A call, mostly one of a few, which are compiled already."""
    common = [call for call in COMMON if call in calls.calls_of(name)]
    return draw_call(rng, name) if rng.uniform() < 0.25 else str(rng.choice(common))


def _chances(by_verb):
    sizes = np.sqrt([len(by_verb[verb]) for verb in sorted(by_verb)])
    return sizes / sizes.sum()


def twins_of(name, call):
    """The calls that differ from this one in a value."""
    stem = call.rstrip("0123456789")
    return [
        other
        for other in calls.calls_of(name)
        if other != call and (other.rstrip("0123456789") == stem)
    ]


@functools.cache
def alone(name, weights, call, seed):
    """What a new model gives."""
    model = pool.set_weights(pool.make_model(name), weights)
    result = calls.calls_of(name)[call](model, seed)
    del model
    gc.collect(0)
    return result


def disturb(rng, name, model, history):
    """Something else that is done to a model, or fails."""
    kind = str(
        rng.choice(
            ["compile", "refused", "function", "pipeline", "train", "seeds", "loss", "clear"]
        )
    )
    history.append(kind)
    data = pool.with_condition(pool.draw_data(name, 2), pool.draw_condition(name, 2))
    if kind == "compile" and rng.uniform() < 0.2:
        model.compile(keras.optimizers.SGD(0.1))
    elif kind == "loss" and rng.uniform() < 0.2:  # another loss, and then that from before
        model.compile(keras.optimizers.Adam(0.1), loss=losses.DiscreteTimeLoss(2), num_repeats=2)
        model.train_on_batch(data)
        model.compile(keras.optimizers.SGD(0.1))
    elif kind == "refused":
        bad = [
            lambda: model.generate(0),
            lambda: model.generate(2, num_steps=2, sampler="none"),
            lambda: model.code_length("a"),
            lambda: model.inpaint(3, True),
            lambda: model.generate(2, 2, lengths=99),
            lambda: model.evaluate(None),
        ]
        with contextlib.suppress(ValueError):
            bad[rng.integers(len(bad))]()
    elif kind == "function":

        def fn(data):
            raise Stop

        with contextlib.suppress(Stop, ValueError):
            model.generate(pool.NUM, 2, guidance=fn, verbose=0)
    elif kind == "pipeline":

        class Broken(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                raise Stop

        with contextlib.suppress(Stop):
            model.fit(data, batch_size=4, verbose=0, callbacks=[Broken()])
    elif kind == "train":
        model.train_on_batch(data)
    elif kind == "seeds":
        keras.utils.set_random_seed(int(rng.integers(100)))
    elif kind == "clear":
        model.reset_metrics()


def check_unseeded(rng):
    """A call with a seed of its own leaves the model's own stream of random numbers as it was."""
    name = str(rng.choice(NAMES))
    model = pool.model_of(name)
    seeded = [call for call in calls.calls_of(name) if call.split(":")[0] not in ("train", "fit")]
    before = str(rng.choice(seeded))
    weights, seed = int(rng.integers(3)), int(rng.integers(2))
    pool.set_weights(model, weights)
    results = []
    for first in ([], [before]):
        start_from(model.seed_generator, seed)
        for call in first:
            calls.calls_of(name)[call](model, 7)
        calls.calls_of(name)["code_length"](model, None)
        results.append(calls.calls_of(name)["generate:sde1_plain"](model, None))
    pool.assert_same(*results, f"{name}, without a seed, after {before}")


def check_lora(rng):
    """Low-rank matrices that come after a verb count in the next one."""
    name = str(rng.choice([n for n in NAMES if n != "missing"]))
    verbs = ["code_length", "generate:ode1_plain", "inpaint", "encode:ode1_plain", "evaluate"]
    call = str(rng.choice(verbs))
    seed, weights = int(rng.integers(2)), int(rng.integers(3))
    used, new = (pool.set_weights(pool.make_model(name), weights) for _ in range(2))
    make = calls.calls_of(name)[call]
    first = make(used, seed)
    results = []
    for model in (used, new):
        model.network.enable_lora(2)
        draws = np.random.default_rng(weights)
        for matrix in model.network.weights:
            if "lora" in matrix.path:
                matrix.assign(draws.normal(0, 0.5, matrix.shape))
        results.append(make(model, seed))
    pool.assert_same(*results, f"{name}, {call}, seed {seed}, LoRA after it; before it {first}")
