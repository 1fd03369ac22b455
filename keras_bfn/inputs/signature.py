"""What a network takes and returns, and what it must."""

import keras
from keras import ops

from keras_bfn._keras import in_order_of
from keras_bfn._parts import describe, map_parts, names_of
from keras_bfn._validation import refusal
from keras_bfn.networks.network import check_same_flow


def check_network(network):
    """Raises a `ValueError` if it is no network."""
    if not isinstance(network, keras.Layer):
        raise refusal("network", "must be a Keras model or layer", network)


def check_graph(flow, event_shape, times, network):
    """Raises a `ValueError` if a functional model does not suit the flow."""
    check_inputs(flow, event_shape, times, network.input)
    check_outputs(flow, event_shape, network.output)
    check_same_flow("network", network, flow)


class Signature:
    """What a network takes, found out when a model is made of it.

    Args:
        network: a Keras model or layer.
        allow_missing: bool or None, as of a model.

    Attributes:
        inputs: the symbolic inputs of a functional model, as it names them; None of a network that
            declares none.
        condition: the symbolic condition, or a dict of them; None if none is declared.
        conditional: whether it takes a condition; None if it does not say.
        allow_missing: a model's, by default whether the network declares a mask.
        takes_mask: whether it takes a mask; if it does not say, where variables may be missing.
        takes_causal: whether it is told where to see sequences from left to right alone.

    Raises:
        ValueError: if it declares inputs that no model gives, or `allow_missing` is no bool, or
            false for a network that takes a mask.
    """

    def __init__(self, network, allow_missing):
        self.inputs = _symbolic_inputs(network)
        declared = self.inputs or {}
        self.condition = declared.get("condition")
        self.conditional = None if self.inputs is None else "condition" in declared
        self.takes_causal, has_mask = "causal" in declared, "mask" in declared
        if not isinstance(allow_missing, (bool, type(None))) or (
            has_mask and allow_missing is False
        ):
            expected = "must be a bool, and True or None for a network that takes a 'mask'"
            raise refusal("allow_missing", expected, allow_missing)
        self.allow_missing = has_mask if allow_missing is None else allow_missing
        self.takes_mask = self.allow_missing if self.inputs is None else has_mask
        self._is_nested = any(isinstance(x, dict) for x in declared.values())

    def check_conditional(self, conditional, name="x"):
        """Raises a `ValueError` if it takes a condition and there is none, or the reverse."""
        if self.conditional not in (None, conditional):
            takes, came = ("no condition", "one") if conditional else ("a condition", "none")
            raise ValueError(f"The network takes {takes}. Received: `{name}` with {came}")

    def call(self, network, inputs, training=False):
        """The network's output in float32, for a dict of its inputs.

        `training` is said outright: in Keras 3.15 on JAX, the trainer does not hand it down to
        layers within, and dropout is off in training.
        """
        if self._is_nested:
            inputs = in_order_of(self.inputs, inputs)
        outputs = network(inputs, training=training)
        return keras.tree.map_structure(lambda output: ops.cast(output, "float32"), outputs)


def _symbolic_inputs(network):
    # A subclassed model has `input`, too, once it was called, but not `inputs`.
    inputs = getattr(network, "inputs", None) if isinstance(network, keras.Model) else None
    leaves = keras.tree.flatten(inputs)
    if not leaves or not all(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
        return None
    inputs = network.input
    names = set(inputs) if isinstance(inputs, dict) else set()
    if not {"theta", "t"} <= names <= {"theta", "t", "condition", "mask", "causal"}:
        names = sorted(names) if names else type(inputs).__name__
        raise ValueError(
            "Argument `network` must take a dict of 'theta', 't' and, if it is conditional, "
            "'condition', if it is told which variables are there, 'mask', and, if it can see "
            "sequences from left to right alone, 'causal'. "
            f"Received: a network that takes {names}"
        )
    return inputs


def make_symbolic_inputs(flow, event_shape, condition_shape, times, allow_missing=False):
    """What a network will be given, without numbers."""

    def make_theta(flow, shape):
        return keras.KerasTensor((None, *shape, flow.theta_size), "float32")

    def make_time(shape=()):
        return keras.KerasTensor((None, *shape), "float32")

    inputs = {
        "theta": map_parts(make_theta, flow, event_shape),
        "t": map_parts(make_time, event_shape) if times == "variables" else make_time(),
    }
    if allow_missing:
        inputs["mask"] = map_parts(
            lambda _, shape: keras.KerasTensor((None, *shape), "bool"), flow, event_shape
        )
    if condition_shape is not None:
        inputs["condition"] = map_parts(
            lambda shape: keras.KerasTensor((None, *shape[1:]), "float32"), condition_shape
        )
    return inputs


def check_inputs(flow, event_shape, times, inputs):
    """Raises a `ValueError` unless a functional network takes what the flow will give it."""
    _check_shapes("take a theta of", flow, event_shape, "theta_size", inputs["theta"])
    t = keras.tree.map_structure(lambda t: tuple(t.shape[1:]), inputs["t"])
    expected = map_parts(tuple, event_shape) if times == "variables" else ()
    if t != expected:
        raise ValueError(
            f"Argument `network` must take 't' of shape {expected} for each example, for "
            f"times={times!r}. Received: a network that takes {t}"
        )


def check_outputs(flow, event_shape, outputs):
    """Raises a `ValueError` unless the network returns the numbers that the flow needs."""
    _check_shapes("return", flow, event_shape, "output_size", outputs)


def _check_shapes(verb, flow, event_shape, size, tensors):
    if names_of(tensors) != names_of(flow):
        expected = f"a dict with the parts {list(flow)}" if names_of(flow) else "one tensor"
        raise ValueError(
            f"Argument `network` must {verb} {expected}. "
            f"Received: a network with {describe(tensors)}"
        )

    def check(flow, event_shape, tensor):
        shape, expected = getattr(tensor, "shape", None), (*event_shape, getattr(flow, size))
        if shape is None or tuple(shape)[1:] != expected:
            raise ValueError(
                f"Argument `network` must {verb} shape {(None, *expected)} for {flow!r} with "
                f"event_shape={event_shape}. Received: a network with "
                + (describe(tensor) if shape is None else f"shape {tuple(shape)}")
            )

    map_parts(check, flow, event_shape, tensors)
