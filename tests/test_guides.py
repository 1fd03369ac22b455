"""Every guide runs from its first line to its last."""

import functools
import itertools
import pathlib

import keras
import numpy as np
import pytest

from keras_bfn.codec import Codec
from keras_bfn.inference.program import LoopProgram, Program
from keras_bfn.inference.scoring import RepeatedBatches
from tests.models.small import FLOWS, make_model

ROOT = pathlib.Path(__file__).parents[1]
GUIDES = sorted((ROOT / "guides").glob("*.py"))
HEADER = ["Title", "Author", "Date created", "Last modified", "Description", "Accelerator"]
NAMES = [guide.stem for guide in GUIDES]

# The backend on which each guide runs in the quick suite: most where there is nothing to compile.
TURNS = {
    "jax": ["several_devices", "switching_backends"],
    "tensorflow": ["getting_started", "networks_and_presets"],
    "torch": [
        "long_runs",
        "reproducing_the_paper",
        "sampling",
        "saving_and_sharing",
        "sending_data",
        "several_kinds",
        "tables_from_a_dataframe",
        "text",
        "training_step",
        "your_own_network",
    ],
    # However little is learnt, these take five seconds to half a minute.
    None: [
        "fine_tuning_and_export",
        "lossless_compression",
        "custom_data_types",
        "guidance",
        "in_any_order",
    ],
}


def test_each_guide_has_its_turn():
    assert sorted(itertools.chain(*TURNS.values())) == NAMES


@pytest.fixture
def brief(monkeypatch):
    """Leaves of a training two steps, of a sampler's three, of a codec's one, of batches the first.

    What is returned has the same shape as ever.
    """
    fit, set_steps, make_codec = keras.Model.fit, LoopProgram.set_steps, Codec.__init__

    @functools.wraps(fit)
    def fit_briefly(self, *args, epochs=1, **kwargs):
        history = fit(self, *args, **{**kwargs, "epochs": 1, "steps_per_epoch": 2})
        history.history = {name: values * epochs for name, values in history.history.items()}
        return history

    def of_the_first_batch(run):
        @functools.wraps(run)
        def run_briefly(self, x, batch_size=None, **kwargs):
            if isinstance(x, RepeatedBatches):
                first, num, batch_size = x[0][0], x.num_batches, x.batch_size
            else:
                first = keras.tree.map_structure(lambda rows: rows[:batch_size], x)
                num = len(keras.tree.flatten(x)[0]) // batch_size
            outputs = run(self, first, batch_size, **kwargs)
            return keras.tree.map_structure(lambda rows: np.concatenate([rows] * num), outputs)

        return run_briefly

    def set_steps_briefly(self, num_steps, *guides, **options):
        looks_are_seen = getattr(self, "keeps_trajectory", False)
        set_steps(self, num_steps if looks_are_seen else min(num_steps, 3), *guides, **options)

    def make_codec_briefly(self, model, num_steps=1, **kwargs):
        make_codec(self, model, 1, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", fit_briefly)
    for name in ("predict", "predict_batches"):  # what programs are run by
        monkeypatch.setattr(Program, name, of_the_first_batch(getattr(Program, name)))
    monkeypatch.setattr(LoopProgram, "set_steps", set_steps_briefly)
    monkeypatch.setattr(Codec, "__init__", make_codec_briefly)


@pytest.mark.once
def test_briefly_each_verb_runs_one_batch(brief):
    """The others are copies of it."""
    model = make_model(FLOWS["binary"]())
    x = model.generate(12, 9, "sde1", batch_size=4, seed=0, verbose=0)
    given = np.tile(x[:4], (3, 1, 1, 1))
    nats = model.code_length(given, batch_size=4, seed=0, verbose=0)["transmission"]
    for rows in (x, nats):
        assert len(rows) == 12
        np.testing.assert_array_equal(rows[:4], rows[4:8])
        np.testing.assert_array_equal(rows[:4], rows[8:])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.once(backend) if backend else pytest.mark.slow)
        for backend, names in TURNS.items()
        for name in names
    ],
)
def test_a_guide_runs_briefly(name, brief, script):
    assert script(ROOT / "guides" / f"{name}.py").strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_guide_runs(name, script):
    assert script(ROOT / "guides" / f"{name}.py").strip()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_has_the_header_of_a_keras_guide(guide):
    header = guide.read_text().split('"""')[1].strip().splitlines()
    keys = [line.split(":")[0] for line in header]
    assert keys == HEADER
