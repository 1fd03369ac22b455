"""Guides as notebooks, and notebooks as pages."""

import base64
import os
import pathlib
import re
import tempfile

import nbformat
from nbformat import v4

ROOT = pathlib.Path(__file__).parents[1]
LIST = (ROOT / "README.md").read_text().partition("## Guides")[2]
GUIDES = sorted(  # in the order in which README lists them
    sorted((ROOT / "guides").glob("*.py")),
    key=lambda guide: len(LIST.partition(f"guides/{guide.name}")[0]),
)
EXECUTED = ROOT / "build" / "guides"
PICTURES = {"image/png", "image/gif"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
REPOSITORY = os.environ.get("GITHUB_REPOSITORY")  # owner/name, which GitHub's workflows set

SETUP = """\
%pip install -q "{package}"


def show_pictures():
    # Has each cell show the pictures that it writes, below it.
    import pathlib

    from IPython import get_ipython
    from IPython.display import Image, display

    def find():
        paths = [path for path in pathlib.Path().rglob("*.*") if path.suffix in (".png", ".gif")]
        return {{(path.stat().st_mtime_ns, path) for path in paths}}

    def show(result):
        for picture in sorted(find() - shown):
            display(Image(picture[1], alt=picture[1].stem.replace("_", " ")))
            shown.add(picture)

    shown = find()
    get_ipython().events.register("post_run_cell", show)


show_pictures()
"""


def split_guide(text):
    """The header of a guide, as a dict, and its blocks: pairs of `"markdown"` or `"code"`, text."""
    pieces = re.split(r'^"""\n', text, flags=re.MULTILINE)[1:]
    kinds = ("markdown", "code")
    blocks = [(kinds[i % 2], piece.strip()) for i, piece in enumerate(pieces)]
    header = dict(line.split(": ", 1) for line in blocks[0][1].splitlines())
    return header, [(kind, piece) for kind, piece in blocks[1:] if piece]


def make_notebook(guide):
    """A notebook of a guide that has not run: its title, a cell that installs, and its blocks.

    Its metadata hold the guide's title and description.
    """
    header, blocks = split_guide(guide.read_text())
    title = f"# {header['Title']}\n\n{header['Description']}"
    package = "keras-bfn[examples,io]"
    if REPOSITORY:
        title += f"\n\n[Open in Colab]({colab_address(guide.stem)})"
        package += f" @ git+https://github.com/{REPOSITORY}"
    cells = [v4.new_markdown_cell(title), v4.new_code_cell(SETUP.format(package=package))]
    for kind, piece in blocks:
        new_cell = v4.new_markdown_cell if kind == "markdown" else v4.new_code_cell
        cells.append(new_cell(re.sub(r"\]\((\w+)\.py\)", r"](\1.ipynb)", piece)))
    for i, cell in enumerate(cells):
        cell.id = f"cell-{i}"  # the same each time
    metadata = {"kernelspec": KERNEL, "title": header["Title"]}
    return v4.new_notebook(cells=cells, metadata=metadata)


def colab_address(name):
    """Where Colab opens a guide's notebook, of the branch that holds the published site."""
    return (
        f"https://colab.research.google.com/github/{REPOSITORY}/blob/gh-pages/guides/{name}.ipynb"
    )


def find_notebook(guide):
    """The notebook of a guide, with outputs if it has run since it last changed."""
    notebook, path = make_notebook(guide), EXECUTED / f"{guide.stem}.ipynb"
    if path.exists():
        executed = nbformat.read(path, as_version=4)
        if [c.source for c in executed.cells] == [c.source for c in notebook.cells]:
            return executed
    return notebook


def run_guide(guide):
    """Runs a guide in a new folder, and keeps the notebook with its outputs in build/."""
    from nbclient import NotebookClient

    notebook = find_notebook(guide)
    if any(cell.get("outputs") for cell in notebook.cells):
        return
    install = notebook.cells[1].source
    notebook.cells[1].source = install.partition("\n")[2]  # without its first line, `%pip`
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=None, resources=resources).execute()
    notebook.cells[1].source = install
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            # Those of a cell itself are raised: this is one of what shows the pictures.
            errors = [o.evalue for o in cell.outputs if o.output_type == "error"]
            if errors:
                raise RuntimeError(f"{guide.stem}: {errors[0]}")
    EXECUTED.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, EXECUTED / f"{guide.stem}.ipynb")


def to_page(notebook, name):
    """A notebook as a page: Markdown, and a dict from names of pictures to their bytes."""
    lines, pictures = [notebook.cells[0].source], {}
    links = [f"[Download the notebook]({name}.ipynb)"]
    if REPOSITORY:
        links.append(f"[open it in Colab]({colab_address(name)})")
        lines[0] = lines[0].rpartition("\n\n")[0]
    lines.append(" or ".join(links) + ".")
    for cell in notebook.cells[2:]:
        if cell.cell_type == "markdown":
            lines.append(cell.source.replace(".ipynb)", ".md)"))
            continue
        lines.append(f"```python\n{cell.source}\n```")
        printed = [output.text for output in cell.outputs if output.output_type == "stream"]
        if printed:
            lines.append(f"```{{.text .output}}\n{''.join(printed).rstrip()}\n```")
        for output in cell.outputs:
            for kind in PICTURES & set(output.get("data", {})):
                picture = f"{name}_{len(pictures)}.{kind.removeprefix('image/')}"
                pictures[picture] = base64.b64decode(output.data[kind])
                lines.append(f"![{output.metadata[kind]['alt']}]({picture})")
    return "\n\n".join(lines) + "\n", pictures
