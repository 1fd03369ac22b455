"""Tables in chunks: described and learnt without being in memory as a whole."""

import keras
import numpy as np
import pytest

from keras_bfn.tables import Table

pandas = pytest.importorskip("pandas")
pytest.importorskip("narwhals")


def make_chunks(num_chunks=4, size=400):
    """A number and a class that tell of each other; the last chunk alone has one more class."""
    for i in range(num_chunks):
        rng = np.random.default_rng(i)
        x = rng.normal(size=size)
        names = np.where(x > 0, "high", "low").astype(object)
        if i == num_chunks - 1:
            x[7], names[7], x[9] = 100.0, "rare", np.nan
        yield pandas.DataFrame({"x": x, "class": names})


@pytest.mark.slow
def test_a_table_in_chunks_is_described_and_learnt(tmp_path):
    whole = pandas.concat(make_chunks(), ignore_index=True)
    paths = [tmp_path / f"{i}.parquet" for i in range(4)]
    for path, chunk in zip(paths, make_chunks(), strict=True):
        chunk.to_parquet(path)
    keras.utils.set_random_seed(0)
    for read in (make_chunks, list(make_chunks()), paths):
        assert Table.from_dataframe(read) == Table.from_dataframe(whole)
    model = Table.from_dataframe(paths).make_model(width=32, dropout=0.0, seed=0)
    model.fit(paths, batch_size=300, epochs=30, verbose=0)  # batches reach across chunks
    drawn = model.sample(200, num_steps=10, seed=0).dropna()
    assert np.mean((drawn["x"] > 0) == (drawn["class"] == "high")) > 0.9
    once = make_chunks()
    with pytest.raises(ValueError, match="read again for each epoch"):
        model.fit(lambda: once, batch_size=1600, epochs=2, verbose=0)


@pytest.mark.once
def test_lazy_frames_are_tables_in_chunks():
    polars = pytest.importorskip("polars")
    whole = polars.concat([polars.from_pandas(chunk) for chunk in make_chunks()])
    assert Table.from_dataframe(whole.lazy()) == Table.from_dataframe(whole)


@pytest.mark.once
def test_rows_that_no_other_row_is_like_describe_a_large_table(monkeypatch):
    monkeypatch.setattr("keras_bfn.tables.chunks.MOST_ROWS", 50)
    table = Table.from_dataframe(make_chunks)
    assert table.columns["class"].values == ["high", "low", "rare"]
    assert table.columns["x"].decode(np.ones(1)) == [100.0]
    assert table.nullable == ["x"]
    assert sum(table.columns["class"].counts) < 70
