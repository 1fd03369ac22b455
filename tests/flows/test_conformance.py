"""Every flow keeps its contract; what it refuses, and where its embedding goes on."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from keras_bfn import losses, testing
from keras_bfn.flows import DiscreteFlow
from keras_bfn.predictions import Prediction
from tests.backends import everywhere
from tests.flows.cases import FLOWS, PRIORS, random_data
from tests.tensors import to_numpy

BATCH = 4


every_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)


# 256 bins take five seconds, and fewer are computed alike.
SELDOM = ("discretized-256-data", "discretized-256-noise")


# Numbers, and classes with a prior: `test_priors.py`.
@pytest.mark.parametrize(
    "flow",
    [
        pytest.param(*one.values, marks=[*one.marks, pytest.mark.slow], id=one.id)
        if one.id in SELDOM
        else one
        for one in everywhere(FLOWS, "circular")
    ],
)
def test_a_flow_keeps_its_contract(flow):
    testing.check_flow(flow)


@pytest.mark.slow_to_compile
@every_flow
def test_the_input_distribution_starts_at_the_prior(flow, seed):
    s = flow.sample_evidence(random_data(flow, (BATCH, 5)), np.zeros(BATCH, "float32"), seed)
    assert_array_equal(to_numpy(s), 0)
    theta = flow.input_params(s, np.zeros(BATCH, "float32"))
    prior = 1 / flow.num_classes if isinstance(flow, DiscreteFlow) else 0
    assert_allclose(to_numpy(theta), prior, rtol=1e-6)
    assert_allclose(to_numpy(flow.input_mean(theta)), np.mean(flow.data_range), rtol=1e-6)


@every_flow
def test_good_data_are_taken(flow):
    flow.check_data(random_data(flow, (BATCH, 5)))


@every_flow
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_line_goes_on_as_it_went(flow, deterministic):
    # The mean over a short step lies in its middle, whatever the line is drawn in.
    ratio = float(flow.extrapolation(0.5, 0.51, 0.52, deterministic))
    assert ratio == pytest.approx(0.5, rel=0.15)
    assert float(flow.extrapolation(0.5, 0.51, 0.54, deterministic)) > 2.5 * ratio
    assert np.isfinite(float(flow.extrapolation(0.0, 0.0, 0.1, deterministic)))
    assert 0 < float(flow.extrapolation(0.0, 0.1, 0.2, deterministic)) < 2


@pytest.mark.parametrize("name", ["discrete-3", "discrete-own_schedule"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_line_in_the_root_of_the_accuracy_has_its_exact_mean(name, deterministic):
    flow, (last, now, then) = FLOWS[name], (0.2, 0.5, 0.9)
    root = np.sqrt(to_numpy(flow.schedule.beta(np.linspace(now, then, 10_001))))
    moved = (root - root[0]) / (root[0] - float(flow.schedule.beta(last)) ** 0.5)
    grown = root if deterministic else root**2  # what a step adds up over
    mean = np.trapezoid(moved, grown) / (grown[-1] - grown[0])
    assert float(flow.extrapolation(last, now, then, deterministic)) == pytest.approx(
        mean, rel=1e-4
    )


@pytest.mark.once("tensorflow")  # which adds no numbers of different dtypes
@pytest.mark.parametrize("flow", [*FLOWS.values(), *PRIORS.values()])
def test_all_is_in_float32_whatever_the_default_of_keras(flow, set_floatx):
    set_floatx("float64")
    t, x = np.linspace(0.1, 0.9, 4, dtype="float32"), random_data(flow, (4, 3))
    s = flow.sample_evidence(x, t, seed=0)
    theta = flow.input_params(s, flow.schedule.beta(t))
    params = ops.zeros((4, 3, flow.output_size), "float32")
    seen = Prediction(ops.convert_to_tensor(t), s, theta, params)
    output = flow.output_distribution(params, s, seen.t)
    kinds = losses.ContinuousTimeLoss(), losses.CrossEntropyLoss(), losses.DiscreteTimeLoss(3)
    nats = [loss(flow, x, seen, 0) for loss in (*kinds, losses.ReconstructionLoss())]
    found = [*seen, *nats, output.mean(), flow.expected_embedding(output)]
    found += [] if flow.discrete else [output.mode(), output.sample(0)]
    assert {keras.backend.standardize_dtype(tensor.dtype) for tensor in found} == {"float32"}
