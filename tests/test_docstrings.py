"""The examples in docstrings and in the README run, and public names are documented."""

import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
import zipfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras.src.distribution import distribution_lib

import keras_bfn
from keras_bfn.datasets import images as image_data
from tests.brief import make_brief
from tests.checkpoints.official_cases import Case
from tests.checkpoints.other_cases import Molecules, write_small_proteins
from tests.models.small import FLOWS, make_model, make_network, make_text_model
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


def make_any_order_model():
    flow = FLOWS["binary"]()
    network = keras_bfn.networks.MLP(flow, (4, 4, 1), width=8, num_blocks=1, times="variables")
    return keras_bfn.AnyOrderNetwork(flow, network, seed=0)


@pytest.mark.parametrize("test", list(all_doctests()))
def test_an_example_of_a_docstring_runs(test, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras_bfn.simulation, "ATTEMPTS", 1)  # else most of the time goes there
    images = np.random.default_rng(0).integers(0, 2, (16, 4, 4, 1))
    names = {"np": np, "keras": keras, "keras_bfn": keras_bfn, "images": images}
    code = "\n".join(example.source for example in test.examples)
    makers = {
        "model": lambda: make_model(FLOWS["binary"]()),
        "any_order_model": make_any_order_model,
        "text_model": make_text_model,
    }
    names |= {name: make() for name, make in makers.items() if re.search(rf"\b{name}\b", code)}
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


# Examples that need a hub, which these tests put in its place, and a template that they fill.
ELSEWHERE = {
    "models/files.py-0": "saving/test_hubs.py",  # from_preset
    "models/files.py-1": "saving/test_hubs.py",  # upload_preset
    "presets/publishing.py-0": "saving/test_hubs.py",
    "presets/card.py-0": "presets/test_card.py",
}


def all_blocks():
    """Each fenced example of the package: of docstrings, and of the cards of presets."""
    root = ROOT / "keras_bfn"
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.md")]):
        name = path.relative_to(root).as_posix()
        for i, block in enumerate(python_blocks(path.read_text())):
            if f"{name}-{i}" not in ELSEWHERE:
                yield pytest.param(name, block, id=f"{name}-{i}")


def test_each_fenced_example_is_found():
    texts = [path.read_text() for path in (ROOT / "keras_bfn").rglob("*.[pm][yd]")]
    found = len(list(all_blocks())) + len(ELSEWHERE)
    assert found == sum(text.count("```python") for text in texts)
    for name in ELSEWHERE.values():
        assert "python_blocks" in (ROOT / "tests" / name).read_text()


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """What examples may take as given, in the place of data, devices and weights from elsewhere."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (40, 4, 4, 1)).astype("uint8")

    def tiny_images(name, batch_size, form, num_bins, data_dir, **options):
        parts = (levels[:32], None), (levels[32:], None)
        return image_data.make_splits(lambda: parts, 8, "binary", num_bins, held_out=0.25)

    def no_weights(**options):
        return keras.Sequential([keras.layers.GlobalAveragePooling2D()])

    def tiny_text(name, origin):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("text8", "the white whale " * 1_000_000)
        return tmp_path / name

    monkeypatch.setattr(image_data, "_from_tfds", tiny_images)
    monkeypatch.setattr(keras.applications, "InceptionV3", no_weights)
    monkeypatch.setattr(keras.utils, "get_file", tiny_text)
    (tmp_path / "novel.txt").write_text("The white whale. " * 10_000)
    model = make_model(FLOWS["binary"]())
    images = rng.integers(0, 2, (16, 4, 4, 1))
    return {
        "np": np,
        "keras": keras,
        "keras_bfn": keras_bfn,
        "model": model,
        "flow": model.flow,
        "network": model.network,
        "images": images,
        "test_images": images,
        "x": images,
        "num_samples": 4,
        "num_steps": 3,
        "given": {},  # inputs of an exported step
    }


def of_text(names, monkeypatch):
    model = make_text_model()
    model.compile("adamw")
    tokens = np.random.default_rng(0).integers(0, 27, (16, 12))
    return {"model": model, "tokens": tokens}


def of_digits(names, monkeypatch):
    digits = keras_bfn.datasets.embedded_digits(8, labels=True)
    ((images, labels),) = digits.test[0]
    model = keras_bfn.BayesianFlowNetwork(names["flow"], make_network(names["flow"], (28, 28, 1)))
    given = {"images": images, "labels": labels, "test_images": images, "test_labels": labels}
    return given | {"model": model}


def of_a_small_preset_of_text(names, monkeypatch):
    """A model of the kind of the preset, which is tested itself, and takes much longer."""
    flow = keras_bfn.flows.DiscreteFlow(27, beta_1=0.75)
    network = keras_bfn.networks.Transformer(
        flow, 24, width=8, num_layers=1, num_heads=2, times="variables", causal=True
    )
    letters = keras_bfn.datasets.Letters()
    model = keras_bfn.AnyOrderNetwork(flow, network, tokenizer=letters)
    monkeypatch.setattr(keras_bfn.BayesianFlowNetwork, "from_preset", lambda name: model)
    return {}


def of_a_file(names, monkeypatch):
    return {"data": b"no file of a codec"}


def of_a_checkpoint(names, monkeypatch):
    """A small network in the place of the preset's, and a file in the place of the hub's."""
    case = Case("mnist_binary")
    library = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(library, "hf_hub_download", lambda repo, file: case.save(Path(file)))
    small = SimpleNamespace(network=case.make_network())
    monkeypatch.setattr(keras_bfn.BayesianFlowNetwork, "from_preset", lambda *_, **__: small)
    return {}


def of_subwords(names, monkeypatch):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"whale": 0, "?": 1}, "?"))
    tokenizer.save("tokenizer.json")
    return {"tokenizers": tokenizers}


def of_photographs(names, monkeypatch):
    rng = np.random.default_rng(0)
    for label in ("boats", "whales"):
        folder = Path("photographs", label)
        folder.mkdir(parents=True)
        for i in range(40):
            keras.utils.save_img(folder / f"{i}.png", rng.integers(0, 256, (32, 32, 3)))
    return {"flow": keras_bfn.flows.DiscretizedFlow(256)}


def of_devices(names, monkeypatch):
    """Eight devices, and one process of PyTorch."""
    torch = pytest.importorskip("torch")
    devices = [f"cpu:{i}" for i in range(8)]
    monkeypatch.setattr(distribution_lib, "list_devices", lambda: devices)
    monkeypatch.setattr(keras.distribution, "set_distribution", lambda distribution: None)
    store = torch.distributed.HashStore()
    initialise = partial(torch.distributed.init_process_group, "gloo", None, None, 1, 0, store)
    monkeypatch.setattr(torch.distributed, "init_process_group", initialise)
    return {"torch": torch}


def of_onnx(names, monkeypatch):
    pytest.importorskip("onnxscript")
    return {"onnxruntime": pytest.importorskip("onnxruntime"), "given": {}}


def of_proteins(names, monkeypatch):
    library = pytest.importorskip("huggingface_hub")
    (Path.cwd() / "AbBFN").mkdir()
    write_small_proteins(Path.cwd() / "AbBFN", width=40)
    monkeypatch.setattr(library, "snapshot_download", lambda repo, **options: Path.cwd())
    return {}


def of_molecules(names, monkeypatch):
    pytest.importorskip("torch")
    Molecules().write(Path.cwd())
    return {}


def of_a_teacher(names, monkeypatch):
    network = keras_bfn.networks.MLP(names["flow"], (4, 4, 1), width=8, num_blocks=1)
    return {"model": keras_bfn.BayesianFlowNetwork(names["flow"], network)}


OWN_NAMES = {
    "callbacks/samples.py-1": of_text,
    "checkpoints/molecules.py-0": of_molecules,
    "checkpoints/official.py-0": of_a_checkpoint,
    "checkpoints/proteins.py-0": of_proteins,
    "codec/errors.py-0": of_a_file,
    "datasets/folders.py-0": of_photographs,
    "datasets/folders.py-1": of_photographs,
    "datasets/tokenizers.py-0": of_subwords,
    "devices.py-0": of_devices,
    "devices.py-1": of_devices,
    "distillation/distiller.py-0": of_a_teacher,
    "metrics/sample_quality.py-0": of_digits,
    "models/files.py-2": of_onnx,
    "presets/bfn_text/README.md-0": of_a_small_preset_of_text,
}


@pytest.mark.parametrize(("path", "block"), list(all_blocks()))
def test_a_fenced_example_runs(path, block, surroundings, monkeypatch, request):
    names = surroundings
    own = OWN_NAMES.get(request.node.callspec.id, lambda names, monkeypatch: {})
    names |= own(names, monkeypatch)
    # Fewer epochs, steps and samples: what is claimed is that each line runs.
    block = re.sub(r"epochs=\d+", "epochs=1", block)
    block = re.sub(r"num_steps=\d+", "num_steps=2", block)
    block = re.sub(r"generate\([\d_]+", "generate(16", block)
    block = re.sub(r"generate\(16, \d+", "generate(16, 2", block)
    block = re.sub(r"(generate_text\(|continue_text\(.*, )\d+", r"\g<1>2", block)
    try:
        exec(block, names)
    finally:
        if "torch" in names and names["torch"].distributed.is_initialized():
            names["torch"].distributed.destroy_process_group()


@pytest.mark.slow
def test_the_examples_of_the_readme_and_of_the_tour_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # In the place of what the command before it leaves there: a model that was saved above.
    (tmp_path / "image_folder").symlink_to(tmp_path)
    texts = [(ROOT / path).read_text() for path in ("README.md", "docs/tour.md")]
    code = "\n".join(block for text in texts for block in python_blocks(text))
    # Little of everything: what is claimed is that each line runs.
    make_brief(monkeypatch)
    code = re.sub(r"num_steps=\d+", "num_steps=2", code)
    code = re.sub(r"\blength=\d+", "length=40", code)
    exec(code, {})


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_are_documented(module):
    assert module.__doc__
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", None) == module.__name__
        if is_own and not name.startswith("_") and (inspect.isclass(value) or callable(value)):
            assert value.__doc__, f"{module.__name__}.{name}"
