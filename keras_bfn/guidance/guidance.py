"""Guidance: a likelihood of the data, and how strongly, when and by what it guides."""

import inspect
import math

import keras
import numpy as np
from keras import ops

from keras_bfn._sameness import ByValue
from keras_bfn._validation import (
    check_bool,
    check_fits,
    check_int,
    check_interval,
    check_scale,
    refusal,
    standard_dtype,
    to_numpy,
)


class Guidance(ByValue):
    """A likelihood L of the data, by which `generate` and `inpaint` are guided.

    With the evidence s, the model is a diffusion whose drift is the expected embedding. To sample
    given an event of likelihood L(x), Doob's transform adds to it the gradient of log h(s), where
    h(s) = E[L(x) | s]: exactly, for every type of data, if the network were the exact posterior and
    h exact. Here h is L of the expected data, or its mean over draws; what that gets wrong,
    `num_particles` of `generate` corrects.

    Likelihoods are combined: `a * b` for both, `a + b` for one of the two, equally likely.

    Args:
        fn: function of the expected data, and of `values` by name. It returns the log likelihood
            of each example in nats, up to a constant, a float tensor `(batch,)`, and must be
            differentiable and written in `keras.ops`, or for the backend. The expected data are
            probabilities `(batch, *event_shape, K)` for classes, mean cosines and sines
            `(batch, *event_shape, 2)` for angles, else expected values `(batch, *event_shape)` in
            the data's own units; a dict of these for a dict of flows.
        values: dict of what differs from sample to sample: arrays of shape `(num_samples, ...)`.
            Of each, `fn` is given the rows of its batch. Plain values and arrays that it reads from
            elsewhere are part of the compiled program, which is compiled anew when one of them has
            changed: globals, closures, and attributes of the guidance. Changes inside other objects
            and other modules are not noticed.
        scale: float, or function of the time in [0, 1] that returns one: the power of L. With
            several particles or their details, a float.
        interval: two numbers, t0 < t1 in [0, 1]: at other times there is no guidance. With
            several particles or their details, (0, 1).
        num_draws: int or None. If given, h is the mean of L over so many draws from the output
            distribution, for functions that say nothing sensible of expected data. With particles,
            few draws make weights uneven, and `"log_likelihood"` too low nearly always.
        through_network: bool. If False, the network takes no part in the gradient: what one
            variable's evidence tells of the others is left out, and a step costs one pass forward
            through the network, and none back.
        layers: list of Keras layers and models that `fn` calls, whose weights may change between
            two calls. Those that `fn` names itself need not be listed.

    Raises:
        ValueError: if an argument is none of these.

    Attributes:
        is_shared: bool. Whether `values` are one row for all samples.
        fed: names of the attributes that a compiled program is given at each call.

    A subclass may know h better than by the expected data. It defines
    `log_h(self, expected, **values)`, of a `keras_bfn.guidance.Expected`, in the place of `fn`. One
    program serves guidances that differ in values, scale and interval alone, if no method names
    `self.values`, `self.scale` or `self.interval`.

    Example, texts that avoid a letter:

    >>> e = int(text_model.tokenizer.encode("e")[0])
    >>> def avoid_e(probs):
    ...     return keras.ops.sum(keras.ops.log(1.0 - 0.999 * probs[:, :, e]), axis=1)
    >>> texts = text_model.generate_text(4, num_steps=20, guidance=avoid_e)

    Reference: the drift is that of Doob's h-transform, see section 2 of
    [Wu et al., 2023](https://arxiv.org/abs/2306.17775), who twist particles by it.
    """

    fed = ("values", "scale", "interval")
    is_shared = False
    acts = True  # at steps, and not in the end alone

    def __init__(
        self,
        fn=None,
        values=None,
        scale=1.0,
        interval=(0.0, 1.0),
        num_draws=None,
        through_network=True,
        layers=(),
    ):
        if (fn is None and type(self).log_h is Guidance.log_h) or (
            fn is not None and not callable(fn)
        ):
            raise refusal("fn", "must be a function of the expected data", fn)
        self.fn = fn
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise refusal("values", "must be a dict from names to arrays", values)
        self.values = {name: _check_value(name, x) for name, x in values.items()}
        self.scale = check_scale("scale", scale)
        self.interval = check_interval("interval", interval)
        self.num_draws = num_draws if num_draws is None else check_int("num_draws", num_draws, 1)
        self.through_network = check_bool("through_network", through_network)
        is_list = isinstance(layers, (list, tuple))
        layers = list(layers if is_list else [layers]) + named_layers(fn)
        if not all(isinstance(layer, keras.Layer) for layer in layers):
            raise refusal("layers", "must be a list of Keras layers", layers)
        self.layers = layers

    def log_h(self, expected, **values):
        """log h(s) in nats, of shape `(batch,)`.

        Args:
            expected: a `keras_bfn.guidance.Expected`.
            **values: the rows of `values`.

        Returns:
            A tensor of shape `(batch,)`.
        """
        if self.num_draws is None:
            return self.check_result(self.fn(expected.data(), **values), expected.data())
        num_draws = self.num_draws
        values = {name: ops.concatenate([x] * num_draws) for name, x in values.items()}
        draws = expected.draws(num_draws)
        log_likelihood = self.check_result(self.fn(draws, **values), draws)
        by_draw = ops.reshape(log_likelihood, (num_draws, -1))
        return ops.logsumexp(by_draw, axis=0) - math.log(num_draws)

    def log_likelihood(self, expected, **values):
        """log L of data that are sure, `expected.data()`, in nats, of shape `(batch,)`."""
        data = expected.data()
        return self.check_result(self.fn(data, **values), data)

    def check_result(self, log_likelihood, data):
        """What a function of data returned, or a `ValueError` unless it is one number for each."""
        size = keras.tree.flatten(data)[0].shape[0]
        is_tensor = ops.is_tensor(log_likelihood)
        if not is_tensor or tuple(log_likelihood.shape) != (size,):
            received = type(log_likelihood).__name__
            received = f"shape {tuple(log_likelihood.shape)}" if is_tensor else f"a {received}"
            raise ValueError(
                "Argument `guidance` must be a function that returns one log likelihood for each "
                f"example, a tensor of shape ({size},) here. Received: {received}"
            )
        return ops.cast(log_likelihood, "float32")

    def rows(self, num_samples):
        """The `values`, with a row for each sample.

        Raises:
            ValueError: if there are not so many.
        """
        rows = {}
        for name, value in self.values.items():
            if self.is_shared or value.ndim == 0:
                value = np.broadcast_to(value, (num_samples, *value.shape))
            if len(value) != num_samples:
                raise ValueError(
                    f"Argument `guidance` must have `{name}` for each of {num_samples} samples. "
                    f"Received: {name} of shape {value.shape}"
                )
            rows[name] = value
        return rows

    def leaves(self):
        """The likelihoods that this one is made of, a list."""
        return [self]

    def total(self, log_likelihoods):
        """What the scaled log likelihoods of `leaves` come to, as a list that is used up."""
        return log_likelihoods.pop(0)

    def __mul__(self, other):
        return Combined("both", self, other) if isinstance(other, Guidance) else NotImplemented

    def __add__(self, other):
        return Combined("either", self, other) if isinstance(other, Guidance) else NotImplemented


class Combined(Guidance):
    """The product of two likelihoods, or their mean."""

    def __init__(self, how, first, second):
        self.how, self.first, self.second = how, first, second
        self.through_network = first.through_network or second.through_network
        draws = [leaf.num_draws for leaf in self.leaves() if leaf.num_draws is not None]
        self.num_draws = max(draws, default=None)
        self.layers = first.layers + second.layers
        self.acts = first.acts or second.acts

    def leaves(self):
        return self.first.leaves() + self.second.leaves()

    def total(self, log_likelihoods):
        first, second = self.first.total(log_likelihoods), self.second.total(log_likelihoods)
        if self.how == "both":
            return first + second
        # Not `logaddexp`: where both are alike, its gradient on TensorFlow is that of the first.
        return ops.logsumexp(ops.stack([first, second]), axis=0) - math.log(2)


def _check_value(name, value):
    """Returns a value as a numpy array of float32, int32 or bool, or raises a `ValueError`."""
    value = to_numpy(value, f"values[{name!r}]")
    if value.dtype.kind not in "iufb":
        raise refusal("values", f"must be arrays of numbers, `{name}` too", value)
    if np.isnan(value).any():
        raise refusal("values", f"must hold no NaN, `{name}` neither", value)
    if value.dtype.kind == "b":
        return value
    dtype = standard_dtype(value.dtype.name)  # whose arithmetic does not wrap at 255
    check_fits(value, dtype, f"values[{name!r}]")
    return value.astype(dtype)


def get(identifier):
    """Returns a `Guidance`, or that of a function; None for None.

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


def named_layers(fn):
    """The Keras layers that a Python function names, globals and what it encloses."""
    if isinstance(fn, keras.Layer):
        return [fn]
    if not inspect.isfunction(fn):
        return []
    named = inspect.getclosurevars(fn)
    found = [*named.nonlocals.values(), *named.globals.values()]
    return [value for value in found if isinstance(value, keras.Layer)]
