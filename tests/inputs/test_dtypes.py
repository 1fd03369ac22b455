"""Neither the dtype nor the container of data, conditions and weights changes any result."""

import itertools
import zlib

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_bfn
from keras_bfn import AnyOrderNetwork, BayesianFlowNetwork
from keras_bfn._keras import seeded
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from keras_bfn.networks import MLP
from tests.backends import everywhere
from tests.models.parts import CLASSES
from tests.models.small import ConditionNetwork
from tests.tensors import to_numpy

SIGNED = ["int8", "int16", "int32", "int64"]
INTEGERS = [*SIGNED, "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
OPTIONS = {"seed": 0, "verbose": 0}
NUM, SHAPE = 8, (4,)


def of_dtype(dtype):
    return lambda x: np.asarray(x).astype(dtype)


def of_pandas(dtype):
    def convert(x):
        pandas = pytest.importorskip("pandas")
        x = pandas.DataFrame(x) if np.ndim(x) > 1 else pandas.Series(x)
        return x.astype(dtype)

    return convert


def of_polars(x):
    polars = pytest.importorskip("polars")
    return polars.DataFrame(np.asarray(x)) if np.ndim(x) > 1 else polars.Series(np.asarray(x))


def of_tensors(dtype):
    return lambda x: ops.convert_to_tensor(np.asarray(x), dtype)


CONTAINERS = {
    "list": lambda x: np.asarray(x).tolist(),
    "polars": of_polars,
    "tensor": of_tensors("int32"),
    "uint8 tensor": of_tensors("uint8"),
}
# Each width, each sign, each byte order and each container once.
INTEGER_FORMS = (
    {dtype: of_dtype(dtype) for dtype in ("int8", "uint8", "uint16", "int64", "uint64", ">i4")}
    | CONTAINERS
    | {f"pandas {dtype}": of_pandas(dtype) for dtype in ("int64", "UInt8")}
)
FLOAT_FORMS = {dtype: of_dtype(dtype) for dtype in [*FLOATS, ">f8"]} | {
    "float list": lambda x: np.asarray(x, "float64").tolist(),
    "pandas Float32": of_pandas("Float32"),
    "float16 tensor": of_tensors("float16"),
    "bfloat16 tensor": of_tensors("bfloat16"),
}
BOOL = {"bool": of_dtype("bool")}
INTEGERS_FEW = ["bool", "uint8", "int64"]  # on each backend
FEW = [*INTEGERS_FEW, "int8", "float16", "float64"]  # by all verbs, on PyTorch
IS_TORCH = keras.backend.backend() == "torch"
MOST = None if IS_TORCH else 2  # of the verbs: each is compiled
EAGERLY = keras.backend.backend() != "jax"  # which compiles eager operations one by one


def randomize(model):
    rng = np.random.default_rng(0)
    model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


# Conditions.

FLOW = DiscreteFlow(3, beta_1=2.0)
X = np.random.default_rng(0).integers(0, 3, (NUM, *SHAPE)).astype("int32")


class Own(keras.Layer):
    """A network that says nothing of the conditions it takes."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)
        self.embed = layers.Dense(3)

    def build(self, input_shape):
        self.dense.build(input_shape["theta"])
        self.embed.build((None, 2))

    def call(self, inputs):
        told = ops.cast(inputs["condition"], "float32")
        return self.dense(inputs["theta"]) + self.embed(told)[:, None]


def functional_network():
    theta, t = keras.Input((*SHAPE, 3), name="theta"), keras.Input((), name="t")
    told = keras.Input((2,), name="condition")
    x = layers.Concatenate()([layers.Flatten()(theta), layers.Reshape((1,))(t), told])
    outputs = layers.Reshape((*SHAPE, 3))(layers.Dense(12)(x))
    return keras.Model({"theta": theta, "t": t, "condition": told}, outputs)


NULL = np.array([0.25, -0.5])  # of which integers hold nothing
NETWORKS = {
    "vectors of a functional network": (functional_network, {"null_condition": NULL}),
    "vectors of an own layer": (Own, {"null_condition": NULL}),
    "classes": (lambda: MLP(FLOW, SHAPE, width=8, num_blocks=1, conditions=256), {}),
    "classes of an own layer": (
        lambda: ConditionNetwork(3, conditions=257),
        {"null_condition": 256},  # of which 8 bits hold nothing
    ),
}


def conditional_model(kind):
    keras.utils.set_random_seed(0)
    make, options = NETWORKS[kind]
    shape = (*SHAPE[:1], 1, 1) if "classes of" in kind else SHAPE
    model = BayesianFlowNetwork(
        FLOW, make(), event_shape=shape, condition_dropout=0.5, seed=0, **options
    )
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=EAGERLY)
    rows = np.zeros((NUM, 2) if "vectors" in kind else NUM, "int32")
    model.build_for((NUM, *shape), rows)
    return randomize(model)


def conditional_outcomes(model, condition, num=None):
    """What each verb makes of data with these conditions, or the first `num` of them."""
    return list(itertools.islice(_conditional_outcomes(model, condition), num))


def _conditional_outcomes(model, condition):
    x = X.reshape(NUM, *model.event_shape)
    guided = {"guidance_scale": 2.5, **OPTIONS}
    with seeded(model.seed_generator, 3):
        history = model.fit((x, condition), batch_size=4, shuffle=False, verbose=0).history
    yield history["loss"]
    yield model.generate(NUM, 1, "sde1", condition, return_details=True, **guided).trajectory.params
    yield model.code_length((x, condition), num_steps=4, **OPTIONS)["transmission"]
    for verb in (model.train_on_batch, model.test_on_batch):
        model.reset_metrics()
        with seeded(model.seed_generator, 3):
            yield verb((x, condition))
    mask = np.arange(SHAPE[0]).reshape(model.event_shape) < 2
    statistics = model.inpaint(x, mask, 1, 1, condition, return_details=True, **guided)
    yield statistics.log_likelihood
    yield model.encode(x, 1, condition=condition, **OPTIONS)
    if is_taken_by_keras(condition):
        with seeded(model.seed_generator, 3):
            prediction = model((x, condition), training=True)["transmission"]
        yield to_numpy(prediction.params)


def is_taken_by_keras(x):
    """Whether `model(x)` comes to the model on every backend: others Keras converts on some."""
    dtype = getattr(x, "dtype", None)
    return ops.is_tensor(x) or (dtype != "uint64" and getattr(dtype, "isnative", False))


ON_EACH = ("vectors of a functional network", "classes of an own layer")


@pytest.fixture(scope="module", params=everywhere(list(NETWORKS), *ON_EACH))
def conditional(request):
    model = conditional_model(request.param)
    rows = np.random.default_rng(1).integers(0, 2, (NUM, 2))
    rows = rows if "vectors" in request.param else rows[:, 0]
    dtype = "float32" if "vectors" in request.param else "int32"
    return model, rows, conditional_outcomes(model, rows.astype(dtype), MOST)


def same(found, expected):
    for one, other in zip(found, expected, strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    "form", everywhere(list(INTEGER_FORMS | BOOL), *INTEGERS_FEW, "uint64", "uint8 tensor")
)
def test_integer_conditions_are_the_same_in_every_form(conditional, form):
    model, rows, expected = conditional
    rows = (INTEGER_FORMS | BOOL)[form](rows)
    same(conditional_outcomes(model, rows, MOST if form in FEW else 2), expected)


@pytest.mark.slow_to_compile("jax")
@pytest.mark.parametrize("form", everywhere(list(FLOAT_FORMS), *FLOATS, "bfloat16 tensor"))
def test_float_conditions_are_the_same_in_every_form(conditional, form):
    model, rows, expected = conditional
    if rows.ndim == 1:
        pytest.skip("classes are integers")
    rows = FLOAT_FORMS[form](rows)
    same(conditional_outcomes(model, rows, MOST if form in FEW else 2), expected)


class Rows(keras.utils.PyDataset):
    num_batches = 2

    def __init__(self, *rows):
        super().__init__()
        self.rows = rows

    def __getitem__(self, i):
        return (tuple(values[4 * i : 4 * i + 4] for values in self.rows),)


def tf_data(*rows):
    return pytest.importorskip("tensorflow").data.Dataset.from_tensor_slices((rows,)).batch(4)


def loader(*rows):
    data = pytest.importorskip("torch.utils.data")
    return data.DataLoader([(row,) for row in zip(*rows, strict=True)], batch_size=4)


PIPELINES = {"PyDataset": Rows, "tf.data": tf_data, "DataLoader": loader}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("pipeline", everywhere(list(PIPELINES), "PyDataset", "tf.data"))
def test_pipelines_of_every_dtype_train_alike(conditional, pipeline):
    model, rows, expected = conditional
    x, losses = X.reshape(NUM, *model.event_shape), []
    dtypes = INTEGERS[:-1] if IS_TORCH else ["int8", "uint32"]
    dtypes = [*dtypes, *(FLOATS if rows.ndim > 1 else [])]
    if pipeline == "DataLoader":  # of which torch can make no batches
        dtypes = [dtype for dtype in dtypes if dtype not in ("uint16", "uint32", "uint64")]
    for dtype in dtypes:
        batches = PIPELINES[pipeline](x.astype("uint8"), rows.astype(dtype))
        with seeded(model.seed_generator, 3):
            losses.append(model.fit(batches, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses, len(losses) * [expected[0]], rtol=1e-5)


TOO_LARGE = {"2**40": 2**40, "2**31": 2**31, "-2**40": -(2**40), "2**64 - 1": 2**64 - 1}


@pytest.mark.parametrize("value", everywhere(list(TOO_LARGE), "2**40", "2**64 - 1"))
def test_integers_that_do_not_fit_are_refused_as_conditions(value):
    model = conditional_model("classes of an own layer")
    dtype = "uint64" if TOO_LARGE[value] >= 2**63 else "int64"
    condition, x = np.full(NUM, TOO_LARGE[value], dtype), X.reshape(NUM, *model.event_shape)
    for verb in (
        lambda: model.fit((x, condition), verbose=0),
        lambda: model.train_on_batch((x, condition)),
        lambda: model.code_length((x, condition)),
    ):
        with pytest.raises(ValueError, match=r"`x` must contain numbers that fit int.*Received"):
            verb()
    with pytest.raises(ValueError, match=r"`condition` must contain numbers that fit int"):
        model.generate(NUM, condition=condition)


@pytest.mark.parametrize("dtype", everywhere(["float16", "float64"], "float64"))
def test_floats_are_refused_where_conditions_are_integers(dtype):
    """Cut off they would be other conditions."""
    model = conditional_model("classes of an own layer")
    condition, x = np.full(NUM, 1.5, dtype), X.reshape(NUM, *model.event_shape)
    for verb in (
        lambda: model((x, condition)),
        lambda: model.fit((x, condition), verbose=0),
        lambda: model.generate(NUM, condition=condition),
    ):
        with pytest.raises(ValueError, match=r"must have integer conditions.*float"):
            verb()


# Data.

DATA_FLOWS = {
    "two classes": (lambda: DiscreteFlow(2, beta_1=2.0), 2),
    "classes": (lambda: DiscreteFlow(257, beta_1=2.0), 120),
    "bins": (lambda: DiscretizedFlow(300, sigma_1=0.1), 120),
    "numbers": (lambda: ContinuousFlow(0.1, num_bins=16), None),
}


def data_model(flow, **options):
    keras.utils.set_random_seed(0)
    network = MLP(flow, SHAPE, width=8, num_blocks=1)
    model = BayesianFlowNetwork(flow, network, allow_missing=True, seed=0, **options)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=EAGERLY)
    return randomize(model)


def data_outcomes(model, x, num=None):
    """What each verb makes of data, or the first `num` of them."""
    return list(itertools.islice(_data_outcomes(model, x), num))


def _data_outcomes(model, x):
    with seeded(model.seed_generator, 3):
        yield model.fit(x, batch_size=4, shuffle=False, verbose=0).history["loss"]
    nats = model.code_length(x, num_steps=4, **OPTIONS)
    yield nats["transmission"] + nats["reconstruction"]
    dtype = "int32" if model.flow.discrete else "float32"
    for known, options in ((np.arange(SHAPE[0]) < 2, {"lengths": 3}), (None, {"twisted": False})):
        statistics = model.inpaint(x, known, 1, 2, return_details=True, **options, **OPTIONS)
        completed = statistics.samples
        assert completed.dtype == statistics.particles.dtype == dtype
        yield np.concatenate([completed[:, None], statistics.particles], axis=1)
        yield statistics.log_likelihood
    model.reset_metrics()
    with seeded(model.seed_generator, 3):
        yield model.test_on_batch(x)
    yield model.encode(x, 1, **OPTIONS)
    if is_taken_by_keras(x):
        with seeded(model.seed_generator, 3):
            yield to_numpy(model(x)["transmission"].params)


@pytest.fixture(scope="module", params=everywhere(list(DATA_FLOWS), "two classes", "numbers"))
def data(request):
    make, num = DATA_FLOWS[request.param]
    model, rng = data_model(make()), np.random.default_rng(2)
    x = rng.uniform(-1, 1, (NUM, *SHAPE)).astype("float16").astype("float32")
    x = x if num is None else rng.integers(0, num, (NUM, *SHAPE)).astype("int32")
    gone = x.copy()
    gone[::2, 3] = np.nan if num is None else -1
    rows = [x] if num == 2 else [x, gone]
    return model, num, [(x, data_outcomes(model, x, MOST)) for x in rows]


@pytest.mark.slow_to_compile("jax")
@pytest.mark.parametrize("form", everywhere(list(INTEGER_FORMS | BOOL), *INTEGERS_FEW))
def test_integers_are_the_same_data_in_every_form(data, form):
    model, num, rows = data
    if num is None or (form == "bool" and num > 2):
        pytest.skip("cannot hold the data")
    if form not in FEW and isinstance(model.flow, DiscretizedFlow):
        pytest.skip("as classes are")
    convert = (INTEGER_FORMS | BOOL)[form]
    for x, expected in rows[: 1 if form == "bool" or "uint" in form.lower() else 2]:
        same(data_outcomes(model, convert(x), MOST if form in FEW else 2), expected)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("form", everywhere(list(FLOAT_FORMS), *FLOATS))
def test_floats_are_the_same_data_in_every_form(data, form):
    model, num, rows = data
    if num is not None:
        pytest.skip("classes are integers")
    for x, expected in rows[: 1 if "bfloat16" in form or "pandas" in form else 2]:
        x = FLOAT_FORMS[form](x)
        if "bfloat16" in form:
            expected = data_outcomes(model, to_numpy(x).astype("float32"), MOST)
        same(data_outcomes(model, x, MOST), expected)


@pytest.mark.once
def test_what_is_completed_is_drawn_from_all_classes():
    """Nothing is wrapped to what a narrow dtype of the data can hold."""
    for num_classes, dtype in ((257, "uint8"), (257, "int8"), (3, "bool")):
        model = data_model(DiscreteFlow(num_classes, beta_1=0.1))
        x, known = np.zeros((64, *SHAPE), dtype), np.arange(SHAPE[0]) < 1
        drawn = model.inpaint(x, known, 2, seed=0, verbose=0)[:, 1:]
        expected = model.inpaint(x.astype("int32"), known, 2, seed=0, verbose=0)[:, 1:]
        np.testing.assert_array_equal(drawn, expected)
        assert expected.max() == num_classes - 1 or expected.max() > 127


@pytest.mark.once
def test_given_parts_come_back_in_the_dtype_of_samples():
    flow = {"a": DiscreteFlow(3, beta_1=2.0), "b": ContinuousFlow(0.1)}
    network = keras_bfn.networks.MultiPart(
        flow, {"a": SHAPE, "b": SHAPE}, times="variables", width=8
    )
    model = AnyOrderNetwork(flow, network, allow_missing=True, seed=0)
    given = {"a": X.astype("uint8")}
    x = model.generate(NUM, 1, given=given, lengths={"a": 2}, **OPTIONS)
    assert {name: part.dtype for name, part in x.items()} == {"a": "int32", "b": "float32"}
    assert (x["a"][:, :2] == X[:, :2]).all()
    assert (x["a"][:, 2:] == -1).all()
    given = {"b": np.full((NUM, *SHAPE), 0.1)}
    x = model.generate(NUM, 1, given=given, **OPTIONS)
    assert {name: part.dtype for name, part in x.items()} == {"a": "int32", "b": "float32"}


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_that_do_not_fit_are_refused_as_data(dtype):
    """2**32 must not become 0, nor 2**64 - 1 a missing value, -1."""
    model = data_model(DiscreteFlow(3, beta_1=1.0))
    x = np.full((NUM, *SHAPE), 2**32 if dtype == "int64" else 2**64 - 1, dtype)
    for verb in (model.fit, model.evaluate, model.code_length, model.encode, model.inpaint):
        with pytest.raises(ValueError, match=r"Argument `x` must .*Received"):
            verb(x, verbose=0)


@pytest.mark.once
def test_codec_gives_back_the_dtype_of_the_data():
    pytest.importorskip("constriction")
    model = data_model(DiscreteFlow(257, beta_1=2.0))
    x = np.random.default_rng(0).integers(0, 120, (4, *SHAPE))
    codec = keras_bfn.codec.Codec(model, num_steps=2)
    sizes = set()
    for dtype in INTEGERS:
        data = codec.compress(x.astype(dtype), verbose=0)
        sizes.add(zlib.crc32(keras_bfn.codec.container.read(data)[1]))
        back = codec.decompress(data, verbose=0)
        assert back.dtype == ("int64" if dtype == "uint64" else dtype)
        np.testing.assert_array_equal(back, x)
    assert len(sizes) == 1


# Weights.


@pytest.mark.once  # they are read as data are
def test_weights_are_the_same_in_every_form():
    model = data_model(DiscreteFlow(3, beta_1=1.0))
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    for shape in ((NUM,), X.shape):
        weights = np.random.default_rng(0).integers(0, 2, shape)
        forms = [weights.astype(dtype) for dtype in ("bool", "int8", "uint64", "float16", ">f8")]
        forms += [ops.convert_to_tensor(weights, dtype) for dtype in ("int32", "bool", "bfloat16")]
        if len(shape) == 1:
            forms += [pandas.Series(weights).astype("Int64"), polars.Series(weights)]
        found = []
        for form in [weights.astype("float32"), *forms]:
            outcomes = [model.code_length(X, sample_weight=form, **OPTIONS)["transmission"]]
            outcomes += [model.evaluate(X, sample_weight=form, verbose=0)]
            for verb in (model.train_on_batch, model.test_on_batch):
                model.reset_metrics()
                with seeded(model.seed_generator, 3):
                    outcomes.append(verb(X, sample_weight=form))
            with seeded(model.seed_generator, 3):
                history = model.fit(X, sample_weight=form, shuffle=False, verbose=0).history
            found.append([*outcomes, history["loss"]])
        for one in found[1:]:
            same(one, found[0])


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("times", everywhere(["shared", "variables"], "variables"))
def test_evidence_is_in_float32_whatever_the_default_of_keras(times, set_floatx):
    set_floatx("float16")
    flow = ContinuousFlow(sigma_1=0.001)  # its evidence grows beyond float16
    network = MLP(flow, (6,), width=8, num_blocks=1, times=times, dtype="float32")
    model = CLASSES[times](flow, network, seed=0)
    x = np.random.default_rng(0).uniform(-1, 1, (NUM, 6))
    s = model.generate(2, 3, return_details=True, **OPTIONS).trajectory.s
    assert s.dtype == "float32"
    assert np.isfinite(s).all()
    assert np.abs(s).max() > np.finfo("float16").max
    known = np.arange(6) < 2
    found = model.inpaint(x, known, 2, num_particles=2, **OPTIONS)
    np.testing.assert_allclose(found[:, known], x[:, known], atol=1e-6)


@pytest.mark.slow_to_compile
def test_metrics_are_summed_in_float32_whatever_the_default_of_keras(set_floatx):
    x = np.random.default_rng(0).integers(0, 4, (200, 6))

    def evaluate():
        flow = DiscreteFlow(4, beta_1=2.0)
        keras.utils.set_random_seed(0)
        network = MLP(flow, (6,), width=8, num_blocks=1, dtype="float32")
        model = BayesianFlowNetwork(flow, network, seed=0)
        model.compile("sgd", run_eagerly=False)
        return model.evaluate(x, batch_size=8, return_dict=True, verbose=0)

    expected = evaluate()
    set_floatx("float16")
    for name, value in evaluate().items():
        assert value == pytest.approx(expected[name], rel=1e-4), name
