"""How models are written and read: files, presets, hubs, and exports for other runtimes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Literal, Self

from keras_bfn._typing import ArrayLike, DType, Parts, Path
from keras_bfn._validation import check_bool, check_path, refusal
from keras_bfn.models import averaging
from keras_bfn.models.classifier_free import ClassifierFreeGuidance
from keras_bfn.models.trainer import Trainer, in_turn
from keras_bfn.samplers import Sampler


class Presets:
    """The presets of the class, by name."""

    def __get__(self, model, cls):
        from keras_bfn.presets.registry import PRESETS

        return PRESETS


class Files(Trainer):
    """The verbs of a model that write and read it. What they need is imported when it is."""

    presets = Presets()

    @in_turn
    def load_weights(self, filepath: Path, skip_mismatch: bool = False, **kwargs) -> None:
        """As in Keras. If the file holds no averaged weights, averages begin at the loaded ones."""
        with averaging.loading(self):
            super().load_weights(filepath, skip_mismatch, **kwargs)

    @in_turn
    def save(
        self, filepath: Path, overwrite: bool = True, zipped: bool | None = None, **kwargs
    ) -> None:
        """Writes the model to a `.keras` file, as in Keras.

        The file appears under its name only when complete: a failed save keeps the previous file.

        Raises:
            ValueError: if `filepath` ends with `.h5` or `.hdf5`. Keras's old format does not hold
                the arguments of `compile` that are new here.
        """
        from keras_bfn.saving import files

        if str(filepath).endswith((".h5", ".hdf5")):
            expected = "must end with .keras (`save_weights` writes .weights.h5 files)"
            raise refusal("filepath", expected, str(filepath))
        is_whole = zipped is not False and files.is_one_file(filepath, ".keras", overwrite)
        with files.whole(filepath) if is_whole else contextlib.nullcontext(filepath) as path:
            super().save(path, overwrite, zipped, **kwargs)

    @in_turn
    def save_weights(
        self, filepath: Path, overwrite: bool = True, max_shard_size: float | None = None
    ) -> None:
        """Writes all weights to a `.weights.h5` file; a failed save keeps the previous file."""
        from keras_bfn.saving import files

        if max_shard_size is None and files.is_one_file(filepath, ".weights.h5", overwrite):
            files.write_weights(filepath, super().save_weights)
        else:
            super().save_weights(filepath, overwrite, max_shard_size)

    @in_turn
    def save_to_preset(self, folder: Path, half_precision: bool = False) -> None:
        """Writes the model to a folder, for `from_preset` on any backend.

        The folder gets `config.json`, `model.weights.h5` and `metadata.json`. The optimizer's state
        is not saved: use `model.save` for that.

        Args:
            folder: path. Created if necessary; files of the same names are replaced.
            half_precision: bool. Whether the file holds weights in float16, in half the space. They
                are loaded in the network's own dtype. The presets of this package are stored so:
                each costs within 0.1% of what it cost before.

        Raises:
            ValueError: if the model has no weights yet, or a weight is too large for float16.

        Example:

        >>> model.save_to_preset("digits_preset")
        >>> model = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
        """
        from keras_bfn.presets.folder import save_folder

        if not self.built:
            raise ValueError(
                "The model has no weights yet. Train it, or generate an example, first. "
                "Received: a model that is not built"
            )
        save_folder(self, check_path("folder", folder), half_precision)

    @classmethod
    def from_preset(cls, preset: Path, load_weights: bool = True, dtype: DType = None) -> Self:
        """Loads a model by name, from a hub, or from a folder.

        Args:
            preset: a key of `BayesianFlowNetwork.presets`; a handle of Hugging Face,
                `hf://user/repo` or `hf://user/repo@revision`; a handle of Kaggle,
                `kaggle://user/model/framework/variation`, optionally with `/version`; or the path
                of a folder written by `save_to_preset`. Downloads are cached by the hub's library
                (`huggingface_hub`, `kagglehub`), and no code in them is run.
            load_weights: bool. If false, the weights are new, and the paper's models are ready to
                be trained by the paper's recipe. If true, the authors' weights of these models are
                downloaded, which needs `huggingface_hub` and `torch`.
            dtype: the dtype policy of the network, instead of the saved one, for networks of
                `keras_bfn.networks` only. `"mixed_bfloat16"` generates in less time and memory.
                The `networks` within a `MultiPart` keep their own policies.

        Returns:
            A `BayesianFlowNetwork`. The paper's presets are compiled with the paper's optimizer; a
            folder's model is compiled if the saved one was. Networks of the paper's presets follow
            Keras's global dtype policy. The recipe's batch size and number of steps are in
            `BayesianFlowNetwork.presets[preset].recipe`.

        Raises:
            ValueError: if there is no such preset, its files are incomplete, or its network does
                not accept a dtype.
            ImportError: if a package that the download needs is not installed.

        Example:

        >>> model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
        >>> images = model.generate(16, num_steps=20, seed=0, verbose=0)

        ```python
        model = keras_bfn.BayesianFlowNetwork.from_preset("hf://user/repo@main")
        ```
        """
        from keras_bfn.presets.registry import load_preset

        return load_preset(cls, preset, load_weights, dtype)

    def upload_preset(
        self,
        uri: str,
        data: str,
        license: str,
        figures: Mapping[str, float | str] | None = None,
        samples: ArrayLike | None = None,
        folder: Path | None = None,
        private: bool = False,
    ) -> None:
        """Publishes the model on a hub: its preset, a model card (README.md), and a sample picture.

        The card describes the data, the figures, the flow and the network, how to load the model,
        and the licence. To change it, pass a `folder`, edit its files, and upload them unchanged by
        `keras_bfn.presets.upload_preset`.

        Args:
            uri: string. `hf://user/repo` or `kaggle://user/model/framework/variation`. An existing
                model of this name gets a new revision or version. Log in with the hub's library
                (`hf auth login`, `kagglehub.login()`).
            data: string. A description of the training data.
            license: string, as Hugging Face writes it: `"apache-2.0"`, `"cc-by-4.0"`, `"other"`.
                (On Kaggle it appears only in the card.)
            figures: dict from a description of each figure, with its unit, to a number; or what
                `evaluate(x, return_dict=True)` returned. None for no figures.
            samples: array of images to show, `(num, height, width, channels)`. By default, if the
                data are images, the model generates some in 50 steps, of each class if it is
                conditioned on classes.
            folder: path of a new folder, or of a preset, to write to. By default a temporary
                folder, removed after the upload.
            private: bool. As in `keras_bfn.presets.upload_preset`.

        Raises:
            ValueError: if the model has no weights yet, an argument is not of the form above, or
                the folder contains other files, which would be published, too.
            ImportError: if `huggingface_hub` or `kagglehub` is not installed, or, for a picture,
                matplotlib.

        Example:

        ```python
        model.upload_preset(
            "hf://user/digits",
            data="1,500 of scikit-learn's 8x8 digits, 17 levels.",
            license="apache-2.0",
            figures=model.evaluate(test_images, return_dict=True),
        )
        model = keras_bfn.BayesianFlowNetwork.from_preset("hf://user/digits")
        ```
        """
        from keras_bfn.presets.publishing import publish

        publish(self, uri, data, license, figures, samples, folder, private)

    def export(
        self,
        filepath: Path,
        format: Literal["tf_saved_model", "onnx", "torch", "litert", "openvino"] = "tf_saved_model",
        verbose: bool | None = None,
        *,
        sampler: str | Sampler | None = None,
        condition: Parts[ArrayLike] | None = None,
        guided: bool | ClassifierFreeGuidance = False,
    ) -> None:
        """Writes the network, or a step of a sampler, for runtimes without Python.

        | `format` | written by | read by |
        |---|---|---|
        | `"tf_saved_model"` | TensorFlow; JAX with `tensorflow` installed | `tf.saved_model.load` |
        | `"onnx"` | PyTorch 2.11 or later, with `keras-bfn[export]` | `onnxruntime` |
        | `"torch"` | PyTorch 2.11 or later | `torch.export.load` |
        | `"litert"` | TensorFlow | `ai_edge_litert.interpreter`, by its signature runner |
        | `"openvino"` | TensorFlow, or PyTorch 2.11, with `keras-bfn[export]` | `openvino` |

        A model saved by `save` loads on every backend, and can be exported there. The exported
        function takes and returns a flat dict of tensors, with any batch size. For a dict of flows,
        tensors are named by part: `state_image`, `x_image`.

        By default, it is the network, as in Keras. It takes `theta`; `t`, `(batch,)` or shaped as
        the network's own input; and `condition`, `mask`, `causal` and `t_next`, if it declares
        them. It returns `params`. With a `sampler`, it is a step, which takes

        - `t` and `t_next`, scalars: the time, and that of the next prediction. The first time is
          the sampler's `start`, 0 by default. The last is 1 (with `end="last"`, the last but one),
          with an equal `t_next`. For a sampler that jumps, the last `t_next` is 1;
        - `state`, `(batch, *event_shape, flow.embedding_size)`, the sampler's state, or `state_0`,
          `state_1` and so on. The first step ignores it, so it may be zeros;
        - noise, new in every step: `normal_0` and so on, standard normal, and `uniform_0` and so
          on, uniform on [0, 1). A deterministic sampler only uses the noise of the first step: its
          latents, divided by `sqrt(flow.gain)`;
        - for a conditional model `condition`, `(batch, ...)`, or for a dict of conditions
          `condition_name` for each;
        - if `guided`, `guidance_scale`, `(batch,)`;
        - for a model that allows missing variables `observed`, `(batch, *event_shape)`: 1 for
          observed variables, 0 for missing ones.

        It returns `next_state`, or `next_state_0` and so on; `params`, the network's output; and
        `x`, data: the mode of the output distribution, or what the sampler's `end` specifies. The
        `x` of the last step are the samples.

        Args:
            filepath: path. A folder for `"tf_saved_model"`, otherwise a file: `.onnx`, `.pt2`,
                `.tflite` or `.xml`. It appears under its name only when complete, and replaces an
                existing file or SavedModel. (OpenVINO stores weights in a second file next to it,
                `.bin`; ONNX if they have more than 1 GB.)
            format: string, one of the table.
            verbose: bool or None. Whether to print where the file is, and the names of its inputs.
            sampler: as in `generate`, or None for the network. Its temperature, start and end are
                part of the step.
            condition: for a conditional network that is not functional and has no null condition,
                an example: an array of shape `(num, ...)`, or a dict of such.
            guided: bool, or a `keras_bfn.guidance.ClassifierFreeGuidance`. Whether the step takes a
                `guidance_scale`, and calls the network on a batch of twice the size. Of an object,
                the rule is exported, such as its `rescale`; its scale is not.

        Raises:
            ValueError: if an argument is invalid, the backend does not write the format, which may
                lack an operation of the model, the sampler uses noise of another kind, or the model
                has no event shape yet.
            ImportError: if a package that the format needs is not installed, or too old.

        Example, on PyTorch. The code from `session` on only needs onnxruntime and numpy. `given` is
        a dict of all inputs but the times, the state and the noise: `{}`, or for classes
        `{"condition": np.zeros(num_samples, "int32")}`:

        ```python
        model.export("step.onnx", format="onnx", sampler="sde2")

        session = onnxruntime.InferenceSession("step.onnx")
        names = [output.name for output in session.get_outputs()]
        shapes = {i.name: i.shape for i in session.get_inputs()}
        shapes = {name: [num_samples, *s[1:]] if s else [] for name, s in shapes.items()}
        feed = {name: np.zeros(shape, "float32") for name, shape in shapes.items()} | given
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
            states = {name: x for name, x in outputs.items() if name.startswith("next_")}
            feed |= {name.removeprefix("next_"): x for name, x in states.items()}
        samples = outputs["x"]
        ```
        """
        from keras_bfn.models import exported
        from keras_bfn.saving import export

        is_said = check_bool("verbose", False if verbose is None else verbose)
        filepath = export.check_target(filepath, format)
        function, inputs = exported.make_function(self, sampler, condition, guided)
        export.export(self, function, inputs, filepath, format)
        if is_said:
            print(f"Saved {format} at '{filepath}', with the inputs {sorted(inputs)}")
