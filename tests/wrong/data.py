"""Wrong calls of data sets, tables, metrics and tokenizers."""

import numpy as np

from keras_bfn import datasets, flows, metrics, tables
from tests.wrong.things import IMAGES, LABELS, ROWS, keep, nan


class SaysTokens(datasets.Bytes):
    def __init__(self, tokens):
        self.tokens = tokens

    def encode(self, text):
        return np.array(self.tokens * 1000)


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "alphabet": {
        "string of at least two characters,": [
            lambda t: datasets.Letters("a"),
            lambda t: datasets.Letters("aa"),
            lambda t: datasets.Letters(3),
        ]
    },
    "batch_size": {
        "integer of at least 1": [
            lambda t: metrics.FrechetDistance(keep, IMAGES, batch_size=0),
            lambda t: datasets.Batches(ROWS, keep, 0),
            lambda t: datasets.embedded_text(batch_size=0),
            lambda t: datasets.mnist(batch_size=0),
            lambda t: datasets.text8("a"),
            lambda t: t.rows.fit(t.frame, batch_size=0),
        ],
        "at most the number of examples, 8": [lambda t: datasets.Batches(ROWS, keep, 9)],
        "at most the number of examples, 0": [
            lambda t: datasets.Batches(np.arange(0), keep, batch_size=6, training=False)
        ],
    },
    "color_mode": {
        "one of ['rgb', 'grayscale']": [lambda t: datasets.image_folder(".", (8, 8), color_mode=[])]
    },
    "colour": {
        "_splits() got an unexpected keyword argument": [
            (lambda t: datasets.embedded_digits(colour=1), "", TypeError)
        ],
        "_windows() got an unexpected keyword argument": [
            (lambda t: datasets.embedded_text(colour=1), "", TypeError)
        ],
    },
    "columns": {
        "must name some of ['n', 'c', 'i']": [
            (lambda t: tables.Table.from_dataframe(t.frame, x=tables.Number()), "['x']")
        ],
        "`keras_bfn.tables.Column`": [
            (lambda t: tables.Table.from_dataframe(t.frame, n=3), "columns['n']=3")
        ],
        "must be a dict": [lambda t: tables.Table(3, {}, "pandas")],
    },
    "counts": {
        "one count for each of the values ['a']": [lambda t: tables.Category(["a"], [1, 2])],
        "integer of at least 0": [lambda t: tables.Category(["a"], [-1])],
    },
    "covariance_1": {
        "array of numbers": [
            (
                lambda t: metrics.frechet_distance(np.zeros(2), None, np.zeros(2), np.eye(2)),
                "a NoneType",
            )
        ],
        "array of finite numbers of shape (2, 2)": [
            lambda t: metrics.frechet_distance(
                np.zeros(2), np.full((2, 2), nan), np.zeros(2), np.eye(2)
            )
        ],
    },
    "covariance_2": {
        "array of finite numbers of shape (2, 2)": [
            lambda t: metrics.frechet_distance(np.zeros(2), np.eye(2), np.zeros(2), np.eye(3))
        ]
    },
    "data_dir": {"must be a path": [lambda t: datasets.mnist(data_dir=3)]},
    "dataset": {
        "The dataset 'mnist' is not in": [
            (lambda t: datasets.mnist(data_dir="nowhere", download=False), "", FileNotFoundError)
        ]
    },
    "df": {
        "pandas or polars DataFrame": [lambda t: t.rows.impute(3)],
        "at least one row and one column": [
            lambda t: tables.Table.from_dataframe(t.frame[:0]),
            lambda t: tables.Table.from_dataframe(t.frame[[]]),
        ],
        "numbers, strings, bools, categories or times": [
            (
                lambda t: tables.Table.from_dataframe(t.make_frame(a=[1j, 2])),
                "column 'a' of complex128",
            )
        ],
        "some of the columns ['n', 'c', 'i']": [lambda t: t.rows.fit(t.make_frame(x=[1]))],
    },
    "download": {"True or False": [lambda t: datasets.mnist(download="x")]},
    "dtypes": {
        "the same keys as `columns`, at least one: []": [lambda t: tables.Table({}, {}, "pandas")],
        "the same keys as `columns`, at least one: ['a']": [
            lambda t: tables.Table({"a": tables.Number()}, {"b": "int64"}, "pandas")
        ],
    },
    "epochs": {
        "integer of at least 1": [
            lambda t: metrics.SampleQuality(IMAGES, LABELS, epochs=0),
            lambda t: t.rows.fit(t.frame, epochs=0),
        ]
    },
    "examples": {
        "array, or support indexing by rows": [
            lambda t: datasets.Batches(3, keep, 2),
            lambda t: datasets.Batches(np.array(3), keep, 2, LABELS),
        ],
        "at most the number of examples, 0": [
            (lambda t: datasets.Batches([], keep, 2), "batch_size=2")
        ],
    },
    "extractor": {
        "must return finite numbers": [
            (
                lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0] * nan, IMAGES),
                "features with 100% NaN or infinity",
            )
        ],
        "must return features of shape (batch,": [
            (
                lambda t: metrics.FrechetDistance(lambda x: None, IMAGES),
                "features of shape () for 4 images",
            )
        ],
        "function or a Keras model": [lambda t: metrics.FrechetDistance(3, np.zeros((4, 4, 4, 3)))],
        "must return features of shape (batch, num_features)": [
            (
                lambda t: metrics.FrechetDistance(lambda x: x[1:, 0, 0], np.zeros((2, 4, 4, 3))),
                "features of shape (1, 3) for 2 images",
            )
        ],
    },
    "flip": {"True or False": [lambda t: datasets.embedded_digits(flip="x")]},
    "form": {"one of ['binary', 'bins', 'numbers']": [lambda t: datasets.mnist(form=[])]},
    "given": {
        "dict from some of the columns ['n',": [
            lambda t: t.rows.sample(2, given={"x": 1}),
            lambda t: t.rows.sample(2, given=3),
        ]
    },
    "has_end": {"True or False": [lambda t: datasets.Symbols(["C"], has_end="*")]},
    "held_out": {
        "number strictly between 0 and 0.5": [
            lambda t: datasets.image_folder(".", (8, 8), held_out=0)
        ]
    },
    "image_size": {
        "tuple of integers of at least 1": [lambda t: datasets.image_folder(t.folder, 8)],
        "(height, width)": [lambda t: datasets.image_folder(".", (8, 8, 8))],
    },
    "images": {
        "shape (num, 8, 8, 1), with num at least 1": [
            (lambda t: t.quality.class_imbalance(IMAGES[:0]), "shape (0, 8, 8, 1)")
        ],
        "shape (num, height, width,": [(lambda t: metrics.SampleQuality("a", LABELS), "shape ()")],
        "finite": [lambda t: metrics.SampleQuality(IMAGES * nan, LABELS)],
        "array of numbers": [
            (lambda t: metrics.SampleQuality(IMAGES.astype(str), LABELS), "a ndarray")
        ],
        "at least 8 pixels per side": [
            lambda t: metrics.SampleQuality(np.zeros((5, 4, 4, 1)), np.zeros(5, int))
        ],
    },
    "index": {
        "There are 4 batches, numbered from 0": [
            (lambda t: datasets.Batches(ROWS, keep, 2)[4], "index=4", IndexError)
        ]
    },
    "knots": {"two equally long lists of finite numbers": [lambda t: tables.Number(knots=3)]},
    "known": {
        "must name some of the columns ['n',": [
            lambda t: t.rows.log_likelihood(t.frame, known=["n", "x"])
        ]
    },
    "labels": {
        "integer of at least 0 for each of 4 images": [
            (lambda t: metrics.SampleQuality(IMAGES, None), "shape (), dtype object"),
            (
                lambda t: metrics.SampleQuality(IMAGES, -LABELS),
                "shape (4,), dtype int64, minimum -1",
            ),
            (lambda t: metrics.SampleQuality(IMAGES, LABELS * 0.5), "shape (4,), dtype float64"),
        ],
        "array, or support indexing by rows": [lambda t: datasets.Batches(ROWS, keep, 2, labels=3)],
        "one label for each of 8 examples": [
            (lambda t: datasets.Batches(ROWS, keep, 2, labels=[1]), "1 labels")
        ],
        "True or False": [lambda t: datasets.cifar10(labels=1)],
        "False unless each image is in a sub-folder": [
            (
                lambda t: datasets.image_folder(
                    t.pictures("a/0.png", "b/1.png", "c/2.png", "3.png"), (8, 8), labels=True
                ),
                "3.png",
            )
        ],
    },
    "library": {
        "one of ['pandas', 'polars']": [
            lambda t: tables.Table({"a": tables.Number()}, {"a": "int64"}, [])
        ]
    },
    "limit": {"integer of at least 2": [lambda t: datasets.embedded_digits(limit=1)]},
    "low": {
        "less than high=1": [lambda t: tables.Levels(3, 1)],
        "integer of at least -1844674407": [lambda t: tables.Levels(0.5, 3)],
    },
    "mean_1": {
        "array of numbers": [
            (lambda t: metrics.frechet_distance("a", np.eye(2), np.zeros(2), np.eye(2)), "a str")
        ],
        "array of finite numbers of shape (2,)": [
            lambda t: metrics.frechet_distance(np.full(2, nan), np.eye(2), np.zeros(2), np.eye(2))
        ],
    },
    "mean_2": {
        "array of finite numbers of shape (2,)": [
            lambda t: metrics.frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
        ]
    },
    "nowhere": {
        "[Errno 2] No such file or directory: 'nowhere'": [
            (lambda t: datasets.text_file("nowhere"), "", FileNotFoundError)
        ]
    },
    "nullable": {"True or False": [lambda t: tables.Number(nullable=3)]},
    "num_bins": {
        "integer of at least 2 and at most": [lambda t: datasets.fashion_mnist(num_bins=1)]
    },
    "num_blocks": {"integer of at least 1": [lambda t: t.table.make_model(8, 0)]},
    "num_draws": {"integer of at least 1": [lambda t: t.rows.impute(t.frame, 0)]},
    "num_features": {
        "integer of at least 1": [lambda t: metrics.SampleQuality(IMAGES, LABELS, num_features=0)]
    },
    "num_repeats": {"integer of at least 1": [lambda t: t.rows.log_likelihood(t.frame, 0)]},
    "num_rows": {"integer of at least 1": [lambda t: t.rows.sample(0)]},
    "num_steps": {
        "integer of at least 1 and at most": [lambda t: t.rows.impute(t.frame, num_steps="a")]
    },
    "parts": {
        "dict with the parts ['numbers',": [
            (lambda t: t.table.decode(3), "a int"),
            (lambda t: t.table.decode({"a": np.zeros(2)}), "a dict with the keys ['a']"),
        ]
    },
    "path": {
        "must be a path": [
            lambda t: datasets.text_file(None),
            lambda t: datasets.image_folder(None, (8, 8)),
            lambda t: datasets.image_classes(3),
        ],
        "folder with at least 3 images": [
            (
                lambda t: datasets.image_folder("nowhere", (8, 8)),
                "path='nowhere', which contains 0",
                FileNotFoundError,
            )
        ],
        "folder": [(lambda t: datasets.image_classes("none"), "path='none'", FileNotFoundError)],
    },
    "pattern": {"regular expression": [lambda t: datasets.Symbols.fit(["C"], "(")]},
    "prior": {
        "two finite numbers": [lambda t: tables.Levels(0, 3, 3)],
        "size of 1 for these columns": [
            lambda t: tables.Table(
                t.table.columns, t.table.dtypes, "pandas", flows.JointNormal([0, 0], np.eye(2))
            )
        ],
    },
    "reference_text": {"string": [(lambda t: metrics.spelling_rate(["a"], None), "a NoneType")]},
    "samples": {
        "shape (num, 8, 8, 1), with num at least 2": [
            (lambda t: t.quality.frechet_distance(IMAGES[:1]), "shape (1, 8, 8, 1)"),
            (lambda t: metrics.FrechetDistance(lambda x: x[:, 0, 0], IMAGES)(None), "shape ()"),
        ]
    },
    "scaling": {"one of ['mean', 'quantiles']": [lambda t: tables.Number([])]},
    "seed": {
        "integer of at least 0": [
            lambda t: datasets.Batches(ROWS, keep, 2, seed=-1),
            lambda t: datasets.embedded_digits(seed=-1),
        ]
    },
    "seq_length": {
        "integer of at least 1": [lambda t: datasets.embedded_text(seq_length=0)],
        "half the length of the shortest split": [
            lambda t: datasets.embedded_text(seq_length=10**6)
        ],
    },
    "start": {"finite number, at most 1e+30 in magnitude": [lambda t: tables.Number(start="x")]},
    "cycles": {
        "list of hashable values": [(lambda t: tables.Number(cycles="day"), "'day'")],
        "positive numbers, or some of ['day', 'week',": [
            (lambda t: tables.Number(cycles=[-1]), "-1"),
            (lambda t: tables.Number(cycles=["hour"]), "'hour'"),
        ],
        "must not contain duplicates": [lambda t: tables.Number(cycles=[7, 7])],
    },
    "period": {"positive, finite number": [lambda t: tables.Angle(0)]},
    "symbols": {
        "list of distinct, non-empty strings": [
            lambda t: datasets.Symbols([]),
            lambda t: datasets.Symbols(["C", "C"]),
            lambda t: datasets.Symbols(["C", ""]),
        ]
    },
    "ticks": {"integer of at least 1": [lambda t: tables.Number(ticks=0)]},
    "step": {"positive number, a list of": [lambda t: tables.Number(step="x")]},
    "steps_per_epoch": {
        "integer of at least 1": [lambda t: datasets.embedded_text(steps_per_epoch=0)],
        "integer of at least 1 and at most 4": [
            lambda t: datasets.Batches(
                np.arange(20), keep, batch_size=6, steps_per_epoch=5, training=False
            )
        ],
    },
    "stride": {"integer of at least 1": [lambda t: datasets.embedded_text(stride=0)]},
    "table": {
        "`keras_bfn.tables.Table`": [lambda t: tables.TableModel(t.table.flow(), t.rows.network, 3)]
    },
    "text": {
        "string, or a list of strings": [lambda t: datasets.Letters.fit(b"ab")],
        "at least two distinct characters": [lambda t: datasets.Letters.fit("aa")],
        "only the 2 characters of the alphabet. Use": [
            (
                lambda t: datasets.text_file(t.text_path, tokenizer=datasets.Letters("ab")),
                "a text with [' ', 'c', 'e', 'h', 'i', 'l', 'm', 's']",
            )
        ],
        "must consist of the 2 symbols": [
            (
                lambda t: datasets.Symbols(["C", "Cl"]).encode("ClxC"),
                "'ClxC', where no symbol matches at 'xC'",
            )
        ],
    },
    "texts": {
        "list of strings": [(lambda t: metrics.spelling_rate([1], "b"), "a list")],
        "must consist of matches of '[CO]'": [lambda t: datasets.Symbols.fit(["C.O"], "[CO]")],
        "list of strings with symbols": [lambda t: datasets.Symbols.fit([], datasets.SMILES)],
        "must consist of matches of 'C*'": [lambda t: datasets.Symbols.fit(["CC"], "C*")],
    },
    "tokenizer": {
        "tokenizer, with `encode`, `decode`": [
            lambda t: datasets.embedded_text(tokenizer=datasets.Bytes),
            lambda t: datasets.embedded_text(tokenizer=3),
        ],
        "`tokenizers.Tokenizer` or the JSON of one": [
            (lambda t: datasets.Subwords(3), "a int (EOF while parsing a value at")
        ],
        "must encode text as integers in 0..255, of shape": [
            lambda t: datasets.text_file(t.text_path, seq_length=4, tokenizer=SaysTokens([0, 300])),
            lambda t: datasets.text_file(t.text_path, seq_length=4, tokenizer=SaysTokens([-1, 0])),
            lambda t: datasets.text_file(t.text_path, seq_length=4, tokenizer=SaysTokens([[0, 1]])),
        ],
    },
    "transform": {"function": [lambda t: datasets.Batches(ROWS, "x", 2)]},
    "values": {
        "must not contain duplicates": [lambda t: tables.Category(["a", "a"])],
        "list of hashable values": [lambda t: tables.Category(3), lambda t: tables.Category([[]])],
    },
    "verbose": {
        "'auto', 0, 1 or 2": [lambda t: metrics.SampleQuality(IMAGES, LABELS, verbose="x")]
    },
    "width": {"must be even": [lambda t: t.table.make_model(7)]},
    "x": {
        "at least one row": [lambda t: t.rows.fit(t.frame[:0])],
        "DataFrame, because the model is not compiled": [lambda t: t.table.make_model(8, 1).fit(3)],
        "a frame, or a dict of the parts of the flow": [
            (lambda t: t.rows.code_length(np.zeros((3, 2))), "a ndarray"),
            (lambda t: t.rows.code_length(t.frame["n"]), "a Series"),
        ],
    },
}
