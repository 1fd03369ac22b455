"""The card tells the data, the figures, the licence, the model, and how to load it."""

import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork, flows, networks
from keras_bfn.presets.card import check_card, draw_images, write_card
from tests.models.small import EVENT_SHAPE, FLOWS, ConditionNetwork, make_data, make_model
from tests.test_docstrings import python_blocks

pytestmark = pytest.mark.once

HANDLE = "hf://user/digits"


def card(model, tmp_path, figures=None, caption=None, data="Noise.", license="mit"):
    figures = check_card(data, license, figures)
    write_card(model, tmp_path, HANDLE, data, license, figures, caption)
    return (tmp_path / "README.md").read_text()


def conditional(conditions=3):
    flow = FLOWS["binary"]()
    network = networks.UNet(flow, EVENT_SHAPE, 8, num_blocks=1, conditions=conditions)
    return BayesianFlowNetwork(flow, network)


def test_a_card_is_all_that_was_said(tmp_path):
    model = make_model(FLOWS["binary"]())
    text = card(model, tmp_path, {"nats per image": 74.6612}, "Samples")
    header, title = text.split("---\n")[1:3]
    assert header.splitlines() == [
        "license: mit",
        "library_name: keras_bfn",
        "tags:",
        "- keras",
        "- bayesian-flow-networks",
        "pipeline_tag: unconditional-image-generation",
    ]
    assert title.startswith("\n# digits\n")
    for line in (
        "![Samples](samples.png)",
        "Noise.",
        "| nats per image | 74.66 |",
        "| flow | `DiscreteFlow(num_classes=2, schedule=QuadraticSchedule(beta_1=4.0))` |",
        "| shape | (4, 4, 1) |",
        f"| network | `Functional`, {model.network.count_params()} weights |",
        "mit",
    ):
        assert f"\n{line}\n" in text
    assert "\n\n\n" not in text


def test_without_picture_and_figures_there_is_no_word_of_them(tmp_path):
    text = card(make_model(FLOWS["binary"]()), tmp_path)
    assert "samples.png" not in text
    assert "pipeline_tag" not in text
    assert "Figures" not in text
    assert "\n\n\n" not in text


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: make_model(FLOWS["binary"]()), conditional])
def test_what_a_card_says_of_loading_runs(make, tmp_path, monkeypatch):
    model = make()
    monkeypatch.setattr(BayesianFlowNetwork, "from_preset", lambda preset: {HANDLE: model}[preset])
    (block,) = python_blocks(card(model, tmp_path))
    names = {}
    exec(block, names)
    assert names["samples"].shape == (16, *EVENT_SHAPE)


def test_figures_of_evaluate_get_their_units(tmp_path):
    model = make_model(FLOWS["binary"]())
    figures = model.evaluate(make_data(model.flow), return_dict=True, verbose=0)
    text = card(model, tmp_path, {**figures, "label_nats_per_example": 0.5, "a|b\nc": "3 | 4"})
    for name in (
        "transmission, nats per variable",
        "reconstruction, nats per variable",
        "bits per dimension",
        "nats per example",
    ):
        assert f"| {name} | " in text
    assert "| nats per example, label | 0.5 |\n" in text
    assert "| a\\|b c | 3 \\| 4 |\n" in text
    assert "loss" not in text.partition("## Figures")[2]


def test_parts_conditions_and_own_networks_are_described(tmp_path):
    flow = {"image": FLOWS["binary"](), "label": FLOWS["discrete"]()}
    network = networks.MultiPart(flow, {"image": EVENT_SHAPE, "label": ()}, 8, num_blocks=1)
    text = card(BayesianFlowNetwork(flow, network), tmp_path)
    assert "| flow of image | `DiscreteFlow(num_classes=2" in text
    assert "| shape of label | () |" in text
    assert "| conditions | integers 0..2; 3 means no condition |" in card(conditional(), tmp_path)
    own = ConditionNetwork(output_size=1)
    model = BayesianFlowNetwork(FLOWS["binary"](), own, EVENT_SHAPE)
    model.build((None, *EVENT_SHAPE))
    text = card(model, tmp_path)
    assert "| to import first | `tests.models.small`, which registers `ConditionNetwork` |" in text


def test_images_are_drawn_a_column_for_each_class(monkeypatch):
    model = conditional(12)
    asked = {}

    def generate(num, num_steps, condition, **kwargs):
        asked.update(condition=condition)
        return np.zeros((num, *EVENT_SHAPE))

    model.generate = generate
    images, columns, caption = draw_images(model)
    assert images.shape == (40, *EVENT_SHAPE)
    assert columns == 10
    np.testing.assert_array_equal(asked["condition"].reshape(4, 10), [np.arange(10)] * 4)
    assert caption.endswith("one column for each of the conditions 0..9")


def test_of_several_parts_the_image_is_drawn():
    flow = {"label": FLOWS["discrete"](), "image": FLOWS["binary"]()}
    network = networks.MultiPart(flow, {"label": (), "image": EVENT_SHAPE}, 8, num_blocks=1)
    images, _, _ = draw_images(BayesianFlowNetwork(flow, network))
    assert images.shape == (32, *EVENT_SHAPE)


def test_what_is_no_image_is_not_drawn():
    flow = flows.DiscreteFlow(num_classes=27, beta_1=0.5)
    network = networks.MLP(flow, (8,), width=8)
    assert draw_images(keras_bfn.BayesianFlowNetwork(flow, network)) is None
    own = networks.UNet(FLOWS["binary"](), EVENT_SHAPE, 8, num_blocks=1, conditions=(3,))
    assert draw_images(BayesianFlowNetwork(own.flow, own)) is None
