"""Exports of functions of tensors, with a model's weights, for other runtimes."""

import keras

from keras_bfn._backend.exports import (
    check_format,
    convert_to_openvino,
    export_by_keras,
    export_program,
)
from keras_bfn._imports import tell_to_install
from keras_bfn._keras import layers_within
from keras_bfn._validation import check_path, refusal
from keras_bfn.saving.files import whole

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "litert": ".tflite", "openvino": ".xml"}
SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra"}
LARGEST_FILE = 2**30  # bytes of weights in one ONNX file, whose limit is 2 GB


def check_target(filepath, format):
    """Returns the path of an export, or raises a `ValueError` if it cannot be written there."""
    filepath = check_path("filepath", filepath)
    meant = [name for name, suffix in SUFFIXES.items() if suffix == filepath.suffix]
    if meant and format == "tf_saved_model":
        raise refusal("format", f"must be {meant[0]!r} for a {filepath.suffix} file", format)
    check_format(format)
    suffix = SUFFIXES.get(format, filepath.suffix)
    if filepath.suffix != suffix:
        raise refusal("filepath", f"must end with {suffix} for format={format!r}", str(filepath))
    if format == "tf_saved_model" and filepath.exists():
        names = {path.name for path in filepath.iterdir()} if filepath.is_dir() else {filepath.name}
        lost = sorted(names - SAVED_MODEL)
        if lost:
            expected = f"must be a new folder, or that of a SavedModel: {lost} would be lost"
            raise refusal("filepath", expected, str(filepath))
    return filepath


def export(model, function, inputs, filepath, format):
    """Writes a function of tensors to a file or a folder.

    Args:
        model: the Keras model whose weights the function uses.
        function: function that takes and returns a nest of tensors.
        inputs: an example of the nest that it takes. The exported function takes and returns flat
            dicts instead: the name of a leaf is its path, joined by `_`.
        filepath: the path that `check_target` returned.
        format: string.
    """
    program = FlatModel(model, function, inputs)
    inputs = dict(sorted(_name_leaves(inputs).items()))
    if format in ("tf_saved_model", "litert"):
        with whole(filepath) as partial:
            export_by_keras(program, partial, inputs, format)
        return
    if format == "openvino":
        with tell_to_install('OpenVINO needs its package: `pip install "keras-bfn[export]"`'):
            import openvino
        converted = convert_to_openvino(program, inputs, list(program(inputs)))
        with whole(filepath) as partial, whole(filepath.with_suffix(".bin")):
            openvino.save_model(converted, partial, compress_to_fp16=False)  # both files
        return
    names = None
    if format == "onnx":
        if any(layer.quantization_mode == "int4" for layer in layers_within(model)):
            expected = "must not be 'onnx' for kernels of four bits, whose file could not be loaded"
            raise refusal("format", expected, format)
        names = list(program(inputs))
        with tell_to_install('ONNX needs onnxscript: `pip install "keras-bfn[export]"`'):
            import onnxscript  # noqa: F401
    save, num_bytes = export_program(program, inputs, names)
    if format == "onnx" and num_bytes > LARGEST_FILE:
        save(filepath, external_data=True)
        return
    with whole(filepath) as partial:
        save(partial)


class FlatModel(keras.Model):
    """A function as a Keras model of flat dicts, the form that all export formats support."""

    def __init__(self, model, function, example):
        super().__init__(dtype="float32", autocast=False)
        # Tracked, so that weights are not exported as constants. If the model itself was tracked,
        # Keras 3.15 on TensorFlow would also export a call of it, on floats.
        self.state = model.variables
        self.function = function
        names = list(_name_leaves(example))
        self.pack = lambda flat: keras.tree.pack_sequence_as(example, [flat[n] for n in names])
        self.built = True

    def call(self, inputs):
        outputs = _name_leaves(self.function(self.pack(inputs)))
        # In a file, a tensor has one name: what is an input as well, is computed.
        given = {id(x) for x in inputs.values()}
        outputs = {name: x + 0 if id(x) in given else x for name, x in outputs.items()}
        return dict(sorted(outputs.items()))


def _name_leaves(nest):
    leaves = keras.tree.flatten_with_path(nest)
    return {"_".join(map(str, path)): leaf for path, leaf in leaves}
