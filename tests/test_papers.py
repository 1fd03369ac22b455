"""The pages of equations and of papers name code and tests that exist."""

import ast
import pathlib
import re

import pytest

import keras_bfn

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[1]
EQUATIONS, PAPERS = ((ROOT / "docs" / f"{page}.md").read_text() for page in ("equations", "papers"))
IN_CODE = re.findall(r"`((?:keras_bfn|tests)/[\w/]+\.py)(?:::([\w.]+))?`", EQUATIONS + PAPERS)


def defined(path):
    """The dotted names of all functions, classes and methods of a file."""
    names = set()

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                names.add(prefix + child.name)
                visit(child, f"{prefix}{child.name}.")

    visit(ast.parse(path.read_text()), "")
    return names


@pytest.mark.parametrize(("file", "name"), sorted(set(IN_CODE)))
def test_code_and_tests_that_are_named_exist(file, name):
    assert (ROOT / file).is_file()
    assert not name or name in defined(ROOT / file)


def test_each_equation_has_a_row_with_code_and_a_test():
    text, table = EQUATIONS.split("## In the code")
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) == text.count("$$") // 2
    for row in rows:
        assert "`keras_bfn/" in row
        assert "`tests/" in row


def test_each_idea_has_a_class_and_a_test_or_is_not_covered():
    rows = [line.split("|")[1:-1] for line in PAPERS.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 15
    for _, _, here, test in rows:
        names = re.findall(r"`([\w.]+)`", here)
        for name in names:
            found = keras_bfn
            for part in name.split("."):
                found = getattr(found, part)
        assert "not covered" in here or (names and "`tests/" in test)
