"""The contract of networks."""

import pathlib
import tempfile
from typing import Literal

import keras
import numpy as np
from keras import ops

from keras_bfn._parts import list_parts, map_parts
from keras_bfn._typing import ArrayLike, Parts, Shape
from keras_bfn.flows import Flow
from keras_bfn.inputs.conditions import check_condition
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.testing.claims import draw_data, require, requiring


def check_network(
    network: keras.Layer,
    flow: Parts[Flow],
    event_shape: Parts[Shape] | None = None,
    condition: Parts[ArrayLike] | None = None,
    times: Literal["shared", "variables"] = "shared",
) -> None:
    """Tests that a network satisfies the contract of `keras_bfn.BayesianFlowNetwork`.

    It takes theta and the time, and returns the parameters that the flow needs, finite at all
    times. Its output for an example depends on all of that example's evidence and on no other
    example. It can be trained, and saved with the model.

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
    with requiring(f"{name} must be a network for a `keras_bfn.BayesianFlowNetwork`", ValueError):
        model = BayesianFlowNetwork(flow, network, event_shape, times=times, seed=0)
        require(model.event_shape is not None, "Argument `event_shape` is required")
        rng = np.random.default_rng(0)
        x = map_parts(
            lambda flow, shape: draw_data(flow, (4, *shape), rng, 100), flow, model.event_shape
        )
        model.signature.check_conditional(condition is not None, "condition")
        if condition is not None:
            condition = check_condition(model, condition, 4)
        model.build_for(map_parts(lambda x: x.shape, x), condition)
    s = map_parts(ops.convert_to_numpy, model.sample_evidence(x, np.ones(4)))
    _check_outputs(name, model, s, condition)
    _check_examples(name, model, s, condition)
    data = x if condition is None else (x, condition)
    if not model.signature.takes_jumps:  # `keras_bfn.distillation.Distiller` trains these
        _check_training(name, model, data)
    _check_saving(name, model, data)


def _outputs(model, s, t, condition):
    """Returns the network's output for each part, as a list of numpy arrays."""
    t = np.full(4, t, "float32")
    t_next = np.ones(4, "float32") if model.signature.takes_jumps else None
    predictions = model.predict_params(s, t, condition, t_next=t_next)
    parts = list_parts(model.flow, predictions)
    return [ops.convert_to_numpy(prediction.params) for _, prediction in parts]


def _check_outputs(name, model, s, condition):
    parts = list_parts(model.flow, model.event_shape)
    for t in (0.0, 1e-7, 0.5, 1.0):
        for (flow, shape), params in zip(parts, _outputs(model, s, t, condition), strict=True):
            expected = (4, *shape, flow.output_size)
            require(
                params.shape == expected,
                f"{name} must return shape {expected} for {flow!r}. It returns {params.shape}",
            )
            require(np.isfinite(params).all(), f"{name} must be finite. It is not at t = {t:g}")


def _check_examples(name, model, s, condition):
    # Some networks initially return zeros: perturbed weights show what is connected.
    before, rng = model.get_weights(), np.random.default_rng(1)
    model.network.set_weights(
        [w + 0.3 * rng.standard_normal(w.shape) for w in model.network.get_weights()]
    )

    def change_others(s):
        return np.concatenate([s[:1], s[1:] + rng.standard_normal(s[1:].shape, "float32")])

    together = _outputs(model, s, 0.5, condition)
    others = _outputs(model, map_parts(change_others, s), 0.5, condition)
    for one, other in zip(together, others, strict=True):
        change, scale = np.abs(one - other), np.abs(one).max()
        require(
            change[0].max() <= 1e-3 * scale,
            f"{name}: the output for one example must not depend on other examples in the batch",
        )
        require(change[1:].max() > 1e-5 * scale, f"{name}: its output must depend on theta")
    model.set_weights(before)


def _check_training(name, model, data):
    before = model.network.get_weights()
    if not before:
        return
    claim = f"{name}: a training step must change its weights"
    require(model.network.trainable_weights, f"{claim}, but none of them is trainable")
    model.compile(keras.optimizers.SGD(1e-3))
    loss = float(model.train_on_batch(data))
    require(np.isfinite(loss), f"{name}: the loss of a training step must be finite. It is {loss}")
    after = model.network.get_weights()
    require(any((a != b).any() for a, b in zip(before, after, strict=True)), claim)
    is_finite = all(np.isfinite(weight).all() for weight in after)
    require(is_finite, f"{name}: its weights must be finite after a training step")


def _check_saving(name, model, data):
    errors = (TypeError, ValueError, NotImplementedError, AttributeError)
    with (
        tempfile.TemporaryDirectory() as folder,
        requiring(f"{name} must be saved with the model", *errors),
    ):
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    nats, again = (m.code_length(data, seed=0, verbose=0)["transmission"] for m in (model, loaded))
    require(
        np.allclose(nats, again, rtol=1e-3),
        f"{name} must be unchanged by saving and loading. The data cost {nats.sum():.6g} nats "
        f"before, and {again.sum():.6g} after",
    )
