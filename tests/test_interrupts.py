"""What must not be cut in two is not, by whatever signal; then the signal is heard."""

import signal

import keras
import pytest

from keras_bfn._interrupts import WholeSteps, restoring, uninterrupted, whole_steps

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


def test_an_interrupt_of_a_restoration_is_made_up_for():
    values = ["before"] * 3

    def restore():
        for i in range(3):
            if (i, values[2]) == (1, "meanwhile"):
                values[2] = "halfway"
                interrupt()  # of a second Ctrl-C
            values[i] = "before"

    def act():
        nonlocal values
        with restoring(restore):
            values = ["meanwhile"] * 3
            interrupt()

    with pytest.raises(KeyboardInterrupt):
        act()
    assert values == ["before"] * 3


class Model(WholeSteps, keras.Model):
    """A model without variables."""


class Optimizer:
    def apply(self, grads, variables):
        self.finalize_variable_values(variables)

    def finalize_variable_values(self, variables):
        for i in range(len(variables)):
            variables[i] = "average"
            interrupt()


@pytest.mark.parametrize("method", ["apply", "finalize_variable_values"])
def test_an_update_changes_all_weights(method):
    weights, optimizer = ["raw", "raw"], Optimizer()
    arguments = ([], weights) if method == "apply" else (weights,)
    with pytest.raises(KeyboardInterrupt), whole_steps(Model(), optimizer):
        getattr(optimizer, method)(*arguments)
    assert weights == ["average", "average"]
    assert not vars(optimizer)


def test_a_fit_that_failed_takes_no_averages():
    weights, optimizer = ["raw", "raw"], Optimizer()

    def fit():
        try:
            raise OSError("of data")
        finally:
            optimizer.finalize_variable_values(weights)

    with pytest.raises(OSError, match="of data"), whole_steps(Model(), optimizer):
        fit()
    assert weights == ["raw", "raw"]
