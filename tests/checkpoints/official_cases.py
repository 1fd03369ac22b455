"""The cases that the paper's own code was run on, at the sizes of `official_oracle`, in ours."""

import json

import numpy as np

import keras_bfn
from keras_bfn import networks
from tests.checkpoints.official_oracle import DATA, make_weights

LOOKS = ("continuous_time", "n_steps", "reconstruction")


def _unet(flow):
    return networks.UNet(
        flow,
        (8, 8, 1),
        width=128,
        width_multipliers=(1, 2),
        num_blocks=1,
        num_heads=4,
        dropout=0.5,
        shortcut=False,
    )


def _vdm_unet(flow):
    return networks.VDMUNet(flow, (8, 8, 3), num_blocks=2, num_heads=2, shortcut=False)


def _transformer(flow):
    preset = keras_bfn.BayesianFlowNetwork.presets["bfn_text8"]
    sizes = {"width": 32, "num_layers": 2, "num_heads": 2}
    return preset.make_network(flow, event_shape=12, **sizes)


NETWORKS = {
    "mnist_binary": _unet,
    "cifar10_continuous_16": _vdm_unet,
    "cifar10_continuous_256": _vdm_unet,
    "cifar10_discretized_16": _vdm_unet,
    "cifar10_discretized_256": _vdm_unet,
    "text8": _transformer,
}


def preset_flow(name):
    """The flow of one of the paper's presets."""
    return keras_bfn.BayesianFlowNetwork.presets[f"bfn_{name}"].make_flow()


class Case:
    """What the paper's code was given and what it returned, in the shapes of ours."""

    def __init__(self, name):
        self.name = name
        self.arrays = np.load(DATA / f"{name}.npz")
        self.x = self.arrays["x"]

    def make_network(self):
        """A small network for the preset's own flow, with new weights."""
        return NETWORKS[self.name](preset_flow(self.name))

    def state_dict(self):
        """The checkpoint, as numpy arrays."""
        arrays = self.arrays
        shapes = dict(zip(map(str, arrays["keys"]), json.loads(str(arrays["shapes"])), strict=True))
        buffers = {k.removeprefix("buffer:"): arrays[k] for k in arrays if k.startswith("buffer:")}
        return {**make_weights(shapes, int(arrays["seed"])), **buffers}

    def save(self, path, **changes):
        """Writes the checkpoint with PyTorch; a changed key of None is left out."""
        import torch

        state = {**self.state_dict(), **changes}
        torch.save({k: torch.from_numpy(v) for k, v in state.items() if v is not None}, path)
        return path

    def data(self, flow):
        """Numbers of classes or bins, or for continuous data the bins' centres."""
        if flow.discrete:
            return self.x
        return ((2 * self.x + 1) / flow.num_bins - 1).astype("float32")

    def times(self, look):
        return self.arrays[f"{look}/t"]

    def theta(self, look, flow):
        theta = self.arrays[f"{look}/net_input"].reshape(*self.x.shape, flow.theta_size)
        # Of two classes they show 2 P(class 0) - 1.
        return (1 - theta) / 2 if self.name == "mnist_binary" else theta

    def params(self, look, flow):
        return self.arrays[f"{look}/net_output"].reshape(*self.x.shape, flow.output_size)

    def noise(self, look, flow):
        return self.arrays[f"{look}/noise"].reshape(*self.x.shape, flow.embedding_size)

    def message_noise(self, flow):
        if "message_noise" not in self.arrays:
            return None
        return self.arrays["message_noise"].reshape(*self.x.shape, flow.embedding_size)

    def nats(self, look):
        """Per variable, of shape `(3, variables)`; for n steps the means, of shape `(3,)`."""
        return self.arrays[f"{look}/loss"]
