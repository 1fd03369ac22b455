"""Data cost what the loss states, and the report adds up."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from keras_bfn.codec import Codec, container, protocol
from keras_bfn.codec.stages import list_stages
from tests.codec.small import every_kind, file_of, model_of
from tests.models.exact_models import JOINT_PRIOR, make_pair_model
from tests.models.small import FLOWS, make_data

pytest.importorskip("constriction")

pytestmark = pytest.mark.once("jax")


def pairs(num):
    places = np.random.default_rng(0).choice(9, num, p=JOINT_PRIOR.ravel())
    return np.stack(np.unravel_index(places, (3, 3)), axis=1)


COSTLY = {
    "pair": lambda scale: (make_pair_model(), pairs(20_000 * scale), 5),
    **{
        kind: lambda scale, kind=kind, num=num: (
            model_of(kind),
            make_data(FLOWS[kind](), num * scale),
            3,
        )
        for kind, num in (("binary", 1600), ("discrete", 800), ("discretized", 800))
    },
}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("scale", [1, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", COSTLY)
def test_examples_cost_what_the_loss_says(name, scale, request, monkeypatch):
    """Within 1%, and within four standard errors, which are told by how the differences between
    the two costs vary over eight parts of the data. Each is one batch, over bits of the seed."""
    monkeypatch.setattr(protocol, "list_stages", lambda *args: list_stages(*args)[-1:])
    if (name, scale) == ("binary", 10):
        reason = "By a random network, 43 bits are sent in 0.1% to 0.5% less; why is not known"
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    model, x, num_steps = COSTLY[name](scale)
    num_parts = 8
    codec = Codec(model, num_steps, batch_size=len(x) // num_parts)
    measured = []
    for part in np.split(x, num_parts):
        _, report = codec.compress(part, return_report=True, verbose=0)
        measured.append(report["bits_per_example"])
    nats = model.code_length(
        x, num_steps, num_repeats=2 * num_steps, batch_size=len(x) // num_parts, seed=0, verbose=0
    )
    stated = (nats["transmission"] + nats["reconstruction"]) / np.log(2)
    differences = np.array(measured) - stated.reshape(num_parts, -1).mean(axis=1)
    standard_error = differences.std(ddof=1) / num_parts**0.5
    assert standard_error < 0.006 / scale**0.5 * stated.mean()
    assert abs(differences.mean()) < min(4 * standard_error, 0.01 * stated.mean())


@every_kind
def test_the_report_adds_up_to_the_file(kind):
    x, _, data, report = file_of(kind)
    assert report["num_examples"] == len(x)
    assert report["total_bits"] == 8 * len(data)
    assert_allclose(report["bits_per_variable"] * x.size, report["bits_per_example"] * len(x))
    parts = report["bits_per_example"] * len(x) + report["initial_bits"] + report["header_bits"]
    assert 0 <= report["total_bits"] - parts < 64  # what is not used of two words
    header, words = container.read(data)
    payload = words.astype("<u4").tobytes().rstrip(b"\0")
    assert report["header_bits"] == 8 * (len(data) - len(payload))
    assert header["count"] == len(x)
    assert report["seconds"] > 0


def test_lanes_do_not_change_what_an_example_costs():
    """Other lanes draw other evidence; that is 3% of what 400 examples cost, at four deviations."""
    model, x = model_of("binary"), make_data(FLOWS["binary"](), 400)
    costs = []
    for batch_size in (10, 100, 400):
        codec = Codec(model, num_steps=3, batch_size=batch_size)
        costs.append(codec.compress(x, return_report=True, verbose=0)[1]["bits_per_example"])
    assert_allclose(costs, np.mean(costs), rtol=0.03)
