"""What differs between the backends."""

import importlib

import keras
import pytest

from keras_bfn._backend.traits import backend_version, is_data_loader

BACKEND = keras.backend.backend()


def test_the_backend_is_named_with_its_version():
    name, version = backend_version().split()
    assert name == BACKEND
    assert version == importlib.import_module(BACKEND).__version__


@pytest.mark.slow_to_compile
def test_a_data_loader_of_pytorch_is_told_from_all_else():
    torch_data = pytest.importorskip("torch.utils.data")
    assert is_data_loader(torch_data.DataLoader([1, 2]))
    assert not is_data_loader([1, 2])
