"""Messages between several processes that train one model, on each backend."""

import keras
import numpy as np

from keras_bfn._backend.processes import process_of


def of_all_processes(number, strategy=None):
    """Gathers an int from each process into a list. All processes must call this together."""
    backend = keras.backend.backend()
    if process_of(strategy)[1] == 1:
        return [number]
    if backend == "jax":
        from jax.experimental import multihost_utils

        return multihost_utils.process_allgather(np.asarray(number)).tolist()
    if backend == "torch":
        import torch

        numbers = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(numbers, number)
        return numbers
    import tensorflow as tf

    return strategy.gather(tf.constant([number]), axis=0).numpy().tolist()


def mean_of_processes(tensors):
    """Averages tensors over `torch.distributed` processes in one message; None stays None."""
    if keras.backend.backend() != "torch":
        raise RuntimeError(
            "`share_gradients` requires PyTorch. Use `keras.distribution` on JAX, and a "
            f"`tf.distribute` strategy on TensorFlow. The backend is {keras.backend.backend()!r}"
        )
    import torch

    if not torch.distributed.is_initialized():
        raise ValueError(
            "`torch.distributed` is not initialised. Start the script with `torchrun`, and first "
            "call `torch.distributed.init_process_group()`"
        )
    given = [tensor for tensor in tensors if tensor is not None]
    if not given:
        return tensors
    sent = torch.cat([tensor.reshape(-1).float() for tensor in given])
    torch.distributed.all_reduce(sent)
    sent = sent / torch.distributed.get_world_size()
    parts = iter(torch.split(sent, [tensor.numel() for tensor in given]))
    return [
        None if tensor is None else next(parts).reshape(tensor.shape).to(tensor.dtype)
        for tensor in tensors
    ]
