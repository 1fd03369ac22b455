"""Wrong calls of the model's methods."""

import pathlib

import keras
import numpy as np
from keras import ops

from keras_bfn import (
    AnyOrderNetwork,
    BayesianFlowNetwork,
    callbacks,
    datasets,
    flows,
    guidance,
    networks,
    orders,
    samplers,
)
from tests.models.small import ConditionNetwork, make_model
from tests.wrong.things import (
    BYTES,
    CONTINUOUS,
    FLOW,
    HUGE,
    LETTERS,
    MANY,
    PARTS,
    SHAPE,
    X_CONTINUOUS,
    X_LETTERS,
    X_MANY,
    X_PARTS,
    X,
    by_expected,
    inf,
    keep,
    nan,
    total,
)

SWAP = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
BATCHES = datasets.Batches(X, lambda rows, rng: rows, batch_size=1)
IS_TORCH = keras.backend.backend() == "torch"
STEP = ("step.onnx", "onnx") if IS_TORCH else ("step", "tf_saved_model")  # what can be written


class TakesTwo(keras.layers.Layer):
    def call(self, theta, t):
        return theta


WRONG_HANDLES = [
    "hf://",
    "hf://model",
    "hf://user/repo/file",
    "hf://user/repo@",
    "hf://../repo",
    "kaggle://user/model",
    "kaggle://user/model/keras/small/newest",
]


def takes_time_and_theta():
    inputs = {"theta": keras.Input((4, 1), name="theta"), "time": keras.Input((), name="time")}
    return keras.Model(inputs, keras.layers.Dense(1)(inputs["theta"]))


def make_zoomed(**options):
    """Makes a model with two conditions."""
    network = networks.MLP(MANY, SHAPE, 8, 1, conditions={"zoom": (3,), "label": 5})
    return BayesianFlowNetwork(MANY, network, **options)


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "allow_missing": {
        "True, False or None, and not False for a network": [
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, allow_missing=2)
        ],
        "must be True, False or None, and not False for a network that takes a": [
            lambda t: BayesianFlowNetwork(
                MANY, networks.Transformer(MANY, (4,), 8, 1, 1, masked=True), allow_missing=False
            )
        ],
    },
    "batch_size": {
        "integer of at least 1": [
            lambda t: t.model.fit(X, batch_size=0),
            lambda t: t.model.encode(X, batch_size=0),
        ],
        "integer of at least 1 and at most": [lambda t: t.model.fit(X, batch_size=HUGE)],
    },
    "built": {
        "The model has no weights yet. Train it, or generate": [
            (lambda t: t.unbuilt.save_to_preset("a"), "a model that is not built")
        ]
    },
    "callbacks": {
        "list of Keras callbacks": [lambda t: t.model.fit(X, callbacks=3)],
        "`SwapEMAWeights(swap_on_epoch=True)` after this one": [
            lambda t: t.model.fit(X, callbacks=[SWAP, callbacks.Resume("runs")])
        ],
    },
    "class_weight": {
        "None, because there are no targets: use": [lambda t: t.model.fit(X, class_weight={0: 1})]
    },
    "colour": {
        "Unrecognized keyword arguments passed to": [
            (lambda t: BayesianFlowNetwork(FLOW, t.model.network, colour=1), "")
        ],
        "is not an argument of `compile`": [lambda t: t.model.compile(colour=3)],
        "got an unexpected keyword argument 'colour'": [
            (lambda t: t.model.fit(X, colour=1), "", TypeError)
        ],
        "keyword argument 'colour'. The arguments are num_samples, num_steps, sampler, ": [
            (lambda t: t.model.generate(1, colour=1), "", TypeError)
        ],
        "`generate_text` passes further arguments to": [
            (lambda t: t.texts.generate_text(1, colour=1), "", TypeError)
        ],
    },
    "compile": {
        "You must call `compile()` before `fit()`, such as `model.compile('adamw')`": [
            (lambda t: make_model(FLOW, compiled=False).fit(X), "")
        ],
        "You must call `compile()` before `evaluate()`": [
            (lambda t: make_model(FLOW, compiled=False).evaluate(X), "")
        ],
    },
    "condition": {
        "The network takes no condition": [
            (lambda t: t.model.encode(X, condition=[1]), "a condition in `condition`")
        ],
        "integer conditions of shape (batch,) in 0..3,": [
            (
                lambda t: t.conditional.generate(2, 2, condition=[0, 7]),
                "conditions of shape (2,), dtype int64,",
            )
        ],
        "one condition for each of 2 examples": [
            (lambda t: t.conditional.generate(2, 2, condition=[0]), "conditions of shape (1,)")
        ],
        "numerical conditions": [
            (
                lambda t: t.conditional.generate(2, 2, condition=["a", "b"]),
                "an array of dtype <U1. To number labels,",
            )
        ],
        "must match the conditions of the network: one array": [
            (
                lambda t: t.conditional.generate(2, 2, condition={"a": [0, 1]}),
                "a dict with the keys ['a']",
            )
        ],
        "array, with rows of equal length": [
            lambda t: t.conditional.generate(2, 2, condition=[[0, 1], [1]])
        ],
        "integer conditions of shape (batch,) in 0..3, where": [
            (
                lambda t: t.conditional.generate(4, condition=np.zeros((4, 1), "int32")),
                "conditions of shape (4, 1), dtype int32. Write `.argmax(axis=-1)` after one-hot",
            )
        ],
    },
    "condition_dropout": {
        "number in [0, 1)": [
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, condition_dropout=1),
            (
                lambda t: make_zoomed(condition_dropout={"label": 1.0}),
                "condition_dropout['label']=1.0",
            ),
        ],
        "0 without a `null_condition`": [
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, condition_dropout={"a": 0.5})
        ],
    },
    "data": {
        "as many batches as an epoch of `fit` has steps": [
            (
                lambda t: t.model.fit(
                    BATCHES, steps_per_epoch=1, callbacks=[callbacks.Resume("runs", data=BATCHES)]
                ),
                f"{len(X)} batches, and 1 steps",
            )
        ],
        "description of the training data": [
            lambda t: t.model.upload_preset("hf://user/repo", None, "mit"),
            lambda t: t.model.upload_preset("hf://a/b", "", "mit"),
        ],
    },
    "dtype": {
        "None for a network that is not in": [
            lambda t: BayesianFlowNetwork.from_preset(t.preset, dtype="mixed_bfloat16")
        ]
    },
    "epochs": {"integer of at least 0": [lambda t: t.model.fit(X, epochs=-1)]},
    "event_shape": {
        "tuple of integers of at least 1": [
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape=8)
        ],
        "must take 'theta' as a tensor of shape (None, 2, 2": [
            (
                lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape=(2, 2)),
                "a network with shape (None, 4, 4, 1, 1)",
            )
        ],
        "must not be a dict, because the flow is": [
            (
                lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape={"a": (2,)}),
                "a dict with the keys ['a']",
            )
        ],
        "(height, width) or (height, width, channels),": [
            lambda t: (
                t.texts.compile()
                or t.texts.fit(
                    np.zeros((2, 12), int), callbacks=[callbacks.SampleImages("a")], verbose=0
                )
            )
        ],
        "(length,) for text": [
            lambda t: BayesianFlowNetwork(
                FLOW, t.model.network, tokenizer=datasets.Letters("ab")
            ).generate_text(1)
        ],
    },
    "figures": {
        "dict from names of metrics, with their units,": [
            lambda t: t.model.upload_preset("hf://user/repo", "Noise.", "mit", 3)
        ],
        "finite number": [
            (
                lambda t: t.model.upload_preset("hf://a/b", "a", "mit", {"a": HUGE}),
                "figures['a']=100000000000000000000000000",
            )
        ],
    },
    "filepath": {
        "must be a path": [lambda t: t.model.export(3)],
        "Invalid filepath extension for saving. Please": [lambda t: t.model.save(3)],
        "must end with .keras (`save_weights`": [
            (lambda t: t.model.save("a.h5"), "'a.h5'"),
            (lambda t: t.model.save(pathlib.Path("a.hdf5")), "'a.hdf5'"),
        ],
        "The filename must end in `.weights.h5`": [
            lambda t: t.model.save_weights("a.txt"),
            lambda t: t.model.save_weights(None),
        ],
    },
    "flow": {
        "non-empty strings as part names, other than": [
            (
                lambda t: BayesianFlowNetwork({"config": FLOW}, t.model.network),
                "a part named 'config'",
            )
        ]
    },
    "half_precision": {"True or False": [lambda t: t.model.save_to_preset(t.folder / "a", 1)]},
    "folder": {
        "must be a path": [
            lambda t: t.model.upload_preset("hf://user/repo", "Noise.", "mit", folder=3),
            lambda t: t.model.save_to_preset(3),
        ],
        "new folder, or contain only a preset: all its files": [
            (
                lambda t: t.model.upload_preset(
                    "hf://user/model", "Noise.", "mit", folder=t.pictures("keys.png")
                ),
                "['keys.png']",
            )
        ],
    },
    "format": {
        "one of ['tf_saved_model', 'onnx',": [lambda t: t.model.export("a", 3)],
        "must be 'onnx' for a .onnx file": [(lambda t: t.model.export("a.onnx"), "tf_saved_model")],
    },
    "given": {
        "must not be a dict, because the flow is": [
            (
                lambda t: t.ordered.generate(4, 2, given={"a": X_LETTERS}),
                "a dict with the keys ['a']",
            )
        ],
        "must have shape": [
            (lambda t: t.ordered.generate(4, 2, given=X_LETTERS[:, :2]), "shape (4, 2)")
        ],
        "integers for DiscreteFlow(num_classes=5,": [
            (lambda t: t.ordered.generate(4, 2, given=X_LETTERS + 0.5), "dtype float64")
        ],
        "tokens of `model.tokenizer.encode`, and -1 for": [
            lambda t: t.ordered_texts.generate_text(2, given="call")
        ],
    },
    "guidance": {
        "function that returns one log": [
            (lambda t: t.model.generate(1, guidance=len), "a int"),
            (lambda t: t.model.generate(1, 2, guidance=lambda p: p), "shape (4, 4, 4, 1, 2)"),
        ],
        "`a` for each of 1 samples": [
            (
                lambda t: t.model.generate(
                    1, 2, guidance=guidance.Guidance(total, {"a": np.ones(3)})
                ),
                "a of shape (3,)",
            )
        ],
        "finite and have a finite gradient": [
            (
                lambda t: t.model.generate(
                    2, 2, guidance=lambda p: ops.sum(p, axis=(1, 2, 3, 4)) * nan, verbose=0
                ),
                "NaN or infinity for 2 of 2 samples,",
            )
        ],
        "constant scale and interval=(0, 1) with several": [
            (
                lambda t: t.model.generate(
                    2, 2, guidance=guidance.Guidance(total, scale=lambda t: t), num_particles=2
                ),
                "scale=",
            ),
            (
                lambda t: t.model.generate(
                    2,
                    2,
                    guidance=guidance.Guidance(total, interval=(0.0, 0.5)),
                    num_particles=1,
                    return_details=True,
                ),
                "scale=1.0, interval=(0.0, 0.5)",
            ),
        ],
        "`weights` for each of 2 samples": [
            (
                lambda t: t.model.generate(
                    2, 2, guidance=guidance.Guidance(total, {"weights": np.ones((5, 3))})
                ),
                "weights of shape (5, 3)",
            )
        ],
        "must not be given with order=Random() (generate": [
            lambda t: t.ordered.generate(4, 2, order="random", guidance=total)
        ],
    },
    "guidance_scale": {
        "finite number, at most 1e+30 in magnitude, or a": [
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale=1e300)
        ],
        "must return a finite number for each time in": [
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale=lambda t: nan)
        ],
        "array of numbers": [
            (
                lambda t: t.conditional.generate(
                    2, 2, condition=[0, 1], guidance_scale=lambda t: "a"
                ),
                "a list",
            )
        ],
        "1 unless there are a condition and a null": [
            lambda t: t.model.generate(1, 2, guidance_scale=2.0)
        ],
    },
    "guided": {
        "False without a sampler, and for a model without": [
            lambda t: t.model.export(*STEP, sampler="sde2", guided="x")
        ]
    },
    "initial_epoch": {"integer of at least 0": [lambda t: t.model.fit(X, initial_epoch=-1)]},
    "jit_compile": {"'auto', True or False": [lambda t: t.model.compile(jit_compile=3)]},
    "known": {
        "must name some of ['a', 'b'], or be a dict of their": [
            lambda t: t.parts.code_length(X_PARTS, known=[[]])
        ],
        "mask unless the flow is a dict": [lambda t: t.ordered.code_length(X_LETTERS, known="a")],
        "array, with rows of equal length": [lambda t: t.model.inpaint(X, [[True], [True, False]])],
        "false where `x` is missing (NaN or, for integers,": [
            (lambda t: t.model.inpaint(-np.ones_like(X), True), "true for 384 missing values")
        ],
        "`continue_text` passes further arguments to": [
            (lambda t: t.texts.continue_text("a", known=np.ones(12, bool)), "known=", TypeError)
        ],
    },
    "latents": {
        "array of numbers": [(lambda t: t.model.generate(1, sampler="ode1", latents="a"), "a str")],
        "must not be a dict, because the flow is": [
            (
                lambda t: t.model.generate(1, sampler="ode1", latents={"a": 1}),
                "a dict with the keys ['a']",
            )
        ],
        "deterministic, such as 'ode1' or": [
            (
                lambda t: t.model.generate(1, 2, "ancestral", latents=np.zeros(3)),
                "sampler=AncestralSampler(temperature=1.0",
            )
        ],
        "finite and have shape (1, 4, 4, 1,": [
            (
                lambda t: t.model.generate(1, 2, "ode1", latents=np.zeros((2, 4, 4, 1, 2))),
                "shape (2, 4, 4, 1, 2)",
            )
        ],
        "must not be given with order=Random()": [
            lambda t: t.ordered.generate(
                4, 2, order="random", sampler="ode1", latents=np.zeros((4, 3, 5))
            )
        ],
    },
    "length": {"integer of at least 1": [lambda t: t.texts.continue_text("a", length=0)]},
    "lengths": {
        "at least those of the prompts, [3] tokens": [
            lambda t: t.masked_texts.continue_text("abc", lengths=2)
        ],
        "None unless the model has allow_missing=True or a": [
            lambda t: t.model.generate(1, 2, lengths=3)
        ],
        "one integer or 2 integers in 1..4": [
            lambda t: t.missing.generate(2, 2, lengths=0),
            lambda t: t.missing.generate(2, 2, lengths=5),
            lambda t: t.missing.generate(2, 2, lengths=1.5),
        ],
        "must not be a dict, because the flow is": [
            (lambda t: t.missing.generate(2, 2, lengths={"a": 1}), "a dict with the keys ['a']")
        ],
        "array, with rows of equal length": [
            lambda t: t.missing.generate(2, 2, lengths=[[1], [2, 3]])
        ],
        "None for a `length` above 8, the tokens of a window": [
            lambda t: t.masked_texts.generate_text(2, lengths=5, length=9)
        ],
    },
    "license": {
        "name of a licence on Hugging Face, such as": [
            lambda t: t.model.upload_preset("hf://user/repo", "Noise.", None),
            lambda t: t.model.upload_preset("hf://a/b", "a", "MIT License"),
        ]
    },
    "load_weights": {
        "True or False": [lambda t: BayesianFlowNetwork.from_preset("bfn_digits", load_weights="x")]
    },
    "loss_weights": {
        "None unless the flow is a dict": [lambda t: t.model.compile(loss_weights={"a": 1})]
    },
    "metrics": {
        "None, because there are no targets. The model": [
            (lambda t: t.model.compile(metrics=["mse"]), "['mse']")
        ]
    },
    "network": {
        "must take one dict, `call(self, inputs)`, with": [
            lambda t: BayesianFlowNetwork(FLOW, TakesTwo(), SHAPE)
        ],
        "made for the flow": [
            (
                lambda t: BayesianFlowNetwork(
                    flows.DiscreteFlow(2, 1.0), networks.MLP(FLOW, SHAPE, 8)
                ),
                "a `MLP` for DiscreteFlow(num_classes=2,",
            ),
            (
                lambda t: BayesianFlowNetwork(
                    flows.DiscretizedFlow(4, 0.1),
                    networks.MLP(flows.DiscretizedFlow(4, 0.2), SHAPE, 8),
                ),
                "a `MLP` for DiscretizedFlow(num_bins=4,",
            ),
        ],
        "must take 'theta' as a tensor of shape (None, 4, 4": [
            (
                lambda t: BayesianFlowNetwork(MANY, networks.MLP(FLOW, SHAPE, 8)),
                "a network with shape (None, 4, 4, 1, 1)",
            )
        ],
        "must take 't' of shape {'a': (2,), 'b': (2,)} for": [
            (
                lambda t: AnyOrderNetwork(
                    PARTS, networks.MultiPart(PARTS, {"a": (2,), "b": (2,)}, 8)
                ),
                "a network that takes ()",
            )
        ],
        "must take a dict of 'theta' and 't', and optionally of 'condition', 'mask', 't_next'": [
            (
                lambda t: BayesianFlowNetwork(
                    MANY, networks.Transformer(MANY, (4,), 8, 1, 1, times="variables", causal=True)
                ),
                "'causal' is for `keras_bfn.AnyOrderNetwork`",
            )
        ],
        "must take 't' of shape (4, 4, 1) for each example": [
            (lambda t: AnyOrderNetwork(FLOW, t.model.network), "a network that takes ()")
        ],
        "Keras model or layer": [lambda t: BayesianFlowNetwork(FLOW, keep)],
        "must return a tensor of shape (None, 4, 4, 1, 2), `flow.output_size` last": [
            (
                lambda t: BayesianFlowNetwork(
                    flows.DiscretizedFlow(17, 0.1), ConditionNetwork(1), SHAPE
                ).generate(2, 2),
                "a network with shape (None, 4, 4, 1, 1)",
            )
        ],
        "must take a dict of 'theta' and 't', and optionally": [
            (
                lambda t: BayesianFlowNetwork(FLOW, takes_time_and_theta()),
                "a network that takes ['theta', 'time']",
            )
        ],
    },
    "null_condition": {
        "integer for classes, or an array of numbers": [
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition=0.5)
        ],
        "must match the conditions of the network: a single": [
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition={"a": 1})
        ],
        "integer of at least 0 and at most 3": [
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition=9)
        ],
        "finite": [lambda t: BayesianFlowNetwork(FLOW, t.model.network, null_condition=[nan, 1])],
        "the shape (3,)": [
            (lambda t: make_zoomed(null_condition={"zoom": 0.5}), "null_condition['zoom']=0.5"),
            (
                lambda t: make_zoomed(null_condition={"zoom": np.zeros(4)}),
                "null_condition['zoom']=array([0., 0., 0., 0.])",
            ),
        ],
        "must match the conditions of the network: a dict": [
            lambda t: make_zoomed(null_condition=3)
        ],
        "numbers that fit int32, from -2147483648 to": [
            (
                lambda t: BayesianFlowNetwork(
                    FLOW, ConditionNetwork(1), SHAPE, null_condition=2**40
                ),
                "values from 1099511627776 to 1099511627776",
            )
        ],
        "numbers that fit float32, from": [
            (
                lambda t: BayesianFlowNetwork(
                    FLOW, ConditionNetwork(1), SHAPE, null_condition=np.array([1e300, 0.0])
                ),
                "values from 0.0 to 1e+300",
            )
        ],
    },
    "num_intervals": {"integer of at least 1": [lambda t: t.model.loss_by_time(X, 0)]},
    "num_particles": {
        "must be None without a `guidance`": [
            (lambda t: t.model.generate(1, num_particles=2), "num_particles=2")
        ],
        "integer of at least 1": [
            lambda t: t.model.inpaint(X, True, num_particles=0),
            lambda t: t.model.generate(1, guidance=total, num_particles=0),
        ],
        "must not be given with order=Random()": [
            lambda t: t.ordered.generate(4, 2, order="random", num_particles=2)
        ],
    },
    "num_repeats": {"integer of at least 1": [lambda t: t.model.compile(num_repeats=0)]},
    "num_samples": {
        "integer of at least 1": [
            lambda t: t.model.generate(0),
            lambda t: t.texts.continue_text("a", 0),
        ],
        "integer of at least 1 and at most": [lambda t: t.model.generate(HUGE)],
    },
    "num_steps": {
        "integer of at least 1 and at most": [
            lambda t: t.model.encode(X, num_steps=0),
            lambda t: t.model.generate(1, 0),
        ]
    },
    "optimizer": {"Keras optimizer, or the name of one": [lambda t: t.model.compile(3)]},
    "order": {
        "is not an argument of `compile`": [lambda t: t.model.compile(order="random")],
        "must be": [lambda t: orders.get(3)],
        "number for each variable, of shape (3,)": [
            (lambda t: t.ordered.code_length(X_LETTERS, order=[0, 1]), "shape (2,)")
        ],
        "must not be a dict, because the flow is": [
            (lambda t: t.ordered.generate(2, order={"a": 0}), "a dict with the keys ['a']")
        ],
        "dict with the parts ['a', 'b']": [
            (lambda t: t.parts.code_length(X_PARTS, order=[0, 1]), "a ndarray")
        ],
        "must send flow['b'] by messages": [lambda t: t.parts.generate(2, order={"a": 0, "b": 1})],
    },
    "states": {
        **by_expected(
            (
                lambda t, states=states: AnyOrderNetwork(MANY, t.ordered.network, states=states),
                expected,
                f"states={states!r}",
            )
            for states, expected in (
                ({}, "must be a dict from some of ['together', "),
                ({"backwards": 1.0}, "must be a dict from some of ['together', "),
                ("backwards", "to weights, or one of these names"),
                ("left_to_right", 'must not have "left_to_right" for a dict of flows, or a'),
                ({"together": -1.0}, "must contain numbers of at least 0, not all 0"),
                ({"together": 0.0}, "must contain numbers of at least 0, not all 0"),
                ({"together": inf}, "must contain numbers of at least 0, not all 0"),
                ({"left_to_right": 1.0}, 'must not have "left_to_right" for a dict of flows, or a'),
            )
        ),
        'must not have "random" or "left_to_right" for a flow': [
            lambda t: AnyOrderNetwork(CONTINUOUS, t.numbers.network, states={"random": 1.0})
        ],
    },
    "part": {"one of ['a', 'b']": [lambda t: t.text_parts.continue_text("a")]},
    "preset": {
        "one of ['bfn_digits',": [
            lambda t: BayesianFlowNetwork.from_preset("nowhere"),
            lambda t: BayesianFlowNetwork.from_preset(3),
        ],
        "Did you mean 'bfn_digits'?": [
            (lambda t: BayesianFlowNetwork.from_preset("bfn_digts"), "preset='bfn_digts'")
        ],
        "folder written by `save_to_preset`": [lambda t: BayesianFlowNetwork.from_preset(".")],
        "the form hf://user/repo, optionally with": [
            lambda t, handle=handle: BayesianFlowNetwork.from_preset(handle)
            for handle in WRONG_HANDLES
        ],
    },
    "private": {
        "True or False": [lambda t: t.model.upload_preset("hf://a/b", "a", "mit", private="x")]
    },
    "prompt": {
        "string, or a non-empty list of strings": [
            lambda t: t.texts.continue_text([]),
            lambda t: t.texts.continue_text(3),
        ],
        "must fit the model's tokenizer. Argument `text` must": [
            (lambda t: t.texts.continue_text("A"), "a text with ['A']")
        ],
        "at most 12 tokens, the length of the texts": [
            (lambda t: t.texts.continue_text("a" * 13), "13 tokens of 'aaaaaaaaaaaaa'")
        ],
    },
    "return_details": {
        "True or False": [lambda t: t.model.inpaint(X, True, return_details=1)],
        "False. For details, use `generate`": [
            lambda t: t.texts.generate_text(1, return_details=True)
        ],
        "False. For details, use `inpaint`": [
            lambda t: t.texts.continue_text("a", return_details=True)
        ],
        "must not be given with order=Random()": [
            lambda t: t.ordered.generate(4, 2, order="random", return_details=True)
        ],
    },
    "return_dict": {"True or False": [lambda t: t.model.train_on_batch(X, return_dict="x")]},
    "run_eagerly": {"True or False": [lambda t: t.model.compile(run_eagerly="x")]},
    "sample_weight": {
        **by_expected(
            (
                lambda t, verb=verb, weights=weights: getattr(t.compiled_numbers, verb)(
                    np.zeros((12, 3), "float32"), sample_weight=weights
                ),
                "must",
                "",
            )
            for verb in ("fit", "evaluate", "code_length")
            for weights in (np.ones(11), np.ones((12, 3, 1)), {"x": np.ones(12)})
        ),
        "finite numbers of at least 0": [
            lambda t: t.model.fit(X, sample_weight=np.full(24, "a")),
            (
                lambda t: t.parts.fit(X_PARTS, sample_weight={"a": np.full((4, 2), nan)}),
                "sample_weight['a']=array([[nan, nan],",
            ),
        ],
        "must not be a dict, because the flow is": [
            (
                lambda t: t.model.fit(X, sample_weight={"a": np.ones(24)}),
                "a dict with the keys ['a']",
            )
        ],
        "dict with some of the parts": [
            (
                lambda t: t.parts.fit(X_PARTS, sample_weight={"c": np.ones(4)}),
                "a dict with the keys ['c']",
            )
        ],
    },
    "sampler": {
        "deterministic, such as 'ode1' or": [lambda t: t.model.encode(X, sampler="sde2")],
        "temperature=1 for encoding": [
            lambda t: t.model.encode(X, sampler=samplers.ODE1Sampler(temperature=0.5))
        ],
        "'ancestral' or 'sde1', with noise=1 and without": [
            lambda t: t.model.generate(2, 2, "ode1", guidance=total, num_particles=2),
            lambda t: t.model.generate(
                2, 2, samplers.SDE1Sampler(noise=0.5), guidance=total, num_particles=2
            ),
            lambda t: t.model.generate(
                2, 2, samplers.SDE1Sampler(end="last"), guidance=total, num_particles=2
            ),
        ],
        "`continue_text` passes further arguments to": [
            (lambda t: t.texts.continue_text("a", sampler="sde2"), "sampler='sde2'", TypeError)
        ],
    },
    "samples": {
        "images, of shape (num, height, width), or with 1 or": [
            (
                lambda t: t.model.upload_preset(
                    "kaggle://user/model/keras/small",
                    data="Noise.",
                    license="mit",
                    samples=np.zeros(3),
                ),
                "shape (3,)",
            )
        ]
    },
    "scale": {
        "array of numbers": [
            (
                lambda t: t.model.generate(
                    2, 2, guidance=guidance.Guidance(total, scale=lambda t: "much")
                ),
                "a list",
            )
        ],
        "must return a finite number for each time in [0, 1]": [
            lambda t: t.model.generate(2, 2, guidance=guidance.Guidance(total, scale=lambda t: nan))
        ],
    },
    "seed": {"integer of at least 0": [lambda t: t.model.evaluate(X, seed=-1)]},
    "shuffle": {"True or False": [lambda t: t.model.fit(X, shuffle="x")]},
    "steps": {"integer of at least 1": [lambda t: t.model.evaluate(X, steps=0)]},
    "steps_per_epoch": {"integer of at least 1": [lambda t: t.model.fit(X, steps_per_epoch=0)]},
    "steps_per_execution": {
        "integer of at least 1": [lambda t: t.model.compile(steps_per_execution=0)]
    },
    "stride": {
        "integer of at least 1 and at most 12": [lambda t: t.texts.continue_text("a", stride=0)]
    },
    "tokenizer": {
        "as many classes as the flow": [
            (
                lambda t: BayesianFlowNetwork(FLOW, t.model.network, tokenizer=BYTES),
                "Bytes(), which has num_classes=256",
            )
        ],
        "The model has no `tokenizer` for text. Pass one to": [lambda t: t.model.continue_text(1)],
        "dict with some of the parts ['a',": [
            (lambda t: AnyOrderNetwork(PARTS, t.parts.network, tokenizer=LETTERS), "a Letters")
        ],
        "must have as many classes as the flow ContinuousFlow(prediction='noise',": [
            (
                lambda t: BayesianFlowNetwork(CONTINUOUS, keras.layers.Dense(1), tokenizer=LETTERS),
                "Letters(alphabet=' abcdefghijklmnopqrstuvwxyz'), which has",
            )
        ],
        "must have as many classes as the flow DiscreteFlow(num_classes=2,": [
            (
                lambda t: BayesianFlowNetwork(
                    PARTS, keras.layers.Dense(1), tokenizer={"a": LETTERS}
                ),
                "Letters(alphabet=' abcdefghijklmnopqrstuvwxyz'), which has",
            )
        ],
    },
    "top_k": {
        "Arguments `top_k` and `top_p` must be None for": [
            lambda t: t.continuous.generate(2, 2, samplers.SDE2Sampler(top_p=0.5))
        ]
    },
    "twisted": {
        "True or False": [lambda t: t.model.inpaint(X, True, twisted="x")],
        "`generate_text` passes further arguments to": [
            (lambda t: t.texts.generate_text(2, twisted=True), "twisted=True", TypeError)
        ],
    },
    "uri": {"the form hf://user/repo, without": [lambda t: t.model.upload_preset("x", "a", "mit")]},
    "use_ema": {
        "Averaged weights require training with an optimizer": [
            (lambda t: t.model.averaged_weights().__enter__(), "a model with optimizer")
        ]
    },
    "validation_batch_size": {
        "integer of at least 1": [
            lambda t: t.model.fit(X, validation_data=X, validation_batch_size=-1)
        ]
    },
    "validation_data": {
        "array of examples": [lambda t: t.model.fit(X, validation_data=3)],
        "must lie in [0, 1] for": [
            (lambda t: t.model.fit(X, validation_data=X + 7), "values from 7 to 8. Classes 0..K-1")
        ],
        "data, (data, condition), (data,) or": [
            lambda t: t.model.fit(X, validation_data=(X, X, X, X))
        ],
        "The network takes no condition": [
            (
                lambda t: t.model.fit(X, validation_data=(X, np.zeros(24))),
                "a condition in `validation_data`",
            )
        ],
        "integers for DiscreteFlow(num_classes=2,": [
            (
                lambda t: t.model.fit(X, None, 8, 1, 0, None, 0.0, X.astype("float32")),
                "dtype float32",
            )
        ],
    },
    "validation_freq": {
        "integer of at least 1": [lambda t: t.model.fit(X, validation_data=X, validation_freq=0)]
    },
    "validation_split": {"number in [0, 1)": [lambda t: t.model.fit(X, validation_split=2.0)]},
    "validation_steps": {
        "integer of at least 1": [lambda t: t.model.fit(X, validation_data=X, validation_steps=0)]
    },
    "verbose": {
        "'auto', 0, 1 or 2": [
            lambda t: t.model.fit(X, verbose=7),
            lambda t: t.model.code_length(X, verbose="x"),
            lambda t: t.model.generate(1, 2, verbose="x"),
            lambda t: t.model.encode(X, verbose="x"),
        ]
    },
    "x": {
        **by_expected(
            [
                *(
                    (lambda t, verb=verb, x=x: getattr(t.model, verb)(x), expected, came)
                    for verb in ("fit", "evaluate", "code_length")
                    for x, expected, came in (
                        (
                            X + 1,
                            "must lie in [0, 1] for DiscreteFlow(num_classes=2,",
                            "values from 1 to 2",
                        ),
                        (
                            X_CONTINUOUS,
                            "must contain integers for DiscreteFlow(num_classes=2,",
                            "dtype float32. Write `x.astype('int32')` for whole numbers, and for "
                            "numbers in [0, 1] `np.rint(1 * x).astype('int32')`",
                        ),
                        (
                            X[..., 0],
                            "(batch, *event_shape) with event_shape=(4, 4, 1)",
                            "shape (24, 4, 4). Write `x[..., None]`",
                        ),
                        (
                            X[0],
                            "(batch, *event_shape) with event_shape=(4, 4, 1)",
                            "shape (4, 4, 1). Write `x[None]`",
                        ),
                        (
                            np.moveaxis(X, -1, 1),
                            "(batch, *event_shape) with event_shape=(4, 4, 1)",
                            "shape (24, 1, 4, 4). Write `np.moveaxis(x, 1, -1)`",
                        ),
                        (
                            X.reshape(24, 16),
                            "(batch, *event_shape) with event_shape=(4, 4, 1)",
                            "shape (24, 16). Write `np.reshape(x, (-1, 4, 4, 1))`",
                        ),
                        (
                            np.eye(2, dtype=int)[X],
                            "(batch, *event_shape) with event_shape=(4, 4, 1)",
                            "shape (24, 4, 4, 1, 2). Write `np.argmax(x, -1)` after one-hot",
                        ),
                        (
                            X[:, :3],
                            "(batch, *event_shape) with event_shape=(4, 4, 1)",
                            "shape (24, 3, 4, 1)",
                        ),
                        (X[:0], "must contain data", "an empty array of shape (0, 4, 4, 1)"),
                        (
                            ["abba", "baab"],
                            "must contain integers for DiscreteFlow(num_classes=2,",
                            "dtype str128. A tokenizer's `encode_batch` makes integers of texts",
                        ),
                        ((X, X), "The network takes no condition", "a condition in `x`"),
                        (
                            (X, X, X),
                            "must be data or the tuple (data, condition)",
                            "3 elements. Write `np.stack(x)` of a list of examples",
                        ),
                    )
                ),
                (lambda t: t.model.fit(iter([])), "must contain data", "an empty dataset"),
                (
                    lambda t: t.model.train_on_batch(X.astype("float32")),
                    "must contain integers for DiscreteFlow(num_classes=2,",
                    "dtype float32",
                ),
                (
                    lambda t: t.model.inpaint(X.astype("float32"), True),
                    "must contain integers for DiscreteFlow(num_classes=2,",
                    "dtype float32",
                ),
            ]
        ),
        "array, with rows of equal length": [
            lambda t: t.model.fit([[0, 1], [1]]),
            (
                lambda t: t.conditional.encode((X_MANY, np.arange(4))),
                "x='tuple'. Write (x, y) as `x, condition=y`",
            ),
        ],
        "data, or a pipeline that yields them in batches": [lambda t: t.model.fit(object())],
        "finite": [
            (
                lambda t: t.continuous.fit(X_CONTINUOUS * nan),
                "an array with NaN or infinity. If -1 or",
            ),
            (lambda t: t.continuous.fit(X_CONTINUOUS * inf), "an array with NaN or infinity"),
        ],
        "The network takes a condition: integers 0..2; 3 means no condition, for each": [
            (
                lambda t: t.conditional.fit(X_MANY),
                "no condition in `x`. Write `x=(data, condition)`",
            )
        ],
        "integer conditions of shape (batch,) in 0..3,": [
            (
                lambda t: t.conditional.fit((X_MANY, np.array([0, 1, 2, 4]))),
                "conditions of shape (4,), dtype int64,",
            ),
            (
                lambda t: t.conditional.fit((X_MANY, np.array([0.5] * 4))),
                "conditions of shape (4,), dtype float64. Write `.astype('int32')` after them",
            ),
            (
                lambda t: t.conditional.fit((X_MANY, np.eye(4))),
                "conditions of shape (4, 4), dtype float64. Write `.argmax(axis=-1)` after one-hot",
            ),
        ],
        "one condition for each of 4 examples": [
            (lambda t: t.conditional.fit((X_MANY, np.array([0, 1]))), "conditions of shape (2,)")
        ],
        "classes in 0..2; 3 means no": [
            (
                lambda t: t.conditional.fit((X_MANY, np.array([1, 2, 3, 3]))),
                "classes from 1 to 3, without 0. Subtract 1",
            )
        ],
        "numerical conditions": [
            (
                lambda t: t.conditional.fit((X_MANY, ["a", "b", "c", "d"])),
                "an array of dtype <U1. To number labels,",
            )
        ],
        "must match the conditions of the network: one array": [
            (
                lambda t: t.conditional.fit((X_MANY, {"a": np.zeros(4, int)})),
                "a dict with the keys ['a']",
            )
        ],
        "one batch of arrays or tensors": [
            (lambda t: t.model.test_on_batch(iter([X])), "x=<list_iterator object")
        ],
        "must be an array of examples": [
            (lambda t: t.model.test_on_batch("x"), "x=array('x', dtype='<U1')")
        ],
        "the parts that `known` names, at least one": [
            (lambda t: t.parts.inpaint({}, {}), "x with []")
        ],
        "integer conditions of shape (batch,) in 0..3, where": [
            (
                lambda t: t.conditional.fit((X_MANY, np.zeros((4, 1), "int32"))),
                "conditions of shape (4, 1), dtype int32. Write `.argmax(axis=-1)` after one-hot",
            )
        ],
    },
    "y": {
        "A Bayesian flow network learns the distribution of": [
            (lambda t: t.model.fit(X, X), "`x` with targets. Pass only the data or,")
        ]
    },
    "y_pred": {
        "what a call of the model on `x` returned": [
            lambda t: t.model.compute_loss(X),
            lambda t: t.model.compute_loss(X, y_pred={"data": X}),
        ]
    },
}
if IS_TORCH:  # others write no such files
    CALLS["filepath"]["must end with .onnx for format='onnx'"] = [
        lambda t: t.model.export("step", "onnx")
    ]
