"""Wrong calls of callbacks, guidance, codec, presets, checkpoints and testing."""

import numpy as np

from keras_bfn import callbacks, checkpoints, codec, guidance, presets, samplers, testing
from tests.wrong.things import FLOW, HUGE, X, inf, nan

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
    "every": [
        (
            lambda t: callbacks.SampleText("samples", every=0),
            "must be an integer of at least 1",
            "every=0",
        ),
        (
            lambda t: callbacks.SampleImages("a", every=1.5),
            "must be an integer of at least 1",
            "every=1.5",
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
    ],
    "layers": [
        (
            lambda t: guidance.Guidance(len, layers=[3]),
            "must be a list of Keras layers",
            "layers=[3]",
        ),
        (
            lambda t: guidance.Guidance(len, layers=3),
            "must be a list of Keras layers",
            "layers=[3]",
        ),
        (
            lambda t: guidance.Constraint(len, 1.0, 0.1, layers=3),
            "must be a list of Keras layers",
            "layers=[3]",
        ),
    ],
    "model": [
        (lambda t: codec.Codec(None), "must be a `keras_bfn.BayesianFlowNetwork`", "model=None"),
        (lambda t: codec.Codec(3), "must be a `keras_bfn.BayesianFlowNetwork`", "model=3"),
    ],
    "network": [
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
    ],
    "num_samples": [
        (
            lambda t: callbacks.SampleImages("samples", 0),
            "must be an integer of at least 1",
            "num_samples=0",
        ),
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
    ],
    "order": [
        (
            lambda t: testing.check_sampler(samplers.SDE1Sampler(), 3, order="a"),
            "must be a finite number, at most 1e+30 in magnitude",
            "order='a'",
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
    ],
    "return_report": [
        (
            lambda t: t.codec.compress(X, return_report="x"),
            "must be True or False",
            "return_report='x'",
        ),
    ],
    "sampler": [
        (
            lambda t: callbacks.SampleText("samples", sampler=None),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler=None",
        ),
        (
            lambda t: callbacks.SampleImages("a", sampler="x"),
            "must be a `Sampler` or one of ['ancestral',",
            "sampler='x'",
        ),
        (lambda t: testing.check_sampler(3), "A sampler must be a", "", AssertionError),
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
    ],
    "schedule": [
        (lambda t: testing.check_schedule(3), "A schedule must be a", "", AssertionError),
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
    "uri": [
        (
            lambda t: presets.upload_preset("repo", "preset"),
            "must have the form hf://user/repo, without",
            "uri='repo'",
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
