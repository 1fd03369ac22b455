"""The contract of losses, and how times are drawn for a batch."""

import keras
from keras import ops


class BFNLoss:
    """Base class: which times to look at, and what the network's answer there costs.

    A loss is stateless and needs no trainer:

    ```python
    t = loss.times(keras_bfn.losses.stratified_uniform(batch_size, seed))
    s = flow.sample_evidence(x, t, seed)
    theta = flow.input_params(s, flow.schedule.beta(t))
    nats = loss(flow, x, network({"theta": theta, "t": t}), s, t, seed)
    ```
    """

    def times(self, uniform):
        """Maps uniform numbers in [0, 1) to the times that the loss looks at, both `(batch,)`."""
        raise NotImplementedError

    def __call__(self, flow, x, params, s, t, seed=None):
        """Scores the network's answer.

        Args:
            flow: the data type, a `keras_bfn.flows.Flow`.
            x: data, of shape `(batch, *event_shape)`.
            params: the network's answer, of shape `(batch, *event_shape, flow.output_size)`.
            s: the evidence that it was shown, `(batch, *event_shape, flow.embedding_size)`.
            t: the time that it was shown, `(batch,)`.
            seed: the `SeedGenerator` of the losses that draw messages.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        raise NotImplementedError

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def stratified_uniform(batch_size, seed=None):
    """Uniform numbers in [0, 1), one in each of `batch_size` equal strides, in random order.

    One offset is drawn for all strides. Each number alone is uniform, so that a mean over the batch
    is as unbiased as with independent draws; its variance is lower.

    Args:
        batch_size: int or integer tensor.
        seed: a `SeedGenerator`, an int or None.

    Returns:
        A float32 tensor of shape `(batch_size,)`.
    """
    size = ops.cast(batch_size, "float32")
    offset = keras.random.uniform((1,), dtype="float32", seed=seed)
    order = ops.argsort(keras.random.uniform((batch_size,), dtype="float32", seed=seed))
    # In float32 the last stride can round up to 1.
    return ops.minimum((ops.cast(order, "float32") + offset) / size, 1.0 - 2.0**-24)
