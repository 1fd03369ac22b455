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
    orders,
    presets,
    recipes,
    samplers,
    testing,
)
from tests.wrong.things import FLOW, HUGE, MANY, SHAPE, X, inf, nan, total

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


def samples_of(name):
    """Callbacks with wrong numbers of samples, steps or epochs."""
    return [
        (
            lambda t, kind=kind, value=value: kind("samples", **{name: value}),
            "must be an integer of at least 1",
            f"{name}={value!r}",
        )
        for kind in (callbacks.SampleImages, callbacks.SampleText)
        for value in (0, -1, 1.5, True, None)
    ]


class Deaf(networks.Network):
    """Of theta alone."""

    def __init__(self, flow, event_shape, **kwargs):
        super().__init__(flow, event_shape, lambda inputs, *_: [inputs["theta"]], **kwargs)
        self.event_shape = event_shape


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "A": [
        (
            lambda t: guidance.LinearInverse(np.ones(3), [1.0], 0.1),
            "must be a finite matrix",
            "A=array([1., 1., 1.], dtype=float32)",
        ),
        (lambda t: guidance.LinearInverse("a", [1.0], 0.1), "must be an array of numbers", "a str"),
        (
            lambda t: guidance.LinearInverse(np.full((1, 3), nan), [1.0], 0.1),
            "must be a finite matrix",
            "A=array([[nan, nan, nan]],",
        ),
        (
            lambda t: guidance.LinearInverse([1.0], [1.0], 0.1),
            "must be a finite matrix",
            "A=array([1.], dtype=float32)",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.LinearInverse(np.ones((1, 3)), [1.0], 1)
            ),
            "must have 32 columns, the size of an example of the expected data",
            "A of shape (1, 3)",
        ),
    ],
    "accept": [
        (
            lambda t: guidance.Automaton({0: [1, 0]}, []),
            "must be a non-empty list of states",
            "accept=[]",
        ),
        (
            lambda t: guidance.Automaton({0: [1, 0]}, 0),
            "must be a non-empty list of states",
            "accept=0",
        ),
        (
            lambda t: guidance.Automaton({0: [1, 0]}, [2]),
            "must be an integer of at least 0 and at most 1",
            "accept=2",
        ),
    ],
    "batch_size": [
        (
            lambda t: codec.Codec(t.model, batch_size=0),
            "must be an integer of at least 1 and at most",
            "batch_size=0",
        ),
        (
            lambda t: codec.Codec(t.model, batch_size="a"),
            "must be an integer of at least 1 and at most",
            "batch_size='a'",
        ),
        (
            lambda t: distillation.Trajectories(t.continuous, batch_size=10**6),
            "must be at most the number of jumps, 8192",
            "batch_size=1000000",
        ),
        (
            lambda t: codec.Codec(t.model, batch_size=2**17),
            "must be an integer of at least 1 and at most 65536",
            "batch_size=131072",
        ),
    ],
    "callbacks": [
        (
            lambda t: compiled(distillation.Distiller(t.student)).fit(
                distillation.Trajectories(t.conditional, 4, 3, 2, condition=[0], batch_size=8),
                callbacks=[SWAP, callbacks.Resume("runs")],
            ),
            "must contain `SwapEMAWeights(swap_on_epoch=True)` after this one",
            "callbacks=<keras_bfn.callbacks.resume.Resume",
        ),
    ],
    "classifier": [
        (
            lambda t: guidance.ClassifierGuidance(None, 1),
            "must be a Keras model, or a function",
            "classifier=None",
        ),
        (
            lambda t: guidance.ClassifierGuidance("x", 1),
            "must be a Keras model, or a function",
            "classifier='x'",
        ),
        (
            lambda t: guidance.ClassifierGuidance(3, 1),
            "must be a Keras model, or a function",
            "classifier=3",
        ),
        (
            lambda t: t.model.generate(2, 2, guidance=guidance.ClassifierGuidance(total, 1)),
            "must return `(batch, num_classes)`",
            "shape (4,)",
        ),
    ],
    "clock": [
        (
            lambda t: callbacks.TimeBudget(seconds=1.0, clock="moon"),
            "must be one of ['wall', 'processor']",
            "clock='moon'",
        ),
    ],
    "columns": [
        (
            lambda t: callbacks.SampleImages("samples", columns=0),
            "must be an integer of at least 1",
            "columns=0",
        ),
        (
            lambda t: callbacks.SampleImages("a", columns="x"),
            "must be an integer of at least 1",
            "columns='x'",
        ),
    ],
    "compile": [
        (
            lambda t: distillation.Distiller(t.student).fit(
                distillation.Trajectories(t.conditional, 4, 3, 2, condition=[0], batch_size=8)
            ),
            "Call `compile` before `fit`",
            "",
        ),
    ],
    "condition": [
        (
            lambda t: t.codec.compress(X, condition=[1]),
            "The network takes no condition",
            "a condition in `condition`",
        ),
        (
            lambda t: testing.check_network(t.model.network, FLOW, condition=[1, 2]),
            "The network takes no condition",
            "a condition in `condition`",
            AssertionError,
        ),
        (
            lambda t: distillation.Trajectories(t.conditional, condition=3),
            "must contain one or more conditions, and as many in each array of a dict",
            "condition='shapes [()]'",
        ),
        (
            lambda t: distillation.Trajectories(t.conditional, condition=[]),
            "must contain one or more conditions, and as many in each array of a dict",
            "condition='shapes [(0,)]'",
        ),
        (
            lambda t: distillation.Trajectories(t.conditional, condition=[0.5]),
            "must have integer conditions of shape (batch,) in 0..3, where 3 means",
            "conditions of shape (1,), dtype float64",
        ),
        (
            lambda t: distillation.Trajectories(t.conditional, condition={"a": [1, 2], "b": [1]}),
            "must contain one or more conditions, and as many in each array of a dict",
            "condition='shapes [(2,), (1,)]'",
        ),
    ],
    "data": [
        (lambda t: codec.Codec(t.model).decompress(None), "must be bytes", "NoneType"),
        (lambda t: callbacks.Resume("run", data=3), "must have an attribute `epoch`", "data=3"),
        (
            lambda t: callbacks.Resume("a", data=np.zeros(3)),
            "must have an attribute `epoch`",
            "data=array([0., 0., 0.])",
        ),
        (lambda t: t.codec.decompress("x"), "must be bytes", "str"),
        (lambda t: t.codec.decompress(5), "must be bytes", "int"),
        (lambda t: t.codec.decompress([1, 2]), "must be bytes", "list"),
    ],
    "device_mesh": [
        (
            lambda t: devices.WidthParallel(3),
            "must be a `keras.distribution.DeviceMesh`",
            "device_mesh=3",
        ),
    ],
    "directory": [
        (lambda t: callbacks.Resume(None), "must be a path", "directory=None"),
        (lambda t: callbacks.SampleImages(None), "must be a path", "directory=None"),
        (lambda t: callbacks.Resume(3), "must be a path", "directory=3"),
        (lambda t: callbacks.SampleText(3), "must be a path", "directory=3"),
    ],
    "DiscretizedFlow": [
        (
            lambda t: codec.Codec(t.continuous),
            "Data with infinitely many values have no code of finite",
            "ContinuousFlow(prediction='noise',",
        ),
        (
            lambda t: codec.Codec(
                t.parts, order=orders.Groups({"a": 0, "b": 1}, coded_directly=[True, False])
            ),
            "no code of finite length",
            "ContinuousFlow(",
        ),
    ],
    "end": [
        (
            lambda t: guidance.Automaton({0: [1, 0]}, [0], end=0),
            "must not be a class in `transitions`",
            "end=0",
        ),
    ],
    "event_shape": [
        (
            lambda t: codec.Codec(t.unbuilt),
            "The model has no `event_shape` yet. Pass it to the",
            "event_shape=None",
        ),
        (
            lambda t: testing.check_flow(FLOW, event_shape=3),
            "must be a tuple of integers of at least 1",
            "event_shape=3",
        ),
    ],
    "every": samples_of("every"),
    "fall": [
        (
            lambda t: callbacks.TimeBudget(seconds=1.0, fall=1),
            "must be a number strictly between 0 and 1",
            "fall=1",
        ),
    ],
    "file": [
        (
            lambda t: t.codec.decompress(b"x"),
            "Not a file of keras_bfn.codec: it does not",
            "",
            codec.CodecError,
        ),
        (
            lambda t: t.codec.decompress(bytes(100)),
            "Not a file of keras_bfn.codec: it does not",
            "",
            codec.CodecError,
        ),
    ],
    "flow": [
        (
            lambda t: testing.check_flow(3),
            "A flow must be a `keras_bfn.flows.Flow`. It",
            "",
            AssertionError,
        ),
        (
            lambda t: testing.check_network(t.model.network, 3),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow=3",
            AssertionError,
        ),
    ],
    "fn": [
        (lambda t: guidance.Guidance(), "must be a function of the expected data", "fn=None"),
        (
            lambda t: guidance.Constraint(None, 1.0, 0.1),
            "must be a function of the expected data",
            "fn=None",
        ),
        (lambda t: guidance.Guidance("x"), "must be a function of the expected data", "fn='x'"),
        (
            lambda t: guidance.Constraint(3, 1.0, 0.1),
            "must be a function of the expected data",
            "fn=3",
        ),
        (lambda t: guidance.Guidance(fn=3), "must be a function of the expected data", "fn=3"),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.Constraint(lambda p: p[0, 0, 0, 0], 1.0, 0.1)
            ),
            "must return a tensor of shape (batch,) or (batch, size)",
            "shape (2,)",
        ),
        (
            lambda t: t.model.generate(2, 2, guidance=guidance.Constraint(ops.sum, 1.0, 0.1)),
            "must return a tensor of shape (batch,) or (batch, size)",
            "shape ()",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.Constraint(lambda p: None, 1.0, 0.1)
            ),
            "must return a tensor of shape (batch,) or (batch, size)",
            "a NoneType",
        ),
    ],
    "from_logits": [
        (
            lambda t: guidance.ClassifierGuidance(len, 1, from_logits="x"),
            "must be True or False",
            "from_logits='x'",
        ),
    ],
    "guidance": [
        (lambda t: guidance.get(3), "must be a function or a", "guidance=3"),
        (lambda t: guidance.get("x"), "must be a function or a", "guidance='x'"),
        (
            lambda t: guidance.Automaton({0: [1, 0], 3: [1, 0]}, [0]).likelihood(ops.zeros((2, 4))),
            "must be for sequences, with expected data of shape (batch, length,",
            "classes [0, 3] for shape (2, 4)",
        ),
        (
            lambda t: guidance.Automaton({0: [1, 0], 3: [1, 0]}, [0]).likelihood(
                ops.zeros((2, 4, 3))
            ),
            "must be for sequences, with expected data of shape (batch, length,",
            "classes [0, 3] for shape (2, 4, 3)",
        ),
    ],
    "guidance_scale": [
        (
            lambda t: distillation.Trajectories(t.continuous, guidance_scale=(3, 1)),
            "must be a number, or (low, high) with low < high",
            "guidance_scale=(3, 1)",
        ),
        (
            lambda t: distillation.Trajectories(t.continuous, guidance_scale="strong"),
            "must be a finite number, at most 1e+30 in magnitude",
            "guidance_scale='strong'",
        ),
        (
            lambda t: distillation.Trajectories(t.continuous, guidance_scale=2.0),
            "must be 1 unless there are a condition and a null condition to guide",
            "guidance_scale=2.0 with condition=None",
        ),
    ],
    "guided": [
        (
            lambda t: distillation.make_student(t.missing, guided=True),
            "must be False for a teacher without a null condition, or with `network`",
            "guided=True",
        ),
    ],
    "interval": [
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, (0.5, 0.5)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=(0.5, 0.5)",
        ),
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, None),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=None",
        ),
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, (1, 0)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=(1, 0)",
        ),
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, 3),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=3",
        ),
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, (nan, 1)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=(nan, 1)",
        ),
        (
            lambda t: guidance.Guidance(len, interval=1),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=1",
        ),
        (
            lambda t: guidance.Guidance(len, interval=(0.5, 0.2)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=(0.5, 0.2)",
        ),
        (
            lambda t: guidance.Guidance(len, interval=("a", 1)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=('a', 1)",
        ),
        (
            lambda t: guidance.Guidance(fn=total, interval=(0.0, 2.0)),
            "must be a pair (t0, t1) with 0 <= t0 < t1 <= 1",
            "interval=(0.0, 2.0)",
        ),
    ],
    "loss": [
        (
            lambda t: distillation.Distiller(t.student).compile("adam", loss="mse"),
            "must be left out: a distiller has its own loss, and no metrics",
            "loss='mse'",
        ),
    ],
    "model": [
        (lambda t: codec.Codec(None), "must be a `keras_bfn.BayesianFlowNetwork`", "model=None"),
        (lambda t: codec.Codec(3), "must be a `keras_bfn.BayesianFlowNetwork`", "model=3"),
        (
            lambda t: distillation.Trajectories(None),
            "must be a `keras_bfn.BayesianFlowNetwork`, and no student",
            "model=None",
        ),
        (
            lambda t: codec.Codec(t.model.network),
            "must be a `keras_bfn.BayesianFlowNetwork`",
            "model=",
        ),
        (
            lambda t: codec.Codec(
                BayesianFlowNetwork(FLOW, with_lora(networks.MLP(FLOW, SHAPE, 8, 1)))
            ).compress(X),
            "must have no matrices of low rank",
            "model=<BayesianFlowNetwork",
        ),
        (
            lambda t: distillation.make_student(None),
            "must be a `keras_bfn.BayesianFlowNetwork`",
            "model=None",
        ),
        (
            lambda t: distillation.make_student(t.student),
            "must not be a student, whose network takes 't_next'",
            "model=<MLP",
        ),
        (
            lambda t: distillation.Trajectories(t.student),
            "must be a `keras_bfn.BayesianFlowNetwork`, and no student",
            "model=<Student",
        ),
    ],
    "network": [
        *(
            (
                lambda t, change=change: checkpoints.load_official(change(make_theirs()), "x.pt"),
                "must have no matrices of low rank, and must not be quantized",
                "network=<Transformer",
            )
            for change in (with_lora, quantized)
        ),
        (
            lambda t: checkpoints.load_official(None, "weights.pt"),
            "must be one of the paper's architectures, at any size: a",
            "network=None",
        ),
        (
            lambda t: checkpoints.load_official(t.model.network, "x.pt"),
            "must be one of the paper's architectures, at any size: a",
            "network=",
        ),
        (
            lambda t: testing.check_network(3, FLOW),
            "must be a Keras model or layer",
            "network=3",
            AssertionError,
        ),
        (
            lambda t: checkpoints.load_official(networks.MLP(FLOW, (4,), 8), "absent.pt"),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network=<MLP",
        ),
        (
            lambda t: checkpoints.load_official(
                networks.UNet(FLOW, SHAPE, 128, num_blocks=1), "absent.pt"
            ),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network=<UNet",
        ),
        (
            lambda t: checkpoints.load_official(
                networks.UNet(FLOW, SHAPE, 128, num_blocks=1, shortcut=False, conditions=3),
                "absent.pt",
            ),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network=<UNet",
        ),
        (
            lambda t: checkpoints.load_official(
                networks.UNet(FLOW, SHAPE, 64, num_blocks=1, shortcut=False), "absent.pt"
            ),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network=<UNet",
        ),
        (
            lambda t: checkpoints.load_official(
                networks.UNet(
                    flows.DiscreteFlow(27, 0.5), SHAPE, 128, num_blocks=1, shortcut=False
                ),
                "absent.pt",
            ),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network=<UNet",
        ),
        (
            lambda t: checkpoints.load_official(
                networks.VDMUNet(FLOW, SHAPE, 128, num_blocks=1, shortcut=False), "absent.pt"
            ),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network=<VDMUNet",
        ),
        (
            lambda t: checkpoints.load_official(
                networks.Transformer(flows.DiscretizedFlow(16), 4, 8, shortcut=False), "absent.pt"
            ),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network=<Transformer",
        ),
        (
            lambda t: checkpoints.load_official("bfn_mnist_binary", "absent.pt"),
            "must be one of the paper's architectures, at any size: a UNet for two",
            "network='bfn",
        ),
        (
            lambda t: distillation.make_student(t.model),
            "must be given, unless the teacher's network is one of `keras_bfn.networks`",
            "network=None",
        ),
        (
            lambda t: distillation.make_student(t.conditional, networks.MLP(MANY, SHAPE, 8, 1)),
            "must take 't_next'",
            "network=<MLP",
        ),
        (
            lambda t: distillation.make_student(BayesianFlowNetwork(FLOW, Deaf(FLOW, SHAPE))),
            "must be given, because a copy of the teacher's would not embed 't_next'",
            "network=None",
        ),
    ],
    "noise": [
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0], 0),
            "must be a positive, finite number",
            "noise=0",
        ),
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0], nan),
            "must be a positive, finite number",
            "noise=nan",
        ),
    ],
    "num_draws": [
        (
            lambda t: guidance.Guidance(len, num_draws=0),
            "must be an integer of at least 1",
            "num_draws=0",
        ),
        (
            lambda t: guidance.Guidance(len, num_draws=1.5),
            "must be an integer of at least 1",
            "num_draws=1.5",
        ),
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0], 0.1, num_draws=2),
            "must be None: the covariance is analytic",
            "num_draws=2",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.LinearInverse(np.ones((1, 32)), [1.0], 1, num_draws=2)
            ),
            "must be None: the covariance is analytic",
            "num_draws=2",
        ),
    ],
    "num_jumps": [
        (
            lambda t: distillation.Trajectories(t.continuous, num_jumps=0),
            "must be an integer of at least 1",
            "num_jumps=0",
        ),
    ],
    "num_paths": [
        (
            lambda t: distillation.Trajectories(t.continuous, num_paths=0),
            "must be an integer of at least 1",
            "num_paths=0",
        ),
    ],
    "num_samples": [
        *samples_of("num_samples"),
        (
            lambda t: callbacks.SampleText("samples", num_samples=1.5),
            "must be an integer of at least 1",
            "num_samples=1.5",
        ),
        (
            lambda t: callbacks.SampleImages("a", "x"),
            "must be an integer of at least 1",
            "num_samples='x'",
        ),
    ],
    "num_steps": [
        *samples_of("num_steps"),
        (
            lambda t: codec.Codec(t.model, num_steps=0),
            "must be an integer of at least 1 and at most",
            "num_steps=0",
        ),
        (
            lambda t: callbacks.SampleImages("samples", num_steps=0),
            "must be an integer of at least 1",
            "num_steps=0",
        ),
        (
            lambda t: callbacks.SampleImages("a", num_steps=0),
            "must be an integer of at least 1",
            "num_steps=0",
        ),
        (
            lambda t: codec.Codec(t.model, 1.5),
            "must be an integer of at least 1 and at most",
            "num_steps=1.5",
        ),
        (
            lambda t: codec.Codec(t.model, 2**21),
            "must be an integer of at least 1 and at most",
            "num_steps=2097152",
        ),
        (
            lambda t: testing.check_sampler(samplers.SDE1Sampler(), num_steps=0),
            "must be an integer of at least 1",
            "num_steps=0",
        ),
        (lambda t: recipes.adamw(0, 0.001), "must be an integer of at least 1", "num_steps=0"),
        (lambda t: recipes.adamw(1.5, 0.001), "must be an integer of at least 1", "num_steps=1.5"),
        (lambda t: recipes.muon(0, 0.001), "must be an integer of at least 1", "num_steps=0"),
        (lambda t: recipes.muon(1.5, 0.001), "must be an integer of at least 1", "num_steps=1.5"),
        (
            lambda t: distillation.Trajectories(t.continuous, num_steps=0),
            "must be an integer of at least 1 and at most 1048576",
            "num_steps=0",
        ),
        (
            lambda t: codec.Codec(t.model, num_steps=2.0),
            "must be an integer of at least 1 and at most 1048576",
            "num_steps=2.0",
        ),
        (
            lambda t: codec.Codec(t.model, num_steps=2**20, resolution=0.0011).compress(X),
            "Arguments `num_steps` and `resolution` must be such",
            "num_steps=1048576, resolution=0.0011",
        ),
    ],
    "optimizer": [
        (
            lambda t: devices.share_gradients("adam"),
            "must be a `keras.optimizers.Optimizer`",
            "optimizer='adam'",
        ),
    ],
    "order": [
        (
            lambda t: codec.Codec(t.model, order="random"),
            "`order` requires a `keras_bfn.AnyOrderNetwork`",
            "order='random'",
        ),
    ],
    "part": [
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0], 0.1, part=3),
            "must be the name of a part, or None",
            "part=3",
        ),
        (
            lambda t: callbacks.SampleImages("a", part=3),
            "must be the name of a part, or None",
            "part=3",
        ),
        (
            lambda t: callbacks.SampleText("a", part=[]),
            "must be the name of a part, or None",
            "part=[]",
        ),
        (
            lambda t: guidance.Automaton({0: [1, 0]}, [0], part=3),
            "must be the name of a part, or None",
            "part=3",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.LinearInverse(np.ones((1, 32)), [1.0], 1, "a")
            ),
            "must be None unless the flow is a dict",
            "part='a'",
        ),
        (
            lambda t: t.parts.generate(
                2, 2, guidance=guidance.LinearInverse([[1.0]], [0.3], 0.1, part="size")
            ),
            "must be one of ['a', 'b']",
            "part='size'",
        ),
    ],
    "path": [
        (
            lambda t: checkpoints.load_official(t.unet, "x.pt"),
            "must be a file",
            "path='x.pt'",
            FileNotFoundError,
        ),
        (
            lambda t: checkpoints.load_official(t.unet, 3),
            "must be a file",
            "path='3'",
            FileNotFoundError,
        ),
        (
            lambda t: checkpoints.load_official(t.unet, "hf://x"),
            "must have the form hf://owner/repo/file",
            "path='hf://x'",
        ),
        (
            lambda t: checkpoints.load_official(t.unet, "hf://owner/repo"),
            "must have the form hf://owner/repo/file",
            "path='hf://owner/repo'",
        ),
        (
            lambda t: checkpoints.load_official(t.unet, "absent.pt"),
            "must be a file",
            "path='absent.pt'",
            FileNotFoundError,
        ),
    ],
    "peak_rate": [
        (lambda t: recipes.adamw(9, 0), "must be a positive, finite number", "peak_rate=0"),
        (lambda t: recipes.muon(9, 0), "must be a positive, finite number", "peak_rate=0"),
        (
            lambda t: recipes.adamw(peak_rate=-1.0),
            "must be a positive, finite number",
            "peak_rate=-1.0",
        ),
        (
            lambda t: recipes.muon(peak_rate=-1.0),
            "must be a positive, finite number",
            "peak_rate=-1.0",
        ),
    ],
    "preprocess": [
        (
            lambda t: guidance.ClassifierGuidance(len, 1, preprocess=3),
            "must be a function, or None",
            "preprocess=3",
        ),
    ],
    "preset": [
        (lambda t: presets.upload_preset("hf://user/repo", None), "must be a path", "preset=None"),
        (
            lambda t: presets.upload_preset("hf://user/repo", t.text_path),
            "must be a folder written by `save_to_preset`",
            "which has no config.json",
        ),
        (
            lambda t: presets.upload_preset("hf://user/copy", "."),
            "must be a folder written by `save_to_preset`",
            "preset='.', which has no config.json",
        ),
    ],
    "resolution": [
        (
            lambda t: codec.Codec(t.model, resolution=0),
            "must be a number strictly between 0.001 and 1",
            "resolution=0",
        ),
        (
            lambda t: codec.Codec(t.model, resolution=1e-05),
            "must be a number strictly between 0.001 and 1",
            "resolution=1e-05",
        ),
        (
            lambda t: codec.Codec(t.model, resolution="a"),
            "must be a number strictly between 0.001 and 1",
            "resolution='a'",
        ),
        (
            lambda t: codec.Codec(t.model, resolution=1),
            "must be a number strictly between 0.001 and 1",
            "resolution=1",
        ),
        (
            lambda t: codec.Codec(t.model, resolution=0.0001),
            "must be a number strictly between 0.001 and 1",
            "resolution=0.0001",
        ),
    ],
    "resume": [
        (
            lambda t: callbacks.TimeBudget(seconds=1.0, resume=True),
            "must be a `Resume`, or None",
            "resume=True",
        ),
    ],
    "return_report": [
        (
            lambda t: t.codec.compress(X, return_report="x"),
            "must be True or False",
            "return_report='x'",
        ),
    ],
    "rise": [
        (
            lambda t: callbacks.TimeBudget(seconds=1.0, rise=0),
            "must be a number strictly between 0 and 1",
            "rise=0",
        ),
    ],
    "sampler": [
        (
            lambda t: callbacks.SampleImages("a", sampler="x"),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler='x'",
        ),
        (lambda t: testing.check_sampler(3), "A sampler must be a", "", AssertionError),
        (
            lambda t: t.student.generate(4, 2, "sde2", [0] * 4),
            "must be 'jump', or a `JumpSampler`, for a student",
            "sampler='sde2'",
        ),
        (
            lambda t: t.model.generate(2, 1, "jump"),
            "must be a `Sampler` or one of ['ancestral', 'ode1', 'ode2', 'sde1', 'sde2']",
            "sampler='jump'",
        ),
        (
            lambda t: t.model.generate(2, 1, distillation.JumpSampler()),
            "must not jump unless the model is a student of `keras_bfn.distillation`",
            "sampler=JumpSampler(",
        ),
        (
            lambda t: t.student.generate(2, 1, "jump", [0] * 2, guidance=total),
            "must have a `step` that accepts a `shift`, for guidance",
            "sampler=JumpSampler(",
        ),
    ],
    "rescale": [
        (
            lambda t: guidance.ClassifierFreeGuidance(rescale=0.5),
            "must be a number in [0, 1], and 0 if `scale` is 1",
            "rescale=0.5",
        ),
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, rescale=-1),
            "must be a number in [0, 1], and 0 if `scale` is 1",
            "rescale=-1",
        ),
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, rescale=2),
            "must be a number in [0, 1], and 0 if `scale` is 1",
            "rescale=2",
        ),
        (
            lambda t: guidance.ClassifierFreeGuidance(2.0, rescale=nan),
            "must be a number in [0, 1], and 0 if `scale` is 1",
            "rescale=nan",
        ),
    ],
    "scale": [
        (
            lambda t: guidance.ClassifierFreeGuidance("a"),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "scale='a'",
        ),
        (
            lambda t: guidance.Guidance(len, scale=None),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "scale=None",
        ),
        (
            lambda t: guidance.Guidance(len, scale=nan),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "scale=nan",
        ),
        (
            lambda t: guidance.Guidance(len, scale=HUGE),
            "must be a finite number, at most 1e+30 in magnitude, or a",
            "scale=1000000000000000000000000000000000",
        ),
        (
            lambda t: guidance.Guidance(fn=total, scale="1"),
            "must be a finite number, at most 1e+30 in magnitude, or a function of t",
            "scale='1'",
        ),
    ],
    "schedule": [
        (lambda t: testing.check_schedule(3), "A schedule must be a", "", AssertionError),
    ],
    "seconds": [
        (
            lambda t: callbacks.TimeBudget(seconds=0),
            "must be a positive, finite number",
            "seconds=0",
        ),
    ],
    "seed": [
        (
            lambda t: codec.Codec(t.model, seed=None),
            "must be an integer of at least 0 and at most",
            "seed=None",
        ),
        (
            lambda t: callbacks.SampleImages("samples", seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
        (
            lambda t: callbacks.SampleImages("a", seed=-1),
            "must be an integer of at least 0",
            "seed=-1",
        ),
        (
            lambda t: codec.Codec(t.model, seed=-1),
            "must be an integer of at least 0 and at most",
            "seed=-1",
        ),
        (
            lambda t: testing.check_flow(FLOW, seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
        (
            lambda t: testing.check_sampler(samplers.SDE1Sampler(), 3, seed="a"),
            "must be an integer of at least 0",
            "seed='a'",
        ),
        (
            lambda t: distillation.Trajectories(t.continuous, seed=-1),
            "must be an integer of at least 0",
            "seed=-1",
        ),
        (
            lambda t: codec.Codec(t.model, seed=2**49),
            "must be an integer of at least 0 and at most 281474976710656",
            "seed=562949953421312",
        ),
    ],
    "start": [
        (
            lambda t: distillation.Trajectories(t.continuous, start=0),
            "must be a number strictly between 0 and 1",
            "start=0",
        ),
        (
            lambda t: distillation.Trajectories(t.continuous, start=1.0),
            "must be a number strictly between 0 and 1",
            "start=1.0",
        ),
    ],
    "std": [
        (
            lambda t: guidance.Constraint(len, 1.0, 0),
            "must be a positive, finite number",
            "std=0",
        ),
        (
            lambda t: guidance.Constraint(len, 1.0, inf),
            "must be a positive, finite number",
            "std=inf",
        ),
        (
            lambda t: guidance.Constraint(len, 1.0, -0.1),
            "must be a positive, finite number",
            "std=-0.1",
        ),
    ],
    "student": [
        (
            lambda t: distillation.Distiller(t.conditional),
            "must be a model of `make_student`",
            "student=<BayesianFlowNetwork",
        ),
    ],
    "target": [
        (
            lambda t: guidance.ClassifierGuidance(len, 0.5),
            "must be a class, or one class per sample",
            "target=array(0.5)",
        ),
        (lambda t: guidance.Constraint(len, "a", 0.1), "must be an array of numbers", "a str"),
        (
            lambda t: guidance.ClassifierGuidance(len, -1),
            "must be a class, or one class per sample",
            "target=array(-1)",
        ),
        (
            lambda t: guidance.ClassifierGuidance(len, "a"),
            "must be a class, or one class per sample",
            "target=array('a', dtype='<U1')",
        ),
        (
            lambda t: guidance.ClassifierGuidance(len, [[1]]),
            "must be a class, or one class per sample",
            "target=array([[1]])",
        ),
        (
            lambda t: guidance.Constraint(len, nan, 0.1),
            "must be finite",
            "target=array(nan, dtype=float32)",
        ),
        (
            lambda t: guidance.Constraint(len, None, 0.1),
            "must be an array of numbers",
            "a NoneType",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.ClassifierGuidance(lambda p: p[:, 0, 0, 0], 3)
            ),
            "must contain classes below 2",
            "target=3",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.ClassifierGuidance(lambda p: p[:, 0, 0, 0], [0, 1, 1])
            ),
            "Argument `guidance` must have a `target` for each of 2 samples",
            "",
        ),
        (
            lambda t: guidance.Constraint(len, inf, 0.1),
            "must be finite",
            "target=array(inf, dtype=float32)",
        ),
        (
            lambda t: t.model.generate(
                2, 2, guidance=guidance.Constraint(total, np.ones((2, 3)), 0.1)
            ),
            "must have 1 numbers per sample, like the result of `fn`, or one",
            "3",
        ),
    ],
    "tensorboard": [
        (lambda t: callbacks.SampleImages("a", tensorboard=3), "must be a path", "tensorboard=3"),
    ],
    "through_network": [
        (
            lambda t: guidance.Guidance(len, through_network=None),
            "must be True or False",
            "through_network=None",
        ),
        (
            lambda t: guidance.Guidance(len, through_network=1),
            "must be True or False",
            "through_network=1",
        ),
    ],
    "times": [
        (
            lambda t: testing.check_network(t.model.network, FLOW, times="x"),
            "must be one of ['shared', 'variables']",
            "times='x'",
            AssertionError,
        ),
    ],
    "to_data": [
        (
            lambda t: distillation.Trajectories(t.continuous, to_data=1.5),
            "must be a number in [0, 1]",
            "to_data=1.5",
        ),
    ],
    "training": [
        (
            lambda t: distillation.Trajectories(t.continuous, training=1),
            "must be True or False",
            "training=1",
        ),
    ],
    "transitions": [
        (
            lambda t: guidance.Automaton({}, [0]),
            "must be a dict from classes to lists of states, of equal length",
            "transitions={}",
        ),
        (
            lambda t: guidance.Automaton({0: [0], 1: [0, 1]}, [0]),
            "must be a dict from classes to lists of states, of equal length",
            "transitions={0: [0], 1: [0, 1]}",
        ),
        (
            lambda t: guidance.Automaton({0: [2, 0]}, [0]),
            "must be an integer of at least -1 and at most 1",
            "transitions=2",
        ),
    ],
    "uri": [
        (
            lambda t: presets.upload_preset("repo", "preset"),
            "must have the form hf://user/repo, without",
            "uri='repo'",
        ),
        (
            lambda t: presets.upload_preset("hf://user/repo@v2", "folder"),
            "must have the form hf://user/repo, without @revision, or",
            "uri='hf://user/repo@v2'",
        ),
        (
            lambda t: presets.upload_preset("kaggle://user/model/keras/small/2", "folder"),
            "must have the form hf://user/repo, without @revision, or",
            "uri='kaggle://user/model/keras/small/2'",
        ),
    ],
    "values": [
        (
            lambda t: guidance.Guidance(len, values=[1]),
            "must be a dict from names to arrays",
            "values=[1]",
        ),
        (
            lambda t: guidance.Guidance(len, values={"a": "x"}),
            "must have an array of numbers for `a`",
            "values=array('x', dtype='<U1')",
        ),
        (
            lambda t: guidance.Guidance(len, values={"a": [[1], [1, 2]]}),
            "must be an array, with rows of equal length",
            "values['a']='list'",
        ),
        (
            lambda t: guidance.Guidance(len, values={"a": [nan]}),
            "must have no NaN in `a`",
            "values=array([nan])",
        ),
        (
            lambda t: guidance.Guidance(fn=total, values={"y": "a"}),
            "must have an array of numbers for `y`",
            "values=array('a', dtype='",
        ),
        (
            lambda t: guidance.Guidance(len, values={"label": np.array([2**40])}),
            "must contain numbers that fit int32, from -2147483648 to 2147483647",
            "values from 1099511627776 to 1099511627776",
        ),
    ],
    "verbose": [
        (
            lambda t: callbacks.Resume("a", verbose="x"),
            "must be an integer of at least 0 and at most 1",
            "verbose='x'",
        ),
        (
            lambda t: callbacks.Resume("a", verbose=3),
            "must be an integer of at least 0 and at most 1",
            "verbose=3",
        ),
        (lambda t: t.codec.compress(X, verbose="x"), "must be 'auto', 0, 1 or 2", "verbose='x'"),
        (
            lambda t: t.codec.decompress(b"x", verbose="x"),
            "must be 'auto', 0, 1 or 2",
            "verbose='x'",
        ),
    ],
    "x": [
        (
            lambda t: compiled(distillation.Distiller(t.student)).fit(X),
            "must be `Trajectories`",
            "x=",
        ),
        (lambda t: codec.Codec(t.model).compress(None), "must contain data", "x=None"),
        (lambda t: t.codec.compress(X + 7), "must lie in [0, 1] for", "values from 7 to 8"),
        (lambda t: t.codec.compress(3), "must be an array of examples", "x=array(3)"),
        (
            lambda t: t.codec.compress("ab"),
            "must be an array of examples",
            "x=array('ab', dtype='<U2')",
        ),
        (
            lambda t: testing.check_flow(FLOW, x="a"),
            "DiscreteFlow.check_data must accept its own data:",
            "dtype str32",
            AssertionError,
        ),
        (
            lambda t: testing.check_flow(FLOW, x=np.array([7])),
            "DiscreteFlow.check_data must accept its own data:",
            "values from 7 to 7",
            AssertionError,
        ),
        (
            lambda t: t.codec.compress(X[:0]),
            "must contain data",
            "an empty array of shape (0, 4, 4, 1)",
        ),
        (
            lambda t: t.codec.compress(np.zeros((2, 4, 4), "int32")),
            "must have shape (batch, *event_shape) with event_shape=(4, 4, 1)",
            "shape (2, 4, 4)",
        ),
        (
            lambda t: t.codec.compress(np.full((2, 4, 4, 1), 2)),
            "must lie in [0, 1] for DiscreteFlow(num_classes=2,",
            "values from 2 to 2",
        ),
        (
            lambda t: t.codec.compress(np.full((2, 4, 4, 1), -1)),
            "must lie in [0, 1] for DiscreteFlow(num_classes=2,",
            "values from -1 to -1. If -1 or NaN mark missing values, crea",
        ),
        (
            lambda t: t.codec.compress(np.zeros((2, 4, 4, 1))),
            "must contain integers for DiscreteFlow(num_classes=2,",
            "dtype float64",
        ),
    ],
    "y": [
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), 1.0, 0.1),
            "must be finite, of shape (1,) or",
            "shape ()",
        ),
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), [nan], 0.1),
            "must be finite, of shape (1,) or",
            "shape (1,)",
        ),
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), "a", 0.1),
            "must be an array of numbers",
            "a str",
        ),
        (
            lambda t: guidance.LinearInverse(np.ones((1, 3)), [1.0, 2.0], 0.1),
            "must be finite, of shape (1,) or",
            "shape (2,)",
        ),
    ],
}
