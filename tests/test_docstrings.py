"""The examples in docstrings and in the README run, and public names are documented."""

import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap

import keras
import numpy as np
import pytest

import keras_bfn
from tests.models.small import FLOWS, make_model, make_text_model
from tests.test_guides import ROOT

pytestmark = pytest.mark.once  # what the examples call is tested on each backend

MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages(keras_bfn.__path__, "keras_bfn.")
]


def all_doctests():
    for module in MODULES:
        for test in doctest.DocTestFinder(exclude_empty=True).find(module):
            if test.examples:
                yield pytest.param(test, id=test.name)


def python_blocks(text):
    return [textwrap.dedent(code) for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize("test", list(all_doctests()))
def test_an_example_of_a_docstring_runs(test, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    model = make_model(FLOWS["binary"]())
    images = np.random.default_rng(0).integers(0, 2, (16, 4, 4, 1))
    names = {"np": np, "keras": keras, "keras_bfn": keras_bfn, "model": model, "images": images}
    names["text_model"] = make_text_model()
    for example in test.examples:
        try:
            value = eval(example.source, names)
        except SyntaxError:
            exec(example.source, names)
            value = None
        if example.want:
            if type(value).__name__ in ("Size", "TensorShape"):  # of torch and TensorFlow
                value = tuple(value)
            assert repr(value) == example.want.strip()


def test_the_models_example_runs():
    (block,) = python_blocks(keras_bfn.BayesianFlowNetwork.__doc__)
    exec(block, {"np": np, "keras": keras, "keras_bfn": keras_bfn})


def test_the_examples_of_the_readme_and_of_the_tour_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # In the place of what the command before it leaves there: a model that was saved above.
    (tmp_path / "image_folder").symlink_to(tmp_path)
    texts = [(ROOT / path).read_text() for path in ("README.md", "docs/tour.md")]
    code = "\n".join(block for text in texts for block in python_blocks(text))
    # Fewer steps: what is claimed is that each line runs.
    exec(re.sub(r"num_steps=\d+", "num_steps=3", code), {})


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_are_documented(module):
    assert module.__doc__
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", None) == module.__name__
        if is_own and not name.startswith("_") and (inspect.isclass(value) or callable(value)):
            assert value.__doc__, f"{module.__name__}.{name}"
