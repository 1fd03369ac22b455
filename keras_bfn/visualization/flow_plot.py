"""Plots of the four distributions of a BFN, for one variable. Needs matplotlib."""

import math
import operator
from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_bfn._typing import Parts, Path
from keras_bfn._validation import check_int, check_path, refusal
from keras_bfn.distributions import Delta
from keras_bfn.flows.flow import Flow
from keras_bfn.predictions import Prediction
from keras_bfn.visualization.grid import new_figure, save_figure
from keras_bfn.visualization.trajectories import at_step, pick_trajectory

NUM_POINTS = 200  # at which a density is evaluated


def plot_flow(
    flow: Parts[Flow],
    trajectory: Parts[Prediction],
    path: Path,
    sample: int = 0,
    variable: Sequence[int] | None = None,
    num_steps: int = 5,
    part: str | None = None,
) -> None:
    """Draws the input, output, sender and receiver distributions of one variable, step by step.

    Columns are times. Rows show, from top to bottom:

    - the input distribution: what is known of the variable at this time;
    - the output distribution: the network's prediction, given all variables;
    - the sender distribution of the message from this column to the next, if the variable's final
      value were the data;
    - the receiver distribution: what the receiver expects of this message. The dashed line is the
      sender distribution.

    A black line marks the message itself. It is the sum of all messages until the next column: a
    single one of many is too noisy for sender and receiver to differ visibly.

    A message about a class has one number per class; the number for the final class is shown.
    Numbers and levels are shown as they are sent, in [-1, 1] whatever the data's units. For an
    angle, the larger of cosine and sine is shown.

    Args:
        flow: the data type, or a dict of flows.
        trajectory: the `trajectory` of `BayesianFlowNetwork.generate(..., return_details=True)`.
        path: path of the PNG.
        sample: int. The index of the sample.
        variable: tuple of ints, the index of the variable in the event shape; by default the
            middle.
        num_steps: int. The maximum number of columns.
        part: for a dict of flows, the name of the part that the variable belongs to.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if an argument is out of its range.

    Example:

    >>> trajectory = model.generate(4, num_steps=20, return_details=True).trajectory
    >>> keras_bfn.visualization.plot_flow(model.flow, trajectory, "flow.png")

    Reference: figure 1 of [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """
    check_int("num_steps", num_steps, 1)
    path = check_path("path", path)
    flow, trajectory = pick_trajectory(part, flow, trajectory)
    num_samples, *event_shape = trajectory.theta.shape[1:-1]
    if variable is None:
        variable = tuple(size // 2 for size in event_shape)
    if check_int("sample", sample, 0) >= num_samples:
        raise refusal("sample", f"must be below {num_samples}", sample)
    is_index = isinstance(variable, (tuple, list)) and len(variable) == len(event_shape)
    if not is_index or not all(map(operator.contains, map(range, event_shape), variable)):
        raise refusal("variable", f"must be an index into shape {tuple(event_shape)}", variable)
    variable = tuple(map(int, variable))
    t = trajectory.t if trajectory.t.ndim == 1 else trajectory.t[:, sample, *variable]
    sent = np.flatnonzero(np.diff(t) > 0)  # with own times, not all variables in every step
    if not sent.size:
        expected = "must get messages: there are none after a single prediction, nor about given or"
        raise refusal("variable", f"{expected} missing variables", variable)
    steps = sent[np.unique(np.arange(num_steps) * len(sent) // num_steps)]
    final = _OneVariable(flow, trajectory, t, len(t) - 1, sample, variable)
    predictions = [_OneVariable(flow, trajectory, t, step, sample, variable) for step in steps]
    embedding = final.embeddings([final.mode])[0]
    component = np.argmax(embedding)

    figure = new_figure(2.3 * len(steps), 6.5)
    grid = figure.subplots(4, len(steps), squeeze=False)
    nexts = [*predictions[1:], final]
    for column, before, after in zip(grid.T, predictions, nexts, strict=True):
        _draw_values(column[:2], before)
        _draw_messages(column[2:], before, after, embedding, component)
        column[0].set_title(f"t = {before.t:.2g}", fontsize=9)
    is_class = len(embedding) > 1 and flow.num_values is not None
    labels = ["input", "output", "sender", "receiver"]
    for panel, label in zip(grid[:, 0], labels, strict=True):
        panel.set_ylabel(label)
    message = f"message about class {final.mode}" if is_class else "message"
    for i, panel in enumerate(grid.flat):
        panel.tick_params(labelsize=7)
        panel.set_xlabel(["value", message][i // len(steps) // 2], fontsize=7)
    save_figure(figure, path)


def _draw_values(panels, prediction):
    """Draws the input and the output distribution; for classes, on one scale."""
    prediction.draw_input(panels[0])
    prediction.draw_shares(panels[1], prediction.probs, "tab:purple")
    if len(prediction.s) == 1:  # points on a line
        for panel in panels:
            panel.set_xlim(-2, 2)
    if prediction.flow.theta_range == (0, 1):
        top = max(panel.get_ylim()[1] for panel in panels)
        for panel in panels:
            panel.set_ylim(0, top)


def _draw_messages(panels, before, after, embedding, component):
    """Draws one component of all messages between two predictions: sender and receiver."""
    flow = before.flow
    accuracy = flow.gain * (after.beta - before.beta)
    sender = [embedding[component]], [1.0], 1 / accuracy
    centres = before.embeddings(before.values)[:, component]
    _density(panels[0], *sender, "tab:orange")
    _density(panels[1], centres, before.probs, 1 / accuracy, "tab:green")
    panels[1].plot(*_mixture(*sender), "--", color="tab:orange", linewidth=1)
    top = max(panel.get_ylim()[1] for panel in panels)
    reach = 3 / math.sqrt(accuracy) + 0.5
    for panel in panels:
        message = (after.s - before.s)[component] / accuracy
        panel.axvline(message, color="black", linewidth=1)
        panel.set_xlim(embedding[component] - reach, embedding[component] + reach)
        panel.set_ylim(0, top)


class _OneVariable:
    """The distributions of one variable in one prediction of a trajectory."""

    def __init__(self, flow, trajectory, times, step, sample, variable):
        self.flow, self.t = flow, times[step]
        self.beta = float(flow.schedule.beta(self.t))
        self.variable, self.event_shape = variable, trajectory.theta.shape[2:-1]
        t, s, theta, params = at_step(trajectory, step, slice(sample, sample + 1))
        distribution = flow.output_distribution(params, s, t)
        where = (0, *variable)
        self.mode = ops.convert_to_numpy(distribution.mode())[where]
        self.s, self.theta = (ops.convert_to_numpy(values)[where] for values in (s, theta))
        if len(self.s) == 1:
            self.input_variance = 1 / (1 + self.beta)
            if hasattr(flow, "input_variance"):
                alike = self.alike([0.0])
                found = ops.convert_to_numpy(flow.input_variance(t, alike))
                self.input_variance = np.broadcast_to(found, alike.shape)[where]
        self.is_dense = False
        if flow.num_values is not None:
            self.probs = ops.convert_to_numpy(distribution.probs())[where]
            self.values = np.arange(len(self.probs))
            is_line = len(self.s) == 1
            self.shown = self.embeddings(self.values)[:, 0] if is_line else self.values
        elif isinstance(distribution, Delta) or not np.isfinite(flow.data_range).all():
            self.values, self.probs = np.array([self.mode]), np.ones(1)
            self.shown = self.embeddings([self.mode]).max(axis=1)
        else:
            self.is_dense = True
            self.values = self.shown = np.linspace(*flow.data_range, NUM_POINTS, dtype="float32")
            seen = (ops.repeat(values, NUM_POINTS, axis=0) for values in (params, s, t))
            log_probs = flow.output_distribution(*seen).log_prob(self.alike(self.values))
            self.probs = _shares(ops.convert_to_numpy(log_probs)[:, *variable])

    def alike(self, values):
        """Returns examples with one value for all variables; each may have its own scale."""
        values = np.asarray(values).reshape(-1, *[1] * len(self.event_shape))
        return np.broadcast_to(values, (len(values), *self.event_shape))

    def embeddings(self, values):
        """Returns the embeddings of values of this variable, `(num, embedding_size)`."""
        return ops.convert_to_numpy(self.flow.embed(self.alike(values)))[:, *self.variable]

    def draw_input(self, axes):
        if self.flow.theta_range == (0, 1):  # probabilities; for two classes, that of the second
            shares = self.theta if len(self.theta) > 1 else np.append(1 - self.theta, self.theta)
            _bars(axes, np.arange(len(shares)), shares, "tab:blue")
        elif len(self.s) > 1:  # by Bayes' rule, from a uniform prior over values
            e = self.embeddings(self.values)
            log_likelihoods = e @ self.s - 0.5 * self.flow.gain * self.beta * np.sum(e**2, axis=1)
            self.draw_shares(axes, _shares(log_likelihoods), "tab:blue")
        else:
            _density(axes, [self.theta[0]], [1.0], self.input_variance, "tab:blue")

    def draw_shares(self, axes, shares, color):
        if self.is_dense:
            axes.fill_between(self.shown, shares, color=color, alpha=0.6)
            axes.set_ylim(0, None)
            axes.set_yticks([])
        else:
            _bars(axes, self.shown, shares, color)


def _shares(log_weights):
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _bars(axes, values, probs, color):
    gap = np.diff(values).min() if len(values) > 1 else 0.07
    axes.bar(values, probs, width=0.9 * gap, color=color)
    axes.set_ylim(0, 1.05 * probs.max())
    if np.issubdtype(values.dtype, np.integer) and len(values) <= 10:
        axes.set_xticks(values)


def _density(axes, centres, probs, variance, color):
    """Draws a mixture of normals of one variance."""
    axes.fill_between(*_mixture(centres, probs, variance), color=color, alpha=0.6)
    axes.set_ylim(0, None)
    axes.set_yticks([])


def _mixture(centres, probs, variance):
    """Returns numbers, and the density of the mixture at each."""
    std = math.sqrt(variance)
    # Dense around every centre: the normals may be far narrower than the gaps between them.
    around = std * np.linspace(-4, 4, 81)
    y = np.unique(np.concatenate([centre + around for centre in centres]))
    z = (y[:, None] - np.asarray(centres)) / std
    return y, (np.exp(-0.5 * z**2) * probs).sum(axis=1) / (std * math.sqrt(2 * math.pi))
