"""Writes the table of docs/presets.md from presets and their cards: `python -m docs.presets`."""

import ast
import json
import pathlib
import re

import keras

import keras_bfn

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "presets.md"
HEAD = [
    "preset",
    "data",
    "shape",
    "values",
    "condition, and its null",
    "weights",
    "cost of test data",
]
# What examples say that the paper states: by the preset, the file and the figure's key and unit.
STATED = {
    "bfn_mnist_binary": ("mnist.py", [None], "nats per image"),
    "bfn_cifar10_discretized_256": (
        "cifar10.py",
        [("discretized", 256), None],
        "bits per dimension",
    ),
    "bfn_text8": ("text8.py", [None], "bits per character"),
}


def read_config(preset):
    """The configs of a preset's model and of its network, of the paper's the arguments."""
    if preset.make_flow is None:
        model = json.loads((pathlib.Path(preset.weights) / "config.json").read_text())["config"]
        return model, model["network"]["config"]
    arguments = preset.make_network.keywords
    shape = arguments.get("image_shape") or arguments["event_shape"]
    return {"event_shape": shape}, arguments


def describe_values(preset, config):
    """The numbers or integers that a variable may be."""
    flow = preset.make_flow() if preset.make_flow else None
    flow = flow or keras.saving.deserialize_keras_object(config["flow"])
    low, high = flow.data_range
    return f"integers {low}..{high}" if flow.discrete else f"numbers in [{low:g}, {high:g}]"


def describe_condition(preset, conditions):
    """What `condition=` takes, and which value means none."""
    if conditions is None:
        return "none"
    if isinstance(conditions, int):
        return f"integers 0..{conditions - 1}; null {conditions}"
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", read_card(preset), re.MULTILINE))
    return ", ".join(
        f"`{name}`: {describe_condition(preset, one) if isinstance(one, int) else rows[name]}"
        for name, one in conditions.items()
    )


def read_card(preset):
    return (pathlib.Path(preset.weights) / "README.md").read_text()


def describe_cost(name, preset):
    """The first figure of a preset's card, or what the paper states."""
    if preset.make_flow is not None:
        if name not in STATED:
            return ""
        example, keys, unit = STATED[name]
        tree = ast.parse((ROOT / "examples" / example).read_text())
        (value,) = [n.value for n in tree.body if ast.unparse(n).startswith("PAPER = ")]
        figure = ast.literal_eval(value)
        for key in keys:
            figure = figure[key]
        return f"{figure} {unit} (the paper)"
    _, has_figures, text = read_card(preset).partition("## Figures\n")
    if not has_figures:
        return "only generates"
    intro, _, table = text.partition("| | |\n|---|---|\n")
    row, figure = re.match(r"\| (.*?) \| (.*?) \|", table).groups()
    if not re.match("nats|bits", row):
        row = f"{intro.strip().partition(',')[0].lower()}, {row}"
    return f"{figure.replace('+-', '±')} {row}"


def describe(name, preset):
    """A row of the table."""
    config, network = read_config(preset)
    shape = config["event_shape"]
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    condition = describe_condition(preset, network.get("conditions"))
    weights = f"{preset.num_params:,}"
    return [
        f"`{name}`",
        preset.description,
        str(shape),
        describe_values(preset, config),
        condition,
        weights,
        describe_cost(name, preset),
    ]


def table():
    """All presets, those in the package first."""
    rows = [describe(name, preset) for name, preset in keras_bfn.presets.PRESETS.items()]
    head, *lines = (f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in [HEAD, *rows])
    return "\n".join([head, "|---" * len(HEAD) + "|", *lines])


def write():
    text = PAGE.read_text()
    PAGE.write_text(re.sub(r"^\|.*\|$(\n\|.*\|$)*", lambda _: table(), text, count=1, flags=re.M))


if __name__ == "__main__":
    write()
