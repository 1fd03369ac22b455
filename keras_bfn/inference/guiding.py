"""The likelihood of a `Guidance`: its gradient, and its scale at each time."""

import inspect

import keras
import numpy as np
from keras import ops

from keras_bfn import guidance as guidances
from keras_bfn._backend.gradients import value_and_gradient
from keras_bfn._parts import map_parts, sum_parts, sum_variables
from keras_bfn._validation import check_numbers, mismatch, refusal
from keras_bfn.guidance import Expected
from keras_bfn.predictions import output_distributions


def scales_at(times, classifier_free, guidance):
    """Returns the scales of the condition, and of each likelihood of the guidance, at these times.

    Returns:
        A float32 array of shape `(len(times), 1 + number of likelihoods)`.
    """
    scales = [np.ones(len(times), "float32")]
    if classifier_free is not None:
        scales = [_scale_at("guidance_scale", times, classifier_free, otherwise=1)]
    for leaf in [] if guidance is None else guidance.leaves():
        scales.append(_scale_at("scale", times, leaf, otherwise=0))
    return np.stack(scales, axis=-1)


def _scale_at(name, times, guide, otherwise):
    """Returns the scale, at each time, of a guide with a scale and an interval; a float32 array."""
    scale, (first, last) = guide.scale, guide.interval
    scales = [scale(float(t)) if callable(scale) else scale for t in times]
    scales = check_numbers(name, scales)
    if scales.shape != np.shape(times) or not np.isfinite(scales).all():
        expected = "must return a finite number for each time in [0, 1]"
        raise refusal(name, expected, scales.tolist())
    is_inside = (times >= np.float32(first)) & (times <= np.float32(last))
    return np.where(is_inside, scales, np.float32(otherwise))


def check_guidance(model, guidance, sampler, num_samples):
    """Returns the tuple of a `Guidance`, and a dict of its likelihoods' values, by their number.

    Raises:
        ValueError: if it is not a guidance, lacks a value for each sample, returns an invalid
            result or one without a gradient; or if the sampler cannot be guided.
    """
    guidance, values = guidances.get(guidance), {}
    if sampler.jumps:
        raise refusal("sampler", "must not jump to be guided by a likelihood", sampler)
    if "shift" not in inspect.signature(sampler.step).parameters:
        raise refusal("sampler", "must have a `step` that accepts a `shift`, for guidance", sampler)
    for i, leaf in enumerate(guidance.leaves()):
        values[str(i)] = leaf.rows(num_samples)
        if leaf.fn is not None:
            _try(model, leaf, values[str(i)])
    return guidance, values


def _try(model, leaf, rows):
    """Calls the function of a guidance on synthetic data, in between possible values.

    Raises a `ValueError` if its values differ but all its gradients are zero.
    """
    rng, num = np.random.default_rng(0), 4
    rows = {name: ops.convert_to_tensor(x[np.arange(num) % len(x)]) for name, x in rows.items()}

    def make_up(flow, shape):
        low, high = np.broadcast_arrays(*flow.data_range)
        low, high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 9.0)
        high = high + 1.0 if flow.discrete else high
        x = rng.uniform(low, high, (2, num, *shape))
        x = [flow.sure_data(one.astype("int32" if flow.discrete else "float32")) for one in x]
        return 0.7 * x[0] + 0.3 * x[1]

    data = map_parts(make_up, model.flow, model.event_shape)
    leaf.check_result(leaf.fn(data, **rows), data)  # it must also accept arrays
    (log_likelihood, _), gradient = value_and_gradient(
        lambda data: (leaf.check_result(leaf.fn(data, **rows), data), ()), data
    )
    gradient = [ops.convert_to_numpy(g) for g in keras.tree.flatten(gradient)]
    log_likelihood = ops.convert_to_numpy(log_likelihood)
    differ = np.unique(log_likelihood[np.isfinite(log_likelihood)]).size > 1
    if differ and not any(map(np.any, gradient)):
        expected = "must be a differentiable function, without rounding, comparison or argmax"
        came = f"a function whose gradient is 0 for {num} synthetic examples, although its values "
        raise mismatch("guidance", expected, f"{came}differ: {log_likelihood.tolist()}")


def guided_prediction(guidance, predict, flow, s, inputs, scales, noise):
    """Returns the network's predictions, and the gradient by which a guidance shifts evidence.

    Args:
        guidance: a `Guidance`.
        predict: function from evidence to predictions.
        flow: the flow, or a dict of flows.
        s: evidence.
        inputs: the program's inputs.
        scales: a scalar for each likelihood.
        noise: noise for the samples of `Expected`.

    Returns:
        The tuple of predictions, the gradient of log h with respect to the evidence, and log h,
        `(batch,)`.
    """
    given, known, mask = (inputs.get(name) for name in ("given", "known", "observed"))

    def log_h(predictions, outputs):
        seen = Expected(flow, predictions, outputs, given, known, mask, noise)
        return _total(guidance, "log_h", seen, inputs, scales)

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


def first_unknown(unknown_at, i, log_h, shift):
    """Returns each row's first step at which log h or its gradient is not finite, or -1.

    Args:
        unknown_at: the result for the steps before step `i`.
        log_h, shift: as `guided_prediction` returns them.
    """
    spoilt = sum_parts(map_parts(lambda shift: sum_variables(0.0 * shift), shift))
    is_known = ops.isfinite(log_h + spoilt)
    return ops.where(ops.logical_and(~is_known, unknown_at < 0), i, unknown_at)


def log_likelihood(guidance, flow, x, predictions, inputs, scales):
    """Returns log L of samples, each likelihood to the power of its scale, `(batch,)`."""
    seen = Expected(flow, predictions, None, x, mask=inputs.get("observed"))
    return _total(guidance, "log_likelihood", seen, inputs, scales)


def _total(guidance, method, seen, inputs, scales):
    """Calls a method of each likelihood, scales the results, and combines them."""
    found = [
        scale * getattr(leaf, method)(seen, **inputs["values"][str(i)])
        for i, (leaf, scale) in enumerate(zip(guidance.leaves(), scales, strict=True))
    ]
    return guidance.total(found)
