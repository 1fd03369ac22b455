"""The contract of losses, and how times are drawn for a batch."""

from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._random import seed_of, uniform


class BFNLoss(Immutable):
    """Base class: the times at which to ask the network, and what its output there costs.

    A loss is stateless and needs no trainer:

    ```python
    loss, seed = keras_bfn.losses.ContinuousTimeLoss(), keras.random.SeedGenerator(0)
    t = loss.times(keras_bfn.losses.stratified_uniform(len(x), seed))
    s = flow.sample_evidence(x, t, seed)
    theta = flow.input_params(s, flow.schedule.beta(t))
    prediction = keras_bfn.Prediction(t, s, theta, network({"theta": theta, "t": t}))
    nats = loss(flow, x, prediction, seed)
    ```
    """

    def times(self, uniform):
        """Maps uniform numbers in [0, 1) to the times of predictions, number by number.

        They are `(batch,)`, or, where variables have times of their own, of other shapes.
        """
        raise NotImplementedError

    def __call__(self, flow, x, prediction, seed=None):
        """Scores a prediction.

        Args:
            flow: the data type, a `keras_bfn.flows.Flow`.
            x: data, of shape `(batch, *event_shape)`.
            prediction: a `keras_bfn.Prediction` from evidence about `x`.
            seed: a `SeedGenerator`, an int or None, for losses that draw messages.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        raise NotImplementedError


def stratified_uniform(batch_size, seed=None):
    """Uniform numbers in [0, 1), one in each of `batch_size` equal strides, in random order.

    One offset is drawn for all strides. Each number alone is uniform, so that a mean over the batch
    is as unbiased as with independent draws; its variance is lower.

    Args:
        batch_size: int or integer tensor.
        seed: a `SeedGenerator`, an int or None.

    Returns:
        A float32 tensor of shape `(batch_size,)`.

    Example, one of four numbers in each quarter:

    >>> numbers = keras_bfn.losses.stratified_uniform(4, seed=0)
    >>> sorted(int(4 * number) for number in keras.ops.convert_to_numpy(numbers))
    [0, 1, 2, 3]
    """
    size = ops.cast(batch_size, "float32")
    offset = uniform((1,), seed_of(seed, "offset"))
    order = ops.argsort(uniform((batch_size,), seed_of(seed, "order")))
    # In float32 the last stride can round up to 1.
    return ops.minimum((ops.cast(order, "float32") + offset) / size, 1.0 - 2.0**-24)
