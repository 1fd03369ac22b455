"""The contract of a data type: its messages, input distribution and output distribution."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._random import normal, seed_of
from keras_bfn._typing import Array, ArrayLike, Parts, Seed, Shape, Tensor
from keras_bfn._validation import check_int, check_seed, lacks, mismatch, refusal, to_numpy
from keras_bfn.distributions import Categorical, Distribution
from keras_bfn.flows.channels import Line, Points, Simplex
from keras_bfn.schedules import schedule as schedules

NOT_INTEGERS = ": the default only supports integers 0..K-1"
KNOWN = 1e4  # accuracy of known variables over max(1, beta(1)): certain in float32
CHUNK = 2**20  # log probabilities held in memory at a time
MOST_LOG_RATIO = 80.0  # its exponential fits into float32
RESERVED = ("class_name", "config")  # keys by which Keras 3.15 recognises a saved object


class Flow(Immutable):
    """Base class of data types.

    For every data type, messages are Gaussian observations `y ~ N(e(x), 1 / (c alpha))` of an
    embedding `e(x)` of the data. The receiver accumulates the *evidence* `s`, of shape
    `(batch, *event_shape, embedding_size)`: each message adds `c alpha y` to it, and `alpha` to the
    accuracy `beta`. A flow holds plain Python values and has no weights and no network. All its
    tensors are float32, whatever the dtype policy.

    A new data type is a subclass, registered by `keras.saving.register_keras_serializable`. Its
    constructor stores each argument under its own name and calls the constructor of this class with
    the schedule; configs, equality and saving follow. It must also define, with `keras.ops` alone:

    | member | data |
    |---|---|
    | `embedding_size`, `theta_size`, `output_size`, `data_range` | all |
    | `embed`, `input_params`, `output_distribution` | all |
    | `discrete = True` | integers |
    | `expected_embedding`, `log_receiver_ratio` | all but integers 0..K-1, of a finite K |

    For integers 0..K-1, everything else follows from their K embeddings. A prior enters in
    `input_params`, whose result without evidence is the prior, and wherever the output is relative
    to the prior; if theta depends on `beta` and one variable's evidence informs others, also in
    `hear`. (`DiscreteFlow` and `ContinuousFlow` have an argument `prior`. The base class of the
    latter, `NumberFlow` in `flows/continuous.py`, holds all that a normal prior needs.) A flow may
    also define:

    | member | purpose |
    |---|---|
    | `gain` | messages that are more accurate than `beta` |
    | `theta_range` | a theta outside [-1, 1] |
    | `sender_receiver_kl` | a closed form instead of a Monte Carlo estimate, with less noise |
    | `input_mean` | `keras_bfn.visualization` |
    | `evidence_params` | faster training of this package's networks |
    | `extrapolation` | second-order samplers, if e_hat moves along another line |
    | `reconstruction_loss` | for numbers, a cost at t = 1 other than -log p_O(x) |
    | `remaining_cost` | `keras_bfn.schedules.fit`, for data other than integers 0..K-1 |
    | `expected_data`, `sure_data`, `expected_variance`, `log_expected`, `tilted` | guidance |
    | `channel` | a faster `keras_bfn.codec`, which codes only integers 0..K-1 |
    | `check_event_shape`, `check_values`, `check_dtype`, `check_data` | other checks of data |

    `keras_bfn.testing.check_flow` tests all of this, but for `expected_variance`, `log_expected`,
    `remaining_cost` and `channel`. `guides/custom_data_types.py` builds two data types step by
    step; `CONTRIBUTING.md` shows a complete one.

    Args:
        schedule: the accuracy schedule, a `keras_bfn.schedules.Schedule`.

    Attributes:
        schedule: the accuracy schedule.
        gain: float, the channel's gain `c`. 1 by default.
        embedding_size: int, the length of `e(x)`.
        theta_size: int, the number of network inputs per variable.
        theta_range: the range of theta, which networks scale to [-1, 1]. (-1, 1) by default.
        theta_is_probs: bool, whether theta holds probabilities of classes. False by default.
        scans: bool, whether `input_params` runs `ops.scan` along sequences. False by default.
        output_size: int, the number of network outputs per variable.
        discrete: bool, whether the data are integers. False by default.
        theta_tells_all: bool, whether theta holds all information that the evidence has about the
            data, whatever the accuracy. Networks then do not need each variable's time. False by
            default.
        can_be_coded_directly: bool, whether the output distribution assigns probabilities to
            integers at every time, so that it can code them without messages. By default true for
            integers.
        data_range: the least and the greatest value of data; the greatest may be infinite. 0 and
            K - 1 for integers. For numbers, each may be an array that broadcasts to the event
            shape.

    Raises:
        ValueError: if the schedule does not start at 0, rise and stay finite, or if `derivative` is
            not the derivative of its accuracy.

    Example, theta of a variable of three classes at t = 1; the calls are the same for all flows:

    >>> flow, t = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=9.0), np.ones(1)
    >>> s = flow.sample_evidence(np.array([[2]]), t, seed=0)
    >>> flow.input_params(s, flow.schedule.beta(t)).shape
    (1, 1, 3)
    """

    discrete = False
    theta_tells_all = False
    theta_range = (-1, 1)
    theta_is_probs = False
    range_advice = ""  # what to do with data outside of `data_range`, for the message
    if TYPE_CHECKING:  # Checkers let attributes and properties replace a property only.

        @property
        def embedding_size(self) -> int: ...
        @property
        def theta_size(self) -> int: ...
        @property
        def output_size(self) -> int: ...
        @property
        def data_range(self) -> tuple[Any, Any]: ...
        @property
        def gain(self) -> float: ...
        @property
        def scans(self) -> bool: ...
    else:
        gain = 1.0
        scans = False

    def __init__(self, schedule: schedules.Schedule) -> None:
        if not isinstance(schedule, schedules.Schedule):
            raise refusal("schedule", "must be a `keras_bfn.schedules.Schedule`", schedule)
        schedules.check(schedule)
        self.schedule = schedule

    def known_params(self, x: Tensor) -> Tensor:
        """Returns theta of known variables, `(batch, *event_shape, theta_size)`."""
        return self.input_params(self.known_evidence(x), self.known_accuracy())

    @property
    def can_be_coded_directly(self) -> bool:
        return self.discrete

    @property
    def num_values(self) -> int | None:
        """K for integers 0..K-1; None for data with infinitely many values."""
        low, high = self.data_range
        return high - low + 1 if self.discrete and high < math.inf else None

    def embed(self, x: Tensor) -> Tensor:
        """Returns e(x), of shape `(batch, *event_shape, embedding_size)`."""
        raise lacks(self, "embed")

    def _embed_all_values(self):
        """Returns the embeddings of 0..K-1, of shape `(K, embedding_size)`."""
        return self.embed(ops.arange(self.num_values, dtype="int32"))

    def input_params(self, s: Tensor, beta: Tensor) -> Tensor:
        """Returns theta, the parameters of the input distribution given evidence `s`.

        Args:
            s: evidence, of shape `(batch, *event_shape, embedding_size)`.
            beta: accuracy of the evidence, of shape `(batch,)`, or `(batch, *event_shape)` if each
                variable has its own.

        Returns:
            A tensor of shape `(batch, *event_shape, theta_size)`.
        """
        raise lacks(self, "input_params")

    def check_data(self, x: ArrayLike, name: str = "x") -> None:
        """Raises a `ValueError` if the numpy array `x` is not data of this type."""
        x = np.atleast_1d(self.check_values(x, name))
        least, most, (low, high) = x.min(axis=0), x.max(axis=0), self.data_range
        if not self.discrete:  # in the precision of the messages
            with np.errstate(over="ignore"):
                least, most, low, high = map(np.float32, (least, most, low, high))
        outside = np.asarray((least < low) | (most > high))
        if outside.any():
            # If each variable has a range, report that of the first variable outside it.
            variable = np.unravel_index(np.argmax(outside), outside.shape)
            low, high = (np.broadcast_to(end, outside.shape)[variable] for end in self.data_range)
            expected = f"must lie in [{low:.9g}, {high:.9g}] for {self!r}"
            came = f"values from {x.min()} to {x.max()}{self.range_advice}"
            raise mismatch(name, expected, came)

    def check_values(self, x: ArrayLike, name: str = "x") -> Array:
        """Returns `x` as a numpy array, or raises a `ValueError` if its values have another type.

        It makes the checks of `check_data` except `data_range`.
        """
        x = to_numpy(x, name)
        if x.size == 0:
            raise mismatch(name, "must contain data", f"an empty array of shape {x.shape}")
        self.check_dtype(x.dtype.name, name)
        if not np.isfinite(x).all():
            raise mismatch(name, "must be finite", "an array with NaN or infinity")
        return x

    def check_dtype(self, dtype: str, name: str = "x") -> None:
        """Raises a `ValueError` unless `dtype` (a string) suits this type of data."""
        suits = ("int" in dtype or dtype == "bool") if self.discrete else "float" in dtype
        if not suits:
            expected = f"must contain {'integers' if self.discrete else 'floats'} for {self!r}"
            came = f"dtype {dtype}"
            if self.num_values is not None and "float" in dtype:
                came += f". Write `{name}.astype('int32')` for whole numbers, and for numbers in "
                came += f"[0, 1] `np.rint({self.num_values - 1} * {name}).astype('int32')`"
            elif not self.discrete and "int" in dtype:
                came += f". Write `{name}.astype('float32')`"
            elif "str" in dtype:
                came += ". A tokenizer's `encode_batch` makes integers of texts"
            elif dtype == "object":
                came += ". Write NaN for missing numbers. `keras_bfn.tables.Table` encodes frames"
            raise mismatch(name, expected, came)

    def hear(self, s: Tensor, beta: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Returns evidence and theta when the receiver observes only some variables.

        Args:
            s, beta: as in `input_params`.
            observed: bool, `(batch, *event_shape)`: which variables are observed.

        Returns:
            The tuple `(s, theta)`. For unobserved variables, `s` is zero and `theta` is that before
            the first message.
        """
        observed = observed[..., None]
        s = ops.where(observed, s, 0.0)
        at_first = self.input_params(ops.zeros_like(s), ops.zeros_like(beta))
        return s, ops.where(observed, self.input_params(s, beta), at_first)

    def check_event_shape(self, event_shape: Shape) -> None:
        """Raises a `ValueError` if examples cannot have this shape; a `prior` may fix it."""

    def input_mean(self, theta: Tensor) -> Tensor:
        """Returns the mean of the input distribution in data units, `(batch, *event_shape)`."""
        raise lacks(self, "input_mean")

    def evidence_params(self, theta: Tensor) -> Tensor:
        """Returns the output of a network that predicts each variable from its own evidence alone.

        Networks may add it to their output (`keras_bfn.layers.EvidenceShortcut`). Zero by default.
        """
        return 0.0

    def output_distribution(self, params: Tensor, s: Tensor, t: Tensor) -> Distribution:
        """Returns the output distribution p_O that the network's output parametrises.

        Args:
            params: the network's output, of shape `(batch, *event_shape, output_size)`.
            s: the evidence at time `t`, of shape `(batch, *event_shape, embedding_size)`.
            t: time, of shape `(batch,)`, or `(batch, *event_shape)` if each variable has its own.

        Returns:
            A `keras_bfn.distributions.Distribution` over `(batch, *event_shape)` variables.
        """
        raise lacks(self, "output_distribution")

    def expected_embedding(self, distribution: Distribution) -> Tensor:
        """Returns e_hat, the mean of e(x) under the output distribution, shaped as `embed(x)`."""
        if self.num_values is None:
            raise lacks(self, "expected_embedding", NOT_INTEGERS)
        return ops.matmul(distribution.probs(), self._embed_all_values())

    def nearest(self, embedding: Tensor) -> Tensor:
        """Returns the integers 0..K-1 whose embeddings are nearest, `(batch, *event_shape)`."""
        values = self._embed_all_values()
        products = ops.matmul(embedding, ops.transpose(values))
        distances = 0.5 * ops.sum(ops.square(values), axis=-1) - products  # up to a constant
        return ops.cast(ops.argmin(distances, axis=-1), "int32")

    def extrapolation(
        self, t_last: Tensor, t: Tensor, t_next: Tensor, deterministic: bool
    ) -> Tensor:
        """Returns the mean change of e_hat over the next step, relative to its last change.

        Second-order samplers extrapolate e_hat along a line. By default the line is in log(beta),
        or in sqrt(beta) if one of the three accuracies is 0, and the mean over the step is the
        value halfway.

        Args:
            t_last, t, t_next: scalars, the times of the previous, this and the next prediction.
            deterministic: bool. Whether the sampler adds no noise.

        Returns:
            A scalar.
        """
        accuracies = [self.schedule.beta(time) for time in (t_last, t, t_next)]
        finite = (accuracies[0] > 0) & (accuracies[1] > 0) & (accuracies[2] > 0)

        def place(beta):
            return ops.where(finite, ops.log(ops.maximum(beta, 1e-30)), ops.sqrt(beta))

        last, now, then = map(place, accuracies)
        return 0.5 * (then - now) / ops.where(now == last, 1.0, now - last)

    def sender_receiver_kl(
        self, x: Tensor, distribution: Distribution, alpha: Tensor, seed: Seed = None
    ) -> Tensor:
        """Returns an unbiased estimate of KL(sender || receiver) for one message.

        The divergence is that of a variable's whole message, all of its numbers together.

        Args:
            x: data, of shape `(batch, *event_shape)`.
            distribution: the output distribution.
            alpha: the message's accuracy, of shape `(batch,)`.
            seed: a `SeedGenerator`, an int or None, for the message's noise.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        noise = normal(ops.shape(self.embed(x)), seed_of(seed, "message"))
        # Antithetic noise: odd terms cancel, which for small alpha are nearly all of the variance.
        there = self.log_receiver_ratio(x, distribution, alpha, noise)
        return -0.5 * (there + self.log_receiver_ratio(x, distribution, alpha, -noise))

    def log_receiver_ratio(
        self, x: Tensor, distribution: Distribution, alpha: Tensor, noise: Tensor
    ) -> Tensor:
        """Returns log p_R(y) - log p_S(y | x) for a message y about x.

        The sender distribution is N(e(x), 1 / (c alpha)). The receiver distribution is its mean
        over the output distribution.

        Args:
            x: data, of shape `(batch, *event_shape)`.
            distribution: the output distribution.
            alpha: the message's accuracy, of shape `(batch,)`.
            noise: standard normal, shaped as `embed(x)`: the message is
                `y = e(x) + noise / sqrt(c alpha)`.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        if self.num_values is None:
            raise lacks(self, "log_receiver_ratio", NOT_INTEGERS)
        ratios = self.log_likelihood_ratios(x, alpha, noise)
        return log_expected_ratio(distribution.log_probs(), ratios)

    def log_likelihood_ratios(self, x: Tensor, alpha: Tensor, noise: Tensor) -> Tensor:
        """Returns log N(y | e(k)) - log N(y | e(x)) for every k in 0..K-1.

        Args:
            x: data, of shape `(batch, *event_shape)`.
            alpha: the message's accuracy, of shape `(batch,)`.
            noise: standard normal, shaped as `embed(x)`: the message is
                `y = e(x) + noise / sqrt(c alpha)`.

        Returns:
            A tensor of shape `(batch, *event_shape, K)`.
        """
        e_x = ops.expand_dims(self.embed(x), axis=-2)
        noise = ops.expand_dims(noise, axis=-2)
        scaled = ops.sqrt(self.gain * expand(alpha, e_x)) * (self._embed_all_values() - e_x)
        return ops.sum(scaled * (noise - 0.5 * scaled), axis=-1)

    def reconstruction_loss(self, x: Tensor, params: Tensor, s: Tensor, t: Tensor) -> Tensor:
        """Returns the cost of the data after all messages: -log p_O(x).

        Args:
            x: data, of shape `(batch, *event_shape)`.
            params: the network's output, of shape `(batch, *event_shape, output_size)`.
            s: the evidence after all messages, of shape `(batch, *event_shape, embedding_size)`.
            t: time, of shape `(batch,)`: 1. Or, of shape `(batch, *event_shape)`: 0 for variables
                about which there were no messages, whose cost does not count.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        return -self.output_distribution(params, s, t).log_prob(x)

    def sample_evidence(self, x: Tensor, t: Tensor, seed: Seed = None) -> Tensor:
        """Samples the Bayesian flow distribution: s ~ N(c beta(t) e(x), c beta(t)).

        Args:
            x: data, of shape `(batch, *event_shape)`.
            t: time, of shape `(batch,)`, or `(batch, *event_shape)` if each variable has its own.
            seed: a `SeedGenerator`, an int or None.

        Returns:
            Evidence, of shape `(batch, *event_shape, embedding_size)`.
        """
        return self.observe(self.embed(x), self.schedule.beta(t), seed)

    def known_accuracy(self) -> Tensor:
        """Returns the accuracy of known variables, far above that of all messages."""
        return KNOWN * ops.maximum(1.0, self.schedule.beta(1.0))

    def known_evidence(self, x: Tensor) -> Tensor:
        """Returns the evidence about known variables, shaped as that of `sample_evidence`."""
        return self.gain * self.known_accuracy() * self.embed(x)

    def observe(self, embedding: Tensor, alpha: Tensor, seed: Seed = None) -> Tensor:
        """Samples one message `y` of accuracy `alpha`; returns its evidence `c alpha y`."""
        noise = normal(ops.shape(embedding), seed)
        return self.receive(embedding, alpha, noise)

    def receive(self, embedding: Tensor, alpha: Tensor, noise: Tensor) -> Tensor:
        """Returns the evidence `c alpha y` of a message `y = embedding + noise / sqrt(c alpha)`."""
        # One sum, times a number: if a loop adds three large tensors at once, TensorFlow 2.21 adds
        # them in a temporary variable that outlives the loop, and fails.
        scale = ops.sqrt(self.gain * expand(alpha, embedding))
        return scale * (scale * embedding + noise)

    def expected_data(self, distribution: Distribution) -> Tensor:
        """Returns the expected data under an output distribution.

        Returns:
            For numbers and ordered integers, the mean in the data's own units,
            `(batch, *event_shape)`; for classes, all probabilities, `(batch, *event_shape, K)`; for
            angles, the means of cosine and sine, `(batch, *event_shape, 2)`.
        """
        return distribution.mean()

    def sure_data(self, x: Tensor) -> Tensor:
        """Returns `expected_data` of data that are certain.

        Numbers become floats, classes one-hot vectors, angles cosine and sine.
        """
        return ops.cast(x, "float32")

    def expected_variance(self, distribution: Distribution, t: Tensor) -> Tensor:
        """Returns the variances that belong to the means of `expected_data`, in the same shape.

        Args:
            distribution: the output distribution at `t`.
            t: time, of shape `(batch,)`.

        Returns:
            A tensor, in squared data units.
        """
        if self.num_values is None:
            raise lacks(self, "expected_variance", ", which this guidance needs")
        values = ops.arange(self.num_values, dtype="float32")
        probs = distribution.probs()
        mean = ops.sum(probs * values, axis=-1, keepdims=True)
        return ops.sum(probs * ops.square(values - mean), axis=-1)

    def log_expected(self, x: Tensor, distribution: Distribution, t: Tensor) -> Tensor:
        """Returns the log probability of data under the prediction at a time before t = 1.

        Args:
            x: data, of shape `(batch, *event_shape)`.
            distribution: the output distribution at `t`.
            t: time, of shape `(batch,)`.

        Returns:
            The log probability or density of each variable in nats, `(batch, *event_shape)`.
        """
        return distribution.log_prob(x)

    def tilted(self, distribution: Distribution, evidence: Tensor, t: Tensor) -> Distribution:
        """Returns the output distribution after more evidence about each variable by itself.

        It is proportional to `p_O(x) exp(evidence . e(x))`: evidence about one variable does not
        change the others.

        Args:
            distribution: the output distribution at `t`.
            evidence: additional evidence, of shape `(batch, *event_shape, embedding_size)`.
            t: time, of shape `(batch,)`.

        Returns:
            A `keras_bfn.distributions.Distribution`.

        Raises:
            NotImplementedError: if the flow does not define it.
        """
        if self.num_values is None:
            raise lacks(self, "tilted", ", which guidance with through_network=False needs")
        embeddings = ops.transpose(self._embed_all_values())
        return Categorical(distribution.log_probs() + ops.matmul(evidence, embeddings))

    def remaining_cost(
        self, x: ArrayLike, num_draws: int = 10_000, seed: int = 0
    ) -> Callable[[Any], Any]:
        """Returns the cost of a variable given only its own evidence, as a function of accuracy.

        For integers it is H(x | s), the mean entropy of the exact posterior. The prior is the
        frequency of each value in `x`, over all positions; a network that uses positions and
        neighbours can only need less. For a `ContinuousFlow` it is the reconstruction loss of the
        input distribution's mean for the prior N(0, 1), also if the flow has another `prior`.

        Args:
            x: numpy array of data, of any shape. Missing values, -1 or NaN, are left out.
            num_draws: int. The number of variables sampled, each with its own evidence.
            seed: int. The samples are the same at each accuracy.

        Returns:
            A function from the accuracy, a float or an array, to nats per variable, in float64.

        Raises:
            ValueError: if an argument is out of its range, or a `ContinuousFlow` has no bins.

        Example:

        >>> flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=9.0)
        >>> cost = flow.remaining_cost(images)
        >>> [round(float(cost(beta)), 1) for beta in (0, 9)]
        [0.7, 0.0]
        """
        num_draws, seed = check_int("num_draws", num_draws, 1), check_seed(seed)
        x = to_numpy(x, "x")
        is_there = x != -1 if self.discrete else x == x
        x = np.where(is_there, x, self.data_range[0]).astype(x.dtype) if is_there.any() else x
        self.check_data(x)
        numbers = x if self.num_values is not None else ops.convert_to_numpy(self.embed(x))[..., 0]
        x, log_prior = numbers[is_there], np.zeros(1)
        if self.num_values is not None:
            counts = np.bincount(x.astype("int64"), minlength=self.num_values)
            log_prior = np.log(np.maximum(counts, 1e-300) / len(x))

        def cost(beta):
            rng = np.random.default_rng(seed)
            num_chunks = -(-num_draws * len(log_prior) // CHUNK)
            chunks = np.array_split(rng.choice(x, num_draws), num_chunks)
            costs = [self._cost_after_evidence(chunk, beta, log_prior, rng) for chunk in chunks]
            return np.concatenate(costs).mean()

        def cost_of_all(beta):
            beta = to_numpy(beta, "beta")
            if beta.dtype.kind not in "biuf" or not np.all((beta >= 0) & (beta < math.inf)):
                raise refusal("beta", "must be finite and >= 0", beta)
            return np.vectorize(cost, otypes=["float64"])(beta)[()]

        return cost_of_all

    def _cost_after_evidence(self, x, beta, log_prior, rng):
        """Returns posterior entropies after one message of accuracy `beta`."""
        if self.num_values is None:
            raise lacks(self, "remaining_cost", ": the default only supports integers 0..K-1")
        noise = ops.convert_to_tensor(rng.standard_normal((len(x), self.embedding_size)), "float32")
        ratios = self.log_likelihood_ratios(x, np.array([beta]), noise)
        logits = log_prior + ops.convert_to_numpy(ratios)
        logits -= logits.max(axis=-1, keepdims=True)
        weights = np.exp(logits)
        total = weights.sum(axis=-1)
        return np.log(total) - (weights * logits).sum(axis=-1) / total

    def channel(self) -> Line | Simplex | Points:
        """Returns the channel of one variable, for `keras_bfn.codec`.

        Returns:
            A `keras_bfn.flows.channels.Line`, `Simplex` or, by default for integers, `Points`.

        Raises:
            ValueError: if the data have infinitely many values.
        """
        if self.num_values is None:
            raise ValueError(
                "Data with infinitely many values have no code of finite length. Divide their "
                f"range into bins, and use a `keras_bfn.flows.DiscretizedFlow`. Received: {self!r}"
            )
        return Points(ops.convert_to_numpy(self._embed_all_values()))


FlowT = TypeVar("FlowT", bound=Parts[Flow])


def check_flow(flow):
    """Raises a `ValueError` unless `flow` is a `Flow`, or a dict from part names to flows."""
    if isinstance(flow, Flow):
        return
    if not isinstance(flow, dict) or not flow:
        expected = "must be a `keras_bfn.flows.Flow`, or a dict from part names to flows"
        raise refusal("flow", expected, flow)
    for name, part in flow.items():
        if not isinstance(name, str) or not name or name in RESERVED:
            expected = f"must have non-empty strings as part names, other than {list(RESERVED)}"
            raise mismatch("flow", expected, f"a part named {name!r}")
        if not isinstance(part, Flow):
            expected = "must contain a `keras_bfn.flows.Flow` for each part"
            raise mismatch("flow", expected, f"flow[{name!r}]={part!r}")


def expand(values: Tensor, like: Tensor) -> Tensor:
    """Appends axes of size 1 until `values` has as many axes as `like`, in float32.

    Accuracies and times, per example or per variable, then broadcast with `like`.

    Args:
        values: tensor of shape `(batch,)`, or `(batch, *event_shape)`.
        like: tensor of shape `(batch, ...)`.

    Returns:
        A float32 tensor of shape `(batch, ..., 1, ..., 1)`.

    Example:

    >>> tuple(keras_bfn.flows.expand(np.ones(4), like=np.zeros((4, 8, 8, 1))).shape)
    (4, 1, 1, 1)
    """
    values = ops.cast(values, "float32")
    shape = (-1, *values.shape[1:])
    return ops.reshape(values, shape + (1,) * (len(like.shape) - len(shape)))


def log_expected_ratio(log_probs, log_ratios):
    """Returns log sum_k p_k r_k, for probabilities p that add up to 1.

    If the ratios are close to 1, as for each of a million messages, it is log1p of
    sum_k p_k (r_k - 1): the logarithm of the rounded sum would keep few digits.

    Args:
        log_probs, log_ratios: tensors of shape `(..., K)`.

    Returns:
        A tensor of shape `(...)`.
    """
    growth = ops.expm1(ops.minimum(log_ratios, MOST_LOG_RATIO))
    growth = ops.sum(ops.exp(log_probs) * growth, axis=-1)
    is_small = ops.abs(growth) < 0.5
    small = ops.log1p(ops.where(is_small, growth, 0.0))
    return ops.where(is_small, small, ops.logsumexp(log_probs + log_ratios, axis=-1))
