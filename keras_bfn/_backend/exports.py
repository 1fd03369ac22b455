"""Export formats for other runtimes: which backends write them, and how."""

import functools
import warnings

import keras

from keras_bfn._validation import check_choice, refusal

# The converter of TensorFlow graphs to ONNX lacks `log1p`; that of PyTorch programs to a
# SavedModel needs XLA.
FORMATS = {"tf_saved_model": ("tensorflow", "jax"), "onnx": ("torch",), "torch": ("torch",)}
LEAST_TORCH = (2, 11)  # what earlier versions export may fail when it is loaded


def check_format(format):
    """Raises an error unless this backend, in the version installed, writes the format."""
    backend = keras.backend.backend()
    if backend not in FORMATS[check_choice("format", format, FORMATS)]:
        own = [name for name, backends in FORMATS.items() if backend in backends]
        raise refusal(
            "format",
            f"must be one of {own}, which Keras can write on {backend}. For this one, `save` the "
            f"model, load it with KERAS_BACKEND={FORMATS[format][0]}, and export it there",
            format,
        )
    if backend == "torch":
        import torch

        if torch.__version__ < LEAST_TORCH:
            least = ".".join(map(str, LEAST_TORCH))
            raise ImportError(f"Exports need PyTorch {least} or later: found {torch.__version__}")


def export_saved_model(model, path, inputs):
    """Writes a model to a SavedModel.

    Keras 3.15 on JAX uses a deprecated argument of `jax2tf.convert`, of which JAX warns.

    Args:
        model: a Keras model that takes a flat dict.
        path: path of a new folder.
        inputs: an example of that dict of tensors. The first axis of all but scalars may have any
            size.
    """
    signature = {}
    for name, x in inputs.items():
        shape = (None, *x.shape[1:]) if len(x.shape) else ()
        signature[name] = keras.InputSpec(
            keras.backend.standardize_dtype(x.dtype), shape, name=name
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `native_serialization` parameter is deprecated")
        model.export(path, "tf_saved_model", verbose=False, input_signature=[signature])


def export_program(model, inputs, output_names=None):
    """Returns a model as an exported program of PyTorch or, given names of its outputs, as ONNX.

    For ONNX, `export` of Keras 3.15 does not name outputs, and traces by TorchScript if the batch
    size is dynamic: any size that the model reads silently becomes a constant.

    Args:
        model: a Keras model that takes a flat dict and returns one, sorted by name.
        inputs: an example of its inputs. The first axis of all but scalars is the batch.
        output_names: list of strings, sorted; or None.

    Returns:
        The tuple of a function that writes the file to a path, and the number of bytes of the
        weights in it. ONNX can store its weights in a second file:
        `save(path, external_data=True)`.
    """
    import torch

    batch = torch.export.Dim("batch", min=1)
    axes = {name: {0: batch} if x.ndim else None for name, x in inputs.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns about its own code
        program = torch.export.export(model, (inputs,), dynamic_shapes=[(axes,)], strict=False)
        num_bytes = sum(weight.nbytes for weight in program.state_dict.values())
        if output_names is None:
            return functools.partial(torch.export.save, program), num_bytes
        names = {"input_names": list(inputs), "output_names": output_names}
        try:
            graph = torch.onnx.export(program, (), verbose=False, dynamo=True, **names)
        except torch.onnx.OnnxExporterError as error:
            lacking = "the model uses an operation that ONNX lacks, such as that of a `JointNormal`"
            raise refusal("format", f"must not be 'onnx': {lacking}", "onnx") from error
    return functools.partial(graph.save, external_data=False), num_bytes
