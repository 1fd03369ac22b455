"""Tables of mixed columns: a frame in, a frame out."""

from keras_bfn.tables.columns import Category as Category
from keras_bfn.tables.columns import Column as Column
from keras_bfn.tables.columns import Levels as Levels
from keras_bfn.tables.model import TableModel as TableModel
from keras_bfn.tables.numbers import Angle as Angle
from keras_bfn.tables.numbers import Number as Number
from keras_bfn.tables.table import Table as Table
