"""Fixtures of the whole suite, and what runs on which backend."""

import gc
import importlib.util
import itertools
import pathlib
import runpy
import sys

import keras
import pytest
from keras.src.trainers import trainer

from tests.__main__ import BACKENDS

if keras.backend.backend() == "torch":
    import torch

    # The models of the tests are too small for threads: they would spend their time waiting.
    torch.set_num_threads(1)

TEST_FILES = sorted(pathlib.Path(__file__).parent.rglob("test_*.py"))
SUPPORTS_XLA = trainer.model_supports_jit


def pytest_configure(config):
    # On TensorFlow, XLA takes longer to compile a training step than the whole test would take.
    if keras.backend.backend() == "tensorflow":
        trainer.model_supports_jit = lambda model: False
        improve_graphs(False)


def improve_graphs(whether):
    """Whether TensorFlow improves graphs before they run, which takes longer than most then run."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not whether})


def pytest_collection_finish(session):
    """Garbage is searched for less often, and never among what was imported."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture
def improved_graphs():
    """For tests of graphs that are improved as they are by default, on TensorFlow."""
    improve_graphs(True)
    yield
    improve_graphs(False)


@pytest.fixture
def xla(monkeypatch, improved_graphs):
    """For tests of a model that is compiled as it is by default, on TensorFlow, too."""
    monkeypatch.setattr(trainer, "model_supports_jit", SUPPORTS_XLA)


def pytest_addoption(parser):
    parser.addoption("--everywhere", action="store_true", help="run `once` tests on this backend")
    parser.addoption("--part", help="such as 2/3: of all files every third, from the second on")


def pytest_ignore_collect(collection_path, config):
    """Leaves out the files of other parts, without importing them."""
    if config.option.part and collection_path in TEST_FILES:
        part, num = map(int, config.option.part.split("/"))
        return True if TEST_FILES.index(collection_path) % num != part - 1 else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leaves out what runs on one other backend that is installed: on PyTorch, if none is named.

    Before pytest chooses by marks, it also marks what is slow to compile here as `slow`, except for
    nightly tests.
    """
    here = keras.backend.backend()
    for item in items:
        compiled = item.get_closest_marker("slow_to_compile")
        is_slow = compiled is not None and here in (compiled.args or ("tensorflow", "jax"))
        if is_slow and item.get_closest_marker("nightly") is None:
            item.add_marker("slow")
    if config.option.everywhere:
        return
    others = {name for name in BACKENDS if name != here and importlib.util.find_spec(name)}

    def is_elsewhere(item):
        once = item.get_closest_marker("once")
        return once is not None and (once.args or ("torch",))[0] in others

    found = {True: [], False: []}
    for item in items:
        found[is_elsewhere(item)].append(item)
    config.hook.pytest_deselected(items=found[True])
    items[:] = found[False]


@pytest.fixture
def script(tmp_path, monkeypatch, capsys):
    """Runs a script in the test's folder and in this process, and returns what it printed.

    A process of its own would take longer to import all that it needs than most scripts take.
    """

    def run(path, *arguments):
        monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(path.parent)
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        try:
            runpy.run_path(str(path), run_name="__main__")
        finally:
            keras.config.set_dtype_policy("float32")
        return capsys.readouterr().out

    return run


@pytest.fixture
def refusal(script, capsys):
    """What a script says when it refuses its arguments."""

    def run(path, *arguments):
        with pytest.raises(SystemExit) as caught:
            script(path, *arguments)
        return f"{capsys.readouterr().err}{caught.value}"

    return run


@pytest.fixture
def set_floatx():
    """Sets Keras's default dtype, which is reset after the test."""
    before = keras.config.floatx()
    yield keras.config.set_floatx
    keras.config.set_floatx(before)


@pytest.fixture
def seed():
    """The test's own stream of random numbers, the same in every run."""
    return keras.random.SeedGenerator(0)


FILES = itertools.count(1)
FILES_TOGETHER = 4  # to free memory costs a quarter of a second, and JAX what later files use, too


@pytest.fixture(autouse=True, scope="module")
def memory():
    """Frees, after some files, what their models were compiled to: gigabytes, on JAX.

    What is left (imports, and graphs that TensorFlow keeps) is not searched again.
    """
    yield
    if next(FILES) % FILES_TOGETHER:
        return
    gc.collect()
    gc.freeze()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
