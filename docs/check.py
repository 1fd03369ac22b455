"""Checks the site in a headless Chromium: `python -m docs.check`.

Every page, at the widths of a phone and of a desktop: nothing on the console, no request beyond the
site, no dead link, equations that are drawn, and nothing wider than the screen.
"""

import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import sys
import threading
import urllib.parse

from playwright.sync_api import sync_playwright

SITE = pathlib.Path(__file__).parents[1] / "build" / "site"
WIDTHS = (360, 1280)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What a page tells of itself.
FACTS = """() => ({
    links: [...document.links].map(link => link.href),
    ids: [...document.querySelectorAll('[id], a[name]')].map(x => x.id || x.name),
    wide: document.documentElement.scrollWidth - window.innerWidth,
    equations: [...document.querySelectorAll('math')]
        .filter(x => x.querySelector('merror') || !x.getBoundingClientRect().height).length,
    raw: document.querySelectorAll('.arithmatex').length,
})"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *args):
        pass  # the browser left before it had all of a file


@contextlib.contextmanager
def serve(folder):
    """Serves a folder, and yields its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.contextmanager
def browse():
    """A headless Chromium: that of the environment variable CHROMIUM, or of the path."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def watch(page, address, faults):
    """Notes what a page does that it should not: console messages, errors, and foreign requests."""

    def note(message):
        faults.append(
            f"{page.url.removeprefix(address)} ({page.viewport_size['width']}): {message}"
        )

    def note_request(request):
        if not request.url.startswith((address, "data:", "blob:")):
            note(f"requests {request.url}")

    def note_console(message):
        if message.type in ("error", "warning"):
            note(message.text)

    page.on("console", note_console)
    page.on("pageerror", lambda error: note(str(error)))
    page.on("request", note_request)
    page.on(
        "response", lambda r: note(f"status {r.status} of {r.url}") if r.status >= 400 else None
    )
    return note


def find_dead_links(site, links, ids, address):
    """Links within the site, by the page that they are on, that lead to no file or no place."""
    for source, hrefs in links.items():
        for href in sorted(set(hrefs)):
            url, fragment = urllib.parse.urldefrag(href)
            if not url.startswith(address):
                continue
            path = urllib.parse.unquote(url.removeprefix(address))
            file = site / path
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file() or (fragment and fragment not in ids.get(path, [fragment])):
                yield f"{source}: dead link {href.removeprefix(address)}"


def check_playground(page, address):
    """Draws one of each digit, and reads them: by a classifier, at least nine of ten are right."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.svm import SVC

    page.goto(f"{address}playground/")
    page.wait_for_selector("#digits[data-levels]", timeout=60_000)
    drawn = np.array(json.loads(page.get_attribute("#digits", "data-levels"))).reshape(10, 64)
    digits = load_digits()
    read = SVC().fit(digits.data, digits.target).predict(drawn)
    right = int((read == np.arange(10)).sum())
    print(f"Playground: {right} of 10 digits are read right")
    return [] if right >= 9 else [f"playground/: digits are read as {read.tolist()}"]


def check(site=SITE):
    """A list of all that is wrong with a site."""
    paths = sorted(p.parent.relative_to(site).as_posix() for p in site.rglob("index.html"))
    paths = ["" if path == "." else f"{path}/" for path in paths]
    faults, links, ids = [], {}, {}
    with serve(site) as address, browse() as browser:
        for width in WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 800})
            note = watch(page, address, faults)
            for path in paths:
                page.goto(address + path, wait_until="load")
                facts = page.evaluate(FACTS)
                links[path], ids[path] = facts["links"], facts["ids"]
                if facts["wide"] > 0:
                    note(f"{facts['wide']} pixels wider than the screen")
                if facts["equations"] or facts["raw"]:
                    note("has equations that are not drawn")
            if "playground/" in paths:
                faults += check_playground(page, address)
            page.close()
        faults += find_dead_links(site, links, ids, address)
    print(f"{len(paths)} pages, {sum(map(len, links.values()))} links, {len(faults)} faults")
    return faults


def main():
    faults = check()
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
