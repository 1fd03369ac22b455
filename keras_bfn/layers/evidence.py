"""Layers for the evidence: features for the network, and a shortcut past it."""

import math

import keras
from keras import ops

from keras_bfn._typing import Tensor, TensorShape
from keras_bfn._validation import refusal
from keras_bfn.flows import Flow, expand
from keras_bfn.layers.layer import Float32Layer


class EvidenceLayer(Float32Layer):
    """Base class of layers that depend on the data type."""

    def __init__(self, flow: Flow, **kwargs) -> None:
        super().__init__(**kwargs)
        if not isinstance(flow, Flow):
            raise refusal("flow", "must be a `keras_bfn.flows.Flow`", flow)
        self.flow = flow


@keras.saving.register_keras_serializable("keras_bfn")
class EvidenceFeatures(EvidenceLayer):
    """The input distribution's parameters at about unit scale; for classes, also their logarithms.

    The probability of each of K classes stays near 1 / K until late in time, where a network would
    hardly see it change. `sqrt(K) (theta - 1 / K)` has unit size when the class is known;
    `log(K theta) / 3`, clipped to [-5, 5], adds up over the variables of a pattern as evidence
    does. Other parameters are scaled to [-1, 1], where means of numbers already are.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        **kwargs: `name`, as for every Keras layer. The layer computes in float32.

    Call arguments:
        theta: tensor of shape `(batch, *event_shape, flow.theta_size)`.

    Returns:
        A float32 tensor of shape `(batch, *event_shape, size)`, where `size` is
        `2 * flow.theta_size` for classes, else `flow.theta_size`.

    Raises:
        ValueError: if `flow` is not a `keras_bfn.flows.Flow`.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=1.0)
    >>> theta = np.full((1, 1, 3), 1 / 3)
    >>> [abs(round(float(x), 4)) for x in keras_bfn.layers.EvidenceFeatures(flow)(theta)[0, 0]]
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    def call(self, theta: Tensor) -> Tensor:
        theta = ops.cast(theta, "float32")
        if not self.flow.theta_is_probs:
            low, high = self.flow.theta_range
            return (2.0 * theta - (high + low)) / (high - low)
        num_classes = max(2, self.flow.theta_size)
        log = self.flow.evidence_params(theta)
        if self.flow.theta_size > 1:  # for two classes, it is already log odds
            log = log + math.log(num_classes)
        scaled = math.sqrt(num_classes) * (theta - 1.0 / num_classes)
        return ops.concatenate([scaled, ops.clip(log / 3.0, -5.0, 5.0)], axis=-1)

    def compute_output_shape(self, theta_shape: TensorShape) -> TensorShape:
        return (*theta_shape[:-1], (1 + self.flow.theta_is_probs) * theta_shape[-1])


@keras.saving.register_keras_serializable("keras_bfn")
class EvidenceShortcut(EvidenceLayer):
    """Adds each variable's own evidence to the network's output.

    By Bayes' rule, the posterior of a variable is what all others say about it, times what its own
    messages say: in logits, a sum. With this layer, the second term is exact from the start, and
    the network need only learn the first. For continuous and discretised data it adds nothing:
    their noise prediction already starts from the evidence.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        **kwargs: `name`, as for every Keras layer. The layer computes in float32.

    Call arguments:
        params: float32 tensor of shape `(batch, *event_shape, flow.output_size)`.
        theta: float32 tensor of shape `(batch, *event_shape, flow.theta_size)`.
        causal: bools of shape `(batch,)`, or None: true for examples whose variables must not see
            their own evidence.

    Returns:
        A float32 tensor of the shape of `params`.

    Raises:
        ValueError: if `flow` is not a `keras_bfn.flows.Flow`.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    >>> shortcut = keras_bfn.layers.EvidenceShortcut(flow)
    >>> float(shortcut(np.zeros((1, 1, 1)), np.full((1, 1, 1), 0.75))[0, 0, 0])  # log 3
    """

    def call(self, params: Tensor, theta: Tensor, causal: Tensor | None = None) -> Tensor:
        own = self.flow.evidence_params(theta)
        if causal is not None:
            own = ops.where(expand(causal, params) > 0, 0.0, own)
        return params + own
