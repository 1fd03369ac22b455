"""Workarounds for Keras 3.15, and a list of those in other files.

For each, a test in `tests/test_workarounds.py` fails when Keras no longer needs it. The following
are in other files:

| where | what Keras 3.15 does |
|---|---|
| `_backend/generators.py`, `torch_generators` | on PyTorch, a dropout's own generator is ignored |
| `_backend/randomness.py`, `SeedGenerator` | on TensorFlow, all replicas draw the same numbers |
| `_backend/exports.py`, `export_program` | on PyTorch, ONNX outputs have no names |
| `_backend/exports.py`, `export_by_keras` | on JAX, it uses a deprecated argument |
| `_backend/exports.py`, `convert_to_openvino` | on PyTorch, it cannot write outputs in dicts |
| `_backend/operations.py`, `find_largest` | on TensorFlow, `argmax` takes bits of floats apart |
| `_backend/processes.py`, `rows_of_process` | on JAX, `predict` fails in several processes |
| `_parts.py`, `order_parts` | on JAX, `predict` returns dicts in alphabetical order |
| `_random.py`, `_hash` | on PyTorch, the streams of seeds overlap |
| `_random.py`, `start_from` | on TensorFlow, deleted seed generators leak memory |
| `callbacks/resume.py`, `_initial_epoch` | a resumed `fit` is not forgotten |
| `callbacks/resume.py`, `_variables` | `.keras` files lack the states of seed generators (#19796) |
| `datasets/batches.py`, `workers=1` | more workers first yield batches of the last epoch (#20123) |
| `datasets/batches.py`, `_within_epoch` | `on_epoch_end` is called before the first epoch |
| `flows/priors.py`, `marginals` | on TensorFlow, outputs of `ops.scan` get the carry's shape |
| `flows/flow.py`, `RESERVED` | a dict with these names is taken for a saved object |
| `models/averaging.py`, `_model_variables_moving_average` | averages have no public name |
| `models/building.py`, `build_for` | `fit` builds in an epoch that counts |
| `models/bayesian_flow_network.py`, `programs` | models in a dict are tracked as layers |
| `models/programs.py`, `is_stale` | compiled functions outlast changes of a model's layers |
| `models/programs.py`, `predict_params` | on TensorFlow, constants are folded into biases |
| `inputs/arrays.py`, `check_training_data` | weights of data without targets are dropped |
| `models/bayesian_flow_network.py`, `call_network` | on JAX, `training` is not passed on |
| `models/scoring.py`, `run` | as for `order_parts` |
| `models/bayesian_flow_network.py`, `compute_loss` | on JAX, no metrics in `call` (#21639) |
| `models/trainer.py`, `get_compile_config` | what `"auto"` resolved to is saved |
| `networks/image_levels.py`, `repeat` | `UpSampling1D` supports channels last only |
| `_backend/weights.py`, `KeepsWeights` | on JAX, a call that fails loses the weights |
| `presets/folder.py`, `make_uncompiled` | a config compiles its model |
| `presets/folder.py`, `save_weights` | the optimizer's state is saved, too (tensorflow#91498) |

Numbers refer to issues of keras-team/keras.
"""

import contextlib
import copy
import functools

import keras
from keras import ops

from keras_bfn._backend.devices import scope_of
from keras_bfn._backend.processes import process_of
from keras_bfn._parts import map_parts
from keras_bfn._random import start_from
from keras_bfn._validation import refusal

# The steps of JAX take the optimizer's variables of all weights that train.
STEPS_TAKE_ALL = keras.backend.backend() == "jax"


@contextlib.contextmanager
def seeded(generator, seed):
    """Makes `generator` draw from `seed`, if given, in the block; then restores its state."""
    if seed is None:
        yield
        return
    before = ops.copy(generator.state)
    try:
        start_from(generator, seed)
        yield
    finally:
        generator.state.assign(before)


def loop(seed, num_steps, predict, act, state, draw=None):
    """Runs `state = act(i, state, *predict(i, state, draw()))` for i in 0..num_steps - 1, compiled.

    `draw` and `act` may draw from the generator `seed`. `predict` may call networks; its last
    argument is None if there is no `draw`. In Keras 3.15 on JAX, drawing from a generator inside
    `ops.fori_loop` leaks its tracer, as in `ops.cond` (#20724), so the loop carries the seed's
    state.
    """

    def step(i, carry):
        (state, seed_state), drawn = carry, None
        if draw is not None:
            with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
                drawn = draw()
            seed_state = scope.get_current_value(seed.state)
        # No other variables are accessible in this scope, so networks are called outside it.
        found = predict(i, state, drawn)
        with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
            state = act(i, state, *found)
        return state, scope.get_current_value(seed.state)

    carry = (state, ops.convert_to_tensor(seed.state))
    state, seed_state = ops.fori_loop(0, num_steps, step, carry)
    seed.state.assign(seed_state)
    return state


def build_network(network, inputs):
    """Calls a network on symbolic inputs, which creates its weights; returns its symbolic output.

    On symbolic inputs, a `Sequential` of Keras 3.15 passes `training` to layers that do not accept
    it, so it is called on zeros.
    """
    if isinstance(network, keras.Sequential):
        inputs = keras.tree.map_structure(
            lambda x: ops.zeros((1, *x.shape[1:]), dtype=x.dtype), inputs
        )
        try:
            return network(inputs)
        except (TypeError, ValueError) as error:
            expected = "must be a `Sequential` whose first layer takes the dict of 'theta' and 't'"
            raise refusal("network", expected, network) from error
    return network(inputs)


def symbolic(name, shapes, dtypes="float32"):
    """Returns a network's input of this shape for each example, or a dict of the parts' inputs.

    In a flat dict of inputs, Keras 3.15 expects the tensors to have the keys as names.
    """
    name = None if isinstance(shapes, dict) else name
    return map_parts(
        lambda shape, dtype: keras.Input(shape, dtype=dtype, name=name), shapes, dtypes
    )


def in_order_of(structure, values):
    """Returns the values of nested dicts in the order that their names have in `structure`.

    In Keras 3.15 on PyTorch, a functional model reads a nested dict by its order, not by its names:
    it would confuse the evidence about two parts.
    """
    if not isinstance(structure, dict) or set(structure) != set(values):
        return values
    return {name: in_order_of(structure[name], values[name]) for name in structure}


def layers_within(layer):
    """Returns all layers nested within a layer, in order.

    Keras 3.15 has no public function for this: a model's `layers` are only those of the first
    level, and a layer has no `layers`. Changes of nested layers, such as freezing or quantisation,
    would not be saved, and compiled programs would not notice them.
    """
    return list(layer._flatten_layers(include_self=False))


def layer_policies(network):
    """Returns the names of the dtype policies of all layers, including nested ones, in order."""
    return tuple(layer.dtype_policy.name for layer in layers_within(network))


def layers_with_kernels(network):
    """Returns a network's layers that support LoRA, including nested ones, in order."""
    return [layer for layer in layers_within(network) if hasattr(layer, "enable_lora")]


def changed_layers(network, policies):
    """Returns the changes of a network's layers since it was made, by the layers' numbers.

    A layer may be frozen or quantised, or have another dtype policy. A functional model of Keras
    keeps this in its layers' configs; a network's config holds only its arguments.
    """
    changes = {}
    for i, (layer, policy) in enumerate(zip(layers_within(network), policies, strict=True)):
        change, mode = {} if layer.trainable else {"trainable": False}, layer.quantization_mode
        if mode is not None and not layers_within(layer):
            change["quantization"] = mode
        elif mode is None and layer.dtype_policy.name != policy:
            change["dtype"] = layer.dtype_policy.name
        if change:
            changes[str(i)] = change
    return changes


def change_layers(network, changes):
    """Applies to a new network's layers what `changed_layers` returned for another.

    Layers come before those nested in them. A nested layer, frozen with its outer layer, is
    unfrozen again if it was trainable.
    """
    for i, layer in enumerate(layers_within(network) if changes else ()):
        change = changes.get(str(i), {})
        if layer.quantization_mode != change.get("quantization"):  # else a nested network did it
            layer.quantize(change["quantization"])
        if "dtype" in change:
            layer.dtype_policy = change["dtype"]
        layer.trainable = change.get("trainable", True)


def prefer_less(callbacks, metrics):
    """Sets `mode="min"` on callbacks that monitor one of these metrics, all of which are costs.

    Keras 3.15 finds the direction only of metrics given to `compile`, and refuses
    `EarlyStopping(monitor="val_bits_per_dim")` without a `mode`.
    """
    for callback in keras.tree.flatten(getattr(callbacks, "callbacks", callbacks)):
        monitored = str(getattr(callback, "monitor", None)).removeprefix("val_")
        is_open = getattr(callback, "mode", None) == "auto"
        if is_open and monitored in {metric.name for metric in metrics}:
            callback.mode = "min"


def yield_tuples(loader):
    """Returns a torch `DataLoader` of the same batches, as tuples.

    On JAX and TensorFlow, Keras 3.15 converts each batch to a tuple: of a dict's names, or of a
    tensor's rows. On TensorFlow, it refuses the lists into which torch turns nested tuples.
    """
    loader = copy.copy(loader)
    # Not a closure: it is pickled for workers.
    loader.collate_fn = functools.partial(_collate_tuple, loader.collate_fn)
    loader._iterator = None  # persistent workers are not shared
    return loader


def _collate_tuple(function, *args):
    batch = _lists_to_tuples(function(*args))
    return batch if isinstance(batch, tuple) else (batch,)


def _lists_to_tuples(batch):
    return tuple(map(_lists_to_tuples, batch)) if isinstance(batch, (list, tuple)) else batch


def of_no_backend(optimizer_config):
    """Returns an optimizer's config that names the class in `keras.optimizers`.

    In Keras 3.15, a model compiled on PyTorch names torch's own class, which only trains there.
    """
    config = dict(optimizer_config)
    if config["module"].startswith("keras.src.backend."):
        config |= {"module": "keras.optimizers", "registered_name": None}
    if "inner_optimizer" in config["config"]:
        inner = of_no_backend(config["config"]["inner_optimizer"])
        config["config"] = {**config["config"], "inner_optimizer": inner}
    return config


def scale_loss(model, network):
    """Scales the loss of a compiled model whose network computes in float16.

    Keras 3.15 goes by the policy of the model itself, which may differ from that of its layers.
    """
    layers = [network, *layers_within(network)]
    in_float16 = any(layer.dtype_policy.name == "mixed_float16" for layer in layers)
    if in_float16 and not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        model.optimizer = keras.optimizers.LossScaleOptimizer(model.optimizer)


def averaged(results, model):
    """Returns a step's results so that Keras can average them over TensorFlow's processes.

    Keras 3.15 averages along the first axis, which a metric's result lacks, so `fit` fails
    (tensorflow#72388).
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or process_of(strategy)[1] == 1:
        return results
    return {name: ops.expand_dims(result, 0) for name, result in results.items()}


def build_optimizer(model):
    """Creates an optimizer's variables, or checks that they are those of the weights that train.

    Keras 3.15 replaces weights by averages by their place among those that train. On TensorFlow, if
    layers were frozen since, a weight could get the average of another one. On JAX, a step would
    fail.

    Raises:
        ValueError: if weights train for which there are no variables; or, if weights are averaged
            or on JAX, if others train than when the variables were created.
    """
    if not model.optimizer.built:
        with scope_of(model):
            model.optimizer.build(model.trainable_variables)
        return
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    known = list(map(id, optimizer._trainable_variables))
    trained = list(map(id, model.trainable_variables))
    is_exact = optimizer.use_ema or STEPS_TAKE_ALL
    if known != trained if is_exact else not set(known) >= set(trained):
        raise ValueError(
            "The optimizer was built for other weights than those that train now. Call `compile` "
            "after you freeze, unfreeze or add layers, and give each model its own optimizer. "
            f"Received: an optimizer of {len(known)} weights, {len(trained)} trainable weights"
        )


def unshare_buffers(weights):
    """Gives each weight a buffer of its own.

    If Keras 3.15 assigns one variable to another on JAX, as it does when averages replace weights,
    both share a buffer. The next compiled step donates it, and then saving or training fails on a
    deleted buffer.
    """
    for weight in weights:
        weight.assign(ops.copy(weight))


def copy_values(variables):
    """Returns the values of variables as arrays with their own buffers: see `unshare_buffers`."""
    return [ops.convert_to_numpy(variable).copy() for variable in variables]
