"""What must not be cut in two is not, by whatever signal; then the signal is heard."""

import signal

import pytest

from keras_bfn._signals import uninterrupted
from keras_bfn.models.whole_steps import finalize_wholly

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def handler():
    """In the background of a shell, Python leaves signals ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_waits():
    done = []

    @uninterrupted()
    def act():
        interrupt()
        done.append("all")

    with pytest.raises(KeyboardInterrupt):
        act()
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_are_put_back_though_a_signal_comes_meanwhile(monkeypatch):
    handler = signal.signal(signal.SIGALRM, lambda *_: None)
    put_back, calls = signal.signal, []

    def put_back_and_interrupt(*arguments):
        put_back(*arguments)
        calls.append(arguments)
        if len(calls) == 1:
            interrupt()

    try:
        expected = signal.getsignal(signal.SIGALRM)
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            monkeypatch.setattr(signal, "signal", put_back_and_interrupt)
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGALRM) is expected
    finally:
        signal.signal(signal.SIGALRM, handler)


class Optimizer:
    def finalize_variable_values(self, variables):
        for i in range(len(variables)):
            variables[i] = "average"
            interrupt()


def test_averages_take_the_place_of_all_weights():
    weights, optimizer = ["raw", "raw"], Optimizer()
    with pytest.raises(KeyboardInterrupt), finalize_wholly(optimizer):
        optimizer.finalize_variable_values(weights)
    assert weights == ["average", "average"]
    assert "finalize_variable_values" not in vars(optimizer)
