"""Files of PyTorch that are no state dicts, or of tensors that a file cannot hold."""

import numpy as np
import pytest

from keras_bfn import checkpoints
from keras_bfn.checkpoints.state_dict import StateDictReader, read_state_dict
from tests.wrong.things import Things

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    return Things(tmp_path_factory.mktemp("things"))


def test_a_small_checkpoint_of_large_tensors_is_refused_by_their_shapes(things, tmp_path):
    torch = pytest.importorskip("torch")
    large = torch.zeros(1, dtype=torch.float16).expand(2**37)
    for name in ("net.input_projection.weight", "net.input_adapter.pos_feats", "other"):
        path = tmp_path / "large.pt"
        torch.save({name: large}, path)
        assert path.stat().st_size < 2000
        with pytest.raises(ValueError, match=r"large.pt'.*(has shape|does not match)"):
            checkpoints.load_official(things.unet, path)


@pytest.mark.parametrize("kind", ["sparse", "complex", "number"])
def test_a_checkpoint_of_other_tensors_is_refused(kind, things, tmp_path):
    torch = pytest.importorskip("torch")
    other = {
        "sparse": lambda: torch.zeros(4, 4).to_sparse(),
        "complex": lambda: torch.zeros(4, dtype=torch.complex64),
        "number": lambda: torch.zeros(4),
    }[kind]()
    torch.save({3 if kind == "number" else "net.out": other}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"`path` must be .*Received: path=.*other.pt"):
        checkpoints.load_official(things.unet, tmp_path / "other.pt")


def test_parameters_that_train_are_read(tmp_path):
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(3, 2)
    torch.save(dict(layer.named_parameters()), tmp_path / "layer.pt")
    reader = StateDictReader(read_state_dict(tmp_path / "layer.pt"), "layer.pt")
    expected = layer.weight.detach().numpy()
    np.testing.assert_array_equal(reader.take("weight", (2, 3)), expected)
