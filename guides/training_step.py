"""
Title: A training step, and loops of your own
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: What `fit` computes for a batch, written out; and loops in JAX, PyTorch and TensorFlow.
Accelerator: None
"""

"""
## Introduction

`model.fit` asks two things of a Bayesian Flow Network for each batch: a prediction, and what it
costs. Both are written in `keras.ops`; the gradient, and what becomes of the weights, are the
affair of Keras's trainer for each backend. This guide writes the same out by hand, in ten lines,
changes it within `fit`, and then leaves `fit`: with a loop in JAX, in PyTorch and in TensorFlow, of
which the one for the backend at hand is run, and compared with `fit`.

It needs `scikit-learn` and `matplotlib`, and takes a minute or two on a processor.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import flows, losses, networks

BATCH_SIZE, EPOCHS = 125, 10
RATE, EPSILON = 2e-3, 1e-12  # no optimizer notices where so small an epsilon is added
images = (load_digits().images[..., None] > 7).astype("int32")  # 8x8, black or white
train, test = images[:1500], images[1500:]


def make_model(beta_1=4.0):
    keras.utils.set_random_seed(0)  # the weights
    flow = flows.DiscreteFlow(num_classes=2, beta_1=beta_1)
    network = networks.MLP(flow, (8, 8, 1), width=96, num_blocks=2)
    return keras_bfn.BayesianFlowNetwork(flow, network, seed=0)  # times and noise


"""
## A step, written out

For each example of a batch:

1. A time t in [0, 1] is drawn. (`stratified_uniform` draws one in each of as many equal strides as
   there are examples: each is uniform, and all together are more even than by chance.)
2. The *evidence* s is drawn: the sum of all messages about the example until t. Nobody sends them
   one by one, since the sum of normal messages is normal.
3. It is put as the parameters theta of the *input distribution*: what is known of each variable by
   the messages about it alone.
4. The network makes of all these the parameters of the *output distribution*.
5. The loss says what the messages of time t cost by it, in nats for each variable. The mean of that
   over all times is the cost of all messages.
"""


def training_loss(model, x):
    flow, network, seed = model.flow, model.network, model.seed_generator
    loss = losses.ContinuousTimeLoss()
    t = loss.times(losses.stratified_uniform(len(x), seed))
    s = flow.sample_evidence(x, t, seed)
    theta = flow.input_params(s, flow.schedule.beta(t))
    params = network({"theta": theta, "t": t}, training=True)
    nats = loss(flow, x, keras_bfn.Prediction(t, s, theta, params), seed)
    return ops.mean(nats), (t, nats)


"""
All that is drawn is drawn from the model's seed generator. So two models that are made alike draw
alike, and these lines return what the model does. (`keras_bfn.Prediction` is a named tuple of the
time, evidence, theta and output; calling the model returns one, in a dict.)
"""

batch = train[:BATCH_SIZE]
by_hand, (t, nats) = training_loss(make_model(), batch)
model = make_model()
predictions = model(batch, training=True)
by_model = model.compute_loss(x=batch, y_pred=predictions)
print("The model returns:", list(predictions), "with", predictions["transmission"]._fields)
by_hand, by_model = (ops.convert_to_numpy(loss).item() for loss in (by_hand, by_model))
print(f"Loss by hand {by_hand:.6f}, by the model {by_model:.6f}")

"""
That is all. What `compute_loss` adds is for missing variables, for weights of variables and parts,
and for validation, where a second prediction, at t = 1, gives the reconstruction loss.

## With `fit`

Without shuffling, and from the same seeds, this is repeatable, and what the loops below will be
held against.
"""

model = make_model()
model.compile(keras.optimizers.AdamW(RATE, epsilon=EPSILON))
by_fit = model.fit(train, epochs=EPOCHS, batch_size=BATCH_SIZE, shuffle=False, verbose=0)
by_fit = by_fit.history["loss"]
print("By fit: ", np.round(by_fit, 4))

"""
## A loss of your own

Most changes to a step concern the times that are drawn, and how a prediction is scored.
These are the two methods of a loss, `compile` takes one, and all else of `fit` stays.

Where messages are far more accurate than the data need, as here with a `beta_1` of 32, all is said
early, and most of the times that training draws teach little. This loss draws the squares of
uniform numbers. Such times are 1 / (2 sqrt(t)) times as often near t as uniform ones, and so each
counts 2 sqrt(t) times as much: the mean is the same. Its scatter from batch to batch, which is
noise in the gradient, is less, and more is learnt in the same number of steps. (A schedule that is
[fitted to the data](long_runs.py) is the better remedy.)
"""


@keras.saving.register_keras_serializable("my_package")
class EarlyTimesLoss(losses.ContinuousTimeLoss):
    def times(self, uniform):
        return ops.square(uniform)

    def __call__(self, flow, x, prediction, seed=None):
        nats = super().__call__(flow, x, prediction, seed)
        return nats * flows.expand(2.0 * ops.sqrt(prediction.t), nats)


def report(name, model):
    nats = model.code_length(test, num_repeats=20, seed=0, verbose=0)
    total = (nats["transmission"] + nats["reconstruction"]).mean()
    print(f"{name}: {total:.2f} nats per test image")


for loss in (losses.ContinuousTimeLoss(), EarlyTimesLoss()):
    model = make_model(beta_1=32.0)
    model.compile(keras.optimizers.AdamW(RATE, epsilon=EPSILON), loss=loss)
    model.fit(train, epochs=20, batch_size=BATCH_SIZE, verbose=0)
    found = []
    for _ in range(40):
        model.reset_metrics()
        found.append(model.test_on_batch(test[:64], return_dict=True)["loss"])
    report(type(loss).__name__, model)
    print(f"    a batch: {np.mean(found):.3f} +- {np.std(found):.3f} nats per variable")

"""
## Leaving `fit`

A loop of your own calls the model and `compute_loss`, and does the rest. The three that follow
differ in how a backend takes gradients; each goes through the batches as `fit` did, and returns the
mean loss of each epoch.
"""


def epochs(step):
    batches = train.reshape(-1, BATCH_SIZE, 8, 8, 1)
    return [np.mean([float(step(batch)) for batch in batches]) for _ in range(EPOCHS)]


"""
### JAX

JAX differentiates functions that change nothing. `stateless_call` and `stateless_compute_loss` take
the values of all variables, and return those that have changed: here the states of the seed
generators, by which the next step draws other times. When training has ended, the values go back
into the variables. (Optax takes the same gradients.)
"""


def loop_in_jax(model):
    import jax

    optimizer = keras.optimizers.AdamW(RATE, epsilon=EPSILON)
    optimizer.build(model.trainable_variables)
    metrics = [variable.value for variable in model.metrics_variables]  # not used in training

    def loss_of(weights, others, x):
        predictions, others = model.stateless_call(weights, others, x, training=True)
        loss, (_, others, _) = model.stateless_compute_loss(
            weights, others, metrics, x=x, y_pred=predictions, training=True
        )
        return loss, others

    @jax.jit
    def update(weights, others, moments, x):
        gradient_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, others), gradient = gradient_of(weights, others, x)
        weights, moments = optimizer.stateless_apply(moments, gradient, weights)
        return loss, (weights, others, moments)

    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = [[variable.value for variable in group] for group in groups]

    def step(x):
        nonlocal state
        loss, state = update(*state, x)
        return loss

    found = epochs(step)
    for group, values in zip(groups, state, strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)
    return found


"""
### PyTorch

The model is a `torch.nn.Module`, its weights are parameters, and an optimizer of PyTorch changes
them in place. Keras's `AdamW` and PyTorch's do the same, but for where they add epsilon: with 1e-7
in both, the losses below differ by a few ten-thousandths.
"""


def loop_in_torch(model):
    import torch

    weights = [variable.value for variable in model.trainable_variables]
    optimizer = torch.optim.AdamW(weights, lr=RATE, eps=EPSILON, weight_decay=0.004)

    def step(x):
        optimizer.zero_grad()
        loss = model.compute_loss(x=x, y_pred=model(x, training=True), training=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return epochs(step)


"""
### TensorFlow

A tape records what is computed, and `tf.function` makes a graph of the step. Variables are changed
in place, the states of the seed generators among them.
"""


def loop_in_tensorflow(model):
    import tensorflow as tf

    optimizer = keras.optimizers.AdamW(RATE, epsilon=EPSILON)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x=x, y_pred=model(x, training=True), training=True)
        gradient = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradient, model.trainable_variables)
        return loss

    return epochs(step)


loops = {"jax": loop_in_jax, "torch": loop_in_torch, "tensorflow": loop_in_tensorflow}
model = make_model()
by_loop = loops[keras.backend.backend()](model)
print("By loop:", np.round(by_loop, 4))
print(f"Largest difference: {np.abs(np.subtract(by_loop, by_fit)).max():.1e}")

"""
The model is the same as if `fit` had trained it, and needs no `compile` to score and to generate:
"""

report("By a loop of one's own", model)
samples = model.generate(24, num_steps=20, sampler="sde2", seed=0, verbose=0)
keras_bfn.visualization.plot_samples(samples, "samples.png", real=test[:24], columns=6)

"""
Left, what each example of a batch cost at its time, for a model that has learnt nothing and for
this one: the loss is the mean of the dots. Right, the losses of both ways to train.
"""

figure = Figure((9, 3.5), dpi=100, layout="constrained")
left, right = figure.subplots(1, 2)
for name, one in (("untrained", make_model()), ("trained", model)):
    _, (t, nats) = training_loss(one, test)
    nats = ops.convert_to_numpy(nats).mean(axis=(1, 2, 3))
    left.plot(ops.convert_to_numpy(t), nats, ".", label=f"{name}: {nats.mean():.2f}")
left.set(xlabel="t", ylabel="nats per variable")
left.legend()
right.plot(range(1, EPOCHS + 1), by_fit, color="black", label="fit")
right.plot(range(1, EPOCHS + 1), by_loop, "o", label=f"loop, {keras.backend.backend()}")
right.set(xlabel="epoch", ylabel="loss, nats per variable")
right.legend()
figure.savefig("losses.png")

"""
## What is left to you

A loop of your own does without what `fit` does beside the step: shuffling and validation;
callbacks, such as `callbacks.Resume`; averaged weights, which an optimizer of Keras with
`use_ema=True` keeps, and which `optimizer.finalize_variable_values(model.trainable_variables)` puts
in place at the end; the scaling of losses in float16; several devices. `fit` also checks the data
before it starts, which the model alone does not. Where none of that is in the way, stay with `fit`.
"""
