"""Optional packages."""

import contextlib


@contextlib.contextmanager
def tell_to_install(message):
    """Replaces the message of an import error in the block by one that says what to install."""
    try:
        yield
    except ImportError as error:
        raise ImportError(message) from error
