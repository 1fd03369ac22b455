"""Bits per letter of Bayesian flow and of masked diffusion, with one network and equal steps.

    KERAS_BACKEND=torch python -m benchmarks.masked_diffusion novel.txt

In masked diffusion, each letter is either known or unknown. In a Bayesian flow, all letters are
partly known. A network that takes theta can represent both: a known letter is a theta of ones and
zeros, an unknown one is the prior. So each network is trained in one of five ways, and is then
scored on the test text by both bounds:

- `masked`: all letters of an example are unknown with the same probability, uniform in [0, 1];
- `shared times`: the Bayesian flow with one time for all letters of an example;
- `cross-entropy`: the same, with `CrossEntropyLoss`;
- `own times`: in half of the examples, each letter has its own time;
- `half masked`: half of the examples are as in `masked`.

The second text is sampled from a Markov chain fitted to the first. Its exact cost is known, and
both bounds of an ideal network would equal it. At the end, prints how the Bayesian flow's excess
over this cost is distributed over time.
"""

import argparse
import math

import keras
import numpy as np
from keras import ops

import keras_bfn
from keras_bfn import Prediction, datasets, flows, losses, networks, recipes

LENGTH, BATCH_SIZE, ORDER = 64, 32, 2
WAYS = ("masked", "shared times", "cross-entropy", "own times", "half masked")


@keras.saving.register_keras_serializable("keras_bfn_benchmarks")
class Costs(keras.Model):
    """Nats per letter of each example, for a network whose inputs are made in one of the ways."""

    def __init__(self, flow, network, way):
        super().__init__()
        self.flow, self.network, self.way = flow, network, way
        by_cross_entropy = way == "cross-entropy"
        self.trained = losses.get("cross_entropy" if by_cross_entropy else "continuous_time")
        self.loss_at_the_end = losses.ReconstructionLoss()
        self.random = keras.random.SeedGenerator(0)

    def call(self, x, training=False):
        if self.way == "masked":
            return self.masked(x, training)
        if self.way == "half masked":
            half = BATCH_SIZE // 2
            parts = self.masked(x[:half], training), self.flowing(x[half:], False, training)
            return ops.concatenate(parts)
        return self.flowing(x, self.way == "own times", training)

    def masked(self, x, training):
        """Returns the masked bound: cross-entropy of unknown letters over the unknown fraction."""
        share = 1.0 - losses.stratified_uniform(ops.shape(x)[0], self.random)[:, None]
        unknown = keras.random.uniform(ops.shape(x), seed=self.random) < share
        prior = ops.convert_to_tensor(self.flow.prior, dtype="float32")
        theta = ops.where(unknown[..., None], prior, self.flow.embed(x))
        params = self.network({"theta": theta, "t": 1.0 - share[:, 0]}, training=training)
        costs = self.flow.reconstruction_loss(x, params, s=None, t=None)
        return ops.mean(ops.where(unknown, costs / share, 0.0), axis=-1)

    def flowing(self, x, own_times, training):
        """Returns the continuous-time loss, plus, except in training, the reconstruction loss."""
        size, loss = ops.shape(x)[0], self.trained if training else losses.ContinuousTimeLoss()
        t = loss.times(losses.stratified_uniform(size, self.random))
        t = ops.broadcast_to(t[:, None], ops.shape(x))
        if own_times:
            own = keras.random.uniform(ops.shape(x), seed=self.random)
            t = ops.where(ops.arange(size)[:, None] % 2 == 0, own, t)
        costs = self.prediction(loss, x, t, training)
        if not training:
            costs += self.prediction(self.loss_at_the_end, x, ops.ones_like(t), training)
        return costs

    def prediction(self, loss, x, t, training):
        # To the flow, each letter is an example with its own time.
        letters, times = ops.reshape(x, (-1,)), ops.reshape(t, (-1,))
        s = self.flow.sample_evidence(letters, times, self.random)
        theta = self.flow.input_params(s, self.flow.schedule.beta(times))
        inputs = {"theta": ops.reshape(theta, (-1, LENGTH, 27)), "t": ops.mean(t, axis=-1)}
        params = ops.reshape(self.network(inputs, training=training), (-1, 27))
        costs = loss(self.flow, letters, Prediction(times, s, theta, params))
        return ops.mean(ops.reshape(costs, (-1, LENGTH)), axis=-1)


def train(flow, way, letters, steps):
    keras.utils.set_random_seed(0)
    network = networks.Transformer(flow, LENGTH, width=128, num_layers=4, num_heads=0)
    model = Costs(flow, network, way)
    model.compile(recipes.muon(steps), loss=lambda _, costs: costs)
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(letters) - LENGTH, steps * BATCH_SIZE)
    x = letters[starts[:, None] + np.arange(LENGTH)]
    model.fit(x, np.zeros(len(x)), batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    return network


def measure(flow, network, x, way, num_repeats):
    """Returns bits per letter, a mean over `num_repeats` evaluations, and its standard error."""
    model = Costs(flow, network, way)
    costs = [model.predict(x, batch_size=BATCH_SIZE, verbose=0) for _ in range(num_repeats)]
    bits = np.mean(costs, axis=0) / math.log(2)
    return bits.mean(), bits.std() / math.sqrt(len(bits))


def draw_chain(chain, num_letters, rng):
    """Samples letters from a Markov chain, one after the other."""
    shares = chain.probabilities(chain.order).cumsum(axis=-1)
    letters = [0] * chain.order
    for uniform in rng.uniform(size=num_letters):
        after = shares[tuple(letters[-chain.order :])]
        letters.append(min(int(np.searchsorted(after, uniform)), len(after) - 1))
    return np.array(letters[chain.order :], "int32")


def compare(name, train_letters, x, steps, num_repeats, ways=WAYS):
    """Prints one row per way to train, and returns the model trained with shared times."""
    model = None
    flow = flows.fit_prior(flows.DiscreteFlow(27, beta_1=0.75), train_letters[None])
    print(f"\n{name}, {len(x)} windows of {LENGTH}, after {steps} steps; bits per letter:")
    print(f"{'trained':<16}{'by messages':>18}{'by known letters':>18}", flush=True)
    for way in ways:
        network = train(flow, way, train_letters, steps)
        line = ""
        for bound in ("shared times", "masked"):
            mean, error = measure(flow, network, x, bound, num_repeats)
            line += f"{mean:>9.3f} +- {error:.3f}"
        print(f"{way:<16}{line}", flush=True)
        if way == "shared times":
            model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    return model


def windows(letters):
    num = len(letters) // (LENGTH * BATCH_SIZE) * BATCH_SIZE
    return letters[: num * LENGTH].reshape(-1, LENGTH)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="text file")
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--repeats", type=int, default=8, help="evaluations of each window")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="only these, without the chain")
    parser.add_argument("--mixed-precision", action="store_true", help="run networks in bfloat16")
    args = parser.parse_args()
    if args.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")

    data = datasets.text_file(args.text, seq_length=LENGTH)
    train_letters, test_letters = (part.tokens.astype("int32") for part in (data.train, data.test))
    ways = args.ways or WAYS
    compare(args.text, train_letters, windows(test_letters), args.steps, args.repeats, ways)
    if args.ways:
        return

    chain = flows.MarkovChain.fit(train_letters[None], 27, ORDER)
    rng = np.random.default_rng(0)
    letters = draw_chain(chain, len(train_letters), rng)
    x = windows(draw_chain(chain, len(test_letters), rng))
    model = compare(f"A chain of order {ORDER}", letters, x, args.steps, args.repeats)
    nats = -chain.log_prob(x).mean()
    print(f"exact cost under the chain: {nats / math.log(2) / LENGTH:.3f}")

    # This untrained network adds nothing to the chain's exact posterior of each letter.
    known = flows.DiscreteFlow(27, beta_1=0.75, prior=chain)
    network = networks.Transformer(known, LENGTH, width=2, num_layers=1, num_heads=0)
    exact = keras_bfn.BayesianFlowNetwork(known, network, seed=0)
    options = {"num_intervals": 10, "batch_size": BATCH_SIZE, "seed": 0, "verbose": 0}
    learnt, least = (m.loss_by_time(x[:512], **options)["loss"] for m in (model, exact))
    print("\nBits per letter and unit of time, around t: the network, the chain, the difference")
    for i, (here, there) in enumerate(zip(learnt, least, strict=True)):
        here, there = (value / math.log(2) / LENGTH for value in (here, there))
        print(f"{(i + 0.5) / 10:.2f}{here:>9.3f}{there:>9.3f}{here - there:>9.3f}")


if __name__ == "__main__":
    main()
