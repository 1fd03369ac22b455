"""What is exported gives elsewhere what the model gives here."""

import os
import shutil
import types
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_bfn
from keras_bfn import AnyOrderNetwork, BayesianFlowNetwork, _random, networks
from keras_bfn.flows import ContinuousFlow, JointNormal
from keras_bfn.guidance import ClassifierFreeGuidance
from keras_bfn.models.exported import make_function
from keras_bfn.samplers import AncestralSampler, SDE2Sampler
from tests.backends import everywhere
from tests.models.small import FLOWS, ConditionNetwork
from tests.test_docstrings import python_blocks

BACKEND = keras.backend.backend()
FORMAT = "onnx" if BACKEND == "torch" else "tf_saved_model"
SUFFIX = {
    "tf_saved_model": "",
    "onnx": ".onnx",
    "torch": ".pt2",
    "litert": ".tflite",
    "openvino": ".xml",
}
NUM_SAMPLES, NUM_STEPS = 3, 4


@pytest.fixture(scope="module")
def exporting_versions(tmp_path_factory):
    """Skips where Keras's own models are not exported either: with JAX 0.12 and TensorFlow 2.21."""
    if BACKEND != "jax":
        return
    import tensorflow as tf

    path = tmp_path_factory.mktemp("exported") / "plain"
    with warnings.catch_warnings(action="ignore"):
        keras.Sequential([keras.Input((2,)), layers.Dense(3)]).export(path, verbose=False)
    loaded = tf.saved_model.load(path)
    try:
        loaded.serve(np.zeros((4, 2), "float32"))
    except tf.errors.InvalidArgumentError:
        import jax

        pytest.skip(f"TensorFlow {tf.__version__} cannot run exports of JAX {jax.__version__}")


def own_network(flow):
    """A functional network of Keras's own layers, conditional on a class; 3 means "none"."""
    inputs = {
        "theta": keras.Input((2, flow.theta_size), name="theta"),
        "t": keras.Input((), name="t"),
        "condition": keras.Input((), dtype="int32", name="condition"),
    }
    parts = [
        layers.Flatten()(inputs["theta"]),
        layers.Reshape((1,))(inputs["t"]),
        layers.Embedding(4, 3)(inputs["condition"]),
    ]
    x = layers.Dense(8, "relu")(layers.Concatenate()(parts))
    x = layers.Dense(2 * flow.output_size)(x)
    return keras.Model(inputs, layers.Reshape((2, flow.output_size))(x))


def of_this_package():
    """Trained, as it was when Keras refused to export it."""
    flow = FLOWS["discrete"]()
    network = keras_bfn.networks.MLP(flow, (2,), width=8, num_blocks=1)
    model = BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(np.zeros((8, 2), "int32"), verbose=0)
    return model


def of_keras():
    flow = FLOWS["discretized"]()
    keras.utils.set_random_seed(0)
    options = {"condition_dropout": 0.1, "null_condition": 3, "seed": 0}
    return BayesianFlowNetwork(flow, own_network(flow), **options)


def of_parts():
    flow = {"a": FLOWS["discrete"](), "b": FLOWS["continuous"]()}
    network = keras_bfn.networks.MultiPart(flow, {"a": (4,), "b": (3,)}, width=8, times="variables")
    for weight in network.trainable_weights:  # the last are zeros at first
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1, seed=0))
    return AnyOrderNetwork(flow, network, seed=0)


def of_a_layer():
    flow = FLOWS["binary"]()
    return BayesianFlowNetwork(flow, ConditionNetwork(flow.output_size), (4, 4, 1), seed=0)


def of_an_image():
    flow = FLOWS["binary"]()
    return BayesianFlowNetwork(flow, keras_bfn.networks.UNet(flow, (8, 8, 1), width=8), seed=0)


def of_a_sequence():
    flow = FLOWS["discrete"]()
    network = keras_bfn.networks.Transformer(flow, 6, width=8, num_layers=1, num_heads=2)
    return BayesianFlowNetwork(flow, network, seed=0)


def of_a_causal_sequence():
    flow = FLOWS["discrete"]()
    network = keras_bfn.networks.Transformer(
        flow, 6, width=8, num_layers=1, num_heads=2, causal=True, times="variables"
    )
    for weight in network.trainable_weights:
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1, seed=0))
    return AnyOrderNetwork(flow, network, seed=0)


def of_patches():
    """Clips the same probabilities twice, for which files of ONNX could not be read."""
    flow = FLOWS["binary"]()
    network = networks.PatchTransformer(flow, (8, 8, 1), 2, width=8, num_layers=1)
    return BayesianFlowNetwork(flow, network, seed=0)


CLASSES = np.arange(NUM_SAMPLES, dtype="int32")
GUIDED = {"condition": CLASSES, "guidance_scale": 2.0}
LATE = SDE2Sampler(temperature=0.8, end="sample", start=0.02, spacing="log_beta")
slow = pytest.mark.slow
CASES = [
    pytest.param(
        of_this_package,
        "sde2",
        {},
        FORMAT,
        id="a network of this package",
        marks=[] if FORMAT == "onnx" else slow,
    ),
    pytest.param(of_keras, "ancestral", GUIDED, FORMAT, id="a network of Keras"),
    pytest.param(of_keras, "sde2", GUIDED, FORMAT, id="expected bins", marks=slow),
    pytest.param(of_parts, "ode2", {}, FORMAT, id="parts", marks=slow),
    pytest.param(
        of_a_layer,
        "ode1",
        {"condition": CLASSES},
        FORMAT,
        id="a layer",
        marks=[] if BACKEND == "tensorflow" else slow,  # whose files hold calls of models
    ),
    pytest.param(of_an_image, LATE, {}, FORMAT, id="a UNet", marks=slow),
    pytest.param(
        of_patches, "sde2", {}, FORMAT, id="patches", marks=[] if FORMAT == "onnx" else slow
    ),
    pytest.param(of_a_sequence, "sde1", {}, FORMAT, id="a Transformer", marks=slow),
]
if BACKEND == "torch":
    CASES.append(pytest.param(of_parts, "sde2", {}, "torch", id="torch.export", marks=slow))
RUNTIMES = {"tensorflow": {"litert": [], "openvino": slow}, "torch": {"openvino": []}}
for runtime, marks in RUNTIMES.get(BACKEND, {}).items():
    # OpenVINO takes a minute to compile a file of TensorFlow's.
    longer = pytest.mark.nightly if marks is slow else slow
    CASES += [
        pytest.param(of_this_package, "sde2", {}, runtime, id=runtime, marks=marks),
        pytest.param(
            of_a_layer,
            "ode1",
            {"condition": CLASSES},
            runtime,
            id=f"{runtime}, a layer",
            marks=[] if runtime == "litert" else longer,
        ),
        pytest.param(of_parts, "ode2", {}, runtime, id=f"{runtime}, parts", marks=longer),
        pytest.param(of_an_image, LATE, {}, runtime, id=f"{runtime}, a UNet", marks=longer),
        pytest.param(of_a_sequence, "sde1", {}, runtime, id=f"{runtime}, a sequence", marks=longer),
    ]


def read(path, format):
    """The shapes of the inputs of a file that was exported, and a function that runs it."""
    if format == "onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(path)
        shapes = {x.name: x.shape for x in session.get_inputs()}
        names = [x.name for x in session.get_outputs()]
        return shapes, lambda feed: dict(zip(names, session.run(None, feed), strict=True))
    if format == "torch":
        torch = pytest.importorskip("torch")
        program = torch.export.load(path)
        shapes = {name: x.shape for name, x in program.example_inputs[0][0].items()}
        module = program.module()

        def run(feed):
            outputs = module({name: torch.tensor(x) for name, x in feed.items()})
            return {name: x.detach().numpy() for name, x in outputs.items()}

        return shapes, run
    if format == "litert":
        interpreter = pytest.importorskip("ai_edge_litert.interpreter")
        run = interpreter.Interpreter(str(path)).get_signature_runner()
        shapes = {name: x["shape_signature"] for name, x in run.get_input_details().items()}
        return shapes, lambda feed: run(**feed)
    if format == "openvino":
        core = pytest.importorskip("openvino").Core()
        graph = core.read_model(path)
        shapes = {
            x.get_any_name(): [
                0 if size.is_dynamic else size.get_length() for size in x.partial_shape
            ]
            for x in graph.inputs
        }
        names = [x.get_any_name() for x in graph.outputs]
        model = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

        def run(feed):
            outputs = model(feed)
            return {name: outputs[name] for name in names}

        return shapes, run
    loaded = pytest.importorskip("tensorflow").saved_model.load(path)
    shapes = {name: x.shape for name, x in loaded.serve.input_signature[0].items()}
    return shapes, lambda feed: {name: x.numpy() for name, x in loaded.serve(feed).items()}


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def generate(path, format, times, num_first, num_last, conditions):
    """What a step gives at each time, with the noise that `model.generate(seed=0)` draws.

    Of the draws, the first few are made at the first step alone, and the last few at the last.
    """
    shapes, run = read(path, format)
    shapes = {
        name: (NUM_SAMPLES, *shape[1:]) if len(shape) else () for name, shape in shapes.items()
    }
    feed = {name: np.zeros(shape, "float32") for name, shape in shapes.items()} | conditions
    draws = [name for name in feed if name.startswith(("normal_", "uniform_"))]
    draws.sort(key=lambda name: int(name.split("_")[1]))
    seed, outputs = _random.make_seed_generator(0), []
    for t, t_next in zip(times, [*times[1:], times[-1]], strict=True):
        now = draws if t == times[0] else draws[num_first:]
        now = now[: len(now) - num_last] if t < times[-1] else draws[len(draws) - num_last :]
        for name in now:
            draw = getattr(_random, name.split("_")[0])
            feed[name] = ops.convert_to_numpy(draw(shapes[name], seed=seed))
        feed |= {"t": np.array(t), "t_next": np.array(t_next)}
        outputs.append(run(feed))
        states = {name: x for name, x in outputs[-1].items() if name.startswith("next_")}
        feed |= {name.removeprefix("next_"): x for name, x in states.items()}
    return outputs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the first model is written to, for all tests."""
    return tmp_path_factory.mktemp("export")


@pytest.mark.slow_to_compile("jax")
@pytest.mark.usefixtures("exporting_versions")
@pytest.mark.parametrize(("make", "sampler", "options", "format"), CASES)
def test_a_loop_of_exported_steps_gives_what_generate_gives(make, sampler, options, format, folder):
    model, sampler = make(), keras_bfn.samplers.get(sampler)
    path = folder / f"{make.__name__}{SUFFIX[format]}"
    guided = "guidance_scale" in options
    example = options.get("condition") if make is of_a_layer else None
    model.export(path, format, sampler=sampler, guided=guided, condition=example)

    x, trajectory, *_ = model.generate(
        NUM_SAMPLES, NUM_STEPS, sampler, **options, seed=0, return_details=True, verbose=0
    )
    parts = {"": model.flow}
    if isinstance(model.flow, dict):
        parts = {f"_{name}": flow for name, flow in model.flow.items()}
        x, trajectory = ({f"_{k}": v for k, v in values.items()} for values in (x, trajectory))
    else:
        x, trajectory = {"": x}, {"": trajectory}
    has_start = sampler.deterministic or sampler.start > 0
    num_first, num_last = len(parts) * has_start, len(parts) * (sampler.end == "sample")
    conditions = {
        n: np.broadcast_to(c, NUM_SAMPLES).astype("int32" if n == "condition" else "float32")
        for n, c in options.items()
    }
    # With times of their own, all variables that are drawn together are at one.
    (times,) = {tuple(part.t.reshape(len(part.t), -1)[:, 0]) for part in trajectory.values()}
    outputs = generate(path, format, np.array(times), num_first, num_last, conditions)
    for part in parts:
        np.testing.assert_allclose(outputs[-1][f"x{part}"], x[part], atol=1e-5)
        params = np.stack([output[f"params{part}"] for output in outputs])
        assert np.ptp(params) > 0
        # Of log odds beyond 8, probabilities in float32 keep few digits.
        found, expected = (np.clip(x, -8, 8) for x in (params, trajectory[part].params))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_first_step_draws_the_state_itself_whenever_that_is():
    """At the sampler's start, whatever state it is given; at no other time."""
    model, start = of_keras(), 0.25
    step, inputs = make_function(model, AncestralSampler(start=start), None, guided=False)
    inputs["normal_0"] = inputs["normal_0"] + 0.7

    def params(t, state):
        given = {"t": ops.convert_to_tensor(t), "state": state}
        return ops.convert_to_numpy(step(inputs | given)["params"])

    drawn = inputs["normal_0"] * ops.sqrt(model.flow.schedule.beta(start))
    some = drawn + 3.0
    for t, state, seen in ((start, some, drawn), (0.5, some, some)):
        found, expected = params(t, state), model.predict_params(seen, [t] * 2, inputs["condition"])
        expected = ops.convert_to_numpy(expected.params)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(params(0.5, drawn) - params(0.5, some)).max() > 0.01


class Away(ClassifierFreeGuidance):
    """A rule of one's own: minus the scale, whatever the condition says."""

    def combine(self, params, without, scale):
        return params - keras_bfn.flows.expand(scale, params)


@pytest.mark.once
def test_an_exported_step_combines_predictions_by_the_rule_that_is_asked_for():
    model, params = of_keras(), {}
    for name, guided in {"none": False, "default": True, "own": Away(2.0)}.items():
        step, inputs = make_function(model, AncestralSampler(), None, guided)
        given = {"t": ops.convert_to_tensor(0.5), "state": inputs["state"] + 0.7}
        scale = {"guidance_scale": 2.0 * ops.ones(2)} if guided else {}
        params[name] = ops.convert_to_numpy(step(inputs | given | scale)["params"])
    np.testing.assert_allclose(params["own"], params["none"] - 2.0, rtol=1e-4, atol=1e-4)
    assert np.abs(params["default"] - params["own"]).max() > 0.1


@pytest.mark.once
def test_the_documented_loop_generates_from_one_file(folder, tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    (code,) = python_blocks(BayesianFlowNetwork.export.__doc__)
    monkeypatch.chdir(tmp_path)
    names = {"np": np, "onnxruntime": onnxruntime, "num_samples": 50, "num_steps": 10, "given": {}}
    names["model"] = types.SimpleNamespace(export=lambda *args, **options: None)
    path = folder / "of_this_package.onnx"
    if not path.exists():  # the test above has made it, if it ran
        of_this_package().export(path, format="onnx", sampler="sde2")
    shutil.copy(path, "step.onnx")
    exec(code, names)
    samples = names["samples"]
    assert samples.shape == (50, 2)
    expected = of_this_package().generate(1000, 10, sampler="sde2", verbose=0)
    for k in range(5):
        assert abs((samples == k).mean() - (expected == k).mean()) < 0.15


@pytest.mark.slow
@pytest.mark.once
def test_the_documented_loop_generates_given_classes(tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    (code,) = python_blocks(BayesianFlowNetwork.export.__doc__)
    monkeypatch.chdir(tmp_path)
    model = of_keras()
    model.network.set_weights([4.0 * weight for weight in model.network.get_weights()])
    classes = np.repeat(np.arange(2, dtype="int32"), 500)
    names = {"np": np, "onnxruntime": onnxruntime, "num_samples": 1000, "num_steps": 10}
    exec(code, names | {"model": model, "given": {"condition": classes}}, found := {})
    expected = model.generate(1000, 10, "sde2", classes, batch_size=1000, seed=0, verbose=0)
    means, of_generate = (x.reshape(2, 500, 2).mean(axis=1) for x in (found["samples"], expected))
    np.testing.assert_allclose(means, of_generate, atol=0.4)
    assert np.abs(of_generate[0] - of_generate[1]).max() > 1


@pytest.mark.slow_to_compile
@pytest.mark.usefixtures("exporting_versions")
def test_the_network_is_exported_alone(tmp_path, monkeypatch):
    format = "torch" if BACKEND == "torch" else "tf_saved_model"
    model = of_keras()
    path = tmp_path / f"network{SUFFIX[format]}"
    model.export(path, format)
    shapes, run = read(path, format)
    assert shapes.keys() == {"theta", "t", "condition"}
    theta = np.random.default_rng(0).standard_normal((5, 2, 1)).astype("float32")
    inputs = {"theta": theta, "t": theta[:, 0, 0], "condition": np.arange(5, dtype="int32") % 4}
    expected = ops.convert_to_numpy(model.network(inputs))
    np.testing.assert_allclose(run(inputs)["params"], expected, rtol=1e-5, atol=1e-6)
    check_that_a_failure_leaves(contents(tmp_path), model, path, format, monkeypatch)


@pytest.mark.slow_to_compile("jax")
@pytest.mark.usefixtures("exporting_versions")
@pytest.mark.parametrize("sampler", everywhere({"network": None, "step": "ancestral"}, "network"))
def test_a_network_with_times_of_the_variables_and_a_causal_form_is_exported(sampler, tmp_path):
    format = "torch" if BACKEND == "torch" else "tf_saved_model"
    model, path = of_a_causal_sequence(), tmp_path / f"network{SUFFIX[format]}"
    model.export(path, format, sampler=sampler)
    shapes, run = read(path, format)
    if sampler is not None:
        assert "state" in shapes
        return
    assert shapes.keys() == {"theta", "t", "causal"}
    rng = np.random.default_rng(0)
    theta = rng.dirichlet(np.ones(5), (3, 6)).astype("float32")
    causal = np.array([True, False, True])
    inputs = {"theta": theta, "t": theta[..., 0], "causal": causal}
    expected = ops.convert_to_numpy(model.network(inputs))
    np.testing.assert_allclose(run(inputs)["params"], expected, rtol=1e-4, atol=1e-5)


def check_that_a_failure_leaves(before, model, path, format, monkeypatch):
    def fsync(number):
        raise OSError("No space left")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        model.export(path, format)
    assert contents(path.parent) == before


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("most", [2**30, 0])
def test_an_onnx_file_holds_all_weights_that_it_can(most, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_bfn.saving.export.LARGEST_FILE", most)
    path = tmp_path / "network.onnx"
    model = of_this_package()
    model.export(path, "onnx")
    assert len(contents(tmp_path)) == (1 if most else 2)
    assert read(path, "onnx")[0].keys() == {"theta", "t"}
    if most:
        check_that_a_failure_leaves(contents(tmp_path), model, path, "onnx", monkeypatch)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch writes files")
def test_a_folder_of_anything_else_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "letters.txt").touch()
    for path in (tmp_path, tmp_path / "letters.txt"):
        with pytest.raises(ValueError, match=r"`filepath` must be a new folder.*letters.txt"):
            of_keras().export(path)


def test_what_a_backend_does_not_write_is_refused_with_the_way_round():
    model = of_keras()
    (format, other) = {
        "tensorflow": ("onnx", "torch"),
        "jax": ("onnx", "torch"),
        "torch": ("tf_saved_model", "tensorflow"),
    }[BACKEND]
    with pytest.raises(ValueError, match=rf"`format` must be .*{BACKEND}.*KERAS_BACKEND={other}"):
        model.export("step.onnx" if format == "onnx" else "step", format)


class OwnNoise(AncestralSampler):
    def init(self, flow, shape, seed=None):
        return keras.random.normal(shape, seed=seed)


@pytest.mark.once
def test_noise_that_cannot_be_given_is_refused():
    with pytest.raises(ValueError, match=r"`sampler` must draw noise only in .*OwnNoise"):
        of_this_package().export("step.pt2", "torch", sampler=OwnNoise())


@pytest.mark.slow
@pytest.mark.once
def test_what_onnx_and_openvino_lack_is_refused_by_name(tmp_path):
    prior = JointNormal(np.zeros(2), [[0.04, 0.03], [0.03, 0.04]])  # known variables: `solve`
    flow = ContinuousFlow(0.1, "residual", prior=prior)
    network = networks.MLP(flow, (2,), width=8, num_blocks=1, times="variables")
    model = AnyOrderNetwork(flow, network)
    with pytest.raises(ValueError, match=r"`format` must not be 'onnx': .*lacks.*`JointNormal`"):
        model.export(tmp_path / "step.onnx", "onnx", sampler="ancestral")
    with pytest.raises(ValueError, match=r"`format` must not be 'openvino': .*that OpenVINO lacks"):
        model.export(tmp_path / "step.xml", "openvino", sampler="ancestral")
    model.export(tmp_path / "step.pt2", "torch", sampler="ancestral")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="writes LiteRT")
def test_what_litert_lacks_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"`format` must not be 'litert', which lacks Erfc of the"):
        of_keras().export(tmp_path / "step.tflite", "litert", sampler="ancestral")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.once
def test_kernels_of_eight_bits_are_exported_as_onnx_and_those_of_four_refused(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    for mode in ("int8", "int4"):
        network = networks.MLP(ContinuousFlow(0.1), (2,), width=8, num_blocks=1)
        model = keras_bfn.BayesianFlowNetwork(network.flow, network)
        model.quantize(mode)
        if mode == "int4":
            with pytest.raises(ValueError, match="`format` must not be 'onnx' for kernels of four"):
                model.export(tmp_path / "step.onnx", "onnx", sampler="ancestral")
        else:
            model.export(tmp_path / "step.onnx", "onnx", sampler="ancestral")
            onnxruntime.InferenceSession(tmp_path / "step.onnx")
