"""What Bob expects: the output distribution, identical to the bit in both directions."""

import keras
import numpy as np

from keras_bfn._devices import round_up
from keras_bfn._parts import map_parts, of_any_part
from keras_bfn.codec import fingerprints
from keras_bfn.codec.errors import CodecError
from keras_bfn.distributions import DiscretizedNormal
from keras_bfn.flows.channels import Line
from keras_bfn.inference.program import Program
from keras_bfn.inputs.arrays import count_examples
from keras_bfn.predictions import output_distributions


class OutputProgram(Program):
    """What the output distribution is, or the parts': see `keras_bfn.codec.expectations`.

    Log probabilities, `(batch, *event_shape, K)`; of a normal distribution that is cut into the
    bins of a line, a dict of its `"location"` and `"std"`, `(batch, *event_shape)`.

    Call arguments:
        inputs: dict with `"s"`, the evidence, `(batch, *event_shape, embedding_size)`, or a dict of
            the parts'; `"t"`, `(batch,)`; for conditional models `"condition"`, `(batch, ...)`;
            `"there"`, where variables may be missing; and `"known"` and `"causal"`, as
            `predict_params` takes them.
    """

    def call(self, inputs):
        seen = inputs["s"], inputs["t"], inputs.get("condition")
        told = {name: inputs.get(name) for name in ("known", "causal")}
        predictions = self.model.predict_params(*seen, mask=inputs.get("there"), **told)
        outputs = output_distributions(self.model.flow, predictions)

        def tell(flow, output):
            if isinstance(flow.channel(), Line) and isinstance(output, DiscretizedNormal):
                return {"location": output.location, "std": output.std}
            return output.log_probs()

        return map_parts(tell, self.model.flow, outputs)


class Receiver:
    """Asks the network, always in batches of one size, by one compiled program.

    Args:
        model: the `BayesianFlowNetwork`.
        chains: the `Chain`, or a dict of the parts' chains.
        batch_size: int.
        condition: array `(num, ...)`, a dict of such, or None; of one row, if it is the same for
            all examples.
        there: bool array `(num, *event_shape)`, which variables are there, or a dict of the parts';
            None if the model allows none to be missing.
    """

    def __init__(self, model, chains, batch_size, condition, there=None):
        self.chains, self.times = chains, of_any_part(chains).times
        self.condition, self.there = condition, there
        self.batch_size = round_up(batch_size, model)
        self.program = model.programs(OutputProgram)
        self.event_shape = model.event_shape

    def masks(self, rows):
        """Which variables of the rows' examples are there, a bool array or a dict of the parts'."""
        return masks_of(self.there, self.event_shape, rows)

    def count_variables(self, rows):
        """How many variables the rows' examples have, or a dict of the parts'."""
        return map_parts(lambda mask: int(mask.sum()), self.masks(rows))

    def expecting(self, rows):
        """The function `expect(s, i)` of `push` and `pop` for what is there of these rows."""
        masks = self.masks(rows)

        def spread(chain, s, mask):
            whole = np.zeros((*mask.shape, chain.channel.size))
            whole[mask] = s
            return whole

        def expect(s, i):
            told = self.ask(map_parts(spread, self.chains, s, masks), i, rows)
            return map_parts(lambda mask, told: rows_of(told, mask), masks, told)

        return expect

    def ask(self, s, i, rows):
        """What is expected after evidence in the channel about the rows' examples, float32."""
        num, size = len(rows), self.batch_size

        def pad(chain, s):
            s = chain.channel.evidence(s)
            padded = np.zeros((size, *s.shape[1:]), "float32")
            padded[:num] = s
            return padded

        inputs = {"s": map_parts(pad, self.chains, s), "t": np.full(size, self.times[i], "float32")}
        return ask_about(self.program, inputs, self.condition, self.there, rows)

    def probe(self):
        """The digest of what is expected after fixed evidence, at three times of Bob."""
        rng = np.random.Generator(np.random.PCG64(0))
        rows = np.zeros(self.batch_size, "int64")

        def digest_at(i):
            def chance_evidence(chain, event_shape):
                shape = (self.batch_size, *event_shape, chain.channel.size)
                return np.sqrt(chain.precision[i]) * (2.0 * rng.random(shape) - 1.0)

            s = map_parts(chance_evidence, self.chains, self.event_shape)
            return fingerprints.of_array(self.ask(s, i, rows)).encode()

        last = len(self.times) - 1
        return fingerprints.digest(*map(digest_at, sorted({0, last // 2, last})))


def masks_of(there, event_shape, rows):
    """Which variables of some rows are there: all, if `there` is None."""
    if there is None:
        return map_parts(lambda shape: np.ones((len(rows), *shape), bool), event_shape)
    return map_parts(lambda mask: mask[rows], there)


def ask_about(program, inputs, condition, there, rows):
    """What an `OutputProgram` says of some rows, with their conditions and masks.

    Raises:
        CodecError: if it says what is not a number.
    """
    places = np.resize(rows, len(inputs["t"]))
    if condition is not None:
        told = places % count_examples(condition)
        inputs["condition"] = map_parts(lambda values: values[told], condition)
    if there is not None:
        inputs["there"] = map_parts(lambda mask: mask[places].astype("float32"), there)
    told = rows_of(program.predict_on_batch(inputs), np.s_[: len(rows)])
    if any(np.isnan(values).any() for values in keras.tree.flatten(told)):
        raise CodecError(f"The network's output at t = {inputs['t'][0]} is not a number")
    return told


def rows_of(told, rows):
    """Some rows of what is expected, or what a mask picks of it."""
    return keras.tree.map_structure(lambda values: values[rows], told)
