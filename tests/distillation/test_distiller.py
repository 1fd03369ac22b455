"""Students start as their teachers, and learn to jump."""

import keras
import numpy as np
import pytest
from scipy import stats

import keras_bfn
from keras_bfn import networks
from keras_bfn.callbacks import Resume, SampleImages
from keras_bfn.distillation import Distiller, JumpSampler, Trajectories, make_student
from keras_bfn.samplers import ODE2Sampler
from keras_bfn.testing.samplers import JOINT_PRIOR, make_pair_model
from tests.backends import everywhere
from tests.distillation.test_trajectories import make_parts_model
from tests.models.parts import CLASSES

BINARY = keras_bfn.flows.DiscreteFlow(2, beta_1=3.0)
BINS = keras_bfn.flows.DiscretizedFlow(num_bins=5, sigma_1=0.1)
SMALL = {"width": 16, "dropout": 0.1}
TEACHERS = {
    "MLP": lambda: networks.MLP(BINS, (6,), num_blocks=2, conditions=3, **SMALL),
    "MLP, dict of conditions": lambda: networks.MLP(
        BINARY, (6,), num_blocks=1, conditions={"a": 3, "b": (2,)}, **SMALL
    ),
    "UNet": lambda: networks.UNet(BINS, (8, 8, 1), num_blocks=1, conditions=(8, 8, 1), **SMALL),
    "VDMUNet": lambda: networks.VDMUNet(BINARY, (4, 4, 1), num_blocks=1, **SMALL),
    "PatchTransformer": lambda: networks.PatchTransformer(
        BINARY, (8, 8, 1), num_layers=1, num_coarse_layers=1, patch_size=2, **SMALL
    ),
    "Transformer": lambda: networks.Transformer(
        BINARY, 6, num_layers=1, num_heads=2, conditions=3, **SMALL
    ),
    "Transformer, own times": lambda: networks.Transformer(
        BINARY, 6, num_layers=1, num_heads=2, times="variables", causal=True, **SMALL
    ),
}


def randomise(network):
    """Gives a network random weights: those at the output are zero at first."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if weight.dtype == "float32":
            weight.assign(0.3 * rng.standard_normal(weight.shape))


def make_teacher(network, **kwargs):
    randomise(network)
    return CLASSES[network.times](network.flow, network, seed=0, **kwargs)


def predict(model, condition, t_next=0.95):
    rng = np.random.default_rng(1)
    event_shape = model.event_shape
    s = rng.standard_normal((5, *event_shape, model.flow.embedding_size)).astype("float32")
    t = np.linspace(0.1, 0.9, 5, dtype="float32")
    t_own = np.broadcast_to(t.reshape(5, *(1,) * len(event_shape)), (5, *event_shape))
    t_next = (
        np.broadcast_to(np.float32(t_next), 5) if "t_next" in model.signature.optional else None
    )
    params = model.predict_params(
        s, t_own.copy() if model.time_shape is not None else t, condition, t_next=t_next
    ).params
    return keras.ops.convert_to_numpy(params)


def conditions_of(model):
    taken = model.signature.condition
    if taken is None:
        return None
    return keras.tree.map_structure(
        lambda x: np.ones((5, *x.shape[1:]), keras.backend.standardize_dtype(x.dtype)), taken
    )


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("network", everywhere(TEACHERS, "MLP"))
def test_a_student_starts_as_its_teacher(network):
    teacher = make_teacher(TEACHERS[network]() if isinstance(network, str) else network())
    student, condition = make_student(teacher), conditions_of(teacher)
    expected = predict(teacher, condition)
    assert expected.std() > 0.01
    for t_next in (0.95, 1.0):
        np.testing.assert_allclose(predict(student, condition, t_next), expected, atol=1e-5)
    assert getattr(student.network, "dropout", 0.0) == 0


@pytest.mark.once
def test_a_student_of_several_kinds_starts_as_its_teacher():
    teacher = make_parts_model()
    randomise(teacher.network)
    student = make_student(teacher)
    rng, t = np.random.default_rng(0), np.full(4, 0.5, "float32")
    s = {
        name: rng.standard_normal((4, *shape, teacher.flow[name].embedding_size), "float32")
        for name, shape in teacher.event_shape.items()
    }
    expected, found = teacher.predict_params(s, t), student.predict_params(s, t, t_next=t + 0.25)
    for name in teacher.flow:
        params = keras.ops.convert_to_numpy(expected[name].params)
        assert params.std() > 0.01
        of_student = keras.ops.convert_to_numpy(found[name].params)
        np.testing.assert_allclose(of_student, params, atol=1e-5)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(["MLP", "MLP, dict of conditions"], "MLP"))
def test_a_guided_student_takes_the_scale_as_a_condition(name):
    teacher = make_teacher(TEACHERS[name]())
    student = make_student(teacher, guided=True)
    condition = conditions_of(teacher)
    own = condition if isinstance(condition, dict) else {"condition": condition}
    own = own | {"guidance_scale": np.full((5, 1), 3.0, "float32")}
    np.testing.assert_allclose(predict(student, own), predict(teacher, condition), atol=1e-5)
    assert "guidance_scale" not in student.null_condition


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(["MLP", "MLP, dict of conditions"], "MLP"))
def test_a_guided_student_is_asked_as_its_teacher(name):
    """The oracle is the network itself, in one jump, at the same noise."""
    teacher = make_teacher(TEACHERS[name]())
    student = make_student(teacher, guided=True)
    randomise(student.network)
    condition = conditions_of(teacher)
    own = condition if isinstance(condition, dict) else {"condition": condition}

    def expect(scale):
        scales = {"guidance_scale": np.full((5, 1), scale, "float32")}
        told = {"condition": own | scales, "seed": 0, "verbose": 0}
        return keras_bfn.BayesianFlowNetwork.generate(student, 5, 1, "jump", **told)

    for scale, options in ((1.0, {}), (50.0, {"guidance_scale": 50})):
        found = student.generate(5, 1, condition=condition, seed=0, verbose=0, **options)
        np.testing.assert_array_equal(found, expect(scale))
    assert (expect(1.0) != expect(50.0)).any()


@pytest.mark.slow_to_compile
def test_without_a_condition_a_guided_student_takes_the_null_condition():
    teacher = make_teacher(TEACHERS["MLP"](), condition_dropout=0.1)
    student = make_student(teacher, guided=True)
    randomise(student.network)
    options = {"guidance_scale": 2.0, "seed": 0, "verbose": 0}
    of_null = student.generate(5, 1, condition=[3] * 5, **options)
    np.testing.assert_array_equal(student.generate(5, 1, **options), of_null)


@pytest.mark.slow_to_compile
def test_an_evaluation_with_weights_does_not_depend_on_the_batch_size():
    model = make_pair_model()
    student = make_student(model, networks.MLP(model.flow, (2,), 8, 1, jumps=True))
    distiller = Distiller(student)
    distiller.compile("adam")
    inputs, target = Trajectories(model, 12, 3, num_jumps=1, batch_size=12)[0]
    weights = np.random.default_rng(0).exponential(size=12)
    options = {"sample_weight": weights, "verbose": 0}
    losses = [distiller.evaluate(inputs, target, batch_size=num, **options) for num in (1, 5, 12)]
    found = keras.ops.convert_to_numpy(distiller(inputs))
    errors = model.flow.gain * np.square(found - target).sum(axis=(1, 2)) / 2
    np.testing.assert_allclose(losses, np.average(errors, weights=weights), rtol=1e-5)
    logs = distiller.fit(Trajectories(model, 12, 3, batch_size=12), verbose=0).history
    assert list(logs) == ["loss"]
    assert logs["loss"][0] > 0


def train(model, epochs, num_steps=8, width=32, batch_size=256, peak_rate=3e-3, **options):
    network = networks.MLP(model.flow, model.event_shape, width, num_blocks=2, jumps=True)
    student = make_student(model, network)
    options = {"num_jumps": 16, "start": 0.05, "batch_size": batch_size, **options}
    jumps = Trajectories(model, num_steps=num_steps, **options)
    distiller = Distiller(student)
    distiller.compile(keras_bfn.recipes.adamw(epochs * jumps.num_batches, peak_rate))
    history = distiller.fit(jumps, epochs=epochs, verbose=0)
    return student, history.history["loss"]


def chi_squared(x):
    counts, expected = np.bincount(x @ [3, 1], minlength=9), len(x) * JOINT_PRIOR.ravel()
    return np.sum((counts - expected) ** 2 / expected)


@pytest.mark.slow
@pytest.mark.once
def test_a_student_learns_two_dependent_classes():
    keras.utils.set_random_seed(0)
    model = make_pair_model()
    student, losses = train(model, epochs=5, num_paths=1024, batch_size=512, peak_rate=8e-3)
    assert losses[-1] < 0.7 * losses[0]
    options = {"seed": 0, "batch_size": 4000, "verbose": 0}
    in_one_call = student.generate(4000, 1, JumpSampler(start=0.05), **options)
    of_teacher = model.generate(4000, 1, ODE2Sampler(start=0.05), **options)
    # Independent classes, as one step of the teacher draws them, are far off.
    assert chi_squared(of_teacher) > 400
    assert chi_squared(in_one_call) < 100


@pytest.mark.slow
@pytest.mark.once("jax")
def test_two_calls_follow_the_exact_distribution():
    """Chi-squared of 20,000 samples: the teacher needs twenty steps."""
    keras.utils.set_random_seed(0)
    model = make_pair_model()
    student, _ = train(model, epochs=12, num_paths=4096, num_steps=24, width=64)
    options = {"batch_size": 5000, "verbose": 0}
    limit = stats.chi2.ppf(0.999, 8)
    for num_steps in (1, 2):
        sampler = JumpSampler(start=0.05)
        values = [
            chi_squared(student.generate(20_000, num_steps, sampler, seed=seed, **options))
            for seed in range(3)
        ]
        assert np.median(values) < limit
    even = ODE2Sampler(start=0.05)
    assert chi_squared(model.generate(20_000, 10, even, seed=0, **options)) > limit


@pytest.mark.once
@pytest.mark.parametrize("frozen", [False, True])
def test_all_of_a_student_is_trainable(frozen):
    teacher = make_teacher(TEACHERS["MLP"]())
    teacher.trainable = not frozen
    network = make_student(teacher).network
    assert len(network.trainable_weights) == len(network.weights)


@pytest.mark.once
def test_a_student_is_saved_with_its_jumps(tmp_path):
    student = make_student(make_teacher(TEACHERS["MLP"]()), guided=True)
    randomise(student.network)
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    guides = {"condition": [0, 1, 2, 2], "guidance_scale": 2.0}
    first, second = (
        model.generate(4, 2, "jump", seed=1, verbose=0, **guides) for model in (student, loaded)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow_to_compile
def test_training_resumes_where_it_was_killed(tmp_path):
    def fit(epochs, directory):
        keras.utils.set_random_seed(0)
        teacher = make_pair_model()
        student = make_student(teacher, networks.MLP(teacher.flow, (2,), 8, 1, jumps=True))
        jumps = Trajectories(teacher, 32, 3, num_jumps=4, batch_size=16)
        distiller = Distiller(student)
        distiller.compile("adam")
        resume = Resume(directory, data=jumps, verbose=0)
        distiller.fit(jumps, epochs=epochs, callbacks=[resume], verbose=0)
        return student.network.get_weights()

    fit(1, tmp_path / "killed")
    resumed, whole = fit(2, tmp_path / "killed"), fit(2, tmp_path / "whole")
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.once
def test_callbacks_draw_samples_of_the_student(tmp_path):
    network = networks.MLP(BINARY, (4, 4, 1), num_blocks=1, conditions=3, **SMALL)
    teacher = make_teacher(network, condition_dropout=0.1)
    student = make_student(teacher)
    jumps = Trajectories(teacher, 16, 2, 2, condition=np.zeros(1, "int32"), batch_size=16)
    distiller = Distiller(student)
    distiller.compile(keras.optimizers.Adam(0.01, use_ema=True))
    pictures = SampleImages(tmp_path, 4, 1, "jump", np.zeros(4, "int32"))
    distiller.fit(jumps, epochs=2, callbacks=[pictures], verbose=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch_0001.png", "epoch_0002.png"]
    with pytest.raises(ValueError, match="`sampler` must be 'jump'"):
        distiller.fit(jumps, callbacks=[SampleImages(tmp_path, sampler="sde2")], verbose=0)
    distiller.fit(jumps, callbacks=[SampleImages(tmp_path / "again", 4, 1)], verbose=0)  # jumps
    assert (tmp_path / "again" / "epoch_0001.png").exists()


@pytest.mark.once
def test_a_student_only_jumps():
    student = make_student(make_pair_model(), network=Wider())
    x = np.zeros((4, 2), "int32")
    assert student.generate(4, 2, verbose=0).shape == (4, 2)  # by "jump"
    with pytest.raises(ValueError, match="`sampler` must be 'jump'"):
        student.generate(4, 2, "sde2", verbose=0)
    student.compile("adam")
    for call in (student.fit, student.evaluate, student.code_length):
        with pytest.raises(ValueError, match=r"A student of .* only jumps"):
            call(x, verbose=0)


class Wider(keras.Model):
    """A network of someone else's: it takes `t_next` because it says that it jumps."""

    jumps = True

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(16, "silu")
        self.out = keras.layers.Dense(2 * 3)

    def call(self, inputs):
        theta = keras.ops.reshape(inputs["theta"], (-1, 6))
        times = keras.ops.stack([inputs["t"], inputs["t_next"]], axis=1)
        x = self.out(self.hidden(keras.ops.concatenate([theta, times], axis=1)))
        return keras.ops.reshape(x, (-1, 2, 3))


@pytest.mark.slow_to_compile
def test_a_student_may_have_a_network_of_its_own():
    model = make_pair_model()
    student = make_student(model, network=Wider())
    distiller = Distiller(student)
    distiller.compile(keras.optimizers.Adam(0.01))
    history = distiller.fit(Trajectories(model, 64, 4, batch_size=64), epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert student.generate(4, 2, "jump", verbose=0).shape == (4, 2)


@pytest.mark.once
def test_distilling_is_refused_if_other_weights_are_averaged_than_train():
    model = make_pair_model()
    student = make_student(model, network=Wider())
    distiller = Distiller(student)
    distiller.compile(keras.optimizers.Adam(0.01, use_ema=True))
    paths = Trajectories(model, 64, 4, batch_size=64)
    distiller.fit(paths, verbose=0)
    student.network.hidden.trainable = False
    with pytest.raises(ValueError, match="Call `compile` after you freeze"):
        distiller.fit(paths, verbose=0)
    distiller.compile(keras.optimizers.Adam(0.01, use_ema=True))
    distiller.fit(paths, verbose=0)


@pytest.mark.once
def test_a_distiller_is_saved(tmp_path):
    distiller = Distiller(make_student(make_teacher(TEACHERS["MLP"]())))
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    for one, other in zip(distiller.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.once
def test_a_saved_distiller_trains_on(tmp_path):
    model = make_pair_model()
    distiller = Distiller(make_student(model, networks.MLP(model.flow, (2,), 8, 1, jumps=True)))
    distiller.compile(keras.optimizers.Adam(0.01, use_ema=True))
    paths = Trajectories(model, 16, 3, num_jumps=2, batch_size=16)
    distiller.fit(paths, epochs=2, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    for one in (distiller, loaded):
        paths.epoch = 2
        one.fit(paths, epochs=2, verbose=0)
    for one, other in zip(distiller.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert int(loaded.optimizer.iterations) == int(distiller.optimizer.iterations) == 8


def test_the_loss_is_the_weighted_mean_of_the_squared_errors():
    model = make_pair_model()
    distiller = Distiller(make_student(model, networks.MLP(model.flow, (2,), 8, 1, jumps=True)))
    distiller.compile("adam")
    inputs, target = Trajectories(model, 8, 3, num_jumps=2, batch_size=16)[0]
    found = keras.ops.convert_to_numpy(distiller(inputs))
    errors = model.flow.gain * np.square(found - target).sum(axis=(1, 2)) / 2
    assert distiller.test_on_batch(inputs, target) == pytest.approx(errors.mean(), rel=1e-5)
    distiller.reset_metrics()
    weights = np.arange(16, dtype="float32")
    weighted = distiller.test_on_batch(inputs, target, sample_weight=weights)
    assert weighted == pytest.approx(np.average(errors, weights=weights), rel=1e-5)
    trained = distiller.compute_loss(inputs, target, distiller(inputs), weights, training=True)
    trained = keras.ops.convert_to_numpy(trained)
    assert trained == pytest.approx(np.average(errors, weights=weights), rel=1e-5)


@pytest.mark.once
def test_evaluation_is_no_epoch_of_the_paths():
    model = make_pair_model()
    distiller = Distiller(make_student(model, networks.MLP(model.flow, (2,), 8, 1, jumps=True)))
    distiller.compile("adam")
    paths = Trajectories(model, 16, 3, num_jumps=2, batch_size=16)
    distiller.fit(paths, verbose=0)
    scores = [distiller.evaluate(paths, verbose=0) for _ in range(2)]
    assert paths.epoch == 1
    assert scores[0] == scores[1]
    assert distiller.evaluate(*paths[0], verbose=0) > 0  # as arrays
