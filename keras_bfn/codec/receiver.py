"""What Bob expects: the output distribution, identical to the bit in both directions."""

import numpy as np

from keras_bfn.codec import fingerprints
from keras_bfn.codec.errors import CodecError
from keras_bfn.models.program import Program, divisible


class OutputProgram(Program):
    """The output distribution's log probabilities, `(batch, *event_shape, K)`.

    Call arguments:
        inputs: dict with `"s"`, the evidence, `(batch, *event_shape, embedding_size)`; `"t"`,
            `(batch,)`; and for conditional models `"condition"`, `(batch, ...)`.
    """

    def call(self, inputs):
        flow, s, t = self.model.flow, inputs["s"], inputs["t"]
        theta = flow.input_params(s, flow.schedule.beta(t))
        params = self.model.ask(theta, t, inputs.get("condition"))
        return flow.output_distribution(params, s, t).log_probs()


class Receiver:
    """Asks the network, always in batches of one size, by one compiled program.

    Args:
        model: the `BayesianFlowNetwork`.
        chain: the `Chain`.
        batch_size: int.
        condition: array `(num, ...)`, or None; of one row, if it is the same for all examples.
    """

    def __init__(self, model, chain, batch_size, condition):
        self.chain, self.batch_size, self.condition = chain, batch_size, condition
        self.program = model.programs.get(("codec",), lambda: OutputProgram(model))
        self.event_shape = model.event_shape

    def look_at(self, rows):
        """The function `look(s, i)` of `Chain` for the examples of these rows."""

        def look(s, i):
            return self.ask(self.chain.channel.evidence(s), self.chain.times[i], rows)

        return look

    def ask(self, s, t, rows):
        """The log probabilities, float32, for evidence about the examples of these rows."""
        num = len(rows)
        size = divisible(self.batch_size)
        padded = np.zeros((size, *s.shape[1:]), "float32")
        padded[:num] = s
        inputs = {"s": padded, "t": np.full(size, t, "float32")}
        if self.condition is not None:
            rows = np.resize(rows, size) % len(self.condition)
            inputs["condition"] = self.condition[rows]
        log_probs = self.program.predict_on_batch(inputs)[:num]
        if np.isnan(log_probs).any():
            raise CodecError(f"The network's answer at t = {t} is not a number")
        return log_probs

    def probe(self):
        """The digest of answers to fixed questions: about chance evidence at the times of Bob."""
        rng = np.random.Generator(np.random.PCG64(0))
        rows = np.zeros(self.batch_size, "int64")
        shape = (self.batch_size, *self.event_shape, self.chain.channel.size)
        answers = []
        for i in sorted({0, self.chain.num_steps // 2, self.chain.num_steps}):
            noise = 2.0 * rng.random(shape) - 1.0
            s = self.chain.channel.evidence(np.sqrt(self.chain.precision[i]) * noise)
            answers.append(self.ask(s, self.chain.times[i], rows))
        return fingerprints.of_array(np.stack(answers))
