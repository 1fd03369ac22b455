"""Texts have a start, an end and padding, as the models of others number them."""

import keras
import numpy as np
import pytest

from keras_bfn.checkpoints import MOLECULES, PROTEINS, MarkedSymbols

pytestmark = pytest.mark.once


def test_texts_end_and_are_padded_and_decoding_skips_marks():
    made = MarkedSymbols(["<pad>", "<start>", "<end>", "A", "BC"], end=2, padding=0, start=1)
    rows = made.encode_batch(["ABC", "BCBCA"], length=6)
    assert rows.tolist() == [[1, 3, 4, 2, 0, 0], [1, 4, 4, 3, 2, 0]]
    assert rows.dtype == "int32"
    assert made.decode(rows) == ["ABC", "BCBCA"]
    assert made.decode(np.array([0, 3, 1, 4, 2, 3])) == "ABC"
    full = made.encode_batch(["AAA"], length=4)
    assert full.tolist() == [[1, 3, 3, 3]]
    with pytest.raises(ValueError, match="`length` must be at least 4, the number of tokens of"):
        made.encode_batch(["AAA"], length=3)


@pytest.mark.parametrize("made", [PROTEINS, MOLECULES], ids=["proteins", "molecules"])
def test_they_are_saved(made):
    config = keras.saving.serialize_keras_object(made)
    assert keras.saving.deserialize_keras_object(config) == made


def test_marks_out_of_range_are_refused():
    for options, message in {
        (2, 0): "`end` must be an integer of at least 0 and at most 1",
        (0, 5): "`padding` must be an integer of at least 0 and at most 1",
        (0, 1, -1): "`start` must be an integer of at least 0 and at most 1",
    }.items():
        with pytest.raises(ValueError, match=message):
            MarkedSymbols(["a", "b"], *options)
