"""What PyTorch alone has."""

import sys

import keras
from keras import ops

if keras.backend.backend() == "torch":
    from torch import addmm as add_product
else:

    def add_product(bias, x, kernel):
        """`bias + x @ kernel`, of matrices, which PyTorch has in one operation."""
        return ops.add(ops.matmul(x, kernel), bias)


def normalize_groups(layer, x):
    """What a `keras.layers.GroupNormalization` returns; None if PyTorch has nothing faster.

    Of channels first, PyTorch's own takes one pass, where Keras 3.15 writes a dozen operations to
    memory.
    """
    if keras.backend.backend() != "torch" or layer.axis != 1:
        return None
    import torch

    gamma, beta = (ops.convert_to_tensor(weight, x.dtype) for weight in (layer.gamma, layer.beta))
    if gamma.requires_grad and torch.is_grad_enabled() and not x.requires_grad:
        # After frozen layers. With channels last in memory, PyTorch 2.13 on CPUs would write the
        # gradient of x, which none was asked for, to nowhere, and the process would end.
        x = x.contiguous()
    return torch.nn.functional.group_norm(x, layer.groups, gamma, beta, layer.epsilon)


def is_data_loader(x):
    """Whether `x` is a `torch.utils.data.DataLoader`, which every backend takes."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.utils.data.DataLoader)
