"""What pyproject.toml states of the package is so."""

import re
import tomllib

import keras
import pytest

from tests.test_guides import ROOT

pytestmark = pytest.mark.once

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
TEXTS = [
    path
    for pattern in ("*.md", ".ci/*", ".github/workflows/*", "*/*.md", "*/*.py", "keras_bfn/**/*.py")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
]


def test_texts_name_extras_that_exist():
    """`pip install "keras-bfn[io]"`, or from a clone `pip install -e ".[io]"`."""
    named = {
        extra
        for path in TEXTS
        for extras in re.findall(r"(?:keras-bfn|\"\.)\[([a-z,]+)\]", path.read_text())
        for extra in extras.split(",")
    }
    assert {"dev", "docs", "io", "jax"} <= named <= EXTRAS.keys()
    assert len(EXTRAS) <= 9


def test_the_authors_are_those_of_the_citation():
    (author,) = PROJECT["authors"]
    assert f"\n  - name: {author['name']}\n" in (ROOT / "CITATION.cff").read_text()


def test_kerass_upper_bound_is_above_the_version_that_is_installed():
    """Installed regardless of the bound, a newer Keras fails here: by night, on CI."""
    (requirement,) = [r for r in PROJECT["dependencies"] if r.startswith("keras")]
    bound = tuple(map(int, re.search(r"<(\d+)\.(\d+)$", requirement).groups()))
    version = tuple(map(int, keras.__version__.split(".")[:2]))
    assert version < bound, (
        f"Keras {keras.__version__} is newer than `{requirement}` allows. If all other tests pass "
        "with it, raise the bound in pyproject.toml to the next minor version."
    )
