"""The contract of networks."""

import math
import pathlib
import tempfile
from typing import Literal
from unittest import mock

import keras
import numpy as np
from keras import ops

from keras_bfn._parts import list_parts, map_parts, part_names, pick_part
from keras_bfn._typing import ArrayLike, Parts, Shape
from keras_bfn._validation import check_choice
from keras_bfn.flows import Flow
from keras_bfn.flows.flow import expand
from keras_bfn.inputs.conditions import check_condition
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.orders import AnyOrderNetwork
from keras_bfn.testing.claims import Compiled, draw_data, require, require_shape, requiring

EDGES = ((0.0, 4), (1e-7, 4), (0.5, 1), (1.0, 4))  # times, and sizes of the batch
MOST_LEAK, LEAST_EFFECT = 1e-5, 1e-6  # changes, relative to an example's largest output


def check_network(
    network: keras.Layer,
    flow: Parts[Flow],
    event_shape: Parts[Shape] | None = None,
    condition: Parts[ArrayLike] | None = None,
    times: Literal["shared", "variables"] = "shared",
) -> None:
    """Tests that a network satisfies the contract of `keras_bfn.BayesianFlowNetwork`.

    It takes theta and the time, for batches of one, three and four examples, and returns the
    parameters that the flow needs, finite at all times. Outside training, its output for an example
    depends on the evidence about each of that example's variables (of many, four are tested), and
    on no other example. It also depends on the time, unless theta holds all information
    (`flow.theta_tells_all`). It can be trained, and saved with the model.

    Args:
        network: a Keras model or layer, built or not. It is trained for one step.
        flow: a `keras_bfn.flows.Flow`, or a dict of flows.
        event_shape: the shape of an example, or a dict of shapes; by default inferred from a
            functional network.
        condition: None, or an array of the conditions of four examples.
        times: as in `keras_bfn.BayesianFlowNetwork`.

    Raises:
        AssertionError: if a check fails; the message says what is wrong.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=2.0)
    >>> network = keras_bfn.networks.MLP(flow, event_shape=(4,), width=8)
    >>> keras_bfn.testing.check_network(network, flow)
    """
    name = type(network).__name__
    with requiring(f"{name} must be a network for a `keras_bfn.BayesianFlowNetwork`", Exception):
        of_times = {"shared": BayesianFlowNetwork, "variables": AnyOrderNetwork}
        model = of_times[check_choice("times", times, of_times)](
            flow, network, event_shape=event_shape, seed=0
        )
        require(model.event_shape is not None, "Argument `event_shape` is required")
        rng = np.random.default_rng(0)
        x = map_parts(
            lambda flow, shape: draw_data(flow, (4, *shape), rng, 100), flow, model.event_shape
        )
        model.signature.check_conditional(condition is not None, "condition")
        if condition is not None:
            condition = check_condition(model, condition, 4)
        model.build_for(map_parts(lambda x: x.shape, x), condition)
    program = _make_program(model)
    _check_outputs(name, program, x, condition)
    _check_dependence(name, program, x, condition)
    data = x if condition is None else (x, condition)
    _check_training(name, model, data)
    _check_saving(name, model, x, condition)


def _sample(model, x, t):
    return map_parts(ops.convert_to_numpy, model.sample_evidence(x, t))


def _make_program(model):
    """Returns a program, compiled for each size of the batch, that calls the model's network."""
    call = model.call_network

    def predict(inputs, seed):
        pace = inputs["pace"]

        def call_at(model, inputs, training=False):
            t = keras.tree.map_structure(lambda t: expand(pace, t) * t, inputs["t"])
            return call({**inputs, "t": t}, training)

        with mock.patch.object(type(model), "call_network", call_at):
            predictions = model.predict_params(**{k: v for k, v in inputs.items() if k != "pace"})
        return [prediction.params for _, prediction in list_parts(model.flow, predictions)]

    program = Compiled(predict)
    program.model = model  # Keras gives the program the weights of what it tracks
    return program


def _outputs(name, program, s, t, condition, pace=1.0):
    """Returns each part's output for the first examples, as many as times, as numpy arrays.

    The network gets the time multiplied by `pace`, with theta unchanged.
    """
    inputs = {"s": s, "t": t, "pace": np.full_like(t, pace)}
    if condition is not None:
        inputs["condition"] = condition
    if "t_next" in program.model.signature.optional:
        inputs["t_next"] = np.ones_like(t)
    inputs = keras.tree.map_structure(lambda x: x[: len(t)], inputs)
    with requiring(f"{name} must take a batch of {len(t)} examples", Exception):
        return program.predict_on_batch(inputs)


def _check_outputs(name, program, x, condition):
    model = program.model
    parts, s = list_parts(model.flow, model.event_shape), _sample(model, x, np.ones(4))
    for t, num in EDGES:
        outputs = _outputs(name, program, s, np.full(num, t, "float32"), condition)
        for (flow, shape), params in zip(parts, outputs, strict=True):
            require_shape(params, (num, *shape, flow.output_size), f"The output of {name}")
            require(np.isfinite(params).all(), f"{name} must be finite. It is not at t = {t:g}")


def _check_dependence(name, program, x, condition):
    model = program.model
    # Some networks initially return zeros: perturbed weights show what is connected.
    before, rng = model.get_weights(), np.random.default_rng(1)
    weights = model.network.get_weights()
    model.network.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in weights])
    t = np.linspace(0.4, 0.7, 4, dtype="float32")
    s = _sample(model, x, t)
    outputs = _outputs(name, program, s, t, condition)

    def changes(s, t=t, pace=1.0):
        """Returns the change of each part's output for each example, relative to the output."""
        others = _outputs(name, program, s, t, condition, pace)
        return np.stack([_change(*both) for both in zip(outputs, others, strict=True)])

    def forget(s, examples, variables=slice(None)):
        s = s.copy()
        s.reshape(4, -1, s.shape[-1])[examples, variables] = 0.0
        return s

    for one, others in ([[0, 3], [1, 2]], [[1, 2], [0, 3]]):
        later = t.copy()
        later[others] += 0.25
        leaks = changes(map_parts(forget, s, others), later)[:, one]
        claim = f"{name}: the output for one example must not depend on other examples in the batch"
        require(leaks.max() <= MOST_LEAK, claim)
    for part in model.flow if isinstance(model.flow, dict) else [None]:
        names = part_names(model.flow, "theta")
        _, shape, theta, evidence = pick_part(part, model.flow, model.event_shape, names, s)
        variables = np.linspace(0, math.prod(shape) - 1, 4).astype(int)
        forgotten = forget(evidence, np.arange(4), variables)
        effects = changes(forgotten if part is None else {**s, part: forgotten}).max(axis=0)
        place = tuple(map(int, np.unravel_index(variables[np.argmin(effects)], shape)))
        claim = f"{name}: its output must depend on {theta} of every variable"
        came = f"It does not change with that of the variable {place}"
        require(effects.min() > LEAST_EFFECT, f"{claim}. {came}")
    effects = changes(s, pace=0.5).max(axis=1)
    for (flow,), effect in zip(list_parts(model.flow), effects, strict=True):
        claim = f"{name}: its output for {flow!r} must depend on t, which theta does not hold"
        require(flow.theta_tells_all or effect > LEAST_EFFECT, claim)
    model.set_weights(before)


def _change(before, after):
    scale, change = (np.abs(x).reshape(4, -1).max(axis=1) for x in (before, after - before))
    return change / np.maximum(scale, 1e-30)


def _check_training(name, model, data):
    before = model.network.get_weights()
    if not before:
        return
    claim = f"{name}: a training step must change its weights"
    require(model.network.trainable_weights, f"{claim}, but none of them is trainable")
    model.compile(keras.optimizers.SGD(1e-3))
    with requiring(f"{name} must be trained on a batch of 3 examples", Exception):
        loss = float(model.train_on_batch(keras.tree.map_structure(lambda x: x[:3], data)))
    require(np.isfinite(loss), f"{name}: the loss of a training step must be finite. It is {loss}")
    after = model.network.get_weights()
    require(any((a != b).any() for a, b in zip(before, after, strict=True)), claim)
    is_finite = all(np.isfinite(weight).all() for weight in after)
    require(is_finite, f"{name}: its weights must be finite after a training step")


def _check_saving(name, model, x, condition):
    claim = f"{name} must be saved with the model"
    with tempfile.TemporaryDirectory() as folder, requiring(claim, Exception):
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    t = np.linspace(0.2, 0.8, 4, dtype="float32")
    s = _sample(model, x, t)
    outputs = [_outputs(name, _make_program(m), s, t, condition) for m in (model, loaded)]
    claim = f"{name} must be unchanged by saving and loading"
    for before, after in zip(*outputs, strict=True):
        change = _change(before, after).max()
        require(change < 1e-3, f"{claim}. Its output changes by {change:.2g} of the largest")
