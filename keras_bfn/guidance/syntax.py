"""Likelihoods of syntax: sequences that a finite automaton accepts."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from keras import ops

from keras_bfn._parts import check_part, pick_part
from keras_bfn._typing import Nest, Tensor
from keras_bfn._validation import check_int, mismatch, refusal
from keras_bfn.guidance.guidance import Guidance

LEAST = 1e-30  # the likelihood of sequences that are not accepted


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

    Examples: no 2 stands after a 1; an even number of 3s; opening brackets, 4, and closing ones, 5,
    match, with at most three open. A product requires all:

    >>> no_2_after_1 = keras_bfn.guidance.Automaton({1: [1, 1], 2: [0, -1]}, accept=[0, 1])
    >>> even = keras_bfn.guidance.Automaton({3: [1, 0]}, accept=[0])
    >>> brackets = {4: [1, 2, 3, -1], 5: [-1, 0, 1, 2]}
    >>> syntax = no_2_after_1 * even * keras_bfn.guidance.Automaton(brackets, accept=[0])

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
