"""An estimator for scikit-learn."""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np

from keras_bfn._imports import tell_to_install
from keras_bfn._typing import Array, ArrayLike, Frame, Verbose
from keras_bfn._validation import check_bool, refusal
from keras_bfn.samplers import NUM_STEPS
from keras_bfn.tables.columns import Column
from keras_bfn.tables.frames import is_frame
from keras_bfn.tables.table import Table

with tell_to_install(
    '`TableEstimator` needs scikit-learn 1.6 or later: pip install "keras-bfn[examples]"'
):
    from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data

FLOATS = ["float64", "float32", "float16"]  # dtypes that arrays keep; others become the first


class TableEstimator(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A scikit-learn estimator of a `keras_bfn.tables.TableModel`.

    It takes frames, or arrays of numbers, with missing cells (None or NaN). It has the methods of a
    density estimator (`score_samples`, `score`, `sample`), and `transform` imputes missing cells.

    Args:
        columns: None, or a dict from names to a `keras_bfn.tables.Column`, instead of
            those that `keras_bfn.tables.Table.from_dataframe` chooses. The columns of an array are
            named `"x0"`, `"x1"` and so on.
        width, num_blocks, dropout: as in `keras_bfn.tables.Table.make_model`.
        epochs, batch_size, verbose: as in `keras_bfn.tables.TableModel.fit`.
        num_steps: int. The number of network calls of a sample, minus one.
        sample_posterior: bool. Whether `transform` samples missing cells. By default it fills them
            in by expected values, as `keras_bfn.tables.TableModel.impute_expected`.
        num_repeats: int. The number of times at which `score_samples` scores each row.
        random_state: None, int, or a `numpy.random.RandomState`. Unless it is None, `fit` calls
            `keras.utils.set_random_seed`.

    Attributes:
        model_: the trained `keras_bfn.tables.TableModel`.
        n_features_in_: int: the number of columns.
        feature_names_in_: array of the columns' names, if `fit` received a frame.

    Raises:
        ImportError: if scikit-learn is not installed.

    Example:

    >>> X = np.random.default_rng(0).normal(size=(64, 2))
    >>> X[:5, 1] = np.nan
    >>> few = {"epochs": 1, "num_steps": 5, "num_repeats": 2}
    >>> estimator = keras_bfn.tables.TableEstimator(width=16, **few)
    >>> np.isnan(estimator.fit(X).transform(X)).sum().item()
    0
    >>> estimator.sample(3).shape, estimator.score_samples(X[:7]).shape
    ((3, 2), (7,))
    """

    def __init__(
        self,
        columns: Mapping[str, Column] | None = None,
        width: int = 128,
        num_blocks: int = 2,
        dropout: float = 0.1,
        epochs: int | None = None,
        batch_size: int | None = None,
        num_steps: int = NUM_STEPS,
        sample_posterior: bool = False,
        num_repeats: int = 100,
        random_state: int | np.random.RandomState | None = None,
        verbose: Verbose = 0,
    ) -> None:
        self.columns = columns
        self.width = width
        self.num_blocks = num_blocks
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.num_steps = num_steps
        self.sample_posterior = sample_posterior
        self.num_repeats = num_repeats
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = FLOATS
        return tags

    def fit(self, X: ArrayLike | Frame, y: Any = None) -> Self:
        """Trains a model of the rows.

        Args:
            X: a frame, or an array of numbers, of shape `(num, num_columns)`. NaN and masked
                entries are missing cells.
            y: ignored.

        Returns:
            The estimator.

        Raises:
            ValueError: if a column cannot be sent, or an argument is out of its range.
        """
        if not isinstance(self.columns, (Mapping, type(None))):
            expected = "must be None, or a dict from names of columns to a `Column`"
            raise refusal("columns", expected, self.columns)
        df, seed = self._read(X, reset=True), self._draw_seed()
        if seed is not None:
            keras.utils.set_random_seed(seed)
        table = Table.from_dataframe(df, **(self.columns or {}))
        self.model_ = table.make_model(self.width, self.num_blocks, self.dropout, seed)
        self.model_.fit(df, None, self.batch_size, self.epochs, verbose=self.verbose)
        return self

    def sample(self, n_samples: int = 1, given: Mapping[str, Any] | None = None) -> Any:
        """Samples rows.

        Args:
            n_samples: int, at least 1.
            given: as in `keras_bfn.tables.TableModel.sample`.

        Returns:
            A frame or an array, whichever `fit` received.

        Raises:
            ValueError: if there is no such column or value, or an argument is out of its range.
        """
        check_is_fitted(self)
        df = self.model_.sample(n_samples, given, self.num_steps, seed=self._draw_seed())
        return df if hasattr(self, "feature_names_in_") else df.to_numpy()

    def transform(self, X: ArrayLike | Frame) -> Any:
        """Fills in missing cells, given the other cells of the row.

        Args:
            X: as in `fit`.

        Returns:
            A frame or an array, whichever `X` is. The dtype of an array is that of the array that
            `fit` received if that is a float, else float64.

        Raises:
            ValueError: if the table does not allow a cell, or an argument is out of its range.
        """
        check_is_fitted(self)
        df, seed = self._read(X), self._draw_seed()
        if check_bool("sample_posterior", self.sample_posterior):
            df = self.model_.impute(df, num_steps=self.num_steps, seed=seed)
        else:
            df = self.model_.impute_expected(df, seed)
        return df if is_frame(X) else df.to_numpy()

    def score_samples(self, X: ArrayLike | Frame) -> Array:
        """Returns `keras_bfn.tables.TableModel.log_likelihood` of each row.

        Args:
            X: as in `fit`.

        Returns:
            An array of shape `(num,)`, in nats: a lower bound.

        Raises:
            ValueError: if the table does not allow a cell.
        """
        check_is_fitted(self)
        return self.model_.log_likelihood(self._read(X), self.num_repeats, seed=self._draw_seed())

    def score(self, X: ArrayLike | Frame, y: Any = None) -> float:
        """Returns the mean of `score_samples`.

        Args:
            X, y: as in `fit`.

        Returns:
            A float.

        Raises:
            ValueError: if the table does not allow a cell.
        """
        return float(self.score_samples(X).mean())

    def _read(self, X, reset=False):
        """Returns the input as a frame, and checks its columns, or stores them with `reset`."""
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        with tell_to_install("Arrays are read as pandas DataFrames: pip install pandas"):
            import pandas
        if isinstance(X, np.ma.MaskedArray):
            X = X.astype(X.dtype if X.dtype in FLOATS else "float64").filled(np.nan)
        options = {"dtype": FLOATS, "ensure_all_finite": "allow-nan"}
        X = validate_data(self, X, reset=reset, **options)
        names = [f"x{i}" for i in range(X.shape[1])] if reset else self.model_.table.names
        return pandas.DataFrame(X, columns=names)

    def _draw_seed(self):
        if self.random_state is None:
            return None
        return int(check_random_state(self.random_state).randint(2**31 - 1))
