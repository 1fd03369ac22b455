"""Held-out nats against processor seconds, for this package's networks and the authors' code.

    KERAS_BACKEND=torch python -m benchmarks.learning mnist --official CLONE --data DIR
    KERAS_BACKEND=torch python -m benchmarks.learning text --official CLONE --data novel.txt

Every network trains for `--seconds` of processor time, in bfloat16 with `--mixed-precision`, by the
recipes of `examples/`. The learning rate is scheduled for as many steps as fit into the time. At
each tenth of these, the averaged weights are scored on held-out examples in continuous time; the
budget excludes scoring. CLONE is a clone of https://github.com/nnaisense/bayesian-flow-networks.
Its code trains the paper's network by the paper's recipe, but with smaller batches, so that a step
takes seconds, and with shorter averages. For text, it also trains a network of the size of ours.
Writes learning_mnist.png and learning_mnist.json, or the same for `text`.
"""

import argparse
import json
import math
import pathlib
import sys
import time

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_bfn
from keras_bfn import datasets, flows, networks, recipes

IMAGE_SHAPE, LENGTH, MARKS = (28, 28, 1), 256, 10


def mnist_networks(flow):
    patches = {"patch_size": 2, "width": 64, "num_layers": 4}
    coarse = {"num_coarse_layers": 3, "coarse_width": 96}
    return {
        "patches": (
            networks.PatchTransformer(flow, IMAGE_SHAPE, **patches, **coarse),
            recipes.muon,
        ),
        "patches, attention": (
            networks.PatchTransformer(
                flow, IMAGE_SHAPE, patch_size=4, width=128, num_heads=4, kernel_size=1, num_layers=6
            ),
            recipes.muon,
        ),
        "MLP": (networks.MLP(flow, IMAGE_SHAPE, width=512, num_blocks=3), recipes.adamw),
        "U-Net": (networks.UNet(flow, IMAGE_SHAPE, width=32, num_blocks=1), recipes.adamw),
    }


def text_networks(flow):
    def transformer(**options):
        return networks.Transformer(flow, LENGTH, width=128, num_layers=5, **options)

    plain = {"kernel_size": 1, "positions": "sinusoidal", "features": "plain", "expansion": 4}
    return {
        "neighbours": (transformer(num_heads=0), recipes.muon),
        "neighbours, attention": (transformer(num_heads=4), recipes.muon),
        "as the paper's, small": (transformer(num_heads=4, **plain), recipes.adamw),
    }


def mnist_data(path):
    data = datasets.mnist(128, data_dir=path)
    x = np.concatenate([data.train[i] for i in range(100)])
    flow = flows.fit_prior(flows.DiscreteFlow(2, beta_1=7.0), x, per_variable=True)
    return data, flow


def text_data(path):
    data = datasets.text_file(path, batch_size=32, seq_length=LENGTH)
    flow = flows.DiscreteFlow(27, beta_1=0.75)
    return data, flows.fit_prior(flow, data.train.tokens[None])


class Clock:
    """A clock of processor time without scoring, with the scores at each mark."""

    def __init__(self):
        self.start, self.rows = time.process_time(), []

    def mark(self, score):
        now = time.process_time()
        self.rows.append((now - self.start, score()))
        self.start += time.process_time() - now


class Curve(keras.callbacks.Callback):
    def __init__(self, clock, x, num_repeats):
        super().__init__()
        self.clock, self.x, self.num_repeats = clock, x, num_repeats

    def on_epoch_end(self, epoch, logs=None):
        self.clock.mark(self.score)

    def score(self):
        with self.model.averaged_weights():
            options = {"num_repeats": self.num_repeats, "batch_size": 100, "seed": 0, "verbose": 0}
            nats = self.model.code_length(self.x, None, **options)
        return float((nats["transmission"] + nats["reconstruction"]).mean())


def train(network, make_optimizer, data, flow, x, args):
    keras.utils.set_random_seed(0)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    at_first = network.get_weights()
    model.compile(make_optimizer(1000), loss="continuous_time")

    def fit(steps, **options):
        # As an argument of `fit`, this would limit an epoch to one pass over the data.
        data.train.steps_per_epoch, data.train.epoch = steps, 0
        model.fit(data.train, verbose=0, **options)

    fit(2)  # compiles
    start = time.process_time()
    fit(8)
    steps = max(1, int(args.seconds / MARKS / (time.process_time() - start) * 8))
    network.set_weights(at_first)
    model.compile(make_optimizer(MARKS * steps), loss="continuous_time")
    clock = Clock()
    fit(steps, epochs=MARKS, callbacks=[Curve(clock, x, args.repeats)])
    return clock.rows, MARKS * steps


def official_cases(kind):
    """Returns the authors' networks by name: a config, and a batch size."""
    from benchmarks.peer import official_config

    if kind == "mnist":
        return {"the authors' U-Net, 24.8M": (official_config("bfn_mnist_binary"), 16)}
    small = official_config("bfn_text8", num_layers=5, num_heads=4, width=128)
    return {
        "the authors' code, small": (small, 32),
        "the authors' GPT, 170M": (official_config("bfn_text8"), 4),
    }


def train_official(case, batch_size, batches, x, args):
    """Trains with the authors' loss, gradient clipping, AdamW and averaged weights."""
    import torch

    from tests.checkpoints import official_oracle

    torch.manual_seed(0)
    bfn = official_oracle.build(case).train()
    optimizer = torch.optim.AdamW(bfn.parameters(), 1e-4, (0.9, 0.98))
    averaged = torch.optim.swa_utils.AveragedModel(
        bfn, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.98)
    )

    def score():
        averaged.eval()
        torch.manual_seed(0)
        with torch.no_grad():
            costs = [
                averaged.module(official_oracle.as_data(case, x[i : i + 50])).item()
                for _ in range(args.repeats)
                for i in range(0, len(x), 50)
            ]
        return float(np.mean(costs)) * x[0].size

    clock, steps = Clock(), 0
    while len(clock.rows) < MARKS:
        rows = batches(steps, batch_size)
        optimizer.zero_grad()
        bfn(official_oracle.as_data(case, rows)).backward()
        torch.nn.utils.clip_grad_norm_(bfn.parameters(), 5.0)
        optimizer.step()
        averaged.update_parameters(bfn)
        steps += 1
        if time.process_time() - clock.start >= args.seconds * (len(clock.rows) + 1) / MARKS:
            clock.mark(score)
    return clock.rows, steps


def draw(curves, unit, path):
    figure = Figure((7, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name, rows in curves.items():
        axes.plot(*zip(*rows, strict=True), marker=".", label=name)
    axes.set(xlabel="seconds of processor time", ylabel=unit, yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("mnist", "text"))
    parser.add_argument("--data", help="TensorFlow Datasets directory or text file")
    parser.add_argument("--official", type=pathlib.Path, help="clone of the authors' code")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--examples", type=int, default=500, help="held-out examples to score")
    parser.add_argument("--repeats", type=int, default=4, help="evaluations of each example")
    parser.add_argument("--mixed-precision", action="store_true", help="run networks in bfloat16")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("."))
    args = parser.parse_args()
    if args.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")

    data, flow = {"mnist": mnist_data, "text": text_data}[args.kind](args.data)
    unit, scale = "nats per image", 1.0
    if args.kind == "text":
        unit, scale = "bits per character", 1 / (math.log(2) * LENGTH)
    held_out = data.validation
    x = np.concatenate([held_out[i] for i in range(held_out.num_batches)])[: args.examples]
    curves = {}

    def keep(name, rows, steps):
        curves[name] = [(seconds, scale * nats) for seconds, nats in rows]
        print(f"{name:<28}{steps:>6} steps" + "".join(f"{y:>8.2f}" for _, y in curves[name]))
        sys.stdout.flush()
        (args.output / f"learning_{args.kind}.json").write_text(json.dumps(curves, indent=2))
        draw(curves, unit, args.output / f"learning_{args.kind}.png")

    print(
        f"{unit} on {keras.backend.backend()}, at each tenth of {args.seconds:.0f} seconds",
        flush=True,
    )
    kinds = {"mnist": mnist_networks, "text": text_networks}[args.kind](flow)
    for name, (network, make_optimizer) in kinds.items():
        keep(name, *train(network, make_optimizer, data, flow, x, args))
    if args.official:
        sys.path.insert(0, str(args.official))

        def batches(step, size):
            return data.train[step % data.train.num_batches][:size]

        for name, (case, batch_size) in official_cases(args.kind).items():
            keep(name, *train_official(case, batch_size, batches, x, args))


if __name__ == "__main__":
    main()
