"""Generation: from the prior to samples, in one compiled program."""

import math

import keras
import numpy as np
from keras import ops

from keras_bfn import samplers
from keras_bfn._random import seeded
from keras_bfn._validation import check_int
from keras_bfn.models.data_checks import check_condition
from keras_bfn.models.program import Program

DEFAULT_BATCH_SIZE = 64


class GenerationProgram(Program):
    """Runs a sampler from the prior to t = 1, and looks once more: `num_steps + 1` network calls.

    Call arguments:
        inputs: dict with `"ones"`, of shape `(batch,)`, and for conditional models `"condition"`,
            of shape `(batch, ...)`.
    """

    def __init__(self, model, sampler, num_steps, return_trajectory):
        super().__init__(model)
        self.sampler = sampler
        self.num_steps = num_steps
        self.return_trajectory = return_trajectory

    def call(self, inputs):
        flow, seed = self.model.flow, self.model.seed_generator
        shape = (ops.shape(inputs["ones"])[0], *self.model.event_shape)
        times = ops.convert_to_tensor(np.linspace(0, 1, self.num_steps + 1, dtype="float32"))

        def look(state, i):
            """The evidence at step i, theta, the network's answer, and p_O."""
            t = ops.take(times, i)
            s = self.sampler.evidence(flow, state, t)
            # Not a constant: TensorFlow would fold it into the network, and get the shapes wrong.
            t = t * inputs["ones"]
            theta = flow.input_params(s, flow.schedule.beta(t))
            params = self.model.ask(theta, t, inputs.get("condition"))
            return (theta, params), flow.output_distribution(params, s, t)

        def step(i, carry):
            state, seed_state, trajectory = carry
            seen, distribution = look(state, i)
            # The loop carries the seed: a draw from the generator itself would leak its tracer.
            with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
                t, t_next = ops.take(times, i), ops.take(times, i + 1)
                state = self.sampler.step(flow, state, distribution, t, t_next, seed)
            return state, scope.get_current_value(seed.state), _record(trajectory, i, seen)

        sizes = (flow.theta_size, flow.output_size) if self.return_trajectory else ()
        trajectory = [ops.zeros((self.num_steps + 1, *shape, size)) for size in sizes]
        state = self.sampler.init(flow, (*shape, flow.embedding_size), seed)
        carry = (state, ops.convert_to_tensor(seed.state), trajectory)
        state, seed_state, trajectory = ops.fori_loop(0, self.num_steps, step, carry)
        seed.state.assign(seed_state)

        seen, distribution = look(state, self.num_steps)
        outputs = {"x": distribution.mode()}
        trajectory = _record(trajectory, self.num_steps, seen)
        # predict joins batches along the first axis.
        for name, values in zip(("theta", "params"), trajectory, strict=False):
            outputs[name] = ops.moveaxis(values, 0, 1)
        return outputs


def _record(trajectory, i, seen):
    """Writes what was seen at step i, if a trajectory is kept."""
    return [
        ops.slice_update(whole, (i,) + (0,) * len(part.shape), part[None])
        for whole, part in zip(trajectory, seen, strict=False)
    ]


def generate(
    model, num_samples, num_steps, sampler, condition, seed, batch_size, return_trajectory, verbose
):
    """See `BayesianFlowNetwork.generate`."""
    num_samples = check_int("num_samples", num_samples, 1)
    num_steps = check_int("num_steps", num_steps, 1)
    if batch_size is None:
        batch_size = DEFAULT_BATCH_SIZE
    batch_size = min(check_int("batch_size", batch_size, 1), num_samples)
    sampler = samplers.get(sampler)
    condition = check_condition(model, condition, num_samples)
    if model.event_shape is None:
        raise ValueError(
            "The model has no `event_shape` yet: give it to the constructor, or train first. "
            "Received: event_shape=None"
        )
    model.build_for((num_samples, *model.event_shape), condition)

    # All batches are full, so that one program serves them all.
    rows = np.arange(math.ceil(num_samples / batch_size) * batch_size) % num_samples
    inputs = {"ones": np.ones(len(rows), "float32")}
    if condition is not None:
        inputs["condition"] = condition[rows]
    program = model.programs.get(
        (type(sampler), repr(sampler.get_config()), num_steps, return_trajectory),
        lambda: GenerationProgram(model, sampler, num_steps, return_trajectory),
    )
    with seeded(model.seed_generator, seed):
        outputs = program.predict(inputs, batch_size=batch_size, verbose=verbose)
    outputs = {name: values[:num_samples] for name, values in outputs.items()}
    x = outputs.pop("x")
    if not return_trajectory:
        return x
    trajectory = {"t": np.linspace(0, 1, num_steps + 1, dtype="float32")}
    for name in ("theta", "params"):
        trajectory[name] = np.moveaxis(outputs[name], 1, 0)
    return x, trajectory
