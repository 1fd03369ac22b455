"""Makes what the playground runs in a reader's browser: `python -m docs.playground`.

Steps of two presets as ONNX: a jump of `bfn_digits_student`, and a guided step of `sde2` of its
teacher, `bfn_digits_classes`; and the runtime for them, which `npm` fetches. All are put into
build/playground, and the site then has the page. PyTorch only.
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


def export_step(model, name, **options):
    """Writes a step of a model, its weights in the same file."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/step.onnx"
        model.export(path, format="onnx", **options)
        step = onnx.load(path)
    for item in (*step.graph.node, *step.graph.value_info):
        del item.metadata_props[:]  # where in the source each comes from
    onnx.save(step, FOLDER / f"{name}.onnx")


def export_steps():
    """Writes the steps of both models, and what the page has to know of them."""
    teacher = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
    student = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_student")
    jump = keras_bfn.distillation.JumpSampler()
    export_step(teacher, "teacher", sampler="sde2", guided=True)
    export_step(student, "student", sampler=jump)
    flow = teacher.flow
    facts = {"sigma_1": flow.schedule.sigma_1, "levels": flow.num_bins, "start": jump.start}
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
    export_steps()
