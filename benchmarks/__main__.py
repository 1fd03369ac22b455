"""Runs the benchmarks: `python -m benchmarks overhead peer --output results.json`."""

from benchmarks.report import main

if __name__ == "__main__":
    main()
