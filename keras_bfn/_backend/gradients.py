"""Gradients with respect to inputs."""

import keras

from keras_bfn._backend.devices import is_on_cpu


def value_and_gradient(function, inputs):
    """Returns a function's outputs and the gradient of the sum of its values.

    Keras has no such function.

    Args:
        function: takes `inputs`, and returns a tuple: values, a tensor, and a nest of tensors.
        inputs: a nest of float tensors.

    Returns:
        The tuple of the function's outputs and the gradient, a nest like `inputs`. It is zero for
        inputs on which the values do not depend.
    """
    gradient = {
        "jax": _value_and_gradient_jax,
        "tensorflow": _value_and_gradient_tensorflow,
        "torch": _value_and_gradient_torch,
    }[keras.backend.backend()]
    return gradient(function, inputs)


def _value_and_gradient_jax(function, inputs):
    import jax

    def total(inputs):
        outputs = function(inputs)
        return outputs[0].sum(), outputs

    both = jax.value_and_grad(total, has_aux=True)
    (_, outputs), gradient = _copy_kernels(both, inputs) if is_on_cpu() else both(inputs)
    return outputs, gradient


def _copy_kernels(function, inputs):
    """Calls a function on JAX, with convolution kernels copied where their axes are swapped.

    They are swapped in gradients with respect to a convolution's input. XLA on CPUs copies such
    kernels itself, but not in a loop, where each of these convolutions then takes nine times as
    long.
    """
    import jax

    def evaluate(jaxpr, constants, arguments):
        variables = [*jaxpr.constvars, *jaxpr.invars]
        values = dict(zip(variables, [*constants, *arguments], strict=True))
        for equation in jaxpr.eqns:
            seen = [x.val if hasattr(x, "val") else values[x] for x in equation.invars]
            primitive, params = equation.primitive, equation.params
            if primitive.name in ("jit", "pjit"):
                found = evaluate(params["jaxpr"].jaxpr, params["jaxpr"].consts, seen)
            else:
                if primitive.name == "conv_general_dilated":
                    seen[1], params = copy_kernel(seen[1], params)
                bound = primitive.get_bind_params(params)
                # In older versions, functions are returned separately.
                functions, params = bound if isinstance(bound, tuple) else ((), bound)
                found = primitive.bind(*functions, *seen, **params)
            found = found if primitive.multiple_results else [found]
            values.update(zip(equation.outvars, found, strict=True))
        return [x.val if hasattr(x, "val") else values[x] for x in jaxpr.outvars]

    def copy_kernel(kernel, params):
        axes = params["dimension_numbers"]
        out_axis, in_axis, *spatial = axes.rhs_spec
        order = (*spatial, in_axis, out_axis)
        if order == tuple(range(kernel.ndim)):
            return kernel, params
        # Without a barrier, XLA would treat the transpose as a mere relabelling of axes.
        kernel = jax.lax.optimization_barrier(jax.numpy.transpose(kernel, order))
        last = kernel.ndim - 1
        axes = axes._replace(rhs_spec=(last, last - 1, *range(last - 1)))
        return kernel, {**params, "dimension_numbers": axes}

    program, shapes = jax.make_jaxpr(function, return_shape=True)(inputs)
    found = evaluate(program.jaxpr, program.consts, jax.tree.leaves(inputs))
    return jax.tree.unflatten(jax.tree.structure(shapes), found)


def _value_and_gradient_tensorflow(function, inputs):
    import tensorflow as tf

    def run(inputs):
        flat = keras.tree.flatten(inputs)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(flat)
            outputs = function(inputs)
        zero = tf.UnconnectedGradients.ZERO
        gradient = tape.gradient(outputs[0], flat, unconnected_gradients=zero)
        return outputs, keras.tree.pack_sequence_as(inputs, gradient)

    if tf.inside_function():
        # A separate function: TensorFlow replaces the sum of large tensors by a temporary variable,
        # which in a loop would still hold the last iteration's value.
        run = tf.function(run, autograph=False, experimental_attributes={"_noinline": True})
    return run(inputs)


def _value_and_gradient_torch(function, inputs):
    import torch

    with torch.enable_grad():
        flat = [x.detach().requires_grad_() for x in keras.tree.flatten(inputs)]
        outputs = function(keras.tree.pack_sequence_as(inputs, flat))
        total = outputs[0].sum()
        gradient = [torch.zeros_like(x) for x in flat]
        if total.requires_grad:
            gradient = torch.autograd.grad(total, flat, materialize_grads=True)
    outputs = keras.tree.map_structure(lambda x: x.detach(), outputs)
    return outputs, keras.tree.pack_sequence_as(inputs, gradient)
