"""Predictions for a batch, identical to the bit in both directions, and coding with them.

The variables fall into the groups of an order. The decoder calls the network for each group in
turn, given those before it; the encoder makes the same calls, the last group first. A group that is
coded directly is a chain without messages.
"""

import keras
import numpy as np
from keras import ops

from keras_bfn import orders
from keras_bfn._parts import count_examples, list_parts, map_parts, of_any_part
from keras_bfn.codec import fingerprints
from keras_bfn.codec.chain import pop, push, without_messages
from keras_bfn.codec.errors import CodecError
from keras_bfn.distributions import DiscretizedNormal
from keras_bfn.flows.channels import Line
from keras_bfn.inputs.missing import fill_missing
from keras_bfn.models.programs import Program, count_devices
from keras_bfn.orders.programs import is_in_one_pass
from keras_bfn.predictions import output_distributions


class OutputProgram(Program):
    """Computes the output distribution, or the parts': see `keras_bfn.codec.expectations`.

    It returns log probabilities, `(batch, *event_shape, K)`; for a normal distribution discretised
    into the bins of a line, a dict of its `"location"` and `"std"`, `(batch, *event_shape)`.

    Call arguments:
        inputs: dict of `"s"`, the evidence, `(batch, *event_shape, embedding_size)`, or a dict of
            the parts'; `"t"`, `(batch,)` or for each variable; for conditional models,
            `"condition"`, `(batch, ...)`; if variables may be missing, `"observed"`; and `"known"`
            and `"causal"`, as `predict_params` takes them.
    """

    def call(self, inputs):
        taken = "s", "t", "condition", "observed", "known", "causal"
        seen = {name: inputs[name] for name in taken if name in inputs}
        predictions = self.model.predict_params(**seen)
        outputs = output_distributions(self.model.flow, predictions)

        def tell(flow, output):
            if isinstance(flow.channel(), Line) and isinstance(output, DiscretizedNormal):
                return {"location": output.location, "std": output.std}
            return output.log_probs()

        return map_parts(tell, self.model.flow, outputs)


class Receiver:
    """Codes examples in batches of one size, with one compiled program.

    Args:
        model: the `BayesianFlowNetwork`.
        batch_size: int.
        chains: the `Chain` of groups that are sent by messages, or a dict of the parts' chains.
        condition: array `(num, ...)`, a dict of such, or None; it has one row if all examples share
            it.
        there: bool array `(num, *event_shape)`, which variables are observed, or a dict of the
            parts'; None if the model allows no missing variables.
        order: a `keras_bfn.orders.Order`.
        noise: array `(num, variables)` that determines a random order; else None.
    """

    def __init__(self, model, batch_size, chains, condition, there, order, noise):
        self.model, self.condition, self.there = model, condition, there
        self.order, self.noise = order, noise
        self.coded = self.order.groups_coded(model.event_shape)
        self.chains, self.at_once = chains, without_messages(model.flow)
        self.batch_size = batch_size + -batch_size % count_devices(model)
        self.in_one_pass = is_in_one_pass(model, self.order)
        self.program = model.programs(OutputProgram)
        self.is_plain = self.order == orders.Together()  # nothing is known; one time for all

    def push(self, stack, x, rows):
        """Pushes the examples of these rows."""
        for now, chains, expect in self.coding(x, rows, reversed(range(len(self.coded)))):
            push(chains, stack, map_parts(rows_of, now, x), expect)

    def pop(self, stack, rows):
        """Pops what `push` pushed; missing variables are -1."""
        x = map_parts(lambda mask: np.full(mask.shape, -1, "int64"), self.masks(rows))
        for now, chains, expect in self.coding(x, rows, range(len(self.coded))):
            shapes = map_parts(lambda now: (int(now.sum()),), now)
            for values, here, found in list_parts(x, now, pop(chains, stack, shapes, expect)):
                values[here] = found
        return x

    def count_variables(self, rows):
        """Returns how many variables of each row are in each group that is sent by messages.

        These are integers `(rows, groups)`, or a dict of the parts'.
        """
        num_rows, num_groups = len(rows), len(self.coded)

        def count(group, mask):
            group = group.reshape(num_rows, -1) + num_groups * np.arange(num_rows)[:, None]
            counts = np.bincount(group[mask.reshape(group.shape)], minlength=num_rows * num_groups)
            return counts.reshape(num_rows, num_groups)[:, ~self.coded]

        return map_parts(count, self.groups(rows), self.masks(rows))

    def masks(self, rows):
        """Returns which variables of these rows are observed, bools or a dict of the parts'."""
        if self.there is not None:
            return map_parts(lambda mask: mask[rows], self.there)
        return map_parts(lambda shape: np.ones((len(rows), *shape), "bool"), self.model.event_shape)

    def groups(self, rows):
        """Returns the group of each variable of the examples in these rows."""

        def spread(mask, group):
            return np.broadcast_to(ops.convert_to_numpy(group), mask.shape)

        noise = None if self.noise is None else ops.convert_to_tensor(self.noise[rows])
        masks = self.masks(rows)
        open = map_parts(ops.convert_to_tensor, masks)
        return map_parts(spread, masks, self.order.groups(self.model.event_shape, noise, open))

    def coding(self, x, rows, numbers):
        """Yields how to code groups of these rows' examples, each given those before it in `x`.

        For each group number, it yields a tuple: which variables the group has, its chains, and the
        function `expect(s, i)` of `push` and `pop`.
        """
        masks, groups = self.masks(rows), self.groups(rows)
        for number in numbers:
            now, chains, predict = self.predicting(number, x, rows, groups, masks)
            yield (
                now,
                chains,
                lambda s, i, now=now, predict=predict: map_parts(rows_of, now, predict(s, i)),
            )

    def predicting(self, number, x, rows, groups, masks):
        """Returns how to call the network for a group.

        Args:
            number: int, the number of the group.
            x: the rows' data, of which those of the groups before are known.
            rows: int array.
            groups, masks: the group of each variable, and whether it is observed; shaped as `x`.

        Returns:
            A tuple: which variables are in the group, its chains, and a function of the evidence in
            the channel about the group, `(variables, channel.size)`, or a dict of the parts', and
            of the step. The function returns the predictions for all variables.
        """
        num, size = len(rows), self.batch_size
        now = map_parts(lambda group, mask: (group == number) & mask, groups, masks)
        known = map_parts(lambda group, mask: (group < number) & mask, groups, masks)
        chains = self.at_once if self.coded[number] else self.chains
        seen = map_parts(lambda *part: _known_evidence(size, *part), self.model.flow, x, known)
        inputs = {}
        if self.in_one_pass:  # the causal form sees no later variables: all may be given
            inputs["causal"], known = np.ones(size, "bool"), self.masks(rows)
        if not self.is_plain:
            inputs["known"] = map_parts(self.fill_up, known)

        def see(chain, seen, now, s):
            seen = seen.copy()
            seen[:num][now] = chain.channel.evidence(s)
            return seen

        def predict(s, i):
            t = of_any_part(chains).times[i]
            inputs["s"], inputs["t"] = map_parts(see, chains, seen, now, s), np.full(size, t)
            if not (self.is_plain or self.coded.all()):
                inputs["t"] = map_parts(lambda now: self.fill_up(now * t), now)
            return self.predict(inputs, rows)

        return now, chains, predict

    def fill_up(self, values):
        """Repeats the values of some rows' variables until they fill a batch."""
        return np.resize(values, (self.batch_size, *values.shape[1:]))

    def predict(self, inputs, rows):
        """Returns the network's predictions for some rows, with their conditions and masks.

        Raises:
            CodecError: if a prediction is not a number.
        """
        places = np.resize(rows, self.batch_size)
        if self.condition is not None:
            own = places % count_examples(self.condition)
            inputs["condition"] = map_parts(lambda values: values[own], self.condition)
        if self.there is not None:
            inputs["observed"] = map_parts(lambda mask: mask[places].astype("float32"), self.there)
        prediction = self.program.predict_on_batch(inputs)
        if any(np.isnan(values[: len(rows)]).any() for values in keras.tree.flatten(prediction)):
            t = max(np.max(t) for (t,) in list_parts(inputs["t"]))
            raise CodecError(f"The network returned NaN at t = {t}")
        return rows_of(np.s_[: len(rows)], prediction)

    def probe(self):
        """Returns the digest of the model, and of its predictions given fixed data and evidence.

        The predictions are for the first, the middle and the last group, each at three times.
        """
        rows, last = np.zeros(self.batch_size, "int64"), len(self.coded) - 1
        groups, found = self.groups(rows), []
        data, noise = (np.random.Generator(np.random.PCG64(0)) for _ in range(2))

        def draw(flow, group):
            return data.integers(0, flow.num_values, group.shape)

        x = map_parts(draw, self.model.flow, groups)
        observed = map_parts(lambda group: group >= 0, groups)
        for number in sorted({0, (last + 1) // 2, last}):
            now, chains, predict = self.predicting(number, x, rows, groups, observed)
            last_step = of_any_part(chains).num_steps
            for i in sorted({0, last_step // 2, last_step}):

                def chance_evidence(chain, now, i=i):
                    evidence = noise.random((*now.shape, chain.channel.size))
                    return np.sqrt(chain.precision[i]) * (2.0 * evidence[now] - 1.0)

                found.append(predict(map_parts(chance_evidence, chains, now), i))
        found = map(fingerprints.of_array, keras.tree.flatten(found))
        return fingerprints.digest("".join([fingerprints.of_model(self.model), *found]).encode())


def rows_of(rows, prediction):
    """Returns some rows of predictions, or those that a mask selects."""
    return keras.tree.map_structure(lambda values: values[rows], prediction)


def _known_evidence(size, flow, x, known):
    """Returns the evidence about known variables, float32, for a batch of this size."""
    s = np.zeros((size, *x.shape[1:], flow.embedding_size), "float32")
    if known.any():
        values = fill_missing(flow, np.where(known, x.astype("int32"), -1))
        own = ops.convert_to_numpy(flow.known_evidence(ops.convert_to_tensor(values)))
        s[: len(x)][known] = own[known]
    return s
