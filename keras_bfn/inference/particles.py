"""Particles: sequential Monte Carlo for samples that are guided, or known in part."""

import math

import keras
from keras import ops

from keras_bfn._parts import map_parts, order_parts, sum_parts
from keras_bfn._random import normal
from keras_bfn._validation import refusal
from keras_bfn.guidance import Guidance
from keras_bfn.inference.guiding import count_unknown, first_unknown, log_likelihood
from keras_bfn.inference.program import DEFAULT_BATCH_SIZE, LoopProgram
from keras_bfn.inputs.missing import put_missing
from keras_bfn.samplers.sde import MessageSampler
from keras_bfn.samplers.second_order import SecondOrder


class ParticleProgram(LoopProgram):
    """Sampling in which each example has a number of particles, and draws one by weight.

    Known variables send their own messages, and the guidance shifts those about the others. A
    particle's weight is how much likelier its path is under the model than under that: what the
    receiver thought of the messages of the known variables, over what their sender did; the model's
    transitions over the shifted ones; and h after a step over h before it, in the end L itself.
    Where weights have become too uneven, the particles of an example are drawn anew by weight.

    This is twisted sequential Monte Carlo: section 3 of
    [Wu et al., 2023](https://arxiv.org/abs/2306.17775).

    Call arguments:
        inputs: dict as of a `GenerationProgram`, with the guidance's `"values"`. If its first
            likelihood is a `KnownVariables`, that one's are data and masks.
    """

    def __init__(self, model, sampler, most_steps, num_particles, given, guidance):
        super().__init__(model, sampler, most_steps, given, guidance)
        self.num_particles = num_particles

    def call(self, inputs):
        model, drawn, seed = self.model, self.drawn, self.model.seed_generator
        num_examples, num_particles = ops.shape(inputs["ones"])[0], self.num_particles
        times = ops.copy(self.times)
        # One row for each particle, those of an example together.
        inputs = keras.tree.map_structure(
            lambda values: ops.repeat(values, num_particles, axis=0), inputs
        )
        ones = inputs["ones"]
        given = self.evidence_of_given(inputs)
        x = known = map_parts(lambda _: None, drawn)
        if isinstance(self.guidance.leaves()[0], KnownVariables):
            x = inputs["values"]["0"]["x"]
            known = map_parts(lambda mask: mask > 0.5, inputs["values"]["0"]["mask"])

        def per_particle(values):
            return ops.reshape(values, (num_examples, num_particles, -1))

        def predict(i, state, noise):
            guided, scales = self.guiding_at(i, inputs)
            predictions, _, shift, log_h = self.predict_params(
                state["s"], times[i], guided, given, scales if self.guidance.acts else None, noise
            )
            if shift is None:
                shift, log_h = map_parts(ops.zeros_like, state["s"]), ops.zeros_like(ones)
            return map_parts(lambda _, one: one, drawn, predictions), shift, log_h

        def weigh(state, i, log_h):
            """The state with weights by the last step and where it led to, and their number."""
            log_ratios = state["log_ratios"] + log_h - state["log_h"]
            log_weights, gained, size = reweight(
                state["log_weights"], per_particle(log_ratios)[:, :, 0]
            )
            return state | {
                "log_weights": log_weights,
                "log_likelihood": state["log_likelihood"] + gained,
                "sizes": ops.slice_update(state["sizes"], (i, 0), size[None]),
            }, size

        def act(i, state, predictions, shift, log_h):
            t, t_next = times[i], times[i + 1]
            unknown_at = first_unknown(state["unknown_at"], i, log_h, shift)
            state, size = weigh(state, i, log_h)
            s, log_weights = state["s"], state["log_weights"]
            if num_particles > 1:
                rows, log_weights = resample(log_weights, size, seed)
                s, predictions, shift, log_h, unknown_at = keras.tree.map_structure(
                    lambda values: ops.take(values, rows, axis=0),
                    (s, predictions, shift, log_h, unknown_at),
                )

            def advance(flow, s, x, known, output, shift):
                """The next evidence of a part, and how much likelier it is under the model."""
                alpha = flow.schedule.beta(t_next) - flow.schedule.beta(t)
                embedding = self.sampler.message(flow, output, seed) + shift
                noise = normal(ops.shape(s), seed)
                scaled = ops.sqrt(flow.gain * alpha) * shift
                log_ratios = -ops.sum(scaled * (noise + 0.5 * scaled), axis=-1)
                if known is not None:
                    # The particles of an example receive the same messages from what is known.
                    shared = ops.repeat(noise[::num_particles], num_particles, axis=0)
                    noise = ops.where(known[..., None], shared, noise)
                    embedding = ops.where(known[..., None], flow.embed(x), embedding)
                    received = flow.log_receiver_ratio(x, output, alpha * ones, noise)
                    log_ratios = ops.where(known, received, log_ratios)
                log_ratios = ops.sum(ops.reshape(log_ratios, (ops.shape(ones)[0], -1)), axis=1)
                return s + flow.receive(embedding, alpha, noise), log_ratios

            advanced = map_parts(advance, drawn, s, x, known, self.outputs(predictions), shift)
            return state | {
                "s": map_parts(lambda _, part: part[0], drawn, advanced),
                "log_weights": log_weights,
                "log_ratios": sum_parts(map_parts(lambda _, part: part[1], drawn, advanced)),
                "log_h": log_h,
                "unknown_at": unknown_at,
            }

        start = {
            "s": self.start(ops.shape(ones)[0], seed),
            "log_weights": ops.zeros((num_examples, num_particles)) - math.log(num_particles),
            "log_ratios": ops.zeros_like(ones),
            "log_h": ops.zeros_like(ones),
            "log_likelihood": ops.zeros((num_examples,)),
            "sizes": ops.zeros((self.most_steps + 1, num_examples)),
            "unknown_at": ops.full_like(ones, -1, dtype="int32"),
        }
        state = self.loop(predict, act, start, lambda: self.draw_noise(inputs))

        num_steps = ops.copy(self.num_steps)
        guided, scales = self.guiding_at(num_steps, inputs)
        predictions, outputs, *_ = self.predict_params(state["s"], times[num_steps], guided, given)

        def complete(_, x, known, sample):
            return sample if known is None else ops.where(known, ops.cast(x, sample.dtype), sample)

        samples = map_parts(complete, drawn, x, known, self.end(outputs, seed))
        whole = samples | inputs["given"] if given else samples
        log_likelihoods = log_likelihood(
            self.guidance, model.flow, whole, predictions, inputs, scales
        )
        # What is impossible in the end may be so, but not unknown.
        is_unknown = ops.isnan(log_likelihoods) & (state["unknown_at"] < 0)
        unknown_at = ops.where(is_unknown, num_steps, state["unknown_at"])
        num_unknown = count_unknown(map_parts(lambda _, one: one, drawn, predictions))
        state, _ = weigh(state, num_steps, log_likelihoods)
        chosen = systematic(state["log_weights"], 1, seed)
        return {
            "x": map_parts(lambda _, x: ops.take(x, chosen, axis=0), drawn, samples),
            "particles": map_parts(
                lambda _, x: ops.reshape(x, (num_examples, num_particles, *x.shape[1:])),
                drawn,
                samples,
            ),
            "log_weights": state["log_weights"],
            "log_likelihood": state["log_likelihood"],
            "effective_sample_size": ops.transpose(state["sizes"]),
            "unknown_at": ops.max(per_particle(unknown_at)[:, :, 0], axis=1),
            "num_unknown": ops.sum(per_particle(num_unknown)[:, :, 0], axis=1),
        }


def check_particles(sampler, guidance, latents=None, return_trajectory=False):
    """Raises a `ValueError` unless particles can be weighed."""
    if guidance is None:
        raise refusal("guidance", "must say what particles are weighed by", guidance)
    adds_messages = isinstance(sampler, MessageSampler) and not isinstance(sampler, SecondOrder)
    if not adds_messages or getattr(sampler, "noise", 1) != 1 or sampler.end == "last":
        expected = (
            "must be 'ancestral' or 'sde1', with noise=1 and a last prediction, for particles"
        )
        raise refusal("sampler", expected, sampler)
    if latents is not None:
        raise refusal("latents", "must be None for particles, which start alike", latents)
    if return_trajectory:
        raise refusal("return_trajectory", "must be False for particles", return_trajectory)
    for leaf in guidance.leaves():
        if leaf.fn is None and type(leaf).log_likelihood is Guidance.log_likelihood:
            raise ValueError(
                "Argument `guidance` must have a method `log_likelihood`, by which samples are "
                f"weighed in the end. Received: {type(leaf).__name__}"
            )


def default_rows(num_particles):
    """How many examples a batch has by default."""
    return max(1, DEFAULT_BATCH_SIZE // num_particles)


def finish_statistics(model, outputs, num_steps, there=None):
    """What a `ParticleProgram` tells of its particles, as it is returned."""
    particles = order_parts(model.flow, outputs["particles"])
    if there is not None:
        particles = map_parts(lambda x, there: put_missing(x, there[:, None]), particles, there)
    return {
        "log_likelihood": outputs["log_likelihood"],
        "effective_sample_size": outputs["effective_sample_size"].T[: num_steps + 1],
        "particles": particles,
        "log_weights": outputs["log_weights"],
    }


class KnownVariables(Guidance):
    """The likelihood of what is known in part: that variables have the values that they have.

    Args:
        x: data, an array or a dict of the parts'.
        mask: 1 for what is known, else 0, shaped as `x`.
        twisted: bool. If False, h is 1 before the end.
    """

    fed = (*Guidance.fed, "x", "mask")

    def __init__(self, x, mask, twisted):
        super().__init__()
        self.x, self.mask, self.twisted = x, mask, twisted
        self.acts = twisted

    def rows(self, num_samples):
        return {"x": self.x, "mask": self.mask}

    def log_h(self, expected, x, mask):
        if not self.twisted:
            return ops.zeros_like(sum_parts(map_parts(lambda one: one.t, expected.predictions)))
        return _sum_known(
            map_parts(
                lambda flow, x, output, one: flow.log_expected(x, output, one.t),
                expected.flow,
                x,
                expected.outputs,
                expected.predictions,
            ),
            mask,
        )

    def log_likelihood(self, expected, x, mask):
        return _sum_known(
            map_parts(
                lambda flow, x, one: -flow.reconstruction_loss(x, one.params, one.s),
                expected.flow,
                x,
                expected.predictions,
            ),
            mask,
        )


def _sum_known(nats, mask):
    def of_part(nats, mask):
        nats = ops.where(mask > 0.5, nats, 0.0)
        return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=1)

    return sum_parts(map_parts(of_part, nats, mask))


def reweight(log_weights, log_ratios):
    """Normalised log weights, times the ratios; what their sum grew by; and their effective number.

    Args:
        log_weights, log_ratios: of shape `(num_examples, num_particles)`.

    Returns:
        The tuple of log weights, shaped as given; the logarithm of their sum before they were
        normalised, and the effective sample size, 1 / sum of squared weights, both of shape
        `(num_examples,)`.
    """
    log_weights = log_weights + log_ratios
    total = ops.logsumexp(log_weights, axis=1)
    # Where no particle is possible, none is likelier than another.
    log_weights = log_weights - ops.where(total == -math.inf, 0.0, total)[:, None]
    return log_weights, total, ops.exp(-ops.logsumexp(2.0 * log_weights, axis=1))


def resample(log_weights, size, seed):
    """Draws the particles anew of the examples whose effective number has fallen below half.

    Returns:
        The tuple of the rows of the particles that go on, of shape
        `(num_examples * num_particles,)`, and their log weights.
    """
    num_particles = log_weights.shape[1]
    worn = (size < 0.5 * num_particles)[:, None]
    drawn = ops.reshape(systematic(log_weights, num_particles, seed), ops.shape(log_weights))
    kept = ops.reshape(ops.arange(ops.size(drawn), dtype="int32"), ops.shape(drawn))
    rows = ops.reshape(ops.where(worn, drawn, kept), (-1,))
    return rows, ops.where(worn, -math.log(num_particles), log_weights)


def systematic(log_weights, num_draws, seed):
    """Draws particles by weight, with one uniform number for each example.

    Particle k of an example is drawn `num_draws` times its weight, rounded up or down.

    Args:
        log_weights: normalised, of shape `(num_examples, num_particles)`.
        num_draws: int.
        seed: a `SeedGenerator`.

    Returns:
        The particles' rows, of shape `(num_examples * num_draws,)`, where row
        `n * num_particles + k` is particle k of example n.
    """
    num_examples, num_particles = ops.shape(log_weights)[0], log_weights.shape[1]
    uniform = keras.random.uniform((num_examples, 1), seed=seed)
    points = (uniform + ops.arange(num_draws, dtype="float32")) / num_draws
    cumulative = ops.cumsum(ops.exp(log_weights), axis=1)
    below = ops.cast(cumulative[:, None, :] <= points[:, :, None], "int32")
    # The weights' sum is 1 up to rounding.
    particles = ops.minimum(ops.sum(below, axis=-1), num_particles - 1)
    first_rows = ops.arange(num_examples, dtype="int32")[:, None] * num_particles
    return ops.reshape(first_rows + particles, (-1,))
