"""`fit` and `evaluate`: what they take, what they report, and that they learn."""

import itertools

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import _keras
from tests.backends import everywhere
from tests.injected_noise import injected_noise
from tests.models.small import (
    EVENT_SHAPE,
    FLOWS,
    ConditionNetwork,
    make_data,
    make_model,
    predict_at,
)
from tests.models.states import renewable


class Batches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__(workers=2)
        self.x = x

    @property
    def num_batches(self):
        return 3

    def __getitem__(self, index):
        return self.x[8 * index : 8 * index + 8]


def as_pipeline(kind, x):
    if kind == "array":
        return x
    if kind == "PyDataset":
        return Batches(x)
    if kind == "generator":
        return ((x[8 * (i % 3) :][:8],) for i in itertools.count())
    if kind == "tf.data":
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices(x).batch(8)
    torch = pytest.importorskip("torch")
    dataset = torch.utils.data.TensorDataset(torch.as_tensor(x))
    return torch.utils.data.DataLoader(dataset, batch_size=8)


KINDS = ["array", "PyDataset", "generator", "tf.data", "DataLoader"]


@pytest.fixture(scope="module")
def fresh():
    return renewable(make_model(FLOWS["binary"]()))


@pytest.mark.parametrize("kind", KINDS)
def test_fit_takes_every_kind_of_pipeline(kind, fresh):
    model = fresh()
    x = make_data(model.flow)
    batch_size = 8 if kind == "array" else None
    data = as_pipeline(kind, x)
    history = model.fit(data, batch_size=batch_size, steps_per_epoch=3, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.optimizer.iterations == 3


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("kind", KINDS)
def test_the_first_epoch_of_a_network_that_is_not_built_sees_every_batch_once(kind):
    flow = FLOWS["discrete"]()
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), seed=0)
    compute_loss, seen = model.compute_loss, []

    def note(x, *args, **kwargs):
        seen.append(int(keras.ops.convert_to_numpy(x)[0, 0, 0, 0]))
        return compute_loss(x, *args, **kwargs)

    model.compute_loss = note
    model.compile("adam", run_eagerly=True)
    x = np.full((24, 4, 4, 1), np.repeat(np.arange(3), 8)[:, None, None, None], "int32")
    batch_size = 8 if kind == "array" else None
    data = as_pipeline(kind, x)
    model.fit(data, batch_size=batch_size, steps_per_epoch=3, shuffle=False, verbose=0)
    assert seen == [0, 1, 2]


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
def test_evaluate_reports_loss_reconstruction_and_bits_per_dim_of_their_sum(name):
    flow = FLOWS[name]()
    model = make_model(flow)
    logs = model.evaluate(make_data(flow), batch_size=24, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "reconstruction", "bits_per_dim", "nats_per_example"}
    total = logs["loss"] + logs["reconstruction"]
    np.testing.assert_allclose(logs["bits_per_dim"], total / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(logs["nats_per_example"], 16 * total, rtol=1e-5)


def test_metrics_of_a_batch_are_of_that_batch_alone(fresh):
    model, x = fresh(), np.zeros((8, *EVENT_SHAPE), "int32")

    def score(x):
        with _keras.seeded(model.seed_generator, 0):
            return model.test_on_batch(x, return_dict=True)

    zeros, ones, again = score(x), score(x + 1), score(x)
    assert zeros == again != ones


def test_training_reports_the_loss_and_validation_everything(fresh):
    x = make_data(FLOWS["binary"]())
    history = fresh().fit(x, validation_data=x, epochs=2, verbose=0).history
    assert set(history) == {
        "loss",
        "val_loss",
        "val_reconstruction",
        "val_bits_per_dim",
        "val_nats_per_example",
    }


def test_a_generator_loses_no_batch_to_the_check(fresh):
    x = make_data(FLOWS["binary"]())
    seen = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: seen.append(b))
    batches = ((x[i : i + 8],) for i in range(0, 24, 8))
    fresh().fit(batches, steps_per_epoch=3, shuffle=False, callbacks=[callback], verbose=0)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("name", ["x", "validation_data"])
def test_an_iterator_cannot_serve_several_epochs(name, fresh):
    x = make_data(FLOWS["binary"]())
    data = {"x": x, name: ((x[i : i + 8],) for i in range(0, 24, 8))}
    with pytest.raises(ValueError, match=f"`{name}` must not be an iterator"):
        fresh().fit(**data, epochs=2, verbose=0)


@pytest.mark.slow_to_compile
def test_sample_weights_weigh_examples(fresh):
    x = make_data(FLOWS["binary"]())
    kwargs = {"batch_size": 24, "verbose": 0, "return_dict": True}
    plain = fresh().evaluate(x, **kwargs)
    doubled = fresh().evaluate(x, sample_weight=np.full(24, 2.0), **kwargs)
    first, rest = np.arange(24) == 0, np.arange(24) != 0
    parts = [
        fresh().evaluate(x, sample_weight=part.astype("float32"), **kwargs)
        for part in (first, rest)
    ]
    for name in plain:
        np.testing.assert_allclose(doubled[name], plain[name], rtol=1e-5)
        total = parts[0][name] + 23 * parts[1][name]
        np.testing.assert_allclose(total / 24, plain[name], rtol=1e-5)


@pytest.mark.once
def test_sample_weights_reach_training_and_validation():
    flow = FLOWS["binary"]()
    x = make_data(flow)
    weights = (np.arange(24) < 8).astype("float32")
    # What counts nothing could be anything.
    others = np.concatenate([x[:8], 1 - x[8:]])
    kwargs = {"epochs": 1, "batch_size": 24, "shuffle": False, "verbose": 0}
    histories = []
    with injected_noise():
        fresh = renewable(make_model(flow))
        for data in (x, others):
            histories += [
                fresh()
                .fit(data, sample_weight=w, validation_data=(data, None, w), **kwargs)
                .history
                for w in (weights, np.ones(24, "float32"))
            ]
    for name in histories[0]:
        np.testing.assert_allclose(histories[0][name], histories[2][name], rtol=1e-4)
        assert abs(histories[1][name][0] / histories[3][name][0] - 1) > 0.001


@pytest.mark.once
def test_regularisers_of_the_network_join_the_loss_but_not_the_code_length():
    flow = FLOWS["binary"]()
    x = make_data(flow)
    logs = []
    for strength in (0.0, 10.0):
        model = make_model(flow, compiled=False)
        dense = next(la for la in model.network.layers if isinstance(la, keras.layers.Dense))
        dense.kernel.regularizer = keras.regularizers.L2(strength)
        model.compile()
        logs.append(model.evaluate(x, batch_size=24, verbose=0, return_dict=True))
    assert logs[1]["loss"] > logs[0]["loss"] + 0.1
    np.testing.assert_allclose(logs[1]["bits_per_dim"], logs[0]["bits_per_dim"], rtol=1e-5)


class AddedLoss(keras.layers.Layer):
    """Adds the mean square of its input to the loss, and a constant."""

    def call(self, x):
        self.add_loss(5.0 + keras.ops.mean(keras.ops.square(x)))
        return x


@pytest.mark.slow_to_compile
def test_losses_that_a_network_adds_count_once():
    flow = FLOWS["binary"]()
    x = make_data(flow)
    logs = {}
    for layer in (AddedLoss, keras.layers.Identity):
        inputs = {
            "theta": keras.Input((4, 4, 1, flow.theta_size), name="theta"),
            "t": keras.Input((), name="t"),
        }
        h = layer()(inputs["theta"])
        outputs = keras.layers.Dense(flow.output_size, kernel_initializer="ones")(h)
        model = keras_bfn.BayesianFlowNetwork(flow, keras.Model(inputs, outputs), seed=0)
        model.compile(keras.optimizers.SGD(0.0))
        options = {"batch_size": 24, "shuffle": False, "verbose": 0}
        logs[layer] = model.fit(x, validation_data=x, **options).history
    added, plain = logs.values()
    # Of probabilities, the mean square is 1/4 without evidence, and 0.51 at the last time.
    for name in ("loss", "val_loss"):
        assert 5.37 < added[name][0] - plain[name][0] < 5.47
    np.testing.assert_allclose(added["val_bits_per_dim"], plain["val_bits_per_dim"], rtol=1e-5)


class Regularizer(keras.layers.Layer):
    """Adds a constant to the loss."""

    def call(self, x):
        self.add_loss(keras.ops.convert_to_tensor(5.0))
        return x


def test_losses_that_a_network_adds_have_no_weight():
    """As in Keras: where no example counts, they do."""
    flow = FLOWS["binary"]()
    theta = keras.Input((4, 4, 1, flow.theta_size), name="theta")
    outputs = keras.layers.Dense(flow.output_size)(Regularizer()(theta))
    inputs = {"theta": theta, "t": keras.Input((), name="t")}
    model = keras_bfn.BayesianFlowNetwork(flow, keras.Model(inputs, outputs), seed=0)
    model.compile("sgd")
    x = make_data(flow, 4)
    assert model.train_on_batch(x, sample_weight=np.zeros(4)) == pytest.approx(5.0)


@pytest.mark.parametrize(
    "loss",
    [  # models of all other tests train with the first
        pytest.param(keras_bfn.losses.ContinuousTimeLoss(), marks=pytest.mark.once),
        keras_bfn.losses.DiscreteTimeLoss(5),
    ],
)
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
@pytest.mark.usefixtures("xla")
def test_every_flow_trains_with_every_loss(name, loss):
    flow = FLOWS[name]()
    x = make_data(flow)
    model = make_model(flow, loss=loss)
    before = model.network.get_weights()
    history = model.fit(x, epochs=2, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert any((a != b).any() for a, b in zip(before, model.network.get_weights(), strict=True))


@pytest.mark.once
def test_a_trained_model_codes_dependent_variables_at_their_joint_entropy_and_samples_them():
    joint = np.array([[0.45, 0.05], [0.05, 0.45]])
    entropy = -(joint * np.log(joint)).sum()
    rng = np.random.default_rng(0)

    def draw(num):
        index = rng.choice(4, size=num, p=joint.ravel())
        return np.stack([index // 2, index % 2], axis=-1).astype("int32")

    keras.utils.set_random_seed(0)
    flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=4.0)
    network = keras_bfn.networks.MLP(flow, (2,), width=32, num_blocks=1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.Adam(1.5e-2, use_ema=True, ema_momentum=0.96))
    model.fit(draw(100_000), epochs=1, batch_size=1000, verbose=0)

    nats = model.code_length(draw(20_000), num_repeats=2, batch_size=4000, seed=1, verbose=0)
    total = nats["transmission"] + nats["reconstruction"]
    standard_error = total.std() / np.sqrt(len(total))
    assert entropy - 4 * standard_error < total.mean() < 1.05 * entropy

    samples = model.generate(2000, num_steps=25, batch_size=2000, seed=2, verbose=0)
    agree = (samples[:, 0] == samples[:, 1]).mean()
    assert abs(agree - 0.9) < 0.03
    assert abs(samples.mean() - 0.5) < 0.05


@pytest.mark.once
def test_training_goes_on_after_averaged_weights_were_put_in_place():
    flow = FLOWS["binary"]()
    x = make_data(flow)
    model = make_model(flow, compiled=False)
    model.compile(keras.optimizers.AdamW(1e-3, use_ema=True, ema_momentum=0.9))
    model.fit(x, epochs=1, verbose=0)
    model.evaluate(x, verbose=0)
    model.generate(2, num_steps=2, verbose=0)
    averages, steps = model.get_weights(), int(model.optimizer.iterations)
    model.fit(x, epochs=1, verbose=0)
    assert int(model.optimizer.iterations) == 2 * steps
    assert all((new != old).any() for new, old in zip(model.get_weights(), averages, strict=True))


@pytest.mark.once
def test_gradient_accumulation_and_eager_running_work():
    flow = FLOWS["binary"]()
    model = make_model(flow, compiled=False)
    optimizer = keras.optimizers.AdamW(1e-3, gradient_accumulation_steps=2)
    model.compile(optimizer, run_eagerly=True)
    weights = [model.get_weights()]
    for _ in range(2):
        model.train_on_batch(make_data(flow))
        weights.append(model.get_weights())
    for before, after_one, after_two in zip(*weights, strict=True):
        np.testing.assert_array_equal(after_one, before)
        assert (after_two != before).any()


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    "policy", everywhere(["mixed_bfloat16", "mixed_float16"], "mixed_bfloat16")
)
@pytest.mark.parametrize("name", everywhere(list(FLOWS), "discretized"))
def test_mixed_precision_trains_and_scores_in_float32(name, policy):
    flow = FLOWS[name]()
    x = make_data(flow)
    model = make_model(flow, dtype=policy)
    prediction = predict_at(model, x, np.full(24, 0.999, "float32"))
    assert all(keras.backend.standardize_dtype(part.dtype) == "float32" for part in prediction)
    history = model.fit(x, epochs=2, validation_data=x, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())


def test_callbacks_may_generate_in_the_middle_of_training(fresh):
    model = fresh()
    x = make_data(model.flow)
    shapes = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: shapes.append(
            model.generate(2, num_steps=2, verbose=0).shape
        )
    )
    model.fit(x, epochs=2, callbacks=[callback], verbose=0)
    assert shapes == [(2, 4, 4, 1)] * 2


@pytest.mark.slow_to_compile
@pytest.mark.usefixtures("improved_graphs")
def test_conditional_data_train_and_generate():
    flow = FLOWS["binary"]()
    x = make_data(flow)
    classes = np.arange(24) % 3
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), seed=0)
    model.compile("adam")
    model.fit((x, classes), epochs=1, validation_data=((x, classes),), verbose=0)
    nats = model.code_length((x, classes), num_steps=3, verbose=0)
    assert nats["transmission"].shape == (24,)
    assert model.generate(3, num_steps=2, condition=[0, 1, 2], verbose=0).shape == (3, 4, 4, 1)


@pytest.mark.once
def test_a_plain_layer_serves_as_network():
    flow = FLOWS["discretized"]()
    model = keras_bfn.BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), seed=0)
    model.compile("adam")
    model.fit(make_data(flow), epochs=1, verbose=0)
    assert model.event_shape == (4, 4, 1)
    assert model.generate(3, num_steps=2, verbose=0).shape == (3, 4, 4, 1)


def test_the_loss_is_scaled_for_float16_and_only_then():
    flow = FLOWS["binary"]()
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        model = make_model(flow, dtype=policy)
        is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert is_scaled == (policy == "mixed_float16")


@pytest.mark.slow_to_compile
def test_averaged_weights_and_loss_scaling_survive_a_second_fit(tmp_path):
    flow = FLOWS["binary"]()
    x = make_data(flow)
    model = make_model(flow, compiled=False, dtype="mixed_float16")
    model.compile(keras.optimizers.AdamW(1e-3, use_ema=True))
    for _ in range(2):
        model.fit(x, epochs=1, verbose=0)
        model.evaluate(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.inner_optimizer.use_ema
    loaded.fit(x, epochs=1, verbose=0)


@pytest.mark.once
def test_the_network_is_told_whether_it_trains():
    flow = FLOWS["binary"]()
    x = make_data(flow)
    seen = []

    class Probe(keras.layers.Layer):
        def call(self, inputs, training=None):
            seen.append(training)
            return inputs

    inputs = {"theta": keras.Input((4, 4, 1, 1), name="theta"), "t": keras.Input((), name="t")}
    network = keras.Model(inputs, keras.layers.Dense(1)(Probe()(inputs["theta"])))
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile()
    for train, run in (
        (True, lambda: model.fit(x, verbose=0)),
        (False, lambda: model.evaluate(x, verbose=0)),
        (False, lambda: model.code_length(x, verbose=0)),
        (False, lambda: model.generate(2, num_steps=2, verbose=0)),
    ):
        seen.clear()
        run()
        assert seen
        assert set(seen) == {train}


@pytest.mark.slow_to_compile
def test_dropout_draws_anew_at_every_training_step():
    flow = FLOWS["binary"]()
    x = make_data(flow)
    network = keras_bfn.networks.MLP(flow, (4, 4, 1), width=8, num_blocks=1, dropout=0.5)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    rng = np.random.default_rng(0)
    network.set_weights([0.3 * rng.standard_normal(w.shape) for w in network.get_weights()])
    model.compile(keras.optimizers.SGD(0.0))
    with injected_noise():
        kwargs = {"epochs": 3, "batch_size": 24, "shuffle": False, "verbose": 0}
        losses = model.fit(x, **kwargs).history["loss"]
        scores = [model.evaluate(x, batch_size=24, verbose=0)[0] for _ in range(2)]
    # keras.layers.Dropout has noise of its own: all else is the same at every step.
    assert len(set(losses)) == 3
    assert scores[0] == scores[1]
