"""Every guide runs from its first line to its last."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
GUIDES = sorted((ROOT / "guides").glob("*.py"))
HEADER = ["Title", "Author", "Date created", "Last modified", "Description", "Accelerator"]


def test_there_are_guides():
    assert {guide.stem for guide in GUIDES} >= {
        "getting_started",
        "switching_backends",
        "networks_and_presets",
        "sampling",
        "long_runs",
        "lossless_compression",
        "guidance",
        "custom_data_types",
        "several_devices",
        "sending_data",
        "training_step",
        "your_own_network",
        "several_kinds",
        "fine_tuning_and_export",
        "tables_from_a_dataframe",
        "text",
        "saving_and_sharing",
        "reproducing_the_paper",
    }


# The others train for longer.
SHORT = ("networks_and_presets", "several_devices")


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    [pytest.param(g.stem, marks=[] if g.stem in SHORT else pytest.mark.slow) for g in GUIDES],
)
def test_a_guide_runs(name, script):
    assert script(ROOT / "guides" / f"{name}.py").strip()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_has_the_header_of_a_keras_guide(guide):
    header = guide.read_text().split('"""')[1].strip().splitlines()
    keys = [line.split(":")[0] for line in header]
    assert keys == HEADER
