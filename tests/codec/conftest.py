"""Fixtures of the codec's tests."""

import pytest

from tests.codec.small import file_of, model_of


@pytest.fixture(autouse=True, scope="module")
def forget():
    yield
    model_of.cache_clear()
    file_of.cache_clear()
