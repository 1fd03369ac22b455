"""ProtBFN's arrays give here what they give in its authors' code, in every verb."""

import sys

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

import keras_bfn
from keras_bfn import Prediction
from keras_bfn.checkpoints import ProteinTransformer, protbfn
from keras_bfn.checkpoints.proteins import entropy_features
from keras_bfn.losses import ContinuousTimeLoss, ReconstructionLoss
from tests.backends import everywhere
from tests.checkpoints.other_cases import Proteins, write_small_proteins
from tests.checkpoints.protbfn_oracle import STEP, weight
from tests.tensors import run, to_numpy, to_tensor

MAX = 2e-4
FASTEST = np.pi * 2.0**14


@pytest.fixture(scope="module")
def case():
    return Proteins()


@pytest.fixture(scope="module")
def folder(case, tmp_path_factory):
    return case.write(tmp_path_factory.mktemp("protbfn"))


@pytest.fixture(scope="module")
def model(case, folder):
    return case.load(folder)


def test_features_are_those_of_protbfn_to_the_precision_of_float32(case):
    features = to_numpy(entropy_features(to_tensor(case.arrays["theta"])))
    expected = case.arrays["features"].astype("float64")
    # Two roundings of a number near 1.4, times the frequency.
    off = 2 * 2.0**-23 * np.pi * 2.0 ** np.arange(-1, 15)
    bound = np.concatenate([np.full(32, 1e-6), off + 1e-6, off + 1e-6])
    assert (np.abs(features - expected) < bound).all()


def after_features(network):
    """The network from the input of its first layer."""
    return keras.Model(network.get_layer("linear").input, network.output)


def test_logits_are_those_of_protbfn(case, model):
    arrays = case.arrays
    assert np.abs(arrays["logits"]).max() > 2
    given_features = run(after_features(model.network), arrays["features"])
    assert np.abs(given_features - arrays["logits"]).max() < MAX
    logits = run(model.network, {"theta": arrays["theta"], "t": arrays["t"]})
    # JAX and TensorFlow round the entropy as their code does on this machine.
    assert np.abs(logits - arrays["logits"]).max() < 2 * arrays["spread"].max()


def test_losses_are_those_of_protbfn(case, model):
    arrays, flow = case.arrays, model.flow
    beta = 2.0 * arrays["t"][:, None, None] ** 2
    hot = np.eye(32, dtype="float32")[arrays["x"]]
    s = beta * 32 * hot + np.sqrt(32 * beta) * arrays["noise"]
    theta = flow.input_params(to_tensor(s), to_tensor(beta[:, 0, 0]))
    assert_allclose(to_numpy(theta), arrays["theta"], atol=2e-6)
    prediction = Prediction(to_tensor(arrays["t"]), to_tensor(s), None, to_tensor(arrays["logits"]))
    for loss, name in (
        (ContinuousTimeLoss(), "transmission"),
        (ReconstructionLoss(), "reconstruction"),
    ):
        nats = to_numpy(loss(flow, arrays["x"], prediction)).sum(axis=1)
        assert_allclose(nats, arrays[name], rtol=1e-4)


@pytest.mark.once
@pytest.mark.slow
def test_logits_at_full_size_are_those_of_protbfn(tmp_path):
    case = Proteins("protbfn_full")
    model = case.load(case.write(tmp_path))
    assert model.network.count_params() > 640e6
    logits = run(after_features(model.network), case.arrays["features"])[:, ::STEP]
    assert np.abs(logits - case.arrays["logits"]).max() < MAX
    inputs = {"theta": case.arrays["theta"], "t": case.arrays["t"]}
    logits = run(model.network, inputs)[:, ::STEP]
    assert np.abs(logits - case.arrays["logits"]).max() < 2 * case.arrays["spread"].max()


def test_layer_10_comes_before_layer_2_and_every_array_is_used_once(case, model):
    kernel = to_numpy(model.network.get_layer("block_2").dense_widen.kernel)
    names = case.arrays["names"].tolist()
    i = names.index("transformer/attention_layer_2/~/fc1/w")
    assert i == 16 * 3 + 1
    assert len(names) == len(model.network.variables)
    assert sum(map(np.size, map(to_numpy, model.network.variables))) == model.network.count_params()
    assert_allclose(kernel, weight(names[i], kernel.shape, i), atol=1e-7)


def test_tokens_are_those_of_protbfn(model):
    tokens = model.tokenizer.encode_batch(["ARV", "M"], length=6)
    assert tokens.tolist() == [[6, 7, 25, 4, 1, 1], [18, 4, 1, 1, 1, 1]]
    assert model.tokenizer.decode(np.array([[5, 6, 0, 7, 4, 8], [8, 9, 1, 2, 3, 10]])) == [
        "AR",
        "NDC",
    ]
    full = model.tokenizer.encode_batch(["ARNDCQ"], length=6)
    assert full.tolist() == [[6, 7, 8, 9, 10, 11]]
    with pytest.raises(ValueError, match="must consist of the 32 symbols"):
        model.tokenizer.encode("ar")


@pytest.mark.once
def test_arrays_that_do_not_fit_are_refused_by_name(case, folder, tmp_path):
    def changed(i, content):
        for path in folder.iterdir():
            target = tmp_path / path.name
            target.unlink(missing_ok=True)
            if path.name != f"array_{i}.npy":
                target.symlink_to(path)
        if isinstance(content, bytes):
            (tmp_path / f"array_{i}.npy").write_bytes(content)
        elif content is not None:
            np.save(tmp_path / f"array_{i}.npy", content, allow_pickle=True)
        return tmp_path

    whole = (folder / "array_1.npy").read_bytes()
    bias = np.load(folder / "array_2.npy")
    wrong = {
        r"has 187 arrays, but no array_7\.npy": (7, None),
        r"array_1\.npy' is not a whole array": (1, whole[:-4]),
        r"array_5\.npy' is not a whole array": (5, b""),
        r"array_2\.npy' has shape \(25,\), expected \(24,\), of .*_0/~/fc2/b": (
            2,
            np.zeros(25, "float32"),
        ),
        r"array_2\.npy' has NaN or infinity": (2, np.full_like(bias, np.nan)),
        r"array_2\.npy' must hold an array of floats.*int64": (2, bias.astype("int64")),
        r"array_3\.npy' is not a whole array": (3, np.array([{}], dtype=object)),
        "must hold 16 arrays for each block and 12 others.*with 187 arrays": (187, None),
    }
    for message, (i, content) in wrong.items():
        with pytest.raises(ValueError, match=message):
            case.load(changed(i, content))
    with pytest.raises(FileNotFoundError, match="Argument `folder` must be a folder"):
        protbfn(tmp_path / "none", 12)
    with pytest.raises(ValueError, match="`num_heads` must divide"):
        protbfn(folder, 12, num_heads=7)
    with pytest.raises(ValueError, match="`num_heads` must give heads an even number"):
        protbfn(folder, 12, num_heads=8)
    with pytest.raises(ValueError, match="`seq_length` must be an integer of at least 1"):
        protbfn(folder, 0)


@pytest.mark.once
def test_arrays_of_a_hub_are_downloaded_without_the_pickle(case, folder, tmp_path, monkeypatch):
    asked = []
    (tmp_path / "AbBFN").symlink_to(folder)

    class Hub:
        @staticmethod
        def snapshot_download(repo, revision, allow_patterns):
            asked.append((repo, allow_patterns))
            return str(tmp_path)

    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub)
    case.load("hf://owner/repo/AbBFN")
    assert asked == [("owner/repo", ["AbBFN/array_*.npy"])]
    with pytest.raises(ValueError, match="must have the form hf://owner/repo/folder"):
        case.load("hf://owner/repo")


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("dtype", everywhere(["bfloat16", "mixed_bfloat16"], "bfloat16"))
def test_half_precision(dtype, tmp_path):
    folder = write_small_proteins(tmp_path)
    whole, half = (protbfn(folder, 6, 2, dtype=one, verbose=0) for one in ("float32", dtype))
    wanted = "bfloat16" if dtype == "bfloat16" else "float32"
    assert keras.backend.standardize_dtype(half.network.get_layer("linear").kernel.dtype) == wanted
    theta = np.random.default_rng(0).dirichlet(np.ones(32), size=(2, 6)).astype("float32")
    inputs = {"theta": theta, "t": np.zeros(2, "float32")}
    off = np.abs(run(half.network, inputs) - run(whole.network, inputs))
    assert 0 < off.mean() < 0.05
    assert half.generate(2, num_steps=2, seed=0).shape == (2, 6)


@pytest.mark.once
def test_the_network_refuses_other_data():
    flow = keras_bfn.flows.DiscreteFlow(2, beta_1=9.0)
    with pytest.raises(ValueError, match="`flow` must be a `DiscreteFlow` of three or more"):
        ProteinTransformer(flow, 8, 16, 1, 2, 16)
    flow = keras_bfn.flows.DiscreteFlow(5, beta_1=1.0)
    with pytest.raises(ValueError, match=r"`event_shape` must be a length, or \(length,\)"):
        ProteinTransformer(flow, (8, 2), 16, 1, 2, 16)


def test_the_network_is_not_told_the_time(case, model):
    theta = case.arrays["theta"][:1]
    early, late = (
        run(model.network, {"theta": theta, "t": np.array([t], "float32")}) for t in (0.1, 0.9)
    )
    assert_allclose(early, late)
