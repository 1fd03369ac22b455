"""Wrong calls of the model's methods."""

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
    presets,
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


def with_nan(x):
    x = x.copy()
    x[3, 0, 0, 0] = nan
    return x


def takes_time_and_theta():
    inputs = {"theta": keras.Input((4, 1), name="theta"), "time": keras.Input((), name="time")}
    return keras.Model(inputs, keras.layers.Dense(1)(inputs["theta"]))


def make_zoomed(**options):
    """Makes a model with two conditions."""
    network = networks.MLP(MANY, SHAPE, 8, 1, conditions={"zoom": (3,), "label": 5})
    return BayesianFlowNetwork(MANY, network, **options)


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "allow_missing": [
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, allow_missing="x"),
            "must be True, False or None, and not False for a network",
            "allow_missing='x'",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, allow_missing=np.zeros(2)),
            "must be True, False or None, and not False for a network",
            "allow_missing=array([0., 0.])",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, allow_missing=2),
            "must be True, False or None, and not False for a network",
            "allow_missing=2",
        ),
        (
            lambda t: BayesianFlowNetwork(
                MANY, networks.Transformer(MANY, (4,), 8, 1, 1, masked=True), allow_missing=False
            ),
            "must be True, False or None, and not False for a network that takes a",
            "allow_missing=False",
        ),
        (
            lambda t: BayesianFlowNetwork(
                MANY, networks.Transformer(MANY, (4,), 8, 1, 1, masked=True), allow_missing="yes"
            ),
            "must be True, False or None, and not False for a network that takes a",
            "allow_missing='yes'",
        ),
        (
            lambda t: BayesianFlowNetwork(
                MANY, networks.Transformer(MANY, (4,), 8, 1, 1, masked=True), allow_missing=0.5
            ),
            "must be True, False or None, and not False for a network that takes a",
            "allow_missing=0.5",
        ),
    ],
    "batch_size": [
        (
            lambda t: t.model.fit(X, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: t.model.fit(X, batch_size=1.5),
            "must be an integer of at least 1",
            "batch_size=1.5",
        ),
        (
            lambda t: t.model.evaluate(X, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: t.model.code_length(X, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: t.model.loss_by_time(X, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: t.model.generate(1, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: t.model.encode(X, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: t.model.inpaint(X, True, batch_size=0),
            "must be an integer of at least 1",
            "batch_size=0",
        ),
        (
            lambda t: t.model.fit(X, batch_size="a"),
            "must be an integer of at least 1",
            "batch_size='a'",
        ),
        (
            lambda t: t.model.fit(X, batch_size=HUGE),
            "must be an integer of at least 1 and at most",
            "batch_size=10000000000000000000000000000",
        ),
        (
            lambda t: t.model.evaluate(X, batch_size=-1),
            "must be an integer of at least 1",
            "batch_size=-1",
        ),
        (
            lambda t: t.model.generate(1, 2, batch_size="a"),
            "must be an integer of at least 1",
            "batch_size='a'",
        ),
        (
            lambda t: t.model.encode(X, batch_size=1.5),
            "must be an integer of at least 1",
            "batch_size=1.5",
        ),
        (
            lambda t: t.model.generate(2, 2, batch_size=-1),
            "must be an integer of at least 1",
            "batch_size=-1",
        ),
    ],
    "built": [
        (
            lambda t: t.unbuilt.save_to_preset("a"),
            "The model has no weights yet. Train it, or generate an example, first",
            "a model that is not built",
        ),
    ],
    "callbacks": [
        (
            lambda t: t.model.fit(X, callbacks=3),
            "must be a list of Keras callbacks",
            "callbacks=3",
        ),
        (
            lambda t: t.model.fit(X, callbacks=[len]),
            "must be a list of Keras callbacks",
            "callbacks=<built-in function len>",
        ),
        (
            lambda t: t.model.fit(X, callbacks=[SWAP, callbacks.Resume("runs")]),
            "must contain `SwapEMAWeights(swap_on_epoch=True)` after this one",
            "callbacks=<keras_bfn.callbacks.resume.Resume",
        ),
        (
            lambda t: t.model.fit(X, callbacks=[SWAP, callbacks.SampleText("samples")]),
            "must contain `SwapEMAWeights(swap_on_epoch=True)` after this one",
            "callbacks=<keras_bfn.callbacks.samples.SampleText",
        ),
        (
            lambda t: t.model.evaluate(X, callbacks="x"),
            "must be a list of Keras callbacks",
            "callbacks='x'",
        ),
    ],
    "class_weight": [
        (
            lambda t: t.model.fit(X, class_weight={0: 1}),
            "must be None, because there are no targets: use",
            "class_weight={0: 1}",
        ),
        (
            lambda t: t.model.train_on_batch(X, class_weight={0: 1}),
            "must be None, because there are no targets: use",
            "class_weight={0: 1}",
        ),
        (
            lambda t: t.model.fit(X, class_weight={0: 2.0}),
            "must be None, because there are no targets: use `sample_weight`",
            "class_weight={0: 2.0}",
        ),
    ],
    "colour": [
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, colour=1),
            "Unrecognized keyword arguments passed to",
            "",
        ),
        (lambda t: t.model.compile(colour=3), "is not an argument of `compile`", "colour=3"),
        (
            lambda t: t.model.fit(X, colour=1),
            "got an unexpected keyword argument 'colour'",
            "",
            TypeError,
        ),
        (
            lambda t: t.texts.generate_text(1, colour=1),
            "`generate_text` passes further arguments to `generate`",
            "",
            TypeError,
        ),
    ],
    "compile": [
        (
            lambda t: make_model(FLOW, compiled=False).fit(X),
            "You must call `compile()` before calling `fit()`",
            "",
        ),
        (
            lambda t: make_model(FLOW, compiled=False).evaluate(X),
            "You must call `compile()` before calling `evaluate()`",
            "",
        ),
    ],
    "condition": [
        (
            lambda t: t.model.generate(1, condition=3),
            "The network takes no condition",
            "a condition in `condition`",
        ),
        (
            lambda t: t.model.generate(1, 2, condition=[0]),
            "The network takes no condition",
            "a condition in `condition`",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 7]),
            "must have integer conditions of shape (batch,) in 0..3,",
            "conditions of shape (2,), dtype int64,",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0]),
            "must have one condition for each of 2 examples",
            "conditions of shape (1,)",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=["a", "b"]),
            "must have numerical conditions",
            "an array of dtype <U1. To number labels,",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[[], []]),
            "must have integer conditions of shape (batch,) in 0..3,",
            "conditions of shape (2, 0), dtype float64",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[nan, 1]),
            "must have integer conditions of shape (batch,) in 0..3,",
            "conditions of shape (2,), dtype float64",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[-1, 1]),
            "must have integer conditions of shape (batch,) in 0..3,",
            "conditions of shape (2,), dtype int64,",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition={"a": [0, 1]}),
            "must match the conditions of the network: one array",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[[0, 1], [1]]),
            "must be an array, with rows of equal length",
            "condition='list'",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=object()),
            "must have numerical conditions",
            "an array of dtype object. To number labels,",
        ),
        (
            lambda t: t.model.encode(X, condition=[1]),
            "The network takes no condition",
            "a condition in `condition`",
        ),
        (
            lambda t: t.model.inpaint(X, True, condition=[1]),
            "The network takes no condition",
            "a condition in `condition`",
        ),
        (
            lambda t: t.model.export(*STEP, condition=[1]),
            "The network takes no condition",
            "a condition in `condition`",
        ),
        (
            lambda t: t.model.fit(X, callbacks=[callbacks.SampleImages("a", condition=[1])]),
            "The network takes no condition",
            "a condition in `condition`",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 9]),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (2,), dtype int64, between 0 and 9",
        ),
        (
            lambda t: t.conditional.generate(4, condition=np.full(4, 4)),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (4,), dtype int64, between 4 and 4",
        ),
        (
            lambda t: t.conditional.generate(4, condition=np.full(4, -1)),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (4,), dtype int64, between -1 and -1",
        ),
        (
            lambda t: t.conditional.generate(4, condition=np.zeros(4)),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (4,), dtype float64",
        ),
        (
            lambda t: t.conditional.generate(4, condition=np.zeros((4, 1), "int32")),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (4, 1), dtype int32, between 0 and 0",
        ),
    ],
    "condition_dropout": [
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, condition_dropout=0.5),
            "must be 0 without a `null_condition`",
            "condition_dropout=0.5 with",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, condition_dropout=1),
            "must be a number in [0, 1)",
            "condition_dropout=1",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, condition_dropout="a"),
            "must be a number in [0, 1)",
            "condition_dropout='a'",
        ),
        (
            lambda t: BayesianFlowNetwork(
                MANY, t.conditional.network, condition_dropout={"a": 0.5}
            ),
            "must be 0 without a `null_condition`",
            "condition_dropout={'a': 0.5} with",
        ),
        (
            lambda t: BayesianFlowNetwork(
                FLOW, networks.MLP(FLOW, SHAPE, 8), condition_dropout=0.1
            ),
            "must be 0 without a `null_condition`, which replaces dropped",
            "condition_dropout=0.1 with null_condition=None",
        ),
        (
            lambda t: BayesianFlowNetwork(
                FLOW, networks.MLP(FLOW, SHAPE, 8), condition_dropout=1.0
            ),
            "must be a number in [0, 1)",
            "condition_dropout=1.0",
        ),
        (
            lambda t: make_zoomed(condition_dropout={"zoom": 0.1}),
            "must be 0 without a `null_condition`, which replaces dropped conditions.",
            "condition_dropout={'zoom': 0.1} with",
        ),
        (
            lambda t: make_zoomed(condition_dropout={"label": 1.0}),
            "must be a number in [0, 1)",
            "condition_dropout['label']=1.0",
        ),
        (
            lambda t: make_zoomed(condition_dropout={"label": "often"}),
            "must be a number in [0, 1)",
            "condition_dropout['label']='often'",
        ),
    ],
    "data": [
        (
            lambda t: t.model.fit(
                BATCHES, steps_per_epoch=1, callbacks=[callbacks.Resume("runs", data=BATCHES)]
            ),
            "must have as many batches as an epoch of `fit` has steps",
            f"{len(X)} batches, and 1 steps",
        ),
        (
            lambda t: t.model.upload_preset("hf://user/repo", None, "mit"),
            "must be a description of the training data",
            "data=None",
        ),
        (
            lambda t: t.model.upload_preset("hf://a/b", "", "mit"),
            "must be a description of the training data",
            "data=''",
        ),
        (
            lambda t: t.model.upload_preset(
                "kaggle://user/model/keras/small", data=" ", license="mit"
            ),
            "must be a description of the training data",
            "data=' '",
        ),
    ],
    "dtype": [
        (
            lambda t: BayesianFlowNetwork.from_preset("bfn_digits", dtype="x"),
            "must be a Keras dtype policy, such as 'float32' or",
            "dtype='x'",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset("bfn_digits", dtype=3),
            "must be a Keras dtype policy, such as 'float32' or",
            "dtype=3",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset(t.preset, dtype="mixed_bfloat16"),
            "must be None for a network that is not in `keras_bfn.networks`",
            "dtype='mixed_bfloat16'",
        ),
    ],
    "epochs": [
        (lambda t: t.model.fit(X, epochs=1.5), "must be an integer of at least 0", "epochs=1.5"),
        (lambda t: t.model.fit(X, epochs=-1), "must be an integer of at least 0", "epochs=-1"),
        (lambda t: t.model.fit(X, epochs=None), "must be an integer of at least 0", "epochs=None"),
        (lambda t: t.model.fit(X, epochs="3"), "must be an integer of at least 0", "epochs='3'"),
    ],
    "event_shape": [
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape=8),
            "must be a tuple of integers of at least 1",
            "event_shape=8",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape=(0,)),
            "must be a tuple of integers of at least 1",
            "event_shape=(0,)",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape="ab"),
            "must be a tuple of integers of at least 1",
            "event_shape='ab'",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape=(-1,)),
            "must be a tuple of integers of at least 1",
            "event_shape=(-1,)",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape=(2.5,)),
            "must be a tuple of integers of at least 1",
            "event_shape=(2.5,)",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape=(2, 2)),
            "must take 'theta' as a tensor of shape (None, 2, 2, 1),",
            "a network with shape (None, 4, 4, 1, 1)",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, event_shape={"a": (2,)}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.unbuilt.generate(1, 2),
            "The model has no `event_shape` yet. Pass it to the",
            "event_shape=None",
        ),
        (
            lambda t: (
                t.texts.compile()
                or t.texts.fit(
                    np.zeros((2, 12), int), callbacks=[callbacks.SampleImages("a")], verbose=0
                )
            ),
            "must be (height, width) or (height, width, channels),",
            "event_shape=(12,)",
        ),
        (
            lambda t: BayesianFlowNetwork(
                flows.ContinuousFlow(0.05, center=[0, 15, 2000], scale=[0.1, 25, 50]),
                networks.MLP(
                    flows.ContinuousFlow(0.05, center=[0, 15, 2000], scale=[0.1, 25, 50]), (4,), 8
                ),
            ),
            "must be such that the flow's `center` and `scale`, of shape (3,),",
            "examples of shape (4,)",
        ),
        (
            lambda t: BayesianFlowNetwork(
                FLOW, t.model.network, tokenizer=datasets.Letters("ab")
            ).generate_text(1),
            "must be (length,) for text",
            "event_shape=(4, 4, 1)",
        ),
    ],
    "figures": [
        (
            lambda t: t.model.upload_preset("hf://user/repo", "Noise.", "mit", 3),
            "must be a dict from names of metrics, with their units,",
            "figures=3",
        ),
        (
            lambda t: t.model.upload_preset("hf://a/b", "a", "mit", {"a": nan}),
            "must be a finite number",
            "figures['a']=nan",
        ),
        (
            lambda t: t.model.upload_preset("hf://a/b", "a", "mit", {"a": HUGE}),
            "must be a finite number",
            "figures['a']=100000000000000000000000000",
        ),
        (
            lambda t: t.model.upload_preset(
                "kaggle://user/model/keras/small", data="Noise.", license="mit", figures=[1.0]
            ),
            "must be a dict from names of metrics, with their units, to numbers or",
            "figures=[1.0]",
        ),
        (
            lambda t: t.model.upload_preset(
                "kaggle://user/model/keras/small",
                data="Noise.",
                license="mit",
                figures={"nats": None},
            ),
            "must be a finite number, at most 1e+30 in magnitude",
            "figures['nats']=None",
        ),
        (
            lambda t: t.model.upload_preset(
                "kaggle://user/model/keras/small",
                data="Noise.",
                license="mit",
                figures={"nats": nan},
            ),
            "must be a finite number, at most 1e+30 in magnitude",
            "figures['nats']=nan",
        ),
    ],
    "filepath": [
        (lambda t: t.model.export(None), "must be a path", "filepath=None"),
        (lambda t: t.model.export(3), "must be a path", "filepath=3"),
        (lambda t: t.model.save(3), "Invalid filepath extension for saving. Please", "filepath=3."),
        (
            lambda t: t.model.save("a.txt"),
            "Invalid filepath extension for saving. Please",
            "filepath=a.txt.",
        ),
        (
            lambda t: t.model.save_weights("a.txt"),
            "The filename must end in `.weights.h5`",
            "filepath=a.txt",
        ),
        (
            lambda t: t.model.save_weights(None),
            "The filename must end in `.weights.h5`",
            "filepath=None",
        ),
    ],
    "flow": [
        (
            lambda t: BayesianFlowNetwork(None, t.model.network),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow=None",
        ),
        (
            lambda t: BayesianFlowNetwork(flows.DiscreteFlow, t.model.network),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow=<class 'keras_bfn.flows.discrete.Di",
        ),
        (
            lambda t: BayesianFlowNetwork({}, t.model.network),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow={}",
        ),
        (
            lambda t: BayesianFlowNetwork({"a": 3}, t.model.network),
            "must contain a `keras_bfn.flows.Flow` for each part",
            "flow['a']=3",
        ),
        (
            lambda t: BayesianFlowNetwork({"config": FLOW}, t.model.network),
            "must have non-empty strings as part names, other than",
            "a part named 'config'",
        ),
        (
            lambda t: BayesianFlowNetwork("binary", networks.MLP(FLOW, SHAPE, 8)),
            "must be a `keras_bfn.flows.Flow`, or a dict from part names to flows",
            "flow='binary'",
        ),
    ],
    "folder": [
        (lambda t: t.model.save_to_preset(None), "must be a path", "folder=None"),
        (
            lambda t: t.model.upload_preset("hf://user/repo", "Noise.", "mit", folder=3),
            "must be a path",
            "folder=3",
        ),
        (lambda t: t.model.save_to_preset(3), "must be a path", "folder=3"),
        (
            lambda t: t.model.upload_preset(
                "hf://user/model", "Noise.", "mit", folder=t.pictures("keys.png")
            ),
            "must be a new folder, or contain only a preset: all its files are uploaded",
            "['keys.png']",
        ),
    ],
    "format": [
        (
            lambda t: t.model.export("step", "pickle"),
            "must be one of ['tf_saved_model', 'onnx',",
            "format='pickle'",
        ),
        (
            lambda t: t.model.export("step", None),
            "must be one of ['tf_saved_model', 'onnx',",
            "format=None",
        ),
        (
            lambda t: t.model.export("a", []),
            "must be one of ['tf_saved_model', 'onnx',",
            "format=[]",
        ),
        (lambda t: t.model.export("a", 3), "must be one of ['tf_saved_model', 'onnx',", "format=3"),
    ],
    "given": [
        (
            lambda t: t.parts.generate(4, 2, given={"c": X_PARTS["a"]}),
            "must be a dict with some of the parts ['a', 'b']",
            "a dict with the keys ['c']",
        ),
        (
            lambda t: t.parts.generate(4, 2, given=X_PARTS["a"]),
            "must be a dict with some of the parts ['a', 'b']",
            "a ndarray",
        ),
        (
            lambda t: t.parts.generate(4, 2, given={"a": X_PARTS["a"][:1]}),
            "must contain 4 examples",
            "1 examples",
        ),
        (
            lambda t: t.parts.generate(4, 2, given={"a": X_PARTS["a"] + 7}),
            "must lie in [0, 1] for",
            "values from 7 to 7",
        ),
        (
            lambda t: t.ordered.generate(4, 2, given={"a": X_LETTERS}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.ordered.generate(4, 2, given=X_LETTERS[:, :2]),
            "must have shape",
            "shape (4, 2)",
        ),
        (
            lambda t: t.ordered.generate(4, 2, given=X_LETTERS + 0.5),
            "must contain integers for DiscreteFlow(num_classes=5,",
            "dtype float64",
        ),
        (
            lambda t: t.ordered_texts.generate_text(2, given="call"),
            "must be tokens of `model.tokenizer.encode`, and -1 for those to sample",
            "given='call'",
        ),
        (
            lambda t: t.ordered_texts.generate_text(2, given=["call", "me"]),
            "must be tokens of `model.tokenizer.encode`, and -1 for those to sample",
            "given=['call', 'me']",
        ),
    ],
    "guidance": [
        (lambda t: t.model.generate(1, guidance="x"), "must be a function or a", "guidance='x'"),
        (
            lambda t: t.model.generate(1, guidance=len),
            "must be a function that returns one log",
            "a int",
        ),
        (
            lambda t: t.model.generate(1, num_particles=2),
            "must not be None: it weights the particles",
            "guidance=None",
        ),
        (lambda t: t.model.inpaint(X, True, guidance=3), "must be a function or a", "guidance=3"),
        (
            lambda t: t.model.generate(1, 2, guidance=lambda p: None),
            "must be a function that returns one log",
            "a NoneType",
        ),
        (
            lambda t: t.model.generate(1, 2, guidance=lambda p: p),
            "must be a function that returns one log",
            "shape (4, 4, 4, 1, 2)",
        ),
        (
            lambda t: t.model.generate(1, 2, guidance=guidance.Guidance(total, {"a": np.ones(3)})),
            "must have a `a` for each of 1 samples",
            "a of shape (3,)",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=lambda p: ops.sum(p, axis=(1, 2, 3, 4)) * nan, verbose=0
            ),
            "must be finite and have a finite gradient",
            "NaN or infinity for 2 of 2 samples,",
        ),
        (
            lambda t: t.model.inpaint(X, True, guidance="x"),
            "must be a function or a",
            "guidance='x'",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.Guidance(total, scale=lambda t: t), num_particles=2
            ),
            "must have a constant scale and interval=(0, 1) with several particles",
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
            "must have a constant scale and interval=(0, 1) with several particles",
            "scale=1.0, interval=(0.0, 0.5)",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.Guidance(total, {"weights": np.ones((5, 3))})
            ),
            "must have a `weights` for each of 2 samples",
            "weights of shape (5, 3)",
        ),
        (
            lambda t: t.ordered.generate(4, 2, order="random", guidance=total),
            "must not be given with order=Random() (generate more samples instead, and",
            "guidance=",
        ),
    ],
    "guidance_scale": [
        (
            lambda t: t.model.generate(1, guidance_scale=None),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "guidance_scale=None",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale=1e300),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "guidance_scale=1e+300",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale=HUGE),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "guidance_scale=1000000000000000000000000",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale=nan),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "guidance_scale=nan",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale="a"),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "guidance_scale='a'",
        ),
        (
            lambda t: t.model.generate(1, 2, guidance_scale=guidance.Guidance(total)),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "guidance_scale=Guidance(fn=<function total",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale=lambda t: nan),
            "must return a finite number for each time in",
            "guidance_scale=[nan, nan, nan]",
        ),
        (
            lambda t: t.conditional.generate(
                2, 2, condition=[0, 1], guidance_scale=lambda t: 1e300
            ),
            "must return a finite number for each time in",
            "guidance_scale=[inf, inf, inf]",
        ),
        (
            lambda t: t.conditional.generate(2, 2, condition=[0, 1], guidance_scale=lambda t: "a"),
            "must be an array of numbers",
            "a list",
        ),
        (
            lambda t: t.model.generate(1, 2, guidance_scale=2.0),
            "must be 1 unless there are a condition and a null",
            "guidance_scale=2.0 with condition=None",
        ),
        (
            lambda t: t.model.inpaint(X[:2], np.ones(SHAPE, bool), guidance_scale=2.0),
            "must be 1 unless there are a condition and a null condition to guide",
            "guidance_scale=2.0 with condition=None",
        ),
        (
            lambda t: t.conditional.generate(2, 2, guidance_scale="2", condition=[0, 1]),
            "must be a finite number, at most 1e+30 in magnitude, or a function of t",
            "guidance_scale='2'",
        ),
        (
            lambda t: t.conditional.generate(2, 2, guidance_scale=inf, condition=[0, 1]),
            "must be a finite number, at most 1e+30 in magnitude, or a function of t",
            "guidance_scale=inf",
        ),
    ],
    "guided": [
        (
            lambda t: t.model.export(*STEP, sampler="sde2", guided=True),
            "must be False without a sampler, and for a model without",
            "guided=True",
        ),
        (
            lambda t: t.model.export(*STEP, sampler="sde2", guided="x"),
            "must be False without a sampler, and for a model without",
            "guided='x'",
        ),
        (
            lambda t: t.conditional.export(*STEP, guided=True),
            "must be False without a sampler, and for a model without a null condition",
            "guided=True",
        ),
    ],
    "initial_epoch": [
        (
            lambda t: t.model.fit(X, initial_epoch=-1),
            "must be an integer of at least 0",
            "initial_epoch=-1",
        ),
        (
            lambda t: t.model.fit(X, initial_epoch=1.5),
            "must be an integer of at least 0",
            "initial_epoch=1.5",
        ),
    ],
    "jit_compile": [
        (
            lambda t: t.model.compile(jit_compile="x"),
            "must be 'auto', True or False",
            "jit_compile='x'",
        ),
        (
            lambda t: t.model.compile(jit_compile=3),
            "must be 'auto', True or False",
            "jit_compile=3",
        ),
    ],
    "known": [
        (
            lambda t: t.parts.code_length(X_PARTS, known=["c"]),
            "must name some of ['a', 'b'], or be a dict of their masks",
            "known=['c']",
        ),
        (
            lambda t: t.parts.code_length(X_PARTS, known=[[]]),
            "must name some of ['a', 'b'], or be a dict of their masks",
            "known=[[]]",
        ),
        (
            lambda t: t.parts.code_length(X_PARTS, known=3),
            "must name some of ['a', 'b'], or be a dict of their masks",
            "known=3",
        ),
        (
            lambda t: t.parts.code_length(X_PARTS, known=np.ones((4, 2), bool)),
            "must name some of ['a', 'b'], or be a dict of their masks",
            "known=array(",
        ),
        (
            lambda t: t.parts.code_length(X_PARTS, known={"a": np.ones((4, 3), bool)}),
            "must be a boolean array, true for known variables, that",
            "shape (4, 3), dtype bool",
        ),
        (
            lambda t: t.parts.code_length(X_PARTS, known={"a": X_PARTS["a"]}),
            "must be a boolean array, true for known variables, that",
            "shape (4, 2), dtype int32",
        ),
        (
            lambda t: t.ordered.code_length(X_LETTERS, known="a"),
            "must be a mask unless the flow is a dict",
            "known='a'",
        ),
        (
            lambda t: t.ordered.code_length(X_LETTERS, known=3),
            "must be a boolean array, true for known variables, that",
            "shape (), dtype int64",
        ),
        (
            lambda t: t.model.inpaint(X, 0.5),
            "must be a boolean array, true for known variables, that",
            "shape (), dtype float64",
        ),
        (
            lambda t: t.model.inpaint(X, "known"),
            "must be a boolean array, true for known variables, that",
            "shape (), dtype <U5",
        ),
        (
            lambda t: t.model.inpaint(X, np.ones(5, bool)),
            "must be a boolean array, true for known variables, that",
            "shape (5,), dtype bool",
        ),
        (
            lambda t: t.model.inpaint(X, [[True], [True, False]]),
            "must be an array, with rows of equal length",
            "known='list'",
        ),
        (
            lambda t: t.model.inpaint(X, {"a": True}),
            "must be a boolean array, true for known variables, that",
            "shape (), dtype object",
        ),
        (
            lambda t: t.model.inpaint(X, object()),
            "must be a boolean array, true for known variables, that",
            "shape (), dtype object",
        ),
        (
            lambda t: t.model.inpaint(-np.ones_like(X), True),
            "must be false where `x` is missing (NaN or, for integers,",
            "true for 384 missing values",
        ),
        (
            lambda t: t.parts.inpaint(X_PARTS, {"c": True}),
            "must be a dict with some of the parts ['a',",
            "a dict with the keys ['c']",
        ),
        (
            lambda t: t.parts.inpaint(X_PARTS, True),
            "must be a dict with some of the parts ['a',",
            "a bool",
        ),
        (
            lambda t: t.model.inpaint(X[:2], np.ones((4, 4, 1))),
            "must be a boolean array, true for known variables, that broadcasts to",
            "shape (4, 4, 1), dtype float64",
        ),
        (
            lambda t: t.model.inpaint(X[:2], np.ones((4, 4), bool)),
            "must be a boolean array, true for known variables, that broadcasts to",
            "shape (4, 4), dtype bool",
        ),
        (
            lambda t: t.texts.continue_text("a", known=np.ones(12, bool)),
            "`continue_text` passes further arguments to `inpaint`",
            "known=",
            TypeError,
        ),
    ],
    "latents": [
        (
            lambda t: t.model.generate(1, sampler="ode1", latents="a"),
            "must be an array of numbers",
            "a str",
        ),
        (
            lambda t: t.model.generate(1, sampler="ode1", latents=object()),
            "must be an array of numbers",
            "a object",
        ),
        (
            lambda t: t.model.generate(1, sampler="ode1", latents={"a": 1}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.model.generate(1, 2, "ancestral", latents=np.zeros(3)),
            "must be deterministic, such as 'ode1' or",
            "sampler=AncestralSampler(temperature=1.0",
        ),
        (
            lambda t: t.model.generate(1, 2, "ode1", latents=np.full((1, 4, 4, 1, 2), nan)),
            "must be finite and have shape (1, 4, 4, 1,",
            "shape (1, 4, 4, 1, 2)",
        ),
        (
            lambda t: t.model.generate(1, 2, "ode1", latents=np.zeros((2, 4, 4, 1, 2))),
            "must be finite and have shape (1, 4, 4, 1,",
            "shape (2, 4, 4, 1, 2)",
        ),
        (
            lambda t: t.continuous.generate(2, 2, "ode1", latents=np.zeros((2, 3))),
            "must be finite and have shape (2, 4, 4, 1, 1): (num_samples,",
            "shape (2, 3)",
        ),
        (
            lambda t: t.continuous.generate(2, 2, "ode1", latents=np.full((2, 4, 4, 1, 1), nan)),
            "must be finite and have shape (2, 4, 4, 1, 1): (num_samples,",
            "shape (2, 4, 4, 1, 1)",
        ),
        (
            lambda t: t.ordered.generate(
                4, 2, order="random", sampler="ode1", latents=np.zeros((4, 3, 5))
            ),
            "must not be given with order=Random()",
            "latents=",
        ),
    ],
    "length": [
        (
            lambda t: t.texts.continue_text("a", length=0),
            "must be an integer of at least 1",
            "length=0",
        ),
        (
            lambda t: t.texts.continue_text("a", length=2.0),
            "must be an integer of at least 1",
            "length=2.0",
        ),
    ],
    "lengths": [
        (
            lambda t: t.masked_texts.continue_text("abc", lengths=2),
            "must be at least those of the prompts, [3] tokens",
            "lengths=2",
        ),
        (
            lambda t: t.model.generate(1, 2, lengths=3),
            "must be None unless the model has allow_missing=True or a",
            "lengths=3",
        ),
        (
            lambda t: t.missing.generate(2, 2, lengths=0),
            "must be one integer or 2 integers in 1..4",
            "lengths=0",
        ),
        (
            lambda t: t.missing.generate(2, 2, lengths=5),
            "must be one integer or 2 integers in 1..4",
            "lengths=5",
        ),
        (
            lambda t: t.missing.generate(2, 2, lengths=[1, 2, 3]),
            "must be one integer or 2 integers in 1..4",
            "lengths=[1, 2, 3]",
        ),
        (
            lambda t: t.missing.generate(2, 2, lengths="a"),
            "must be one integer or 2 integers in 1..4",
            "lengths='a'",
        ),
        (
            lambda t: t.missing.generate(2, 2, lengths=1.5),
            "must be one integer or 2 integers in 1..4",
            "lengths=1.5",
        ),
        (
            lambda t: t.missing.generate(2, 2, lengths={"a": 1}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.missing.generate(2, 2, lengths=[[1], [2, 3]]),
            "must be an array, with rows of equal length",
            "lengths='list'",
        ),
        (
            lambda t: t.model.inpaint(X, True, lengths=3),
            "must be None unless the model has allow_missing=True or a",
            "lengths=3",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths=0),
            "must be one integer or 3 integers in 1..4",
            "lengths=0",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths=5),
            "must be one integer or 3 integers in 1..4",
            "lengths=5",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths=[1, 2]),
            "must be one integer or 3 integers in 1..4",
            "lengths=[1, 2]",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths=2.5),
            "must be one integer or 3 integers in 1..4",
            "lengths=2.5",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths="all"),
            "must be one integer or 3 integers in 1..4",
            "lengths='all'",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths=True),
            "must be one integer or 3 integers in 1..4",
            "lengths=True",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths=np.ones((3, 1), int)),
            "must be one integer or 3 integers in 1..4",
            "lengths=[[1], [1], [1]]",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths={"x": 3}),
            "must not be a dict, because the flow is DiscreteFlow(num_classes=5,",
            "a dict with the keys ['x']",
        ),
        (
            lambda t: t.missing.generate(3, 2, lengths=[[1]]),
            "must be one integer or 3 integers in 1..4",
            "lengths=[[1]]",
        ),
        (
            lambda t: t.masked_texts.generate_text(2, lengths=5, length=9),
            "must be None for a `length` above 8, the tokens of a window",
            "lengths=5",
        ),
        (
            lambda t: t.masked_texts.continue_text("ab", lengths=5, length=9),
            "must be None for a `length` above 8, the tokens of a window",
            "lengths=5",
        ),
    ],
    "license": [
        (
            lambda t: t.model.upload_preset("hf://user/repo", "Noise.", None),
            "must be the name of a licence on Hugging Face, such as",
            "license=None",
        ),
        (
            lambda t: t.model.upload_preset("hf://a/b", "a", "MIT License"),
            "must be the name of a licence on Hugging Face, such as",
            "license='MIT License'",
        ),
        (
            lambda t: t.model.upload_preset(
                "kaggle://user/model/keras/small", data="Noise.", license="Apache: 2.0"
            ),
            "must be the name of a licence on Hugging Face, such as 'apache-2.0',",
            "license='Apache: 2.0'",
        ),
    ],
    "load_weights": [
        (
            lambda t: BayesianFlowNetwork.from_preset("bfn_digits", load_weights="x"),
            "must be True or False",
            "load_weights='x'",
        ),
    ],
    "loss": [
        (lambda t: t.model.compile(loss="mse"), "must be a `BFNLoss` or one of", "loss='mse'"),
        (lambda t: t.model.compile(loss=3), "must be a `BFNLoss` or one of", "loss=3"),
    ],
    "loss_weights": [
        (
            lambda t: t.model.compile(loss_weights={"a": 1}),
            "must be None unless the flow is a dict",
            "loss_weights={'a': 1}",
        ),
        (
            lambda t: t.parts.compile(loss_weights={"c": 1}),
            "must be a dict from some of ['a', 'b']",
            "loss_weights={'c': 1}",
        ),
        (
            lambda t: t.parts.compile(loss_weights={"a": -1}),
            "must contain finite numbers of at least 0",
            "loss_weights['a']=-1",
        ),
        (
            lambda t: t.parts.compile(loss_weights={"a": nan}),
            "must contain finite numbers of at least 0",
            "loss_weights['a']=nan",
        ),
        (
            lambda t: t.parts.compile(loss_weights={"a": HUGE}),
            "must contain finite numbers of at least 0",
            "loss_weights['a']=1000000000000000000000",
        ),
        (
            lambda t: t.parts.compile(loss_weights=[1, 2]),
            "must be a dict from some of ['a', 'b']",
            "loss_weights=[1, 2]",
        ),
    ],
    "metrics": [
        (
            lambda t: t.model.compile(metrics=["mse"]),
            "must be None, because there are no targets. The model",
            "['mse']",
        ),
        (
            lambda t: t.model.compile(metrics=["accuracy"]),
            "must be None, because there are no targets. The model reports its own",
            "['accuracy']",
        ),
    ],
    "network": [
        (
            lambda t: BayesianFlowNetwork(FLOW, None),
            "must be a Keras model or layer",
            "network=None",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, lambda x: x),
            "must be a Keras model or layer",
            "network=<function <lambda>",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, TakesTwo(), SHAPE),
            "must take one dict, `call(self, inputs)`, with defaults",
            "network='call(theta, t)'",
        ),
        (
            lambda t: BayesianFlowNetwork(flows.DiscreteFlow(2, 1.0), networks.MLP(FLOW, SHAPE, 8)),
            "must be made for the flow",
            "a `MLP` for DiscreteFlow(num_classes=2,",
        ),
        (
            lambda t: BayesianFlowNetwork(
                flows.DiscretizedFlow(4, 0.1), networks.MLP(flows.DiscretizedFlow(4, 0.2), SHAPE, 8)
            ),
            "must be made for the flow",
            "a `MLP` for DiscretizedFlow(num_bins=4,",
        ),
        (
            lambda t: BayesianFlowNetwork(MANY, networks.MLP(FLOW, SHAPE, 8)),
            "must take 'theta' as a tensor of shape (None, 4, 4, 1,",
            "a network with shape (None, 4, 4, 1, 1)",
        ),
        (
            lambda t: AnyOrderNetwork(PARTS, networks.MultiPart(PARTS, {"a": (2,), "b": (2,)}, 8)),
            "must take 't' of shape {'a': (2,), 'b': (2,)} for each example",
            "a network that takes ()",
        ),
        (
            lambda t: BayesianFlowNetwork(MANY, t.ordered.network),
            "must take 't' of shape () for each example. Networks with times='variables' are for",
            "a network that takes (3,)",
        ),
        (
            lambda t: BayesianFlowNetwork(
                MANY, networks.Transformer(MANY, (4,), 8, 1, 1, times="variables", causal=True)
            ),
            "must take a dict of 'theta' and 't', and optionally of 'condition', 'mask', 't_next'",
            "'causal' is for `keras_bfn.AnyOrderNetwork`",
        ),
        (
            lambda t: AnyOrderNetwork(FLOW, t.model.network),
            "must take 't' of shape (4, 4, 1) for each example",
            "a network that takes ()",
        ),
        (lambda t: BayesianFlowNetwork(FLOW, keep), "must be a Keras model or layer", "network="),
        (
            lambda t: BayesianFlowNetwork(FLOW, networks.MLP(MANY, SHAPE, 8)),
            "must take 'theta' as a tensor of shape (None, 4, 4, 1, 1), for",
            "a network with shape (None, 4, 4, 1, 5)",
        ),
        (
            lambda t: BayesianFlowNetwork(
                flows.DiscretizedFlow(17, 0.1), networks.MLP(CONTINUOUS, SHAPE, 8)
            ),
            "must return a tensor of shape (None, 4, 4, 1, 2), for",
            "a network with shape (None, 4, 4, 1, 1)",
        ),
        (
            lambda t: BayesianFlowNetwork(
                flows.DiscretizedFlow(17, 0.1), ConditionNetwork(1), SHAPE
            ).generate(2, 2),
            "must return a tensor of shape (None, 4, 4, 1, 2), for",
            "a network with shape (None, 4, 4, 1, 1)",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, takes_time_and_theta()),
            "must take a dict of 'theta' and 't', and optionally of 'condition', 'mask'",
            "a network that takes ['theta', 'time']",
        ),
    ],
    "null_condition": [
        (
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition="a"),
            "must be an integer for classes, or an array of numbers",
            "null_condition='a'",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, keras.layers.Dense(1), (4,), null_condition="a"),
            "must be an integer for classes, or an array of numbers",
            "null_condition='a'",
        ),
        (
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition=0.5),
            "must be an integer for classes, or an array of numbers",
            "null_condition=0.5",
        ),
        (
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition={"a": 1}),
            "must match the conditions of the network: a single one",
            "null_condition={'a': 1}",
        ),
        (
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition=[1, 2]),
            "must be an integer of at least 0 and at most 3",
            "null_condition=[1, 2]",
        ),
        (
            lambda t: BayesianFlowNetwork(MANY, t.conditional.network, null_condition=9),
            "must be an integer of at least 0 and at most 3",
            "null_condition=9",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, null_condition=[nan, 1]),
            "must be finite",
            "null_condition=[nan, 1]",
        ),
        (
            lambda t: make_zoomed(null_condition={"zoom": 0.5}),
            "must have the shape (3,)",
            "null_condition['zoom']=0.5",
        ),
        (
            lambda t: make_zoomed(null_condition={"size": 3}),
            "must match the conditions of the network: a dict with some of ['zoom',",
            "null_condition={'label': 5, 'size': 3}",
        ),
        (
            lambda t: make_zoomed(null_condition=3),
            "must match the conditions of the network: a dict with some of ['zoom',",
            "null_condition=3",
        ),
        (
            lambda t: make_zoomed(null_condition={"zoom": np.zeros(4)}),
            "must have the shape (3,)",
            "null_condition['zoom']=array([0., 0., 0., 0.])",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, ConditionNetwork(1), SHAPE, null_condition=2**40),
            "must contain numbers that fit int32, from -2147483648 to 2147483647",
            "values from 1099511627776 to 1099511627776",
        ),
        (
            lambda t: BayesianFlowNetwork(
                FLOW, ConditionNetwork(1), SHAPE, null_condition=np.array([2**40, 0])
            ),
            "must contain numbers that fit int32, from -2147483648 to 2147483647",
            "values from 0 to 1099511627776",
        ),
        (
            lambda t: BayesianFlowNetwork(
                FLOW, ConditionNetwork(1), SHAPE, null_condition=np.array([1e300, 0.0])
            ),
            "must contain numbers that fit float32, from -3.4028234663852886e+38 to",
            "values from 0.0 to 1e+300",
        ),
    ],
    "num_intervals": [
        (
            lambda t: t.model.loss_by_time(X, num_intervals=None),
            "must be an integer of at least 1",
            "num_intervals=None",
        ),
        (
            lambda t: t.model.loss_by_time(X, 0),
            "must be an integer of at least 1",
            "num_intervals=0",
        ),
        (
            lambda t: t.model.loss_by_time(X, 1.5),
            "must be an integer of at least 1",
            "num_intervals=1.5",
        ),
    ],
    "num_particles": [
        (
            lambda t: t.model.inpaint(X, True, num_particles=None),
            "must be an integer of at least 1",
            "num_particles=None",
        ),
        (
            lambda t: t.model.inpaint(X, True, num_particles=0),
            "must be an integer of at least 1",
            "num_particles=0",
        ),
        (
            lambda t: t.model.generate(1, guidance=total, num_particles=0),
            "must be an integer of at least 1",
            "num_particles=0",
        ),
        (
            lambda t: t.model.generate(1, 2, guidance=total, num_particles=1.5),
            "must be an integer of at least 1",
            "num_particles=1.5",
        ),
        (
            lambda t: t.model.inpaint(X, True, num_particles="a"),
            "must be an integer of at least 1",
            "num_particles='a'",
        ),
        (
            lambda t: t.ordered.generate(4, 2, order="random", num_particles=2),
            "must not be given with order=Random()",
            "num_particles=2",
        ),
    ],
    "num_repeats": [
        (
            lambda t: t.model.code_length(X, num_repeats=0),
            "must be an integer of at least 1",
            "num_repeats=0",
        ),
        (
            lambda t: t.model.compile(num_repeats=0),
            "must be an integer of at least 1",
            "num_repeats=0",
        ),
        (
            lambda t: t.model.code_length(X, num_repeats=None),
            "must be an integer of at least 1",
            "num_repeats=None",
        ),
        (
            lambda t: t.model.compile(num_repeats=-1),
            "must be an integer of at least 1",
            "num_repeats=-1",
        ),
        (
            lambda t: t.model.compile(num_repeats=1.5),
            "must be an integer of at least 1",
            "num_repeats=1.5",
        ),
        (
            lambda t: t.model.compile(num_repeats=True),
            "must be an integer of at least 1",
            "num_repeats=True",
        ),
        (
            lambda t: t.model.compile(num_repeats=None),
            "must be an integer of at least 1",
            "num_repeats=None",
        ),
        (
            lambda t: t.model.compile(num_repeats="2"),
            "must be an integer of at least 1",
            "num_repeats='2'",
        ),
    ],
    "num_samples": [
        (lambda t: t.model.generate(None), "must be an integer of at least 1", "num_samples=None"),
        (lambda t: t.model.generate(0), "must be an integer of at least 1", "num_samples=0"),
        (lambda t: t.model.generate(1.5), "must be an integer of at least 1", "num_samples=1.5"),
        (lambda t: t.model.generate("a"), "must be an integer of at least 1", "num_samples='a'"),
        (
            lambda t: t.model.generate(HUGE),
            "must be an integer of at least 1 and at most",
            "num_samples=1000000000000000000000000000",
        ),
        (
            lambda t: t.texts.continue_text("a", 0),
            "must be an integer of at least 1",
            "num_samples=0",
        ),
        (lambda t: t.texts.generate_text(0), "must be an integer of at least 1", "num_samples=0"),
    ],
    "num_steps": [
        (
            lambda t: t.model.code_length(X, num_steps=0),
            "must be an integer of at least 1 and at most",
            "num_steps=0",
        ),
        (
            lambda t: t.model.generate(1, num_steps=None),
            "must be an integer of at least 1 and at most",
            "num_steps=None",
        ),
        (
            lambda t: t.model.encode(X, num_steps=0),
            "must be an integer of at least 1 and at most",
            "num_steps=0",
        ),
        (
            lambda t: t.model.inpaint(X, True, num_steps=1.5),
            "must be an integer of at least 1 and at most",
            "num_steps=1.5",
        ),
        (
            lambda t: t.model.code_length(X, num_steps=1.5),
            "must be an integer of at least 1 and at most",
            "num_steps=1.5",
        ),
        (
            lambda t: t.model.code_length(X, num_steps=HUGE),
            "must be an integer of at least 1 and at most",
            "num_steps=100000000000000000000000000000",
        ),
        (
            lambda t: t.model.generate(1, 0),
            "must be an integer of at least 1 and at most",
            "num_steps=0",
        ),
        (
            lambda t: t.model.generate(1, 1.5),
            "must be an integer of at least 1 and at most",
            "num_steps=1.5",
        ),
        (
            lambda t: t.model.generate(1, HUGE),
            "must be an integer of at least 1 and at most",
            "num_steps=100000000000000000000000000000",
        ),
        (
            lambda t: t.model.generate(1, "a"),
            "must be an integer of at least 1 and at most",
            "num_steps='a'",
        ),
        (
            lambda t: t.model.encode(X, 1.5),
            "must be an integer of at least 1 and at most",
            "num_steps=1.5",
        ),
        (
            lambda t: t.model.inpaint(X, True, 0),
            "must be an integer of at least 1 and at most",
            "num_steps=0",
        ),
        (
            lambda t: t.model.generate(2, 2.5),
            "must be an integer of at least 1 and at most 1048576",
            "num_steps=2.5",
        ),
    ],
    "optimizer": [
        (
            lambda t: t.model.compile("x"),
            "must be a Keras optimizer, or the name of one",
            "optimizer='x'",
        ),
        (
            lambda t: t.model.compile(3),
            "must be a Keras optimizer, or the name of one",
            "optimizer=3",
        ),
        (
            lambda t: t.model.compile(keras.optimizers.Adam),
            "must be a Keras optimizer, or the name of one",
            "optimizer=<class",
        ),
    ],
    "order": [
        (
            lambda t: t.model.fit(X, callbacks=[callbacks.SampleImages("a", order="random")]),
            "requires a `keras_bfn.AnyOrderNetwork`. Others send all variables together",
            "order='random'",
        ),
        (
            lambda t: t.model.compile(order="random"),
            "is not an argument of `compile`",
            "order='random'",
        ),
        (lambda t: orders.get("backwards"), "or one of ['left_to_right', ", "'backwards'"),
        (lambda t: orders.get(3), "must be", "order=3"),
        (lambda t: orders.get(orders.Random), "must be", "Random"),
        (lambda t: t.ordered.code_length(X_LETTERS, order="right_to_left"), "must", "right_to"),
        (lambda t: t.ordered.code_length(X_LETTERS, order=3), "must", "order=3"),
        (
            lambda t: t.ordered.code_length(X_LETTERS, order=[0, 1]),
            "must contain a number for each variable, of shape (3,)",
            "shape (2,)",
        ),
        (
            lambda t: t.ordered.generate(2, order={"a": 0}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.parts.code_length(X_PARTS, order=[0, 1]),
            "must be a dict with the parts ['a', 'b']",
            "a ndarray",
        ),
        (
            lambda t: t.parts.generate(2, order={"a": 0}),
            "must be a dict with the parts ['a', 'b']",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.parts.code_length(X_PARTS, order="random"),
            "must send",
            "order=Random(), flow=ContinuousFlow",
        ),
        (
            lambda t: t.parts.generate(2, order={"a": 0, "b": 1}),
            "must send flow['b'] by messages",
            "order=Groups(",
        ),
        (
            lambda t: t.numbers.code_length(
                np.zeros((4, 3), "float32"), order=orders.LeftToRight()
            ),
            "must send flow by messages. Only integers can be coded directly, and bins",
            "flow=ContinuousFlow(",
        ),
    ],
    "states": [
        *(
            (
                lambda t, states=states: AnyOrderNetwork(MANY, t.ordered.network, states=states),
                expected,
                f"states={states!r}",
            )
            for states, expected in (
                (3, "must be a dict from some of ['together', "),
                ({}, "must be a dict from some of ['together', "),
                ({"backwards": 1.0}, "must be a dict from some of ['together', "),
                ("backwards", "to weights, or one of these names"),
                ("left_to_right", 'must not have "left_to_right" for a dict of flows, or a'),
                ({"together": -1.0}, "must contain numbers of at least 0, not all 0"),
                ({"together": 0.0}, "must contain numbers of at least 0, not all 0"),
                ({"together": "a"}, "must contain numbers of at least 0, not all 0"),
                ({"together": nan}, "must contain numbers of at least 0, not all 0"),
                ({"together": inf}, "must contain numbers of at least 0, not all 0"),
                ({"left_to_right": 1.0}, 'must not have "left_to_right" for a dict of flows, or a'),
            )
        ),
        (
            lambda t: AnyOrderNetwork(CONTINUOUS, t.numbers.network, states={"random": 1.0}),
            'must not have "random" or "left_to_right" for a flow',
            "states={'random': 1.0}",
        ),
    ],
    "part": [
        (
            lambda t: t.texts.continue_text("a", part="x"),
            "must be None unless the flow is a dict",
            "part='x'",
        ),
        (
            lambda t: t.texts.generate_text(1, part=3),
            "must be None unless the flow is a dict",
            "part=3",
        ),
        (
            lambda t: t.texts.generate_text(1, part=[]),
            "must be None unless the flow is a dict",
            "part=[]",
        ),
        (
            lambda t: t.model.fit(X, callbacks=[callbacks.SampleImages("a", part="x")]),
            "must be None unless the flow is a dict",
            "part='x'",
        ),
        (lambda t: t.text_parts.continue_text("a"), "must be one of ['a', 'b']", "part=None"),
        (
            lambda t: t.texts.generate_text(1, part="text"),
            "must be None unless the flow is a dict",
            "part='text'",
        ),
    ],
    "preset": [
        (
            lambda t: BayesianFlowNetwork.from_preset(None),
            "must be one of ['bfn_digits',",
            "preset=None",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset("nowhere"),
            "must be one of ['bfn_digits',",
            "preset='nowhere'",
        ),
        (lambda t: BayesianFlowNetwork.from_preset(3), "must be one of ['bfn_digits',", "preset=3"),
        (
            lambda t: BayesianFlowNetwork.from_preset([]),
            "must be one of ['bfn_digits',",
            "preset=[]",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset("."),
            "must be a folder written by `save_to_preset`",
            "preset='.', which has no config.json",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset("hf://x"),
            "must have the form hf://user/repo, optionally with",
            "preset='hf://x'",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset("kaggle://x"),
            "must have the form hf://user/repo, optionally with",
            "preset='kaggle://x'",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset("bfn_faces"),
            "must be one of ['bfn_digits', 'bfn_digits_classes', 'bfn_digits_student',",
            "preset='bfn_faces'",
        ),
        (
            lambda t: BayesianFlowNetwork.from_preset(t.folder / "absent"),
            "must be one of ['bfn_digits', 'bfn_digits_classes', 'bfn_digits_student',",
            "preset=",
        ),
        *(
            (
                lambda t, handle=handle: BayesianFlowNetwork.from_preset(handle),
                "must have the form hf://user/repo, optionally with @revision, or kaggle://user/model/framework/variation",
                f"preset={handle!r}",
            )
            for handle in WRONG_HANDLES
        ),
    ],
    "private": [
        (
            lambda t: t.model.upload_preset("hf://a/b", "a", "mit", private="x"),
            "must be True or False",
            "private='x'",
        ),
    ],
    "prompt": [
        (
            lambda t: t.texts.continue_text(None),
            "must be a string, or a non-empty list of strings",
            "prompt=None",
        ),
        (
            lambda t: t.texts.continue_text([]),
            "must be a string, or a non-empty list of strings",
            "prompt=[]",
        ),
        (
            lambda t: t.texts.continue_text(3),
            "must be a string, or a non-empty list of strings",
            "prompt=3",
        ),
        (
            lambda t: t.texts.continue_text("A"),
            "must fit the model's tokenizer. Argument `text` must",
            "a text with ['A']",
        ),
        (
            lambda t: t.texts.continue_text("a" * 13),
            "must have at most 12 tokens, the length of the texts",
            "13 tokens of 'aaaaaaaaaaaaa'",
        ),
        (
            lambda t: t.texts.continue_text("call me ishmael"),
            "must have at most 12 tokens, the length of the texts",
            "15 tokens of 'call me ishmael'",
        ),
        (
            lambda t: t.texts.continue_text(["a", "call me ishmael"]),
            "must have at most 12 tokens, the length of the texts",
            "15 tokens of 'call me ishmael'",
        ),
        (
            lambda t: t.texts.continue_text(["a", 3]),
            "must be a string, or a non-empty list of strings",
            "prompt=['a', 3]",
        ),
    ],
    "return_details": [
        (
            lambda t: t.model.inpaint(X, True, return_details=1),
            "must be True or False",
            "return_details=1",
        ),
        (
            lambda t: t.model.generate(1, return_details="yes"),
            "must be True or False",
            "return_details='yes'",
        ),
        (
            lambda t: t.texts.generate_text(1, return_details=True),
            "must be False. For details, use `generate`",
            "return_details=True",
        ),
        (
            lambda t: t.texts.continue_text("a", return_details=True),
            "must be False. For details, use `inpaint`",
            "return_details=True",
        ),
        (
            lambda t: t.model.generate(2, 2, guidance=total, num_particles=2, return_details=1),
            "must be True or False",
            "return_details=1",
        ),
        (
            lambda t: t.ordered.generate(4, 2, order="random", return_details=True),
            "must not be given with order=Random()",
            "return_details=True",
        ),
    ],
    "return_dict": [
        (
            lambda t: t.model.evaluate(X, return_dict="x", verbose=0),
            "must be True or False",
            "return_dict='x'",
        ),
        (
            lambda t: t.model.train_on_batch(X, return_dict="x"),
            "must be True or False",
            "return_dict='x'",
        ),
    ],
    "run_eagerly": [
        (lambda t: t.model.compile(run_eagerly="x"), "must be True or False", "run_eagerly='x'"),
    ],
    "sample_weight": [
        (
            lambda t: t.model.fit(X, sample_weight=np.full(24, nan)),
            "must contain finite numbers of at least 0",
            "sample_weight=array([nan, nan, nan,",
        ),
        (
            lambda t: t.model.fit(X, sample_weight=np.full(24, -1.0)),
            "must contain finite numbers of at least 0",
            "sample_weight=array([-1., -1., -1.,",
        ),
        (
            lambda t: t.model.fit(X, sample_weight=np.full(24, inf)),
            "must contain finite numbers of at least 0",
            "sample_weight=array([inf, inf, inf,",
        ),
        (
            lambda t: t.model.fit(X, sample_weight=np.ones(3)),
            "must be an array of weights, of shape",
            "shape (3,)",
        ),
        (
            lambda t: t.model.fit(X, sample_weight="a"),
            "must be an array of weights, of shape",
            "a str",
        ),
        (
            lambda t: t.model.fit(X, sample_weight=3),
            "must be an array of weights, of shape",
            "a int",
        ),
        (
            lambda t: t.model.fit(X, sample_weight=[1] * 24),
            "must be an array of weights, of shape",
            "a list",
        ),
        (
            lambda t: t.model.fit(X, sample_weight={"a": np.ones(24)}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.model.fit(X, sample_weight=np.full(24, "a")),
            "must contain finite numbers of at least 0",
            "sample_weight=array(['a', 'a', 'a',",
        ),
        (
            lambda t: t.parts.fit(X_PARTS, sample_weight={"c": np.ones(4)}),
            "must be a dict with some of the parts",
            "a dict with the keys ['c']",
        ),
        (
            lambda t: t.parts.fit(X_PARTS, sample_weight={"a": np.full((4, 2), nan)}),
            "must contain finite numbers of at least 0",
            "sample_weight['a']=array([[nan, nan],",
        ),
        (
            lambda t: t.model.evaluate(X, sample_weight=np.full(24, nan)),
            "must contain finite numbers of at least 0",
            "sample_weight=array([nan, nan, nan,",
        ),
        (
            lambda t: t.model.train_on_batch(X, sample_weight=np.full(24, nan)),
            "must contain finite numbers of at least 0",
            "sample_weight=array([nan, nan, nan,",
        ),
        (
            lambda t: t.model.test_on_batch(X, sample_weight=np.full(24, inf)),
            "must contain finite numbers of at least 0",
            "sample_weight=array([inf, inf, inf,",
        ),
        (
            lambda t: t.model.code_length(X, sample_weight=np.full(24, nan)),
            "must contain finite numbers of at least 0",
            "sample_weight=array([nan, nan, nan,",
        ),
        (
            lambda t: t.model.code_length(X, sample_weight=3),
            "must be an array of weights, of shape",
            "shape ()",
        ),
        (
            lambda t: t.model.code_length(X, sample_weight="abc"),
            "must be an array of weights, of shape",
            "shape ()",
        ),
        *(
            (
                lambda t, verb=verb, weights=weights: getattr(t.compiled_numbers, verb)(
                    np.zeros((12, 3), "float32"), sample_weight=weights
                ),
                "must",
                "",
            )
            for verb in ("fit", "evaluate", "code_length")
            for weights in (
                np.ones(11),
                np.ones((12, 4)),
                np.ones((12, 3, 1)),
                np.ones((1, 3)),
                np.array(2.0),
                {"x": np.ones(12)},
            )
        ),
    ],
    "sampler": [
        (
            lambda t: t.model.generate(1, sampler=3),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler=3",
        ),
        (
            lambda t: t.model.generate(1, sampler=samplers.SDE1Sampler),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler=<class 'keras_bfn.samplers.samp",
        ),
        (
            lambda t: t.model.encode(X, sampler="ancestral"),
            "must be deterministic, such as 'ode1' or",
            "sampler=AncestralSampler(temperature=1.0",
        ),
        (
            lambda t: t.model.export(*STEP, sampler="euler"),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler='euler'",
        ),
        (
            lambda t: t.model.generate(1, 2, "x"),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler='x'",
        ),
        (
            lambda t: t.model.generate(1, 2, 3),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler=3",
        ),
        (
            lambda t: t.model.generate(1, 2, "sde1", latents=np.zeros((1, 4, 4, 1, 2))),
            "must be deterministic, such as 'ode1' or",
            "sampler=SDE1Sampler(noise=1.0,",
        ),
        (
            lambda t: t.model.encode(X, sampler="sde2"),
            "must be deterministic, such as 'ode1' or",
            "sampler=SDE2Sampler(noise=1.0,",
        ),
        (
            lambda t: t.model.encode(X, sampler=samplers.ODE1Sampler(temperature=0.5)),
            "must have temperature=1 for encoding",
            "sampler=ODE1Sampler(temperature=0.5,",
        ),
        (
            lambda t: t.model.export(*STEP, sampler=3),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler=3",
        ),
        (
            lambda t: t.model.generate(2, 2, "euler"),
            "must be a `Sampler` or one of ['ancestral', 'ode1', 'ode2',",
            "sampler='euler'",
        ),
        (
            lambda t: t.continuous.generate(2, 2, "sde2", latents=np.zeros((2, 4, 4, 1, 1))),
            "must be deterministic, such as 'ode1' or 'ode2', to map latents to",
            "sampler=SDE2Sampler(noise=1.0, temperature=1.0, end='mode', ",
        ),
        (
            lambda t: t.model.encode(X, sampler="sde1"),
            "must be deterministic, such as 'ode1' or 'ode2', to map latents to",
            "sampler=SDE1Sampler(noise=1.0, temperature=1.0, end='mode', ",
        ),
        (
            lambda t: t.model.generate(2, 2, "ode1", guidance=total, num_particles=2),
            "must be 'ancestral' or 'sde1', with noise=1 and without end='last', for",
            "sampler=ODE1Sampler(temperature=1.0, end='mode', start=0.0, ",
        ),
        (
            lambda t: t.model.generate(2, 2, "sde2", guidance=total, num_particles=2),
            "must be 'ancestral' or 'sde1', with noise=1 and without end='last', for",
            "sampler=SDE2Sampler(noise=1.0, temperature=1.0, end='mode', ",
        ),
        (
            lambda t: t.model.generate(
                2, 2, samplers.SDE1Sampler(noise=0.5), guidance=total, num_particles=2
            ),
            "must be 'ancestral' or 'sde1', with noise=1 and without end='last', for",
            "sampler=SDE1Sampler(noise=0.5, temperature=1.0, end='mode', ",
        ),
        (
            lambda t: t.model.generate(
                2, 2, samplers.SDE1Sampler(end="last"), guidance=total, num_particles=2
            ),
            "must be 'ancestral' or 'sde1', with noise=1 and without end='last', for",
            "sampler=SDE1Sampler(noise=1.0, temperature=1.0, end='last', ",
        ),
        (
            lambda t: t.texts.continue_text("a", sampler="sde2"),
            "`continue_text` passes further arguments to `inpaint`",
            "sampler='sde2'",
            TypeError,
        ),
    ],
    "samples": [
        (
            lambda t: t.model.upload_preset(
                "kaggle://user/model/keras/small", data="Noise.", license="mit", samples=np.zeros(3)
            ),
            "must be images, of shape (num, height, width), or with 1 or 3 channels",
            "shape (3,)",
        ),
    ],
    "scale": [
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.Guidance(total, scale=lambda t: "much")
            ),
            "must be an array of numbers",
            "a list",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.Guidance(total, scale=lambda t: nan)
            ),
            "must return a finite number for each time in [0, 1]",
            "scale=[nan, nan, nan]",
        ),
    ],
    "seed": [
        (
            lambda t: t.model.code_length(X, seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
        (lambda t: t.model.generate(1, seed=-1), "must be an integer of at least 0", "seed=-1"),
        (lambda t: t.model.encode(X, seed=1.5), "must be an integer of at least 0", "seed=1.5"),
        (
            lambda t: t.model.inpaint(X, True, seed=-1),
            "must be an integer of at least 0",
            "seed=-1",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, seed=1.5),
            "must be an integer of at least 0",
            "seed=1.5",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, seed=-1),
            "must be an integer of at least 0",
            "seed=-1",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, seed=True),
            "must be an integer of at least 0",
            "seed=True",
        ),
        (lambda t: t.model.evaluate(X, seed="a"), "must be an integer of at least 0", "seed='a'"),
        (lambda t: t.model.evaluate(X, seed=-1), "must be an integer of at least 0", "seed=-1"),
        (
            lambda t: t.model.code_length(X, seed=1.5),
            "must be an integer of at least 0",
            "seed=1.5",
        ),
        (
            lambda t: t.model.loss_by_time(X, seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
        (
            lambda t: t.model.generate(1, 2, seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
        (
            lambda t: t.model.generate(1, 2, seed=1.5),
            "must be an integer of at least 0",
            "seed=1.5",
        ),
        (lambda t: t.model.encode(X, seed="a"), "must be an integer of at least 0", "seed='a'"),
    ],
    "shuffle": [
        (lambda t: t.model.fit(X, shuffle="x"), "must be True or False", "shuffle='x'"),
    ],
    "steps": [
        (lambda t: t.model.evaluate(X, steps=0), "must be an integer of at least 1", "steps=0"),
    ],
    "steps_per_epoch": [
        (
            lambda t: t.model.fit(X, steps_per_epoch=0),
            "must be an integer of at least 1",
            "steps_per_epoch=0",
        ),
        (
            lambda t: t.model.fit(X, steps_per_epoch=1.5),
            "must be an integer of at least 1",
            "steps_per_epoch=1.5",
        ),
    ],
    "steps_per_execution": [
        (
            lambda t: t.model.compile(steps_per_execution=0),
            "must be an integer of at least 1",
            "steps_per_execution=0",
        ),
    ],
    "stride": [
        (
            lambda t: t.texts.continue_text("a", stride=0),
            "must be an integer of at least 1 and at most 12",
            "stride=0",
        ),
        (
            lambda t: t.texts.continue_text("a", stride=13),
            "must be an integer of at least 1 and at most 12",
            "stride=13",
        ),
    ],
    "temperature": [
        (
            lambda t: t.continuous.generate(1, 2, samplers.SDE1Sampler(temperature=0.5)),
            "must be 1 for continuous data, whose output",
            "temperature=0.5",
        ),
        (
            lambda t: t.continuous.fit(
                X_CONTINUOUS,
                callbacks=[
                    callbacks.SampleImages("a", sampler=samplers.SDE1Sampler(temperature=0.5))
                ],
            ),
            "must be 1 for continuous data, whose output",
            "temperature=0.5",
        ),
    ],
    "tokenizer": [
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, tokenizer="letters"),
            "must be a tokenizer, with `encode`, `decode`",
            "tokenizer='letters'",
        ),
        (
            lambda t: BayesianFlowNetwork(FLOW, t.model.network, tokenizer=BYTES),
            "must have as many classes as the flow",
            "Bytes(), which has num_classes=256",
        ),
        (
            lambda t: t.model.generate_text(2),
            "The model has no `tokenizer` for text. Pass one to the",
            "tokenizer=None",
        ),
        (
            lambda t: AnyOrderNetwork(PARTS, t.parts.network, tokenizer=LETTERS),
            "must be a dict with some of the parts ['a',",
            "a Letters",
        ),
        (
            lambda t: t.model.fit(X, callbacks=[callbacks.SampleText("a")]),
            "The model has no `tokenizer` for text. Pass one to the",
            "tokenizer=None",
        ),
        (
            lambda t: BayesianFlowNetwork(MANY, keras.layers.Dense(1), tokenizer=LETTERS),
            "must have as many classes as the flow DiscreteFlow(num_classes=5,",
            "Letters(alphabet=' abcdefghijklmnopqrstuvwxyz'), which has",
        ),
        (
            lambda t: BayesianFlowNetwork(CONTINUOUS, keras.layers.Dense(1), tokenizer=LETTERS),
            "must have as many classes as the flow ContinuousFlow(prediction='noise',",
            "Letters(alphabet=' abcdefghijklmnopqrstuvwxyz'), which has",
        ),
        (
            lambda t: BayesianFlowNetwork(
                PARTS, keras.layers.Dense(1), tokenizer={"words": LETTERS}
            ),
            "must be a dict with some of the parts ['a', 'b']",
            "a dict with the keys ['words']",
        ),
        (
            lambda t: BayesianFlowNetwork(PARTS, keras.layers.Dense(1), tokenizer={"a": LETTERS}),
            "must have as many classes as the flow DiscreteFlow(num_classes=2,",
            "Letters(alphabet=' abcdefghijklmnopqrstuvwxyz'), which has",
        ),
        (
            lambda t: t.model.continue_text(1),
            "The model has no `tokenizer` for text. Pass one to the",
            "tokenizer=None",
        ),
        (
            lambda t: t.text_parts.generate_text(1, part="a"),
            "The model has no `tokenizer` for text",
            "tokenizer={'b': Letters(",
        ),
    ],
    "top_k": [
        (
            lambda t: t.continuous.generate(1, 2, samplers.SDE1Sampler(top_k=1)),
            "and `top_p` must be None for continuous data,",
            "top_k=1, top_p=None",
        ),
        (
            lambda t: t.continuous.generate(2, 2, samplers.SDE2Sampler(top_k=3)),
            "Arguments `top_k` and `top_p` must be None for continuous data, which",
            "top_k=3, top_p=None",
        ),
        (
            lambda t: t.continuous.generate(2, 2, samplers.SDE2Sampler(top_p=0.5)),
            "Arguments `top_k` and `top_p` must be None for continuous data, which",
            "top_k=None, top_p=0.5",
        ),
    ],
    "twisted": [
        (lambda t: t.model.inpaint(X, True, twisted=None), "must be True or False", "twisted=None"),
        (lambda t: t.model.inpaint(X, True, twisted="x"), "must be True or False", "twisted='x'"),
        (
            lambda t: t.texts.generate_text(2, twisted=True),
            "`generate_text` passes further arguments to `generate`",
            "twisted=True",
            TypeError,
        ),
    ],
    "uri": [
        (
            lambda t: t.model.upload_preset(None, "Noise.", "mit"),
            "must have the form hf://user/repo, without",
            "uri=None",
        ),
        (
            lambda t: t.model.upload_preset("x", "a", "mit"),
            "must have the form hf://user/repo, without",
            "uri='x'",
        ),
        *(
            (
                lambda t, handle=handle, upload=upload: upload(t, handle),
                "must have the form hf://user/repo, without @revision, or kaggle://user/model/framework/variation",
                f"uri={handle!r}",
            )
            for upload in (
                lambda t, uri: t.model.upload_preset(uri, "Noise.", "mit"),
                lambda t, uri: presets.upload_preset(uri, "folder"),
            )
            for handle in (*WRONG_HANDLES, "gs://bucket", "folder", 3)
        ),
    ],
    "use_ema": [
        (
            lambda t: t.model.averaged_weights().__enter__(),
            "Averaged weights require training with an optimizer that",
            "a model with optimizer",
        ),
    ],
    "validation_batch_size": [
        (
            lambda t: t.model.fit(X, validation_data=X, validation_batch_size=-1),
            "must be an integer of at least 1",
            "validation_batch_size=-1",
        ),
    ],
    "validation_data": [
        (
            lambda t: t.model.fit(X, validation_data=3),
            "must be an array of examples",
            "validation_data=array(3)",
        ),
        (
            lambda t: t.model.fit(X, validation_data=X + 7),
            "must lie in [0, 1] for",
            "values from 7 to 8",
        ),
        (
            lambda t: t.model.fit(X, validation_data=(X, X, X, X)),
            "must be data, (data, condition), (data,) or",
            "validation_data=(array([[[[1],",
        ),
        (
            lambda t: t.model.fit(X, validation_data=(X, np.zeros(24))),
            "The network takes no condition",
            "a condition in `validation_data`",
        ),
        (
            lambda t: t.model.fit(X, None, 8, 1, 0, None, 0.0, X.astype("float32")),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float32",
        ),
    ],
    "validation_freq": [
        (
            lambda t: t.model.fit(X, validation_data=X, validation_freq=0),
            "must be an integer of at least 1",
            "validation_freq=0",
        ),
    ],
    "validation_split": [
        (
            lambda t: t.model.fit(X, validation_split=2.0),
            "must be a number in [0, 1)",
            "validation_split=2.0",
        ),
        (
            lambda t: t.model.fit(X, validation_split=-0.1),
            "must be a number in [0, 1)",
            "validation_split=-0.1",
        ),
        (
            lambda t: t.model.fit(X, validation_split="a"),
            "must be a number in [0, 1)",
            "validation_split='a'",
        ),
    ],
    "validation_steps": [
        (
            lambda t: t.model.fit(X, validation_data=X, validation_steps=0),
            "must be an integer of at least 1",
            "validation_steps=0",
        ),
    ],
    "verbose": [
        (lambda t: t.model.fit(X, verbose="loud"), "must be 'auto', 0, 1 or 2", "verbose='loud'"),
        (lambda t: t.model.fit(X, verbose=7), "must be 'auto', 0, 1 or 2", "verbose=7"),
        (lambda t: t.model.evaluate(X, verbose="x"), "must be 'auto', 0, 1 or 2", "verbose='x'"),
        (lambda t: t.model.code_length(X, verbose="x"), "must be 'auto', 0, 1 or 2", "verbose='x'"),
        (lambda t: t.model.generate(1, 2, verbose="x"), "must be 'auto', 0, 1 or 2", "verbose='x'"),
        (lambda t: t.model.encode(X, verbose="x"), "must be 'auto', 0, 1 or 2", "verbose='x'"),
    ],
    "x": [
        (lambda t: t.model.fit(None), "must contain data", "x=None"),
        (lambda t: t.model.fit(3), "must be an array of examples", "x=array(3)"),
        (lambda t: t.model.evaluate(None), "must contain data", "x=None"),
        (lambda t: t.model.code_length(None), "must contain data", "x=None"),
        (
            lambda t: t.model.code_length(object()),
            "must be an array of examples",
            "x=array(<object",
        ),
        (lambda t: t.model.loss_by_time(None), "must contain data", "x=None"),
        (lambda t: t.model.encode(None), "must contain data", "x=None"),
        (
            lambda t: t.model.encode("images"),
            "must be an array of examples",
            "x=array('images', dtype='<U6')",
        ),
        (
            lambda t: t.model.inpaint(None, True),
            "must be an array of examples",
            "x=array(None, dtype=object)",
        ),
        (
            lambda t: t.model.fit("images"),
            "must be an array of examples",
            "x=array('i', dtype='<U1')",
        ),
        (lambda t: t.model.fit([]), "must contain data", "an empty array of shape (0,)"),
        (
            lambda t: t.model.fit(np.zeros((0, 4, 4, 1), int)),
            "must contain data",
            "an empty array of shape (0, 4, 4, 1)",
        ),
        (lambda t: t.model.fit(X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (
            lambda t: t.model.fit(X[:, :2]),
            "must have shape (batch, *event_shape) with",
            "shape (24, 2, 4, 1)",
        ),
        (
            lambda t: t.model.fit(X.astype("float32")),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float32",
        ),
        (
            lambda t: t.model.fit(X.astype(str)),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype str352",
        ),
        (
            lambda t: t.model.fit(X.astype(str).astype(object)),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype object",
        ),
        (
            lambda t: t.model.fit(X.astype(complex)),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype complex128",
        ),
        (
            lambda t: t.model.fit({"a": X}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.model.fit((X, X, X)),
            "must be data or the tuple (data, condition)",
            "3 elements",
        ),
        (
            lambda t: t.model.fit((X, np.zeros(24))),
            "The network takes no condition",
            "a condition in `x`",
        ),
        (
            lambda t: t.model.fit([[0, 1], [1]]),
            "must be an array, with rows of equal length",
            "x='list'",
        ),
        (lambda t: t.model.fit(iter([])), "must contain data", "an empty dataset"),
        (lambda t: t.model.fit(iter([3])), "must be an array of examples", "x=array(3)"),
        (
            lambda t: t.model.fit(object()),
            "must be data, or a pipeline that yields them in batches",
            "x=<object",
        ),
        (
            lambda t: t.model.fit(len),
            "must be data, or a pipeline that yields them in batches",
            "x=<built-in function len>",
        ),
        (
            lambda t: t.model.fit(-X),
            "must lie in [0, 1] for",
            "values from -1 to 0. If -1 or NaN mark",
        ),
        (
            lambda t: t.continuous.fit(X_CONTINUOUS * nan),
            "must be finite",
            "an array with NaN or infinity. If -1 or",
        ),
        (
            lambda t: t.continuous.fit(X_CONTINUOUS * 10),
            "must lie in [-1, 1] for",
            "values from -9.945229530334473 to",
        ),
        (
            lambda t: t.continuous.fit(X_CONTINUOUS.astype(int)),
            "must contain floats for",
            "dtype int64",
        ),
        (
            lambda t: t.continuous.fit(X_CONTINUOUS * inf),
            "must be finite",
            "an array with NaN or infinity",
        ),
        (
            lambda t: t.parts.fit(X_CONTINUOUS),
            "must be a dict with the parts ['a', 'b']",
            "a ndarray",
        ),
        (
            lambda t: t.parts.fit({"a": X_PARTS["a"]}),
            "must be a dict with the parts ['a', 'b']",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: t.parts.fit({"a": X_PARTS["a"], "b": X_PARTS["b"][:2]}),
            "must have equally many examples of each part",
            "{'a': 4, 'b': 2}",
        ),
        (
            lambda t: t.parts.fit({"a": X_PARTS["a"] + 5, "b": X_PARTS["b"]}),
            "must lie in [0, 1] for",
            "values from 5 to 5",
        ),
        (
            lambda t: t.conditional.fit(X_MANY),
            "The network takes a condition",
            "no condition in `x`",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, np.array([0, 1, 2, 4]))),
            "must have integer conditions of shape (batch,) in 0..3,",
            "conditions of shape (4,), dtype int64,",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, np.array([0.5] * 4))),
            "must have integer conditions of shape (batch,) in 0..3,",
            "conditions of shape (4,), dtype float64",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, np.array([0, 1]))),
            "must have one condition for each of 4 examples",
            "conditions of shape (2,)",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, np.array([1, 2, 3, 3]))),
            "must have classes in 0..2; 3 means no",
            "classes from 1 to 3, without 0. Subtract 1",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, ["a", "b", "c", "d"])),
            "must have numerical conditions",
            "an array of dtype <U1. To number labels,",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, {"a": np.zeros(4, int)})),
            "must match the conditions of the network: one array",
            "a dict with the keys ['a']",
        ),
        (lambda t: t.model.evaluate(X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (lambda t: t.model.train_on_batch(X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (
            lambda t: t.model.train_on_batch(None),
            "must be one batch of arrays or tensors",
            "x=None",
        ),
        (
            lambda t: t.model.train_on_batch(X.astype("float32")),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float32",
        ),
        (
            lambda t: t.model.train_on_batch(iter([X])),
            "must be one batch of arrays or tensors",
            "x=<list_iterator",
        ),
        (
            lambda t: t.model.train_on_batch(X[:, :2]),
            "must have shape (batch, *event_shape) with",
            "shape (24, 2, 4, 1)",
        ),
        (lambda t: t.model.test_on_batch(X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (lambda t: t.model.test_on_batch("x"), "must be one batch of arrays or tensors", "x='x'"),
        (lambda t: t.model.code_length(X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (
            lambda t: t.model.code_length([[0, 1], [1]]),
            "must be an array, with rows of equal length",
            "x='list'",
        ),
        (
            lambda t: t.model.code_length(np.zeros((0, 4, 4, 1), int)),
            "must contain data",
            "an empty array of shape (0, 4, 4, 1)",
        ),
        (lambda t: t.model.code_length(3), "must be an array of examples", "x=array(3)"),
        (lambda t: t.model.encode(X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (lambda t: t.model.encode(3), "must be an array of examples", "x=array(3)"),
        (
            lambda t: t.model.encode({"a": X}),
            "must not be a dict, because the flow is",
            "a dict with the keys ['a']",
        ),
        (lambda t: t.model.inpaint(3), "must be an array of examples", "x=array(3)"),
        (
            lambda t: t.model.inpaint("a", True),
            "must be an array of examples",
            "x=array('a', dtype='<U1')",
        ),
        (lambda t: t.model.inpaint(X + 7, True), "must lie in [0, 1] for", "values from 7 to 8"),
        (
            lambda t: t.model.inpaint(X[:, :2], True),
            "must have shape (batch, *event_shape) with",
            "shape (24, 2, 4, 1)",
        ),
        (
            lambda t: t.model.inpaint(X.astype("float32"), True),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float32",
        ),
        (
            lambda t: t.parts.inpaint(X_CONTINUOUS, True),
            "must be a dict with some of the parts ['a',",
            "a ndarray",
        ),
        (
            lambda t: t.parts.inpaint({}, {}),
            "must contain the parts that `known` names, at least one",
            "x with []",
        ),
        (
            lambda t: t.parts.inpaint({"c": X_PARTS["a"]}, {"c": True}),
            "must be a dict with some of the parts ['a',",
            "a dict with the keys ['c']",
        ),
        (
            lambda t: t.parts.inpaint({"a": X_PARTS["a"]}, {"b": True}),
            "must contain the parts that `known` names",
            "x with ['a'], known with ['b']",
        ),
        (
            lambda t: t.model.encode(np.full((2, 4, 4, 1), 99)),
            "must lie in [0, 1] for DiscreteFlow(num_classes=2,",
            "values from 99 to 99",
        ),
        (
            lambda t: t.model.inpaint(np.full((2, 4, 4, 1), 9), np.ones(SHAPE, bool)),
            "must lie in [0, 1] for DiscreteFlow(num_classes=2,",
            "values from 9 to 9",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, np.full(4, 4))),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (4,), dtype int64, between 4 and 4",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, np.full(4, -1))),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (4,), dtype int64, between -1 and -1",
        ),
        (
            lambda t: t.conditional.fit((X_MANY, np.zeros((4, 1), "int32"))),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (4, 1), dtype int32, between 0 and 0",
        ),
        (
            lambda t: t.conditional.fit((X_MANY - 1, [0] * 4)),
            "must lie in [0, 4] for DiscreteFlow(num_classes=5,",
            "values from -1 to 3. If -1 or NaN mark missing values,",
        ),
        *(
            (lambda t, verb=verb, x=x: getattr(t.model, verb)(x), expected, came)
            for verb in ("fit", "evaluate", "code_length")
            for x, expected, came in (
                (X + 1, "must lie in [0, 1] for DiscreteFlow(num_classes=2,", "values from 1 to 2"),
                (
                    X_CONTINUOUS,
                    "must contain integers for DiscreteFlow(num_classes=2,",
                    "dtype float32",
                ),
                (X[..., 0], "(batch, *event_shape) with event_shape=(4, 4, 1)", "shape (24, 4, 4)"),
                (
                    X[:, :3],
                    "(batch, *event_shape) with event_shape=(4, 4, 1)",
                    "shape (24, 3, 4, 1)",
                ),
                (X[:0], "must contain data", "an empty array of shape (0, 4, 4, 1)"),
                ((X, X), "The network takes no condition", "a condition in `x`"),
                ((X, X, X), "must be data or the tuple (data, condition)", "3 elements"),
            )
        ),
        *(
            (lambda t, verb=verb, x=x: getattr(t.continuous, verb)(x), expected, came)
            for verb in ("fit", "evaluate", "code_length")
            for x, expected, came in (
                (X, "must contain floats for ContinuousFlow(", "dtype int32"),
                (with_nan(X_CONTINUOUS), "must be finite", "an array with NaN or infinity"),
                (X_CONTINUOUS * 3, "must lie in [-1, 1] for ContinuousFlow(", "values from -2.9"),
            )
        ),
    ],
    "y": [
        (
            lambda t: t.model.fit(X, X),
            "A Bayesian flow network learns the distribution of the",
            "`x` with targets. Pass only the data or,",
        ),
        (
            lambda t: t.model.evaluate(X, X),
            "A Bayesian flow network learns the distribution of the",
            "`x` with targets. Pass only the data or,",
        ),
        (
            lambda t: t.model.train_on_batch(X, X),
            "A Bayesian flow network learns the distribution of the",
            "`x` with targets. Pass only the data or,",
        ),
    ],
    "y_pred": [
        (
            lambda t: t.model.compute_loss(X),
            "must be what a call of the model on `x` returned",
            "y_pred=None",
        ),
        (
            lambda t: t.model.compute_loss(X, y_pred={"data": X}),
            "must be what a call of the model on `x` returned",
            "y_pred={'data': array([",
        ),
    ],
}
if IS_TORCH:  # others write no such files
    CALLS["filepath"].append(
        (
            lambda t: t.model.export("step", "onnx"),
            "must end with .onnx for format='onnx'",
            "filepath='step'",
        )
    )
