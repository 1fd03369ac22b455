"""Several processes that train one model, on each backend."""

import keras
import numpy as np


def process_of(strategy=None):
    """Returns the number of this process among those that train one model, and their count.

    Args:
        strategy: the model's strategy on TensorFlow; else None.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.process_index(), jax.process_count()
    if backend == "torch":
        import torch

        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return 0, 1
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    # As in Keras, by this private name, which only multi-process strategies have.
    if strategy is None or not getattr(strategy.extended, "_in_multi_worker_mode", bool)():
        return 0, 1
    resolver = strategy.cluster_resolver
    return resolver.task_id, resolver.cluster_spec().num_tasks(resolver.task_type)


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


def rows_of_process(structure):
    """Returns this process's rows of the result of a JAX step on the rows of all processes."""
    import jax
    from jax.experimental import multihost_utils

    def own_rows(array):
        if getattr(array, "is_fully_addressable", True) or array.is_fully_replicated:
            return array
        num = len(array) // jax.process_count()
        first = num * jax.process_index()
        here = {shard.index[0].start or 0: shard.data for shard in array.addressable_shards}
        are_whole = all(rows.shape[1:] == array.shape[1:] for rows in here.values())
        if are_whole and min(here) == first and sum(map(len, here.values())) == num:
            return np.concatenate([here[start] for start in sorted(here)])
        return multihost_utils.process_allgather(array, tiled=True)[first : first + num]

    return jax.tree.map(own_rows, structure)


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
