"""Effect of stratified times and mirrored messages on the variance of estimates.

    KERAS_BACKEND=jax python benchmarks/variance.py

Trains a small model on binary digits. Then estimates one batch's loss and gradient many times, with
times stratified over the batch (as in the model) and with independent times; and each image's
n-step code length, with messages and their mirror images (as in the flow) and with messages alone.
Finally, calls `evaluate` on all images many times: with new noise each time, with one fixed seed
(as in validation), and with more repeats.
"""

import argparse
from unittest import mock

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

import keras_bfn

BATCH_SIZE = 128


def independent_uniform(batch_size, seed=None):
    return keras.random.uniform((batch_size,), seed=seed)


def loss_and_gradient(model, x):
    """Returns loss and gradient: one step of gradient descent at rate 1 subtracts the gradient."""
    before = model.network.get_weights()
    loss = model.train_on_batch(x)
    moved = zip(before, model.network.get_weights(), strict=True)
    gradient = np.concatenate([np.ravel(a - b) for a, b in moved])
    model.network.set_weights(before)
    return float(loss), gradient


def variances(model, x, num_draws):
    model.compile(keras.optimizers.SGD(1.0), loss="continuous_time")
    losses, gradients = zip(*[loss_and_gradient(model, x) for _ in range(num_draws)], strict=True)
    return np.var(losses), np.var(gradients, axis=0).sum()


def single_message_kl(flow, x, distribution, alpha, seed=None):
    noise = keras.random.normal(ops.shape(flow.embed(x)), seed=seed)
    ratios = flow.log_likelihood_ratios(x, alpha, noise)
    return -ops.logsumexp(distribution.log_probs() + ratios, axis=-1)


def code_length_deviation(model, x, num_steps):
    """Returns the standard deviation of an image's code length over seeds, a mean over images."""
    model.programs.clear()  # compile again, with the patched function
    runs = [
        model.code_length(x, num_steps, num_repeats=10, seed=seed, verbose=0)["transmission"]
        for seed in range(10)
    ]
    return np.std(runs, axis=0).mean()


def evaluation_deviation(model, x, num_repeats, seeds):
    """Returns the standard deviation over seeds of the cost that `evaluate` returns."""
    model.compile(keras.optimizers.SGD(1.0), loss="continuous_time", num_repeats=num_repeats)
    return np.std(
        [
            model.evaluate(x, seed=seed, return_dict=True, verbose=0)["nats_per_example"]
            for seed in seeds
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--draws", type=int, default=1000)
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    images = (load_digits().images[..., None] > 7).astype("int32")
    flow = keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=6.0)
    network = keras_bfn.networks.MLP(flow, (8, 8, 1), width=128, num_blocks=2)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(1e-3), loss="continuous_time")
    model.fit(images, epochs=args.epochs, batch_size=BATCH_SIZE, verbose=0)

    x = images[:BATCH_SIZE]
    stratified = variances(model, x, args.draws)
    with mock.patch.object(keras_bfn.losses, "stratified_uniform", independent_uniform):
        independent = variances(model, x, args.draws)
    print(f"Batches of {BATCH_SIZE}, {args.draws} draws, on {keras.backend.backend()}:")
    print(f"variance of the loss, independent / stratified: {independent[0] / stratified[0]:.2f}")
    print(f"variance of the gradient (summed): {independent[1] / stratified[1]:.2f}")

    print("standard deviation of code_length(num_repeats=10), one message / with its mirror image:")
    for num_steps in (1, 10, 100):
        mirrored = code_length_deviation(model, x, num_steps)
        with mock.patch.object(type(flow), "sender_receiver_kl", single_message_kl):
            single = code_length_deviation(model, x, num_steps)
        print(f"  {num_steps} steps: {single:.2f} / {mirrored:.2f} nats per image")

    print(f"standard deviation of evaluate's nats_per_example, {len(images)} images, 50 times:")
    others = range(50)
    with mock.patch.object(keras_bfn.losses, "stratified_uniform", independent_uniform):
        deviation = evaluation_deviation(model, images, 1, others)
        print(f"  new noise, times not stratified: {deviation:.3f}")
    for num_repeats in (1, 4, 16):
        deviation = evaluation_deviation(model, images, num_repeats, others)
        print(f"  new noise (seed=None), num_repeats={num_repeats}: {deviation:.3f}")
    print(
        f"  its own seed, as in validation: {evaluation_deviation(model, images, 1, [0] * 50):.3f}"
    )


if __name__ == "__main__":
    main()
