"""Mixed data: variables of different kinds in one example."""

import itertools
import math

import keras
import numpy as np
from keras import ops

from keras_bfn.distributions import Categorical
from keras_bfn.flows.channels import Points
from keras_bfn.flows.flow import Flow

IMPOSSIBLE = -1e9  # the log probability of values that a variable cannot have


@keras.saving.register_keras_serializable("keras_bfn")
class MixedFlow(Flow):
    """Integers of different kinds, such as the columns of a table.

    The variables along the last axis of the data are each of a kind of its own, a flow. All are
    sent at one accuracy, so the flows have one schedule: choose it for the variable that needs most
    (`keras_bfn.schedules.fit` does so by the mean over all variables).

    | input distribution | each variable's own |
    |---|---|
    | network input | each variable's own parameters, then zeros up to the most that any has |
    | network output | likewise; what is too much is not looked at |
    | output distribution | each variable's own, over as many values as the most that any has |

    Args:
        flows: list of a `DiscreteFlow` or a `DiscretizedFlow` for each variable, with equal
            schedules. The data have the shape `(batch, ..., len(flows))`.

    The embeddings are those of the flows times the square roots of their gains: the gain here is 1.

    Raises:
        ValueError: if there are no flows, if one is not of integers, or if their schedules differ.

    Example: a yes or no, one of five colours, and a number of 100 levels.

    >>> schedule = keras_bfn.schedules.ExponentialSchedule(sigma_1=0.01)
    >>> flow = keras_bfn.flows.MixedFlow([
    ...     keras_bfn.flows.DiscreteFlow(2, schedule=schedule),
    ...     keras_bfn.flows.DiscreteFlow(5, schedule=schedule),
    ...     keras_bfn.flows.DiscretizedFlow(100, schedule=schedule),
    ... ])
    >>> network = keras_bfn.networks.MLP(flow, event_shape=(3,), width=64)
    >>> network.output_shape
    (None, 3, 5)

    Reference: the flows are those of sections 5 and 6 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037); messages about different variables are
    independent there as here.
    """

    discrete = True

    def __init__(self, flows):
        self.flows = tuple(_check_flows(flows))
        super().__init__(self.flows[0].schedule, None)
        self.embedding_size = max(flow.embedding_size for flow in self.flows)
        self.theta_size = max(flow.theta_size for flow in self.flows)
        self.output_size = max(flow.output_size for flow in self.flows)
        # Neighbours of one kind are worked on at once: the flow, and where they start and stop.
        self._runs, start = [], 0
        for _, run in itertools.groupby(self.flows, key=repr):
            flow, *others = run
            self._runs.append((flow, start, start + 1 + len(others)))
            start += 1 + len(others)

    @property
    def data_range(self):
        return (0, max(flow.data_range[1] for flow in self.flows))

    def split(self, x):
        return [(flow, x[..., start:stop]) for flow, start, stop in self._runs]

    def embed(self, x):
        parts = [math.sqrt(flow.gain) * flow.embed(part) for flow, part in self.split(x)]
        return _join(parts, self.embedding_size)

    def input_params(self, s, beta):
        parts = [
            flow.input_params(math.sqrt(flow.gain) * part, beta)
            for flow, part in self._split_numbers(s, "embedding_size")
        ]
        return _join(parts, self.theta_size)

    def input_mean(self, theta):
        parts = self._split_numbers(theta, "theta_size")
        return ops.concatenate([flow.input_mean(part) for flow, part in parts], axis=-1)

    def evidence_params(self, theta):
        parts = [
            flow.evidence_params(part) + ops.zeros_like(part[..., :1])
            for flow, part in self._split_numbers(theta, "theta_size")
        ]
        return _join(parts, self.output_size)

    def output_distribution(self, params, s, t):
        parts = [
            flow.output_distribution(part, math.sqrt(flow.gain) * evidence, t).log_probs()
            for (flow, part), (_, evidence) in zip(
                self._split_numbers(params, "output_size"),
                self._split_numbers(s, "embedding_size"),
                strict=True,
            )
        ]
        return Categorical(_join(parts, _num_values(self), IMPOSSIBLE))

    def expected_embedding(self, distribution):
        log_probs = distribution.log_probs()
        parts = []
        for flow, start, stop in self._runs:
            own = Categorical(log_probs[..., start:stop, : _num_values(flow)])
            parts.append(math.sqrt(flow.gain) * flow.expected_embedding(own))
        return _join(parts, self.embedding_size)

    def _log_likelihood_ratios(self, x, alpha, noise):
        # Of a message in a flow's own units, the noise is the same.
        parts = [
            flow._log_likelihood_ratios(part, alpha, own_noise)
            for (flow, part), (_, own_noise) in zip(
                self.split(x), self._split_numbers(noise, "embedding_size"), strict=True
            )
        ]
        return _join(parts, _num_values(self))

    def channel(self):
        num_values = [_num_values(flow) for flow in self.flows]
        points = np.zeros((len(self.flows), max(num_values), self.embedding_size))
        for flow, start, stop in self._runs:
            channel, num = flow.channel(), _num_values(flow)
            embedded = channel.evidence(channel.embed(np.arange(num)))
            points[start:stop, :num, : flow.embedding_size] = math.sqrt(flow.gain) * embedded
        return Points(points, num_values)

    def check_data(self, x, name="x"):
        super().check_data(x, name)
        x = np.asarray(x)
        if x.shape[-1:] != (len(self.flows),):
            raise ValueError(
                f"Argument `{name}` must have {len(self.flows)} variables along its last axis, one "
                f"for each of the flows. Received: an array of shape {x.shape}"
            )
        for flow, start, stop in self._runs:
            flow.check_data(x[..., start:stop], f"{name}[..., {start}:{stop}]")

    def get_config(self):
        return {"flows": [keras.saving.serialize_keras_object(flow) for flow in self.flows]}

    @classmethod
    def from_config(cls, config):
        return cls([keras.saving.deserialize_keras_object(flow) for flow in config["flows"]])

    def __repr__(self):
        return f"MixedFlow({list(self.flows)!r})"

    def _split_numbers(self, x, size):
        """The flows, and of `(..., variables, numbers)` what is theirs."""
        return [
            (flow, x[..., start:stop, : getattr(flow, size)]) for flow, start, stop in self._runs
        ]


def _check_flows(flows):
    if not isinstance(flows, (list, tuple)) or not flows:
        raise ValueError(f"Argument `flows` must be a list of flows. Received: flows={flows!r}")
    for flow in flows:
        if not isinstance(flow, Flow) or not flow.discrete or isinstance(flow, MixedFlow):
            raise ValueError(
                "Argument `flows` must hold a `DiscreteFlow` or a `DiscretizedFlow` for each "
                f"variable. Received: {flow!r}"
            )
    schedules = [(type(flow.schedule).__name__, flow.schedule.get_config()) for flow in flows]
    for schedule in schedules:
        if schedule != schedules[0]:
            raise ValueError(
                "Argument `flows` must hold flows with one `schedule`. "
                f"Received: {schedules[0]} and {schedule}"
            )
    return flows


def _num_values(flow):
    return flow.data_range[1] + 1


def _join(parts, size, fill=0.0):
    """Tensors `(..., variables, numbers)`, filled up to `size` numbers, side by side."""
    padded = []
    for part in parts:
        widths = [(0, 0)] * (len(part.shape) - 1) + [(0, size - part.shape[-1])]
        padded.append(ops.pad(part, widths, constant_values=fill))
    return ops.concatenate(padded, axis=-2)
