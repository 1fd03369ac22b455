"""Particles: sequential Monte Carlo for guided or partly known samples."""

import math

import keras
from keras import ops

from keras_bfn._parts import map_parts, order_parts, sum_parts, sum_variables, unzip_parts
from keras_bfn._random import normal
from keras_bfn._validation import refusal
from keras_bfn.guidance.expected import Expected
from keras_bfn.guidance.guiding import GuidedProgram, first_unknown
from keras_bfn.inputs.missing import put_missing
from keras_bfn.models.generation import GenerationProgram, GenerationResult
from keras_bfn.predictions import count_unknown
from keras_bfn.samplers.samplers import MessageSampler, SecondOrder


class ParticleProgram(GuidedProgram):
    """Samples each example with several particles, and draws one of them by weight.

    Messages about known variables are sent from their values; the guidance shifts the messages
    about the others. A particle's weight is the product of three ratios: the receiver's density of
    the messages about known variables over the sender's; the model's transition density over the
    shifted one; and h after each step over h before it, with L itself at the end. When the weights
    of an example become too uneven, its particles are resampled.

    This is twisted sequential Monte Carlo: section 3 of
    [Wu et al., 2023](https://arxiv.org/abs/2306.17775).

    Args:
        model, sampler, most_steps, classifier_free, guidance: as in `GuidedProgram`.
        num_particles: int.

    Call arguments:
        inputs: dict as in `GuidedProgram`. If the first likelihood is a `KnownVariables`, its
            values are data and masks.
    """

    def __init__(self, model, sampler, most_steps, classifier_free, num_particles, guidance):
        super().__init__(model, sampler, most_steps, classifier_free, False, guidance)
        self.num_particles = self.num_rows = num_particles

    def call(self, inputs):
        # One row per particle; those of an example are adjacent.
        return super().call(
            keras.tree.map_structure(
                lambda values: ops.repeat(values, self.num_particles, axis=0), inputs
            )
        )

    def predict_at(self, inputs, i, carry, noise):
        if self.guidance.acts:
            return self.guide_by(i, carry["states"], inputs, noise)
        times, scale = inputs["times"], inputs["scales"][i, 0]
        predictions = self.predict_params(carry["states"], times[i], times[i + 1], inputs, scale)
        return (
            predictions,
            map_parts(ops.zeros_like, carry["states"]),
            ops.zeros_like(inputs["ones"]),
        )

    def act(self, inputs, i, carry, predictions, shift, log_h):
        unknown_at = first_unknown(carry["unknown_at"], i, log_h, shift)
        carry, size = self.weigh(carry | {"unknown_at": unknown_at}, i, log_h)
        if self.num_particles > 1:
            found = predictions, shift, log_h
            carry, (predictions, shift, log_h) = self.draw_anew(carry, size, found)
        s, log_ratios = self.send(
            i, inputs, carry["states"], map_parts(self.output, self.model.flow, predictions), shift
        )
        return carry | {"states": s, "log_ratios": log_ratios, "log_h": log_h}

    def by_example(self, values):
        """Returns the rows of all particles as `(num_examples, num_particles, ...)`."""
        return ops.reshape(values, (-1, self.num_particles, *values.shape[1:]))

    def begin(self, inputs):
        ones, carry = inputs["ones"], super().begin(inputs)
        num_examples = ops.shape(ones)[0] // self.num_particles
        weights = ops.zeros((num_examples, self.num_particles), "float32")
        return carry | {
            "log_weights": weights - math.log(self.num_particles),
            "log_ratios": ops.zeros_like(ones),
            "log_h": ops.zeros_like(ones),
            "log_likelihood": ops.zeros((num_examples,), "float32"),
            "sizes": ops.zeros((self.most_steps + 1, num_examples), "float32"),
        }

    def weigh(self, state, i, log_h):
        """Returns the state, reweighted for the last step, and effective sample sizes."""
        log_ratios = self.by_example(state["log_ratios"] + log_h - state["log_h"])
        log_weights, gained, size = reweight(state["log_weights"], log_ratios)
        return state | {
            "log_weights": log_weights,
            "log_likelihood": state["log_likelihood"] + gained,
            "sizes": ops.slice_update(state["sizes"], (i, 0), size[None]),
        }, size

    def draw_anew(self, state, size, found):
        """Returns the state of the resampled particles, and the values of `found` for them."""
        rows, log_weights = resample(state["log_weights"], size, self.model.seed_generator)
        of_each = {name: state[name] for name in ("states", "unknown_at")}, found
        of_each, found = keras.tree.map_structure(lambda x: ops.take(x, rows, axis=0), of_each)
        return state | of_each | {"log_weights": log_weights}, found

    def send(self, i, inputs, s, outputs, shift):
        """Returns the next evidence, and log of its model over its proposal density, `(batch,)`.

        Args:
            i: the number of the step.
            inputs: the program's inputs.
            s, outputs: the evidence, and the output distribution given it, or dicts of the parts'.
            shift: the guidance's shift of the expected embedding.
        """
        seed, num_particles, times = (
            self.model.seed_generator,
            self.num_particles,
            inputs["times"],
        )

        def send_part(flow, s, x, known, output, shift):
            alpha = flow.schedule.beta(times[i + 1]) - flow.schedule.beta(times[i])
            embedding = self.sampler.message(flow, output, seed) + shift
            noise = normal(ops.shape(s), seed)
            scaled = ops.sqrt(flow.gain * alpha) * shift
            log_ratios = -ops.sum(scaled * (noise + 0.5 * scaled), axis=-1)
            if known is not None:
                # All particles of an example receive the same messages about known variables.
                shared = ops.repeat(noise[::num_particles], num_particles, axis=0)
                noise = ops.where(known[..., None], shared, noise)
                embedding = ops.where(known[..., None], flow.embed(x), embedding)
                received = flow.log_receiver_ratio(x, output, alpha * inputs["ones"], noise)
                log_ratios = ops.where(known, received, log_ratios)
            return s + flow.receive(embedding, alpha, noise), sum_variables(log_ratios)

        x, known = self.guidance.known_variables(inputs["values"])
        s, log_ratios = unzip_parts(
            map_parts(send_part, self.model.flow, s, x, known, outputs, shift)
        )
        return s, sum_parts(log_ratios)

    def finish(self, inputs, state):
        seed, last = self.model.seed_generator, ops.copy(self.num_steps)
        predictions, outputs = GenerationProgram.predict_at(self, inputs, last, state, None)
        samples = self.end(outputs, seed, inputs)
        x, known = self.guidance.known_variables(inputs["values"])
        if known is not None:
            samples = map_parts(lambda own, x, known: ops.where(known, x, own), samples, x, known)
        seen = Expected(
            self.model.flow, predictions, None, samples, observed=inputs.get("observed")
        )
        log_likelihoods = self.guidance.combined(
            "log_likelihood", seen, inputs["values"], ops.unstack(inputs["scales"][last])[1:]
        )
        # A final log likelihood may be -inf, but not NaN.
        is_unknown = ops.isnan(log_likelihoods) & (state["unknown_at"] < 0)
        unknown_at = ops.where(is_unknown, last, state["unknown_at"])
        num_unknown = count_unknown(predictions)
        state, _ = self.weigh(state, last, log_likelihoods)
        chosen = systematic(state["log_weights"], 1, seed)
        return {
            "x": map_parts(lambda x: ops.take(x, chosen, axis=0), samples),
            "particles": map_parts(self.by_example, samples),
            "log_weights": state["log_weights"],
            "log_likelihood": state["log_likelihood"],
            "effective_sample_size": ops.transpose(state["sizes"]),
            "unknown_at": ops.max(self.by_example(unknown_at), axis=1),
            "num_unknown": ops.sum(self.by_example(num_unknown), axis=1),
        }


def check_particles(sampler):
    """Raises a `ValueError` unless particles can be sampled by a sampler."""
    adds_messages = isinstance(sampler, MessageSampler) and not isinstance(sampler, SecondOrder)
    if not adds_messages or getattr(sampler, "noise", 1) != 1 or sampler.end == "last":
        expected = "must be 'ancestral' or 'sde1', with noise=1 and without end='last', for "
        raise refusal("sampler", f"{expected}particles", sampler)


def with_particles(model, inputs, samples, outputs, num_predictions):
    """Returns the `GenerationResult` of samples and of the program's inputs and outputs."""
    particles, observed = order_parts(model.flow, outputs["particles"]), inputs.get("observed")
    if observed is not None:
        particles = map_parts(lambda x, mask: put_missing(x, mask[:, None]), particles, observed)
    return GenerationResult(
        samples,
        log_likelihood=outputs["log_likelihood"],
        effective_sample_size=outputs["effective_sample_size"].T[:num_predictions],
        particles=particles,
        log_weights=outputs["log_weights"],
    )


def reweight(log_weights, log_ratios):
    """Multiplies weights by ratios, and normalises them.

    Args:
        log_weights, log_ratios: of shape `(num_examples, num_particles)`.

    Returns:
        The tuple of log weights, shaped as given; the logarithm of their sum before normalisation;
        and the effective sample size, 1 / sum of squared weights. The latter two have shape
        `(num_examples,)`.
    """
    log_weights = log_weights + log_ratios
    total = ops.logsumexp(log_weights, axis=1)
    # If no particle is possible, log weights stay -inf, not NaN.
    log_weights = log_weights - ops.where(total == -math.inf, 0.0, total)[:, None]
    return log_weights, total, ops.exp(-ops.logsumexp(2.0 * log_weights, axis=1))


def resample(log_weights, size, seed):
    """Resamples the particles of examples whose effective sample size is below half their number.

    Returns:
        The tuple of the rows of the surviving particles, of shape
        `(num_examples * num_particles,)`, and their log weights.
    """
    num_particles = log_weights.shape[1]
    worn = (size < 0.5 * num_particles)[:, None]
    drawn = ops.reshape(systematic(log_weights, num_particles, seed), ops.shape(log_weights))
    kept = ops.reshape(ops.arange(ops.size(drawn), dtype="int32"), ops.shape(drawn))
    rows = ops.reshape(ops.where(worn, drawn, kept), (-1,))
    return rows, ops.where(worn, -math.log(num_particles), log_weights)


def systematic(log_weights, num_draws, seed):
    """Systematic resampling: draws particles by weight, with one uniform number per example.

    Particle k of an example is drawn `num_draws` times its weight, rounded up or down.

    Args:
        log_weights: normalised, of shape `(num_examples, num_particles)`.
        num_draws: int.
        seed: a `SeedGenerator`.

    Returns:
        The particles' rows, of shape `(num_examples * num_draws,)`. Row `n * num_particles + k` is
        particle k of example n.
    """
    num_examples, num_particles = ops.shape(log_weights)[0], log_weights.shape[1]
    uniform = keras.random.uniform((num_examples, 1), dtype="float32", seed=seed)
    points = (uniform + ops.arange(num_draws, dtype="float32")) / num_draws
    cumulative = ops.cumsum(ops.exp(log_weights), axis=1)
    below = ops.cast(cumulative[:, None, :] <= points[:, :, None], "int32")
    # The weights sum to 1 only up to rounding.
    particles = ops.minimum(ops.sum(below, axis=-1), num_particles - 1)
    first_rows = ops.arange(num_examples, dtype="int32")[:, None] * num_particles
    return ops.reshape(first_rows + particles, (-1,))
