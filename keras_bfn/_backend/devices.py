"""The devices on which the backend computes."""

import contextlib

import keras


def is_on_cpu():
    """Whether the backend computes on the CPU. (`keras.distribution` does not support PyTorch.)"""
    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()[0].startswith("cpu")
    import torch

    accelerators = torch.cuda, torch.backends.mps, torch.xpu
    return not any(accelerator.is_available() for accelerator in accelerators)


def fastest_data_format():
    """Returns `"channels_first"` for PyTorch on CPUs, and `"channels_last"` otherwise.

    On CPUs, XLA takes thirty times as long for channels-first convolutions in a loop, as in
    `generate`.
    """
    is_first = keras.backend.backend() == "torch" and is_on_cpu()
    return "channels_first" if is_first else "channels_last"


def scope_of(model):
    """Returns the context in which new variables are distributed among devices like the model's.

    On TensorFlow, variables belong to the strategy in whose scope they are created.
    """
    strategy = getattr(model, "distribute_strategy", None)  # None on other backends
    return contextlib.nullcontext() if strategy is None else strategy.scope()
