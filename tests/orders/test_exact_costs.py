"""Variables in any order: by exact posteriors each costs the joint entropy, and draws the joint.

Of an exact network, what is coded directly costs -log p of that variable given all before it. So an
example that is coded in a fixed order, scored once at each group, costs exactly -log p. In random
orders, and by messages, it costs so on average.
"""

import functools

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import keras_bfn
from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.orders import Blocks, Groups, LeftToRight, Order, Random
from keras_bfn.samplers import AncestralSampler, ODE2Sampler, SDE2Sampler
from tests.backends import everywhere
from tests.checks import assert_draws_follow, assert_mean_is
from tests.models import exact_parts
from tests.models.exact_models import JOINT_PRIOR as PAIR
from tests.models.exact_models import PairNetwork

NUM_EXACT, NUM_DRAWS = 400, 5000
once = pytest.mark.once


def make_classes():
    flow = DiscreteFlow(3, beta_1=12.0)
    network = PairNetwork(PAIR)
    return keras_bfn.AnyOrderNetwork(flow, network, event_shape=(2,), seed=0)


def make_bins():
    flow = DiscretizedFlow(3, sigma_1=0.1, prediction="data")
    network = exact_parts.BinPairPosterior(flow, PAIR)
    return keras_bfn.AnyOrderNetwork(flow, network, event_shape=(2,), seed=0)


def make_parts():
    return exact_parts.make_triple_model(times="variables")


class Truth:
    """A model whose network is the exact posterior, and the joint probabilities that it knows.

    Args:
        make_model: makes the model.
        joint: float array with an axis for each variable.
    """

    def __init__(self, make_model, joint):
        self.make_model, self.joint, self.size = make_model, joint, joint.ndim

    @functools.cached_property
    def model(self):
        return self.make_model()

    def as_data(self, values):
        """Values of all variables, `(..., variables)`, as data: of parts, a kind and two grades."""
        values = np.asarray(values)
        if not isinstance(self.model.flow, dict):
            return values
        return {"kind": values[..., 0], "grades": values[..., 1:]}

    def as_values(self, x):
        """Of data, the reverse."""
        if not isinstance(x, dict):
            return x
        return np.concatenate([x["kind"][:, None], x["grades"]], axis=1)

    def draw(self, num, seed=0):
        """As many examples, `(num, variables)`."""
        places = np.random.default_rng(seed).choice(self.joint.size, num, p=self.joint.ravel())
        return np.stack(np.unravel_index(places, self.joint.shape), axis=1).astype("int32")

    def given(self, known):
        """The probabilities of what is not known given what is, in the shape of the joint."""
        axes = tuple(np.flatnonzero(~np.asarray(known)))
        return self.joint / self.joint.sum(axis=axes, keepdims=True)

    def nats(self, values, known=None):
        """-log p of what is not known of each example given what is."""
        known = np.zeros(self.size, bool) if known is None else known
        return -np.log(self.given(known)[tuple(values.T)])

    def entropy(self, known=None):
        known = np.zeros(self.size, bool) if known is None else known
        return -np.sum(self.joint * np.log(self.given(known)))

    def groups(self, numbers, coded_directly=True):
        """An order by an array of group numbers of the variables."""
        return Groups(self.as_data(numbers), coded_directly)

    def cost(self, values, known=None, **options):
        """The code length of each example, messages and data."""
        mask = None if known is None else self.as_data(known)
        options = {"batch_size": len(values), "seed": 0, "verbose": 0, **options}
        nats = self.model.code_length(self.as_data(values), known=mask, **options)
        return nats["transmission"], nats["reconstruction"]

    def assert_cost_is_the_entropy(self, order, known=None, num=40_000, precision=0.02, **options):
        values = self.draw(num)
        transmission, reconstruction = self.cost(values, known, order=order, **options)
        # Less the noise of the data: what is left is that of times and messages.
        differences = transmission + reconstruction - self.nats(values, known)
        assert_mean_is(self.entropy(known), differences + self.entropy(known), precision, within=3)
        assert (transmission != 0).any()

    def assert_told_costs_are_exact(self, order, known=None):
        values = self.draw(20_000 if order.is_random else NUM_EXACT)
        num_groups = order.count_groups(self.model.event_shape)
        transmission, told = self.cost(values, known, order=order, num_repeats=num_groups)
        assert_array_equal(transmission, np.zeros(len(values)))
        nats, entropy = self.nats(values, known), self.entropy(known)
        if order.is_random:  # each repeat has a new order: on average, costs are exact
            assert_mean_is(entropy, told - nats + entropy, precision=0.02, within=3)
        else:
            assert_allclose(told, nats, rtol=1e-4, atol=1e-4)

    def assert_samples_follow(self, order, values=None, sampler="sde2", seed=1):
        """Samples, or those given the values of some variables, -1 for what is not known."""
        given = None if values is None else self.as_data(np.tile(values, (NUM_DRAWS, 1)))
        x = self.as_values(
            self.model.generate(
                NUM_DRAWS,
                30,
                sampler,
                order=order,
                given=given,
                seed=seed,
                batch_size=NUM_DRAWS,
                verbose=0,
            )
        )
        values = np.full(self.size, -1) if values is None else np.asarray(values)
        known = values >= 0
        assert_array_equal(x[:, known], np.tile(values[known], (NUM_DRAWS, 1)))
        place = tuple(slice(v, v + 1) if v >= 0 else slice(None) for v in values)
        probs = self.given(known)[place]
        unknown = x[:, ~known].T
        places = np.ravel_multi_index(
            tuple(unknown), [probs.shape[i] for i in np.flatnonzero(~known)]
        )
        assert_draws_follow(probs.ravel(), places)


TRUTHS = {
    "classes": Truth(make_classes, PAIR),
    "bins": Truth(make_bins, PAIR),
    "parts": Truth(make_parts, exact_parts.TRIPLES),
}


@keras.saving.register_keras_serializable("keras_bfn_tests")
class RightToLeft(Order):
    """An order of one's own: from the last variable to the first."""

    def count_groups(self, event_shape):
        return LeftToRight().count_groups(event_shape)

    def groups(self, event_shape, noise=None, open=None):
        last = self.count_groups(event_shape) - 1
        return keras.tree.map_structure(
            lambda numbers: last - numbers, LeftToRight().groups(event_shape)
        )


def numbers_of(truth):
    """Group numbers in no order of the variables."""
    return [1, 0] if truth.size == 2 else [2, 0, 1]


TOLD = {
    "random": lambda truth: Random(),
    "random-in_2": lambda truth: Random(2),
    "left_to_right": lambda truth: LeftToRight(),
    "right_to_left": lambda truth: RightToLeft(),
    "groups": lambda truth: truth.groups(numbers_of(truth)),
}
MIXED = {
    "together": lambda truth: truth.groups([0] * truth.size, coded_directly=False),
    "blocks": lambda truth: Blocks(1),
    "blocks-of_2": lambda truth: Blocks(2),
    "told-then_messages": lambda truth: truth.groups(
        [0, 1, 1][: truth.size], coded_directly=[True, False]
    ),
    "messages-then_told": lambda truth: truth.groups(
        [0, 1, 0][: truth.size], coded_directly=[False, True]
    ),
}
# Told at once, each regardless of the others, two variables cost more than they need.
EXACT = {name: order for name, order in TOLD.items() if name != "random-in_2"}


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("truth", everywhere(TRUTHS, "parts"))
@pytest.mark.parametrize("order", everywhere(EXACT, "random"))
def test_what_is_told_in_any_order_costs_minus_log_p(truth, order):
    truth.assert_told_costs_are_exact(order(truth))


@pytest.mark.parametrize("truth", everywhere(TRUTHS, "parts"))
@pytest.mark.parametrize("order", everywhere(MIXED, "blocks"))
def test_messages_in_any_order_cost_the_entropy(truth, order):
    truth.assert_cost_is_the_entropy(order(truth))


@once
@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("num_steps", [1, 3])
def test_of_one_variable_at_a_time_any_number_of_messages_costs_the_entropy(truth, num_steps):
    truth.assert_cost_is_the_entropy(Blocks(1), num_steps=num_steps)


@once
def test_two_at_once_cost_what_they_tell_of_each_other():
    truth = TRUTHS["classes"]
    values = truth.draw(NUM_EXACT)
    _, told = truth.cost(values, order=truth.groups([0, 0]))
    marginals = PAIR.sum(axis=1), PAIR.sum(axis=0)
    expected = -sum(np.log(p[column]) for p, column in zip(marginals, values.T, strict=True))
    assert_allclose(told, expected, rtol=1e-4)


@once
def test_a_repeat_scores_one_group_of_each_example_without_bias():
    truth = TRUTHS["parts"]
    values = truth.draw(20_000)
    _, told = truth.cost(values, order="random")  # one of three groups, three times
    nats = truth.nats(values)
    assert np.abs(told - nats).max() > 1
    assert_mean_is(truth.entropy(), told - nats + truth.entropy(), precision=0.02, within=3)


KNOWN = {
    "classes": [[True, False], [False, True]],
    "bins": [[True, False], [False, True]],
    "parts": [[True, False, False], [False, True, False], [True, False, True]],
}
GIVEN = [
    pytest.param(
        TRUTHS[name],
        np.array(known),
        marks=[] if (name, known) == ("parts", [False, True, False]) else [once],
        id=f"{name}-{''.join(map(str, np.flatnonzero(known)))}",
    )
    for name in TRUTHS
    for known in KNOWN[name]
]


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(("truth", "known"), GIVEN)
def test_what_is_told_given_others_costs_minus_log_p_given_these(truth, known):
    for order in (Random(), truth.groups(numbers_of(truth))):
        truth.assert_told_costs_are_exact(order, known)


@once
@pytest.mark.parametrize(("truth", "known"), GIVEN)
def test_messages_given_others_cost_the_conditional_entropy(truth, known):
    for order in ("together", Blocks(1)):
        truth.assert_cost_is_the_entropy(order, known, precision=0.05)


@once
def test_each_example_may_have_a_mask_of_its_own():
    truth = TRUTHS["parts"]
    values = truth.draw(NUM_EXACT)
    known = np.random.default_rng(0).random(values.shape) < 0.5
    known[:2] = [[True] * 3, [False] * 3]
    order = truth.groups(numbers_of(truth))
    _, told = truth.cost(values, known, order=order, num_repeats=3)
    expected = [truth.nats(v[None], k)[0] for v, k in zip(values, known, strict=True)]
    assert_allclose(told, expected, rtol=1e-4, atol=1e-4)


@once
def test_parts_that_are_given_are_named_or_masked():
    truth = TRUTHS["parts"]
    values = truth.draw(NUM_EXACT)
    options = {"order": "left_to_right", "num_repeats": 3, "batch_size": NUM_EXACT, "seed": 0}
    found = [
        truth.model.code_length(truth.as_data(values), known=known, verbose=0, **options)[
            "reconstruction"
        ]
        for known in (["kind"], "kind", {"kind": True}, {"kind": np.ones(NUM_EXACT, bool)})
    ]
    for other in found[1:]:
        assert_array_equal(other, found[0])
    assert_allclose(found[0], truth.nats(values, [True, False, False]), rtol=1e-4, atol=1e-4)


@once
@pytest.mark.parametrize("order", ["together", "random", Blocks(1)], ids=str)
def test_the_cost_of_each_part_is_what_it_adds(order):
    truth = TRUTHS["parts"]
    x = truth.as_data(truth.draw(20_000))
    nats = truth.model.code_length(x, order=order, batch_size=20_000, seed=0, verbose=0)
    for name in ("transmission", "reconstruction"):
        parts = sum(part[name] for part in nats["parts"].values())
        assert_allclose(nats[name], parts, rtol=1e-4, atol=1e-4)


@once
def test_costs_repeat_by_their_seed_and_not_without():
    truth = TRUTHS["parts"]
    values = truth.draw(50)

    def told(**options):
        return truth.cost(values, order="random", **options)[1]

    assert_array_equal(told(), told())
    assert (told(seed=None) != told(seed=None)).any()
    assert_array_equal(told(batch_size=7) > 0, told() > 0)  # the order is that of the example


@once
def test_weights_of_variables_count_what_is_told():
    truth = TRUTHS["classes"]
    values = truth.draw(NUM_EXACT)
    weight = np.array([0.0, 2.0]) + np.zeros((NUM_EXACT, 2))
    _, told = truth.cost(values, order="left_to_right", num_repeats=2, sample_weight=weight)
    assert_allclose(told, 2 * truth.nats(values, [True, False]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("truth", everywhere(TRUTHS, "parts"))
@pytest.mark.parametrize("order", everywhere(EXACT, "random"))
def test_what_is_told_is_drawn_by_the_joint_distribution(truth, order):
    truth.assert_samples_follow(order(truth))


@pytest.mark.parametrize("truth", everywhere(TRUTHS, "parts"))
@pytest.mark.parametrize(
    "order", everywhere({k: v for k, v in MIXED.items() if k != "together"}, "told-then_messages")
)
def test_messages_in_any_order_draw_by_the_joint_distribution(truth, order):
    truth.assert_samples_follow(order(truth))


@once
@pytest.mark.parametrize(
    "sampler",
    [
        "ancestral",
        "sde1",
        "ode1",
        "ode2",
        AncestralSampler(end="last"),
        SDE2Sampler(end="sample"),
        ODE2Sampler(start=0.01, spacing="log_beta"),
    ],
    ids=repr,
)
def test_every_sampler_sends_blocks_and_draws_what_is_told(sampler):
    for order in (Blocks(1), LeftToRight()):
        TRUTHS["classes"].assert_samples_follow(order, sampler=sampler)


VALUES = {
    "classes": [[0, -1], [-1, 2]],
    "bins": [[2, -1], [-1, 1]],
    "parts": [[1, -1, -1], [-1, 2, -1], [0, -1, 1]],
}
SOME = [
    pytest.param(
        TRUTHS[name],
        values,
        marks=[] if (name, values) == ("parts", [-1, 2, -1]) else [once],
        id=f"{name}-{values}",
    )
    for name in TRUTHS
    for values in VALUES[name]
]


@pytest.mark.slow_to_compile
@pytest.mark.parametrize(("truth", "values"), SOME)
@pytest.mark.parametrize("order", everywhere({**EXACT, "together": None}, "together"))
def test_the_rest_is_drawn_given_what_is_known(truth, values, order):
    truth.assert_samples_follow("together" if order is None else order(truth), values)


@once
@pytest.mark.parametrize(("truth", "values"), SOME)
def test_the_rest_is_drawn_in_blocks_given_what_is_known(truth, values):
    truth.assert_samples_follow(Blocks(1), values)


@once
@pytest.mark.parametrize("order", ["together", "random", Blocks(1)], ids=str)
def test_inpainting_draws_what_generation_draws_given_the_same(order):
    truth = TRUTHS["parts"]
    values = truth.draw(60)
    known = np.random.default_rng(0).random(values.shape) < 0.5
    options = {"num_steps": 5, "order": order, "seed": 3, "verbose": 0}
    completed = truth.model.inpaint(truth.as_data(values), truth.as_data(known), **options)
    given = truth.as_data(np.where(known, values, -1))
    drawn = truth.model.generate(60, given=given, **options)
    for name in completed:
        assert_array_equal(completed[name], drawn[name])
    assert_array_equal(truth.as_values(completed)[known], values[known])


@once
def test_what_is_told_follows_the_samplers_temperature_and_choices():
    truth = TRUTHS["classes"]
    options = {"num_samples": 50, "num_steps": 2, "order": "left_to_right", "verbose": 0}
    x = truth.model.generate(sampler=SDE2Sampler(top_k=1), **options)
    first = PAIR.sum(axis=1).argmax()
    assert_array_equal(x, np.tile([first, PAIR[first].argmax()], (50, 1)))
    x = truth.model.generate(sampler=AncestralSampler(temperature=0.01), **options)
    assert_array_equal(x[:, 0], np.full(50, first))


@once
def test_samples_of_an_order_repeat_by_their_seed_and_not_without():
    model = TRUTHS["parts"].model

    def draw(num_steps=2, seed=0, **options):
        x = model.generate(40, num_steps, order="random", seed=seed, verbose=0, **options)
        return np.concatenate([x["kind"], x["grades"].ravel()])

    assert_array_equal(draw(), draw())
    assert_array_equal(draw(num_steps=9), draw())  # there are no messages
    assert (draw(seed=1) != draw()).any()
    assert (draw(seed=None) != draw(seed=None)).any()
    assert draw(batch_size=7).shape == draw().shape


@once
def test_an_order_is_a_program_of_its_own_for_any_number_of_steps():
    truth = Truth(make_classes, PAIR)
    for num_steps in (2, 5):
        truth.model.generate(4, num_steps, order=Blocks(1), verbose=0)
    assert len(truth.model.programs.kept) == 1
    truth.model.generate(4, 2, order=Blocks(2), verbose=0)
    assert len(truth.model.programs.kept) == 2
