"""The sections of `python -m benchmarks` measure what they say, at sizes of toys."""

import functools
import gc
import json
import math
import subprocess
import sys
import time
import types

import keras
import numpy as np
import pytest

import keras_bfn
from benchmarks import (
    bare,
    codec,
    codec_costs,
    codec_speed,
    devices,
    gpu,
    guidance,
    guided,
    memory,
    overhead,
    peer,
    pieces,
    precision,
    report,
    scaling,
    start,
    timing,
)
from benchmarks.cases import network_inputs
from keras_bfn import BayesianFlowNetwork
from tests.backends import everywhere
from tests.checkpoints import official_oracle

BACKEND = keras.backend.backend()


class Clock:
    """Tells the seconds that functions say they took."""

    now = 0.0

    def read(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing.Clock, "read", clock.read)
    return clock


@pytest.mark.once
def test_functions_take_turns_and_ratios_are_those_of_a_turn(clock):
    calls = []

    def run(name, seconds):
        calls.append(name)
        clock.wait(seconds)

    functions = [functools.partial(run, *args) for args in (("a", 1.0), ("b", 3.0))]
    np.testing.assert_array_equal(timing.in_turns(functions, 3, warm_up=False), [[1.0, 3.0]] * 3)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert timing.ratio(*functions, 5) == {
        "seconds": 3.0,
        "ratio": 3.0,
        "quartile 1": 3.0,
        "quartile 3": 3.0,
    }


@pytest.mark.once
def test_what_is_fast_is_called_as_often_as_can_be_timed(clock):
    counts = dict.fromkeys((0.001, 0.002), 0)

    def run(seconds):
        counts[seconds] += 1
        clock.wait(seconds)

    seconds = timing.in_turns([functools.partial(run, s) for s in counts], 1)
    np.testing.assert_allclose(seconds, [list(counts)])
    assert list(counts.values()) == [2 + math.ceil(timing.LEAST_SECONDS / 0.001)] * 2


@pytest.mark.once
def test_seconds_of_the_processor_are_those_of_work_and_of_other_processes():
    def work(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    start = timing.processor_seconds()
    time.sleep(0.2)
    assert timing.processor_seconds() - start < 0.1
    work(0.2)
    assert 0.2 <= timing.processor_seconds() - start < 0.4
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert timing.processor_seconds() - start >= 0.5


@pytest.mark.once
@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_exponents_are_those_of_a_known_cost(power):
    sizes = np.array([4, 8, 16, 32])
    assert scaling.exponents(sizes, 0.3 * sizes**power) == pytest.approx((power, power), abs=1e-9)
    with_offset = scaling.exponents(sizes, 10.0 + sizes**2.0)
    assert with_offset[0] < with_offset[1] < 2.0


@pytest.mark.once
def test_scaling_runs_at_the_sizes_that_it_names(monkeypatch, clock):
    """Each letter of a batch takes a second here, and each step of `generate` two."""

    def train(model, x):
        clock.wait(float(x.size))

    def generate(model, num_samples, num_steps, **_):
        clock.wait(2.0 * num_steps)

    monkeypatch.setattr(BayesianFlowNetwork, "train_on_batch", train)
    monkeypatch.setattr(BayesianFlowNetwork, "generate", generate)
    found = {row["in"]: row["exponent"] for row in scaling.measure(rounds=1, toy=True)}
    expected = {"batch": 1, "length": 1, "classes": 0, "width": 0, "image side": 2, "steps": 1}
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.once
def test_overhead_is_ours_in_units_of_the_bare_network(monkeypatch, clock):
    """A step of ours takes three seconds here, one of another model one, as does each pass."""

    def train(model, *data):
        clock.wait(3.0 if isinstance(model, BayesianFlowNetwork) else 1.0)

    def generate(model, num_samples, num_steps, **_):
        clock.wait(2.0 * (num_steps + 1))

    for kind in (keras.Model, BayesianFlowNetwork):
        monkeypatch.setattr(kind, "train_on_batch", train)
    monkeypatch.setattr(keras.Model, "predict_on_batch", lambda *_: clock.wait(1.0))
    monkeypatch.setattr(BayesianFlowNetwork, "generate", generate)
    rows = list(overhead.measure(["unet", "parts"], rounds=3, steps=4, toy=True))
    assert [row["case"] for row in rows] == ["unet", "unet", "parts", "parts"]
    assert [row["ratio"] for row in rows] == [3.0, 2.0] * 2
    rows = overhead.measure(["unet", "parts"], rounds=3, steps=4, toy=True, noise=True)
    assert [row["ratio"] for row in rows] == [2.0, 9 / 5] * 2


@pytest.mark.once
def test_a_bare_network_is_that_of_the_model_and_learns():
    pair = overhead.Pair("parts", toy=True)
    shapes = [
        [weight.shape for weight in network.weights] for network in (pair.bare, pair.model.network)
    ]
    assert shapes[0] == shapes[1]
    losses = [pair.bare_step()[0] for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


@pytest.mark.once
@pytest.mark.parametrize("noise", [False, True])
def test_overhead_is_measured(noise):
    rows = list(overhead.measure(["parts"], rounds=1, steps=2, toy=True, noise=noise))
    assert [row["what"] for row in rows] == ["training step", "generate, 2 steps"]
    assert all(0 < row["ratio"] < 100 for row in rows)


class StandIn:
    """Ours in the place of the authors' model."""

    is_loaded = True

    def __init__(self, case):
        self.config = peer.official_config(case.preset, **case.changes)
        self.network = peer.our_model(case).network
        rng = np.random.default_rng(0)
        self.network.set_weights([0.1 * rng.normal(size=w.shape) for w in self.network.weights])
        self.bfn = types.SimpleNamespace(net=self.network)

    def data(self, x):
        return x

    def net_inputs(self, x):
        import torch

        theta = torch.rand((*x.shape, self.network.flow.theta_size))
        t = torch.rand((len(x), *(1,) * (x.ndim - 1)))
        return theta, t.expand(x.shape)

    def forward(self, theta, t):
        return self.network({"theta": theta, "t": t[:, 0]}).detach().cpu()

    def train(self, x):
        time.sleep(0.01)

    def load_into(self, network):
        if self.is_loaded:
            network.set_weights(self.network.get_weights())
        return True


@pytest.mark.once
@pytest.mark.parametrize("is_loaded", [True, False])
def test_the_difference_is_that_of_outputs_with_the_same_weights(monkeypatch, is_loaded):
    monkeypatch.setattr(peer, "Official", StandIn)
    monkeypatch.setattr(StandIn, "is_loaded", is_loaded)
    rows = list(peer.compare(peer.TOYS["transformer"], rounds=1))
    assert [row["what"] for row in rows] == ["forward pass", "training step"]
    assert all((row["difference"] < 1e-5) == is_loaded for row in rows)
    assert all(row["ratio"] > 0 for row in rows)


@pytest.mark.once
@pytest.mark.parametrize("name", peer.CASES)
def test_the_authors_configs_are_those_of_our_presets(name):
    case = peer.CASES[name]
    config = peer.official_config(case.preset, **case.changes)
    network = keras_bfn.presets.PRESETS[case.preset].make_network.keywords | case.changes
    arguments = config["net"][1]
    widths = {"bfn_text8": "n_embd", "bfn_mnist_binary": "model_channels"}
    assert arguments[widths.get(case.preset, "embedding_dim")] == network["width"]
    assert set(arguments) == set(official_oracle.CASES[case.preset[4:]]["net"][1])


@pytest.mark.once
def test_memory_is_the_peak_above_what_was_in_use_before():
    gc.collect()  # what other tests left would go meanwhile
    counted = devices.ProcessMemory()
    size = 200_000_000
    kept = bytearray(size)
    first, again = memory.peaks(lambda: bytearray(size // 2), counted)
    assert 0.95 * size / 2 < first < 1.2 * size / 2
    assert again == pytest.approx(first, rel=0.1)
    assert counted.now() > len(kept)


@pytest.mark.slow
@pytest.mark.once
def test_the_memory_of_a_training_step_is_counted_in_a_process_of_its_own():
    args = ("transformer", "training step", 1, True, None, None)
    first, again = memory.in_new_process(*args)
    assert 0 < first < 1e9
    assert 0 < again < 1e9


@pytest.mark.once
def test_the_package_adds_to_the_import_of_keras_and_a_model_to_its_network(monkeypatch):
    codes = []
    monkeypatch.setattr(start, "run", codes.append)
    rows = list(start.measure(["import", "parts"], rounds=1, toy=True))
    assert [row["case"] for row in rows] == ["import", "parts"]
    assert codes[:2] == ["import keras", "import keras_bfn"]
    exec(codes[2])
    exec(codes[3])


@pytest.mark.parametrize("name", everywhere(list(pieces.CASES), "attention"))
def test_a_piece_says_what_the_plainer_one_says(name):
    plain, ours, arrays = pieces.CASES[name](1)
    if name != "draw":
        results = [
            keras.ops.convert_to_numpy(function(*map(keras.ops.convert_to_tensor, arrays)))
            for function in (plain, ours)
        ]
        np.testing.assert_allclose(*results, rtol=1e-3, atol=1e-3)
    (row,) = pieces.measure([name], rounds=1, toy=True)
    assert row["ratio"] > 0


@pytest.mark.once
def test_bare_operations_are_measured():
    assert [row["case"] for row in bare.measure(rounds=1, toy=True)] == list(bare.CASES)


@pytest.mark.once
def test_guided_steps_are_measured():
    rows = list(guidance.measure(["parts"], rounds=1, steps=2, toy=True))
    assert [row["guided"] for row in rows] == list(guidance.GUIDANCES)
    assert all(row["ratio"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.once
def test_guided_samples_are_measured():
    first = next(guided.measure_particles(40))
    assert 0 <= first["twisted"] <= 1
    assert first["E[L], twisted"] > 0
    plain, *_ = guided.measure_inpainting(40)
    assert plain["calls"] == 60
    row = next(guided.measure_inverse(4))
    assert row["measured"] == "blurred"
    assert row["residual"] > 0


@pytest.mark.slow
@pytest.mark.once
def test_half_precision_is_rounded_and_costs_little():
    (row,) = precision.measure(["bfn_digits"], num_examples=2, rounds=1, steps=2)
    assert 0 < abs(row["difference"]) < 0.01


@pytest.mark.once
def test_the_codec_is_measured():
    (row,) = codec.measure(["bfn_digits"], num_steps=(2,), lanes=(2,), rounds=1)
    assert row["compress"] > 0
    assert 0 < row["network"] < 1


@pytest.mark.once
def test_seconds_of_the_codec_are_those_of_the_clock_that_is_set(clock):
    assert codec_speed.timed(clock.wait, 2.0) == (None, 2.0)


@pytest.mark.once
def test_the_codec_is_measured_on_digits_of_256_grey_levels(monkeypatch):
    seen = []
    monkeypatch.setattr(codec_costs, "train", lambda flow, x, is_sequence: seen.append((flow, x)))
    _, x = codec.make_case("grey levels", 3)
    flow, images = seen.pop()
    assert x.shape == (3, 28, 28, 1)
    assert (images.min(), images.max()) == flow.data_range == (0, 255)


@pytest.mark.once
@pytest.mark.parametrize("name", gpu.TOYS)
def test_operations_are_those_that_pytorch_counts(name):
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    network = peer.our_model(gpu.TOYS[name]).network
    inputs, _ = network_inputs(network, 2)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(inputs)
    assert gpu.forward_flops(network, 2) == counter.get_total_flops()


@pytest.mark.once
def test_a_card_has_the_peak_of_its_own_name():
    assert devices.peak_flops("NVIDIA H100 80GB HBM3", "bfloat16") == 989e12
    assert devices.peak_flops("NVIDIA H100 PCIe", "bfloat16") == 756e12
    assert devices.peak_flops("NVIDIA A100-SXM4-80GB", "float32") == 156e12
    assert devices.peak_flops("NVIDIA L40S", "float32") == 183e12
    assert devices.peak_flops(None, "float32") is devices.peak_flops("T4", "float32") is None


@pytest.mark.slow_to_compile("jax")
@pytest.mark.skipif(BACKEND == "tensorflow", reason="the section is for JAX and PyTorch")
@pytest.mark.parametrize("dtype", everywhere(list(gpu.DTYPES.values()), "mixed_bfloat16"))
def test_what_is_measured_on_a_gpu_runs_on_a_processor(monkeypatch, dtype):
    monkeypatch.setattr(gpu, "DTYPES", {"bfloat16": dtype})
    monkeypatch.setattr(gpu, "peak_flops", lambda name, dtype: 1e6)
    step, *others = gpu.measure(cases=["text8"], rounds=1, steps=2, toy=True)
    assert step["what"] == "training step"
    assert step["fraction of peak"] == pytest.approx(1e6 * step["TFLOP/s"])
    assert [row["TFLOP/s"] for row in others] == [None, None]
    assert all(row["per second"] == pytest.approx(2 / row["seconds"]) for row in (step, *others))
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.once
def test_a_report_tells_the_machine_and_the_rows(monkeypatch, tmp_path, capsys):
    rows = [{"case": "batch", "seconds": 0.12345, "weights": 1234, "ratio": None}] * 2
    monkeypatch.setattr(scaling, "measure", lambda rounds=5: rows[:rounds])
    path = tmp_path / "results.json"
    report.main(args=["scaling", "--rounds", "1", "--toy", "--output", str(path)])
    found = json.loads(path.read_text())
    assert found["sections"] == {"scaling": rows[:1]}
    assert {"date", "backend", "device", "threads", "python", "keras"} <= set(found["machine"])
    assert found["machine"]["backend"] == BACKEND
    *_, head, rule, line = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in head.split("|")[1:-1]] == list(rows[0])
    assert set(rule) <= set("| -")
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["batch", "0.123", "1,234", ""]


@pytest.mark.once
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["speed"], "unknown section: speed"),
        (["overhead", "--cases", "unet", "gpt"], "unknown case: gpt"),
        (["peer"], "--official CLONE"),
    ],
)
def test_what_cannot_be_measured_is_refused(args, said, capsys):
    with pytest.raises(SystemExit) as caught:
        report.main(args=args)
    assert said in f"{capsys.readouterr().err}{caught.value}"
