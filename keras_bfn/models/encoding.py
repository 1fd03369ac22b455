"""Encoding: from data back to where a deterministic sampler would have started."""

import numpy as np
from keras import ops

from keras_bfn import samplers
from keras_bfn._parts import map_parts, order_parts
from keras_bfn._validation import MOST_STEPS, check_int, check_verbose
from keras_bfn.models.conditions import condition_inputs
from keras_bfn.models.data_checks import check_data, count_examples
from keras_bfn.models.generation import check_deterministic, check_sampler
from keras_bfn.models.missing import split_missing
from keras_bfn.models.program import LoopProgram, check_batch_size, predict, room_for


class EncodingProgram(LoopProgram):
    """Runs a deterministic sampler backwards, from evidence about the data at t = 1.

    Call arguments:
        inputs: dict with `"x"`, data or a dict of the parts' data; `"ones"`, of shape `(batch,)`;
            and for conditional models `"condition"`, of shape `(batch, ...)`. The latents of
            variables that are missing are zero.
    """

    def find_times(self, num_steps):
        return super().find_times(num_steps)[::-1]

    def call(self, inputs):
        flow, sampler, seed = self.model.flow, self.sampler, self.model.seed_generator
        x, mask = split_missing(self.model, inputs["x"])
        if mask is not None:
            inputs = {**inputs, "there": mask}

        def look(states, i, t, noise):
            return self.look(states, t, inputs)[:2]

        def act(states, looks, outputs, i, t, t_next):
            return self.step(states, outputs, t, t_next, seed)

        s = self.model.sample_evidence(x, inputs["ones"])
        states = map_parts(
            lambda flow, s: sampler.init_from(s / ops.sqrt(flow.schedule.beta(1.0))), flow, s
        )
        states, *_ = self.loop(look, act, states)
        latents = map_parts(sampler.latents, states)
        if mask is not None:
            latents = map_parts(lambda u, mask: ops.where(mask[..., None], u, 0.0), latents, mask)
        return {"latents": latents}


def encode(
    self,
    x,
    num_steps=100,
    sampler="ode2",
    condition=None,
    seed=None,
    batch_size=None,
    verbose="auto",
):
    """The latents from which a deterministic sampler generates `x`, up to its error.

    Evidence about `x` is drawn at t = 1, and the sampler runs backwards from there to its
    `start`. Where many small steps late in time do not suffice, space them evenly in log(beta):
    with `ODE2Sampler(start=0.01, spacing="log_beta")`, 50 of them give the digits of the guide
    back but for single levels.

    Args:
        x: data, of shape `(num, *event_shape)`, or a dict of the parts' data.
        num_steps: int, at least 1.
        sampler: `"ode1"`, `"ode2"`, or a deterministic sampler.
        condition: as in `generate`.
        seed: int or None, of the evidence.
        batch_size: int; by default up to 64.
        verbose: as in `keras.Model.predict`.

    Returns:
        A float32 array of shape `(num, *event_shape, flow.embedding_size)`, or a dict of the
        parts': the evidence at the sampler's `start`, divided by the square root of its accuracy.
        Over data that the model knows well and for an early start it is distributed as
        N(0, flow.gain), so interpolate on the sphere.

    Raises:
        ValueError: if the sampler is not deterministic, the data do not suit the model, or an
            argument is out of its range.

    Example:

    >>> latents = model.encode(images)
    >>> again = model.generate(len(images), sampler="ode2", latents=latents)
    """
    num_steps = check_int("num_steps", num_steps, 1, MOST_STEPS)
    check_verbose(verbose)
    sampler = samplers.get(sampler)
    check_deterministic(sampler)
    if sampler.temperature != 1:
        raise ValueError(
            "Argument `sampler` must have temperature 1 to encode. "
            f"Received: a sampler of temperature {sampler.temperature}"
        )
    check_sampler(sampler, self.flow)
    x = check_data(self.flow, self.event_shape, x, allow_missing=self.allow_missing)
    num = count_examples(x)
    batch_size = check_batch_size(batch_size, num)
    conditions = condition_inputs(self, condition, num)
    self.build_for(map_parts(np.shape, x), conditions.get("condition"))

    inputs = {"x": x, "ones": np.ones(num, "float32"), **conditions}
    arguments = (sampler, room_for(num_steps))
    outputs = predict(
        self, EncodingProgram, arguments, inputs, batch_size, seed, verbose, num_steps
    )
    return order_parts(self.flow, outputs["latents"])
