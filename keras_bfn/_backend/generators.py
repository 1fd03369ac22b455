"""The generators of random numbers that a backend has itself."""

import keras


def torch_generators():
    """Returns the PyTorch generators of dropout without a seed; none on other backends."""
    if keras.backend.backend() != "torch":
        return []
    import torch

    on_gpu = torch.cuda.is_initialized()
    gpu = [torch.cuda.default_generators[torch.cuda.current_device()]] if on_gpu else []
    return [torch.default_generator, *gpu]
