"""Wrong calls of pictures."""

import numpy as np

from keras_bfn import Prediction, visualization
from tests.wrong.things import FLOW, IMAGES, MANY, ROWS, STEPS, X, nan

DRAWN = (visualization.plot_trajectory, visualization.plot_flow, visualization.animate_generation)


# By the argument, and by what is expected instead: calls, with what came if not the argument.
CALLS = {
    "axes": {"matplotlib axes": [lambda t: visualization.draw_grid(None, IMAGES)]},
    "columns": {
        "integer of at least 1": [
            lambda t: visualization.plot_samples(IMAGES, "a.png", columns=0),
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", columns=0),
        ]
    },
    "completions": {
        "series, of shape (num, length) or": [
            (lambda t: visualization.plot_forecast(IMAGES, "a.png", True), "shape (4, 8, 8, 1)"),
            (lambda t: visualization.plot_forecast(ROWS[:0], "a.png", True), "shape (0, 2, 1)"),
        ]
    },
    "flow": {
        "`keras_bfn.flows.Flow`, or a dict": [
            lambda t: visualization.plot_trajectory(3, STEPS, "a.png")
        ]
    },
    "frames_per_second": {
        "integer of at least 1 and at most": [
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", frames_per_second=0)
        ]
    },
    "levels": {
        "tuple of numbers strictly between 0": [
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, levels=0.9),
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, levels=(1,)),
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, levels=(nan,)),
        ]
    },
    "known": {
        "array of bool": [lambda t: visualization.plot_forecast(ROWS, "a.png", None)],
        "must broadcast to (2,)": [
            lambda t: visualization.plot_forecast(ROWS, "a.png", np.ones(3, bool))
        ],
    },
    "names": {
        "list of 1 strings": [
            lambda t: visualization.plot_series(ROWS, "a.png", names="a"),
            lambda t: visualization.plot_series(ROWS, "a.png", names=[3]),
        ]
    },
    "nowhere": {
        "[Errno 2] There is no such folder:": [
            (lambda t: visualization.plot_samples(IMAGES, "nowhere/a.png"), "", FileNotFoundError)
        ]
    },
    "num_samples": {
        "integer of at least 1": [
            lambda t: visualization.plot_trajectory(FLOW, STEPS, "a.png", num_samples=0),
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", num_samples=0),
        ]
    },
    "num_steps": {
        "integer of at least 1": [
            lambda t: visualization.plot_trajectory(FLOW, STEPS, "a.png", num_steps=0),
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", num_steps=0),
        ]
    },
    "part": {
        "one of ['a', 'b']": [
            lambda t, draw=draw: draw(
                {"a": FLOW, "b": FLOW}, {"a": STEPS, "b": STEPS}, "a.gif", part="c"
            )
            for draw in DRAWN
        ],
        "None unless the flow is a dict": [
            lambda t, draw=draw: draw(FLOW, STEPS, "a.gif", part="image") for draw in DRAWN
        ],
    },
    "path": {
        "must be a path": [
            lambda t: visualization.plot_samples(IMAGES, None),
            lambda t: visualization.plot_series(ROWS, None),
            lambda t: visualization.plot_forecast(ROWS, None, True),
            lambda t: visualization.plot_trajectory(FLOW, STEPS, 3),
            lambda t: visualization.plot_flow(FLOW, STEPS, None),
            lambda t: visualization.animate_generation(FLOW, STEPS, None),
        ]
    },
    "pixels": {
        "integer of at least 1": [
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", pixels=0)
        ]
    },
    "real": {
        "array of numbers": [
            (lambda t: visualization.plot_samples(IMAGES, "a.png", real="a"), "a str")
        ],
        "1 channels, like `samples`": [
            lambda t: visualization.plot_series(ROWS, "a.png", real=np.zeros((8, 2, 2)))
        ],
        "array of float": [lambda t: visualization.plot_forecast(ROWS, "a.png", True, real="a")],
        "must broadcast to (2,)": [
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, real=np.zeros(3))
        ],
    },
    "sample": {
        "below 2": [lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", sample=7)],
        "integer of at least 0": [
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", sample="a")
        ],
    },
    "samples": {
        "images, of shape (num, height, width)": [
            (lambda t: visualization.plot_samples(IMAGES[:0], "a.png"), "shape (0, 8, 8, 1)"),
            (
                lambda t: visualization.plot_samples(np.zeros((2, 3, 3, 2)), "a.png"),
                "shape (2, 3, 3, 2)",
            ),
        ],
        "series, of shape (num, length) or": [
            (lambda t: visualization.plot_series(np.zeros(3), "a.png"), "shape (3,)")
        ],
        "array of numbers": [
            (lambda t: visualization.plot_samples("a", "a.png"), "a str"),
            (lambda t: visualization.plot_series("a", "a.png"), "a str"),
        ],
    },
    "trajectory": {
        "`trajectory` of `generate(...,": [
            (lambda t: visualization.plot_flow(FLOW, X, "a.png"), "a ndarray"),
            (lambda t: visualization.animate_generation(FLOW, {"a": STEPS}, "a.gif"), "a dict"),
        ],
        "trajectory of the flow": [
            (
                lambda t: visualization.plot_trajectory(FLOW, Prediction(1, 2, 3, 4), "a.png"),
                "arrays with last axes of [(), (), ()]",
            ),
            (
                lambda t: visualization.plot_flow(MANY, STEPS, "a.png"),
                "arrays with last axes of [(2,), (1,),",
            ),
        ],
    },
    "variable": {
        "index into shape (4, 4, 1)": [
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable=3),
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable=(4, 0, 0)),
        ]
    },
    "xyz": {
        "Format 'xyz' is not supported (supported": [
            (lambda t: visualization.plot_samples(IMAGES, "a.xyz"), "")
        ],
        "unknown file extension: .xyz": [
            (lambda t: visualization.animate_generation(FLOW, STEPS, "a.xyz"), "")
        ],
    },
}
