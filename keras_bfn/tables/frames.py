"""Conversion between frames of pandas or polars and lists of cells."""

import ast
import contextlib
import importlib
import math
import re

import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._validation import is_number, refusal
from keras_bfn.tables.checks import check_cells, is_value, is_whole

TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # per second
DAY = 86_400  # seconds
NOT_A_TIME = np.iinfo("int64").min  # as NumPy stores a missing time
SHORT_FLOATS = {"Float16": np.float16, "Float32": np.float32}
INTEGER = re.compile("u?int(8|16|32|64)", re.IGNORECASE)
SHORT_FLOAT = re.compile("float(16|32)", re.IGNORECASE)


def import_narwhals():
    """Returns the package `narwhals`, which reads frames of either library."""
    with tell_to_install('DataFrames need narwhals: pip install "keras-bfn[io]"'):
        import narwhals
    return narwhals


def is_frame(x):
    """Whether `x` is a frame of pandas or polars, without importing these."""
    # A lazy frame of polars has no length yet.
    return hasattr(x, "__len__") and hasattr(x, "columns") and hasattr(x, "dtypes")


def read_frame(df, name="df"):
    """Returns the `narwhals.DataFrame` of a frame.

    Raises:
        ValueError: if it is not a frame, or its columns are not named by different strings.
    """
    narwhals = import_narwhals()
    if not is_frame(df):
        raise refusal(name, "must be a pandas or polars DataFrame", type(df).__name__)
    if not all(isinstance(column, str) for column in df.columns):
        raise refusal(name, "must have strings as column names", list(df.columns))
    if len(set(df.columns)) < len(df.columns):
        raise refusal(name, "must have distinct column names", list(df.columns))
    return narwhals.from_native(df, eager_only=True)


def dtype_in(series):
    """Returns the `narwhals` dtype of a series."""
    dtype = series.to_native().dtype
    if series.implementation.is_pandas() and hasattr(dtype, "tz"):
        # narwhals returns an unknown dtype for zones such as `America/New_York`.
        return import_narwhals().Datetime(dtype.unit, str(dtype.tz))
    return series.dtype


def kind_of(series):
    """Returns the kind of a column: `"category"`, `"integer"`, `"float"`, `"time"` or None.

    Strings, bools and categories are all categories; dates and durations are times. Of columns of
    any objects, the cells decide.
    """
    narwhals, dtype, categories = import_narwhals(), dtype_in(series), categories_of(series)
    if dtype.is_temporal():
        return "time" if _times_of(dtype) else None
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "float"
    if dtype in (narwhals.String, narwhals.Boolean):
        return "category"
    cells = read_cells(series) if categories is None else categories
    seen = {type(cell) for cell in cells if cell is not None}
    if categories is None and seen and seen <= {int, float}:  # of dtype object, say
        return "float" if float in seen else "integer"
    return "category" if seen <= {str, bool, int, float} else None


def categories_of(series):
    """Returns the categories of a categorical column, in order; None for other columns."""
    dtype = series.to_native().dtype
    if series.implementation.is_pandas():
        return dtype.categories.tolist() if str(dtype) == "category" else None
    return list(series.dtype.categories) if series.dtype == import_narwhals().Enum else None


def read_cells(series, dtype=None):
    """Returns a column's cells as Python values: None if missing, times as integers.

    Args:
        series: a `narwhals.Series`.
        dtype: the `narwhals` dtype of the column that the cells are meant for; by default that of
            the series. Times are counted in its unit, dates in seconds.

    Raises:
        ValueError: if only one of the cells and the dtype are times, or only one has a time zone;
            or if a time is not exact in the dtype's unit.
    """
    missing = series.is_null().to_list()
    if all(missing):
        return [None] * len(missing)
    dtype = dtype_in(series) if dtype is None else dtype
    if dtype_in(series).is_temporal() or _times_of(dtype):
        return _read_times(series, dtype)
    cells = zip(series.to_list(), missing, strict=True)
    cells = [None if gone or (is_value(cell) and cell != cell) else cell for cell, gone in cells]
    cells = [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
    short = SHORT_FLOATS.get(str(dtype_in(series)))
    if short:  # 0.1 in 32 bits is the number 0.1, not 0.10000000149011612
        cells = [None if cell is None else float(str(short(cell))) for cell in cells]
    # pandas stores integers next to missing cells as floats.
    is_integer = dtype_in(series).is_integer()
    return [None if cell is None else int(cell) for cell in cells] if is_integer else cells


def _times_of(dtype):
    """Returns the kind of a dtype's times, in words: only equal kinds compare; or None."""
    narwhals = import_narwhals()
    if dtype == narwhals.Duration:
        return "durations"
    if dtype == narwhals.Datetime and dtype.time_zone:
        return "times with a time zone"
    return "times without a time zone" if dtype in (narwhals.Date, narwhals.Datetime) else None


def _unit_of(dtype):
    """Returns the unit in which the times of a dtype are counted: seconds for dates."""
    return getattr(dtype, "time_unit", "s")


def _numpy_dtype(dtype):
    """Returns the NumPy dtype for the times of a dtype."""
    kind = "timedelta64" if dtype == import_narwhals().Duration else "datetime64"
    return f"{kind}[{_unit_of(dtype)}]"


def ticks_of(series):
    """Returns how many units of a column's numbers make a second: 1, unless they are times."""
    dtype = dtype_in(series)
    return TICKS[_unit_of(dtype)] if _times_of(dtype) else 1


def _read_times(series, dtype):
    """Returns times since 1970, or durations, in the unit of a dtype."""
    own, native, date = dtype_in(series), series.to_native(), import_narwhals().Date
    if _times_of(own) is None or _times_of(own) != _times_of(dtype):
        expected = _times_of(dtype) or f"values that fit {dtype}"
        if own == dtype:
            expected = "dates, times of a date, or durations"
        came = f"a column of {own}"
        if own == import_narwhals().String:
            came += ". Parse strings by `pandas.to_datetime`"
        raise ValueError(f"must contain {expected}. Received: {came}")
    if series.implementation.is_pandas():
        native = native.astype("datetime64[s]") if own == date else native
        times = native.to_numpy(_numpy_dtype(own))
    else:
        times = native.to_numpy().astype(_numpy_dtype(own))
    old, new = TICKS[_unit_of(own)], TICKS[_unit_of(dtype)]
    cells, step = [], DAY if dtype == date else 1
    for time, count in zip(times, times.astype("int64").tolist(), strict=True):
        if count == NOT_A_TIME:
            cells.append(None)
            continue
        found, rest = divmod(count * new, old)
        if rest or found % step or abs(found) >= -NOT_A_TIME:
            raise ValueError(f"must contain times that {dtype} can represent. Received: {time}")
        cells.append(found)
    return cells


def show_cell(cell, dtype):
    """Returns the text of a cell, as `read_cells` returns it: of times their time, in UTC."""
    is_time = _times_of(dtype) is not None
    return str(np.array(cell, "int64").view(_numpy_dtype(dtype))) if is_time else repr(cell)


def dtype_of(series):
    """Returns a column's dtype as text, for `write_frame`; None if no text defines it."""
    native, library = series.to_native(), series.implementation.name.lower()
    # In pandas, `str` only means the default of several string dtypes.
    texts = [str(native.dtype), f"{native.dtype}[python]", "utf8[pyarrow]"]
    if library == "polars":
        texts = [repr(native.dtype)]
    elif categories_of(series) is not None:
        index = read_series(native.cat.categories.to_series())
        kind = "ordered category" if native.cat.ordered else "category"
        texts = [f"{kind} of {dtype_of(index)} in {categories_of(series)}"]
    for text in texts:
        with contextlib.suppress(Exception):  # the libraries raise errors of many types
            if _parse_dtype(library, text) == native.dtype:
                return text
    return None


def narwhals_dtype(library, text):
    """Returns the `narwhals` dtype of a column whose `dtype_of` is this text."""
    return dtype_in(make_series(library, [], dtype=_parse_dtype(library, text)))


def with_room(text, cells):
    """Returns a dtype's text, or that of 64 bits if cells are beyond its integers or floats."""
    integer, short = INTEGER.match(text), SHORT_FLOAT.match(text)
    if short and _overflow(cells, short[1]):
        return f"{text[: short.start(1)]}64{text[short.end() :]}"
    limits = integer and np.iinfo(integer[0].lower())
    if not integer or all(cell is None or limits.min <= cell <= limits.max for cell in cells):
        return text
    return ("int64" if integer[0].islower() else "Int64") + text[integer.end() :]


def _overflow(cells, bits):
    """Whether a finite cell is beyond the floats of so many bits."""
    largest = float(np.finfo(f"float{bits}").max)
    return any(cell is not None and largest < abs(cell) < math.inf for cell in cells)


def read_series(values):
    """Returns the `narwhals.Series` of a series, and None for anything else."""
    found = import_narwhals().from_native(values, series_only=True, pass_through=True)
    return None if found is values else found


def make_series(library, cells, dtype=None):
    """Returns the `narwhals.Series` of a list of values, all of which it keeps exactly."""
    if dtype is None:
        seen = [cell for cell in cells if cell is not None]
        are_integers = [isinstance(cell, (int, np.integer)) for cell in seen]
        are_numbers = all(is_number(cell) for cell in seen)
        if library == "pandas" and all(are_integers) and len(seen) < len(cells):
            dtype = "object"  # pandas would store integers next to missing ones as floats
        elif library == "polars" and are_numbers and not all(are_integers):
            cells = [None if cell is None else float(cell) for cell in cells]
    return read_series(_import(library).Series(cells, dtype=dtype))


def write_frame(library, cells, dtypes, index=None):
    """Makes a frame from lists of cells.

    Args:
        library: `"pandas"` or `"polars"`.
        cells: dict from columns to lists.
        dtypes: dict from columns to the texts that `dtype_of` returned.
        index: the frame's index, for pandas.

    Raises:
        ValueError: if a dtype cannot hold a cell.
    """
    columns = {}
    for name, values in cells.items():
        try:
            columns[name] = _write_series(library, values, dtypes[name])
        except (TypeError, ValueError, OverflowError) as error:
            expected = f"Column {name!r} must contain values that fit {dtypes[name]}"
            raise ValueError(f"{expected}. Received: {values[:8]}") from error
    frame = _import(library).DataFrame(columns)
    if library == "pandas" and index is not None:
        frame.index = index
    return frame


def _import(library):
    with tell_to_install(f"The table was made from a {library} DataFrame: pip install {library}"):
        return importlib.import_module(library)


def _write_series(library, cells, text):
    native, dtype = _parse_dtype(library, text), narwhals_dtype(library, text)
    if dtype.is_integer():
        check_cells(cells, is_whole, "an integer")
        cells = [None if cell is None else int(cell) for cell in cells]
    elif dtype.is_float():
        cells = [None if cell is None else float(cell) for cell in cells]
        short = SHORT_FLOAT.match(text)
        if short and _overflow(cells, short[1]):
            raise ValueError(f"must contain numbers within {dtype}")
    write = _polars_series if library == "polars" else _pandas_series
    return write(_import(library), cells, native, dtype)


def _pandas_series(pandas, cells, native, dtype):
    if isinstance(native, pandas.CategoricalDtype):
        known = {None, *native.categories}
        others = [cell for cell in dict.fromkeys(cells) if cell not in known]
        index = native.categories.append(pandas.Index(others)) if others else native.categories
        native = pandas.CategoricalDtype(index, native.ordered)
    elif _times_of(dtype):
        cells = [NOT_A_TIME if cell is None else cell for cell in cells]
        times = pandas.Series(np.array(cells, "int64").view(_numpy_dtype(dtype)))
        is_zoned = getattr(dtype, "time_zone", None) is not None
        return (times.dt.tz_localize("UTC") if is_zoned else times).astype(native)
    elif None in cells and native.kind in "iub" and isinstance(native, np.dtype):
        # For these kinds, only the nullable dtypes of pandas allow missing cells.
        name = {"bool": "boolean"}.get(native.name, native.name)
        native = name.replace("int", "Int").replace("uI", "UI")
    return pandas.Series(cells, dtype=native)


def _polars_series(polars, cells, native, dtype):
    if native == polars.Date:
        cells = [None if cell is None else cell // DAY for cell in cells]
    if _times_of(dtype):
        return polars.Series(cells, dtype=polars.Int64).cast(native)
    return polars.Series(cells, dtype=native)


def _parse_dtype(library, text):
    """Returns the library's dtype for a text of `dtype_of`, without evaluating anything else."""
    module = _import(library)
    if library == "pandas":
        if text == "str[python]":
            return module.StringDtype("python", na_value=np.nan)
        kind, of, rest = text.partition("category of ")
        if of:
            dtype, _, values = rest.partition(" in ")
            index = module.Index(ast.literal_eval(values), dtype=_parse_dtype("pandas", dtype))
            return module.CategoricalDtype(index, ordered=bool(kind))
        return module.api.types.pandas_dtype(text)
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.Name):
        return getattr(module, node.id)
    options = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
    return getattr(module, node.func.id)(*map(ast.literal_eval, node.args), **options)
