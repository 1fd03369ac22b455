"""What a function cannot use it refuses by name, before it starts: not by an error from within.

The calls are in `tests/wrong`, by the argument that is refused and by words of what is expected
instead: each way to refuse is called once, with what it only just refuses.
"""

import contextlib
import re
import traceback

import numpy as np
import pytest

from tests.wrong import data, frames, maths, models, networks, parts, pictures, rest, series
from tests.wrong.things import FLOW, X_LETTERS, Things, X, total

pytestmark = pytest.mark.once

AREAS = {
    "data": data,
    "frames": frames,
    "maths": maths,
    "models": models,
    "networks": networks,
    "parts": parts,
    "pictures": pictures,
    "rest": rest,
    "series": series,
}
CASES = [
    pytest.param(name, calls, id=f"{area}-{name}")
    for area, module in AREAS.items()
    for name, calls in module.CALLS.items()
]
REFUSALS = ValueError, TypeError, OSError, ImportError
A_BACKEND = re.compile(r"site-packages/(tensorflow|jax|torch)/")


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    for package in ("matplotlib", "pandas", "polars", "narwhals", "constriction", "sklearn"):
        pytest.importorskip(package)
    return Things(tmp_path_factory.mktemp("things"))


def each(name, calls):
    """Each call, what is expected, what came, and the kind of error."""
    for expected, group in calls.items():
        for case in group:
            call, *rest = case if isinstance(case, tuple) else (case,)
            defaults = (f"{name}=", ValueError)
            yield call, expected, *rest, *defaults[len(rest) :]


@pytest.mark.parametrize(("name", "calls"), CASES)
def test_a_wrong_argument_is_refused_by_name(name, calls, things, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call, expected, came, kind in each(name, calls):
        with pytest.raises(kind) as caught:
            call(things)
        message = str(caught.value)
        assert re.search(rf"\b{re.escape(name)}\b", message), message
        assert expected in message
        assert came in message.partition("Received: ")[2]
        innermost = traceback.extract_tb(caught.value.__traceback__)[-1].filename
        assert not A_BACKEND.search(innermost), innermost


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.model.code_length(X, order="random"),
        lambda t: t.model.generate(2, order="together"),
        lambda t: t.model.generate(2, given=X[:2]),
        lambda t: t.model.inpaint(X, True, 2, order="left_to_right"),
        lambda t: t.model.code_length(X, known=X > 0),
        lambda t: t.texts.generate_text(1, order="random"),
    ],
)
def test_a_model_without_orders_has_no_such_arguments(call, things):
    with pytest.raises(TypeError, match=r"unexpected keyword argument|order="):
        call(things)


def test_calls_that_are_refused_cost_a_model_nothing(things, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = things.model
    before = model.evaluate(X, verbose=0), model.get_weights()
    optimizer, loss = model.optimizer, model.transmission_loss
    for name, calls in models.CALLS.items():
        for call, *_ in each(name, calls):
            with contextlib.suppress(*REFUSALS):
                call(things)
    assert (model.optimizer, model.transmission_loss) == (optimizer, loss)
    np.testing.assert_equal((model.evaluate(X, verbose=0), model.get_weights()), before)


def test_what_is_nearly_wrong_is_taken(things):
    model, ordered = things.model, things.ordered
    options = {"seed": 0, "verbose": 0}
    one, other = (ordered.code_length(X_LETTERS, known=known, **options) for known in (None, ()))
    np.testing.assert_array_equal(one["transmission"], other["transmission"])
    assert model.generate(1, 2, guidance=total, num_particles=2, verbose=False).shape == (
        1,
        4,
        4,
        1,
    )
    assert model.fit(X, epochs=0, verbose=0).history == {}
    FLOW.check_data(np.array([True, False]))
