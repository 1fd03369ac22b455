"""Priors: what is known before any message, and what follows from it."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import keras_bfn
from benchmarks.ngrams import NgramModel
from keras_bfn import flows, networks, testing
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow, MarkovChain, priors
from tests.backends import everywhere
from tests.flows.cases import CHAIN, FLOWS, PRIORS
from tests.models.small import save_and_load
from tests.tensors import to_numpy, to_tensor, value_and_gradient


@pytest.mark.once
@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_keeps_the_contract(name):
    testing.check_flow(PRIORS[name])


@pytest.mark.once
@pytest.mark.parametrize("name", ["discrete-2", "discrete-3", "discrete-3-chain"])
def test_a_wrong_posterior_is_found(name):
    @keras.saving.register_keras_serializable("keras_bfn_tests")
    class Wrong(DiscreteFlow):
        def input_params(self, s, beta):
            return super().input_params(2.0 * s, beta)

    with pytest.raises(AssertionError, match="must add up to -log of the prior probability"):
        testing.check_flow(Wrong.from_config(PRIORS[name].get_config()))


def all_sequences(num_classes, length):
    return np.array(list(itertools.product(range(num_classes), repeat=length)))


def make_chain(num_classes, order, seed=0):
    counts = np.random.default_rng(seed).integers(0, 9, (num_classes,) * (order + 1))
    return MarkovChain(counts)


@pytest.mark.parametrize(
    ("num_classes", "order", "length"),
    [
        (3, 2, 5),
        *(
            pytest.param(*sizes, marks=pytest.mark.once)
            for sizes in [(3, 1, 4), (3, 1, 1), (3, 2, 2), (2, 3, 5), (2, 3, 4)]
        ),
    ],
)
def test_marginals_are_those_of_all_sequences(num_classes, order, length):
    chain, x = make_chain(num_classes, order), all_sequences(num_classes, length)
    s = 3 * np.random.default_rng(1).standard_normal((2, length, num_classes)).astype("float32")
    expected = np.zeros((2, length, num_classes))
    for row in range(2):
        logs = chain.log_prob(x) + s[row][np.arange(length), x].sum(axis=1)
        weights = np.exp(logs - logs.max())
        for i, k in itertools.product(range(length), range(num_classes)):
            expected[row, i, k] = weights[x[:, i] == k].sum() / weights.sum()
    found = to_numpy(chain.marginals(ops.convert_to_tensor(s)))
    assert_allclose(found, expected, atol=2e-6)


@pytest.mark.slow_to_compile
def test_large_batches_are_computed_in_parts_with_the_same_result(monkeypatch):
    flow = DiscreteFlow(3, beta_1=2.0, prior=make_chain(3, 2))
    x = np.random.default_rng(0).integers(0, 3, (19, 5))

    def score():
        keras.utils.set_random_seed(0)
        network = networks.MLP(flow, (5,), width=8, num_blocks=1)
        model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
        return model.code_length(x, seed=0, verbose=0)["transmission"]

    expected = score()
    monkeypatch.setattr(priors, "LARGE", 0)
    assert_allclose(score(), expected, rtol=1e-4)


@pytest.mark.slow_to_compile
def test_a_model_with_a_chain_completes_by_gradients_of_its_marginals():
    flow = DiscreteFlow(3, beta_1=2.0, prior=make_chain(3, 2))
    network = networks.MLP(flow, (5,), width=8, num_blocks=1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    x = model.inpaint(np.ones((2, 5), "int32"), np.arange(5) < 2, num_steps=2, verbose=0)
    assert (x[:, :2] == 1).all()


@pytest.mark.once
@pytest.mark.parametrize("order", [1, 2])
def test_a_chain_of_short_sequences_counts_their_starts(order):
    rng = np.random.default_rng(0)
    x = np.sort(rng.integers(0, 6, (300, 3)), axis=1)  # small classes occur early, others late
    chain, text = MarkovChain.fit(x, 6, order), NgramModel(x, 6, order)
    shares = np.bincount(x.ravel(), minlength=6) / x.size
    assert_allclose(chain.probabilities(0), shares, atol=0.01)
    assert_allclose(np.exp(-chain.log_prob(x).mean() / 3), text.perplexity(x), rtol=0.02)


@pytest.mark.once
def test_marginals_have_gradients():
    chain, rng = make_chain(3, 2), np.random.default_rng(0)
    s, weights = rng.standard_normal((2, 2, 5, 3)).astype("float32")
    _, slope = value_and_gradient(lambda s: chain.marginals(s) * to_tensor(weights), s)
    step = np.zeros_like(s)
    step[0, 1, 2] = 1e-2
    up, down = (to_numpy(chain.marginals(to_tensor(x))) for x in (s + step, s - step))
    assert_allclose(slope[0, 1, 2], np.sum((up - down) * weights) / 2e-2, atol=1e-4)


def test_a_chain_of_many_letters_stays_finite_where_evidence_contradicts_it():
    counts = np.zeros((27, 27, 27), "int64")
    counts[0, 0, 0] = 10**6
    s = np.zeros((1, 40, 27), "float32")
    s[0, ::2, 1] = 500.0
    found = to_numpy(MarkovChain(counts).marginals(ops.convert_to_tensor(s)))
    assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
    assert (found[0, ::2, 1] > 0.999).all()


@pytest.mark.once
@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_chain_is_a_distribution_and_the_n_gram_model(order):
    x = np.random.default_rng(0).integers(0, 3, (1, 300)) ** 2 % 3
    chain = MarkovChain.fit(x, num_classes=3, order=order)
    assert_allclose(np.exp(chain.log_prob(all_sequences(3, 5))).sum(), 1, rtol=1e-12)
    model = NgramModel(x, num_classes=3, order=order)
    assert_array_equal(chain.probabilities(order), model.probabilities(order))
    for n in range(order):
        assert (chain.probabilities(n) > 0).all()
        assert_allclose(chain.probabilities(n).sum(axis=-1), 1)


@pytest.mark.once
def test_a_chain_counts_within_sequences_only():
    chain = MarkovChain.fit(np.array([[0, 1, 1], [2, 0, 0]]), num_classes=3, order=1)
    assert_array_equal(chain.counts, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])
    assert repr(chain) == "MarkovChain(num_classes=3, order=1)"


@pytest.mark.once
def test_fitted_priors_are_the_datas():
    x = np.array([[0, 0, 1], [0, 2, 1]])
    shared = flows.fit_prior(FLOWS["discrete-3"], x)
    assert_allclose(shared.prior, np.array([3.5, 2.5, 1.5]) / 7.5, rtol=1e-6)
    own = flows.fit_prior(FLOWS["discrete-3"], x, per_variable=True)
    assert_allclose(own.prior[1], np.array([1.5, 0.5, 1.5]) / 3.5, rtol=1e-6)
    assert flows.fit_prior(FLOWS["discrete-3"], x, order=1).prior == MarkovChain.fit(x, 3, 1)
    numbers = np.random.default_rng(0).uniform(-0.5, 0.1, (1000, 2))
    fitted = flows.fit_prior({"a": ContinuousFlow()}, {"a": numbers}, per_variable=True)["a"]
    assert_allclose(fitted.prior, [numbers.mean(axis=0), numbers.std(axis=0)], rtol=1e-6)
    grey = flows.fit_prior(DiscretizedFlow(4), np.array([[0, 3], [0, 3]]))
    assert_allclose(grey.prior, [0, 0.75])
    constant = flows.fit_prior(ContinuousFlow(), np.full((3, 2), 0.5))
    assert_allclose(constant.prior, [0.5, 0.05])
    for flow in (shared, fitted):  # models and compiled programs depend on it
        with pytest.raises(ValueError, match="read-only"):
            flow.prior[0] = 1.0


def test_numbers_are_known_as_by_bayes():
    mean, std = np.array([0.2, -0.5, 0.0], "float32"), np.array([0.1, 0.5, 1.0], "float32")
    flow = ContinuousFlow(sigma_1=0.02, prior=(mean, std))
    flat = ContinuousFlow(sigma_1=0.02)
    s, beta = np.full((2, 3, 1), 3.0, "float32"), np.array([0.0, 8.0], "float32")
    s[0] = 0.0
    s, beta = ops.convert_to_tensor(s), ops.convert_to_tensor(beta)
    found = to_numpy(flow.input_params(s, beta))[..., 0]
    assert_allclose(found[0], mean)
    assert_allclose(found[1], (3.0 + mean / std**2) / (8.0 + 1 / std**2), rtol=1e-6)
    assert_allclose(found[1, 2], to_numpy(flat.input_params(s, beta))[1, 2, 0], rtol=1e-6)


def chain_model(length=6):
    flow = DiscreteFlow(3, beta_1=5.0, prior=CHAIN)
    network = networks.Transformer(flow, length, width=8, num_layers=1, num_heads=0)
    return keras_bfn.BayesianFlowNetwork(flow, network, seed=0)


@pytest.mark.once
def test_an_untrained_model_with_a_chain_costs_what_the_chain_does_and_samples_it():
    model = chain_model()
    x = np.repeat(np.array([[0, 1, 1, 2, 0, 1], [2, 2, 2, 1, 0, 0]], "int32"), 3000, axis=0)
    nats = model.code_length(x, batch_size=6000, seed=0, verbose=0)
    total = (nats["transmission"] + nats["reconstruction"]).astype("float64").reshape(2, -1)
    error = total.std(axis=1) / np.sqrt(total.shape[1])
    assert (np.abs(total.mean(axis=1) + CHAIN.log_prob(x[::3000])) < 4 * error + 0.01).all()

    samples = model.generate(4000, 30, sampler="sde2", batch_size=4000, seed=0, verbose=0)
    values = 3 * samples[:, :-1] + samples[:, 1:]
    found = np.bincount(values.ravel(), minlength=9) / values.size
    sequences = all_sequences(3, 6)
    weights = np.repeat(np.exp(CHAIN.log_prob(sequences)), 5)
    pairs = (3 * sequences[:, :-1] + sequences[:, 1:]).ravel()
    expected = np.bincount(pairs, weights, minlength=9) / 5
    assert np.abs(found - expected).sum() / 2 < 0.02


@pytest.mark.once
@pytest.mark.parametrize("where", ["file", "preset"])
def test_a_prior_is_saved_with_the_model(where, tmp_path):
    model = chain_model()
    copy = save_and_load(model, where, tmp_path)
    assert copy.flow == model.flow
    s = np.ones((1, 6, 3), "float32")
    s[0, 2, 1] = 4.0
    params = [to_numpy(m.predict_params(s, np.full(1, 0.5)).params) for m in (model, copy)]
    assert_allclose(*params, rtol=1e-6)


def test_the_codec_sends_by_a_chain():
    model = chain_model()
    codec = keras_bfn.codec.Codec(model, num_steps=5)
    x = np.array([[0, 1, 1, 2, 0, 1], [2, 2, 2, 1, 0, 0]], "int32")
    assert_array_equal(codec.decompress(codec.compress(x)), x)


@pytest.mark.slow_to_compile
def test_training_with_a_prior_takes_a_gradient_step():
    model = chain_model()
    model.compile(keras.optimizers.AdamW(1e-2))
    x = np.repeat(np.array([[0, 1, 2, 2, 2, 2]], "int32"), 64, axis=0)
    history = model.fit(x, epochs=6, batch_size=16, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]


@pytest.mark.once
def test_means_may_share_a_standard_deviation():
    flow = ContinuousFlow(prior=(np.array([0.0, 0.5]), 0.2))
    assert flow == ContinuousFlow(prior=([0.0, 0.5], [0.2, 0.2]))


@pytest.mark.once
def test_what_is_missing_is_not_counted():
    """As if sequences ended there, began there, and were cut in two."""
    ragged = np.array([[0, 2, 1, 1], [1, 2, -1, -1], [-1, -1, 0, 0], [1, -1, 2, -1]])
    flow = FLOWS["discrete-3"]
    for order, whole in ((0, ragged[ragged >= 0][None]), (1, None)):
        chain = flows.fit_prior(flow, ragged, order=order)
        if whole is not None:
            assert chain == flows.fit_prior(flow, whole)
        else:
            apart = np.array([[0, 2, 1, 1], [1, 2, -1, -1], [0, 0, -1, -1], [1, -1, 2, -1]])
            assert chain.prior == MarkovChain.fit(apart, 3, 1)
            assert chain.prior.starts.tolist() == [2, 2, 1]
    own = flows.fit_prior(flow, ragged, per_variable=True).prior
    assert_allclose(own[3], np.array([1.5, 1.5, 0.5]) / 3.5, rtol=1e-6)
    numbers = np.array([[0.25, np.nan], [np.nan, -0.5], [0.75, -0.5]])
    for per_variable, expected in (
        (True, [[0.5, -0.5], [0.25, 0.05]]),
        (False, [np.nanmean(numbers), np.nanstd(numbers)]),
    ):
        fitted = flows.fit_prior(ContinuousFlow(), numbers, per_variable)
        assert_allclose(fitted.prior, expected, rtol=1e-6)
    bins = flows.fit_prior(DiscretizedFlow(4), np.array([[0, -1], [-1, 3]]))
    assert_allclose(bins.prior, [0, 0.75])


@pytest.mark.once
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint64"])
def test_a_prior_fits_data_of_any_integers(order, dtype):
    x = np.random.default_rng(0).integers(0, 2, (9, 4))
    expected = flows.fit_prior(DiscreteFlow(2, 1.0), x, order=order)
    assert flows.fit_prior(DiscreteFlow(2, 1.0), x.astype(dtype), order=order) == expected


@pytest.mark.once
def test_a_prior_fits_numbers_of_half_precision_some_of_which_are_missing():
    x = (100 + 10 * np.random.default_rng(1).normal(size=9)).astype("float16")
    x[0] = np.nan
    flow = flows.fit_prior(flows.fit_scaling(ContinuousFlow(), x), x)
    assert flow == flows.fit_prior(flows.fit_scaling(ContinuousFlow(), x), x.astype("float32"))


@pytest.mark.parametrize(
    "name", everywhere(["discrete-3", "discrete-3-chain", "discretized"], "discrete-3-chain")
)
def test_evidence_may_be_a_numpy_array(name):
    flow = PRIORS[name]
    shape = (2, 5) if isinstance(flow.prior, MarkovChain) else (2, *np.shape(flow.prior)[:-1])
    if name == "discretized":
        shape = (2, *np.shape(flow.prior)[1:])
    s, beta = np.zeros((*shape, flow.embedding_size), "float32"), np.array([0.1, 0.5], "float32")
    expected = flow.input_params(ops.convert_to_tensor(s), ops.convert_to_tensor(beta))
    assert_array_equal(to_numpy(flow.input_params(s, beta)), to_numpy(expected))
