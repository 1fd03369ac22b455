"""What guides samples: a condition, away from the null one, or the likelihood of a `Guidance`."""

import inspect

import keras
import numpy as np
from keras import ops

from keras_bfn import guidance as guidances
from keras_bfn._backend import value_and_gradient
from keras_bfn._parts import map_parts, sum_parts
from keras_bfn._validation import check_numbers, is_number, refusal, warn
from keras_bfn.guidance import Expected
from keras_bfn.guidance.classifier_free import get_classifier_free
from keras_bfn.inputs.missing import sum_variables
from keras_bfn.predictions import output_distributions


def check_classifier_free(model, condition, is_given, guidance_scale):
    """Returns a `ClassifierFreeGuidance`; None for a scale of 1, by which nothing guides.

    Args:
        model: the `BayesianFlowNetwork`.
        condition: the argument, or None.
        is_given: bool. Whether variables are known from the start.
        guidance_scale: the argument.

    Raises:
        ValueError: if it is none, or there is no condition to guide by, or none to guide away from.
    """
    if is_number(guidance_scale) and guidance_scale == 1:
        return None
    found = get_classifier_free(guidance_scale)
    if found.scale == 1:
        return None
    if is_given:  # a network that takes variables as known has seen them unknown, too
        return found
    if condition is None or model.null_condition is None:
        missing = "condition=None" if condition is None else "a network without `null_condition`"
        raise ValueError(
            "Argument `guidance_scale` must be 1 unless there is a condition, and a null condition "
            "to guide away from, or what is `given`; a `guidance` has a scale of its own. "
            f"Received: guidance_scale={guidance_scale} with {missing}"
        )
    if not model.condition_dropout:
        warn(
            "The argument `guidance_scale` guides away from the null condition, which a model with "
            "condition_dropout=0 has not learnt, unless it was among the training data's own."
        )
    return found


def scales_at(times, classifier_free, guidance):
    """The scales of the condition, and of each likelihood of the guidance, at these times.

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
    """What has a scale and an interval: its scale at each of the times, a float32 array."""
    scale, (first, last) = guide.scale, guide.interval
    scales = [scale(float(t)) if callable(scale) else scale for t in times]
    scales = check_numbers(name, scales)
    if scales.shape != np.shape(times) or not np.isfinite(scales).all():
        expected = "must return a finite number for each time in [0, 1]"
        raise refusal(name, expected, scales.tolist())
    is_inside = (times >= np.float32(first)) & (times <= np.float32(last))
    return np.where(is_inside, scales, np.float32(otherwise))


def check_guidance(model, guidance, sampler, num_samples):
    """The tuple of a `Guidance`, or None, and of the values of its likelihoods, by their number.

    Raises:
        ValueError: if it is none, has not a value for each sample, does not return what it must,
            or what it returns has no gradient; or if the sampler cannot be guided.
    """
    if guidance is None:
        return None, {}
    guidance, values = guidances.get(guidance), {}
    if "shift" not in inspect.signature(sampler.step).parameters:
        raise refusal("sampler", "must have a `step` that takes a `shift` to be guided", sampler)
    for i, leaf in enumerate(guidance.leaves()):
        values[str(i)] = leaf.rows(num_samples)
        if leaf.fn is not None:
            _try(model, leaf, values[str(i)])
    return guidance, values


def _try(model, leaf, rows):
    """Calls the function of a guidance on made-up data, in between what data can be.

    Where it returns other numbers for other data, and its gradient is zero at each, it has none.
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
    leaf.check_result(leaf.fn(data, **rows), data)  # of arrays, too
    (log_likelihood, _), gradient = value_and_gradient(
        lambda data: (leaf.check_result(leaf.fn(data, **rows), data), ()), data
    )
    gradient = [ops.convert_to_numpy(g) for g in keras.tree.flatten(gradient)]
    log_likelihood = ops.convert_to_numpy(log_likelihood)
    differ = np.unique(log_likelihood[np.isfinite(log_likelihood)]).size > 1
    if differ and not any(map(np.any, gradient)):
        raise ValueError(
            "Argument `guidance` must be a function that can be differentiated: it may not round, "
            "compare or take the likeliest. Received: one whose gradient is 0 for all of "
            f"{num} made-up examples, but whose values there are {log_likelihood.tolist()}"
        )


def first_unknown(unknown_at, i, log_h, shift):
    """For each row the first step at which log h or its gradient is no number, or -1.

    Args:
        unknown_at: that of the steps before step `i`.
        log_h, shift: as `guided_prediction` returns them.
    """
    spoilt = sum_parts(map_parts(lambda shift: sum_variables(0.0 * shift), shift))
    is_known = ops.isfinite(log_h + spoilt)
    return ops.where(ops.logical_and(~is_known, unknown_at < 0), i, unknown_at)


def count_unknown(predictions):
    """How much of what a network returned for an example is no finite number, `(batch,)`."""

    def unknown(prediction):
        return sum_variables(ops.cast(~ops.isfinite(prediction.params), "float32"))

    return sum_parts(map_parts(unknown, predictions))


def check_found(model, unknown_at, num_unknown):
    """Raises a `ValueError` if the network or a guidance gave what is no number.

    Args:
        model: the `BayesianFlowNetwork`.
        unknown_at: for each sample the number of the step at which a guidance first did, or -1.
        num_unknown: for each sample how much of what the network returned in the end is no number.
    """
    steps = unknown_at[unknown_at >= 0]
    if not num_unknown.any() and not steps.size:
        return
    weights = [w.path for w in model.network.weights if not _is_finite(w)]
    if weights:
        raise ValueError(
            "The network's weights must be finite. Received: NaN or infinity in "
            f"{len(weights)} of {len(model.network.weights)}, such as {weights[0]}"
        )
    if not steps.size:
        raise ValueError(
            "The network must return finite numbers. Received: NaN or infinity for "
            f"{np.count_nonzero(num_unknown)} of {num_unknown.size} samples"
        )
    raise ValueError(
        "Argument `guidance` must be finite, and so must its gradient. Received: NaN or "
        f"infinity for {steps.size} of {unknown_at.size} samples, first at step {steps.min()}"
    )


def _is_finite(weight):
    values = ops.convert_to_numpy(weight)
    return values.dtype.kind != "f" or np.isfinite(values).all()


def guided_prediction(guidance, predict, flow, s, inputs, scales, noise):
    """What the network predicts, and how the evidence should change to follow a guidance.

    Args:
        guidance: a `Guidance`.
        predict: function from evidence to predictions.
        flow: the flow, or a dict of flows.
        s: evidence.
        inputs: the program's.
        scales: for each likelihood a scalar.
        noise: for the draws of `Expected`.

    Returns:
        The tuple of predictions, the gradient of log h by the evidence, and log h, `(batch,)`.
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
    # Where all scales are 0, nothing guides, whatever a likelihood is there.
    is_guided = ops.any(ops.stack(scales) != 0)
    found = keras.tree.map_structure(lambda x: ops.where(is_guided, x, 0.0), (shift, value))
    return predictions, *found


def log_likelihood(guidance, flow, x, predictions, inputs, scales):
    """log L of samples, to the power that is the scale of each likelihood, `(batch,)`."""
    seen = Expected(flow, predictions, None, x, mask=inputs.get("observed"))
    return _total(guidance, "log_likelihood", seen, inputs, scales)


def _total(guidance, method, seen, inputs, scales):
    """What a method of each likelihood finds, times its scale, as the guidance combines them."""
    found = [
        scale * getattr(leaf, method)(seen, **inputs["values"][str(i)])
        for i, (leaf, scale) in enumerate(zip(guidance.leaves(), scales, strict=True))
    ]
    return guidance.total(found)
