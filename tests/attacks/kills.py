"""Kills processes in the middle of every write, and looks at what is on the disk.

    python -m tests.attacks.kills 200

For each writer, so many processes are forked, told to write other content over what is there, and
killed (SIGKILL) at a random moment. What can be read then is wholly the old content or the new.
What a killed process leaves beside it, the next one meets; the last one is not killed, and leaves
nothing but what it wrote.
"""

import collections
import contextlib
import csv
import functools
import io
import os
import pathlib
import re
import signal
import sys
import tempfile
import time
import warnings

import keras
import numpy as np

import keras_bfn
from keras_bfn import visualization
from keras_bfn._files import write_atomically
from keras_bfn.callbacks import Resume, SampleImages, SampleText
from keras_bfn.codec.__main__ import _save
from tests.models.small import FLOWS

FLOW = FLOWS["binary"]()
X = np.random.default_rng(0).integers(0, 2, (8, 16))
COLUMNS = ("kills", "in the write", "old", "new", "harmed")
LONGEST = 60  # seconds after which a write that is not killed hangs


class Writers:
    """By name, a function that writes content 1 or 2, and one that tells which is there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        network = keras_bfn.networks.MLP(FLOW, (16,), 64, 1)
        tokenizer = keras_bfn.datasets.Letters("01")
        self.model = keras_bfn.BayesianFlowNetwork(FLOW, network, tokenizer=tokenizer, seed=0)
        self.model.compile("adamw")
        self.model.fit(X, verbose=0)
        self.history = []
        model = self.model
        self.writers = {
            "save": lambda _: model.save(self.path("model.keras")),
            "save_weights": lambda _: model.save_weights(self.path("model.weights.h5")),
            "save_to_preset": lambda _: model.save_to_preset(self.path("preset")),
            "Resume": self.write_checkpoint,
            "a compressed file": self.write_bytes,
            "decompressed arrays": self.write_arrays,
            "SampleImages": lambda i: self.sample(SampleImages, i),
            "SampleText": lambda i: self.sample(SampleText, i),
            "plot_samples": lambda i: visualization.plot_samples(
                X.reshape(8, 4, 4) % i, self.path("a.png")
            ),
            "animate_generation": self.animate,
        }
        self.readers = {
            "save": lambda: _tell(keras.saving.load_model(self.path("model.keras"))),
            "save_weights": self.read_weights,
            "save_to_preset": lambda: _tell(model.from_preset(self.path("preset"))),
            "Resume": self.read_checkpoint,
        }

    def path(self, name):
        return self.folder / name

    def prepare(self, name, content):
        """The function that writes this content."""
        self.fill(content)
        return functools.partial(self.writers[name], content)

    def fill(self, content):
        for weight in self.model.weights:
            if "float" in weight.dtype:
                weight.assign(np.full(weight.shape, content))

    def read(self, name):
        """The content, 1 or 2."""
        if name in self.readers:
            return self.readers[name]()
        found = _contents(self.folder)
        found = {n: data for n, data in found.items() if ".partial" not in n}
        return next(content for content, known in self.known.items() if known == found)

    def learn(self, name):
        """Writes either content, 1 in the end; remembers the bytes, and the names of the files."""
        self.known = {}
        for content in (2, 1):
            self.prepare(name, content)()
            self.known[content] = _contents(self.folder)
        return set(self.known[1])

    def write_bytes(self, content):
        data = bytes([content]) * 2**22
        write_atomically(self.path("data.bfn"), lambda file: file.write(data))

    def write_arrays(self, content):
        x = {name: np.full((2**18,), content, "int64") for name in "ab"}
        write_atomically(self.path("data.npz"), lambda file: _save(file, x))

    def sample(self, kind, content):
        callback = kind(self.path("samples"))
        callback.set_model(self.model)
        self.path("samples").mkdir(exist_ok=True)
        shape = (64, 8, 8, 1) if kind is SampleImages else (64, 2**12)
        callback.write(FLOW, np.full(shape, content - 1), 1)

    def animate(self, content):
        sizes = FLOW.embedding_size, FLOW.theta_size, FLOW.output_size
        values = (np.full((8, 16, 4, 4, 1, size), content - 0.9) for size in sizes)
        look = keras_bfn.Look(np.linspace(0, 1, 8), *values)
        visualization.animate_generation(FLOW, look, self.path("a.gif"))

    def make_resume(self):
        resume = Resume(self.path("run"), verbose=0)
        resume.set_model(self.model)
        return resume

    def write_checkpoint(self, content):
        resume = self.make_resume()
        self.path("run").mkdir(exist_ok=True)
        resume.history = list(self.history)
        resume.on_epoch_end(len(self.history), {"loss": content})

    def read_checkpoint(self):
        resume = self.make_resume()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            resume.on_train_begin()
        resume.on_train_end()
        assert not said.getvalue(), said.getvalue()  # of what was skipped
        self.history = resume.history
        with open(self.path("run") / "metrics.csv") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        assert rows == self.history
        content = _tell(self.model)
        assert content == self.history[-1]["loss"]
        return content

    def read_weights(self):
        self.fill(0)
        self.model.load_weights(self.path("model.weights.h5"))
        return _tell(self.model)


def _tell(model):
    """What all weights are."""
    values = {float(value) for weight in model.get_weights() for value in np.unique(weight)}
    assert len(values) == 1, f"weights of {values}"
    return values.pop()


def _contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def start(write):
    """Forks a process that writes; its number, and the pipe where it tells of begin and end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.write(writing, b"begin")
        write()
        os.write(writing, b"end")
    except BaseException as error:
        os.write(writing, repr(error).encode())
    finally:
        os._exit(0)


def end(child, reading):
    """Waits for a process, and returns what it told after its begin."""
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as file:
        return file.read().decode()


def measure(write):
    """The seconds that a write takes in a process of its own."""
    child, reading = start(write)
    os.read(reading, 5)
    begin = time.monotonic()
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > begin + LONGEST:
            os.kill(child, signal.SIGKILL)
            raise TimeoutError("a process that was forked from this one hangs")
        time.sleep(1e-3)
    seconds = time.monotonic() - begin
    with os.fdopen(reading, "rb") as file:
        said = file.read().decode()
    assert said == "end", said
    return seconds


def kill(write, delay):
    """Kills a process that writes; whether it was in the middle of it."""
    child, reading = start(write)
    os.read(reading, 5)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    said = end(child, reading)
    assert said in ("", "end"), said
    return said == ""


def attack(name, num, rng):
    """Kills so many writes of a kind; a Counter of what was there then."""
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        writers = Writers(folder)
        names = writers.learn(name)
        old = writers.read(name)
        for i in range(num):
            if i % 20 == 0:
                write = writers.prepare(name, 3 - old)
                seconds = np.median([measure(write) for _ in range(3)])
                old = writers.read(name)
            new = 3 - old
            is_cut = kill(writers.prepare(name, new), rng.uniform(0.0, seconds))
            counts["kills"] += 1
            counts["in the write"] += is_cut
            try:
                found = writers.read(name)
                assert found == new or is_cut, "what was written is not there"
                counts["new" if found == new else "old"] += 1
                old = found
            except Exception as error:
                counts["harmed"] += 1
                print(f"{name}: {error!r}"[:300])
                old = 1
                writers.prepare(name, old)()
        writers.prepare(name, 1)()
        left = set(_contents(writers.folder))
        if name == "Resume":  # of other epochs
            left = {re.sub(r"\d{6}", "000001", name) for name in left}
        if left != names:
            counts["harmed"] += 1
            print(f"{name} leaves {sorted(left ^ names)}")
    return counts


def run(num, names=()):
    """Kills writes; a dict of counts by name."""
    warnings.filterwarnings("ignore", r"[^$]*fork\(\)")
    rng, found = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as folder:
        all_names = list(Writers(folder).writers)
    if not set(names) <= set(all_names):
        raise SystemExit(f"what writes must be some of {all_names}. Received: {names}")
    for name in names or all_names:
        found[name] = attack(name, num, rng)
        print(f"{name:<22}" + "".join(f"{found[name][c]:>14}" for c in COLUMNS), flush=True)
    return found


def main():
    num, *names = sys.argv[1:]
    print(f"{keras.backend.backend():<22}" + "".join(f"{c:>14}" for c in COLUMNS), flush=True)
    found = run(int(num), names)
    sys.exit(any(counts["harmed"] for counts in found.values()))


if __name__ == "__main__":
    main()
