"""
Title: What it means to send data
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Classes, levels, numbers and angles, message by message, and the bits that they cost.
Accelerator: None
"""

"""
## Introduction

The loss of a Bayesian Flow Network is a number of bits: what it costs Alice to tell Bob some data
by noisy messages. This guide sends data, one variable at first, so that nothing needs to be
trained: what there is to know about one variable is known by Bayes' rule. So one sees what the four
distributions of the [paper](https://arxiv.org/abs/2308.07037) are, for each type of data, and that
the bits add up to the entropy, which is the least that any way to send the data can cost. Then two
variables show what a network is for, and what continuous time is for.

It needs `matplotlib`, and takes a minute on a processor.

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
from keras_bfn import distributions, flows, losses, networks, visualization

seed = keras.random.SeedGenerator(0)

"""
## What is sent

What Alice sends of a value x is a point e(x), its *embedding*, and normal noise of the variance 1 /
(c alpha). The type of the data says what e and c are:

| | e(x) | c |
|---|---|---|
| classes 0..K-1, without order | a vector of K numbers, 1 at x and 0 elsewhere | K |
| levels 0..K-1, in order | the middle of bin x, of K bins that fill [-1, 1] | 1 |
| numbers | x | 1 |
| angles | (cos x, sin x) | 1 |

The *accuracy* of the message is alpha. Bob adds up `c alpha y` of every message y that he hears.
The sum is the *evidence* s, and all that he needs to keep beside beta, the sum of the accuracies.
Time t runs from 0, before the first message, to 1, after the last, and a *schedule* says which beta
is reached when. A *flow* is all of this for a variable of one type.

## Four variables

Alice reports the weather every morning, and Bob knows how it mostly is.

- Classes: half of the mornings are sunny, a quarter cloudy, an eighth each have rain and snow.
- Levels: the eighths of the sky that are covered, 0 to 8. Mostly it is clear or overcast.
- Numbers: how much warmer it is than usual, in tens of degrees; normal, with a deviation of 0.25.
- Angles: where the wind comes from. All directions are alike.

What Bob knows beforehand is told to the flows of the first and the third by their `prior`. Of the
wind there is nothing to know. A `DiscretizedFlow`, which is for levels, has outputs that are
normal, and these levels are not. So theirs is a flow of our own, with Bayes' rule for its output: a
level k is as likely as it is common, times `exp(s e(k) - beta e(k)^2 / 2)`, which is how well it
explains the evidence.
"""

COVER = np.array([0.3, 0.1, 0.05, 0.03, 0.02, 0.03, 0.05, 0.12, 0.3])


class CoverFlow(flows.DiscretizedFlow):
    def output_distribution(self, params, s, t):
        e = self.embed(ops.arange(self.num_bins, dtype="int32"))[:, 0]
        beta = flows.expand(self.schedule.beta(t), s)
        log_shares = ops.convert_to_tensor(np.log(COVER), "float32")
        return distributions.Categorical(log_shares + s * e - 0.5 * beta * ops.square(e))


WEATHER, WARMTH = np.array([0.5, 0.25, 0.125, 0.125]), (0.0, 0.25)
FLOWS = {
    "weather": flows.DiscreteFlow(num_classes=4, beta_1=4.0, prior=WEATHER),
    "cover": CoverFlow(num_bins=9, sigma_1=0.05),
    "warmth": flows.ContinuousFlow(sigma_1=0.05, prediction="residual", prior=WARMTH),
    "wind": flows.CircularFlow(sigma_1=0.05),
}


def bits(nats):
    """The package counts in nats, of which a bit is log(2)."""
    return ops.convert_to_numpy(nats).astype("float64") / math.log(2)


def entropy(shares):
    return -np.sum(shares * np.log2(shares))


ENTROPY = {
    "weather": entropy(WEATHER),
    "cover": entropy(COVER),
    "warmth": 0.5 * math.log2(2 * math.pi * math.e * WARMTH[1] ** 2),
    "wind": math.log2(2 * math.pi),
}
for name, h in ENTROPY.items():
    print(f"{name}: {h:.3f} bits")

"""
These are the entropies. The last two are those of densities, per unit and per radian. They may be
negative, and are not what it costs to send a number exactly, which no number of bits suffices for:
to tell it to within a small d costs log2(1 / d) more.

## Message by message

At each step there are four distributions:

1. The *input distribution* is what Bob knows of the variable by the messages about it. Its
   parameters, theta, are what a network is shown.
2. The *output distribution* is what he makes of it once a network has seen theta of all variables.
   Of a single variable there is nothing more to be made. So in the place of a network stands
   `flow.evidence_params`, the output of one that knows each variable's own messages, and no more.
   (Of the warmth it is zero: with `prediction="residual"`, outputs count from what is known
   already.)
3. The *sender distribution* is that of Alice's next message. She knows x.
4. The *receiver distribution* is that of the message as Bob expects it: the mean of the senders of
   all values, weighed by the output distribution.

A message costs as many bits as the receiver distribution is off, KL(sender || receiver): that is
what it takes to tell Bob a draw from the one by a code made for the other. `observe` draws a
message, and returns what it adds to the evidence; `schedule.alpha` says the accuracy of message i
of n.
"""


def predict(flow, s, t):
    """What Bob sees, and makes of it."""
    theta = flow.input_params(s, flow.schedule.beta(t))
    params = ops.zeros((*s.shape[:-1], flow.output_size)) + flow.evidence_params(theta)
    return keras_bfn.Prediction(t, s, theta, params)


def output_of(flow, prediction):
    return flow.output_distribution(prediction.params, prediction.s, prediction.t)


def send(flow, x, num_steps):
    """The predictions before each message and after the last, and the bits of each message."""
    s, predictions, costs = ops.zeros((*x.shape, flow.embedding_size)), [], []
    for step in range(num_steps + 1):
        predictions.append(predict(flow, s, ops.full(x.shape[:1], step / num_steps)))
        if step < num_steps:
            alpha = flow.schedule.alpha(ops.full(x.shape[:1], step + 1), num_steps)
            output = output_of(flow, predictions[-1])
            costs.append(bits(flow.sender_receiver_kl(x, output, alpha, seed)))
            s = s + flow.observe(flow.embed(x), alpha, seed)
    return predictions, np.stack(costs)


"""
A rainy morning, class 2, in ten messages: the probabilities of the four classes before each of
them, and what they are in the end.
"""

predictions, _ = send(FLOWS["weather"], np.full((1, 1), 2), num_steps=10)
for prediction in predictions:
    probs = ops.convert_to_numpy(prediction.theta)[0, 0]
    print(f"t = {float(prediction.t[0]):.1f}:", " ".join(f"{p:6.3f}" for p in probs))

"""
`visualization.plot_flow` draws the four distributions at some of these times, from what `generate`
returns as a trajectory: a `Prediction` whose arrays have an axis of steps before all others. Made
of predictions from what Alice sent, it shows the conversation. A message about a class is a vector,
of which
the number of the true class is drawn; of messages about angles, it is the larger of both.
"""

EXAMPLES = {"weather": 2, "cover": 7, "warmth": 0.4, "wind": 2.5}
for name, value in EXAMPLES.items():
    dtype = "int32" if FLOWS[name].discrete else "float32"
    predictions, _ = send(FLOWS[name], np.full((1, 1), value, dtype), num_steps=10)
    t, *others = (
        np.stack(list(map(ops.convert_to_numpy, x))) for x in zip(*predictions, strict=True)
    )
    trajectory = keras_bfn.Prediction(t[:, 0], *others)
    visualization.plot_flow(FLOWS[name], trajectory, f"{name}.png")

"""
In the pictures, in this order:

- The *weather*: both input and output distribution are probabilities of four classes. The sender is
  centred on 1. The receiver, of which the weather may be another, has a part of itself around 0;
  the noise of one message is so large that both parts are one hump. It moves to 1 as Bob gets sure.
- The *cover*: the input distribution is normal, with a standard normal at first, for that is how
  theta is reckoned. The output distribution is over nine levels, and knows that half a cover is
  rare.
- The *warmth*: the output distribution of numbers is a single point, the mean. So the receiver has
  the shape of the sender, and is only somewhere else.
- The *wind*: input and output distribution are von Mises, the hump of the circle, whose ends are
  one.

## The bits add up

On average over many mornings, and whenever one stops, there are two amounts: the bits of the
messages so far, and what it would cost to send x itself then, -log2 of its probability or density
by what Bob knows. The more is paid, the less is left, and the sum is the entropy at every time. (Of
numbers, `log_expected` takes the normal distribution of which the output is the mean.)

In ten messages that is so, but for numbers, as will be seen; in infinitely many, which is
*continuous time*, it is so for all. What is paid then is an integral over time of
`losses.ContinuousTimeLoss`, with evidence drawn for each time at once: the sum of all messages
until then is normal, too.
"""


NUM, NUM_STEPS = 10_000, 10
quantiles = (np.arange(NUM) + 0.5) / NUM
MORNINGS = {  # each value as often as it is likely
    "weather": np.searchsorted(np.cumsum(WEATHER), quantiles),
    "cover": np.searchsorted(np.cumsum(COVER), quantiles),
    "warmth": [statistics.NormalDist(*WARMTH).inv_cdf(q) for q in quantiles],
    "wind": math.pi * (2.0 * quantiles - 1.0),
}


def left_to_pay(flow, x, prediction):
    return bits(-flow.log_expected(x, output_of(flow, prediction), prediction.t))


def continuous_time(flow, x, times):
    rates, left = [], []
    for time in times:
        t = ops.full(x.shape[:1], time)
        prediction = predict(flow, flow.sample_evidence(x, t, seed), t)
        rates.append(bits(losses.ContinuousTimeLoss()(flow, x, prediction)).mean())
        left.append(left_to_pay(flow, x, prediction).mean())
    steps = np.diff(times) * 0.5 * (np.array(rates[1:]) + rates[:-1])
    return np.append(0.0, np.cumsum(steps)), np.array(left)


figure = Figure((9, 7), dpi=100, layout="constrained")
for axes, (name, flow) in zip(figure.subplots(2, 2).flat, FLOWS.items(), strict=True):
    x = np.array(MORNINGS[name], "int32" if flow.discrete else "float32")[:, None]
    predictions, costs = send(flow, x, NUM_STEPS)
    paid = np.append(np.zeros((1, NUM, 1)), np.cumsum(costs, axis=0), axis=0)
    both = paid + [left_to_pay(flow, x, prediction) for prediction in predictions]
    error = both[-1].std() / math.sqrt(NUM)
    times = np.linspace(0.0, 1.0, 41, dtype="float32")
    paid, left = continuous_time(flow, x, times)
    print(
        f"{name}: entropy {ENTROPY[name]:.3f} bits; cost by {NUM_STEPS} messages "
        f"{both[-1].mean():.3f} +- {error:.3f}, in continuous time {paid[-1] + left[-1]:.3f}"
    )
    axes.plot(times, paid, label="paid")
    axes.plot(times, left, label="left to pay")
    axes.plot(times, paid + left, color="black", label="both")
    steps = np.arange(NUM_STEPS + 1) / NUM_STEPS
    axes.plot(steps, both.mean(axis=(1, 2)), "o", label=f"both, {NUM_STEPS} messages")
    axes.set(title=name, xlabel="t", ylabel="bits")
figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
figure.savefig("bits_add_up.png")

"""
Classes, levels and angles cost their entropy however many messages there are. Numbers cost more
where messages are few and large: a single point is no good bet then. The price of ten messages
would be less with more of them, and in continuous time there is none.

Nobody has to go through all times in order to learn. The sum is a mean over times: take one time at
random for each example, and the *transmission loss* is right on average. What is left to pay at t =
1 is the *reconstruction loss*. That is all of the loss of the paper.

## Two variables, and a network

Is it fair today, and tomorrow? On one morning of two it is, and on nine of ten, tomorrow is like
today. Messages about the one tell something of the other. The input distribution knows nothing of
that, for its messages are about one variable. What puts the variables together is the network. Here
it is written down by Bayes' rule: to the log odds of its own messages, each variable adds what the
other's tell.
"""

SAME = 0.9
pair_flow = flows.DiscreteFlow(num_classes=2, beta_1=8.0)


class BayesRule(keras.layers.Layer):
    def call(self, inputs):
        odds = pair_flow.evidence_params(inputs["theta"])  # (batch, 2, 1)
        other = ops.flip(odds, axis=1)
        same, differs = math.log(SAME), math.log(1.0 - SAME)
        told = ops.logaddexp(same + other, differs) - ops.logaddexp(differs + other, same)
        return odds + told


one_side = [[0, 0]] * 9 + [[0, 1]]
pairs = np.array((one_side + [[1 - a, 1 - b] for a, b in one_side]) * 100, "int32")
alone, together = 2.0, 1.0 + entropy(np.array([SAME, 1.0 - SAME]))
print(f"Entropy of both alone {alone:.3f} bits, together {together:.3f} bits")


def cost(model, num_steps):
    nats = model.code_length(pairs, num_steps, num_repeats=20, batch_size=2000, seed=0, verbose=0)
    return bits(nats["transmission"] + nats["reconstruction"]).mean()


model = keras_bfn.BayesianFlowNetwork(pair_flow, BayesRule(), event_shape=(2,), seed=0)
counts = (1, 2, 5, 10, 20, 50, 200)
costs = [cost(model, num_steps) for num_steps in counts]
in_time = cost(model, None)
for num_steps, found in zip((*counts, "infinitely many"), (*costs, in_time), strict=True):
    print(f"{num_steps} messages: {found:.3f} bits")

"""
A single message about each variable is sent to a Bob who knows neither: he pays for both alone.
With more messages, each one finds him knowing more of *both*, and the cost falls to the entropy of
the pair. So this is what continuous time is for: within one message, variables are told apart from
each other; between messages, the network puts them together.

## A network that has to learn

A trained network knows no Bayes' rule, and costs as many bits more as its output distributions are
off. There is nothing else in the loss.
"""

network = networks.MLP(pair_flow, event_shape=(2,), width=32, num_blocks=1)
trained = keras_bfn.BayesianFlowNetwork(pair_flow, network, seed=0)
trained.compile(keras.optimizers.AdamW(3e-3, use_ema=True, ema_momentum=0.98))
print(f"Before: {cost(trained, None):.3f} bits")
trained.fit(pairs, epochs=15, batch_size=100, verbose=0)
print(f"After: {cost(trained, None):.3f} bits")

figure = Figure((6, 4), dpi=100, layout="constrained")
axes = figure.subplots()
axes.plot(counts, costs, "o-", label="by Bayes' rule")
axes.plot(counts, [cost(trained, num_steps) for num_steps in counts], "x--", label="trained")
for level, name in ((alone, "both alone"), (together, "the pair")):
    axes.axhline(level, color="grey", linewidth=1)
    axes.annotate(f"entropy of {name}", (counts[0], level + 0.01))
axes.set(xscale="log", xlabel="messages", ylabel="bits for a pair")
axes.legend()
figure.savefig("pairs.png")

"""
## Bob alone

To generate, Bob sends himself the messages: at each step he draws x from the output distribution,
and a message about it. In other words, he draws messages from the receiver distribution. The fewer
they are, the more often two variables are drawn that do not go together, just where the cost is
above the entropy.
"""

for num_steps in (1, 5, 20, 100):
    samples = trained.generate(5000, num_steps, batch_size=5000, seed=0, verbose=0)
    print(f"{num_steps} steps: both days alike in {(samples[:, 0] == samples[:, 1]).mean():.3f}")

"""
[Getting started](getting_started.py) does the same with 64 pixels, [lossless
compression](lossless_compression.py) makes files of these bits, and [sampling in few
steps](sampling.py) has samplers that need fewer of them.
"""
