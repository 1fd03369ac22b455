"""What works around Keras 3.15: each piece here, or where it must stand.

For each there is a test in `tests/test_workarounds.py` that fails when Keras no longer needs it.
These stand where they are needed:

| where | what Keras 3.15 does |
|---|---|
| `_backend/gradients.py`, `recompute` | on JAX on CPUs, `keras.remat` saves no memory |
| `_backend/randomness.py`, `torch_generators` | on PyTorch, a dropout's own generator is ignored |
| `_backend/randomness.py`, `SeedGenerator` | on TensorFlow, all replicas draw the same |
| `_backend/exports.py`, `export_program` | on PyTorch, outputs in ONNX have no names |
| `_backend/exports.py`, `export_saved_model` | on JAX, an argument that will go is used |
| `_backend/processes.py`, `rows_of_process` | on JAX, `predict` fails in several processes |
| `_parts.py`, `order_parts` | on JAX, `predict` returns dicts in alphabetical order |
| `_random.py`, `_hash` | on PyTorch, the streams of seeds overlap |
| `_random.py`, `start_from` | on TensorFlow, seed generators that are gone leave memory behind |
| `callbacks/resume.py`, `_initial_epoch` | a `fit` that was resumed is not forgotten |
| `callbacks/resume.py`, `_variables` | `.keras` files hold no states of seed generators (#19796) |
| `datasets/batches.py`, `workers=1` | with more, batches of the last epoch come first (#20123) |
| `datasets/batches.py`, `_within_epoch` | a `PyDataset` is told of an end before the first epoch |
| `flows/priors.py`, `marginals` | on TensorFlow, what `ops.scan` gives has the shape of its carry |
| `flows/flow.py`, `RESERVED` | a dict of these names is taken for a saved object |
| `models/averaging.py`, `_model_variables_moving_average` | averages have no public name |
| `models/bayesian_flow_network.py`, `build_for` | `fit` builds in an epoch that counts |
| `models/bayesian_flow_network.py`, `programs` | the models in a dict are tracked as layers |
| `_sameness.py`, `is_stale` | compiled functions outlast changes of a model's layers |
| `inference/program.py`, `predict_params` | on TensorFlow, constants are folded into biases |
| `inputs/arrays.py`, `check_training_data` | the weights of data without targets are dropped |
| `predictions.py`, `call` | on JAX, layers within are not told that they are trained |
| `inference/scoring.py`, `score` | as for `order_parts` |
| `models/bayesian_flow_network.py`, `compute_loss` | on JAX, no metrics in `call` (#21639) |
| `models/bayesian_flow_network.py`, `get_compile_config` | what `"auto"` came to is saved |
| `networks/image_levels.py`, `repeat` | `UpSampling1D` knows channels last alone |
| `_interrupts.py`, `whole_steps` | steps and averages that are interrupted are made in part |
| `_interrupts.py`, `WholeSteps` | on JAX, a call that fails takes the weights along |
| `networks/network.py`, `names` | the names in a flat dict of inputs must be the tensors' |
| `presets/folder.py`, `make_uncompiled` | a config compiles its model |
| `presets/folder.py`, `save_weights` | the optimizer's state is saved, too (tensorflow#91498) |

Numbers are those of issues of keras-team/keras.
"""

import contextlib
import copy
import functools

import keras
from keras import ops

from keras_bfn._backend import process_of, recompute
from keras_bfn._random import start_from


@contextlib.contextmanager
def seeded(generator, seed):
    """Lets `generator` draw from `seed` within, if one is given, and go on as before after it."""
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

    `draw` and `act` may draw from the generator `seed`; `predict` may call networks, and is given
    None where nothing is drawn for it. In Keras 3.15 on JAX, a draw from a generator inside of
    `ops.fori_loop` leaks its tracer, as in `ops.cond` (#20724): the loop carries the seed's state.
    """

    def step(i, carry):
        (state, seed_state), drawn = carry, None
        if draw is not None:
            drawn, seed_state = drawing(seed_state, draw)
        return drawing(seed_state, act, i, state, *predict(i, state, drawn))

    def drawing(seed_state, function, *args):
        # In this scope no other variable can be seen, so networks are asked outside it.
        with keras.StatelessScope(state_mapping=[(seed.state, seed_state)]) as scope:
            result = function(*args)
        return result, scope.get_current_value(seed.state)

    carry = (state, ops.convert_to_tensor(seed.state))
    state, seed_state = ops.fori_loop(0, num_steps, step, carry)
    seed.state.assign(seed_state)
    return state


def call_block(function, dropouts, training, remat, *tensors):
    """Calls `function(drops, *tensors)`, where each of `drops` applies one of the dropouts.

    With `remat`, what is inside is not kept, but computed again when gradients are taken. With
    dropout, `keras.remat` of Keras 3.15 fails on JAX, and on TensorFlow and PyTorch draws other
    masks for the gradients than for the values. Here both start from the same states of the seed
    generators.

    Args:
        function: takes a list of functions and tensors, and returns a tensor. It calls each
            function once, and draws no other random numbers.
        dropouts: list of `keras.layers.Dropout`.
        training, remat: bool.
        *tensors: the arguments.
    """
    if not remat:
        return function([_drop(dropout, training) for dropout in dropouts], *tensors)

    random = [dropout for dropout in dropouts if training and dropout.rate]
    states = [dropout.seed_generator.state for dropout in random]
    # Copies: on torch, the generators' next step changes the states in place.
    starts = [ops.copy(ops.convert_to_tensor(state)) for state in states]
    for dropout in random:
        dropout.seed_generator.next()

    def repeatable(*tensors):
        scope = keras.StatelessScope(state_mapping=list(zip(states, starts, strict=True)))
        drops = [_drop(dropout, training, scope) for dropout in dropouts]
        return function(drops, *tensors)

    return recompute(repeatable)(*tensors)


def _drop(dropout, training, scope=None):
    def drop(x):
        with scope or contextlib.nullcontext():
            return dropout(x, training=training)

    return drop


def build_network(network, inputs):
    """Calls a network on symbolic inputs, which creates its weights; its symbolic output.

    Without numbers, a `Sequential` of Keras 3.15 hands `training` to layers that do not take it. It
    is called on zeros.
    """
    if isinstance(network, keras.Sequential):
        inputs = keras.tree.map_structure(
            lambda x: ops.zeros((1, *x.shape[1:]), dtype=x.dtype), inputs
        )
    return network(inputs)


def in_order_of(structure, values):
    """The values of nested dicts, in the order that dicts of the same names have in `structure`.

    In Keras 3.15 on PyTorch, a functional model goes by the order of a dict within a dict, not by
    its names: it would take the evidence about one part for that about another.
    """
    if not isinstance(structure, dict) or set(structure) != set(values):
        return values
    return {name: in_order_of(structure[name], values[name]) for name in structure}


def layers_within(layer):
    """The layers within a layer, and within these, in order.

    Keras 3.15 has no public name for it: `layers` of a model are those of the first level alone,
    and a layer has none. Without it, those in blocks would be frozen or quantised in vain: not
    saved, and not seen by programs that are compiled already.
    """
    return list(layer._flatten_layers(include_self=False))


def layer_policies(network):
    """The names of the dtype policies of all layers, with those within layers, in order."""
    return tuple(layer.dtype_policy.name for layer in layers_within(network))


def layers_with_kernels(network):
    """The layers of a network that can be given LoRA, with those within layers, in order."""
    return [layer for layer in layers_within(network) if hasattr(layer, "enable_lora")]


def changed_layers(network, policies):
    """What was done to a network's layers since it was made, by number.

    Layers were frozen, or quantised, or were given another dtype policy than they had.
    A functional model of Keras has it in its layers' configs; a network's config is its arguments.
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
    """Does to the layers of a new network what `changed_layers` tells of another.

    Those within a layer come after it: frozen with it, they are thawed if they were.
    """
    for i, layer in enumerate(layers_within(network) if changes else ()):
        change = changes.get(str(i), {})
        if layer.quantization_mode != change.get("quantization"):  # else a network within did it
            layer.quantize(change["quantization"])
        if "dtype" in change:
            layer.dtype_policy = change["dtype"]
        layer.trainable = change.get("trainable", True)


def prefer_less(callbacks, metrics):
    """Tells callbacks that monitor one of these metrics, all of them costs, that less is better.

    Keras 3.15 looks for what a metric prefers among those that `compile` was given alone, and
    refuses `EarlyStopping(monitor="val_bits_per_dim")` without a `mode`.
    """
    for callback in keras.tree.flatten(getattr(callbacks, "callbacks", callbacks)):
        monitored = str(getattr(callback, "monitor", None)).removeprefix("val_")
        is_open = getattr(callback, "mode", None) == "auto"
        if is_open and monitored in {metric.name for metric in metrics}:
            callback.mode = "min"


def yield_tuples(loader):
    """A torch `DataLoader` of the same batches, in tuples.

    Of each batch, Keras 3.15 on JAX and TensorFlow makes a tuple: of a dict's names, of a tensor's
    rows. On TensorFlow it refuses the lists that torch makes of tuples within tuples.
    """
    loader = copy.copy(loader)
    # Not a closure: workers are sent it.
    loader.collate_fn = functools.partial(_collate_tuple, loader.collate_fn)
    loader._iterator = None  # workers that last are not shared
    return loader


def _collate_tuple(function, *args):
    batch = _lists_to_tuples(function(*args))
    return batch if isinstance(batch, tuple) else (batch,)


def _lists_to_tuples(batch):
    return tuple(map(_lists_to_tuples, batch)) if isinstance(batch, (list, tuple)) else batch


def of_no_backend(optimizer_config):
    """An optimizer's config that names the class of `keras.optimizers`.

    In Keras 3.15 a model compiled on PyTorch names torch's own class, which trains nowhere else.
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

    Keras 3.15 goes by the policy of the model itself, which need not be that of its layers.
    """
    layers = [network, *getattr(network, "layers", ())]
    in_float16 = any(layer.dtype_policy.name == "mixed_float16" for layer in layers)
    if in_float16 and not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        model.optimizer = keras.optimizers.LossScaleOptimizer(model.optimizer)


def averaged(results, model):
    """What a step returns, as Keras averages it over the processes of a strategy of TensorFlow.

    In Keras 3.15 that is along the first axis, which a metric's result lacks: `fit` fails
    (tensorflow#72388).
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or process_of(strategy)[1] == 1:
        return results
    return {name: ops.expand_dims(result, 0) for name, result in results.items()}


def unshare_buffers(weights):
    """Gives each weight a buffer of its own.

    Where Keras 3.15 assigns one variable to another on JAX, as it puts averages in the place of
    weights, both share one. The next compiled step donates it: to save, or to train on, would find
    it deleted.
    """
    for weight in weights:
        weight.assign(ops.copy(weight))


def copy_values(variables):
    """The values of variables, in arrays that share no buffer with them: see `unshare_buffers`."""
    return [ops.convert_to_numpy(variable).copy() for variable in variables]
