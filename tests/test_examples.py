"""The examples run to their end, print what they promise, and write their pictures."""

import json
import re

import keras
import numpy as np
import pytest

import keras_bfn
from tests.test_guides import ROOT

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    ("data_type", "arguments"),
    [
        pytest.param("discretized", ("--conditional",), marks=pytest.mark.once),
        *(
            pytest.param(data_type, arguments, marks=pytest.mark.slow)
            for data_type, arguments in (
                ("binary", ()),
                ("binary", ("--conditional",)),
                ("continuous", ()),
                ("discretized", ()),
                ("discrete", ()),
            )
        ),
    ],
)
def test_digits(data_type, arguments, script, tmp_path):
    printed = script(
        ROOT / "examples" / "digits.py",
        *("--data-type", data_type, "--epochs", "1", "--repeats", "1", "--sampler-steps", "3"),
        *("--output", "out", "--save-preset", "preset", *arguments),
    )
    rows = re.findall(r"^(10|25|50|100|continuous)((?: +-?[\d.]+){4})$", printed, re.MULTILINE)
    assert [name for name, _ in rows] == ["10", "25", "50", "100", "continuous"]
    for _, values in rows:
        transmission, reconstruction, total, bits = map(float, values.split())
        assert total == pytest.approx(transmission + reconstruction, abs=0.02)
        assert bits == pytest.approx(total / 64 / 0.6931, abs=0.002)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.keras",
        "samples.png",
        "trajectory.png",
    }
    loaded = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset")
    assert loaded.event_shape == (8, 8, 1)


@pytest.mark.once
def test_digits_refuses_no_epochs(refusal):
    message = refusal(ROOT / "examples" / "digits.py", "--epochs", "0")
    assert "--epochs: must be at least 1, received 0" in message


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cifar10", ("--num-bins", "16")),
        pytest.param("mnist", (), marks=pytest.mark.slow),
        pytest.param("mnist", ("--network", "mlp"), marks=pytest.mark.slow),
        pytest.param("text8", (), marks=pytest.mark.slow),
    ],
)
def test_the_papers_experiments_run_to_their_final_table(name, arguments, script, tmp_path):
    arguments = (*arguments, "--preset", "tiny", "--data", "embedded", "--output", "run")
    arguments = (*arguments, "--mixed-precision", "--save-preset", "preset")
    printed = script(
        ROOT / "examples" / f"{name}.py",
        *(*arguments, "--test-examples", "4", "--repeats", "1"),
    )
    assert f"(not {name})" in printed.lower().replace("-", "")
    rows = re.findall(r"^(10|25|50|100|continuous) +([\d.]+) +[\d.]+$", printed, re.MULTILINE)
    assert [step for step, _ in rows] == ["10", "25", "50", "100", "continuous"]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    for step, value in rows:
        assert results[step]["mean"] == pytest.approx(float(value), abs=1e-3)
    judged = re.findall(
        r"^(samples|real text) .*% of words known, [\d.]+ bits", printed, re.MULTILINE
    )
    assert judged == (["samples", "real text"] if name == "text8" else [])
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert written == {
        "checkpoint-000001.npz",
        "config.json",
        "loss.png",
        "loss_by_time.png",
        "metrics.csv",
        "model.keras",
        "results.json",
        "samples",
    }
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 1
    kept = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset")
    assert kept.network.dtype_policy.name == "float32"


@pytest.mark.once
def test_a_run_is_not_continued_with_other_arguments(refusal, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"experiment": "text8", "seed": 5}')
    arguments = ("--preset", "tiny", "--data", "embedded", "--output", "run")
    message = refusal(ROOT / "examples" / "text8.py", *arguments)
    assert "--output: run holds a run with other data, " in message


@pytest.mark.slow
@pytest.mark.once
def test_images_are_compressed(script, tmp_path):
    pytest.importorskip("constriction")
    printed = script(
        ROOT / "examples" / "compress.py",
        *("--epochs", "2", "--num-images", "64", "--num-steps", "2", "5", "--repeats", "5"),
    )
    rows = re.findall(r"^(2|5) +([\d.]+) +([\d.]+) +(\d+) +(\d+) ", printed, re.MULTILINE)
    assert [steps for steps, *_ in rows] == ["2", "5"]
    for _, bits, loss, initial, size in rows:
        assert float(bits) == pytest.approx(float(loss), rel=0.1)  # of 64 images
        # The header and the checksum are between 100 and 1000 bytes.
        assert 100 < int(size) - 64 * float(bits) / 8 - int(initial) < 1000
    for name in ("gzip -9", "bzip2 -9", "xz -9e", "PNG", "WebP, lossless"):
        assert re.search(rf"^{name} +\d+ +[\d.]+$", printed, re.MULTILINE)
    assert (tmp_path / "compressed" / "rate.png").stat().st_size > 5000


@pytest.mark.once
def test_pictures_and_labels_are_drawn_read_and_sent(script, tmp_path):
    printed = script(
        ROOT / "examples" / "image_and_label.py",
        *("--epochs", "1", "--samples", "40", "--sampler-steps", "2"),
        *("--draws", "2", "--repeats", "1"),
    )
    for line in ("drawn together", "drawn for a label", "the support vector machine"):
        assert re.search(rf"^  .*{line} +\d+\.\d%$", printed, re.MULTILINE)
    for line in ("generate, given the picture", "inpaint"):
        assert re.search(rf"^  {line} +\d+\.\d% \d+\.\d%$", printed, re.MULTILINE)
    joint, image, label = re.search(
        r"one model +([\d.]+) \(picture ([\d.]+), label ([\d.]+)\)$", printed, re.MULTILINE
    ).groups()
    assert float(joint) == pytest.approx(float(image) + float(label), abs=0.02)
    assert re.search(r"picture alone, its own model +[\d.]+$", printed, re.MULTILINE)
    assert (tmp_path / "pairs" / "model.keras").is_file()
    assert (tmp_path / "pairs" / "pairs.png").stat().st_size > 5000


@pytest.mark.once
def test_tables_are_learnt_and_filled_in(script, tmp_path):
    printed = script(
        ROOT / "examples" / "table.py",
        *("--steps", "20", "--splits", "1", "--samples", "200"),
        *("--sampler-steps", "3", "--draws", "2"),
    )
    assert len(re.findall(r"^split 0(?: +[\d.]+){5}$", printed, re.MULTILINE)) == 2
    assert len(re.findall(r"^mean(?: +[\d.]+){5}$", printed, re.MULTILINE)) == 2
    assert (
        len(re.findall(r"^generated rows teach [\d.]+% of what real", printed, re.MULTILINE)) == 2
    )


@pytest.mark.once
def test_a_table_of_ones_own_is_learnt(script, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    lines = [f"{value},{'ab'[int(value > 0)]},{3 * value}" for value in x]
    (tmp_path / "own.csv").write_text("\n".join(["x,sign,y", *lines, "1.0,a,"]))
    options = ("--steps", "5", "--splits", "1", "--sampler-steps", "3", "--draws", "2")
    arguments = ("--data", "own.csv", "--target", "y", *options)
    printed = script(ROOT / "examples" / "table.py", *arguments)
    assert re.search(r"^own +after real", printed, re.MULTILINE)
    assert re.search(r"^split 0 +100\.0 ", printed, re.MULTILINE)  # y is linear in x


def run_forecast(script, cwd, *arguments):
    printed = script(ROOT / "examples" / "forecast.py", *arguments)
    assert (cwd / "forecast" / "forecast.png").stat().st_size > 5000
    loaded = keras.saving.load_model(cwd / "forecast" / "model.keras")
    return loaded, dict(re.findall(r"^(.*?) {2,}([\d.]+)%?$", printed, re.MULTILINE))


@pytest.mark.once
def test_a_series_of_ones_own_is_forecast(script, tmp_path):
    series = np.random.default_rng(0).normal([300.0, -5.0], [4.0, 0.1], (24 * 20, 2))
    np.save(tmp_path / "own.npy", series)
    arguments = ("--series", "own.npy", "--epochs", "2", "--forecasts", "2", "--draws", "20")
    arguments = (*arguments, "--particles", "1", "--sampler-steps", "3")
    loaded, found = run_forecast(script, tmp_path, *arguments)
    assert list(found) == ["nats for two days, by the model", "of what came, within the 90% bands"]
    np.testing.assert_allclose(loaded.flow.center, [300.0, -5.0], rtol=0.02)


@pytest.mark.once
def test_a_series_of_three_days_is_refused(refusal, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros(3 * 24))
    message = refusal(ROOT / "examples" / "forecast.py", "--series", "short.npy")
    assert "--series: must be of four days at least" in message


@pytest.mark.slow
@pytest.mark.once
def test_bands_of_a_forecast_hold_what_the_process_says(script, tmp_path):
    _, found = run_forecast(script, tmp_path)
    nats = [float(found[name]) for name in list(found)[:2]]
    assert nats[1] < nats[0] < nats[1] + 6
    assert 85 < float(found["of what may come, by the process"]) < 95


def run_image_folder(script, cwd, *arguments):
    printed = script(
        ROOT / "examples" / "image_folder.py",
        *("--image-size", "8", "--width", "8", "--batch-size", "128"),
        *("--epochs", "1", "--repeats", "1", "--sampler-steps", "2"),
        *("--output", "out", *arguments),
    )
    pattern = r"^[\d.]+ \+- [\d.]+ bits per dimension, of (\d+) held-out pictures$"
    (num,) = re.findall(pattern, printed, re.MULTILINE)
    assert (cwd / "out" / "model.keras").is_file()
    assert (cwd / "out" / "samples.png").stat().st_size > 5000
    return printed, int(num)


@pytest.mark.once
def test_a_folder_of_pictures_is_made_and_learnt(script, tmp_path):
    printed, num = run_image_folder(script, tmp_path)
    assert "No folder given: made out/pictures/, pieces of two photographs" in printed
    assert "classes: flower, temple" in printed
    assert num == 52


@pytest.mark.slow
@pytest.mark.once
def test_a_folder_of_ones_own_is_learnt(script, tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "mine").mkdir()
    for i in range(40):
        picture = np.random.default_rng(i).integers(0, 256, (12, 9, 3), "uint8")
        image.fromarray(picture).save(tmp_path / "mine" / f"{i}.jpg")
    printed, num = run_image_folder(script, tmp_path, "mine", "--grayscale", "--no-flip")
    assert "No folder given" not in printed
    assert "classes: none" in printed
    assert num == 4


@pytest.mark.once
def test_words_of_different_lengths_are_learnt_beside_their_entropy(script):
    small = ("--words", "128", "--held-out", "40", "--samples", "36")
    printed = script(ROOT / "examples" / "lengths.py", "--epochs", "1", *small)
    cost, entropy = (
        float(re.search(rf"{name}: ([\d.]+)", printed)[1])
        for name in ("Held-out words", "The grammar's entropy, given lengths")
    )
    assert 1.4 < entropy < 1.7 < cost
    assert "100.0% of the lengths asked for" in printed


@pytest.mark.slow
@pytest.mark.once
def test_words_of_different_lengths_cost_their_entropy(script):
    printed = script(ROOT / "examples" / "lengths.py")
    assert float(re.search(r"Excess: ([\d.]+)%", printed)[1]) < 3
    assert "100.0% of the lengths asked for" in printed
