"""Guidance: a likelihood of the data, and how strongly and when it guides samples."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._typing import Array, ArrayLike, Nest, Parts, Scale, Tensor
from keras_bfn._validation import (
    check_bool,
    check_fits,
    check_int,
    check_interval,
    check_scale,
    mismatch,
    refusal,
    standard_dtype,
    to_numpy,
)
from keras_bfn.guidance import guiding, particles
from keras_bfn.guidance.expected import Expected
from keras_bfn.models.classifier_free import ClassifierFreeGuidance, scales_at
from keras_bfn.models.generation import Options, room_of, with_trajectory
from keras_bfn.models.programs import find_times, finish_samples
from keras_bfn.samplers import Sampler


class Guidance(Immutable):
    """A likelihood L of the data that guides `generate` and `inpaint`.

    In the evidence s, the model is a diffusion whose drift is the expected embedding. To sample
    given an event of likelihood L(x), Doob's transform adds the gradient of log h(s) to the drift,
    where h(s) = E[L(x) | s]. For every type of data, this is exact if the network is the exact
    posterior and h is exact. Here h is L of the expected data, or its mean over draws;
    `num_particles` of `generate` corrects the error of this approximation.

    Likelihoods can be combined: `a * b` for both, `a + b` for one of the two, equally likely.

    Args:
        fn: function of the expected data, and of `values` by name. It returns the log likelihood of
            each example in nats, up to a constant, as a float tensor `(batch,)`. It must be
            differentiable, and written in `keras.ops` or for the backend. The expected data are
            probabilities `(batch, *event_shape, K)` for classes, mean cosines and sines
            `(batch, *event_shape, 2)` for angles, and else expected values `(batch, *event_shape)`
            in the data's own units; for a dict of flows, a dict of these.
        values: dict of what differs from sample to sample: arrays of shape `(num_samples, ...)`, of
            which `fn` is given the rows of its batch.
        scale: float, or function of the time in [0, 1] that returns one: the power of L. With
            several particles, or with `return_details`, it must be a float.
        interval: two numbers, t0 < t1 in [0, 1]: guidance acts only between these times. With
            several particles, or with `return_details`, it must be (0, 1).
        num_draws: int or None. If given, h is the mean of L over this many draws from the output
            distribution, for functions that are not meaningful for expected data. With particles,
            few draws make the weights uneven, and `"log_likelihood"` nearly always too low.
        through_network: bool. If False, the gradient does not pass through the network. It then
            omits what one variable's evidence says about the others, and a step costs one forward
            pass through the network and no backward pass.

    Raises:
        ValueError: if an argument is invalid.

    Attributes:
        is_shared: bool. Whether `values` are one row for all samples.

    A guidance with a function `fn` is compiled anew in each call of `generate`, because what the
    function reads may have changed. A subclass is compiled once: programs are reused for guidances
    whose attributes are equal by value, or the same Keras layers, whatever their values, scale and
    interval. So a layer that it calls must be an attribute. It defines
    `likelihood(self, data, **values)` in place of `fn`:

    ```python
    class Avoids(keras_bfn.guidance.Guidance):
        def __init__(self, letter, **options):
            super().__init__(**options)
            self.letter = letter

        def likelihood(self, data):
            return keras.ops.sum(keras.ops.log(1.0 - 0.999 * data[:, :, self.letter]), axis=1)
    ```

    To compute h better than from the expected data, a subclass defines
    `log_h(self, expected, **values)`, where `expected` is a `keras_bfn.guidance.Expected`.

    Example, texts that avoid a letter:

    >>> e = int(text_model.tokenizer.encode("e")[0])
    >>> def avoid_e(probs):
    ...     return keras.ops.sum(keras.ops.log(1.0 - 0.999 * probs[:, :, e]), axis=1)
    >>> texts = text_model.generate_text(4, num_steps=20, guidance=avoid_e)

    Reference: the drift is that of Doob's h-transform: see section 2 of
    [Wu et al., 2023](https://arxiv.org/abs/2306.17775), who twist particles with it.
    """

    fed: tuple[str, ...] = ("values", "scale", "interval")
    is_shared = False
    acts = True  # at each step, not only at the end

    def __init__(
        self,
        fn: Callable[..., Tensor] | None = None,
        values: Mapping[str, ArrayLike] | None = None,
        scale: Scale = 1.0,
        interval: Sequence[float] = (0.0, 1.0),
        num_draws: int | None = None,
        through_network: bool = True,
    ) -> None:
        own = type(self).log_h, type(self).likelihood
        has_own = fn is None and own != (Guidance.log_h, Guidance.likelihood)
        if not has_own and not callable(fn):
            raise refusal("fn", "must be a function of the expected data", fn)
        self.fn: Any = fn  # None if a subclass does without
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise refusal("values", "must be a dict from names to arrays", values)
        self.values = {name: _check_value(name, x) for name, x in values.items()}
        self.scale = check_scale("scale", scale)
        self.interval = check_interval("interval", interval)
        self.num_draws = num_draws if num_draws is None else check_int("num_draws", num_draws, 1)
        self.through_network = check_bool("through_network", through_network)

    def likelihood(self, data: Nest, **values) -> Tensor:
        """Returns the log likelihood of the expected data in nats, `(batch,)`: by default `fn`."""
        return self.fn(data, **values)

    def log_h(self, expected: Expected, **values) -> Tensor:
        """Returns log h(s) in nats, of shape `(batch,)`.

        Args:
            expected: a `keras_bfn.guidance.Expected`.
            **values: the rows of `values`.

        Returns:
            A tensor of shape `(batch,)`.
        """
        if self.num_draws is None:
            return self.check_result(self.likelihood(expected.data(), **values), expected.data())
        num_draws = self.num_draws
        values = {name: ops.concatenate([x] * num_draws) for name, x in values.items()}
        draws = expected.draws(num_draws)
        log_likelihood = self.check_result(self.likelihood(draws, **values), draws)
        by_draw = ops.reshape(log_likelihood, (num_draws, -1))
        return ops.logsumexp(by_draw, axis=0) - math.log(num_draws)

    def log_likelihood(self, expected: Expected, **values) -> Tensor:
        """Returns log L of certain data, `expected.data()`, in nats, of shape `(batch,)`."""
        data = expected.data()
        return self.check_result(self.likelihood(data, **values), data)

    def check_result(self, log_likelihood: Tensor, data: Parts[Tensor]) -> Tensor:
        """Returns a function's result; raises a `ValueError` unless it is one per example."""
        size = keras.tree.flatten(data)[0].shape[0]
        expected = (
            "must be a function that returns one log likelihood for each example, a tensor of "
            f"shape ({size},)"
        )
        if not ops.is_tensor(log_likelihood):
            raise mismatch("guidance", expected, f"a {type(log_likelihood).__name__}")
        if tuple(log_likelihood.shape) != (size,):
            raise mismatch("guidance", expected, f"shape {tuple(log_likelihood.shape)}")
        return ops.cast(log_likelihood, "float32")

    def rows(self, num_samples: int) -> dict[str, Array]:
        """Returns `values`, with a row for each sample.

        Raises:
            ValueError: if the number of rows differs.
        """
        rows = {}
        for name, value in self.values.items():
            if self.is_shared or value.ndim == 0:
                value = np.broadcast_to(value, (num_samples, *value.shape))
            if len(value) != num_samples:
                expected = f"must have a `{name}` for each of {num_samples} samples"
                raise mismatch("guidance", expected, f"{name} of shape {value.shape}")
            rows[name] = value
        return rows

    def scales(self, times: Array) -> Array:
        """Returns the scale at each of the times, float32: 0 outside the interval."""
        return scales_at("scale", times, self.scale, self.interval, otherwise=0)

    def try_on(self, model: Any, rows: Mapping[str, Array]) -> None:
        """Calls the function on synthetic data; raises a `ValueError` if its gradients are 0."""
        if type(self).log_h is not Guidance.log_h:
            return
        num = 4
        rows = {name: ops.convert_to_tensor(x[np.arange(num) % len(x)]) for name, x in rows.items()}
        guiding.check_gradient(
            lambda data: self.check_result(self.likelihood(data, **rows), data),
            guiding.synthetic_data(model, num),
        )

    def check_weights(self, are_weighed: bool) -> None:
        """Raises a `ValueError` if this guidance cannot weigh particles."""
        own = type(self).log_likelihood, type(self).likelihood
        if self.fn is None and own == (Guidance.log_likelihood, Guidance.likelihood):
            expected = "must have a method `log_likelihood`, which weights the final samples"
            raise mismatch("guidance", expected, type(self).__name__)
        if are_weighed and (callable(self.scale) or self.interval != (0.0, 1.0)):
            expected = (
                "must have a constant scale and interval=(0, 1) with several particles or "
                "return_details=True, because their target does not change with time"
            )
            raise mismatch("guidance", expected, f"scale={self.scale}, interval={self.interval}")

    def draw(
        self,
        model: Any,
        sampler: Sampler,
        inputs: dict[str, Any],
        classifier_free: ClassifierFreeGuidance | None,
        options: Options,
    ) -> Any:
        """Generates samples; see `keras_bfn.models.generation.draw`."""
        guiding.check_shifts(sampler)
        values = {}
        for i, leaf in enumerate(self.leaves()):
            values[str(i)] = leaf.rows(len(inputs["ones"]))
            leaf.try_on(model, values[str(i)])
        inputs = inputs | {"values": values}
        num_particles, details = options.num_particles, options.return_details
        times = find_times(model, sampler, options.num_steps)
        if num_particles is None:
            kind: Any = guiding.GuidedProgram
            room, setting = room_of(times, details), details
        else:
            kind, room = particles.ParticleProgram, room_of(times, details=False)
            setting = check_int("num_particles", num_particles, 1)
            particles.check_particles(sampler)
            for leaf in self.leaves():
                leaf.check_weights(details or num_particles > 1)
        program = model.programs(kind, sampler, room, classifier_free, setting, self)
        program.set_steps(times, classifier_free, *self.leaves())
        outputs = program.run(inputs, options.batch_size, options.seed, options.verbose)
        guiding.check_known(model, outputs)
        samples = finish_samples(model, inputs, outputs)
        if not details:
            return samples
        if num_particles is None:
            return with_trajectory(model, samples, outputs)
        return particles.with_particles(model, inputs, samples, outputs, len(times))

    def combined(
        self, method: str, seen: Expected, values: Mapping[str, Any], scales: list[Tensor]
    ) -> Tensor:
        """Calls a method of each likelihood, scales the results, and combines them.

        Args:
            method: `"log_h"` or `"log_likelihood"`.
            seen: the expected data.
            values: the rows of `values` of each of the `leaves`, by its number.
            scales: a scalar for each of the `leaves`.

        Returns:
            A tensor of shape `(batch,)`.
        """
        found = [
            scale * getattr(leaf, method)(seen, **values[str(i)])
            for i, (leaf, scale) in enumerate(zip(self.leaves(), scales, strict=True))
        ]
        return self.total(found)

    def known_variables(self, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """Returns the data and a mask of variables whose messages are true; None and None if none.

        Only those of the first of the `leaves` count.
        """
        return None, None

    def leaves(self) -> list["Guidance"]:
        """Returns the list of the likelihoods that this one combines."""
        return [self]

    def total(self, log_likelihoods: list[Tensor]) -> Tensor:
        """Combines the scaled log likelihoods of `leaves`, a list from which it removes them."""
        return log_likelihoods.pop(0)

    def __mul__(self, other: "Guidance") -> "Guidance":
        return Combined("both", self, other) if isinstance(other, Guidance) else NotImplemented

    def __add__(self, other: "Guidance") -> "Guidance":
        return Combined("either", self, other) if isinstance(other, Guidance) else NotImplemented


class Combined(Guidance):
    """The product of two likelihoods, or their mean."""

    def __init__(self, how, first, second):
        self.how, self.first, self.second = how, first, second
        self.through_network = first.through_network or second.through_network
        draws = [leaf.num_draws for leaf in self.leaves() if leaf.num_draws is not None]
        self.num_draws = max(draws, default=None)
        self.acts = first.acts or second.acts

    def traced(self, **values):
        parts = {"first": self.first.traced(), "second": self.second.traced()}
        return super().traced(**(parts | values))

    def known_variables(self, values):
        return self.first.known_variables(values)

    def leaves(self) -> list["Guidance"]:
        return self.first.leaves() + self.second.leaves()

    def total(self, log_likelihoods: list[Tensor]) -> Tensor:
        first, second = self.first.total(log_likelihoods), self.second.total(log_likelihoods)
        if self.how == "both":
            return first + second
        # Not `logaddexp`: where both are equal, its gradient on TensorFlow is that of the first.
        return ops.logsumexp(ops.stack([first, second]), axis=0) - math.log(2)


def _check_value(name, value):
    """Returns a value as a numpy array of float32, int32 or bool, or raises a `ValueError`."""
    value = to_numpy(value, f"values[{name!r}]")
    if value.dtype.kind not in "iufb":
        raise refusal("values", f"must have an array of numbers for `{name}`", value)
    if np.isnan(value).any():
        raise refusal("values", f"must have no NaN in `{name}`", value)
    if value.dtype.kind == "b":
        return value
    dtype = standard_dtype(value.dtype.name)  # whose arithmetic does not wrap at 255
    check_fits(value, dtype, f"values[{name!r}]")
    return value.astype(dtype)


def get(identifier: Guidance | Callable[..., Tensor] | None) -> Guidance | None:
    """Returns a `Guidance` as it is, one made of a function, or None for None.

    Args:
        identifier: a `Guidance`, a function as `fn` of `Guidance`, or None.

    Returns:
        A `Guidance`, or None.

    Raises:
        ValueError: if it is none of these.

    Example:

    >>> ink = keras_bfn.guidance.get(lambda x: keras.ops.sum(x, axis=(1, 2, 3)))
    >>> keras_bfn.guidance.get(ink) is ink
    True
    """
    if identifier is None or isinstance(identifier, Guidance):
        return identifier
    if callable(identifier):
        return Guidance(identifier)
    raise refusal("guidance", "must be a function or a `keras_bfn.guidance.Guidance`", identifier)
