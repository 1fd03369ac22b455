"""What PyTorch alone has."""

import functools
import sys
import warnings

import keras
from keras import ops


def add_product(bias, x, kernel):
    """`bias + x @ kernel`, of matrices, in one operation of PyTorch."""
    if keras.backend.backend() != "torch":
        return ops.add(ops.matmul(x, kernel), bias)
    import torch

    return torch.addmm(*map(ops.convert_to_tensor, (bias, x, kernel)))


def normalize_groups(layer, x):
    """What a `keras.layers.GroupNormalization` returns; None if PyTorch has nothing faster.

    Of channels first, PyTorch's own takes one pass, where Keras 3.15 writes a dozen operations to
    memory.
    """
    if keras.backend.backend() != "torch" or layer.axis != 1:
        return None
    import torch

    gamma, beta = (ops.convert_to_tensor(weight, x.dtype) for weight in (layer.gamma, layer.beta))
    if gamma.requires_grad and torch.is_grad_enabled() and not x.requires_grad:
        # After frozen layers. With channels last in memory, PyTorch 2.13 on CPUs would write the
        # gradient of x, which none was asked for, to nowhere, and the process would end.
        x = x.contiguous()
    return torch.nn.functional.group_norm(x, layer.groups, gamma, beta, layer.epsilon)


def is_data_loader(x):
    """Whether `x` is a `torch.utils.data.DataLoader`, which every backend takes."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.utils.data.DataLoader)


def export_program(model, inputs, output_names=None):
    """A model as an exported program of PyTorch or, given names of its outputs, as ONNX.

    `export` of Keras 3.15 to ONNX names no outputs, and traces by TorchScript where a batch may
    have any size: a size that is looked at becomes a constant, without a word.

    Args:
        model: a Keras model that takes a flat dict and returns one, sorted by name.
        inputs: an example of its inputs. All but scalars have the batch for their first axis.
        output_names: list of strings, sorted; or None.

    Returns:
        The tuple of a function of a path, which writes the file, and how many bytes of weights that
        will hold. ONNX can have its weights in a second file: `save(path, external_data=True)`.
    """
    import torch

    batch = torch.export.Dim("batch", min=1)
    axes = {name: {0: batch} if x.ndim else None for name, x in inputs.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch about its own code
        program = torch.export.export(model, (inputs,), dynamic_shapes=[(axes,)], strict=False)
        num_bytes = sum(weight.nbytes for weight in program.state_dict.values())
        if output_names is None:
            return functools.partial(torch.export.save, program), num_bytes
        names = {"input_names": list(inputs), "output_names": output_names}
        graph = torch.onnx.export(program, (), verbose=False, dynamo=True, **names)
    return functools.partial(graph.save, external_data=False), num_bytes
