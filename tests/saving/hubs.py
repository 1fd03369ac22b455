"""Hubs of the tests' own: fixtures, which `conftest.py` of the folders names."""

import pathlib
import sys
import types

import pytest

from tests.saving.hub_server import serving

ABOUT = {"data": "Noise.", "license": "apache-2.0"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Hugging Face's library, with a hub of one's own to speak to, and an empty cache."""
    library = pytest.importorskip("huggingface_hub.hf_api", reason="needs huggingface_hub")
    constants = library.constants
    with serving() as hub:
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(library.api, "endpoint", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_token")
        yield hub


@pytest.fixture
def kaggle(monkeypatch):
    """In the place of Kaggle's library: it keeps copies of files in memory."""

    class Kaggle(types.ModuleType):
        def __init__(self):
            super().__init__("kagglehub")
            self.models = {}

        def model_upload(self, handle, folder):
            self.models[handle] = {
                path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()
            }

    monkeypatch.setitem(sys.modules, "kagglehub", Kaggle())
    return sys.modules["kagglehub"]
