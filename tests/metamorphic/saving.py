"""A model that was written and read, copied or exported gives what it gave.

`python -m tests.metamorphic.saving FOLDER` checks a model that another backend has written there.
"""

import contextlib
import copy
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pandas as pd
from keras import ops

import keras_bfn
from keras_bfn import losses
from keras_bfn._parts import map_parts
from keras_bfn.callbacks import Resume
from tests.metamorphic import calls, pool

QUIET = {"verbose": 0}
NAMES = tuple(pool.KINDS)
BACKENDS = ("tensorflow", "jax", "torch")


def check(rng):
    """One case."""
    relations = {
        check_copy: 60,
        check_training: 15,
        check_resume: 15,
        check_table: 8,
        check_export: 6,
        check_backend: 1,
    }
    shares = np.array(list(relations.values())) / sum(relations.values())
    relation = list(relations)[rng.choice(len(relations), p=shares)]
    with tempfile.TemporaryDirectory() as folder:
        relation(rng, pathlib.Path(folder))


# The ways to another model of the same.


def by_file(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def by_file_again(model, folder):
    return by_file(by_file(model, folder), folder)


def by_preset(model, folder):
    model.save_to_preset(folder / "preset")
    return keras_bfn.BayesianFlowNetwork.from_preset(str(folder / "preset"))


def by_moved_preset(model, folder):
    model.save_to_preset(folder / "preset")
    (folder / "preset").rename(folder / "moved")
    return keras_bfn.BayesianFlowNetwork.from_preset(folder / "moved")


def by_config(model, folder):
    copied = type(model).from_config(json.loads(json.dumps(model.get_config())))
    copied.set_weights(model.get_weights())
    return copied


def by_weights(model, folder):
    model.save_weights(folder / "a.weights.h5")
    copied = type(model).from_config(model.get_config())
    copied.load_weights(folder / "a.weights.h5")
    return copied


def by_clone(model, folder):
    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied


def by_pickle(model, folder):
    return pickle.loads(pickle.dumps(model))


def by_copy(model, folder):
    return copy.deepcopy(model)


WAYS = (
    by_file,
    by_file_again,
    by_preset,
    by_moved_preset,
    by_config,
    by_weights,
    by_clone,
    by_pickle,
    by_copy,
)
COMPILED = (by_file, by_file_again, by_pickle, by_copy)


def draw_model(rng):
    """A kind, and a new model of drawn weights: trained for a step or two, or with LoRA, or not."""
    name = str(rng.choice(NAMES))
    state = str(rng.choice(["plain", "lora", "averaged", "adam", "repeats"]))
    optimizers = {
        "averaged": lambda: keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.5),
        "adam": lambda: keras.optimizers.Adam(0.01),
    }
    optimizer = optimizers.get(state, lambda: keras.optimizers.SGD(0.05))()
    model = pool.set_weights(pool.make_model(name, optimizer=optimizer), int(rng.integers(50)))
    seed = int(rng.integers(50))
    data = pool.with_condition(pool.draw_data(name, seed), pool.draw_condition(name, seed))
    if state in ("averaged", "adam"):
        for _ in range(2):
            model.train_on_batch(data)
    elif state == "lora" and name != "missing":
        model.network.enable_lora(2)
        for matrix in model.network.weights:
            if "lora" in matrix.path:
                matrix.assign(rng.normal(0, 0.5, matrix.shape))
        model.compile(keras.optimizers.SGD(0.05))
    elif state == "repeats":
        model.compile(
            keras.optimizers.SGD(0.05),
            loss=losses.DiscreteTimeLoss(2),
            num_repeats=2,
            loss_weights={"label": 3.0} if name == "parts" else None,
        )
    return name, state, model, data


VERBS = (
    "code_length",
    "generate:ode1_plain",
    "generate:sde2_late",
    "generate:ancestral_plain",
    "generate:null",
    "generate:scale2",
    "inpaint",
    "encode:ode1_plain",
    "generate_text",
    "generate:lengths",
    "generate:given_label",
)


def draw_verb(rng, name, verbs=VERBS):
    """The name of a call, and the call."""
    of_kind = calls.calls_of(name)
    call = str(rng.choice([verb for verb in verbs if verb in of_kind]))
    return call, of_kind[call]


def check_copy(rng, folder):
    """A model that comes back gives the same, and so does the one that went."""
    name, state, model, data = draw_model(rng)
    ways = [way for way in WAYS if state != "lora" or way not in (by_config, by_clone)]
    ways = [way for way in ways if state != "lora" or way not in (by_weights,)]
    way = ways[rng.integers(len(ways))]
    call, run = draw_verb(rng, name)
    what = f"{name}, {state}, {way.__name__}, {call}"
    if state == "averaged" and rng.uniform() < 0.5:
        what += ", averaged weights"
        with model.averaged_weights():
            expected = run(model, 1)
            copied = way(model, folder)
        raw = model.network.get_weights()
        copies = copied.network.get_weights()
        same = all(np.array_equal(*pair) for pair in zip(raw, copies, strict=True))
        assert not same, f"{what}: averages are the raw weights"
    else:
        expected = run(model, 1)
        copied = way(model, folder)
    pool.assert_same(run(copied, 1), expected, what)
    if way in COMPILED and "averaged weights" not in what:
        logs = [one.evaluate(data, return_dict=True, **QUIET) for one in (copied, model)]
        pool.assert_same(*logs, f"{what}, evaluate")
    tokenizer = model.tokenizer
    assert type(copied.tokenizer) is type(tokenizer), f"{what}: {copied.tokenizer}"


def check_training(rng, folder):
    """A model that comes back is trained as the one that went would have been."""
    name, state, model, data = draw_model(rng)
    while state == "lora":  # a file has the products in the kernels: all is trained again
        name, state, model, data = draw_model(rng)
    model.train_on_batch(data)
    copied = COMPILED[rng.integers(len(COMPILED))](model, folder)
    found = []
    for one in (model, copied):
        keras_bfn._random.start_from(one.seed_generator, 5)
        one.train_on_batch(data)
        one.train_on_batch(data)
        found.append(one.network.get_weights())
        if state == "averaged":
            with one.averaged_weights():
                found[-1] += one.network.get_weights()
    pool.assert_same(found[1], found[0], f"{name}, {state}, two steps more")
    logs = [one.evaluate(data, return_dict=True, **QUIET) for one in (model, copied)]
    pool.assert_same(logs[1], logs[0], f"{name}, {state}, evaluate after two steps more")


def check_resume(rng, folder):
    """Training that was interrupted, and goes on, ends as if it had not been."""
    name = str(rng.choice(NAMES))
    x, condition = pool.draw_data(name, 3), pool.draw_condition(name, 3)
    data = pool.with_condition(x, condition)
    averaged = bool(rng.uniform() < 0.5)
    options = {"use_ema": True, "ema_momentum": 0.5} if averaged else {}
    epochs, stop = 3, int(rng.integers(1, 3))
    how = str(rng.choice(["ends", "raises"]))

    def make():
        model = pool.make_model(name, optimizer=keras.optimizers.AdamW(0.01, **options))
        return pool.set_weights(model, 1)

    class Killed(Exception):
        pass

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == stop and batch == 1:
                raise Killed

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    def train(model, epochs, *callbacks):
        return model.fit(
            data, epochs=epochs, batch_size=2, shuffle=False, callbacks=list(callbacks), **QUIET
        )

    whole, cut, again = make(), make(), make()
    history = train(whole, epochs).history["loss"]
    if how == "raises":
        with contextlib.suppress(Killed):
            train(cut, epochs, Kill(), Resume(folder, verbose=0))
    else:
        # Without averages, which take the place of the weights at the end of `fit`.
        train(cut, stop, Resume(folder, verbose=0))
    resume = Resume(folder, verbose=0)
    again.network.set_weights(pool.draw_weights(again, 2))
    train(again, epochs, resume)
    what = f"{name}, {how} after epoch {stop}, averages {averaged}"
    pool.assert_same(again.network.get_weights(), whole.network.get_weights(), what)
    losses_found = [row["loss"] for row in resume.history]
    pool.assert_same(losses_found, history, f"{what}: losses")
    call, run = draw_verb(rng, name)
    pool.assert_same(run(again, 1), run(whole, 1), f"{what}: {call}")
    # Without a seed both go on with the same numbers.
    unseeded = [model.code_length(data, 2, **QUIET) for model in (whole, again)]
    pool.assert_same(unseeded[1], unseeded[0], f"{what}: the next draws")


def make_frame(num=12, seed=0):
    """A small table of columns of every kind."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "colour": rng.choice(["red", "green", "blue"], num),
            "size": np.round(rng.normal(size=num), 2),
            "count": rng.integers(0, 5, num),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, num), "D"),
            "flag": rng.integers(0, 2, num).astype(bool),
        }
    )


def check_table(rng, folder):
    """A model of a table, its table with it."""
    df = make_frame(seed=int(rng.integers(5)))
    table = keras_bfn.tables.Table.from_dataframe(df)
    model = table.make_model(width=8, num_blocks=1, seed=0)
    pool.set_weights(model, int(rng.integers(50)))
    way = [by_file, by_config, by_clone, by_pickle][rng.integers(4)]
    gaps = df.mask(np.random.default_rng(0).uniform(size=df.shape) < 0.3)
    runs = {
        "log_likelihood": lambda m: m.log_likelihood(df, 2, seed=1),
        "sample": lambda m: m.sample(3, num_steps=2, seed=1),
        "impute": lambda m: m.impute(gaps, num_steps=2, seed=1),
    }
    verb = str(rng.choice(list(runs)))
    expected = runs[verb](model)
    found = runs[verb](way(model, folder))
    what = f"table, {way.__name__}, {verb}"
    if verb == "log_likelihood":
        pool.assert_same(found, expected, what)
    else:
        pd.testing.assert_frame_equal(found, expected, obj=what)


# Exports.


def check_export(rng, folder):
    """A loop over an exported step is `generate` of a deterministic sampler."""
    name = str(rng.choice(["binary", "bins", "continuous", "conditional", "joint"]))
    model = pool.set_weights(pool.make_model(name), int(rng.integers(50)))
    sampler = str(rng.choice(["ode1", "ode2"]))
    kind, condition = pool.kind_of(name), pool.draw_condition(name, 1)
    shape = (pool.NUM, *kind.event_shape, kind.flow.embedding_size)
    latents = rng.normal(size=shape).astype("float32") * np.float32(np.sqrt(kind.flow.gain))
    num_steps = int(rng.integers(1, 5))
    expected = model.generate(
        pool.NUM, num_steps, sampler, condition=condition, latents=latents, **QUIET
    )
    times = np.linspace(0.0, 1.0, num_steps + 1, dtype="float32")
    run, shapes = _exported(model, sampler, folder)
    feed = {key: np.zeros([pool.NUM, *s[1:]] if s else [], "float32") for key, s in shapes.items()}
    if condition is not None:
        feed["condition"] = condition
    (noise,) = (key for key in shapes if key.startswith("normal_0"))
    feed[noise] = latents / np.float32(np.sqrt(kind.flow.gain))
    for t, t_next in zip(times, [*times[1:], times[-1]], strict=True):
        feed["t"], feed["t_next"] = np.array(t), np.array(t_next)
        outputs = run(feed)
        for key, value in outputs.items():
            if key.startswith("next_state"):
                feed[key.removeprefix("next_")] = value
    found = outputs["x"].reshape(expected.shape)
    pool.assert_same(found, expected, f"{name}, {sampler}, {num_steps} steps of an export")


def _exported(model, sampler, folder):
    """The exported step as a function of a dict of arrays, and the shapes of what it takes."""
    if keras.backend.backend() == "torch":
        import onnxruntime

        model.export(folder / "step.onnx", format="onnx", sampler=sampler)
        session = onnxruntime.InferenceSession(folder / "step.onnx")
        names = [output.name for output in session.get_outputs()]
        shapes = {i.name: list(i.shape) for i in session.get_inputs()}

        def run(feed):
            return dict(zip(names, session.run(None, feed), strict=True))

        return run, shapes
    import tensorflow as tf

    model.export(folder / "step", format="tf_saved_model", sampler=sampler)
    loaded = tf.saved_model.load(folder / "step")
    step = loaded.signatures["serving_default"]
    taken = step.structured_input_signature[1]
    shapes = {key: list(spec.shape) for key, spec in taken.items()}

    def run(feed):
        inputs = {key: tf.constant(value, taken[key].dtype) for key, value in feed.items()}
        return {key: value.numpy() for key, value in step(**inputs).items()}

    run.loaded = loaded  # else it is collected, and its variables with it
    return run, shapes


# Another backend.


def predictions(model, name):
    """What the network says of evidence that numpy draws: no backend's own noise is in it."""
    rng = np.random.default_rng(0)
    kind = pool.kind_of(name)
    s = map_parts(
        lambda flow, shape: rng.normal(size=(pool.NUM, *shape, flow.embedding_size)).astype(
            "float32"
        ),
        kind.flow,
        kind.event_shape,
    )
    t = np.linspace(0.1, 0.9, pool.NUM, dtype="float32")
    condition = pool.draw_condition(name, 1)
    told = (
        condition
        if condition is None
        else keras.tree.map_structure(ops.convert_to_tensor, condition)
    )
    predictions = model.predict_params(s, ops.convert_to_tensor(t), told)
    predictions = predictions if isinstance(kind.flow, dict) else {"": predictions}
    latents = {"latents": map_parts(lambda s: s, s), "sampler": "ode2", "condition": condition}
    found = {
        f"params{part}": ops.convert_to_numpy(one.params)
        for part, one in sorted(predictions.items())
    }
    samples = model.generate(pool.NUM, 3, **latents, **QUIET)
    samples = samples if isinstance(samples, dict) else {"": samples}
    return found | {f"x{part}": samples[part] for part in sorted(samples)}


def check_backend(rng, folder):
    """A file gives the same predictions and samples under another backend."""
    name, state, model, _ = draw_model(rng)
    others = [b for b in BACKENDS if b != keras.backend.backend()]
    backend = str(rng.choice(others))
    model.save(folder / "model.keras")
    np.savez(folder / "expected.npz", **predictions(model, name))
    (folder / "name.txt").write_text(name)
    process = subprocess.run(
        [sys.executable, "-m", "tests.metamorphic.saving", str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert process.returncode == 0, f"{name}, {state}, on {backend}:\n{process.stderr[-3000:]}"


def main(folder):
    """Compares what was written with what this backend makes of the file."""
    folder = pathlib.Path(folder)
    name = (folder / "name.txt").read_text()
    model = keras.saving.load_model(folder / "model.keras")
    found = predictions(model, name)
    with np.load(folder / "expected.npz") as expected:
        for key, value in expected.items():
            # Where two classes are as likely, rounding decides: of one variable at most.
            different = ~np.isclose(found[key], value, 1e-3, 1e-4)
            allowed = 1 if key.startswith("x") else 0
            assert different.sum() <= allowed, f"{key}: {found[key]} for {value}"


if __name__ == "__main__":
    main(sys.argv[1])
