"""Trajectories given to plots: checks, and what they hold at a step."""

import numpy as np
from keras import ops

from keras_bfn._parts import list_parts, names_of, pick_part
from keras_bfn._validation import mismatch
from keras_bfn.flows.flow import check_flow
from keras_bfn.predictions import Prediction


def pick_trajectory(part, flow, trajectory):
    """Returns the flow and the trajectory; for a dict of flows, those of the given part.

    Raises:
        ValueError: if the trajectory does not suit the flow, or the part does not exist.
    """
    check_flow(flow)
    are_looks = all(isinstance(prediction, Prediction) for (prediction,) in list_parts(trajectory))
    if names_of(trajectory) != names_of(flow) or not are_looks:
        expected = "must be the `trajectory` of `generate(..., return_details=True)` for this flow"
        raise mismatch("trajectory", expected, f"a {type(trajectory).__name__}")
    for one, prediction in list_parts(flow, trajectory):
        sizes = [np.shape(values)[-1:] for values in prediction[1:]]
        if sizes != [(one.embedding_size,), (one.theta_size,), (one.output_size,)]:
            came = f"arrays with last axes of {sizes}"
            raise mismatch("trajectory", f"must be a trajectory of the flow {one!r}", came)
    return pick_part(part, flow, trajectory)


def at_step(trajectory, step, rows):
    """Returns the `Prediction` for some samples at a step, with a time for each, as tensors."""
    t, *others = (np.asarray(values[step]) for values in trajectory)
    others = [values[rows] for values in others]
    t = t[rows] if t.ndim else np.full(len(others[0]), t, "float32")
    return Prediction(*map(ops.convert_to_tensor, (t, *others)))
