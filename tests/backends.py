"""The backends, and whose turn it is."""

import importlib.util

import keras
import pytest

from tests.__main__ import BACKENDS


def next_backend():
    """The backend after this one: each writes for one other, and reads of one other."""
    backend = BACKENDS[BACKENDS.index(keras.backend.backend()) - 1]
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    return backend


def everywhere(cases, *names, once=pytest.mark.once):
    """Parameters of a test, a dict or names: those of `names` on each backend, others on one.

    What differs between backends is in the few; what the others add is no backend's affair.
    `once` is the mark of the others, which may name the backend.
    """
    cases = cases if isinstance(cases, dict) else {name: name for name in cases}
    assert set(names) <= set(cases)
    return [
        pytest.param(case, marks=[] if name in names else [once], id=name)
        for name, case in cases.items()
    ]
