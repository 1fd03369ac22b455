"""What an encoder and a decoder must have in common is told apart, and named."""

import re

import keras
import pytest
from numpy.testing import assert_array_equal

from keras_bfn.codec import Codec, CodecError, fingerprints
from keras_bfn.codec.receiver import Receiver
from keras_bfn.flows import DiscreteFlow
from tests.codec.small import assert_is_refused, file_of, model_of
from tests.models.small import FLOWS, make_model

pytest.importorskip("constriction")

pytestmark = pytest.mark.once("jax")


def test_another_model_is_refused():
    data = file_of("binary")[2]
    reason = "another model: its flow or weights differ"
    other_weights = make_model(FLOWS["binary"]())
    weight = other_weights.network.weights[0]
    weight.assign(weight + 1e-6)
    other_flow = make_model(DiscreteFlow(2, beta_1=4.001))
    other_kind = model_of("discrete")
    for model in (other_weights, other_flow, other_kind):
        assert_is_refused(Codec(model), data, reason)
    # Other weights are another model also where they come later.
    same = make_model(FLOWS["binary"]())
    assert_array_equal(Codec(same).decompress(data, verbose=0), file_of("binary")[0])
    weight = same.network.weights[-1]
    weight.assign(weight + 1e-6)
    assert_is_refused(Codec(same), data, reason)


def test_other_outputs_are_refused_and_what_differs_is_named(monkeypatch):
    x, codec, _, _ = file_of("binary")
    here = fingerprints.of_environment()
    there = {**here, "backend": "abacus 1.0", "numpy": "0.1"}
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "of_environment", lambda: there)
        data = codec.compress(x, verbose=0)
    assert_array_equal(codec.decompress(data, verbose=0), x)  # the outputs are what counts
    monkeypatch.setattr(Receiver, "probe", lambda self: "other")
    backends = f"backend: abacus 1.0 in the file, {here['backend']} here"
    match = re.escape(f"({backends}; numpy: 0.1 in the file")
    assert_is_refused(codec, data, f"outputs differ from those .*{match}")
    with pytest.raises(CodecError) as refusal:
        codec.decompress(data, verbose=0)
    assert "keras:" not in str(refusal.value)  # which is the same
    assert_is_refused(codec, file_of("binary")[2], r"outputs differ from those when [^()]*$")


def test_the_environment_is_named():
    names = fingerprints.of_environment()
    assert names["backend"].split()[0] == keras.backend.backend()
    assert names["keras"] == keras.__version__
    assert all(isinstance(value, str) and value for value in names.values())
