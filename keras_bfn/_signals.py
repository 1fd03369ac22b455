"""Signals, such as that of Ctrl-C, and what they must not cut in two."""

import contextlib
import signal
import threading

# By which a user, a timer or a batch system interrupts; Windows has the first two alone.
_NAMES = ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1")
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


@contextlib.contextmanager
def uninterrupted():
    """Lets signals, such as that of Ctrl-C, wait until what is inside has ended."""
    if threading.current_thread() is not threading.main_thread():  # others get none
        yield
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    waiting = []
    try:
        for number in handlers:
            signal.signal(number, lambda *arguments: waiting.append(arguments))
        yield
    finally:
        _put_back(handlers)
        for number, frame in waiting:
            handlers[number](number, frame)


def _put_back(handlers):
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    except BaseException:  # of one that is back already
        _put_back(handlers)
        raise


@contextlib.contextmanager
def after_failure(restore):
    """Calls a function if what is inside fails. An interrupt waits for it.

    It may be called again: for an interrupt that came before it could wait.
    """
    try:
        try:
            yield
        except BaseException:
            with uninterrupted():
                restore()
            raise
    except BaseException:
        restore()
        raise


@contextlib.contextmanager
def after(restore):
    """As `after_failure`, but calls it, too, if what is inside does not fail."""
    with after_failure(restore):
        yield
        with uninterrupted():
            restore()
