"""Likelihoods of syntax: sequences that a finite automaton accepts."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from keras_bfn._parts import check_part, pick_part
from keras_bfn._typing import Nest, Tensor
from keras_bfn._validation import check_int, mismatch, refusal
from keras_bfn.guidance.guidance import Guidance

if TYPE_CHECKING:
    from keras_bfn.datasets.tokenizers import Tokenizer

LEAST = 1e-30  # the likelihood of sequences that are not accepted
MOST_STATES = 256  # each position has a matrix of this size


class Automaton(Guidance):
    """Sequences of classes that a finite automaton accepts, such as those of a regular language.

    The automaton reads a sequence from left to right, one class at a time, from state 0 on. The
    likelihood is 1 if it ends in an accepting state, otherwise 1e-30. h is the probability of
    acceptance under the output distribution. It is exact, because the variables of the output
    distribution are independent: it is a product of one transition matrix for each position.

    Args:
        transitions: dict from classes to lists: the next state from each state, or -1 to reject the
            sequence. Other classes, and missing variables, do not change the state.
        accept: list of the accepting states.
        end: the class that ends a sequence, such as the `end` of a tokenizer. Classes after its
            first occurrence are not read. By default none.
        part: for a dict of flows, the name of the part that is read.
        **options: `scale`, `interval`, `num_draws` and `through_network` of `Guidance`.

    Raises:
        ValueError: if an argument is invalid.

    Example, sequences in which no 2 stands after a 1:

    >>> no_2_after_1 = keras_bfn.guidance.Automaton({1: [1, 1], 2: [0, -1]}, accept=[0, 1])

    Reference: the forward algorithm, section 13.2 of Bishop, "Pattern Recognition and Machine
    Learning".
    """

    def __init__(
        self,
        transitions: Mapping[int, Sequence[int]],
        accept: Collection[int],
        end: int | None = None,
        part: str | None = None,
        **options,
    ) -> None:
        self.transitions, num_states = _check_transitions(transitions)
        if not isinstance(accept, (list, tuple, set)) or not accept:
            raise refusal("accept", "must be a non-empty list of states", accept)
        self.accept = sorted({check_int("accept", state, 0, num_states - 1) for state in accept})
        self.end = None if end is None else check_int("end", end, 0)
        if self.end in self.transitions:
            raise refusal("end", "must not be a class in `transitions`", end)
        self.part = check_part(part)
        # Two more states: one after the end, and the last, which rejects.
        done, rejected, size = num_states, num_states + 1, num_states + 2
        rows = {token: [*row, done, rejected] for token, row in self.transitions.items()}
        if end is not None:
            accepted = [done if s in self.accept else rejected for s in range(num_states)]
            rows[self.end] = [*accepted, done, rejected]
        self.classes, eye = list(rows), np.eye(size, dtype="float32")
        # The matrix of each class that changes the state, minus the identity.
        self.changes = eye[np.array(list(rows.values())) % size] - eye
        super().__init__(**options)

    def likelihood(self, data: Nest) -> Tensor:  # type: ignore[override]
        (probs,) = pick_part(self.part, data)
        if len(probs.shape) != 3 or probs.shape[2] <= max(self.classes):
            expected = (
                "must be for sequences, with expected data of shape (batch, length, num_classes), "
                "and its classes must be below num_classes"
            )
            came = f"classes {self.classes} for shape {tuple(probs.shape)}"
            raise mismatch("guidance", expected, came)
        size = len(self.changes[0])
        nothing = ops.eye(size, dtype="float32")
        named = ops.take(ops.cast(probs, "float32"), np.array(self.classes, "int32"), axis=2)
        # One matrix for each position; then neighbouring pairs are multiplied until one is left.
        steps = ops.tensordot(named, ops.convert_to_tensor(self.changes), 1) + nothing
        while steps.shape[1] > 1:
            if steps.shape[1] % 2:
                one = ops.zeros_like(steps[:, :1]) + nothing
                steps = ops.concatenate([steps, one], axis=1)
            steps = ops.matmul(steps[:, ::2], steps[:, 1::2])
        accepting = np.array([*self.accept, size - 2], "int32")
        accepted = ops.sum(ops.take(steps[:, 0, 0], accepting, axis=1), axis=1)
        return ops.log(ops.clip(accepted, LEAST, 1.0))


class Balanced(Automaton):
    """Sequences in which opening and closing brackets match.

    Args:
        pair: the opening and the closing symbol: a string or list of two symbols of `tokenizer`,
            or, without one, two classes. Or a list of several such pairs, each a tuple, which must
            be nested: `[("(", ")"), ("[", "]")]` accepts "([])", but not "([)]". (A product of two
            `Balanced` accepts both.)
        tokenizer: a `keras_bfn.datasets.Tokenizer`, which also defines how sequences end.
        max_depth: int. How many brackets may be open at once, by default 8 for one pair, and 4 for
            several. With p pairs, p^d states stand for d open brackets; there may be 256 in all.
        **options: `end` and `part` of `Automaton`, and its options for `Guidance`.

    Raises:
        ValueError: if an argument is invalid.

    Example, texts whose parentheses match, and whose ring digits come in pairs:

    >>> smiles = keras_bfn.datasets.Symbols(list("CNO=()12"))
    >>> balanced = keras_bfn.guidance.Balanced("()", smiles)
    >>> syntax = balanced * keras_bfn.guidance.Even("12", smiles)
    """

    def __init__(
        self,
        pair: Sequence[str | int] | Sequence[tuple[str | int, str | int]],
        tokenizer: "Tokenizer | None" = None,
        max_depth: int | None = None,
        **options,
    ) -> None:
        pairs: Sequence[Any] = [pair]
        if isinstance(pair, (list, tuple)) and all(isinstance(p, (list, tuple)) for p in pair):
            pairs = pair
        symbols = pair if pairs == [pair] else [symbol for p in pairs for symbol in p]
        tokens, options = _find_tokens("pair", symbols, tokenizer, options)
        if any(len(p) != 2 for p in pairs):
            raise refusal("pair", "must be two symbols, or a list of pairs of symbols", pair)
        if max_depth is None:
            max_depth = 8 if len(pairs) == 1 else 4
        max_depth = check_int("max_depth", max_depth, 1)
        if sum(len(pairs) ** depth for depth in range(max_depth + 1)) > MOST_STATES:
            expected = f"must be lower for {len(pairs)} pairs: there may be {MOST_STATES} states"
            raise refusal("max_depth", expected, max_depth)
        # A state is the open brackets, by the number of their pair, the last one at the end.
        kinds = range(len(pairs))
        states = [
            opened for n in range(max_depth + 1) for opened in itertools.product(kinds, repeat=n)
        ]
        number = {opened: i for i, opened in enumerate(states)}
        transitions = {}
        for kind, opening, closing in zip(kinds, tokens[::2], tokens[1::2], strict=True):
            transitions[opening] = [number.get((*opened, kind), -1) for opened in states]
            transitions[closing] = [
                number[opened[:-1]] if opened[-1:] == (kind,) else -1 for opened in states
            ]
        super().__init__(transitions, [0], **options)


class Even(Automaton):
    """Sequences in which each of the given symbols occurs an even number of times, or never.

    Args:
        symbols: a string or list of symbols of `tokenizer`, or, without one, a list of classes; at
            most 6, because n symbols take 2^n states.
        tokenizer: a `keras_bfn.datasets.Tokenizer`, which also defines how sequences end.
        **options: `end` and `part` of `Automaton`, and its options for `Guidance`.

    Raises:
        ValueError: if an argument is invalid.

    Example:

    >>> smiles = keras_bfn.datasets.Symbols(list("CNO=()1234"))
    >>> rings = keras_bfn.guidance.Even("1234", smiles)
    """

    def __init__(
        self, symbols: Sequence[str | int], tokenizer: "Tokenizer | None" = None, **options
    ) -> None:
        tokens, options = _find_tokens("symbols", symbols, tokenizer, options)
        if len(tokens) > 6:
            raise refusal("symbols", "must contain at most 6 symbols", symbols)
        states = range(2 ** len(tokens))
        flips = {token: [s ^ (1 << i) for s in states] for i, token in enumerate(tokens)}
        super().__init__(flips, [0], **options)


def _check_transitions(transitions):
    """Returns a dict from classes to tuples of states, and the number of states."""
    rows = list(transitions.values()) if isinstance(transitions, dict) else []
    are_lists = rows and all(isinstance(row, (list, tuple)) for row in rows)
    if not are_lists or not rows[0] or len(set(map(len, rows))) > 1:
        expected = "must be a dict from classes to lists of states, of equal length"
        raise refusal("transitions", expected, transitions)
    num_states = len(rows[0])
    return {
        check_int("transitions", token, 0): tuple(
            check_int("transitions", state, -1, num_states - 1) for state in row
        )
        for token, row in transitions.items()
    }, num_states


def _find_tokens(name, symbols, tokenizer, options):
    """Returns the symbols' classes, which must differ, and the options with a tokenizer's `end`."""
    if not isinstance(symbols, (str, list, tuple)) or not len(symbols):
        raise refusal(name, "must be a string, or a list of symbols or classes", symbols)
    if tokenizer is None and any(isinstance(symbol, str) for symbol in symbols):
        expected = f"must be given if `{name}` contains symbols, not classes"
        raise refusal("tokenizer", expected, tokenizer)
    if tokenizer is None:
        tokens = [check_int(name, token, 0) for token in symbols]
    else:
        if not hasattr(tokenizer, "end"):
            raise refusal("tokenizer", "must have an `end`, which may be None", tokenizer)
        found = [tokenizer.encode(symbol) for symbol in symbols]
        if any(len(each) != 1 for each in found):
            raise refusal(name, "must contain symbols of one token each", symbols)
        tokens = [int(each[0]) for each in found]
        options = {"end": tokenizer.end, **options}
    if len(set(tokens)) < len(tokens):
        raise refusal(name, "must not contain duplicates", symbols)
    return tokens, options
