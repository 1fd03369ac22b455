"""Classifiers, measurements and constraints, against what they come to in closed form."""

import functools
import types

import keras
import numpy as np
import pytest
from keras import ops

from keras_bfn import BayesianFlowNetwork, distributions, guidance, schedules
from keras_bfn.flows import ContinuousFlow, DiscretizedFlow, Flow
from keras_bfn.flows.flow import expand
from keras_bfn.guidance import ClassifierGuidance, Constraint, LinearInverse
from keras_bfn.predictions import Prediction
from tests import exact
from tests.backends import everywhere
from tests.checks import assert_draws_are_normal
from tests.guidance.cases import generate, total_variation
from tests.models.exact_models import JOINT_PRIOR, make_pair_model
from tests.models.exact_parts import make_mixture_model
from tests.tensors import to_numpy, to_tensor


@pytest.fixture(scope="module")
def model():
    return make_pair_model()


def make_classifier():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([*layers, keras.layers.Dropout(0.5)])


class OfItsNetwork(guidance.Guidance):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def log_h(self, expected):
        return ops.log_softmax(self.net(expected.data()))[:, 1]


class Held:
    def __init__(self, nets):
        self.nets = nets

    def __call__(self, probs):
        return self.nets[0]["net"](probs)

    def ask(self, probs):
        return self(probs)


FORMS = ["model", "function", "preprocess", "partial", "object", "method", "helper", "hidden"]
FORMS += ["subclass", "product", "product with a function"]
REUSED = ("model", "subclass", "product")  # all that they call is a layer
LATENTS = np.random.default_rng(0).standard_normal((8, 2, 3)).astype("float32")


@pytest.mark.slow_to_compile("tensorflow")
@pytest.mark.parametrize("form", everywhere(FORMS, "preprocess", "subclass", "product"))
def test_a_classifiers_new_weights_are_those_of_the_next_call(model, form):
    """Whoever calls it: by the program that was compiled before, or by a new one for a function."""
    classifier = make_classifier()

    def ask(probs):
        return classifier(probs)

    def score(probs):
        return ops.log_softmax(ask_in_place(probs))[:, 1]

    def ask_in_place(probs):
        return classifier(probs)

    def ask_any(probs, net):
        return net(probs)

    hidden = types.SimpleNamespace(net=classifier)

    def score_out_of_sight(probs):
        return ops.log_softmax(hidden.net(probs))[:, 1]

    def nothing(probs):
        return 0.0 * probs[:, 0, 0]

    def first(scores):
        return scores

    held = Held([{"net": classifier}])

    one = {
        "model": lambda: ClassifierGuidance(classifier, 1, from_logits=True),
        "function": lambda: ClassifierGuidance(ask, 1, from_logits=True),
        "preprocess": lambda: ClassifierGuidance(first, 1, True, preprocess=classifier),
        "partial": lambda: ClassifierGuidance(functools.partial(ask_any, net=classifier), 1, True),
        "object": lambda: ClassifierGuidance(held, 1, from_logits=True),
        "method": lambda: ClassifierGuidance(held.ask, 1, from_logits=True),
        "helper": lambda: guidance.Guidance(score),
        "hidden": lambda: guidance.Guidance(score_out_of_sight),
        "subclass": lambda: OfItsNetwork(classifier),
        "product": lambda: ClassifierGuidance(classifier, 1, True) * OfItsNetwork(classifier),
        "product with a function": lambda: guidance.Guidance(nothing) * OfItsNetwork(classifier),
    }[form]

    def run():
        options = {"sampler": "ode1", "latents": LATENTS, "return_details": True}
        return generate(model, 8, 3, guidance=one(), **options).trajectory.s

    model.programs.clear()
    before = run()
    kernel = classifier.layers[1].kernel
    kernel.assign(-2.0 * kernel)
    after = run()
    assert len(model.programs.kept) == (form in REUSED)
    assert np.abs(after - before).max() > 0.1
    model.programs.clear()
    np.testing.assert_allclose(after, run(), rtol=1e-5, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("from_logits", [True, False])
def test_a_classifier_guides_to_the_class_of_each_sample(model, from_logits):
    def classifier(probs):
        return ops.log(probs[:, 0] + 1e-6) if from_logits else probs[:, 0]

    target = np.arange(600) % 3
    found = ClassifierGuidance(classifier, target, from_logits, scale=2.0)
    x = generate(model, 600, 30, guidance=found)
    assert (x[:, 0] == target).mean() > 0.97
    # The second follows the first.
    for k in range(3):
        shares = np.bincount(x[target == k, 1], minlength=3) / 200
        np.testing.assert_allclose(shares, JOINT_PRIOR[k] / JOINT_PRIOR[k].sum(), atol=0.15)


TAU, Y, NOISE = 0.2, 0.5, 0.1


class Same(keras.layers.Layer):
    """For a flow with the data's own prior: the exact posterior means of independent numbers."""

    def call(self, inputs):
        return inputs["theta"]


def make_number_model(num=1):
    flow = ContinuousFlow(sigma_1=0.02, prediction="data", prior=(0.0, TAU), scale=2.0)
    return BayesianFlowNetwork(flow, Same(), event_shape=(num,), seed=0)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("through_network", [True, False])
@pytest.mark.parametrize("num_particles", [1, 2])
def test_a_measured_sum_of_numbers_follows_the_tilted_normal(through_network, num_particles):
    """y = 3 (x1 - x2) + noise, where each x is from N(0, (2 TAU)^2), in units of its own."""
    A, std = np.array([[3.0, -3.0]]), 2.0 * TAU
    found = LinearInverse(A, [Y], NOISE, through_network=through_network)
    x = generate(make_number_model(2), 4000, 80, guidance=found, num_particles=num_particles)
    gain = std**2 * 3.0 / (18.0 * std**2 + NOISE**2)
    assert_draws_are_normal(gain * Y, std * np.sqrt(1.0 - 3.0 * gain), x[:, 0])
    assert_draws_are_normal(-gain * Y, std * np.sqrt(1.0 - 3.0 * gain), x[:, 1])


@pytest.mark.once
def test_h_of_a_measurement_is_the_normal_that_is_expected_of_it():
    """Of numbers, and of classes, whose counts are not independent."""
    model, rng = make_number_model(2), np.random.default_rng(0)
    A = rng.standard_normal((2, 2))
    y = np.array([[0.1, 0.2], [0.3, -0.4]], "float32")
    s, t = to_tensor(rng.standard_normal((2, 2, 1))), np.full(2, 0.1, "float32")
    predictions = model.predict_params(s, t)
    output = model.flow.output_distribution(predictions.params, predictions.s, predictions.t)
    expected = guidance.Expected(model.flow, predictions, output)
    mean, precision = to_numpy(expected.data()), float(model.flow.schedule.beta(0.1)) + TAU**-2
    assert (np.abs(mean) < 2.0).all()
    covariance = 4.0 / precision * A @ A.T + NOISE**2 * np.eye(2)
    found = to_numpy(LinearInverse(A, y, NOISE).log_h(expected, to_tensor(y)))
    np.testing.assert_allclose(found, log_normal(y - mean @ A.T, covariance), rtol=1e-3)
    sure = to_numpy(LinearInverse(A, y, NOISE).log_likelihood(expected, to_tensor(y)))
    np.testing.assert_allclose(sure, log_normal(y - mean @ A.T, NOISE**2 * np.eye(2)), rtol=1e-3)

    model = make_pair_model()
    predictions = model.predict_params(
        to_tensor(rng.standard_normal((1, 2, 3))), np.full(1, 0.2, "float32")
    )
    output = model.flow.output_distribution(predictions.params, predictions.s, predictions.t)
    expected = guidance.Expected(model.flow, predictions, output)
    A = rng.standard_normal((2, 6))
    probs = to_numpy(expected.data())[0]
    covariance = NOISE**2 * np.eye(2)
    for i in range(2):
        part = A[:, 3 * i : 3 * i + 3]
        covariance += part @ (np.diag(probs[i]) - np.outer(probs[i], probs[i])) @ part.T
    found = to_numpy(LinearInverse(A, y[0], NOISE).log_h(expected, to_tensor(y[:1])))
    error = y[:1] - A @ probs.ravel()
    np.testing.assert_allclose(found, log_normal(error, covariance), rtol=1e-3)


def log_normal(error, covariance):
    square = np.einsum("bi,ij,bj->b", error, np.linalg.inv(covariance), error)
    return -0.5 * (square + np.linalg.slogdet(2 * np.pi * covariance)[1])


@pytest.mark.once
@pytest.mark.parametrize("make", ["constraint", "measurement"])
def test_a_count_of_classes_is_what_it_should_be(model, make):
    """How many of the two are of class 0; for each sample its own."""
    wanted = np.arange(300) % 3
    one = {
        "constraint": lambda: Constraint(lambda p: ops.sum(p[:, :, 0], axis=1), wanted, std=0.2),
        "measurement": lambda: LinearInverse([[1, 0, 0, 1, 0, 0]], wanted[:, None], noise=0.2),
    }[make]()
    x = generate(model, 300, 40, guidance=one, num_particles=8)
    assert ((x == 0).sum(axis=1) == wanted).mean() > 0.97


@pytest.mark.once
def test_a_part_is_measured_and_constrained():
    model = make_mixture_model()
    pair = LinearInverse([[1.0]], [0.35], 0.02, part="number")
    label = Constraint(lambda data: data["label"][:, 1], 0.0, std=0.1)
    x = generate(model, 200, 60, guidance=pair * label, num_particles=4)
    assert np.abs(x["number"] - 0.35).mean() < 0.05
    assert (x["label"] == 0).mean() > 0.9


def of_one(probs):
    return probs[:, 0, 0]


def of_the_batch(probs):
    return ops.sum(probs, axis=0)[:, 0]


class PairOfBins(keras.layers.Layer):
    """The exact marginals of a pair of dependent bins, as normals over three bins."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        beta = ops.reshape(self.flow.schedule.beta(inputs["t"]), (-1, 1, 1))
        centres = to_tensor([-2 / 3, 0, 2 / 3])
        log_likelihood = inputs["theta"] * (1.0 + beta) * centres - 0.5 * beta * centres**2
        probs = ops.softmax(exact.pair_logits(log_likelihood, JOINT_PRIOR), axis=-1)
        below, above = (ops.clip(probs[..., i], 1e-6, 1.0 - 3e-6) for i in (0, 2))
        low, high = (2**0.5 * ops.erfinv(x) for x in (2.0 * below - 1.0, 1.0 - 2.0 * above))
        std = (2 / 3) / ops.maximum(high - low, 1e-3)
        return ops.stack([-1 / 3 - std * low, ops.log(std)], axis=-1)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("A", "y", "noise", "through_network", "most"),
    [
        ([1.0, 1.0], 1.0, 0.5, True, 0.12),  # 0.139 with variances that ignore bins and ends
        ([1.0, 1.0], 1.0, 0.5, False, 0.2),  # 0.294
        ([1.0, 1.0], 3.0, 0.7, False, 0.08),  # 0.141
        ([1.0, 0.0], 1.0, 0.5, False, 0.2),  # 0.251
        ([1.0, -1.0], 0.0, 0.5, True, 0.09),  # 0.097
    ],
)
def test_one_particle_measures_bins_nearly_exactly(A, y, noise, through_network, most):
    """The total variation between samples and the exact posterior given the measurement."""
    flow = DiscretizedFlow(3, sigma_1=0.1, prediction="data")
    model = BayesianFlowNetwork(flow, PairOfBins(flow), event_shape=(2,), seed=0)
    found = LinearInverse([A], [y], noise, through_network=through_network)
    x = generate(model, 8000, 50, guidance=found)
    measured = A[0] * np.arange(3)[:, None] + A[1] * np.arange(3)
    weights = JOINT_PRIOR * np.exp(-0.5 * ((y - measured) / noise) ** 2)
    assert total_variation(x, weights / weights.sum()) < most


class Clock(Flow):
    """Four hours, sent as points on a circle, whose mean is no probability of any."""

    discrete, embedding_size, theta_size, output_size, data_range = True, 2, 2, 4, (0, 3)

    def embed(self, x):
        angle = 0.5 * np.pi * ops.cast(x, "float32")
        return ops.stack([ops.cos(angle), ops.sin(angle)], axis=-1)

    def input_params(self, s, beta):
        return s / (1.0 + expand(beta, s))

    def output_distribution(self, params, s, t):
        return distributions.Categorical(params)

    def expected_data(self, distribution):
        return self.expected_embedding(distribution)

    def sure_data(self, x):
        return self.embed(x)

    def expected_variance(self, distribution, t):
        embeddings, probs = self.embed(ops.arange(4)), distribution.probs()
        mean = ops.matmul(probs, embeddings)
        return ops.matmul(probs, ops.square(embeddings)) - ops.square(mean)


@pytest.mark.once
def test_h_of_a_measurement_of_embeddings_takes_them_for_numbers():
    flow = Clock(schedules.ExponentialSchedule(0.3))
    s, params, t = np.zeros((1, 1, 2), "float32"), np.zeros((1, 1, 4), "float32"), np.zeros(1)
    prediction = Prediction(t.astype("float32"), s, s, params)
    output = flow.output_distribution(params, s, t)
    expected = guidance.Expected(flow, prediction, output)
    found = to_numpy(LinearInverse([[1.0, 0.0]], [0.3], 0.5).log_h(expected, to_tensor([[0.3]])))
    np.testing.assert_allclose(found, log_normal(np.array([[0.3]]), np.array([[0.5 + 0.25]])))
