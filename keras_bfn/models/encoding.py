"""Encoding: from data back to the latents from which a deterministic sampler starts."""

import numpy as np
from keras import ops

from keras_bfn._parts import count_examples, map_parts, order_parts
from keras_bfn._validation import check_steps, check_verbose, refusal
from keras_bfn.inputs.arrays import check_data
from keras_bfn.inputs.conditions import condition_inputs
from keras_bfn.inputs.missing import fill_missing_variables
from keras_bfn.models.classifier_free import warn_if_null
from keras_bfn.models.generation import room_of
from keras_bfn.models.programs import LoopProgram, find_times
from keras_bfn.samplers.samplers import check_deterministic


class EncodingProgram(LoopProgram):
    """Runs a deterministic sampler backwards, from evidence about the data at t = 1.

    Call arguments:
        inputs: dict with `"x"`, data or a dict of the parts' data; `"ones"`, of shape `(batch,)`;
            and for conditional models `"condition"`, of shape `(batch, ...)`. The latents of
            missing variables are zero.
    """

    def call(self, inputs):
        flow, sampler, seed = self.model.flow, self.sampler, self.model.seed_generator
        x, mask = fill_missing_variables(flow, inputs["x"], self.model.allow_missing)
        times = ops.copy(self.times)
        if mask is not None:
            inputs = {**inputs, "observed": mask}

        def predict(i, states, noise):
            s = map_parts(sampler.evidence, flow, states, times[i])
            predictions = self.predict_params(s, times[i], times[i + 1], inputs)
            return (map_parts(self.output, self.model.flow, predictions),)

        def act(i, states, outputs):
            return map_parts(sampler.step, flow, states, outputs, times[i], times[i + 1], seed)

        def start(flow, s):
            return sampler.init_from(s / ops.sqrt(flow.schedule.beta(1.0)))

        states = map_parts(start, flow, self.model.sample_evidence(x, inputs["ones"]))
        states = self.loop(predict, act, states)
        latents = map_parts(lambda flow, state: sampler.latents(state), flow, states)
        if mask is not None:
            latents = map_parts(lambda u, mask: ops.where(mask[..., None], u, 0.0), latents, mask)
        return {"latents": latents}


def encode(model, x, num_steps, sampler, condition, seed, batch_size, verbose):
    """Returns the result of `BayesianFlowNetwork.encode` for these arguments."""
    num_steps = check_steps(num_steps)
    check_verbose(verbose)
    sampler = model.get_sampler(sampler)
    check_deterministic(sampler)
    if sampler.temperature != 1:
        raise refusal("sampler", "must have temperature=1 for encoding", sampler)
    x = check_data(model.flow, model.event_shape, x, allow_missing=model.allow_missing)
    num = count_examples(x)
    conditions = condition_inputs(model, condition, num)
    warn_if_null(model, condition)
    model.build_for(map_parts(np.shape, x), conditions.get("condition"))

    inputs = {"x": x, "ones": np.ones(num, "float32"), **conditions}
    times = find_times(model, sampler, num_steps, up_to_1=True)[::-1]
    program = model.programs(EncodingProgram, sampler, room_of(times, details=False))
    program.set_steps(times)
    outputs = program.run(inputs, batch_size, seed, verbose)
    return order_parts(model.flow, outputs["latents"])
