"""Models of ProtBFN's and ChemBFN's files work in every verb."""

import functools
import pathlib
import tempfile

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import keras_bfn
from keras_bfn import checkpoints, codec, guidance
from keras_bfn.samplers.samplers import SAMPLERS
from tests.backends import everywhere
from tests.checkpoints.chembfn_oracle import LENGTH
from tests.checkpoints.other_cases import Molecules, write_small_proteins
from tests.tensors import run

SIZE = {"proteins": 6, "molecules": LENGTH}


@functools.cache
def make(name):
    """One model for all tests, and some of its data."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if name == "proteins":
            write_small_proteins(folder)
            model = checkpoints.protbfn(folder, SIZE[name], num_heads=2, verbose=0)
            return model, model.tokenizer.encode_batch(["ARND", "MK", "C"], SIZE[name])
        pytest.importorskip("torch")
        case = Molecules()
        return case.load(case.write(folder)), case.arrays["x"]


every_model = pytest.mark.parametrize("name", ["proteins", "molecules"])
each_model_somewhere = pytest.mark.parametrize(
    "name", everywhere(["proteins", "molecules"], "molecules")
)


def logits(model):
    size = SIZE["proteins" if model.flow.num_classes == 32 else "molecules"]
    num = model.flow.num_classes
    theta = np.random.default_rng(2).dirichlet(np.ones(num), size=(2, size)).astype("float32")
    return run(model.network, {"theta": theta, "t": np.array([0.2, 0.9], "float32")})


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("sampler", everywhere(sorted(SAMPLERS), "sde2"))
@every_model
def test_generate(name, sampler):
    model, x = make(name)
    drawn = model.generate(3, num_steps=2, sampler=sampler, seed=0, verbose=0)
    assert drawn.shape == (3, *x.shape[1:])
    assert drawn.min() >= 0
    assert drawn.max() < model.flow.num_classes


@pytest.mark.slow_to_compile
@each_model_somewhere
def test_code_length(name):
    model, x = make(name)
    for num_steps in (None, 4):
        cost = model.code_length(x, num_steps=num_steps, seed=0, verbose=0)
        assert all(np.isfinite(nats).all() and (nats > 0).all() for nats in cost.values())


@pytest.mark.slow_to_compile
@each_model_somewhere
def test_inpaint_with_particles(name):
    model, x = make(name)
    known = np.arange(x.shape[1]) < 3
    for twisted in (True, False):
        filled = model.inpaint(
            x[:2], known, num_steps=2, num_particles=3, twisted=twisted, seed=0, verbose=0
        )
        np.testing.assert_array_equal(filled[:, known], x[:2, known])


@pytest.mark.slow_to_compile
@each_model_somewhere
def test_guidance(name, tmp_path):
    made, x = make(name)
    model = copy_of(made, tmp_path)
    if name == "proteins":
        # With random weights, the fastest features leave no way to follow a gradient.
        kernel = model.network.get_layer("linear").kernel
        kernel.assign(ops.concatenate([kernel[:32], ops.zeros_like(kernel[32:])], axis=0))
    plain = model.generate(64, num_steps=10, seed=0, verbose=0)
    frequent = int(np.bincount(plain.ravel()).argmax())

    def count(target):
        """How often this symbol is drawn, if it is to be drawn `target` times in each."""
        towards = guidance.Constraint(
            lambda probs: ops.sum(probs[:, :, frequent], axis=1), target, std=0.5
        )
        guided = model.generate(64, num_steps=10, guidance=towards, seed=0, verbose=0)
        return (guided == frequent).sum()

    assert count(x.shape[1]) > 1.25 * count(0)


@each_model_somewhere
def test_the_codec_returns_the_data(name):
    pytest.importorskip("constriction")
    model, x = make(name)
    coder = codec.Codec(model, num_steps=2)
    data = coder.compress(x, verbose=0)
    np.testing.assert_array_equal(coder.decompress(data, verbose=0), x)


@pytest.mark.slow_to_compile
@each_model_somewhere
@pytest.mark.parametrize("rank", [None, 2])
def test_fine_tuning_and_saving(name, rank, tmp_path):
    made, x = make(name)
    keras.utils.set_random_seed(0)
    model = copy_of(made, tmp_path / "before")
    assert_allclose(logits(model), logits(made), atol=1e-5)
    if rank:
        model.network.enable_lora(rank)
    model.compile(keras.optimizers.Adam(0.02))
    before = model.evaluate(x, return_dict=True, verbose=0)["loss"]
    model.fit(x, epochs=10, verbose=0)
    assert model.evaluate(x, return_dict=True, verbose=0)["loss"] < before
    if rank:
        loaded = copy_of(model, tmp_path / "after")
    else:
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_allclose(logits(loaded), logits(model), atol=1e-5)
    assert loaded.tokenizer == model.tokenizer


def copy_of(model, folder):
    """The model, by way of a preset's folder."""
    model.save_to_preset(folder)
    return keras_bfn.BayesianFlowNetwork.from_preset(folder)


@pytest.mark.slow_to_compile
def test_text_is_generated():
    model, _ = make("proteins")
    texts = model.generate_text(2, num_steps=2, seed=0, verbose=0)
    assert all(set(text) <= set("ARNDCQEGHILKMFPSTWYVXBZJUO") for text in texts)
    (text,) = model.continue_text("AR", num_steps=2, seed=0, verbose=0)
    assert text.startswith("AR")


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("kind", everywhere(["numbers", "classes"], "numbers"))
def test_conditions_guide_samples(kind, tmp_path):
    from tests.checkpoints.chembfn_oracle import CONDITIONS

    pytest.importorskip("torch")
    case = Molecules()
    model = case.load(case.write(tmp_path), kind)
    condition = CONDITIONS[kind]
    for options in ({"condition": condition}, {"condition": condition, "guidance_scale": 5.0}, {}):
        assert model.generate(4, num_steps=2, seed=0, verbose=0, **options).shape == (4, LENGTH)
    model.compile("adamw")
    model.fit((case.arrays["x"], condition), verbose=0)
