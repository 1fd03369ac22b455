"""Jumps along a model's paths, as training data for a student."""

import math
import threading
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_bfn._config import key_of
from keras_bfn._parts import (
    check_has_event_shape,
    count_examples,
    list_parts,
    map_parts,
    of_any_part,
    unzip_parts,
)
from keras_bfn._typing import Array, Parts
from keras_bfn._validation import (
    check_between,
    check_int,
    check_number,
    check_real,
    check_steps,
    is_number,
    mismatch,
    refusal,
    to_numpy,
)
from keras_bfn.datasets.batches import Epochs
from keras_bfn.distillation.student import SCALE, Jumping, named
from keras_bfn.inputs.conditions import condition_inputs
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.models.classifier_free import ClassifierFreeGuidance, check_classifier_free
from keras_bfn.samplers import ODE2Sampler

NUM_SCALES = 8  # guidance scales in an epoch


class PathSampler(ODE2Sampler):
    """`ODE2Sampler` from t = 0, with steps that are even in log(beta) from `start` on."""

    def times(self, flow, num_steps):
        return np.append(np.float32(0), super().times(flow, num_steps - 1))


class Trajectories(Epochs):
    """Jumps along a model's paths, in batches for `Distiller.fit`.

    For each epoch, the model generates `num_paths` new samples by the sampler `"ode2"`, and each
    path from the prior to a sample gives `num_jumps` examples. A jump goes from one time of the
    path to a later one, or to the data at its end. Its target is the mean of the expected embedding
    along that part of the path, or the embedding of the data.

    Args:
        model: the `keras_bfn.BayesianFlowNetwork` to distil.
        num_paths: int. The number of samples that the model generates for each epoch.
        num_steps: int. The longest jumps take this many steps of a path. A path takes
            `num_steps + 2` network calls. With few, targets leave the range of embeddings a little.
        num_jumps: int. The number of jumps taken from each path.
        start: float in (0, 1). The first step of a path goes from t = 0 to here, and the student
            receives the evidence of the path's beginning as if it were of this time: see
            `keras_bfn.samplers.JumpSampler`, which needs the same `start`.
        to_data: float in [0, 1]. The fraction of jumps that go to the data, half of them from the
            start. A few of the others do, too.
        condition: for conditional models, an array of conditions, or a dict of these, from which
            that of each path is chosen at random. By default the null condition.
        guidance_scale: a number; a `keras_bfn.guidance.ClassifierFreeGuidance`; or `(low, high)`,
            between which eight scales are chosen at random for each epoch, for a student that takes
            the scale as a condition (`make_student(model, guided=True)`).
        batch_size: int. The number of jumps in a batch. An incomplete last batch is dropped.
        training: bool. If False, all epochs have the same paths and jumps, for validation.
        seed: int.

    Attributes:
        epoch: int. The number of the training epoch. `fit` increments it; set it to resume there.
            Paths and jumps depend only on it, on `seed` and on the model's weights when the epoch
            begins.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> jumps = keras_bfn.distillation.Trajectories(model, num_paths=4, num_steps=3, batch_size=16)
    >>> inputs, target = jumps[0]
    >>> [inputs["s"].shape, inputs["t_next"].shape, target.shape]
    [(16, 4, 4, 1, 2), (16,), (16, 4, 4, 1, 2)]
    """

    def __init__(
        self,
        model: BayesianFlowNetwork,
        num_paths: int = 512,
        num_steps: int = 24,
        num_jumps: int = 16,
        start: float = 0.02,
        to_data: float = 0.5,
        condition: Parts[Array] | None = None,
        guidance_scale: float | ClassifierFreeGuidance | Sequence[float] = 1.0,
        batch_size: int = 128,
        training: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(training, seed)
        if not isinstance(model, BayesianFlowNetwork) or isinstance(model, Jumping):
            expected = "must be a `keras_bfn.BayesianFlowNetwork`, and no student"
            raise refusal("model", expected, model)
        check_has_event_shape(model)
        self.model = model
        self.num_paths = check_int("num_paths", num_paths, 1)
        self.num_steps = check_steps(num_steps)
        self.num_jumps = check_int("num_jumps", num_jumps, 1)
        check_between("start", start, 0, 1)
        self.sampler = PathSampler(start=start, spacing="log_beta")
        is_share = "a number in [0, 1]"
        self.to_data = check_real("to_data", to_data, lambda x: 0 <= x <= 1, is_share)
        self.condition = _check_conditions(model, condition)
        self.guidance_scale = _check_scale(guidance_scale)
        scale = self.guidance_scale
        highest = scale[1] if isinstance(scale, tuple) else scale
        check_classifier_free(model, highest, self.condition)
        self.batch_size = check_int("batch_size", batch_size, 1)
        if batch_size > num_paths * num_jumps:
            expected = f"must be at most the number of jumps, {num_paths * num_jumps}"
            raise refusal("batch_size", expected, batch_size)
        self._made, self._turn = None, threading.Lock()

    @property
    def num_batches(self) -> int:
        return self.num_paths * self.num_jumps // self.batch_size

    def on_epoch_begin(self) -> None:
        self._make()
        super().on_epoch_begin()

    def __getitem__(self, index: int) -> Any:
        self.check_index(index)
        paths, plan = self._make()
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self._jumps(paths, *(values[rows] for values in plan))

    def _make(self):
        """Returns the paths of the epoch and the plan of its jumps, made once."""
        with self._turn:  # TensorFlow fetches batches in threads of its own
            if self._within_epoch and self._made[0][0] == self.epoch:
                return self._made[1:]
            made_with = self.epoch, key_of([to_numpy(w) for w in self.model.network.weights])
            if self._made is None or self._made[0] != made_with:
                rng = np.random.default_rng((self.seed, self.epoch))
                sizes = self.num_paths, self.num_steps, self.num_jumps
                paths = _generate(self, rng)
                self._made = made_with, paths, plan_jumps(rng, *sizes, self.to_data)
            return self._made[1:]

    def _jumps(self, paths, path, first, last):
        """Returns the inputs and targets of jumps, from and to these steps of these paths."""
        t, s, x, conditions = paths
        to_data = last == self.num_steps

        def find(flow, s, x):
            beta = [float(flow.schedule.beta(time)) for time in t]
            # Paths begin at t = 0, with evidence as if of `start`, which is t[0].
            scale, root = np.sqrt(beta), np.sqrt([0.0, *beta[1:]])
            before, after = (s[path, i] / _expand(scale[i], s[path, i]) for i in (first, last))
            mean = (after - before) / _expand(flow.gain * (root[last] - root[first]), before)
            data = keras.ops.convert_to_numpy(flow.embed(x[path]))
            target = np.where(_expand(to_data, data), data, mean)
            return s[path, first], target.astype("float32")

        s, target = unzip_parts(map_parts(find, self.model.flow, s, x))
        inputs = {"s": s, "t": t[first], "t_next": t[last]}
        inputs |= keras.tree.map_structure(lambda values: values[path], conditions)
        return inputs, target


def plan_jumps(rng, num_paths, num_steps, num_jumps, to_data):
    """Returns the path of each jump of an epoch, and the steps at which it starts and ends.

    Args:
        rng: a `numpy.random.Generator`.
        num_paths, num_steps, num_jumps, to_data: as in `Trajectories`.

    Returns:
        The tuple of three integer arrays of shape `(num_paths * num_jumps,)`.
    """
    path = np.concatenate([rng.permutation(num_paths) for _ in range(num_jumps)])
    is_to_data, from_start = rng.random((2, len(path))) < [[to_data], [0.5]]
    first = np.where(is_to_data & from_start, 0, rng.integers(0, num_steps, len(path)))
    last = rng.integers(first + 1, num_steps + 1)
    return path, first, np.where(is_to_data, num_steps, last)


def _generate(data, rng):
    """Returns the times of an epoch's paths, their evidence, their samples, and their conditions.

    All but the times have a row for each path.
    """
    scales = [data.guidance_scale]
    if isinstance(data.guidance_scale, tuple):
        scales = rng.uniform(*data.guidance_scale, NUM_SCALES).tolist()
    paths = np.array_split(np.arange(data.num_paths), len(scales))
    shares = [(len(rows), scale) for rows, scale in zip(paths, scales, strict=True) if len(rows)]
    found = [_generate_some(data, rng, num, scale) for num, scale in shares]
    times, values = zip(*found, strict=True)
    return times[0], *keras.tree.map_structure(lambda *parts: np.concatenate(parts), *values)


def _generate_some(data, rng, num_paths, guidance_scale):
    model, condition = data.model, data.condition
    if condition is not None:
        rows = rng.integers(0, count_examples(condition), num_paths)
        condition = map_parts(lambda values: values[rows], condition)

    def draw(flow, event_shape):
        latents = rng.standard_normal((num_paths, *event_shape, flow.embedding_size))
        return (math.sqrt(flow.gain) * latents).astype("float32")

    latents = map_parts(draw, model.flow, model.event_shape)
    guides = {"latents": latents, "condition": condition, "guidance_scale": guidance_scale}
    options = {"batch_size": data.batch_size, "return_details": True, "verbose": 0}
    seed = int(rng.integers(2**31))
    result = model.generate(
        num_paths, data.num_steps + 1, data.sampler, seed=seed, **guides, **options
    )

    def replace_first(flow, one, latents):
        """Replaces the evidence at 0, which is zero, and that at `start`, by the latents' there."""
        first = latents * math.sqrt(float(flow.schedule.beta(data.sampler.start)))
        return np.swapaxes(np.concatenate([first[None], one.s[2:]]), 0, 1)

    s = map_parts(replace_first, model.flow, result.trajectory, latents)
    t = of_any_part(result.trajectory).t[1:]
    t = t.reshape(data.num_steps + 1, -1)[:, 0]  # of any variable, if each has its own
    conditions = condition_inputs(model, condition, num_paths)
    if isinstance(data.guidance_scale, tuple):  # the student takes the scale as a condition
        scales = np.full((num_paths, 1), guidance_scale, "float32")
        conditions["condition"] = named(conditions["condition"]) | {SCALE: scales}
    return t, (s, result.samples, conditions)


def _expand(values, like):
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def _check_scale(scale):
    if isinstance(scale, ClassifierFreeGuidance):
        return scale
    if isinstance(scale, (tuple, list)) and len(scale) == 2:
        if not all(map(is_number, scale)) or not scale[0] < scale[1]:
            expected = "must be a number, or (low, high) with low < high"
            raise refusal("guidance_scale", expected, scale)
        return tuple(map(float, scale))
    return check_number("guidance_scale", scale)


def _check_conditions(model, condition):
    """Returns an array of conditions, or a dict of arrays of equal lengths, or None."""
    if condition is None:
        condition_inputs(model, None, 1)  # raises an error if the model needs one
        return None
    condition = map_parts(lambda values: to_numpy(values, "condition"), condition)
    shapes = [np.shape(values) for (values,) in list_parts(condition)]
    lengths = {shape[:1] for shape in shapes}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        expected = "must contain one or more conditions, and as many in each array of a dict"
        raise refusal("condition", expected, f"shapes {shapes}")
    found = condition_inputs(model, condition, count_examples(condition))["condition"]
    rows = {name: found[name] for name in condition} if isinstance(condition, dict) else found
    if any(np.size(one) != np.size(row) for one, row in list_parts(condition, rows)):  # repeated
        raise mismatch("condition", "must contain one condition in each row", f"shapes {shapes}")
    return condition
