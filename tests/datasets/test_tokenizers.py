"""Tokenizers: what is encoded is decoded, and configs keep all."""

import json
import sys

import keras
import numpy as np
import pandas
import pytest

from keras_bfn.datasets import SELFIES, SMILES, Bytes, Letters, Subwords, Symbols
from keras_bfn.datasets.tokenizers import check_tokenizer
from keras_bfn.metrics import spelling_rate
from keras_bfn.text import encode_prompts

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


@pytest.fixture(scope="module", params=["letters", "bytes", "symbols", "subwords"])
def tokenizer(request):
    if request.param == "subwords":
        return request.getfixturevalue("subwords")
    characters = sorted(set(TEXT))
    made = {"letters": Letters("".join(characters)), "bytes": Bytes()}
    return {**made, "symbols": Symbols([*characters, "me", "mega"])}[request.param]


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


def test_texts_of_a_batch_are_filled_up_and_come_back(tokenizer):
    texts = ["a", TEXT, "象"]
    tokens = tokenizer.encode_batch(texts, 60)
    assert tokens.shape == (3, 60)
    assert tokens.dtype == "int32"
    assert tokenizer.decode(tokens) == texts
    shortest = tokenizer.encode_batch(texts)
    np.testing.assert_array_equal(shortest, tokens[:, : shortest.shape[1]])
    fill = -1 if tokenizer.end is None else tokenizer.num_classes - 1
    assert (tokens[:, shortest.shape[1] :] == fill).all()
    series = pandas.Series(texts, index=[7, 3, 5])  # as of a part of a frame
    np.testing.assert_array_equal(tokenizer.encode_batch(series), shortest)


def test_what_is_missing_is_not_decoded(tokenizer):
    tokens = tokenizer.encode(TEXT)
    spread = np.full(2 * len(tokens), -1)
    spread[1::2] = tokens
    assert tokenizer.decode(spread) == TEXT
    assert tokenizer.decode(np.stack([spread, np.full_like(spread, -1)])) == [TEXT, ""]


def test_the_longest_symbol_that_fits_is_taken_and_nothing_after_the_end():
    symbols = Symbols(["C", "Cl", "(", "Cl("])
    assert symbols.encode("ClCCl(").tolist() == [1, 0, 3]
    assert symbols.end == 4
    assert symbols.decode([0, 1, 4, 0, 4]) == "CCl"
    assert symbols.decode([[4, 0], [0, 0]]) == ["", "CC"]
    without = Symbols(["C", "Cl"], has_end=False)
    assert (without.end, without.num_classes) == (None, 2)


@pytest.mark.parametrize(
    ("pattern", "text", "symbols"),
    [
        (SMILES, "C[C@@H](N)C(=O)Br", "C [C@@H] ( N ) C ( = O ) Br"),
        (SMILES, "c1cc%12ccc1Cl.C%12", "c 1 c c %12 c c c 1 Cl . C %12"),
        (SELFIES, "[C][=O].[Ring1]", "[C] [=O] . [Ring1]"),
        (r"\[([^\]]*)\]|(Br|Cl)|(.)", "C[nH]Br", "C [nH] Br"),  # whatever its groups
    ],
)
def test_symbols_of_molecules(pattern, text, symbols):
    fitted, symbols = Symbols.fit([text], pattern), symbols.split()
    assert fitted.symbols == tuple(sorted(set(symbols)))
    assert [fitted.symbols[token] for token in fitted.encode(text)] == symbols


def test_letters_are_numbered_as_in_their_alphabet():
    alphabet = " abcdefghijklmnopqrstuvwxyz"
    assert Letters().alphabet == alphabet
    np.testing.assert_array_equal(Letters().encode(alphabet), np.arange(27))
    assert Letters("aΩ𝄞b").encode("𝄞ba").tolist() == [2, 3, 0]
    assert Letters("ab") != Letters("ba")


@pytest.mark.parametrize(
    ("text", "alphabet"),
    [
        (TEXT, "".join(sorted(set(TEXT)))),
        ("b\na\n", "\nab"),
        (["ba", "", "cb"], "abc"),
        (("é", "𝄞"), "é𝄞"),
        (np.array(["ba", "c"]), "abc"),
    ],
)
def test_letters_are_fitted_to_the_characters_of_texts(text, alphabet):
    letters = Letters.fit(text)
    assert letters == Letters(alphabet)
    for one in [text] if isinstance(text, str) else text:
        assert letters.decode(letters.encode(one)) == one


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_letters_are_fitted_to_a_column_of_texts(library):
    df = pytest.importorskip(library).DataFrame({"text": ["ba", "", "cb"]})
    assert Letters.fit(df["text"][1:]) == Letters("bc")


def test_letters_are_fitted_in_the_class_that_is_asked():
    class Words(Letters):
        pass

    assert type(Words.fit("ab")) is Words


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


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"pip install .keras-bfn\[io\]"):
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


@pytest.mark.parametrize("kind", [list, tuple, np.array, "pandas", "polars"])
def test_strings_may_be_a_list_an_array_or_a_series(kind):
    make = pytest.importorskip(kind).Series if isinstance(kind, str) else kind
    texts = make(["C", "N", "c1"])
    assert Symbols(texts).symbols == ("C", "N", "c1")
    assert all(type(symbol) is str for symbol in Symbols(texts).symbols)
    assert Letters.fit(texts).alphabet == "1CNc"
    assert spelling_rate(make(["a call me b"]), "Call me") == 1


def make_bpe():
    """A tokenizer without a token for what is unknown, and the function that trains it."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=12, show_progress=False)
    return tokenizer, lambda: tokenizer.train_from_iterator(["ab abc bca cab " * 50], trainer)


def test_characters_without_tokens_are_refused_rather_than_left_out():
    tokenizer, train = make_bpe()
    train()
    subwords = Subwords(tokenizer)
    assert "".join(map(tokenizer.id_to_token, subwords.encode("abc cab"))) == "abc cab"
    assert len(subwords.encode("")) == 0
    for text in ("abXc", "é", "ab 😀"):
        with pytest.raises(ValueError, match=r"Argument `text` must have tokens .* Received: '"):
            subwords.encode(text)
    with pytest.raises(ValueError, match="Argument `prompt`"):
        encode_prompts(subwords, "XYZ", 1, 8)


def test_characters_of_which_a_byte_has_no_token_are_refused():
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, show_progress=False)
    tokenizer.train_from_iterator(["caf\u00e9 the whale \ufffd"] * 5, trainer)
    subwords = Subwords(tokenizer)
    for text in ("caf\u00e9", "the whale", "\ufffd", "\u00e9\ufffd"):
        assert subwords.decode(subwords.encode(text)) == text
    for text in ("\u00e8", "the \u00e8 whale", "\ufffd\u00e8", "\u4e2d"):  # the first byte has
        with pytest.raises(ValueError, match=r"Argument `text` must have tokens of the vocab"):
            subwords.encode(text)


def test_characters_that_a_tokenizer_removes_or_names_unknown_are_no_loss():
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer, train = make_bpe()
    steps = [tokenizers.normalizers.NFD(), tokenizers.normalizers.StripAccents()]
    steps += [tokenizers.normalizers.Lowercase(), tokenizers.normalizers.Replace("-", "")]
    tokenizer.normalizer = tokenizers.normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    train()
    same = [Subwords(tokenizer).encode(text).tolist() for text in ("áB-c \n ab", "abc ab")]
    assert same[0] == same[1]
    words = tokenizers.models.WordLevel({"a": 0, "b": 1})
    with pytest.raises(ValueError, match="Argument `text` must have tokens of the vocabulary"):
        Subwords(tokenizers.Tokenizer(words)).encode("c")
    words = tokenizers.models.WordLevel({"a": 0, "?": 1}, unk_token="?")
    assert Subwords(tokenizers.Tokenizer(words)).encode("c").tolist() == [1]


def test_no_tokens_are_the_empty_text():
    assert Letters("ab").decode([]) == Letters("ab").decode(np.zeros(0, int)) == ""
