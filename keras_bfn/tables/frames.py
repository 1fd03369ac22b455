"""Frames of pandas and polars: their columns as lists of cells, and back."""

import ast
import importlib
import math

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._validation import refusal


def import_narwhals():
    """The package that reads frames of every kind."""
    with tell_to_install('Tables need narwhals: pip install "keras-bfn[tables]"'):
        import narwhals
    return narwhals


def is_frame(x):
    """Whether `x` is a frame of pandas or polars; told without importing anything."""
    return hasattr(x, "columns") and hasattr(x, "dtypes")


def read_frame(df, name="df"):
    """The `narwhals.DataFrame` of a frame.

    Raises:
        ValueError: if it is no frame, or not all its columns are called by strings.
    """
    narwhals = import_narwhals()
    if not is_frame(df):
        raise refusal(name, "must be a frame of pandas or polars", type(df).__name__)
    if not all(isinstance(column, str) for column in df.columns):
        raise refusal(name, "must have columns that are called by strings", list(df.columns))
    return narwhals.from_native(df, eager_only=True)


def kind_of(series):
    """What a column holds: `"category"`, `"integer"`, `"float"`, or `"time"`; None if it is none.

    Strings, bools and categories are all categories.
    """
    narwhals, dtype = import_narwhals(), series.dtype
    if dtype.is_temporal():
        return "time" if dtype in (narwhals.Datetime, narwhals.Date) else None
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "float"
    if dtype in (narwhals.String, narwhals.Boolean, narwhals.Categorical, narwhals.Enum):
        return "category"
    seen = {type(cell) for cell in read_cells(series) if cell is not None}
    return "category" if seen <= {str, bool, int, float} else None


def categories_of(series):
    """The categories of a column that has them, in order; None of others."""
    native = series.to_native()
    if series.implementation.is_pandas() and str(native.dtype) == "category":
        return native.cat.categories.tolist()
    if series.dtype == import_narwhals().Enum:
        return list(series.dtype.categories)
    return None


def read_cells(series, dtype=None):
    """A column's cells as Python values: None where one is missing, times as integers.

    Times are counted as those of a column whose `dtype_of` is `dtype`, by default its own.
    """
    if series.dtype.is_temporal():
        return _read_times(series, _unit_of(dtype or dtype_of(series)))
    is_whole = series.dtype.is_integer()
    missing = series.is_null().to_list()
    cells = zip(series.to_list(), missing, strict=True)
    cells = [None if gone or cell != cell else cell for cell, gone in cells]
    # Of pandas, integers beside missing cells are floats.
    return [None if c is None else int(c) for c in cells] if is_whole else cells


def _unit_of(dtype):
    """What times are counted in: nanoseconds if the dtype has them, else microseconds."""
    return "ns" if "[ns" in dtype or "'ns'" in dtype else "us"


def ticks_of(series):
    """How many of what times are counted in are a second; None if it is no column of times."""
    ticks = {"ns": 10**9, "us": 10**6}
    return ticks[_unit_of(dtype_of(series))] if series.dtype.is_temporal() else None


def _read_times(series, unit):
    """Times since 1970."""
    narwhals = import_narwhals()
    if series.dtype == narwhals.Date:
        series = series.cast(narwhals.Datetime("us"))
    if not series.implementation.is_pandas():
        return series.dt.timestamp(unit).to_list()
    # By way of narwhals, missing cells would make them floats.
    times = series.to_native().to_numpy(f"datetime64[{unit}]")
    gone, times = np.isnat(times).tolist(), times.astype("int64").tolist()
    return [None if is_gone else time for time, is_gone in zip(times, gone, strict=True)]


def dtype_of(series):
    """A column's dtype as text, for `write_frame`."""
    native = series.to_native()
    if series.implementation.is_polars():
        return repr(native.dtype)
    is_ordered = str(native.dtype) == "category" and native.cat.ordered
    return "ordered category" if is_ordered else str(native.dtype)


def make_frame(library, columns):
    """The frame of a dict from columns to lists."""
    return _import(library).DataFrame(columns)


def write_frame(library, cells, dtypes, categories):
    """A frame of lists of cells.

    Args:
        library: `"pandas"` or `"polars"`.
        cells: dict from columns to lists.
        dtypes: dict from columns to what `dtype_of` said.
        categories: dict from columns to the categories of those that have them.
    """
    module = _import(library)
    make = _polars_series if library == "polars" else _pandas_series
    columns = {
        name: make(module, values, dtypes[name], categories.get(name))
        for name, values in cells.items()
    }
    return module.DataFrame(columns)


def _import(library):
    with tell_to_install(f"The table was made from a frame of {library}: pip install {library}"):
        return importlib.import_module(library)


def _pandas_series(pandas, cells, dtype, categories):
    if dtype.endswith("category"):
        dtype = pandas.CategoricalDtype(categories, ordered=dtype.startswith("ordered"))
        return pandas.Series(cells, dtype=dtype)
    if dtype.startswith("datetime64"):
        unit = _unit_of(dtype)
        cells = [np.iinfo("int64").min if cell is None else cell for cell in cells]  # NaT
        times = pandas.Series(np.array(cells, "int64").view(f"datetime64[{unit}]"))
        return (times.dt.tz_localize("UTC") if "," in dtype else times).astype(dtype)
    if dtype.startswith("float"):
        cells = [math.nan if cell is None else cell for cell in cells]
    if dtype.startswith(("int", "uint", "bool")) and None in cells:
        dtype = None  # it has no missing cells
    return pandas.Series(cells, dtype=dtype)


def _polars_series(polars, cells, dtype, categories):
    dtype = _parse_dtype(polars, dtype)
    if dtype == polars.Date:
        return polars.Series(cells, dtype=polars.Int64).cast(polars.Datetime("us")).cast(dtype)
    if dtype == polars.Datetime:
        unit = _unit_of(repr(dtype))
        times = polars.Series(cells, dtype=polars.Int64).cast(polars.Datetime(unit))
        if dtype.time_zone is not None:
            times = times.dt.replace_time_zone("UTC")
        return times.cast(dtype)
    return polars.Series(cells, dtype=dtype)


def _parse_dtype(polars, text):
    """`Datetime(time_unit='us', time_zone=None)` as a dtype, without evaluating anything else."""
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.Name):
        return getattr(polars, node.id)
    options = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
    return getattr(polars, node.func.id)(*map(ast.literal_eval, node.args), **options)
