"""What `keras.ops` cannot do: the one module, beside `checkpoints`, that knows the backends."""

import sys

import keras


def torch_generators():
    """The generators that dropout without a seed draws from on PyTorch; none on other backends."""
    if keras.backend.backend() != "torch":
        return []
    import torch

    on_gpu = torch.cuda.is_initialized()
    gpu = [torch.cuda.default_generators[torch.cuda.current_device()]] if on_gpu else []
    return [torch.default_generator, *gpu]


def is_data_loader(x):
    """Whether `x` is a `torch.utils.data.DataLoader`, which every backend takes."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.utils.data.DataLoader)
