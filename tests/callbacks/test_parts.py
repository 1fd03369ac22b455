"""Callbacks of models of several kinds of data: samples of one part, and training that goes on."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from keras_bfn.callbacks import Resume, SampleImages, SampleText
from keras_bfn.datasets import Letters
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from tests.models.parts import make_data, make_model
from tests.models.states import renewable, state_of

FLOWS = {"text": DiscreteFlow(27, beta_1=1.0), "a/b": DiscretizedFlow(2, sigma_1=0.3)}
EVENT_SHAPES = {"text": (5,), "a/b": (4, 2)}
X = make_data(FLOWS, EVENT_SHAPES, num=8)
OPTIONS = {"num_samples": 3, "num_steps": 2, "sampler": "ode1", "seed": 7}


@pytest.fixture(scope="module")
def fresh():
    model = make_model(FLOWS, EVENT_SHAPES, times="variables", tokenizer={"text": Letters()})
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, loss_weights={"text": 2.0})
    return renewable(model)


def fit(model, *callbacks, epochs=1):
    return model.fit(
        X, epochs=epochs, batch_size=4, shuffle=False, callbacks=list(callbacks), verbose=0
    )


@pytest.mark.once
def test_samples_of_one_part_are_written_with_the_averaged_weights(fresh, tmp_path):
    image = pytest.importorskip("PIL.Image")
    model, expected = fresh(), []

    def sample(epoch, logs):
        with model.averaged_weights():
            expected.append(model.generate(**OPTIONS, verbose=0))

    fit(
        model,
        keras.callbacks.LambdaCallback(on_epoch_end=sample),
        SampleImages(tmp_path / "images", columns=3, part="a/b", **OPTIONS),
        SampleText(tmp_path / "texts", part="text", **OPTIONS),
    )
    text = (tmp_path / "texts" / "epoch_0001.txt").read_text()
    assert text.splitlines() == Letters().decode(expected[0]["text"])
    picture = np.asarray(image.open(tmp_path / "images" / "epoch_0001.png"))
    size = picture.shape[0] // 6  # of a pixel, of four between borders
    for i, sample in enumerate(expected[0]["a/b"]):
        x = 1 + 3 * i
        shown = picture[size : 5 * size : size, x * size : (x + 2) * size : size, 0]
        assert_array_equal(shown, 255 * sample)


@pytest.mark.once
@pytest.mark.parametrize("part", [None, "image"])
@pytest.mark.parametrize("callback", [SampleImages, SampleText])
def test_a_part_that_there_is_not_is_refused_before_training(callback, part, fresh, tmp_path):
    model = fresh()
    with pytest.raises(ValueError, match=r"`part` must be one of \['text', 'a/b'\].*part="):
        fit(model, callback(tmp_path / "samples", part=part))
    assert int(model.optimizer.iterations) == 0


@pytest.mark.once
def test_a_part_that_is_no_image_is_refused(fresh, tmp_path):
    with pytest.raises(ValueError, match=r"`event_shape` must be \(height, width\) or.*\(5,\)"):
        fit(fresh(), SampleImages(tmp_path, part="text", **OPTIONS))


@pytest.mark.once
def test_training_goes_on_as_if_it_had_not_been_interrupted(fresh, tmp_path):
    whole = Resume(tmp_path / "whole", verbose=0)
    model = fresh()
    fit(model, whole, epochs=3)
    expected = state_of(model)
    for epochs in (1, 3):
        model, resume = fresh(), Resume(tmp_path / "cut", verbose=0)
        fit(model, resume, epochs=epochs)
    assert resume.history == whole.history
    assert set(resume.history[0]) == {"epoch", "loss"}
    for a, b in zip(state_of(model), expected, strict=True):
        assert_array_equal(a, b)


@pytest.mark.once
def test_a_checkpoint_of_other_parts_is_refused(fresh, tmp_path):
    fit(fresh(), Resume(tmp_path, verbose=0))
    other = make_model({"text": FLOWS["text"]}, {"text": (5,)})
    other.compile("adamw")
    with pytest.raises(ValueError, match="`directory` must contain checkpoints of the same model"):
        other.fit({"text": X["text"]}, callbacks=[Resume(tmp_path, verbose=0)], verbose=0)
