"""Tokenizers: convert text to integers and back, by letters, bytes, symbols or subwords."""

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np

from keras_bfn._config import Immutable
from keras_bfn._imports import tell_to_install
from keras_bfn._typing import Array, ArrayLike
from keras_bfn._validation import check_bool, check_int, lacks, mismatch, refusal, to_numpy


class Tokenizer(Immutable):
    """Base class of tokenizers, which turn text into integers and integers into text.

    A tokenizer need not be derived from this class. It must have `encode(text)`, which returns an
    int32 array of shape `(length,)`; `decode(tokens)`, which returns a string for an integer array
    `(length,)`, and a list of strings for `(num, length)`; and `num_classes`, an int: tokens are
    `0..num_classes - 1`. To be saved with a model, it also needs `get_config` and `from_config`,
    and must be registered as Keras requires. A subclass may define `decode_row`, which decodes one
    row, instead of `decode`.

    Attributes:
        num_classes: int.
        end: the token that ends a text, at which decoding stops; None if there is none.

    Example:

    >>> tokenizer = keras_bfn.datasets.Bytes()
    >>> tokenizer.decode(tokenizer.encode("naïve"))
    'naïve'
    """

    if TYPE_CHECKING:  # Checkers let attributes and properties replace a property only.

        @property
        def num_classes(self) -> int: ...
        @property
        def end(self) -> int | None: ...
    else:
        end = None

    def encode(self, text: str) -> Array:
        """Returns the text's tokens, an int32 array of shape `(length,)`.

        Raises:
            ValueError: if `text` is not a string, or these tokens cannot represent it.
        """
        raise lacks(self, "encode")

    def encode_batch(self, texts: Sequence[str], length: int | None = None) -> Array:
        """Returns the tokens of several texts, padded to one length.

        Args:
            texts: list of strings.
            length: int or None. The number of tokens in a row; by default that of the longest text.
                Rows are padded with `end` or, if the tokenizer has none, with -1, which means
                missing.

        Returns:
            An int32 array of shape `(num, length)`.

        Raises:
            ValueError: if there are no texts, or a text is too long or cannot be encoded.

        Example:

        >>> keras_bfn.datasets.Letters("ab").encode_batch(["abba", "b"]).tolist()
        [[0, 1, 1, 0], [1, -1, -1, -1]]
        """
        if isinstance(texts, str) or not len(texts):
            raise refusal("texts", "must be a non-empty list of strings", texts)
        texts = list(texts)  # a series may be indexed by other numbers than 0, 1, ...
        rows = [self.encode(text) for text in texts]
        counts = [len(row) for row in rows]
        longest = max(counts)
        length = longest if length is None else check_int("length", length, 1)
        if longest > length:
            text = texts[counts.index(longest)]
            expected = f"must be at least {longest}, the number of tokens of {text!r}"
            raise refusal("length", expected, length)
        padding = -1 if self.end is None else self.end
        return keras.utils.pad_sequences(rows, length, padding="post", value=padding)

    def decode(self, tokens: ArrayLike) -> Any:
        """Returns the text of an array `(length,)`, or a list of the texts of `(num, length)`.

        -1 is skipped, and decoding stops at the first `end`.

        Raises:
            ValueError: if the array does not hold tokens.
        """
        tokens = _check_tokens(tokens, self.num_classes)
        texts = []
        for row in np.atleast_2d(tokens):
            row = row[row >= 0]
            if self.end in row:
                row = row[: row.tolist().index(self.end)]
            texts.append(self.decode_row(row))
        return texts if tokens.ndim == 2 else texts[0]

    def decode_row(self, tokens: Array) -> str:
        """Returns the text of validated tokens of shape `(length,)`."""
        raise lacks(self, "decode_row")


TEXT8_ALPHABET = " abcdefghijklmnopqrstuvwxyz"


@keras.saving.register_keras_serializable("keras_bfn")
class Letters(Tokenizer):
    """One token for each character of an alphabet.

    Args:
        alphabet: string of at least two different characters, without repeats. The default is that
            of text8, a space and a to z, to which `clean_text` maps any text. `fit` takes the
            characters of a text.

    Raises:
        ValueError: if `alphabet` is not such a string.

    Example:

    >>> letters = keras_bfn.datasets.Letters()
    >>> letters.encode("a b").tolist()
    [1, 0, 2]
    >>> letters.decode(np.array([[1, 0, 2], [3, 3, 3]]))
    ['a b', 'ccc']
    >>> keras_bfn.datasets.Letters("ACGT").num_classes
    4
    """

    def __init__(self, alphabet: str = TEXT8_ALPHABET) -> None:
        if not isinstance(alphabet, str) or len(alphabet) < 2 or len({*alphabet}) < len(alphabet):
            expected = "must be a string of at least two characters, without duplicates"
            raise refusal("alphabet", expected, alphabet)
        self.alphabet = alphabet

    @classmethod
    def fit(cls, text: str | Sequence[str]) -> Self:
        """Finds the characters that occur in a text, or in a list of texts.

        Args:
            text: string, or list, array or series of strings, with at least two distinct
                characters.

        Returns:
            A `Letters` of the characters found, sorted.

        Raises:
            ValueError: if `text` is not of this form.

        Example:

        >>> letters = keras_bfn.datasets.Letters.fit("Call me Ishmael.")
        >>> letters.alphabet
        ' .CIaehlms'
        >>> letters.decode(letters.encode("Call me."))
        'Call me.'
        """
        texts = [text] if isinstance(text, str) else list_texts(text)
        if texts is None:
            raise refusal("text", "must be a string, or a list of strings", text)
        alphabet = "".join(sorted(set().union(*texts)))
        if len(alphabet) < 2:
            raise refusal("text", "must contain at least two distinct characters", text)
        return cls(alphabet)

    @property
    def num_classes(self) -> int:
        return len(self.alphabet)

    def encode(self, text: str) -> Array:
        codes, letters = _code_points(check_text(text)), _code_points(self.alphabet)
        table = np.full(letters.max() + 2, -1, "int32")  # the last entry is for all larger codes
        table[letters] = np.arange(len(letters))
        tokens = table[np.minimum(codes, len(table) - 1)]
        if (tokens < 0).any():
            others = [chr(code) for code in np.unique(codes[tokens < 0])]
            advice = "Use `Letters.fit` for a tokenizer of the text's own characters"
            if self.alphabet == TEXT8_ALPHABET:
                advice = f"Convert the text with `clean_text`. {advice}, as they are"
            more = f" and {len(others) - 20} others" if len(others) > 20 else ""
            expected = f"must contain only the {self.num_classes} characters of the alphabet"
            raise mismatch("text", f"{expected}. {advice}", f"a text with {others[:20]}{more}")
        return tokens

    def decode_row(self, tokens: Array) -> str:
        codes = _code_points(self.alphabet)[tokens]
        return codes.tobytes().decode("utf-32-le", "surrogatepass")


@keras.saving.register_keras_serializable("keras_bfn")
class Bytes(Tokenizer):
    """The bytes of UTF-8: 256 tokens for any text. Invalid UTF-8 is decoded as U+FFFD.

    Example:

    >>> keras_bfn.datasets.Bytes().encode("né").tolist()
    [110, 195, 169]
    """

    num_classes = 256

    def encode(self, text: str) -> Array:
        try:
            encoded = check_text(text).encode("utf-8")
        except UnicodeEncodeError as error:
            raise mismatch("text", "must be text that UTF-8 can encode", str(error)) from error
        return np.frombuffer(encoded, "uint8").astype("int32")

    def decode_row(self, tokens: Array) -> str:
        return tokens.astype("uint8").tobytes().decode("utf-8", errors="replace")


SMILES = r"\[[^\]]*\]|Br|Cl|%\d\d|."  # atoms, bonds, branches, and the digits of rings
SELFIES = r"\[[^\]]*\]|\."


@keras.saving.register_keras_serializable("keras_bfn")
class Symbols(Tokenizer):
    """One token for each symbol of a list, such as atoms and bonds, amino acids, or musical notes.

    A text is cut into symbols from left to right; where several symbols match, the longest is
    taken.

    Args:
        symbols: list of strings, all different, none empty; kept as a tuple.
        has_end: bool. Whether there is one more token, the last, that ends a text: `encode_batch`
            pads with it, and `decode` stops at it. A model then learns the lengths of texts.

    Raises:
        ValueError: if an argument is not of this form.

    Example, molecules as SMILES:

    >>> smiles = ["CCO", "c1ccccc1Br", "C[C@@H](N)C(=O)O"]
    >>> symbols = keras_bfn.datasets.Symbols.fit(smiles, keras_bfn.datasets.SMILES)
    >>> symbols.encode_batch(smiles[:2]).shape
    (2, 9)
    >>> symbols.decode(symbols.encode_batch(smiles))
    ['CCO', 'c1ccccc1Br', 'C[C@@H](N)C(=O)O']
    """

    def __init__(self, symbols: Sequence[str], has_end: bool = True) -> None:
        found = list_texts(symbols)
        if not found or not all(found) or len({*found}) < len(found):
            raise refusal("symbols", "must be a list of distinct, non-empty strings", symbols)
        self.symbols = tuple(found)
        self.has_end = check_bool("has_end", has_end)

    @classmethod
    def fit(cls, texts: Sequence[str], pattern: str, has_end: bool = True) -> Self:
        """Finds the symbols that occur in texts.

        Args:
            texts: list of strings.
            pattern: regular expression that matches a symbol, such as `SMILES` or `SELFIES`.
            has_end: as in the constructor.

        Returns:
            A `Symbols` of the symbols found, sorted.

        Raises:
            ValueError: if `texts` is one string, or a text does not consist of symbols only.
        """
        try:
            compiled = re.compile(pattern)
        except (re.error, TypeError) as error:
            raise refusal("pattern", "must be a regular expression", pattern) from error
        found: set[str] = set()
        for text in [] if isinstance(texts, str) else texts:
            symbols = [match.group() for match in compiled.finditer(check_text(text, "texts"))]
            if "".join(symbols) != text or not all(symbols):
                raise refusal("texts", f"must consist of matches of {pattern!r}", text)
            found.update(symbols)
        if not found:
            raise refusal("texts", "must be a list of strings with symbols", texts)
        return cls(sorted(found), has_end)

    @property
    def num_classes(self) -> int:
        return len(self.symbols) + self.has_end

    @property
    def end(self) -> int | None:
        return len(self.symbols) if self.has_end else None

    def encode(self, text: str) -> Array:
        numbers, longest_first = _cutter(self.symbols)
        found = longest_first.findall(check_text(text))
        if len("".join(found)) != len(text):
            done = 0
            while match := longest_first.match(text, done):
                done = match.end()
            came = f"{text!r}, where no symbol matches at {text[done : done + 10]!r}"
            raise mismatch("text", f"must consist of the {len(self.symbols)} symbols", came)
        return np.array([numbers[symbol] for symbol in found], "int32")

    def decode_row(self, tokens: Array) -> str:
        return "".join(self.symbols[token] for token in tokens)

    def __repr__(self):
        return f"Symbols(num_classes={self.num_classes}, has_end={self.has_end})"


@functools.lru_cache(maxsize=8)
def _cutter(symbols):
    """Returns each symbol's number, and a regular expression that matches the longest symbol."""
    longest_first = sorted(symbols, key=len, reverse=True)
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    return numbers, re.compile("|".join(map(re.escape, longest_first)))


@keras.saving.register_keras_serializable("keras_bfn")
class Subwords(Tokenizer):
    """The vocabulary of a tokenizer of the package `tokenizers`: words, and parts of words.

    Special tokens are neither added in encoding nor skipped in decoding. The tokenizer's settings
    for padding and truncation are ignored.

    Args:
        tokenizer: a `tokenizers.Tokenizer`, or its JSON, as `to_str` returns it and its files hold
            it. (For a tokenizer of `transformers`, pass its `backend_tokenizer`.) The JSON is kept.

    Raises:
        ImportError: if the package is not installed.
        ValueError: if it is not a tokenizer.

    Example:

    ```python
    tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
    subwords = keras_bfn.datasets.Subwords(tokenizer)
    flow = keras_bfn.flows.DiscreteFlow(subwords.num_classes, beta_1=1.0)
    ```
    """

    def __init__(self, tokenizer: Any) -> None:
        json = tokenizer if isinstance(tokenizer, str) else getattr(tokenizer, "to_str", str)()
        try:
            _vocabulary(json)
        except ImportError:
            raise
        except Exception as error:  # the package raises no class of its own
            expected = "must be a `tokenizers.Tokenizer` or the JSON of one"
            came = f"a {type(tokenizer).__name__} ({error})"
            raise mismatch("tokenizer", expected, came) from error
        self.tokenizer = json

    @property
    def num_classes(self) -> int:
        return _vocabulary(self.tokenizer)[1]

    def encode(self, text: str) -> Array:
        tokenizer, _ = _vocabulary(self.tokenizer)
        try:
            found = tokenizer.encode(check_text(text), add_special_tokens=False)
        except ValueError:
            raise
        except Exception as error:  # the package raises no class of its own
            raise mismatch("text", "must have tokens of the vocabulary", str(error)) from error
        if _loses(tokenizer, text, found):
            expected = "must have tokens of the vocabulary"
            raise mismatch("text", expected, f"{text!r:.100}, of which characters have none")
        return np.array(found.ids, "int32")

    def decode_row(self, tokens: Array) -> str:
        tokenizer, _ = _vocabulary(self.tokenizer)
        return tokenizer.decode(tokens.tolist(), skip_special_tokens=False)

    def __repr__(self):
        return f"Subwords(num_classes={self.num_classes})"


def _loses(tokenizer, text, encoded):
    """Whether a model without an unknown token leaves out characters, or bytes of them."""
    if getattr(tokenizer.model, "unk_token", "") is not None:
        return False
    decoded = tokenizer.decode(encoded.ids, skip_special_tokens=False)
    if decoded.count("\ufffd") > text.count("\ufffd"):
        return True  # a byte of a character has no token
    ends = np.zeros((len(text) + 1, 2), "int64")
    offsets = np.array(encoded.offsets, "int64").reshape(-1, 2)
    for i in range(2):
        np.add.at(ends[:, i], offsets[:, i], 1)
    is_lost = np.cumsum(ends[:-1, 0] - ends[:-1, 1]) <= 0
    return any(_counts(tokenizer, x) for x in {text[i] for i in np.flatnonzero(is_lost)})


def _counts(tokenizer, character):
    """Whether neither the normalizer nor the pre-tokenizer removes a character."""
    kept = tokenizer.normalizer.normalize_str(character) if tokenizer.normalizer else character
    if tokenizer.pre_tokenizer:
        kept = "".join(piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(kept))
    return bool(kept.strip())


@functools.lru_cache(maxsize=8)
def _vocabulary(json):
    """Returns the tokenizer that the JSON describes, and the number of its tokens."""
    with tell_to_install('`Subwords` needs tokenizers: pip install "keras-bfn[io]"'):
        import tokenizers

    tokenizer = tokenizers.Tokenizer.from_str(json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def list_texts(texts):
    """Returns the strings of a list, tuple, array or series of strings; None for all else."""
    is_series = hasattr(texts, "dtype") and getattr(texts, "ndim", 1) == 1
    found = list(texts) if is_series or isinstance(texts, (list, tuple)) else [None]
    return [str(text) for text in found] if all(isinstance(x, str) for x in found) else None


def check_text(text, name="text"):
    """Returns `text`, or raises a `ValueError` if it is not a string."""
    if not isinstance(text, str):
        raise mismatch(name, "must be a string", f"a {type(text).__name__}")
    return text


def check_tokenizer(name, tokenizer):
    """Returns `tokenizer`, or raises a `ValueError` unless it has the methods of a `Tokenizer`."""
    has_verbs = all(callable(getattr(tokenizer, verb, None)) for verb in ("encode", "decode"))
    if isinstance(tokenizer, type) or not has_verbs or not hasattr(tokenizer, "num_classes"):
        expected = "must be a tokenizer, with `encode`, `decode` and `num_classes`, such as "
        raise refusal(name, f"{expected}`datasets.Letters()`", tokenizer)
    return tokenizer


def _check_tokens(tokens, num_classes):
    """Returns an array of tokens, -1 where missing, or raises a `ValueError`."""
    tokens = to_numpy(tokens, "tokens")
    tokens = tokens if tokens.size else tokens.astype("int32")  # an empty list is of floats
    are_integers = tokens.ndim in (1, 2) and np.issubdtype(tokens.dtype, np.integer)
    if are_integers and (not tokens.size or -1 <= tokens.min() <= tokens.max() < num_classes):
        return tokens
    raise ValueError(
        f"Argument `tokens` must contain integers in -1..{num_classes - 1}, of shape (length,) or "
        f"(num, length). Received: shape {tokens.shape}, dtype {tokens.dtype}"
        + (f", from {tokens.min()} to {tokens.max()}" if are_integers else "")
    )


def _code_points(text):
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
