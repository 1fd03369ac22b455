"""
Title: A data type of your own
Author: The keras_bfn authors
Date created: 2026/11/26
Last modified: 2026/11/27
Description: Counts, and amounts of any size: what is sent, what the network says, and a proof.
Accelerator: None
"""

"""
## Introduction

How many birds of a kind were seen this morning? Such a count is no class: 11 and 12 are nearly the
same. It is no level, either: from 0 to 1 is far, from 100 to 101 is nothing, for counts scatter by
the root of their size. A data type that knows this learns more from the same data. Here it is made,
proved, trained, and held against a truth that is known.

A data type is a `Flow`, and tells three things:

- what is sent of a value: its *embedding* e(x), a vector. Messages are e(x) and normal noise;
- what of all the messages the network is shown: the parameters of the *input distribution*;
- what the network's output means: the *output distribution* of the value.

All else follows from them: losses, samplers, inpainting, guidance, the codec. This guide takes two
minutes or three on a processor, and needs `matplotlib`.

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

Counts of what comes independently, at a rate that varies, have a negative binomial distribution.
With a mean m and a size r (the larger, the steadier the rate), the probability of k + 1 is
`(k + r) / (k + 1) * m / (m + r)` times that of k: the logarithms are a cumulative sum.

Whatever is known up to a factor for each of the integers 0..K-1 is a `Categorical` with these
logits, and has a mean, a mode, draws and log probabilities. (Counts are cut off at a largest one,
so that there are K of them.)
"""


class NegativeBinomial(distributions.Categorical):
    """Counts 0..K-1 by their mean and size, after evidence of log likelihood `told`.

    Args:
        mean, size: positive tensors of shape `(batch, *event_shape)`.
        told: tensor of shape `(batch, *event_shape, K)`.
    """

    def __init__(self, mean, size, told):
        below = ops.arange(told.shape[-1] - 1, dtype="float32")
        mean, size = mean[..., None], size[..., None]
        steps = ops.log((below + size) / (below + 1.0)) + ops.log(mean / (mean + size))
        first = ops.zeros_like(steps[..., :1])
        log_weights = ops.concatenate([first, ops.cumsum(steps, axis=-1)], axis=-1)
        super().__init__(log_weights + told)


"""
## The flow

The embedding is the root of the count, by which all counts scatter alike. It runs from -1 to 1, as
networks like it.

The input distribution is what is known of e(x) if nothing was known before but N(0, 1): messages of
accuracy beta in all, whose evidence is s, make it N(s / (1 + beta), 1 / (1 + beta)). The network is
shown the mean. (`expand` gives beta, one for each example, the axes of s.)

The output distribution is made from the network's output, two numbers for each variable, and may
use the evidence, too. This one does, by Bayes' rule: the network says what the *others* tell of a
count, its own messages have the likelihood `exp(s e(k) - beta e(k)^2 / 2)`, and the product is what
is known. So it gets as narrow as it must, which no negative binomial does by itself.

Numbers are clipped where they might overflow: a network that has learnt nothing may say anything.
"""


@keras.saving.register_keras_serializable("my_package")
class CountFlow(flows.Flow):
    """Counts 0..max_count, of which large ones are told apart less.

    Args:
        max_count: int.
        schedule: a `keras_bfn.schedules.Schedule`.
    """

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
        root = ops.sqrt(ops.cast(x, "float32") / self.max_count)
        return ops.expand_dims(2.0 * root - 1.0, axis=-1)

    def input_params(self, s, beta):
        return s / (1.0 + flows.expand(beta, s))

    def output_distribution(self, params, s, t):
        e = self.embed(ops.arange(self.max_count + 1, dtype="int32"))[:, 0]
        beta = flows.expand(self.schedule.beta(t), s)
        told = s * e - 0.5 * beta * ops.square(e)
        params = ops.exp(ops.clip(params, -10.0, 10.0))
        return NegativeBinomial(params[..., 0], params[..., 1], told)


"""
The schedule says how the accuracy of all messages together grows. After the last of them, the root
is known to `sigma_1`; what is left of the count then costs a little more at the end.

## The proof

`check_flow` finds out whether all that is needed is there, and right: shapes, dtypes and configs;
messages that add up; draws against expectations; losses and gradients that are finite whatever the
network says, at all times; and that with the exact posterior for a network the losses add up to the
entropy of the data. If not, it says in a sentence what is wrong.
"""

flow = CountFlow(max_count=99, schedule=schedules.ExponentialSchedule(sigma_1=0.05))
keras_bfn.testing.check_flow(flow)

try:
    keras_bfn.testing.check_flow(flows.Flow(flow.schedule))
except AssertionError as error:
    print("Nothing defined yet:", error)

"""
## Data whose entropy is known

On a good morning there are many birds of both kinds, on a bad one few: the quality of the morning,
which nobody notes down, makes the two counts dependent. As it is gamma distributed, the probability
of each pair is known, and so is the entropy of the pair: no model can send it in fewer nats.
"""

SIZE, MEANS = 3.0, np.array([6.0, 15.0])
rng = np.random.default_rng(0)
log_gamma = np.vectorize(math.lgamma)


def draw_birds(means):
    quality = rng.gamma(SIZE, 1.0 / SIZE, (len(means), 1))
    return rng.poisson(quality * means).clip(max=flow.max_count).astype("int32")


def true_log_probs(birds, means):
    total = SIZE + means.sum(axis=-1, keepdims=True)
    of_sum = log_gamma(SIZE + birds.sum(axis=-1)) - log_gamma(SIZE)
    of_each = birds * np.log(means / total) - log_gamma(birds + 1.0)
    return of_sum + SIZE * np.log(SIZE / total[..., 0]) + of_each.sum(axis=-1)


pairs = np.moveaxis(np.indices((100, 100)), 0, -1)
probs = np.exp(true_log_probs(pairs, MEANS))  # add up to 0.999998: the others are cut off


def entropy(p):
    return -(p * np.log(np.maximum(p, 1e-300))).sum()


train, test = (draw_birds(np.tile(MEANS, (num, 1))) for num in (4000, 2000))
print(f"Entropy of a pair: {entropy(probs):.3f} nats")
print(f"of the two alone: {entropy(probs.sum(axis=1)) + entropy(probs.sum(axis=0)):.3f} nats")

"""
## Training, and what a pair costs

The model is made and trained as any other. Beside it, the same network is trained as long on the
same counts as levels and as classes. What test pairs cost is held against what they would by the
truth.
"""


def train_model(flow):
    network = networks.MLP(flow, event_shape=(2,), width=64, num_blocks=2)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(2e-3, use_ema=True, ema_momentum=0.99))
    model.fit(train, epochs=15, batch_size=100, verbose=0)
    return model


models = {
    "counts": train_model(flow),
    "levels": train_model(flows.DiscretizedFlow(100, sigma_1=0.01)),
    "classes": train_model(flows.DiscreteFlow(100, beta_1=3.0)),
}
by_truth = -true_log_probs(test, MEANS)
for name, model in models.items():
    nats = model.code_length(test, num_repeats=10, seed=0, verbose=0)
    more = nats["transmission"] + nats["reconstruction"] - by_truth
    error = more.std() / math.sqrt(len(more))
    print(f"As {name}: {more.mean():.3f} +- {error:.3f} nats more than by the truth")

"""
## Samples

To the left the true probabilities of pairs, in the middle those of the samples, to the right the
second count alone.
"""

samples = models["counts"].generate(5000, num_steps=20, sampler="sde2", seed=0, verbose=0)
drawn = np.zeros_like(probs)
np.add.at(drawn, tuple(samples.T), 1 / len(samples))
for name, p in (("true", probs), ("drawn", drawn)):
    mean = (p[..., None] * pairs).sum(axis=(0, 1))
    centred = pairs - mean
    covariance = np.einsum("ij,ijk,ijl->kl", p, centred, centred)
    correlation = covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])
    print(
        f"{name}: means {mean.round(2)}, variances {np.diag(covariance).round(1)}, "
        f"correlation {correlation:.3f}"
    )

figure = Figure((12, 4), dpi=100, layout="constrained")
panels = figure.subplots(1, 3)
for axes, p, title in ((panels[0], probs, "true"), (panels[1], drawn, "drawn")):
    axes.imshow(p[:25, :50], origin="lower", aspect="auto", vmin=0, vmax=probs.max())
    axes.set(title=title, xlabel="second count", ylabel="first count")
panels[2].bar(np.arange(50), drawn.sum(axis=0)[:50], color="tab:orange", label="drawn")
panels[2].plot(probs.sum(axis=0)[:50], color="black", label="true")
panels[2].set(xlabel="second count", ylabel="probability")
panels[2].legend()
figure.savefig("counts.png")

"""
## Values without end

For integers 0..K-1, the package sums over all values. Of other data a flow tells two more things:
`expected_embedding`, the mean of e(x) under the output distribution, and `log_receiver_ratio`: of
the message y = e(x) + noise / sqrt(alpha), the logarithm of its density by the receiver, which is
the mean over the output distribution, less that by the sender.

Take amounts, of which one is twice another, rather than 3 more: minutes, prices, weights. Their
logarithm is sent. A normal distribution of the logarithm stays normal when messages come, so that
both are closed forms. The distribution is made from nothing, too. It draws by
`distributions.normal`, to which noise can be given in the place of a seed, as exports do.
"""


class LogNormal(distributions.Distribution):
    """Positive numbers whose logarithm is normal.

    Args:
        location, std: tensors of shape `(batch, *event_shape)`, of the logarithm.
    """

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
        return -0.5 * ops.square(z) - ops.log(self.std) - 0.5 * math.log(2 * math.pi) - log_x


@keras.saving.register_keras_serializable("my_package")
class AmountFlow(flows.Flow):
    """Positive numbers, of which ratios count.

    Args:
        unit: float, a typical amount.
        schedule: a `keras_bfn.schedules.Schedule`.
    """

    embedding_size = theta_size = 1
    output_size = 2
    data_range = (1e-6, math.inf)

    def __init__(self, unit, schedule):
        super().__init__(schedule)
        self.unit = unit

    def embed(self, x):
        return ops.expand_dims(ops.log(ops.cast(x, "float32") / self.unit), axis=-1)

    def input_params(self, s, beta):
        return s / (1.0 + flows.expand(beta, s))

    def output_distribution(self, params, s, t):
        before = ops.exp(ops.clip(params[..., 1], -2.0, 10.0))  # the precision, without messages
        location = ops.clip(params[..., 0], -5.0, 5.0)
        after = before + flows.expand(self.schedule.beta(t), location)
        location = (before * location + s[..., 0]) / after
        return LogNormal(location + math.log(self.unit), ops.rsqrt(after))

    def expected_embedding(self, distribution):
        return ops.expand_dims(distribution.location - math.log(self.unit), axis=-1)

    def log_receiver_ratio(self, x, distribution, alpha, noise):
        # The receiver's y is normal, too: its variance 1 / alpha + std^2.
        alpha, noise = flows.expand(alpha, distribution.location), noise[..., 0]
        error = (self.embed(x) - self.expected_embedding(distribution))[..., 0]
        wider = 1.0 + alpha * ops.square(distribution.std)
        z = noise + ops.sqrt(alpha) * error
        return 0.5 * (ops.square(noise) - ops.square(z) / wider - ops.log(wider))


minutes_flow = AmountFlow(unit=30.0, schedule=schedules.ExponentialSchedule(sigma_1=0.05))
amounts = np.exp(rng.normal(3.0, 1.0, 64)).astype("float32")  # for the range has no end
keras_bfn.testing.check_flow(minutes_flow, amounts)

"""
## Beside other data

Own data types stand beside any others in a dict. In three habitats, told as a class, the birds are
differently common, and who watches for twice as long sees twice as many. With
`times="variables"` the model learns every part given any others.
"""

HABITATS = np.array([[2.0, 10.0], [6.0, 6.0], [12.0, 1.0]])  # both means, in 30 minutes


def draw_mornings(num):
    habitat = rng.integers(0, 3, num)
    minutes = np.exp(rng.normal(math.log(30.0), 0.3, num))
    birds = draw_birds(HABITATS[habitat] * minutes[:, None] / 30.0)
    habitat, minutes = habitat.astype("int32"), minutes.astype("float32")
    return {"habitat": habitat, "minutes": minutes, "birds": birds}


def true_nats(mornings):
    minutes = mornings["minutes"].astype("float64")
    means = HABITATS[mornings["habitat"]] * minutes[:, None] / 30.0
    z = np.log(minutes / 30.0) / 0.3
    of_minutes = -0.5 * z**2 - np.log(0.3 * minutes) - 0.5 * math.log(2 * math.pi)
    return math.log(3) - of_minutes - true_log_probs(mornings["birds"], means)


parts = {
    "habitat": flows.DiscreteFlow(num_classes=3, beta_1=3.0),
    "minutes": minutes_flow,
    "birds": flow,
}
shapes = {"habitat": (), "minutes": (), "birds": (2,)}
network = networks.MultiPart(parts, shapes, width=64, mixer="mlp", times="variables")
model = keras_bfn.BayesianFlowNetwork(parts, network, times="variables", seed=0)
model.compile(keras.optimizers.AdamW(2e-3, use_ema=True, ema_momentum=0.99))
model.fit(draw_mornings(4000), epochs=20, batch_size=100, verbose=0)

test = draw_mornings(2000)
nats = model.code_length(test, num_repeats=10, seed=0, verbose=0)
more = nats["transmission"] + nats["reconstruction"] - true_nats(test)
print(
    f"A morning: {more.mean():.3f} +- {more.std() / math.sqrt(len(more)):.3f} nats more "
    f"than by the truth, {true_nats(test).mean():.3f}"
)

for habitat, means in enumerate(HABITATS):
    given = {"habitat": np.full(1000, habitat), "minutes": np.full(1000, 45.0, "float32")}
    mornings = model.generate(1000, num_steps=20, sampler="sde2", given=given, seed=0, verbose=0)
    birds = mornings["birds"].mean(axis=0).round(1)
    print(f"Habitat {habitat}, 45 minutes: {birds} birds, in truth {1.5 * means}")

"""
## Other types

- Grades, such as poor, fair and good, are integers 0..K-1 with places of their own:
  `embed` takes them from a table, the output is a `Categorical` of K logits, and nothing else is
  needed. [CONTRIBUTING.md](../CONTRIBUTING.md) makes one whose values are on a circle.
- What more a flow can have, and what for, is in the docstring of `keras_bfn.flows.Flow`: its own
  pictures, guidance, a faster codec.
"""
