"""What plots of trajectories are given."""

from keras_bfn._parts import pick_part
from keras_bfn.flows.flow import check_flow
from keras_bfn.looks import Look


def pick_trajectory(part, flow, trajectory):
    """The flow and the trajectory, or, for a dict of flows, those of the part.

    Raises:
        ValueError: if they are none, or there is no such part.
    """
    check_flow(flow)
    looks = trajectory if isinstance(trajectory, dict) else {None: trajectory}
    is_of_parts = isinstance(flow, dict) and set(looks) == set(flow)
    is_of_one_kind = not isinstance(flow, dict) and set(looks) == {None}
    if not (is_of_parts or is_of_one_kind) or not all(
        isinstance(look, Look) for look in looks.values()
    ):
        raise ValueError(
            "Argument `trajectory` must be what `generate(..., return_trajectory=True)` returns "
            f"for this flow. Received: a {type(trajectory).__name__}"
        )
    return pick_part(part, flow, trajectory)
