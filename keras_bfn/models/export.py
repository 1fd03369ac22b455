"""Export: a step of a sampler, or the network alone, as a file that other runtimes run."""

import keras
import numpy as np
from keras import ops

from keras_bfn import samplers
from keras_bfn._backend import export_program
from keras_bfn._files import whole_file, write_folder_atomically
from keras_bfn._imports import tell_to_install
from keras_bfn._keras import call_network, export_saved_model, in_order_of
from keras_bfn._parts import map_parts
from keras_bfn._random import Noise
from keras_bfn._validation import check_choice, check_path, refusal, to_numpy
from keras_bfn.models.conditions import condition_inputs
from keras_bfn.models.data_checks import check_has_event_shape
from keras_bfn.models.network_checks import make_symbolic_inputs, symbolic_inputs, takes_mask
from keras_bfn.models.program import Program, SamplingProgram

# Which backends write which formats. What converts TensorFlow's graphs to ONNX knows no `log1p`,
# and PyTorch's to a SavedModel needs XLA.
FORMATS = {"tf_saved_model": ("tensorflow", "jax"), "onnx": ("torch",), "torch": ("torch",)}
SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra"}
LARGEST_FILE = 2**30  # bytes of weights in one ONNX file, which holds 2 GB
EXAMPLE_ROWS = 2  # of examples; of a batch of one, PyTorch takes the one for a constant


class StepProgram(SamplingProgram):
    """A look and the step of a sampler that follows it: a function of its inputs alone.

    Call arguments:
        inputs: dict with `"state"`, the sampler's, or a dict of the parts'; `"t"` and `"t_next"`,
            scalars; the draws, by the names that a `Noise` has for them; and for conditional models
            `"condition"`, of shape `(batch, ...)`, and `"guidance_scale"`, of shape `(batch,)`; and
            for models of missing variables `"there"`.
        noise: a `Noise`, by default that of the inputs.
    """

    def call(self, inputs, noise=None):
        noise = Noise(inputs) if noise is None else noise
        t, t_next = inputs["t"], inputs["t_next"]
        ones = ops.ones(ops.shape(keras.tree.flatten(inputs["state"])[0])[:1])
        is_first = t <= float(self.find_times(1)[0])
        states = keras.tree.map_structure(
            lambda start, state: ops.where(is_first, start, state),
            self.start(ops.shape(ones)[0], noise),
            inputs["state"],
        )
        looks, outputs, *_ = self.look(states, t, inputs | {"ones": ones})
        return {
            "next_state": self.step(states, outputs, t, t_next, noise),
            "params": map_parts(lambda _, look: look.params, self.drawn, looks),
            "x": self.end(outputs, noise),
        }


class NetworkProgram(Program):
    """The network alone.

    Call arguments:
        inputs: dict, as the network takes it.
    """

    def call(self, inputs):
        network = self.model.network
        inputs = in_order_of(symbolic_inputs(network), inputs)
        return {"params": call_network(network, inputs, training=False)}


class FlatProgram(keras.Model):
    """A program that takes and returns flat dicts of tensors, as every format has them.

    Args:
        program: a `Program`.
        example: inputs that it takes.
    """

    def __init__(self, program, example):
        super().__init__(dtype="float32", autocast=False)
        self.program = program
        names = list(name_leaves(example))
        self.pack = lambda flat: keras.tree.pack_sequence_as(example, [flat[n] for n in names])
        self.built = True

    def call(self, inputs):
        return dict(sorted(name_leaves(self.program(self.pack(inputs))).items()))


def name_leaves(nest):
    """A flat dict of a nest's leaves: what is on the path to each, joined by `_`, is its name."""
    leaves = keras.tree.flatten_with_path(nest)
    return {"_".join(map(str, path)): leaf for path, leaf in leaves}


def export(
    self,
    filepath,
    format="tf_saved_model",
    *,
    what="step",
    sampler="ancestral",
    condition=None,
    guided=False,
):
    """Writes a step of a sampler, or the network, for other runtimes, where no Python is needed.

    | `format` | written by | read by |
    |---|---|---|
    | `"tf_saved_model"` | TensorFlow; JAX, with `tensorflow` installed | `tf.saved_model.load` |
    | `"onnx"` | PyTorch, with `pip install "keras-bfn[export]"` | `onnxruntime` |
    | `"torch"` | PyTorch | `torch.export.load` |

    A model that was saved by `save` loads under each backend, and can be exported there. What is
    exported is a function of a flat dict of tensors, and returns one; the batch may have any size.
    The parts of a dict of flows are told apart by their names: `state_image`, `x_image`.

    A step takes

    - `t` and `t_next`, scalars: the time, and that of the next look. Let the first be the sampler's
      `start`, 0 by default, and the last 1 (with `end="last"`, the last but one), where `t_next` is
      the same;
    - `state`, `(batch, *event_shape, flow.embedding_size)`, what the sampler carries, or `state_0`,
      `state_1` and so on. At the first step it is not used, and may be zeros;
    - its noise, new numbers in every step: `normal_0` and so on, standard normal, and `uniform_0`
      and so on, from [0, 1). A deterministic sampler uses the noise of the first step alone: its
      latents, divided by `sqrt(flow.gain)`;
    - of a conditional model `condition`, `(batch, ...)`, or `condition_name` for each of a dict;
    - if it is `guided`, `guidance_scale`, `(batch,)`;
    - of a model that allows missing variables `there`, `(batch, *event_shape)`: 1 for those that
      are there, else 0.

    It returns `next_state`, or `next_state_0` and so on; `params`, what the network returned; and
    `x`, data: the mode of what it expects, or what else the sampler has for an `end`. The `x` of
    the last step are the samples.

    A network takes `theta` and `t`, `(batch,)`, `condition` and `mask`, and returns `params`.

    Args:
        filepath: path. A folder for `"tf_saved_model"`, else a file: `.onnx`, or `.pt2`. It gets
            its name when it is complete, and takes the place of a file or of a SavedModel that is
            there. (Of more than 1 GB of weights, ONNX puts those into a second file beside it.)
        format: string, one of the table.
        what: `"step"` or `"network"`.
        sampler: as in `generate`. Its temperature, start and end are part of the step.
        condition: for a conditional network that is not functional and has no null condition, an
            example: an array of shape `(num, ...)`, or a dict of such.
        guided: bool. Whether the step takes a `guidance_scale`, and calls the network on a batch
            of twice the size.

    Raises:
        ValueError: if an argument is none of these, the backend does not write the format, the
            sampler draws other noise, or the model has no event shape yet.
        ImportError: if a package that the format needs is not installed.

    Example, on PyTorch. From `session` on it needs onnxruntime and numpy alone:

    ```python
    model.export("step.onnx", format="onnx", sampler="sde2")

    session = onnxruntime.InferenceSession("step.onnx")
    names = [output.name for output in session.get_outputs()]
    shapes = {i.name: [num_samples, *i.shape[1:]] if i.shape else [] for i in session.get_inputs()}
    feed = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
    rng = np.random.default_rng(0)
    draw = {"normal": rng.standard_normal, "uniform": rng.random}
    times = np.linspace(0, 1, num_steps + 1, dtype="float32")
    for t, t_next in zip(times, np.append(times[1:], times[-1])):
        for name in feed:
            kind = name.split("_")[0]
            if kind in draw:
                feed[name] = draw[kind](shapes[name], "float32")
        feed["t"], feed["t_next"] = np.array(t), np.array(t_next)
        outputs = dict(zip(names, session.run(None, feed)))
        feed |= {n.removeprefix("next_"): x for n, x in outputs.items() if n.startswith("next_")}
    samples = outputs["x"]
    ```
    """
    filepath = check_path("filepath", filepath)
    _check_format(format, filepath)
    check_choice("what", what, ("step", "network"))
    check_has_event_shape(self)
    inputs = _example_conditions(self, condition)
    if guided:
        if what == "network" or not inputs or self.null_condition is None:
            expected = "must be False for a network alone, or a model without a null condition"
            raise refusal("guided", expected, guided)
        inputs["guidance_scale"] = ops.ones(EXAMPLE_ROWS)
    shapes = map_parts(lambda shape: (EXAMPLE_ROWS, *shape), self.event_shape)
    self.build_for(shapes, inputs.get("condition"))
    if what == "step":
        program = StepProgram(self, samplers.get(sampler))
        if self.allow_missing:
            inputs["there"] = map_parts(ops.ones, shapes)
        inputs |= _example_step(program, inputs)
    else:
        program = NetworkProgram(self)
        symbolic = make_symbolic_inputs(
            self.flow, self.event_shape, None, self.times, takes_mask(self)
        )
        inputs |= keras.tree.map_structure(
            lambda x: ops.zeros((EXAMPLE_ROWS, *x.shape[1:]), x.dtype), symbolic
        )
    _write(FlatProgram(program, inputs), name_leaves(inputs), filepath, format)


def _check_format(format, filepath):
    check_choice("format", format, FORMATS)
    backend = keras.backend.backend()
    if backend not in FORMATS[format]:
        own = [name for name, backends in FORMATS.items() if backend in backends]
        raise refusal(
            "format",
            f"must be one of {own}, which Keras on {backend} can write; for others, `save` the "
            f"model, load it with KERAS_BACKEND={FORMATS[format][0]}, and export it there",
            format,
        )
    suffix = {"onnx": ".onnx", "torch": ".pt2"}.get(format)
    if suffix is not None and filepath.suffix != suffix:
        raise refusal("filepath", f"must end with {suffix} for format={format!r}", str(filepath))
    if format == "tf_saved_model" and filepath.exists():
        names = {path.name for path in filepath.iterdir()} if filepath.is_dir() else {filepath.name}
        if not names <= SAVED_MODEL:
            expected = f"must be a new folder, or a SavedModel's: {sorted(names - SAVED_MODEL)}"
            raise refusal("filepath", f"{expected} would be lost", str(filepath))


def _example_conditions(model, condition):
    """The inputs that tell of a condition, if there is one: their names, shapes and dtypes."""
    taken = (symbolic_inputs(model.network) or {}).get("condition")
    if condition is None and taken is not None:
        condition = map_parts(lambda x: np.zeros((1, *x.shape[1:]), x.dtype), taken)
    if condition is not None:
        condition = map_parts(lambda x: np.repeat(to_numpy(x)[:1], EXAMPLE_ROWS, axis=0), condition)

    def convert(x):
        return ops.convert_to_tensor(x, "float32" if x.dtype.kind == "f" else "int32")

    inputs = condition_inputs(model, condition, EXAMPLE_ROWS)
    return keras.tree.map_structure(convert, inputs)


def _example_step(program, conditions):
    """The other inputs of a step: zeros, with their names and shapes."""
    inputs = {"t": ops.zeros(()), "t_next": ops.ones(())}
    noise = Noise()
    try:
        inputs["state"] = program.start(EXAMPLE_ROWS, Noise())
        program.call(conditions | inputs, noise)
    except ValueError as error:
        if "`seed`" not in str(error):
            raise
        # Keras takes no noise for a seed.
        expected = "must draw by `flow.observe` and `distribution.sample` alone, to be exported"
        raise refusal("sampler", expected, program.sampler) from error
    return inputs | {name: ops.zeros(shape) for name, shape in noise.shapes.items()}


def _write(model, inputs, filepath, format):
    inputs = dict(sorted(inputs.items()))
    if format == "tf_saved_model":
        signature = {name: _describe(x, name) for name, x in inputs.items()}
        write_folder_atomically(
            filepath, lambda folder: export_saved_model(model, folder, signature)
        )
        return
    names = None
    if format == "onnx":
        names = list(model(inputs))
        with tell_to_install('ONNX needs `pip install "keras-bfn[export]"`'):
            import onnxscript  # noqa: F401
    save, num_bytes = export_program(model, inputs, names)
    if names is not None and num_bytes > LARGEST_FILE:
        save(filepath, external_data=True)
        return
    with whole_file(filepath) as partial:
        save(partial)


def _describe(x, name):
    shape = (None, *x.shape[1:]) if len(x.shape) else ()
    return keras.InputSpec(keras.backend.standardize_dtype(x.dtype), shape, name=name)
