"""The tracks: data in three parts, a recipe, and the orders in which held-out data are sent."""

import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import keras_bfn
from benchmarks.mnist_model import binarize, load_mnist
from keras_bfn import datasets, flows, networks, recipes

EPOCH = 25  # steps between settings of the rate, readings of the clock, and checkpoints


class Track(NamedTuple):
    """The data, model and recipe of a track, and how to report its costs.

    Attributes:
        model: a `BayesianFlowNetwork` that is not compiled.
        optimizer: a Keras optimizer with a constant rate, the peak.
        train: `keras_bfn.datasets.Batches`, whose epochs have `EPOCH` steps.
        validation, test: arrays. The first is for choices; the second is scored once.
        unit: string, the unit of costs.
        per_nat: float. One nat per example, in this unit.
        orders: tuple of the orders in which held-out data are sent; the first is the record's.
    """

    model: Any
    optimizer: Any
    train: datasets.Batches
    validation: Any
    test: Any
    unit: str
    per_nat: float
    orders: tuple


TEXT = {
    "policy": "float32",
    "loss": "cross_entropy",
    "length": 256,
    "order": 3,
    "width": 128,
    "layers": 5,
    "heads": 0,
    "kernel": 5,
    "dropout": 0.0,
    "batch": 24,
    "rate": 7e-3,
    "shares": {"together": 1.0, "given": 0.5, "random": 0.5, "left_to_right": 1.5},
}
MNIST = {
    "policy": "mixed_bfloat16",
    "loss": "cross_entropy",
    "width": 64,
    "coarse_width": 96,
    "batch": 128,
    "rate": 7e-3,
    "shares": None,
}
DIGITS = {
    "policy": "float32",
    "loss": "continuous_time",
    "prediction": "noise",
    "width": 16,
    "blocks": 1,
    "dropout": 0.1,
    "batch": 128,
    "rate": 3e-3,
    "shares": None,
}


def text(recipe, data, seed):
    """Windows of text in 27 letters: the last 5% for testing, the 5% before them for validation."""
    length = recipe["length"]
    train, *held_out = (
        part.tokens.astype("int32") for part in datasets.text_file(data, seq_length=length)
    )
    flow = flows.DiscreteFlow(num_classes=27, beta_1=0.75)
    flow = flows.fit_prior(flow, train[None], order=recipe["order"])
    network = networks.Transformer(
        flow,
        length,
        width=recipe["width"],
        num_layers=recipe["layers"],
        num_heads=recipe["heads"],
        kernel_size=recipe["kernel"],
        dropout=recipe["dropout"],
        times="variables",
        causal=True,
    )
    model = keras_bfn.AnyOrderNetwork(
        flow,
        network,
        states=recipe["shares"],
        tokenizer=datasets.Letters(),
        seed=seed,
    )

    def windows(starts, rng):
        return train[starts[:, None] + np.arange(length)]

    validation, test = (part[: len(part) // length * length] for part in held_out)
    return Track(
        model,
        recipes.muon(peak_rate=recipe["rate"]),
        _batches(np.arange(len(train) - length), windows, recipe, seed),
        validation.reshape(-1, length),
        test.reshape(-1, length),
        "bits per letter",
        1 / (math.log(2) * length),
        ("left_to_right", "together", "random"),
    )


def mnist(recipe, data, seed):
    """MNIST, binarised anew in every batch; the last 5,000 images are for validation."""
    levels, _ = load_mnist("train", data)
    test, _ = load_mnist("test", data)
    flow = flows.DiscreteFlow(num_classes=2, beta_1=7.0)
    flow = flows.fit_prior(flow, binarize(levels[:10_000], np.random.default_rng(0)))
    times = "shared" if recipe["shares"] is None else "variables"
    network = networks.PatchTransformer(
        flow,
        (28, 28, 1),
        patch_size=2,
        width=recipe["width"],
        num_layers=4,
        num_coarse_layers=3,
        coarse_width=recipe["coarse_width"],
        times=times,
    )
    return _pictures(
        flow,
        network,
        recipes.muon(peak_rate=recipe["rate"]),
        recipe,
        seed,
        levels,
        5000,
        binarize,
        test,
    )


def digits(recipe, data, seed):
    """scikit-learn's 8x8 digits: 1,200 training, 300 validation and 297 test images, 17 levels."""
    levels = load_digits().images[..., None]
    levels = levels[np.random.default_rng(0).permutation(len(levels))].astype("int32")
    flow = flows.DiscretizedFlow(num_bins=17, sigma_1=0.02, prediction=recipe["prediction"])
    network = networks.UNet(
        flow,
        (8, 8, 1),
        width=recipe["width"],
        num_blocks=recipe["blocks"],
        dropout=recipe["dropout"],
        times="shared" if recipe["shares"] is None else "variables",
    )
    optimizer = recipes.adamw(peak_rate=recipe["rate"])
    return _pictures(
        flow, network, optimizer, recipe, seed, levels[:1500], 300, lambda x, rng: x, levels[1500:]
    )


def _pictures(flow, network, optimizer, recipe, seed, levels, num_held_out, transform, test):
    train, validation = levels[:-num_held_out], levels[-num_held_out:]
    if recipe["shares"] is None:
        model = keras_bfn.BayesianFlowNetwork(flow, network, seed=seed)
    else:
        model = keras_bfn.AnyOrderNetwork(flow, network, states=recipe["shares"], seed=seed)

    held_out = (transform(part, np.random.default_rng(0)) for part in (validation, test))
    orders = ("together",) if recipe["shares"] is None else ("together", "random")
    batches = _batches(train, transform, recipe, seed)
    return Track(model, optimizer, batches, *held_out, "nats per image", 1.0, orders)


def _batches(examples, transform, recipe, seed):
    return datasets.Batches(examples, transform, recipe["batch"], seed=seed, steps_per_epoch=EPOCH)


TRACKS = {"text": (text, TEXT), "mnist": (mnist, MNIST), "digits": (digits, DIGITS)}
