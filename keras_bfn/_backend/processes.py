"""This process among several that train one model, on each backend."""

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
