"""Numbers in units of their own: all is as in [-1, 1], but for the units."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import keras_bfn
from keras_bfn import flows, losses, testing
from keras_bfn.flows import ContinuousFlow, DiscreteFlow
from keras_bfn.predictions import Prediction
from tests import exact
from tests.backends import everywhere
from tests.models.small import make_network, save_and_load
from tests.tensors import to_numpy, to_tensor

# Of three variables: tenths, degrees, and years.
CENTER, SCALE = np.array([0.0, 15.0, 2000.0]), np.array([0.1, 25.0, 50.0])
OWN = ContinuousFlow(sigma_1=0.05, center=CENTER, scale=SCALE)
PLAIN = ContinuousFlow(sigma_1=0.05)
OWN_UNITS = {
    "of each variable": OWN,
    "one center": ContinuousFlow(sigma_1=0.05, center=2.0, scale=[0.5, 1.0, 4.0]),
    "with bins": ContinuousFlow(0.05, "data", num_bins=9, center=CENTER, scale=SCALE),
    "with a prior": ContinuousFlow(0.05, center=CENTER, scale=SCALE, prior=(0.2, [0.3, 0.4, 0.5])),
    "large": ContinuousFlow(0.05, center=-1e7, scale=3e7),
    "small": ContinuousFlow(0.05, center=2e-7, scale=1e-7),
}


@pytest.mark.once
@pytest.mark.parametrize("flow", OWN_UNITS.values(), ids=OWN_UNITS)
def test_a_flow_of_own_units_keeps_the_contract(flow):
    testing.check_flow(flow)


def draw(shape=(64, 3)):
    """Numbers in [-1, 1], and the same in their own units."""
    e = np.random.default_rng(0).uniform(-0.9, 0.9, shape).astype("float32")
    return e, (CENTER + SCALE * e).astype("float32")


def costs(flow, x, loss, seed=3):
    """What a loss says, of params that follow from the evidence: `(num, 3)`."""
    seed = keras.random.SeedGenerator(seed)
    t = loss.times(losses.stratified_uniform(len(x), seed))
    s = flow.sample_evidence(x, t, seed)
    return to_numpy(loss(flow, x, Prediction(t, s, None, 0.1 * s / (1 + 0.1 * s**2)), seed))


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("loss", [losses.ContinuousTimeLoss(), losses.DiscreteTimeLoss(5)])
def test_messages_cost_the_same_in_all_units(loss):
    e, x = draw()
    assert_allclose(costs(OWN, x, loss), costs(PLAIN, e, loss), rtol=2e-3, atol=1e-4)


def test_a_density_is_one_of_the_own_units():
    e, x = draw()
    loss = losses.ReconstructionLoss()
    assert_allclose(costs(OWN, x, loss), costs(PLAIN, e, loss) + np.log(SCALE), rtol=2e-3)
    # By another way: the normal around what is predicted, in own units.
    flow = ContinuousFlow(0.05, "data", center=CENTER, scale=SCALE)
    params = 0.9 * e
    found = to_numpy(flow.reconstruction_loss(x, to_tensor(params[..., None]), None, None))
    normal = stats.norm(CENTER + SCALE * params, 0.05 * SCALE)
    assert_allclose(found, -normal.logpdf(x), rtol=2e-3)


def test_a_mass_is_the_same_in_all_units():
    e, x = draw()
    own = ContinuousFlow(0.05, "data", num_bins=9, center=CENTER, scale=SCALE)
    plain = ContinuousFlow(0.05, "data", num_bins=9)
    params = to_tensor(0.9 * e[..., None])
    found, expected = (
        to_numpy(flow.reconstruction_loss(values, params, None, None))
        for flow, values in ((own, x), (plain, e))
    )
    assert_allclose(found, expected, rtol=1e-2, atol=1e-3)


@pytest.mark.once
def test_nats_of_normal_data_are_their_entropy_in_own_units():
    """With the exact posterior for a network, up to what is lost at the last accuracy."""
    std, scale = 0.2, 25.0
    flow = ContinuousFlow(0.005, "data", center=15.0, scale=scale)
    x = 15.0 + scale * std * np.random.default_rng(0).standard_normal((40_000, 1))
    seed, total = keras.random.SeedGenerator(0), 0.0
    for loss in (losses.ContinuousTimeLoss(), losses.ReconstructionLoss()):
        t = loss.times(losses.stratified_uniform(len(x), seed))
        s = flow.sample_evidence(x, t, seed)
        mean = exact.normal_mean(flow, s, t, std)
        total += to_numpy(loss(flow, x, Prediction(t, s, None, mean), seed))
    expected = stats.norm(15.0, scale * std).entropy()
    assert abs(total.mean() - expected) < 0.02  # 3.03; in units of the range -0.19


def make_model(flow):
    keras.utils.set_random_seed(0)
    model = keras_bfn.BayesianFlowNetwork(flow, make_network(flow, (3,)), seed=0)
    model.compile(keras.optimizers.Adam(0.01))
    return model


@pytest.fixture(scope="module")
def models():
    """The same network, trained on the same data in [-1, 1] and in their own units."""
    e, x = draw()
    made = {"plain": (make_model(PLAIN), e), "own": (make_model(OWN), x)}
    for model, data in made.values():
        model.fit(data, epochs=2, batch_size=16, shuffle=False, verbose=0)
    return made


def both(models, verb):
    return (verb(*models[name]) for name in ("plain", "own"))


@pytest.mark.slow_to_compile
def test_training_is_the_same_and_evaluation_is_of_own_units(models):
    def evaluate(model, x):
        return model.evaluate(x, batch_size=16, return_dict=True, verbose=0)

    plain, own = both(models, evaluate)
    more = np.log(SCALE).mean()
    assert own["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    assert own["reconstruction"] == pytest.approx(plain["reconstruction"] + more, rel=1e-3)
    assert own["nats_per_example"] == pytest.approx(plain["nats_per_example"] + 3 * more, rel=1e-3)
    assert own["bits_per_dim"] == pytest.approx(plain["bits_per_dim"] + more / np.log(2), rel=1e-3)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("sampler", everywhere(["ancestral", "sde2", "ode1"], "sde2"))
def test_samples_are_in_own_units(models, sampler):
    def generate(model, _):
        return model.generate(16, num_steps=5, sampler=sampler, seed=1, verbose=0)

    plain, own = both(models, generate)
    assert own.dtype == "float32"
    assert_allclose((own - CENTER) / SCALE, plain, atol=2e-3)
    OWN.check_data(own)


@pytest.mark.once
def test_completions_are_in_own_units_and_keep_what_is_known(models):
    mask = np.array([False, True, True])

    def inpaint(model, x):
        return model.inpaint(
            x[:8], mask, 5, num_particles=2, seed=1, return_details=True, verbose=0
        )

    of_plain, of_own = both(models, inpaint)
    plain, own = of_plain.samples, of_own.samples
    assert_array_equal(own[:, 1:], draw()[1][:8, 1:])
    assert_allclose((own - CENTER) / SCALE, plain, atol=5e-3)
    expected = of_plain.log_likelihood - np.log(SCALE[1:]).sum()
    assert_allclose(of_own.log_likelihood, expected, rtol=5e-3, atol=0.05)


@pytest.mark.once
def test_latents_are_of_no_units(models):
    def encode(model, x):
        return model.encode(x[:8], num_steps=5, sampler="ode1", seed=1, verbose=0)

    plain, own = both(models, encode)
    assert_allclose(own, plain, rtol=1e-2, atol=1e-2)


@pytest.mark.once
@pytest.mark.parametrize("where", ["file", "preset"])
def test_units_are_saved_with_the_model(models, where, tmp_path):
    model, x = models["own"]
    copy = save_and_load(model, where, tmp_path)
    assert copy.flow == OWN
    lengths = [m.code_length(x, seed=0, verbose=0)["reconstruction"] for m in (model, copy)]
    assert_allclose(*lengths, rtol=1e-5)


@pytest.mark.once
@pytest.mark.slow
def test_a_plain_network_of_kerass_layers_learns_degrees():
    """A user's own: numbers around 15 degrees, 3 wide, from a Sequential of two layers."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = (15.0 + 3.0 * rng.standard_normal((512, 1)) * [[1.0, -1.0]]).astype("float32")
    flow = flows.fit_scaling(ContinuousFlow(sigma_1=0.05), x, by="deviation")
    theta, t = keras.Input((2, 1), name="theta"), keras.Input((), name="t")
    joined = keras.layers.Concatenate()(
        [keras.layers.Flatten()(theta), keras.layers.Reshape((1,))(t)]
    )
    hidden = keras.layers.Dense(64, "silu")(joined)
    outputs = keras.layers.Reshape((2, 1))(keras.layers.Dense(2)(hidden))
    network = keras.Model({"theta": theta, "t": t}, outputs)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(x, epochs=60, batch_size=64, verbose=0)
    samples = model.generate(1000, num_steps=30, seed=0, batch_size=1000, verbose=0)
    assert_allclose(samples.mean(axis=0), 15.0, atol=0.6)
    assert_allclose(samples.std(axis=0), 3.0, atol=0.6)
    assert np.corrcoef(samples.T)[0, 1] < -0.9


SERIES = np.random.default_rng(2).normal([0.0, 50.0], [1.0, 5.0], (20, 6, 2))


@pytest.mark.once
@pytest.mark.parametrize("by", ["range", "deviation"])
@pytest.mark.parametrize(
    ("per", "shape", "axes"),
    [("all", (), (0, 1, 2)), ("channel", (2,), (0, 1)), ("variable", (6, 2), 0)],
)
def test_fitted_scalings_are_the_datas(by, per, shape, axes):
    flow = flows.fit_scaling(ContinuousFlow(sigma_1=0.1), SERIES, by, per, margin=0.25)
    assert np.shape(flow.center) == np.shape(flow.scale) == shape
    low, high, mean = SERIES.min(axes), SERIES.max(axes), SERIES.mean(axes)
    if by == "range":
        center, scale = (low + high) / 2, 1.25 * (high - low) / 2
    else:
        farthest = 1.25 * np.maximum(high - mean, mean - low)
        center, scale = mean, np.maximum(farthest, 4 * SERIES.std(axes))
    assert_allclose(flow.center, center)
    assert_allclose(flow.scale, scale)
    assert flow.schedule == ContinuousFlow(sigma_1=0.1).schedule
    flow.check_data(SERIES)


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("per", ["all", "channel", "variable"])
def test_without_a_margin_the_range_is_that_of_the_data(dtype, per):
    for offset in np.random.default_rng(0).normal(0, 100, 50):
        x = (SERIES + offset).astype(dtype)
        flow = flows.fit_scaling(ContinuousFlow(), x, per=per, margin=0)
        flow.check_data(x)
        assert np.abs(to_numpy(flow.embed(x))).max() == pytest.approx(1, abs=1e-4)


@pytest.mark.once
def test_single_numbers_and_constants_have_a_scaling():
    single = flows.fit_scaling(ContinuousFlow(), np.array([1.0, 5.0]), per="channel", margin=0)
    assert (single.center, single.scale) == (3.0, 2.0)
    x = np.array([[7.0, 1e6, 1e6], [7.0, 1e6, 1e6 + 300]])
    flow = flows.fit_scaling(ContinuousFlow(), x, per="variable")
    assert_allclose(flow.scale, [1.0, 100.0, 165.0], rtol=1e-3)
    flow.check_data(x)


@pytest.mark.once
@pytest.mark.parametrize("by", ["range", "deviation"])
def test_numbers_are_refused_whose_offset_leaves_float32_too_few_digits(by):
    x = 1.7e9 + np.random.default_rng(0).uniform(0, 3600, (50, 2))
    for per in ("all", "channel", "variable"):
        with pytest.raises(ValueError, match=r"must vary by more than 0\.0001 of its values"):
            flows.fit_scaling(ContinuousFlow(), x, by, per)
    same = np.array([[0.1], [0.1], [0.3 - 0.2]])  # but for rounding
    flow = flows.fit_scaling(ContinuousFlow(), same, by)
    assert flow.scale == pytest.approx(1e-5)
    flow.check_data(same)


@pytest.mark.once
def test_of_a_dict_the_numbers_are_scaled_and_the_rest_stays():
    flow = {"class": DiscreteFlow(3, 1.0), "size": ContinuousFlow(0.1), "weight": ContinuousFlow()}
    x = {
        "class": np.array([0, 2]),
        "size": np.array([[1.0], [3.0]]),
        "weight": np.array([5.0, 9.0]),
    }
    found = flows.fit_scaling(flow, x, margin=0)
    assert found["class"] is flow["class"]
    assert (found["size"].center, found["weight"].center) == (2.0, 7.0)
    assert list(found) == list(flow)


@pytest.mark.once
def test_a_part_in_own_units_is_completed_given_another():
    flow = {"class": DiscreteFlow(3, 1.0), "sizes": OWN}
    network = keras_bfn.networks.MultiPart(flow, {"class": (), "sizes": (3,)}, width=8)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    completed = model.inpaint({"class": np.arange(3)}, {"class": True}, 3, verbose=0)
    assert completed["sizes"].shape == (3, 3)
    OWN.check_data(completed["sizes"])


@pytest.mark.once
def test_values_beyond_the_range_are_refused_and_never_generated(models):
    model, x = models["own"]
    beyond = x.copy()
    beyond[3, 2] = 2051.0
    for verb in (model.evaluate, model.code_length, model.fit, OWN.check_data):
        with pytest.raises(
            ValueError, match=r"`x` must lie in \[1950, 2050\].*to 2051.*fit_scaling"
        ):
            verb(beyond)
    OWN.check_data(np.float32([OWN.data_range[0], OWN.data_range[1]]))  # rounded to float32
    params = to_tensor(np.full((2, 3, 1), 1e4) * [[[1]], [[-1]]])
    ends = OWN.output_distribution(params, to_tensor(np.zeros((2, 3, 1))), np.ones(2)).mode()
    assert_allclose(to_numpy(ends), [CENTER - SCALE, CENTER + SCALE], rtol=1e-6)
    # What a pipeline hides costs more, the more it is beyond, but is no error.
    loss, near, far = losses.ContinuousTimeLoss(), x.copy(), x.copy()
    near[:, 2], far[:, 2] = 2060.0, 2200.0
    assert np.isfinite(costs(OWN, far, loss)).all()
    assert costs(OWN, far, loss)[:, 2].mean() > 5 * costs(OWN, near, loss)[:, 2].mean()


@pytest.mark.once
@pytest.mark.parametrize("by", ["range", "deviation"])
@pytest.mark.parametrize("per", ["all", "channel", "variable"])
def test_missing_values_are_left_out(by, per):
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, [1.0, 10.0], (50, 4, 2))
    missing = rng.random(x.shape) < 0.3
    found = flows.fit_scaling(ContinuousFlow(), np.where(missing, np.nan, x), by, per)
    columns = {"all": x[~missing], "channel": x[:, :, 1][~missing[:, :, 1]]}
    columns["variable"] = x[:, 3, 1][~missing[:, 3, 1]]
    expected = flows.fit_scaling(ContinuousFlow(), columns[per], by)
    center, scale = (np.broadcast_to(a, (4, 2))[3, 1] for a in (found.center, found.scale))
    assert_allclose((center, scale), (expected.center, expected.scale))
    x[:, :, 0] = np.nan
    if per != "all":
        with pytest.raises(ValueError, match="`x` must contain observed values"):
            flows.fit_scaling(ContinuousFlow(), x, by, per)


@pytest.mark.once
def test_bins_cut_the_range_and_a_schedule_is_fitted_in_any_units():
    e, x = draw((400, 3))
    schedules = []
    for flow, data in (
        (ContinuousFlow(num_bins=9), e),
        (ContinuousFlow(num_bins=9, center=CENTER, scale=SCALE), x),
    ):
        schedules.append(keras_bfn.schedules.fit(flow, data).sigma_1)
    assert schedules[0] == pytest.approx(schedules[1], rel=0.02)


@pytest.mark.once
def test_a_prior_is_in_units_of_the_range():
    e, x = draw()
    own, plain = (flows.fit_prior(flow, data) for flow, data in ((OWN, x), (PLAIN, e)))
    assert_allclose(own.prior, plain.prior, rtol=1e-3)


@pytest.mark.once
def test_a_scaling_is_part_of_the_config_and_cannot_be_changed():
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(OWN))
    assert copy == OWN
    assert hash(copy) == hash(OWN)
    assert ContinuousFlow(sigma_1=0.05, center=CENTER, scale=2 * SCALE) != OWN
    with pytest.raises(ValueError, match="read-only"):
        OWN.scale[0] = 1.0
    old = {k: v for k, v in PLAIN.get_config().items() if k not in ("center", "scale")}
    assert ContinuousFlow.from_config(old) == PLAIN  # files from before there was a scaling


@pytest.mark.once
def test_a_scaling_that_knows_places_wrongly_is_found():
    @keras.saving.register_keras_serializable("keras_bfn_tests")
    class Swapped(ContinuousFlow):
        def input_mean(self, theta):
            return super().input_mean(keras.ops.flip(theta, axis=-2))

    with pytest.raises(AssertionError, match=r"input_mean\(theta\) must equal, for each variable"):
        testing.check_flow(Swapped(0.05, center=CENTER, scale=SCALE))
