"""What any order must satisfy: exact posteriors cost what the joint distribution says, whatever is
known or missing; probabilities of all sequences add up to one; verbs agree with each other.
"""

import functools
import itertools

import keras
import numpy as np
from scipy import stats

import keras_bfn
from keras_bfn import orders
from tests.metamorphic import pool
from tests.metamorphic.truths import MIN_P_VALUE, MOST_ERRORS, ClassPosterior

NUM, NUM_CLASSES, BETA_1 = 3, 3, 6.0
QUIET = {"verbose": 0}
NUM_DRAWS, NUM_CALLS = 1500, 6
NUM_REPEATS = 42  # all groups of an order are scored equally often


def all_examples(num_classes):
    """All examples of `NUM` variables, `(num_classes ** NUM, NUM)`."""
    return np.array(list(itertools.product(range(num_classes), repeat=NUM)), "int32")


@functools.cache
def exact_model():
    """A model whose network is the exact posterior of dependent classes, and the joint itself."""
    joint = np.random.default_rng(0).gamma(0.5, size=(NUM_CLASSES,) * NUM)
    joint /= joint.sum()
    flow = keras_bfn.flows.DiscreteFlow(NUM_CLASSES, BETA_1)
    network = ClassPosterior(joint)
    model = keras_bfn.AnyOrderNetwork(flow, network, event_shape=(NUM,), allow_missing=True, seed=0)
    return model, joint


@functools.cache
def causal_model(num_classes):
    """A causal Transformer, whose weights each case draws anew."""
    flow = keras_bfn.flows.DiscreteFlow(num_classes, BETA_1)
    options = {"width": 8, "num_layers": 1, "num_heads": 2, "causal": True, "masked": True}
    network = keras_bfn.networks.Transformer(flow, (NUM,), times="variables", **options)
    return keras_bfn.AnyOrderNetwork(flow, network, seed=0)


def draw_order(rng):
    """An order, and the number of repeats that scores all of its groups."""
    made = [
        orders.Together(),
        orders.Random(),
        orders.Random(2),
        orders.LeftToRight(),
        orders.LeftToRight(2),
        orders.Blocks(2),
        orders.Groups(rng.permutation(NUM)),
        orders.Groups([0, 1, 1], coded_directly=[True, False]),
    ]
    return made[rng.integers(len(made))]


def probability(joint, x):
    """The probability of an example, of which -1 is summed out."""
    places = tuple(slice(None) if value < 0 else value for value in x)
    return np.sum(joint[places])


def check_exact_costs(rng):
    """With the exact posterior, all orders cost -log p(the rest | what is known)."""
    (model, joint), order = exact_model(), draw_order(rng)
    x = rng.integers(0, NUM_CLASSES, (pool.NUM, NUM)).astype("int32")
    x[rng.random(x.shape) < 0.2] = -1
    known = rng.random(x.shape) < 0.3
    if order in (orders.Random(2), orders.LeftToRight(2)):
        # Each variable of a group is coded as if the others of it were not there.
        return check_groups_cost_no_less(model, joint, order)
    found = [_cost(model, x, order, known, seed) for seed in range(NUM_CALLS)]
    truth = np.array(
        [
            np.log(probability(joint, np.where(mask, row, -1))) - np.log(probability(joint, row))
            for row, mask in zip(x, known, strict=True)
        ]
    )
    _assert_mean(np.array(found), truth, f"cost in {order!r}")
    return None


def check_groups_cost_no_less(model, joint, order):
    """Coding variables of a group independently costs at least the entropy, on average."""
    everything = all_examples(NUM_CLASSES)
    costs = np.mean([_cost(model, everything, order, None, seed) for seed in range(3)], axis=0)
    entropy = -np.sum(joint * np.log(joint))
    assert np.sum(joint.ravel() * costs) > entropy - 0.2, f"cost in {order!r}"


def _cost(model, x, order, known, seed):
    nats = model.code_length(
        x, num_repeats=NUM_REPEATS, order=order, known=known, seed=seed, batch_size=64, **QUIET
    )
    return nats["transmission"] + nats["reconstruction"]


def _assert_mean(found, truth, what):
    errors = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    limit = MOST_ERRORS * np.maximum(errors, errors.mean()) + 2e-3
    assert (np.abs(found.mean(axis=0) - truth) < limit).all(), f"{what}: {found}, {truth}"


def check_probabilities(rng):
    """Left to right, the probabilities of all sequences add up to one; so do all continuations."""
    model = pool.set_weights(causal_model(NUM_CLASSES), rng.integers(2**31))
    x, prefix = all_examples(NUM_CLASSES), rng.integers(0, NUM)
    known = np.arange(NUM) < prefix
    nats = model.code_length(
        x, order="left_to_right", known=known if prefix else None, seed=0, batch_size=64, **QUIET
    )
    probs = np.exp(-nats["transmission"] - nats["reconstruction"])
    sums = probs.reshape(NUM_CLASSES**prefix, -1).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-4)
    again = model.code_length(x, order=orders.Groups([0, 1, 2]), num_repeats=NUM, seed=0, **QUIET)
    assert np.isfinite(again["reconstruction"]).all()


def check_samples(rng):
    """Samples, from left to right and given some, are distributed as their code lengths say."""
    model = pool.set_weights(causal_model(NUM_CLASSES), rng.integers(2**31))
    given = np.full((NUM_DRAWS, NUM), -1, "int32")
    prefix = rng.integers(0, NUM)
    given[:, :prefix] = rng.integers(0, NUM_CLASSES, prefix)
    x = model.generate(
        NUM_DRAWS, 1, order="left_to_right", given=given, seed=1, batch_size=NUM_DRAWS, **QUIET
    )
    assert (x[:, :prefix] == given[:, :prefix]).all()
    everything = all_examples(NUM_CLASSES)
    rows = (everything[:, :prefix] == given[0, :prefix]).all(axis=1)
    known = np.arange(NUM) < prefix
    nats = model.code_length(
        everything, order="left_to_right", known=known if prefix else None, batch_size=64, **QUIET
    )
    probs = np.exp(-nats["reconstruction"].astype("float64"))[rows]
    places = NUM_CLASSES ** np.arange(NUM)[::-1]
    counts = np.bincount(x @ places, minlength=len(everything))
    assert counts[~rows].sum() == 0
    expected = NUM_DRAWS * probs / probs.sum()
    often = expected > 4
    observed = np.append(counts[rows][often], counts[rows][~often].sum())
    expected = np.append(expected[often], expected[~often].sum()) + 1e-9
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > (
        MIN_P_VALUE
    )


def check_evaluation(rng):
    """`evaluate` in an order reports the mean of `code_length` in this order."""
    model = pool.set_weights(causal_model(NUM_CLASSES), rng.integers(2**31))
    x = rng.integers(0, NUM_CLASSES, (pool.NUM, NUM)).astype("int32")
    order = [orders.LeftToRight(), orders.Groups(rng.permutation(NUM))][rng.integers(2)]
    model.compile("sgd", order=order, num_repeats=NUM)
    logs = model.evaluate(x, return_dict=True, **QUIET)
    nats = model.code_length(x, num_repeats=NUM, order=order, seed=0, **QUIET)
    total = (nats["transmission"] + nats["reconstruction"]).mean()
    np.testing.assert_allclose(logs["nats_per_example"], total, rtol=1e-4)
    np.testing.assert_allclose(logs["reconstruction"] * NUM, total, rtol=1e-4)


def check_random_orders_average(rng):
    """A random order has the same mean in `evaluate` and in `code_length`."""
    model = pool.set_weights(causal_model(NUM_CLASSES), rng.integers(2**31))
    x = rng.integers(0, NUM_CLASSES, (pool.NUM, NUM)).astype("int32")
    model.compile("sgd", order="random", num_repeats=NUM_REPEATS)
    seeds = range(NUM_CALLS)
    found = [model.evaluate(x, seed=seed, return_dict=True, **QUIET) for seed in seeds]
    found = np.array([logs["nats_per_example"] for logs in found])
    costs = np.array([_cost(model, x, "random", None, 10 + seed).mean() for seed in seeds])
    error = np.sqrt((found.var(ddof=1) + costs.var(ddof=1)) / NUM_CALLS)
    assert abs(found.mean() - costs.mean()) < MOST_ERRORS * error + 1e-3, (found, costs)


CHECKS = (
    check_exact_costs,
    check_exact_costs,
    check_probabilities,
    check_samples,
    check_evaluation,
    check_random_orders_average,
)


def check(rng):
    """One case."""
    keras.utils.set_random_seed(int(rng.integers(2**31)))
    CHECKS[rng.integers(len(CHECKS))](rng)
