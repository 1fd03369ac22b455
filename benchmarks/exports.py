"""Presets exported as a step of a sampler, and run by the formats' own runtimes.

    KERAS_BACKEND=tensorflow python -m benchmarks exports

`difference` is the largest between an output of the network in the runtime and in Keras, of one
step with the same random inputs; `MB` the size of the files; `seconds` the time of a step of 32
examples in the runtime, which may use all cores.
"""

import pathlib
import tempfile
from functools import partial

import keras
import numpy as np

from benchmarks.precision import CASES
from benchmarks.timing import in_turns
from keras_bfn import BayesianFlowNetwork
from keras_bfn._backend.exports import FORMATS
from keras_bfn.models.exported import make_function
from keras_bfn.saving.export import SUFFIXES


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


def measure(cases=None, num_examples=32, rounds=5):
    """Yields one row per preset and format that this backend writes."""
    for name in CASES:
        if cases is not None and name not in cases:
            continue
        model = BayesianFlowNetwork.from_preset(name)
        step, example = make_function(model, "sde2", None, False)
        rng = np.random.default_rng(0)

        def draw(x, rng=rng):
            shape = (num_examples, *x.shape[1:]) if len(x.shape) else ()
            if "int" in keras.backend.standardize_dtype(x.dtype):
                return rng.integers(0, 5, shape).astype("int32")
            return rng.standard_normal(shape).astype("float32")

        feed = keras.tree.map_structure(draw, example)
        feed |= {"t": np.array(0.4, "float32"), "t_next": np.array(0.5, "float32")}
        expected = step(keras.tree.map_structure(keras.ops.convert_to_tensor, feed))["params"]
        expected = keras.ops.convert_to_numpy(expected)
        leaves = keras.tree.flatten_with_path(feed)
        flat = {"_".join(map(str, path)): x for path, x in leaves}
        for format, backends in FORMATS.items():
            if keras.backend.backend() not in backends:
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, f"step{SUFFIXES.get(format, '')}")
                row = {"case": name, "format": format}
                try:
                    model.export(path, format, sampler="sde2")
                except ValueError as error:
                    yield {**row, "refused": str(error).partition(". Received")[0]}
                    continue
                files = [file for file in pathlib.Path(folder).rglob("*") if file.is_file()]
                row["MB"] = sum(file.stat().st_size for file in files) / 1e6
                run = read(path, format)
                found = np.asarray(keras.ops.convert_to_numpy(run(flat)))
                row["difference"] = float(np.abs(found - expected).max())
                seconds = in_turns([partial(run, flat)], rounds)
                yield {**row, "seconds": float(np.median(seconds))}


if __name__ == "__main__":
    from benchmarks.report import main

    main("exports")
