"""Likelihoods for common purposes."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.operations import one_by_one
from keras_bfn._parts import check_part, pick_part
from keras_bfn._typing import Array, ArrayLike, Nest, Tensor
from keras_bfn._validation import (
    check_bool,
    check_numbers,
    check_positive,
    mismatch,
    refusal,
    to_numpy,
)
from keras_bfn.guidance import guiding
from keras_bfn.guidance.expected import Expected
from keras_bfn.guidance.guidance import Guidance


class ClassifierGuidance(Guidance):
    """The probability that a classifier gives to target classes.

    Args:
        classifier: a Keras model, or any function of the expected data, as `fn` of `Guidance`,
            that returns `(batch, num_classes)`.
        target: the target classes: an int, or integers of shape `(num_samples,)`.
        from_logits: bool. Whether the classifier returns logits instead of probabilities.
        preprocess: function from the expected data to the classifier's input, or None.
        **options: `scale`, `interval`, `num_draws` and `through_network` of `Guidance`.

    Raises:
        ValueError: if an argument is invalid.

    Example:

    >>> layers = [keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    >>> sevens = keras_bfn.guidance.ClassifierGuidance(keras.Sequential(layers), 7, scale=2.0)
    >>> images = model.generate(16, num_steps=20, guidance=sevens)

    Reference: [Dhariwal and Nichol, 2021](https://arxiv.org/abs/2105.05233), whose classifier takes
    noisy data; this one takes the expected data.
    """

    def __init__(
        self,
        classifier: Callable[..., Tensor],
        target: ArrayLike,
        from_logits: bool = False,
        preprocess: Callable[[Any], Tensor] | None = None,
        **options,
    ) -> None:
        if not callable(classifier):
            raise refusal("classifier", "must be a Keras model, or a function", classifier)
        if preprocess is not None and not callable(preprocess):
            raise refusal("preprocess", "must be a function, or None", preprocess)
        check_bool("from_logits", from_logits)
        target = to_numpy(target, "target")
        if target.dtype.kind not in "iu" or target.ndim > 1 or target.min(initial=0) < 0:
            raise refusal("target", "must be a class, or one class per sample", target)
        self.classifier, self.from_logits, self.preprocess = classifier, from_logits, preprocess
        super().__init__(values={"target": target.astype("int32")}, **options)

    def try_on(self, model: Any, rows: Mapping[str, Array]) -> None:
        super().try_on(model, rows)
        num_classes = self._ask(guiding.synthetic_data(model, num=1)).shape[1]
        if (self.values["target"] >= num_classes).any():
            expected = f"must contain classes below {num_classes}"
            raise refusal("target", expected, self.values["target"].tolist())

    def _ask(self, data):
        """Returns the classifier's scores, `(batch, num_classes)`."""
        data = data if self.preprocess is None else self.preprocess(data)
        kwargs = {"training": False} if isinstance(self.classifier, keras.Layer) else {}
        scores = self.classifier(data, **kwargs)
        if len(scores.shape) != 2:
            expected = "must return `(batch, num_classes)`"
            raise mismatch("classifier", expected, f"shape {tuple(scores.shape)}")
        return ops.cast(scores, "float32")

    def likelihood(self, data: Nest, target: Tensor) -> Tensor:  # type: ignore[override]
        scores = self._ask(data)
        if self.from_logits:
            log_probs = ops.log_softmax(scores, axis=-1)
        else:
            log_probs = ops.log(ops.maximum(scores, 1e-20))
        return ops.take_along_axis(log_probs, target[:, None], axis=-1)[:, 0]


class LinearInverse(Guidance):
    """Linear measurements `y = A x + noise`, such as of a blurred or coarser picture, or a sum.

    The likelihood is N(y; A x, noise^2). h is N(y; A x_hat, noise^2 + A C A^T), with the variances
    C of the variables under the output distribution: early, when little is known, the measurements
    pull less.

    Args:
        A: array of shape `(num_measurements, size)`, where `size` is how many numbers an example of
            the expected data has: one for each variable, K for classes, two for angles.
        y: the measurements: `(num_measurements,)`, or `(num_samples, num_measurements)`.
        noise: positive float, the standard deviation of the noise, in units of y.
        part: for a dict of flows, the name of the part that is measured.
        **options: `scale`, `interval` and `through_network` of `Guidance`.

    Raises:
        ValueError: if an argument is invalid.

    Example, to enlarge pictures twofold:

    >>> A = np.kron(np.eye(2), [[0.5, 0.5]])  # the mean of two neighbours
    >>> A = np.kron(np.kron(A, A), [[0.0, 1.0]])  # of the probabilities of 1, of binary pixels
    >>> y = images.reshape(16, 2, 2, 2, 2).mean(axis=(2, 4)).reshape(16, 4)
    >>> coarse = keras_bfn.guidance.LinearInverse(A, y, noise=0.05)
    >>> large = model.generate(16, num_steps=20, guidance=coarse)

    Reference: [Song et al., 2023](https://openreview.net/forum?id=9_gsMA8MRKQ) (pseudoinverse
    guidance) for Gaussian diffusion.
    """

    def __init__(
        self, A: ArrayLike, y: ArrayLike, noise: float, part: str | None = None, **options
    ) -> None:
        self.A = check_numbers("A", A)
        y = check_numbers("y", y)
        if self.A.ndim != 2 or not np.isfinite(self.A).all():
            raise refusal("A", "must be a finite matrix", self.A)
        if y.ndim not in (1, 2) or y.shape[-1] != len(self.A) or not np.isfinite(y).all():
            shapes = f"({len(self.A)},) or (num_samples, {len(self.A)})"
            expected = f"must be finite, of shape {shapes}, for the rows of `A`"
            raise mismatch("y", expected, f"shape {y.shape}")
        self.noise = check_positive("noise", noise)
        self.part = check_part(part)
        super().__init__(values={"y": y}, **options)
        self.is_shared = y.ndim == 1
        if self.num_draws is not None:
            raise refusal("num_draws", "must be None: the covariance is analytic", self.num_draws)

    def log_h(self, expected: Expected, y: Tensor) -> Tensor:  # type: ignore[override]
        data, prediction = self._data(expected), self._part(expected, expected.predictions)
        A = ops.convert_to_tensor(self.A)
        are_probs = self._part(expected, expected.flow).theta_is_probs
        if are_probs and len(data.shape) == len(prediction.s.shape):
            # One class excludes the others.
            num_classes = data.shape[-1]
            probs = ops.reshape(data, (-1, self.A.shape[1] // num_classes, num_classes))
            A_of_each = ops.reshape(A, (len(self.A), *probs.shape[1:]))
            means = ops.einsum("mnk,bnk->bmn", A_of_each, probs)
            covariance = ops.einsum("mnk,bnk,lnk->bml", A_of_each, probs, A_of_each)
            covariance = covariance - ops.matmul(means, ops.transpose(means, (0, 2, 1)))
        else:
            variances = self._part(expected, expected.variances())
            variances = ops.reshape(variances, (-1, 1, self.A.shape[1]))
            covariance = ops.matmul(A * variances, ops.transpose(A))
        return self._log_normal(data, y, ops.stop_gradient(covariance))

    def log_likelihood(self, expected: Expected, y: Tensor) -> Tensor:  # type: ignore[override]
        data = self._data(expected)
        return self._log_normal(data, y, ops.zeros((1, len(self.A), len(self.A)), "float32"))

    def _data(self, expected):
        """Returns the expected data of the measured part; raises a `ValueError` unless `A` fits."""
        data = self._part(expected, expected.data())
        if math.prod(data.shape[1:]) != self.A.shape[1]:
            size = math.prod(data.shape[1:])
            expected = f"must have {size} columns, the size of an example of the expected data"
            raise mismatch("A", expected, f"A of shape {self.A.shape}")
        return data

    def _part(self, expected, values):
        return pick_part(self.part, expected.flow, values)[1]

    def _log_normal(self, data, y, covariance):
        """Returns log N(y; A data, covariance + noise^2), of shape `(batch,)`."""
        size, A = len(self.A), ops.convert_to_tensor(self.A)
        error = y - ops.matmul(ops.reshape(data, (-1, self.A.shape[1])), ops.transpose(A))
        covariance = covariance + self.noise**2 * ops.eye(size, dtype="float32")
        root = one_by_one(ops.linalg.cholesky)(covariance)
        root = ops.broadcast_to(root, (ops.shape(error)[0], size, size))
        solve = one_by_one(lambda root, error: ops.linalg.solve_triangular(root, error, lower=True))
        scaled = solve(root, error[..., None])[..., 0]
        log_determinant = ops.sum(ops.log(ops.diagonal(root, axis1=1, axis2=2)), axis=1)
        square = ops.sum(ops.square(scaled), axis=1)
        return -0.5 * (square + size * math.log(2 * math.pi)) - log_determinant


class Constraint(Guidance):
    """A target for numbers that a function computes from the data, such as sums or counts.

    The likelihood is N(target; fn(x), std^2), and so is h: it pulls as hard early, when little is
    known, as at the end. For sums, `LinearInverse` takes the uncertainty into account.

    Args:
        fn: function of the expected data, as `fn` of `Guidance`, that returns `(batch,)` or
            `(batch, size)`.
        target: a number, or an array of shape `(num_samples,)` or `(num_samples, size)`.
        std: positive float. The standard deviation of `fn` around the target.
        **options: `scale`, `interval`, `num_draws` and `through_network` of `Guidance`.

    Raises:
        ValueError: if an argument is invalid.

    Example, texts with the letter "e" seven times:

    >>> e = int(text_model.tokenizer.encode("e")[0])
    >>> count = lambda probs: keras.ops.sum(probs[:, :, e], axis=1)
    >>> sevens = keras_bfn.guidance.Constraint(count, 7, std=0.3)
    >>> texts = text_model.generate_text(4, num_steps=20, guidance=sevens)
    """

    def __init__(self, fn: Callable[..., Tensor], target: ArrayLike, std: float, **options) -> None:
        if not callable(fn):
            raise refusal("fn", "must be a function of the expected data", fn)
        target = check_numbers("target", target)
        if not np.isfinite(target).all():
            raise refusal("target", "must be finite", target)
        self.std = check_positive("std", std)
        super().__init__(fn, {"target": target}, **options)

    def likelihood(self, data: Nest, target: Tensor) -> Tensor:  # type: ignore[override]
        found = self.fn(data)
        is_tensor = ops.is_tensor(found)
        if not is_tensor or tuple(found.shape[:1]) != keras.tree.flatten(data)[0].shape[:1]:
            received = f"shape {tuple(found.shape)}" if is_tensor else f"a {type(found).__name__}"
            expected = "must return a tensor of shape (batch,) or (batch, size)"
            raise mismatch("fn", expected, received)
        size = math.prod(found.shape[1:])
        if math.prod(target.shape[1:]) not in (1, size):
            expected = f"must have {size} numbers per sample, like the result of `fn`, or one"
            raise mismatch("target", expected, f"{math.prod(target.shape[1:])} numbers")
        found = ops.cast(ops.reshape(found, (-1, size)), "float32")
        errors = (found - ops.reshape(target, (-1, math.prod(target.shape[1:])))) / self.std
        constant = size * (math.log(self.std) + 0.5 * math.log(2 * math.pi))
        return -0.5 * ops.sum(ops.square(errors), axis=1) - constant
