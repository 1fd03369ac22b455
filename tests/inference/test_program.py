"""Compiled programs are used again for what is the same by value, or the same object, alone.

The oracle is a model to which the same was done before its first call, and that compiles nothing.
"""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn import guidance, samplers
from keras_bfn._sameness import key_of
from keras_bfn.losses import DiscreteTimeLoss
from tests.backends import everywhere
from tests.inference.test_guiding_by_classes import make_class_model
from tests.models.small import EVENT_SHAPE, FLOWS, make_data, make_model

QUIET = {"seed": 0, "verbose": 0}
STRENGTH = 1.0


def draw(model, **options):
    """The outputs of a trajectory, for samples alone may agree by chance."""
    return model.generate(4, 3, return_details=True, **options, **QUIET).trajectory.params


def make_binary_model(run_eagerly=False):
    return make_model(FLOWS["binary"](), run_eagerly=run_eagerly)


class Ink(guidance.Guidance):
    factor = 1.0

    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def log_h(self, expected):
        ink = ops.sum(expected.data()[..., 1], axis=(1, 2, 3))
        return self.factor * STRENGTH * self.strength * ink


class Target(guidance.Guidance):
    """Reads what it should be given."""

    def log_h(self, expected, target):
        ink = ops.sum(expected.data()[..., 1], axis=(1, 2, 3))
        return -self.scale * ops.square(ink - float(self.values["target"][0]))


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


def change_object():
    made = Ink(1.5)
    yield {"guidance": made}
    made.strength = -1.5
    yield {"guidance": made}


def change_closure():
    box = {"strength": 1.5}
    made = boxed(box)
    yield {"guidance": made}
    box["strength"] = -1.5
    yield {"guidance": made}


ARGUMENTS = {
    "attribute": lambda: iter([{"guidance": Ink(1.5)}, {"guidance": Ink(-1.5)}]),
    "attribute of one object": change_object,
    "attribute in a product": lambda: iter(
        [{"guidance": Ink(1.0) * Ink(0.5)}, {"guidance": Ink(1.0) * Ink(-3.0)}]
    ),
    "values that a method names": lambda: iter(
        {"guidance": Target(values={"target": np.full(4, k)})} for k in (2.0, 14.0)
    ),
    "scale that a method names": lambda: iter(
        {"guidance": Target(values={"target": np.full(4, 2.0)}, scale=k)} for k in (0.1, 1.0)
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
TRACED = ("attribute of one object", "layers of one config")


@pytest.mark.parametrize("name", everywhere(list(ARGUMENTS), *TRACED, once=traced))
def test_other_arguments_run_another_program(name):
    model, options = make_binary_model(), ARGUMENTS[name]()
    first = draw(model, **next(options))
    last = next(options)
    again, alone = draw(model, **last), draw(make_binary_model(run_eagerly=True), **last)
    np.testing.assert_allclose(again, alone, rtol=1e-5, atol=1e-5)
    assert np.abs(first - again).max() > 0.01


@traced
@pytest.mark.parametrize("made", [Ink(1.0), strong], ids=["method", "function"])
def test_a_global_that_is_read_is_read_anew(monkeypatch, made):
    model = make_binary_model()
    first = draw(model, guidance=made)
    monkeypatch.setitem(globals(), "STRENGTH", -2.0)
    np.testing.assert_allclose(
        draw(model, guidance=made),
        draw(make_binary_model(run_eagerly=True), guidance=made),
        rtol=1e-5,
        atol=1e-5,
    )
    assert np.abs(first - draw(model, guidance=made)).max() > 0.01


@traced
def test_an_attribute_of_the_class_is_read_anew(monkeypatch):
    model = make_binary_model()
    first = draw(model, guidance=Ink(1.0))
    monkeypatch.setattr(Ink, "factor", -2.0)
    np.testing.assert_allclose(
        draw(model, guidance=Ink(1.0)),
        draw(make_binary_model(run_eagerly=True), guidance=Ink(1.0)),
        1e-5,
        1e-5,
    )
    assert np.abs(first - draw(model, guidance=Ink(1.0))).max() > 0.01


@traced
def test_an_object_that_changed_after_its_call_does_not_stand_in_for_an_equal_one():
    model, made = make_binary_model(), Ink(1.5)
    first = draw(model, guidance=made)
    made.strength = -1.5
    np.testing.assert_array_equal(draw(model, guidance=Ink(1.5)), first)
    # For another batch size, a program is traced anew.
    np.testing.assert_allclose(
        draw(model, guidance=Ink(1.5), batch_size=2),
        draw(make_binary_model(run_eagerly=True), guidance=Ink(1.5), batch_size=2),
        rtol=1e-5,
        atol=1e-5,
    )


@traced
def test_what_is_the_same_is_compiled_once():
    model = make_binary_model()

    def pull(x):
        return 0.1 * x

    for _ in range(2):
        draw(model, guidance=Ink(np.array([0.5, 2.0])[0]))
        draw(model, sampler=Pulled(pull, start=0.5))
        draw(model, guidance=guidance.Constraint(strong, 3.0, std=0.5))
        model.inpaint(make_data(model.flow, 2), np.zeros(EVENT_SHAPE, bool), 2, **QUIET)
    assert len(model.programs) == 4


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
            4, 3, guidance=first_one, num_particles=1, return_details=True, **QUIET
        ).log_likelihood
    ),
    "inpaint": lambda model: (
        model.inpaint(X, X > 0, 3, return_details=True, num_particles=2, **QUIET).log_likelihood
    ),
    "encode": lambda model: model.encode(X, 3, **QUIET),
    "code_length": lambda model: model.code_length(X, **QUIET)["transmission"],
    "evaluate": lambda model: np.array(model.evaluate(X, verbose=0)),
    "test_on_batch": lambda model: np.array(model.test_on_batch(X)[0], "float32"),
    "predict": lambda model: model.predict(X, verbose=0)["transmission"].params,
}
FEW = ("generate", "evaluate")


def first_one(probs):
    return ops.log(probs[:, 0, 1] + 1e-3)


def say(model, names):
    """What verbs return, each from the same state of the model's random numbers."""
    said = {}
    for name in names:
        model.seed_generator.state.assign(np.zeros(2, "uint32"))
        model.reset_metrics()
        said[name] = VERBS[name](model)
    return said


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("num_repeats", 5, marks=traced),
        ("transmission_loss", DiscreteTimeLoss(3)),
    ],
)
def test_evaluate_sees_an_attribute_of_the_model(name, value):
    model, alone = make_square_model(), make_square_model(run_eagerly=True)
    before = model.evaluate(X, verbose=0)
    for made in (model, alone):
        setattr(made, name, value)
    after = model.evaluate(X, verbose=0)
    np.testing.assert_allclose(after, alone.evaluate(X, verbose=0), rtol=1e-5)
    assert abs(after[0] - before[0]) > 1e-3


@traced
def test_generate_sees_another_null_condition():
    model, alone = (make_class_model(condition_dropout=0.1) for _ in range(2))
    alone.compile(run_eagerly=True)
    options = {"condition": [0, 1, 2, 0], "guidance_scale": 3.0}
    before = draw(model, **options)
    model.null_condition = alone.null_condition = 1
    np.testing.assert_allclose(draw(model, **options), draw(alone, **options), 1e-5, 1e-5)
    assert np.abs(draw(model, **options) - before).max() > 0.01


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


@pytest.mark.once
def test_an_attribute_may_become_a_value_of_another_kind():
    """An object and a number are compared, where their keys are of different classes."""
    model, made = make_binary_model(), Ink(1.5)
    made.note = object()
    first = draw(model, guidance=made)
    made.note = 2.0
    again = Ink(1.5)
    again.note = object()
    np.testing.assert_array_equal(draw(model, guidance=made), first)
    np.testing.assert_array_equal(draw(model, guidance=again), first)
    assert key_of(object()) != key_of(2.0)
    assert key_of([object()]) != key_of([2.0])
