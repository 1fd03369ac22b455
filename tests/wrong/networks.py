"""Wrong calls of networks and layers."""

import keras
import numpy as np

from keras_bfn import checkpoints, layers, networks
from tests.wrong.things import FLOW, MANY, PARTS, SHAPE, nan


def make_sequence(**options):
    """Makes a network of sequences of different lengths."""
    flows = {"a": FLOW, "b": FLOW, "still": FLOW}
    shapes = {"a": (4,), "b": (5,), "still": ()}
    return networks.MultiPart(flows, shapes, 16, mixer="sequence", **options)


def molecules(**options):
    """Makes a small network of ChemBFN."""
    return checkpoints.MoleculeTransformer(MANY, 4, 8, 1, 2, **options)


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "coarse_width": {
        "multiple of 4": [
            lambda t: networks.PatchTransformer(
                FLOW, (8, 8, 1), num_coarse_layers=1, coarse_width=6
            )
        ],
        "integer of at least 4": [
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 4, 8, 1, 1, "a")
        ],
    },
    "colour": {
        "MLP: unexpected keyword argument 'colour'. The arguments are flow, event_shape, width, ": [
            (lambda t: networks.MLP(FLOW, SHAPE, 8, colour=1), "", TypeError)
        ]
    },
    "condition_widths": {
        "must be a tuple of ints": [lambda t: molecules(conditions=3, condition_widths=4)],
        "must be empty without conditions, and must not be for conditions that are classes": [
            lambda t: molecules(condition_widths=(4,)),
            lambda t: molecules(conditions=3, condition_widths=()),
        ],
    },
    "conditions": {
        "must be None, an int, or a shape (size,)": [lambda t: molecules(conditions=(2, 3))],
        "integer of at least 1": [
            (lambda t: molecules(conditions=(0.5,)), "conditions=0.5"),
            lambda t: networks.MLP(FLOW, (8,), conditions=0),
            (
                lambda t: networks.MultiPart(
                    {"image": FLOW, "label": MANY},
                    {"image": (4, 6, 3), "label": ()},
                    width=16,
                    num_blocks=1,
                    num_heads=2,
                    conditions={"a": 0.5},
                ),
                "conditions['a']=0.5",
            ),
        ],
        "tuple of integers of at least 1": [
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions=(0,))
        ],
        "shape with at least one axis": [
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions=()),
            (
                lambda t: networks.MLP(FLOW, (4,), width=8, conditions={"a": ()}),
                "conditions['a']=()",
            ),
        ],
        "non-empty strings as names, other than": [
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions={}),
            lambda t: networks.MLP(FLOW, SHAPE, 8, conditions={"": 3}),
        ],
        "must have non-empty strings as names, other than ['class_name',": [
            lambda t: networks.MLP(FLOW, (4,), width=8, conditions={1: 2})
        ],
    },
    "data_format": {
        "one of ['channels_last',": [lambda t: layers.SpatialAttention(1, data_format=3)]
    },
    "dropout": {
        "number in [0, 1)": [
            lambda t: layers.ConvBlock(4, dropout=2),
            lambda t: layers.DenseBlock(4, dropout=-1),
            lambda t: layers.TransformerBlock(1, dropout="a"),
            lambda t: networks.MLP(FLOW, SHAPE, 8, dropout=1),
            lambda t: networks.UNet(FLOW, SHAPE, dropout=1.0),
            lambda t: networks.VDMUNet(FLOW, SHAPE, dropout=1.0),
            lambda t: networks.Transformer(FLOW, 16, dropout=1.0),
            lambda t: networks.MultiPart(
                {"image": FLOW, "label": MANY},
                {"image": (4, 6, 3), "label": ()},
                width=16,
                num_blocks=1,
                num_heads=2,
                dropout=1.0,
            ),
        ]
    },
    "dtype": {
        "Keras dtype policy, such as 'float32' or": [
            lambda t: networks.MLP(FLOW, SHAPE, 8, dtype=3)
        ]
    },
    "endpoint": {"True or False": [lambda t: layers.TimeEmbedding(8, endpoint=3)]},
    "event_shape": {
        "tuple of integers of at least 1": [
            lambda t: networks.MLP(FLOW, event_shape=8),
            (
                lambda t: networks.MultiPart(
                    {"image": FLOW, "label": MANY},
                    {"image": (4, 6, 3), "label": 3},
                    width=16,
                    num_blocks=1,
                    num_heads=2,
                ),
                "event_shape['label']=3",
            ),
        ],
        "integer of at least 1": [lambda t: networks.Transformer(FLOW, 0)],
        "length, or (length, channels)": [lambda t: networks.Transformer(FLOW, (), 8)],
        "dict with the parts ['a', 'b']": [
            (lambda t: networks.MultiPart(PARTS, (2,), 8), "a tuple")
        ],
    },
    "expansion": {
        "integer of at least 1": [
            lambda t: networks.MLP(FLOW, SHAPE, 8, expansion=0),
            lambda t: networks.Transformer(FLOW, 4, 8, expansion=None),
            lambda t: layers.TransformerBlock(1, expansion=None),
        ]
    },
    "exponents": {
        "non-empty tuple of numbers between -100 and 100": [
            lambda t: layers.FourierFeatures(3),
            lambda t: layers.FourierFeatures(("a",)),
            lambda t: layers.FourierFeatures((nan,)),
        ]
    },
    "features": {
        "one of ['scaled', 'plain']": [lambda t: networks.Transformer(FLOW, 4, features=None)]
    },
    "filters": {"integer of at least 1": [lambda t: layers.ConvBlock(0)]},
    "flow": {
        "must be a `keras_bfn.flows.Flow`": [
            lambda t: networks.MLP(None, (8,)),
            lambda t: layers.EvidenceFeatures(3),
        ],
        "dict of flows": [lambda t: networks.MultiPart(FLOW, (8,))],
        "`keras_bfn.flows.Flow`, or a dict": [lambda t: networks.MultiPart({}, {}, 8)],
        "`keras_bfn.flows.Flow` for each part": [
            (lambda t: networks.MultiPart({"a": 3}, {"a": (2,)}, 8), "flow['a']=3")
        ],
        "non-empty strings as part names, other than": [
            (lambda t: networks.MultiPart({1: FLOW}, {1: (2,)}, 8), "a part named 1")
        ],
    },
    "groups": {
        "integer of at least 1": [
            lambda t: layers.ConvBlock(4, groups=0),
            lambda t: layers.SpatialAttention(1, groups=None),
        ]
    },
    "hidden_size": {"integer of at least 1": [lambda t: layers.DenseBlock("a")]},
    "image_shape": {
        "tuple of integers of at least 1": [lambda t: networks.UNet(FLOW, 8)],
        "(height, width, channels), with sides that are": [
            lambda t: networks.PatchTransformer(FLOW, (8, 6, 1)),
            lambda t: networks.PatchTransformer(FLOW, (8, 8)),
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 16),
        ],
        "(height, width, channels), or, for": [
            lambda t: networks.UNet(FLOW, (5, 5, 1), 8),
            lambda t: networks.VDMUNet(FLOW, (4, 4, 1, 1), 8),
        ],
    },
    "kernel_initializer": {
        "Keras initializer, or the name of one": [
            lambda t: layers.TransformerBlock(1, kernel_initializer="x")
        ]
    },
    "kernel_size": {
        "integer of at least 1": [
            lambda t: networks.Transformer(FLOW, 4, kernel_size=0),
            lambda t: layers.TransformerBlock(1, kernel_size=0),
        ],
        "above 1 without attention": [
            lambda t: networks.Transformer(FLOW, 4, num_heads=0, kernel_size=1)
        ],
    },
    "masked": {"True or False": [lambda t: networks.Transformer(FLOW, 4, 8, masked=1)]},
    "mixer": {
        "one of ['transformer', 'mlp', 'sequence']": [
            lambda t: networks.MultiPart(PARTS, {"a": (2,), "b": (2,)}, 8, mixer="x")
        ]
    },
    "name": {
        "string and cannot contain character": [lambda t: networks.MLP(FLOW, SHAPE, 8, name=3)]
    },
    "networks": {
        "dict from some of the parts ['a']": [
            lambda t: networks.MultiPart({"a": FLOW}, {"a": (8,)}, networks=3),
            lambda t: networks.MultiPart(
                {"a": FLOW}, {"a": SHAPE}, 8, networks={"b": keras.layers.Dense(1)}
            ),
        ],
        "made for the flow": [
            (
                lambda t: networks.MultiPart(
                    {"a": FLOW},
                    {"a": SHAPE},
                    8,
                    networks={"a": networks.MLP(MANY, SHAPE, 8, conditions=(8,))},
                ),
                "a `MLP` for DiscreteFlow(num_classes=5,",
            )
        ],
        "event shape (4, 4, 1) and conditions=(8,)": [
            (
                lambda t: networks.MultiPart(
                    {"a": FLOW},
                    {"a": SHAPE},
                    8,
                    networks={"a": networks.MLP(FLOW, (2,), 8, conditions=(8,))},
                ),
                "a network with event shape (2,) and",
            ),
            (
                lambda t: networks.MultiPart(
                    {"a": FLOW},
                    {"a": SHAPE},
                    8,
                    networks={"a": networks.MLP(FLOW, SHAPE, 8, conditions=4)},
                ),
                "a network with event shape (4, 4, 1) and",
            ),
        ],
    },
    "num_blocks": {
        "integer of at least 1": [
            lambda t: networks.MLP(FLOW, (8,), num_blocks=0),
            lambda t: networks.VDMUNet(FLOW, SHAPE, 8, 0),
            lambda t: networks.UNet(FLOW, SHAPE, num_blocks=-1),
        ]
    },
    "num_coarse_layers": {
        "integer of at least 0": [
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), num_coarse_layers=-1)
        ]
    },
    "num_columns": {
        "integer of at least 1": [lambda t: layers.PositionEmbedding(0)],
        "must divide the number of positions, 6": [
            lambda t: layers.PositionEmbedding(4)(np.zeros((2, 6, 8))),
            lambda t: layers.TransformerBlock(0, kernel_size=3, num_columns=4)(np.zeros((2, 6, 8))),
        ],
    },
    "num_heads": {
        "must divide the number of channels": [
            lambda t: networks.UNet(FLOW, SHAPE, 8, num_heads=3)
        ],
        "integer of at least 1": [
            lambda t: layers.SpatialAttention(0),
            lambda t: networks.UNet(FLOW, SHAPE, 8, num_heads=0),
        ],
        "integer of at least 0": [
            lambda t: layers.TransformerBlock(None),
            lambda t: networks.Transformer(FLOW, 4, 8, num_heads=-1),
        ],
    },
    "num_layers": {
        "integer of at least 1": [
            lambda t: networks.Transformer(FLOW, 4, num_layers=0),
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), 4, 8, 0),
        ]
    },
    "offset": {
        "finite number, at most 1e+30 in magnitude": [
            lambda t: layers.TimeEmbedding(8, offset=None)
        ]
    },
    "patch_size": {
        "integer of at least 1": [
            lambda t: networks.MultiPart({"a": FLOW}, {"a": SHAPE}, patch_size=0),
            lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), patch_size=0),
        ],
        "must divide the sides of each image, 4 and 4 for 'a'": [
            lambda t: networks.MultiPart({"a": FLOW}, {"a": SHAPE}, 8, patch_size=3)
        ],
        "must name parts that are images, ['a']": [
            lambda t: networks.MultiPart({"a": FLOW}, {"a": SHAPE}, 8, patch_size={"b": 2})
        ],
    },
    "positions": {
        "one of ['rotary', 'sinusoidal']": [
            lambda t: networks.Transformer(FLOW, 4, 8, positions=[])
        ]
    },
    "rank": {"integer of at least 1": [lambda t: networks.MLP(FLOW, SHAPE, 8, 1).enable_lora(0)]},
    "remat": {
        "True or False": [
            lambda t: networks.UNet(FLOW, SHAPE, 8, (1,), 1, 1, remat=3),
            lambda t: layers.TransformerBlock(1, remat=2),
        ]
    },
    "residual_initializer": {
        "Keras initializer, or the name of one": [
            lambda t: layers.TransformerBlock(1, residual_initializer=3)
        ]
    },
    "rotary": {"True or False": [lambda t: layers.TransformerBlock(1, rotary="x")]},
    "scale": {
        "finite number, at most 1e+30 in magnitude": [lambda t: layers.TimeEmbedding(8, scale="a")]
    },
    "shortcut": {"True or False": [lambda t: networks.MLP(FLOW, SHAPE, 8, shortcut="x")]},
    "size": {
        "integer of at least 1": [lambda t: layers.TokenEmbedding(0)],
        "must be even": [lambda t: layers.TimeEmbedding(3)],
        "Exception encountered when calling": [
            lambda t: layers.PositionEmbedding()(np.zeros((2, 3, 3), "float32"))
        ],
        "integer of at least 2": [lambda t: layers.TimeEmbedding(0)],
    },
    "steps": {
        'must name parts for `mixer="sequence"`, and only': [
            lambda t: networks.MultiPart(
                {"a": FLOW, "b": FLOW, "still": FLOW},
                {"a": (4,), "b": (5,), "still": ()},
                16,
                steps=["a"],
            )
        ],
        "list of names of the parts ['a', 'b', 'still']": [
            lambda t: make_sequence(steps=["c"]),
            lambda t: make_sequence(steps="a"),
        ],
        "must name parts whose shapes start with the same": [
            lambda t: make_sequence(steps=["a", "b"]),
            lambda t: make_sequence(steps=["still"]),
        ],
    },
    "t": {
        "1 axes": [
            (lambda t: layers.TimeEmbedding(8)(np.zeros((2, 3), "float32")), "t of shape (2, 3)")
        ]
    },
    "time": {
        "2 axes": [
            (
                lambda t: layers.ConvBlock(6)(np.zeros((2, 4, 4, 6)), np.zeros((2, 5, 6))),
                "time of shape (2, 5, 6)",
            )
        ]
    },
    "time_bias": {"True or False": [lambda t: layers.ConvBlock(4, time_bias=None)]},
    "times": {
        "one of ['shared', 'variables']": [
            lambda t: networks.MultiPart(PARTS, {"a": (2,), "b": (2,)}, 8, times="x")
        ]
    },
    "width": {
        "multiple of 4": [lambda t: networks.PatchTransformer(FLOW, (8, 8, 1), width=6)],
        "integer of at least 2": [lambda t: networks.MLP(FLOW, SHAPE, 0)],
    },
    "width_multipliers": {
        "tuple of integers of at least 1": [
            lambda t: networks.UNet(FLOW, SHAPE, width_multipliers=2)
        ],
        "at least one level": [lambda t: networks.UNet(FLOW, SHAPE, width_multipliers=())],
    },
    "x": {
        "Exception encountered when calling": [
            (lambda t: layers.PositionEmbedding()(np.zeros((2, 3), "float32")), "x of shape (2, 3)")
        ],
        "3 to 5 axes": [
            (lambda t: layers.SpatialAttention(1)(np.zeros((2, 4), "float32")), "x of shape (2, 4)")
        ],
        "3 axes": [
            (
                lambda t: layers.TransformerBlock(1)(np.zeros((2, 4), "float32")),
                "x of shape (2, 4)",
            ),
            (lambda t: layers.TokenEmbedding(4)(np.zeros((2, 6))), "x of shape (2, 6)"),
        ],
        "3 to 4 axes": [
            (lambda t: layers.ConvBlock(6)(np.zeros((2, 6)), np.zeros((2, 8))), "x of shape (2, 6)")
        ],
    },
}
