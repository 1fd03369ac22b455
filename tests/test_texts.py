"""What texts of the repository say of the package is so."""

import ast
import functools
import inspect
import re

import pytest

import keras_bfn
from docs import presets, prose
from tests.test_guides import ROOT

pytestmark = pytest.mark.once


def exports(module):
    """The public names that an `__init__` imports from the package, or that a file defines."""
    tree = ast.parse(inspect.getsource(module))
    if module.__spec__.submodule_search_locations is None:
        names = [getattr(node, "name", "_") for node in tree.body]
    else:
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ours = [node for node in imports if node.module.startswith("keras_bfn")]
        names = [alias.name for node in ours for alias in node.names]
    return [name for name in names if name[0] != "_"]


def public_names():
    """The names that a user imports, as docs/tasks.md writes them."""
    for name in exports(keras_bfn):
        value = getattr(keras_bfn, name)
        if inspect.ismodule(value):
            yield from (f"{name}.{exported}" for exported in exports(value))
        else:
            yield name


def test_the_page_by_task_lists_each_public_name():
    text = (ROOT / "docs" / "tasks.md").read_text()
    rows = re.findall(r"^\| (`.*?) \| \S.* \|$", text, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    public = set(public_names())
    classes = {name.rpartition(".")[2]: name for name in public if name.split(".")[-1][0].isupper()}
    methods = {name for name in listed - public if name.partition(".")[0] in classes}
    assert listed - methods == public
    for name in methods:
        owner, _, method = name.partition(".")
        path = [*classes[owner].split("."), method]
        assert callable(functools.reduce(getattr, path, keras_bfn)), name


def test_the_table_of_presets_is_that_of_their_cards():
    assert presets.table() in presets.PAGE.read_text(), "run `python -m docs.presets`"


def test_texts_have_the_version_of_the_package():
    version = keras_bfn.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == version


def headings(path):
    """The anchors of a text's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


TEXTS = [
    *ROOT.glob("*.md"),
    *(path for path in ROOT.glob("docs/*.md") if path.stem != "playground"),  # of the site alone
    *ROOT.glob("benchmarks/**/*.md"),
    *ROOT.glob("guides/*.py"),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path):
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    for link in links:
        file, _, anchor = link.partition("#")
        if not re.match(r"\w+:", link) and re.search(r"\.(md|py|json|png)$", file or path.name):
            target = path.parent / file if file else path
            assert target.is_file(), link
            assert not anchor or anchor in headings(target), link


def test_suggestions_on_prose_leave_out_code(tmp_path):
    module, text = tmp_path / "module.py", tmp_path / "text.md"
    module.write_text('paid = 1\n\n\ndef f():\n    """Paid `paid`.\n\n    >>> paid\n    """\n')
    text.write_text("# Paid\n\n```shell\npaid\n```\n\nIt is [paid](paid.md).\n")
    found = prose.find_words({path: prose.read_prose(path) for path in (module, text)})
    assert [(path, line) for path, line, _ in found] == [(module, 5), (text, 7)]
