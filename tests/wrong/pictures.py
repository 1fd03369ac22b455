"""Wrong calls of pictures."""

import numpy as np

from keras_bfn import Prediction, visualization
from tests.wrong.things import FLOW, IMAGES, MANY, ROWS, STEPS, X, nan

DRAWN = (
    visualization.plot_trajectory,
    visualization.plot_flow,
    visualization.animate_generation,
)


# By the argument: calls, what is expected instead, and what came.
CALLS = {
    "axes": [
        (
            lambda t: visualization.draw_grid(None, IMAGES),
            "must be matplotlib axes",
            "axes=None",
        ),
    ],
    "columns": [
        (
            lambda t: visualization.plot_samples(IMAGES, "a.png", columns=0),
            "must be an integer of at least 1",
            "columns=0",
        ),
        (
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", columns=0),
            "must be an integer of at least 1",
            "columns=0",
        ),
        (
            lambda t: visualization.plot_samples(IMAGES, "a.png", columns="x"),
            "must be an integer of at least 1",
            "columns='x'",
        ),
    ],
    "completions": [
        (
            lambda t: visualization.plot_forecast(IMAGES, "a.png", True),
            "must be series, of shape (num, length) or",
            "shape (4, 8, 8, 1)",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS[:0], "a.png", True),
            "must be series, of shape (num, length) or",
            "shape (0, 2, 1)",
        ),
    ],
    "flow": [
        (
            lambda t: visualization.plot_trajectory(None, STEPS, "a.png"),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow=None",
        ),
        (
            lambda t: visualization.plot_flow(None, STEPS, "a.png"),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow=None",
        ),
        (
            lambda t: visualization.plot_trajectory(3, STEPS, "a.png"),
            "must be a `keras_bfn.flows.Flow`, or a dict",
            "flow=3",
        ),
    ],
    "frames_per_second": [
        (
            lambda t: visualization.animate_generation(
                FLOW, STEPS, "a.gif", frames_per_second=2000
            ),
            "must be an integer of at least 1 and at most",
            "frames_per_second=2000",
        ),
        (
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", frames_per_second=0),
            "must be an integer of at least 1 and at most",
            "frames_per_second=0",
        ),
    ],
    "levels": [
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, levels=0.9),
            "must be a tuple of numbers strictly between 0",
            "levels=0.9",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, levels=(1,)),
            "must be a tuple of numbers strictly between 0",
            "levels=(1,)",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, levels=(nan,)),
            "must be a tuple of numbers strictly between 0",
            "levels=(nan,)",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, levels="x"),
            "must be a tuple of numbers strictly between 0",
            "levels='x'",
        ),
    ],
    "known": [
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", None),
            "must be an array of bool",
            "known=dtype('O')",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", np.ones(3, bool)),
            "must broadcast to (2,)",
            "known=(3,)",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", "x"),
            "must be an array of bool",
            "known=dtype('<U1')",
        ),
    ],
    "names": [
        (
            lambda t: visualization.plot_series(ROWS, "a.png", names="a"),
            "must be a list of 1 strings",
            "names='a'",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, names=["a", "b"]),
            "must be a list of 1 strings",
            "names=['a', 'b']",
        ),
        (
            lambda t: visualization.plot_series(ROWS, "a.png", names=[3]),
            "must be a list of 1 strings",
            "names=[3]",
        ),
    ],
    "nowhere": [
        (
            lambda t: visualization.plot_samples(IMAGES, "nowhere/a.png"),
            "[Errno 2] No such file or directory:",
            "",
            FileNotFoundError,
        ),
    ],
    "num_samples": [
        (
            lambda t: visualization.plot_trajectory(FLOW, STEPS, "a.png", num_samples=0),
            "must be an integer of at least 1",
            "num_samples=0",
        ),
        (
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", num_samples=0),
            "must be an integer of at least 1",
            "num_samples=0",
        ),
    ],
    "num_steps": [
        (
            lambda t: visualization.plot_trajectory(FLOW, STEPS, "a.png", num_steps=0),
            "must be an integer of at least 1",
            "num_steps=0",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", num_steps=0),
            "must be an integer of at least 1",
            "num_steps=0",
        ),
        (
            lambda t: visualization.plot_trajectory(FLOW, STEPS, "a.png", num_steps="a"),
            "must be an integer of at least 1",
            "num_steps='a'",
        ),
    ],
    "part": [
        (
            lambda t: visualization.plot_trajectory(FLOW, STEPS, "a.png", part="a"),
            "must be None unless the flow is a dict",
            "part='a'",
        ),
        (
            lambda t: visualization.plot_flow({"a": FLOW}, {"a": STEPS}, "a.png"),
            "must be one of ['a']",
            "part=None",
        ),
        (
            lambda t: visualization.plot_trajectory(FLOW, STEPS, "a.png", part=[]),
            "must be None unless the flow is a dict",
            "part=[]",
        ),
        *(
            (
                lambda t, draw=draw, part=part: draw(
                    {"a": FLOW, "b": FLOW}, {"a": STEPS, "b": STEPS}, "a.gif", part=part
                ),
                "must be one of ['a', 'b']",
                f"part={part!r}",
            )
            for draw in DRAWN
            for part in (None, "c")
        ),
        *(
            (
                lambda t, draw=draw: draw(FLOW, STEPS, "a.gif", part="image"),
                "must be None unless the flow is a dict",
                "part='image'",
            )
            for draw in DRAWN
        ),
    ],
    "path": [
        (lambda t: visualization.plot_samples(IMAGES, None), "must be a path", "path=None"),
        (lambda t: visualization.plot_series(ROWS, None), "must be a path", "path=None"),
        (lambda t: visualization.plot_forecast(ROWS, None, True), "must be a path", "path=None"),
        (lambda t: visualization.plot_trajectory(FLOW, STEPS, 3), "must be a path", "path=3"),
        (lambda t: visualization.plot_flow(FLOW, STEPS, None), "must be a path", "path=None"),
        (
            lambda t: visualization.animate_generation(FLOW, STEPS, None),
            "must be a path",
            "path=None",
        ),
    ],
    "pixels": [
        (
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", pixels=0),
            "must be an integer of at least 1",
            "pixels=0",
        ),
        (
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.gif", pixels="x"),
            "must be an integer of at least 1",
            "pixels='x'",
        ),
    ],
    "real": [
        (
            lambda t: visualization.plot_samples(IMAGES, "a.png", real="a"),
            "must be an array of numbers",
            "a str",
        ),
        (
            lambda t: visualization.plot_series(ROWS, "a.png", real=np.zeros((8, 2, 2))),
            "must have 1 channels, like `samples`",
            "real=(8, 2, 2)",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, real="a"),
            "must be an array of float",
            "real=dtype('<U1')",
        ),
        (
            lambda t: visualization.plot_forecast(ROWS, "a.png", True, real=np.zeros(3)),
            "must broadcast to (2,)",
            "real=(3,)",
        ),
    ],
    "sample": [
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", sample=7),
            "must be below 2",
            "sample=7",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", sample=None),
            "must be an integer of at least 0",
            "sample=None",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", sample="a"),
            "must be an integer of at least 0",
            "sample='a'",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", sample=2),
            "must be below 2",
            "sample=2",
        ),
    ],
    "samples": [
        (
            lambda t: visualization.plot_samples(None, "a.png"),
            "must be an array of numbers",
            "a NoneType",
        ),
        (
            lambda t: visualization.plot_samples(IMAGES[:0], "a.png"),
            "must be images, of shape (num, height, width)",
            "shape (0, 8, 8, 1)",
        ),
        (
            lambda t: visualization.plot_samples({"a": IMAGES}, "a.png"),
            "must be an array of numbers",
            "a dict",
        ),
        (
            lambda t: visualization.plot_series(np.zeros(3), "a.png"),
            "must be series, of shape (num, length) or",
            "shape (3,)",
        ),
        (
            lambda t: visualization.plot_series(None, "a.png"),
            "must be an array of numbers",
            "a NoneType",
        ),
        (
            lambda t: visualization.plot_samples("a", "a.png"),
            "must be an array of numbers",
            "a str",
        ),
        (
            lambda t: visualization.plot_samples(np.zeros((2, 3, 3, 2)), "a.png"),
            "must be images, of shape (num, height, width)",
            "shape (2, 3, 3, 2)",
        ),
        (lambda t: visualization.plot_series("a", "a.png"), "must be an array of numbers", "a str"),
        (
            lambda t: visualization.plot_samples(np.zeros((4, 8, 8, 2)), "a.png"),
            "must be images, of shape (num, height, width), or with 1 or 3 channels",
            "shape (4, 8, 8, 2)",
        ),
    ],
    "trajectory": [
        (
            lambda t: visualization.plot_trajectory(FLOW, None, "a.png"),
            "must be the `trajectory` of `generate(...,",
            "a NoneType",
        ),
        (
            lambda t: visualization.plot_trajectory({"a": FLOW}, STEPS, "a.png", part="a"),
            "must be the `trajectory` of `generate(...,",
            "a Prediction",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, X, "a.png"),
            "must be the `trajectory` of `generate(...,",
            "a ndarray",
        ),
        (
            lambda t: visualization.animate_generation(FLOW, {"a": STEPS}, "a.gif"),
            "must be the `trajectory` of `generate(...,",
            "a dict",
        ),
        (
            lambda t: visualization.plot_trajectory(FLOW, "x", "a.png"),
            "must be the `trajectory` of `generate(...,",
            "a str",
        ),
        (
            lambda t: visualization.plot_trajectory(FLOW, Prediction(1, 2, 3, 4), "a.png"),
            "must be a trajectory of the flow",
            "arrays with last axes of [(), (), ()]",
        ),
        (
            lambda t: visualization.plot_trajectory(MANY, STEPS, "a.png"),
            "must be a trajectory of the flow",
            "arrays with last axes of [(2,), (1,),",
        ),
        (
            lambda t: visualization.plot_flow(MANY, STEPS, "a.png"),
            "must be a trajectory of the flow",
            "arrays with last axes of [(2,), (1,),",
        ),
    ],
    "variable": [
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable=3),
            "must be an index into shape (4, 4, 1)",
            "variable=3",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable=(0.5, 0, 0)),
            "must be an index into shape (4, 4, 1)",
            "variable=(0.5, 0, 0)",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable=(4, 0, 0)),
            "must be an index into shape (4, 4, 1)",
            "variable=(4, 0, 0)",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable="abc"),
            "must be an index into shape (4, 4, 1)",
            "variable='abc'",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable=(0, 4, 0)),
            "must be an index into shape (4, 4, 1)",
            "variable=(0, 4, 0)",
        ),
        (
            lambda t: visualization.plot_flow(FLOW, STEPS, "a.png", variable=(0, 0)),
            "must be an index into shape (4, 4, 1)",
            "variable=(0, 0)",
        ),
    ],
    "xyz": [
        (
            lambda t: visualization.plot_samples(IMAGES, "a.xyz"),
            "Format 'xyz' is not supported (supported",
            "",
        ),
        (
            lambda t: visualization.animate_generation(FLOW, STEPS, "a.xyz"),
            "unknown file extension: .xyz",
            "",
        ),
    ],
}
