"""Model cards of published models: README.md, and a picture of samples."""

import re

import numpy as np

from keras_bfn._parts import list_parts, part_names
from keras_bfn._validation import check_number, refusal
from keras_bfn.networks.conditions import describe_condition
from keras_bfn.saving.files import write_atomically

CARD, PICTURE = "README.md", "samples.png"
_NUM_ROWS = 4
_NUM_STEPS, _NUM_JUMPS = 50, 2

# Descriptions of the metrics that `evaluate` returns.
_EVALUATED = {
    "loss": "transmission, nats per variable",
    "reconstruction": "reconstruction, nats per variable",
    "bits_per_dim": "bits per dimension",
    "nats_per_example": "nats per example",
}
_OF_PART = "_nats_per_example"


def check_card(data, license, figures):
    """Returns the figures as a dict of strings.

    Raises:
        ValueError: if an argument is invalid.
    """
    if not isinstance(data, str) or not data.strip():
        raise refusal("data", "must be a description of the training data", data)
    if not isinstance(license, str) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", license):
        expected = "on Hugging Face, such as 'apache-2.0', 'cc-by-4.0' or 'other'"
        raise refusal("license", f"must be the name of a licence {expected}", license)
    figures = {} if figures is None else figures
    if not isinstance(figures, dict) or not all(isinstance(name, str) for name in figures):
        expected = "must be a dict from names of metrics, with their units, to numbers or strings"
        raise refusal("figures", expected, figures)
    return {name: _format(f"figures[{name!r}]", figure) for name, figure in figures.items()}


def _format(name, figure):
    return figure if isinstance(figure, str) else f"{check_number(name, figure):.4g}"


def draw_images(model):
    """Generates images for the card; for a class-conditional model, one class per column.

    Returns:
        The tuple of an array, the number of images per row, and a caption. None if the data are not
        images, or a custom network has conditions of unknown meaning.
    """
    shapes = model.event_shape if isinstance(model.event_shape, dict) else {"": model.event_shape}
    part = next((n for n, s in shapes.items() if len(s) == 3 and s[-1] in (1, 3)), None)
    num_classes = _num_classes(model)
    if part is None or (model.conditional and num_classes is None):
        return None
    columns, condition = 8, None
    num_steps = _num_steps(model)
    caption = f"Samples in {num_steps} steps"
    if num_classes is not None:
        columns = min(num_classes, 10)
        condition = np.arange(_NUM_ROWS * columns) % columns
        caption += f", one column for each of the conditions 0..{columns - 1}"
    images = model.generate(_NUM_ROWS * columns, num_steps, condition=condition, seed=0, verbose=0)
    return (images[part] if isinstance(images, dict) else images), columns, caption


def _num_steps(model):
    return _NUM_JUMPS if getattr(model, "jumps", False) else _NUM_STEPS


def _num_classes(model):
    """Returns the number of classes if the network's only condition is a class, else None."""
    conditions = getattr(model.network, "conditions", None)
    return conditions if isinstance(conditions, int) else None


def write_card(model, folder, handle, data, license, figures, caption):
    """Writes README.md into a preset's folder.

    Args:
        model: a `BayesianFlowNetwork`.
        folder: `pathlib.Path`.
        handle: string. The handle from which the model can be loaded.
        data, license: strings.
        figures: dict of strings.
        caption: string, the caption of `samples.png`; None if there is no picture.
    """
    picture = task = ""
    if caption is not None:
        picture = f"\n![Samples]({PICTURE})\n\n*{caption}.*\n"
        task = "pipeline_tag: unconditional-image-generation\n"
    if figures:
        table = _table({_in_words(name): figure for name, figure in figures.items()})
        figures = f"\n## Figures\n\n{table}\n"
    text = f"""\
---
license: {license}
library_name: keras_bfn
tags:
- keras
- bayesian-flow-networks
{task}---

# {handle.rpartition("/")[-1]}

A [Bayesian Flow Network](https://arxiv.org/abs/2308.07037) of `keras_bfn`, for Keras 3 on
TensorFlow, JAX and PyTorch.
{picture}
## Data

{data.strip()}
{figures or ""}
## Model

{_table(_describe(model))}

## Use

```python
import keras_bfn

model = keras_bfn.BayesianFlowNetwork.from_preset("{handle}")
samples = model.{_generate(model)}
```

## Licence

{license}
"""
    write_atomically(folder / CARD, lambda file: file.write(text.encode()))


def _in_words(name):
    if name.endswith(_OF_PART):
        return f"nats per example, {name.removesuffix(_OF_PART)}"
    return _EVALUATED.get(name, name)


def _describe(model):
    rows = {}
    names = {part: f" of {part}" for part in model.flow} if isinstance(model.flow, dict) else ""
    for name, flow, shape in list_parts(names, model.flow, model.event_shape):
        rows |= {f"flow{name}": f"`{flow!r}`", f"shape{name}": str(shape)}
    network = type(model.network)
    rows["network"] = f"`{network.__name__}`, {model.network.count_params():,} weights"
    conditions = getattr(model.network, "conditions", None)
    if conditions is not None:
        for name, one in list_parts(part_names(conditions, "conditions"), conditions):
            rows[name] = describe_condition(one)
    if network.__module__.split(".")[0] not in ("keras_bfn", "keras"):
        rows["to import first"] = f"`{network.__module__}`, which registers `{network.__name__}`"
    return rows


def _generate(model):
    """Returns the code that generates 16 samples; strings for a text model."""
    is_text = model.tokenizer is not None and not isinstance(model.flow, dict)
    is_written = is_text and "left_to_right" in getattr(model, "states", ())
    how = 'order="left_to_right"' if is_written else f"num_steps={_num_steps(model)}"
    call = f"{'generate_text' if is_text else 'generate'}(16, {how}"
    if _num_classes(model) is not None:
        return f"{call}, condition=[0] * 16)"
    # Only its author knows the conditions of a custom network.
    return f"{call}, condition=...)" if model.conditional else f"{call})"


def _table(rows):
    lines = (f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items())
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(text):
    return " ".join(text.split()).replace("|", "\\|")
