"""Models on several devices, where Keras alone does not do it.

On JAX, `keras.distribution.DataParallel` divides batches, on TensorFlow its strategies do.
"""

import keras

from keras_bfn._backend import mean_of_processes
from keras_bfn._validation import check_choice, refusal


class WidthParallel(keras.distribution.ModelParallel):
    """Weights of any network, divided among devices by their last axis; on JAX.

    A kernel's last axis is the width of what comes out. What does not divide, and all vectors, each
    device holds whole. What optimizers keep for a weight is divided as the weight is.

    Args:
        device_mesh: a `keras.distribution.DeviceMesh` of two axes.
        model_dim: string. The name of the axis of the mesh that divides weights; the other one
            divides batches.
        **kwargs: as in `keras.distribution.ModelParallel`.

    Raises:
        ValueError: if the mesh has no such axes.

    Example:

    ```python
    mesh = keras.distribution.DeviceMesh((2, 4), ("batch", "model"))
    keras.distribution.set_distribution(keras_bfn.devices.WidthParallel(mesh))
    ```
    """

    def __init__(self, device_mesh, model_dim="model", **kwargs):
        if not isinstance(device_mesh, keras.distribution.DeviceMesh):
            raise refusal("device_mesh", "must be a `keras.distribution.DeviceMesh`", device_mesh)
        axes = tuple(device_mesh.axis_names)
        if len(axes) != 2:
            raise refusal("device_mesh", "must have two axes", device_mesh)
        self.model_dim = check_choice("model_dim", model_dim, axes)
        (batch_dim,) = (axis for axis in axes if axis != model_dim)
        layouts = keras.distribution.LayoutMap(device_mesh)
        super().__init__(layout_map=layouts, batch_dim_name=batch_dim, **kwargs)

    def get_variable_layout(self, variable):
        mesh, shape = self.device_mesh, variable.shape
        axes = [None] * len(shape)
        num_devices = mesh.shape[mesh.axis_names.index(self.model_dim)]
        if len(shape) > 1 and shape[-1] % num_devices == 0:
            axes[-1] = self.model_dim
        return keras.distribution.TensorLayout(axes, mesh)


def share_gradients(optimizer):
    """Lets an optimizer of a process of PyTorch take the mean of all processes' gradients.

    Then models that start alike stay alike, and all learn from the batches of all: each process
    calls `fit` on its own share of every batch, as many times. `torch.distributed` must have been
    initialised, as `torchrun` prepares it. Noise should differ: give each model a seed of its own.

    Args:
        optimizer: a `keras.optimizers.Optimizer`. It is changed, and saved as it was. Under
            `"mixed_float16"` it must be a `LossScaleOptimizer` already: else each process decides
            by itself which steps to leave out, and waits in vain for the others.

    Returns:
        The optimizer.

    Raises:
        ValueError: if it is no optimizer, or there are no processes to share with.
        RuntimeError: if the backend is not PyTorch.

    Example:

    ```python
    torch.distributed.init_process_group()
    keras.utils.set_random_seed(0)  # the same weights in all processes
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=torch.distributed.get_rank())
    model.compile(keras_bfn.devices.share_gradients(keras.optimizers.AdamW(1e-3)))
    ```
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise refusal("optimizer", "must be a `keras.optimizers.Optimizer`", optimizer)
    apply = optimizer.apply

    def apply_mean(grads, trainable_variables=None):
        return apply(mean_of_processes(grads), trainable_variables)

    mean_of_processes([])  # refuses other backends, and where there are no processes
    optimizer.apply = apply_mean
    return optimizer
