"""Generation guided by a likelihood: its gradient shifts the expected embedding at each step."""

import inspect

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.gradients import value_and_gradient
from keras_bfn._backend.traits import compiles_gradients_of_scans
from keras_bfn._parts import list_parts, map_parts, sum_parts, sum_variables
from keras_bfn._random import Noise, normal, uniform
from keras_bfn._validation import mismatch, refusal
from keras_bfn.guidance.expected import Expected
from keras_bfn.models.generation import GenerationProgram
from keras_bfn.models.programs import check_found
from keras_bfn.predictions import output_distributions


class GuidedProgram(GenerationProgram):
    """Runs a sampler whose steps are shifted by the gradient of a likelihood.

    Args:
        model, sampler, most_steps, classifier_free, keeps_trajectory: as in `GenerationProgram`.
        guidance: a `keras_bfn.guidance.Guidance`.

    Call arguments:
        inputs: dict as in `GenerationProgram`, with the `"values"` of the guidance; optionally
            `"given"` and `"known"`, data and a mask of the known variables.
    """

    def __init__(self, model, sampler, most_steps, classifier_free, keeps_trajectory, guidance):
        num_scales = 1 + len(guidance.leaves())
        super().__init__(model, sampler, most_steps, classifier_free, keeps_trajectory, num_scales)
        self.guidance = guidance
        scans = any(flow.scans for (flow,) in list_parts(model.flow))
        if scans and self.compiled and not compiles_gradients_of_scans():
            self.compile(jit_compile=False, run_eagerly=model.run_eagerly)

    def begin(self, inputs):
        unknown_at = ops.full_like(inputs["ones"], -1, dtype="int32")
        return super().begin(inputs) | {"unknown_at": unknown_at}

    def drawing(self, inputs):
        num_draws, seed = self.guidance.num_draws, self.model.seed_generator
        if num_draws is None:
            return None

        def draw(flow, event_shape):
            shape, taken = (ops.shape(inputs["ones"])[0], *event_shape), Noise()
            nothing = (
                ops.zeros((*shape, n), "float32") for n in (flow.output_size, flow.embedding_size)
            )
            flow.output_distribution(*nothing, inputs["ones"]).sample(taken)
            kinds = {"normal": normal, "uniform": uniform}
            return {
                name: kinds[name.split("_")[0]]((num_draws, *shape), seed)
                for name, shape in taken.shapes.items()
            }

        return lambda: map_parts(draw, self.model.flow, self.model.event_shape)

    def predict_at(self, inputs, i, carry, noise):
        s = map_parts(self.sampler.evidence, self.model.flow, carry["states"], inputs["times"][i])
        predictions, *found = self.guide_by(i, s, inputs, noise)
        return predictions, map_parts(self.output, self.model.flow, predictions), *found

    def guide_by(self, i, s, inputs, noise):
        """Returns the predictions of step i, the gradient of log h by the evidence, and log h."""
        flow, guidance, times = self.model.flow, self.guidance, inputs["times"]
        own, *scales = ops.unstack(inputs["scales"][i], self.scales.shape[1])
        given, known, observed = (inputs.get(name) for name in ("given", "known", "observed"))

        def log_h(predictions, outputs):
            seen = Expected(flow, predictions, outputs, given, known, observed, noise)
            return guidance.combined("log_h", seen, inputs["values"], scales)

        def predict(s):
            return self.predict_params(s, times[i], times[i + 1], inputs, own)

        def of_evidence(s):
            predictions = predict(s)
            return log_h(predictions, output_distributions(flow, predictions)), predictions

        def tilt(flow, output, evidence, prediction):
            return flow.tilted(output, evidence, prediction.t)

        def of_more(evidence):
            return log_h(predictions, map_parts(tilt, flow, outputs, evidence, predictions)), ()

        if guidance.through_network:
            (value, predictions), shift = value_and_gradient(of_evidence, s)
        else:
            predictions = predict(s)
            outputs = output_distributions(flow, predictions)
            (value, _), shift = value_and_gradient(of_more, map_parts(ops.zeros_like, s))
        # If all scales are 0, nothing guides, even if a likelihood is not finite.
        is_guided = ops.any(ops.stack(scales) != 0)
        found = keras.tree.map_structure(lambda x: ops.where(is_guided, x, 0.0), (shift, value))
        return predictions, *found

    def act(self, inputs, i, carry, predictions, outputs, shift, log_h):
        carry = carry | {"unknown_at": first_unknown(carry["unknown_at"], i, log_h, shift)}
        return super().act(inputs, i, carry, predictions, outputs, shift)

    def finish(self, inputs, carry):
        return super().finish(inputs, carry) | {"unknown_at": carry["unknown_at"]}


def first_unknown(unknown_at, i, log_h, shift):
    """Returns each row's first step at which log h or its gradient is not finite, or -1.

    Args:
        unknown_at: the result for the steps before step `i`.
        log_h, shift: as `GuidedProgram.guide_by` returns them.
    """
    spoilt = sum_parts(map_parts(lambda shift: sum_variables(0.0 * shift), shift))
    is_known = ops.isfinite(log_h + spoilt)
    return ops.where(ops.logical_and(~is_known, unknown_at < 0), i, unknown_at)


def check_known(model, outputs):
    """Raises a `ValueError` if a guidance returned NaN or infinity, unless the network did first.

    Args:
        model: the `BayesianFlowNetwork`.
        outputs: those of the program, with the first step at which the guidance did so, or -1.
    """
    unknown_at = outputs["unknown_at"]
    steps = unknown_at[unknown_at >= 0]
    if steps.size:
        if any(not np.isfinite(ops.convert_to_numpy(w)).all() for w in model.network.weights):
            check_found(model, np.ones(1))
        came = f"NaN or infinity for {steps.size} of {unknown_at.size} samples, first at step "
        expected = "must be finite and have a finite gradient"
        raise mismatch("guidance", expected, f"{came}{steps.min()}")


def check_shifts(sampler):
    """Raises a `ValueError` if a sampler cannot be guided by a likelihood."""
    if "shift" not in inspect.signature(sampler.step).parameters:
        raise refusal("sampler", "must have a `step` that accepts a `shift`, for guidance", sampler)


def synthetic_data(model, num):
    """Returns synthetic expected data, in between possible values."""
    rng = np.random.default_rng(0)

    def make_up(flow, shape):
        low, high = np.broadcast_arrays(*flow.data_range)
        low, high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 9.0)
        high = high + 1.0 if flow.discrete else high
        x = rng.uniform(low, high, (2, num, *shape))
        x = [flow.sure_data(one.astype("int32" if flow.discrete else "float32")) for one in x]
        return 0.7 * x[0] + 0.3 * x[1]

    return map_parts(make_up, model.flow, model.event_shape)


def check_gradient(function, data):
    """Raises a `ValueError` if the values of a log likelihood differ, but its gradients are 0."""
    function(data)  # it must also accept arrays
    (log_likelihood, _), gradient = value_and_gradient(lambda data: (function(data), ()), data)
    gradient = [ops.convert_to_numpy(g) for g in keras.tree.flatten(gradient)]
    log_likelihood = ops.convert_to_numpy(log_likelihood)
    differ = np.unique(log_likelihood[np.isfinite(log_likelihood)]).size > 1
    if differ and not any(map(np.any, gradient)):
        expected = "must be a differentiable function, without rounding, comparison or argmax"
        came = f"a function whose gradient is 0 for {len(log_likelihood)} synthetic examples, "
        came += f"although its values differ: {log_likelihood.tolist()}"
        raise mismatch("guidance", expected, came)
