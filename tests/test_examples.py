"""The examples run to their end, print what they promise, and write their pictures."""

import argparse
import html.parser
import importlib
import json
import os
import re
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_bfn
from tests.brief import make_brief
from tests.models.small import FLOWS, make_model
from tests.test_guides import ROOT

pytest.importorskip("matplotlib")


HELPERS = {"arguments", "experiment", "progress", "table_report"}
EXAMPLES = sorted({path.stem for path in (ROOT / "examples").glob("*.py")} - HELPERS)
REQUIRED = {"distil": ["bfn_digits"], "fine_tune": ["text"]}


@pytest.fixture
def brief(monkeypatch):
    make_brief(monkeypatch)


@pytest.mark.once
@pytest.mark.parametrize("name", EXAMPLES)
def test_help_and_the_first_line_need_no_keras(name, tmp_path):
    (tmp_path / "keras.py").write_text("raise SystemExit('importing Keras')")

    def run(*arguments):
        command = [sys.executable, ROOT / "examples" / f"{name}.py", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    helped = run("--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith("usage: ")
    started = run(*REQUIRED.get(name, []))
    assert started.stderr == "importing Keras\n"
    assert re.fullmatch(r".+\b(minutes?|s|days)\b.+\n", started.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data_type", "arguments"),
    [
        ("binary", ()),
        pytest.param("discretized", ("--conditional",), marks=pytest.mark.once),
        pytest.param("continuous", (), marks=pytest.mark.once),
        pytest.param("discrete", (), marks=pytest.mark.once),
    ],
)
def test_digits(data_type, arguments, brief, script, tmp_path):
    printed = script(
        ROOT / "examples" / "digits.py",
        *("--data-type", data_type, "--epochs", "1", "--repeats", "1", "--sampler-steps", "3"),
        *("--output", "out", "--save-preset", "preset", *arguments),
    )
    number = r" +(-?[\d.]+)"
    pattern = rf"^(10|25|50|100|continuous){number * 3} \+- [\d.]+{number}$"
    rows = re.findall(pattern, printed, re.MULTILINE)
    assert [name for name, *_ in rows] == ["10", "25", "50", "100", "continuous"]
    for _, *values in rows:
        transmission, reconstruction, total, bits = map(float, values)
        assert total == pytest.approx(transmission + reconstruction, abs=0.02)
        assert bits == pytest.approx(total / 64 / 0.6931, abs=0.002)
    uniform, pooled, own = re.findall(
        r"^  ([\d.]+) +(?:noise|the hist|each)", printed, re.MULTILINE
    )
    assert float(uniform) == pytest.approx(
        64 * np.log(2 if data_type == "binary" else 17), abs=0.01
    )
    assert float(own) < float(pooled) < float(uniform)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.keras",
        "samples.png",
        "trajectory.png",
    }
    loaded = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset")
    assert loaded.event_shape == (8, 8, 1)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("options", [(), ("--guidance", "1", "3")])
def test_a_student_is_distilled_from_a_preset_or_a_file(options, brief, script, tmp_path):
    teacher = "bfn_digits_classes"
    if not options:
        teacher = str(tmp_path / "teacher.keras")
        keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits").save(teacher)
    small = ("--paths", "16", "--path-steps", "2", "--jumps", "2", "--batch-size", "16")
    arguments = (teacher, *options, *small, "--epochs", "1", "--save-preset", "preset")
    printed = script(ROOT / "examples" / "distil.py", *arguments, "--teacher-calls", "2")
    assert "Wrote student.keras and calls.png" in printed
    assert (tmp_path / "distilled" / "calls.png").exists()
    student = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset")
    assert isinstance(student, keras_bfn.distillation.Student)


@pytest.mark.once
def test_progress_is_told_in_training_and_elsewhere(monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "examples")
    progress = importlib.import_module("progress")
    monkeypatch.setattr(progress, "SECONDS_PER_LINE", 0.05)
    with progress.Progress("Waiting"):
        time.sleep(0.2)
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "Waiting ..."
    assert len(lines) >= 2
    assert set(lines) == {"  0 s"}
    model = make_model(FLOWS["binary"]())
    x = np.zeros((8, *model.event_shape), "int32")
    with progress.Progress("Training") as callback:
        model.fit(x, batch_size=2, epochs=3, callbacks=[callback], verbose=0)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "Training ..."
    assert re.fullmatch(r"  \d+ s, epoch 3 of 3, 0 s left, loss [\d.e-]+", last)
    budget = keras_bfn.callbacks.TimeBudget(0.01)
    with progress.Progress("Training", budget) as callback:
        model.fit(x, batch_size=2, epochs=99, callbacks=[budget, callback], verbose=0)
    *_, last = capsys.readouterr().out.splitlines()
    assert re.search(r"s, step \d+, 0 of 0 s of training, loss ", last)


@pytest.mark.once
def test_digits_refuses_no_epochs(refusal):
    message = refusal(ROOT / "examples" / "digits.py", "--epochs", "0")
    assert "--epochs: must be at least 1, received 0" in message


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cifar10", ("--num-bins", "16")),
        ("mnist", ()),
        ("mnist", ("--network", "mlp")),
        ("text8", ()),
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
    assert "--output: run contains a run with another data, " in message


@pytest.mark.once
def test_a_model_of_grey_levels_compresses_grey_levels(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    compress = importlib.import_module("compress")
    args = argparse.Namespace(data="digits", num_images=9)
    for flow in (keras_bfn.flows.DiscreteFlow(2, 3.0), keras_bfn.flows.DiscretizedFlow(17)):
        images = compress.load_images(args, flow)
        assert images.shape == (9, 8, 8, 1)
        assert images.max() == flow.num_values - 1


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
        # The fingerprints, the header and the checksum are some tens of bytes.
        assert 20 < int(size) - 64 * float(bits) / 8 - int(initial) < 200
    for name in ("gzip -9", "bzip2 -9", "xz -9e", "PNG", "WebP, lossless"):
        assert re.search(rf"^{name} +\d+ +[\d.]+$", printed, re.MULTILINE)
    assert (tmp_path / "compressed" / "rate.png").stat().st_size > 5000


@pytest.mark.once
@pytest.mark.slow
def test_pictures_and_labels_are_drawn_read_and_sent(script, tmp_path):
    printed = script(
        ROOT / "examples" / "image_and_label.py",
        *("--epochs", "1", "--samples", "40", "--sampler-steps", "2"),
        *("--draws", "2", "--repeats", "1"),
    )
    for line in ("together", "given a label", "support vector machine"):
        assert re.search(rf"^  .*{line} +\d+\.\d%$", printed, re.MULTILINE)
    assert re.search(r"^  label given the picture +\d+\.\d% \d+\.\d%$", printed, re.MULTILINE)
    joint, image, label = re.search(
        r"one model +([\d.]+) \(picture ([\d.]+), label ([\d.]+)\)$", printed, re.MULTILINE
    ).groups()
    assert float(joint) == pytest.approx(float(image) + float(label), abs=0.02)
    assert re.search(r"picture, its own model +[\d.]+$", printed, re.MULTILINE)
    assert (tmp_path / "pairs" / "model.keras").is_file()
    assert (tmp_path / "pairs" / "pairs.png").stat().st_size > 5000


@pytest.mark.once
@pytest.mark.slow
def test_posteriors_are_sampled_and_checked(script, tmp_path):
    printed = script(
        ROOT / "examples" / "posterior.py",
        *("--simulations", "400", "--steps", "4", "--checks", "20"),
        *("--draws", "50", "--sampler-steps", "2"),
    )
    intervals = r"^coverage of the central 90% intervals: [\d.]+%, [\d.]+%$"
    assert re.search(intervals, printed, re.MULTILINE)
    assert re.search(
        r"^log density under the exact posterior: 3\.\d\d nats$", printed, re.MULTILINE
    )
    assert np.load(tmp_path / "posterior" / "posterior.npy").shape == (4, 50, 2)
    for name in ("calibration.png", "draws.png"):
        assert (tmp_path / "posterior" / name).stat().st_size > 5000


TABLE_FILES = {"report.html", "synthetic.csv", "imputed.csv", "model.keras"}


class Page(html.parser.HTMLParser):
    """What a page is made of: its elements, what they load, and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.loaded, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for name, value in attributes if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def check_page(path):
    """That it is complete, loads nothing and runs nothing; returns its text."""
    text = path.read_text("utf-8")
    page = Page(text)
    assert page.open == page.loaded == []
    assert not re.search(r"<script|url\(|@import|http", text)
    headings = ["Scores", "Copies", "Columns", "Correlations", "Generated rows"]
    assert [data for data in page.text if data in headings] == headings
    return "\n".join(page.text)


@pytest.mark.slow
@pytest.mark.once
def test_tables_are_learnt_and_filled_in(script, tmp_path):
    printed = script(
        ROOT / "examples" / "table.py",
        *("--steps", "5", "--splits", "1", "--samples", "200"),
        *("--sampler-steps", "3", "--draws", "2"),
    )
    assert len(re.findall(r"^split 0(?: +[\d.]+){5}$", printed, re.MULTILINE)) == 2
    assert len(re.findall(r"^mean(?: +[\d.]+){5}$", printed, re.MULTILINE)) == 2
    assert (
        len(re.findall(r"^generated rows reach [\d.]+% of the score", printed, re.MULTILINE)) == 2
    )
    for name in ("wine", "breast_cancer"):
        folder = tmp_path / "tables" / name
        assert {path.name for path in folder.iterdir()} == TABLE_FILES
        assert len((folder / "synthetic.csv").read_text().splitlines()) == 201
        check_page(folder / "report.html")


@pytest.mark.slow
@pytest.mark.once
def test_a_table_of_ones_own_is_learnt(script, tmp_path):
    rng = np.random.default_rng(0)
    lines = ["x,<b>名</b>,y,day,code,who,nothing,-"]
    for i, x in enumerate(rng.normal(size=60)):
        sign = "<script>alert(1)</script>" if x > 0 else "&amp;"
        missing = x if i % 3 else ""
        lines.append(f"{missing},{sign},{3 * x},{1 + i % 28}.02.2024,0{i % 2},{i}name,,5")
    (tmp_path / "own.csv").write_text("\n".join([*lines, "1.0,&amp;,,,,,,"]), "utf-8")
    options = ("--steps", "5", "--splits", "1", "--sampler-steps", "3", "--draws", "2")
    arguments = ("--data", "own.csv", "--target", "y", "--out", "out", *options)
    printed = script(ROOT / "examples" / "table.py", *arguments)
    assert re.search(r"^own +real rows", printed, re.MULTILINE)
    assert "Left out, because empty or mostly distinct strings: ['who', 'nothing']." in printed

    assert {path.name for path in (tmp_path / "out" / "own").iterdir()} == TABLE_FILES
    text = check_page(tmp_path / "out" / "own" / "report.html")
    for shown in ("2. <b>名</b>", "<script>alert(1)</script>", "2024-02-01"):
        assert shown in text
    assert re.search(r"^[34]\d% missing$", text, re.MULTILINE)
    imputed = (tmp_path / "out" / "own" / "imputed.csv").read_text("utf-8").splitlines()
    assert imputed[0] == "x,<b>名</b>,y,day,code,-"
    assert len(imputed) == 62
    assert all(cell for line in imputed for cell in line.split(","))
    assert imputed[2].endswith("2024-02-02,01,5")
    loaded = keras.saving.load_model(tmp_path / "out" / "own" / "model.keras")
    assert list(loaded.sample(3, num_steps=2)) == imputed[0].split(",")


@pytest.mark.slow
@pytest.mark.once
def test_a_rule_of_a_table_of_ones_own_holds(script, refusal, tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    start = pandas.Timestamp("2026-01-01") + pandas.to_timedelta(rng.integers(0, 300, 80), "D")
    end = pandas.Series(start + pandas.to_timedelta(rng.integers(0, 9, 80), "D"))
    df = pandas.DataFrame({"start": start, "end": end.mask(rng.random(80) < 0.2)})
    df.assign(x=rng.normal(size=80), y=rng.normal(size=80)).to_csv(tmp_path / "own.csv")
    options = ("--steps", "5", "--splits", "1", "--sampler-steps", "3", "--draws", "2")
    arguments = ("--data", "own.csv", "--target", "y", "--out", "out", *options)
    rule = ("--at-least", "end", "start")
    printed = script(ROOT / "examples" / "table.py", *arguments, *rule)
    assert "To keep this" not in printed
    for name in ("synthetic", "imputed"):
        dates = ["start", "end"]
        rows = pandas.read_csv(tmp_path / "out" / "own" / f"{name}.csv", parse_dates=dates)
        there = rows.dropna(subset=dates)
        assert len(there) > 10
        assert (there["end"] >= there["start"]).all()
    path = ROOT / "examples" / "table.py"
    assert "To keep this: --at-least end start" in script(path, *arguments)
    assert "--at-least must name two of" in refusal(path, *arguments, "--at-least", "end", "then")
    message = refusal(path, *arguments, "--at-least", "start", "end")
    assert re.search(r"start is below end in \d+ rows of the file", message)


@pytest.mark.once
@pytest.mark.parametrize("target", ["day", "nothing", "neither"])
def test_a_target_that_is_none_is_refused(target, refusal, tmp_path):
    (tmp_path / "own.csv").write_text("x,day,nothing\n1.5,2024-02-01,\n2.5,2024-02-02,\n")
    message = refusal(ROOT / "examples" / "table.py", "--data", "own.csv", "--target", target)
    assert "--target must be one of ['x', 'day'], and not a date" in message


@pytest.mark.once
def test_codes_early_dates_and_times_with_zones_are_read(table_report, tmp_path):
    table = importlib.import_module("table")
    (tmp_path / "own.csv").write_text(
        "time,born,made,first,x\n0830,1450-05-01,2020-01-02T00:00:00Z,01.02.2020,1\n"
        "1745,1600-01-01,2020-02-02T00:00:00Z,13.02.2020,2\n"
    )
    df, _ = table.read_csv(tmp_path / "own.csv")
    assert df["time"].tolist() == ["0830", "1745"]
    assert [df[name].dtype.kind for name in ("born", "made", "first")] == ["M", "M", "M"]
    assert [rule[:5] for rule in table.find_rules(df, [])] == ["first"]  # never before "born"
    days = table_report.to_floats(df["born"])
    assert table_report._show_date(days[0]) == "1450-05-01"
    assert np.isfinite(table.score(df, df, "x"))


@pytest.fixture
def table_report(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module("table_report")


@pytest.mark.once
def test_associations_are_those_of_scipy(table_report):
    pandas, stats = pytest.importorskip("pandas"), pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    df = pandas.DataFrame({"x": x, "y": rng.normal(size=200) - x, "a": np.digitize(x, [-0.5, 0.5])})
    df["b"] = np.where(rng.uniform(size=200) < 0.5, df["a"], 1)
    df["constant"] = 3.0
    found = table_report.associations(table_report.as_numbers(df, df))
    explained = df.groupby("a")["x"].transform("mean").var() / df["x"].var()
    table = pandas.crosstab(df["a"], df["b"]).to_numpy()
    assert found[0, 1] == pytest.approx(np.corrcoef(df["x"], df["y"])[0, 1])
    assert found[0, 2] == found[2, 0] == pytest.approx(explained**0.5)
    assert found[2, 3] == pytest.approx(stats.contingency.association(table, method="cramer"))
    assert (found[4, :4] == 0).all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([10.0, 9.0, None, 10.0], ["9.0", "10.0"]),
        ([True, None, True, False], ["True", "False"]),
        (["<a>", "b", "b", None], ["b", "&lt;a&gt;"]),
        (["2024-02-03", "2024-02-01", "2024-02-03"], ["2024-02-01", "2024-02-03"]),
    ],
)
def test_bars_are_of_all_classes(values, shown, table_report):
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(values)
    if shown[0].startswith("2024"):
        series = pandas.to_datetime(series)
    bars = table_report.bars(series, series[:1])
    assert re.findall("<span>(.*?)</span>", bars) == shown
    assert bars.count("100.0%") == 2  # the one row that was drawn: in words, and in width


@pytest.mark.once
def test_rows_that_were_copied_are_told_from_new_ones(table_report):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    df = pandas.DataFrame(rng.normal(size=(300, 3)), columns=list("xyz"))
    df["class"] = rng.choice(["a", "b"], 300)
    learnt, held_out, new = df[:100], df[100:200], df[200:]
    of_copies, of_held_out = table_report.distances(learnt, learnt[:50], held_out)
    assert of_copies.max() < 1e-6 < 0.1 < np.median(of_held_out)
    assert "100.0% of generated rows" in table_report.describe_copies(of_copies, of_held_out)
    of_new, _ = table_report.distances(learnt, new, held_out)
    assert np.median(of_new) == pytest.approx(np.median(of_held_out), rel=0.2)
    of_other_class, _ = table_report.distances(learnt[:1], learnt[:1].assign(**{"class": "?"}), new)
    assert of_other_class == pytest.approx([1.0])


def run_forecast(script, cwd, *arguments):
    printed = script(ROOT / "examples" / "forecast.py", *arguments)
    assert (cwd / "forecast" / "forecast.png").stat().st_size > 5000
    loaded = keras.saving.load_model(cwd / "forecast" / "model.keras")
    return loaded, dict(re.findall(r"^(.*?) {2,}([\d.]+)%?$", printed, re.MULTILINE))


@pytest.mark.slow
@pytest.mark.once
def test_a_series_of_ones_own_is_forecast(script, tmp_path):
    series = np.random.default_rng(0).normal([300.0, -5.0], [4.0, 0.1], (24 * 20, 2))
    np.save(tmp_path / "own.npy", series)
    arguments = ("--series", "own.npy", "--epochs", "2", "--forecasts", "2", "--draws", "20")
    arguments = (*arguments, "--particles", "1", "--sampler-steps", "3", "--days", "3")
    loaded, found = run_forecast(script, tmp_path, *arguments)
    assert list(found) == ["nats for two days, model", "held-out values in the 90% bands"]
    np.testing.assert_allclose(loaded.flow.center, [300.0, -5.0], rtol=0.02)


@pytest.mark.once
def test_a_series_of_three_days_is_refused(refusal, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros(3 * 24))
    message = refusal(ROOT / "examples" / "forecast.py", "--series", "short.npy")
    assert "--series: must have at least four days" in message


@pytest.mark.once
@pytest.mark.parametrize(("num_days", "days"), [(20, 1), (20, 7), (40, 7), (12, 5)])
def test_no_day_of_a_forecast_was_trained_on(num_days, days, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "examples")
    forecast = importlib.import_module("forecast")
    np.save(tmp_path / "days.npy", np.repeat(np.arange(num_days), 24))  # of which day it is
    arguments = ["forecast.py", "--series", str(tmp_path / "days.npy"), "--days", str(days)]
    monkeypatch.setattr("sys.argv", [*arguments, "--output", str(tmp_path)])
    args = forecast.parse_arguments()
    trained = []

    def train(windows, epochs):
        trained.extend(np.unique(windows))
        raise InterruptedError

    monkeypatch.setattr(forecast, "train", train)
    with pytest.raises(InterruptedError):
        forecast.main(args)
    num_held_out = max(1, (num_days - 1) // 10)
    assert trained == list(range(num_days - num_held_out - days))  # the next day is a past


@pytest.mark.nightly
@pytest.mark.once
def test_bands_of_a_forecast_hold_what_the_process_says(script, tmp_path):
    _, found = run_forecast(script, tmp_path)
    nats = [float(found[name]) for name in list(found)[:2]]
    assert nats[1] < nats[0] < nats[1] + 6
    assert 85 < float(found["true process's mass in the 90% bands"]) < 95


def run_image_folder(script, cwd, *arguments):
    printed = script(
        ROOT / "examples" / "image_folder.py",
        *("--image-size", "8", "--width", "8", "--batch-size", "128"),
        *("--steps", "1", "--repeats", "1", "--sampler-steps", "2"),
        *("--output", "out", *arguments),
    )
    pattern = r"^[\d.]+ \+- [\d.]+ bits per dimension for (\d+) held-out pictures$"
    (num,) = re.findall(pattern, printed, re.MULTILINE)
    assert (cwd / "out" / "model.keras").is_file()
    assert (cwd / "out" / "samples.png").stat().st_size > 5000
    return printed, int(num)


@pytest.mark.slow
@pytest.mark.once
def test_a_folder_of_pictures_is_made_and_learnt(script, tmp_path):
    printed, num = run_image_folder(script, tmp_path)
    assert "No folder given: created out/pictures/ from two photographs" in printed
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


@pytest.mark.slow
@pytest.mark.once
def test_a_preset_of_ten_digits_is_fine_tuned_on_a_folder_of_eleven_classes(script, tmp_path):
    image = pytest.importorskip("PIL.Image")
    for i in range(110):
        picture = np.random.default_rng(i).integers(0, 256, (28, 28), "uint8")
        (tmp_path / "mine" / f"{i % 11:02}").mkdir(parents=True, exist_ok=True)
        image.fromarray(picture).save(tmp_path / "mine" / f"{i % 11:02}" / f"{i}.png")
    arguments = ("image", "--data", "mine", "--steps", "1", "--marks", "1")
    printed = script(ROOT / "examples" / "fine_tune.py", *arguments)
    for name in ("fine-tuned", "from scratch"):
        before, after = re.search(rf"^{name} +([\d.]+) +([\d.]+)$", printed, re.MULTILINE).groups()
        assert float(after) < float(before)


@pytest.mark.once
def test_classes_without_pictures_to_train_on_are_refused(refusal, tmp_path):
    image = pytest.importorskip("PIL.Image")
    for i in range(20):
        (tmp_path / "mine" / f"class {i}").mkdir(parents=True)
        picture = image.fromarray(np.full((8, 8, 3), i, "uint8"))
        picture.save(tmp_path / "mine" / f"class {i}" / "only.png")
    message = refusal(
        *(ROOT / "examples" / "image_folder.py", "mine", "--image-size", "8"),
        *("--batch-size", "2", "--output", "out"),
    )
    assert re.search(r"all pictures of \['class \d+', .* are held out", message)


@pytest.mark.slow
@pytest.mark.once
def test_pieces_of_photographs_are_learnt(brief, script, tmp_path):
    pytest.importorskip("skimage")
    printed = script(
        ROOT / "examples" / "photographs.py",
        *("--size", "8", "--width", "8", "--shrink", "4", "--seconds", "0.1", "--repeats", "1"),
        *("--sampler-steps", "2", "--save-preset", "preset", "--mixed-precision"),
    )
    pattern = r"^([\d.]+) \+- [\d.]+ bits per dimension of (\d+) pieces, (given|not given)"
    rows = re.findall(pattern, printed, re.MULTILINE)
    assert [name for *_, name in rows] == ["given", "not given"]
    assert all(5 < float(bits) < 30 and num == "199" for bits, num, _ in rows)
    assert 5 < float(re.search(r"^([\d.]+) bits .* as PNG files$", printed, re.MULTILINE)[1]) < 20
    assert (tmp_path / "photographs" / "samples.png").stat().st_size > 5000
    kept = keras_bfn.BayesianFlowNetwork.from_preset(tmp_path / "preset")
    assert kept.network.dtype_policy.name == "float32"
    assert kept.condition_dropout == 0.2


@pytest.mark.once
def test_held_out_pieces_show_no_pixel_of_training_pieces(monkeypatch):
    pytest.importorskip("skimage")
    monkeypatch.syspath_prepend(ROOT / "examples")
    photographs = importlib.import_module("photographs")
    widths = [160, 200]
    columns = [np.tile(np.arange(w)[None, :, None], (40, 1, 3)) for w in widths]
    data = photographs.split(columns, 16, seed=0)
    for label, width in enumerate(widths):
        seen = [set() for _ in data]
        for part, found in zip(data, seen, strict=True):
            for ((images, labels),) in part:
                found.update(np.unique(images[labels == label]))
        assert max(seen[0]) == width * 3 // 4 - 1
        assert max(seen[0]) < min(seen[1]) <= max(seen[1]) < min(seen[2]) < width


@pytest.mark.once
@pytest.mark.slow
def test_words_of_different_lengths_are_learnt_beside_their_entropy(script):
    small = ("--words", "128", "--held-out", "40", "--samples", "36")
    printed = script(ROOT / "examples" / "lengths.py", "--epochs", "1", *small)
    cost, entropy = (
        float(re.search(rf"{name}: ([\d.]+)", printed)[1])
        for name in ("Held-out words", "The grammar's entropy, given lengths")
    )
    assert 1.4 < entropy < 1.7 < cost
    assert "100.0% have the requested length" in printed


@pytest.mark.nightly
@pytest.mark.once
def test_words_of_different_lengths_cost_their_entropy(script):
    printed = script(ROOT / "examples" / "lengths.py")
    assert float(re.search(r"Excess: ([\d.]+)%", printed)[1]) < 3
    assert "100.0% have the requested length" in printed


@pytest.mark.slow
@pytest.mark.once
def test_molecules(script, tmp_path):
    smiles = [
        x + "C" * i for x in ("O", "CC1CC1(C)", "N", "C(=O)N", "[C@@H](N)O") for i in range(6)
    ]
    rows = "".join(f"{x},train\n" for x in smiles)
    text = f"SMILES,SPLIT\n{rows},empty\n"
    (tmp_path / "few.CSV").write_text(text, encoding="utf-8-sig")  # as spreadsheets write it
    printed = script(
        ROOT / "examples" / "molecules.py",
        *("--data", "few.CSV", "--seconds", "1", "--length", "16", "--width", "8", "--layers", "1"),
        *("--samples", "8", "--sampler-steps", "2", "--start", "CC"),
    )
    assert "27 molecules of" in printed
    for order in ("left to right", "together"):
        assert re.search(rf"a held-out molecule costs [\d.]+ nats, {order}", printed)
    names = ("left to right", "by messages", "guided by syntax")
    row = rf"^({'|'.join(names)}) +([\d.]+% *){{3}}[\d.]+$"
    assert len(re.findall(row, printed, re.MULTILINE)) == 3
    for name in names:
        texts = (tmp_path / "molecules" / f"{name.replace(' ', '_')}.smi").read_text()
        assert [text[:2] for text in texts.splitlines()] == ["CC"] * 8
    assert keras.saving.load_model(tmp_path / "molecules" / "model.keras").event_shape == (16,)


@pytest.mark.once
def test_molecules_are_guided_by_the_brackets_and_rings_of_their_alphabet(monkeypatch):
    pytest.importorskip("rdkit")
    monkeypatch.syspath_prepend(ROOT / "examples")
    molecules = importlib.import_module("molecules")
    assert molecules.syntax_of(keras_bfn.datasets.Symbols(["C", "O"])) is None
    symbols = keras_bfn.datasets.Symbols(list("C()12"))
    texts = ["C(C1)C1", "C1C2C1C2", "C(C", "C)", "C1C", "C(C12)C2", "C" + 9 * "(" + 9 * ")"]
    likelihood = molecules.syntax_of(symbols)
    probs = np.eye(symbols.num_classes, dtype="float32")[symbols.encode_batch(texts)]
    rules = [keras.ops.convert_to_numpy(rule.likelihood(probs)) for rule in likelihood.leaves()]
    np.testing.assert_array_equal(np.sum(rules, axis=0) > -1, [True] * 2 + [False] * 5)


def run_text(script, *arguments):
    small = ("--seconds", "1", "--length", "16", "--width", "8", "--layers", "1", "--samples", "2")
    printed = script(ROOT / "examples" / "text.py", *arguments, *small)
    line = r"^  \d+ s, step [\d]+, \d+ of 1 s of training, loss .*, val_bits_per_character [\d.]+$"
    assert re.search(line, printed, re.MULTILINE)
    rows = re.findall(r"^(model|bzip2|lzma) +([\d.]+)$", printed, re.MULTILINE)
    assert [name for name, _ in rows][:1] == ["model"]
    assert len(rows) == 2
    assert len(re.findall(r"^[\d.]+% of the words of the ", printed, re.MULTILINE)) == 2
    return printed, {name: float(bits) for name, bits in rows}


LINES = "It is 1851 — not 1852!\n“Why, ” he said. " * 200


@pytest.mark.slow
@pytest.mark.once
def test_a_text_of_ones_own_is_learnt(script, tmp_path):
    (tmp_path / "own.txt").write_text(LINES, "utf-8")
    printed, bits = run_text(script, "own.txt", "--prompt", "“It is ")
    assert f"{len(LINES):,} characters, as {len(set(LINES))} tokens" in printed
    assert re.search(r"^Continued:\n“It is ", printed, re.MULTILINE)
    assert bits["model"] < np.log2(len(set(LINES)))
    samples = (tmp_path / "text" / "samples.txt").read_text("utf-8").split("\n\n---\n\n")
    assert [len(text) for text in samples] == [48, 48]
    loaded = keras.saving.load_model(tmp_path / "text" / "model.keras")
    assert loaded.tokenizer.alphabet == "".join(sorted(set(LINES)))
    text = loaded.generate_text(2, length=48, order="left_to_right", seed=0, verbose=0)
    assert text == samples


@pytest.mark.slow
@pytest.mark.once
def test_a_text_of_many_characters_is_learnt_as_bytes(script, tmp_path):
    text = " ".join(map(chr, range(0x4E00, 0x4E00 + 500)))
    (tmp_path / "own.txt").write_text(text, "utf-8")
    printed, bits = run_text(script, "own.txt")
    assert "999 characters, as 256 tokens" in printed
    assert 2 < bits["model"] < 16  # half of them spaces, half of three bytes
    assert keras.saving.load_model(tmp_path / "text" / "model.keras").tokenizer.num_classes == 256


@pytest.mark.slow
@pytest.mark.once
def test_without_a_text_the_embedded_one_is_learnt(script, tmp_path):
    printed, _ = run_text(script)
    characters = int(re.search(r"([\d,]+) characters", printed)[1].replace(",", ""))
    assert characters == len((tmp_path / "text" / "embedded.txt").read_text("utf-8")) > 100_000


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("abc" * 5, (), "`--length` must be at most"),
        (LINES, ("--prompt", "Ω"), r"`text` must contain only .* with \['Ω'\]"),
        (None, (), "No such file"),
    ],
)
def test_a_text_that_cannot_be_learnt_is_refused(text, arguments, message, refusal, tmp_path):
    if text is not None:
        (tmp_path / "own.txt").write_text(text, "utf-8")
    told = refusal(ROOT / "examples" / "text.py", "own.txt", *arguments)
    assert re.search(message, told)
