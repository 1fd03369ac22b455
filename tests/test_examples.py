"""The examples run to their end, print what they promise, and write their pictures."""

import re

import pytest

import keras_bfn
from tests.test_guides import ROOT, run_script

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    "data_type",
    [
        "binary",
        "discretized",
        pytest.param("discrete", marks=pytest.mark.slow),
        pytest.param("continuous", marks=pytest.mark.slow),
    ],
)
def test_digits(data_type, tmp_path):
    printed = run_script(
        ROOT / "examples" / "digits.py",
        *("--data-type", data_type, "--epochs", "2", "--repeats", "1", "--sampler-steps", "3"),
        *("--output", "out", "--preset", "preset"),
        cwd=tmp_path,
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


def test_digits_refuses_no_epochs(tmp_path):
    with pytest.raises(AssertionError, match="--epochs: must be at least 1, received 0"):
        run_script(ROOT / "examples" / "digits.py", "--epochs", "0", cwd=tmp_path)
