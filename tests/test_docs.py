"""Guides become notebooks and pages, and the site is whole."""

import ast
import base64
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
        nbformat.v4.new_output("stream", name="stderr", text="noise"),
        nbformat.v4.new_output(
            "display_data", {"image/png": picture}, metadata={"image/png": {"alt": "a digit"}}
        ),
    ]
    notebook = guides.make_notebook(GUIDES[0])
    notebook.cells[2:] = [cell, nbformat.v4.new_markdown_cell("See [that](other.ipynb).")]
    page, pictures = guides.to_page(notebook, "name")
    assert "```python\ndraw()\n```\n\n```{.text .output}\n1\n2\n```" in page
    assert "![a digit](name_0.png)\n\nSee [that](other.md)." in page
    assert "noise" not in page
    assert pictures == {"name_0.png": b"pixels"}


@pytest.mark.slow
def test_the_site_builds_and_every_page_is_whole():
    pytest.importorskip("mkdocs")
    subprocess.run([sys.executable, "-m", "docs", "--plain"], cwd=ROOT, check=True)
    pytest.importorskip("playwright")
    if not shutil.which("chromium"):
        pytest.skip("needs a Chromium")
    subprocess.run([sys.executable, "-m", "docs.check"], cwd=ROOT, check=True)
