"""Wrong calls of flows, schedules, samplers and losses."""

import numpy as np
from keras import ops

from keras_bfn import (
    BayesianFlowNetwork,
    distillation,
    distributions,
    flows,
    losses,
    networks,
    orders,
    samplers,
    schedules,
)
from tests.flows.cases import FLOWS as KINDS
from tests.flows.cases import PRIORS, LinearSchedule, random_data
from tests.wrong.things import (
    BYTES,
    CONTINUOUS,
    FLOW,
    LETTERS,
    PAIRS,
    ROWS,
    X_CONTINUOUS,
    X_PARTS,
    X,
    by_expected,
    inf,
    nan,
)


def data_refused(flow):
    """Data that are no data of a flow."""
    x, (low, high) = random_data(flow, (4, 5)), flow.data_range
    other = x.astype("float32" if flow.discrete else "int32")
    kind = "must contain integers" if flow.discrete else "must contain floats"
    yield lambda t: flow.check_data(other), kind, f"dtype {other.dtype}"
    yield lambda t: flow.check_dtype(other.dtype.name), kind, f"dtype {other.dtype}"
    for value in (np.array(["a"]), np.array([None]), np.array([1j])):
        yield lambda t, value=value: flow.check_data(value), kind, "dtype "
    yield lambda t: flow.check_data(x[:0]), "must contain data", "an empty array of shape (0, 5)"
    for value in (low - 1, high + 1):
        beyond = x.copy()
        beyond[1, 1] = value
        expected = f"must lie in [{low:.9g}, {high:.9g}] for"
        yield lambda t, beyond=beyond: flow.check_data(beyond), expected, f"{value:.6g}"


def make_of(prior, shape):
    return BayesianFlowNetwork(PRIORS[prior], networks.MLP(PRIORS[prior], shape, 8))


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "DiscretizedFlow": {
        "Data with infinitely many values have no code of": [
            (
                lambda t: flows.CircularFlow().channel(),
                "CircularFlow(schedule=ExponentialSchedule(sigma_1=0.01))",
            )
        ]
    },
    "beta": {
        "finite and >= 0": [
            lambda t: FLOW.remaining_cost(X)(-1),
            lambda t: FLOW.remaining_cost(X)("a"),
        ]
    },
    "beta_1": {
        "Exactly one of the arguments `beta_1` and": [lambda t: flows.DiscreteFlow(2)],
        "positive, finite number": [lambda t: schedules.QuadraticSchedule(0)],
    },
    "block_size": {"integer of at least 1": [lambda t: orders.Blocks(0)]},
    "by": {
        "one of ['range', 'deviation']": [
            lambda t: flows.fit_scaling(flows.ContinuousFlow(), ROWS, by="mean")
        ]
    },
    "center": {
        "finite number, or an array of finite numbers": [
            lambda t: flows.ContinuousFlow(center=nan),
            lambda t: flows.ContinuousFlow(center=[]),
        ]
    },
    "colour": {
        "Sampler.__init__() got an unexpected keyword": [
            (lambda t: samplers.SDE1Sampler(colour=1), "", TypeError)
        ],
        "argument 'colour'. The arguments are num_bins, sigma_1, prediction, schedule, prior": [
            (lambda t: flows.DiscretizedFlow(colour=1), "", TypeError)
        ],
    },
    "counts": {
        "integers of at least 0 and have shape": [
            (lambda t: flows.MarkovChain(None), "shape (), dtype object"),
            (lambda t: flows.MarkovChain(np.ones((2, 3), int)), "shape (2, 3), dtype int64"),
            (lambda t: flows.MarkovChain(-np.ones((2, 2), int)), "shape (2, 2), dtype int64"),
            (lambda t: flows.MarkovChain([[0.5, 1], [1, 1]]), "shape (2, 2), dtype float64"),
        ]
    },
    "end": {
        "one of ['mode', 'sample', 'last']": [lambda t: samplers.SDE1Sampler(end=[])],
        "got multiple values for keyword argument": [
            (lambda t: distillation.JumpSampler(end="mode"), "", TypeError)
        ],
    },
    "event_shape": {
        "(length,), with a length of at least 2, for": [
            (lambda t: make_of("discrete-3-chain", (1,)), "(1,)"),
            (lambda t: make_of("discrete-3-chain", (4, 4, 1)), "(4, 4, 1)"),
        ],
        "(3,), like the flow's `prior` per variable": [
            (lambda t: make_of("discrete-2", (4,)), "(4,)")
        ],
        "such that the flow's `center` and `scale`, of shape": [
            (
                lambda t: flows.ContinuousFlow(
                    0.05, center=[0, 15, 2000], scale=[0.1, 25, 50]
                ).check_event_shape((4, 1)),
                "examples of shape (4, 1)",
            )
        ],
    },
    "flow": {
        "flow with an exponential or a": [lambda t: schedules.fit(None, X)],
        "or contain a `ContinuousFlow`": [
            lambda t: flows.fit_scaling(FLOW, X),
            lambda t: flows.fit_scaling(None, ROWS),
        ],
        "flow that takes a `prior`": [
            lambda t: flows.fit_prior(flows.CircularFlow(), np.zeros((2, 4), "float32")),
            lambda t: flows.fit_prior(3, np.zeros((2, 4))),
        ],
        "`num_bins`. No finite accuracy determines a": [
            lambda t: schedules.fit(flows.ContinuousFlow(), X_CONTINUOUS)
        ],
        "must not be a flow of angles. No finite accuracy": [
            lambda t: flows.CircularFlow().remaining_cost(X_CONTINUOUS)
        ],
        "flow with an exponential or a quadratic schedule": [
            lambda t: schedules.fit(
                flows.DiscreteFlow(2, schedule=LinearSchedule(1.0)), np.array([0, 1])
            )
        ],
        "no `prior` yet: fit the prior after the scaling": [
            lambda t: flows.fit_scaling(flows.ContinuousFlow(prior=(0.2, 0.3)), ROWS)
        ],
    },
    "fresh_noise": {"True or False": [lambda t: distillation.JumpSampler(fresh_noise="yes")]},
    "images": {
        "integers for DiscreteFlow(num_classes=2,": [
            (lambda t: FLOW.check_data(np.array([0.5]), name="images"), "dtype float64")
        ]
    },
    "interval": {
        "pair (t0, t1) with 0 <= t0 < t1 <= 1": [
            lambda t: losses.CrossEntropyLoss(interval=(0.5, 0.5))
        ]
    },
    "length": {
        "at least 4, the number of tokens of 'abba'": [
            lambda t: LETTERS.encode_batch(["a", "abba"], 3)
        ]
    },
    "loss": {"`BFNLoss` or one of": [lambda t: losses.get(3)]},
    "margin": {
        "finite number of at least 0": [
            lambda t: flows.fit_scaling(flows.ContinuousFlow(), ROWS, margin=-0.1)
        ]
    },
    "noise": {"finite number of at least 0": [lambda t: samplers.SDE1Sampler(noise=-0.1)]},
    "noise_scale": {
        "number in (0, 1]": [lambda t: distillation.JumpSampler(True, noise_scale=0.0)],
        "1 for jumps, unless `fresh_noise` is True": [
            lambda t: distillation.JumpSampler(noise_scale=0.5)
        ],
    },
    "num_before": {"integer of at least 0 and at most 1": [lambda t: PAIRS.probabilities(2)]},
    "num_bins": {
        "integer of at least 2": [
            lambda t: flows.DiscretizedFlow(1),
            lambda t: flows.ContinuousFlow(num_bins=1),
        ]
    },
    "num_classes": {
        "integer of at least 2 and at most": [lambda t: flows.DiscreteFlow(2**40, 1.0)],
        "integer of at least 2": [
            lambda t: flows.DiscreteFlow(1, 1.0),
            lambda t: flows.MarkovChain.fit(np.zeros((2, 4), int), 1, 1),
        ],
    },
    "num_draws": {"integer of at least 1": [lambda t: schedules.fit(FLOW, X, num_draws=0)]},
    "num_groups": {"integer of at least 1": [lambda t: orders.Random(0)]},
    "num_samples": {"integer of at least 1": [lambda t: losses.DiscreteTimeLoss(3, num_samples=0)]},
    "num_steps": {"integer of at least 1 and at most": [lambda t: losses.DiscreteTimeLoss(0)]},
    "numbers": {
        "integers of at least 0": [
            (lambda t: orders.Groups([0, -1]), "[0, -1]"),
            (lambda t: orders.Groups({"a": "b"}), "['a']='b'"),
        ],
        "must": [lambda t: orders.Groups({})],
    },
    "order": {
        **by_expected(
            (
                lambda t, order=order, flow=flow: order.check(flow, (2,)),
                "must send flow by messages",
                f"flow={type(flow).__name__}(",
            )
            for order in (orders.Random(2), orders.Groups([0, 1], coded_directly=[False, True]))
            for flow in (CONTINUOUS, flows.DiscretizedFlow(5, 0.1))
        ),
        "integer of at least 0": [
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 8), "int32"), order=-1)
        ],
        "0 for numbers": [
            lambda t: flows.fit_prior(CONTINUOUS, np.zeros((2, 4), "float32"), order=1)
        ],
        "integer of at least 1": [lambda t: flows.MarkovChain.fit([[0, 1]], 2, 0)],
        "number for each variable, of shape ()": [
            (
                lambda t: orders.Groups({"a": 0, "b": [1]}).check(
                    {"a": FLOW, "b": FLOW}, {"a": (2,), "b": ()}
                ),
                "shape (1,)",
            )
        ],
    },
    "per": {
        "one of ['all', 'channel', 'variable']": [
            lambda t: flows.fit_scaling(flows.ContinuousFlow(), ROWS, per=1)
        ]
    },
    "per_variable": {
        "True or False": [
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 4), int), per_variable="yes")
        ],
        "False for an `order` above 0": [
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 4), int), per_variable=True, order=1)
        ],
    },
    "prediction": {
        "one of ['noise', 'data', 'residual']": [lambda t: flows.ContinuousFlow(prediction="x")],
        "one of ['noise', 'data']": [lambda t: flows.DiscretizedFlow(4, prediction=[])],
    },
    "mean": {
        "array of numbers": [(lambda t: flows.JointNormal(None, [[1.0]]), "a NoneType")],
        "finite": [lambda t: flows.JointNormal([nan], [[1.0]])],
        "Arguments `mean` and `covariance` must have shapes": [
            (lambda t: flows.JointNormal([0.0], np.eye(2)), "shapes (1,) and (2, 2)")
        ],
        "finite and have shape (1,)": [lambda t: flows.FactorNormal([[0.0]], [[1.0]], [1.0])],
    },
    "loadings": {
        "shape (1, num_factors)": [lambda t: flows.FactorNormal([0.0], [1.0], [1.0])],
        "finite": [lambda t: flows.FactorNormal([0.0], [[nan]], [1.0])],
    },
    "variances": {
        "positive": [lambda t: flows.FactorNormal([0.0], [[1.0]], [0.0])],
        "finite and have shape (1,)": [lambda t: flows.FactorNormal([0.0], [[1.0]], [1.0, 1.0])],
    },
    "num_factors": {
        "integer of at least 1": [lambda t: flows.FactorNormal.fit(np.zeros((3, 2)), 0)]
    },
    "covariance": {
        "array of numbers": [(lambda t: flows.JointNormal([0.0], None), "a NoneType")],
        "symmetric and positive definite": [lambda t: flows.JointNormal([0.0], [[-1.0]])],
    },
    "prior": {
        "3 classes": [(lambda t: flows.DiscreteFlow(3, 1.0, prior=0.5), "a prior with 0 classes")],
        "(mean, standard deviation): finite numbers or": [
            lambda t: flows.ContinuousFlow(prior=1),
            lambda t: flows.ContinuousFlow(prior=(0, 0)),
            lambda t: flows.ContinuousFlow(prior=(0, nan)),
            lambda t: flows.ContinuousFlow(prior=(0, 1, 2)),
        ],
        "positive, finite weights": [
            (lambda t: flows.DiscreteFlow(3, 1.0, prior=[1, 2, 0]), "3 weights, 1 of them invalid")
        ],
        "array of numbers": [(lambda t: flows.DiscreteFlow(3, 1.0, prior="abc"), "a str")],
    },
    "reconstruction": {
        "positive, finite number": [lambda t: schedules.fit(FLOW, X, reconstruction=0)],
        "at least 0.000 nats per variable (with most": [
            lambda t: schedules.fit(FLOW, X, reconstruction=100.0)
        ],
        "at least 0.994 nats per variable (with most": [
            lambda t: schedules.fit(flows.ContinuousFlow(num_bins=2), np.array([0.0]))
        ],
        "at least 0.369 nats per variable (with most": [
            lambda t: schedules.fit(
                flows.ContinuousFlow(num_bins=2, reconstruction_std=1.0), np.array([0.5])
            )
        ],
    },
    "reconstruction_std": {
        "positive, finite number": [lambda t: flows.ContinuousFlow(reconstruction_std=0)]
    },
    "sampler": {"`Sampler` or one of ['ancestral',": [lambda t: samplers.get(3)]},
    "scale": {
        "positive, at least 0.0001 of": [lambda t: flows.ContinuousFlow(scale=0)],
        "finite number, or an array of finite numbers": [lambda t: flows.ContinuousFlow(scale=inf)],
    },
    "schedule": {"`keras_bfn.schedules.Schedule`": [lambda t: flows.DiscreteFlow(2, schedule=3)]},
    "seed": {"integer of at least 0": [lambda t: schedules.fit(FLOW, X, seed=-1)]},
    "share": {"number in [0, 1)": [lambda t: losses.CrossEntropyLoss(share=1.0)]},
    "sigma_1": {
        "number strictly between 0 and 1": [lambda t: flows.DiscretizedFlow(4, 0)],
        "at least 1e-15": [lambda t: flows.ContinuousFlow(1e-300)],
        "must give an accuracy of at most 1e+18 at t = 1": [
            lambda t: flows.CircularFlow(sigma_1=1e-10)
        ],
        "Only one of the arguments `sigma_1` and `schedule`": [
            lambda t: flows.CircularFlow(0.1, schedule=FLOW.schedule)
        ],
    },
    "spacing": {"one of ['t', 'log_beta']": [lambda t: samplers.ODE1Sampler(spacing="x")]},
    "start": {
        "number in [0, 1)": [lambda t: samplers.ODE1Sampler(start=1)],
        "above 0 for spacing='log_beta', since": [
            lambda t: samplers.ODE1Sampler(start=0, spacing="log_beta")
        ],
    },
    "temperature": {
        "positive, finite number": [lambda t: samplers.SDE1Sampler(temperature=0)],
        "1 for continuous data, whose output distribution is": [
            lambda t: distributions.Delta(ops.zeros(1)).tempered(0.5)
        ],
    },
    "text": {
        "string": [(lambda t: BYTES.encode(3), "a int")],
        "only the 27 characters of the alphabet. Convert": [
            (lambda t: LETTERS.encode("A"), "a text with ['A']")
        ],
        "text that UTF-8 can encode": [
            (lambda t: BYTES.encode("\ud800"), "'\\ud800' in position 0")
        ],
    },
    "texts": {
        "non-empty list of strings": [
            lambda t: LETTERS.encode_batch([]),
            lambda t: LETTERS.encode_batch("text"),
        ]
    },
    "tokens": {
        "integers in -1..26, of shape (length,) or": [
            (lambda t: LETTERS.decode("ab"), "shape (), dtype <U2")
        ],
        "array, with rows of equal length": [lambda t: LETTERS.decode([[0], [0, 1]])],
    },
    "coded_directly": {
        "True or False": [lambda t: orders.Groups([0, 1], coded_directly=1)],
        "a bool for each of 2 groups": [
            lambda t: orders.Groups([0, 1], [True]),
            (lambda t: orders.Groups([0, 1], [True, 0]), "[True, 0]"),
        ],
    },
    "top_k": {
        "integer of at least 1": [lambda t: samplers.SDE1Sampler(top_k=0)],
        "None for jumps, unless `fresh_noise` is True": [
            lambda t: distillation.JumpSampler(top_k=2)
        ],
    },
    "top_p": {
        "number above 0 and at most 1": [
            lambda t: samplers.ODE1Sampler(top_p=0),
            lambda t: samplers.SDE1Sampler(top_p=1.5),
            lambda t: samplers.SDE2Sampler(top_p="most"),
        ]
    },
    "x": {
        **by_expected(
            [
                *(row for flow in KINDS.values() for row in data_refused(flow)),
                (
                    lambda t: flows.fit_prior(FLOW, np.full((2, 4), 7)),
                    "must lie in [0, 1] for",
                    "values from 7 to 7",
                ),
                (
                    lambda t: schedules.fit(FLOW, X + 7),
                    "must lie in [0, 1] for",
                    "values from 7 to 8",
                ),
                (
                    lambda t: flows.fit_scaling(CONTINUOUS, np.array([])),
                    "must contain data",
                    "an empty array of shape (0,)",
                ),
            ]
        ),
        "integers and have shape (num, length), with": [
            (
                lambda t: flows.MarkovChain.fit(np.zeros((2, 1), int), 2, 1),
                "shape (2, 1), dtype int64",
            )
        ],
        "must lie in [0, 1]": [(lambda t: PAIRS.log_prob([[3]]), "values from 3 to 3")],
        "must vary by more than 0.0001 of its values": [
            lambda t: flows.fit_scaling(CONTINUOUS, np.array([1e9, 1e9 + 1]))
        ],
        "observed values": [lambda t: flows.fit_scaling(CONTINUOUS, np.array([nan]))],
        "array, with rows of equal length": [lambda t: FLOW.check_data([[0, 1], [1]])],
        "must not be a dict, because the flow is DiscreteFlow(num_classes=2,": [
            (lambda t: schedules.fit(FLOW, X_PARTS), "a dict with the keys ['a', 'b']")
        ],
        "such that the flow's `center` and `scale`, of shape": [
            (
                lambda t: flows.ContinuousFlow(
                    0.05, center=[0, 15, 2000], scale=[0.1, 25, 50]
                ).check_data(np.zeros((2, 4), "float32")),
                "examples of shape (4,)",
            )
        ],
        "must not be a dict, because the flow is": [
            (lambda t: flows.fit_scaling(CONTINUOUS, {"a": 1}), "a dict with the keys ['a']")
        ],
        "shape (num, size)": [lambda t: flows.JointNormal.fit(np.zeros(3))],
        "without infinity": [lambda t: flows.JointNormal.fit([[inf, 1.0]])],
        "at least one row": [(lambda t: flows.JointNormal.fit(np.zeros((0, 2))), "shape=(0, 2)")],
        "shape (num, 1)": [lambda t: flows.JointNormal([0.0], [[1.0]]).complete([[1.0, 2.0]])],
        "must lie in [0, 2]": [
            (
                lambda t: flows.MarkovChain(np.ones((3, 3), int)).log_prob(np.array([[0, -1]])),
                "values from -1 to 0",
            )
        ],
        "observed values, for each variable if": [
            lambda t: flows.fit_prior(
                flows.ContinuousFlow(), np.full((2, 1), nan), per_variable=True
            )
        ],
    },
}
