"""Fixtures of the tests of presets."""

from tests.saving.hubs import hub, kaggle  # noqa: F401
