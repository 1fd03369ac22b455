"""The model: a flow and a network, trained by `fit`."""

import contextlib
import functools
import math
import threading

import keras
import numpy as np
from keras import ops

from keras_bfn import _random, losses
from keras_bfn._config import own_config
from keras_bfn._keras import build_network, call_network, in_order_of
from keras_bfn._parts import (
    check_event_shape,
    check_names,
    for_each_part,
    map_parts,
    of_any_part,
    sum_parts,
)
from keras_bfn._validation import check_choice
from keras_bfn.flows.flow import check_flow
from keras_bfn.looks import look
from keras_bfn.metrics import BitsPerDim
from keras_bfn.models import encoding, generation, inpainting, scoring, text, training
from keras_bfn.models.averaging import averaged_weights
from keras_bfn.models.conditions import (
    check_dropout,
    check_is_conditional,
    check_null_condition,
    drop_conditions,
    guide,
    replace_conditions,
)
from keras_bfn.models.data_checks import check_form, split_condition
from keras_bfn.models.export import export
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
from keras_bfn.models.presets import from_preset, save_to_preset, upload_preset
from keras_bfn.models.saving import WholeFiles
from keras_bfn.models.training import repeat
from keras_bfn.models.turns import in_turn
from keras_bfn.models.whole_steps import WholeSteps
from keras_bfn.presets import PRESETS


@keras.saving.register_keras_serializable("keras_bfn")
class BayesianFlowNetwork(WholeSteps, WholeFiles, keras.Model):
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
        null_condition: int, or an array of the shape of one condition, or a dict of these: the
            condition that means "none", which `generate` takes when it is given none. By default
            the network's attribute of that name: networks of this package have it for classes.
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
        # A function's cache, for the models in a dict Keras 3.15 would track as layers.
        self.programs = functools.lru_cache(64)(lambda kind, *arguments: kind(self, *arguments))

        inputs = symbolic_inputs(network)
        if event_shape is None and inputs is not None:
            check_names(flow, inputs["theta"], "network.input['theta']")
            event_shape = map_parts(lambda theta: theta.shape[1:-1], inputs["theta"])
        self.event_shape = None if event_shape is None else check_event_shape(flow, event_shape)
        if inputs is not None:
            check_graph(flow, self.event_shape, times, network)
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

        def network(theta):
            inputs = {"theta": theta, "t": shown}
            if takes_mask(self):
                inputs["mask"] = mask
                if mask is None:
                    inputs["mask"] = map_parts(lambda x: ops.ones(ops.shape(x)[:-1], "bool"), theta)
            if guidance_scale is not None:
                inputs = keras.tree.map_structure(lambda x: ops.concatenate([x, x]), inputs)
                told = keras.tree.map_structure(ops.convert_to_tensor, condition)
                none = replace_conditions(told, self.null_condition)
                inputs["condition"] = map_parts(lambda *x: ops.concatenate(x), told, none)
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
    export = export
    from_preset = classmethod(from_preset)
    save_to_preset = in_turn(save_to_preset)
    upload_preset = upload_preset

    def get_config(self):
        return {**own_config(self, BayesianFlowNetwork), "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**keras.saving.deserialize_keras_object(config, custom_objects))
