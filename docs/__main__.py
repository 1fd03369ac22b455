"""Builds the site: `python -m docs`, or `python -m docs --plain` without running the guides."""

import argparse
import subprocess
import sys

from docs import guides


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="pages of guides without outputs")
    if not parser.parse_args().plain:
        for guide in guides.GUIDES:
            print(f"Running {guide.stem}", flush=True)
            guides.run_guide(guide)
    subprocess.run([sys.executable, "-m", "mkdocs", "build"], cwd=guides.ROOT, check=True)


if __name__ == "__main__":
    main()
