"""Folders of presets that were edited by hand, and what a model says of fixed inputs."""

import json

import numpy as np

from tests.tensors import run


def replace_config(folder, config):
    """Writes a text to a preset's config, and takes the digests of its files out."""
    (folder / "config.json").write_text(config)
    forget_digests(folder)


def forget_digests(folder):
    """Lets the metadata tell of any files."""
    metadata = json.loads((folder / "metadata.json").read_text())
    del metadata["sha256"]
    (folder / "metadata.json").write_text(json.dumps(metadata))


def output(model):
    """The network's output for fixed inputs."""
    shape = (2, *model.event_shape, model.flow.theta_size)
    theta = np.random.default_rng(0).uniform(size=shape).astype("float32")
    inputs = {"theta": theta, "t": np.array([0.2, 0.9], "float32")}
    if model.time_shape is not None:
        inputs["t"] = np.linspace(0.0, 1.0, theta[..., 0].size, dtype="float32")
        inputs["t"] = inputs["t"].reshape(theta.shape[:-1])
    if "causal" in model.signature.optional:
        inputs["causal"] = np.array([False, True])
    if model.conditional:
        inputs["condition"] = np.array([0, 1], "int32")
    if "t_next" in model.signature.optional:
        inputs["t_next"] = np.array([0.5, 1.0], "float32")
        scale = np.array([[1.0], [2.0]], "float32")
        inputs["condition"] = {"condition": inputs["condition"], "guidance_scale": scale}
    return run(model.network, inputs)
