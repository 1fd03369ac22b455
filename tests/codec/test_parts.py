"""Data of several kinds come back to the bit, at the cost that the loss states for the sum."""

import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import keras_bfn
from keras_bfn.codec import Codec, CodecError, __main__, container
from keras_bfn.codec.stack import Stack
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from tests.codec.crafting import crafted
from tests.models.parts import (
    NUM_CLASSES,
    PartsLayer,
    draw_pairs,
    first,
    make_data,
    make_model,
    make_pair_model,
    pair_entropy,
    without,
)

pytest.importorskip("constriction")

# Integers of three kinds: levels, two classes and three. Some names are those of numpy's arguments.
FLOWS = {
    "file": DiscreteFlow(2, beta_1=4.0),
    "image of a/b": DiscretizedFlow(5, sigma_1=0.2),
    "allow_pickle": DiscreteFlow(3, beta_1=3.0),
}
EVENT_SHAPES = {"file": (3,), "image of a/b": (2, 3, 1), "allow_pickle": ()}
X = make_data(FLOWS, EVENT_SHAPES, num=10)
DTYPES = {"file": "bool", "image of a/b": "uint8", "allow_pickle": "int64"}
X = {name: values.astype(DTYPES[name]) for name, values in X.items()}
CLASSES = np.arange(10) % NUM_CLASSES


@pytest.fixture(scope="module")
def model():
    return make_model(FLOWS, EVENT_SHAPES, conditions=NUM_CLASSES)


@pytest.fixture(scope="module")
def file(model):
    """The codec, and a file of it, whose batches do not divide."""
    codec = Codec(model, num_steps=4, batch_size=4)
    return codec, codec.compress(X, CLASSES, return_report=True, verbose=0)


def assert_same(back, x):
    assert list(back) == list(FLOWS)
    for name, values in x.items():
        assert back[name].dtype == values.dtype
        assert_array_equal(back[name], values)


@pytest.mark.slow_to_compile
def test_parts_come_back_in_their_own_dtypes(file):
    codec, (data, _) = file
    assert_same(codec.decompress(data, CLASSES, verbose=0), X)
    reversed_ = dict(reversed(X.items()))
    assert codec.compress(reversed_, CLASSES, verbose=0) == data


def test_the_report_counts_the_variables_of_all_parts(file):
    _, (data, report) = file
    assert report["num_examples"] == 10
    assert report["bits_per_variable"] == pytest.approx(report["bits_per_example"] / 10)
    assert report["total_bits"] == 8 * len(data)


def test_the_header_names_the_parts(file):
    _, (data, _) = file
    header, _ = container.read(data)
    assert header["dtype"] == DTYPES
    json.dumps(header)


def test_one_example_and_one_step_are_enough(model):
    codec, x = Codec(model, num_steps=1, batch_size=4), first(X, 1)
    assert_same(codec.decompress(codec.compress(x, verbose=0), verbose=0), x)


@pytest.mark.slow
@pytest.mark.once
def test_many_dependent_examples_cost_their_joint_entropy():
    x, codec = draw_pairs(500), Codec(make_pair_model("variables"), num_steps=10, batch_size=250)
    _, report = codec.compress(x, return_report=True, verbose=0)
    nats = report["bits_per_example"] * np.log(2)
    assert nats == pytest.approx(pair_entropy(), rel=0.05)


def test_a_file_of_other_parts_is_refused(file):
    _, (data, _) = file
    others = {"other": FLOWS["file"], **without(FLOWS, "file")}
    shapes = {"other": (3,), **without(EVENT_SHAPES, "file")}
    for flow, shape in (
        (others, shapes),
        (dict(reversed(FLOWS.items())), EVENT_SHAPES),
        (FLOWS, {**EVENT_SHAPES, "file": (2,)}),
    ):
        network = PartsLayer(flow, shape, conditions=NUM_CLASSES)
        other = keras_bfn.BayesianFlowNetwork(flow, network, shape)
        other.build_for({name: (None, *shape[name]) for name in flow}, CLASSES)
        with pytest.raises(CodecError, match="made by another model"):
            Codec(other).decompress(data, CLASSES, verbose=0)


@pytest.mark.parametrize(
    "change",
    [
        {"event_shape": {"file": [3], "image of a/b": [2, 3, 1]}},
        {"event_shape": {**EVENT_SHAPES, "file": [4]}},
        {"event_shape": [3]},
        {"event_shape": {}},
        {"dtype": {**DTYPES, "file": "float32"}},
        {"dtype": {"file": "bool"}},
        {"dtype": {**DTYPES, "more": "bool"}},
        {"dtype": "bool"},
        {"dtype": {}},
    ],
)
def test_a_header_of_other_parts_is_refused(file, change):
    codec, (data, _) = file
    with pytest.raises(CodecError):
        codec.decompress(crafted(data, **change), CLASSES, verbose=0)


def test_changed_words_never_give_wrong_data(file):
    codec, (data, _) = file
    header, words = container.read(data)
    for place in range(0, len(words), max(1, len(words) // 5)):
        changed = words.copy()
        changed[place] ^= 1 << 7
        with pytest.raises(CodecError):
            codec.decompress(container.write(header, changed), CLASSES, verbose=0)


def test_all_bits_come_back_off_the_stack(model, monkeypatch):
    """What was pushed last is popped first, part by part: nothing is left or missing."""
    stacks = []
    create = Stack.__init__

    def note(self, words, **options):
        create(self, words, **options)
        stacks.append((self, np.array(words)))

    monkeypatch.setattr(Stack, "__init__", note)
    codec = Codec(model, num_steps=3, batch_size=5)
    codec.decompress(codec.compress(X, verbose=0), verbose=0)
    (_, initial), (decoder, _) = stacks
    assert_array_equal(decoder.words(), initial)


@pytest.mark.slow_to_compile
def test_the_command_line_takes_an_array_for_each_part(model, file, tmp_path, monkeypatch):
    _, (data, _) = file
    model.save(tmp_path / "model.keras")
    with open(tmp_path / "x.npz", "wb") as npz:
        __main__._save(npz, X)
    np.save(tmp_path / "classes.npy", CLASSES)

    def run(command, source, target, *more):
        options = ["--model", tmp_path / "model.keras", "--condition", tmp_path / "classes.npy"]
        arguments = [command, tmp_path / source, tmp_path / target, *options, "--quiet", *more]
        monkeypatch.setattr(sys, "argv", ["codec", *map(str, arguments)])
        __main__.main()

    run("compress", "x.npz", "x.bfn", "--num-steps", "4", "--batch-size", "4", "--verify")
    assert (tmp_path / "x.bfn").read_bytes() == data
    run("decompress", "x.bfn", "back.npz")
    with np.load(tmp_path / "back.npz") as back:
        assert_same(dict(back), X)


def test_the_command_line_names_what_is_missing(model, tmp_path, monkeypatch):
    model.save(tmp_path / "model.keras")
    with open(tmp_path / "x.npz", "wb") as npz:
        __main__._save(npz, without(X, "file"))
    arguments = ["codec", "compress", tmp_path / "x.npz", tmp_path / "x.bfn", "--quiet"]
    arguments += ["--model", tmp_path / "model.keras"]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    with pytest.raises(SystemExit, match=r"ValueError: .*`x` must be a dict with the parts"):
        __main__.main()
    assert not (tmp_path / "x.bfn").exists()
