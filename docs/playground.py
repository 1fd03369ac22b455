"""Makes what the playground runs in a reader's browser: `python -m docs.playground`.

A guided step of `sde2` of the preset `bfn_digits_classes`, as ONNX, and the runtime for it, which
`npm` fetches. Both are put into build/playground, and the site then has the page. PyTorch only.
"""

import json
import pathlib
import subprocess
import tarfile
import tempfile

import onnx

import keras_bfn

FOLDER = pathlib.Path(__file__).parents[1] / "build" / "playground"
RUNTIME = "onnxruntime-web@1.30.0"
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def export_step():
    """Writes the step, its weights in the same file, and what the page has to know of the flow."""
    model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/step.onnx"
        model.export(path, format="onnx", sampler="sde2", guided=True)
        step = onnx.load(path)
    for item in (*step.graph.node, *step.graph.value_info):
        del item.metadata_props[:]  # where in the source each comes from
    onnx.save(step, FOLDER / "step.onnx")
    flow = model.flow
    facts = {"sigma_1": flow.schedule.sigma_1, "levels": flow.num_bins}
    (FOLDER / "flow.json").write_text(json.dumps(facts))


def fetch_runtime():
    """Takes the files of the runtime from its package."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", RUNTIME], cwd=folder, check=True)
        (package,) = pathlib.Path(folder).glob("*.tgz")
        with tarfile.open(package) as archive:
            for name in RUNTIME_FILES:
                content = archive.extractfile(f"package/dist/{name}").read()
                (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    fetch_runtime()
    export_step()
