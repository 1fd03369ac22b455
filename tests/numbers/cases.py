"""What hypothesis draws: flows, data, times and outputs of networks, ordinary and extreme."""

from typing import Any, NamedTuple

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_bfn._random import Noise
from keras_bfn.flows import CircularFlow, ContinuousFlow, DiscreteFlow, DiscretizedFlow
from tests.tensors import to_tensor

ROWS = 8
EDGE_TIMES = (0.0, 1e-45, 1e-38, 1e-7, 1e-6, 0.999, 1 - 2.0**-24, 1.0)
EDGE_OUTPUTS = (0.0, 1e-45, 1e-30, 1.0, 89.0, 1e4, 65504.0, 1e10, 1e30)
# But on PyTorch, each operation is compiled for each shape, or nearly.
FEW = (2, 27, 65_536) if keras.backend.backend() == "torch" else (27,)
MANY = (2, 3, 5, 17, 27, 256, 257, 4096, 50_000, 65_536)
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
PREDICTIONS = ("noise", "data")


class Case(NamedTuple):
    """A flow, with data of one variable, times, what a network could return, and its policy."""

    flow: Any
    x: np.ndarray
    t: np.ndarray
    params: np.ndarray
    policy: str
    seed: int

    def __repr__(self):
        outputs = np.unique(self.params).tolist()
        return f"{self.flow}, t={self.t.tolist()}, {outputs=}, {self.policy}, {self.seed=}"

    def noise(self):
        """The same normal and uniform numbers each time."""
        rng = np.random.default_rng(self.seed)
        normal = rng.standard_normal((ROWS, 1, self.flow.embedding_size))
        uniform = rng.uniform(size=(ROWS, 1, 2)).astype("float32")
        if getattr(self.flow, "num_classes", 0) < 512:
            uniform = uniform[..., 0]
        own_normal = normal[..., 0] if isinstance(self.flow, DiscretizedFlow) else normal
        return {
            "evidence": Noise({"normal_0": to_tensor(normal)}),
            "sample": Noise({"normal_0": to_tensor(own_normal), "uniform_0": to_tensor(uniform)}),
        }


def powers(least, most):
    """Numbers whose logarithms are spread evenly."""
    return st.floats(np.log10(least), np.log10(most)).map(lambda power: 10.0**power)


def flows(kind, num_values, sigma_1):
    """Flows of a kind, of so many values."""
    predictions = st.sampled_from(PREDICTIONS)
    return {
        "discrete": st.builds(DiscreteFlow, st.sampled_from(num_values), powers(1e-6, 1e4)),
        "discretized": st.builds(
            DiscretizedFlow, st.sampled_from(num_values), sigma_1, predictions
        ),
        "continuous": st.builds(
            ContinuousFlow,
            sigma_1,
            st.sampled_from((*PREDICTIONS, "residual")),
            st.sampled_from((None, 2, 256)),
        ),
        "circular": st.builds(CircularFlow, sigma_1),
    }[kind]


KINDS = ("discrete", "discretized", "continuous", "circular")


@st.composite
def cases(draw, kind, num_values, outputs, times, sigma_1):
    """Cases of a kind: outputs are a mixture of a few numbers, or all the same."""
    flow, seed = draw(flows(kind, num_values, sigma_1)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    t = draw(st.lists(times, min_size=ROWS, max_size=ROWS))
    pool = np.float32(draw(st.lists(outputs, min_size=1, max_size=6)))
    params = rng.choice(pool, (ROWS, 1, flow.output_size))
    low, high = flow.data_range
    if flow.discrete:
        x = rng.integers(low, high, (ROWS, 1), endpoint=True).astype("int32")
    else:
        x = rng.uniform(low, high, (ROWS, 1)).astype("float32")
    x[0], x[1] = low, high
    return Case(flow, x, np.float32(t), params, draw(st.sampled_from(POLICIES)), seed)


def check_many(strategy, check, num):
    """Checks so many cases, the same ones every time."""

    @hypothesis.settings(
        max_examples=num,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def check_one(case):
        check(case)

    check_one()


MINUTES = pytest.mark.slow if keras.backend.backend() == "torch" else pytest.mark.nightly

# How many cases of each kind, and of how many values: few, or as many as take minutes.
how_many = pytest.mark.parametrize(
    ("num", "num_values"),
    [
        # JAX compiles each case for itself.
        pytest.param(2 if keras.backend.backend() == "jax" else 5, FEW, id="few"),
        pytest.param(500, MANY, id="many", marks=MINUTES),
    ],
)
