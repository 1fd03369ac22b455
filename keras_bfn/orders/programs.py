"""Programs in any order: group by group, each coded directly or sent by messages."""

import itertools
import math

import keras
import numpy as np
from keras import ops

from keras_bfn import _keras
from keras_bfn._parts import map_parts, sum_variables
from keras_bfn._validation import refusal
from keras_bfn.inputs.conditions import cast_conditions
from keras_bfn.inputs.known import all_missing
from keras_bfn.models.programs import STEPS, SamplingProgram, find_times, finish_samples
from keras_bfn.models.scoring import ScoringProgram
from keras_bfn.orders.given import known_inputs
from keras_bfn.orders.orders import LeftToRight
from keras_bfn.orders.states import left_to_right_state, scored_state, split
from keras_bfn.predictions import count_unknown

GROUP, TIME, NEXT, IS_LAST = range(4)  # columns of a plan
ROOM = (
    128  # positions whose keys and values a loop carries and may copy; earlier ones are read-only
)


class OrderedScoringProgram(ScoringProgram):
    """Scores data in an order, given some variables.

    Args:
        model, loss: as in `ScoringProgram`.
        order: a `keras_bfn.orders.Order`.
        in_one_pass: bool. Whether one network call predicts each position from those before it.

    Call arguments:
        inputs: as in `ScoringProgram`, and optionally `"known"`, a bool mask of the variables known
            from the start.
    """

    def __init__(self, model, loss, order, in_one_pass):
        super().__init__(model, loss)
        self.order, self.in_one_pass = order, in_one_pass

    def losses_by_name(self):
        found = super().losses_by_name()
        if np.all(self.order.coded_directly):
            found.pop("transmission")  # there are no messages
        return found

    def draw_state(self, name, loss, u, x, observed, inputs):
        event_shape, seed = self.model.event_shape, self.model.seed_generator
        return scored_state(
            event_shape,
            self.order,
            self.in_one_pass,
            name,
            loss,
            u,
            x,
            observed,
            noise=self.order.draw_noise(event_shape, ops.shape(u)[0], seed),
            known=inputs.get("known"),
        )


class OrderedProgram(SamplingProgram):
    """Samples groups of variables one after another, given the variables known from the start.

    Each row of its plan is one network call: the group, the time, the time after the next message,
    and whether the group is sampled after this call.

    Args:
        model, sampler, classifier_free: as in `SamplingProgram`.
        most_calls: int. The maximum number of rows of the plan.
        order: a `keras_bfn.orders.Order`.
        in_one_pass: bool. Whether the network predicts each position from those before it, in the
            form in which one call scores all positions.

    Call arguments:
        inputs: dict with `"ones"`, of shape `(batch,)`; `"given"` and `"known"`, data and a bool
            mask of known variables, or dicts of these; for conditional models `"condition"`; and,
            if some variables are missing, the mask `"observed"`.
    """

    def __init__(self, model, sampler, classifier_free, most_calls, order, in_one_pass):
        super().__init__(model, sampler, classifier_free)
        self.order, self.in_one_pass = order, in_one_pass
        unknown = {"initializer": "zeros", "trainable": False}
        self.num_calls = self.add_weight((), dtype="int32", name="num_calls", **unknown)
        self.plan = self.add_weight((most_calls, 4), name="plan", **unknown)

    def set_plan(self, plan):
        """Sets the calls of the network, in rows as of `plan_calls`."""
        self.num_calls.assign(len(plan))
        self.plan.assign(np.pad(plan, ((0, self.plan.shape[0] - len(plan)), (0, 0))))

    def call(self, inputs):
        model, seed = self.model, self.model.seed_generator
        observed, num = inputs.get("observed"), ops.shape(inputs["ones"])[0]
        noise = self.order.draw_noise(model.event_shape, num, seed)
        known, open, groups = split(self.order, model.event_shape, noise, inputs["known"], observed)
        plan, at_first = ops.copy(self.plan), known
        start = self.start(num, seed)

        def in_group(group):
            return map_parts(lambda groups, open: open & (groups == group), groups, open)

        def predict(i, carry, noise):
            states, x, known, _ = carry
            now, time = in_group(ops.cast(plan[i, GROUP], "int32")), plan[i, TIME]

            def evidence(flow, state, x, known, now):
                # A group has no evidence before its first message, or if it is coded directly.
                is_sent = (now & (time > 0))[..., None]
                s = ops.where(is_sent, self.sampler.evidence(flow, state, time), 0.0)
                return ops.where(known[..., None], flow.known_evidence(x), s)

            if self.in_one_pass:  # as in scoring: positions not yet sampled are not seen
                s = model.flow.known_evidence(x)
                t, known, _, _, causal = left_to_right_state(known, observed, x)
                drawn = known  # guidance strengthens the condition alone
            else:
                s = map_parts(evidence, model.flow, states, x, known, now)
                t, causal = map_parts(lambda now: ops.where(now, time, 0.0), now), None
                drawn = map_parts(lambda known, at_first: known & ~at_first, known, at_first)
            condition, guide = inputs.get("condition"), None
            if self.classifier_free is not None:
                guide = self.classifier_free.calling(inputs["guidance_scale"])
            predictions = model.predict_params(
                s,
                t,
                condition,
                observed,
                t_next=plan[i, NEXT] * inputs["ones"],
                guide=guide,
                known=known,
                causal=causal,
                drawn=drawn,
            )
            return (predictions,)

        def act(i, carry, predictions):
            states, x, known, num_unknown = carry
            group, is_last = ops.cast(plan[i, GROUP], "int32"), plan[i, IS_LAST] > 0
            outputs = map_parts(self.output, self.model.flow, predictions)
            drawn = map_parts(lambda now: now & is_last, in_group(group))
            new = self.draw(outputs, group, seed)
            x = map_parts(put_where, drawn, new, x)
            known = map_parts(ops.logical_or, known, drawn)
            step, t, t_next = self.sampler.step, plan[i, TIME], plan[i, NEXT]
            stepped = map_parts(step, model.flow, states, outputs, t, t_next, seed)
            states = keras.tree.map_structure(
                lambda new, first: ops.where(is_last, first, new), stepped, start
            )
            return states, x, known, num_unknown + count_unknown(predictions)

        carry = (start, inputs["given"], known, ops.zeros_like(inputs["ones"]))
        _, x, _, num_unknown = _keras.loop(seed, ops.copy(self.num_calls), predict, act, carry)
        return {"x": x, "num_unknown": num_unknown}

    def draw(self, outputs, group, seed):
        """Returns a finished group: sampled if coded directly, else as the sampler ends."""
        coded = self.order.groups_coded(self.model.event_shape)
        if not coded.any() or self.sampler.end == "sample":
            return map_parts(self.sampler.finish, self.model.flow, outputs, seed)
        drawn = map_parts(lambda output: output.sample(seed), outputs)
        if coded.all():
            return drawn
        end = map_parts(self.sampler.finish, self.model.flow, outputs, seed)
        is_coded = ops.take(ops.convert_to_tensor(coded), group)
        return map_parts(lambda drawn, end: ops.where(is_coded, drawn, end), drawn, end)


def draw_in_order(model, sampler, order, inputs, classifier_free, options):
    """Samples in an order other than `Together`.

    Args:
        model: the `AnyOrderNetwork`.
        sampler: a `keras_bfn.samplers.Sampler`.
        order: a `keras_bfn.orders.Order`.
        inputs, classifier_free, options: as in `keras_bfn.models.generation.draw`.
    """
    others = {
        "guidance": options.guidance,
        "num_particles": options.num_particles,
        "latents": inputs.get("latents"),
        "return_details": options.return_details or None,
    }
    for name, value in others.items():
        if value is not None:
            expected = f"must not be given with order={order!r}"
            if name == "guidance":
                expected += " (generate more samples instead, and keep the likeliest)"
            raise refusal(name, expected, value)
    event_shape, num_samples = model.event_shape, len(inputs["ones"])
    if classifier_free is not None:
        if callable(classifier_free.scale) or classifier_free.interval != (0.0, 1.0):
            expected = f"must be constant in time with order={order!r}"
            raise refusal("guidance_scale", expected, classifier_free)
        inputs["guidance_scale"] = np.full(num_samples, classifier_free.scale, "float32")
    if "known" not in inputs:
        nothing = map_parts(all_missing, model.flow, event_shape, num_samples)
        inputs |= known_inputs(model.flow, nothing)
    in_one_pass = is_in_one_pass(model, order, inputs["known"])
    if classifier_free is not None and "condition" not in inputs:
        in_one_pass = False  # which cannot treat given variables as unknown
    if in_one_pass and getattr(model.network, "goes_one_by_one", False):
        program = model.programs(LeftToRightProgram, sampler, classifier_free)
    else:
        times = find_times(model, sampler, options.num_steps)
        plan = plan_calls(order.groups_coded(event_shape), times)
        room = -(-len(plan) // STEPS) * STEPS
        program = model.programs(OrderedProgram, sampler, classifier_free, room, order, in_one_pass)
        program.set_plan(plan)
    outputs = program.run(inputs, options.batch_size, options.seed, options.verbose)
    return finish_samples(model, inputs, outputs)


def is_in_one_pass(model, order, known=None):
    """Returns whether one network call predicts each variable from those before it in the order."""
    if type(order) is not LeftToRight or not model.states.get("left_to_right"):
        return False
    event_shape = model.event_shape
    if order.block_size != math.prod(event_shape[1:]):
        return False
    if known is None:
        return True
    by_position = known.reshape(len(known), event_shape[0], -1)
    are_alike = (by_position == by_position[:, :, :1]).all()
    return bool(are_alike and (np.diff(by_position[:, :, 0].astype("int8")) <= 0).all())


def put_where(mask, new, x):
    """Returns data of one part with new values where `mask` is true."""
    return ops.where(mask, ops.cast(new, x.dtype), x)


def plan_calls(coded, times):
    """Returns a plan's rows: group, time, time after the next message, whether it is the last."""
    rows = []
    for group, is_coded in enumerate(coded):
        if is_coded:
            rows.append((group, 0.0, 0.0, 1.0))
            continue
        rows += [(group, t, t_next, 0.0) for t, t_next in itertools.pairwise(times)]
        rows.append((group, times[-1], times[-1], 1.0))
    return np.array(rows, "float32")


class LeftToRightProgram(SamplingProgram):
    """Samples sequences position by position, and caches what the network has computed.

    Args:
        model, sampler, classifier_free: as in `SamplingProgram`.

    Call arguments:
        inputs: as in `OrderedProgram`. Known positions come before all unknown ones.
    """

    def __init__(self, model, sampler, classifier_free):
        super().__init__(model, sampler, classifier_free)
        self.positions = model.network.one_by_one()

    def call(self, inputs):
        model, flow, seed = self.model, self.model.flow, self.model.seed_generator
        given, known, scale = inputs["given"], inputs["known"], inputs.get("guidance_scale")
        length, fixed = model.event_shape[0], self.positions.fixed(self.network_inputs(inputs))
        kept, past = self.positions.start(ops.shape(fixed["time"])[0], min(ROOM, length))
        x, num_unknown = ops.zeros_like(given), ops.zeros_like(inputs["ones"])

        def loop(start, stop, past, carry):
            """Samples the positions from `start` to `stop`."""

            def predict(i, carry, noise):
                x, kept, _ = carry
                last = flow.known_params(ops.take(x, ops.maximum(start + i - 1, 0), axis=1))
                if scale is not None:
                    last = ops.concatenate([last, last])
                params, kept = self.positions.next(last, start + i, fixed, kept, past)
                if scale is not None:
                    params = self.classifier_free.of_both(params, scale)
                return params, kept

            def act(i, carry, params, kept):
                x, _, num_unknown = carry
                nothing = ops.zeros((*ops.shape(params)[:-1], flow.embedding_size), "float32")
                output = flow.output_distribution(params, nothing, inputs["ones"])
                drawn = ops.cast(self.sampler.sharpen(output).sample(seed), x.dtype)
                own, is_known = (ops.take(values, start + i, axis=1) for values in (given, known))
                new = ops.where(is_known, own, drawn)
                place = (0, start + i, *(0,) * (len(new.shape) - 1))
                x = ops.slice_update(x, place, new[:, None])
                others = sum_variables(ops.cast(~ops.isfinite(params), "float32"))
                return x, kept, num_unknown + others

            return _keras.loop(seed, stop - start, predict, act, carry)

        for start in range(0, length, ROOM):
            if start:
                kept, past = self.positions.put_by(kept, past)
            carry = x, kept, num_unknown
            x, kept, num_unknown = loop(start, min(start + ROOM, length), past, carry)
        return {"x": x, "num_unknown": num_unknown}

    def network_inputs(self, inputs):
        """Returns the network's inputs other than the data; all variables count as known."""
        model, given = self.model, inputs["given"]
        flow, observed = model.flow, inputs.get("observed")
        found = {
            "theta": ops.zeros((*ops.shape(given), flow.theta_size), "float32"),
            "t": ops.ones(ops.shape(given), "float32") if observed is None else observed,
            "causal": inputs["ones"] > 0,
        }
        if "mask" in model.signature.optional:
            found["mask"] = found["t"] > 0
        if "t_next" in model.signature.optional:
            found["t_next"] = ops.zeros_like(inputs["ones"])  # there are no messages
        if "condition" in inputs:
            found["condition"] = cast_conditions(model, inputs["condition"])
        if "guidance_scale" in inputs:
            found = keras.tree.map_structure(
                lambda *x: ops.concatenate(x), found, model.without_condition(found)
            )
        return found
