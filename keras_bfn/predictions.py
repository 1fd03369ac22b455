"""Predictions: a network's inputs and outputs, the output distribution, and its cost."""

import inspect
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_bfn._parts import check_names, describe, map_parts, names_of, sum_parts, sum_variables
from keras_bfn._validation import mismatch, refusal
from keras_bfn.networks.conditions import describe_condition
from keras_bfn.networks.network import Network, check_same_flow


class Prediction(NamedTuple):
    """Evidence at a time, and the network's prediction from it, for data of one kind.

    For data of several kinds, there is a dict of predictions, one per part. A trajectory of samples
    is also a prediction, with an axis of steps before all others.

    Attributes:
        t: the time, of shape `(batch,)`, or for each variable, `(batch, *event_shape)`.
        s: the evidence, of shape `(batch, *event_shape, flow.embedding_size)`.
        theta: the parameters of the input distribution, which the network takes, of shape
            `(batch, *event_shape, flow.theta_size)`.
        params: the network's output, the parameters of the output distribution, of shape
            `(batch, *event_shape, flow.output_size)`.

    Example, a trajectory:

    >>> trajectory = model.generate(2, num_steps=3, return_details=True).trajectory
    >>> [trajectory.t.shape, trajectory.s.shape, trajectory.params.shape]
    [(4,), (4, 2, 4, 4, 1, 2), (4, 2, 4, 4, 1, 1)]
    """

    t: Any
    s: Any
    theta: Any
    params: Any


class State(NamedTuple):
    """How much the receiver knows of each example when the network is asked.

    Attributes:
        t: the time, `(batch,)`.
    """

    t: Any


def input_distribution(flow, s, t, observed=None):
    """Returns the time, evidence and theta for a network, in float32, for data of one kind.

    Args:
        flow: a `keras_bfn.flows.Flow`.
        s: evidence, `(batch, *event_shape, flow.embedding_size)`.
        t: time, `(batch,)`.
        observed: bool, `(batch, *event_shape)`: which variables are observed. By default all are.

    Returns:
        The tuple of the time, the evidence and the parameters theta of the input distribution. For
        unobserved variables, evidence and theta are those before the first message.
    """
    s = ops.convert_to_tensor(s, dtype="float32")
    t = ops.convert_to_tensor(t, dtype="float32")
    beta = flow.schedule.beta(t)
    if observed is None:
        return t, s, flow.input_params(s, beta)
    return t, *flow.hear(s, beta, ops.cast(observed, "bool"))


def output_distributions(flow, predictions):
    """Returns the output distribution of a prediction, or a dict of the parts'."""
    return map_parts(
        lambda flow, one: flow.output_distribution(one.params, one.s, one.t), flow, predictions
    )


def count_unknown(predictions):
    """Returns how many of the network's outputs for each example are not finite, `(batch,)`."""

    def unknown(prediction):
        return sum_variables(ops.cast(~ops.isfinite(prediction.params), "float32"))

    return sum_parts(map_parts(unknown, predictions))


class Signature:
    """The inputs that a network takes, determined when a model is made of it.

    Args:
        network: a Keras model or layer.
        allow_missing: bool or None, as in a model.
        names: the names of the inputs that the model gives.

    Attributes:
        inputs: the symbolic inputs of a functional model, by name; None for a network that declares
            none.
        condition: the symbolic condition, or a dict of them; None if none is declared.
        conditions: what the condition is, as in `keras_bfn.networks.Network`; None if none is
            declared.
        conditional: whether the network takes a condition; None if it does not declare its inputs.
        allow_missing: as in a model, by default whether the network declares a mask.
        is_nested: whether an input is a dict, which the network reads by its order.
        optional: the set of the names of further inputs that the network takes. A network that
            does not declare its inputs takes a mask if variables may be missing, and `"t_next"` if
            it has a true attribute `jumps`.

    Raises:
        ValueError: if it is not a layer, declares inputs that the model does not give, or
            `allow_missing` is neither a bool nor None, or false for a network that takes a mask.
    """

    def __init__(self, network, allow_missing, names):
        if not isinstance(network, keras.Layer):
            raise refusal("network", "must be a Keras model or layer", network)
        self.inputs = _symbolic_inputs(network, names)
        signature = inspect.signature(network.call)
        _, *others = signature.parameters.values()
        if any(
            other.default is other.empty and other.kind < other.VAR_POSITIONAL for other in others
        ):
            expected = "must take one dict, `call(self, inputs)`, with defaults for other arguments"
            raise refusal("network", expected, f"call{signature}")
        declared = self.inputs or {}
        self.condition = declared.get("condition")
        self.conditional = None if self.inputs is None else "condition" in declared
        self.conditions = None
        if self.conditional:
            shapes = map_parts(lambda x: tuple(x.shape[1:]), self.condition)
            self.conditions = network.conditions if isinstance(network, Network) else shapes
        is_known = allow_missing is None or isinstance(allow_missing, bool)
        if not is_known or ("mask" in declared and allow_missing is False):
            mask = "not False for a network that takes a 'mask'"
            expected = f"must be True, False or None, and {mask}"
            raise refusal("allow_missing", expected, allow_missing)
        self.allow_missing = "mask" in declared if allow_missing is None else allow_missing
        self.optional = set(declared) - {"theta", "t", "condition"}
        if self.inputs is None:
            self.optional |= {"mask"} if self.allow_missing else set()
            self.optional |= {"t_next"} if getattr(network, "jumps", False) else set()
        self.is_nested = any(isinstance(x, dict) for x in declared.values())

    def infer_event_shape(self, flow):
        """Returns the shape of an example, or a dict of the parts', from the declared inputs."""
        check_names(flow, self.inputs["theta"], "network.input['theta']")
        return map_parts(lambda theta: theta.shape[1:-1], self.inputs["theta"])

    def check_conditional(self, conditional, name="x"):
        """Raises a `ValueError` if a condition is missing, or the network takes none."""
        if self.conditional in (None, conditional):
            return
        if conditional:
            advice = "Build it with `conditions=...`, or your own with an input 'condition'"
            came = f"Received: a condition in `{name}`. {advice}"
            raise ValueError(f"The network takes no condition. {came}")
        how = "condition=..." if name == "condition" else f"{name}=(data, condition)"
        raise ValueError(
            f"The network takes a condition: {map_parts(describe_condition, self.conditions)}, for "
            f"each example. Received: no condition in `{name}`. Write `{how}`"
        )


def _symbolic_inputs(network, names):
    # Once called, a subclassed model also has `input`, but not `inputs`.
    inputs = getattr(network, "inputs", None) if isinstance(network, keras.Model) else None
    leaves = keras.tree.flatten(inputs)
    if not leaves or not all(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
        return None
    inputs = network.inputs[0] if isinstance(network, keras.Sequential) else network.input
    found = set(inputs) if isinstance(inputs, dict) else set()
    if not {"theta", "t"} <= found <= set(names):
        found = sorted(found) if found else type(inputs).__name__
        optional = ", ".join(repr(name) for name in names if name not in ("theta", "t"))
        expected = f"must take a dict of 'theta' and 't', and optionally of {optional}"
        causal = ". 'causal' is for `keras_bfn.AnyOrderNetwork`" if "causal" in found else ""
        raise mismatch("network", expected, f"a network that takes {found}{causal}")
    return inputs


def check_graph(flow, event_shape, time_shape, network):
    """Raises a `ValueError` if a functional model does not suit the flow."""
    inputs = network.input
    _check_shapes("take 'theta' as", flow, event_shape, "theta_size", inputs["theta"])
    t = keras.tree.map_structure(lambda t: tuple(t.shape[1:]), inputs["t"])
    expected = map_parts(tuple, time_shape or ())
    if t != expected:
        expected = f"must take 't' of shape {expected} for each example"
        advice = "Networks with times='variables' are for `keras_bfn.AnyOrderNetwork`"
        raise mismatch("network", f"{expected}. {advice}", f"a network that takes {t}")
    check_outputs(flow, event_shape, network.output)
    check_same_flow("network", network, flow)


def check_outputs(flow, event_shape, outputs):
    """Raises a `ValueError` unless the network's outputs have the flow's sizes."""
    _check_shapes("return", flow, event_shape, "output_size", outputs)


def _check_shapes(verb, flow, event_shape, size, tensors):
    if names_of(tensors) != names_of(flow):
        expected = f"a dict with the parts {list(flow)}" if names_of(flow) else "one tensor"
        raise mismatch("network", f"must {verb} {expected}", f"a network with {describe(tensors)}")

    def check(flow, event_shape, tensor):
        shape, expected = getattr(tensor, "shape", None), (*event_shape, getattr(flow, size))
        if shape is None or tuple(shape)[1:] != expected:
            came = describe(tensor) if shape is None else f"shape {tuple(shape)}"
            expected = f"must {verb} a tensor of shape {(None, *expected)}, `flow.{size}` last, for"
            expected = f"{expected} {flow!r} with event_shape={event_shape}"
            raise mismatch("network", expected, f"a network with {came}")

    map_parts(check, flow, event_shape, tensors)
