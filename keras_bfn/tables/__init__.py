"""Tables of mixed columns, read from frames and returned as frames."""

from typing import TYPE_CHECKING

from keras_bfn.tables.checks import MISSING as MISSING
from keras_bfn.tables.columns import Category as Category
from keras_bfn.tables.columns import Column as Column
from keras_bfn.tables.columns import Levels as Levels
from keras_bfn.tables.model import SequencesModel as SequencesModel
from keras_bfn.tables.model import TableModel as TableModel
from keras_bfn.tables.numbers import Angle as Angle
from keras_bfn.tables.numbers import Number as Number
from keras_bfn.tables.rules import AtLeast as AtLeast
from keras_bfn.tables.rules import Rule as Rule
from keras_bfn.tables.rules import SumOf as SumOf
from keras_bfn.tables.sequences import Sequences as Sequences
from keras_bfn.tables.table import Table as Table

if TYPE_CHECKING:
    from keras_bfn.tables.estimator import TableEstimator as TableEstimator


def __getattr__(name):
    """Imports the estimator on first access: it needs scikit-learn."""
    if name != "TableEstimator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras_bfn.tables.estimator import TableEstimator

    return TableEstimator
