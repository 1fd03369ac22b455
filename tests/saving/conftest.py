"""Fixtures of the tests of files and hubs."""

from tests.saving.hubs import hub, kaggle  # noqa: F401
