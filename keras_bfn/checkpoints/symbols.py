"""Symbols with special tokens, as checkpoints of others number them."""

import re
from collections.abc import Sequence

import keras
import numpy as np

from keras_bfn._typing import Array
from keras_bfn._validation import check_int
from keras_bfn.datasets import Symbols


@keras.saving.register_keras_serializable("keras_bfn")
class MarkedSymbols(Symbols):
    """`keras_bfn.datasets.Symbols` with special tokens: the start and end of a text, padding.

    Special tokens have the form `<name>`. `encode` puts that of the start first. `encode_batch`
    adds that of the end, if there is room, and then pads. `decode` stops at the end and skips
    special tokens.

    Args:
        symbols: list of strings, all different, none empty; kept as a tuple.
        end: int. The token that ends a text.
        padding: int. The token after the end.
        start: int or None. The token that starts a text, if there is one.

    Raises:
        ValueError: if `symbols` is not of this form, or another argument is not one of its tokens.

    Example:

    >>> dna = keras_bfn.checkpoints.MarkedSymbols(["<pad>", "<end>", *"ACGT"], end=1, padding=0)
    >>> dna.encode_batch(["GA", "T"], length=4).tolist()
    [[4, 2, 1, 0], [5, 1, 0, 0]]
    >>> dna.decode(np.array([4, 2, 1, 0]))
    'GA'
    """

    end: int = None  # type: ignore[assignment]

    def __init__(
        self, symbols: Sequence[str], end: int, padding: int, start: int | None = None
    ) -> None:
        super().__init__(symbols, has_end=False)
        last = len(self.symbols) - 1
        self.end = check_int("end", end, 0, last)
        self.padding = check_int("padding", padding, 0, last)
        self.start = None if start is None else check_int("start", start, 0, last)

    def encode(self, text: str) -> Array:
        start = [] if self.start is None else [self.start]
        return np.array([*start, *super().encode(text)], "int32")

    def encode_batch(self, texts: Sequence[str], length: int | None = None) -> Array:
        rows = super().encode_batch(texts, length)  # padded with `end`
        ended = np.cumsum(rows == self.end, axis=1) > 1
        return np.where(ended, np.int32(self.padding), rows)

    def decode_row(self, tokens: Array) -> str:
        symbols = (self.symbols[token] for token in tokens)
        return "".join(symbol for symbol in symbols if not _is_mark(symbol))

    def __repr__(self):
        return f"MarkedSymbols(num_classes={self.num_classes})"


def _is_mark(symbol):
    return symbol.startswith("<") and symbol.endswith(">")


# The amino acids in the order of ProtBFN.
PROTEINS = MarkedSymbols(
    ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *"ARNDCQEGHILKMFPSTWYVXBZJUO"],
    end=4,
    padding=1,
)
_ELEMENTS = (
    "HHeLiBeBCNOFNeNaMgAlSiPSClArKCaScTiVCrMnFeCoNiCuZnGaGeAsSeBrKrRbSrYZrNbMoTcRuRhPdAgC"
    "dInSnSbTeIXeCsBaHfTaWReOsIrPtAuHgTlPbBiPoAtRnFrRaRfDbSgBhHsMtDsRgCnNhFlMcLvTsOgLaCeP"
    "rNdPmSmEuGdTbDyHoErTmYbLuAcThPaUNpPuAmCmBkCfEsFmMdNoLr"
)
# ChemBFN's: SMILES, cut at characters, elements and rings of two digits.
MOLECULES = MarkedSymbols(
    [
        *("<pad>", "<start>", "<end>", ">", ">>", *"[]().=#-+\\/:~@?*$0123456789"),
        *re.findall("[A-Z][a-z]*", _ELEMENTS),
        *"bcnosp",
        *(f"%{ring}" for ring in range(10, 100)),
    ],
    end=2,
    padding=0,
    start=1,
)
