"""The scopes of Keras and of PyTorch that a thread is in."""

import contextlib
import copy

from keras.src.backend.common import global_state

from keras_bfn._backend import take_gradients, takes_gradients
from keras_bfn._signals import after_failure

# What Keras's scopes set while they are entered; None is outside of them.
SCOPES = (
    "autocast_scope",
    "current_call_ctx",
    "custom_objects_scope_dict",
    "in_tf_graph_scope",
    "name_scope_stack",
    "remat_scope_stack",
    "safe_mode_saving",
    "shared_objects/id_to_config_map",
    "shared_objects/id_to_obj_map",
    "stateless_scope",
    "symbolic_scope",
    "torch_device",
    "tracking_on",
)


@contextlib.contextmanager
def keep_scopes():
    """Leaves the scopes of Keras and of PyTorch's gradients as they were if what is inside fails.

    An interrupt may come between the end of a scope and the line that leaves it. In Keras 3.15, all
    that this thread did later would be within it.
    """
    scopes = global_state.GLOBAL_STATE_TRACKER.__dict__
    before = {name: copy.copy(scopes.get(name)) for name in SCOPES}
    gradients = takes_gradients()

    def leave():
        scopes.update(before)
        take_gradients(gradients)

    with after_failure(leave):
        yield
