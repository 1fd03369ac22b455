"""Guidance is the gradient of log h, when and as strongly as it is asked for, and compiled once."""

import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn.flows import DiscreteFlow
from keras_bfn.guidance import ClassifierFreeGuidance, Expected, Guidance
from keras_bfn.predictions import output_distributions
from keras_bfn.samplers import AncestralSampler
from tests.checks import assert_draws_follow
from tests.guidance.cases import generate, of_marginals
from tests.inputs.test_missing import FLOWS as LONG_FLOWS
from tests.inputs.test_missing import LONG, SHORT
from tests.inputs.test_missing import make_model as make_long_model
from tests.models.exact_models import make_pair_model
from tests.models.parts import JOINT_PRIOR as FLAGGED
from tests.models.parts import make_pair_model as make_flagged_model
from tests.models.test_guiding_by_classes import make_class_model
from tests.tensors import to_numpy, to_tensor

TRAJECTORY = {"sampler": "ode1", "return_details": True}


def prefer(probs, weights):
    """The log likelihood of the first variable by weights of its classes, for each row its own."""
    return ops.log(ops.sum(probs[:, 0] * weights, axis=-1))


WEIGHTS = np.array([[5, 1, 1], [1, 5, 1], [1, 1, 5], [3, 3, 1], [1, 2, 1]], "float32")


class Prefers(Guidance):
    """As `prefer`. It has no function, so its program is reused."""

    def __init__(self, weights, **options):
        super().__init__(values={"weights": weights}, **options)

    def likelihood(self, data, weights):
        return prefer(data, weights)


@pytest.fixture(scope="module")
def model():
    return make_pair_model()


def log_h(model, guidance, s, t):
    predictions = model.predict_params(s, t)
    outputs = output_distributions(model.flow, predictions)
    return to_numpy(guidance.log_h(Expected(model.flow, predictions, outputs)))


def shift_of(with_guidance, without, flow):
    """What guidance added to the expected embedding in the first step, from the same start."""
    growth = np.sqrt(float(flow.schedule.beta(without.t[1]))) - np.sqrt(
        float(flow.schedule.beta(without.t[0]))
    )
    root = np.sqrt(float(flow.schedule.beta(without.t[1])))
    return (with_guidance.s[1] - without.s[1]) / (flow.gain * growth * root)


@pytest.mark.once
@pytest.mark.parametrize("through_network", [True, False])
def test_steps_are_shifted_by_the_gradient_of_log_h(model, through_network):
    """By finite differences; without the network, of evidence that it does not see."""
    guidance = Guidance(of_marginals, scale=1.5, through_network=through_network)
    from keras_bfn.samplers import ODE1Sampler

    options = {**TRAJECTORY, "sampler": ODE1Sampler(start=0.3)}
    plain = generate(model, 3, 4, **options).trajectory
    guided = generate(model, 3, 4, guidance=guidance, **options).trajectory
    np.testing.assert_array_equal(plain.s[0], guided.s[0])
    found = shift_of(guided, plain, model.flow)
    s, t, step = plain.s[0], np.full(3, 0.3, "float32"), 0.02
    probs = to_numpy(ops.softmax(plain.params[0]))
    for place in np.ndindex(2, 3):
        change = np.zeros_like(s)
        change[(slice(None), *place)] = step
        if through_network:
            up, down = (log_h(model, guidance, s + sign * change, t) for sign in (1, -1))
        else:
            tilted = (probs * np.exp(sign * change) for sign in (1, -1))
            up, down = (
                to_numpy(of_marginals(to_tensor(x / x.sum(axis=-1, keepdims=True)))) for x in tilted
            )
        expected = 1.5 * (up - down) / (2 * step)
        np.testing.assert_allclose(found[(slice(None), *place)], expected, atol=2e-3)
    assert np.abs(found).max() > 0.1


@pytest.mark.once
@pytest.mark.parametrize("num_particles", [1, 2])
def test_a_constant_likelihood_changes_nothing(model, num_particles):
    x = generate(model, 50, 6, sampler="sde1")
    found = generate(
        model, 50, 6, guidance=lambda p: 3.0 + 0.0 * p[:, 0, 0], num_particles=num_particles
    )
    if num_particles == 1:
        np.testing.assert_array_equal(found, x)
    else:  # draws are others
        assert found.shape == x.shape


@pytest.mark.once
def test_outside_of_its_interval_and_at_scale_0_nothing_guides(model):
    """Whatever the likelihood is there, no number even."""
    plain = generate(model, 4, 8, **TRAJECTORY).trajectory

    def run(fn=of_marginals, **options):
        return generate(model, 4, 8, guidance=Guidance(fn, **options), **TRAJECTORY).trajectory.s

    np.testing.assert_array_equal(run(scale=0.0), plain.s)
    late, early = run(interval=(0.5, 1.0)), run(interval=(0.0, 0.49))
    np.testing.assert_array_equal(late[:5], plain.s[:5])  # the step from 0.5 on is guided
    assert (late[5] != plain.s[5]).any()
    assert (early[1] != plain.s[1]).any()
    np.testing.assert_array_equal(run(scale=lambda t: float(t >= 0.5)), late)

    def of_the_sure(probs):
        return of_marginals(probs) + 0.0 * ops.log(ops.max(probs[:, 0], axis=-1) - 0.4)

    assert np.isfinite(run(of_the_sure, interval=(0.9, 1.0))).all()


@pytest.mark.slow_to_compile
def test_values_differ_by_row_and_survive_batches(model):
    guidance = Guidance(prefer, {"weights": WEIGHTS.astype("float64")})
    options = {**TRAJECTORY, "guidance": guidance, "latents": np.ones((5, 2, 3), "float32")}
    results = [generate(model, 5, 4, batch_size=n, **options) for n in (5, 2)]
    whole, batches = (result.trajectory for result in results)
    np.testing.assert_allclose(batches.s, whole.s, rtol=1e-4, atol=1e-4)
    favoured = whole.params[-1][:3, 0].argmax(axis=-1)
    np.testing.assert_array_equal(favoured, [0, 1, 2])


def test_another_value_scale_or_interval_compiles_nothing_anew():
    model = make_pair_model()
    results = [
        generate(model, 3, num_steps, guidance=Prefers(w, **options))
        for num_steps, w, options in (
            (3, WEIGHTS[:3], {}),
            (4, WEIGHTS[2:], {}),
            (3, WEIGHTS[:3], {"scale": 2.0}),
            (3, WEIGHTS[:3], {"scale": lambda t: t, "interval": (0.2, 0.9)}),
        )
    ]
    assert len(model.programs.kept) == 1
    again = generate(model, 3, 4, guidance=Prefers(WEIGHTS[2:]))
    np.testing.assert_array_equal(results[1], again)


@pytest.mark.slow_to_compile("tensorflow")
def test_other_values_of_a_product_compile_nothing_anew():
    """As if each were the only one."""
    model = make_pair_model()
    x, known = np.array([[1, 0], [2, 0], [0, 1]]), np.array([True, False])
    options = {"sampler": "sde1", "seed": 1, "verbose": 0}

    def run(model, first, second, x):
        both = Prefers(first, scale=2.0) * Prefers(second)
        completed = model.inpaint(x, known, 3, guidance=Prefers(second), seed=1, verbose=0)
        return model.generate(3, 3, guidance=both, **options), completed

    run(model, WEIGHTS[:3], WEIGHTS[2:], x)
    found = run(model, WEIGHTS[2:], WEIGHTS[1:4], x[::-1])
    assert len(model.programs.kept) == 2
    expected = run(make_pair_model(), WEIGHTS[2:], WEIGHTS[1:4], x[::-1])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.once
def test_a_function_is_compiled_anew_because_what_it_reads_may_have_changed(model):
    weights = {"first": WEIGHTS[:1]}

    def prefer_first(probs):
        return prefer(probs, to_tensor(weights["first"]))

    model.programs.clear()
    options = {**TRAJECTORY, "guidance": Guidance(prefer_first)}
    before = generate(model, 4, 4, **options).trajectory.s
    weights["first"] = WEIGHTS[1:2]
    after = generate(model, 4, 4, **options).trajectory.s
    assert len(model.programs.kept) == 0
    expected = generate(model, 4, 4, **TRAJECTORY, guidance=Prefers(WEIGHTS[[1] * 4])).trajectory.s
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(after - before).max() > 0.1


@pytest.mark.once
def test_in_a_program_a_guidance_has_no_values_scale_or_interval(model):
    """They are given to its methods, and may differ in the next call."""

    class Reads(Prefers):
        def __init__(self, weights, name):
            super().__init__(weights)
            self.name = name

        def log_h(self, expected, weights):
            getattr(self, self.name)
            return super().log_h(expected, weights=weights)

    for name in ("values", "scale", "interval"):
        with pytest.raises(AttributeError, match=f"`{name}` of `Reads` is not an attribute in a c"):
            generate(model, 3, 2, guidance=Reads(WEIGHTS[:3], name))


@pytest.mark.once
def test_products_and_sums(model):
    first, second = (Guidance(prefer, {"weights": WEIGHTS[i : i + 1].repeat(4, 0)}) for i in (0, 1))

    def both(probs):
        return prefer(probs, to_tensor(WEIGHTS[:1])) + prefer(probs, to_tensor(WEIGHTS[1:2]))

    def either(probs):
        return ops.log(ops.sum(probs[:, 0] * to_tensor(WEIGHTS[:2].mean(axis=0)), axis=-1))

    def nested(probs):
        return prefer(probs, to_tensor(WEIGHTS[:1])) + either(probs)

    for combined, fn in (
        (first * second, both),
        (first + second, either),
        (first * (first + second), nested),
        ((second + first) * first, nested),
    ):
        for options in (TRAJECTORY, {"num_particles": 3, "return_details": True}):
            results = [generate(model, 4, 4, guidance=one, **options) for one in (combined, fn)]
            found, expected = (
                result.log_likelihood if result.trajectory is None else result.trajectory.s
                for result in results
            )
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(TypeError):
        first * 2.0


@pytest.mark.once
def test_a_condition_and_a_function_guide_together():
    model = make_class_model(condition_dropout=0.1)
    condition = np.array([0, 1, 2, 1])

    def count(probs):
        return 2.0 * ops.sum(ops.log(probs[..., 4] + 0.01), axis=(1, 2, 3))

    def run(**options):
        return generate(model, 4, 6, condition=condition, **TRAJECTORY, **options).trajectory.s[-1]

    plain, by_scale, by_function = run(), run(guidance_scale=3.0), run(guidance=count)
    together = run(guidance_scale=3.0, guidance=count)
    for one in (plain, by_scale, by_function):
        assert np.abs(together - one).max() > 0.1
    nothing = Guidance(count, scale=0.0)
    np.testing.assert_allclose(run(guidance_scale=3.0, guidance=nothing), by_scale, rtol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("num_particles", [1, 2])
def test_a_function_of_parts_sees_those_that_are_given(num_particles):
    """One part is drawn, of one variable: h is exact."""
    likelihood = np.array([[1.0, 0.1], [0.1, 0.3], [0.5, 1.0]])
    flag = np.arange(4000)[:, None] % 2

    def of_both(data):
        return ops.log(
            ops.einsum("bk,kl,bl->b", data["word"], to_tensor(likelihood), data["flag"][:, 0])
        )

    options = {"given": {"flag": flag}, "num_particles": num_particles}
    x = generate(make_flagged_model("variables"), 4000, 30, guidance=of_both, **options)
    np.testing.assert_array_equal(x["flag"], flag)
    for value in (0, 1):
        tilted = FLAGGED[:, value] * likelihood[:, value]
        assert_draws_follow(tilted / tilted.sum(), x["word"][flag[:, 0] == value])


@pytest.mark.once
@pytest.mark.parametrize("name", ["discrete", "numbers"])
def test_variables_that_are_missing_are_0_in_what_the_function_sees(name):
    model = make_long_model(LONG_FLOWS[name])

    def only_what_is_there(data):
        flat = ops.reshape(ops.square(data), (ops.shape(data)[0], LONG, -1))
        # No number, if anything is where nothing should be.
        return ops.sum(flat[:, :SHORT], axis=(1, 2)) + ops.log(
            1.0 - 1e9 * ops.sum(flat[:, SHORT:], axis=(1, 2))
        )

    guidance = Guidance(only_what_is_there)
    for options in ({}, {"num_particles": 2}):
        x = generate(model, 3, 3, guidance=guidance, lengths=SHORT, **options)
        assert (np.isnan(x) if name == "numbers" else x == -1)[:, SHORT:].all()


@pytest.mark.once
def test_seeds_repeat(model):
    options = {"guidance": Guidance(of_marginals, num_draws=2), "num_particles": 2}
    first, again, other = (generate(model, 40, 4, seed=i, **options) for i in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def of_wrong_shape(probs):
    return ops.sum(probs, axis=(1, 2))[:, None]


def of_all(probs):
    return ops.sum(probs)


def of_numpy(probs):
    return ops.convert_to_numpy(probs)[:, 0, 0]


def of_nothing(probs):
    return None


@pytest.mark.parametrize("fn", [of_wrong_shape, of_all, of_numpy, of_nothing])
def test_a_function_that_returns_something_else_is_refused(model, fn):
    with pytest.raises(
        ValueError, match=r"`guidance` must be a function that returns one log.*Rec"
    ):
        generate(model, 2, 2, guidance=fn)


def of_likeliest(probs):
    return ops.cast(ops.argmax(probs[:, 0], axis=-1), "float32")


def of_rounded(probs):
    return ops.round(probs[:, 0, 0])


@pytest.mark.parametrize("fn", [of_likeliest, of_rounded])
def test_a_function_without_a_gradient_is_refused(model, fn):
    with pytest.raises(ValueError, match=r"`guidance` must be a differentiable function.*Received"):
        generate(model, 2, 2, guidance=fn)


@pytest.mark.once
def test_and_so_it_is_of_two_classes():
    model = make_class_model("binary", condition_dropout=0.1)

    def of_likeliest(probs):
        return ops.cast(ops.sum(ops.argmax(probs, axis=-1), axis=(1, 2, 3)), "float32")

    with pytest.raises(ValueError, match=r"`guidance` must be a differentiable function.*Received"):
        model.generate(2, 2, guidance=of_likeliest, verbose=0)


def test_what_is_no_number_is_refused_with_its_step(model):
    """From a time on; here by the values' own doing, which differ by row."""

    def late(probs, most):
        return ops.log(most - ops.max(probs[:, 0], axis=-1))

    guidance = Guidance(late, {"most": np.array([0.6, 9.0], "float32")}, scale=0.1)
    message = "`guidance` must be finite.*NaN or infinity for 1 of 2 samples, first at step"
    with pytest.raises(ValueError, match=message) as caught:
        generate(model, 2, 40, sampler="ode1", guidance=guidance)
    assert 0 < int(str(caught.value).split()[-1]) < 40


@pytest.fixture(scope="module")
def class_model():
    return make_class_model(condition_dropout=0.1)


@pytest.mark.once
@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_a_condition_guides_as_strongly_as_it_is_asked_to_at_each_time(class_model, rescale):
    """Against predictions by hand."""
    condition = np.array([0, 1, 2, 1], "int32")
    strength = ClassifierFreeGuidance(lambda t: 1.0 + 4.0 * t, (0.2, 0.75), rescale)
    options = {"condition": condition, "guidance_scale": strength, **TRAJECTORY}
    found = generate(class_model, 4, 4, **options).trajectory
    for step, scale in enumerate([1.0, 2.0, 3.0, 4.0, 1.0]):
        t = np.full(4, step / 4, "float32")
        s = to_tensor(found.s[step])
        there = to_numpy(class_model.predict_params(s, t, condition).params)
        none = to_numpy(class_model.predict_params(s, t, np.full(4, 3, "int32")).params)
        guided = none + scale * (there - none)
        axes = (1, 2, 3, 4)
        ratio = there.std(axes, keepdims=True) / guided.std(axes, keepdims=True)
        expected = guided * (1 + rescale * (ratio - 1))
        np.testing.assert_allclose(found.params[step], expected, rtol=2e-3, atol=2e-3)


@pytest.mark.once
def test_a_sampler_that_takes_no_shift_is_not_guided():
    class Plain(AncestralSampler):
        def step(self, flow, state, distribution, t, t_next, seed=None):
            return super().step(flow, state, distribution, t, t_next, seed)

    model = make_pair_model()
    model.generate(2, 2, Plain(), verbose=0)
    with pytest.raises(ValueError, match="`sampler` must have a `step` that accepts a `shift`"):
        model.generate(2, 2, Plain(), guidance=lambda p: ops.sum(p, axis=(1, 2)), verbose=0)


@pytest.mark.once
def test_draws_of_many_classes_guide():
    """A draw of one of so many takes two numbers."""
    flow = DiscreteFlow(600, beta_1=2.0)
    network = keras_bfn.networks.MLP(flow, (2,), width=8, num_blocks=1)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    first = Guidance(lambda p: ops.sum(ops.log(p[:, :, 0] + 1e-3), axis=1), num_draws=2)
    assert model.generate(3, 2, guidance=first, verbose=0).shape == (3, 2)
