"""Training on several devices, where Keras alone does not support it.

To divide batches, use `keras.distribution.DataParallel` on JAX, and a strategy on TensorFlow.
"""

import keras

from keras_bfn._backend.collectives import mean_of_processes
from keras_bfn._validation import check_choice, refusal


class WidthParallel(keras.distribution.ModelParallel):
    """Divides the weights of any network among devices by their last axis, on JAX.

    A kernel's last axis is the width of its output. Weights whose last axis cannot be divided
    evenly, and all vectors, are replicated on each device. An optimizer's variables for a weight
    are divided like the weight.

    Args:
        device_mesh: a `keras.distribution.DeviceMesh` of two axes.
        model_dim: string. The name of the axis of the mesh that divides weights; the other one
            divides batches.
        **kwargs: as in `keras.distribution.ModelParallel`.

    Raises:
        ValueError: if it is not a mesh of two axes, or none is called `model_dim`.

    Example:

    ```python
    mesh = keras.distribution.DeviceMesh((2, 4), ("batch", "model"))
    keras.distribution.set_distribution(keras_bfn.devices.WidthParallel(mesh))
    ```
    """

    def __init__(
        self, device_mesh: keras.distribution.DeviceMesh, model_dim: str = "model", **kwargs
    ) -> None:
        if not isinstance(device_mesh, keras.distribution.DeviceMesh):
            raise refusal("device_mesh", "must be a `keras.distribution.DeviceMesh`", device_mesh)
        axes = tuple(device_mesh.axis_names)
        if len(axes) != 2:
            raise refusal("device_mesh", "must have two axes", device_mesh)
        self.model_dim = check_choice("model_dim", model_dim, axes)
        (batch_dim,) = (axis for axis in axes if axis != model_dim)
        layouts = keras.distribution.LayoutMap(device_mesh)
        super().__init__(layout_map=layouts, batch_dim_name=batch_dim, **kwargs)

    def get_variable_layout(self, variable: keras.Variable) -> keras.distribution.TensorLayout:
        mesh, shape = self.device_mesh, variable.shape
        axes = [None] * len(shape)
        num_devices = mesh.shape[mesh.axis_names.index(self.model_dim)]
        if len(shape) > 1 and shape[-1] % num_devices == 0:
            axes[-1] = self.model_dim
        return keras.distribution.TensorLayout(axes, mesh)


def share_gradients(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Makes an optimizer average gradients over all PyTorch processes before each update.

    Models that start equal then stay equal, and learn from the batches of all processes. Each
    process calls `fit` on its own part of every batch, the same number of times.
    `torch.distributed` must be initialised, as under `torchrun`. Noise should differ between
    processes: give each model its own seed.

    Args:
        optimizer: a `keras.optimizers.Optimizer`. It is changed in place; saving is unaffected.
            Under `"mixed_float16"` it must already be a `LossScaleOptimizer`. Otherwise, each
            process would skip steps on its own, while the others wait for it forever.

    Returns:
        The optimizer.

    Raises:
        ValueError: if it is not an optimizer, or `torch.distributed` is not initialised.
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

    mean_of_processes([])  # raises on other backends, and without processes
    optimizer.apply = apply_mean
    return optimizer
