"""
Title: A data type of your own
Author: The keras_bfn authors
Date created: 2026/11/26
Last modified: 2026/11/28
Description: Write and check data types for counts and for amounts of any size.
Accelerator: None
"""

"""
## Introduction

In this guide we write two data types, one for counts and one for positive amounts, and
check each with one call. We train on counts whose entropy is known, and compare what
they cost as counts, as levels and as classes. `counts.png` shows the samples beside the
true distribution.

A count is not a class: 11 and 12 are nearly the same. It is not a level either: the
step from 0 to 1 matters more than the step from 100 to 101, because the standard
deviation of a count is about the square root of its mean. With a data type for counts,
a model learns more from the same data.

A data type is a `Flow`, which defines three things:

- the *embedding* e(x) of a value, a vector: each message is e(x) plus normal noise;
- the parameters of the *input distribution*, from the messages alone: the network's
  input;
- the *output distribution* of the value, given the network's output.

Losses, samplers, inpainting, guidance and the codec follow from these. The guide needs
`matplotlib`, and takes a few minutes on a CPU.

## Setup
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

import keras_bfn
from keras_bfn import distributions, flows, networks, schedules

keras.utils.set_random_seed(0)

"""
## The output distribution

Counts of independent events at a varying rate have a negative binomial distribution,
with a mean m and a size r. The larger r, the steadier the rate. The probability of k +
1 is the probability of k times `(k + r) / (k + 1) * m / (m + r)`, so log probabilities
are a cumulative sum. Cut off at a maximum count, they are the logits of a `Categorical`
distribution.
"""


class NegativeBinomial(distributions.Categorical):
    """Counts 0..K-1: a negative binomial times a likelihood, `(batch, *event_shape, K)`."""

    def __init__(self, mean, size, log_likelihood):
        k = ops.arange(log_likelihood.shape[-1], dtype="float32")
        mean, size = mean[..., None], size[..., None]
        steps = ops.log((k + size) / (k + 1.0)) + ops.log(mean / (mean + size))
        super().__init__(ops.cumsum(steps, axis=-1) - steps + log_likelihood)


"""
## The flow

The embedding is the square root of the count, scaled to [-1, 1]. Its variance hardly
depends on the mean of the count. The prior of e(x) is N(0, 1). Given the evidence s
(the weighted sum of the messages) and its accuracy beta, the input distribution is N(s
/ (1 + beta), 1 / (1 + beta)). The network receives its mean. (`expand` gives beta the
axes of s.)

The network returns log m and log r for each variable, clipped to prevent overflow. They
predict a count from the *other* variables. The count's own messages have the likelihood
`exp(s e(k) - beta e(k)^2 / 2)`. By Bayes' rule, the output distribution is proportional
to the product of the two. Unlike a negative binomial, it can be arbitrarily narrow.
"""


@keras.saving.register_keras_serializable("my_package")
class CountFlow(flows.Flow):
    """Counts 0..max_count, with less resolution for large ones."""

    discrete = True
    embedding_size = theta_size = 1
    output_size = 2

    def __init__(self, max_count, schedule):
        super().__init__(schedule)
        self.max_count = max_count

    @property
    def data_range(self):
        return (0, self.max_count)

    def embed(self, x):
        return 2.0 * ops.sqrt(ops.cast(x, "float32")[..., None] / self.max_count) - 1.0

    def input_params(self, s, beta):
        return s / (1.0 + flows.expand(beta, s))

    def output_distribution(self, params, s, t):
        e = self.embed(ops.arange(self.max_count + 1, dtype="int32"))[:, 0]
        beta = flows.expand(self.schedule.beta(t), s)
        params = ops.exp(ops.clip(params, -10.0, 10.0))
        return NegativeBinomial(
            params[..., 0], params[..., 1], s * e - 0.5 * beta * ops.square(e)
        )


"""
## The check

With this schedule, the input distribution has the standard deviation `sigma_1` after
the last message. `check_flow` verifies shapes, dtypes and configs. It also requires
that samples agree with sums of messages and with expectations, that losses and
gradients are finite whatever the network returns, and that the losses of the exact
posterior add up to the entropy of the data.
"""

flow = CountFlow(max_count=99, schedule=schedules.ExponentialSchedule(sigma_1=0.05))
keras_bfn.testing.check_flow(flow)

"""
## Data whose entropy is known

We count two kinds of birds in a morning. Both rates, 6 and 15 on average, are
multiplied by the quality of the morning, which is gamma distributed and not recorded.
So the counts are dependent, and the probability of each pair is known. No model needs
fewer nats per pair than the entropy.
"""

SIZE, MEANS = 3.0, np.array([6.0, 15.0])
log_gamma = np.vectorize(math.lgamma)
pairs = np.moveaxis(np.indices((100, 100)), 0, -1)
log_probs = (pairs * np.log(MEANS) - log_gamma(pairs + 1.0)).sum(axis=-1)
log_probs += (
    log_gamma(SIZE + pairs.sum(axis=-1)) - log_gamma(SIZE) + SIZE * np.log(SIZE)
)
log_probs -= (SIZE + pairs.sum(axis=-1)) * np.log(SIZE + MEANS.sum())
probs = (
    np.exp(log_probs) / np.exp(log_probs).sum()
)  # the sum is 0.999998: larger counts are cut

rng = np.random.default_rng(0)
data = pairs.reshape(-1, 2)[rng.choice(probs.size, 6000, p=probs.ravel())].astype(
    "int32"
)
train, test = data[:4000], data[4000:]
print(f"Entropy of a pair: {-(probs * log_probs).sum():.3f} nats")

"""
## Training, and the cost of a pair

The model is built and trained like any other. We train the same network on the same
data as classes, as levels and as counts, and print how much more test pairs cost than
under the true distribution. Then we sample pairs from the last model, and plot them
beside the true distribution.
"""

for name, kind in {
    "classes": flows.DiscreteFlow(100, beta_1=3.0),
    "levels": flows.DiscretizedFlow(100, sigma_1=0.01),
    "counts": flow,
}.items():
    network = networks.MLP(kind, event_shape=(2,), width=64, num_blocks=2)
    model = keras_bfn.BayesianFlowNetwork(kind, network, seed=0)
    model.compile(keras.optimizers.AdamW(2e-3, use_ema=True, ema_momentum=0.99))
    model.fit(train, epochs=15, batch_size=100, verbose=0)
    nats = model.code_length(test, num_repeats=10, seed=0, verbose=0)
    more = nats["transmission"] + nats["reconstruction"] + np.log(probs[tuple(test.T)])
    error = more.std() / math.sqrt(len(more))
    print(
        f"As {name}: {more.mean():.3f} +- {error:.3f} nats more than under the true distribution"
    )

samples = model.generate(5000, num_steps=20, sampler="sde2", seed=0, verbose=0)
sampled = np.histogram2d(*samples.T, bins=np.arange(101))[0] / len(samples)
figure = Figure((8, 4), dpi=100, layout="constrained")
for place, p, title in ((121, probs, "true"), (122, sampled, "samples")):
    axes = figure.add_subplot(place)
    axes.imshow(p[:25, :50], origin="lower", aspect="auto", vmin=0, vmax=probs.max())
    axes.set(title=title, xlabel="second count", ylabel="first count")
figure.savefig("counts.png")

"""
## Amounts of any size

For integers 0..K-1 the package sums over all values. Other flows must define two more
methods. `expected_embedding` is the mean of e(x) under the output distribution.
`log_receiver_ratio` is the log density of a message y = e(x) + noise / sqrt(alpha)
under the receiver distribution (given the output distribution), minus that under the
sender distribution (given x).

Our example is positive amounts, such as prices or weights, in units of a typical
amount. Their ratios matter, so we send the logarithm. If the logarithm is normal, it
stays normal with every message, and both methods have closed forms. (Noise from
`distributions.normal` allows export.)
"""


class LogNormal(distributions.Distribution):
    def __init__(self, location, std):
        self.location, self.std = location, std

    def mean(self):
        return ops.exp(self.location + 0.5 * ops.square(self.std))

    def mode(self):
        return ops.exp(self.location - ops.square(self.std))

    def sample(self, seed=None):
        noise = distributions.normal(ops.shape(self.location), seed)
        return ops.exp(self.location + self.std * noise)

    def log_prob(self, x):
        log_x = ops.log(ops.cast(x, "float32"))
        z = (log_x - self.location) / self.std
        return (
            -0.5 * ops.square(z)
            - ops.log(self.std)
            - 0.5 * math.log(2 * math.pi)
            - log_x
        )


@keras.saving.register_keras_serializable("my_package")
class AmountFlow(flows.Flow):
    embedding_size = theta_size = 1
    output_size = 2
    data_range = (1e-6, math.inf)

    def embed(self, x):
        return ops.log(ops.cast(x, "float32")[..., None])

    def input_params(self, s, beta):
        return s / (1.0 + flows.expand(beta, s))

    def output_distribution(self, params, s, t):
        before = ops.exp(
            ops.clip(params[..., 1], -2.0, 10.0)
        )  # the precision before any message
        location = ops.clip(params[..., 0], -5.0, 5.0)
        after = before + flows.expand(self.schedule.beta(t), location)
        return LogNormal((before * location + s[..., 0]) / after, ops.rsqrt(after))

    def expected_embedding(self, distribution):
        return distribution.location[..., None]

    def log_receiver_ratio(self, x, distribution, alpha, noise):
        # The receiver distribution is also normal, with variance 1 / alpha + std^2.
        alpha, noise = flows.expand(alpha, distribution.location), noise[..., 0]
        error = (self.embed(x) - self.expected_embedding(distribution))[..., 0]
        wider = 1.0 + alpha * ops.square(distribution.std)
        z = noise + ops.sqrt(alpha) * error
        return 0.5 * (ops.square(noise) - ops.square(z) / wider - ops.log(wider))


amounts = np.exp(rng.normal(size=64)).astype(
    "float32"
)  # needed, because the range is infinite
keras_bfn.testing.check_flow(AmountFlow(flow.schedule), amounts)

"""
## Next steps

- Combine your types with any others in a dict: see [several kinds of
  data](several_kinds.py).
- For ordered grades, such as poor, fair and good, let `embed` look up positions in a
  table. [CONTRIBUTING.md](../CONTRIBUTING.md) has a similar type, with values on a
  circle.
- For guidance, pictures and a faster codec, see the optional methods of
  `keras_bfn.flows.Flow`.
"""
