"""Which format a backend writes, and where another is to be written."""

import keras
import pytest

from keras_bfn._backend.exports import FORMATS, check_format

BACKEND = keras.backend.backend()


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_is_taken_where_it_is_written_and_else_refused_with_the_way_round(format):
    writers = FORMATS[format]
    if BACKEND in writers:
        check_format(format)
        return
    own = [name for name, backends in FORMATS.items() if BACKEND in backends]
    way = rf"`format` must be one of .*{own[0]}.*on {BACKEND}.*KERAS_BACKEND={writers[0]}"
    with pytest.raises(ValueError, match=way):
        check_format(format)


def test_every_backend_writes_a_format():
    assert {"tensorflow", "jax", "torch"} == set().union(*FORMATS.values())


@pytest.mark.skipif(BACKEND != "torch", reason="Only on torch")
def test_an_old_pytorch_is_named(monkeypatch):
    import torch

    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion("2.10.1+cpu"))
    with pytest.raises(ImportError, match=r"need PyTorch 2\.11 or later: found 2\.10\.1"):
        check_format("torch")
