"""The compiled programs behind `generate` and `code_length`: small models run by `predict`.

`predict` compiles them once per batch shape on every backend, batches, and shows progress.
"""

import keras
import numpy as np
from keras import ops

from keras_bfn.losses import ReconstructionLoss, stratified_uniform


class _Program(keras.Model):
    """A function of a Bayesian flow network, without weights of its own."""

    def __init__(self, model):
        super().__init__(dtype="float32", autocast=False)
        self.model = model
        self.built = True
        self.compile(
            jit_compile=getattr(model, "jit_compile", "auto") or "auto",
            run_eagerly=getattr(model, "run_eagerly", False),
        )


class GenerationProgram(_Program):
    """Runs a sampler from the prior to t = 1, and looks once more: `steps + 1` network calls.

    Call arguments:
        inputs: dict with `"index"`, of shape `(batch,)`, whose values are of no matter, and for
            conditional models `"condition"`, of shape `(batch, ...)`.
    """

    def __init__(self, model, sampler, num_steps, return_trajectory):
        super().__init__(model)
        self.sampler = sampler
        self.num_steps = num_steps
        self.return_trajectory = return_trajectory

    def call(self, inputs):
        flow, sampler, seed = self.model.flow, self.sampler, self.model.seed_generator
        batch_size = ops.shape(inputs["index"])[0]
        shape = (batch_size, *self.model.event_shape)
        times = ops.convert_to_tensor(np.linspace(0, 1, self.num_steps + 1, dtype="float32"))

        def look(state, i):
            """Evidence, theta and the network's answer at step `i`."""
            t = ops.take(times, i)
            s = sampler.evidence(flow, state, t)
            t = ops.broadcast_to(t, (batch_size,))
            theta = flow.input_params(s, flow.schedule.beta(t))
            return s, t, theta, self.model.ask(theta, t, inputs.get("condition"))

        def step(i, carry):
            state, seed_state, trajectory = carry
            s, t, theta, params = look(state, i)
            distribution = flow.output_distribution(params, s, t)
            # The loop carries the seed: a draw from the generator itself would leak its tracer.
            with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
                state = sampler.step(
                    flow, state, distribution, ops.take(times, i), ops.take(times, i + 1), seed
                )
            return state, scope.get_current_value(seed.state), record(trajectory, i, theta, params)

        def record(trajectory, i, theta, params):
            if not self.return_trajectory:
                return trajectory
            return [
                ops.slice_update(whole, (i,) + (0,) * len(part.shape), part[None])
                for whole, part in zip(trajectory, (theta, params), strict=True)
            ]

        state = sampler.init(flow, (*shape, flow.embedding_size), seed)
        sizes = (flow.theta_size, flow.output_size) if self.return_trajectory else ()
        trajectory = [ops.zeros((self.num_steps + 1, *shape, size)) for size in sizes]
        carry = (state, ops.convert_to_tensor(seed.state), trajectory)
        state, seed_state, trajectory = ops.fori_loop(0, self.num_steps, step, carry)
        seed.state.assign(seed_state)

        s, t, theta, params = look(state, self.num_steps)
        outputs = {"x": flow.output_distribution(params, s, t).mode()}
        if self.return_trajectory:
            theta, params = record(trajectory, self.num_steps, theta, params)
            # predict joins batches along the first axis.
            outputs["theta"] = ops.moveaxis(theta, 0, 1)
            outputs["params"] = ops.moveaxis(params, 0, 1)
        return outputs


class CodeLengthProgram(_Program):
    """Scores data by a transmission loss and the reconstruction loss, in nats per example.

    Call arguments:
        inputs: dict with `"x"`, of shape `(batch, *event_shape)`; `"low"` and `"high"`, of shape
            `(batch,)`, the part of [0, 1] that times are drawn from; and for conditional models
            `"condition"`, of shape `(batch, ...)`.
    """

    def __init__(self, model, loss):
        super().__init__(model)
        self.loss = loss

    def call(self, inputs):
        model, seed = self.model, self.model.seed_generator
        x, low, high = inputs["x"], inputs["low"], inputs["high"]
        nats = {}
        for name, loss in (("transmission", self.loss), ("reconstruction", ReconstructionLoss())):
            uniform = low + (high - low) * stratified_uniform(ops.shape(x)[0], seed)
            answer = model.look(loss.times(uniform), x, inputs.get("condition"))
            per_variable = loss(model.flow, x, *answer, seed)
            nats[name] = ops.sum(ops.reshape(per_variable, (ops.shape(x)[0], -1)), axis=-1)
        return nats


class RepeatedBatches(keras.utils.PyDataset):
    """The inputs of `CodeLengthProgram`: all data, `num_repeats` times, in batches of one size.

    Repeat r of R looks at times in [r / R, (r + 1) / R), so that each example is seen at evenly
    spread times. The last batch is filled up with the first examples.
    """

    def __init__(self, x, condition, num_repeats, batch_size):
        super().__init__()
        self.x, self.condition = x, condition
        self.num_repeats, self.batch_size = num_repeats, batch_size
        self.batches_per_repeat = -(-len(x) // batch_size)

    @property
    def num_batches(self):
        return self.num_repeats * self.batches_per_repeat

    def __getitem__(self, index):
        repeat, batch = divmod(index, self.batches_per_repeat)
        rows = np.arange(batch * self.batch_size, (batch + 1) * self.batch_size) % len(self.x)
        inputs = {
            "x": self.x[rows],
            "low": np.full(self.batch_size, repeat / self.num_repeats, "float32"),
            "high": np.full(self.batch_size, (repeat + 1) / self.num_repeats, "float32"),
        }
        if self.condition is not None:
            inputs["condition"] = self.condition[rows]
        return (inputs,)

    def mean_over_repeats(self, values):
        """Per-example means of what `predict` returned for each row of each batch."""
        return values.reshape(self.num_repeats, -1)[:, : len(self.x)].mean(axis=0)
