"""What the backend computes on."""

import keras


def is_on_cpu():
    """Whether the backend computes on the CPU. (`keras.distribution` knows no PyTorch.)"""
    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()[0].startswith("cpu")
    import torch

    accelerators = torch.cuda, torch.backends.mps, torch.xpu
    return not any(accelerator.is_available() for accelerator in accelerators)
