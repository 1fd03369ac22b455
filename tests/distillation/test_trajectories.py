"""`Trajectories`: their jumps lead along the paths of the model."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.distillation import JumpSampler, Trajectories
from keras_bfn.distillation.trajectories import plan_jumps
from tests.distillation.exact_jumps import FLOW, make_exact_teacher, samples_of

JUMP = JumpSampler()


def make_parts_model():
    flow = {"class": keras_bfn.flows.DiscreteFlow(3, beta_1=2.0), "number": FLOW}
    network = keras_bfn.networks.MultiPart(
        flow, {"class": (2,), "number": (3,)}, width=8, num_blocks=1, mixer="mlp"
    )
    return keras_bfn.BayesianFlowNetwork(flow, network, seed=0)


def test_each_jump_goes_forward():
    path, first, last = plan_jumps(np.random.default_rng(0), 1000, 7, 8, to_data=0.5)
    assert (np.bincount(path) == 8).all()
    assert first.min() == 0
    assert last.max() == 7
    assert (first < last).all()
    goes_to_data = last == 7
    # Half of all jumps, and of the others those whose random end is the last step.
    others = np.mean([1 / (7 - first) for first in range(7)])
    assert goes_to_data.mean() == pytest.approx(0.5 + 0.5 * others, abs=0.02)
    assert (first[goes_to_data] == 0).mean() > 0.4
    assert (plan_jumps(np.random.default_rng(0), 50, 7, 2, to_data=1.0)[2] == 7).all()


def test_a_jump_along_its_target_ends_on_the_path():
    jumps = Trajectories(make_exact_teacher(), 16, num_steps=5, num_jumps=8, batch_size=128)
    inputs, target = jumps[0]
    (t, s, x, _), plan = jumps._make()
    path, first, last = (values[:128] for values in plan)
    to_data = last == 5
    np.testing.assert_array_equal(inputs["t"], t[first])
    np.testing.assert_array_equal(inputs["t_next"], t[last])
    np.testing.assert_array_equal(inputs["s"], s[path, first])
    np.testing.assert_allclose(target[to_data][..., 0], x[path[to_data]], rtol=1e-6)
    assert 0 < to_data.sum() < 128
    assert (first[~to_data][:10] == 0).any()  # these leave from t = 0
    for i in np.flatnonzero(~to_data)[:10]:
        root = float(keras.ops.sqrt(FLOW.schedule.beta(t[first[i]])))
        u, mean = (keras.ops.convert_to_tensor(x) for x in (inputs["s"][i] / root, target[i]))
        state = JUMP.advance(FLOW, u, mean, t[first[i]], t[last[i]])
        s_next = keras.ops.convert_to_numpy(JUMP.evidence(FLOW, state, t[last[i]]))
        np.testing.assert_allclose(s_next, s[path[i], last[i]], rtol=1e-3, atol=1e-4)


def test_the_evidence_of_a_path_that_begins_is_that_of_its_latents():
    """At t = 0, u is N(0, c), whatever the data; the last targets are the samples."""
    jumps = Trajectories(make_exact_teacher(), 4000, 48, num_jumps=1, batch_size=4000, to_data=1.0)
    inputs, target = jumps[0]
    begin = inputs["t"] == np.float32(0.02)
    u = inputs["s"][begin] / float(keras.ops.sqrt(FLOW.schedule.beta(0.02)))
    assert u.std() == pytest.approx(1.0, abs=0.03)
    # The exact path multiplies the latents.
    np.testing.assert_allclose(target[begin][..., 0], samples_of(u), atol=0.02)


@pytest.mark.once
def test_an_epoch_depends_on_its_number_and_the_seed_alone():
    def batch(epoch=0, **options):
        jumps = Trajectories(make_exact_teacher(), 8, 3, num_jumps=2, batch_size=8, **options)
        jumps.epoch = epoch
        return jumps[1][0]["s"]

    np.testing.assert_array_equal(batch(), batch())
    np.testing.assert_array_equal(batch(epoch=2), batch(epoch=2))
    assert (batch() != batch(epoch=1)).any()
    assert (batch() != batch(seed=1)).any()


@pytest.mark.once
def test_several_kinds_of_data():
    jumps = Trajectories(make_parts_model(), 8, 3, num_jumps=2, batch_size=16)
    inputs, target = jumps[0]
    assert inputs["s"]["class"].shape == target["class"].shape == (16, 2, 3)
    assert inputs["s"]["number"].shape == target["number"].shape == (16, 3, 1)
    # Means of embeddings of classes: each is a one-hot vector, less 1 / 3 in the embedding.
    flow = jumps.model.flow["class"]
    low, high = (
        float(end(keras.ops.convert_to_numpy(flow.embed(np.arange(3))))) for end in (np.min, np.max)
    )
    assert low - 1e-4 <= target["class"].min() <= target["class"].max() <= high + 1e-4


class Announced(keras.layers.Layer):
    """A network whose samples are all 1 or all 0, as the parity of the class says."""

    null_condition = 4

    def call(self, inputs):
        odd = keras.ops.cast(inputs["condition"] % 2, "float32")
        return 40.0 * (odd[:, None, None] - 0.5) + keras.ops.zeros_like(inputs["theta"])


def make_conditional_model():
    flow = keras_bfn.flows.DiscreteFlow(2, beta_1=3.0)
    return keras_bfn.BayesianFlowNetwork(
        flow, Announced(), event_shape=(3,), condition_dropout=0.1, seed=0
    )


@pytest.mark.once
def test_conditions_and_scales_of_a_path_are_those_of_its_jumps():
    options = {"num_paths": 32, "num_steps": 3, "num_jumps": 2, "batch_size": 64, "to_data": 1.0}
    model = make_conditional_model()
    jumps = Trajectories(model, condition=[1, 2], guidance_scale=(1, 4), **options)
    inputs, target = jumps[0]
    classes, scales = inputs["condition"]["condition"], inputs["condition"]["guidance_scale"]
    assert set(classes) == {1, 2}
    assert scales.shape == (64, 1)
    assert len(np.unique(scales)) == 8
    assert 1 <= scales.min() < scales.max() <= 4
    # Each sample is the one that its own class announces.
    x = np.repeat(classes[:, None] % 2, 3, axis=1)
    embedded = keras.ops.convert_to_numpy(model.flow.embed(x))
    np.testing.assert_array_equal(target, embedded)
    inputs, _ = Trajectories(model, condition=np.array([1, 3]), **options)[0]
    assert set(inputs["condition"]) == {1, 3}
    inputs, _ = Trajectories(model, **options)[0]
    assert set(inputs["condition"]) == {4}  # the null condition


@pytest.mark.once
def test_each_variable_may_have_its_own_time():
    flow = keras_bfn.flows.DiscreteFlow(2, beta_1=3.0)
    network = keras_bfn.networks.MLP(flow, (3,), width=8, num_blocks=1, times="variables")
    model = keras_bfn.AnyOrderNetwork(flow, network)
    inputs, target = Trajectories(model, 4, 3, num_jumps=2, batch_size=8)[0]
    assert inputs["t"].shape == inputs["t_next"].shape == (8,)
    assert inputs["s"].shape == target.shape


@pytest.mark.once
def test_validation_repeats_its_paths():
    jumps = Trajectories(make_exact_teacher(), 8, 3, num_jumps=2, batch_size=8, training=False)
    before = jumps[0][0]["s"]
    for _ in range(2):
        jumps.on_epoch_begin()
        jumps.on_epoch_end()
    assert jumps.epoch == 0
    np.testing.assert_array_equal(jumps[0][0]["s"], before)


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("training", [True, False])
def test_paths_are_those_of_the_models_weights_when_the_epoch_begins(training):
    model = make_parts_model()
    for i, weight in enumerate(model.network.weights):
        weight.assign(0.3 * np.random.default_rng(i).standard_normal(weight.shape))

    def make():
        return Trajectories(model, 4, 3, num_jumps=2, batch_size=8, training=training)

    jumps = make()
    before = jumps[0][0]["s"]["number"]
    for weight in model.network.weights:
        weight.assign(0.5 * weight)
    jumps.on_epoch_begin()
    found = jumps[0][0]["s"]["number"]
    assert np.abs(found - before).max() > 0.01
    np.testing.assert_array_equal(found, make()[0][0]["s"]["number"])
    kept = jumps._made[1]
    jumps.on_epoch_end()
    jumps.epoch = 0
    jumps.on_epoch_begin()
    assert jumps._made[1] is kept  # not generated again


def test_there_is_no_batch_after_the_last():
    jumps = Trajectories(make_exact_teacher(), 8, 3, num_jumps=2, batch_size=5)
    assert jumps.num_batches == 3
    with pytest.raises(IndexError, match="3 batches"):
        jumps[3]


def test_each_row_of_conditions_is_one_condition():
    network = keras_bfn.networks.MLP(FLOW, (3,), width=8, num_blocks=1, conditions=(4,))
    teacher = keras_bfn.BayesianFlowNetwork(FLOW, network, seed=0)
    with pytest.raises(ValueError, match="`condition` must contain one condition in each row"):
        Trajectories(teacher, 4, 3, 2, condition=np.arange(4.0), batch_size=8)
    assert Trajectories(teacher, 4, 3, 2, condition=np.eye(4), batch_size=8).num_batches == 1
