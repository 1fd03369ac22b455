"""Compiled programs are reused for what is the same by value, or the same Keras layers, alone.

The oracle is a model to which the same was done before its first call, and that compiles nothing.
"""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn import guidance, samplers
from keras_bfn.losses import DiscreteTimeLoss
from keras_bfn.models import programs
from keras_bfn.models.programs import Programs
from tests.backends import everywhere
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model
from tests.models.test_guiding_by_classes import make_class_model

QUIET = {"seed": 0, "verbose": 0}
STRENGTH = 1.0


def draw(model, **options):
    """The outputs of a trajectory, for samples alone may agree by chance."""
    return model.generate(4, 3, return_details=True, **options, **QUIET).trajectory.params


def make_binary_model(run_eagerly=False):
    return make_model(FLOWS["binary"](), run_eagerly=run_eagerly)


class Ink(guidance.Guidance):
    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def log_h(self, expected):
        strength = ops.convert_to_tensor(self.strength, "float32")
        return strength * ops.sum(expected.data()[..., 1], axis=(1, 2, 3))


class Target(guidance.Guidance):
    """Reads what it should be given."""

    def __init__(self, name):
        super().__init__(values={"target": np.full(4, 2.0)}, interval=(0.0, 1.0))
        self.name = name

    def log_h(self, expected, target):
        getattr(self, self.name)
        return ops.sum(expected.data()[..., 1], axis=(1, 2, 3)) - target


class Box:
    """An object of one's own."""

    def __init__(self, strength):
        self.strength = strength


class Boxed(Ink):
    def log_h(self, expected):
        return self.strength.strength * ops.sum(expected.data()[..., 1], axis=(1, 2, 3))


def strong(probs):
    return STRENGTH * ops.sum(probs[..., 1], axis=(1, 2, 3))


def boxed(box):
    def ink(probs):
        return box["strength"] * ops.sum(probs[..., 1], axis=(1, 2, 3))

    return ink


class Pulled(samplers.Sampler):
    """Adds what a function or a layer returns to each step."""

    def __init__(self, pull, **options):
        super().__init__(**options)
        self.pull = pull

    def init(self, flow, shape, seed=None):
        return ops.zeros(shape)

    def evidence(self, flow, state, t):
        return state

    def step(self, flow, state, distribution, t, t_next, seed=None):
        return state + self.pull(ops.ones((1, 1)))[0, 0] * ops.arange(2, dtype="float32")


def make_pull(value):
    def pull(x):
        return value * x

    return pull


def make_layer(value):
    layer = keras.layers.Dense(1, use_bias=False, name="pull")
    layer.build((None, 1))
    layer.kernel.assign([[value]])
    return layer


def change_array():
    made = Ink(np.array(1.5))
    yield {"guidance": made}
    made.strength[...] = -1.5
    yield {"guidance": made}


def change_object():
    box = Box(1.5)
    yield {"guidance": Boxed(box)}
    box.strength = -1.5
    yield {"guidance": Boxed(box)}


def change_closure():
    box = {"strength": 1.5}
    made = boxed(box)
    yield {"guidance": made}
    box["strength"] = -1.5
    yield {"guidance": made}


ARGUMENTS = {
    "attribute": lambda: iter([{"guidance": Ink(1.5)}, {"guidance": Ink(-1.5)}]),
    "array that was written to": change_array,
    "object in an attribute": change_object,
    "attribute in a product": lambda: iter(
        [{"guidance": Ink(1.0) * Ink(0.5)}, {"guidance": Ink(1.0) * Ink(-3.0)}]
    ),
    "closure": change_closure,
    "functions of one name": lambda: iter({"sampler": Pulled(make_pull(k))} for k in (1.0, -1.0)),
    "layers of one config": lambda: iter(
        [{"sampler": Pulled(make_layer(1.0))}, {"sampler": Pulled(make_layer(-1.0))}]
    ),
    "constraint": lambda: iter(
        {"guidance": guidance.Constraint(boxed({"strength": k}), 3.0, std=0.5)} for k in (1.0, 2.0)
    ),
}

# How programs are told apart is the same wherever they are traced. On PyTorch nothing is.
traced = pytest.mark.once("tensorflow")
TRACED = ("array that was written to", "layers of one config")


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("name", everywhere(list(ARGUMENTS), *TRACED, once=traced))
def test_other_arguments_run_another_program(name):
    model, options = make_binary_model(), ARGUMENTS[name]()
    first = draw(model, **next(options))
    last = next(options)
    again, alone = draw(model, **last), draw(make_binary_model(run_eagerly=True), **last)
    np.testing.assert_allclose(again, alone, rtol=1e-5, atol=1e-5)
    assert np.abs(first - again).max() > 0.01


@traced
def test_a_function_reads_globals_as_they_are_now(monkeypatch):
    model = make_binary_model()
    first = draw(model, guidance=strong)
    monkeypatch.setitem(globals(), "STRENGTH", -2.0)
    np.testing.assert_allclose(
        draw(model, guidance=strong),
        draw(make_binary_model(run_eagerly=True), guidance=strong),
        rtol=1e-5,
        atol=1e-5,
    )
    assert np.abs(first - draw(model, guidance=strong)).max() > 0.01


@traced
def test_an_array_that_was_written_to_does_not_stand_in_for_an_equal_one():
    model, made = make_binary_model(), Ink(np.array(1.5))
    first = draw(model, guidance=made)
    made.strength[...] = -1.5
    again = Ink(np.array(1.5))
    np.testing.assert_array_equal(draw(model, guidance=again), first)
    # For another batch size, a program is traced anew.
    np.testing.assert_allclose(
        draw(model, guidance=again, batch_size=2),
        draw(make_binary_model(run_eagerly=True), guidance=again, batch_size=2),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.once
@pytest.mark.parametrize("name", ["values", "scale", "interval"])
def test_what_a_program_is_given_anew_cannot_be_read_in_it(name):
    model, made = make_binary_model(), Target(name)
    with pytest.raises(AttributeError, match=f"`{name}` of `Target` is not an attribute in a comp"):
        draw(model, guidance=made)
    assert getattr(made, name) is not None


@pytest.mark.slow_to_compile
@traced
def test_what_is_the_same_is_compiled_once():
    model, layer = make_binary_model(), make_layer(0.1)
    for strength in (np.float64(0.5), 0.5):
        draw(model, guidance=Ink(strength))
        draw(model, sampler=Pulled(layer, start=0.5))
        model.inpaint(make_data(model.flow, 2), np.zeros(EVENT_SHAPE, bool), 2, **QUIET)
    assert len(model.programs.kept) == 3
    draw(model, guidance=guidance.Constraint(strong, 3.0, std=0.5))  # compiled anew in each call
    draw(model, guidance=strong)
    assert len(model.programs.kept) == 3


class Made:
    """A program that says what it was made of."""

    def __init__(self, model, *arguments):
        self.arguments = arguments


@pytest.mark.once
def test_a_program_is_made_once_for_equal_arguments_and_those_used_last_are_kept(monkeypatch):
    monkeypatch.setattr(programs, "MOST_PROGRAMS", 2)
    found = Programs(make_binary_model())
    one, two = found(Made, 1), found(Made, 2)
    assert found(Made, 1) is one
    assert found(Made, 3).arguments == (3,)  # in the place of 2
    assert len(found.kept) == 2
    assert found(Made, 1) is one
    assert found(Made, 2) is not two


@pytest.mark.once
def test_a_program_is_made_anew_when_its_argument_or_the_model_has_changed():
    model, values = make_binary_model(), [np.zeros(2)]
    found = Programs(model)
    first = found(Made, values)
    assert found(Made, [np.zeros(2)]) is first
    values[0][:] = 1.0
    assert found(Made, values) is not first
    kept = found(Made, [np.zeros(2)])
    assert kept.arguments[0][0].tolist() == [0, 0]
    model.network.layers[-2].trainable = False
    assert found(Made, [np.zeros(2)]) is not kept
    found.clear()
    assert len(found.kept) == 0


@pytest.mark.once
@pytest.mark.parametrize("argument", [lambda x: x, Box(1.0), [Ink(Box(1.0))]])
def test_a_program_of_what_may_change_unseen_is_made_for_one_call(argument):
    found = Programs(make_binary_model())
    assert found(Made, argument) is not found(Made, argument)
    assert len(found.kept) == 0


CHANGES_OF_A_LAYER = {
    "trainable": lambda layer: setattr(layer, "trainable", False),
    "activation": lambda layer: setattr(layer, "activation", keras.activations.tanh),
    "policy": lambda layer: setattr(layer, "dtype_policy", keras.DTypePolicy("bfloat16")),
    "LoRA": lambda layer: layer.enable_lora(1),
}


@pytest.mark.once
@pytest.mark.parametrize("change", CHANGES_OF_A_LAYER.values(), ids=CHANGES_OF_A_LAYER)
def test_a_program_is_made_anew_when_a_layer_has_changed_and_not_for_its_weights(change):
    layer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    found = Programs(make_binary_model())
    first = found(Made, Pulled(layer))
    layer.layers[0].set_weights([np.ones((3, 2)), np.ones(2)])
    assert found(Made, Pulled(layer)) is first
    change(layer.layers[0])
    assert found(Made, Pulled(layer)) is not first


def make_square_model(run_eagerly=False):
    """Both layers with weights have the same shapes; the first is frozen."""
    keras.utils.set_random_seed(0)
    flow = keras_bfn.flows.DiscreteFlow(2, beta_1=4.0)
    inputs = {"theta": keras.Input((3, 1), name="theta"), "t": keras.Input((), name="t")}
    x = keras.layers.Flatten()(inputs["theta"])
    x = keras.layers.Dense(3, "tanh", name="first", trainable=False)(x)
    x = keras.layers.Dense(3, "tanh", name="second")(x)
    network = keras.Model(inputs, keras.layers.Reshape((3, 1))(x))
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile("adamw", run_eagerly=run_eagerly)
    set_random_weights(model)
    return model


def set_random_weights(model):
    rng = np.random.default_rng(1)
    for weight in model.network.weights:
        weight.assign(2.0 * rng.standard_normal(weight.shape).astype("float32"))


def dense_layers(model):
    return [model.network.get_layer(name) for name in ("first", "second")]


def swap_frozen(model):
    """On JAX, weights are passed by their place among those that are trainable, or not."""
    first, second = dense_layers(model)
    first.trainable, second.trainable = second.trainable, first.trainable


def enable_lora(model):
    for layer in dense_layers(model):
        layer.enable_lora(2)
        layer.lora_kernel_a.assign(ops.ones(layer.lora_kernel_a.shape))
        layer.lora_kernel_b.assign(ops.ones(layer.lora_kernel_b.shape))


def quantize(model):
    for layer in dense_layers(model):
        layer.quantize("int8")


def change_policy(model):
    for layer in dense_layers(model):
        layer.dtype_policy = "bfloat16"


def change_activation(model):
    dense_layers(model)[0].activation = keras.activations.relu


def replace_weight(model):
    layer = dense_layers(model)[1]
    layer._tracker.unlock()
    layer.bias = layer.add_weight((3,), initializer="ones", name="bias")


def set_weights(model):
    model.set_weights([w if w.dtype.kind == "u" else 2.0 * w for w in model.get_weights()])


def compile_anew(model):
    eager = model.run_eagerly
    model.compile("adamw", DiscreteTimeLoss(3), None, 2, jit_compile=False, run_eagerly=eager)


# Each is done after those before it.
CHANGES = {
    "weights": (swap_frozen, replace_weight, enable_lora),
    "layers": (set_weights, change_activation, compile_anew, change_policy, quantize),
}
X = np.random.default_rng(0).integers(0, 2, (8, 3))
VERBS = {
    "generate": draw,
    "statistics": lambda model: (
        model.generate(
            4, 3, guidance=FirstOne(), num_particles=1, return_details=True, **QUIET
        ).log_likelihood
    ),
    "inpaint": lambda model: (
        model.inpaint(X, X > 0, 3, return_details=True, num_particles=2, **QUIET).log_likelihood
    ),
    "encode": lambda model: model.encode(X, 3, **QUIET),
    "code_length": lambda model: model.code_length(X, **QUIET)["transmission"],
    "evaluate": lambda model: np.array(model.evaluate(X, verbose=0)),
    "test_on_batch": lambda model: np.array(model.test_on_batch(X)[0], "float32"),
}
FEW = ("generate", "evaluate")


class FirstOne(guidance.Guidance):
    def likelihood(self, probs):
        return ops.log(probs[:, 0, 1] + 1e-3)


def say(model, names):
    """What verbs return, each from the same state of the model's random numbers."""
    said = {}
    for name in names:
        model.seed_generator.state.assign(np.zeros(2, "uint32"))
        model.reset_metrics()
        said[name] = VERBS[name](model)
    return said


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("changes", everywhere(CHANGES, "weights", once=traced))
def test_verbs_see_what_was_done_to_the_model_since(changes):
    model, alone = make_square_model(), make_square_model(run_eagerly=True)
    for change in changes:
        every_verb = change is enable_lora and keras.backend.backend() == "tensorflow"
        names = VERBS if every_verb else FEW
        before = say(model, names)
        change(model)
        change(alone)
        after, expected = say(model, names), say(alone, names)
        for name in names:
            what = f"{change.__name__}, {name}"
            np.testing.assert_allclose(after[name], expected[name], 1e-4, 1e-4, err_msg=what)
            is_seen = name in ("evaluate", "test_on_batch") or change is not compile_anew
            if change is not swap_frozen and is_seen:
                assert np.abs(after[name] - before[name]).max() > 1e-4, what


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param("num_repeats", 5, marks=traced), ("transmission_loss", DiscreteTimeLoss(3))],
)
def test_evaluate_sees_an_attribute_of_the_model(name, value):
    model, alone = make_square_model(), make_square_model(run_eagerly=True)
    before = model.evaluate(X, verbose=0)
    for made in (model, alone):
        setattr(made, name, value)
    after = model.evaluate(X, verbose=0)
    np.testing.assert_allclose(after, alone.evaluate(X, verbose=0), rtol=1e-5)
    assert abs(after[0] - before[0]) > 1e-3


@pytest.mark.slow_to_compile
@traced
def test_generate_sees_another_null_condition():
    model, alone = (make_class_model(condition_dropout=0.1) for _ in range(2))
    alone.compile(run_eagerly=True)
    options = {"condition": [0, 1, 2, 0], "guidance_scale": 3.0}
    before = draw(model, **options)
    model.null_condition = alone.null_condition = 1
    np.testing.assert_allclose(draw(model, **options), draw(alone, **options), 1e-5, 1e-5)
    assert np.abs(draw(model, **options) - before).max() > 0.01


@pytest.mark.slow_to_compile
@traced
def test_a_classifier_that_was_given_lora_guides_as_it_is_now():
    classifier = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    found = guidance.ClassifierGuidance(classifier, 1, from_logits=True)
    model, alone = make_binary_model(), make_binary_model(run_eagerly=True)
    before = draw(model, guidance=found)
    layer = classifier.layers[-1]
    layer.enable_lora(1)
    layer.lora_kernel_b.assign([[-3.0, 3.0]])
    after = draw(model, guidance=found)
    np.testing.assert_allclose(after, draw(alone, guidance=found), rtol=1e-5, atol=1e-5)
    assert np.abs(after - before).max() > 1e-3


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch traces nothing")
def test_training_and_verbs_within_it_trace_nothing_anew(monkeypatch):
    model, traces = make_square_model(), []
    predict_params = type(model).predict_params

    def counted(self, *args, **kwargs):
        traces.append(kwargs)
        return predict_params(self, *args, **kwargs)

    def use():
        each = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: draw(model))
        model.fit(X, epochs=2, validation_data=X, batch_size=4, callbacks=[each], verbose=0)
        model.evaluate(X, batch_size=4, verbose=0)
        model.code_length(X, **QUIET)
        draw(model)

    use()
    monkeypatch.setattr(type(model), "predict_params", counted)
    use()
    assert not traces
