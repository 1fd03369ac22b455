"""Compares the paper's networks with the PyTorch code of its authors: outputs, and speed.

    KERAS_BACKEND=torch python -m benchmarks.official_networks CLONE
    KERAS_BACKEND=jax python -m benchmarks.official_networks CLONE --preset bfn_text8

CLONE is a clone of https://github.com/nnaisense/bayesian-flow-networks. For each network at the
paper's size, both get the same random weights: theirs are saved as a checkpoint, and loaded here.
Prints the largest difference of the outputs, relative to the largest output, and how long ours
takes in units of theirs: for a forward pass, and for a training step (theirs: loss, gradients,
clipping, AdamW, averaged weights; ours: `train_on_batch` of the preset). Both are run in turn, and
the medians compared.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import torch

import keras_bfn
from tests.checkpoints import official_oracle

# The authors' configs: the test's cases at the sizes of the paper.
SIZES = {
    "bfn_mnist_binary": {
        "batch_size": 8,
        "data_shape": (28, 28, 1),
        "net": {"image_size": 28, "num_res_blocks": 2, "channel_mult": (1, 2, 2)},
        "input_adapter": {"input_shape": (28, 28)},
    },
    "bfn_cifar10_discretized_256": {
        "batch_size": 2,
        "data_shape": (32, 32, 3),
        "net": {"image_size": 32, "n_blocks": 32, "n_attention_heads": 1},
        "input_adapter": {"input_shape": (32, 32)},
    },
    "bfn_text8": {
        "batch_size": 2,
        "data_shape": (256,),
        "net": {"n_layer": 24, "n_head": 12, "n_embd": 768},
        "input_adapter": {"seq_len": 256, "output_size": 768},
    },
}


def paper_case(preset):
    case = dict(official_oracle.CASES[preset.removeprefix("bfn_")])
    for name, changes in SIZES[preset].items():
        if name in ("net", "input_adapter"):
            class_name, arguments = case[name]
            changes = (class_name, {**arguments, **changes})
        case[name] = changes
    return case


class Official:
    """The authors' model, with random weights."""

    def __init__(self, preset):
        self.case = paper_case(preset)
        self.bfn = official_oracle.build(self.case)
        official_oracle.set_weights(self.bfn, seed=0)
        recipe = keras_bfn.BayesianFlowNetwork.presets[preset].recipe
        self.optimizer = torch.optim.AdamW(
            self.bfn.parameters(), recipe.learning_rate, (0.9, recipe.beta_2)
        )
        self.average = [weight.detach().clone() for weight in self.bfn.parameters()]

    def forward(self, net_input, t):
        self.bfn.eval()
        with torch.no_grad():
            return self.bfn.net(net_input, t)

    def train(self, data):
        self.bfn.train()
        loss = self.bfn(data)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.bfn.parameters(), 5.0)
        self.optimizer.step()
        with torch.no_grad():
            for average, weight in zip(self.average, self.bfn.parameters(), strict=True):
                average.sub_((1 - 0.9999) * (average - weight))


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def medians(theirs, ours, rounds):
    """The median seconds of both, run in turn after one call to warm up."""
    theirs(), ours()
    pairs = [(seconds(theirs), seconds(ours)) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*pairs, strict=True)]


def compare(preset, batch_size, rounds):
    official = Official(preset)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "official.pt"
        torch.save(official.bfn.state_dict(), path)
        model = keras_bfn.BayesianFlowNetwork.from_preset(preset, load_weights=False)
        keras_bfn.checkpoints.load_official(model.network, path)

    rng = np.random.default_rng(0)
    batch_size = batch_size or official.case["batch_size"]
    shape = (batch_size, *official.case["data_shape"])
    x = rng.integers(0, official.case["num_values"], shape)
    data = official_oracle.as_data(official.case, x)
    t = torch.from_numpy(rng.uniform(size=batch_size).astype("float32"))
    t = t.reshape(-1, *(1,) * (data.ndim - 1)).expand(data.shape)
    net_input = official.bfn.bayesian_flow.params_to_net_inputs(official.bfn.bayesian_flow(data, t))

    theta = net_input.numpy().reshape(*shape, -1)
    if model.flow.theta_range == (0, 1) and theta.shape[-1] == 1:
        theta = 0.5 - 0.5 * theta  # theirs is 2 P(class 0) - 1
    inputs = {"theta": theta, "t": t.flatten(start_dim=1)[:, 0].numpy()}

    expected = official.forward(net_input, t).numpy()
    outputs = model.network.predict_on_batch(inputs).reshape(expected.shape)
    difference = np.abs(outputs - expected).max() / np.abs(expected).max()
    forward = medians(
        lambda: official.forward(net_input, t),
        lambda: model.network.predict_on_batch(inputs),
        rounds,
    )
    train = medians(lambda: official.train(data), lambda: model.train_on_batch(x), rounds)
    print(
        f"{preset:<30}{difference:<12.1e}"
        + "".join(f"{theirs:<10.3f}{ours / theirs:<10.2f}" for theirs, ours in (forward, train)),
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone", type=Path, help="a clone of nnaisense/bayesian-flow-networks")
    parser.add_argument("--preset", choices=SIZES, help="by default all")
    parser.add_argument("--batch-size", type=int, help="by default 8 digits, 2 of the others")
    parser.add_argument("--rounds", type=int, default=5, help="at least 1")
    parser.add_argument("--data-format", choices=("channels_last", "channels_first"))
    args = parser.parse_args()
    sys.path.insert(0, str(args.clone))
    if args.data_format:
        keras.config.set_image_data_format(args.data_format)
    print(
        f"{keras.backend.backend()}, {keras.config.image_data_format()}, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"{'':<30}{'difference':<12}{'forward':<10}{'ratio':<10}{'training':<10}ratio")
    for preset in [args.preset] if args.preset else SIZES:
        compare(preset, args.batch_size, args.rounds)


if __name__ == "__main__":
    main()
