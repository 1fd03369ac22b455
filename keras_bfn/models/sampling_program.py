"""What all programs share that ask the network at a series of times."""

import numbers

import keras
import numpy as np
from keras import ops

from keras_bfn.models.data_checks import check_condition
from keras_bfn.models.program import Program, divisible


class SamplingProgram(Program):
    """Base class of programs that look, act, and look again.

    Args:
        model: the `BayesianFlowNetwork`.
        times: float32 array, the times of the looks.
    """

    def __init__(self, model, times):
        super().__init__(model)
        self.times = times

    def look(self, s, i, inputs):
        """Asks the network about evidence `s` at the i-th time.

        Args:
            s: evidence, of shape `(batch, *event_shape, embedding_size)`.
            i: int or scalar int tensor.
            inputs: the program's; used are `"ones"`, of shape `(batch,)`, and, if present,
                `"condition"` and `"guidance_scale"`.

        Returns:
            A dict of `"evidence"`, `"theta"` and `"params"`, the network's answer, and the output
            distribution.
        """
        flow = self.model.flow
        # Not a constant: TensorFlow would fold it into the network, and get the shapes wrong.
        t = self.time(i) * inputs["ones"]
        theta = flow.input_params(s, flow.schedule.beta(t))
        params = self.model.ask(
            theta, t, inputs.get("condition"), guidance_scale=inputs.get("guidance_scale")
        )
        seen = {"evidence": s, "theta": theta, "params": params}
        return seen, flow.output_distribution(params, s, t)

    def time(self, i):
        return ops.take(ops.convert_to_tensor(self.times), i)

    def loop(self, num_steps, look, act, state):
        """Runs `state = act(i, state, *look(i, state))` for i in 0..num_steps - 1.

        `act` may draw from the model's seed generator; `look` may call the network.
        """
        seed = self.model.seed_generator

        def step(i, carry):
            state, seed_state = carry
            seen = look(i, state)
            # The loop carries the seed: a draw from the generator itself would leak its tracer.
            # In this scope no other variable can be seen, so the network is asked outside it.
            with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
                state = act(i, state, *seen)
            return state, scope.get_current_value(seed.state)

        carry = (state, ops.convert_to_tensor(seed.state))
        state, seed_state = ops.fori_loop(0, num_steps, step, carry)
        seed.state.assign(seed_state)
        return state


def condition_inputs(model, condition, guidance_scale, num_examples):
    """The inputs `"condition"` and `"guidance_scale"` of a `SamplingProgram`, where needed.

    Raises:
        ValueError: if the condition does not suit the model, or there is nothing to guide.
    """
    if isinstance(guidance_scale, bool) or not isinstance(guidance_scale, numbers.Real):
        raise ValueError(
            "Argument `guidance_scale` must be a number. "
            f"Received: guidance_scale={guidance_scale!r}"
        )
    if not np.isfinite(guidance_scale):
        raise ValueError(
            f"Argument `guidance_scale` must be finite. Received: guidance_scale={guidance_scale}"
        )
    if guidance_scale != 1 and (condition is None or model.null_class is None):
        missing = "condition=None" if condition is None else "a network without `null_class`"
        raise ValueError(
            "Argument `guidance_scale` must be 1 unless there is a condition, and a null class to "
            f"guide away from. Received: guidance_scale={guidance_scale} with {missing}"
        )
    if condition is None and model.null_class is not None:
        condition = np.full(num_examples, model.null_class, "int32")
    condition = check_condition(model, condition, num_examples)
    inputs = {} if condition is None else {"condition": condition}
    if guidance_scale != 1:
        inputs["guidance_scale"] = np.full(num_examples, guidance_scale, "float32")
    return inputs


def check_event_shape(model):
    """Raises a `ValueError` if the model does not know the shape of an example yet."""
    if model.event_shape is None:
        raise ValueError(
            "The model has no `event_shape` yet: give it to the constructor, or train first. "
            "Received: event_shape=None"
        )


def predict_rows(program, inputs, batch_size, verbose):
    """`program.predict`, in full batches so that one compiled program serves them all."""
    num = len(inputs["ones"])
    batch_size = divisible(batch_size)
    rows = np.arange(-(-num // batch_size) * batch_size) % num
    inputs = {name: values[rows] for name, values in inputs.items()}
    outputs = program.predict(inputs, batch_size=batch_size, verbose=verbose)
    return {name: values[:num] for name, values in outputs.items()}
