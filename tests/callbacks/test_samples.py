"""Samples while a model trains: when, of which weights, and what is written."""

import sys

import keras
import numpy as np
import pytest

from keras_bfn import AnyOrderNetwork
from keras_bfn.callbacks import SampleImages, SampleText
from keras_bfn.datasets import Letters
from keras_bfn.flows import DiscreteFlow
from keras_bfn.networks import MLP
from tests.callbacks import resumable
from tests.models.small import FLOWS, make_data, make_model, make_text_model
from tests.models.states import renewable, state_of

FLOW = FLOWS["binary"]()
X = make_data(FLOW)
OPTIONS = {"num_samples": 5, "num_steps": 3, "sampler": "sde1", "seed": 7}


@pytest.fixture(scope="module")
def fresh():
    model = make_model(FLOW, compiled=False)
    model.compile(keras.optimizers.AdamW(3e-2, use_ema=True, ema_momentum=0.9))
    return renewable(model)


@pytest.fixture(scope="module")
def fresh_text():
    model = make_text_model()
    model.compile(keras.optimizers.AdamW(3e-2, use_ema=True, ema_momentum=0.9))
    return renewable(model)


def fit(model, x, *callbacks, epochs=1):
    kwargs = {"batch_size": 8, "shuffle": False, "verbose": 0}
    return model.fit(x, epochs=epochs, callbacks=list(callbacks), **kwargs)


class Generate(keras.callbacks.Callback):
    """What the model generates at the end of each epoch, from raw weights and from averages."""

    def __init__(self):
        super().__init__()
        self.raw, self.averaged = [], []

    def on_epoch_end(self, epoch, logs=None):
        model = self.model
        self.raw.append(model.generate(**OPTIONS, verbose=0))
        with model.averaged_weights():
            self.averaged.append(model.generate(**OPTIONS, verbose=0))


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def tokens(num=24):
    return np.random.default_rng(0).integers(0, 27, (num, 12)).astype("int32")


@pytest.mark.slow_to_compile
def test_pictures_show_what_averaged_weights_generate_at_every_second_epoch(fresh, tmp_path):
    image = pytest.importorskip("PIL.Image")
    expected = Generate()
    callback = SampleImages(tmp_path / "a" / "b", every=2, columns=3, **OPTIONS)
    fit(fresh(), X, expected, callback, epochs=5)
    assert names(tmp_path / "a" / "b") == ["epoch_0002.png", "epoch_0004.png"]
    for epoch in (2, 4):
        picture = np.asarray(image.open(tmp_path / "a" / "b" / f"epoch_{epoch:04}.png"))
        # Two rows of three, of 4 x 4 pixels with a border of one, each 16 x 16 in the picture.
        assert picture.shape == ((2 * 5 + 1) * 16, (3 * 5 + 1) * 16, 3)
        shown = picture.reshape(11, 16, 16, 16, 3).transpose(0, 2, 1, 3, 4)
        assert (shown == shown[:, :, :1, :1]).all()
        for i, sample in enumerate(expected.averaged[epoch - 1]):
            y, x = i // 3 * 5 + 1, i % 3 * 5 + 1
            square = shown[y : y + 4, x : x + 4, 0, 0]
            np.testing.assert_array_equal(square, np.broadcast_to(255 * sample, square.shape))
    assert any((a != b).any() for a, b in zip(expected.raw, expected.averaged, strict=True))


@pytest.mark.once
def test_large_images_are_shown_as_they_are_and_real_ones_from_black_to_white(tmp_path):
    image = pytest.importorskip("PIL.Image")
    callback = SampleImages(tmp_path)
    callback.set_model(make_model(FLOWS["continuous"]()))
    low, high = callback.model.flow.data_range
    ramp = np.linspace(low, high, 70 * 60 * 3).reshape(1, 70, 60, 3)
    callback.write(callback.model.flow, ramp.astype("float32"), 12)
    picture = np.asarray(image.open(tmp_path / "epoch_0012.png")).astype("float64")
    assert picture.shape == (72, 62, 3)
    shown = picture[1:-1, 1:-1] / 255
    np.testing.assert_allclose(shown, (ramp[0] - low) / (high - low), atol=0.5 / 255 + 1e-6)


@pytest.mark.slow_to_compile
def test_sampling_changes_nothing_in_training(fresh_text, tmp_path):
    expected = state_of(fit(fresh_text(), tokens(), epochs=2).model)
    sampling = SampleText(tmp_path, **OPTIONS)
    sampled = state_of(fit(fresh_text(), tokens(), sampling, epochs=2).model)
    for a, b in zip(sampled, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.once
def test_text_is_what_averaged_weights_generate(fresh_text, tmp_path):
    expected = Generate()
    fit(fresh_text(), tokens(), expected, SampleText(tmp_path, every=2, **OPTIONS), epochs=3)
    assert names(tmp_path) == ["epoch_0002.txt"]
    lines = (tmp_path / "epoch_0002.txt").read_text().split("\n")
    assert lines.pop() == ""
    assert all(len(line) == 12 for line in lines)
    np.testing.assert_array_equal([Letters().encode(line) for line in lines], expected.averaged[1])


@pytest.mark.once
def test_text_may_be_of_any_letters_and_have_a_condition(tmp_path):
    model, data = resumable.make_model(tokenizer=Letters("åβ")), resumable.make_data()
    model.compile(keras.optimizers.AdamW(1e-3))  # and there need be no averages
    rng = np.random.default_rng(0)
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    plain = {**OPTIONS, "num_samples": 30}
    options = {**plain, "condition": [0, 1, 2] * 10}
    model.fit(data, callbacks=[SampleText(tmp_path, **options)], verbose=0)
    lines = (tmp_path / "epoch_0001.txt").read_bytes().decode("utf-8").splitlines()
    assert {*"".join(lines)} == {*"åβ"}
    assert lines == model.generate_text(**options, verbose=0)
    assert lines != model.generate_text(**plain, verbose=0)


@pytest.mark.once
def test_text_is_written_in_any_order(tmp_path):
    flow = DiscreteFlow(27, beta_1=2.0)
    network = MLP(flow, (12,), width=8, num_blocks=1, times="variables")
    model = AnyOrderNetwork(flow, network, tokenizer=Letters(), seed=0)
    model.compile(keras.optimizers.AdamW(3e-2))
    fit(model, tokens(), SampleText(tmp_path, order="left_to_right", **OPTIONS))
    lines = (tmp_path / "epoch_0001.txt").read_text().splitlines()
    assert lines == model.generate_text(order="left_to_right", **OPTIONS, verbose=0)
    assert lines != model.generate_text(**OPTIONS, verbose=0)


@pytest.mark.once
def test_a_model_without_a_tokenizer_is_told_before_training(fresh, tmp_path):
    model = fresh()
    with pytest.raises(ValueError, match=r"no `tokenizer` for text.*Received: tokenizer=None"):
        fit(model, X, SampleText(tmp_path))
    assert model.optimizer.iterations == 0


@pytest.fixture
def read_events():
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(directory):
        sizes = {"images": 0, "tensors": 0}
        events = module.EventAccumulator(str(directory), size_guidance=sizes)
        events.Reload()
        return events

    return read


@pytest.mark.once
def test_tensorboard_shows_the_pictures(read_events, fresh, tmp_path):
    callback = SampleImages(tmp_path / "png", tensorboard=tmp_path / "events", **OPTIONS)
    fit(fresh(), X, callback, epochs=12)
    images = read_events(tmp_path / "events").Images("samples")
    assert [event.step for event in images] == list(range(1, 13))
    for event in images:
        png = (tmp_path / "png" / f"epoch_{event.step:04}.png").read_bytes()
        assert event.encoded_image_string == png
        assert (event.height, event.width) == (6 * 16, 26 * 16)


@pytest.mark.once
def test_tensorboard_shows_the_text(read_events, fresh_text, tmp_path):
    callback = SampleText(tmp_path / "txt", tensorboard=tmp_path / "events", **OPTIONS)
    fit(fresh_text(), tokens(), callback, epochs=2)
    events = read_events(tmp_path / "events")
    assert events.SummaryMetadata("samples").plugin_data.plugin_name == "text"
    for event in events.Tensors("samples"):
        lines = (tmp_path / "txt" / f"epoch_{event.step:04}.txt").read_text().splitlines()
        assert event.tensor_proto.string_val == ["\n\n".join(lines).encode()]


@pytest.mark.once
def test_a_missing_tensorboard_is_told_before_training(fresh, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    model = fresh()
    with pytest.raises(ImportError, match="pip install tensorboard"):
        fit(model, X, SampleImages(tmp_path, tensorboard=tmp_path))
    assert model.optimizer.iterations == 0
