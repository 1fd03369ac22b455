"""Kernels of convolutions lie in memory as PyTorch reads them, and nothing else is changed."""

import keras
import numpy as np
import pytest

from keras_bfn import BayesianFlowNetwork, flows, networks
from keras_bfn.models import training

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's memory")

FLOW = flows.DiscreteFlow(2, beta_1=3.0)
PIXELS = np.random.default_rng(0).integers(0, 2, (4, 8, 8, 1))


class OwnNetwork(keras.layers.Layer):
    """Convolutions of a network that is built with the first data."""

    def __init__(self, data_format="channels_last"):
        super().__init__()
        self.data_format = data_format
        conv = {"padding": "same", "data_format": data_format}
        self.layers = [
            keras.layers.Conv2D(6, 3, **conv),
            keras.layers.Conv2D(6, 3, activation="tanh", **conv),
            keras.layers.Conv2D(1, (3, 5), **conv),
        ]
        self.along = keras.layers.Conv1D(8, 3, padding="same")

    def call(self, inputs):
        x = keras.ops.squeeze(inputs["theta"], -1)
        if self.data_format == "channels_first":
            x = keras.ops.transpose(x, (0, 3, 1, 2))
        for layer in self.layers:
            x = layer(x)
        if self.data_format == "channels_first":
            x = keras.ops.transpose(x, (0, 2, 3, 1))
        rows = keras.ops.reshape(x, (-1, 8, 8))
        return keras.ops.reshape(self.along(rows), (-1, 8, 8, 1, 1)) + inputs["theta"]


def of_this_package():
    return networks.UNet(FLOW, (8, 8, 1), width=16, num_blocks=1)


def channels_first():
    return OwnNetwork("channels_first")


def make_model(network):
    keras.utils.set_random_seed(0)
    event_shape = None if network is of_this_package else (8, 8, 1)
    model = BayesianFlowNetwork(FLOW, network(), event_shape, seed=0)
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True, clipnorm=1.0))
    return model


def strides_of(x):
    """Of the axes that are longer than one."""
    return [stride for stride, size in zip(x.stride(), x.shape, strict=True) if size > 1]


def convolutions(model):
    layers = model._flatten_layers()
    return [x for x in layers if isinstance(x, (keras.layers.Conv1D, keras.layers.Conv2D))]


@pytest.mark.parametrize("network", [of_this_package, OwnNetwork, channels_first])
def test_no_step_copies_a_kernel_or_its_gradient(network):
    import torch

    model = make_model(network)
    model.train_on_batch(PIXELS)
    layers = convolutions(model)
    assert len(layers) > 3
    strides = {}
    for layer in layers:
        kernel = layer.kernel.value
        as_convolved = kernel.permute(layer.rank + 1, layer.rank, *range(layer.rank))
        is_last = layer.data_format == "channels_last" and layer.rank == 2
        layout = torch.channels_last if is_last else torch.contiguous_format
        assert as_convolved.is_contiguous(memory_format=layout)
        assert strides_of(kernel.grad) == strides_of(kernel)
        strides[kernel.shape] = strides_of(kernel)
    states = [x.value for x in model.optimizer.variables if x.value.shape in strides]
    assert len(states) >= 3 * len(layers)
    assert all(strides_of(state) == strides[state.shape] for state in states)


@pytest.mark.parametrize("network", [of_this_package, OwnNetwork, channels_first])
def test_a_model_trains_and_is_saved_as_without(network, tmp_path, monkeypatch):
    ours = make_model(network)
    losses = [ours.train_on_batch(PIXELS) for _ in range(4)]
    with monkeypatch.context() as patch:
        patch.setattr(training, "lay_out_kernels", lambda *args: None)
        patch.setattr("keras_bfn.models.bayesian_flow_network.lay_out_kernels", lambda *args: None)
        plain = make_model(network)
        assert [plain.train_on_batch(PIXELS) for _ in range(4)] == pytest.approx(losses, rel=1e-5)
    assert any(x.kernel.value.is_contiguous() for x in convolutions(plain))
    for a, b in zip(ours.weights, plain.weights, strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (a, b)), atol=2e-4)
    plain.save_weights(tmp_path / "plain.weights.h5")
    ours.load_weights(tmp_path / "plain.weights.h5")
    for a, b in zip(ours.weights, plain.weights, strict=True):
        assert (a.numpy() == b.numpy()).all()
    assert ours.train_on_batch(PIXELS) == pytest.approx(plain.train_on_batch(PIXELS), rel=1e-5)


def test_a_loaded_model_is_laid_out_with_its_optimizer(tmp_path):
    model = make_model(of_this_package)
    model.fit(PIXELS, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for old, new in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert strides_of(old.value) == strides_of(new.value)
        assert (old.numpy() == new.numpy()).all()


def test_a_kernel_with_lora_is_laid_out():
    keras.utils.set_random_seed(0)
    network = of_this_package()
    layer = network.get_layer("conv_in")
    layer.enable_lora(2)
    model = BayesianFlowNetwork(FLOW, network)
    assert model.network.get_layer("conv_in")._kernel.value.permute(3, 2, 0, 1).is_contiguous()
    model.compile("adamw")
    assert np.isfinite(model.train_on_batch(PIXELS))
