"""Packages that are not installed with this one."""

import contextlib


@contextlib.contextmanager
def tell_to_install(message):
    """Lets an import within fail with this message, which says what to install."""
    try:
        yield
    except ImportError as error:
        raise ImportError(message) from error
