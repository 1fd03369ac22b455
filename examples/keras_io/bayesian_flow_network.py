"""
Title: Bayesian Flow Networks
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Generating binary images of digits by updating beliefs about their pixels.
Accelerator: GPU
"""

"""
## Introduction

A [Bayesian Flow Network (BFN)](https://arxiv.org/abs/2308.07037) is a generative model
in which a sender transmits an image to a receiver. The sender sends noisy messages
about all pixels at once, at first very noisy ones, later more accurate ones. The
receiver keeps a *belief* about each pixel (the paper's input distribution), and updates
it by Bayes' rule with each message. Between messages, a neural network takes the
beliefs about all pixels together, and predicts the image.

The better the prediction, the less information the next message adds. The information
in all messages, in nats, is the training loss: the cost of sending an image. To
generate an image, the model plays both roles: it samples an image from the network's
prediction, sends a message about it, updates the beliefs, and calls the network again.

BFNs resemble diffusion models, with one difference that matters for discrete data: the
input of the network is not noisy data, but the parameters of a distribution. These
change smoothly, even if the data are pixels that are either 0 or 1, or the letters of a
text.

In this example we train a BFN on binary MNIST digits, measure the cost of sending test
images, and generate digits in 100 network calls and in 10.
"""

"""
## Setup
"""

import os

os.environ["KERAS_BACKEND"] = "jax"  # Or "tensorflow", or "torch".

import keras
import matplotlib.pyplot as plt
from keras import layers, ops

keras.utils.set_random_seed(0)

# Data.
image_size = 28

# Network.
width = 512
num_blocks = 3

# Training.
final_accuracy = 6.0  # The total accuracy of all messages.
batch_size = 128
num_epochs = 7  # Train for 50 epochs or more for better results.
learning_rate = 1e-3

"""
## Data

We make the pixels black or white: 0 or 1.
"""


def to_binary(images):
    return (images[..., None] > 127).astype("float32")


(train_images, _), (test_images, _) = keras.datasets.mnist.load_data()
train_images, test_images = to_binary(train_images), to_binary(test_images)
print("Training images:", train_images.shape)

"""
## Messages and beliefs

The belief about a pixel is the probability that it is 1. We keep it as log odds,
`log(probability / (1 - probability))`, because Bayes' rule is then a sum: each message
adds a number to the log odds. For a message of accuracy `a`, this number is normal,
with mean `2a` if the pixel is 1 and `-2a` if it is 0, and with variance `4a`. (This is
the paper's sender distribution for two classes, expressed in log odds.)

Accuracies add up, too. So the sum of all messages up to some time has the same
distribution as one message with their total accuracy, and we can train at any time
without sending the earlier messages. Following the paper, the total accuracy at a time
between 0 and 1 is `final_accuracy * time**2`.
"""


def total_accuracy(time):
    return final_accuracy * time**2


def draw_message(images, accuracy, seed):
    """Returns what a message adds to the log odds of each pixel."""
    signs = ops.convert_to_tensor(2.0 * images - 1.0)
    noise = keras.random.normal(ops.shape(images), seed=seed)
    return 2.0 * accuracy * signs + 2.0 * ops.sqrt(accuracy) * noise


"""
These are the beliefs about a few digits over time, without help from a network.
"""


def show(images, num_columns, title):
    num_rows = len(images) // num_columns
    plt.figure(figsize=(num_columns, num_rows + 0.5))
    plt.suptitle(title)
    for index, image in enumerate(images):
        plt.subplot(num_rows, num_columns, index + 1)
        plt.imshow(image[..., 0], cmap="gray", vmin=0.0, vmax=1.0)
        plt.axis("off")
    plt.tight_layout()
    plt.show()
    plt.close()


beliefs = []
for time in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
    log_odds = draw_message(test_images[:8], total_accuracy(time), seed=0)
    beliefs.extend(ops.convert_to_numpy(ops.sigmoid(log_odds)))
show(beliefs, 8, "Beliefs at times 0, 0.2, 0.4, 0.6, 0.8 and 1")

"""
## The network

The network takes the beliefs and the time, and returns new log odds, which also depend
on the other pixels. Any architecture will do. We use dense layers with residual
connections, which learn quickly. We add their output to the input log odds, so they
only need to learn how pixels depend on each other. The last layer starts at zero, so
the first predictions are the beliefs themselves.
"""


def build_network():
    log_odds = keras.Input((image_size, image_size, 1))
    time = keras.Input(())

    # The beliefs, scaled to [-1, 1].
    x = layers.Dense(width)(layers.Flatten()(ops.tanh(log_odds / 2.0)))
    embedded_time = layers.Dense(width, activation="silu")(layers.Reshape((1,))(time))
    x = x + layers.Dense(width)(embedded_time)
    for _ in range(num_blocks):
        y = layers.LayerNormalization()(x)
        y = layers.Dense(width, activation="gelu")(y)
        x = x + layers.Dense(width)(y)

    x = layers.LayerNormalization()(x)
    x = layers.Dense(image_size**2, kernel_initializer="zeros")(x)
    x = layers.Reshape((image_size, image_size, 1))(x)
    return keras.Model([log_odds, time], log_odds + x, name="dense_network")


"""
## The model

The cost of a message is the Kullback-Leibler divergence between the sender distribution
and the receiver distribution, which is what the receiver expects. For many small
messages it has a simple form: per unit of accuracy, twice the squared error of the
predicted probability. We sample one time for each image, so the loss is this error
times the rate at which accuracy grows at that time.

We only override `compute_loss()`, and leave the rest to `fit()`, so the model trains on
any backend.

After the last message, the sender still has to send what the receiver does not know.
This costs the cross-entropy of the last prediction, the *reconstruction loss*. It is
not trained, but it is part of the cost of an image.

`generate()` lets the model send messages to itself. For each message, the paper's
sampler draws an image from the prediction. [Later
work](https://arxiv.org/abs/2404.15766) shows that this sampler solves a stochastic
differential equation, and that it needs fewer steps if the messages are about the
expected image instead. We implement both.
"""


class BayesianFlowNetwork(keras.Model):
    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, images):
        time = keras.random.uniform(ops.shape(images)[:1], seed=self.seed_generator)
        return self.predict_images(images, time), time

    def predict_images(self, images, time):
        """Returns predicted log odds of pixels, after messages up to a time."""
        accuracy = ops.reshape(total_accuracy(time), (-1, 1, 1, 1))
        log_odds = draw_message(images, accuracy, self.seed_generator)
        return self.network([log_odds, time])

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        log_odds, time = y_pred
        errors = ops.sum(ops.square(x - ops.sigmoid(log_odds)), axis=(1, 2, 3))
        rate = 2.0 * final_accuracy * time  # The derivative of the total accuracy.
        return ops.mean(2.0 * rate * errors)

    def reconstruction_loss(self, images):
        log_odds = self.predict_images(images, ops.ones(ops.shape(images)[:1]))
        nats = keras.losses.binary_crossentropy(images, log_odds, from_logits=True)
        return ops.mean(ops.sum(nats, axis=(1, 2)))

    def generate(self, num_images, num_steps, use_expected_image=False):
        """Returns images, and the beliefs before each step."""
        log_odds, beliefs = ops.zeros((num_images, image_size, image_size, 1)), []
        for step in range(num_steps + 1):
            time = step / num_steps
            times = ops.full((num_images,), time)
            beliefs.append(ops.convert_to_numpy(ops.sigmoid(log_odds)))
            prediction = self.network.predict_on_batch([log_odds, times])
            probabilities = ops.sigmoid(prediction)
            uniform = keras.random.uniform(log_odds.shape, seed=self.seed_generator)
            images = ops.cast(uniform < probabilities, "float32")
            if step < num_steps:
                accuracy = total_accuracy(time + 1 / num_steps) - total_accuracy(time)
                about = probabilities if use_expected_image else images
                log_odds += draw_message(about, accuracy, self.seed_generator)
        return ops.convert_to_numpy(images), beliefs


"""
## Training

The validation loss estimates the cost of the messages about a test image. The learning
rate falls to zero, so that the weights settle.
"""

model = BayesianFlowNetwork(build_network())
num_batches = num_epochs * -(-len(train_images) // batch_size)
schedule = keras.optimizers.schedules.CosineDecay(learning_rate, num_batches)
model.compile(keras.optimizers.AdamW(schedule))
model.fit(train_images, None, batch_size, num_epochs, validation_data=test_images)

transmission = model.evaluate(test_images, batch_size=batch_size, verbose=0)
reconstruction = ops.convert_to_numpy(model.reconstruction_loss(test_images[:1000]))
print(f"Nats per test image, transmission: {transmission:.2f}")
print(f"Nats per test image, reconstruction: {reconstruction:.2f}")

"""
## Generating digits

100 steps of the paper's sampler:
"""

images, beliefs = model.generate(64, num_steps=100)
show(images, 16, "100 steps")

"""
These are the beliefs over time for eight of these samples. They turn into new digits.
"""

on_the_way = [belief for step in beliefs[::20] for belief in step[:8]]
show(on_the_way, 8, "Beliefs at times 0, 0.2, 0.4, 0.6, 0.8 and 1")

"""
10 steps, with the paper's sampler, and with messages about the expected image:
"""

show(model.generate(32, num_steps=10)[0], 16, "10 steps, sampled images")
images, _ = model.generate(32, num_steps=10, use_expected_image=True)
show(images, 16, "10 steps, expected images")

"""
## Conclusion

The loss of a BFN is a cost in nats, so it can be used to compare models: the paper's
much larger network needs 77.87 nats for a binary MNIST image. (The paper makes a pixel
white with the probability of its grey level, so the data differ slightly.) For more
than two classes, the log odds become one number per class. For continuous data, a
belief is the mean of a normal distribution. They, too, need only messages, beliefs, a
network and a loss.
"""
