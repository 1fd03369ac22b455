"""What the backend computes on."""

import contextlib

import keras


def is_on_cpu():
    """Whether the backend computes on the CPU. (`keras.distribution` knows no PyTorch.)"""
    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()[0].startswith("cpu")
    import torch

    accelerators = torch.cuda, torch.backends.mps, torch.xpu
    return not any(accelerator.is_available() for accelerator in accelerators)


def fastest_data_format():
    """Channels come first on PyTorch's CPUs.

    In a loop, as `generate` has it, XLA takes thirty times as long for such convolutions on CPUs.
    """
    is_first = keras.backend.backend() == "torch" and is_on_cpu()
    return "channels_first" if is_first else "channels_last"


def scope_of(model):
    """The context in which what is made is shared among devices as the model is.

    On TensorFlow, variables belong to the strategy in whose scope they are made.
    """
    strategy = getattr(model, "distribute_strategy", None)  # None on other backends
    return contextlib.nullcontext() if strategy is None else strategy.scope()
