"""What the network says is the same in both directions, or is refused."""

import keras
import numpy as np
import pytest

from keras_bfn.codec import Codec, CodecError
from keras_bfn.codec.receiver import OutputProgram, Receiver
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.flows.channels import Points
from tests.codec.small import assert_comes_back, assert_is_refused, constant_model, file_of
from tests.models.small import FLOWS

pytest.importorskip("constriction")


class BinsApart(DiscretizedFlow):
    """Bins whose embeddings are points of a space, not of a line."""

    def channel(self):
        return Points(np.stack([np.arange(self.num_bins), np.zeros(self.num_bins)], axis=1))


def test_bins_that_are_not_on_a_line_are_given_by_all_their_probabilities():
    shapes = []
    for flow_class in (DiscretizedFlow, BinsApart):
        model = constant_model(flow_class(5, prediction="data"), [0.1, 0.2])
        program = OutputProgram(model)
        inputs = {"s": np.zeros((2, 4, 1), "float32"), "t": np.zeros(2, "float32")}
        output = program.predict_on_batch(inputs)
        shapes.append(keras.tree.map_structure(np.shape, output))
    assert shapes == [{"location": (2, 4), "std": (2, 4)}, (2, 4, 5)]


@pytest.mark.parametrize(
    ("flow", "output"),
    [
        (DiscreteFlow(2, beta_1=2.0), [np.nan]),
        (DiscreteFlow(3, beta_1=2.0), [0.0, np.nan, 0.0]),
        (DiscreteFlow(3, beta_1=2.0), [np.inf, 0.0, 0.0]),
        (DiscretizedFlow(17, prediction="data"), [np.nan, 0.0]),
        (DiscretizedFlow(17, prediction="data"), [0.0, np.nan]),
    ],
)
def test_outputs_that_are_not_numbers_are_refused(flow, output):
    codec = Codec(constant_model(flow, output), num_steps=2, batch_size=2)
    x = np.zeros((3, 4), "int32")
    with pytest.raises(CodecError, match="returned NaN"):
        codec.compress(x, verbose=0)


@pytest.mark.parametrize(
    ("flow", "output"),
    [
        (DiscreteFlow(2, beta_1=2.0), [-1e38]),
        (DiscreteFlow(3, beta_1=2.0), [3e38, -3e38, 0.0]),
        (DiscreteFlow(3, beta_1=1e4), [-np.inf, -np.inf, 0.0]),
        (DiscretizedFlow(256, prediction="data"), [1e6, -1e38]),
        (DiscretizedFlow(256, prediction="data"), [-1e6, 1e38]),
        (DiscretizedFlow(256, prediction="noise"), [1e3, -1e38]),
    ],
)
def test_outputs_that_are_immense_are_not(flow, output):
    codec = Codec(constant_model(flow, output), num_steps=3, batch_size=2)
    low, high = flow.data_range
    assert_comes_back(codec, np.array([[low, high, low, 1], [high, high, 1, low], [1, 1, 1, low]]))


@pytest.mark.once("jax")
def test_another_shape_of_examples_is_refused():
    flow, data = FLOWS["binary"](), []
    for shape in ((4,), (2, 2)):
        codec = Codec(constant_model(flow, [0.5], shape), 2, batch_size=1)
        data.append(codec.compress(np.zeros((1, *shape), "int32"), verbose=0))
    assert_is_refused(codec, data[0], "outputs differ from those")


@pytest.mark.once("jax")
def test_outputs_that_differ_only_later_are_found_in_the_end(monkeypatch):
    _, codec, data, _ = file_of("binary")
    own = Receiver.predict
    calls = iter(range(10**6))

    def expect_otherwise(self, *args):
        return own(self, *args) - 1e-3 * (next(calls) == 12)  # after three of the probe

    monkeypatch.setattr(Receiver, "predict", expect_otherwise)
    with pytest.raises(CodecError, match="decoded"):
        codec.decompress(data, verbose=0)
