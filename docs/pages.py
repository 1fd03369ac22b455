"""Makes the site's pages from the repository: the hooks that mkdocs.yml names."""

import html
import importlib.resources
import os
import pathlib
import re
import sys

import griffe
import nbformat
from latex2mathml.converter import convert
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs import guides  # noqa: E402

TEXTS = {
    "index.md": "README.md",
    "tour.md": "docs/tour.md",
    "presets.md": "docs/presets.md",
    "tasks.md": "docs/tasks.md",
    "comparison.md": "docs/comparison.md",
    "results.md": "docs/results.md",
    "papers.md": "docs/papers.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
LIST = (ROOT / TEXTS["results.md"]).read_text().partition("## All measurements")[2]
RESULTS = {  # in the order in which docs/results.md lists them
    f"results/{path.name}": f"benchmarks/results/{path.name}"
    for path in sorted(
        (ROOT / "benchmarks" / "results").glob("*.md"), key=lambda path: LIST.find(f"/{path.name}")
    )
}
TEXTS |= RESULTS
PAGES = {source: page for page, source in TEXTS.items()}
PAGES |= {f"guides/{guide.stem}.py": f"guides/{guide.stem}.md" for guide in guides.GUIDES}
PLAYGROUND = ROOT / "build" / "playground"  # what docs/playground.py makes
HIDDEN = re.search(r'"!(\^\(.*?)"', (ROOT / "mkdocs.yml").read_text())[1]  # methods not shown
PACKAGE = griffe.load("keras_bfn", search_paths=[ROOT], resolve_aliases=True)


def public_members(module):
    """What a folder's `__init__` imports, or a module defines; in order, classes first."""
    if module.is_init_module:
        ours = [name for name, path in module.imports.items() if path.startswith("keras_bfn.")]
        members = [module.members[name] for name in ours]
    else:
        ours = [m for m in module.members.values() if not m.is_alias and m.is_public]
        members = [m for m in ours if m.is_class or m.is_function]  # no constants
    return sorted(members, key=lambda member: (not member.name[0].isupper(), member.name))


def methods_of(cls):
    """The names of the methods that are on the page of a class."""
    members = [m for m in cls.members.values() if m.is_function and m.docstring]
    return [m.name for m in members if m.is_public and not re.match(HIDDEN, m.name)]


SECTIONS = [member for member in public_members(PACKAGE) if member.is_module]
NAMES = [member for member in public_members(PACKAGE) if not member.is_module]

# The reference's pages, by the names by which texts call what they are about.
ADDRESSES = {member.name: f"reference/{member.name}/" for member in NAMES}
for section in SECTIONS:
    ADDRESSES[section.name] = f"reference/{section.name}/"
    for member in public_members(section):
        address = f"reference/{section.name}/{member.name}/"
        ADDRESSES[f"{section.name}.{member.name}"] = address
        if member.name[0].isupper():
            ADDRESSES[member.name] = address
for member in [*NAMES, *(m for section in SECTIONS for m in public_members(section))]:
    if member.is_class:
        anchor = f"{ADDRESSES[member.name]}#{member.path}"
        ADDRESSES |= {f"{member.name}.{name}": f"{anchor}.{name}" for name in methods_of(member)}
ADDRESSES |= {f"keras_bfn.{name}": address for name, address in ADDRESSES.items()}


def list_members(members):
    """A table of links to the members' pages, with the first sentence of what each says."""
    lines = ["| Name | In a sentence |", "|---|---|"]
    for member in members:
        path = f"{member.name}/index.md" if member.is_module else f"{member.name}.md"
        docstring = member.docstring.value if member.docstring else ""
        summary = docstring.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| [`{member.name}`]({path}) | {summary} |")
    return "\n".join(lines)


def reference_pages():
    """The reference: pages by their paths, and their place in the navigation."""
    text = (
        f"By module; the same names [by task](../tasks.md).\n\n{list_members(NAMES + SECTIONS)}\n"
    )
    pages = {"reference/index.md": f"# Reference\n\n{text}"}
    nav = ["reference/index.md", {"By task": "tasks.md"}]
    for member in NAMES:
        pages[f"reference/{member.name}.md"] = f"::: keras_bfn.{member.name}\n"
        nav.append({member.name: f"reference/{member.name}.md"})
    for section in SECTIONS:
        folder, members = f"reference/{section.name}", public_members(section)
        text = f"# {section.name}\n\n{section.docstring.value}\n\n{list_members(members)}\n"
        pages[f"{folder}/index.md"] = text
        entries = [f"{folder}/index.md"]
        for member in members:
            pages[f"{folder}/{member.name}.md"] = f"::: keras_bfn.{section.name}.{member.name}\n"
            entries.append({member.name: f"{folder}/{member.name}.md"})
        nav.append({section.name: entries})
    return pages, nav


def guide_pages():
    """The guides: pages, notebooks and pictures by their paths, and their place."""
    files, nav = {}, []
    for guide in guides.GUIDES:
        notebook = guides.find_notebook(guide)
        page, pictures = guides.to_page(notebook, guide.stem)
        for text, source in TEXTS.items():
            page = page.replace(f"](../{source}", f"](../{text}")
        page = page.replace("](../docs/", "](../")  # of what stands in docs/ alone
        files[f"guides/{guide.stem}.md"] = page
        files[f"guides/{guide.stem}.ipynb"] = nbformat.writes(notebook)
        files |= {f"guides/{name}": content for name, content in pictures.items()}
        nav.append({notebook.metadata["title"]: f"guides/{guide.stem}.md"})
    return files, nav


def read_text(source, page):
    """A text of the repository, whose links to its files lead to pages of the site, from `page`."""

    def link(match):
        path = os.path.normpath(os.path.join(os.path.dirname(source), match[1]))
        if path not in PAGES and not path.startswith("docs/"):
            return match[0]
        path = PAGES.get(path, path.removeprefix("docs/"))
        return f"]({os.path.relpath(path, os.path.dirname(page) or '.')}"

    return re.sub(r"\]\(([\w./-]+)", link, (ROOT / source).read_text())


def text_pages():
    """README and the like, by their paths on the site."""
    return {page: read_text(source, page) for page, source in TEXTS.items()}


def gallery_page():
    """The pictures of all texts, each with what it says below them."""
    text = "\n\n".join(read_text(source, "gallery.md") for source in TEXTS.values())
    found = re.findall(r"^!\[[^\]]*\]\([^)]*\)\n\n\*.*?\*$", text, re.DOTALL | re.MULTILINE)
    return "# Gallery\n\n" + "\n\n".join(found) + "\n"


def on_config(config):
    reference, reference_nav = reference_pages()
    guide_files, guides_nav = guide_pages()
    config.extra["files"] = text_pages() | reference | guide_files | {"gallery.md": gallery_page()}
    config.nav = [
        {"Home": "index.md"},
        {"Tour": "tour.md"},
        {"Guides": guides_nav},
        {"Presets": "presets.md"},
        {"Equations": "equations.md"},
        {"Papers": "papers.md"},
        {"Glossary": "glossary.md"},
        {"Reference": reference_nav},
        {"Gallery": "gallery.md"},
        {"Results": [{"Overview": "results.md"}, *RESULTS]},
        {"Comparison": "comparison.md"},
        {"Contributing": "contributing.md"},
        {"Changelog": "changelog.md"},
    ]
    if PLAYGROUND.exists():
        config.nav.insert(3, {"Playground": "playground.md"})
    return config


def on_files(files, config):
    for path, content in config.extra.pop("files").items():
        if files.get_file_from_path(path):
            files.remove(files.get_file_from_path(path))
        files.append(File.generated(config, path, content=content))
    font = importlib.resources.files("ziamath.fonts") / "STIXTwoMath-Regular.ttf"
    files.append(File.generated(config, "math.ttf", abs_src_path=str(font)))
    if PLAYGROUND.exists():
        for path in PLAYGROUND.iterdir():
            files.append(File.generated(config, f"playground/{path.name}", abs_src_path=str(path)))
    else:
        files.remove(files.get_file_from_path("playground.md"))
    return files


def on_page_content(content, page, **kwargs):
    """Makes equations MathML, and of names in backticks links to the reference."""
    content = re.sub(
        r'<span class="arithmatex">\\\((.*?)\\\)</span>', _inline, content, flags=re.DOTALL
    )
    content = re.sub(
        r'<div class="arithmatex">\\\[(.*?)\\\]</div>', _block, content, flags=re.DOTALL
    )

    def link(match):
        address = ADDRESSES.get(match[1].partition("(")[0])
        if address is None or address == page.url:
            return match[0]
        return f'<a href="{get_relative_url(address, page.url)}">{match[0]}</a>'

    # Not within links, headings and blocks of code.
    pieces = re.split(r"(<(a|h\d|pre)\b.*?</\2>)", content, flags=re.DOTALL)
    pieces[::3] = [re.sub(r"<code>([\w.]+(?:\([^<]*\))?)</code>", link, p) for p in pieces[::3]]
    return "".join(piece for i, piece in enumerate(pieces) if i % 3 != 2)


def _inline(match):
    return _to_mathml(match[1], "inline")


def _block(match):
    return _to_mathml(match[1], "block")


def _to_mathml(equation, display):
    mathml = convert(html.unescape(equation), display=display)
    return mathml.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # its \sim
