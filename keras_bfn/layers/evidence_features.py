"""What is known of each variable, in numbers of a size that networks learn from."""

import math

import keras
from keras import ops

from keras_bfn.layers.evidence_shortcut import EvidenceLayer


@keras.saving.register_keras_serializable("keras_bfn")
class EvidenceFeatures(EvidenceLayer):
    """The input distribution's parameters, of about unit size, and for classes their logarithms.

    The probability of each of K classes is near 1 / K until late in time, where a network would
    hardly see what moves it: `sqrt(K) (theta - 1 / K)` has unit size when the class is known, and
    `log(K theta) / 3`, clipped to [-5, 5], adds up over the variables of a pattern as evidence
    does. Other parameters are scaled to [-1, 1], where means of numbers are already.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        **kwargs: `name`, as of every Keras layer. The layer computes in float32.

    Call arguments:
        theta: tensor of shape `(batch, *event_shape, flow.theta_size)`.

    Returns:
        A float32 tensor of shape `(batch, *event_shape, size)`; `size` is `2 * flow.theta_size` for
        classes, else `flow.theta_size`.

    Raises:
        ValueError: if `flow` is no `keras_bfn.flows.Flow`.

    Example:

    >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=1.0)
    >>> theta = np.full((1, 1, 3), 1 / 3)
    >>> [abs(round(float(x), 4)) for x in keras_bfn.layers.EvidenceFeatures(flow)(theta)[0, 0]]
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    def call(self, theta):
        theta = ops.cast(theta, "float32")
        if not self.flow.theta_is_probs:
            low, high = self.flow.theta_range
            return (2.0 * theta - (high + low)) / (high - low)
        num_classes = max(2, self.flow.theta_size)
        log = self.flow.evidence_params(theta)
        if self.flow.theta_size > 1:  # else they are log odds
            log = log + math.log(num_classes)
        scaled = math.sqrt(num_classes) * (theta - 1.0 / num_classes)
        return ops.concatenate([scaled, ops.clip(log / 3.0, -5.0, 5.0)], axis=-1)

    def compute_output_shape(self, theta_shape):
        return (*theta_shape[:-1], (1 + self.flow.theta_is_probs) * theta_shape[-1])
