"""Wrong calls of callbacks, guidance, codec, presets, checkpoints and testing."""

import keras
import numpy as np
from keras import ops

from keras_bfn import (
    BayesianFlowNetwork,
    callbacks,
    checkpoints,
    codec,
    devices,
    distillation,
    flows,
    guidance,
    networks,
    presets,
    recipes,
    samplers,
    testing,
)
from tests.wrong.things import FLOW, HUGE, MANY, SHAPE, X, by_expected, nan, total

SWAP = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


def compiled(distiller):
    distiller.compile("adam")
    return distiller


def with_lora(network):
    network.enable_lora(2)
    return network


def quantized(network):
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.quantize("int8")
    return network


def make_theirs():
    """The paper's architecture for texts, small."""
    flow = flows.DiscreteFlow(27, 0.75)
    return networks.Transformer(flow, 4, 8, 1, 1, 1, positions="sinusoidal", shortcut=False)


class Deaf(networks.Network):
    """Of theta alone."""

    def __init__(self, flow, event_shape, **kwargs):
        super().__init__(flow, event_shape, lambda inputs, *_: [inputs["theta"]], **kwargs)
        self.event_shape = event_shape


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "A": {
        "array of numbers": [(lambda t: guidance.LinearInverse("a", [1.0], 0.1), "a str")],
        "finite matrix": [
            lambda t: guidance.LinearInverse(np.full((1, 3), nan), [1.0], 0.1),
            lambda t: guidance.LinearInverse([1.0], [1.0], 0.1),
        ],
        "32 columns, the size of an example of the expected": [
            (
                lambda t: t.model.generate(
                    2, 2, guidance=guidance.LinearInverse(np.ones((1, 3)), [1.0], 1)
                ),
                "A of shape (1, 3)",
            )
        ],
    },
    "accept": {
        "non-empty list of states": [
            lambda t: guidance.Automaton({0: [1, 0]}, []),
            lambda t: guidance.Automaton({0: [1, 0]}, 0),
        ],
        "integer of at least 0 and at most 1": [lambda t: guidance.Automaton({0: [1, 0]}, [2])],
    },
    "batch_size": {
        "integer of at least 1 and at most": [lambda t: codec.Codec(t.model, batch_size=0)],
        "at most the number of jumps, 8192": [
            lambda t: distillation.Trajectories(t.continuous, batch_size=10**6)
        ],
    },
    "classifier": {
        "Keras model, or a function": [lambda t: guidance.ClassifierGuidance(3, 1)],
        "must return `(batch, num_classes)`": [
            (
                lambda t: t.model.generate(2, 2, guidance=guidance.ClassifierGuidance(total, 1)),
                "shape (4,)",
            )
        ],
    },
    "clock": {
        "one of ['wall', 'processor']": [lambda t: callbacks.TimeBudget(seconds=1.0, clock="moon")]
    },
    "columns": {"integer of at least 1": [lambda t: callbacks.SampleImages("samples", columns=0)]},
    "compile": {
        "Call `compile` before `fit`": [
            (
                lambda t: distillation.Distiller(t.student).fit(
                    distillation.Trajectories(t.conditional, 4, 3, 2, condition=[0], batch_size=8)
                ),
                "",
            )
        ]
    },
    "condition": {
        "The network takes a condition: {'label': 'integers 0..2; 3 means no condition', 'size'": [
            (lambda t: t.two_conditions.generate(2), "no condition in `condition`. Write `cond")
        ],
        "The network takes no condition": [
            (
                lambda t: testing.check_network(t.model.network, FLOW, condition=[1, 2]),
                "a condition in `condition`",
                AssertionError,
            )
        ],
        "must not contain 'guidance_scale', which is an argument": [
            (
                lambda t: t.guided_student.generate(2, 1, condition={"guidance_scale": [[2.0]]}),
                "a dict with the keys ['guidance_scale']",
            )
        ],
        "one or more conditions, and as many in each array": [
            lambda t: distillation.Trajectories(t.conditional, condition=3),
            lambda t: distillation.Trajectories(t.conditional, condition={"a": [1, 2], "b": [1]}),
        ],
        "integer conditions of shape (batch,) in 0..3, where": [
            (
                lambda t: distillation.Trajectories(t.conditional, condition=[0.5]),
                "conditions of shape (1,), dtype float64",
            )
        ],
    },
    "conditions": {
        "must be classes or vectors, for a network without": [
            lambda t: presets.with_conditions(t.conditional, (4, 4, 3)),
            lambda t: presets.with_conditions(
                BayesianFlowNetwork(FLOW, with_lora(networks.MLP(FLOW, SHAPE, 8, 1))), 3
            ),
        ]
    },
    "data": {
        "attribute `epoch`": [lambda t: callbacks.Resume("run", data=3)],
        "must be bytes": [(lambda t: t.codec.decompress(5), "int")],
    },
    "device_mesh": {"`keras.distribution.DeviceMesh`": [lambda t: devices.WidthParallel(3)]},
    "directory": {
        "must be a path": [lambda t: callbacks.Resume(3), lambda t: callbacks.SampleText(3)]
    },
    "DiscretizedFlow": {
        "Data with infinitely many values have no code of": [
            (lambda t: codec.Codec(t.continuous), "ContinuousFlow(prediction='noise',")
        ]
    },
    "end": {
        "must not be a class in `transitions`": [
            lambda t: guidance.Automaton({0: [1, 0]}, [0], end=0)
        ]
    },
    "event_shape": {
        "The model has no `event_shape` yet. Pass it to the": [lambda t: codec.Codec(t.unbuilt)],
        "tuple of integers of at least 1": [lambda t: testing.check_flow(FLOW, event_shape=3)],
    },
    "every": {"integer of at least 1": [lambda t: callbacks.SampleText("samples", every=0)]},
    "fall": {
        "number strictly between 0 and 1": [lambda t: callbacks.TimeBudget(seconds=1.0, fall=1)]
    },
    "file": {
        "Not a file of keras_bfn.codec: it does not": [
            (lambda t: t.codec.decompress(b"x"), "", codec.CodecError),
            (lambda t: t.codec.decompress(bytes(100)), "", codec.CodecError),
        ]
    },
    "flow": {
        "A flow must be a `keras_bfn.flows.Flow`. It": [
            (lambda t: testing.check_flow(3), "", AssertionError)
        ],
        "`keras_bfn.flows.Flow`, or a dict": [
            (lambda t: testing.check_network(t.model.network, 3), "flow=3", AssertionError)
        ],
    },
    "fn": {
        "function of the expected data": [
            lambda t: guidance.Constraint(3, 1.0, 0.1),
            lambda t: guidance.Guidance(fn=3),
        ],
        "must return a tensor of shape (batch,) or (batch": [
            (
                lambda t: t.model.generate(2, 2, guidance=guidance.Constraint(ops.sum, 1.0, 0.1)),
                "shape ()",
            ),
            (
                lambda t: t.model.generate(
                    2, 2, guidance=guidance.Constraint(lambda p: None, 1.0, 0.1)
                ),
                "a NoneType",
            ),
        ],
    },
    "from_logits": {
        "True or False": [lambda t: guidance.ClassifierGuidance(len, 1, from_logits="x")]
    },
    "guidance": {
        "function or a": [lambda t: guidance.get(3)],
        "for sequences, with expected data of shape (batch": [
            (
                lambda t: guidance.Automaton({0: [1, 0], 3: [1, 0]}, [0]).likelihood(
                    ops.zeros((2, 4))
                ),
                "classes [0, 3] for shape (2, 4)",
            ),
            (
                lambda t: guidance.Automaton({0: [1, 0], 3: [1, 0]}, [0]).likelihood(
                    ops.zeros((2, 4, 3))
                ),
                "classes [0, 3] for shape (2, 4, 3)",
            ),
        ],
    },
    "guidance_scale": {
        "number, or (low, high) with low < high": [
            lambda t: distillation.Trajectories(t.continuous, guidance_scale=(3, 1))
        ],
        "finite number, at most 1e+30 in magnitude": [
            lambda t: distillation.Trajectories(t.continuous, guidance_scale="strong")
        ],
        "finite number, for a student that takes the scale as a condition": [
            lambda t: t.guided_student.generate(2, 1, guidance_scale=lambda t: 1 + t)
        ],
    },
    "guided": {
        "False for a teacher without a null condition, or": [
            lambda t: distillation.make_student(t.missing, guided=True)
        ]
    },
    "interval": {
        "pair (t0, t1) with 0 <= t0 < t1 <= 1": [
            lambda t: guidance.ClassifierFreeGuidance(2.0, 3),
            lambda t: guidance.Guidance(len, interval=1),
        ]
    },
    "loss": {
        "left out: a distiller has its own loss, and no": [
            lambda t: distillation.Distiller(t.student).compile("adam", loss="mse")
        ]
    },
    "model": {
        "`keras_bfn.BayesianFlowNetwork`": [
            lambda t: codec.Codec(3),
            lambda t: distillation.make_student(None),
        ],
        "`keras_bfn.BayesianFlowNetwork`, and no student": [
            lambda t: distillation.Trajectories(None),
            lambda t: distillation.Trajectories(t.student),
        ],
        "no matrices of low rank": [
            lambda t: codec.Codec(
                BayesianFlowNetwork(FLOW, with_lora(networks.MLP(FLOW, SHAPE, 8, 1)))
            ).compress(X)
        ],
        "must not be a student, whose network takes 't_next'": [
            lambda t: distillation.make_student(t.student)
        ],
        "`BayesianFlowNetwork` with a network of `keras_bfn.networks`": [
            lambda t: presets.with_conditions(None, 3),
            lambda t: presets.with_conditions(t.model, 3),
        ],
    },
    "network": {
        **by_expected(
            (
                lambda t, change=change: checkpoints.load_official(change(make_theirs()), "x.pt"),
                "must have no matrices of low rank, and must not be quantized",
                "network=<Transformer",
            )
            for change in (with_lora, quantized)
        ),
        "one of the paper's architectures, at any size: a": [
            lambda t: checkpoints.load_official(None, "weights.pt")
        ],
        "Keras model or layer": [
            (lambda t: testing.check_network(3, FLOW), "network=3", AssertionError)
        ],
        "must be one of the paper's architectures, at any size: a UNet for two": [
            lambda t: checkpoints.load_official(
                networks.UNet(FLOW, SHAPE, 128, num_blocks=1), "absent.pt"
            ),
            lambda t: checkpoints.load_official(
                networks.UNet(FLOW, SHAPE, 128, num_blocks=1, shortcut=False, conditions=3),
                "absent.pt",
            ),
            lambda t: checkpoints.load_official(
                networks.UNet(FLOW, SHAPE, 64, num_blocks=1, shortcut=False), "absent.pt"
            ),
            lambda t: checkpoints.load_official(
                networks.UNet(
                    flows.DiscreteFlow(27, 0.5), SHAPE, 128, num_blocks=1, shortcut=False
                ),
                "absent.pt",
            ),
            lambda t: checkpoints.load_official(
                networks.VDMUNet(FLOW, SHAPE, 128, num_blocks=1, shortcut=False), "absent.pt"
            ),
            lambda t: checkpoints.load_official(
                networks.Transformer(flows.DiscretizedFlow(16), 4, 8, shortcut=False), "absent.pt"
            ),
        ],
        "given, unless the teacher's network is one of": [
            lambda t: distillation.make_student(t.model)
        ],
        "must take 't_next'": [
            lambda t: distillation.make_student(t.conditional, networks.MLP(MANY, SHAPE, 8, 1))
        ],
        "given, because a copy of the teacher's would not": [
            lambda t: distillation.make_student(BayesianFlowNetwork(FLOW, Deaf(FLOW, SHAPE)))
        ],
    },
    "noise": {
        "positive, finite number": [lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0], 0)]
    },
    "num_draws": {
        "integer of at least 1": [lambda t: guidance.Guidance(len, num_draws=0)],
        "None: the covariance is analytic": [
            lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0], 0.1, num_draws=2)
        ],
    },
    "num_jumps": {
        "integer of at least 1": [lambda t: distillation.Trajectories(t.continuous, num_jumps=0)]
    },
    "num_paths": {
        "integer of at least 1": [lambda t: distillation.Trajectories(t.continuous, num_paths=0)]
    },
    "num_samples": {
        "integer of at least 1": [lambda t: callbacks.SampleText("samples", num_samples=1.5)]
    },
    "num_steps": {
        "integer of at least 1": [
            lambda t: callbacks.SampleText("a", num_steps=0),
            lambda t: testing.check_sampler(samplers.SDE1Sampler(), num_steps=0),
            lambda t: recipes.muon(0, 0.001),
        ],
        "integer of at least 1 and at most": [lambda t: codec.Codec(t.model, num_steps=0)],
        "integer of at least 1 and at most 1048576": [
            lambda t: distillation.Trajectories(t.continuous, num_steps=0)
        ],
        "Arguments `num_steps` and `resolution` must be such": [
            lambda t: codec.Codec(t.model, num_steps=2**20, resolution=0.0011).compress(X)
        ],
    },
    "optimizer": {"`keras.optimizers.Optimizer`": [lambda t: devices.share_gradients("adam")]},
    "order": {
        "`order` requires a `keras_bfn.AnyOrderNetwork`": [
            lambda t: codec.Codec(t.model, order="random")
        ]
    },
    "part": {
        "name of a part, or None": [lambda t: callbacks.SampleImages("a", part=3)],
        "None unless the flow is a dict": [
            lambda t: t.model.generate(
                2, 2, guidance=guidance.LinearInverse(np.ones((1, 32)), [1.0], 1, "a")
            )
        ],
        "one of ['a', 'b']": [
            lambda t: t.parts.generate(
                2, 2, guidance=guidance.LinearInverse([[1.0]], [0.3], 0.1, part="size")
            )
        ],
    },
    "path": {
        "must be a file": [
            (lambda t: checkpoints.load_official(t.unet, 3), "path='3'", FileNotFoundError)
        ],
        "the form hf://owner/repo/file": [lambda t: checkpoints.load_official(t.unet, "hf://x")],
    },
    "peak_rate": {"positive, finite number": [lambda t: recipes.muon(9, 0)]},
    "preprocess": {
        "function, or None": [lambda t: guidance.ClassifierGuidance(len, 1, preprocess=3)]
    },
    "preset": {"must be a path": [lambda t: presets.upload_preset("hf://user/repo", None)]},
    "resolution": {
        "number strictly between 0.001 and 1": [lambda t: codec.Codec(t.model, resolution=1)]
    },
    "resume": {"`Resume`, or None": [lambda t: callbacks.TimeBudget(seconds=1.0, resume=True)]},
    "return_report": {"True or False": [lambda t: t.codec.compress(X, return_report="x")]},
    "rise": {
        "number strictly between 0 and 1": [lambda t: callbacks.TimeBudget(seconds=1.0, rise=0)]
    },
    "sampler": {
        "A sampler must be a": [(lambda t: testing.check_sampler(3), "", AssertionError)],
        "'jump', or a `JumpSampler`, for a student": [
            lambda t: t.student.generate(4, 2, "sde2", [0] * 4)
        ],
        "must not jump unless the model is a student of": [
            lambda t: t.model.generate(2, 1, distillation.JumpSampler())
        ],
        "`step` that accepts a `shift`, for guidance": [
            lambda t: t.student.generate(2, 1, "jump", [0] * 2, guidance=total)
        ],
    },
    "rescale": {
        "number in [0, 1], and 0 if `scale` is 1": [
            lambda t: guidance.ClassifierFreeGuidance(rescale=0.5),
            lambda t: guidance.ClassifierFreeGuidance(2.0, rescale=2),
        ]
    },
    "scale": {
        "finite number, at most 1e+30 in magnitude, or a": [
            lambda t: guidance.ClassifierFreeGuidance("a"),
            lambda t: guidance.Guidance(len, scale=HUGE),
        ]
    },
    "schedule": {
        "A schedule must be a": [(lambda t: testing.check_schedule(3), "", AssertionError)]
    },
    "seconds": {"positive, finite number": [lambda t: callbacks.TimeBudget(seconds=0)]},
    "seed": {
        "integer of at least 0": [
            lambda t: callbacks.SampleImages("a", seed=-1),
            lambda t: testing.check_flow(FLOW, seed="a"),
            lambda t: testing.check_sampler(samplers.SDE1Sampler(), 3, seed="a"),
        ],
        "integer of at least 0 and at most": [lambda t: codec.Codec(t.model, seed=-1)],
    },
    "start": {
        "number strictly between 0 and 1": [
            lambda t: distillation.Trajectories(t.continuous, start=0)
        ]
    },
    "std": {"positive, finite number": [lambda t: guidance.Constraint(len, 1.0, 0)]},
    "student": {"model of `make_student`": [lambda t: distillation.Distiller(t.conditional)]},
    "target": {
        "class, or one class per sample": [
            lambda t: guidance.ClassifierGuidance(len, 0.5),
            lambda t: guidance.ClassifierGuidance(len, -1),
            lambda t: guidance.ClassifierGuidance(len, [[1]]),
        ],
        "array of numbers": [(lambda t: guidance.Constraint(len, "a", 0.1), "a str")],
        "finite": [lambda t: guidance.Constraint(len, nan, 0.1)],
        "classes below 2": [
            lambda t: t.model.generate(
                2, 2, guidance=guidance.ClassifierGuidance(lambda p: p[:, 0, 0, 0], 3)
            )
        ],
        "`target` for each of 2 samples": [
            (
                lambda t: t.model.generate(
                    2, 2, guidance=guidance.ClassifierGuidance(lambda p: p[:, 0, 0, 0], [0, 1, 1])
                ),
                "",
            )
        ],
        "1 numbers per sample, like the result of `fn`, or": [
            (
                lambda t: t.model.generate(
                    2, 2, guidance=guidance.Constraint(total, np.ones((2, 3)), 0.1)
                ),
                "3",
            )
        ],
    },
    "tensorboard": {"must be a path": [lambda t: callbacks.SampleImages("a", tensorboard=3)]},
    "through_network": {"True or False": [lambda t: guidance.Guidance(len, through_network=1)]},
    "times": {
        "one of ['shared', 'variables']": [
            (
                lambda t: testing.check_network(t.model.network, FLOW, times="x"),
                "times='x'",
                AssertionError,
            )
        ]
    },
    "to_data": {
        "number in [0, 1]": [lambda t: distillation.Trajectories(t.continuous, to_data=1.5)]
    },
    "training": {"True or False": [lambda t: distillation.Trajectories(t.continuous, training=1)]},
    "transitions": {
        "dict from classes to lists of states, of equal": [
            lambda t: guidance.Automaton({}, [0]),
            lambda t: guidance.Automaton({0: [0], 1: [0, 1]}, [0]),
        ],
        "integer of at least -1 and at most 1": [lambda t: guidance.Automaton({0: [2, 0]}, [0])],
    },
    "values": {
        "dict from names to arrays": [lambda t: guidance.Guidance(len, values=[1])],
        "array of numbers for `a`": [lambda t: guidance.Guidance(len, values={"a": "x"})],
        "array, with rows of equal length": [
            (lambda t: guidance.Guidance(len, values={"a": [[1], [1, 2]]}), "values['a']='list'")
        ],
        "no NaN in `a`": [lambda t: guidance.Guidance(len, values={"a": [nan]})],
        "array of numbers for `y`": [lambda t: guidance.Guidance(fn=total, values={"y": "a"})],
        "numbers that fit int32, from -2147483648 to": [
            (
                lambda t: guidance.Guidance(len, values={"label": np.array([2**40])}),
                "values from 1099511627776 to 1099511627776",
            )
        ],
    },
    "verbose": {
        "integer of at least 0 and at most 1": [lambda t: callbacks.Resume("a", verbose=3)],
        "'auto', 0, 1 or 2": [
            lambda t: t.codec.compress(X, verbose="x"),
            lambda t: t.codec.decompress(b"x", verbose="x"),
        ],
    },
    "x": {
        "`Trajectories`": [lambda t: compiled(distillation.Distiller(t.student)).fit(X)],
        "array of examples": [lambda t: t.codec.compress(3)],
        "DiscreteFlow.check_data must accept its own data:": [
            (lambda t: testing.check_flow(FLOW, x="a"), "dtype str32", AssertionError),
            (
                lambda t: testing.check_flow(FLOW, x=np.array([7])),
                "values from 7 to 7",
                AssertionError,
            ),
        ],
        "must lie in [0, 1] for DiscreteFlow(num_classes=2,": [
            (
                lambda t: t.codec.compress(np.full((2, 4, 4, 1), -1)),
                "Classes 0..K-1 need `num_classes=K`. If -1 or NaN mark missing values, crea",
            )
        ],
    },
    "y": {
        "finite, of shape (1,) or": [
            (lambda t: guidance.LinearInverse(np.ones((1, 3)), 1.0, 0.1), "shape ()"),
            (lambda t: guidance.LinearInverse(np.ones((1, 3)), [nan], 0.1), "shape (1,)"),
            (lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0, 2.0], 0.1), "shape (2,)"),
        ],
        "array of numbers": [
            (lambda t: guidance.LinearInverse(np.ones((1, 3)), "a", 0.1), "a str")
        ],
    },
}
