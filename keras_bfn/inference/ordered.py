"""Generation in any order: group after group, each told at once or sent by messages."""

import keras
import numpy as np
from keras import ops

from keras_bfn import _keras
from keras_bfn._parts import map_parts
from keras_bfn.inference.guiding import count_unknown
from keras_bfn.inference.program import SamplingProgram, room_for
from keras_bfn.inputs.states import split
from keras_bfn.predictions import output_distributions

GROUP, TIME, NEXT, IS_LAST = range(4)  # columns of a plan


class OrderedProgram(SamplingProgram):
    """Draws one group of variables after another, given what is known from the start.

    Each row of its plan is a network call: about which group, at which time, until when messages
    follow, and whether the group is drawn after it.

    Args:
        model, sampler: as in `SamplingProgram`.
        most_calls: int. How many rows the plan has room for.
        order: a `keras_bfn.orders.Order`.

    Call arguments:
        inputs: dict with `"ones"`, of shape `(batch,)`; `"x"` and `"known"`, data and bools, or
            dicts: what is known; the `"noise"` of a random order; for conditional models
            `"condition"`; and, if some variables are not there, the mask `"observed"`.
    """

    def __init__(self, model, sampler, most_calls, order):
        super().__init__(model, sampler)
        self.order = order
        unknown = {"initializer": "zeros", "trainable": False}
        self.num_calls = self.add_weight((), dtype="int32", name="num_calls", **unknown)
        self.plan = self.add_weight((most_calls, 4), name="plan", **unknown)

    def set_steps(self, num_steps, guiding):
        """Plans `num_steps` messages about each group that is not told."""
        plan = plan_calls(self.order, self.model.event_shape, self.find_times(num_steps))
        self.num_calls.assign(len(plan))
        self.plan.assign(np.pad(plan, ((0, self.plan.shape[0] - len(plan)), (0, 0))))

    def call(self, inputs):
        model, seed = self.model, self.model.seed_generator
        mask = inputs.get("observed")
        known, open, groups = split(
            self.order, model.event_shape, inputs.get("noise"), inputs["known"], mask
        )
        plan = ops.copy(self.plan)
        start = self.start(ops.shape(inputs["ones"])[0], seed)

        def predict(i, carry, noise):
            states, x, known, _ = carry
            group, time = ops.cast(plan[i, GROUP], "int32"), plan[i, TIME]

            def evidence(flow, state, x, known, groups, open):
                # Before a group's first message, and where it is told, nothing is known of it.
                is_sent = open & (groups == group) & (time > 0)
                s = ops.where(is_sent[..., None], self.sampler.evidence(flow, state, time), 0.0)
                return ops.where(known[..., None], flow.known_evidence(x), s)

            s = map_parts(evidence, model.flow, states, x, known, groups, open)
            t = map_parts(
                lambda groups, open: ops.where(open & (groups == group), time, 0.0), groups, open
            )
            return (
                model.predict_params(
                    s,
                    t,
                    inputs.get("condition"),
                    mask=mask,
                    guidance_scale=inputs.get("guidance_scale"),
                    guidance_rescale=inputs.get("guidance_rescale"),
                    known=known,
                ),
            )

        def act(i, carry, predictions):
            states, x, known, num_unknown = carry
            group, is_last = ops.cast(plan[i, GROUP], "int32"), plan[i, IS_LAST] > 0
            outputs = map_parts(
                lambda _, output: self.sampler.sharpen(output),
                model.flow,
                output_distributions(model.flow, predictions),
            )
            drawn = map_parts(lambda groups, open: open & (groups == group) & is_last, groups, open)
            x = map_parts(
                lambda x, drawn, new: ops.where(drawn, ops.cast(new, x.dtype), x),
                x,
                drawn,
                self.draw(outputs, group, seed),
            )
            known = map_parts(ops.logical_or, known, drawn)
            stepped = self.step(states, outputs, plan[i, TIME], plan[i, NEXT], seed)
            states = keras.tree.map_structure(
                lambda new, first: ops.where(is_last, first, new), stepped, start
            )
            return states, x, known, num_unknown + count_unknown(predictions)

        carry = (start, inputs["x"], known, ops.zeros_like(inputs["ones"]))
        _, x, _, num_unknown = _keras.loop(
            seed, ops.copy(self.num_calls), lambda: None, predict, act, carry
        )
        return {"x": x, "num_unknown": num_unknown}

    def draw(self, outputs, group, seed):
        """Data for a group that ends: drawn if it was told, else as the sampler ends."""
        told = np.broadcast_to(self.order.told, self.order.count_groups(self.model.event_shape))
        if not told.any() or self.sampler.end == "sample":
            return self.end(outputs, seed)
        drawn = map_parts(lambda output: output.sample(seed), outputs)
        if told.all():
            return drawn
        is_told = ops.take(ops.convert_to_tensor(told), group)
        return map_parts(
            lambda drawn, end: ops.where(is_told, drawn, end), drawn, self.end(outputs, seed)
        )


def plan_calls(order, event_shape, times):
    """The rows of a plan: group, time, time after the next message, and whether it is the last."""
    num_groups = order.count_groups(event_shape)
    rows = []
    for group, is_told in enumerate(np.broadcast_to(order.told, num_groups)):
        if is_told:
            rows.append((group, 0.0, 0.0, 1.0))
            continue
        rows += [(group, t, t_next, 0.0) for t, t_next in zip(times[:-1], times[1:], strict=True)]
        rows.append((group, times[-1], times[-1], 1.0))
    return np.array(rows, "float32")


def room_for_calls(order, event_shape, num_steps):
    """The `most_calls` of a program that is to plan so many steps."""
    num_groups = order.count_groups(event_shape)
    is_told = np.broadcast_to(order.told, num_groups)
    return room_for(int(np.sum(np.where(is_told, 1, num_steps + 1))))
