"""The contract of a data type: what is sent, what is known then, what the output means."""

import math

import numpy as np
from keras import ops

from keras_bfn._config import Immutable
from keras_bfn._random import normal, seed_of
from keras_bfn._validation import check_int, check_seed, lacks, refusal, to_numpy
from keras_bfn.distributions import Categorical
from keras_bfn.flows.channels import Points
from keras_bfn.schedules import schedule as schedules

NOT_INTEGERS = ": by default only `discrete` data from 0 to a finite K - 1 have it"
KNOWN = 1e4  # times the accuracy at t = 1: in float32, no doubt is left
CHUNK = 2**20  # log probabilities held at a time
MOST_LOG_RATIO = 80.0  # whose exponential float32 holds
RESERVED = ("class_name", "config")  # by which Keras 3.15 tells a saved object from a dict


class Flow(Immutable):
    """Base class of the data types: what is sent, and what is known then.

    All data types send Gaussian observations `y ~ N(e(x), 1 / (c alpha))` of an embedding `e(x)` of
    the data. What Bob has gathered is the *evidence* `s`, of shape
    `(batch, *event_shape, embedding_size)`; each message adds `c alpha y` to it, and `alpha` to the
    accuracy `beta`. A flow holds plain Python values, has no weights and knows no network. All its
    tensors are float32, whatever the dtype policy.

    A new data type is a subclass, registered by `keras.saving.register_keras_serializable`. Its
    constructor keeps each argument under its own name and calls that of this class with the
    schedule; configs, equality and saving follow. What else it must have, in `keras.ops` alone:

    | what | of what data |
    |---|---|
    | `embedding_size`, `theta_size`, `output_size`, `data_range` | all |
    | `embed`, `input_params`, `output_distribution` | all |
    | `discrete = True` | integers |
    | `expected_embedding`, `log_receiver_ratio` | all but integers 0..K-1, of a finite K |

    For integers 0..K-1 all else follows from their K embeddings. What it may have:

    | what | for what |
    |---|---|
    | `gain` | messages that are more accurate than `beta` says |
    | `theta_range` | a theta that is not in [-1, 1] |
    | `sender_receiver_kl` | a closed form in the place of draws, with less noise |
    | `input_mean` | `keras_bfn.visualization` |
    | `evidence_params` | the networks of this package, to learn faster |
    | `extrapolation` | the second-order samplers, if e_hat moves along another line |
    | `reconstruction_loss` | costs at t = 1 other than -log p_O(x) |
    | `remaining_cost` | `keras_bfn.schedules.fit`, of other than integers 0..K-1 |
    | `expected_data`, `sure_data`, `expected_variance`, `log_expected`, `tilted` | guidance |
    | `channel` | a faster `keras_bfn.codec`, which takes integers 0..K-1 only |
    | `check_event_shape`, `check_values`, `check_dtype`, `check_data` | other refusals of data |

    `keras_bfn.testing.check_flow` proves it all. guides/custom_data_types.py makes two, step by
    step; CONTRIBUTING.md shows one, whole.

    Args:
        schedule: the accuracy schedule, a `keras_bfn.schedules.Schedule`.

    Attributes:
        schedule: the accuracy schedule.
        gain: float, the channel's gain `c`. 1 by default.
        embedding_size: int, the length of `e(x)`.
        theta_size: int, how many numbers per variable the network is shown.
        theta_range: the range of these numbers, which networks scale to [-1, 1]; by default that.
        theta_is_probs: bool, whether these numbers are probabilities of classes. False by default.
        scans: bool, whether `input_params` runs along sequences by `ops.scan`. False by default.
        output_size: int, how many numbers per variable the network returns.
        discrete: bool, whether the data are integers. False by default.
        theta_tells_all: bool, whether theta says all that evidence tells of the data, whatever the
            accuracy, so that networks need not know each variable's time. False by default.
        can_be_told: bool, whether output distributions give integers their probabilities at all
            times, so that they can be sent at once in place of messages. By default of integers.
        data_range: the least and the greatest value that data may have, the second perhaps
            infinite; 0 and K - 1 for integers. For numbers, each may be an array that broadcasts
            to the event shape.

    Raises:
        ValueError: if the schedule does not start at 0, rise and stay finite, or its derivative is
            not that of its accuracy.

    Example, what is known of a variable of three classes at t = 1, for all flows in the same way:

    >>> flow, t = keras_bfn.flows.DiscreteFlow(num_classes=3, beta_1=9.0), np.ones(1)
    >>> s = flow.sample_evidence(np.array([[2]]), t, seed=0)
    >>> flow.input_params(s, flow.schedule.beta(t)).shape
    (1, 1, 3)
    """

    gain = 1.0
    discrete = False
    theta_tells_all = False
    theta_range = (-1, 1)
    theta_is_probs = False
    scans = False

    def __init__(self, schedule):
        if not isinstance(schedule, schedules.Schedule):
            raise refusal("schedule", "must be a `keras_bfn.schedules.Schedule`", schedule)
        schedules.check(schedule)
        self.schedule = schedule

    def known_params(self, x):
        """theta of variables that are known for sure, `(batch, *event_shape, theta_size)`."""
        return self.input_params(self.known_evidence(x), self.known_accuracy())

    @property
    def can_be_told(self):
        return self.discrete

    @property
    def num_values(self):
        """K for the integers 0..K-1; None for data of infinitely many values."""
        low, high = self.data_range
        return high - low + 1 if self.discrete and high < math.inf else None

    def embed(self, x):
        """e(x), of shape `(batch, *event_shape, embedding_size)`."""
        raise lacks(self, "embed")

    def _embed_all_values(self):
        """The embeddings of 0..K-1, of shape `(K, embedding_size)`."""
        return self.embed(ops.arange(self.num_values, dtype="int32"))

    def input_params(self, s, beta):
        """theta, the parameters of the input distribution given evidence `s` at accuracy `beta`.

        Args:
            s: evidence, of shape `(batch, *event_shape, embedding_size)`.
            beta: accuracy, of shape `(batch,)`, or of each variable, `(batch, *event_shape)`.

        Returns:
            A tensor of shape `(batch, *event_shape, theta_size)`.
        """
        raise lacks(self, "input_params")

    def check_data(self, x, name="x"):
        """Raises a `ValueError` if the numpy array `x` is not data of this type."""
        x = np.atleast_1d(self.check_values(x, name))
        least, most, (low, high) = x.min(axis=0), x.max(axis=0), self.data_range
        if not self.discrete:  # as precise as what is sent
            with np.errstate(over="ignore"):
                least, most, low, high = map(np.float32, (least, most, low, high))
        outside = np.asarray((least < low) | (most > high))
        if outside.any():
            # For arrays of ranges, that of the first variable to leave it.
            variable = np.unravel_index(np.argmax(outside), outside.shape)
            low, high = (np.broadcast_to(end, outside.shape)[variable] for end in self.data_range)
            raise ValueError(
                f"Argument `{name}` must lie in [{low:.9g}, {high:.9g}] for {self!r}. "
                f"Received: values from {x.min()} to {x.max()}"
            )

    def check_values(self, x, name="x"):
        """Returns `x` as a numpy array, or raises a `ValueError` if it holds no such values.

        What `check_data` checks, but for `data_range`.
        """
        x = to_numpy(x, name)
        if x.size == 0:
            raise ValueError(
                f"Argument `{name}` must hold data. Received: an empty array of shape {x.shape}"
            )
        self.check_dtype(x.dtype.name, name)
        if not np.isfinite(x).all():
            raise ValueError(
                f"Argument `{name}` must be finite. Received: an array with NaN or infinity"
            )
        return x

    def check_dtype(self, dtype, name="x"):
        """Raises a `ValueError` unless `dtype` (a string) suits this type of data."""
        suits = ("int" in dtype or dtype == "bool") if self.discrete else "float" in dtype
        if not suits:
            expected = "integers" if self.discrete else "floats"
            raise ValueError(
                f"Argument `{name}` must hold {expected} for {self!r}. Received: dtype {dtype}"
            )

    def hear(self, s, beta, mask):
        """Evidence and theta where nothing is heard of some variables, however much was said.

        Args:
            s, beta: as in `input_params`.
            mask: bool, `(batch, *event_shape)`: which variables are heard of.

        Returns:
            The tuple of evidence, of the others zero, and of theta, of the others as at first.
        """
        mask = mask[..., None]
        s = ops.where(mask, s, 0.0)
        at_first = self.input_params(ops.zeros_like(s), ops.zeros_like(beta))
        return s, ops.where(mask, self.input_params(s, beta), at_first)

    def check_event_shape(self, event_shape):
        """Raises a `ValueError` if examples cannot have this shape, which a `prior` may know."""

    def input_mean(self, theta):
        """The mean of the input distribution in units of the data, `(batch, *event_shape)`."""
        raise lacks(self, "input_mean")

    def evidence_params(self, theta):
        """The output of a network that knows nothing but each variable's own evidence.

        Networks may add it to their output (`keras_bfn.layers.EvidenceShortcut`). Zero by default.
        """
        return 0.0

    def output_distribution(self, params, s, t):
        """p_O, the distribution of the data that the network's output stands for.

        Args:
            params: the network's output, of shape `(batch, *event_shape, output_size)`.
            s: the evidence at time `t`, of shape `(batch, *event_shape, embedding_size)`.
            t: time, of shape `(batch,)`, or of each variable, `(batch, *event_shape)`.

        Returns:
            A `keras_bfn.distributions.Distribution` over `(batch, *event_shape)` variables.
        """
        raise lacks(self, "output_distribution")

    def expected_embedding(self, distribution):
        """e_hat, the mean of e(x) under the output distribution, shaped as `embed(x)`."""
        if self.num_values is None:
            raise lacks(self, "expected_embedding", NOT_INTEGERS)
        return ops.matmul(distribution.probs(), self._embed_all_values())

    def extrapolation(self, t_last, t, t_next, deterministic):
        """How much further e_hat moves, on average in a step, in units of how it moved in the last.

        Samplers of second order take e_hat to move along a line. Here it is a line in log(beta),
        or in sqrt(beta) if one of the three accuracies is 0, and the mean over the step is its
        middle.

        Args:
            t_last, t, t_next: scalars, the times of the last, this and the next prediction.
            deterministic: bool. Whether the sampler adds no noise.

        Returns:
            A scalar.
        """
        accuracies = [self.schedule.beta(time) for time in (t_last, t, t_next)]
        finite = (accuracies[0] > 0) & (accuracies[1] > 0) & (accuracies[2] > 0)
        last, now, then = (
            ops.where(finite, ops.log(ops.maximum(beta, 1e-30)), ops.sqrt(beta))
            for beta in accuracies
        )
        return 0.5 * (then - now) / ops.where(now == last, 1.0, now - last)

    def sender_receiver_kl(self, x, distribution, alpha, seed=None):
        """KL(sender || receiver) of one message: a draw whose mean is the KL.

        The divergence is that of a variable's whole message, all of its numbers together.

        Args:
            x: data, of shape `(batch, *event_shape)`.
            distribution: the output distribution.
            alpha: the message's accuracy, of shape `(batch,)`.
            seed: a `SeedGenerator`, an int or None, of the message's noise.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        noise = normal(ops.shape(self.embed(x)), seed_of(seed, "message"))
        # A message and its mirror image: what is odd in the noise cancels, nearly all of it where
        # alpha is small.
        there = self.log_receiver_ratio(x, distribution, alpha, noise)
        return -0.5 * (there + self.log_receiver_ratio(x, distribution, alpha, -noise))

    def log_receiver_ratio(self, x, distribution, alpha, noise):
        """log p_R(y) - log p_S(y | x): how much likelier the receiver finds a message about x.

        The sender's density is N(e(x), 1 / (c alpha)), the receiver's the mean of it over the
        output distribution.

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

    def log_likelihood_ratios(self, x, alpha, noise):
        """log N(y | e(k)) - log N(y | e(x)) for every value k of the integers 0..K-1.

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

    def reconstruction_loss(self, x, params, s):
        """The cost of the data once all messages have come: -log p_O(x) at t = 1.

        Returns:
            Nats per variable, of shape `(batch, *event_shape)`.
        """
        t = ops.ones(ops.shape(params)[:1], dtype="float32")
        return -self.output_distribution(params, s, t).log_prob(x)

    def sample_evidence(self, x, t, seed=None):
        """A draw from the Bayesian flow distribution: s ~ N(c beta(t) e(x), c beta(t)).

        Args:
            x: data, of shape `(batch, *event_shape)`.
            t: time, of shape `(batch,)`, or of each variable, `(batch, *event_shape)`.
            seed: a `SeedGenerator`, an int or None.

        Returns:
            Evidence, of shape `(batch, *event_shape, embedding_size)`.
        """
        return self.observe(self.embed(x), self.schedule.beta(t), seed)

    def known_accuracy(self):
        """The accuracy at which a variable counts as known: far above what all messages give."""
        return KNOWN * ops.maximum(1.0, self.schedule.beta(1.0))

    def known_evidence(self, x):
        """The evidence about variables that are known for sure, of shape as `sample_evidence`."""
        return self.gain * self.known_accuracy() * self.embed(x)

    def observe(self, embedding, alpha, seed=None):
        """The evidence `c alpha y` in one message `y` of accuracy `alpha` about an embedding."""
        noise = normal(ops.shape(embedding), seed)
        return self.receive(embedding, alpha, noise)

    def receive(self, embedding, alpha, noise):
        """The same for the message `y = embedding + noise / sqrt(c alpha)`."""
        # One sum, times a number: where a loop adds three large tensors at once, TensorFlow 2.21
        # adds them in a temporary variable that the loop's end leaves behind, and fails.
        scale = ops.sqrt(self.gain * expand(alpha, embedding))
        return scale * (scale * embedding + noise)

    def expected_data(self, distribution):
        """What is expected of the data under an output distribution.

        Returns:
            For numbers, and for integers that are ordered, the mean in the data's own units,
            `(batch, *event_shape)`; for classes, all probabilities, `(batch, *event_shape, K)`; for
            angles, the means of cosine and sine, `(batch, *event_shape, 2)`.
        """
        return distribution.mean()

    def sure_data(self, x):
        """Data in the form of `expected_data`, as if one were sure of them.

        Numbers as floats, classes one-hot, angles as cosine and sine.
        """
        return ops.cast(x, "float32")

    def expected_variance(self, distribution, t):
        """The variances of what `expected_data` gives the mean of, shaped as it.

        Args:
            distribution: the output distribution at `t`.
            t: time, of shape `(batch,)`.

        Returns:
            A tensor, in the square of the data's unit.
        """
        if self.num_values is None:
            raise lacks(self, "expected_variance", ", which this guidance needs")
        values = ops.arange(self.num_values, dtype="float32")
        probs = distribution.probs()
        mean = ops.sum(probs * values, axis=-1, keepdims=True)
        return ops.sum(probs * ops.square(values - mean), axis=-1)

    def log_expected(self, x, distribution, t):
        """How likely values are by what is expected of the data before t = 1.

        Args:
            x: data, of shape `(batch, *event_shape)`.
            distribution: the output distribution at `t`.
            t: time, of shape `(batch,)`.

        Returns:
            The log probability, or density, of each variable, in nats, `(batch, *event_shape)`.
        """
        return distribution.log_prob(x)

    def tilted(self, distribution, evidence, t):
        """The output distribution after so much more evidence about each variable, on its own.

        It is proportional to `p_O(x) exp(evidence . e(x))`: what the other variables tell of it,
        and it of them, is left out.

        Args:
            distribution: the output distribution at `t`.
            evidence: of shape `(batch, *event_shape, embedding_size)`.
            t: time, of shape `(batch,)`.

        Returns:
            A `keras_bfn.distributions.Distribution`.

        Raises:
            NotImplementedError: if the flow does not know it.
        """
        if self.num_values is None:
            raise lacks(self, "tilted", ", which guidance with through_network=False needs")
        embeddings = ops.transpose(self._embed_all_values())
        return Categorical(distribution.log_probs() + ops.matmul(evidence, embeddings))

    def remaining_cost(self, x, num_draws=10_000, seed=0):
        """What a variable costs after evidence about it alone, by the accuracy of the evidence.

        For integers it is H(x | s), the mean entropy of the exact posterior. The prior is how often
        a value occurs in `x`, whatever the place: a network that knows places and neighbours can
        but pay less. For a `ContinuousFlow` it is the reconstruction loss of the input
        distribution's mean.

        Args:
            x: numpy array of data, of any shape.
            num_draws: int. How many variables are drawn, and evidence about each.
            seed: int. The draws are the same at each accuracy.

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
        self.check_data(x)
        numbers = x if self.num_values is not None else ops.convert_to_numpy(self.embed(x))
        x, log_prior = np.ravel(numbers), np.zeros(1)
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
        """The entropy of the posterior, which one message as accurate as all evidence gives."""
        if self.num_values is None:
            raise lacks(self, "remaining_cost", ": by default only integers 0..K-1 have it")
        noise = ops.convert_to_tensor(rng.standard_normal((len(x), self.embedding_size)), "float32")
        ratios = self.log_likelihood_ratios(x, np.array([beta]), noise)
        logits = log_prior + ops.convert_to_numpy(ratios)
        logits -= logits.max(axis=-1, keepdims=True)
        weights = np.exp(logits)
        total = weights.sum(axis=-1)
        return np.log(total) - (weights * logits).sum(axis=-1) / total

    def channel(self):
        """What a message about a variable may be about, for `keras_bfn.codec`.

        Returns:
            A `keras_bfn.flows.channels.Line`, `Simplex` or, by default for integers, `Points`.

        Raises:
            ValueError: if the data have infinitely many values.
        """
        if self.num_values is None:
            raise ValueError(
                "Numbers of infinitely many values have no code of finite length: cut their range "
                f"into bins and use a `keras_bfn.flows.DiscretizedFlow`. Received: {self!r}"
            )
        return Points(ops.convert_to_numpy(self._embed_all_values()))


def check_flow(flow):
    """Raises a `ValueError` unless `flow` is a `Flow`, or a dict from names of parts to flows."""
    if isinstance(flow, Flow):
        return
    if not isinstance(flow, dict) or not flow:
        raise refusal(
            "flow", "must be a `keras_bfn.flows.Flow`, or a dict from names of parts to flows", flow
        )
    for name, part in flow.items():
        if not isinstance(name, str) or not name or name in RESERVED:
            raise ValueError(
                "Argument `flow` must have names of parts that are strings, not empty and none of "
                f"{list(RESERVED)}. Received: a part named {name!r}"
            )
        if not isinstance(part, Flow):
            raise ValueError(
                "Argument `flow` must hold a `keras_bfn.flows.Flow` for each part. "
                f"Received: flow[{name!r}]={part!r}"
            )


def expand(values, like):
    """Appends axes of size 1 until there are as many axes as `like` has, in float32.

    So accuracies and times, of each example or of each variable, meet arrays of more axes.

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
    """log sum_k p_k r_k, for shares p that add up to 1.

    Where the ratios are nearly 1, as they are of each of a million messages, it is told by
    sum_k p_k (r_k - 1): a logarithm of 1 plus that would keep few of its digits.

    Args:
        log_probs, log_ratios: tensors of shape `(..., K)`.

    Returns:
        A tensor of shape `(...)`.
    """
    growth = ops.expm1(ops.minimum(log_ratios, MOST_LOG_RATIO))
    growth = ops.sum(ops.exp(log_probs) * growth, axis=-1)
    is_small = ops.abs(growth) < 0.5
    return ops.where(
        is_small,
        ops.log1p(ops.where(is_small, growth, 0.0)),
        ops.logsumexp(log_probs + log_ratios, axis=-1),
    )
