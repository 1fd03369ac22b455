"""Predictions: a network's inputs and outputs, the output distribution, and its cost."""

import inspect
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_bfn._keras import in_order_of
from keras_bfn._parts import check_names, describe, map_parts, names_of, sum_parts, sum_variables
from keras_bfn._validation import mismatch, refusal
from keras_bfn.flows.flow import Flow, expand
from keras_bfn.networks.network import check_same_flow, make_symbolic_inputs


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


def input_distribution(flow, s, t, mask=None, known=None, has_own_times=False, causal=None):
    """Returns the time, evidence and theta for a network, in float32, for data of one kind.

    Args:
        flow: a `keras_bfn.flows.Flow`.
        s: evidence, `(batch, *event_shape, flow.embedding_size)`.
        t: time, `(batch,)`, or for each variable, `(batch, *event_shape)`.
        mask: bool, `(batch, *event_shape)`: which variables are observed. By default all are.
        known: bool, `(batch, *event_shape)`: which variables are known for sure, by evidence
            `flow.known_evidence`. By default none.
        has_own_times: bool. Whether to return a time for each variable: 1 if it is known, 0 if it
            is not observed.
        causal: bool, `(batch,)`: where each variable is predicted from those before it. There, a
            joint prior must not reveal anything about unobserved variables. By default nowhere.

    Returns:
        The tuple of the time, the evidence and the parameters theta of the input distribution. For
        unobserved variables, evidence and theta are those before the first message; for known ones,
        the evidence is the noiseless one at t = 1.
    """
    s = ops.convert_to_tensor(s, dtype="float32")
    t = ops.convert_to_tensor(t, dtype="float32")
    beta = flow.schedule.beta(t)
    if known is not None:
        beta = ops.where(known, flow.known_accuracy(), expand(beta, known))
    if mask is None:
        theta = flow.input_params(s, beta)
    else:
        mask = ops.cast(mask, "bool")
        heard = flow.hear(s, beta, mask)
        if causal is not None:
            apart = Flow.hear(flow, s, beta, mask)
            heard = (ops.where(expand(causal, a), a, b) for a, b in zip(apart, heard, strict=True))
        s, theta = heard
    if known is not None:
        # Their time is 1, and output distributions depend on both evidence and time.
        share = flow.schedule.beta(1.0) / flow.known_accuracy()
        s = ops.where(known[..., None], share * s, s)
    if has_own_times:
        t = ops.broadcast_to(expand(t, s[..., 0]), ops.shape(s)[:-1])
        t = t if known is None else ops.where(known, 1.0, t)
        if mask is not None:
            # A joint prior has filled in evidence of the accuracy `beta`, not that at t = 0.
            t, s = ops.where(mask, t, 0.0), ops.where(mask[..., None], s, 0.0)
    return t, s, theta


def predict(model, state, x, condition=None, training=False, mask=None):
    """Returns predictions from evidence drawn about data in a `keras_bfn.inputs.states.State`."""
    s = model.sample_evidence(x, state.t, state.known)
    return model.predict_params(
        s, state.t, condition, training, mask, known=state.known, causal=state.causal
    )


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


def nats_per_example(loss, flow, x, predictions, seed, counts=None, messages=None, told=None):
    """Returns the cost of examples by a loss: `(batch,)`, or a dict of that for each part.

    Args:
        loss: a `keras_bfn.losses.BFNLoss`.
        flow: the flow, or a dict of flows.
        x: data, or a dict of the parts' data.
        predictions: a `keras_bfn.Prediction` for evidence about `x`, or a dict of them.
        seed: the `SeedGenerator` of losses that draw random numbers.
        counts: the weight of each variable, shaped as `x`; by default 1.
        messages, told: as in `keras_bfn.inputs.states.State`, if variables are known or coded
            directly.
    """

    def cost(flow, x, prediction, counts, messages, told):
        nats = loss(flow, x, prediction, seed)
        if messages is not None:
            # Masked first: an infinite loss times 0 would be NaN.
            nats = ops.where(messages > 0, nats, 0.0) * messages
        if told is not None and flow.can_be_told:
            output = flow.output_distribution(prediction.params, prediction.s, prediction.t)
            nats = nats - ops.where(told > 0, output.log_prob(x), 0.0) * told
        return sum_variables(nats if counts is None else nats * counts)

    return map_parts(cost, flow, x, predictions, counts, messages, told)


class Signature:
    """The inputs that a network takes, determined when a model is made of it.

    Args:
        network: a Keras model or layer.
        allow_missing: bool or None, as in a model.

    Attributes:
        inputs: the symbolic inputs of a functional model, by name; None for a network that declares
            none.
        condition: the symbolic condition, or a dict of them; None if none is declared.
        conditional: whether the network takes a condition; None if it does not declare its inputs.
        allow_missing: as in a model, by default whether the network declares a mask.
        takes_mask: whether the network takes a mask; if it does not declare its inputs, whether
            variables may be missing.
        takes_causal: whether the network takes `"causal"`, which says where it must read sequences
            from left to right only.
        takes_jumps: whether the network takes `"t_next"`, the time at which a jump arrives; if it
            does not declare its inputs, whether it has a true attribute `jumps`.

    Raises:
        ValueError: if it is not a layer, declares inputs that no model gives, or `allow_missing` is
            neither a bool nor None, or false for a network that takes a mask.
    """

    def __init__(self, network, allow_missing):
        if not isinstance(network, keras.Layer):
            raise refusal("network", "must be a Keras model or layer", network)
        self.inputs = _symbolic_inputs(network)
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
        self.takes_causal, has_mask = "causal" in declared, "mask" in declared
        jumps = bool(getattr(network, "jumps", False))
        self.takes_jumps = jumps if self.inputs is None else "t_next" in declared
        is_known = allow_missing is None or isinstance(allow_missing, bool)
        if not is_known or (has_mask and allow_missing is False):
            mask = "not False for a network that takes a 'mask'"
            expected = f"must be True, False or None, and {mask}"
            raise refusal("allow_missing", expected, allow_missing)
        self.allow_missing = has_mask if allow_missing is None else allow_missing
        self.takes_mask = self.allow_missing if self.inputs is None else has_mask
        self._is_nested = any(isinstance(x, dict) for x in declared.values())

    def infer_event_shape(self, flow):
        """Returns the shape of an example, or a dict of the parts', from the declared inputs."""
        check_names(flow, self.inputs["theta"], "network.input['theta']")
        return map_parts(lambda theta: theta.shape[1:-1], self.inputs["theta"])

    def check_conditional(self, conditional, name="x"):
        """Raises a `ValueError` if a condition is missing, or the network takes none."""
        if self.conditional not in (None, conditional):
            takes, came = ("no", "a") if conditional else ("a", "no")
            raise ValueError(
                f"The network takes {takes} condition. Received: {came} condition in `{name}`"
            )

    def make_symbolic_inputs(self, flow, event_shape, times):
        """Returns symbolic inputs of the network, but for its condition."""
        takes = self.takes_mask, self.takes_causal, self.takes_jumps
        return make_symbolic_inputs(flow, event_shape, times, *takes)

    def call(self, network, inputs, training=False):
        """Returns the network's output in float32, for a dict of its inputs.

        `training` is passed explicitly: in Keras 3.15 on JAX, the trainer does not pass it to inner
        layers, so dropout would be off in training.
        """
        if self._is_nested:
            inputs = in_order_of(self.inputs, inputs)
        outputs = network(inputs, training=training)
        return map_parts(ops.cast, outputs, "float32")


def _symbolic_inputs(network):
    # Once called, a subclassed model also has `input`, but not `inputs`.
    inputs = getattr(network, "inputs", None) if isinstance(network, keras.Model) else None
    leaves = keras.tree.flatten(inputs)
    if not leaves or not all(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
        return None
    inputs = network.input
    names = set(inputs) if isinstance(inputs, dict) else set()
    if not {"theta", "t"} <= names <= {"theta", "t", "condition", "mask", "causal", "t_next"}:
        names = sorted(names) if names else type(inputs).__name__
        expected = (
            "must take a dict of 'theta' and 't', and optionally 'condition', 'mask' (the observed "
            "variables), 'causal' (whether each position may depend only on those before it) and "
            "'t_next' (the time at which a jump arrives)"
        )
        raise mismatch("network", expected, f"a network that takes {names}")
    return inputs


def check_graph(flow, event_shape, times, network):
    """Raises a `ValueError` if a functional model does not suit the flow."""
    inputs = network.input
    _check_shapes("take 'theta' as", flow, event_shape, "theta_size", inputs["theta"])
    t = keras.tree.map_structure(lambda t: tuple(t.shape[1:]), inputs["t"])
    expected = map_parts(tuple, event_shape) if times == "variables" else ()
    if t != expected:
        expected = f"must take 't' of shape {expected} for each example, for times={times!r}"
        raise mismatch("network", expected, f"a network that takes {t}")
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
            expected = f"must {verb} a tensor of shape {(None, *expected)}, for {flow!r} with"
            expected = f"{expected} event_shape={event_shape}"
            raise mismatch("network", expected, f"a network with {came}")

    map_parts(check, flow, event_shape, tensors)
