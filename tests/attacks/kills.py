"""Kills processes in the middle of every write, and looks at what is on the disk.

    python -m tests.attacks.kills 200

For each writer, so many processes are forked, told to write other content over what is there, and
killed (SIGKILL) at a random moment. What can be read then is wholly the old content or the new.
What a killed process leaves beside it, the next one meets; the last one is not killed, and leaves
nothing but what it wrote. Processes are forked before the backend has computed anything, for its
threads are not forked with it: each makes its own model, and another one reads.
"""

import collections
import contextlib
import csv
import functools
import importlib
import io
import multiprocessing
import pathlib
import re
import sys
import tempfile
import time
import warnings

import keras
import numpy as np

import keras_bfn
from keras_bfn import visualization
from keras_bfn.callbacks import Resume, SampleImages, SampleText
from keras_bfn.codec.__main__ import _save
from keras_bfn.saving.files import whole, write_atomically
from tests.models.small import FLOWS

X = np.random.default_rng(0).integers(0, 2, (8, 16))
COLUMNS = ("kills", "in the write", "old", "new", "harmed")
LONGEST = 600  # seconds after which a process hangs
SLOW = ("tensorflow", "torch._dynamo")  # Keras imports them when a model is made, in seconds


class Writers:
    """By name, a function that writes content 1 or 2, and one that tells which is there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.flow = FLOWS["binary"]()
        network = keras_bfn.networks.MLP(self.flow, (16,), 64, 1)
        tokenizer = keras_bfn.datasets.Letters("01")
        model = keras_bfn.BayesianFlowNetwork(self.flow, network, tokenizer=tokenizer, seed=0)
        model.compile("adamw")
        model.optimizer.build(model.trainable_variables)
        self.model, self.history = model, []
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
            "a folder": self.write_folder,
        }
        self.readers = {
            "save": lambda: _tell(keras.saving.load_model(self.path("model.keras"))),
            "save_weights": self.read_weights,
            "save_to_preset": lambda: _tell(model.from_preset(self.path("preset"))),
            "Resume": self.read_checkpoint,
        }

    def path(self, name):
        return self.folder / name

    def names(self):
        return list(self.writers)

    def prepare(self, name, content):
        """Does what a writer of this content does before it writes."""
        if self.path("run").exists():
            self.read_checkpoint()
        self.fill(content)
        self.next = functools.partial(self.writers[name], content)

    def write(self):
        self.next()

    def fill(self, content):
        for weight in self.model.weights:
            if "float" in weight.dtype:
                weight.assign(np.full(weight.shape, content))

    def read(self, name):
        """The content, 1 or 2."""
        if name in self.readers:
            return self.readers[name]()
        found = _contents(self.folder)
        found = {n: data for n, data in found.items() if "partial" not in n}
        return next(content for content, known in self.known.items() if known == found)

    def learn(self, name):
        """Writes either content, 1 in the end; remembers the bytes, and tells the files' names."""
        self.known = {}
        for content in (2, 1):
            self.prepare(name, content)
            self.write()
            self.known[content] = _contents(self.folder)
        return set(self.known[1])

    def write_bytes(self, content):
        data = bytes([content]) * 2**22
        write_atomically(self.path("data.bfn"), lambda file: file.write(data))

    def write_arrays(self, content):
        x = {name: np.full((2**18,), content, "int64") for name in "ab"}
        write_atomically(self.path("data.npz"), lambda file: _save(file, x))

    def write_folder(self, content):
        with whole(self.path("step")) as folder:
            (folder / "variables").mkdir(parents=True)
            for name in ("saved_model.pb", "variables/variables.index"):
                (folder / name).write_bytes(bytes([content]) * 2**20)

    def sample(self, kind, content):
        callback = kind(self.path("samples"))
        callback.set_model(self.model)
        self.path("samples").mkdir(exist_ok=True)
        shape = (64, 8, 8, 1) if kind is SampleImages else (64, 2**12)
        callback.write(self.flow, np.full(shape, content - 1), 1)

    def animate(self, content):
        flow = self.flow
        sizes = flow.embedding_size, flow.theta_size, flow.output_size
        values = (np.full((8, 16, 4, 4, 1, size), content - 0.9) for size in sizes)
        prediction = keras_bfn.Prediction(np.linspace(0, 1, 8), *values)
        visualization.animate_generation(flow, prediction, self.path("a.gif"))

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


def serve(folder, connection):
    """Does what it is asked to, and answers, until it is killed."""
    writers = Writers(folder)
    while True:
        task, *arguments = connection.recv()
        try:
            connection.send(getattr(writers, task)(*arguments))
        except Exception as error:
            connection.send(error)


class Child:
    """A forked process with `Writers`, which is killed in the end."""

    def __init__(self, folder):
        fork = multiprocessing.get_context("fork")
        self.connection, other = fork.Pipe()
        self.process = fork.Process(target=serve, args=(folder, other), daemon=True)
        self.process.start()
        other.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()

    def tell(self, *task):
        self.connection.send(task)

    def answer(self):
        if not self.connection.poll(LONGEST):
            raise TimeoutError("a process that was forked from this one hangs")
        said = self.connection.recv()
        if isinstance(said, Exception):
            raise said
        return said

    def ask(self, *task):
        self.tell(*task)
        return self.answer()


def write(folder, name, content):
    """Writes in a process of its own; the seconds that it takes."""
    with Child(folder) as child:
        child.ask("prepare", name, content)
        begin = time.monotonic()
        child.ask("write")
        return time.monotonic() - begin


def kill(folder, name, content, delay):
    """Kills a process that writes; whether it was in the middle of it."""
    with Child(folder) as child:
        child.ask("prepare", name, content)
        child.tell("write")
        time.sleep(delay)
    try:
        child.answer()
    except (EOFError, ConnectionResetError):
        return True
    return False


def attack(name, num, rng):
    """Kills so many writes of a kind; a Counter of what was there then."""
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder, Child(folder) as reader:
        names = reader.ask("learn", name)
        old = 1
        for i in range(num):
            if i % 20 == 0:
                seconds = np.median([write(folder, name, 3 - old) for _ in range(3)])
                old = reader.ask("read", name)
            new = 3 - old
            is_cut = kill(folder, name, new, rng.uniform(0.0, seconds))
            counts["kills"] += 1
            counts["in the write"] += is_cut
            try:
                found = reader.ask("read", name)
                assert found == new or is_cut, "what was written is not there"
                counts["new" if found == new else "old"] += 1
                old = found
            except Exception as error:
                counts["harmed"] += 1
                print(f"{name}: {error!r}"[:300])
                old = 1
                write(folder, name, old)
        write(folder, name, 1)
        names, left = (
            {re.sub(r"\d{6}", "EPOCH", name) for name in found}
            for found in (names, _contents(pathlib.Path(folder)))
        )
        if left != names:
            counts["harmed"] += 1
            print(f"{name} leaves {sorted(left ^ names)}")
    return counts


def run(num, names=()):
    """Kills writes; a dict of counts by name."""
    warnings.filterwarnings("ignore", r"[^$]*fork\(\)")
    for package in SLOW:
        with contextlib.suppress(ImportError):
            importlib.import_module(package)
    rng, found = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as folder, Child(folder) as child:
        all_names = child.ask("names")
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
