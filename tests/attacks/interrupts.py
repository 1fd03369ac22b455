"""Interrupts every verb at random moments, and looks at what is left of the model.

    python -m tests.attacks.interrupts 200

An interrupt is SIGINT from outside at a random moment, two of them, a time limit (a SIGALRM whose
handler raises), or SIGINT at a random line of this package or of Keras's trainers and optimizers.
The last column is the longest time from a signal to the end of the call that it interrupted.
Afterwards the model has its weights, at most one training step aside, and is finite, free for other
threads, and does what it did; files are whole. An interrupted `fit` or `averaged_weights` may leave
averages in the place of some weights. The last row is of a cell of a Jupyter kernel (`pip install
jupyter_client ipykernel`). Interrupts that are lost were swallowed: by a destructor, or where Keras
3.15 takes any exception for a wrong input.
"""

import collections
import contextlib
import faulthandler
import importlib.util
import os
import pathlib
import random
import re
import signal
import sys
import tempfile
import threading
import time
import warnings
import zipfile

import keras
import numpy as np

import keras_bfn
from tests.models.small import FLOWS, make_data, make_model
from tests.models.states import renewable

FLOW = FLOWS["discrete"]()
X = make_data(FLOW, num=32)
RATE = 1e-2  # of training
LINES = re.compile(r"keras_bfn/|keras/src/(trainers|optimizers|backend/\w+/trainer)")
SIGNALS = (signal.SIGINT, signal.SIGALRM)
LONGEST = 120  # seconds after which a call hangs: the process ends, and says where it was
FITS = ("fit", "fit, resumed", "fit, compiled anew")
TRAINING = (*FITS, "train_on_batch")
SLOW = ("fit, compiled anew", "generate, compiled anew")  # a tenth of the moments


class Victim:
    """A small model, its verbs by name, and the files that they write."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        model = make_model(FLOW)
        model.compile(keras.optimizers.AdamW(RATE, use_ema=True))
        model.train_on_batch(X)  # averages are those of a step that was made
        self.fresh, self.model = renewable(model), model
        self.codec = keras_bfn.codec.Codec(model, num_steps=3, batch_size=4)
        compressed = self.codec.compress(X[:6], verbose=0)
        known = np.arange(4)[:, None, None] < 2
        quiet = {"batch_size": 8, "verbose": 0}
        self.verbs = {
            "fit": self.fit,
            "fit, resumed": self.resume,
            "fit, compiled anew": self.fit_anew,
            "train_on_batch": lambda: model.train_on_batch(X),
            "evaluate": lambda: model.evaluate(X, **quiet),
            "averaged_weights": self.evaluate_averages,
            "generate": lambda: model.generate(16, 6, seed=0, **quiet),
            "generate, compiled anew": self.generate_anew,
            "inpaint": lambda: model.inpaint(X[:16], known, 6, seed=0, **quiet),
            "encode": lambda: model.encode(X[:16], 6, seed=0, **quiet),
            "code_length": lambda: model.code_length(X, 5, seed=0, **quiet),
            "compress": lambda: self.codec.compress(X[:6], verbose=0),
            "decompress": lambda: self.codec.decompress(compressed, verbose=0),
            "save": lambda: model.save(self.folder / "model.keras"),
            "save_weights": lambda: model.save_weights(self.folder / "model.weights.h5"),
            "save_to_preset": lambda: model.save_to_preset(self.folder / "preset"),
        }

    def fit(self, *callbacks):
        options = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
        self.model.fit(X, validation_data=X[:8], callbacks=list(callbacks), **options)

    def resume(self):
        self.fit(keras_bfn.callbacks.Resume(self.folder / "run", verbose=0))

    def fit_anew(self):
        self.model.make_train_function(force=True)
        self.fit()

    def generate_anew(self):
        self.model.programs.clear()
        return self.model.generate(16, 6, seed=0, batch_size=8, verbose=0)

    def evaluate_averages(self):
        with self.model.averaged_weights():
            return self.model.evaluate(X, batch_size=8, verbose=0)

    def renew(self):
        """The model and the files as they were."""
        self.fresh()
        for path in (self.folder / "run").glob("*"):
            path.unlink()

    def weights(self):
        """The weights, and their averages."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        averages = self.model.optimizer._model_variables_moving_average
        return self.model.get_weights(), [keras.ops.convert_to_numpy(x).copy() for x in averages]

    def note_weights(self, name):
        """The weights and averages that a verb goes through, by the number of steps."""
        found = {}

        def note(batch=None, logs=None):
            found[int(self.model.optimizer.iterations)] = self.weights()

        self.renew()
        note()
        if name in FITS:
            self.fit(keras.callbacks.LambdaCallback(on_train_batch_end=note))
        else:
            self.verbs[name]()
            if name == "train_on_batch":
                note()
        return found

    def contents(self):
        """What is in the files, but for when they were written."""
        found = {}
        for path in self.folder.rglob("*"):
            if path.suffix == ".keras":
                with zipfile.ZipFile(path) as file:
                    names = set(file.namelist()) - {"metadata.json"}
                    found |= {f"{path.name}/{name}": file.read(name) for name in names}
            elif path.is_file() and path.parent.name != "run":
                found[path.name] = path.read_bytes()
        return found


class Stop(Exception):
    """What a time limit raises."""


class Handler:
    """Raises, as often as it is told to: what comes later is of no effect.

    Attributes:
        sent: when the first signal was sent, by the clock; 0 before.
    """

    def __init__(self):
        self.most = self.raised = 0
        self.sent = 0.0

    def __call__(self, number, frame):
        if self.raised < self.most:
            self.raised += 1
            raise KeyboardInterrupt if number == signal.SIGINT else Stop


HANDLER = Handler()


@contextlib.contextmanager
def handling():
    handlers = {number: signal.signal(number, HANDLER) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def at_line(number):
    """Sends SIGINT before the line of this number, of those that `LINES` is of; counts them."""
    count = [0]

    def see_call(frame, event, argument):
        return see_line if LINES.search(frame.f_code.co_filename) else None

    def see_line(frame, event, argument):
        if event == "line":
            count[0] += 1
            if count[0] == number:
                signal.raise_signal(signal.SIGINT)
        return see_line

    sys.settrace(see_call)
    try:
        yield count
    finally:
        sys.settrace(None)


def send(number, moments):
    for moment in moments:
        time.sleep(moment)
        HANDLER.sent = HANDLER.sent or time.monotonic()
        os.kill(os.getpid(), number)


def interrupt(call, kind, moment):
    """Calls, and interrupts meanwhile.

    Returns:
        The tuple of how it ended, in a word, and the seconds from the signal to that end; None if
        no signal was sent from outside.
    """
    number = signal.SIGALRM if kind == "limit" else signal.SIGINT
    moments = [moment, random.uniform(0.0, 2e-3)] if kind == "twice" else [moment]
    sender = threading.Thread(target=send, args=(number, moments))
    HANDLER.raised, HANDLER.most, HANDLER.sent = 0, len(moments), 0.0
    ended = "interrupted"
    delay = None
    try:
        try:
            if kind == "line":
                with at_line(moment):
                    call()
            else:
                sender.start()
                call()
            ended = "lost" if HANDLER.raised else "late"
        except (KeyboardInterrupt, Stop):
            pass
        except Exception as error:
            ended = f"a {type(error).__name__}"
    except (KeyboardInterrupt, Stop):  # the second of two
        pass
    while HANDLER.most:
        try:
            delay = time.monotonic() - HANDLER.sent if HANDLER.sent else None
            HANDLER.most = 0
        except (KeyboardInterrupt, Stop):  # it strikes here
            pass
    if sender.ident is not None:
        sender.join()
    return ended, delay


def measure(call):
    """The seconds and the lines that a call takes."""
    call()
    start = time.monotonic()
    call()
    seconds = time.monotonic() - start
    with at_line(0) as count:
        call()
    return seconds, count[0]


def is_free(lock):
    """Whether another thread can have a lock."""
    found = []

    def take():
        found.append(lock.acquire(timeout=1.0))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return found[0]


def attack(victim, name, num, rng):
    """Interrupts a verb at so many moments; a Counter of how these ended."""
    call, model = victim.verbs[name], victim.model
    whole = victim.note_weights(name)
    victim.renew()
    expected = call()
    end = model.get_weights()
    seconds, lines = measure(lambda: (victim.renew(), call()))
    files, counts = victim.contents(), collections.Counter()
    for i in range(num):
        kind = ("once", "line", "limit", "twice")[i % 4]
        moment = int(rng.integers(1, lines + 1)) if kind == "line" else rng.uniform(0.0, seconds)
        victim.renew()
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        ended, delay = interrupt(call, kind, moment)
        counts[ended] += 1
        if ended == "interrupted" and delay is not None:
            counts["milliseconds"] = max(counts["milliseconds"], round(1000 * delay))
        try:
            assert is_free(model.turn), "other threads would wait for ever"
            assert_has_weights(model, name, *whole[int(model.optimizer.iterations)])
            assert np.isfinite(model.evaluate(X, batch_size=8, verbose=0)).all()
            if name not in ("save", "save_weights", "save_to_preset"):
                assert victim.contents() == files, "other files"
            if name in TRAINING and name != "fit, resumed":
                call()
                continue
            victim.fresh()
            np.testing.assert_equal(call(), expected)
            assert victim.contents() == files, "other files"
            np.testing.assert_equal(model.get_weights(), end)
        except Exception as error:
            counts["harmed"] += 1
            print(f"{name}, {kind} at {moment:.6g} of {seconds:.3g} s, {ended}: {error}"[:400])
        finally:
            faulthandler.cancel_dump_traceback_later()
    return counts


def assert_has_weights(model, name, weights, averages):
    """The model has these weights, or averages, but for a step of training."""
    change = 2 * RATE if name in TRAINING else 0.0
    for found, *known in zip(model.get_weights(), weights, averages, strict=True):
        if name not in (*FITS, "averaged_weights"):
            known = known[:1]
        assert any(np.abs(found - x).max() <= change for x in known), "other weights"


CELL = """
import os, sys
sys.path.insert(0, {path!r})
import numpy as np
from tests.attacks.interrupts import X, Victim
victim = Victim({folder!r})
model = victim.model
"""
FIT = "print('begun', flush=True); model.fit(X, batch_size=8, epochs=10**6, verbose=0)"
LOOK = "print('costs', np.isfinite(model.evaluate(X, verbose=0)).all(), model.optimizer.iterations)"


def attack_kernel(num, folder, rng):
    """Interrupts a cell that trains, in a Jupyter kernel, and evaluates in the next one."""
    from jupyter_client.manager import start_new_kernel

    counts = collections.Counter()
    manager, client = start_new_kernel(kernel_name="python3", env={**os.environ})

    def run(code):
        said = []
        reply = client.execute_interactive(
            code,
            timeout=LONGEST,
            output_hook=lambda message: said.append(message["content"].get("text", "")),
        )
        return reply["content"], "".join(said)

    def on_output(message):
        if "begun" in message["content"].get("text", ""):
            delay = rng.uniform(0.0, 0.5)
            threading.Timer(delay, manager.interrupt_kernel).start()

    try:
        root = str(pathlib.Path(__file__).parents[2])
        content, said = run(CELL.format(path=root, folder=str(folder)))
        assert content["status"] == "ok", content
        for _ in range(num):
            reply = client.execute_interactive(FIT, timeout=LONGEST, output_hook=on_output)
            counts["interrupted"] += reply["content"].get("ename") == "KeyboardInterrupt"
            content, said = run(LOOK)
            if content["status"] != "ok" or "costs True" not in said:
                counts["harmed"] += 1
                print(f"kernel: {content} {said}"[:400])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return counts


def run(num, names=None):
    """Interrupts verbs; a dict of counts by name."""
    warnings.filterwarnings("ignore", "[^$]*The structure of `inputs` doesn't match")
    rng, found = np.random.default_rng(0), {}
    with handling(), tempfile.TemporaryDirectory() as folder:
        victim = Victim(folder)
        for name in names or victim.verbs:
            moments = -(-num // 10) if name in SLOW else num
            found[name] = attack(victim, name, moments, rng)
            print_row(name, moments, found[name])
    return found


def print_row(name, num, counts):
    kinds = ("interrupted", "late", "lost", "harmed", "milliseconds")
    cells = "".join(f"{counts[kind]:>14}" for kind in kinds)
    others = {k: n for k, n in counts.items() if k.startswith("a ")}
    print(f"{name:<20}{num:>10}{cells}  {others or ''}", flush=True)


def main():
    num, *names = sys.argv[1:]
    print(f"{keras.backend.backend():<20}{'moments':>10}", end="")
    kinds = ("interrupted", "late", "lost", "harmed", "longest, ms")
    print("".join(f"{kind:>14}" for kind in kinds))
    found = run(int(num), names)
    if not names and all(map(importlib.util.find_spec, ("jupyter_client", "ipykernel"))):
        with tempfile.TemporaryDirectory() as folder:
            counts = attack_kernel(int(num) // 10, folder, np.random.default_rng(0))
        found["kernel"] = counts
        print_row("fit, in a kernel", int(num) // 10, counts)
    sys.exit(any(counts["harmed"] for counts in found.values()))


if __name__ == "__main__":
    main()
