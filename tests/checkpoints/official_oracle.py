"""Runs the PyTorch code of the paper's authors at small sizes, and keeps what it answered.

    python -m tests.checkpoints.official_oracle CLONE

CLONE is a clone of https://github.com/nnaisense/bayesian-flow-networks. Every case of `CASES` is
written to data/<case>.npz, which holds

    keys, shapes      the weights of the BFN (its state dict without buffers); shapes as JSON
    seed              make_weights(dict(zip(keys, shapes)), seed) are the weights it ran with
    buffer:<key>      the buffers, as the BFN itself made them
    x                 the data: numbers of classes or bins
    message_noise     (where the n-step loss draws messages) standard normal, of the data's shape,
                      or with an axis of classes; a message and its mirror image are averaged

and for each look LOOK at the BFN (continuous_time, n_steps, reconstruction)

    LOOK/t            a time for each example
    LOOK/noise        standard normal, what the flow drew; shapes as those of message_noise
    LOOK/net_input, LOOK/net_output
    LOOK/loss         in nats, (examples, variables); for n_steps the mean over an example's
                      variables, (examples,)

All in float32. torch and the clone are imported only when the script runs.
"""

import argparse
import contextlib
import json
import math
import sys
from pathlib import Path
from unittest import mock

import numpy as np

DATA = Path(__file__).parent / "data"
BATCH, NUM_STEPS = 3, 10
TIMES = {
    "continuous_time": (0.0, 0.35, 0.9),
    "n_steps": (0.0, 0.3, 0.9),
    "reconstruction": (1.0, 1.0, 1.0),
}


def cifar10(num_bins, min_variance, output_height, distribution_factory):
    return {
        "num_values": num_bins,
        "data_shape": (8, 8, 3),
        "net": (
            "UNetVDM",
            {
                "embedding_dim": 128,
                "n_blocks": 2,
                "n_attention_heads": 2,
                "dropout_prob": 0.1,
                "norm_groups": 32,
                "input_channels": 3,
                "use_fourier_features": True,
                "image_size": 8,
            },
        ),
        "input_adapter": (
            "FourierImageInputAdapter",
            {
                "input_channels": 3,
                "input_shape": (8, 8),
                "output_height": 3,
                "add_pos_feats": False,
                "add_mask": False,
                "n_freq_bands": 2,
            },
        ),
        "output_adapter": (
            "OutputAdapter",
            {"input_height": 131, "output_channels": 3, "output_height": output_height},
        ),
        "bayesian_flow": ("CtsBayesianFlow", {"min_variance": min_variance}),
        "loss": ("CtsBayesianFlowLoss", {"noise_pred": True}),
        "distribution_factory": distribution_factory,
    }


def cifar10_continuous(num_bins, min_variance):
    return cifar10(num_bins, min_variance, 1, ("DeltaFactory", {}))


def cifar10_discretized(num_bins, min_variance):
    factory = ("DiscretizedNormalFactory", {"num_bins": num_bins, "clip": True})
    return cifar10(num_bins, min_variance, 2, factory)


# The classes and arguments of the authors' configs, at small sizes.
CASES = {
    "mnist_binary": {
        "num_values": 2,
        "data_shape": (8, 8, 1),
        "net": (
            "UNetModel",
            {
                "image_size": 8,
                "in_channels": 2,
                "model_channels": 128,
                "out_channels": 128,
                "num_res_blocks": 1,
                "attention_resolutions": (8, 16),
                "dropout": 0.5,
                "channel_mult": (1, 2),
                "num_heads": 4,
                "project_input": True,
                "skip": True,
            },
        ),
        "input_adapter": (
            "FourierImageInputAdapter",
            {
                "input_channels": 1,
                "input_shape": (8, 8),
                "output_height": 2,
                "add_pos_feats": False,
                "n_freq_bands": 2,
            },
        ),
        "output_adapter": (
            "OutputAdapter",
            {"input_height": 256, "output_channels": 1, "output_height": 1},
        ),
        "bayesian_flow": ("DiscreteBayesianFlow", {"n_classes": 2, "max_sqrt_beta": 3}),
        "loss": ("DiscreteBayesianFlowLoss", {}),
        "distribution_factory": ("BernoulliFactory", {}),
    },
    "cifar10_continuous_256": cifar10_continuous(256, 1e-6),
    "cifar10_continuous_16": cifar10_continuous(16, 1e-3),
    "cifar10_discretized_256": cifar10_discretized(256, 1e-6),
    "cifar10_discretized_16": cifar10_discretized(16, 1e-3),
    "text8": {
        "num_values": 27,
        "data_shape": (12,),
        "net": (
            "GPT",
            {"vocab_size": 27, "n_layer": 2, "n_head": 2, "n_embd": 32, "skip": True, "bias": True},
        ),
        "input_adapter": ("TextInputAdapter", {"vocab_size": 27, "seq_len": 12, "output_size": 32}),
        "output_adapter": None,
        "bayesian_flow": ("DiscreteBayesianFlow", {"n_classes": 27, "max_sqrt_beta": 0.75}),
        "loss": ("DiscreteBayesianFlowLoss", {}),
        "distribution_factory": ("CategoricalFactory", {}),
    },
}


def make_weights(shapes, seed):
    """Random weights for a dict of shapes, the same for the same keys, shapes and seed."""
    rng = np.random.default_rng(seed)
    weights = {}
    for key in sorted(shapes):
        z = rng.standard_normal(tuple(shapes[key]))
        if z.ndim >= 2:
            z = z / math.sqrt(math.prod(z.shape[1:]))
        else:
            z = float(key.endswith(".weight")) + 0.1 * z
        weights[key] = z.astype("float32")
    return weights


def build(case):
    """The BFN of a case, with the weights that its authors' code starts from."""
    import model
    import networks
    import probability

    def new(module, name, **others):
        class_name, arguments = case[name]
        return getattr(module, class_name)(**arguments, **others)

    adapters = {
        name: new(networks.adapters, name) if case[name] else None
        for name in ("input_adapter", "output_adapter")
    }
    flow = new(model, "bayesian_flow")
    factory = new(probability, "distribution_factory")
    loss = new(model, "loss", bayesian_flow=flow, distribution_factory=factory)
    return model.BFN(new(networks, "net", data_adapters=adapters), flow, loss).eval()


def set_weights(bfn, seed):
    """Returns what the .npz file says of them."""
    import torch

    buffers = dict(bfn.named_buffers())
    state = bfn.state_dict()
    shapes = {key: list(state[key].shape) for key in state if key not in buffers}
    weights = {key: torch.from_numpy(w) for key, w in make_weights(shapes, seed).items()}
    bfn.load_state_dict(weights | buffers)
    return {
        "keys": np.array(list(shapes)),
        "shapes": json.dumps(list(shapes.values())),
        "seed": seed,
        **{f"buffer:{key}": buffer.numpy() for key, buffer in buffers.items()},
    }


def is_discrete(case):
    return case["bayesian_flow"][0] == "DiscreteBayesianFlow"


def as_data(case, x):
    """The tensor that the authors' code takes for these numbers of classes or bins."""
    import torch
    import utils_model

    x = torch.from_numpy(x).long()
    if is_discrete(case):
        return x if case["net"][0] == "GPT" else x.float()
    return utils_model.idx_to_float(x, case["num_values"])


@contextlib.contextmanager
def flow_noise(noise):
    """Within, a Bayesian flow draws this noise, once."""
    import torch

    def rsample(normal):
        assert normal.loc.shape == noise.shape
        return normal.loc + normal.scale * noise

    def randn(shape, device=None):
        assert shape == noise.shape
        return noise

    normal = torch.distributions.Normal
    with (
        mock.patch.object(torch, "randn", side_effect=randn) as first,
        mock.patch.object(normal, "rsample", autospec=True, side_effect=rsample) as second,
    ):
        yield
    assert first.call_count + second.call_count == 1


@contextlib.contextmanager
def mirrored_messages(noise):
    """Within, two messages drawn from a normal are a message and its mirror image."""
    import torch

    def sample(normal, sample_shape):
        assert tuple(sample_shape) == (2,)
        offset = normal.scale * noise.reshape(normal.loc.shape)
        return torch.stack([normal.loc + offset, normal.loc - offset])

    with mock.patch.object(torch.distributions.Normal, "sample", sample):
        yield


def nats(look, bfn, data, output, params, t, message_noise):
    if look == "continuous_time":
        return bfn.loss.cts_time_loss(data, output, params, t)
    if look == "reconstruction":
        return bfn.loss.reconstruction_loss(data, output, params)
    with mirrored_messages(message_noise):
        loss = bfn.loss.discrete_time_loss(data, output, params, t, NUM_STEPS, n_samples=2)
    return loss.mean(1)


def look_at(look, bfn, data, noise, message_noise):
    """What the .npz file says of a look; the steps are those of the BFN's own `forward`."""
    import torch

    times = torch.tensor(TIMES[look])
    t = times.reshape(-1, *(1,) * (data.ndim - 1)).expand(data.shape)
    with flow_noise(noise):
        params = bfn.bayesian_flow(data, t)
    net_input = bfn.bayesian_flow.params_to_net_inputs(params)
    net_output = bfn.net(net_input, t)
    loss = nats(look, bfn, data, net_output, params, t, message_noise)
    results = {
        "t": times,
        "noise": noise,
        "net_input": net_input,
        "net_output": net_output,
        "loss": loss,
    }
    return {f"{look}/{key}": value.numpy() for key, value in results.items()}


def run(case, seed):
    """The arrays of a case's .npz file."""
    import torch

    rng = np.random.default_rng([seed, 1])
    shape = (BATCH, *case["data_shape"])
    noise_shape = (*shape, case["num_values"]) if is_discrete(case) else shape
    noises = torch.from_numpy(rng.standard_normal((4, *noise_shape), dtype="float32"))
    x = rng.integers(case["num_values"], size=shape).astype("int32")

    bfn = build(case)
    arrays = {"x": x, **set_weights(bfn, seed)}
    if case["distribution_factory"][0] != "DeltaFactory":
        arrays["message_noise"] = noises[3].numpy()
    with torch.no_grad():
        for look, noise in zip(TIMES, noises[:3], strict=True):
            arrays |= look_at(look, bfn, as_data(case, x), noise, noises[3])
    return arrays


def report(name, arrays):
    num_weights = sum(math.prod(shape) for shape in json.loads(arrays["shapes"]))
    print(f"{name}: x {arrays['x'].shape}, {num_weights:,} weights")
    for look in TIMES:
        net_input, net_output, loss = (
            arrays[f"{look}/{key}"] for key in ("net_input", "net_output", "loss")
        )
        assert np.isfinite(net_output).all()
        assert np.isfinite(loss).all()
        print(
            f"  {look}: input {net_input.shape}, output {net_output.shape}"
            f" (std {net_output.std():.3g}, largest {np.abs(net_output).max():.3g}),"
            f" loss {loss.shape} (mean {loss.mean():.6g})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone", type=Path, help="a clone of nnaisense/bayesian-flow-networks")
    sys.path.insert(0, str(parser.parse_args().clone))
    DATA.mkdir(exist_ok=True)
    for seed, (name, case) in enumerate(CASES.items()):
        arrays = run(case, seed)
        np.savez_compressed(DATA / f"{name}.npz", **arrays)
        report(name, arrays)


if __name__ == "__main__":
    main()
