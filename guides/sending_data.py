"""
Title: What it means to send data
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/28
Description: Classes, levels, numbers and angles, message by message, and the bits that they cost.
Accelerator: None
"""

"""
## Introduction

A sender, Alice, transmits data to a receiver, Bob, in noisy messages. The loss of a
Bayesian Flow Network is the number of bits that this costs. In this guide, Alice sends
data of each type, and the bits add up to the entropy, the lowest average cost of any
code. We draw the four distributions of the [paper](https://arxiv.org/abs/2308.07037)
(`weather.png`, `cover.png`, `warmth.png`, `wind.png`) and plot the bits over time
(`bits_add_up.png`).

Nothing is trained: Bayes' rule gives exact predictions. At the end we send two
dependent variables, which need a network and many messages. The guide needs
`matplotlib` and takes a minute on a CPU.

## Setup
"""

import math
import os
import statistics

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

import keras_bfn
from keras_bfn import distributions, flows, losses, visualization

seed = keras.random.SeedGenerator(0)

"""
## What is sent

A message about a value x is its *embedding* e(x) plus normal noise of variance 1 / (c
alpha), where alpha is the *accuracy* of the message. The type of the data determines e
and the *gain* c:

| | e(x) | c |
|---|---|---|
| unordered classes 0..K-1 | a vector of K numbers, 1 at x and 0 elsewhere | K |
| ordered levels 0..K-1 | the centre of bin x, one of K equal bins on [-1, 1] | 1 |
| numbers | x | 1 |
| angles | (cos x, sin x) | 1 |

Bob adds up `c alpha y` over all messages y. He keeps only this sum, the *evidence* s,
and the total accuracy beta. Time t runs from 0, before the first message, to 1, after
the last. The *schedule* beta(t) is the total accuracy at time t. A *flow* defines e, c
and beta(t).

Alice reports four values every morning: the weather (sunny on half of the mornings,
cloudy on a quarter, rainy and snowy on an eighth each), the cloud cover in eighths of
the sky (mostly clear or overcast), the deviation from the usual temperature in tens of
degrees, N(0, 0.25^2), and the direction of the wind (uniform). Bob knows these
distributions: the flows of weather and temperature take theirs as `prior`. A
`DiscretizedFlow` predicts a discretised normal, not the exact posterior, so `CoverFlow`
applies Bayes' rule instead: the probability of level k is proportional to its prior
probability times the likelihood of the evidence, `exp(s e(k) - beta e(k)^2 / 2)`.
"""

COVER = np.array([0.3, 0.1, 0.05, 0.03, 0.02, 0.03, 0.05, 0.12, 0.3])


class CoverFlow(flows.DiscretizedFlow):
    def output_distribution(self, params, s, t):
        e = self.embed(ops.arange(self.num_bins, dtype="int32"))[:, 0]
        beta = flows.expand(self.schedule.beta(t), s)
        log_prior = ops.convert_to_tensor(np.log(COVER), "float32")
        return distributions.Categorical(log_prior + s * e - 0.5 * beta * ops.square(e))


WEATHER, WARMTH = np.array([0.5, 0.25, 0.125, 0.125]), (0.0, 0.25)
FLOWS = {
    "weather": flows.DiscreteFlow(num_classes=4, beta_1=4.0, prior=WEATHER),
    "cover": CoverFlow(num_bins=9, sigma_1=0.05),
    "warmth": flows.ContinuousFlow(sigma_1=0.05, prediction="residual", prior=WARMTH),
    "wind": flows.CircularFlow(sigma_1=0.05),
}


def entropy(probs):
    return -np.sum(probs * np.log2(probs))


ENTROPY = {  # in bits; the last two are of densities, and may be negative
    "weather": entropy(WEATHER),
    "cover": entropy(COVER),
    "warmth": 0.5 * math.log2(2 * math.pi * math.e * WARMTH[1] ** 2),
    "wind": math.log2(2 * math.pi),
}

"""
## Message by message

Each message involves four distributions:

1. The *input distribution* is what Bob knows about a variable from its own prior and
   messages. Its parameters theta are the input of the network.
2. The *output distribution* is the network's prediction of the variable from all theta.
   For a single variable, `flow.evidence_params` (for `cover`, `CoverFlow`) computes the
   exact output.
3. The *sender distribution* is the distribution of Alice's next message, given x.
4. The *receiver distribution* is Bob's distribution of the next message. He does not
   know x, so it is the mean of the sender distributions of all values, weighted by the
   output distribution.

A message costs KL(sender || receiver) bits. `observe` samples a message and returns
what it adds to the evidence; `schedule.alpha` is the accuracy of message i of n. (For
`warmth`, `evidence_params` is 0: with `prediction="residual"`, the prediction is then
the mean of the input distribution.)
"""


def bits(nats):
    return ops.convert_to_numpy(nats).astype("float64") / math.log(2)


def predict(flow, s, t):
    theta = flow.input_params(s, flow.schedule.beta(t))
    params = ops.zeros((*s.shape[:-1], flow.output_size)) + flow.evidence_params(theta)
    return keras_bfn.Prediction(t, s, theta, params), flow.output_distribution(
        params, s, t
    )


def send(flow, x, num_steps):
    """Returns, for each time, the prediction, the bits of messages so far, and the bits of x."""
    s, cost, history = ops.zeros((*x.shape, flow.embedding_size)), np.zeros(x.shape), []
    for step in range(num_steps + 1):
        t = ops.full(x.shape[:1], step / num_steps)
        prediction, output = predict(flow, s, t)
        history.append((prediction, cost, bits(-flow.log_expected(x, output, t))))
        if step < num_steps:
            alpha = flow.schedule.alpha(ops.full(x.shape[:1], step + 1), num_steps)
            cost = cost + bits(flow.sender_receiver_kl(x, output, alpha, seed))
            s = s + flow.observe(flow.embed(x), alpha, seed)
    return zip(*history, strict=True)


for name, value in {"weather": 2, "cover": 7, "warmth": 0.4, "wind": 2.5}.items():
    dtype = "int32" if FLOWS[name].discrete else "float32"
    predictions, _, _ = send(FLOWS[name], np.full((1, 1), value, dtype), num_steps=10)
    t, *others = (
        ops.convert_to_numpy(ops.stack(x)) for x in zip(*predictions, strict=True)
    )
    trajectory = keras_bfn.Prediction(t[:, 0], *others)
    visualization.plot_flow(FLOWS[name], trajectory, f"{name}.png")

"""
Each picture shows the four distributions from top to bottom, and time from left to
right. The message (a black line) is the sum of all messages until the next column. The
sender distribution is dashed in the last row, to be compared with the receiver
distribution:

- `weather`: input and output are probabilities of four classes. Of each message, only
  the number for the true class is shown. In the sender distribution, its mean is 1. The
  mass of the receiver distribution moves from 0 to 1 as Bob becomes certain.
- `cover`: the input distribution is normal; the output distribution has nine levels,
  drawn at their embeddings in [-1, 1].
- `warmth`: the output distribution is a single point, the mean of the input
  distribution. The receiver distribution is the sender distribution, shifted to this
  point.
- `wind`: input and output are von Mises distributions, the circle's counterpart of the
  normal.

## The bits add up

Suppose that Alice stops at some time and sends x itself. The total cost then has two
parts: the bits of the messages so far, and -log2 of the probability or density of x
given what Bob knows. On average, the first part rises with time, the second falls, and
the sum is the entropy. For a single variable whose output distribution is the exact
posterior, this holds for any number of messages. For numbers, whose output distribution
is a point, it holds only in *continuous time*, with infinitely many messages. Their
cost is an integral over time. For each example, we estimate it by
`losses.ContinuousTimeLoss` at one random time, from evidence sampled at that time.
"""

NUM, NUM_STEPS = 10_000, 10
quantiles = (np.arange(NUM) + 0.5) / NUM
MORNINGS = {  # each value in proportion to its probability
    "weather": np.searchsorted(np.cumsum(WEATHER), quantiles),
    "cover": np.searchsorted(np.cumsum(COVER), quantiles),
    "warmth": [statistics.NormalDist(*WARMTH).inv_cdf(q) for q in quantiles],
    "wind": math.pi * (2.0 * quantiles - 1.0),
}


def continuous_time(flow, x):
    t, end = losses.stratified_uniform(len(x), seed), ops.ones(x.shape[:1])
    prediction, _ = predict(flow, flow.sample_evidence(x, t, seed), t)
    _, output = predict(flow, flow.sample_evidence(x, end, seed), end)
    paid = losses.ContinuousTimeLoss()(flow, x, prediction)
    return bits(paid - flow.log_expected(x, output, end)).mean()


figure = Figure((9, 7), dpi=100, layout="constrained")
for axes, (name, flow) in zip(figure.subplots(2, 2).flat, FLOWS.items(), strict=True):
    x = np.array(MORNINGS[name], "int32" if flow.discrete else "float32")[:, None]
    paid, left = map(np.stack, list(send(flow, x, NUM_STEPS))[1:])
    print(
        f"{name}: entropy {ENTROPY[name]:.2f} bits; cost by {NUM_STEPS} messages "
        f"{(paid + left)[-1].mean():.2f}, in continuous time "
        f"{continuous_time(flow, np.repeat(x, 40, axis=0)):.2f}"
    )
    for costs, label in (
        (paid, "messages so far"),
        (left, "x itself"),
        (paid + left, "both"),
    ):
        axes.plot(
            np.linspace(0, 1, NUM_STEPS + 1), costs.mean(axis=(1, 2)), "o-", label=label
        )
    axes.axhline(ENTROPY[name], color="black", linewidth=1, label="entropy")
    axes.set(title=name, xlabel="t", ylabel="bits")
figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
figure.savefig("bits_add_up.png")

"""
With few, large messages, numbers cost more than the entropy. (The averages have
standard errors of about 0.03 bits.) The cost of all messages is the *transmission
loss*, which training minimises. The cost of x at t = 1 is the *reconstruction loss*.
Their sum is the *code length*.

## Two variables, and a network

Half of the mornings are fair, and nine times out of ten the next morning is like the
last. So a message about one morning also informs Bob about the other. The input
distributions ignore this, but the network uses it. Here the network is Bayes' rule: to
the log odds of each morning, it adds the log odds that the other morning implies. To
generate, Bob sends himself messages from the receiver distribution: at each step he
samples x from the output distribution, and then a message about x.
"""

SAME = 0.9
pair_flow = flows.DiscreteFlow(num_classes=2, beta_1=8.0)


class BayesRule(keras.layers.Layer):
    def call(self, inputs):
        odds = pair_flow.evidence_params(inputs["theta"])  # (batch, 2, 1)
        other = ops.flip(odds, axis=1)
        same, differs = math.log(SAME), math.log(1.0 - SAME)
        return (
            odds
            + ops.logaddexp(same + other, differs)
            - ops.logaddexp(differs + other, same)
        )


one_side = [[0, 0]] * 9 + [[0, 1]]
pairs = np.array((one_side + [[1 - a, 1 - b] for a, b in one_side]) * 100, "int32")
print(
    f"Entropy: if independent 2 bits, as a pair {1 + entropy(np.array([SAME, 1 - SAME])):.2f}"
)
model = keras_bfn.BayesianFlowNetwork(pair_flow, BayesRule(), event_shape=(2,), seed=0)
for num_steps in (1, 2, 5, 20, 100):
    nats = model.code_length(
        pairs, num_steps, num_repeats=20, batch_size=2000, seed=0, verbose=0
    )
    cost = bits(nats["transmission"] + nats["reconstruction"]).mean()
    samples = model.generate(5000, num_steps, batch_size=5000, seed=0, verbose=0)
    alike = (samples[:, 0] == samples[:, 1]).mean()
    print(
        f"{num_steps} messages: {cost:.2f} bits; {alike:.3f} of the sampled pairs are alike"
    )

"""
With one message about each morning, the pair costs nearly as much as two independent
mornings: Bob predicts each from its prior. With more messages, each arrives when Bob
already knows something about *both* mornings, and the cost falls towards the entropy of
the pair. Likewise, with few messages, fewer sampled pairs are alike. So messages should
be many and small: the network combines the two mornings only between messages. A
trained network, whose outputs are not exact, costs more.

[Getting started](getting_started.py) trains a network,
[compression](lossless_compression.py) writes files, and [sampling](sampling.py) shows
samplers that need fewer steps.
"""
