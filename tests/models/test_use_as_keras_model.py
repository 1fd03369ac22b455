"""What people do with a Keras model, one row each: it works, or is refused in a sentence."""

import warnings

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from keras_bfn.flows import DiscreteFlow
from keras_bfn.networks import MLP
from tests.backends import everywhere
from tests.models.states import renewable

FLOW = DiscreteFlow(3, beta_1=2.0)
X = np.random.default_rng(0).integers(0, 3, (48, 6))
CLASSES = np.arange(48) % 5
VECTORS = np.random.default_rng(1).standard_normal((48, 7)).astype("float32")


class Rows(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    @property
    def num_batches(self):
        return len(self.arrays[0]) // 16

    def __getitem__(self, i):
        rows = tuple(array[16 * i : 16 * (i + 1)] for array in self.arrays)
        return rows[0] if len(rows) == 1 else (rows,)


class Frame:
    """What a data frame has in common with an array."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


def tf_data(*arrays):
    tf = pytest.importorskip("tensorflow")
    data = arrays[0] if len(arrays) == 1 else (arrays,)
    return tf.data.Dataset.from_tensor_slices(data).batch(16)


def data_loader(*arrays):
    data = pytest.importorskip("torch.utils.data")
    rows = list(arrays[0]) if len(arrays) == 1 else [(row,) for row in zip(*arrays, strict=True)]
    return data.DataLoader(rows, batch_size=16)


FORMS = {
    "arrays": lambda *arrays: arrays[0] if len(arrays) == 1 else arrays,
    "PyDataset": Rows,
    "tf.data": tf_data,
    "DataLoader": data_loader,
    "lists": lambda *arrays: arrays[0].tolist() if len(arrays) == 1 else arrays,
    "uint64": lambda x, *rest: (x.astype("uint64"), *rest) if rest else x.astype("uint64"),
    "big-endian": lambda x, *rest: (x.astype(">i4"), *rest) if rest else x.astype(">i4"),
    "a frame": lambda x, *rest: (Frame(x), *rest) if rest else Frame(x),
}


def make_model(conditions=None, learning_rate=0.01, **options):
    keras.utils.set_random_seed(0)
    network = MLP(FLOW, (6,), width=8, num_blocks=1, conditions=conditions)
    model = BayesianFlowNetwork(FLOW, network, seed=0, **options)
    model.compile(keras.optimizers.Adam(learning_rate))
    return model


def own_network(condition):
    """A functional network of Keras's own layers, told a class or a vector."""
    theta, t = keras.Input((6, 3), name="theta"), keras.Input((), name="t")
    if condition == "class":
        told = keras.Input((), dtype="int32", name="condition")
        embedded = keras.layers.Embedding(6, 4)(told)
    else:
        told = embedded = keras.Input((7,), name="condition")
    parts = [keras.layers.Flatten()(theta), keras.layers.Reshape((1,))(t), embedded]
    x = keras.layers.Dense(16, "silu")(keras.layers.Concatenate()(parts))
    outputs = keras.layers.Reshape((6, 3))(keras.layers.Dense(18)(x))
    return keras.Model({"theta": theta, "t": t, "condition": told}, outputs)


@pytest.fixture(scope="module")
def learn():
    """The losses of two epochs by the form of the data, always from the same start."""
    fresh = renewable(make_model(conditions=5))

    def learn(form):
        data, options = FORMS[form](X, CLASSES), {"shuffle": False, "verbose": 0}
        return fresh().fit(data, epochs=2, batch_size=16, **options).history["loss"]

    return learn


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    "form", everywhere([name for name in FORMS if name != "arrays"], "tf.data", "DataLoader")
)
def test_all_forms_of_data_train_alike(form, learn):
    expected, found = learn("arrays"), learn(form)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert expected[0] != expected[1]


@pytest.mark.slow
def test_digits_have_the_same_curves_in_every_form():
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    x, labels = digits.images[:480].astype("int32"), digits.target[:480]
    flow, curves = DiscreteFlow(17, beta_1=1.0), {}
    for form in ("arrays", "lists", "tf.data", "PyDataset", "DataLoader"):
        keras.utils.set_random_seed(0)
        network = MLP(flow, (8, 8), width=32, num_blocks=1, conditions=10)
        model = BayesianFlowNetwork(flow, network, condition_dropout=0.1, seed=0)
        model.compile(keras.optimizers.Adam(1e-3))
        data = (x.tolist(), labels.tolist()) if form == "lists" else FORMS[form](x, labels)
        options = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
        history = model.fit(data, validation_data=data, **options)
        curves[form] = history.history
    for form, curve in curves.items():
        for name, values in curve.items():
            np.testing.assert_allclose(values, curves["arrays"][name], rtol=1e-4, err_msg=form)
    assert curves["arrays"]["val_loss"][-1] < curves["arrays"]["val_loss"][0]


@pytest.fixture(scope="module")
def verbs():
    """Functions of data, all of one model, and what each says of an array."""
    model = make_model()
    codec = keras_bfn.codec.Codec(model, num_steps=2, batch_size=16)
    options = {"seed": 0, "verbose": 0}
    functions = [
        lambda x: model.evaluate(x, batch_size=16, return_dict=True, **options),
        lambda x: model.code_length(x, num_steps=4, **options),
        lambda x: model.loss_by_time(x, num_intervals=2, **options),
        lambda x: model.encode(x, num_steps=4, **options),
        lambda x: codec.decompress(codec.compress(x)),
    ]
    # Elsewhere each is compiled, and all read data alike.
    functions = functions if keras.backend.backend() == "torch" else functions[:2]
    return [(function, function(X[:32])) for function in functions]


SELDOM = ("lists", "big-endian", "uint64")  # are as arrays once they are read


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(*one.values, marks=[*one.marks, pytest.mark.slow], id=one.id)
        if one.id in SELDOM
        else one
        for one in everywhere({k: v for k, v in FORMS.items() if k != "arrays"}, "DataLoader")
    ],
)
def test_every_verb_takes_all_forms_of_data(form, verbs):
    for verb, expected in verbs:
        found = verb(form(X[:32]))
        keras.tree.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected
        )


@pytest.mark.once
def test_pipelines_are_read_with_their_conditions_and_to_their_end():
    model = make_model(conditions=5)
    expected = model.code_length((X, CLASSES), 4, seed=0, verbose=0)["transmission"]
    found = model.code_length(Rows(X, CLASSES), 4, seed=0, verbose=0)["transmission"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    generator = ((X[i : i + 8],) for i in range(0, 48, 8))
    assert len(make_model().code_length(generator, 4, verbose=0)["transmission"]) == 48
    weights = ((X, None, np.ones(48)) for _ in range(2))
    with pytest.raises(ValueError, match="`x` must not yield a `sample_weight`"):
        make_model().code_length(weights, 4, verbose=0)
    with pytest.raises(ValueError, match="`x` must contain data"):
        make_model().code_length(iter([]), 4, verbose=0)


@pytest.fixture(scope="module")
def still():
    """A model that was trained, and learnt nothing."""
    model = make_model(learning_rate=0.0)
    model.fit(X, batch_size=16, verbose=0)
    return model


@pytest.mark.slow_to_compile
def test_evaluation_repeats(still):
    options = {"batch_size": 16, "return_dict": True, "verbose": 0}
    first, second = (still.evaluate(X, **options) for _ in range(2))
    assert first == second
    other, new = (still.evaluate(X, seed=seed, **options) for seed in (1, None))
    assert len({logs["loss"] for logs in (first, other, new)}) == 3


@pytest.mark.slow_to_compile("tensorflow")
def test_validation_is_the_same_while_weights_are_and_training_is_not(still):
    logs = still.fit(X, validation_data=X, epochs=3, batch_size=16, verbose=0).history
    assert len(set(logs["val_loss"])) == 1
    assert len(set(logs["val_bits_per_dim"])) == 1
    assert len(set(logs["loss"])) == 3


class Penalised(BayesianFlowNetwork):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs) + 10.0


@pytest.mark.slow_to_compile
def test_terms_of_a_loss_of_ones_own_count_in_evaluation_too(still):
    options = {"batch_size": 16, "return_dict": True, "verbose": 0}
    found, logs = [], []
    for kind in (BayesianFlowNetwork, Penalised):
        each = kind(FLOW, still.network, seed=0)
        each.compile(keras.optimizers.SGD(0.0))
        history = each.fit(X, validation_data=X, batch_size=16, verbose=0).history
        logs.append(each.evaluate(X, **options))
        batch = each.test_on_batch(X[:16], return_dict=True)
        found.append([history["val_loss"][0], logs[-1].pop("loss"), batch["loss"]])
    np.testing.assert_allclose(found[1], 10.0 + np.array(found[0]), rtol=1e-5)
    assert logs[0] == logs[1]  # the other metrics are those of the model


@pytest.mark.once
@pytest.mark.parametrize("monitor", ["val_bits_per_dim", "val_nats_per_example"])
def test_callbacks_know_that_less_is_better(monitor, tmp_path):
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor=monitor, save_best_only=True
    )
    stop = keras.callbacks.EarlyStopping(monitor=monitor, patience=3)
    slow = keras.callbacks.ReduceLROnPlateau(monitor=monitor)
    model, options = make_model(), {"validation_data": X, "epochs": 3, "verbose": 0}
    logs = model.fit(X, callbacks=[best, stop, slow], **options).history
    assert best.best == stop.best == slow.best == min(logs[monitor])


@pytest.mark.once
def test_averages_of_the_best_epoch_are_kept_by_callbacks_of_keras():
    model, options = make_model(), {"batch_size": 16, "verbose": 0}
    model.compile(keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.5))
    averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    told = {"validation_data": X[16:], "epochs": 20, "callbacks": [averages, stop]}
    logs = model.fit(X[:16], **told, **options).history
    assert len(logs["val_loss"]) < 20  # 16 examples are soon known by heart
    assert stop.best == min(logs["val_loss"])
    found = model.evaluate(X[16:], return_dict=True, **options)["loss"]
    np.testing.assert_allclose(found, stop.best, rtol=1e-5)


@pytest.mark.once
def test_one_class_stands_for_all_samples():
    model = make_model(conditions=5)
    same = model.generate(4, 3, condition=np.full(4, 2), seed=0, verbose=0)
    np.testing.assert_array_equal(model.generate(4, 3, condition=2, seed=0, verbose=0), same)
    mask = np.arange(6) < 3
    assert model.inpaint(X[:4], mask, 3, condition=2, verbose=0).shape == (4, 6)


NULLS = {"class": (5, CLASSES), "vector": (np.zeros(7), VECTORS)}


@pytest.mark.once
@pytest.mark.parametrize("kind", NULLS)
def test_a_model_has_a_null_condition_of_its_own(kind, tmp_path):
    null, conditions = NULLS[kind]
    options = {"condition_dropout": 0.5, "null_condition": null, "seed": 0}
    model = BayesianFlowNetwork(FLOW, own_network(kind), **options)
    model.compile("adam")
    model.fit((X, conditions), verbose=0)
    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    told = np.broadcast_to(null, (4, *np.shape(null)))
    for each in (
        model,
        keras.saving.load_model(tmp_path / "model.keras"),
        BayesianFlowNetwork.from_preset(tmp_path / "preset"),
    ):
        np.testing.assert_array_equal(each.null_condition, null)
        untold = each.generate(4, 3, seed=0, verbose=0)
        np.testing.assert_array_equal(
            each.generate(4, 3, condition=told, seed=0, verbose=0), untold
        )
        guided = {"condition": conditions[:4], "guidance_scale": 2.0}
        assert each.generate(4, 3, **guided, verbose=0).shape == (4, 6)


@pytest.mark.once
def test_guidance_away_from_what_was_not_learnt_is_warned_of():
    """At the line of the caller, whichever verb, or a callback, comes to `generate`."""
    condition = {"condition": 1, "guidance_scale": 2.0}
    options = {**condition, "num_steps": 1, "verbose": 0}
    model = make_model(conditions=5)
    letters = keras_bfn.datasets.Letters()
    flow = DiscreteFlow(letters.num_classes, beta_1=2.0)
    network = MLP(flow, (6,), width=8, num_blocks=1, conditions=5)
    text = BayesianFlowNetwork(flow, network, tokenizer=letters)

    class Draw(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.generate(2, **options)

    def fit():
        model.fit((X, CLASSES), callbacks=[Draw()], verbose=0)

    calls = {
        "generate": lambda: model.generate(2, **options),
        "inpaint": lambda: model.inpaint(X[:2], X[:2] > 0, **options),
        "generate_text": lambda: text.generate_text(2, **options),
        "continue_text": lambda: text.continue_text("ab", **options),
        "fit": fit,
    }
    for call in calls.values():
        with pytest.warns(UserWarning, match="`guidance_scale` .* condition_dropout=0") as found:
            call()
        files = [str(w.filename) for w in found if "guidance_scale" in str(w.message)]
        assert files == [__file__]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*guidance_scale")
        make_model(conditions=5, condition_dropout=0.1).generate(2, 3, **condition, verbose=0)


def freeze(model):
    model.network.get_layer("block_0").trainable = False


def quantize(model):
    model.quantize("int8")


def add_lora(model):
    model.network.enable_lora(2)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(X, verbose=0)


def halve_precision(model):
    model.network.get_layer("norm_out").dtype_policy = "mixed_bfloat16"
    model.compile(keras.optimizers.Adam(0.1))


CHANGES = {"freeze": freeze, "int8": quantize, "LoRA": add_lora, "bfloat16": halve_precision}


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # Keras's own
@pytest.mark.parametrize("change", everywhere(CHANGES))
def test_what_was_done_to_layers_is_saved(change, tmp_path):
    network = keras_bfn.networks.Transformer(FLOW, 6, width=8, num_layers=1, num_heads=2)
    model = BayesianFlowNetwork(FLOW, network, seed=0)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(X, verbose=0)
    num_trainable = len(model.trainable_variables)
    options = {"num_steps": None, "seed": 0, "verbose": 0}
    before = model.code_length(X, **options)["transmission"]
    change(model)
    changed = model.code_length(X, **options)["transmission"]
    if change is freeze:
        np.testing.assert_array_equal(changed, before)
    else:  # and what was compiled before is not used on
        assert np.abs(changed - before).max() > 0
    if change is quantize:
        np.testing.assert_allclose(changed, before, rtol=0.1)

    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    for loaded in (
        keras.saving.load_model(tmp_path / "model.keras"),
        BayesianFlowNetwork.from_preset(tmp_path / "preset"),
    ):
        found = loaded.code_length(X, **options)["transmission"]
        np.testing.assert_allclose(found, changed, rtol=1e-5)
        lora = [v for v in model.trainable_variables if "lora_kernel_a" in v.name]
        expected = len(model.trainable_variables) - len(lora)  # in files, LoRA is in the kernels
        assert len(loaded.trainable_variables) == expected
    if change in (freeze, quantize):
        assert len(model.trainable_variables) < num_trainable


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # Keras's own
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_was_done_to_layers_goes_on_in_a_run_that_is_resumed(change, tmp_path):
    def losses(epochs, callbacks=()):
        keras.utils.set_random_seed(0)
        network = keras_bfn.networks.Transformer(FLOW, 6, width=8, num_layers=1, num_heads=2)
        model = BayesianFlowNetwork(FLOW, network, seed=0)
        model.compile(keras.optimizers.Adam(0.01))
        change(model)
        model.compile(keras.optimizers.Adam(0.01))
        options = {"shuffle": False, "callbacks": list(callbacks), "verbose": 0}
        return model.fit(X, epochs=epochs, **options).history["loss"]

    resume = [keras_bfn.callbacks.Resume(tmp_path, verbose=0)]
    first, rest = losses(2, resume), losses(4, resume)
    np.testing.assert_allclose([*first, *rest], losses(4), rtol=1e-4)
