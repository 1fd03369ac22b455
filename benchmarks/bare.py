"""Time of single convolutions, matrix products and attention layers, relative to PyTorch.

    KERAS_BACKEND=jax python -m benchmarks bare

Each runs forward and backward, with channels last on this backend and channels first in PyTorch. In
`peer`, the ratio of a whole network to the authors' can hardly be lower than these ratios.
"""

import importlib.util

import numpy as np
from keras import ops

from benchmarks.pieces import compiled, normal
from benchmarks.report import Missing
from benchmarks.timing import ratio
from keras_bfn.layers.attention import self_attention

NUM_HEADS = 4
# For 3x3 convolutions: batch size, side and channels. For products: the sizes. For attention: batch
# size, positions and channels.
CASES = {
    "convolution 16x28x28x64": (16, 28, 64),
    "convolution 16x14x14x128": (16, 14, 128),
    "convolution 8x32x32x32": (8, 32, 32),
    "product 4096x256x1024": (4096, 256, 1024),
    "attention 16x256x256": (16, 256, 256),
}


def convolutions(batch, side, channels):
    import torch

    x, kernel = normal(batch, side, side, channels), normal(3, 3, channels, channels)
    theirs = [np.transpose(x, (0, 3, 1, 2)), np.transpose(kernel, (3, 2, 0, 1))]
    theirs = [torch.tensor(np.ascontiguousarray(a)).requires_grad_() for a in theirs]

    def convolve(x, kernel):
        return ops.conv(x, kernel, padding="same", data_format="channels_last")

    def run():
        torch.nn.functional.conv2d(*theirs, padding=1).square().sum().backward()

    return run, compiled(convolve, (x, kernel), with_gradient=True)


def products(*sizes):
    import torch

    arrays = normal(*sizes[:2]), normal(*sizes[1:])
    theirs = [torch.tensor(array).requires_grad_() for array in arrays]
    ours = compiled(ops.matmul, arrays, with_gradient=True)
    return lambda: (theirs[0] @ theirs[1]).square().sum().backward(), ours


def attentions(batch, positions, size):
    """Returns PyTorch's attention, and the one in this package's transformers."""
    import torch

    x = normal(batch, positions, 3 * size)
    theirs = torch.tensor(x).requires_grad_()

    def run():
        heads = theirs.reshape(batch, positions, 3, NUM_HEADS, -1).permute(2, 0, 3, 1, 4)
        torch.nn.functional.scaled_dot_product_attention(*heads).square().sum().backward()

    def attend(x):
        return self_attention(x, NUM_HEADS)

    return run, compiled(attend, (x,), with_gradient=True)


MAKE = {"convolution": convolutions, "product": products, "attention": attentions}


def measure(cases=None, rounds=9, toy=False):
    """Yields one row per case."""
    if importlib.util.find_spec("torch") is None:
        raise Missing("needs PyTorch")
    for name, sizes in CASES.items():
        if cases is not None and name not in cases:
            continue
        sizes = (2, 4, 8) if toy else sizes
        make = MAKE[name.split()[0]]
        yield {"case": name, **ratio(*make(*sizes), rounds)}


if __name__ == "__main__":
    from benchmarks.report import main

    main("bare")
