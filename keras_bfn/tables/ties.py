"""Unknown cells that follow from known ones by rules with a remainder, such as a difference.

Given an end alone, neither its start nor the difference is known. The model was trained on starts
and differences, so it cannot be asked for these given the end. Instead, candidates are sampled as
if the end were unknown, too. The difference is that of the candidate whose end is nearest to the
known one, and the start follows from it. With many candidates, rows so filled in follow the
distribution given the end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_bfn.tables.columns import Column
from keras_bfn.tables.numbers import Number
from keras_bfn.tables.rules import Rule


def find_ties(
    rules: Mapping[str, Rule], cells: Mapping[str, Sequence[Any]]
) -> dict[int, list[tuple[str, str]]]:
    """Finds the rows in which an unknown cell follows from a known one and a remainder.

    Args:
        rules: dict from columns to rules, in order.
        cells: the known cells: a dict of lists, with None where a cell is unknown.

    Returns:
        A dict from the numbers of rows to pairs of columns: one with a rule, whose cell is known,
        and one that the rule refers to, whose cell is not.

    Raises:
        ValueError: if a rule refers to several unknown cells of a row.
    """
    found: dict[int, list[tuple[str, str]]] = {}
    for name, rule in rules.items():
        if rule.column is not None:
            others = [cells[other] for other in rule.others]
            for row, other in rule.find_unknown(cells[name], others):
                found.setdefault(row, []).append((name, other))
    return found


def untie(
    columns: Mapping[str, Column],
    rules: Mapping[str, Rule],
    cells: Mapping[str, Sequence[Any]],
    rows: Sequence[int],
    candidates: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, Any]:
    """Fills in the unknown cells of tied rows.

    Args:
        columns: dict from columns to what sends them, or the remainder of their rule.
        rules, cells: as in `find_ties`.
        rows: the numbers of rows, all that are tied among them.
        candidates: cells that were sampled as if those of columns with rules were unknown: one row
            for each of `rows`, then another for each, and so on. By default, remainders are 0.

    Returns:
        The cells of all columns. Solutions that a rule or column does not allow are left out.

    Raises:
        ValueError: if with remainders of 0, a cell has no value that all rules allow.
    """
    found = {name: list(values) for name, values in cells.items()}
    places = {row: place for place, row in enumerate(rows)}
    for row, pairs in find_ties(rules, cells).items():
        known = {name: values[row] for name, values in cells.items() if values[row] is not None}
        drawn: list[Any] = [None]
        if candidates is None:
            pairs = _last(pairs, rules)
        else:
            own = {name: x[places[row] :: len(rows)] for name, x in candidates.items()}
            drawn = [dict(zip(own, each, strict=True)) for each in zip(*own.values(), strict=True)]
        # Where several cells are tied to one, it may follow from each of them.
        turns = [pairs[i:] + pairs[:i] for i in range(len(pairs))]
        ways = [(x, _solve(columns, rules, known, x, turn)) for x in drawn for turn in turns]
        solved = [(x, solutions) for x, solutions in ways if solutions is not None]
        if solved:
            errors = np.zeros(len(solved))
            if candidates is not None:
                for name, _ in pairs:
                    away = np.array([abs(float(x[name] - known[name])) for x, _ in solved])
                    errors += away / (away.mean() or 1)
            for other, cell in solved[errors.argmin()][1].items():
                found[other][row] = cell
        elif candidates is None and (len(pairs) > 1 or pairs[0][1] in rules):
            name, other = pairs[0]
            expected = f"must allow a value of {other!r} beside it, for {rules!r}"
            raise ValueError(f"Column {name!r} of `df` {expected}. Received: none in row {row}")
    if candidates is None and found != cells:  # then cells may be tied that were not before
        return untie(columns, rules, found, rows)
    return found


def _last(pairs, rules):
    """Returns those pairs that end a chain: cells before it are tied to it once it is known."""
    order = list(rules)
    ruled = [other for _, other in pairs if other in rules]
    last = max(ruled, key=order.index, default=None)
    return [pair for pair in pairs if last in (None, pair[1])]


def _solve(columns, rules, known, candidate, pairs):
    """Returns a dict of a row's unknown cells by the remainders of a candidate, or by 0.

    Returns None if a rule, or the column that sends a cell, does not allow them.
    """
    row, sent, found = {**(candidate or {}), **known}, {}, {}
    try:
        for name, other in pairs:
            rule, remainder = rules[name], 0 * known[name]
            if candidate is not None:
                others = [[candidate[each]] for each in rule.others]
                (remainder,) = rule.find_remainders([candidate[name]], others)
            if remainder is None:
                return None
            if other not in found:
                rest = [known[each] for each in rule.others if each != other]
                row[other] = found[other] = rule.solve(known[name], remainder, rest)
        fixed = {*known, *found}
        for name, rule in rules.items():
            if name in fixed and (rule.column is not None or fixed >= {*rule.others}):
                others = [[row.get(each)] for each in rule.others]
                (sent[name],) = rule.find_remainders([row[name]], others)
        for name in {*sent, *found} & {*columns}:
            column, cell = columns[name], sent.get(name, row[name])
            if not isinstance(column, Number):
                column.encode([cell])
            elif candidate is not None and cell is not None and not column.covers(cell):
                return None
    except (ValueError, ArithmeticError):
        return None
    return found
