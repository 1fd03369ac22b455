"""Wrong data, masks and weights of a model of several parts."""

import numpy as np

from keras_bfn import codec
from tests.models.parts import NUM, first, make_data, without
from tests.wrong.things import X as X_PLAIN
from tests.wrong.things import by_expected, inf, nan

X = make_data()
IMAGES, LABELS = X["image"], X["label"]
PARTS, KEYS = "['size', 'image', 'label']", "a dict with the keys "
VERBS = ("fit", "evaluate", "code_length", "loss_by_time", "encode")
NAMES, SOME = (
    f"must be a dict with the parts {PARTS}",
    f"must be a dict with some of the parts {PARTS}",
)
KNOWN = f"must name some of {PARTS}, or be a dict of their masks"
MASKS = "must be a boolean array, true for known variables, that broadcasts to "
DATA = {
    "missing": (without(X, "label"), NAMES, f"{KEYS}['image', 'size']"),
    "extra": ({**X, "more": IMAGES}, NAMES, f"{KEYS}['image', 'label', 'more', 'size']"),
    "numbered": (dict(enumerate(X.values())), NAMES, f"{KEYS}['0', '1', '2']"),
    "array": (IMAGES, NAMES, "a ndarray"),
    "none": (None, "must contain data", "x=None"),
    "numbers": (
        {**X, "label": LABELS[:-1]},
        "must have equally many examples of each part",
        "{'size': 12, 'image': 12, 'label': 11}",
    ),
    "shape": ({**X, "image": IMAGES[:, :1]}, "event_shape=(2, 3, 1)", "shape (12, 1, 3, 1)"),
    "axis": ({**X, "size": X["size"][:, None]}, "event_shape=()", "shape (12, 1)"),
    "integers": ({**X, "size": LABELS}, "must contain floats", "dtype int32"),
    "floats": ({**X, "label": X["size"]}, "must contain integers", "dtype float32"),
    "range": ({**X, "label": LABELS + 1}, "must lie in [0, 2]", "values from 1 to 3"),
    "nan": ({**X, "size": X["size"] * nan}, "must be finite", "NaN"),
    "scalar": ({**X, "label": np.int32(1)}, "must be an array of examples", "x['label']="),
    "empty": (first(X, 0), "must contain data", "an empty array"),
    "nested": ({**X, "label": X}, "must be an array of examples", "x['label']="),
}


def latents(t, **changes):
    return {**t.many_parts.encode(first(X, 2), 1, verbose=0), **changes}


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "given": by_expected(
        (lambda t, given=given: t.timed_parts.generate(2, 2, given=given), expected, came)
        for given, expected, came in (
            ({"lab": LABELS[:2]}, SOME, f"{KEYS}['lab']"),
            ({"label": LABELS[:3]}, "`given['label']` must contain 2 examples", "3"),
            ({"label": X["size"][:2]}, "`given['label']` must contain integers", "float32"),
            ({"label": LABELS[:2] + 3}, "`given['label']` must lie in [0, 2]", ""),
            ({"image": IMAGES[:2, :1]}, "`given['image']` must have shape", "(2, 1, 3, 1)"),
            ({"label": 1}, "`given['label']` must be an array of examples", ""),
            ({"label": None}, "`given['label']` must contain data", ""),
            (LABELS[:2], SOME, "a ndarray"),
            (["label"], SOME, "a list"),
            ("label", SOME, "a str"),
        )
    ),
    "known": {
        **by_expected(
            [
                *(
                    (
                        lambda t, known=known: t.timed_parts.code_length(X, known=known),
                        expected,
                        came,
                    )
                    for known, expected, came in (
                        (["lab"], KNOWN, "known=['lab']"),
                        ("lab", KNOWN, "known='lab'"),
                        (["label", 3], KNOWN, "known=['label', 3]"),
                        ({"lab": True}, KNOWN, "known={'lab': True}"),
                        (3, KNOWN, "known=3"),
                        (LABELS, KNOWN, "known=array("),
                        (LABELS > 0, KNOWN, "known=array("),
                        (
                            {"label": LABELS},
                            f"`known['label']` {MASKS}(12,)",
                            "int32. Write `known['label'].astype",
                        ),
                        (
                            {"image": np.ones((3, 2), bool)},
                            f"`known['image']` {MASKS}",
                            "shape (3, 2)",
                        ),
                        ({"image": None}, f"`known['image']` {MASKS}", ""),
                    )
                ),
                *(
                    (lambda t, known=known: t.many_parts.inpaint(X, known, 2), expected, came)
                    for known, expected, came in (
                        (True, SOME, "a bool"),
                        (np.ones(IMAGES.shape, bool), SOME, "a ndarray"),
                        (
                            {},
                            "must contain the parts that `known` names, at least one",
                            "known with []",
                        ),
                        ({"imag": True}, SOME, f"{KEYS}['imag']"),
                        (
                            {"image": np.ones((2, 3), bool)},
                            "`known['image']` must be a boolean array",
                            "shape (2, 3)",
                        ),
                        (
                            {"image": np.ones(IMAGES.shape)},
                            "`known['image']` must be a boolean array",
                            "float64",
                        ),
                        (
                            {"image": np.ones(IMAGES.shape[:-1], bool)},
                            "`known['image']` must be a boolean array",
                            "Write `known['image'][..., None]`",
                        ),
                        (
                            {"label": np.ones((NUM, 1), bool)},
                            "`known['label']` must",
                            "shape (12, 1)",
                        ),
                    )
                ),
            ]
        ),
        "boolean array": [(lambda t: t.model.inpaint(X_PLAIN, {"image": True}), "dtype object")],
    },
    "latents": {
        NAMES: [
            (
                lambda t: t.many_parts.generate(2, 2, "ode1", latents=latents(t)["image"]),
                "a ndarray",
            )
        ],
        "finite": [
            (
                lambda t: t.many_parts.generate(
                    2, 2, "ode1", latents=latents(t, size=np.full((2, 1), inf))
                ),
                "",
            )
        ],
    },
    "loss_weights": by_expected(
        (
            lambda t, weights=weights: t.many_parts.compile("sgd", loss_weights=weights),
            expected,
            came,
        )
        for weights, expected, came in (
            ({"imag": 1.0}, f"must be a dict from some of {PARTS} to weights", "'imag'"),
            ([1.0, 1.0, 1.0], f"must be a dict from some of {PARTS}", "[1.0, 1.0, 1.0]"),
            (2.0, f"must be a dict from some of {PARTS}", "=2.0"),
            *(
                (
                    {"image": weight},
                    "must contain finite numbers of at least 0",
                    f"loss_weights['image']={weight!r}",
                )
                for weight in (-1, nan, inf, True, "1", None)
            ),
        )
    ),
    "sample_weight": by_expected(
        (lambda t, call=call, weights=weights: call(t, weights), "shape (12,)", came)
        for weights, came in (
            ([1.0] * NUM, "a list"),
            (np.ones(NUM - 1), "shape (11,)"),
            (np.ones(IMAGES.shape), "shape (12, 2, 3, 1)"),
        )
        for call in (
            lambda t, weights: t.many_parts.fit(X, sample_weight=weights),
            lambda t, weights: t.many_parts.evaluate(X, sample_weight=weights),
            lambda t, weights: t.many_parts.fit(X, validation_data=(X, None, weights)),
        )
    ),
    "validation_data": by_expected(
        (lambda t, x=x: t.many_parts.fit(X, validation_data=x), expected, came)
        for x, expected, came in (
            DATA[kind] for kind in ("missing", "numbers", "shape", "floats", "range")
        )
    ),
    "x": by_expected(
        [
            *(
                (lambda t, verb=verb, x=x: getattr(t.many_parts, verb)(x), expected, came)
                for verb in VERBS
                for x, expected, came in DATA.values()
            ),
            *(
                (lambda t, x=x, name=name: t.many_parts.inpaint(x, {name: True}, 2), expected, came)
                for x, name, expected, came in (
                    (IMAGES, "image", SOME, "a ndarray"),
                    ({**X, "more": IMAGES}, "image", SOME, "'more'"),
                    (
                        without(X, "label"),
                        "label",
                        "must contain the parts",
                        "known with ['label']",
                    ),
                    ({**X, "label": LABELS[:5]}, "label", "equally many examples", "'label': 5"),
                    ({"label": 1}, "label", "`x['label']` must be an array of examples", ""),
                    ({"label": LABELS + 9}, "label", "`x['label']` must lie in", ""),
                )
            ),
            *(
                (lambda t, x=x: codec.Codec(t.sent_parts).compress(x), expected, came)
                for x, expected, came in (
                    (without(X, "size", "label"), "must be a dict with the parts", KEYS),
                    (IMAGES, "must be a dict with the parts", "a ndarray"),
                    (
                        {"image": IMAGES[:3], "label": LABELS},
                        "must have equally many examples of each part",
                        "'image': 3",
                    ),
                    ({"image": IMAGES, "label": LABELS + 1}, "`x['label']` must lie in [0, 2]", ""),
                    (
                        {"image": IMAGES, "label": LABELS * 1.0},
                        "`x['label']` must contain integers",
                        "dtype float64",
                    ),
                )
            ),
        ]
    ),
}
