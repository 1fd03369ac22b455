"""Calls of all that is public with arguments that are right, wrong or odd, drawn by hypothesis.

Each gives a result, or an error of this package that names the argument and what came; and the
model that it was a call of is what it was. `python -m tests.fuzz 1000` makes so many calls of
constructors and of methods, and prints how many ended in which way; a second number is the seed.
"""

import collections
import contextlib
import io
import math
import sys
import traceback
import warnings

import hypothesis
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_bfn import (
    AnyOrderNetwork,
    callbacks,
    codec,
    datasets,
    flows,
    guidance,
    layers,
    losses,
    metrics,
    networks,
    samplers,
    schedules,
    tables,
)
from keras_bfn._config import Immutable
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model

BACKENDS = ("/tensorflow/", "/jax/", "/jaxlib/", "/torch/")
KINDS = ("?", "i1", "i4", "i8", "u1", "u8", "f2", "f4", "f8", "c8", "U1", "O", "M8[D]")
SHAPES = ((), (0,), (1,), (2,), (4,), (2, 2), (4, 4, 4, 1), (4, 4), (0, 4, 4, 1), (1, 1, 1, 1, 1))
FLOW = FLOWS["discrete"]()
X = make_data(FLOW, 4)


def make_array(kind, shape, value):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return np.full(shape, value).astype(kind)
        except (ValueError, OverflowError):  # no such value of this kind
            return np.zeros(shape, kind)


class Strange:
    """Neither a number nor a sequence."""

    def __repr__(self):
        return "Strange()"


ODD = [
    None,
    True,
    False,
    10**12,
    -(10**12),
    10**400,
    2**31,
    2**64,
    1e300,
    -1e300,
    1e-300,
    math.nan,
    math.inf,
    -math.inf,
    1j,
    "",
    "a",
    "mode",
    b"ab",
    [],
    (),
    {},
    set(),
    [None],
    [[1], [1, 2]],
    {"a": 1},
    {1: 2},
    object,
    len,
    Strange(),
    np.float32(0.5),
    np.int64(3),
    np.bool_(True),
    range(3),
]
VALUES = [0, 1, -1, 3, 7, 0.5, math.nan, math.inf, 1e300]
ARRAYS = st.builds(make_array, *map(st.sampled_from, (KINDS, SHAPES, VALUES)))
BATCHES = [
    X,
    (X,),
    (X, None),
    ((X, None),),
    X[:, :2],
    X + 5,
    {"a": X},
    (X, X, X, X),
    [X],
    3,
    "a",
    None,
]
PIPELINES = st.builds(iter, st.lists(st.sampled_from(BATCHES), max_size=2))
ANYTHING = st.one_of(
    st.sampled_from(ODD),
    st.integers(-3, 12),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.one_of(st.integers(-2, 5), st.floats(width=32)), max_size=4),
    ARRAYS,
    PIPELINES,
)


def one_of(*values):
    return st.sampled_from(values)


INT, SHARE, BOOL = st.integers(1, 8), st.floats(0, 0.9), st.booleans()
FLOW_OF_ANY = one_of(*(make() for make in FLOWS.values()), flows.CircularFlow())
SIGMA, EVEN = st.floats(1e-6, 0.999), one_of(2, 4, 8)
SAMPLER = {
    "temperature": st.floats(0.1, 2),
    "end": one_of(*samplers.samplers.ENDS),
    "start": SHARE,
    "spacing": one_of("t", "log_beta"),
    "top_k": INT,
    "top_p": st.floats(0.1, 1),
}
# By what is called: its arguments, and what is right for each. Required ones end with a star.
CONSTRUCTORS = {
    flows.DiscreteFlow: {
        "num_classes*": st.integers(2, 5),
        "beta_1": st.floats(0.01, 20),
        "prior": one_of([1, 2], [1, 2, 3]),
    },
    flows.DiscretizedFlow: {
        "num_bins*": st.integers(2, 300),
        "sigma_1": SIGMA,
        "prediction": one_of("noise", "data"),
        "prior": one_of((0, 1), (0.5, 0.1)),
    },
    flows.ContinuousFlow: {
        "sigma_1": SIGMA,
        "prediction": one_of("noise", "data"),
        "num_bins": st.integers(2, 300),
        "reconstruction_std": SIGMA,
        "prior": one_of((0, 1), (0.5, 0.1)),
        "center": st.floats(-10, 10),
        "scale": st.floats(0.1, 10),
    },
    flows.CircularFlow: {"sigma_1": SIGMA},
    flows.MarkovChain: {"counts*": one_of(np.ones((2, 2), int), [[1, 2], [0, 3]])},
    schedules.ExponentialSchedule: {"sigma_1*": SIGMA},
    schedules.QuadraticSchedule: {"beta_1*": st.floats(0.01, 20)},
    samplers.AncestralSampler: SAMPLER,
    samplers.SDE1Sampler: {"noise": st.floats(0, 1), **SAMPLER},
    samplers.SDE2Sampler: {"noise": st.floats(0, 1), **SAMPLER},
    samplers.ODE1Sampler: SAMPLER,
    samplers.ODE2Sampler: SAMPLER,
    losses.DiscreteTimeLoss: {"num_steps*": INT, "num_samples": INT},
    layers.TimeEmbedding: {"size*": EVEN, "scale": SIGMA, "offset": SIGMA, "endpoint": BOOL},
    layers.FourierFeatures: {"exponents": one_of((1,), (5, 6))},
    layers.PositionEmbedding: {"num_columns": INT},
    layers.TokenEmbedding: {"size*": INT},
    layers.EvidenceFeatures: {"flow*": FLOW_OF_ANY},
    layers.EvidenceShortcut: {"flow*": FLOW_OF_ANY},
    layers.DenseBlock: {"hidden_size*": INT, "dropout": SHARE},
    layers.ConvBlock: {
        "filters*": INT,
        "dropout": SHARE,
        "groups": INT,
        "time_bias": BOOL,
        "remat": BOOL,
        "data_format": one_of(None, "channels_last"),
    },
    layers.SpatialAttention: {"num_heads": INT, "groups": INT},
    layers.TransformerBlock: {
        "num_heads*": INT,
        "dropout": SHARE,
        "remat": BOOL,
        "kernel_size": INT,
        "num_columns": INT,
        "expansion": INT,
        "rotary": BOOL,
        "kernel_initializer": one_of("zeros", "he_normal"),
    },
    networks.MLP: {
        "flow*": FLOW_OF_ANY,
        "event_shape*": one_of((4,), (2, 2)),
        "width*": EVEN,
        "num_blocks": one_of(1),
        "expansion": one_of(1, 2),
        "dropout": SHARE,
        "conditions": one_of(None, 3, (2,), {"a": 3}),
        "dtype": one_of("float32", "mixed_bfloat16"),
        "shortcut": BOOL,
    },
    networks.Transformer: {
        "flow*": FLOW_OF_ANY,
        "event_shape*": one_of(4, (4, 2)),
        "width*": one_of(8),
        "num_layers*": one_of(1),
        "num_heads": one_of(0, 1, 2),
        "kernel_size": one_of(1, 3),
        "positions": one_of("rotary", "sinusoidal"),
        "features": one_of("scaled", "plain"),
        "dropout": SHARE,
        "masked": BOOL,
    },
    networks.UNet: {
        "flow*": FLOW_OF_ANY,
        "image_shape*": one_of((4, 4, 1), (4, 1)),
        "width*": one_of(8),
        "width_multipliers": one_of((1,), (1, 2)),
        "num_blocks": one_of(1),
        "num_heads": one_of(1, 2),
    },
    networks.PatchTransformer: {
        "flow*": FLOW_OF_ANY,
        "image_shape*": one_of((4, 4, 1), (4, 8, 3)),
        "patch_size*": one_of(1, 2, 4),
        "width*": one_of(8),
        "num_layers*": one_of(1),
        "num_coarse_layers": one_of(0, 1),
        "num_heads": one_of(0, 1),
    },
    guidance.Guidance: {
        "fn*": one_of(len),
        "values": one_of({"a": [1.0]}),
        "scale": st.floats(-3, 3),
        "interval": one_of((0, 1), (0.2, 0.5)),
        "num_draws": INT,
        "through_network": BOOL,
    },
    guidance.ClassifierGuidance: {"classifier*": one_of(len), "target*": one_of(1, [0, 1])},
    guidance.Constraint: {"fn*": one_of(len), "target*": st.floats(-3, 3), "std*": SIGMA},
    guidance.LinearInverse: {
        "A*": one_of(np.ones((1, 3))),
        "y*": one_of([1.0], [[1.0], [2.0]]),
        "noise*": SIGMA,
    },
    tables.Category: {
        "values": one_of(["a", "b"]),
        "counts": one_of([1, 2]),
        "nullable": one_of(None, True, False),
    },
    tables.Levels: {
        "low": one_of(0, 1),
        "high": one_of(3, 9),
        "prior": one_of((0, 1)),
        "nullable": one_of(None, True, False),
    },
    tables.Number: {
        "scaling": one_of(None, "mean", "quantiles"),
        "start": st.floats(-3, 3),
        "step": one_of(None, 0.1, 1),
        "knots": one_of([[0, 1], [-1, 1]]),
        "nullable": one_of(None, True, False),
    },
    callbacks.Resume: {"directory*": one_of("a"), "verbose": one_of(0, 1)},
    callbacks.SampleImages: {
        "directory*": one_of("a"),
        "num_samples": INT,
        "num_steps": INT,
        "sampler": one_of("sde1", samplers.ODE1Sampler()),
        "every": INT,
        "columns": INT,
        "seed": INT,
        "tensorboard": one_of(None, "b"),
        "part": one_of(None, "a"),
    },
    datasets.Batches: {
        "examples*": one_of(np.zeros((8, 2))),
        "transform*": one_of(lambda rows, rng: rows),
        "batch_size*": INT,
        "labels": one_of(np.zeros(8, int)),
        "training": BOOL,
        "seed": INT,
        "steps_per_epoch": INT,
    },
    datasets.Letters: {"alphabet": one_of("ab", " xyz")},
    metrics.frechet_distance: {
        "mean_1*": one_of(np.zeros(2)),
        "covariance_1*": one_of(np.eye(2)),
        "mean_2*": one_of(np.ones(2)),
        "covariance_2*": one_of(np.eye(2)),
    },
}
SEED, VERBOSE = one_of(None, 0, 7), one_of(0)
DATA = one_of(X, X.tolist(), X.astype("int64"), X[:2])
COMMON = {"seed": SEED, "batch_size": one_of(4), "verbose*": VERBOSE}
# Of a model: few right values, for each combination is compiled.
ORDER = one_of("together", "random", "left_to_right", np.arange(16).reshape(4, 4, 1) // 8)
METHODS = {
    "fit": {
        "x*": DATA,
        "batch_size": one_of(4),
        "epochs": one_of(0, 1),
        "validation_data": DATA,
        "validation_split": one_of(0.0),
        "shuffle": BOOL,
        "sample_weight": one_of(np.ones(4), np.zeros(4)),
        "steps_per_epoch": one_of(1),
        "initial_epoch": one_of(0),
        "callbacks": one_of(None, []),
        "verbose*": VERBOSE,
    },
    "evaluate": {
        "x*": DATA,
        "sample_weight": one_of(np.ones(4)),
        "steps": one_of(1),
        "return_dict": BOOL,
        **COMMON,
    },
    "train_on_batch": {"x*": one_of(X), "sample_weight": one_of(np.ones(4)), "return_dict": BOOL},
    "code_length": {
        "x*": DATA,
        "num_steps": one_of(None, 2),
        "num_repeats": one_of(1),
        "sample_weight": one_of(np.ones(4)),
        **COMMON,
    },
    "generate": {
        "num_samples*": one_of(4),
        "num_steps*": one_of(2),
        "sampler": one_of("ancestral", "ode1"),
        "condition": one_of(None),
        "guidance_scale": one_of(1.0),
        "guidance": one_of(None),
        "num_particles": one_of(None),
        "latents": one_of(None, np.zeros((4, 4, 4, 1, 5))),
        "lengths": one_of(None),
        "return_details": one_of(False),
        **COMMON,
    },
    "encode": {
        "x*": DATA,
        "num_steps*": one_of(2),
        "sampler": one_of("ode1", "ode2"),
        "condition": one_of(None),
        **COMMON,
    },
    "inpaint": {
        "x*": DATA,
        "known*": one_of(None, True, X > 2),
        "num_steps*": one_of(2),
        "num_particles": one_of(1),
        "twisted": one_of(True),
        "lengths": one_of(None),
        "return_details": BOOL,
        **COMMON,
    },
    # Of a model of any order.
    "ordered code_length": {
        "x*": DATA,
        "num_steps": one_of(None, 2),
        "order": ORDER,
        "known": one_of(None, (), X > 2),
        **COMMON,
    },
    "ordered generate": {
        "num_samples*": one_of(4),
        "num_steps*": one_of(2),
        "order": ORDER,
        "given": one_of(None, X, np.where(X > 2, X, -1)),
        **COMMON,
    },
    "compress": {"x*": DATA, "condition": one_of(None), "verbose*": VERBOSE},
    "decompress": {"data*": st.binary(max_size=40), "verbose*": VERBOSE},
}


@st.composite
def calls(draw, targets):
    """What is called, and its arguments, of which up to two may be anything."""
    target = draw(st.sampled_from(list(targets)))
    arguments, odd = {}, draw(st.integers(0, 2))
    names = list(targets[target])
    strange = draw(st.lists(st.sampled_from(names), min_size=odd, max_size=odd))
    for name in names:
        if name in strange:
            arguments[name.rstrip("*")] = draw(ANYTHING)
        elif name.endswith("*") or draw(st.integers(0, 3)) == 0:
            arguments[name.rstrip("*")] = draw(targets[target][name])
    return target, arguments


def outcome_of(function, arguments):
    """How a call ended: the name of its kind, and the result or the error."""
    with warnings.catch_warnings():
        # Of deprecated ways of numpy and of Keras, and of guidance that was not learnt.
        warnings.simplefilter("ignore")
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return "result", function(**arguments)
        except (ValueError, TypeError, codec.CodecError) as error:
            return type(error).__name__, error


def check_error(kind, error):
    """Claims that an error is this package's, and says what came."""
    frames = traceback.extract_tb(error.__traceback__)
    innermost = frames[-1].filename
    assert not any(name in innermost for name in BACKENDS), innermost
    message = str(error)
    if kind == "TypeError":  # of Python, about a name
        assert "argument" in message, message
    elif kind != "CodecError":
        assert "Received: " in message, message
        assert "`" in message, message


def check_made(made):
    """Claims that what was made is told by its config; functions of guidances have none."""
    repr(made)
    if isinstance(made, Immutable) and not isinstance(made, guidance.Guidance):
        again = type(made).from_config(made.get_config())
        assert again == made


def check_constructor(target, arguments, counts):
    kind, found = outcome_of(target, arguments)
    counts["constructors", kind] += 1
    check_made(found) if kind == "result" else check_error(kind, found)


def any_order_model():
    network = networks.MLP(FLOW, EVENT_SHAPE, 8, 1, times="variables")
    return AnyOrderNetwork(FLOW, network, seed=0)


class Model:
    """A model that is called, and looked at afterwards."""

    def __init__(self):
        self.model = make_model(FLOW)
        self.ordered = any_order_model()
        self.codec = codec.Codec(self.model, 2)
        self.model.train_on_batch(X)
        self.weights, self.logs = self.model.get_weights(), self._evaluate()
        self.num_calls = 0

    def _evaluate(self):
        return self.model.evaluate(X, verbose=0)

    def check(self, name, arguments, counts):
        of = self.codec if name in ("compress", "decompress") else self.model
        *ordered, verb = name.split()
        kind, found = outcome_of(getattr(self.ordered if ordered else of, verb), arguments)
        counts[name, kind] += 1
        if kind != "result":
            check_error(kind, found)
        elif verb in ("fit", "train_on_batch"):
            self.model.set_weights(self.weights)
        elif verb == "code_length":
            assert np.isfinite(found["transmission"]).all()
        elif verb == "generate":
            samples = found[0] if isinstance(found, tuple) else found
            FLOW.check_data(samples)
        self.num_calls += 1
        np.testing.assert_equal(self.model.get_weights(), self.weights)
        if self.num_calls % 10 == 0:
            assert self._evaluate() == self.logs


def draw_calls(targets, num, seed, check):
    """Checks so many calls, the same every time without a seed."""

    @settings(
        max_examples=num,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(targets))
    def check_call(call):
        check(*call)

    if seed is not None:
        check_call = hypothesis.seed(seed)(check_call)
    check_call()


def make(num, counts, seed=None):
    """Makes so many calls of constructors, and counts how they end."""

    def check(target, arguments):
        check_constructor(target, arguments, counts)

    draw_calls(CONSTRUCTORS, num, seed, check)


def ask(num, counts, seed=None):
    """Makes so many calls of methods, as many of each, and counts how they end."""
    model = Model()

    def check(name, arguments):
        model.check(name, arguments, counts)

    for name, arguments in METHODS.items():
        draw_calls({name: arguments}, num // len(METHODS), seed, check)


def main():
    counts = collections.Counter()
    num, *seed = map(int, sys.argv[1:])
    try:
        make(num, counts, *seed)
        ask(num, counts, *seed)
    finally:
        for (name, kind), number in sorted(counts.items()):
            print(f"{name:<22}{kind:<12}{number:>8}")
        print(f"{'all':<34}{counts.total():>8}")


if __name__ == "__main__":
    main()
