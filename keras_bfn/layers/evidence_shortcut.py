"""A variable's own evidence, handed past the network."""

import keras
from keras import ops

from keras_bfn._validation import refusal
from keras_bfn.flows import Flow, expand
from keras_bfn.layers.layer import Float32Layer


class EvidenceLayer(Float32Layer):
    """Base class of layers that know the data type."""

    def __init__(self, flow, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(flow, Flow):
            raise refusal("flow", "must be a `keras_bfn.flows.Flow`", flow)
        self.flow = flow


@keras.saving.register_keras_serializable("keras_bfn")
class EvidenceShortcut(EvidenceLayer):
    """Adds what the input distribution says about a variable to what the network says.

    By Bayes' rule the posterior of a variable is what all others say about it, times what its own
    messages say: in logits, a sum. With this layer the second part is exact from the start, and the
    network need only learn the first. For continuous and discretised data it adds nothing: their
    noise prediction starts from the evidence already.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        **kwargs: `name`, as of every Keras layer. The layer computes in float32.

    Call arguments:
        params: float32 tensor of shape `(batch, *event_shape, flow.output_size)`.
        theta: float32 tensor of shape `(batch, *event_shape, flow.theta_size)`.
        causal: bools of shape `(batch,)`, or None: true for examples whose variables' own evidence
            is not to be seen.

    Returns:
        A float32 tensor of the shape of `params`.

    Raises:
        ValueError: if `flow` is no `keras_bfn.flows.Flow`.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    >>> shortcut = keras_bfn.layers.EvidenceShortcut(flow)
    >>> float(shortcut(np.zeros((1, 1, 1)), np.full((1, 1, 1), 0.75))[0, 0, 0])  # log 3
    """

    def call(self, params, theta, causal=None):
        own = self.flow.evidence_params(theta)
        if causal is not None:
            own = ops.where(expand(causal, params) > 0, 0.0, own)
        return params + own

    def compute_output_shape(self, params_shape, theta_shape, causal_shape=None):
        return params_shape
