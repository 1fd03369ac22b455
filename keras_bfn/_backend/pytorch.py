"""What PyTorch alone has."""

import sys


def add_product(bias, x, kernel):
    """`bias + x @ kernel` in one operation of PyTorch."""
    import torch

    return torch.addmm(bias, x, kernel)


def one_hot(x, size):
    """Integers as float32 vectors: 1 at their place, if there is one, among zeros.

    `ops.one_hot` of Keras 3.15 writes as many 64-bit integers first.
    """
    import torch

    x = x.long()[..., None]
    place = x.clamp(0, size - 1)
    zeros = torch.zeros(*x.shape[:-1], size, device=x.device)
    return zeros.scatter_(-1, place, (place == x).float())


def normalize_groups(x, groups, gamma, beta, epsilon):
    """Group normalisation of `(batch, channels, ...)` by PyTorch's own, in one pass.

    That of Keras 3.15 is a dozen operations, each of which PyTorch writes to memory.
    """
    import torch

    gamma, beta = (weight.to(x.dtype) for weight in (gamma, beta))
    if gamma.requires_grad and torch.is_grad_enabled() and not x.requires_grad:
        # After frozen layers. With channels last in memory, PyTorch 2.13 on CPUs would write the
        # gradient of x, which none was asked for, to nowhere, and the process would end.
        x = x.contiguous()
    return torch.nn.functional.group_norm(x, groups, gamma, beta, epsilon)


def lay_out(variable, order):
    """Writes a variable of PyTorch to memory with its axes in this order. The axes stay."""
    data = variable.value.data
    back = [order.index(axis) for axis in range(data.ndim)]
    variable.value.data = data.permute(order).contiguous().permute(back)


def is_data_loader(x):
    """Whether `x` is a `torch.utils.data.DataLoader`, which every backend takes."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.utils.data.DataLoader)
