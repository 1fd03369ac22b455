"""Calls of all that is public with arguments that are right, wrong or odd, drawn by hypothesis.

Each gives a result, or an error of this package that names the argument and what came; and the
model that it was a call of is what it was. `python -m tests.fuzz 1000` makes so many calls of
constructors and of methods, and prints how many ended in which way; a second number is the seed.
"""

import collections
import contextlib
import inspect
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


BOOL = st.booleans()
ROWS = np.zeros((8, 2))
# What is called, with what is right for its required arguments; others have their defaults.
REQUIRED = {
    flows.DiscreteFlow: {"num_classes": 3, "beta_1": 2.0},
    flows.DiscretizedFlow: {"num_bins": 9},
    flows.ContinuousFlow: {},
    flows.CircularFlow: {},
    flows.MarkovChain: {"counts": [[1, 2], [0, 3]]},
    schedules.ExponentialSchedule: {"sigma_1": 0.1},
    schedules.QuadraticSchedule: {"beta_1": 2.0},
    samplers.AncestralSampler: {},
    samplers.SDE1Sampler: {},
    samplers.SDE2Sampler: {},
    samplers.ODE1Sampler: {},
    samplers.ODE2Sampler: {},
    losses.DiscreteTimeLoss: {"num_steps": 3},
    layers.TimeEmbedding: {"size": 4},
    layers.FourierFeatures: {},
    layers.PositionEmbedding: {},
    layers.TokenEmbedding: {"size": 4},
    layers.EvidenceFeatures: {"flow": FLOW},
    layers.EvidenceShortcut: {"flow": FLOW},
    layers.DenseBlock: {"hidden_size": 4},
    layers.ConvBlock: {"filters": 4},
    layers.SpatialAttention: {},
    layers.TransformerBlock: {"num_heads": 2},
    networks.MLP: {"flow": FLOW, "event_shape": (4,), "width": 8, "num_blocks": 1},
    networks.Transformer: {"flow": FLOW, "event_shape": 4, "width": 8, "num_layers": 1},
    networks.UNet: {"flow": FLOW, "image_shape": (4, 4, 1), "width": 8, "num_blocks": 1},
    networks.PatchTransformer: {
        "flow": FLOW,
        "image_shape": (4, 4, 1),
        "patch_size": 2,
        "width": 8,
        "num_layers": 1,
    },
    guidance.Guidance: {"fn": len},
    guidance.ClassifierGuidance: {"classifier": len, "target": 1},
    guidance.Constraint: {"fn": len, "target": 0.5, "std": 0.1},
    guidance.LinearInverse: {"A": np.ones((1, 3)), "y": [1.0], "noise": 0.1},
    tables.Category: {},
    tables.Levels: {},
    tables.Number: {},
    callbacks.Resume: {"directory": "a"},
    callbacks.SampleImages: {"directory": "a"},
    datasets.Batches: {"examples": ROWS, "transform": lambda rows, rng: rows, "batch_size": 3},
    datasets.Letters: {},
    metrics.frechet_distance: {
        "mean_1": np.zeros(2),
        "covariance_1": np.eye(2),
        "mean_2": np.ones(2),
        "covariance_2": np.eye(2),
    },
}


def defaults_of(made):
    """The defaults of all arguments of a function, or of a class of this package and its bases."""
    makers = [made] if not isinstance(made, type) else [kind.__init__ for kind in made.__mro__]
    own = [one for one in makers if getattr(one, "__module__", "").startswith("keras_bfn")]
    parameters = [each for one in own for each in inspect.signature(one).parameters.values()]
    return {each.name: each.default for each in parameters if each.default is not each.empty}


# By what is called: its arguments, and what is right for each. Required ones end with a star.
CONSTRUCTORS = {
    made: {
        **{name: one_of(value) for name, value in defaults_of(made).items() if name not in right},
        **{f"{name}*": one_of(value) for name, value in right.items()},
    }
    for made, right in REQUIRED.items()
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
