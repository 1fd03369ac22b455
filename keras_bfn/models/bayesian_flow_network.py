"""The model: a flow and a network, trained by `fit`."""

import contextlib
import math
import threading

import keras
import numpy as np
from keras import ops

from keras_bfn import _random, losses
from keras_bfn._config import own_config
from keras_bfn._interrupts import WholeSteps, in_turn
from keras_bfn._keras import build_network, call_network, in_order_of
from keras_bfn._parts import (
    check_event_shape,
    check_names,
    for_each_part,
    map_parts,
    of_any_part,
    sum_parts,
)
from keras_bfn._validation import check_choice, check_path
from keras_bfn.flows.flow import check_flow
from keras_bfn.looks import look
from keras_bfn.metrics import BitsPerDim
from keras_bfn.models import encoding, generation, inpainting, scoring, text, training
from keras_bfn.models.averaging import averaged_weights
from keras_bfn.models.conditions import (
    cast_conditions,
    check_dropout,
    check_is_conditional,
    check_null_condition,
    drop_conditions,
    guide,
    replace_conditions,
)
from keras_bfn.models.data_checks import check_form, split_condition
from keras_bfn.models.exported import make_function
from keras_bfn.models.layouts import lay_out_kernels
from keras_bfn.models.missing import split_missing
from keras_bfn.models.network_checks import (
    check_allow_missing,
    check_graph,
    check_network,
    check_outputs,
    make_symbolic_inputs,
    symbolic_inputs,
    takes_mask,
)
from keras_bfn.models.part_times import check_times, draw_times
from keras_bfn.models.programs import Programs
from keras_bfn.models.training import repeat
from keras_bfn.presets import PRESETS
from keras_bfn.presets.folder import save_folder
from keras_bfn.presets.loading import load_preset
from keras_bfn.presets.publishing import publish
from keras_bfn.saving import export, files


@keras.saving.register_keras_serializable("keras_bfn")
class BayesianFlowNetwork(WholeSteps, keras.Model):
    """A Bayesian flow network: trains with `fit`, scores data, generates.

    `fit` minimises the nats per variable that it costs to send the data. `evaluate` and validation
    report `loss` (that cost), `reconstruction` (the cost of the data once all messages have come,
    nats per variable), `bits_per_dim` (the sum of both in bits) and `nats_per_example` (the sum for
    all variables).

    Data of several kinds are a dict, and `flow` is a dict of flows with the same names. All that is
    per variable then is such a dict: data, evidence, theta, the network's output, samples, masks.
    Costs add up, each part's in nats; `evaluate` tells `<name>_nats_per_example` of each.

    A call that fails or is interrupted leaves what the last whole step left. Threads take turns.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`, or a dict from names of parts to flows.
        network: a Keras model or layer that takes a dict of `"theta"`, the input distribution's
            parameters, `(batch, *event_shape, flow.theta_size)`; `"t"`, the time, `(batch,)`; if it
            is conditional, `"condition"`, `(batch, ...)`; and, if it is told which variables are
            there, `"mask"`, bool, `(batch, *event_shape)`. It returns the output distribution's
            parameters, `(batch, *event_shape, flow.output_size)`. For a dict of flows, `"theta"`,
            `"mask"` and what it returns are dicts.
        event_shape: the shape of one example, such as `(28, 28, 1)`, or a dict of shapes; `()` for
            one variable. By default read off the network's own input, or, if it has none, off the
            first data.
        condition_dropout: float in [0, 1). In training, each condition is replaced by its
            `null_condition` with this probability, so that `generate` can be guided. Of a dict of
            conditions all are, together; with a dict of floats, each by itself.
        null_condition: number, or an array of the shape of one condition, or a dict of these: the
            condition that means "none", which `generate` takes when it is given none. By default
            the network's attribute of that name: networks of this package have it for classes.
            Conditions are converted to the dtype of the network's own input, or, if it declares
            none, to that of their null condition: int32 or float32.
        times: `"shared"` or `"parts"`. With `"parts"`, for a dict of flows, `"t"` is a dict of the
            parts' times, and the network learns to take some parts as known: `code_length` and
            `generate` then take `given=`. In training, half of the examples have one time for all
            parts. In the other half, each part has its own, and each but one, chosen at random, is
            with probability 1/2 known: at t = 1, and not part of the loss.
        allow_missing: bool. Whether variables of the data may be missing: -1 in integers, NaN in
            numbers. Bob hears nothing of them, and they cost nothing. By default, if the network
            takes a `"mask"`.
        tokenizer: what turns text into the data and back, such as `keras_bfn.datasets.Letters()`,
            or None; for a dict of flows, a dict of those of the parts that are text. It is saved
            with the model; `generate_text` and `continue_text` use it.
        seed: int or None. The model's noise and times repeat for the same seed on the same backend.
        **kwargs: `name`, as of every Keras model.

    Call arguments:
        inputs: data of shape `(batch, *event_shape)`, or a dict of the parts' data; or the tuple of
            that and a condition.
        training: bool. In training, one look at a random time; else also one at t = 1.

    Returns:
        A dict from `"transmission"` (and `"reconstruction"`) to a `keras_bfn.Look`, or a dict of
        the parts' looks.

    Raises:
        ValueError: if the network's output does not have `flow.output_size` numbers per variable,
            the data do not suit the flow, or an argument is out of its range.

    Example:

    ```python
    flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
    network = keras_bfn.networks.MLP(flow, event_shape=(8,), width=32)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(optimizer="adamw")
    model.fit(np.random.randint(0, 2, (64, 8)), epochs=2)
    model.generate(4, num_steps=10)
    ```

    Reference: [Graves et al., 2023](https://arxiv.org/abs/2308.07037).
    """

    presets = PRESETS

    def __init__(
        self,
        flow,
        network,
        event_shape=None,
        condition_dropout=0.0,
        null_condition=None,
        times="shared",
        allow_missing=None,
        tokenizer=None,
        seed=None,
        **kwargs,
    ):
        check_flow(flow)
        check_network(network)
        # The evidence, times and losses are float32 under every policy; the network has its own.
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.flow = flow
        self.network = network
        self.null_condition = check_null_condition(null_condition, network)
        self.condition_dropout = check_dropout(condition_dropout, self.null_condition)
        self.allow_missing = check_allow_missing(allow_missing, network)
        self.tokenizer = text.check_model_tokenizer(flow, tokenizer)
        self.times = check_times(flow, check_choice("times", times, ("shared", "parts")))
        self.seed = seed
        self.seed_generator = _random.make_seed_generator(seed)
        self.transmission_loss = losses.get(None)
        self.reconstruction_loss = losses.ReconstructionLoss()
        self.loss_weights = None
        self.num_repeats = 1
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.bits_per_dim_tracker = BitsPerDim()
        self.nats_per_example_tracker = keras.metrics.Mean(name="nats_per_example")
        self.part_trackers = {
            name: keras.metrics.Mean(name=f"{name}_nats_per_example")
            for name in (flow if isinstance(flow, dict) else ())
        }
        self.loss_tracker = keras.metrics.Mean(name="evaluated_loss")
        self._mean = training.WeightedMean()
        self.turn = threading.RLock()
        self.programs = Programs(self)  # no dict, whose models Keras 3.15 would track as layers

        inputs = symbolic_inputs(network)
        if event_shape is None and inputs is not None:
            check_names(flow, inputs["theta"], "network.input['theta']")
            event_shape = map_parts(lambda theta: theta.shape[1:-1], inputs["theta"])
        self.event_shape = None if event_shape is None else check_event_shape(flow, event_shape)
        if inputs is not None:
            check_graph(flow, self.event_shape, times, network)
            lay_out_kernels(network)
            self.built = True

    @property
    def conditional(self):
        """Whether the network takes a condition; None if it does not tell."""
        inputs = symbolic_inputs(self.network)
        return None if inputs is None else "condition" in inputs

    @property
    def num_variables(self):
        """How many variables an example has, those of all parts."""
        return sum_parts(map_parts(math.prod, self.event_shape))

    def build(self, input_shape):
        """Creates the weights of a network that is not built, and checks what it returns."""
        conditional = isinstance(input_shape, (tuple, list)) and isinstance(
            input_shape[0], (tuple, list, dict)
        )
        data_shape, condition_shape = input_shape if conditional else (input_shape, None)
        if self.event_shape is None:
            event_shape = map_parts(lambda shape: shape[1:], data_shape)
            self.event_shape = check_event_shape(self.flow, event_shape)
        inputs = make_symbolic_inputs(
            self.flow, self.event_shape, condition_shape, self.times, self.allow_missing
        )
        check_outputs(self.flow, self.event_shape, build_network(self.network, inputs))
        lay_out_kernels(self.network)

    def build_for(self, shape, condition=None):
        """Builds the model for data of this shape, or of the parts' shapes, if it is not built yet.

        `fit` of Keras 3.15 would build it in an epoch of its own, which a `PyDataset` would count.
        """
        if self.built:
            return
        # TensorFlow distributes the variables that are made in the scope of its strategy.
        strategy = getattr(self, "distribute_strategy", None)
        with contextlib.nullcontext() if strategy is None else strategy.scope():
            self.build(shape if condition is None else (shape, map_parts(np.shape, condition)))
        self.built = True

    def make_train_function(self, force=False):
        super().make_train_function(force or self.programs.is_stale("train"))

    def make_test_function(self, force=False):
        super().make_test_function(force or self.programs.is_stale("test"))

    def make_predict_function(self, force=False):
        super().make_predict_function(force or self.programs.is_stale("predict"))

    compile = training.compile
    get_compile_config = training.get_compile_config
    compile_from_config = training.compile_from_config
    fit = in_turn(training.fit)
    evaluate = in_turn(training.evaluate)
    train_on_batch = in_turn(training.train_on_batch)
    test_on_batch = in_turn(training.test_on_batch)
    compute_loss = training.compute_loss
    compute_metrics = training.compute_metrics
    get_metrics_result = training.get_metrics_result
    averaged_weights = averaged_weights
    quantize = training.quantize

    def call(self, inputs, training=False):
        x, condition = split_condition(inputs)
        check_form(self.flow, self.event_shape, x)
        check_is_conditional(self, condition is not None)
        if condition is not None:
            condition = cast_conditions(self, condition)
        if training and self.condition_dropout and condition is not None:
            rates, seed = self.condition_dropout, self.seed_generator
            condition = drop_conditions(condition, self.null_condition, rates, seed)
        looks = {"transmission": self.transmission_loss}
        batch_size, num_repeats = ops.shape(of_any_part(x))[0], 1
        if not training:
            looks["reconstruction"] = self.reconstruction_loss
            num_repeats = self.num_repeats
            x, condition = repeat((x, condition), num_repeats)
        return {
            name: self.look_at(
                x,
                draw_times(self, loss, batch_size, training, num_repeats),
                condition,
                training,
            )
            for name, loss in looks.items()
        }

    def look_at(self, x, t, condition=None, training=False):
        """Draws evidence about data, and shows it to the network. As `look`, with `x` for `s`."""
        x, mask = split_missing(self, x)
        return self.look(self.sample_evidence(x, t), t, condition, training, mask=mask)

    def sample_evidence(self, x, t):
        """Draws evidence about data at time `t`, `(batch,)`, or a dict of the parts' times."""
        t, seed = for_each_part(self.flow, t), self.seed_generator
        return map_parts(lambda flow, x, t: flow.sample_evidence(x, t, seed), self.flow, x, t)

    def look(
        self,
        s,
        t,
        condition=None,
        training=False,
        guidance_scale=None,
        guidance_rescale=None,
        mask=None,
    ):
        """Shows evidence to the network.

        Args:
            s: evidence, `(batch, *event_shape, flow.embedding_size)`, or a dict of the parts'.
            t: time, `(batch,)`, or, with `times="parts"`, a dict of the parts' times.
            condition: `(batch, ...)`, a dict of such, or None.
            training: bool.
            guidance_scale: `(batch,)`, or None. The output without a condition, plus so many times
                what the condition changes in it: one call of the network, on a batch of twice the
                size.
            guidance_rescale: `(batch,)`, or None: from 0 to 1, how much of the way back the guided
                output is scaled to the standard deviation, over all variables of an example, that
                it has for the condition without guidance.
            mask: which variables are there, `(batch, *event_shape)`, or a dict of the parts'. By
                default all are.

        Returns:
            A `keras_bfn.Look`, or a dict of the parts' looks.
        """
        s, t = (
            map_parts(lambda x: ops.convert_to_tensor(x, dtype="float32"), values)
            for values in (s, for_each_part(self.flow, t))
        )
        shown = t if self.times == "parts" else of_any_part(t)

        if condition is not None:
            condition = cast_conditions(self, condition)

        def network(theta):
            inputs = {"theta": theta, "t": shown}
            if takes_mask(self):
                inputs["mask"] = mask
                if mask is None:
                    inputs["mask"] = map_parts(lambda x: ops.ones(ops.shape(x)[:-1], "bool"), theta)
            if guidance_scale is not None:
                inputs = keras.tree.map_structure(lambda x: ops.concatenate([x, x]), inputs)
                none = replace_conditions(condition, self.null_condition)
                inputs["condition"] = map_parts(lambda *x: ops.concatenate(x), condition, none)
            elif condition is not None:
                inputs["condition"] = condition
            inputs = in_order_of(symbolic_inputs(self.network), inputs)
            params = call_network(self.network, inputs, training)
            if guidance_scale is not None:
                params = keras.tree.map_structure(
                    lambda both: guide(both, guidance_scale, guidance_rescale), params
                )
            return params

        if mask is not None:
            mask = map_parts(lambda mask: ops.cast(mask, "bool"), mask)
        return look(self.flow, network, s, t, mask)

    code_length = in_turn(scoring.code_length)
    loss_by_time = in_turn(scoring.loss_by_time)
    generate = in_turn(generation.generate)
    encode = in_turn(encoding.encode)
    inpaint = in_turn(inpainting.inpaint)
    generate_text = text.generate_text
    continue_text = text.continue_text

    @in_turn
    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Writes the model to a `.keras` file, as in Keras.

        The file gets its name when it is complete: a save that fails leaves the one before it.
        """
        is_whole = zipped is not False and files.is_one_file(filepath, ".keras", overwrite)
        with files.whole(filepath) if is_whole else contextlib.nullcontext(filepath) as path:
            super().save(path, overwrite, zipped, **kwargs)

    @in_turn
    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Writes all weights to a `.weights.h5` file, as in Keras; else as `save`."""
        if max_shard_size is None and files.is_one_file(filepath, ".weights.h5", overwrite):
            files.write_weights(filepath, super().save_weights)
        else:
            super().save_weights(filepath, overwrite, max_shard_size)

    @in_turn
    def save_to_preset(self, folder):
        """Writes the model to a folder, for `from_preset` on any backend.

        The folder gets `config.json`, `model.weights.h5` and `metadata.json`. The optimizer's state
        is not kept: `model.save` does that.

        Args:
            folder: path. Made if need be; files of the same names are replaced.

        Raises:
            ValueError: if the model has no weights yet.

        Example:

        >>> model.save_to_preset("digits_preset")
        >>> model = keras_bfn.BayesianFlowNetwork.from_preset("digits_preset")
        """
        if not self.built:
            raise ValueError(
                "The model has no weights yet: give its constructor an `event_shape`, or train "
                "first. Received: a model that is not built"
            )
        save_folder(self, check_path("folder", folder))

    @classmethod
    def from_preset(cls, preset, load_weights=True, dtype=None):
        """A model by name, from a hub, or from a folder.

        Args:
            preset: a key of `BayesianFlowNetwork.presets`; a handle, `hf://user/repo`, or that with
                `@revision`, of Hugging Face, or `kaggle://user/model/framework/variation`, or that
                with `/version`, of Kaggle; or the path of a folder written by `save_to_preset`.
                What a hub sends is kept by its library (`huggingface_hub`, `kagglehub`), and no
                code in it runs.
            load_weights: bool. Without, the weights are new: for the paper's models, ready to be
                trained by the paper's recipe. With, those of its authors are downloaded, which
                needs `huggingface_hub` and `torch`.
            dtype: the dtype policy of the network, in the place of that it was saved with; of a
                network of `keras_bfn.networks` alone. In `"mixed_bfloat16"` it generates in less
                time and memory.

        Returns:
            A `BayesianFlowNetwork`. The paper's presets are compiled with the paper's optimizer; a
            folder's model is compiled if the saved one was. Networks of the paper's presets follow
            Keras's global dtype policy. The recipe's batch size and number of steps are in
            `BayesianFlowNetwork.presets[preset].recipe`.

        Raises:
            ValueError: if there is no such preset, its files are not complete, or its network
                cannot be given a dtype.
            ImportError: if a package that the download needs is not installed.

        Example:

        >>> model = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
        >>> images = model.generate(16, num_steps=20, seed=0, verbose=0)

        ```python
        model = keras_bfn.BayesianFlowNetwork.from_preset("hf://user/repo@main")
        ```
        """
        return load_preset(cls, preset, load_weights, dtype)

    def upload_preset(
        self, uri, data, license, figures=None, samples=None, folder=None, private=False
    ):
        """Publishes the model on a hub: its preset, a card README.md, and a picture of samples.

        The card has the data, the figures, the flow and the network, how to load the model, and the
        licence. To change it, give a `folder`, edit what is there, and upload that as it is by
        `keras_bfn.presets.upload_preset`.

        Args:
            uri: string. `hf://user/repo` or `kaggle://user/model/framework/variation`. A model of
                this name gets another revision or version. The hub's library knows who you are
                (`hf auth login`, `kagglehub.login()`).
            data: string. What the model was trained on, in words.
            license: string, as Hugging Face writes it: `"apache-2.0"`, `"cc-by-4.0"`, `"other"`.
                (On Kaggle it is in the card alone.)
            figures: dict from what was measured, and its unit, to a number; or what
                `evaluate(x, return_dict=True)` returned. None for no figures.
            samples: array of images to show, `(num, height, width, channels)`. By default, if the
                data are images, the model draws some in 50 steps, of each class if it knows
                classes.
            folder: path of a new folder, or of a preset, to write to. By default one that is
                removed when it is uploaded.
            private: bool. As in `keras_bfn.presets.upload_preset`.

        Raises:
            ValueError: if the model has no weights yet, an argument is not of the form above, or
                other files are in the folder: they would be published, too.
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
        publish(self, uri, data, license, figures, samples, folder, private)

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
        """Writes a step of a sampler, or the network, for runtimes without Python.

        | `format` | written by | read by |
        |---|---|---|
        | `"tf_saved_model"` | TensorFlow; JAX with `tensorflow` installed | `tf.saved_model.load` |
        | `"onnx"` | PyTorch, with `pip install "keras-bfn[export]"` | `onnxruntime` |
        | `"torch"` | PyTorch | `torch.export.load` |

        A model that was saved by `save` loads under each backend, and can be exported there. What
        is exported is a function of a flat dict of tensors, and returns one; the batch may have any
        size. The parts of a dict of flows are told apart by their names: `state_image`, `x_image`.

        A step takes

        - `t` and `t_next`, scalars: the time, and that of the next look. Let the first be the
          sampler's `start`, 0 by default, and the last 1 (with `end="last"`, the last but one),
          where `t_next` is the same;
        - `state`, `(batch, *event_shape, flow.embedding_size)`, what the sampler carries, or
          `state_0`, `state_1` and so on. At the first step it is not used, and may be zeros;
        - its noise, new numbers in every step: `normal_0` and so on, standard normal, and
          `uniform_0` and so on, from [0, 1). A deterministic sampler uses the noise of the first
          step alone: its latents, divided by `sqrt(flow.gain)`;
        - of a conditional model `condition`, `(batch, ...)`, or `condition_name` for each of a
          dict;
        - if it is `guided`, `guidance_scale`, `(batch,)`;
        - of a model that allows missing variables `there`, `(batch, *event_shape)`: 1 for those
          that are there, else 0.

        It returns `next_state`, or `next_state_0` and so on; `params`, what the network returned;
        and `x`, data: the mode of what it expects, or what else the sampler has for an `end`. The
        `x` of the last step are the samples.

        A network takes `theta` and `t`, `(batch,)`, `condition` and `mask`, and returns `params`.

        Args:
            filepath: path. A folder for `"tf_saved_model"`, else a file: `.onnx`, or `.pt2`. It
                gets its name when it is complete, and takes the place of a file or of a SavedModel
                that is there. (Of more than 1 GB of weights, ONNX puts those into a second file
                beside it.)
            format: string, one of the table.
            what: `"step"` or `"network"`.
            sampler: as in `generate`. Its temperature, start and end are part of the step.
            condition: for a conditional network that is not functional and has no null condition,
                an example: an array of shape `(num, ...)`, or a dict of such.
            guided: bool. Whether the step takes a `guidance_scale`, and calls the network on a
                batch of twice the size.

        Raises:
            ValueError: if an argument is none of these, the backend does not write the format, the
                sampler draws other noise, or the model has no event shape yet.
            ImportError: if a package that the format needs is not installed.

        Example, on PyTorch. From `session` on it needs onnxruntime and numpy alone:

        ```python
        model.export("step.onnx", format="onnx", sampler="sde2")

        session = onnxruntime.InferenceSession("step.onnx")
        names = [output.name for output in session.get_outputs()]
        shapes = {i.name: i.shape for i in session.get_inputs()}
        shapes = {name: [num_samples, *s[1:]] if s else [] for name, s in shapes.items()}
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
            states = {name: x for name, x in outputs.items() if name.startswith("next_")}
            feed |= {name.removeprefix("next_"): x for name, x in states.items()}
        samples = outputs["x"]
        ```
        """
        filepath = export.check_target(filepath, format)
        function, inputs = make_function(self, what, sampler, condition, guided)
        export.export(self, function, inputs, filepath, format)

    def get_config(self):
        return {**own_config(self, BayesianFlowNetwork), "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**keras.saving.deserialize_keras_object(config, custom_objects))
