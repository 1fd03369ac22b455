"""Wrong calls of networks and layers."""

import keras
import numpy as np

from keras_bfn import layers, networks
from tests.wrong.things import FLOW, MANY, PARTS, SHAPE, nan


def make_sequence(**options):
    """Makes a network of sequences of different lengths."""
    flows = {"a": FLOW, "b": FLOW, "still": FLOW}
    shapes = {"a": (4,), "b": (5,), "still": ()}
    return networks.MultiPart(flows, shapes, 16, mixer="sequence", **options)


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "coarse_width": [
        (
            lambda t: networks.PatchTransformer(
                FLOW, (8, 8, 1), num_coarse_layers=1, coarse_width=6
            ),
            "must be a multiple of 4",
            "coarse_width=6",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 4, 8, 1, 1, "a"),
            "must be an integer of at least 4",
            "coarse_width='a'",
        ),
    ],
    "colour": [
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, colour=1),
            "Network.__init__() got an unexpected keyword",
            "",
            TypeError,
        ),
    ],
    "conditions": [
        (
            lambda t: networks.MLP(FLOW, (8,), conditions=0),
            "must be an integer of at least 1",
            "conditions=0",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions="x"),
            "must be an integer of at least 1",
            "conditions='x'",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions=(0,)),
            "must be a tuple of integers of at least 1",
            "conditions=(0,)",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions=()),
            "must be a shape with at least one axis",
            "conditions=()",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions={}),
            "must have non-empty strings as names, other than",
            "conditions={}",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions={"": 3}),
            "must have non-empty strings as names, other than",
            "conditions={'': 3}",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions={"config": 3}),
            "must have non-empty strings as names, other than",
            "conditions={'config': 3}",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions=-1),
            "must be an integer of at least 1",
            "conditions=-1",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, conditions=0),
            "must be an integer of at least 1",
            "conditions=0",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, SHAPE, conditions=0),
            "must be an integer of at least 1",
            "conditions=0",
        ),
        (
            lambda t: networks.Transformer(FLOW, 16, conditions=0),
            "must be an integer of at least 1",
            "conditions=0",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions=True),
            "must be an integer of at least 1",
            "conditions=True",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions=1.5),
            "must be an integer of at least 1",
            "conditions=1.5",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions="label"),
            "must be an integer of at least 1",
            "conditions='label'",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions=(4, -1)),
            "must be a tuple of integers of at least 1",
            "conditions=(4, -1)",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions=(1.5,)),
            "must be a tuple of integers of at least 1",
            "conditions=(1.5,)",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions=np.ones(3)),
            "must be an integer of at least 1",
            "conditions=array([1., 1., 1.])",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={1: 2}),
            "must have non-empty strings as names, other than ['class_name',",
            "conditions={1: 2}",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={"": 2}),
            "must have non-empty strings as names, other than ['class_name',",
            "conditions={'': 2}",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={"a": 0}),
            "must be an integer of at least 1",
            "conditions['a']=0",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={"a": ()}),
            "must be a shape with at least one axis",
            "conditions['a']=()",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={"a": None}),
            "must be an integer of at least 1",
            "conditions['a']=None",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={"a": {"b": 1}}),
            "must be an integer of at least 1",
            "conditions['a']={'b': 1}",
        ),
        (
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={"class_name": 3, "config": 4}),
            "must have non-empty strings as names, other than ['class_name',",
            "conditions={'class_name': 3, 'config': 4}",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                conditions=(),
            ),
            "must be a shape with at least one axis",
            "conditions=()",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                conditions={},
            ),
            "must have non-empty strings as names, other than ['class_name',",
            "conditions={}",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                conditions={"a": 0.5},
            ),
            "must be an integer of at least 1",
            "conditions['a']=0.5",
        ),
    ],
    "data_format": [
        (
            lambda t: layers.ConvBlock(4, data_format="NCHW"),
            "must be one of ['channels_last',",
            "data_format='NCHW'",
        ),
        (
            lambda t: layers.SpatialAttention(1, data_format=3),
            "must be one of ['channels_last',",
            "data_format=3",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, 8, (1,), 1, 1, data_format="NCHW"),
            "must be one of ['channels_last',",
            "data_format='NCHW'",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, SHAPE, 8, 1, data_format=3),
            "must be one of ['channels_last',",
            "data_format=3",
        ),
    ],
    "dropout": [
        (
            lambda t: networks.MLP(FLOW, (8,), dropout=None),
            "must be a number in [0, 1)",
            "dropout=None",
        ),
        (lambda t: layers.ConvBlock(4, dropout=2), "must be a number in [0, 1)", "dropout=2"),
        (lambda t: layers.DenseBlock(4, dropout=-1), "must be a number in [0, 1)", "dropout=-1"),
        (
            lambda t: layers.TransformerBlock(1, dropout="a"),
            "must be a number in [0, 1)",
            "dropout='a'",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, dropout=1),
            "must be a number in [0, 1)",
            "dropout=1",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, dropout=nan),
            "must be a number in [0, 1)",
            "dropout=nan",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, dropout=1.0),
            "must be a number in [0, 1)",
            "dropout=1.0",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, dropout=1.0),
            "must be a number in [0, 1)",
            "dropout=1.0",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, SHAPE, dropout=1.0),
            "must be a number in [0, 1)",
            "dropout=1.0",
        ),
        (
            lambda t: networks.Transformer(FLOW, 16, dropout=1.0),
            "must be a number in [0, 1)",
            "dropout=1.0",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                dropout=1.0,
            ),
            "must be a number in [0, 1)",
            "dropout=1.0",
        ),
    ],
    "dtype": [
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, dtype="float99"),
            "must be a Keras dtype policy, such as 'float32' or",
            "dtype='float99'",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, dtype=3),
            "must be a Keras dtype policy, such as 'float32' or",
            "dtype=3",
        ),
    ],
    "endpoint": [
        (lambda t: layers.TimeEmbedding(8, endpoint=3), "must be True or False", "endpoint=3"),
    ],
    "event_shape": [
        (
            lambda t: networks.MLP(FLOW, event_shape=8),
            "must be a tuple of integers of at least 1",
            "event_shape=8",
        ),
        (
            lambda t: networks.Transformer(FLOW, 0),
            "must be an integer of at least 1",
            "event_shape=0",
        ),
        (
            lambda t: networks.Transformer(FLOW, (4, 4, 1)),
            "must be a length, or (length, channels)",
            "event_shape=(4, 4, 1)",
        ),
        (
            lambda t: networks.MLP(FLOW, event_shape=None),
            "must be a tuple of integers of at least 1",
            "event_shape=None",
        ),
        (
            lambda t: networks.MultiPart({"a": FLOW}, {"b": (8,)}),
            "must be a dict with the parts ['a']",
            "a dict with the keys ['b']",
        ),
        (
            lambda t: networks.MLP(FLOW, (0,), 8),
            "must be a tuple of integers of at least 1",
            "event_shape=(0,)",
        ),
        (
            lambda t: networks.MLP(FLOW, (2.5,), 8),
            "must be a tuple of integers of at least 1",
            "event_shape=(2.5,)",
        ),
        (
            lambda t: networks.MLP(FLOW, "ab", 8),
            "must be a tuple of integers of at least 1",
            "event_shape='ab'",
        ),
        (
            lambda t: networks.MLP(FLOW, (2**40,), 8),
            "must be a tuple of integers of at least 1",
            "event_shape=(1099511627776,)",
        ),
        (
            lambda t: networks.MLP(FLOW, {"a": (2,)}, 8),
            "must be a tuple of integers of at least 1",
            "event_shape={'a': (2,)}",
        ),
        (
            lambda t: networks.MLP(FLOW, (-1,), 8),
            "must be a tuple of integers of at least 1",
            "event_shape=(-1,)",
        ),
        (
            lambda t: networks.Transformer(FLOW, "a", 8),
            "must be an integer of at least 1",
            "event_shape='a'",
        ),
        (
            lambda t: networks.Transformer(FLOW, (), 8),
            "must be a length, or (length, channels)",
            "event_shape=()",
        ),
        (
            lambda t: networks.Transformer(FLOW, 2.5, 8),
            "must be an integer of at least 1",
            "event_shape=2.5",
        ),
        (
            lambda t: networks.MultiPart(PARTS, {"a": (2,)}, 8),
            "must be a dict with the parts ['a', 'b']",
            "a dict with the keys ['a']",
        ),
        (
            lambda t: networks.MultiPart(PARTS, (2,), 8),
            "must be a dict with the parts ['a', 'b']",
            "a tuple",
        ),
        (
            lambda t: networks.MultiPart(PARTS, {"a": (0,), "b": (2,)}, 8),
            "must be a tuple of integers of at least 1",
            "event_shape['a']=(0,)",
        ),
        (
            lambda t: networks.Transformer(FLOW, 12.0),
            "must be an integer of at least 1",
            "event_shape=12.0",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3)},
                width=16,
                num_blocks=1,
                num_heads=2,
            ),
            "must be a dict with the parts ['image', 'label']",
            "a dict with the keys ['image']",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY}, (4, 6, 3), width=16, num_blocks=1, num_heads=2
            ),
            "must be a dict with the parts ['image', 'label']",
            "a tuple",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": 3},
                width=16,
                num_blocks=1,
                num_heads=2,
            ),
            "must be a tuple of integers of at least 1",
            "event_shape['label']=3",
        ),
    ],
    "expansion": [
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, expansion=0),
            "must be an integer of at least 1",
            "expansion=0",
        ),
        (
            lambda t: networks.Transformer(FLOW, 4, 8, expansion=None),
            "must be an integer of at least 1",
            "expansion=None",
        ),
        (
            lambda t: layers.TransformerBlock(1, expansion=None),
            "must be an integer of at least 1",
            "expansion=None",
        ),
    ],
    "exponents": [
        (
            lambda t: layers.FourierFeatures(3),
            "must be a non-empty tuple of numbers between -100 and 100",
            "exponents=3",
        ),
        (
            lambda t: layers.FourierFeatures(()),
            "must be a non-empty tuple of numbers between -100 and 100",
            "exponents=()",
        ),
        (
            lambda t: layers.FourierFeatures(("a",)),
            "must be a non-empty tuple of numbers between -100 and 100",
            "exponents=('a',)",
        ),
        (
            lambda t: layers.FourierFeatures((1000,)),
            "must be a non-empty tuple of numbers between -100 and 100",
            "exponents=(1000,)",
        ),
        (
            lambda t: layers.FourierFeatures((nan,)),
            "must be a non-empty tuple of numbers between -100 and 100",
            "exponents=(nan,)",
        ),
    ],
    "features": [
        (
            lambda t: networks.Transformer(FLOW, 4, features=None),
            "must be one of ['scaled', 'plain']",
            "features=None",
        ),
        (
            lambda t: networks.Transformer(FLOW, 4, 8, features="x"),
            "must be one of ['scaled', 'plain']",
            "features='x'",
        ),
    ],
    "filters": [
        (lambda t: layers.ConvBlock(0), "must be an integer of at least 1", "filters=0"),
        (lambda t: layers.ConvBlock("4"), "must be an integer of at least 1", "filters='4'"),
    ],
    "flow": [
        (lambda t: networks.MLP(None, (8,)), "must be a `keras_bfn.flows.Flow`", "flow=None"),
        (
            lambda t: networks.UNet({"a": FLOW}, SHAPE),
            "must be a `keras_bfn.flows.Flow` (for a dict of flows,",
            "flow={'a': DiscreteFlow(num_classes=2,",
        ),
        (
            lambda t: networks.MultiPart(FLOW, (8,)),
            "must be a dict of flows",
            "flow=DiscreteFlow(num_classes=2,",
        ),
        (lambda t: layers.EvidenceShortcut(None), "must be a `keras_bfn.flows.Flow`", "flow=None"),
        (
            lambda t: networks.MultiPart({}, {}, 8),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow={}",
        ),
        (
            lambda t: networks.MultiPart({"a": 3}, {"a": (2,)}, 8),
            "must contain a `keras_bfn.flows.Flow` for each part",
            "flow['a']=3",
        ),
        (
            lambda t: networks.MultiPart({1: FLOW}, {1: (2,)}, 8),
            "must have non-empty strings as part names, other than",
            "a part named 1",
        ),
        (lambda t: layers.EvidenceFeatures(3), "must be a `keras_bfn.flows.Flow`", "flow=3"),
        (lambda t: layers.EvidenceShortcut("a"), "must be a `keras_bfn.flows.Flow`", "flow='a'"),
        (
            lambda t: networks.MLP("binary", SHAPE),
            "must be a `keras_bfn.flows.Flow`",
            "flow='binary'",
        ),
        (
            lambda t: networks.UNet("binary", SHAPE),
            "must be a `keras_bfn.flows.Flow`",
            "flow='binary'",
        ),
        (
            lambda t: networks.VDMUNet("binary", SHAPE),
            "must be a `keras_bfn.flows.Flow`",
            "flow='binary'",
        ),
        (
            lambda t: networks.PatchTransformer("binary", SHAPE),
            "must be a `keras_bfn.flows.Flow`",
            "flow='binary'",
        ),
        (
            lambda t: networks.Transformer("binary", 12),
            "must be a `keras_bfn.flows.Flow`",
            "flow='binary'",
        ),
        (
            lambda t: networks.MLP(PARTS, (4,)),
            "must be a `keras_bfn.flows.Flow` (for a dict of flows, use",
            "flow={'a': DiscreteFlow(num_classes=2, schedule=QuadraticSch",
        ),
        (
            lambda t: networks.UNet(PARTS, (4,)),
            "must be a `keras_bfn.flows.Flow` (for a dict of flows, use",
            "flow={'a': DiscreteFlow(num_classes=2, schedule=QuadraticSch",
        ),
        (
            lambda t: networks.Transformer(PARTS, (4,)),
            "must be a `keras_bfn.flows.Flow` (for a dict of flows, use",
            "flow={'a': DiscreteFlow(num_classes=2, schedule=QuadraticSch",
        ),
    ],
    "groups": [
        (lambda t: layers.ConvBlock(4, groups=0), "must be an integer of at least 1", "groups=0"),
        (
            lambda t: layers.SpatialAttention(1, groups=None),
            "must be an integer of at least 1",
            "groups=None",
        ),
    ],
    "hidden_size": [
        (lambda t: layers.DenseBlock(None), "must be an integer of at least 1", "hidden_size=None"),
        (lambda t: layers.DenseBlock("a"), "must be an integer of at least 1", "hidden_size='a'"),
    ],
    "image_shape": [
        (
            lambda t: networks.UNet(FLOW, 8),
            "must be a tuple of integers of at least 1",
            "image_shape=8",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 6, 1)),
            "must be (height, width, channels), with sides that are",
            "image_shape=(8, 6, 1)",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 12, 1), num_coarse_layers=1),
            "must be (height, width, channels), with sides that are",
            "image_shape=(8, 12, 1)",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8)),
            "must be (height, width, channels), with sides that are",
            "image_shape=(8, 8)",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, None),
            "must be a tuple of integers of at least 1",
            "image_shape=None",
        ),
        (
            lambda t: networks.UNet(FLOW, (5, 5, 1), 8),
            "must be (height, width, channels), or, for",
            "image_shape=(5, 5, 1), 2 levels",
        ),
        (
            lambda t: networks.UNet(FLOW, (4, 4, 0), 8),
            "must be a tuple of integers of at least 1",
            "image_shape=(4, 4, 0)",
        ),
        (
            lambda t: networks.UNet(FLOW, (4.0, 4, 1), 8),
            "must be a tuple of integers of at least 1",
            "image_shape=(4.0, 4, 1)",
        ),
        (
            lambda t: networks.UNet(FLOW, (4, 4, 1, 1), 8),
            "must be (height, width, channels), or, for",
            "image_shape=(4, 4, 1, 1), 2 levels",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, (4, 4, 1, 1), 8),
            "must be (height, width, channels), or, for",
            "image_shape=(4, 4, 1, 1), 1 levels",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 16),
            "must be (height, width, channels), with sides that are",
            "image_shape=(8, 8, 1)",
        ),
        (
            lambda t: networks.UNet(FLOW, (6, 8, 1), width_multipliers=(1, 2, 2)),
            "must be (height, width, channels), or, for signals, (length, channels)",
            "image_shape=(6, 8, 1), 3 levels",
        ),
        (
            lambda t: networks.UNet(FLOW, (6, 8), width_multipliers=(1, 2, 2)),
            "must be (height, width, channels), or, for signals, (length, channels)",
            "image_shape=(6, 8), 3 levels",
        ),
        (
            lambda t: networks.UNet(FLOW, (6,), width_multipliers=(1, 2, 2)),
            "must be (height, width, channels), or, for signals, (length, channels)",
            "image_shape=(6,), 3 levels",
        ),
        (
            lambda t: networks.UNet(FLOW, (), width_multipliers=(1, 2, 2)),
            "must be (height, width, channels), or, for signals, (length, channels)",
            "image_shape=(), 3 levels",
        ),
        (
            lambda t: networks.UNet(FLOW, 8, width_multipliers=(1, 2, 2)),
            "must be a tuple of integers of at least 1",
            "image_shape=8",
        ),
        (
            lambda t: networks.UNet(FLOW, (8, 8, None), width_multipliers=(1, 2, 2)),
            "must be a tuple of integers of at least 1",
            "image_shape=(8, 8, None)",
        ),
        (
            lambda t: networks.UNet(FLOW, (8, 0), width_multipliers=(1, 2, 2)),
            "must be a tuple of integers of at least 1",
            "image_shape=(8, 0)",
        ),
    ],
    "kernel_initializer": [
        (
            lambda t: layers.TransformerBlock(1, kernel_initializer="x"),
            "must be a Keras initializer, or the name of one",
            "kernel_initializer='x'",
        ),
    ],
    "kernel_size": [
        (
            lambda t: networks.Transformer(FLOW, 4, kernel_size=0),
            "must be an integer of at least 1",
            "kernel_size=0",
        ),
        (
            lambda t: networks.Transformer(FLOW, 4, num_heads=0, kernel_size=1),
            "must be above 1 without attention",
            "kernel_size=1",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), kernel_size=0),
            "must be an integer of at least 1",
            "kernel_size=0",
        ),
        (
            lambda t: layers.TransformerBlock(1, kernel_size=0),
            "must be an integer of at least 1",
            "kernel_size=0",
        ),
    ],
    "masked": [
        (lambda t: networks.Transformer(FLOW, 4, 8, masked=1), "must be True or False", "masked=1"),
    ],
    "mixer": [
        (
            lambda t: networks.MultiPart(PARTS, {"a": (2,), "b": (2,)}, 8, mixer="x"),
            "must be one of ['transformer', 'mlp', 'sequence']",
            "mixer='x'",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                mixer="conv",
            ),
            "must be one of ['transformer', 'mlp', 'sequence']",
            "mixer='conv'",
        ),
    ],
    "name": [
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, name=3),
            "must be a string and cannot contain character",
            "name=3 (of type <class 'int'>)",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, name="a/b"),
            "must be a string and cannot contain character",
            "name=a/b (of type <class 'str'>)",
        ),
    ],
    "networks": [
        (
            lambda t: networks.MultiPart({"a": FLOW}, {"a": (8,)}, networks=3),
            "must be a dict from some of the parts ['a']",
            "networks=3",
        ),
        (
            lambda t: networks.MultiPart(
                {"a": FLOW}, {"a": SHAPE}, 8, networks={"b": keras.layers.Dense(1)}
            ),
            "must be a dict from some of the parts ['a']",
            "networks={'b': ",
        ),
        (
            lambda t: networks.MultiPart(
                {"a": FLOW},
                {"a": SHAPE},
                8,
                networks={"a": networks.MLP(MANY, SHAPE, 8, conditions=(8,))},
            ),
            "must be made for the flow",
            "a `MLP` for DiscreteFlow(num_classes=5,",
        ),
        (
            lambda t: networks.MultiPart(
                {"a": FLOW}, {"a": SHAPE}, 8, networks={"a": networks.MLP(FLOW, SHAPE, 8)}
            ),
            "must have event shape (4, 4, 1) and conditions=(8,)",
            "a network with event shape (4, 4, 1) and",
        ),
        (
            lambda t: networks.MultiPart(
                {"a": FLOW},
                {"a": SHAPE},
                8,
                networks={"a": networks.MLP(FLOW, (2,), 8, conditions=(8,))},
            ),
            "must have event shape (4, 4, 1) and conditions=(8,)",
            "a network with event shape (2,) and",
        ),
        (
            lambda t: networks.MultiPart(
                {"a": FLOW},
                {"a": SHAPE},
                8,
                networks={"a": networks.MLP(FLOW, SHAPE, 8, conditions=(4,))},
            ),
            "must have event shape (4, 4, 1) and conditions=(8,)",
            "a network with event shape (4, 4, 1) and",
        ),
        (
            lambda t: networks.MultiPart(
                {"a": FLOW},
                {"a": SHAPE},
                8,
                networks={"a": networks.MLP(FLOW, SHAPE, 8, conditions=4)},
            ),
            "must have event shape (4, 4, 1) and conditions=(8,)",
            "a network with event shape (4, 4, 1) and",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                networks={"picture": None},
            ),
            "must be a dict from some of the parts ['image', 'label'] to Keras",
            "networks={'picture': None}",
        ),
    ],
    "num_blocks": [
        (
            lambda t: networks.MLP(FLOW, (8,), num_blocks=0),
            "must be an integer of at least 1",
            "num_blocks=0",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, num_blocks=1.5),
            "must be an integer of at least 1",
            "num_blocks=1.5",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, SHAPE, 8, 0),
            "must be an integer of at least 1",
            "num_blocks=0",
        ),
        (
            lambda t: networks.MLP(FLOW, SHAPE, num_blocks=-1),
            "must be an integer of at least 1",
            "num_blocks=-1",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, num_blocks=-1),
            "must be an integer of at least 1",
            "num_blocks=-1",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, SHAPE, num_blocks=-1),
            "must be an integer of at least 1",
            "num_blocks=-1",
        ),
    ],
    "num_coarse_layers": [
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), num_coarse_layers=-1),
            "must be an integer of at least 0",
            "num_coarse_layers=-1",
        ),
    ],
    "num_columns": [
        (
            lambda t: layers.PositionEmbedding(-1),
            "must be an integer of at least 1",
            "num_columns=-1",
        ),
        (
            lambda t: layers.TransformerBlock(1, num_columns=0),
            "must be an integer of at least 1",
            "num_columns=0",
        ),
        (
            lambda t: layers.PositionEmbedding(1.5),
            "must be an integer of at least 1",
            "num_columns=1.5",
        ),
        (
            lambda t: layers.PositionEmbedding(2)(np.zeros((2, 3, 4), "float32")),
            "Exception encountered when calling",
            "num_columns=2",
        ),
        (
            lambda t: layers.PositionEmbedding(4)(np.zeros((2, 6, 8))),
            "must divide the number of positions, 6",
            "num_columns=4",
        ),
        (
            lambda t: layers.TransformerBlock(0, kernel_size=3, num_columns=4)(np.zeros((2, 6, 8))),
            "must divide the number of positions, 6",
            "num_columns=4",
        ),
        (
            lambda t: layers.PositionEmbedding(8)(np.zeros((2, 6, 8))),
            "must divide the number of positions, 6",
            "num_columns=8",
        ),
        (
            lambda t: layers.TransformerBlock(0, kernel_size=3, num_columns=8)(np.zeros((2, 6, 8))),
            "must divide the number of positions, 6",
            "num_columns=8",
        ),
        (
            lambda t: layers.PositionEmbedding(0),
            "must be an integer of at least 1",
            "num_columns=0",
        ),
    ],
    "num_heads": [
        (
            lambda t: networks.Transformer(FLOW, 4, width=8, num_heads=3),
            "must divide the number of channels",
            "num_heads=3, 8 channels",
        ),
        (lambda t: layers.SpatialAttention(0), "must be an integer of at least 1", "num_heads=0"),
        (
            lambda t: layers.TransformerBlock(None),
            "must be an integer of at least 0",
            "num_heads=None",
        ),
        (
            lambda t: networks.Transformer(FLOW, 4, 8, num_heads=-1),
            "must be an integer of at least 0",
            "num_heads=-1",
        ),
        (
            lambda t: networks.Transformer(FLOW, 4, 8, num_heads=1.5),
            "must be an integer of at least 0",
            "num_heads=1.5",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, 8, num_heads=3),
            "must divide the number of channels",
            "num_heads=3, 16 channels",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, 8, num_heads=0),
            "must be an integer of at least 1",
            "num_heads=0",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 4, 8, 1, num_heads=3),
            "must divide the number of channels",
            "num_heads=3, 8 channels",
        ),
        (
            lambda t: networks.MultiPart(PARTS, {"a": (2,), "b": (2,)}, 8, num_heads=3),
            "must divide the number of channels",
            "num_heads=3, 8 channels",
        ),
        (
            lambda t: layers.SpatialAttention(3)(np.zeros((2, 4, 4), "float32")),
            "must divide the number of channels",
            "num_heads=3, 4 channels",
        ),
        (
            lambda t: layers.TransformerBlock(3)(np.zeros((2, 4, 4), "float32")),
            "must divide the number of channels",
            "num_heads=3, 4 channels",
        ),
        (
            lambda t: layers.SpatialAttention(4)(np.zeros((2, 4, 4, 6))),
            "must divide the number of channels",
            "num_heads=4, 6 channels",
        ),
        (
            lambda t: layers.TransformerBlock(4)(np.zeros((2, 5, 6))),
            "must divide the number of channels",
            "num_heads=4, 6 channels",
        ),
        (
            lambda t: layers.SpatialAttention(-2)(np.zeros((2, 4, 4, 6))),
            "must be an integer of at least 1",
            "num_heads=-2",
        ),
        (
            lambda t: layers.SpatialAttention(2.0)(np.zeros((2, 4, 4, 6))),
            "must be an integer of at least 1",
            "num_heads=2.0",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=3,
            ),
            "must divide the number of channels",
            "num_heads=3, 16 channels",
        ),
    ],
    "num_layers": [
        (
            lambda t: networks.Transformer(FLOW, 4, num_layers=0),
            "must be an integer of at least 1",
            "num_layers=0",
        ),
        (
            lambda t: networks.Transformer(FLOW, 4, 8, num_layers=None),
            "must be an integer of at least 1",
            "num_layers=None",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 4, 8, 0),
            "must be an integer of at least 1",
            "num_layers=0",
        ),
        (
            lambda t: networks.Transformer(FLOW, 16, num_layers=1.5),
            "must be an integer of at least 1",
            "num_layers=1.5",
        ),
    ],
    "offset": [
        (
            lambda t: layers.TimeEmbedding(8, offset=None),
            "must be a finite number, at most 1e+30 in magnitude",
            "offset=None",
        ),
    ],
    "patch_size": [
        (
            lambda t: networks.MultiPart({"a": FLOW}, {"a": SHAPE}, patch_size=0),
            "must be an integer of at least 1",
            "patch_size=0",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), patch_size=0),
            "must be an integer of at least 1",
            "patch_size=0",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 1.5),
            "must be an integer of at least 1",
            "patch_size=1.5",
        ),
        (
            lambda t: networks.MultiPart({"a": FLOW}, {"a": SHAPE}, 8, patch_size=3),
            "must divide the sides of each image, 4 and 4 for 'a'",
            "patch_size=3",
        ),
        (
            lambda t: networks.MultiPart({"a": FLOW}, {"a": SHAPE}, 8, patch_size={"b": 2}),
            "must name parts that are images, ['a']",
            "patch_size={'b': 2}",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                patch_size=3,
            ),
            "must divide the sides of each image, 4 and 6 for 'image'",
            "patch_size=3",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                patch_size={"label": 1},
            ),
            "must name parts that are images, ['image']",
            "patch_size={'label': 1}",
        ),
    ],
    "positions": [
        (
            lambda t: networks.Transformer(FLOW, 4, positions="learned"),
            "must be one of ['rotary', 'sinusoidal']",
            "positions='learned'",
        ),
        (
            lambda t: networks.Transformer(FLOW, 4, 8, positions=[]),
            "must be one of ['rotary', 'sinusoidal']",
            "positions=[]",
        ),
    ],
    "rank": [
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, 1).enable_lora(0),
            "must be an integer of at least 1",
            "rank=0",
        ),
    ],
    "remat": [
        (
            lambda t: networks.Transformer(FLOW, 4, 8, 1, 1, remat="x"),
            "must be True or False",
            "remat='x'",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, 8, (1,), 1, 1, remat=3),
            "must be True or False",
            "remat=3",
        ),
        (
            lambda t: networks.VDMUNet(FLOW, SHAPE, 8, 1, remat=None),
            "must be True or False",
            "remat=None",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 4, 8, 1, remat=1),
            "must be True or False",
            "remat=1",
        ),
        (lambda t: layers.ConvBlock(4, remat="x"), "must be True or False", "remat='x'"),
        (lambda t: layers.TransformerBlock(1, remat=2), "must be True or False", "remat=2"),
    ],
    "residual_initializer": [
        (
            lambda t: layers.TransformerBlock(1, residual_initializer=3),
            "must be a Keras initializer, or the name of one",
            "residual_initializer=3",
        ),
    ],
    "rotary": [
        (lambda t: layers.TransformerBlock(1, rotary="x"), "must be True or False", "rotary='x'"),
    ],
    "scale": [
        (
            lambda t: layers.TimeEmbedding(8, scale="a"),
            "must be a finite number, at most 1e+30 in magnitude",
            "scale='a'",
        ),
    ],
    "shortcut": [
        (
            lambda t: networks.MLP(FLOW, SHAPE, 8, shortcut="x"),
            "must be True or False",
            "shortcut='x'",
        ),
    ],
    "size": [
        (lambda t: layers.TokenEmbedding(0), "must be an integer of at least 1", "size=0"),
        (lambda t: layers.TimeEmbedding(None), "must be an integer of at least 2", "size=None"),
        (lambda t: layers.TimeEmbedding(3), "must be even", "size=3"),
        (
            lambda t: layers.PositionEmbedding()(np.zeros((2, 3, 3), "float32")),
            "Exception encountered when calling",
            "size=3",
        ),
        (lambda t: layers.TokenEmbedding(1.5), "must be an integer of at least 1", "size=1.5"),
        (lambda t: layers.TimeEmbedding(0), "must be an integer of at least 2", "size=0"),
        (lambda t: layers.TimeEmbedding(4.0), "must be an integer of at least 2", "size=4.0"),
        (lambda t: layers.TimeEmbedding("4"), "must be an integer of at least 2", "size='4'"),
    ],
    "steps": [
        (
            lambda t: networks.MultiPart(
                {"a": FLOW, "b": FLOW, "still": FLOW},
                {"a": (4,), "b": (5,), "still": ()},
                16,
                mixer="sequence",
            ),
            'must name parts for `mixer="sequence"`, and only then',
            "steps=()",
        ),
        (
            lambda t: networks.MultiPart(
                {"a": FLOW, "b": FLOW, "still": FLOW},
                {"a": (4,), "b": (5,), "still": ()},
                16,
                steps=["a"],
            ),
            'must name parts for `mixer="sequence"`, and only then',
            "steps=['a']",
        ),
        (
            lambda t: make_sequence(steps=["c"]),
            "must be a list of names of the parts ['a', 'b', 'still']",
            "steps=['c']",
        ),
        (
            lambda t: make_sequence(steps="a"),
            "must be a list of names of the parts ['a', 'b', 'still']",
            "steps='a'",
        ),
        (
            lambda t: make_sequence(steps=["a", "b"]),
            "must name parts whose shapes start with the same number of steps",
            "steps={'a': (4,), 'b': (5,)}",
        ),
        (
            lambda t: make_sequence(steps=["still"]),
            "must name parts whose shapes start with the same number of steps",
            "steps={'still': ()}",
        ),
    ],
    "t": [
        (
            lambda t: layers.TimeEmbedding(8)(np.zeros((2, 3), "float32")),
            "must have 1 axes",
            "t of shape (2, 3)",
        ),
    ],
    "time": [
        (
            lambda t: layers.ConvBlock(4)(
                np.zeros((2, 4, 4), "float32"), np.zeros((2,), "float32")
            ),
            "must have 2 axes",
            "time of shape (2,)",
        ),
        (
            lambda t: layers.ConvBlock(6)(np.zeros((2, 4, 4, 6)), np.zeros((2, 5, 6))),
            "must have 2 axes",
            "time of shape (2, 5, 6)",
        ),
    ],
    "time_bias": [
        (lambda t: layers.ConvBlock(4, time_bias=None), "must be True or False", "time_bias=None"),
    ],
    "times": [
        (
            lambda t: networks.MultiPart(PARTS, {"a": (2,), "b": (2,)}, 8, times="x"),
            "must be one of ['shared', 'variables']",
            "times='x'",
        ),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                times="own",
            ),
            "must be one of ['shared', 'variables']",
            "times='own'",
        ),
    ],
    "width": [
        (
            lambda t: networks.MLP(FLOW, (8,), width=None),
            "must be an integer of at least 2",
            "width=None",
        ),
        (
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), width=6),
            "must be a multiple of 4",
            "width=6",
        ),
        (lambda t: networks.MLP(FLOW, SHAPE, 7), "must be even", "width=7"),
        (lambda t: networks.MLP(FLOW, SHAPE, 0), "must be an integer of at least 2", "width=0"),
        (lambda t: networks.MLP(FLOW, SHAPE, "8"), "must be an integer of at least 2", "width='8'"),
        (lambda t: networks.UNet(FLOW, SHAPE, 7), "must be even", "width=7"),
        (lambda t: networks.VDMUNet(FLOW, SHAPE, width=7), "must be even", "width=7"),
        (lambda t: networks.Transformer(FLOW, 16, width=7), "must be even", "width=7"),
        (
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=7,
                num_blocks=1,
                num_heads=2,
            ),
            "must be even",
            "width=7",
        ),
    ],
    "width_multipliers": [
        (
            lambda t: networks.UNet(FLOW, SHAPE, width_multipliers=2),
            "must be a tuple of integers of at least 1",
            "width_multipliers=2",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, width_multipliers=()),
            "must have at least one level",
            "width_multipliers=()",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, width_multipliers=(1, 0)),
            "must be a tuple of integers of at least 1",
            "width_multipliers=(1, 0)",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, 8, "12"),
            "must be a tuple of integers of at least 1",
            "width_multipliers='12'",
        ),
        (
            lambda t: networks.UNet(FLOW, SHAPE, 8, (1.5,)),
            "must be a tuple of integers of at least 1",
            "width_multipliers=(1.5,)",
        ),
    ],
    "x": [
        (
            lambda t: layers.PositionEmbedding()(np.zeros((2, 3), "float32")),
            "Exception encountered when calling",
            "x of shape (2, 3)",
        ),
        (
            lambda t: layers.TokenEmbedding(4)(np.zeros((2, 3), "float32")),
            "must have 3 axes",
            "x of shape (2, 3)",
        ),
        (
            lambda t: layers.ConvBlock(4)(np.zeros((2, 4), "float32"), np.zeros((2, 4), "float32")),
            "must have 3 to 4 axes",
            "x of shape (2, 4)",
        ),
        (
            lambda t: layers.SpatialAttention(1)(np.zeros((2, 4), "float32")),
            "must have 3 to 5 axes",
            "x of shape (2, 4)",
        ),
        (
            lambda t: layers.TransformerBlock(1)(np.zeros((2, 4), "float32")),
            "must have 3 axes",
            "x of shape (2, 4)",
        ),
        (
            lambda t: layers.ConvBlock(6)(np.zeros((2, 6)), np.zeros((2, 8))),
            "must have 3 to 4 axes",
            "x of shape (2, 6)",
        ),
        (
            lambda t: layers.TokenEmbedding(4)(np.zeros((2, 6))),
            "must have 3 axes",
            "x of shape (2, 6)",
        ),
        (
            lambda t: layers.TokenEmbedding(4)(np.zeros((2, 4, 4, 6))),
            "must have 3 axes",
            "x of shape (2, 4, 4, 6)",
        ),
    ],
}
