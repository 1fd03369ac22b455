"""Wrong calls of data sets, tables, metrics and tokenizers."""

import decimal

import numpy as np

from keras_bfn import datasets, flows, metrics, tables
from tests.wrong.things import IMAGES, LABELS, ROWS, inf, keep, nan


class SaysTokens(datasets.Bytes):
    def __init__(self, tokens):
        self.tokens = tokens

    def encode(self, text):
        return np.array(self.tokens * 1000)


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "alphabet": [
        (
            lambda t: datasets.Letters("a"),
            "must be a string of at least two characters,",
            "alphabet='a'",
        ),
        (
            lambda t: datasets.Letters("aa"),
            "must be a string of at least two characters,",
            "alphabet='aa'",
        ),
        (
            lambda t: datasets.Letters(3),
            "must be a string of at least two characters,",
            "alphabet=3",
        ),
        (
            lambda t: datasets.Letters(["a", "b"]),
            "must be a string of at least two characters,",
            "alphabet=['a', 'b']",
        ),
        (
            lambda t: datasets.Letters(""),
            "must be a string of at least two characters, without duplicates",
            "alphabet=''",
        ),
        (
            lambda t: datasets.Letters("abca"),
            "must be a string of at least two characters, without duplicates",
            "alphabet='abca'",
        ),
        (
            lambda t: datasets.Letters(None),
            "must be a string of at least two characters, without duplicates",
            "alphabet=None",
        ),
    ],
    "batch_size": [
        (
            lambda t: metrics.FrechetDistance(keep, IMAGES, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, 0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, None),
            "must be an integer of at least 1",
            "batch_size=None",
        ),
        (
            lambda t: datasets.embedded_text(batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.embedded_digits(batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.embedded_images(batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.mnist(batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.fashion_mnist(batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.cifar10(batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.image_folder(t.folder, (8, 8), batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.text_file(t.text_path, batch_size=0, seq_length=4),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], IMAGES, "a"),
            "must be an integer of at least 1",
            "batch_size='a'",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, 9),
            "must be at most the number of examples, 8",
            "batch_size=9",
        ),
        (
            lambda t: datasets.embedded_digits("a"),
            "must be an integer of at least 1",
            "batch_size='a'",
        ),
        (lambda t: datasets.mnist("a"), "must be an integer of at least 1", "batch_size='a'"),
        (
            lambda t: datasets.embedded_text(1.5),
            "must be an integer of at least 1",
            "batch_size=1.5",
        ),
        (lambda t: datasets.text8("a"), "must be an integer of at least 1", "batch_size='a'"),
        (
            lambda t: t.rows.fit(t.frame, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: datasets.Batches(np.arange(5), keep, batch_size=6),
            "must be at most the number of examples, 5",
            "batch_size=6",
        ),
        (
            lambda t: datasets.Batches(np.arange(0), keep, batch_size=6, training=False),
            "must be at most the number of examples, 0",
            "batch_size=6",
        ),
        (
            lambda t: datasets.embedded_digits(batch_size=10000.0),
            "must be an integer of at least 1",
            "batch_size=10000.0",
        ),
    ],
    "c": [
        (
            lambda t: t.table.encode(t.make_frame(c=["z"])),
            "Column 'c' of `df` must contain one of ['a', 'b']",
            "'z'",
        ),
        (
            lambda t: t.rows.sample(2, given={"c": "z"}),
            "Column 'c' of `df` must contain one of ['a', 'b']",
            "'z'",
        ),
    ],
    "color_mode": [
        (
            lambda t: datasets.image_folder(".", (8, 8), color_mode="x"),
            "must be one of ['rgb', 'grayscale']",
            "color_mode='x'",
        ),
        (
            lambda t: datasets.image_folder(".", (8, 8), color_mode=[]),
            "must be one of ['rgb', 'grayscale']",
            "color_mode=[]",
        ),
        (
            lambda t: datasets.image_folder(".", (8, 8), color_mode="cmyk"),
            "must be one of ['rgb', 'grayscale']",
            "color_mode='cmyk'",
        ),
    ],
    "colour": [
        (
            lambda t: datasets.embedded_digits(colour=1),
            "_splits() got an unexpected keyword argument",
            "",
            TypeError,
        ),
        (
            lambda t: datasets.embedded_text(colour=1),
            "_windows() got an unexpected keyword argument",
            "",
            TypeError,
        ),
    ],
    "columns": [
        (
            lambda t: tables.Table.from_dataframe(t.frame, x=tables.Number()),
            "must name some of ['n', 'c', 'i']",
            "['x']",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.frame, n=3),
            "must be a `keras_bfn.tables.Column`",
            "columns['n']=3",
        ),
        (lambda t: tables.Table(3, {}, "pandas"), "must be a dict", "columns=3"),
        (
            lambda t: tables.Table({"a": 3}, {"a": "int64"}, "pandas"),
            "must be a `keras_bfn.tables.Column`",
            "columns['a']=3",
        ),
    ],
    "counts": [
        (
            lambda t: tables.Category(["a"], [1, 2]),
            "must contain one count for each of the values ['a']",
            "counts=[1, 2]",
        ),
        (lambda t: tables.Category(["a"], ["x"]), "must be an integer of at least 0", "counts='x'"),
        (lambda t: tables.Category(["a"], [-1]), "must be an integer of at least 0", "counts=-1"),
    ],
    "covariance_1": [
        (
            lambda t: metrics.frechet_distance(np.zeros(2), None, np.zeros(2), np.eye(2)),
            "must be an array of numbers",
            "a NoneType",
        ),
        (
            lambda t: metrics.frechet_distance(
                np.zeros(2), np.full((2, 2), nan), np.zeros(2), np.eye(2)
            ),
            "must be an array of finite numbers of shape (2, 2)",
            "covariance_1=array([[nan, nan],",
        ),
    ],
    "covariance_2": [
        (
            lambda t: metrics.frechet_distance(np.zeros(2), np.eye(2), np.zeros(2), np.eye(3)),
            "must be an array of finite numbers of shape (2, 2)",
            "covariance_2=array(",
        ),
    ],
    "data_dir": [
        (lambda t: datasets.mnist(data_dir=3), "must be a path", "data_dir=3"),
    ],
    "dataset": [
        (
            lambda t: datasets.mnist(data_dir="nowhere", download=False),
            "The dataset 'mnist' is not in",
            "",
            FileNotFoundError,
        ),
    ],
    "df": [
        (
            lambda t: tables.Table.from_dataframe(3),
            "must be a pandas or polars DataFrame",
            "df='int'",
        ),
        (
            lambda t: tables.Table.from_dataframe({"a": [1]}),
            "must be a pandas or polars DataFrame",
            "df='dict'",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.frame[:0]),
            "must have at least one row and one column",
            "df=Empty DataFrame",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.frame[[]]),
            "must have at least one row and one column",
            "df=Empty DataFrame",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.make_frame(a=[object(), object()])),
            "must contain numbers, strings, bools, categories or times",
            "column 'a' of object",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.make_frame(a=[None, decimal.Decimal(2)])),
            "numbers, strings, bools, categories or times. Convert others: dates by",
            "column 'a' of object, such as Decimal('2')",
        ),
        (
            lambda t: tables.Table.from_dataframe(t.make_frame(a=[1j, 2])),
            "must contain numbers, strings, bools, categories or times",
            "column 'a' of complex128",
        ),
        (lambda t: t.table.encode(3), "must be a pandas or polars DataFrame", "df='int'"),
        (
            lambda t: t.table.encode(t.make_frame(x=[1])),
            "must have some of the columns ['n', 'c', 'i']",
            "df=['x']",
        ),
        (
            lambda t: t.rows.fit(t.make_frame(x=[1])),
            "must have some of the columns ['n', 'c', 'i']",
            "df=['x']",
        ),
        (lambda t: t.rows.impute(3), "must be a pandas or polars DataFrame", "df='int'"),
    ],
    "download": [
        (lambda t: datasets.mnist(download="x"), "must be True or False", "download='x'"),
    ],
    "dropout": [
        (lambda t: t.table.make_model(8, 1, 2), "must be a number in [0, 1)", "dropout=2"),
    ],
    "dtypes": [
        (
            lambda t: tables.Table({}, {}, "pandas"),
            "must have the same keys as `columns`, at least one: []",
            "dtypes={}",
        ),
        (
            lambda t: tables.Table({"a": tables.Number()}, {"b": "int64"}, "pandas"),
            "must have the same keys as `columns`, at least one: ['a']",
            "dtypes={'b': 'int64'}",
        ),
    ],
    "epochs": [
        (
            lambda t: metrics.SampleQuality(IMAGES, LABELS, epochs=0),
            "must be an integer of at least 1",
            "epochs=0",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES, LABELS, epochs="a"),
            "must be an integer of at least 1",
            "epochs='a'",
        ),
        (lambda t: t.rows.fit(t.frame, epochs=0), "must be an integer of at least 1", "epochs=0"),
    ],
    "examples": [
        (
            lambda t: datasets.Batches(None, keep, 2),
            "must be an array, or support indexing by rows",
            "examples=None",
        ),
        (
            lambda t: datasets.Batches(3, keep, 2),
            "must be an array, or support indexing by rows",
            "examples=3",
        ),
        (
            lambda t: datasets.Batches(np.array(3), keep, 2, LABELS),
            "must be an array, or support indexing by rows",
            "examples=array(3)",
        ),
        (
            lambda t: datasets.Batches([], keep, 2),
            "must be at most the number of examples, 0",
            "batch_size=2",
        ),
    ],
    "extractor": [
        (
            lambda t: metrics.FrechetDistance(None, IMAGES),
            "must be a function or a Keras model",
            "extractor=None",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda images: images, IMAGES),
            "must return features of shape (batch,",
            "features of shape (4, 8, 8, 1) for 4",
        ),
        (
            lambda t: metrics.FrechetDistance("x", IMAGES),
            "must be a function or a Keras model",
            "extractor='x'",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0] * nan, IMAGES),
            "must return finite numbers",
            "features with 100% NaN or infinity",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: None, IMAGES),
            "must return features of shape (batch,",
            "features of shape () for 4 images",
        ),
        (
            lambda t: metrics.FrechetDistance(3, np.zeros((4, 4, 4, 3))),
            "must be a function or a Keras model",
            "extractor=3",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x, np.zeros((2, 4, 4, 3))),
            "must return features of shape (batch, num_features)",
            "features of shape (2, 4, 4, 3) for 2 images",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[1:, 0, 0], np.zeros((2, 4, 4, 3))),
            "must return features of shape (batch, num_features)",
            "features of shape (1, 3) for 2 images",
        ),
        (
            lambda t: metrics.FrechetDistance(
                lambda x: x[:, 0, 0] * [nan, 1, 1], np.zeros((2, 4, 4, 3))
            ),
            "must return finite numbers",
            "features with 33.3% NaN or infinity",
        ),
    ],
    "flip": [
        (lambda t: datasets.embedded_digits(flip="x"), "must be True or False", "flip='x'"),
    ],
    "form": [
        (
            lambda t: datasets.embedded_digits(form=None),
            "must be one of ['binary', 'bins', 'numbers']",
            "form=None",
        ),
        (
            lambda t: datasets.mnist(form=[]),
            "must be one of ['binary', 'bins', 'numbers']",
            "form=[]",
        ),
        (
            lambda t: datasets.embedded_digits(form="x"),
            "must be one of ['binary', 'bins', 'numbers']",
            "form='x'",
        ),
        (
            lambda t: datasets.embedded_digits(form=[]),
            "must be one of ['binary', 'bins', 'numbers']",
            "form=[]",
        ),
        (
            lambda t: datasets.embedded_images(form="x"),
            "must be one of ['binary', 'bins', 'numbers']",
            "form='x'",
        ),
        (
            lambda t: datasets.embedded_digits(form="grey"),
            "must be one of ['binary', 'bins', 'numbers']",
            "form='grey'",
        ),
    ],
    "given": [
        (
            lambda t: t.rows.sample(2, given={"x": 1}),
            "must be a dict from some of the columns ['n',",
            "given={'x': 1}",
        ),
        (
            lambda t: t.rows.sample(2, given=3),
            "must be a dict from some of the columns ['n',",
            "given=3",
        ),
        (
            lambda t: t.rows.sample(2, given={"c": ["a"] * 3}),
            "must be one value, or 2",
            "given['c']=['a', 'a', 'a']",
        ),
    ],
    "has_end": [
        (lambda t: datasets.Symbols(["C"], has_end="*"), "must be True or False", "has_end='*'"),
    ],
    "held_out": [
        (
            lambda t: datasets.embedded_digits(held_out=1.0),
            "must be a number strictly between 0 and 0.5",
            "held_out=1.0",
        ),
        (
            lambda t: datasets.embedded_digits(held_out=nan),
            "must be a number strictly between 0 and 0.5",
            "held_out=nan",
        ),
        (
            lambda t: datasets.image_folder(".", (8, 8), held_out=2),
            "must be a number strictly between 0 and 0.5",
            "held_out=2",
        ),
        (
            lambda t: datasets.image_folder(".", (8, 8), held_out=0),
            "must be a number strictly between 0 and 0.5",
            "held_out=0",
        ),
        (
            lambda t: datasets.image_folder(".", (8, 8), held_out=0.5),
            "must be a number strictly between 0 and 0.5",
            "held_out=0.5",
        ),
        (
            lambda t: datasets.image_folder(".", (8, 8), held_out="1%"),
            "must be a number strictly between 0 and 0.5",
            "held_out='1%'",
        ),
    ],
    "image_size": [
        (
            lambda t: datasets.image_folder(t.folder, 8),
            "must be a tuple of integers of at least 1",
            "image_size=8",
        ),
        (
            lambda t: datasets.image_folder(".", (8, 8, 8)),
            "must be (height, width)",
            "image_size=(8, 8, 8)",
        ),
        (
            lambda t: datasets.image_folder(".", (0, 8)),
            "must be a tuple of integers of at least 1",
            "image_size=(0, 8)",
        ),
    ],
    "images": [
        (
            lambda t: t.quality.class_imbalance(IMAGES[:0]),
            "must have shape (num, 8, 8, 1), with num at least 1",
            "shape (0, 8, 8, 1)",
        ),
        (
            lambda t: metrics.SampleQuality(None, LABELS),
            "must have shape (num, height, width,",
            "shape ()",
        ),
        (
            lambda t: metrics.FrechetDistance(keep, None),
            "must have shape (num, height, width,",
            "shape ()",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES[:0], LABELS[:0]),
            "must have shape (num, height, width,",
            "shape (0, 8, 8, 1)",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], "a"),
            "must have shape (num, height, width,",
            "shape ()",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], IMAGES[:1]),
            "must have shape (num, height, width,",
            "shape (1, 8, 8, 1)",
        ),
        (
            lambda t: metrics.SampleQuality("a", LABELS),
            "must have shape (num, height, width,",
            "shape ()",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES * nan, LABELS),
            "must be finite",
            "images=array([[[[nan],",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES.astype(str), LABELS),
            "must be an array of numbers",
            "a ndarray",
        ),
        (
            lambda t: metrics.FrechetDistance(keep, np.zeros((4, 4, 3))),
            "must have shape (num, height, width, channels), with num at least 2",
            "shape (4, 4, 3)",
        ),
        (
            lambda t: metrics.FrechetDistance(keep, np.zeros((1, 4, 4, 3))),
            "must have shape (num, height, width, channels), with num at least 2",
            "shape (1, 4, 4, 3)",
        ),
        (
            lambda t: metrics.SampleQuality(np.zeros((5, 8, 8)), np.zeros(5, int)),
            "must have shape (num, height, width, channels), with num at least 1",
            "shape (5, 8, 8)",
        ),
        (
            lambda t: metrics.SampleQuality(np.zeros((5, 4, 4, 1)), np.zeros(5, int)),
            "must have at least 8 pixels per side",
            "images=(5, 4, 4, 1)",
        ),
    ],
    "index": [
        (
            lambda t: datasets.Batches(ROWS, keep, 2)[4],
            "There are 4 batches, numbered from 0",
            "index=4",
            IndexError,
        ),
    ],
    "knots": [
        (
            lambda t: tables.Number(knots=3),
            "must be two equally long lists of finite numbers",
            "knots=3",
        ),
        (
            lambda t: tables.Number(knots=[[1], [2, 3]]),
            "must be two equally long lists of finite numbers",
            "knots=[[1], [2, 3]]",
        ),
    ],
    "known": [
        *(
            (
                lambda t, known=known: t.rows.log_likelihood(t.frame, known=known),
                "must name some of the columns ['n',",
                f"known={known!r}",
            )
            for known in (3, ["n", "x"], {"n": True})
        ),
    ],
    "labels": [
        (
            lambda t: t.quality.accuracy(IMAGES, LABELS[:, None]),
            "must contain an integer of at least 0 for each of 4 images",
            "shape (4, 1), dtype int64",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES, None),
            "must contain an integer of at least 0 for each of 4 images",
            "shape (), dtype object",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES, -LABELS),
            "must contain an integer of at least 0 for each of 4 images",
            "shape (4,), dtype int64, minimum -1",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, 2, labels=3),
            "must be an array, or support indexing by rows",
            "labels=3",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES, LABELS[:2]),
            "must contain an integer of at least 0 for each of 4 images",
            "shape (2,), dtype int64, minimum 0",
        ),
        (
            lambda t: metrics.SampleQuality(IMAGES, LABELS * 0.5),
            "must contain an integer of at least 0 for each of 4 images",
            "shape (4,), dtype float64",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, 2, labels=[1]),
            "must have one label for each of 8 examples",
            "1 labels",
        ),
        (lambda t: datasets.embedded_digits(labels="x"), "must be True or False", "labels='x'"),
        (lambda t: datasets.cifar10(labels=1), "must be True or False", "labels=1"),
        (
            lambda t: datasets.Batches(np.arange(20), keep, batch_size=6, labels=np.zeros(21)),
            "must have one label for each of 20 examples",
            "21 labels",
        ),
        (
            lambda t: metrics.SampleQuality(np.zeros((5, 8, 8, 1)), np.zeros(4, int)),
            "must contain an integer of at least 0 for each of 5 images",
            "shape (4,), dtype int64, minimum 0",
        ),
        (
            lambda t: metrics.SampleQuality(np.zeros((5, 8, 8, 1)), np.zeros(5)),
            "must contain an integer of at least 0 for each of 5 images",
            "shape (5,), dtype float64",
        ),
        (
            lambda t: datasets.image_folder(
                t.pictures("a/0.png", "b/1.png", "c/2.png", "3.png"), (8, 8), labels=True
            ),
            "must be False unless each image is in a sub-folder",
            "3.png",
        ),
    ],
    "length": [
        (
            lambda t: datasets.Symbols(["C", "Cl"]).encode_batch(["C", "CClC" * 2], 3),
            "must be at least 6, the number of tokens of 'CClCCClC'",
            "length=3",
        ),
        (
            lambda t: datasets.Bytes().encode_batch(["abcd", "abcdef", "abcde"], 3),
            "must be at least 6, the number of tokens of 'abcdef'",
            "length=3",
        ),
        (
            lambda t: t.subwords.encode_batch(["a", "a a a"], 3),
            "must be at least 5, the number of tokens of 'a a a'",
            "length=3",
        ),
        (
            lambda t: datasets.Bytes().encode_batch(t.make_frame(a=["a", "bcde"])["a"], 3),
            "must be at least 4, the number of tokens of 'bcde'",
            "length=3",
        ),
    ],
    "library": [
        (
            lambda t: tables.Table({"a": tables.Number()}, {"a": "int64"}, "x"),
            "must be one of ['pandas', 'polars']",
            "library='x'",
        ),
        (
            lambda t: tables.Table({"a": tables.Number()}, {"a": "int64"}, []),
            "must be one of ['pandas', 'polars']",
            "library=[]",
        ),
    ],
    "limit": [
        (
            lambda t: datasets.embedded_digits(limit=1),
            "must be an integer of at least 2",
            "limit=1",
        ),
        (
            lambda t: datasets.embedded_digits(limit="a"),
            "must be an integer of at least 2",
            "limit='a'",
        ),
        (
            lambda t: datasets.embedded_images(limit=0),
            "must be an integer of at least 2",
            "limit=0",
        ),
        (
            lambda t: datasets.embedded_digits(limit=-5),
            "must be an integer of at least 2",
            "limit=-5",
        ),
    ],
    "low": [
        (lambda t: tables.Levels(3, 1), "must be less than high=1", "low=3"),
        (lambda t: tables.Levels("a", 3), "must be an integer of at least -1844674407", "low='a'"),
        (lambda t: tables.Levels(0.5, 3), "must be an integer of at least -1844674407", "low=0.5"),
    ],
    "mean_1": [
        (
            lambda t: metrics.frechet_distance("a", np.eye(2), np.zeros(2), np.eye(2)),
            "must be an array of numbers",
            "a str",
        ),
        (
            lambda t: metrics.frechet_distance(np.full(2, nan), np.eye(2), np.zeros(2), np.eye(2)),
            "must be an array of finite numbers of shape (2,)",
            "mean_1=array([nan, nan])",
        ),
        (
            lambda t: metrics.frechet_distance(
                np.array(["a", "b"]), np.eye(2), np.zeros(2), np.eye(2)
            ),
            "must be an array of numbers",
            "a ndarray",
        ),
    ],
    "mean_2": [
        (
            lambda t: metrics.frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3)),
            "must be an array of finite numbers of shape (2,)",
            "mean_2=array(",
        ),
    ],
    "n": [
        (
            lambda t: tables.Table.from_dataframe(
                t.make_frame(n=[0.5, inf] * 20), n=tables.Number()
            ),
            "Column 'n' of `df` must contain a finite number",
            "inf",
        ),
        (
            lambda t: t.rows.sample(2, given={"n": "z"}),
            "Column 'n' of `df` must contain a finite number",
            "'z'",
        ),
    ],
    "nowhere": [
        (
            lambda t: datasets.text_file("nowhere"),
            "[Errno 2] No such file or directory: 'nowhere'",
            "",
            FileNotFoundError,
        ),
    ],
    "nullable": [
        (lambda t: tables.Number(nullable=3), "must be True or False", "nullable=3"),
        (lambda t: tables.Category(nullable="no"), "must be True or False", "nullable='no'"),
    ],
    "num_bins": [
        (
            lambda t: datasets.embedded_digits(num_bins=0),
            "must be an integer of at least 2 and at most",
            "num_bins=0",
        ),
        (
            lambda t: datasets.embedded_digits(num_bins=257),
            "must be an integer of at least 2 and at most",
            "num_bins=257",
        ),
        (
            lambda t: datasets.embedded_digits(num_bins="a"),
            "must be an integer of at least 2 and at most",
            "num_bins='a'",
        ),
        (
            lambda t: datasets.fashion_mnist(num_bins=1),
            "must be an integer of at least 2 and at most",
            "num_bins=1",
        ),
        (
            lambda t: datasets.embedded_digits(num_bins=1),
            "must be an integer of at least 2 and at most 256",
            "num_bins=1",
        ),
    ],
    "num_blocks": [
        (lambda t: t.table.make_model(8, 0), "must be an integer of at least 1", "num_blocks=0"),
    ],
    "num_draws": [
        (lambda t: t.rows.impute(t.frame, 0), "must be an integer of at least 1", "num_draws=0"),
    ],
    "num_features": [
        (
            lambda t: metrics.SampleQuality(IMAGES, LABELS, num_features=0),
            "must be an integer of at least 1",
            "num_features=0",
        ),
    ],
    "num_repeats": [
        (
            lambda t: t.rows.log_likelihood(t.frame, 0),
            "must be an integer of at least 1",
            "num_repeats=0",
        ),
    ],
    "num_rows": [
        (lambda t: t.rows.sample(0), "must be an integer of at least 1", "num_rows=0"),
        (lambda t: t.rows.sample("a"), "must be an integer of at least 1", "num_rows='a'"),
    ],
    "num_steps": [
        (
            lambda t: t.rows.sample(2, num_steps=0),
            "must be an integer of at least 1 and at most",
            "num_steps=0",
        ),
        (
            lambda t: t.rows.impute(t.frame, num_steps="a"),
            "must be an integer of at least 1 and at most",
            "num_steps='a'",
        ),
    ],
    "parts": [
        (lambda t: t.table.decode(3), "must be a dict with the parts ['numbers',", "a int"),
        (
            lambda t: t.table.decode({"a": np.zeros(2)}),
            "must be a dict with the parts ['numbers',",
            "a dict with the keys ['a']",
        ),
    ],
    "path": [
        (lambda t: datasets.text_file(None), "must be a path", "path=None"),
        (lambda t: datasets.image_folder(None, (8, 8)), "must be a path", "path=None"),
        (lambda t: datasets.image_classes(None), "must be a path", "path=None"),
        (
            lambda t: datasets.image_folder("nowhere", (8, 8)),
            "must be a folder with at least 3 images",
            "path='nowhere', which contains 0",
            FileNotFoundError,
        ),
        (
            lambda t: datasets.image_classes("nowhere"),
            "must be a folder",
            "path='nowhere'",
            FileNotFoundError,
        ),
        (lambda t: datasets.image_classes(3), "must be a path", "path=3"),
        (
            lambda t: datasets.image_folder(t.pictures("0.png", "1.png"), (8, 8)),
            "must be a folder with at least 3 images ['.bmp', '.gif', '.jpeg', '.jpg',",
            "which contains 2",
            FileNotFoundError,
        ),
        (
            lambda t: datasets.image_folder("none", (8, 8)),
            "must be a folder with at least 3 images ['.bmp', '.gif', '.jpeg', '.jpg',",
            "path='none', which contains 0",
            FileNotFoundError,
        ),
        (
            lambda t: datasets.image_classes("none"),
            "must be a folder",
            "path='none'",
            FileNotFoundError,
        ),
    ],
    "pattern": [
        (lambda t: datasets.Symbols.fit(["C"], "("), "must be a regular expression", "pattern='('"),
        (
            lambda t: datasets.Symbols.fit(["C"], None),
            "must be a regular expression",
            "pattern=None",
        ),
    ],
    "prior": [
        (lambda t: tables.Levels(0, 3, 3), "must be two finite numbers", "prior=3"),
        (
            lambda t: tables.Table(
                t.table.columns, t.table.dtypes, "pandas", flows.JointNormal([0, 0], np.eye(2))
            ),
            "must have a size of 1 for these columns",
            "prior=JointNormal(size=2)",
        ),
    ],
    "reference_text": [
        (lambda t: metrics.spelling_rate(["a b c"], ["b"]), "must be a string", "a list"),
        (lambda t: metrics.spelling_rate(["a"], None), "must be a string", "a NoneType"),
    ],
    "samples": [
        (
            lambda t: t.quality.frechet_distance(IMAGES[:1]),
            "must have shape (num, 8, 8, 1), with num at least 2",
            "shape (1, 8, 8, 1)",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], IMAGES)(IMAGES[:, :4]),
            "must have shape (num, 8, 8, 1), with num at least 2",
            "shape (4, 4, 8, 1)",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], IMAGES)(None),
            "must have shape (num, 8, 8, 1), with num at least 2",
            "shape ()",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], IMAGES)(np.zeros((5, 4, 4, 3))),
            "must have shape (num, 8, 8, 1), with num at least 2",
            "shape (5, 4, 4, 3)",
        ),
        (
            lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], IMAGES)(IMAGES[:1]),
            "must have shape (num, 8, 8, 1), with num at least 2",
            "shape (1, 8, 8, 1)",
        ),
    ],
    "scaling": [
        (lambda t: tables.Number("x"), "must be one of ['mean', 'quantiles']", "scaling='x'"),
        (lambda t: tables.Number([]), "must be one of ['mean', 'quantiles']", "scaling=[]"),
    ],
    "seed": [
        (
            lambda t: datasets.Batches(ROWS, keep, 2, seed=-1),
            "must be an integer of at least 0",
            "seed=-1",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, 2, seed=1.5),
            "must be an integer of at least 0",
            "seed=1.5",
        ),
        (
            lambda t: datasets.embedded_digits(seed=-1),
            "must be an integer of at least 0",
            "seed=-1",
        ),
        (
            lambda t: datasets.embedded_text(seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
    ],
    "seq_length": [
        (
            lambda t: datasets.embedded_text(seq_length=0),
            "must be an integer of at least 1",
            "seq_length=0",
        ),
        (
            lambda t: datasets.embedded_text(seq_length="a"),
            "must be an integer of at least 1",
            "seq_length='a'",
        ),
        (
            lambda t: datasets.embedded_text(seq_length=10**6),
            "half the length of the shortest split",
            "seq_length=1000000",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=801),
            "must be at most 40, half the length of the shortest split",
            "seq_length=801",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=0),
            "must be an integer of at least 1",
            "seq_length=0",
        ),
    ],
    "start": [
        (
            lambda t: tables.Number(start="x"),
            "must be a finite number, at most 1e+30 in magnitude",
            "start='x'",
        ),
    ],
    "cycles": [
        (lambda t: tables.Number(cycles="day"), "must be a list of hashable values", "'day'"),
        (
            lambda t: tables.Number(cycles=[-1]),
            "must contain positive numbers, or some of ['day', 'week',",
            "-1",
        ),
        (
            lambda t: tables.Number(cycles=["hour"]),
            "must contain positive numbers, or some of ['day', 'week',",
            "'hour'",
        ),
        (lambda t: tables.Number(cycles=[7, 7]), "must not contain duplicates", "cycles=[7, 7]"),
    ],
    "period": [
        (lambda t: tables.Angle(0), "must be a positive, finite number", "period=0"),
        (lambda t: tables.Angle("day"), "must be a positive, finite number", "period='day'"),
    ],
    "symbols": [
        (
            lambda t: datasets.Symbols("C"),
            "must be a list of distinct, non-empty strings",
            "symbols='C'",
        ),
        (
            lambda t: datasets.Symbols([]),
            "must be a list of distinct, non-empty strings",
            "symbols=[]",
        ),
        (
            lambda t: datasets.Symbols(["C", "C"]),
            "must be a list of distinct, non-empty strings",
            "symbols=['C', 'C']",
        ),
        (
            lambda t: datasets.Symbols(["C", ""]),
            "must be a list of distinct, non-empty strings",
            "symbols=['C', '']",
        ),
        (
            lambda t: datasets.Symbols(["C", 3]),
            "must be a list of distinct, non-empty strings",
            "symbols=['C', 3]",
        ),
        (
            lambda t: datasets.Symbols(None),
            "must be a list of distinct, non-empty strings",
            "symbols=None",
        ),
    ],
    "ticks": [
        (lambda t: tables.Number(ticks=0), "must be an integer of at least 1", "ticks=0"),
    ],
    "step": [
        (lambda t: tables.Number(step="x"), "must be a positive number, a list of", "step='x'"),
    ],
    "steps_per_epoch": [
        (
            lambda t: datasets.Batches(ROWS, keep, 2, steps_per_epoch=0),
            "must be an integer of at least 1",
            "steps_per_epoch=0",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, 2, training=False, steps_per_epoch=9),
            "must be an integer of at least 1 and at most 4",
            "steps_per_epoch=9",
        ),
        (
            lambda t: datasets.Batches(ROWS, keep, 2, steps_per_epoch="a"),
            "must be an integer of at least 1",
            "steps_per_epoch='a'",
        ),
        (
            lambda t: datasets.embedded_text(steps_per_epoch=0),
            "must be an integer of at least 1",
            "steps_per_epoch=0",
        ),
        (
            lambda t: datasets.Batches(
                np.arange(20), keep, batch_size=6, steps_per_epoch=5, training=False
            ),
            "must be an integer of at least 1 and at most 4",
            "steps_per_epoch=5",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=8, steps_per_epoch=0),
            "must be an integer of at least 1",
            "steps_per_epoch=0",
        ),
    ],
    "stride": [
        (
            lambda t: datasets.embedded_text(stride=0),
            "must be an integer of at least 1",
            "stride=0",
        ),
        (
            lambda t: datasets.embedded_text(stride=1.5),
            "must be an integer of at least 1",
            "stride=1.5",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=8, stride=0),
            "must be an integer of at least 1",
            "stride=0",
        ),
    ],
    "table": [
        (
            lambda t: tables.TableModel(t.table.flow(), t.rows.network, 3),
            "must be a `keras_bfn.tables.Table`",
            "table=3",
        ),
    ],
    "text": [
        (lambda t: datasets.clean_text(None), "must be a string", "a NoneType"),
        (lambda t: datasets.clean_text(3), "must be a string", "a int"),
        *(
            (lambda t, wrong=wrong: datasets.Letters.fit(wrong), expected, f"text={wrong!r}")
            for wrong, expected in (
                (None, "must be a string, or a list of strings"),
                (b"ab", "must be a string, or a list of strings"),
                (["ab", 3], "must be a string, or a list of strings"),
                ("", "must contain at least two distinct characters"),
                ("aa", "must contain at least two distinct characters"),
                ([], "must contain at least two distinct characters"),
            )
        ),
        (
            lambda t: datasets.text_file(t.text_path, tokenizer=datasets.Letters("ab")),
            "must contain only the 2 characters of the alphabet. Use `Letters.fit`",
            "a text with [' ', 'c', 'e', 'h', 'i', 'l', 'm', 's']",
        ),
        (lambda t: datasets.Symbols(["C", "Cl"]).encode(3), "must be a string", "a int"),
        (lambda t: t.subwords.encode(3), "must be a string", "a int"),
        (
            lambda t: datasets.Symbols(["C", "Cl"]).encode("ClxC"),
            "must consist of the 2 symbols",
            "'ClxC', where no symbol matches at 'xC'",
        ),
        (
            lambda t: datasets.Letters("caf").encode("café"),
            "must contain only the 3 characters of the alphabet. Use `Letters.fit` for",
            "a text with ['é']",
        ),
    ],
    "texts": [
        (lambda t: metrics.spelling_rate("a b c", "b"), "must be a list of strings", "a str"),
        (lambda t: metrics.spelling_rate([1], "b"), "must be a list of strings", "a list"),
        (lambda t: metrics.spelling_rate(None, "b"), "must be a list of strings", "a NoneType"),
        (
            lambda t: datasets.Symbols.fit(["C.O"], "[CO]"),
            "must consist of matches of '[CO]'",
            "texts='C.O'",
        ),
        (
            lambda t: datasets.Symbols.fit("CCl", datasets.SMILES),
            "must be a list of strings with symbols",
            "texts='CCl'",
        ),
        (
            lambda t: datasets.Symbols.fit([], datasets.SMILES),
            "must be a list of strings with symbols",
            "texts=[]",
        ),
        (
            lambda t: datasets.Symbols.fit([""], datasets.SMILES),
            "must be a list of strings with symbols",
            "texts=['']",
        ),
        (
            lambda t: datasets.Symbols.fit(["CC"], "C*"),
            "must consist of matches of 'C*'",
            "texts='CC'",
        ),
    ],
    "tokenizer": [
        (
            lambda t: datasets.embedded_text(tokenizer=datasets.Bytes),
            "must be a tokenizer, with `encode`, `decode`",
            "tokenizer=<class",
        ),
        (
            lambda t: datasets.embedded_text(tokenizer=3),
            "must be a tokenizer, with `encode`, `decode`",
            "tokenizer=3",
        ),
        (
            lambda t: datasets.Subwords("x"),
            "must be a `tokenizers.Tokenizer` or the JSON of one",
            "a str (expected value at line 1 column",
        ),
        (
            lambda t: datasets.Subwords(3),
            "must be a `tokenizers.Tokenizer` or the JSON of one",
            "a int (EOF while parsing a value at",
        ),
        (
            lambda t: datasets.Subwords(None),
            "must be a `tokenizers.Tokenizer` or the JSON of one",
            "a NoneType (EOF while parsing a value",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=8, tokenizer="bytes"),
            "must be a tokenizer, with `encode`, `decode` and `num_classes`, such as",
            "tokenizer='bytes'",
        ),
        (
            lambda t: datasets.Subwords("not JSON"),
            "must be a `tokenizers.Tokenizer` or the JSON of one",
            "a str (expected ident at line 1 column 2)",
        ),
        (
            lambda t: datasets.Subwords("{}"),
            "must be a `tokenizers.Tokenizer` or the JSON of one",
            "a str (Model missing. at line 1 column 2)",
        ),
        (
            lambda t: datasets.embedded_text(tokenizer="letters"),
            "must be a tokenizer, with `encode`, `decode` and `num_classes`, such as",
            "tokenizer='letters'",
        ),
        (
            lambda t: datasets.embedded_text(tokenizer=datasets.Letters().encode),
            "must be a tokenizer, with `encode`, `decode` and `num_classes`, such as",
            "tokenizer=<bound method",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=4, tokenizer=SaysTokens([0, 300])),
            "must encode text as integers in 0..255, of shape (length,)",
            "tokenizer=SaysTokens(tokens=[0, 300])",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=4, tokenizer=SaysTokens([-1, 0])),
            "must encode text as integers in 0..255, of shape (length,)",
            "tokenizer=SaysTokens(tokens=[-1, 0])",
        ),
        (
            lambda t: datasets.text_file(
                t.text_path, seq_length=4, tokenizer=SaysTokens([0.0, 1.0])
            ),
            "must encode text as integers in 0..255, of shape (length,)",
            "tokenizer=SaysTokens(tokens=[0.0, 1.0])",
        ),
        (
            lambda t: datasets.text_file(t.text_path, seq_length=4, tokenizer=SaysTokens([[0, 1]])),
            "must encode text as integers in 0..255, of shape (length,)",
            "tokenizer=SaysTokens(tokens=[[0, 1]])",
        ),
    ],
    "tokens": [
        (
            lambda t: datasets.Symbols(["C", "Cl"]).decode([3]),
            "must contain integers in -1..2, of shape (length,) or (num, length)",
            "shape (1,), dtype int64, from 3 to 3",
        ),
        (
            lambda t: t.subwords.decode([2]),
            "must contain integers in -1..1, of shape (length,) or (num, length)",
            "shape (1,), dtype int64, from 2 to 2",
        ),
    ],
    "training": [
        (
            lambda t: datasets.Batches(ROWS, keep, 2, training="x"),
            "must be True or False",
            "training='x'",
        ),
    ],
    "transform": [
        (lambda t: datasets.Batches(ROWS, None, 2), "must be a function", "transform=None"),
        (lambda t: datasets.Batches(ROWS, "x", 2), "must be a function", "transform='x'"),
    ],
    "validation_data": [
        (
            lambda t: t.rows.fit(t.frame, epochs=1, validation_data=3, verbose=0),
            "must be a dict with the parts ['numbers',",
            "a int",
        ),
    ],
    "values": [
        (lambda t: tables.Category(["a", "a"]), "must not contain duplicates", "values=['a', 'a']"),
        (lambda t: tables.Category(3), "must be a list of hashable values", "values=3"),
        (lambda t: tables.Category([[]]), "must be a list of hashable values", "values=[[]]"),
    ],
    "verbose": [
        (
            lambda t: metrics.SampleQuality(IMAGES, LABELS, verbose="x"),
            "must be 'auto', 0, 1 or 2",
            "verbose='x'",
        ),
    ],
    "width": [
        (lambda t: t.table.make_model(7), "must be even", "width=7"),
    ],
    "x": [
        (lambda t: t.rows.fit(t.frame[:0]), "must have at least one row", "x=Empty DataFrame"),
        (
            lambda t: t.table.make_model(8, 1).fit(3),
            "must be a DataFrame, because the model is not compiled",
            "x=3",
        ),
        (lambda t: t.rows.log_likelihood(3), "must be a dict with the parts ['numbers',", "a int"),
    ],
}
