"""Conversion of the paper authors' weights into the networks of this package.

Keys are the module names in their code (nnaisense/bayesian-flow-networks).
"""

import functools

import keras
import numpy as np

from keras_bfn._keras import layers_within
from keras_bfn._typing import Path
from keras_bfn._validation import refusal
from keras_bfn.checkpoints.state_dict import StateDictReader, read_state_dict
from keras_bfn.layers.embeddings import sinusoids
from keras_bfn.networks import Transformer, UNet, VDMUNet


def load_official(network: keras.Layer, path: Path) -> None:
    """Loads a checkpoint of the paper's authors into a network.

    Args:
        network: the network of one of the paper's six presets in `BayesianFlowNetwork.presets`, or
            the same architecture at another size. The width of a `UNet` or `VDMUNet` must be a
            multiple of 128.
        path: the path of the `.pt` file, a state dict, or `hf://owner/repo/file`. It is read with
            PyTorch, whatever the backend, and no code in it is executed.

    Raises:
        ValueError: if the network has another architecture, matrices of low rank or quantized
            kernels, or the file is not a checkpoint for it: keys are missing or unexpected, or a
            shape differs. The network's weights are then unchanged.
        FileNotFoundError: if the file does not exist.
        ImportError: if `torch`, or for `hf://` `huggingface_hub`, is not installed.

    Checkpoints for 16 and for 256 bins have the same keys and shapes and cannot be distinguished.

    Example:

    ```python
    model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_mnist_binary", load_weights=False)
    path = "hf://rupspace/pretrained-BFNs/mnist_ema.pt"
    keras_bfn.checkpoints.load_official(model.network, path)
    ```
    """
    if not _is_of_their_kind(network):
        raise ValueError(
            "Argument `network` must be one of the paper's architectures, at any size: a UNet for "
            "two classes or a VDMUNet for numbers or bins, both with a width that is a multiple of "
            "128, or a Transformer for three or more classes. It must have shortcut=False and no "
            f"conditions. Received: network={network!r}"
        )
    nested = layers_within(network)
    if any(layer.quantization_mode or getattr(layer, "lora_enabled", False) for layer in nested):
        expected = (
            "must have no matrices of low rank, and must not be quantized: load the file first"
        )
        raise refusal("network", expected, network)
    reader = StateDictReader(read_state_dict(path), f"The checkpoint '{path}'")
    _READERS[type(network)](reader, network)
    reader.finish()


def _is_of_their_kind(network):
    if type(network) not in _READERS or network.shortcut or network.conditions is not None:
        return False
    flow = network.flow
    num_classes = flow.num_values if flow.theta_is_probs else None
    if isinstance(network, Transformer):
        return num_classes is not None and num_classes > 2
    # Their normalisation has 32 groups at any width; ours has fewer below 128 channels.
    return network.width % 128 == 0 and num_classes == (2 if isinstance(network, UNet) else None)


_BLOCK = ("norm_in", "conv_in", "add_time", "norm_out", "conv_out", "shortcut")  # of a `ConvBlock`
# Their names for these.
_UNET_BLOCK = (
    "in_layers.0",
    "in_layers.2",
    "emb_layers.1",
    "out_layers.0",
    "out_layers.3",
    "skip_connection",
)
_VDM_UNET_BLOCK = ("net1.0", "net1.2", "cond_proj", "net2.0", "net2.3", "skip_conv")


def _read_block(reader, network, names, key, block):
    for ours, theirs in zip(_BLOCK, names, strict=True):
        part = getattr(network.get_layer(block), ours)
        if part is not None:  # without a change of channels, there is no shortcut
            reader.layer(f"{key}.{theirs}", part)


def _read_unet(reader, network):
    get = network.get_layer
    block = functools.partial(_read_block, reader, network, _UNET_BLOCK)
    # Not used by their network either.
    reader.take("net.input_adapter.pos_feats")
    reader.layer("net.input_projection", get("input_projection"), _flip_binary)
    reader.layer("net.time_embed.0", get("time_dense_0"))
    reader.layer("net.time_embed.2", get("time_dense_1"))

    reader.layer("net.input_blocks.0.0", get("conv_in"))
    index = 1
    for level in range(len(network.width_multipliers)):
        if level > 0:
            reader.layer(f"net.input_blocks.{index}.0.op", get(f"downsample_{level}"))
            index += 1
        for i in range(network.num_blocks):
            block(f"net.input_blocks.{index}.0", f"down_{level}_{i}")
            index += 1

    block("net.middle_block.0", "middle_0")
    attention = get("middle_attention")
    reader.layer("net.middle_block.1.norm", attention.norm)
    regroup = functools.partial(_heads_inside, network.num_heads)
    reader.layer("net.middle_block.1.qkv", attention.query_key_value, regroup, regroup, (1,))
    reader.layer("net.middle_block.1.proj_out", attention.project, size=(1,))
    block("net.middle_block.2", "middle_1")

    index = 0
    for level in reversed(range(len(network.width_multipliers))):
        for i in range(network.num_blocks + 1):
            block(f"net.output_blocks.{index}.0", f"up_{level}_{i}")
            index += 1
        if level > 0:
            reader.layer(f"net.output_blocks.{index - 1}.1.conv", get(f"upsample_{level}"))
    reader.layer("net.out.0", get("norm_out"))
    reader.layer("net.out.2", get("conv_out"))
    reader.layer("net.output_adapter.output_projection", get("output_projection"))


def _read_vdm_unet(reader, network):
    get = network.get_layer
    block = functools.partial(_read_block, reader, network, _VDM_UNET_BLOCK)
    # Not used by their network either.
    reader.take("net.input_adapter.pos_feats")
    reader.layer("net.embed_conditioning.0", get("time_dense_0"), _swap_halves)
    reader.layer("net.embed_conditioning.2", get("time_dense_1"))
    reader.layer("net.conv_in", get("conv_in"))
    for i in range(network.num_blocks):
        block(f"net.down_blocks.{i}.resnet_block", f"down_0_{i}")
    block("net.mid_resnet_block_1", "middle_0")
    attention = get("middle_attention")
    reader.layer("net.mid_attn_block.layers.0", attention.norm)
    reader.layer("net.mid_attn_block.layers.1", attention.query_key_value, size=(1, 1))
    reader.layer("net.mid_attn_block.layers.3", attention.project, size=(1, 1))
    block("net.mid_resnet_block_2", "middle_1")
    for i in range(network.num_blocks + 1):
        block(f"net.up_blocks.{i}.resnet_block", f"up_0_{i}")
    reader.layer("net.conv_out.0", get("norm_out"))
    reader.layer("net.conv_out.2", get("conv_out"))
    reader.layer("net.output_adapter.output_projection", get("output_projection"))


def _read_transformer(reader, network):
    get = network.get_layer
    expected = sinusoids(network.event_shape[0], network.width)
    key = "net.input_adapter.pos_embedding"
    positions = reader.take(key, expected.shape)
    if positions is not None and not np.allclose(positions, expected, atol=1e-2):  # of 16 bits, too
        raise ValueError(f"{reader.source}: '{key}' contains learnt positions, expected sinusoids")
    reader.layer("net.input_adapter.inp_embedding", get("input_projection"))
    reader.layer("net.input_adapter.t_embedding", get("time_projection"))
    for i in range(network.num_layers):
        key, block = f"net.transformer.h.{i}", get(f"block_{i}")
        reader.layer(f"{key}.ln_1", block.attention_norm)
        reader.layer(f"{key}.attn.c_attn", block.query_key_value)
        reader.layer(f"{key}.attn.c_proj", block.attention_project)
        reader.layer(f"{key}.ln_2", block.dense_norm)
        reader.layer(f"{key}.mlp.c_fc", block.dense_widen)
        reader.layer(f"{key}.mlp.c_proj", block.dense_project)
    reader.layer("net.transformer.ln_f", get("norm_out"))
    reader.layer("net.lm_head", get("output_projection"))


_READERS = {UNet: _read_unet, VDMUNet: _read_vdm_unet, Transformer: _read_transformer}


def _flip_binary(kernel):
    """Flips the sign of all inputs but the time, the last one.

    Their binary network sees 2 P(class 0) - 1, ours 2 P(class 1) - 1.
    """
    return np.concatenate([-kernel[:-1], kernel[-1:]])


def _swap_halves(kernel):
    """Swaps the halves of the time embedding: theirs has the sines before the cosines."""
    return np.concatenate(np.split(kernel, 2)[::-1])


def _heads_inside(num_heads, weight):
    """Regroups channels: theirs are by head, then query, key and value; ours the reverse."""
    parts = np.reshape(weight, (*weight.shape[:-1], num_heads, 3, -1))
    return np.reshape(np.swapaxes(parts, -3, -2), weight.shape)
