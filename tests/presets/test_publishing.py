"""What is published is a folder that was written for it, with a card that is true."""

import numpy as np
import pytest

from keras_bfn.presets import upload_preset
from tests.models.small import FLOWS, make_model
from tests.saving.hubs import ABOUT

pytest.importorskip("matplotlib")


@pytest.mark.once
def test_an_edited_folder_is_uploaded_as_it_is(hub, tmp_path):
    model = make_model(FLOWS["binary"]())
    model.upload_preset("hf://user/model", folder=tmp_path / "preset", **ABOUT)
    assert "Noise." in (tmp_path / "preset" / "README.md").read_text()
    (tmp_path / "preset" / "README.md").write_text("Edited.")
    upload_preset("hf://user/copy", tmp_path / "preset", private=True)
    assert hub.files("user/copy")[1]["README.md"] == b"Edited."
    assert hub.private == {"user/model": False, "user/copy": True}
    with pytest.raises(ValueError, match=r"folder written by.*which has no config\.json"):
        upload_preset("hf://user/copy", tmp_path)


@pytest.mark.once
def test_a_folder_with_other_files_is_not_published(hub, tmp_path):
    (tmp_path / "keys.txt").write_text("secret")
    model = make_model(FLOWS["binary"]())
    with pytest.raises(ValueError, match=r"`folder` must be a new folder.*\['keys.txt'\]"):
        model.upload_preset("hf://user/model", folder=tmp_path, **ABOUT)
    assert hub.commits == {}


@pytest.mark.once
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"data": " "}, "`data` must be a description.*Received: data=' '"),
        ({"data": None}, "`data` must be a description.*Received: data=None"),
        ({"license": "Apache: 2.0"}, "`license` must be .*such as 'apache-2.0'.*'Apache: 2.0'"),
        ({"figures": [1.0]}, r"`figures` must be a dict.*Received: figures=\[1.0\]"),
        ({"figures": {"nats": None}}, r"`figures\['nats'\]` must be a finite number.*=None"),
        ({"figures": {"nats": np.nan}}, r"`figures\['nats'\]` must be a finite number.*=nan"),
        ({"samples": np.zeros(3)}, r"`samples` must be images.*\(3,\)"),
    ],
)
def test_what_a_card_cannot_tell_is_refused(kwargs, message, kaggle):
    model = make_model(FLOWS["binary"]())
    with pytest.raises(ValueError, match=message):
        model.upload_preset("kaggle://user/model/keras/small", **{**ABOUT, **kwargs})
    assert kaggle.models == {}
