"""Encoding: from data back to where a deterministic sampler would have started."""

import numpy as np
from keras import ops

from keras_bfn import samplers
from keras_bfn._random import seeded
from keras_bfn._validation import check_int
from keras_bfn.models.data_checks import check_arrays
from keras_bfn.models.generation import DEFAULT_BATCH_SIZE, check_deterministic
from keras_bfn.models.sampling_program import SamplingProgram, condition_inputs, predict_rows


class EncodingProgram(SamplingProgram):
    """Runs a deterministic sampler backwards, from evidence about the data at t = 1.

    Call arguments:
        inputs: dict with `"x"`, of shape `(batch, *event_shape)`; `"ones"`, of shape `(batch,)`;
            and for conditional models `"condition"`, of shape `(batch, ...)`.
    """

    def __init__(self, model, sampler, num_steps):
        super().__init__(model, sampler.times(model.flow, num_steps)[::-1].copy())
        self.sampler = sampler

    def call(self, inputs):
        flow = self.model.flow

        def look(i, state):
            s = self.sampler.evidence(flow, state, self.time(i))
            return self.look(s, i, inputs)

        def act(i, state, seen, distribution):
            t, t_next = self.time(i), self.time(i + 1)
            return self.sampler.step(flow, state, distribution, t, t_next)

        s = flow.sample_evidence(inputs["x"], inputs["ones"], self.model.seed_generator)
        state = self.sampler.init_from(s / ops.sqrt(flow.schedule.beta(1.0)))
        state = self.loop(len(self.times) - 1, look, act, state)
        return {"latents": self.sampler.latents(state)}


def encode(model, x, num_steps, sampler, condition, seed, batch_size, verbose):
    """See `BayesianFlowNetwork.encode`."""
    num_steps = check_int("num_steps", num_steps, 1)
    sampler = samplers.get(sampler)
    check_deterministic(sampler)
    if sampler.temperature != 1:
        raise ValueError(
            "Argument `sampler` must have temperature 1 to encode. "
            f"Received: a sampler of temperature {sampler.temperature}"
        )
    # The condition has an argument of its own, as in `generate`.
    num = len(x)
    conditions = condition_inputs(model, condition, 1, num)
    data = (x, conditions["condition"]) if conditions else x
    x, _ = check_arrays(model, data)
    model.build_for(x.shape, conditions.get("condition"))
    batch_size = min(check_int("batch_size", batch_size or DEFAULT_BATCH_SIZE, 1), num)

    program = model.programs.get(
        ("encode", type(sampler), repr(sampler.get_config()), num_steps),
        lambda: EncodingProgram(model, sampler, num_steps),
    )
    inputs = {"x": x, "ones": np.ones(num, "float32"), **conditions}
    with seeded(model.seed_generator, seed):
        return predict_rows(program, inputs, batch_size, verbose)["latents"]
