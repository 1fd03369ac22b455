"""The contract of transmission losses."""

import numpy as np
from keras import ops

from keras_bfn import flows
from keras_bfn._validation import check_seed
from keras_bfn.losses.losses import BFNLoss
from keras_bfn.predictions import Prediction
from keras_bfn.testing.claims import require, require_float32, require_saving
from keras_bfn.testing.costs import check_entropy, run_edges

FLOWS = (flows.DiscreteFlow(3, beta_1=2.0), flows.DiscretizedFlow(5, sigma_1=0.2))


def check_loss(loss: BFNLoss, seed: int = 0) -> None:
    """Tests that a transmission loss satisfies its contract.

    Its times are in [0, 1]. It returns float32 nats per variable, for any event shape. They and
    their gradients are finite at the edges of time, for any network output. It is saved with a
    model, and is immutable. With the exact posterior of one variable as the network, its mean and
    the reconstruction loss sum to the entropy of the data. It is therefore unbiased, and its values
    are comparable to those of other losses. All of this is checked for classes and for bins.

    Args:
        loss: a `keras_bfn.losses.BFNLoss`.
        seed: int.

    Raises:
        AssertionError: if a check fails; the message says what is wrong.

    Example:

    >>> keras_bfn.testing.check_loss(keras_bfn.losses.DiscreteTimeLoss(num_steps=10))

    Reference: the sum is the entropy by the chain rule for the messages of section 3 of
    [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """
    require(
        isinstance(loss, BFNLoss), f"A loss must be a `keras_bfn.losses.BFNLoss`. It is {loss!r}"
    )
    name, rng = type(loss).__name__, np.random.default_rng(check_seed(seed))
    require_saving(loss)
    uniform = np.linspace(0.0, 1.0, 64, endpoint=False, dtype="float32")
    times = loss.times(ops.convert_to_tensor(uniform))
    require_float32(times, uniform.shape, f"{name}.times(uniform)")
    found = ops.convert_to_numpy(times)
    require(
        (found >= 0).all() and (found <= 1).all(),
        f"{name}.times must map [0, 1) to times in [0, 1]. They are from {found.min()} to "
        f"{found.max()}",
    )
    for flow in FLOWS:
        for event_shape in ((), (5,), (2, 2, 3)):
            _check_shapes(loss, flow, event_shape, rng)
        run_edges(flow, np.arange(flow.num_values), {name: loss})  # type: ignore[arg-type]
        check_entropy(flow, rng, {name: loss})


def _check_shapes(loss, flow, event_shape, rng):
    x = rng.integers(0, flow.num_values, (4, *event_shape)).astype("int32")
    t = loss.times(ops.arange(4, dtype="float32") / 4)
    s = flow.sample_evidence(x, t, seed=0)
    params = ops.zeros((*x.shape, flow.output_size))
    prediction = Prediction(t, s, flow.input_params(s, flow.schedule.beta(t)), params)
    what = f"{type(loss).__name__}(flow, x, prediction) for {type(flow).__name__}"
    require_float32(loss(flow, x, prediction, 0), x.shape, what)
