"""What is sent for a missing class or level follows from the other cells of the row."""

import numpy as np
import pytest

from keras_bfn.tables import Category, Levels, Table

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")

pytestmark = pytest.mark.once


def test_the_value_of_a_missing_class_or_level_follows_from_the_others_of_its_row():
    num, rng = 3000, np.random.default_rng(0)
    kind, x = rng.integers(0, 3, num), rng.normal(size=num)
    other = np.where(rng.uniform(size=num) < 0.7, kind, rng.integers(0, 3, num))
    level = np.round(20 + 5 * (0.9 * x + np.sqrt(0.19) * rng.normal(size=num))).astype(int)
    whole = pandas.DataFrame({"kind": kind, "other": other, "level": level, "x": x})
    missing = rng.uniform(size=(num, 3)) < 0.25
    df = whole.astype(dict.fromkeys(("kind", "other", "level"), "Int64"))
    df[["kind", "other", "level"]] = df[["kind", "other", "level"]].mask(missing)
    table = Table.from_dataframe(df, level=Levels())
    shown = {"present": np.ones((num, 3), "int32")}
    found = table.decode(table.encode(df, seed=0) | shown)
    for name, is_missing in zip(df, missing.T, strict=False):
        assert (found[name] == whole[name])[~is_missing].all()
    # Of 0.7 + 0.3 / 3 of the rows, the other class is the same.
    only = missing[:, 0] & ~missing[:, 1]
    assert (found["kind"] == other)[only].mean() == pytest.approx(0.8, abs=0.05)
    both = missing[:, 0] & missing[:, 1]
    assert (found["kind"] == found["other"])[both].mean() == pytest.approx(0.8, abs=0.09)
    assert np.bincount(found["kind"][both]).min() > 0.2 * both.sum()
    rest = (found["level"] - 20) / 5 - 0.9 * x
    assert np.std(rest[missing[:, 2]]) == pytest.approx(np.sqrt(0.19), rel=0.1)
    sure = table.decode(table.encode(df) | shown)  # the likeliest
    assert (sure["kind"] == other)[only].all()
    assert np.abs((sure["level"] - 20) / 5 - 0.9 * x)[missing[:, 2]].mean() < 0.1


def test_columns_of_too_many_classes_have_values_of_other_rows():
    df = pandas.DataFrame({"code": [f"{i % 70:02}" for i in range(210)], "x": np.arange(210) % 70})
    df.loc[::3, "code"] = None
    table = Table.from_dataframe(df, code=Category())
    assert table.prior.mean.size == 1
    values = table.decode(dict(table.encode(df, seed=0), present=np.ones((210, 1), "int32")))
    assert values["code"].notna().all()
    assert 20 < values["code"][::3].nunique() < 60
