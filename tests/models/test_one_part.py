"""A dict of one part is what the plain flow is, bit for bit."""

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_array_equal

import keras_bfn
from keras_bfn.samplers import AncestralSampler, ODE2Sampler, SDE2Sampler
from keras_bfn.samplers.samplers import SAMPLERS
from tests.models.parts import IS_TORCH, PartsLayer, make_data

# What is compiled takes its time: on one kind, with a shape that says the most.
KINDS = {
    "discretized": (keras_bfn.flows.DiscretizedFlow(num_bins=5, sigma_1=0.2), (2, 3, 1)),
    "discrete": (keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=3.0), ()),
    "continuous": (keras_bfn.flows.ContinuousFlow(sigma_1=0.1), (2,)),
}
KINDS = KINDS if IS_TORCH else {"discretized": KINDS["discretized"]}
CLASSES = np.arange(12) % 3
WEIGHTS = np.linspace(0.5, 2.0, 12).astype("float32")
# On the other backends, batches of each size are compiled for themselves.
SIZE = 5 if IS_TORCH else 6


class Plain(layers.Layer):
    """A network for a dict of one part as one for the plain flow."""

    def __init__(self, network):
        super().__init__()
        self.network, self.null_condition = network, network.null_condition

    def build(self, input_shape):
        self.network.build({**input_shape, "theta": {"part": input_shape["theta"]}})

    def call(self, inputs):
        return self.network({**inputs, "theta": {"part": inputs["theta"]}})["part"]


class Model:
    """A model, and the same seeds and weights for each; what it says, taken out of its dict."""

    def __init__(self, flow, event_shape, is_dict):
        keras.utils.set_random_seed(0)
        flows, event_shapes = {"part": flow}, {"part": event_shape}
        network = PartsLayer(flows, event_shapes, conditions=3)
        x = make_data(flows, event_shapes)
        self.x, self.is_dict = x if is_dict else x["part"], is_dict
        if is_dict:
            flow, event_shape = flows, event_shapes
        else:
            network = Plain(network)
        self.model = keras_bfn.BayesianFlowNetwork(
            flow, network, event_shape, condition_dropout=0.3, seed=0
        )
        self.model.compile(keras.optimizers.Adam(1e-2))
        self.history = self.model.fit(
            (self.x, CLASSES),
            sample_weight=WEIGHTS,
            validation_data=((self.x, CLASSES), None, WEIGHTS),
            epochs=2,
            batch_size=SIZE,
            verbose=0,
        ).history

    def say(self, verb, *args, **kwargs):
        """What a verb returns, with the one part in the place of its dict."""
        return self.take_out(getattr(self.model, verb)(*args, seed=0, verbose=0, **kwargs))

    def take_out(self, value):
        if isinstance(value, dict):
            if set(value) == {"part"}:
                return self.take_out(value["part"])
            return {name: self.take_out(v) for name, v in value.items() if name != "parts"}
        if type(value) in (tuple, keras_bfn.GenerationResult):
            return tuple(map(self.take_out, value))
        return value

    def wrap(self, value):
        return {"part": value} if self.is_dict else value


@pytest.fixture(scope="module", params=KINDS)
def models(request):
    return [Model(*KINDS[request.param], is_dict) for is_dict in (False, True)]


def assert_same(values):
    plain, dict_of_one = values
    keras.tree.assert_same_structure(plain, dict_of_one)
    keras.tree.map_structure(assert_array_equal, plain, dict_of_one)


@pytest.mark.slow_to_compile
def test_training_takes_the_same_steps(models):
    plain, dict_of_one = (dict(model.history) for model in models)
    part = dict_of_one.pop("val_part_nats_per_example")
    assert part == dict_of_one["val_nats_per_example"]
    assert plain == dict_of_one
    assert_same([model.model.get_weights() for model in models])


@pytest.mark.once  # on each backend, validation has done so
def test_evaluation_reports_the_same(models):
    logs = [
        model.model.evaluate((model.x, CLASSES), batch_size=SIZE, verbose=0, return_dict=True)
        for model in models
    ]
    assert logs[1].pop("part_nats_per_example") == logs[1]["nats_per_example"]
    assert logs[0] == logs[1]


@pytest.mark.once
@pytest.mark.parametrize("kwargs", [{"num_repeats": 2}, {"num_steps": 3, "num_repeats": 3}])
def test_the_code_length_is_the_same(models, kwargs):
    assert_same([m.say("code_length", (m.x, CLASSES), batch_size=SIZE, **kwargs) for m in models])


@pytest.mark.once
def test_the_loss_by_time_is_the_same(models):
    assert_same(
        [m.say("loss_by_time", (m.x, CLASSES), num_intervals=4, batch_size=SIZE) for m in models]
    )


SAMPLERS_AND_OPTIONS = {name: sampler() for name, sampler in SAMPLERS.items()} | {
    "options": SDE2Sampler(end="last", start=0.1, spacing="log_beta"),
    "draw": AncestralSampler(end="sample"),
}


@pytest.mark.once
@pytest.mark.parametrize("name", SAMPLERS_AND_OPTIONS)
def test_samples_and_trajectories_are_the_same(models, name):
    samples = [
        model.say(
            "generate",
            6,
            3,
            SAMPLERS_AND_OPTIONS[name],
            condition=CLASSES[:6],
            guidance_scale=2.0,
            batch_size=SIZE,
            return_details=True,
        )
        for model in models
    ]
    assert_same(samples)


@pytest.mark.once
def test_samples_from_latents_are_the_same(models):
    sampler = ODE2Sampler(start=0.1, spacing="log_beta")
    latents = [m.say("encode", m.x, 3, sampler, condition=CLASSES, batch_size=SIZE) for m in models]
    assert_same(latents)
    samples = [
        m.say("generate", 12, 3, sampler, latents=m.wrap(u), batch_size=SIZE)
        for m, u in zip(models, latents, strict=True)
    ]
    assert_same(samples)


@pytest.mark.once
def test_completions_and_their_statistics_are_the_same(models):
    known = np.random.default_rng(0).random(np.shape(models[0].x)) < 0.5
    completions = [
        model.say(
            "inpaint",
            model.x,
            model.wrap(known),
            3,
            4,
            condition=CLASSES,
            guidance_scale=2.0,
            batch_size=SIZE,
            return_details=True,
        )
        for model in models
    ]
    assert_same(completions)


@pytest.mark.once
def test_files_have_the_same_bits(models):
    pytest.importorskip("constriction")
    from keras_bfn.codec import Codec, container

    if models[0].x.dtype.kind == "f":
        pytest.skip("real numbers have no code of finite length")
    words = []
    for model in models:
        codec = Codec(model.model, num_steps=3, batch_size=4)
        # But for the first, the data's checksum, which tells a dict from what is in it.
        words.append(container.read(codec.compress(model.x, CLASSES, verbose=0))[1][1:])
    assert_array_equal(*words)
