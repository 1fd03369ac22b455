"""ChemBFN's files give here what they give in its authors' code, in every verb."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn import Prediction
from keras_bfn.checkpoints import LogarithmicSchedule, MoleculeTransformer, chembfn
from keras_bfn.checkpoints.symbols import MOLECULES
from keras_bfn.flows import DiscreteFlow
from keras_bfn.losses import ContinuousTimeLoss, ReconstructionLoss
from keras_bfn.testing import check_schedule
from tests.backends import everywhere
from tests.checkpoints.chembfn_oracle import CASES, CONDITIONS, HPARAM, LENGTH
from tests.checkpoints.other_cases import Molecules
from tests.tensors import run, to_numpy, to_tensor

MAX = 2e-4
NUM = HPARAM["num_vocab"]


@pytest.fixture(scope="module")
def case():
    pytest.importorskip("torch")
    return Molecules()


@pytest.fixture(scope="module")
def paths(case, tmp_path_factory):
    return case.write(tmp_path_factory.mktemp("chembfn"))


@pytest.fixture(scope="module")
def model(case, paths):
    return case.load(paths)


def inputs_of(case, name):
    inputs = {"theta": case.arrays["theta"], "t": case.arrays["t"]}
    return inputs | ({"condition": CONDITIONS[name]} if name in CONDITIONS else {})


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_chembfn(name, case, paths):
    network = case.load(paths, name).network
    logits, expected = run(network, inputs_of(case, name)), case.arrays[f"logits/{name}"]
    assert np.abs(expected).max() > 2
    assert np.abs(logits - expected).max() < MAX
    if name != "plain":
        assert np.abs(expected - case.arrays["logits/plain"]).max() > 100 * MAX
    if name in CONDITIONS:
        null = np.broadcast_to(network.null_condition, CONDITIONS[name].shape)
        logits = run(network, inputs_of(case, name) | {"condition": null})
        assert np.abs(logits - case.arrays["logits/plain"]).max() < MAX


def test_the_schedule_is_that_of_chembfn(case, model):
    schedule, t = model.flow.schedule, case.arrays["t"]
    assert abs(schedule.beta_1 * NUM - 20.4054) < 1e-5
    check_schedule(schedule)
    assert_allclose(to_numpy(schedule.beta(t)), case.arrays["beta"], rtol=1e-4, atol=1e-7)
    assert_allclose(to_numpy(schedule.derivative(t)) / 2, case.arrays["slope"], rtol=1e-4)
    assert_allclose(to_numpy(schedule.inverse(schedule.beta(t))), t, atol=1e-5)
    assert float(schedule.ending_at(1.0).beta(1.0)) == pytest.approx(1.0, rel=1e-5)


def test_losses_are_those_of_chembfn(case, model):
    arrays, flow, t = case.arrays, model.flow, case.arrays["t"]
    beta = to_numpy(flow.schedule.beta(t))[:, None, None]
    s = beta * NUM * np.eye(NUM)[arrays["x"]] + np.sqrt(NUM * beta) * arrays["noise"]
    theta = flow.input_params(to_tensor(s), to_tensor(beta[:, 0, 0]))
    assert_allclose(to_numpy(theta), arrays["theta"], atol=1e-5)
    logits = arrays["logits/plain"].astype("float64")
    prediction = Prediction(to_tensor(t), to_tensor(s), None, to_tensor(logits))
    nats = to_numpy(ContinuousTimeLoss()(flow, arrays["x"], prediction)).mean(axis=1)
    # Theirs is a mean over classes, too.
    assert_allclose(nats / NUM, arrays["transmission"], rtol=1e-4)
    nats = to_numpy(ReconstructionLoss()(flow, arrays["x"], prediction)).mean(axis=1)
    # Theirs leaves out the logarithm of the sum of the logits' exponentials.
    left_out = np.log(np.exp(logits).sum(axis=-1)).mean(axis=1)
    assert_allclose(nats - left_out, arrays["reconstruction"], rtol=1e-4, atol=1e-5)


@pytest.mark.once
def test_the_number_of_classes_may_be_of_numpy():
    flow = DiscreteFlow(9, 1.0)
    options = {"conditions": np.int64(3), "condition_widths": [np.int64(4)]}
    network = MoleculeTransformer(flow, 8, 16, 1, 2, **options)
    assert (network.null_condition, network.condition_widths) == (3, (4,))
    assert network.get_layer("condition_0").embeddings.shape == (3, 4)


@pytest.mark.once
def test_a_schedule_out_of_range_is_refused():
    for arguments, message in {
        (1, 1.0): "`num_classes` must be an integer of at least 2",
        (4, 0.0): "`beta_1` must be a positive",
        (4, 11.0): r"`beta_1` must be at most 40 / num_classes, 10\.0",
    }.items():
        with pytest.raises(ValueError, match=message):
            LogarithmicSchedule(*arguments)


@pytest.mark.once
def test_tokens_are_those_of_chembfn(case):
    arrays = case.arrays
    texts, length = arrays["texts"].tolist(), arrays["tokens"].shape[1]
    assert MOLECULES.num_classes == 246
    np.testing.assert_array_equal(MOLECULES.encode_batch(texts, length), arrays["tokens"])
    assert MOLECULES.decode(arrays["tokens"]) == texts


@pytest.mark.once
def test_files_that_do_not_fit_are_refused_by_name(case, paths, tmp_path):
    import torch

    def changed(name, kind=None, **changes):
        contents = case.contents(name)
        kind = kind or ("lora_nn" if name == "lora" else "nn")
        part = {**contents[kind], **changes}
        contents[kind] = {key: value for key, value in part.items() if value is not None}
        torch.save(contents, tmp_path / "changed.pt")
        return {**paths, name: tmp_path / "changed.pt"}

    key = "encoder_layers.1.ffn.0.weight"
    wrong = {
        rf"1 missing keys \('{key}'\); 0 unexpected": ("plain", "model", None, {key: None}),
        r"1 unexpected keys \('more'\)": ("plain", "model", None, {"more": torch.zeros(1)}),
        rf"'{key}' has shape \(5,\), expected": ("plain", "model", None, {key: torch.zeros(5)}),
        "`path` must hold a number 'beta'": ("plain", "model", None, {"beta": None}),
        r"'position\.zeta' differs": (
            "plain",
            "model",
            None,
            {"position.zeta": torch.ones(1, 12)},
        ),
        "`path` must have a valid 'num_head' in 'hparam'": (
            "plain",
            "model",
            "hparam",
            {"num_head": "2"},
        ),
        r"1 missing keys \('embedding\.lora_A'\)": (
            "lora",
            "lora",
            None,
            {"embedding.lora_A": None},
        ),
        "`lora` must have a valid 'r'": ("lora", "lora", "lora_param", {"r": 0}),
        r"'layers\.0\.weight' has shape": (
            "classes",
            "classes",
            None,
            {"layers.0.weight": torch.zeros(1, 1)},
        ),
        "`mlp` must have an output of size 24": ("numbers", "numbers", "hparam", {"size": [2, 8]}),
    }
    for message, (load, name, kind, changes) in wrong.items():
        with pytest.raises(ValueError, match=message):
            case.load(changed(name, kind, **changes), load)
    with pytest.raises(
        ValueError, match="`path` must be a file of ChemBFN, with 'nn' and 'hparam'"
    ):
        chembfn(paths["lora"], LENGTH)
    (tmp_path / "short.pt").write_bytes(paths["model"].read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"`path` must be a file of PyTorch weights.*short\.pt"):
        chembfn(tmp_path / "short.pt", LENGTH)
    with pytest.raises(FileNotFoundError, match="Argument `mlp` must be a file"):
        chembfn(paths["model"], LENGTH, mlp=tmp_path / "none.pt")


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("dtype", everywhere(["bfloat16", "mixed_bfloat16"], "bfloat16"))
def test_half_precision(case, paths, dtype):
    half = case.load(paths, dtype=dtype)
    wanted = "bfloat16" if dtype == "bfloat16" else "float32"
    kernel = half.network.get_layer("embedding").kernel
    assert keras.backend.standardize_dtype(kernel.dtype) == wanted
    off = np.abs(run(half.network, inputs_of(case, "plain")) - case.arrays["logits/plain"])
    assert 0 < off.mean() < 0.05
    assert half.generate(2, num_steps=2, seed=0).shape == (2, LENGTH)
