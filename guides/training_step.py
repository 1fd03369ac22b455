"""
Title: A training step, and loops of your own
Author: The keras_bfn authors
Date created: 2026/11/27
Last modified: 2026/12/01
Description: What `fit` computes for a batch, written out; and loops in JAX, PyTorch and TensorFlow.
Accelerator: None
"""

"""
## Introduction

In this guide we write the loss of a training step in ten lines, and show which methods
of the model do these steps. Then we train a model with a loop of our own in JAX,
PyTorch or TensorFlow, and get the same losses as with `fit`. The guide draws samples
(`samples.png`), and plots the cost of each example against its time (`losses.png`).

For each batch, Keras's trainer calls the model, which predicts, and `compute_loss`,
which scores the prediction. Both are written in `keras.ops`. The trainer then updates
the weights. You need `scikit-learn`, `matplotlib`, and a minute or two on a CPU.

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
RATE, EPSILON = 2e-3, 1e-12  # this epsilon is too small to matter
images = (load_digits().images[..., None] > 7).astype("int32")  # 8x8, black or white
train, test = images[:1500], images[1500:]


def make_model():
    keras.utils.set_random_seed(0)  # for the weights
    flow = flows.DiscreteFlow(num_classes=2, beta_1=4.0)
    network = networks.MLP(flow, (8, 8, 1), width=96, num_blocks=2)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=0)  # for times and noise
    model.compile(keras.optimizers.AdamW(RATE, epsilon=EPSILON), loss="continuous_time")
    return model


"""
## A step, written out

For each example of a batch:

1. Draw a time t in [0, 1). (`stratified_uniform` draws one time in each of as many
   equal intervals as there are examples. Each time alone is uniform; together they are
   evenly spread.)
2. Draw the *evidence* s, the weighted sum of all messages until t. A sum of normals is
   normal, so one draw is enough.
3. Convert s to theta, the parameters of the *input distribution*.
4. The network computes the parameters of the *output distribution* from the theta of
   all variables.
5. The loss is the cost at time t, in nats per variable. Its mean over times is the
   messages' cost. (The default for classes, `"cross_entropy"`, has the same mean, but
   another gradient.)
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
All random numbers come from the model's seed generator. So two models that are made
alike draw the same numbers, and `training_loss` returns the same loss as the model
itself.
"""

batch = train[:BATCH_SIZE]
by_hand, (t, nats) = training_loss(make_model(), batch)
model = make_model()
predictions = model(batch, training=True)
by_model = model.compute_loss(x=batch, y_pred=predictions)
by_hand, by_model = (ops.convert_to_numpy(loss).item() for loss in (by_hand, by_model))
print(f"Loss by hand {by_hand:.6f}, by the model {by_model:.6f}")

"""
## The same step in the model

`fit` checks the data once. Then Keras's trainer passes each batch to two methods:

- `call` fills missing variables and drops conditions. It asks `draw_state` for the
  state of the receiver in which each example is scored: here, a time t. From the state,
  `predict_state` makes a prediction: `sample_evidence` draws s, and `predict_params`
  computes theta and asks the network.
- `compute_loss` asks `costs` for the nats of each variable. It weighs them (missing
  variables count 0, weights of variables and parts as you pass them), and returns the
  mean over variables.

`evaluate` also predicts and scores a second time, at t = 1: the reconstruction loss. We
call these methods one by one, and get the same loss again:
"""


def loss_by_methods(model, x):
    loss, seed = model.transmission_loss, model.seed_generator
    u = losses.stratified_uniform(
        len(x), seed
    )  # in [0, 1); here, the loss maps u to t = u
    state = model.draw_state("transmission", loss, u, x, observed=None, training=True)
    prediction = model.predict_state(state, loss, x, None, observed=None, training=True)
    return ops.mean(model.costs(loss, x, prediction, state))


by_methods = ops.convert_to_numpy(loss_by_methods(make_model(), batch)).item()
print(f"Loss by the model's methods {by_methods:.6f}")

"""
A model with other states is a subclass that overrides these methods. `AnyOrderNetwork`
([in any order](in_any_order.py)) does so: its states hold a time for each variable, and
which are known.

Most changes to a step concern how times are sampled or how a prediction is scored. A
loss has a method for each, and `compile` takes the loss;
[CONTRIBUTING](../CONTRIBUTING.md#a-loss) shows how to write one.

## With `fit`

Without shuffling and with the same seeds, `fit` is repeatable. We compare the loops
below with it.
"""

model = make_model()
by_fit = model.fit(
    train, epochs=EPOCHS, batch_size=BATCH_SIZE, shuffle=False, verbose=0
)
by_fit = by_fit.history["loss"]
print("By fit: ", np.round(by_fit, 4))

"""
## Leaving `fit`

A loop of your own calls the model and `compute_loss`, takes the gradients, and updates
the weights. The three loops below differ in how the backend takes gradients. Each uses
the same batches as `fit` and returns the mean loss of each epoch.

### JAX

JAX differentiates pure functions. `stateless_call` and `stateless_compute_loss` take
the values of all variables and return those that have changed. Here these are the
states of the seed generators, so that the next step draws other times. After training,
we assign the values to the variables. (You can pass the same gradients to Optax.)
"""


def epochs(step):
    batches = train.reshape(-1, BATCH_SIZE, 8, 8, 1)
    return [np.mean([float(step(batch)) for batch in batches]) for _ in range(EPOCHS)]


def loop_in_jax(model):
    import jax

    optimizer = keras.optimizers.AdamW(RATE, epsilon=EPSILON)
    optimizer.build(model.trainable_variables)
    metrics = [
        variable.value for variable in model.metrics_variables
    ]  # not used in training

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

    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        optimizer.variables,
    )
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

The model is a `torch.nn.Module`, and a PyTorch optimizer updates its parameters in
place. Keras's `AdamW` and PyTorch's differ only in where they add epsilon. With an
epsilon of 1e-7 in both, the losses below differ by a few ten-thousandths.
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

A tape records the computation, `tf.function` compiles the step, and variables change in
place.
"""


def loop_in_tensorflow(model):
    import tensorflow as tf

    optimizer = keras.optimizers.AdamW(RATE, epsilon=EPSILON)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(
                x=x, y_pred=model(x, training=True), training=True
            )
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
The model is now the same as after `fit`. It scores and generates without `compile`. We
also plot the cost of each example against its time, before and after training; the loss
is the mean of the dots.
"""

nats = model.code_length(test, num_repeats=20, seed=0, verbose=0)
total = (nats["transmission"] + nats["reconstruction"]).mean()
print(f"After the loop: {total:.2f} nats per test image")
samples = model.generate(24, num_steps=20, sampler="sde2", seed=0, verbose=0)
keras_bfn.visualization.plot_samples(samples, "samples.png", real=test[:24], columns=6)

figure = Figure((5, 3.5), dpi=100, layout="constrained")
axes = figure.subplots()
for name, one in (("untrained", make_model()), ("trained", model)):
    _, (t, nats) = training_loss(one, test)
    nats = ops.convert_to_numpy(nats).mean(axis=(1, 2, 3))
    axes.plot(ops.convert_to_numpy(t), nats, ".", label=f"{name}: {nats.mean():.2f}")
axes.set(xlabel="t", ylabel="nats per variable")
axes.legend()
figure.savefig("losses.png")

"""
## What `fit` also does

`fit` also checks the data first, shuffles, validates, runs callbacks such as
`callbacks.Resume`, scales losses in float16, uses several devices, and averages
weights. (With `use_ema=True`, a Keras optimizer keeps averages;
`optimizer.finalize_variable_values(model.trainable_variables)` assigns them at the
end.) Use a loop of your own only if `fit` does not allow what you need.
"""
