"""Export formats for other runtimes: which backends write them, and how."""

import functools
import itertools
import pathlib
import re
import tempfile
import warnings

import keras

from keras_bfn._validation import check_choice, refusal

# The converter of TensorFlow graphs to ONNX lacks `log1p`, and that of JAX scans in reverse. That
# of PyTorch programs to a SavedModel needs XLA. OpenVINO 2026 cannot read the SavedModels that JAX
# writes, and LiteRT takes programs of PyTorch for one batch size alone.
FORMATS = {
    "tf_saved_model": ("tensorflow", "jax"),
    "onnx": ("torch",),
    "torch": ("torch",),
    "litert": ("tensorflow",),
    "openvino": ("torch", "tensorflow"),
}
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


def export_by_keras(model, path, inputs, format):
    """Writes a model by `keras.Model.export`.

    Keras 3.15 on JAX uses a deprecated argument of `jax2tf.convert`, of which JAX warns.

    Args:
        model: a Keras model that takes a flat dict.
        path: path of a new folder, or of a file.
        inputs: an example of that dict of tensors. The first axis of all but scalars may have any
            size.
        format: string.
    """
    signature = {}
    for name, x in inputs.items():
        shape = (None, *x.shape[1:]) if len(x.shape) else ()
        signature[name] = keras.InputSpec(
            keras.backend.standardize_dtype(x.dtype), shape, name=name
        )
    options = {}
    if format == "litert":  # Keras also allows operations for which the runtime needs TensorFlow
        import tensorflow as tf

        options["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `native_serialization` parameter is deprecated")
        try:
            model.export(path, format, verbose=False, input_signature=[signature], **options)
        except Exception as error:  # of a type that is not public
            if type(error).__name__ != "ConverterError":
                raise
            lacking = ", ".join(re.findall(r"^\w+ ops: (.*)$", str(error), flags=re.M))
            expected = f"must not be {format!r}, which lacks {lacking or 'operations'} of the model"
            raise refusal("format", expected, format) from None  # its graph is printed otherwise


def trace(model, inputs):
    """Returns a model of flat dicts as a program of PyTorch, for any size of the batch."""
    import torch

    batch = torch.export.Dim("batch", min=1)
    axes = {name: {0: batch} if x.ndim else None for name, x in inputs.items()}
    return torch.export.export(model, (inputs,), dynamic_shapes=[(axes,)], strict=False)


def convert_to_openvino(model, inputs, output_names):
    """Returns a model as one of OpenVINO.

    `export` of Keras 3.15 does not name outputs, and on PyTorch cannot write dicts.

    Args:
        model, inputs, output_names: as in `export_program`.
    """
    import openvino

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch and OpenVINO warn about their own code
        if keras.backend.backend() == "torch":
            source = trace(model, inputs)
        else:
            source = pathlib.Path(folder) / "model"
            export_by_keras(model, source, inputs, "tf_saved_model")
        try:
            converted = openvino.convert_model(source)
        except Exception as error:  # of types that are not public
            lacking = "the model uses an operation that OpenVINO lacks"
            raise refusal("format", f"must not be 'openvino': {lacking}", "openvino") from error
    results = []
    for x in converted.outputs:
        source = x.get_node().input_value(0)
        # An output may be an input, or another output, and in a file each has one name.
        own = openvino.opset15.convert(source, source.get_element_type())
        results.append(openvino.opset15.result(own))
    converted = openvino.Model(results, converted.get_parameters())
    # Programs of PyTorch lose the sizes that are known.
    sizes = [[-1, *x.shape[1:]] if len(x.shape) else [] for x in inputs.values()]
    converted.reshape(dict(zip(converted.inputs, sizes, strict=True)))
    # Both convert names, and give some to tensors inside, too.
    for x in itertools.chain.from_iterable(op.outputs() for op in converted.get_ops()):
        x.get_tensor().set_names(set())
    ports = [*converted.inputs, *converted.outputs]
    for name, x in zip([*inputs, *output_names], ports, strict=True):
        x.get_tensor().set_names({name})
    return converted


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

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns about its own code
        program = trace(model, inputs)
        num_bytes = sum(weight.nbytes for weight in program.state_dict.values())
        if output_names is None:
            return functools.partial(torch.export.save, program), num_bytes
        names = {"input_names": list(inputs), "output_names": output_names}
        # The optimizer of onnxscript 0.7 gives two constants one name, if one tensor is clipped
        # twice: no runtime reads that file. Runtimes have optimizers of their own.
        names["optimize"] = False
        try:
            graph = torch.onnx.export(program, (), verbose=False, dynamo=True, **names)
        except torch.onnx.OnnxExporterError as error:
            lacking = "the model uses an operation that ONNX lacks, such as that of a `JointNormal`"
            raise refusal("format", f"must not be 'onnx': {lacking}", "onnx") from error
    return functools.partial(graph.save, external_data=False), num_bytes
