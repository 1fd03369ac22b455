"""Wrong calls of flows, schedules, samplers and losses."""

import keras
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
    HUGE,
    LETTERS,
    PAIRS,
    PARTS,
    ROWS,
    X_CONTINUOUS,
    X_PARTS,
    X,
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


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "DiscretizedFlow": [
        (
            lambda t: flows.CircularFlow().channel(),
            "Data with infinitely many values have no code of finite length. Divide",
            "CircularFlow(schedule=ExponentialSchedule(sigma_1=0.01))",
        ),
    ],
    "beta": [
        (lambda t: FLOW.remaining_cost(X)(-1), "must be finite and >= 0", "beta=array(-1)"),
        (lambda t: FLOW.remaining_cost(X)(nan), "must be finite and >= 0", "beta=array(nan)"),
        (
            lambda t: FLOW.remaining_cost(X)("a"),
            "must be finite and >= 0",
            "beta=array('a', dtype='<U1')",
        ),
        (lambda t: FLOW.remaining_cost(X)(-1.0), "must be finite and >= 0", "beta=array(-1.)"),
        (lambda t: FLOW.remaining_cost(X)(inf), "must be finite and >= 0", "beta=array(inf)"),
        (
            lambda t: FLOW.remaining_cost(X)([1.0, -1.0]),
            "must be finite and >= 0",
            "beta=array([ 1., -1.])",
        ),
    ],
    "beta_1": [
        (
            lambda t: flows.DiscreteFlow(2, "a"),
            "must be a positive, finite number",
            "beta_1='a'",
        ),
        (
            lambda t: schedules.QuadraticSchedule(float("nan")),
            "must be a positive, finite number",
            "beta_1=nan",
        ),
        (
            lambda t: flows.DiscreteFlow(2, HUGE),
            "must be a positive, finite number, from 1e-30 to 1e+30",
            "beta_1=100000000000000000000000000000000",
        ),
        (
            lambda t: flows.DiscreteFlow(2, 1e300),
            "must be a positive, finite number, from 1e-30 to 1e+30",
            "beta_1=1e+300",
        ),
        (
            lambda t: flows.DiscreteFlow(2, nan),
            "must be a positive, finite number",
            "beta_1=nan",
        ),
        (
            lambda t: flows.DiscreteFlow(2, -1.0),
            "must be a positive, finite number",
            "beta_1=-1.0",
        ),
        (
            lambda t: flows.DiscreteFlow(2, True),
            "must be a positive, finite number",
            "beta_1=True",
        ),
        (
            lambda t: flows.DiscreteFlow(2, 1j),
            "must be a positive, finite number",
            "beta_1=1j",
        ),
        (
            lambda t: flows.DiscreteFlow(2, np.ones(2)),
            "must be a positive, finite number",
            "beta_1=array([1., 1.])",
        ),
        (
            lambda t: flows.DiscreteFlow(2),
            "Exactly one of the arguments `beta_1` and",
            "beta_1=None, schedule=None",
        ),
        (
            lambda t: flows.DiscreteFlow(2, 1.0, schedules.QuadraticSchedule(1.0)),
            "Exactly one of the arguments `beta_1` and",
            "beta_1=1.0, schedule=QuadraticSchedule(b",
        ),
        (
            lambda t: schedules.QuadraticSchedule(inf),
            "must be a positive, finite number",
            "beta_1=inf",
        ),
        (
            lambda t: schedules.QuadraticSchedule(0),
            "must be a positive, finite number",
            "beta_1=0",
        ),
        (
            lambda t: schedules.QuadraticSchedule([1.0]),
            "must be a positive, finite number",
            "beta_1=[1.0]",
        ),
        (
            lambda t: schedules.QuadraticSchedule(-1.0),
            "must be a positive, finite number",
            "beta_1=-1.0",
        ),
        (
            lambda t: schedules.QuadraticSchedule(True),
            "must be a positive, finite number",
            "beta_1=True",
        ),
        (
            lambda t: schedules.QuadraticSchedule("9"),
            "must be a positive, finite number",
            "beta_1='9'",
        ),
        (
            lambda t: schedules.QuadraticSchedule(None),
            "must be a positive, finite number",
            "beta_1=None",
        ),
    ],
    "block_size": [
        *(
            (lambda t, kind=kind, size=size: kind(size), "must be an integer of at least 1", came)
            for kind in (orders.LeftToRight, orders.Blocks)
            for size, came in ((0, "block_size=0"), (1.5, "block_size=1.5"), ("a", "='a'"))
        ),
    ],
    "by": [
        (
            lambda t: flows.fit_scaling(flows.ContinuousFlow(), ROWS, by="mean"),
            "must be one of ['range', 'deviation']",
            "by='mean'",
        ),
    ],
    "center": [
        (
            lambda t: flows.ContinuousFlow(center=None),
            "must be a finite number, or an array of finite numbers",
            "center=None",
        ),
        (
            lambda t: flows.ContinuousFlow(center=nan),
            "must be a finite number, or an array of finite numbers",
            "center=nan",
        ),
        (
            lambda t: flows.ContinuousFlow(center="a"),
            "must be a finite number, or an array of finite numbers",
            "center='a'",
        ),
        (
            lambda t: flows.ContinuousFlow(center=[]),
            "must be a finite number, or an array of finite numbers",
            "center=[]",
        ),
    ],
    "colour": [
        (
            lambda t: samplers.SDE1Sampler(colour=1),
            "Sampler.__init__() got an unexpected keyword",
            "",
            TypeError,
        ),
    ],
    "counts": [
        (
            lambda t: flows.MarkovChain(None),
            "must contain integers of at least 0 and have shape",
            "shape (), dtype object",
        ),
        (
            lambda t: flows.MarkovChain(np.ones((2, 3), int)),
            "must contain integers of at least 0 and have shape",
            "shape (2, 3), dtype int64",
        ),
        (
            lambda t: flows.MarkovChain(-np.ones((2, 2), int)),
            "must contain integers of at least 0 and have shape",
            "shape (2, 2), dtype int64",
        ),
        (
            lambda t: flows.MarkovChain([[0.5, 1], [1, 1]]),
            "must contain integers of at least 0 and have shape",
            "shape (2, 2), dtype float64",
        ),
        (
            lambda t: flows.MarkovChain([1, 2]),
            "must contain integers of at least 0 and have shape (num_classes,) * (order",
            "shape (2,), dtype int64",
        ),
    ],
    "end": [
        (
            lambda t: samplers.SDE1Sampler(end="x"),
            "must be one of ['mode', 'sample', 'last']",
            "end='x'",
        ),
        (
            lambda t: samplers.SDE1Sampler(end=None),
            "must be one of ['mode', 'sample', 'last']",
            "end=None",
        ),
        (
            lambda t: samplers.SDE1Sampler(end=[]),
            "must be one of ['mode', 'sample', 'last']",
            "end=[]",
        ),
        (
            lambda t: samplers.SDE2Sampler(end="draw"),
            "must be one of ['mode', 'sample', 'last']",
            "end='draw'",
        ),
        (
            lambda t: distillation.JumpSampler(end="mode"),
            "got multiple values for keyword argument",
            "",
            TypeError,
        ),
    ],
    "event_shape": [
        (
            lambda t: flows.ContinuousFlow(
                0.05, center=[0, 15, 2000], scale=[0.1, 25, 50]
            ).check_event_shape((4, 1)),
            "must be such that the flow's `center` and `scale`, of shape (3,),",
            "examples of shape (4, 1)",
        ),
        (
            lambda t: flows.ContinuousFlow(
                prior=flows.JointNormal([0.0, 0.0, 0.0], np.eye(3))
            ).check_event_shape((2,)),
            "must be (3,), like the flow's `prior` per variable",
            "(2,)",
        ),
        *(
            (
                lambda t, name=name, shape=shape: BayesianFlowNetwork(
                    PRIORS[name], networks.MLP(PRIORS[name], shape, 8)
                ),
                expected,
                str(shape),
            )
            for name, shape, expected in (
                ("discrete-3-chain", (1,), "must be (length,), with a length of at least 2, for"),
                (
                    "discrete-3-chain",
                    (4, 4, 1),
                    "must be (length,), with a length of at least 2, for",
                ),
                ("discrete-2", (4,), "must be (3,), like the flow's `prior` per variable"),
            )
        ),
    ],
    "flow": [
        (lambda t: schedules.fit(None, X), "must be a flow with an exponential or a", "flow=None"),
        (
            lambda t: flows.fit_scaling(FLOW, X),
            "must be or contain a `ContinuousFlow`",
            "flow=DiscreteFlow(num_classes=2,",
        ),
        (
            lambda t: flows.fit_prior(flows.CircularFlow(), np.zeros((2, 4), "float32")),
            "must be a flow that takes a `prior`",
            "flow=CircularFlow(schedule=ExponentialSc",
        ),
        (
            lambda t: flows.fit_prior(3, np.zeros((2, 4))),
            "must be a flow that takes a `prior`",
            "flow=3",
        ),
        (
            lambda t: flows.fit_scaling(None, ROWS),
            "must be or contain a `ContinuousFlow`",
            "flow=None",
        ),
        (
            lambda t: schedules.fit(flows.ContinuousFlow(), X_CONTINUOUS),
            "must have `num_bins`. No finite accuracy determines a",
            "flow=ContinuousFlow(prediction='noise',",
        ),
        (
            lambda t: schedules.fit(flows.CircularFlow(), X_CONTINUOUS),
            "must not be a flow of angles. No finite accuracy",
            "flow=CircularFlow(schedule=ExponentialSc",
        ),
        (
            lambda t: flows.CircularFlow().remaining_cost(X_CONTINUOUS),
            "must not be a flow of angles. No finite accuracy",
            "flow=CircularFlow(schedule=ExponentialSc",
        ),
        (
            lambda t: schedules.fit(
                flows.DiscreteFlow(2, schedule=LinearSchedule(1.0)), np.array([0, 1])
            ),
            "must be a flow with an exponential or a quadratic schedule, or another",
            "flow=DiscreteFlow(num_classes=2, schedule=LinearSchedule(slo",
        ),
        (
            lambda t: schedules.fit(X, FLOW),
            "must be a flow with an exponential or a quadratic schedule, or another",
            "flow=array([[[[1],",
        ),
        (
            lambda t: flows.fit_scaling(flows.ContinuousFlow(prior=(0.2, 0.3)), ROWS),
            "must have no `prior` yet: fit the prior after the scaling",
            "flow=ContinuousFlow(",
        ),
    ],
    "fresh_noise": [
        (
            lambda t: distillation.JumpSampler(fresh_noise="yes"),
            "must be True or False",
            "fresh_noise='yes'",
        ),
    ],
    "images": [
        (
            lambda t: FLOW.check_data(np.array([0.5]), name="images"),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float64",
        ),
    ],
    "interval": [
        (
            lambda t: losses.CrossEntropyLoss(interval=(0.5, 0.5)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=(0.5, 0.5)",
        ),
        (
            lambda t: losses.CrossEntropyLoss(interval=(0.2, 1.1)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=(0.2, 1.1)",
        ),
    ],
    "length": [
        (
            lambda t: LETTERS.encode_batch(["a", "abba"], 3),
            "must be at least 4, the number of tokens of 'abba'",
            "length=3",
        ),
    ],
    "loss": [
        (
            lambda t: losses.get(losses.ContinuousTimeLoss),
            "must be a `BFNLoss` or one of",
            "loss=<class 'keras_bfn.losses.losses.Con",
        ),
        (lambda t: losses.get("mse"), "must be a `BFNLoss` or one of", "loss='mse'"),
        (lambda t: losses.get(3), "must be a `BFNLoss` or one of", "loss=3"),
        (
            lambda t: losses.get(keras.losses.MeanSquaredError()),
            "must be a `BFNLoss` or one of ['auto', 'continuous_time',",
            "loss=",
        ),
    ],
    "margin": [
        (
            lambda t: flows.fit_scaling(flows.ContinuousFlow(), ROWS, margin=-0.1),
            "must be a finite number of at least 0",
            "margin=-0.1",
        ),
        (
            lambda t: flows.fit_scaling(flows.ContinuousFlow(), ROWS, margin=None),
            "must be a finite number of at least 0",
            "margin=None",
        ),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, ROWS, margin=HUGE),
            "must be a finite number of at least 0",
            "margin=100000000000000000000000000000000",
        ),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, ROWS, margin=nan),
            "must be a finite number of at least 0",
            "margin=nan",
        ),
    ],
    "noise": [
        (
            lambda t: samplers.SDE1Sampler(noise=inf),
            "must be a finite number of at least 0",
            "noise=inf",
        ),
        (
            lambda t: samplers.SDE2Sampler(noise=None),
            "must be a finite number of at least 0",
            "noise=None",
        ),
        (
            lambda t: samplers.SDE1Sampler(noise=-0.1),
            "must be a finite number of at least 0",
            "noise=-0.1",
        ),
        (
            lambda t: samplers.SDE1Sampler(noise=nan),
            "must be a finite number of at least 0",
            "noise=nan",
        ),
        (
            lambda t: samplers.SDE1Sampler(noise="2"),
            "must be a finite number of at least 0",
            "noise='2'",
        ),
        (
            lambda t: samplers.SDE1Sampler(noise="some"),
            "must be a finite number of at least 0",
            "noise='some'",
        ),
        (
            lambda t: samplers.SDE1Sampler(noise=None),
            "must be a finite number of at least 0",
            "noise=None",
        ),
        (
            lambda t: samplers.SDE1Sampler(noise=True),
            "must be a finite number of at least 0",
            "noise=True",
        ),
    ],
    "noise_scale": [
        (
            lambda t: distillation.JumpSampler(True, noise_scale=0.0),
            "must be a number in (0, 1]",
            "noise_scale=0.0",
        ),
        (
            lambda t: distillation.JumpSampler(noise_scale=0.5),
            "must be 1 for jumps, unless `fresh_noise` is True",
            "noise_scale=0.5",
        ),
    ],
    "num_before": [
        (
            lambda t: PAIRS.probabilities(2),
            "must be an integer of at least 0 and at most 1",
            "num_before=2",
        ),
    ],
    "num_bins": [
        (lambda t: flows.DiscretizedFlow(1), "must be an integer of at least 2", "num_bins=1"),
        (
            lambda t: flows.ContinuousFlow(num_bins=0),
            "must be an integer of at least 2",
            "num_bins=0",
        ),
        (lambda t: flows.DiscretizedFlow(2.5), "must be an integer of at least 2", "num_bins=2.5"),
        (
            lambda t: flows.DiscretizedFlow(None),
            "must be an integer of at least 2",
            "num_bins=None",
        ),
        (
            lambda t: flows.ContinuousFlow(num_bins=1),
            "must be an integer of at least 2",
            "num_bins=1",
        ),
        (lambda t: flows.DiscretizedFlow(2.0), "must be an integer of at least 2", "num_bins=2.0"),
    ],
    "num_classes": [
        (
            lambda t: flows.DiscreteFlow(None, 1.0),
            "must be an integer of at least 2",
            "num_classes=None",
        ),
        (
            lambda t: flows.DiscreteFlow(2**40, 1.0),
            "must be an integer of at least 2 and at most",
            "num_classes=1099511627776",
        ),
        (
            lambda t: flows.DiscreteFlow(True, 1.0),
            "must be an integer of at least 2",
            "num_classes=True",
        ),
        (
            lambda t: flows.DiscreteFlow("3", 1.0),
            "must be an integer of at least 2",
            "num_classes='3'",
        ),
        (lambda t: flows.DiscreteFlow(1, 1.0), "must be an integer of at least 2", "num_classes=1"),
        (
            lambda t: flows.MarkovChain.fit(np.zeros((2, 4), int), 1, 1),
            "must be an integer of at least 2",
            "num_classes=1",
        ),
    ],
    "num_draws": [
        (
            lambda t: schedules.fit(FLOW, X, num_draws=0),
            "must be an integer of at least 1",
            "num_draws=0",
        ),
        (
            lambda t: schedules.fit(FLOW, X, num_draws=1.5),
            "must be an integer of at least 1",
            "num_draws=1.5",
        ),
    ],
    "num_groups": [
        (lambda t: orders.Random(0), "must be an integer of at least 1", "num_groups=0"),
        (lambda t: orders.Random(2.5), "must be an integer of at least 1", "num_groups=2.5"),
        (lambda t: orders.Random("a"), "must be an integer of at least 1", "num_groups='a'"),
    ],
    "num_samples": [
        (
            lambda t: losses.DiscreteTimeLoss(3, num_samples=0),
            "must be an integer of at least 1",
            "num_samples=0",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(3, -1),
            "must be an integer of at least 1",
            "num_samples=-1",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(3, num_samples=2.0),
            "must be an integer of at least 1",
            "num_samples=2.0",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(3, num_samples="3"),
            "must be an integer of at least 1",
            "num_samples='3'",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(3, num_samples=None),
            "must be an integer of at least 1",
            "num_samples=None",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(3, num_samples=True),
            "must be an integer of at least 1",
            "num_samples=True",
        ),
    ],
    "num_steps": [
        (
            lambda t: losses.DiscreteTimeLoss(None),
            "must be an integer of at least 1 and at most",
            "num_steps=None",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(0),
            "must be an integer of at least 1 and at most",
            "num_steps=0",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(2**40),
            "must be an integer of at least 1 and at most",
            "num_steps=1099511627776",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(True),
            "must be an integer of at least 1 and at most",
            "num_steps=True",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(num_steps=-1),
            "must be an integer of at least 1 and at most 16777216",
            "num_steps=-1",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(num_steps=2.0),
            "must be an integer of at least 1 and at most 16777216",
            "num_steps=2.0",
        ),
        (
            lambda t: losses.DiscreteTimeLoss(num_steps="3"),
            "must be an integer of at least 1 and at most 16777216",
            "num_steps='3'",
        ),
    ],
    "numbers": [
        (lambda t: orders.Groups([0.5, 1.0]), "must be integers of at least 0", "[0.5, 1.0]"),
        (lambda t: orders.Groups([0, -1]), "must be integers of at least 0", "[0, -1]"),
        (lambda t: orders.Groups([]), "must be integers of at least 0", "numbers=[]"),
        (lambda t: orders.Groups([True]), "must be integers of at least 0", "numbers=[True]"),
        (lambda t: orders.Groups(None), "must be integers of at least 0", "numbers=None"),
        (lambda t: orders.Groups("ab"), "must be integers of at least 0", "numbers='ab'"),
        (lambda t: orders.Groups({"a": "b"}), "must be integers of at least 0", "['a']='b'"),
        (lambda t: orders.Groups({}), "must", "numbers={}"),
    ],
    "order": [
        (
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 8), "int32"), order=-1),
            "must be an integer of at least 0",
            "order=-1",
        ),
        (
            lambda t: flows.fit_prior(CONTINUOUS, np.zeros((2, 4), "float32"), order=1),
            "must be 0 for numbers",
            "order=1, flow=ContinuousFlow(prediction=",
        ),
        (
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 4), int), order=1.5),
            "must be an integer of at least 0",
            "order=1.5",
        ),
        (
            lambda t: flows.MarkovChain.fit([[0, 1]], 2, 0),
            "must be an integer of at least 1",
            "order=0",
        ),
        (
            lambda t: orders.Groups({"a": 0}).check({"a": FLOW, "b": FLOW}, {"a": (2,), "b": ()}),
            "must be a dict with the parts ['a', 'b']",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: orders.Groups({"a": 0, "b": 0, "c": 1}).check(
                {"a": FLOW, "b": FLOW}, {"a": (2,), "b": ()}
            ),
            "must be a dict with the parts ['a', 'b']",
            "a dict with the keys ['a', 'b', 'c']",
        ),
        (
            lambda t: orders.Groups([0, 1]).check({"a": FLOW, "b": FLOW}, {"a": (2,), "b": ()}),
            "must be a dict with the parts ['a', 'b']",
            "a ndarray",
        ),
        (
            lambda t: orders.Groups({"a": [0, 1, 2], "b": 0}).check(
                {"a": FLOW, "b": FLOW}, {"a": (2,), "b": ()}
            ),
            "must contain a number for each variable, of shape (2,)",
            "shape (3,)",
        ),
        (
            lambda t: orders.Groups({"a": 0, "b": [1]}).check(
                {"a": FLOW, "b": FLOW}, {"a": (2,), "b": ()}
            ),
            "must contain a number for each variable, of shape ()",
            "shape (1,)",
        ),
        (
            lambda t: orders.Groups({"a": 0}).check(FLOW, (2,)),
            "must not be a dict, because the flow is DiscreteFlow(num_classes=2,",
            "a dict with the keys ['a']",
        ),
        *(
            (
                lambda t, order=order, flow=flow: order.check(flow, (2,)),
                "must send flow by messages",
                f"flow={type(flow).__name__}(",
            )
            for order in (
                orders.Random(),
                orders.Random(2),
                orders.LeftToRight(),
                orders.Groups([0, 1]),
                orders.Groups([0, 1], coded_directly=[False, True]),
            )
            for flow in (CONTINUOUS, flows.CircularFlow(0.1), flows.DiscretizedFlow(5, 0.1))
        ),
        *(
            (
                lambda t, order=order: order.check(
                    {"a": FLOW, "b": CONTINUOUS}, {"a": (2,), "b": ()}
                ),
                "must send flow['b'] by messages",
                "flow=ContinuousFlow(",
            )
            for order in (
                orders.Random(),
                orders.LeftToRight(),
                orders.Groups({"a": 0, "b": 1}),
                orders.Groups({"a": [1, 0], "b": 1}, coded_directly=[False, True]),
            )
        ),
    ],
    "per": [
        (
            lambda t: flows.fit_scaling(flows.ContinuousFlow(), ROWS, per=1),
            "must be one of ['all', 'channel', 'variable']",
            "per=1",
        ),
    ],
    "per_variable": [
        (
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 4), int), per_variable="yes"),
            "must be True or False",
            "per_variable='yes'",
        ),
        (
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 4), int), per_variable=True, order=1),
            "must be False for an `order` above 0",
            "per_variable=True",
        ),
    ],
    "prediction": [
        (
            lambda t: flows.ContinuousFlow(prediction="x"),
            "must be one of ['noise', 'data', 'residual']",
            "prediction='x'",
        ),
        (
            lambda t: flows.DiscretizedFlow(4, prediction=np.zeros(2)),
            "must be one of ['noise', 'data']",
            "prediction=array([0., 0.])",
        ),
        (
            lambda t: flows.DiscretizedFlow(4, prediction=[]),
            "must be one of ['noise', 'data']",
            "prediction=[]",
        ),
        (
            lambda t: flows.DiscretizedFlow(16, prediction=None),
            "must be one of ['noise', 'data']",
            "prediction=None",
        ),
    ],
    "mean": [
        (lambda t: flows.JointNormal(None, [[1.0]]), "must be an array of numbers", "a NoneType"),
        (lambda t: flows.JointNormal([nan], [[1.0]]), "must be finite", "mean=[nan]"),
        (
            lambda t: flows.JointNormal([0.0], np.eye(2)),
            "Arguments `mean` and `covariance` must have shapes (size,) and (size,",
            "shapes (1,) and (2, 2)",
        ),
        (lambda t: flows.JointNormal([inf], np.eye(1)), "must be finite", "mean=[inf]"),
        (
            lambda t: flows.FactorNormal([[0.0]], [[1.0]], [1.0]),
            "must be finite and have shape (1,)",
            "mean=array([[0.]]",
        ),
    ],
    "loadings": [
        (
            lambda t: flows.FactorNormal([0.0], [1.0], [1.0]),
            "must have shape (1, num_factors)",
            "loadings=[1.0]",
        ),
        (
            lambda t: flows.FactorNormal([0.0], [[nan]], [1.0]),
            "must be finite",
            "loadings=[[nan]]",
        ),
    ],
    "variances": [
        (
            lambda t: flows.FactorNormal([0.0], [[1.0]], [0.0]),
            "must be positive",
            "variances=[0.0]",
        ),
        (
            lambda t: flows.FactorNormal([0.0], [[1.0]], [1.0, 1.0]),
            "must be finite and have shape (1,)",
            "variances=array([1., 1.]",
        ),
    ],
    "num_factors": [
        (
            lambda t: flows.FactorNormal.fit(np.zeros((3, 2)), 0),
            "must be an integer of at least 1",
            "num_factors=0",
        ),
    ],
    "covariance": [
        (lambda t: flows.JointNormal([0.0], None), "must be an array of numbers", "a NoneType"),
        (
            lambda t: flows.JointNormal([0.0], [[-1.0]]),
            "must be symmetric and positive definite",
            "covariance=[[-1.0]]",
        ),
        (
            lambda t: flows.JointNormal([0.0, 0.0], [[1, 0.5], [0, 1]]),
            "must be symmetric and positive definite",
            "covariance=[[1, 0.5], [0, 1]]",
        ),
        (
            lambda t: flows.JointNormal([0.0, 0.0], np.ones((2, 2)) - 2),
            "must be symmetric and positive definite",
            "covariance=array([[-1., -1.],",
        ),
    ],
    "prior": [
        (
            lambda t: flows.DiscreteFlow(3, 1.0, prior=0.5),
            "must have 3 classes",
            "a prior with 0 classes",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=1),
            "must be (mean, standard deviation): finite numbers or",
            "prior=1",
        ),
        (
            lambda t: flows.DiscreteFlow(3, 1.0, prior=[1, 2]),
            "must have 3 classes",
            "a prior with 2 classes",
        ),
        (
            lambda t: flows.DiscreteFlow(3, 1.0, prior=[1, 2, 0]),
            "must contain positive, finite weights",
            "3 weights, 1 of them invalid",
        ),
        (
            lambda t: flows.DiscreteFlow(3, 1.0, prior=[1, 2, nan]),
            "must contain positive, finite weights",
            "3 weights, 1 of them invalid",
        ),
        (lambda t: flows.DiscreteFlow(3, 1.0, prior="abc"), "must be an array of numbers", "a str"),
        (
            lambda t: flows.DiscreteFlow(3, 1.0, prior=[[1, 2, 3], [1]]),
            "must be an array of numbers",
            "a list",
        ),
        (
            lambda t: flows.DiscreteFlow(3, 1.0, prior=PAIRS),
            "must have 3 classes",
            "a prior with 2 classes",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=(0, 0)),
            "must be (mean, standard deviation): finite numbers or",
            "prior=(0, 0)",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=(0, nan)),
            "must be (mean, standard deviation): finite numbers or",
            "prior=(0, nan)",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=(0, 1, 2)),
            "must be (mean, standard deviation): finite numbers or",
            "prior=(0, 1, 2)",
        ),
        (
            lambda t: flows.DiscretizedFlow(4, prior="ab"),
            "must be (mean, standard deviation): finite numbers or",
            "prior='ab'",
        ),
        (
            lambda t: flows.DiscreteFlow(2, 1.0, prior=[1.0, 0.0]),
            "must contain positive, finite weights",
            "2 weights, 1 of them invalid",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=(0.0, 0.0)),
            "must be (mean, standard deviation): finite numbers or arrays of shape",
            "prior=(0.0, 0.0)",
        ),
        (
            lambda t: flows.DiscreteFlow(2, 1.0, prior=[1.0, 1e-60]),
            "must contain positive, finite weights",
            "2 weights, 1 of them invalid",
        ),
        (
            lambda t: flows.DiscreteFlow(2, 1.0, prior=[1e30, 1e-30]),
            "must contain positive, finite weights",
            "2 weights, 1 of them invalid",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=0.5),
            "must be (mean, standard deviation): finite numbers or arrays of shape",
            "prior=0.5",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=PAIRS),
            "must be (mean, standard deviation): finite numbers or arrays of shape",
            "prior=MarkovChain(",
        ),
        (
            lambda t: flows.ContinuousFlow(prior=(np.zeros(2), np.ones(3))),
            "must be (mean, standard deviation): finite numbers or arrays of shape",
            "prior=(array([0., 0.]), array([1., 1., 1.]))",
        ),
        (
            lambda t: flows.DiscretizedFlow(4, prior=(nan, 1.0)),
            "must be (mean, standard deviation): finite numbers or arrays of shape",
            "prior=(nan, 1.0)",
        ),
    ],
    "reconstruction": [
        (
            lambda t: schedules.fit(FLOW, X, reconstruction=0),
            "must be a positive, finite number",
            "reconstruction=0",
        ),
        (
            lambda t: schedules.fit(FLOW, X, reconstruction=100.0),
            "must be at least 0.000 nats per variable (with most",
            "reconstruction=100.0",
        ),
        (
            lambda t: schedules.fit(FLOW, X, reconstruction="a"),
            "must be a positive, finite number",
            "reconstruction='a'",
        ),
        (
            lambda t: schedules.fit(FLOW, np.array([0, 1]), reconstruction=0.7),
            "must be at least 0.000 nats per variable (with most evidence) and less",
            "reconstruction=0.7",
        ),
        (
            lambda t: schedules.fit(FLOW, np.array([1, 1])),
            "must be at least 0.000 nats per variable (with most evidence) and less",
            "reconstruction=0.01",
        ),
        (
            lambda t: schedules.fit(flows.ContinuousFlow(num_bins=2), np.array([0.0])),
            "must be at least 0.994 nats per variable (with most evidence) and less",
            "reconstruction=0.01",
        ),
        (
            lambda t: schedules.fit(
                flows.ContinuousFlow(num_bins=2, reconstruction_std=1.0), np.array([0.5])
            ),
            "must be at least 0.369 nats per variable (with most evidence) and less",
            "reconstruction=0.01",
        ),
    ],
    "reconstruction_std": [
        (
            lambda t: flows.ContinuousFlow(reconstruction_std=0),
            "must be a positive, finite number",
            "reconstruction_std=0",
        ),
        (
            lambda t: flows.ContinuousFlow(reconstruction_std=1e300),
            "must be a positive, finite number, from 1e-30 to 1e+30",
            "reconstruction_std=1e+300",
        ),
        (
            lambda t: flows.ContinuousFlow(reconstruction_std=-1.0),
            "must be a positive, finite number",
            "reconstruction_std=-1.0",
        ),
    ],
    "sampler": [
        (
            lambda t: samplers.get("euler"),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler='euler'",
        ),
        (lambda t: samplers.get(3), "must be a `Sampler` or one of ['ancestral',", "sampler=3"),
        (lambda t: samplers.get([]), "must be a `Sampler` or one of ['ancestral',", "sampler=[]"),
    ],
    "scale": [
        (
            lambda t: flows.ContinuousFlow(scale=None),
            "must be a finite number, or an array of finite numbers",
            "scale=None",
        ),
        (
            lambda t: flows.ContinuousFlow(scale=0),
            "must be positive, at least 0.0001 of",
            "scale=0",
        ),
        (
            lambda t: flows.ContinuousFlow(scale=-1),
            "must be positive, at least 0.0001 of",
            "scale=-1",
        ),
        (
            lambda t: flows.ContinuousFlow(center=10000000000.0, scale=1),
            "must be positive, at least 0.0001 of",
            "scale=1",
        ),
        (
            lambda t: flows.ContinuousFlow(center=np.zeros(2), scale=np.ones(3)),
            "must be positive, at least 0.0001 of",
            "scale=array([1., 1., 1.])",
        ),
        (
            lambda t: flows.ContinuousFlow(scale=inf),
            "must be a finite number, or an array of finite numbers",
            "scale=inf",
        ),
        (
            lambda t: flows.ContinuousFlow(scale=[1.0, -1.0]),
            "must be positive, at least 0.0001 of `center`, and broadcast with it",
            "scale=[1.0, -1.0]",
        ),
        (
            lambda t: flows.ContinuousFlow(center=300.0, scale=0.01),
            "must be positive, at least 0.0001 of `center`, and broadcast with it",
            "scale=0.01",
        ),
        (
            lambda t: flows.ContinuousFlow(center=[1.0, 2.0], scale=[1, 1, 1]),
            "must be positive, at least 0.0001 of `center`, and broadcast with it",
            "scale=[1, 1, 1]",
        ),
    ],
    "schedule": [
        (
            lambda t: flows.DiscreteFlow(2, schedule=schedules.QuadraticSchedule),
            "must be a `keras_bfn.schedules.Schedule`",
            "schedule=<class",
        ),
        (
            lambda t: flows.DiscreteFlow(2, schedule=3),
            "must be a `keras_bfn.schedules.Schedule`",
            "schedule=3",
        ),
        (
            lambda t: flows.ContinuousFlow(schedule=9.0),
            "must be a `keras_bfn.schedules.Schedule`",
            "schedule=9.0",
        ),
    ],
    "seed": [
        (
            lambda t: schedules.fit(FLOW, X, seed=None),
            "must be an integer of at least 0",
            "seed=None",
        ),
        (lambda t: schedules.fit(FLOW, X, seed=-1), "must be an integer of at least 0", "seed=-1"),
    ],
    "share": [
        (lambda t: losses.CrossEntropyLoss(share=1.0), "must be a number in [0, 1)", "share=1.0"),
        (lambda t: losses.CrossEntropyLoss(share=-0.1), "must be a number in [0, 1)", "share=-0.1"),
    ],
    "sigma_1": [
        (
            lambda t: schedules.ExponentialSchedule(None),
            "must be a number strictly between 0 and 1",
            "sigma_1=None",
        ),
        (
            lambda t: flows.DiscretizedFlow(4, 0),
            "must be a number strictly between 0 and 1",
            "sigma_1=0",
        ),
        (
            lambda t: flows.DiscretizedFlow(4, 1),
            "must be a number strictly between 0 and 1",
            "sigma_1=1",
        ),
        (lambda t: flows.ContinuousFlow(1e-300), "must be at least 1e-15", "sigma_1=1e-300"),
        (
            lambda t: flows.ContinuousFlow("a"),
            "must be a number strictly between 0 and 1",
            "sigma_1='a'",
        ),
        (
            lambda t: flows.CircularFlow(-1),
            "must be a number strictly between 0 and 1",
            "sigma_1=-1",
        ),
        (lambda t: flows.CircularFlow(2), "must be a number strictly between 0 and 1", "sigma_1=2"),
        (
            lambda t: schedules.ExponentialSchedule(0),
            "must be a number strictly between 0 and 1",
            "sigma_1=0",
        ),
        (
            lambda t: schedules.ExponentialSchedule(nan),
            "must be a number strictly between 0 and 1",
            "sigma_1=nan",
        ),
        (
            lambda t: schedules.ExponentialSchedule("0.1"),
            "must be a number strictly between 0 and 1",
            "sigma_1='0.1'",
        ),
        (
            lambda t: schedules.ExponentialSchedule(1e-300),
            "must be at least 1e-15",
            "sigma_1=1e-300",
        ),
        (
            lambda t: schedules.ExponentialSchedule(1),
            "must be a number strictly between 0 and 1",
            "sigma_1=1",
        ),
        (
            lambda t: schedules.ExponentialSchedule(-0.5),
            "must be a number strictly between 0 and 1",
            "sigma_1=-0.5",
        ),
        (
            lambda t: schedules.ExponentialSchedule(2.0),
            "must be a number strictly between 0 and 1",
            "sigma_1=2.0",
        ),
        (
            lambda t: schedules.ExponentialSchedule(True),
            "must be a number strictly between 0 and 1",
            "sigma_1=True",
        ),
        (
            lambda t: flows.CircularFlow(sigma_1=2.0),
            "must be a number strictly between 0 and 1",
            "sigma_1=2.0",
        ),
        (
            lambda t: flows.ContinuousFlow(sigma_1=1e-7),
            "must give an accuracy of at most 2e+12 at t = 1",
            "sigma_1=1e-07",
        ),
        (
            lambda t: flows.CircularFlow(sigma_1=1e-10),
            "must give an accuracy of at most 1e+18 at t = 1",
            "sigma_1=1e-10",
        ),
        (
            lambda t: flows.CircularFlow(0.1, schedule=FLOW.schedule),
            "Only one of the arguments `sigma_1` and `schedule` can be given",
            "sigma_1=0.1, schedule=QuadraticSchedule(beta_1=4.0)",
        ),
        (
            lambda t: flows.ContinuousFlow(sigma_1=1.5),
            "must be a number strictly between 0 and 1",
            "sigma_1=1.5",
        ),
        (
            lambda t: flows.ContinuousFlow(-3, schedule=schedules.QuadraticSchedule(4.0)),
            "Only one of the arguments `sigma_1` and `schedule` can be given",
            "sigma_1=-3, schedule=QuadraticSchedule(beta_1=4.0)",
        ),
    ],
    "spacing": [
        (
            lambda t: samplers.ODE1Sampler(spacing="x"),
            "must be one of ['t', 'log_beta']",
            "spacing='x'",
        ),
        (
            lambda t: samplers.SDE2Sampler(spacing="beta"),
            "must be one of ['t', 'log_beta']",
            "spacing='beta'",
        ),
    ],
    "start": [
        (lambda t: samplers.ODE1Sampler(start=1), "must be a number in [0, 1)", "start=1"),
        (lambda t: samplers.ODE1Sampler(start=-0.1), "must be a number in [0, 1)", "start=-0.1"),
        (lambda t: samplers.ODE1Sampler(start=nan), "must be a number in [0, 1)", "start=nan"),
        (
            lambda t: samplers.ODE1Sampler(start=0, spacing="log_beta"),
            "must be above 0 for spacing='log_beta', since",
            "start=0",
        ),
        (lambda t: samplers.SDE2Sampler(start=1.0), "must be a number in [0, 1)", "start=1.0"),
        (
            lambda t: samplers.SDE2Sampler(start=0.0, spacing="log_beta"),
            "must be above 0 for spacing='log_beta', since log(beta(0)) is infinite",
            "start=0.0",
        ),
        (
            lambda t: distillation.JumpSampler(start=0.0),
            "must be above 0 for spacing='log_beta', since log(beta(0)) is infinite",
            "start=0.0",
        ),
    ],
    "temperature": [
        (
            lambda t: samplers.SDE1Sampler(temperature=None),
            "must be a positive, finite number",
            "temperature=None",
        ),
        (
            lambda t: samplers.SDE1Sampler(temperature=0),
            "must be a positive, finite number",
            "temperature=0",
        ),
        (
            lambda t: samplers.SDE1Sampler(temperature=nan),
            "must be a positive, finite number",
            "temperature=nan",
        ),
        (
            lambda t: samplers.SDE1Sampler(temperature=inf),
            "must be a positive, finite number",
            "temperature=inf",
        ),
        (
            lambda t: samplers.SDE1Sampler(temperature=1e-300),
            "must be a positive, finite number, from 1e-30 to 1e+30",
            "temperature=1e-300",
        ),
        (
            lambda t: samplers.SDE1Sampler(temperature="1"),
            "must be a positive, finite number",
            "temperature='1'",
        ),
        (
            lambda t: samplers.SDE1Sampler(temperature=HUGE),
            "must be a positive, finite number, from 1e-30 to 1e+30",
            "temperature=1000000000000000000000000000",
        ),
        (
            lambda t: samplers.SDE2Sampler(temperature=0.0),
            "must be a positive, finite number",
            "temperature=0.0",
        ),
        (
            lambda t: samplers.SDE2Sampler(temperature="hot"),
            "must be a positive, finite number",
            "temperature='hot'",
        ),
        (
            lambda t: distributions.Delta(ops.zeros(1)).tempered(0.5),
            "must be 1 for continuous data, whose output distribution is a single",
            "temperature=0.5",
        ),
    ],
    "text": [
        (lambda t: LETTERS.encode(3), "must be a string", "a int"),
        (
            lambda t: LETTERS.encode("A"),
            "must contain only the 27 characters of the alphabet. Convert",
            "a text with ['A']",
        ),
        (lambda t: BYTES.encode(None), "must be a string", "a NoneType"),
        (lambda t: LETTERS.encode(None), "must be a string", "a NoneType"),
        (lambda t: BYTES.encode(3), "must be a string", "a int"),
        (
            lambda t: BYTES.encode("\ud800"),
            "must be text that UTF-8 can encode",
            "'\\ud800' in position 0",
        ),
        (lambda t: LETTERS.encode(b"bytes"), "must be a string", "a bytes"),
        (lambda t: LETTERS.encode(["a"]), "must be a string", "a list"),
        (lambda t: BYTES.encode(b"bytes"), "must be a string", "a bytes"),
        (
            lambda t: LETTERS.encode("cAfé"),
            "27 characters of the alphabet. Convert the text with `clean_text`",
            "a text with ['A', 'é']",
        ),
        (
            lambda t: LETTERS.encode("".join(map(chr, range(0x400, 0x41E)))),
            "must contain only the 27 characters of the alphabet. Convert the text with",
            "'Г'] and 10 others",
        ),
    ],
    "texts": [
        (lambda t: LETTERS.encode_batch([]), "must be a non-empty list of strings", "texts=[]"),
        (
            lambda t: LETTERS.encode_batch("text"),
            "must be a non-empty list of strings",
            "texts='text'",
        ),
    ],
    "tokens": [
        (
            lambda t: LETTERS.decode(None),
            "must contain integers in -1..26, of shape (length,) or",
            "shape (), dtype object",
        ),
        (
            lambda t: LETTERS.decode([27]),
            "must contain integers in -1..26, of shape (length,) or",
            "shape (1,), dtype int64, from 27 to 27",
        ),
        (
            lambda t: BYTES.decode([-2]),
            "must contain integers in -1..255, of shape (length,) or",
            "shape (1,), dtype int64, from -2 to -2",
        ),
        (
            lambda t: BYTES.decode([0.5]),
            "must contain integers in -1..255, of shape (length,) or",
            "shape (1,), dtype float64",
        ),
        (
            lambda t: LETTERS.decode("ab"),
            "must contain integers in -1..26, of shape (length,) or",
            "shape (), dtype <U2",
        ),
        (
            lambda t: LETTERS.decode([[[0]]]),
            "must contain integers in -1..26, of shape (length,) or",
            "shape (1, 1, 1), dtype int64",
        ),
        (
            lambda t: LETTERS.decode([[0], [0, 1]]),
            "must be an array, with rows of equal length",
            "tokens='list'",
        ),
        (
            lambda t: BYTES.decode([256]),
            "must contain integers in -1..255, of shape (length,) or",
            "shape (1,), dtype int64, from 256 to 256",
        ),
        (
            lambda t: LETTERS.decode([-2]),
            "must contain integers in -1..26, of shape (length,) or (num, length)",
            "shape (1,), dtype int64, from -2 to -2",
        ),
        (
            lambda t: LETTERS.decode([0.5]),
            "must contain integers in -1..26, of shape (length,) or (num, length)",
            "shape (1,), dtype float64",
        ),
        (
            lambda t: LETTERS.decode(1),
            "must contain integers in -1..26, of shape (length,) or (num, length)",
            "shape (), dtype int64",
        ),
    ],
    "coded_directly": [
        (
            lambda t: orders.Groups([0, 1], coded_directly="a"),
            "must be True or False",
            "coded_directly='a'",
        ),
        (
            lambda t: orders.Groups([0, 1], coded_directly=1),
            "must be True or False",
            "coded_directly=1",
        ),
        (
            lambda t: orders.Groups([0, 1], [True]),
            "a bool for each of 2 groups",
            "coded_directly=[True]",
        ),
        (lambda t: orders.Groups([0, 1], [True, 0]), "a bool for each of 2 groups", "[True, 0]"),
    ],
    "top_k": [
        (lambda t: samplers.SDE1Sampler(top_k=0), "must be an integer of at least 1", "top_k=0"),
        (
            lambda t: samplers.SDE1Sampler(top_k=1.5),
            "must be an integer of at least 1",
            "top_k=1.5",
        ),
        (lambda t: samplers.SDE1Sampler(top_k=-1), "must be an integer of at least 1", "top_k=-1"),
        (lambda t: samplers.SDE2Sampler(top_k=0), "must be an integer of at least 1", "top_k=0"),
        (
            lambda t: samplers.SDE2Sampler(top_k=1.5),
            "must be an integer of at least 1",
            "top_k=1.5",
        ),
        (
            lambda t: distributions.VonMises(ops.ones((1, 2))).truncated(top_k=3),
            "Arguments `top_k` and `top_p` must be None for continuous data, which",
            "top_k=3, top_p=None",
        ),
        (
            lambda t: distillation.JumpSampler(top_k=2),
            "must be None for jumps, unless `fresh_noise` is True",
            "top_k=2",
        ),
    ],
    "top_p": [
        (
            lambda t: samplers.ODE1Sampler(top_p=0),
            "must be a number above 0 and at most 1",
            "top_p=0",
        ),
        (
            lambda t: samplers.SDE1Sampler(top_p=1.5),
            "must be a number above 0 and at most 1",
            "top_p=1.5",
        ),
        (
            lambda t: samplers.SDE1Sampler(top_p=nan),
            "must be a number above 0 and at most 1",
            "top_p=nan",
        ),
        (
            lambda t: samplers.SDE2Sampler(top_p=0.0),
            "must be a number above 0 and at most 1",
            "top_p=0.0",
        ),
        (
            lambda t: samplers.SDE2Sampler(top_p=1.1),
            "must be a number above 0 and at most 1",
            "top_p=1.1",
        ),
        (
            lambda t: samplers.SDE2Sampler(top_p="most"),
            "must be a number above 0 and at most 1",
            "top_p='most'",
        ),
    ],
    "x": [
        (
            lambda t: FLOW.check_data(None),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype object",
        ),
        (
            lambda t: FLOW.remaining_cost(None),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype object",
        ),
        (
            lambda t: schedules.fit(FLOW, None),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype object",
        ),
        (
            lambda t: schedules.fit({"a": FLOW}, X),
            "must be a dict with the parts ['a']",
            "a ndarray",
        ),
        (
            lambda t: schedules.fit({"a": FLOW}, {"b": X}),
            "must be a dict with the parts ['a']",
            "a dict with the keys ['b']",
        ),
        (
            lambda t: flows.MarkovChain.fit(np.full((2, 4), 7), 2, 1),
            "must lie in [0, 1]",
            "values from 7 to 7",
        ),
        (
            lambda t: flows.MarkovChain.fit(np.zeros((2, 1), int), 2, 1),
            "must contain integers and have shape (num, length), with",
            "shape (2, 1), dtype int64",
        ),
        (lambda t: PAIRS.log_prob([[3]]), "must lie in [0, 1]", "values from 3 to 3"),
        (
            lambda t: flows.fit_prior(FLOW, None),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype object",
        ),
        (
            lambda t: flows.fit_prior(FLOW, np.full((2, 4), 7)),
            "must lie in [0, 1] for",
            "values from 7 to 7",
        ),
        (
            lambda t: flows.fit_prior({"a": FLOW}, np.zeros((2, 4), int)),
            "must be a dict with the parts ['a']",
            "a ndarray",
        ),
        (
            lambda t: flows.fit_prior(FLOW, np.zeros((2, 4), int), order=40),
            "must contain integers and have shape (num, length), with",
            "shape (2, 4), dtype int64",
        ),
        (lambda t: flows.fit_scaling(CONTINUOUS, None), "must contain floats for", "dtype object"),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, np.array([1e9, 1e9 + 1])),
            "must vary by more than 0.0001 of its values: subtract",
            "x=array([1.e+09, 1.e+09])",
        ),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, np.array([nan])),
            "must contain observed values",
            "x=array([nan])",
        ),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, np.zeros((2, 2), int)),
            "must contain floats for",
            "dtype int64",
        ),
        (lambda t: schedules.fit(FLOW, X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (
            lambda t: schedules.fit(FLOW, X.astype("float32")),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float32",
        ),
        (
            lambda t: FLOW.check_data(np.zeros((0, 4), int)),
            "must contain data",
            "an empty array of shape (0, 4)",
        ),
        (lambda t: FLOW.check_data(np.array([2])), "must lie in [0, 1] for", "values from 2 to 2"),
        (
            lambda t: FLOW.check_data(np.array(["a"])),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype str32",
        ),
        (
            lambda t: FLOW.check_data(np.array([0.5])),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float64",
        ),
        (
            lambda t: FLOW.check_data(np.array([1j])),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype complex128",
        ),
        (
            lambda t: CONTINUOUS.check_data(np.array([nan], "float32")),
            "must be finite",
            "an array with NaN or infinity",
        ),
        (
            lambda t: CONTINUOUS.check_data(np.array([2.0], "float32")),
            "must lie in [-1, 1] for",
            "values from 2.0 to 2.0",
        ),
        (lambda t: CONTINUOUS.check_data(np.array([0])), "must contain floats for", "dtype int64"),
        (
            lambda t: CONTINUOUS.check_data(np.array(["2020-01-01"], "datetime64[D]")),
            "must contain floats for",
            "dtype datetime64[D]",
        ),
        (
            lambda t: FLOW.check_data([[0, 1], [1]]),
            "must be an array, with rows of equal length",
            "x='list'",
        ),
        (
            lambda t: schedules.fit(FLOW, np.array([0, 1, 2])),
            "must lie in [0, 1] for DiscreteFlow(num_classes=2,",
            "values from 0 to 2",
        ),
        (
            lambda t: schedules.fit(FLOW, np.array([0.5, 1.0])),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float64",
        ),
        (
            lambda t: schedules.fit(PARTS, {**X_PARTS, "size": [1]}),
            "must be a dict with the parts ['a', 'b']",
            "a dict with the keys ['a', 'b', 'size']",
        ),
        (
            lambda t: schedules.fit(FLOW, X_PARTS),
            "must not be a dict, because the flow is DiscreteFlow(num_classes=2,",
            "a dict with the keys ['a', 'b']",
        ),
        (
            lambda t: flows.CircularFlow().check_data(np.array([[90.0]])),
            "must lie in [-3.14159265, 3.14159265] for",
            "values from 90.0 to 90.0",
        ),
        (
            lambda t: flows.ContinuousFlow(
                0.05, center=[0, 15, 2000], scale=[0.1, 25, 50]
            ).check_data(np.zeros((2, 4), "float32")),
            "must be such that the flow's `center` and `scale`, of shape (3,),",
            "examples of shape (4,)",
        ),
        (
            lambda t: flows.ContinuousFlow(
                0.05, center=[0, 15, 2000], scale=[0.1, 25, 50]
            ).check_data(np.zeros((2, 1), "float32")),
            "must be such that the flow's `center` and `scale`, of shape (3,),",
            "examples of shape (1,)",
        ),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, np.array([])),
            "must contain data",
            "an empty array of shape (0,)",
        ),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, np.array([1.0, inf])),
            "must be finite",
            "an array with NaN or infinity",
        ),
        (
            lambda t: flows.fit_scaling(CONTINUOUS, {"a": 1}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: flows.JointNormal.fit(np.zeros(3)),
            "must have shape (num, size)",
            "x=array([0., 0., 0.])",
        ),
        (
            lambda t: flows.JointNormal.fit([[inf, 1.0]]),
            "without infinity",
            "x=array([[inf,  1.]])",
        ),
        (lambda t: flows.JointNormal.fit(np.zeros((0, 2))), "at least one row", "shape=(0, 2)"),
        (
            lambda t: flows.JointNormal([0.0], [[1.0]]).complete([[1.0, 2.0]]),
            "must have shape (num, 1)",
            "x=array([[1., 2.]])",
        ),
        (
            lambda t: flows.MarkovChain.fit([[0, 1]], 2, 2),
            "must contain integers and have shape (num, length), with num at least 1",
            "shape (1, 2), dtype int64",
        ),
        (
            lambda t: flows.MarkovChain.fit(np.zeros((0, 3), int), 2, 1),
            "must contain integers and have shape (num, length), with num at least 1",
            "shape (0, 3), dtype int64",
        ),
        (
            lambda t: flows.MarkovChain(np.ones((3, 3), int)).log_prob(np.array([[0, -1]])),
            "must lie in [0, 2]",
            "values from -1 to 0",
        ),
        (
            lambda t: flows.MarkovChain.fit([[0, 2]], 2, 1),
            "must lie in [0, 1]",
            "values from 0 to 2",
        ),
        (
            lambda t: flows.fit_prior(FLOW, np.array([3])),
            "must lie in [0, 1] for DiscreteFlow(num_classes=2,",
            "values from 3 to 3",
        ),
        (
            lambda t: flows.fit_prior(flows.ContinuousFlow(), np.array([0, 1])),
            "must contain floats for ContinuousFlow(prediction='noise',",
            "dtype int64",
        ),
        (
            lambda t: flows.fit_prior(
                flows.ContinuousFlow(), np.array([[0.5, nan]]), per_variable=True
            ),
            "must contain observed values, for each variable if per_variable=True",
            "x=array([[0.5, nan]])",
        ),
        (
            lambda t: flows.fit_prior(
                flows.ContinuousFlow(), np.full((2, 1), nan), per_variable=True
            ),
            "must contain observed values, for each variable if per_variable=True",
            "x=array([[nan],",
        ),
        *(row for flow in KINDS.values() for row in data_refused(flow)),
    ],
}
