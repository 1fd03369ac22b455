"""The estimator: scikit-learn's own checks, frames and arrays, and what is told without it."""

import sys

import numpy as np
import pytest

import keras_bfn
from keras_bfn.tables import Levels

pandas = pytest.importorskip("pandas")
sklearn = pytest.importorskip("sklearn", "1.6")
pytest.importorskip("narwhals")

from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

pytestmark = pytest.mark.once

NOISE = "the noise of `score_samples` follows the seed and the place of a row among the others"
CANNOT_APPLY = {
    "check_methods_sample_order_invariance": NOISE,
    "check_methods_subset_invariance": NOISE,
}


def make_estimator(**options):
    few = {"width": 8, "num_blocks": 1, "epochs": 1, "num_steps": 2, "num_repeats": 1}
    return keras_bfn.tables.TableEstimator(**{**few, **options})


def make_frame():
    rng = np.random.default_rng(0)
    df = pandas.DataFrame({"x": rng.normal(size=40), "grade": rng.integers(1, 6, 40)})
    df["class"] = rng.choice(["a", "b"], 40)
    df.loc[:9, "x"] = None
    return df.set_index(np.arange(40) * 2)


def run_checks(**options):
    """The results of scikit-learn's checks, of which none failed that might apply."""
    options = {"expected_failed_checks": CANNOT_APPLY, "on_skip": None, "on_fail": None} | options
    results = check_estimator(make_estimator(), **options)
    assert [result for result in results if result["status"] == "failed"] == []
    return results


def test_it_passes_the_checks_of_the_interface_of_scikit_learn():
    results = run_checks(legacy=False)
    assert sum(result["status"] == "passed" for result in results) > 10


@pytest.mark.slow
def test_it_passes_all_checks_of_scikit_learn():
    results = run_checks()
    assert sum(result["status"] == "passed" for result in results) > 35
    # The list is no longer than it must be.
    failed = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert failed == set(CANNOT_APPLY)


def test_frames_in_and_frames_out():
    df = make_frame()
    estimator = make_estimator(columns={"grade": Levels(1, 5)}, random_state=0)
    estimator = sklearn.base.clone(estimator).fit(df)
    assert estimator.model_.table.columns["grade"].high == 5
    assert estimator.get_feature_names_out().tolist() == list(df)
    filled = estimator.transform(df)
    pandas.testing.assert_index_equal(filled.index, df.index)
    assert filled.notna().all(axis=None)
    pandas.testing.assert_frame_equal(filled[10:], df[10:])
    drawn = estimator.sample(30, given={"class": "a"})
    assert list(drawn) == list(df)
    assert (drawn["class"] == "a").all()
    assert drawn["x"].isna().any()
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform(df[["x", "class", "grade"]])


def test_missing_cells_are_filled_in_by_expected_values_or_samples():
    df, fitted = make_frame(), make_estimator().fit(make_frame())
    expected = fitted.model_.impute_expected(df)
    pandas.testing.assert_frame_equal(fitted.transform(df), expected)
    fitted.set_params(sample_posterior=True, random_state=0)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    drawn = fitted.model_.impute(df, num_steps=2, seed=seed)
    pandas.testing.assert_frame_equal(fitted.transform(df), drawn)
    assert not drawn.equals(expected)


def test_arrays_in_and_arrays_out():
    x = make_frame()[["x", "grade"]].to_numpy()
    estimator = make_estimator(random_state=0).fit(x)
    filled = estimator.transform(x)
    assert filled.dtype == "float64"
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[10:], x[10:])
    assert estimator.sample(7).shape == (7, 2)
    assert estimator.get_feature_names_out().tolist() == ["x0", "x1"]
    pipeline = make_pipeline(StandardScaler(), make_estimator()).fit(x)
    assert pipeline.score_samples(x).shape == (40,)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_short_floats_keep_their_decimals(dtype):
    x = np.round(np.random.default_rng(0).normal(size=(40, 2)), 1)
    expected = make_estimator(random_state=0).fit(x).sample(20)
    drawn = make_estimator(random_state=0).fit(x.astype(dtype)).sample(20)
    assert drawn.dtype == dtype
    np.testing.assert_array_equal(drawn, expected.astype(dtype))


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_masked_entries_are_missing_cells(dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, (40, 2)).astype(dtype)
    mask = rng.random(x.shape) < 0.3
    x[mask] = 50
    estimator = make_estimator(random_state=0).fit(np.ma.array(x, mask=mask))
    expected = make_estimator(random_state=0).fit(np.where(mask, np.float32("nan"), x))
    drawn, filled = estimator.sample(9), estimator.transform(np.ma.array(x, mask=mask))
    np.testing.assert_array_equal(drawn, expected.sample(9))
    np.testing.assert_array_equal(filled[~mask], x[~mask])
    assert np.isnan(drawn).any()
    assert np.isfinite(filled).all()
    seen = np.where(mask, filled, x)  # no value but those of the cells that count
    np.testing.assert_array_equal(estimator.transform(seen), seen)


def test_scores_are_the_likelihoods_of_the_rows():
    df = make_frame()
    estimator = make_estimator(random_state=0, num_repeats=3).fit(df)
    found = estimator.score_samples(df)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    expected = estimator.model_.log_likelihood(df, num_repeats=3, seed=seed)
    np.testing.assert_array_equal(found, expected)
    assert estimator.score(df) == pytest.approx(expected.mean())


def test_there_is_no_other_estimator():
    with pytest.raises(AttributeError, match="has no attribute 'Estimator'"):
        keras_bfn.tables.Estimator  # noqa: B018


def test_without_scikit_learn_one_is_told_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras_bfn.tables.estimator", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(
        ImportError, match=r'scikit-learn 1.6 .* pip install "keras-bfn\[examples\]"'
    ):
        keras_bfn.tables.TableEstimator  # noqa: B018
