"""Guides become notebooks and pages, and the site is whole."""

import ast
import base64
import importlib
import os
import shutil
import subprocess
import sys

import pytest

from tests.test_guides import GUIDES, ROOT

nbformat = pytest.importorskip("nbformat")
from docs import guides  # noqa: E402

pytestmark = pytest.mark.once


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_becomes_a_notebook(guide):
    notebook = guides.make_notebook(guide)
    nbformat.validate(notebook)
    code = "\n".join(cell.source for cell in notebook.cells[2:] if cell.cell_type == "code")
    statements = ast.parse(guide.read_text()).body
    prose = [s for s in statements if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)]
    cells = [cell for cell in notebook.cells[1:] if cell.cell_type == "markdown"]
    assert len(cells) == len(prose) - 1  # the first is the header
    rest = ast.Module([s for s in statements if s not in prose], [])
    assert ast.unparse(ast.parse(code)) == ast.unparse(rest)


def test_what_a_notebook_prints_and_draws_is_on_its_page():
    cell = nbformat.v4.new_code_cell("draw()")
    picture = base64.b64encode(b"pixels").decode()
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="1\n"),
        nbformat.v4.new_output("stream", name="stdout", text="2\n"),
        nbformat.v4.new_output(
            "display_data", {"image/png": picture}, metadata={"image/png": {"alt": "a digit"}}
        ),
    ]
    notebook = guides.make_notebook(GUIDES[0])
    notebook.cells[2:] = [cell, nbformat.v4.new_markdown_cell("See [that](other.ipynb).")]
    page, pictures = guides.to_page(notebook, "name")
    assert "```python\ndraw()\n```\n\n```{.text .output}\n1\n2\n```" in page
    assert "![a digit](name_0.png)\n\nSee [that](other.md)." in page
    assert pictures == {"name_0.png": b"pixels"}


def test_a_notebook_is_opened_in_colab_where_the_repository_is_known(monkeypatch):
    assert "colab" not in guides.to_page(guides.make_notebook(GUIDES[0]), "name")[0]
    monkeypatch.setattr(guides, "REPOSITORY", "owner/name")
    notebook = guides.make_notebook(GUIDES[0])
    address = f"owner/name/blob/gh-pages/guides/{GUIDES[0].stem}.ipynb"
    assert address in notebook.cells[0].source
    assert "git+https://github.com/owner/name" in notebook.cells[1].source
    page, _ = guides.to_page(notebook, GUIDES[0].stem)
    assert page.count(address) == 1


GUIDE = '''\
"""
Title: A title
Author: Nobody
Date created: 2026/11/26
Last modified: 2026/11/26
Description: A guide.
Accelerator: None
"""

"""
## A picture
"""

import pathlib
import sys

Image = display = shown = find = None  # as in any guide, whatever the first cell has
print("noise", file=sys.stderr)
pathlib.Path("a_picture.png").write_bytes(bytes.fromhex("{png}"))
print(1 + 1)
'''
# One pixel.
PNG = (
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the kernel's, of its own
def test_a_guide_runs_as_a_notebook_once(tmp_path, monkeypatch):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setattr(guides, "EXECUTED", tmp_path)
    guide = tmp_path / "small.py"
    guide.write_text(GUIDE.format(png=PNG))
    guides.run_guide(guide)
    page, pictures = guides.to_page(guides.find_notebook(guide), "small")
    assert "```{.text .output}\n2\n```\n\n![a picture](small_0.png)" in page
    assert pictures == {"small_0.png": bytes.fromhex(PNG)}
    outputs = guides.find_notebook(guide).cells[-1].outputs
    assert [output.get("name") for output in outputs] == ["stdout", None]
    first = (tmp_path / "small.ipynb").stat().st_mtime_ns
    guides.run_guide(guide)
    assert (tmp_path / "small.ipynb").stat().st_mtime_ns == first
    guide.write_text(GUIDE.format(png=PNG).replace("1 + 1", "1 + 2"))  # it has changed
    assert "{.text .output}" not in guides.to_page(guides.find_notebook(guide), "small")[0]


def test_constants_of_a_module_have_no_page():
    pytest.importorskip("griffe")
    pytest.importorskip("mkdocs")
    pytest.importorskip("latex2mathml")
    pages = importlib.import_module("docs.pages")
    for section in pages.SECTIONS:
        members = pages.public_members(section)
        constants = [m.path for m in members if m.is_attribute and m.name.isupper()]
        assert members
        assert not constants or section.is_init_module, constants


@pytest.fixture
def check():
    """What looks at a site in a Chromium, where there is one."""
    pytest.importorskip("playwright")
    if not (os.environ.get("CHROMIUM") or shutil.which("chromium")):
        pytest.skip("needs a Chromium")
    return importlib.import_module("docs.check").check


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<a href='#here'>one</a><a href='other/'>two</a><p id='here'>", None),
        ("<a href='other/'>one</a><a href='gone/'>two</a>", "dead link gone/"),
        ("<a href='#gone'>one</a>", "dead link #gone"),
        ("<script>console.error('oh')</script>", "oh"),
        ("<script>throw Error('oh')</script>", "oh"),
        ("<img src='gone.png'>", "status 404"),
        ("<img src='http://127.0.0.1:9/x.png'>", "requests http://127.0.0.1:9/x.png"),
        ("<div style='width: 400px'>x</div>", "pixels wider than the screen"),
        ("<span class='arithmatex'>x</span>", "equations that are not drawn"),
        ("<math><merror>x</merror></math>", "equations that are not drawn"),
    ],
)
def test_the_check_finds_what_is_wrong(body, fault, tmp_path, check):
    (tmp_path / "other").mkdir()
    page = "<!doctype html><link rel='icon' href='data:,'>"
    (tmp_path / "index.html").write_text(page + body)
    (tmp_path / "other" / "index.html").write_text(page)
    faults = check(tmp_path)
    assert not faults if fault is None else any(fault in found for found in faults)


@pytest.mark.slow
def test_the_site_builds_and_every_page_is_whole(check):
    pytest.importorskip("mkdocs")
    subprocess.run([sys.executable, "-m", "docs", "--plain"], cwd=ROOT, check=True)
    assert check() == []
