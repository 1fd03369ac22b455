"""A model of simulations draws posteriors and predictions, within bounds, and says how likely."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from keras_bfn import flows, networks, recipes, simulation

NOISE = 0.2
BOUNDS = {"rate": (0.0, 1.0)}


def simulate(num, seed):
    """A rate and a kind, each seen with noise; of some the second is not seen."""
    rng = np.random.default_rng(seed)
    rate, kind = rng.uniform(size=num), rng.integers(0, 2, num)
    seen = np.stack([rate, kind], axis=1) + NOISE * rng.normal(size=(num, 2))
    seen[rng.uniform(size=num) < 0.1, 1] = np.nan
    return {"rate": rate, "kind": kind.astype("int32"), "seen": seen}


SIMULATIONS = simulate(2000, seed=0)


def make_model(**sizes):
    keras.utils.set_random_seed(0)
    return simulation.make_model(SIMULATIONS, BOUNDS, "seen", **sizes, seed=0)


@pytest.fixture(scope="module")
def trained():
    model = make_model(width=32, num_blocks=2)
    model.compile(recipes.adamw(num_steps=800, peak_rate=5e-3))
    # One long epoch: to begin one takes Keras as long as many of these steps.
    many = {name: np.concatenate([x] * 40) for name, x in SIMULATIONS.items()}
    model.fit(many, batch_size=100, epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def untrained():
    model = make_model(width=8, num_blocks=1)
    for weight in model.network.trainable_weights:  # the last are zeros at first
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1, seed=0))
    return model


def posterior_of_rate(seen):
    """A normal, cut off at 0 and 1."""
    ends = -seen / NOISE, (1.0 - seen) / NOISE
    return stats.truncnorm(*ends, seen, NOISE)


@pytest.mark.slow
@pytest.mark.once("jax")
def test_the_posterior_is_drawn_given_the_observation(trained):
    drawn = trained.sample(250, {"seen": [[0.4, 1.1], [0.9, 0.1]]}, 20, seed=0)
    assert {name: x.shape for name, x in drawn.items()} == {
        "rate": (2, 250),
        "kind": (2, 250),
        "seen": (2, 250, 2),
    }
    for rate, seen in zip(drawn["rate"], (0.4, 0.9), strict=True):
        exact = posterior_of_rate(seen)
        assert abs(rate.mean() - exact.mean()) < 0.06
        assert 0.6 < rate.std() / exact.std() < 1.4
    assert_allclose(drawn["kind"].mean(axis=1), [1, 0], atol=0.1)


@pytest.mark.once("jax")
def test_nothing_is_drawn_beyond_the_bounds_nor_piles_up_there(trained):
    drawn = trained.sample(500, {"seen": [1.3, 0.5]}, 20, seed=0)["rate"]
    assert drawn.shape == (500,)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert drawn.mean() > 0.8
    assert (drawn == 1).mean() < 0.05


@pytest.mark.slow_to_compile
def test_samples_outside_the_bounds_are_drawn_again(untrained, monkeypatch):
    numbers, seeds = [], []

    def generate(model, num, *args, given, **options):
        numbers.append(num)
        rate = np.full(num, 0.25, "float32")
        if len(numbers) == 1:
            rate[:3] = 1.05
        seeds.append(options.get("seed"))
        return {"rate": rate, "kind": np.zeros(num, "int32"), **given}

    monkeypatch.setattr(simulation.SimulationModel, "generate", generate)
    drawn = untrained.sample(10, {"seen": [0.4, 0.5]}, seed=0)["rate"]
    assert numbers == [10, 10]  # for one batch is compiled already
    assert seeds[0] == 0
    assert seeds[1] not in (0, 1)
    assert (drawn == 0.25).all()
    numbers.clear()
    drawn = untrained.sample(10, {"seen": [0.4, 0.5]}, condition=None)["rate"]
    assert numbers == [10, 10]  # for None is as if it had not been named
    numbers.clear()
    drawn = untrained.sample(10, {"seen": [0.4, 0.5]}, lengths={"seen": 2})["rate"]
    assert numbers == [10]
    assert_allclose(drawn[:3], 0.95, rtol=1e-6)


@pytest.mark.once("jax")
def test_what_was_not_observed_is_drawn_too(trained):
    drawn = trained.sample(500, {"seen": [0.4, np.nan]}, 20, seed=0)
    assert (drawn["seen"][:, 0] == np.float32(0.4)).all()
    assert 0.3 < drawn["kind"].mean() < 0.7
    assert abs(drawn["rate"].mean() - 0.4) < 0.1
    is_high = drawn["seen"][:, 1] > 0.5
    assert (is_high == drawn["kind"]).mean() > 0.8


@pytest.mark.slow  # statistical
@pytest.mark.once("jax")
def test_the_posterior_given_a_part_of_the_observation_is_exact():
    """Of a model and a number, four numbers are seen, or some of them; some are never simulated."""
    rng = np.random.default_rng(0)
    slopes, means = rng.normal(size=(2, 3, 4))

    def simulate(num):
        kind, number = rng.integers(0, 3, num), rng.normal(size=(num, 1))
        seen = slopes[kind] * number + means[kind] + 0.5 * rng.normal(size=(num, 4))
        return {"kind": kind.astype("int32"), "number": number, "observation": seen}

    def posterior(seen):
        which = np.isfinite(seen)
        rest, slope = (seen - means)[:, which], slopes[:, which]
        covs = slope[:, :, None] * slope[:, None] + 0.25 * np.eye(which.sum())
        nats = [
            stats.multivariate_normal(cov=cov).logpdf(x) for x, cov in zip(rest, covs, strict=True)
        ]
        return np.exp(nats) / np.exp(nats).sum()

    simulations = simulate(10_000)
    simulations["observation"][rng.uniform(size=(10_000, 4)) < 0.1] = np.nan
    keras.utils.set_random_seed(0)
    model = simulation.make_model(simulations, width=48, num_blocks=3, seed=0)
    model.compile(recipes.adamw(num_steps=3000, peak_rate=2e-3))
    model.fit(simulations, batch_size=200, epochs=60, verbose=0)
    observed = simulate(40)["observation"]
    for num_missing, most in ((0, 0.05), (1, 0.065), (2, 0.08), (3, 0.08)):
        for row in observed:
            row[rng.permutation(4)[:num_missing]] = np.nan
        drawn = model.sample(400, {"observation": observed}, seed=1)["kind"]
        found = np.stack([np.mean(drawn == kind, axis=1) for kind in range(3)], axis=1)
        exact = np.array([posterior(row) for row in observed])
        assert 0.5 * np.abs(found - exact).sum(axis=1).mean() < most
        observed = simulate(40)["observation"]


@pytest.mark.once("jax")
def test_the_likelihood_and_the_joint_are_drawn(trained):
    seen = trained.sample(500, {"rate": 0.3, "kind": 1}, 20, seed=0)["seen"]
    assert_allclose(seen.mean(axis=0), [0.3, 1.0], atol=0.15)
    assert_allclose(seen.std(axis=0), NOISE, atol=0.15)
    drawn = trained.sample(500, num_steps=20, seed=0)
    assert stats.pearsonr(drawn["rate"], drawn["seen"][:, 0]).statistic > 0.6


@pytest.mark.once("jax")
def test_the_density_of_the_posterior_is_bounded_from_below(trained):
    held_out = simulate(200, seed=1)
    held_out["seen"][:, 1] = held_out["kind"]  # of which the kind can be told for sure
    nats = trained.log_likelihood(held_out, ["seen"], seed=0)
    assert nats.shape == (200,)
    exact = posterior_of_rate(held_out["seen"][:, 0]).logpdf(held_out["rate"])
    assert exact.mean() - 0.5 < nats.mean() < exact.mean() + 0.05


@pytest.mark.slow_to_compile
def test_simulations_may_be_tensors(untrained):
    tensors = {name: keras.ops.convert_to_tensor(x) for name, x in SIMULATIONS.items()}
    model = simulation.make_model(tensors, BOUNDS, None, width=8, num_blocks=1)
    assert model.event_shape == untrained.event_shape
    assert_allclose(model.flow["seen"].scale, untrained.flow["seen"].scale, rtol=1e-5)
    few = {name: x[:4] for name, x in SIMULATIONS.items()}
    few["seen"] = np.nan_to_num(few["seen"])
    assert np.isfinite(model.log_likelihood(few, ["seen"], num_repeats=2, seed=0)).all()


@pytest.mark.once
def test_a_loaded_model_draws_the_same_within_the_bounds(untrained, tmp_path):
    untrained.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.bounds == untrained.bounds == {"rate": [0.0, 1.0]}
    options = {"given": {"seen": [0.4, np.nan]}, "num_steps": 3, "seed": 0}
    found, expected = (model.sample(10, **options) for model in (loaded, untrained))
    assert (found["seen"][:, 0] == np.float32(0.4)).all()
    assert ((found["rate"] >= 0) & (found["rate"] <= 1)).all()
    for name, x in found.items():
        assert_array_equal(x, expected[name])


@pytest.mark.once
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"heard": [0.1, 0.2]}, "`given` must name some of"),
        ({"seen": [0.1]}, r"`given\['seen'\]` must have shape \(2,\)"),
        ({"seen": [[0.1, 0.2]], "rate": [0.1, 0.2]}, "equally many examples of each part"),
        ("seen", "`given` must be a dict from names of parts to values"),
        ({"seen": np.zeros((0, 2))}, r"`given\['seen'\]` must have at least one example"),
        ({"rate": 1.05}, r"`given\['rate'\]` must lie within the bounds"),
    ],
)
def test_what_is_given_must_suit_the_model(untrained, given, message):
    with pytest.raises(ValueError, match=message):
        untrained.sample(10, given)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": {"speed": (0, 1)}}, "`bounds` must name some of"),
        ({"bounds": {"rate": (0, 1, 2)}}, "must be a pair"),
        ({"bounds": {"rate": (1e3, -1e3)}}, "low below high"),
        ({"bounds": {"rate": (-np.inf, 1e3)}}, "must be finite"),
        ({"bounds": {"rate": ([0, 0], 1)}}, r"`bounds\['rate'\]` .* arrays that broadcast to \(\)"),
        ({"bounds": {"rate": (1e3, 2e3)}}, "must contain all simulated values"),
        ({"bounds": {"kind": (0, 1)}}, "must be for a part of floats"),
        ({"bounds": {"rate": (9e6, 9e6 + 1)}}, r"`bounds\['rate'\]` must .*: subtract a constant"),
        ({"bounds": {"rate": (1e9, 1e9 + 1)}}, r"`bounds\['rate'\]` must .*: subtract a constant"),
        ({"bounds": {"rate": (0, 0)}}, r"`bounds\['rate'\]` must differ"),
        ({"observed": "heard"}, "`observed` must be one of"),
        ({"observed": ["seen", "kind"]}, "or None, such as for several observed parts"),
    ],
)
def test_bounds_and_what_is_observed_are_of_parts_that_there_are(options, message):
    with pytest.raises(ValueError, match=message):
        simulation.make_model(SIMULATIONS, **options)


@pytest.mark.once
def test_bools_are_classes():
    rng = np.random.default_rng(0)
    simulations = {"kind": rng.uniform(size=50) < 0.5, "observation": rng.normal(size=(50, 1))}
    model = simulation.make_model(simulations, width=8, num_blocks=1, seed=0)
    model.compile("adamw")
    model.fit(simulations, batch_size=25, verbose=0)
    kinds = model.sample(20, {"observation": [0.5]}, num_steps=3)["kind"]
    assert kinds.dtype == np.int32
    assert set(kinds) <= {0, 1}


@pytest.mark.once
@pytest.mark.parametrize(
    ("simulations", "message"),
    [
        (SIMULATIONS["seen"], "`simulations` must be a dict of arrays"),
        ({"kind": np.array(["a", "b"])}, r"`simulations\['kind'\]` must be numbers"),
        ({"rate": 0.5}, r"`simulations\['rate'\]` must be numbers, .* an axis of simulations"),
        ({"rate": np.array([0.5, np.inf])}, r"`simulations\['rate'\]` must be finite"),
        ({"kind": np.array([-1, -1])}, r"`simulations\['kind'\]` must be .* in some"),
        ({"kind": np.array([0, 5000])}, r"`simulations\['kind'\]` must be classes below 1024, or"),
        ({"seen": 1e9 + SIMULATIONS["seen"]}, r"`simulations\['seen'\]` .* subtract a constant"),
        ({"seen": np.array([[0.5, np.nan]])}, r"`simulations\['seen'\]` .* value of each number"),
    ],
)
def test_simulations_are_numbers_each_seen_at_least_once(simulations, message):
    with pytest.raises(ValueError, match=message):
        simulation.make_model(simulations, observed=None)


@pytest.mark.once
@pytest.mark.parametrize("name", ["given", "together", "own", "random"])
def test_what_is_observed_is_not_named_like_a_state_of_training(name):
    simulations = {"rate": SIMULATIONS["rate"], name: SIMULATIONS["seen"]}
    with pytest.raises(ValueError, match=r"`observed` .* No observed part may be named like"):
        simulation.make_model(simulations, observed=name)
    states = simulation.make_model(simulations, observed="rate", width=8).states
    assert states["rate"] == pytest.approx(simulation.OBSERVED)


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_may_be_constant_up_to_rounding(dtype):
    tenth, fifth = np.array([0.1, 0.2], dtype)
    sums = np.array([[tenth + fifth, 0, 5e7], [np.nextafter(tenth + fifth, 1), 0, 5e7]], dtype)
    flow = simulation.make_model({"seen": sums}, observed=None, width=8).flow["seen"]
    assert_allclose(flow.center, [0.3, 0.0, 5e7], rtol=1e-6)


@pytest.mark.once
def test_a_single_part_is_not_observed():
    with pytest.raises(ValueError, match=r"`observed` must be one of .*, or None"):
        simulation.make_model({"observation": SIMULATIONS["seen"]})
    simulation.make_model({"observation": SIMULATIONS["seen"]}, observed=None, width=8)


@pytest.mark.once
@pytest.mark.parametrize("common", [0, 2, True, False])
def test_nearly_all_simulations_may_be_of_one_class(common):
    kinds = np.full(5000, common)
    few = {"kind": kinds, "observation": np.linspace(0, 1, 5000)}
    assert simulation.make_model(few, width=8).flow["kind"].num_classes == max(2, 1 + common)
    kinds[0] = 1 - common if isinstance(common, bool) else 1
    simulation.make_model(few, width=8)


@pytest.mark.once
def test_numbers_that_are_given_may_be_integers(untrained):
    drawn, expected = (
        untrained.sample(10, {"seen": seen}, 3, seed=0) for seen in ([1, 0], [1.0, 0.0])
    )
    for name, x in drawn.items():
        assert_array_equal(x, expected[name])


@pytest.mark.once
@pytest.mark.parametrize("scale", [1.0, 2.0, lambda t: 1.0 + t])
def test_a_part_is_given_beside_a_condition_that_guides(scale):
    flow = {name: flows.ContinuousFlow(0.05) for name in ("parameters", "observation")}
    shapes = {"parameters": (1,), "observation": (2,)}
    options = {"mixer": "mlp", "times": "variables", "conditions": 2}
    network = networks.MultiPart(flow, shapes, 8, 1, **options)
    states = {"together": 0.5, "some of observation": 0.5}
    model = simulation.SimulationModel(flow, network, states=states, condition_dropout=0.1, seed=0)
    condition, given = np.zeros(4, "int32"), {"observation": [np.nan, 0.3]}
    drawn = model.sample(4, given, 2, condition=condition, guidance_scale=scale, seed=0)
    assert np.isfinite(drawn["observation"]).all()
    assert_allclose(drawn["observation"][:, 1], 0.3)


@pytest.mark.once
def test_details_are_left_to_generate(untrained):
    with pytest.raises(ValueError, match=r"`return_details` must be False\. .* use `generate`"):
        untrained.sample(10, {"seen": [0.4, 0.5]}, return_details=True)


@pytest.mark.once
def test_the_parts_that_are_given_may_be_one_name(untrained):
    x = {name: np.nan_to_num(part[:4]) for name, part in SIMULATIONS.items()}
    one, other = (
        untrained.log_likelihood(x, given, num_repeats=2, seed=0) for given in ("seen", ["seen"])
    )
    assert_array_equal(one, other)


@pytest.mark.once
def test_a_name_within_the_name_of_what_is_given_is_not_given():
    rng = np.random.default_rng(0)
    x = {"rate": rng.uniform(size=20), "rates": rng.uniform(size=20)}
    model = simulation.make_model(x, {"rate": (0, 1)}, "rates", width=8, num_blocks=1, seed=0)
    x["rate"][0] = 1.05
    nats = model.log_likelihood(x, "rates", num_repeats=2, seed=0)
    assert_array_equal(np.isneginf(nats), [True] + [False] * 19)


@pytest.mark.once
def test_outside_of_the_bounds_nothing_is_likely(untrained):
    x = {name: part[:4] for name, part in SIMULATIONS.items()}
    x["seen"], x["rate"] = np.nan_to_num(x["seen"]), np.array([0.5, 1.05, 1.0, -2.0])
    nats = untrained.log_likelihood(x, ["seen"], num_repeats=2, seed=0)
    assert_array_equal(np.isfinite(nats), [True, False, True, False])
    assert nats[1] == nats[3] == -np.inf
    with pytest.raises(ValueError, match=r"`x\['rate'\]` must lie within the bounds"):
        untrained.log_likelihood(x, ["rate"])
    with pytest.raises(ValueError, match="`x`"):
        untrained.log_likelihood([x["rate"]])
    with pytest.raises(ValueError, match="array of examples"):
        untrained.log_likelihood({name: part[0] for name, part in x.items()}, ["seen"])


@pytest.mark.once
def test_integers_are_numbers_where_a_part_is_of_numbers(untrained):
    x = {"rate": np.array([0, 1]), "kind": np.array([0, 1]), "seen": np.array([[0, 1], [1, 0]])}
    floats = {name: part if name == "kind" else 1.0 * part for name, part in x.items()}
    nats, expected = (
        untrained.log_likelihood(each, ["seen"], num_repeats=2, seed=0) for each in (x, floats)
    )
    assert_array_equal(nats, expected)
    drawn, expected = (
        untrained.sample(3, {"seen": each["seen"]}, 2, seed=0)["rate"] for each in (x, floats)
    )
    assert_array_equal(drawn, expected)
