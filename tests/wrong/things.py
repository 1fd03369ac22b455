"""What wrong calls are made of: data, and models that are made when the first call needs them."""

import functools
import math
import pathlib
import tempfile

import numpy as np

from keras_bfn import (
    AnyOrderNetwork,
    BayesianFlowNetwork,
    Prediction,
    codec,
    datasets,
    distillation,
    flows,
    metrics,
    networks,
    series,
    tables,
)
from tests.datasets.test_folders import png
from tests.models import parts
from tests.models.small import (
    EVENT_SHAPE,
    FLOWS,
    ConditionNetwork,
    make_data,
    make_model,
    make_text_model,
)

nan, inf = math.nan, math.inf
HUGE = 10**400  # no float is as large
FLOW, CONTINUOUS, MANY = (FLOWS[name]() for name in ("binary", "continuous", "discrete"))
PARTS = {"a": FLOW, "b": CONTINUOUS}
X, X_CONTINUOUS, X_MANY = make_data(FLOW), make_data(CONTINUOUS, 4), make_data(MANY, 4)
X_LETTERS = np.zeros((4, 3), "int32")
X_PARTS = {"a": np.zeros((4, 2), "int32"), "b": np.zeros((4, 2), "float32")}
IMAGES, LABELS = np.zeros((4, 8, 8, 1)), np.array([0, 1, 0, 1])
ROWS = np.zeros((8, 2))
NUMBERS = np.zeros((3, 2, 4, 4, 1, 1), "float32")
STEPS = Prediction(np.linspace(0, 1, 3), np.repeat(NUMBERS, 2, axis=-1), NUMBERS, NUMBERS)
SHAPE = EVENT_SHAPE


def keep(rows, rng):
    return rows


def by_expected(rows):
    """Calls that are made alike: a dict from what is expected, of rows with it and what came."""
    found = {}
    for call, expected, *came in rows:
        found.setdefault(expected, []).append((call, *came))
    return found


def total(probs):
    """A log likelihood that is none, but has its form."""
    from keras import ops

    return ops.sum(ops.reshape(probs, (ops.shape(probs)[0], -1)), axis=1)


class Things:
    """Models and a folder, by name."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    @functools.cached_property
    def model(self):
        return make_model(FLOW)

    @functools.cached_property
    def continuous(self):
        return make_model(CONTINUOUS)

    @functools.cached_property
    def conditional(self):
        network = networks.MLP(MANY, SHAPE, 8, num_blocks=1, conditions=3)
        model = BayesianFlowNetwork(MANY, network, condition_dropout=0.1)
        model.compile()
        return model

    @functools.cached_property
    def two_conditions(self):
        conditions = {"label": 3, "size": (2,)}  # the size has no null condition
        network = networks.MLP(MANY, SHAPE, 8, num_blocks=1, conditions=conditions)
        return BayesianFlowNetwork(MANY, network)

    @functools.cached_property
    def parts(self):
        shapes = {"a": (2,), "b": (2,)}
        network = networks.MultiPart(PARTS, shapes, 8, 1, "mlp", times="variables")
        model = AnyOrderNetwork(PARTS, network)
        model.compile()
        return model

    @functools.cached_property
    def many_parts(self):
        model = parts.make_model()
        model.compile("sgd")
        return model

    @functools.cached_property
    def timed_parts(self):
        return parts.make_model(times="variables")

    @functools.cached_property
    def sent_parts(self):
        flow = parts.without(parts.FLOWS, "size")
        return parts.make_model(flow, parts.without(parts.EVENT_SHAPES, "size"))

    @functools.cached_property
    def ordered(self):
        network = networks.Transformer(MANY, (3,), 8, 1, 1, times="variables")
        return AnyOrderNetwork(MANY, network)

    @functools.cached_property
    def numbers(self):
        network = networks.MLP(CONTINUOUS, (3,), 8, num_blocks=1, times="variables")
        return AnyOrderNetwork(CONTINUOUS, network)

    @functools.cached_property
    def compiled_numbers(self):
        model = BayesianFlowNetwork(CONTINUOUS, networks.MLP(CONTINUOUS, (3,), 8, num_blocks=1))
        model.compile()
        return model

    @functools.cached_property
    def texts(self):
        model = make_text_model()
        model.compile()
        return model

    @functools.cached_property
    def text_parts(self):
        flow, shapes = {"a": FLOW, "b": TEXT}, {"a": (), "b": (5,)}
        network = networks.MultiPart(flow, shapes, 8, 1, "mlp")
        return BayesianFlowNetwork(flow, network, tokenizer={"b": LETTERS})

    @functools.cached_property
    def ordered_texts(self):
        network = networks.Transformer(TEXT, 8, 8, 1, 1, times="variables")
        return AnyOrderNetwork(TEXT, network, tokenizer=LETTERS)

    @functools.cached_property
    def masked_texts(self):
        network = networks.Transformer(TEXT, 8, 8, 1, 1, masked=True)
        return BayesianFlowNetwork(TEXT, network, tokenizer=LETTERS)

    @functools.cached_property
    def subwords(self):
        import tokenizers

        vocabulary = {" ": 0, "a": 1}
        return datasets.Subwords(tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [])))

    @functools.cached_property
    def missing(self):
        return BayesianFlowNetwork(MANY, networks.Transformer(MANY, (4,), 8, 1, 1, masked=True))

    @functools.cached_property
    def unbuilt(self):
        return BayesianFlowNetwork(FLOW, ConditionNetwork(1))

    @property
    def pandas(self):
        import pandas

        return pandas

    @property
    def polars(self):
        import polars

        return polars

    @functools.cached_property
    def frame(self):
        columns = {"n": np.linspace(0, 1, 20), "c": list("ab") * 10, "i": np.arange(20)}
        return self.pandas.DataFrame(columns)

    def make_frame(self, **columns):

        return self.pandas.DataFrame(columns)

    @functools.cached_property
    def table(self):
        return tables.Table.from_dataframe(self.frame)

    @functools.cached_property
    def rows(self):
        return self.table.make_model(8, 1)

    @functools.cached_property
    def bills(self):
        """A frame whose columns keep rules."""
        from tests.tables.test_rules import FRAME

        return FRAME.assign(rooms=20)

    @functools.cached_property
    def bill_table(self):
        return tables.Table.from_dataframe(self.bills, end=tables.AtLeast("start"))

    @functools.cached_property
    def visits(self):
        """A frame of several rows for each patient."""
        from tests.tables.test_sequences import VISITS

        return VISITS

    @functools.cached_property
    def patients(self):
        return tables.Sequences.from_dataframe(self.visits, "patient", ["sex"])

    @functools.cached_property
    def days(self):
        """A model of rows with times."""
        days = self.pandas.date_range("2024", periods=20)
        return tables.Table.from_dataframe(self.make_frame(day=days)).make_model(8, 1)

    @functools.cached_property
    def series(self):
        x, covariates = np.arange(1.0, 81.0).reshape(2, 40), np.zeros((2, 50, 3))
        return series.make_model(x, 4, 8, 1, False, covariates, [1.0, 2.0], 8, 1)

    @functools.cached_property
    def codec(self):
        return codec.Codec(self.model, 4)

    @functools.cached_property
    def quality(self):
        return metrics.SampleQuality(IMAGES, LABELS, num_features=2, epochs=1)

    @functools.cached_property
    def unet(self):
        """A network that the authors' checkpoints are for."""
        return networks.UNet(FLOW, SHAPE, 128, (1,), 1, 4, shortcut=False)

    @functools.cached_property
    def student(self):
        return distillation.make_student(self.conditional)

    @functools.cached_property
    def guided_student(self):
        return distillation.make_student(self.conditional, guided=True)

    @functools.cached_property
    def preset(self):
        """The folder of a model whose network is a user's own."""
        self.model.save_to_preset(self.folder / "preset")
        return self.folder / "preset"

    def pictures(self, *names):
        """A new folder with a picture of each name."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(png(8, 8, bytes(72)))
        return folder

    @functools.cached_property
    def text_path(self):
        path = self.folder / "text.txt"
        path.write_text("call me ishmael " * 100)
        return path


TEXT = flows.DiscreteFlow(27, 1.0)
LETTERS, BYTES = datasets.Letters(), datasets.Bytes()
PAIRS = flows.MarkovChain(np.ones((2, 2), int))
