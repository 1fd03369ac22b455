"""What `keras.ops` cannot do: the one module, beside `checkpoints`, that knows the backends."""

import keras


def torch_generators():
    """The generators that dropout without a seed draws from on PyTorch; none on other backends."""
    if keras.backend.backend() != "torch":
        return []
    import torch

    on_gpu = torch.cuda.is_initialized()
    gpu = [torch.cuda.default_generators[torch.cuda.current_device()]] if on_gpu else []
    return [torch.default_generator, *gpu]
