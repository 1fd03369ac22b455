"""`generate`: what it returns, that seeds repeat, and that it compiles once."""

import numpy as np
import pytest

import keras_bfn
from tests.models.small import EVENT_SHAPE, FLOWS, make_model


@pytest.mark.parametrize("name", FLOWS)
def test_samples_have_the_form_of_the_data(name):
    flow = FLOWS[name]()
    samples = make_model(flow).generate(5, num_steps=3, verbose=0)
    assert samples.shape == (5, *EVENT_SHAPE)
    flow.check_data(samples)


def test_the_same_seed_repeats_and_no_seed_differs():
    model = make_model(FLOWS["discrete"]())
    first, again = (model.generate(4, num_steps=5, seed=7, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (model.generate(4, num_steps=5, seed=8, verbose=0) != first).any()
    unseeded = [model.generate(4, num_steps=5, verbose=0) for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


def test_a_seed_given_once_leaves_the_models_own_stream_where_it_was():
    plain, interrupted = (make_model(FLOWS["discrete"](), seed=3) for _ in range(2))
    interrupted.generate(4, num_steps=5, seed=7, verbose=0)
    np.testing.assert_array_equal(
        plain.generate(4, num_steps=5, verbose=0), interrupted.generate(4, num_steps=5, verbose=0)
    )


def test_neighbouring_seeds_share_no_noise():
    # On torch the streams of Keras's SeedGenerator(1) and SeedGenerator(2) overlap by one draw.
    from keras import random

    from keras_bfn._random import make_seed_generator

    draws = []
    for seed in range(3):
        generator = make_seed_generator(seed)
        draws += [float(random.uniform((), seed=generator)) for _ in range(5)]
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize("return_trajectory", [False, True])
def test_a_second_call_neither_retraces_nor_recompiles(return_trajectory, monkeypatch):
    model = make_model(FLOWS["binary"]())
    kwargs = {"num_steps": 4, "return_trajectory": return_trajectory, "verbose": 0}
    model.generate(4, **kwargs)
    calls = []
    ask = keras_bfn.BayesianFlowNetwork.ask
    monkeypatch.setattr(
        keras_bfn.BayesianFlowNetwork, "ask", lambda *args: calls.append(1) or ask(*args)
    )
    model.generate(4, **kwargs)
    import keras

    # torch runs eagerly: one call for each of 4 steps, and the last look.
    assert len(calls) == (5 if keras.backend.backend() == "torch" else 0)


def test_samples_of_several_batches_are_all_different_and_counted_right():
    samples = make_model(FLOWS["continuous"]()).generate(7, num_steps=2, batch_size=3, verbose=0)
    assert len(np.unique(samples.reshape(7, -1), axis=0)) == 7


@pytest.mark.parametrize("name", FLOWS)
def test_a_trajectory_leads_from_the_prior_to_the_sample(name):
    flow = FLOWS[name]()
    samples, trajectory = make_model(flow).generate(
        3, num_steps=6, batch_size=2, return_trajectory=True, verbose=0
    )
    np.testing.assert_allclose(trajectory["t"], np.linspace(0, 1, 7), rtol=1e-6)
    assert trajectory["theta"].shape == (7, 3, *EVENT_SHAPE, flow.theta_size)
    assert trajectory["params"].shape == (7, 3, *EVENT_SHAPE, flow.output_size)
    prior = 0.0 if flow.theta_range == (-1, 1) else 1.0 / flow.num_classes
    np.testing.assert_allclose(trajectory["theta"][0], prior, atol=1e-6)
    if name in ("binary", "discrete"):
        params = trajectory["params"][-1]
        mode = params[..., 0] > 0 if name == "binary" else params.argmax(axis=-1)
        np.testing.assert_array_equal(samples, mode)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_samples": 0}, "`num_samples` must be an integer of at least 1.*num_samples=0"),
        ({"num_steps": 0}, "`num_steps` must be an integer of at least 1.*num_steps=0"),
        ({"num_steps": 2.5}, "`num_steps` must be an integer of at least 1.*2.5"),
        ({"batch_size": -1}, "`batch_size` must be an integer of at least 1.*-1"),
        ({"sampler": "euler"}, r"`sampler` must be .*\['ancestral'.*\]. Received: sampler='euler'"),
        ({"seed": -1}, "`seed` must be an integer of at least 0.*-1"),
        ({"condition": [1, 2]}, "The network takes no condition"),
    ],
)
def test_bad_arguments_are_refused(kwargs, message):
    model = make_model(FLOWS["binary"]())
    with pytest.raises(ValueError, match=message):
        model.generate(**{"num_samples": 2, "num_steps": 2, "verbose": 0, **kwargs})
