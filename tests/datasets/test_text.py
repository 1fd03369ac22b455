"""Text in the letters of text8, and windows of it."""

import zipfile

import keras
import numpy as np
import pytest

from keras_bfn.datasets import Bytes, Letters, clean_text, embedded_text, text8, text_file
from tests.checks import assert_draws_follow

pytestmark = pytest.mark.once

LETTERS = Letters()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Call me Ishmael. 1851!", "call me ishmael "),
        ("A\n\t--b", "a b"),
        ("naïve Ωmega", "na ve mega"),
        ("...", " "),
        ("", ""),
    ],
)
def test_clean_text_is_lower_case_letters_and_single_spaces(text, expected):
    assert clean_text(text) == expected
    assert LETTERS.decode(LETTERS.encode(expected)) == expected


@pytest.fixture
def text():
    letters = np.random.default_rng(0).integers(1, 27, 800)
    return LETTERS.decode(letters)


@pytest.fixture
def path(text, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    return path


def places(batches, text):
    """Where in the text each window of an epoch starts; it is found at one place only."""
    windows = [window for batch in batches for window in LETTERS.decode(batch)]
    assert all(text.count(window) == 1 for window in windows)
    return [text.index(window) for window in windows]


def test_training_windows_start_anywhere_in_their_part(text, path):
    train, _, _ = text_file(path, batch_size=8, seq_length=8)
    assert train[0].shape == (8, 8)
    assert train[0].dtype == "int32"
    starts = []
    for epoch in range(60):
        train.epoch = epoch
        starts += places(train, text)
    # 720 letters are 90 windows' length: the last of 89 windows has nine places, all others eight.
    assert min(starts) == 0
    assert max(starts) == 720 - 8
    assert_draws_follow(np.repeat([1 / 8, 1 / 9], [88 * 8, 9]) / 89, starts)


def test_windows_to_evaluate_follow_each_other_in_the_last_parts(text, path):
    _, validation, test = text_file(path, batch_size=2, seq_length=8, seed=5)
    for batches, first in ((validation, 720), (test, 760)):
        assert places(batches, text) == [first + 8 * i for i in range(5)]


@pytest.mark.parametrize("stride", [1, 3, 8, 13])
def test_windows_to_evaluate_start_as_far_apart_as_asked(stride, text, path):
    parts = text_file(path, batch_size=40, seq_length=8, stride=stride)
    for batches, first in zip(parts[1:], (720, 760), strict=True):
        assert places(batches, text) == list(range(first, first + 40 - 8 + 1, stride))
    again = text_file(path, batch_size=40, seq_length=8)
    np.testing.assert_array_equal(parts.train[0], again.train[0])


def test_a_text_with_a_tokenizer_is_taken_as_it_is(tmp_path):
    path, text = tmp_path / "text.txt", "Él, 象 & Ωmega.\n" * 40
    path.write_text(text, encoding="utf-8")
    parts = text_file(path, seq_length=5, tokenizer=Bytes())
    tokens = Bytes().encode(text)
    num_held_out = len(tokens) // 20 // 5 * 5
    np.testing.assert_array_equal(
        parts.test[0].ravel(), tokens[-(len(tokens) // 20) :][:num_held_out]
    )
    train, _, _ = embedded_text(8, 16, tokenizer=Bytes())
    assert train[0].dtype == "int32"
    assert train[0].max() < 128 < Bytes().num_classes


def test_a_byte_order_mark_is_no_text(tmp_path):
    text = "abcde" * 40
    (tmp_path / "marked.txt").write_text(text, encoding="utf-8-sig")
    parts = text_file(tmp_path / "marked.txt", seq_length=5, tokenizer=Bytes())
    np.testing.assert_array_equal(parts.train.tokens[:5], Bytes().encode("abcde"))


def test_tokens_may_be_more_than_bytes_can_number(path):
    class Many(Letters):
        num_classes = 70_000

        def encode(self, text):
            return super().encode(text) + 69_000

    train, validation, _ = text_file(path, seq_length=8, tokenizer=Many())
    for batch in (train[0], validation[0]):
        assert 69_000 < batch.min() < batch.max() <= 69_026
    assert text_file(path, seq_length=8).train[0].max() <= 26


def test_the_seed_and_steps_per_epoch_are_those_of_the_training_windows(text, path):
    first, other = (
        text_file(path, batch_size=8, seq_length=8, seed=seed, steps_per_epoch=30)
        for seed in (0, 1)
    )
    assert places(first.train, text) != places(other.train, text)
    assert places(first.validation, text) == places(other.validation, text)
    assert [part.num_batches for part in first] == [30, 1, 1]


def test_embedded_text_is_prose_in_three_parts():
    parts = embedded_text(batch_size=16, seq_length=64)
    lengths = [len(part.examples) for part in parts]
    assert lengths[1] == pytest.approx(0.05 * sum(lengths), rel=0.05)
    assert lengths[2] == pytest.approx(lengths[1], abs=1)
    for part in parts:
        text = "".join(LETTERS.decode(np.concatenate(list(part))))
        assert " the " in text
        assert clean_text(text) == text.replace("  ", " ")


def test_text8_keeps_its_last_megabytes_to_validate_and_test(monkeypatch, tmp_path):
    path = tmp_path / "text8.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("text8", "a" * 4096 + "b" * 5_000_000 + "c" * 5_000_000)
    monkeypatch.setattr(keras.utils, "get_file", lambda *args, **kwargs: path)
    parts = text8(batch_size=64)
    for part, length, letter in zip(parts, (4096, 5_000_000, 5_000_000), "abc", strict=True):
        assert len(part.examples) == length // 256 - (letter == "a")
        for index in (0, part.num_batches - 1):
            assert set("".join(LETTERS.decode(part[index]))) == {letter}


def test_without_a_network_text8_points_to_a_text_at_hand(monkeypatch):
    def get_file(*args, **kwargs):
        raise OSError("no route\nto host")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    message = r"'text8' could not be downloaded.*`datasets.text_file\(path\)`"
    with pytest.raises(FileNotFoundError, match=message) as error:
        text8()
    assert str(error.value).endswith("(OSError: no route)")


def test_a_text_of_other_bytes_is_refused_with_its_file(tmp_path):
    (tmp_path / "text.txt").write_bytes(b"call me ishmael \xff" * 100)
    with pytest.raises(ValueError, match=r"text\.txt' must be UTF-8 text.*0xff"):
        text_file(tmp_path / "text.txt")
