"""One process alone hears itself; PyTorch's processes share means."""

import keras
import pytest

from keras_bfn._backend.collectives import mean_of_processes, of_all_processes
from keras_bfn._backend.processes import process_of
from tests.tensors import to_numpy, to_tensor

BACKEND = keras.backend.backend()


def test_a_process_alone_hears_itself():
    assert of_all_processes(7) == [7]


@pytest.mark.skipif(BACKEND != "torch", reason="for PyTorch")
def test_the_mean_over_one_process_is_what_it_was_and_none_stays_none():
    import torch

    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        assert process_of() == (0, 1)
        given = [to_tensor([[1.0, 2.0]]), None, torch.ones(3, dtype=torch.bfloat16)]
        first, nothing, last = mean_of_processes(given)
        assert mean_of_processes([None]) == [None]
    finally:
        torch.distributed.destroy_process_group()
    assert nothing is None
    assert to_numpy(first).tolist() == [[1.0, 2.0]]
    assert (last.dtype, last.tolist()) == (torch.bfloat16, [1.0] * 3)


@pytest.mark.skipif(BACKEND == "torch", reason="for others")
def test_means_are_shared_on_pytorch_alone():
    with pytest.raises(RuntimeError, match=f"requires PyTorch.*{BACKEND}"):
        mean_of_processes([])
