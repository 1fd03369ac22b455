"""Presets exported as a step of a sampler, and run by the formats' own runtimes.

    KERAS_BACKEND=tensorflow python -m benchmarks exports
    KERAS_BACKEND=tensorflow python -m benchmarks exports --cases bfn_photographs  # or others

A preset whose step a format refuses is exported as the network alone. `difference` is the largest
between an output of the network in the runtime and in Keras, with the same random inputs; `MB` the
size of the files; `seconds` the time of a call with 32 examples in the runtime, which may use all
cores.
"""

import pathlib
import tempfile
from functools import partial

import keras
import numpy as np

from benchmarks.timing import in_turns
from keras_bfn import BayesianFlowNetwork
from keras_bfn._backend.exports import FORMATS
from keras_bfn.models.exported import make_function
from keras_bfn.saving.export import SUFFIXES

PRESETS = ("bfn_digits", "bfn_mnist", "bfn_text")
CASES = dict.fromkeys((*PRESETS, "bfn_digits_classes", "bfn_photographs"), "sde2")
CASES["bfn_digits_student"] = "jump"


def read(path, format):
    """Returns the function of a dict of arrays that a file holds, which returns `params`."""
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        return lambda feed: session.run(["params"], feed)[0]
    if format == "torch":
        import torch

        module = torch.export.load(path).module()
        return lambda feed: module({k: torch.tensor(x) for k, x in feed.items()})["params"]
    if format == "litert":
        from ai_edge_litert.interpreter import Interpreter

        run = Interpreter(str(path)).get_signature_runner()
        return lambda feed: run(**feed)["params"]
    if format == "openvino":
        import openvino

        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(path, "CPU", exact)
        return lambda feed: compiled(feed)["params"]
    import tensorflow as tf

    program = tf.saved_model.load(str(path))
    return lambda feed: program.serve({k: tf.constant(x) for k, x in feed.items()})["params"]


def draw_inputs(example, num_examples):
    """Returns random arrays like the example inputs of an exported function."""
    rng = np.random.default_rng(0)

    def draw(x):
        shape = (num_examples, *x.shape[1:]) if len(x.shape) else ()
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype == "float32":
            return rng.standard_normal(shape).astype(dtype)
        return rng.integers(0, 2 if dtype == "bool" else 5, shape).astype(dtype)

    return keras.tree.map_structure(draw, example)


def measure(cases=PRESETS, num_examples=32, rounds=5):
    """Yields one row per preset, format that this backend writes, and what of it is exported."""
    for name in cases:
        model = BayesianFlowNetwork.from_preset(name)
        for format, backends in FORMATS.items():
            if keras.backend.backend() not in backends:
                continue
            for sampler in (CASES[name], None):
                row = {"case": name, "format": format, "of": "step" if sampler else "network"}
                try:
                    yield {**row, **export(model, format, sampler, num_examples, rounds)}
                    break
                except ValueError as error:
                    yield {**row, "refused": str(error).partition(". Received")[0]}


def export(model, format, sampler, num_examples, rounds):
    """Returns a row about the file of a step of the sampler, or of the network alone."""
    function, example = make_function(model, sampler, None, False)
    feed = draw_inputs(example, num_examples)
    if sampler is not None:
        feed |= {"t": np.array(0.4, "float32"), "t_next": np.array(0.5, "float32")}
    expected = function(keras.tree.map_structure(keras.ops.convert_to_tensor, feed))["params"]
    expected = keras.ops.convert_to_numpy(expected)
    leaves = keras.tree.flatten_with_path(feed)
    flat = {"_".join(map(str, path)): x for path, x in leaves}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"step{SUFFIXES.get(format, '')}")
        model.export(path, format, sampler=sampler)
        files = [file for file in pathlib.Path(folder).rglob("*") if file.is_file()]
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        run = read(path, format)
        found = np.asarray(keras.ops.convert_to_numpy(run(flat)))
        difference = float(np.abs(found - expected).max())
        seconds = in_turns([partial(run, flat)], rounds)
    return {"MB": megabytes, "difference": difference, "seconds": float(np.median(seconds))}


if __name__ == "__main__":
    from benchmarks.report import main

    main("exports")
