"""A user's own rule of classifier-free guidance, wherever a condition guides."""

import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn.distillation import Trajectories
from keras_bfn.guidance import ClassifierFreeGuidance
from keras_bfn.networks import MLP, Transformer
from keras_bfn.orders import Blocks
from tests.backends import everywhere
from tests.models.test_guiding_by_classes import NULL, make_class_model
from tests.tensors import to_numpy, to_tensor

CLASSES, LENGTH = np.array([0, 1, 2, 1], "int32"), 4
FLOW = keras_bfn.flows.DiscreteFlow(3, beta_1=3.0)


class Weaker(ClassifierFreeGuidance):
    """The difference that the condition makes counts by the logarithm of 1 + scale."""

    def combine(self, params, without, scale):
        weight = keras_bfn.flows.expand(ops.log(1.0 + scale), params)
        return without + weight * (params - without)


class Constant(ClassifierFreeGuidance):
    """The last class is certain, whatever the network predicts."""

    def combine(self, params, without, scale):
        return 0.0 * (params + without) + ops.convert_to_tensor([0.0, 0.0, 90.0])


class Reads(ClassifierFreeGuidance):
    """Reads its own scale, not the one that it is given."""

    def combine(self, params, without, scale):
        return self.scale * params


def randomise(network):
    rng = np.random.default_rng(0)
    network.set_weights([0.4 * rng.standard_normal(w.shape) for w in network.get_weights()])
    return network


def make_ordered_model(causal=True):
    network = Transformer(
        FLOW,
        LENGTH,
        width=8,
        num_layers=1,
        num_heads=2,
        times="variables",
        causal=causal,
        conditions=3,
    )
    return keras_bfn.AnyOrderNetwork(FLOW, randomise(network), condition_dropout=0.25, seed=0)


@pytest.fixture
def model():
    return make_class_model("discrete", condition_dropout=0.1)


def run(model, guidance_scale, **options):
    options = {"sampler": "ode1", "condition": CLASSES, "seed": 0, "verbose": 0, **options}
    return model.generate(4, 3, guidance_scale=guidance_scale, return_details=True, **options)


@pytest.mark.slow_to_compile
def test_each_prediction_is_combined_by_the_rule_with_the_scale_of_its_time(model):
    """Against predictions by hand."""
    strength = Weaker(lambda t: 1.0 + 4.0 * t, interval=(0.0, 0.9))
    found = run(model, strength).trajectory
    for step, scale in enumerate([1.0, 7 / 3, 11 / 3, 1.0]):
        s, t = to_tensor(found.s[step]), np.full(4, found.t[step], "float32")
        params = to_numpy(model.predict_params(s, t, CLASSES).params)
        without = to_numpy(model.predict_params(s, t, np.full(4, NULL, "int32")).params)
        expected = without + np.log(1.0 + scale) * (params - without)
        np.testing.assert_allclose(found.params[step], expected, rtol=2e-3, atol=2e-3)


@pytest.mark.slow_to_compile
def test_a_subclass_and_its_base_class_share_no_program_and_two_scales_do(model):
    base, own = (run(model, cls(2.0)).trajectory.s for cls in (ClassifierFreeGuidance, Weaker))
    assert len(model.programs.kept) == 2
    assert np.abs(own - base).max() > 0.01
    stronger = run(model, Weaker(5.0)).trajectory.s
    assert len(model.programs.kept) == 2
    assert np.abs(stronger - own).max() > 0.01
    # As it is without the others' programs.
    model.programs.clear()
    for guidance, expected in (
        (Weaker(5.0), stronger),
        (Weaker(2.0), own),
        (ClassifierFreeGuidance(2.0), base),
    ):
        np.testing.assert_array_equal(run(model, guidance).trajectory.s, expected)


@pytest.mark.once
def test_the_rule_of_a_subclass_holds_at_a_scale_of_1(model):
    """There, only the package's own rule is that of the conditional model as trained."""
    plain, base, own = (run(model, one).trajectory.params for one in (1.0, _base(), Weaker(1.0)))
    np.testing.assert_array_equal(plain, base)
    assert np.abs(own - plain).max() > 0.01


def _base():
    return ClassifierFreeGuidance(1.0)


@pytest.mark.once
def test_a_rule_that_reads_its_own_scale_is_refused(model):
    """It may be another in the next call of the program."""
    with pytest.raises(
        AttributeError, match="`scale` of `Reads` is not an attribute in a compiled"
    ):
        run(model, Reads(2.0))


@pytest.mark.once
def test_it_serves_inpainting_and_guidance_by_functions(model):
    x = run(model, 1.0).samples
    options = {"condition": CLASSES, "seed": 0, "verbose": 0, "return_details": True}
    found = [
        model.inpaint(x, x > 1, 2, guidance_scale=guidance, **options).log_likelihood
        for guidance in (ClassifierFreeGuidance(3.0), Weaker(3.0), Weaker(3.0))
    ]
    assert (found[0] != found[1]).all()
    np.testing.assert_array_equal(found[1], found[2])

    def prefer(probs):
        return ops.sum(ops.log(probs[..., 0] + 0.01), axis=(1, 2, 3))

    own, base = (
        run(model, guidance, guidance=prefer).trajectory.s
        for guidance in (Weaker(3.0), ClassifierFreeGuidance(3.0))
    )
    assert np.abs(own - base).max() > 0.01


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(
    "order",
    everywhere({"random": "random", "one by one": "left_to_right", "blocks": Blocks(2)}, "blocks"),
)
def test_it_guides_in_every_order(order):
    """From left to right, both with and without a causal form, which caches what it computed."""
    for causal in (True, False):
        model = make_ordered_model(causal)
        options = {"condition": CLASSES, "order": order, "seed": 0, "verbose": 0}
        x = model.generate(4, 3, guidance_scale=Constant(2.0), **options)
        np.testing.assert_array_equal(x, np.full((4, LENGTH), 2))
        if order != "left_to_right" or causal:
            given = np.where(np.arange(LENGTH) < 1, 0, np.full((4, LENGTH), -1))
            x = model.generate(4, 3, guidance_scale=Constant(2.0), given=given, **options)
            np.testing.assert_array_equal(x, np.tile([0, 2, 2, 2], (4, 1)))


@pytest.mark.once
def test_orders_share_programs_between_scales_alone():
    model = make_ordered_model()
    for order in ("left_to_right", Blocks(2)):
        model.programs.clear()
        for guidance in (Weaker(2.0), Weaker(3.0), ClassifierFreeGuidance(3.0)):
            model.generate(4, 2, condition=CLASSES, order=order, guidance_scale=guidance, verbose=0)
        assert len(model.programs.kept) == 2


@pytest.mark.once
def test_paths_that_a_student_learns_are_guided_by_it():
    network = MLP(FLOW, (LENGTH,), width=8, num_blocks=1, conditions=3)
    model = keras_bfn.BayesianFlowNetwork(FLOW, randomise(network), condition_dropout=0.1, seed=0)
    options = {"num_paths": 8, "num_steps": 3, "num_jumps": 2, "batch_size": 16, "to_data": 1.0}
    options["condition"] = CLASSES
    _, target = Trajectories(model, guidance_scale=Constant(2.0), **options)[0]
    certain = to_numpy(FLOW.embed(np.full((16, LENGTH), 2, "int32")))
    np.testing.assert_allclose(target, certain, rtol=1e-5)
    base, own, number = (
        Trajectories(model, guidance_scale=scale, **options)[0][0]["s"]
        for scale in (ClassifierFreeGuidance(3.0), Weaker(3.0), 3.0)
    )
    np.testing.assert_array_equal(base, number)
    assert np.abs(own - base).max() > 0.01
