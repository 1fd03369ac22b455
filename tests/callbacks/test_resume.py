"""Training that was killed goes on as if nothing had happened."""

import csv
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.callbacks import Resume, resume
from keras_bfn.callbacks.resume import _read
from tests.callbacks import resumable
from tests.callbacks.resumable import make_data, make_model
from tests.models.small import FLOWS, ConditionNetwork
from tests.models.small import make_data as make_array
from tests.models.states import renewable, state_of

SCRIPT = pathlib.Path(resumable.__file__)
ROOT = SCRIPT.parents[2]


def start(directory, path):
    """Starts the script; one thread, so that sums are always made in the same order."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }
    with open(f"{path}.log", "w") as log:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), str(directory), str(path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def read_log(path):
    return pathlib.Path(f"{path}.log").read_text()[-3000:]


def kill(process, path, delay):
    """Lets one epoch pass, and then some time, and kills the process."""
    epochs = (line for line in process.stdout if line.startswith("Epoch"))
    list(itertools.islice(epochs, 2))
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, read_log(path)


def read_arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def assert_same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def fresh():
    return renewable(make_model())


def train(model, directory, epochs, **kwargs):
    """Trains for a while, and returns the model and the callback."""
    data = make_data()
    resume = Resume(directory, data=data)
    model.fit(data, epochs=epochs, callbacks=[resume], verbose=0, **kwargs)
    return model, resume


@pytest.fixture(scope="module")
def left_alone(fresh, tmp_path_factory):
    """The state after four epochs, never interrupted."""
    return state_of(train(fresh(), tmp_path_factory.mktemp("left_alone"), 4)[0])


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.once
def test_a_loop_of_ones_own_resumes(tmp_path):
    """Its callbacks may know the model alone."""
    model = make_model()
    for num_epochs in (0, 1):
        callback = Resume(tmp_path, verbose=0)
        callback.set_model(model)
        callback.on_train_begin()
        assert len(callback.history) == num_epochs
        callback.on_epoch_end(num_epochs, {"loss": 1.5})
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1:] == ["1,1.5", "2,1.5"]


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("num_kills", [1, 3])
def test_a_run_that_is_killed_ends_as_one_that_is_left_alone(num_kills, tmp_path, capsys):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    alone_end, killed_end = tmp_path / "alone.npz", tmp_path / "killed.npz"
    for delay in np.random.default_rng(0).uniform(0, 0.6, num_kills):
        kill(start(killed, killed_end), killed_end, delay)
    finished = Resume(killed)._checkpoints()[0]
    resumable.main(killed, killed_end)  # in a process that knows nothing of what the other did
    going_on = f"Resuming after epoch {int(finished.stem[-6:])} from {finished}"
    assert going_on in capsys.readouterr().out
    resumable.main(alone, alone_end)

    for a, b in [
        (alone_end, killed_end),  # with the averages in the place of the weights
        (alone / "checkpoint-000008.npz", killed / "checkpoint-000008.npz"),
    ]:
        a, b = read_arrays(a), read_arrays(b)
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert (alone / "metrics.csv").read_text() == (killed / "metrics.csv").read_text()


def cut(content):
    return content[: len(content) // 2]


def flip_a_byte(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.slow_to_compile
def test_processes_that_kept_other_epochs_are_refused(fresh, tmp_path, monkeypatch):
    train(fresh(), tmp_path, 3)
    monkeypatch.setattr(resume, "of_all_processes", lambda epoch, strategy: [epoch, 1])
    with pytest.raises(
        ValueError, match=r"`directory` must contain checkpoints .* epochs are \[3, 1\]"
    ):
        train(fresh(), tmp_path, 4)


@pytest.mark.once
@pytest.mark.parametrize("damage", [cut, flip_a_byte, lambda content: b""])
def test_a_broken_checkpoint_is_skipped_for_the_one_before(
    damage, fresh, left_alone, tmp_path, capsys
):
    train(fresh(), tmp_path, 3)
    newest = tmp_path / "checkpoint-000003.npz"
    newest.write_bytes(damage(newest.read_bytes()))
    model, _ = train(fresh(), tmp_path, 4)
    skipped, going_on = capsys.readouterr().out.splitlines()
    assert skipped.startswith(f"Skipped the unreadable checkpoint {newest}: ")
    assert going_on == f"Resuming after epoch 2 from {tmp_path / 'checkpoint-000002.npz'}"
    assert_same(state_of(model), left_alone)


@pytest.mark.once
def test_whatever_byte_is_flipped_a_checkpoint_is_whole_or_cannot_be_read(fresh, tmp_path):
    train(fresh(), tmp_path, 1)
    path = tmp_path / "checkpoint-000001.npz"
    whole, content = _read(path), path.read_bytes()
    rng = np.random.default_rng(0)
    # The last 3000 bytes are the directory of the file, of which it keeps no sum.
    places = [*rng.integers(0, len(content), 200), *rng.integers(-3000, 0, 200)]
    num_read = 0
    for place, bit in zip(places, rng.integers(0, 8, 400), strict=True):
        broken = bytearray(content)
        broken[place] ^= 1 << bit
        path.write_bytes(broken)
        try:
            state = _read(path)
        except Exception:
            continue
        num_read += 1
        assert state.keys() == whole.keys()
        for name in whole:
            np.testing.assert_array_equal(state[name], whole[name], strict=True)
    assert num_read < 300


@pytest.mark.once
def test_an_array_that_is_shorter_than_it_was_cannot_be_read(tmp_path):
    path = tmp_path / "checkpoint-000001.npz"
    np.savez(path, meta=json.dumps({"num_arrays": 1}), variable_0=np.zeros(9000))
    content = path.read_bytes()
    assert len(_read(path)["variable_0"]) == 9000
    path.write_bytes(content.replace(b"(9000,)", b"(8000,)"))
    with pytest.raises(ValueError, match=r"variable_0\.npy is damaged"):
        _read(path)


@pytest.mark.once
def test_when_no_checkpoint_can_be_read_training_starts_anew_and_keeps_the_new_ones(
    fresh, left_alone, tmp_path
):
    for epoch in (8, 9):
        (tmp_path / f"checkpoint-{epoch:06}.npz").write_bytes(b"broken")
    for epochs, trained in ((1, [0]), (2, [1]), (4, [2, 3])):
        model, _ = train(fresh(), tmp_path, epochs)
        assert model.history.epoch == trained
    assert_same(state_of(model), left_alone)


@pytest.mark.once
def test_the_last_two_checkpoints_are_kept(fresh, tmp_path):
    train(fresh(), tmp_path, 4)
    assert names(tmp_path) == ["checkpoint-000003.npz", "checkpoint-000004.npz", "metrics.csv"]


@pytest.mark.once
def test_what_was_not_written_to_its_end_is_no_checkpoint(fresh, left_alone, tmp_path, capsys):
    train(fresh(), tmp_path, 2)
    for epoch in (3, 9):
        (tmp_path / f"partial.checkpoint-{epoch:06}.npz").write_bytes(b"half")
    model, _ = train(fresh(), tmp_path, 4)
    assert "Skipped" not in capsys.readouterr().out
    assert_same(state_of(model), left_alone)
    assert "partial.checkpoint-000003.npz" not in names(tmp_path)


@pytest.mark.once
def test_a_checkpoint_of_another_model_or_optimizer_is_refused(fresh, tmp_path):
    train(fresh(), tmp_path, 1)
    other, other_flow, frozen = make_model(), make_model(beta_1=2.0), make_model()
    other.compile(keras.optimizers.SGD(1e-3))
    next(layer for layer in frozen.network.layers if layer.weights).trainable = False
    for model in (make_model(width=16), other, other_flow, frozen):
        before = state_of(model)
        with pytest.raises(
            ValueError, match=r"Argument `directory` must contain .*checkpoint-000001"
        ):
            train(model, tmp_path, 2)
        assert_same(state_of(model)[: len(before)], before)


@pytest.mark.slow_to_compile
def test_a_finished_run_trains_no_more_and_ends_with_the_same_weights(fresh, left_alone, tmp_path):
    _, before = train(fresh(), tmp_path, 4)
    (tmp_path / "metrics.csv").unlink()  # as if killed between the checkpoint and this
    model, resume = train(fresh(), tmp_path, 4)
    assert model.history.epoch == []
    assert resume.history == before.history
    assert_same(state_of(model), left_alone)
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 5
    model.fit(make_data(), epochs=1, verbose=0)
    assert model.history.epoch == [0]
    train(model, tmp_path, 5)
    assert model.history.epoch == [4]


@pytest.mark.once
def test_history_and_metrics_hold_what_was_logged_in_all_epochs(fresh, tmp_path):
    rows = []
    for epochs in (2, 3):
        model, resume = train(fresh(), tmp_path, epochs, validation_data=make_data()[0])
        logs = {name: map(float, values) for name, values in model.history.history.items()}
        for row in zip(*logs.values(), strict=True):
            rows.append({"epoch": len(rows) + 1, **dict(zip(logs, row, strict=True))})
    assert "val_bits_per_dim" in rows[0]
    assert resume.history == rows
    with open(tmp_path / "metrics.csv") as file:
        lines = [{k: json.loads(v) for k, v in line.items()} for line in csv.DictReader(file)]
    assert lines == rows


@pytest.mark.once
def test_a_later_fit_starts_at_its_first_epoch(fresh, tmp_path):
    train(fresh(), tmp_path, 2)
    model, _ = train(fresh(), tmp_path, 3)
    data = make_data()
    model.fit(data, epochs=1, verbose=0)
    assert model.history.epoch == [0]

    def fail(epoch, logs):
        raise InterruptedError

    stop = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(InterruptedError):
        model.fit(data, epochs=4, callbacks=[stop, Resume(tmp_path)], verbose=0)
    model.fit(make_data(), epochs=1, verbose=0)
    assert model.history.epoch == [0]


@pytest.mark.once
def test_a_run_resumes_that_validates_averages(fresh, tmp_path):
    def run(name, epochs):
        model, data = fresh(), make_data()
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        told = [Resume(tmp_path / name, data=data, verbose=0), swap]
        model.fit(data, validation_data=data, epochs=epochs, callbacks=told, verbose=0)
        return model.get_weights()

    expected = run("whole", 3)
    run("cut", 2)
    assert_same(run("cut", 3), expected)


@pytest.mark.once
def test_data_are_told_each_epoch(fresh, tmp_path):
    seen = []

    def note(rows, rng):
        seen.append(data.epoch)
        return rows

    for epochs in (2, 4):
        data = make_data(note)
        begin = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.clear())
        callbacks = [begin, Resume(tmp_path, data=data)]
        fresh().fit(data, epochs=epochs, callbacks=callbacks, verbose=0)
        assert seen == [epoch for epoch in range(epochs - 2, epochs) for _ in range(8)]


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_pipeline_of_unknown_length_is_taken(fresh, tmp_path):
    data = make_data()
    batches = (data[i] for i in range(data.num_batches))
    fresh().fit(batches, callbacks=[Resume(tmp_path, data=data)], shuffle=False, verbose=0)
    assert "checkpoint-000001.npz" in names(tmp_path)


def train_arrays(model, directory, epochs, x):
    callbacks = [Resume(directory, verbose=0)]
    model.fit(x, epochs=epochs, batch_size=8, shuffle=False, callbacks=callbacks, verbose=0)
    return state_of(model)


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_float16"])
def test_arrays_and_every_precision_resume_too(dtype, fresh, tmp_path, capsys):
    if dtype != "float32":
        fresh = renewable(make_model(dtype=dtype))
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (24, 6)).astype("int32"), rng.integers(0, 3, 24).astype("int32")
    expected = train_arrays(fresh(), tmp_path / "alone", 3, x)
    train_arrays(fresh(), tmp_path / "stopped", 1, x)
    assert_same(train_arrays(fresh(), tmp_path / "stopped", 3, x), expected)
    is_scaled = isinstance(fresh().optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (dtype == "mixed_float16")
    assert capsys.readouterr().out == ""


@pytest.mark.slow_to_compile
def test_a_plain_layer_that_is_not_built_resumes(tmp_path):
    flow = FLOWS["binary"]()
    x = make_array(flow)

    def fresh():
        keras.utils.set_random_seed(0)
        model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), seed=0)
        model.compile(keras.optimizers.AdamW(1e-2, use_ema=True))
        return model

    expected = train_arrays(fresh(), tmp_path / "alone", 2, x)
    train_arrays(fresh(), tmp_path / "stopped", 1, x)
    assert_same(train_arrays(fresh(), tmp_path / "stopped", 2, x), expected)
