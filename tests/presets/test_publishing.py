"""What is published is a folder that was written for it, with a card that is true."""

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
