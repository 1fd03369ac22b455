"""Time of a training step and of a forward pass, relative to the authors' PyTorch code.

    KERAS_BACKEND=jax python -m benchmarks peer --official CLONE --cases transformer unet vdm

CLONE is a clone of https://github.com/nnaisense/bayesian-flow-networks. The networks are the
paper's, at their own and at smaller sizes. The authors' step is loss, gradients, clipping, AdamW,
averaged weights, and the loss as a number. Ours is `train_on_batch` with the preset's recipe. The
two run in turns, on the same number of threads; seconds are ours. `difference` is the largest
difference of outputs, relative to the largest output, after loading a checkpoint of the authors'
network with random weights. It is missing for U-Nets below the paper's width, where ours normalise
in fewer groups.
"""

import contextlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import keras_bfn
from benchmarks.report import Missing
from benchmarks.timing import ratio, use_all_threads
from tests.checkpoints import official_oracle


class Case(NamedTuple):
    """A preset, a batch size, and changes of the network's arguments."""

    preset: str
    batch_size: int
    changes: dict


CASES = {
    "transformer": Case("bfn_text8", 16, {"width": 256, "num_layers": 6, "num_heads": 4}),
    "unet": Case("bfn_mnist_binary", 16, {"width": 64}),
    "vdm": Case("bfn_cifar10_discretized_256", 8, {"width": 32, "num_blocks": 8}),
    "bfn_mnist_binary": Case("bfn_mnist_binary", 8, {}),
    "bfn_cifar10_discretized_256": Case("bfn_cifar10_discretized_256", 2, {}),
    "bfn_text8": Case("bfn_text8", 2, {}),
}
TOYS = {
    "transformer": Case(
        "bfn_text8", 2, {"event_shape": 8, "width": 16, "num_layers": 1, "num_heads": 2}
    ),
    "unet": Case(
        "bfn_mnist_binary",
        2,
        {"image_shape": (8, 8, 1), "width": 32, "width_multipliers": (1,), "num_blocks": 1},
    ),
    "vdm": Case(
        "bfn_cifar10_discretized_256",
        2,
        {"image_shape": (8, 8, 3), "width": 8, "num_blocks": 1},
    ),
}


def text8(event_shape, width, num_layers, num_heads, **_):
    """Returns the changes of the authors' text8 config for these arguments of our network."""
    return {
        "data_shape": (event_shape,),
        "net": {"n_layer": num_layers, "n_head": num_heads, "n_embd": width},
        "input_adapter": {"seq_len": event_shape, "output_size": width},
    }


def mnist_binary(image_shape, width, width_multipliers, num_blocks, num_heads, dropout, **_):
    return {
        "data_shape": image_shape,
        "net": {
            "image_size": image_shape[0],
            "model_channels": width,
            "out_channels": width,
            "channel_mult": width_multipliers,
            "num_res_blocks": num_blocks,
            "num_heads": num_heads,
            "dropout": dropout,
        },
        "input_adapter": {"input_shape": image_shape[:2]},
        "output_adapter": {"input_height": 2 * width},
    }


def cifar10_discretized_256(image_shape, width, num_blocks, num_heads, dropout, **_):
    return {
        "data_shape": image_shape,
        "net": {
            "image_size": image_shape[0],
            "embedding_dim": width,
            "norm_groups": min(32, width // 4),
            "n_blocks": num_blocks,
            "n_attention_heads": num_heads,
            "dropout_prob": dropout,
        },
        "input_adapter": {"input_shape": image_shape[:2]},
        "output_adapter": {"input_height": width + 3},
    }


CONFIGS = {
    "bfn_text8": text8,
    "bfn_mnist_binary": mnist_binary,
    "bfn_cifar10_discretized_256": cifar10_discretized_256,
}


def official_config(preset, **changes):
    """Returns the authors' config of a preset, with changes of our network's arguments applied."""
    arguments = {**keras_bfn.presets.PRESETS[preset].make_network.keywords, **changes}
    config = dict(official_oracle.CASES[preset.removeprefix("bfn_")])
    for key, change in CONFIGS[preset](**arguments).items():
        if isinstance(change, dict):
            class_name, arguments = config[key]
            change = (class_name, {**arguments, **change})
        config[key] = change
    return config


def recipe_of(case):
    return keras_bfn.presets.PRESETS[case.preset].recipe


def our_model(case, jit_compile="auto", data_format=None):
    """Returns this package's model, with the preset's recipe."""
    preset = keras_bfn.presets.PRESETS[case.preset]
    flow = preset.make_flow()
    changes = case.changes
    if "image_shape" in preset.make_network.keywords:
        changes = {**changes, "data_format": data_format}
    network = preset.make_network(flow, **changes)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(recipe_of(case).optimizer(), jit_compile=jit_compile)
    network.compile(jit_compile=model.jit_compile)
    return model


class Official:
    """The authors' model, with random weights; `in_bfloat16` trains it with mixed precision."""

    def __init__(self, case, in_bfloat16=False):
        import torch

        use_all_threads()
        self.in_bfloat16 = in_bfloat16
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.config = official_config(case.preset, **case.changes)
        with contextlib.redirect_stdout(None):
            self.bfn = official_oracle.build(self.config)
        official_oracle.set_weights(self.bfn, seed=0)
        self.bfn.to(self.device)
        recipe = recipe_of(case)
        self.optimizer = torch.optim.AdamW(
            self.bfn.parameters(), recipe.learning_rate, (0.9, recipe.beta_2)
        )
        self.average = None

    def data(self, x):
        return official_oracle.as_data(self.config, x).to(self.device)

    def net_inputs(self, data):
        """Returns the network's inputs for data at random times, and the times of all variables."""
        import torch

        t = torch.rand(len(data), device=self.device).reshape(-1, *(1,) * (data.ndim - 1))
        t = t.expand(data.shape)
        flow = self.bfn.bayesian_flow
        return flow.params_to_net_inputs(flow(data, t)), t

    def forward(self, net_input, t):
        import torch

        self.bfn.eval()
        with torch.no_grad():
            return self.bfn.net(net_input, t).cpu()

    def train(self, data):
        import torch

        self.bfn.train()
        if self.average is None:
            self.average = [weight.detach().clone() for weight in self.bfn.parameters()]
        with torch.autocast(self.device, torch.bfloat16, enabled=self.in_bfloat16):
            loss = self.bfn(data)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.bfn.parameters(), 5.0)
        self.optimizer.step()
        with torch.no_grad():
            for average, weight in zip(self.average, self.bfn.parameters(), strict=True):
                average.sub_((1 - 0.9999) * (average - weight))
        return loss.item()

    def generate(self, num_samples, num_steps):
        self.bfn.eval()
        return self.bfn.sample((num_samples, *self.config["data_shape"]), num_steps).cpu()

    def load_into(self, network):
        """Loads these weights into our network, and returns whether its width allows this."""
        import torch

        if "UNet" in type(network).__name__ and network.width % 128:
            return False
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "official.pt"
            torch.save(self.bfn.state_dict(), path)
            keras_bfn.checkpoints.load_official(network, path)
        return True


def inputs_of(model, net_input, t, shape):
    """Returns the inputs of our network that correspond to the authors'."""
    theta = net_input.cpu().numpy().reshape(*shape, -1)
    if model.flow.theta_range == (0, 1) and theta.shape[-1] == 1:
        theta = 0.5 - 0.5 * theta  # theirs is 2 P(class 0) - 1
    return {"theta": theta, "t": t.cpu().flatten(start_dim=1)[:, 0].numpy()}


def compare(case, rounds, jit_compile="auto", data_format=None):
    """Yields the rows of one case."""
    official, model = Official(case), our_model(case, jit_compile, data_format)
    weights = model.network.count_params()
    assert weights == sum(weight.numel() for weight in official.bfn.net.parameters())
    shape = (case.batch_size, *official.config["data_shape"])
    x = np.random.default_rng(0).integers(0, official.config["num_values"], shape)
    data = official.data(x)
    net_input, t = official.net_inputs(data)
    inputs = inputs_of(model, net_input, t, shape)

    difference = None
    if official.load_into(model.network):
        expected = official.forward(net_input, t).numpy()
        outputs = model.network.predict_on_batch(inputs).reshape(expected.shape)
        difference = float(np.abs(outputs - expected).max() / np.abs(expected).max())
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    forward = ratio(
        lambda: official.forward(net_input, t),
        lambda: model.network.predict_on_batch(inputs),
        rounds,
    )
    step = ratio(lambda: official.train(data), lambda: model.train_on_batch(x), rounds)
    row = {"weights": weights, "batch": case.batch_size}
    yield {**row, "what": "forward pass", **forward, "difference": difference}
    yield {**row, "what": "training step", **step, "difference": difference}


def use(clone):
    """Makes the authors' code importable."""
    if importlib.util.find_spec("torch") is None:
        raise Missing("needs PyTorch")
    if str(clone) not in sys.path:
        sys.path.insert(0, str(clone))


def measure(official=None, cases=None, rounds=15, toy=False, jit_compile="auto", data_format=None):
    """Yields two rows per case: one for the forward pass, and one for the training step."""
    if official is None:
        raise Missing("needs a clone of the authors' code: --official CLONE")
    use(official)
    for name, case in (TOYS if toy else CASES).items():
        if cases is None or name in cases:
            for row in compare(case, rounds, jit_compile, data_format):
                yield {"case": name, **row}


if __name__ == "__main__":
    from benchmarks.report import main

    main("peer")
