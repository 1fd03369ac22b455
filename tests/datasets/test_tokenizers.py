"""Tokenizers: what is encoded is decoded, what cannot be is refused, and configs keep all."""

import json
import sys

import keras
import numpy as np
import pytest

from keras_bfn.datasets import Bytes, Letters, Subwords
from keras_bfn.datasets.tokenizers import check_tokenizer

pytestmark = pytest.mark.once

TEXT = "naïve Ωmega, 𝄞 and 象"


@pytest.fixture(scope="module")
def trained():
    """A tokenizer of the package `tokenizers` that has learnt its parts of words, and has more."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=290,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["[CLS]", "[PAD]"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(["call me ishmael, call me the whale"] * 9, trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 0)]
    )
    return tokenizer


@pytest.fixture(scope="module")
def subwords(trained):
    return Subwords(trained)


@pytest.fixture(scope="module", params=["letters", "bytes", "subwords"])
def tokenizer(request):
    if request.param == "subwords":
        return request.getfixturevalue("subwords")
    return {"letters": Letters("".join(sorted(set(TEXT)))), "bytes": Bytes()}[request.param]


@pytest.mark.parametrize("text", ["a\0b\0", "\ud800a"])
def test_any_character_is_a_letter(text):
    letters = Letters("ab\0\ud800")
    assert letters.decode(letters.encode(text)) == text


def test_decoding_undoes_encoding(tokenizer):
    tokens = tokenizer.encode(TEXT)
    assert tokens.dtype == "int32"
    assert tokens.ndim == 1
    assert 0 <= tokens.min() <= tokens.max() < tokenizer.num_classes
    assert tokenizer.decode(tokens) == TEXT
    assert tokenizer.decode(np.stack([tokens, tokens]).astype("int64")) == [TEXT, TEXT]
    assert tokenizer.encode("").shape == (0,)
    assert tokenizer.decode(tokenizer.encode("")) == ""


def test_a_tokenizer_comes_back_from_its_config(tokenizer):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(tokenizer)))
    again = keras.saving.deserialize_keras_object(config)
    assert again == tokenizer
    assert hash(again) == hash(tokenizer)
    np.testing.assert_array_equal(again.encode(TEXT), tokenizer.encode(TEXT))


@pytest.mark.parametrize("wrong", [3, None, b"bytes", ["a"]])
def test_what_is_no_text_is_refused(tokenizer, wrong):
    with pytest.raises(ValueError, match=r"`text` must be a string.*Received"):
        tokenizer.encode(wrong)


def test_what_are_no_tokens_is_refused(tokenizer):
    num = tokenizer.num_classes
    message = rf"`tokens` must hold integers in 0\.\.{num - 1}, of shape.*Received: shape"
    for wrong in ([num], [-1], [0.5], 1, [[[0]]], None, "ab"):
        with pytest.raises(ValueError, match=message):
            tokenizer.decode(wrong)


def test_letters_are_numbered_as_in_their_alphabet():
    alphabet = " abcdefghijklmnopqrstuvwxyz"
    assert Letters().alphabet == alphabet
    np.testing.assert_array_equal(Letters().encode(alphabet), np.arange(27))
    assert Letters("aΩ𝄞b").encode("𝄞ba").tolist() == [2, 3, 0]
    assert Letters("ab") != Letters("ba")


def test_letters_of_another_alphabet_are_refused():
    with pytest.raises(ValueError, match=r"the 27 characters.*`clean_text`.*with \['A', 'é'\]"):
        Letters().encode("cAfé")


@pytest.mark.parametrize("alphabet", ["", "a", "abca", None, ["a", "b"]])
def test_an_alphabet_is_characters_that_differ(alphabet):
    with pytest.raises(ValueError, match=r"`alphabet` must be a string of at least two.*Received"):
        Letters(alphabet)


def test_bytes_that_are_no_text_are_decoded_all_the_same():
    assert Bytes().decode([[104, 255, 105], [206, 169, 206]]) == ["h\ufffdi", "Ω\ufffd"]


def test_subwords_are_those_of_the_package_and_nothing_is_added(trained, subwords):
    call = trained.token_to_id("call")
    assert subwords.num_classes == trained.get_vocab_size() <= 290
    assert subwords.encode("call").tolist() == [call]
    assert subwords.decode([0, call]) == "[CLS]call"
    assert repr(subwords) == f"Subwords(num_classes={subwords.num_classes})"


def test_subwords_neither_pad_nor_cut_nor_change_with_what_they_were_made_of(trained):
    made = Subwords(trained)
    trained.enable_padding(length=50)
    trained.enable_truncation(3)
    padded = Subwords(trained.to_str())
    trained.add_tokens(["ishmael the whale"])
    text = "call me ishmael the whale"
    np.testing.assert_array_equal(padded.encode(text), made.encode(text))
    assert Subwords(trained).num_classes == made.num_classes + 1
    trained.no_padding()


def test_what_is_no_tokenizer_of_the_package_is_refused():
    pytest.importorskip("tokenizers")
    for wrong in (None, 3, "not JSON", "{}"):
        with pytest.raises(ValueError, match=r"`tokenizer` must be a `tokenizers.Tokenizer`, or"):
            Subwords(wrong)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"pip install .keras-bfn\[text\]"):
        Subwords("{}")


def test_an_own_tokenizer_needs_no_base_class():
    class Own:
        num_classes = 2

        def encode(self, text):
            return np.array([letter == "b" for letter in text], "int32")

        def decode(self, tokens):
            raise NotImplementedError

    own = Own()
    assert check_tokenizer("tokenizer", own) is own
    for wrong in (Own, None, "letters", Letters().encode):
        with pytest.raises(ValueError, match="`tokenizer` must be a tokenizer, with `encode`"):
            check_tokenizer("tokenizer", wrong)
