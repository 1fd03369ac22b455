"""Suggestions on the prose of texts, guides and docstrings: `python -m docs.prose [paths]`.

Prints what proselint suggests, and which words docs/words.txt would replace. Code is left out. None
of it is an error: the exit status is 0.
"""

import argparse
import ast
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from functools import partial

ROOT = pathlib.Path(__file__).parents[1]
PATHS = ["docs", "guides", "keras_bfn", "benchmarks/results"]  # and the texts beside them
CHECKS = {"typography": False}  # straight quotes are fine
BLOCKS = [r"^ *```.*?```", r"^ *>>> [^\n]*", r"^#+ [^\n]*"]  # of code, and headings
CODE = [r"`[^`]+`", r"\]\([^)]*\)", r"<[^>]*>", r"\$[^$]*\$"]  # in a sentence


def find_files(paths):
    """The texts and the modules below paths."""
    for path in map(pathlib.Path, paths or [*ROOT.glob("*.md"), *(ROOT / p for p in PATHS)]):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.suffix in (".md", ".py"))


def read_prose(path):
    """The prose of a file. Something else is in place of code, and lines keep their numbers."""
    text = path.read_text()
    if path.suffix == ".py":
        kept = [""] * len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            value = getattr(node, "value", None)
            if isinstance(node, ast.Expr) and isinstance(getattr(value, "value", None), str):
                lines = slice(node.lineno - 1, node.end_lineno)
                kept[lines] = text.splitlines()[lines]
        text = "\n".join(kept).replace('"""', "   ")
    for block in BLOCKS:
        text = re.sub(block, partial(_fill, " "), text, flags=re.DOTALL | re.MULTILINE)
    return re.sub("|".join(CODE), partial(_fill, "%"), text)


def _fill(character, match):
    return re.sub(r"\S", character, match[0])


def find_words(texts):
    """Advice by docs/words.txt: triples of a path, a line and the advice."""
    lines = (ROOT / "docs" / "words.txt").read_text().splitlines()
    words = [line.split(" -> ") for line in lines if " -> " in line]
    for path, text in texts.items():
        for pattern, advice in words:
            for found in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
                yield path, text.count("\n", 0, found.start()) + 1, f"{found[0]}: {advice}"


def find_by_proselint(texts):
    """Advice by proselint, as that of `find_words`."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        (folder / "config.json").write_text(json.dumps({"checks": CHECKS, "max_errors": 10**6}))
        names = {str(folder / f"{i}.md"): path for i, path in enumerate(texts)}
        for name, path in names.items():
            pathlib.Path(name).write_text(texts[path])
        command = [sys.executable, "-m", "proselint", "check", "--config", folder / "config.json"]
        done = subprocess.run([*command, "-o", "json", *names], capture_output=True, text=True)
        for name, result in json.loads(done.stdout)["result"].items():
            for found in result["diagnostics"]:
                yield names[name.removeprefix("file://")], found["pos"][0], found["message"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", help="files and folders; default: all")
    texts = {path: read_prose(path) for path in find_files(parser.parse_args().paths)}
    for path, line, advice in sorted([*find_words(texts), *find_by_proselint(texts)]):
        print(f"{os.path.relpath(path)}:{line}: {advice}")


if __name__ == "__main__":
    main()
