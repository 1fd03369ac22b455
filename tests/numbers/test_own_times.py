"""At times of the variables' own, in any mixture of known and unknown, nothing is infinite."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn import losses, networks
from keras_bfn.flows import DiscretizedFlow
from keras_bfn.orders.any_order_network import hear_each
from keras_bfn.orders.states import State, cost
from keras_bfn.predictions import Prediction
from tests.backends import everywhere
from tests.flows.cases import FLOWS, NORMAL, PRIORS, random_data
from tests.tensors import to_numpy, to_tensor, value_and_gradient

SIZE = 3  # that of the priors
TIMES = np.array(list(itertools.product([0.0, 1e-7, 1.0], repeat=SIZE)), "float32")
KNOWN = np.array(list(itertools.product([False, True], repeat=SIZE)))
T, IS_KNOWN = np.repeat(TIMES, len(KNOWN), axis=0), np.tile(KNOWN, (len(TIMES), 1))
NUM = len(T)
OUTPUTS = {"zeros": 0.0, "ordinary": 3.0, "large": 1e4}
ALL = {
    **FLOWS,
    **PRIORS,
    "discretized-joint-data": DiscretizedFlow(17, sigma_1=0.02, prediction="data", prior=NORMAL),
}
LOSSES = [losses.ContinuousTimeLoss(), losses.DiscreteTimeLoss(3), losses.ReconstructionLoss()]
SOME = ("discretized-joint", "continuous-joint", "discrete-3-chain", "circular")


def see(flow, x, observed=None):
    """Times, evidence and theta of all mixtures."""
    known, t = ops.convert_to_tensor(IS_KNOWN), to_tensor(T)
    if observed is not None:
        known = ops.logical_and(known, observed)
    s = flow.sample_evidence(x, t, keras.random.SeedGenerator(0))
    s = ops.where(known[..., None], flow.known_evidence(x), s)
    return *hear_each(flow, s, t, observed, known), known


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(ALL), *SOME))
def test_theta_is_finite_and_tells_what_is_known(name):
    flow = ALL[name]
    x = random_data(flow, (NUM, SIZE))
    for mask in (None, ops.convert_to_tensor(np.random.default_rng(0).random((NUM, SIZE)) < 0.5)):
        _, s, theta, known = see(flow, x, mask)
        assert np.isfinite(to_numpy(s)).all()
        theta = to_numpy(theta)
        assert np.isfinite(theta).all()
        if flow.discrete and flow.theta_range == (0, 1):
            assert theta.min() >= 0
            assert theta.max() <= 1 + 1e-6
        known = ops.convert_to_numpy(known)
        told = to_numpy(flow.input_mean(to_tensor(theta)))[known]
        low, high = (np.broadcast_to(bound, (NUM, SIZE))[known] for bound in flow.data_range)
        np.testing.assert_array_less(np.abs(told - x[known]), 2e-3 * (high - low))


@pytest.mark.parametrize("name", everywhere(list(ALL), *SOME))
def test_evidence_and_times_imply_theta_of_observed_variables(name):
    flow = ALL[name]
    rng = np.random.default_rng(0)
    t = to_tensor(rng.uniform(size=(NUM, SIZE)).astype("float32"))
    s = flow.sample_evidence(random_data(flow, (NUM, SIZE)), t, keras.random.SeedGenerator(0))
    mask = rng.random((NUM, SIZE)) < 0.5
    t, s, theta = hear_each(flow, s, t, mask)
    implied = to_numpy(flow.input_params(s, flow.schedule.beta(t)))
    np.testing.assert_allclose(implied[mask], to_numpy(theta)[mask], atol=2e-4, rtol=2e-3)


@pytest.mark.parametrize("name", everywhere(list(ALL), *SOME))
@pytest.mark.parametrize("size", everywhere(list(OUTPUTS), "large"))
def test_losses_and_gradients_are_finite_and_what_is_known_costs_nothing(name, size):
    flow = ALL[name]
    x = random_data(flow, (NUM, SIZE))
    t, s, theta, known = see(flow, x)
    rng = np.random.default_rng(1)
    params = rng.standard_normal((NUM, SIZE, flow.output_size)).astype("float32") * OUTPUTS[size]
    open, nothing = ops.cast(~known, "float32"), ops.zeros_like(t)
    states = {"messages": State(t, known, open, nothing)}
    if flow.can_be_coded_directly:
        states["coded"] = State(t, known, nothing, open)
    for (what, state), loss in itertools.product(states.items(), LOSSES):

        def nats(params, loss=loss, state=state):
            seen = Prediction(t, s, theta, params)
            seed = keras.random.SeedGenerator(0)
            return ops.sum(cost(loss, flow, x, seen, state.messages, state.coded, seed), axis=-1)

        value, gradient = value_and_gradient(nats, params)
        assert np.isfinite(value).all(), (what, loss)
        assert np.isfinite(gradient).all(), (what, loss)
        assert (value[IS_KNOWN.all(axis=1)] == 0).all()
        assert (gradient[IS_KNOWN] == 0).all()


@pytest.mark.once
@pytest.mark.parametrize("name", ALL)
def test_gradients_by_evidence_are_finite(name):
    """Guidance takes them, of what a network expects of the data."""
    flow = ALL[name]
    x = random_data(flow, (NUM, SIZE))
    t, s, _, known = see(flow, x)
    params = np.random.default_rng(1).standard_normal((NUM, SIZE, flow.output_size))

    def expected(s):
        seen, s, theta = hear_each(flow, s, t, known=known)
        output = flow.output_distribution(to_tensor(params), s, seen)
        return ops.sum(flow.expected_embedding(output), axis=-1) + ops.sum(theta, axis=-1)

    value, gradient = value_and_gradient(expected, ops.convert_to_numpy(s))
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def make_network(flow, **options):
    return networks.Transformer(
        flow, SIZE, width=8, num_layers=1, num_heads=2, times="variables", **options
    )


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("name", everywhere(list(ALL), "discrete-3-chain"))
def test_training_in_all_states_stays_finite(name):
    flow = ALL[name]
    states = {"together": 1, "given": 1, "own": 1}
    causal = flow.can_be_coded_directly
    if causal:
        states |= {"random": 1, "left_to_right": 1}
    keras.utils.set_random_seed(0)
    model = keras_bfn.AnyOrderNetwork(
        flow, make_network(flow, causal=causal), states=states, seed=0
    )
    model.compile(keras.optimizers.Adam(0.01))
    x = random_data(flow, (40, SIZE))
    for _ in range(3):
        assert np.isfinite(model.train_on_batch(x))
    assert all(np.isfinite(weights).all() for weights in model.network.get_weights())
    nats = model.code_length(x, known=np.arange(SIZE) < 1, batch_size=40, seed=0, verbose=0)
    assert np.isfinite(nats["transmission"] + nats["reconstruction"]).all()
