"""What `keras_bfn._keras` works around is still so: each test fails once Keras has mended it.

What is tried is plain Keras; of this package there are the names of what could then go.
"""

import contextlib
import ctypes
import inspect
import os
import pathlib
import re
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from keras import ops

import keras_bfn
from keras_bfn import _keras
from tests.devices.test_devices import free_port

X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
BACKEND = keras.backend.backend()


def only(*backends):
    return pytest.mark.skipif(BACKEND not in backends, reason=f"Only on {' and '.join(backends)}")


def require(is_so, piece):
    """Claims that Keras still does what needs this piece."""
    assert is_so, f"Keras {keras.__version__} needs no `{piece}` any more: remove it"


@contextlib.contextmanager
def failing(match, piece):
    """Claims that what is inside still fails with such a message."""
    try:
        yield
    except Exception as error:
        if not re.search(match, str(error)):
            raise
    else:
        require(False, piece)


def make_model(dtype=None):
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(1, dtype=dtype)(inputs))


class OwnLoss(keras.Model):
    """A model without targets, built by its first data or by its constructor."""

    def __init__(self, built=True):
        super().__init__()
        self.dense = keras.layers.Dense(2)
        self.had_weights = None
        if built:
            self.dense.build((None, 2))
            self.built = True

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.had_weights = sample_weight is not None
        return ops.mean(y_pred)


class Epochs(keras.utils.PyDataset):
    """Each batch holds the number of the epoch that it was made in."""

    num_batches = 4

    def __init__(self, workers=1):
        super().__init__(workers=workers)
        self.told = []

    def on_epoch_begin(self):
        self.told.append("begin")

    def on_epoch_end(self):
        self.told.append("end")

    def __getitem__(self, index):
        if index == 0:
            time.sleep(0.05)  # the others are asked for in the meantime
        return (np.full((2, 2), self.told.count("end"), "float32"),)


def test_each_piece_has_a_test():
    tests = pathlib.Path(__file__).read_text()
    functions = [
        name
        for name, function in inspect.getmembers(_keras, inspect.isfunction)
        if function.__module__ == _keras.__name__ and not name.startswith("_")
    ]
    places = re.findall(r"^\| `(.+?)`, `(.+?)` \|", _keras.__doc__, re.MULTILINE)
    assert len(functions) > 10
    assert len(places) > 10
    for piece in [*functions, *(f"{path}, {name}" for path, name in places)]:
        assert f'"{piece}"' in tests, piece
    for path, name in places:
        source = (pathlib.Path(keras_bfn.__file__).parent / path).read_text()
        assert name.split(".")[-1] in source, (path, name)


@only("torch")
def test_the_second_draw_from_a_seed_is_the_first_from_the_next():
    one, two = (keras.random.SeedGenerator(seed) for seed in (1, 2))
    keras.random.normal((3,), seed=one)
    second, first = (ops.convert_to_numpy(keras.random.normal((3,), seed=s)) for s in (one, two))
    require((second == first).all(), "_random.py, _hash")


@only("tensorflow")
def test_seed_generators_that_are_gone_leave_memory_behind():
    def in_use():
        """Bytes: of what the process has from the system, some may be free."""
        fields = [(str(i), ctypes.c_size_t) for i in range(10)]
        counts = type("Mallinfo2", (ctypes.Structure,), {"_fields_": fields})
        libc.mallinfo2.restype = counts
        return getattr(libc.mallinfo2(), "7")

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("only glibc tells")
    before = in_use()
    for _ in range(100):
        keras.random.SeedGenerator(0)
    require(in_use() - before > 100 * 10_000, "_random.py, start_from")


def test_seed_generators_know_no_replicas():
    source = inspect.getsource(inspect.getmodule(keras.random.SeedGenerator))
    require("replica" not in source, "_backend/randomness.py, SeedGenerator")


def test_predict_takes_no_seed():
    require("seed" not in inspect.signature(keras.Model.predict).parameters, "seeded")


@only("jax")
def test_a_draw_in_a_loop_leaks_a_tracer():
    seed = keras.random.SeedGenerator(0)
    ops.fori_loop(0, 2, lambda i, x: x + keras.random.normal((), seed=seed), ops.zeros(()))
    with failing("unexpected tracer", "loop"):
        keras.random.normal((), seed=seed)


@only("jax")
def test_a_call_that_fails_takes_the_weights_along():
    class Broken(Epochs):
        def __getitem__(self, index):
            if index == 1:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    model = OwnLoss()
    with pytest.raises(KeyboardInterrupt):
        model.predict(Broken(), verbose=0)
    with failing("'NoneType' object is not callable", "_backend/weights.py, KeepsWeights"):
        model.get_weights()


@only("jax")
def test_a_step_that_is_interrupted_takes_the_weights_along():
    class Interrupted(OwnLoss):
        def make_train_function(self, force=False):
            super().make_train_function(force)
            step = self.train_function

            def interrupt(*args):
                step(*args)
                raise KeyboardInterrupt  # before Keras has seen what the step returned

            self.train_function = interrupt

    model = Interrupted()
    model.compile("sgd")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, verbose=0)
    with failing("'NoneType' object is not callable", "_backend/weights.py, KeepsWeights"):
        model.get_weights()


@only("tensorflow")
@pytest.mark.usefixtures("improved_graphs")
def test_a_constant_that_is_added_to_a_dense_layers_output_is_folded_into_its_bias():
    class Shifted(OwnLoss):
        def call(self, x):
            constant = ops.broadcast_to(ops.convert_to_tensor(0.5), (ops.shape(x)[0],))
            return self.dense(x) + constant[:, None]

    with failing("as many biases", "models/programs.py, predict_params"):
        Shifted().predict(X, verbose=0)


def test_a_sequential_hands_training_to_layers_that_do_not_take_it():
    class First(keras.layers.Layer):
        def call(self, inputs):
            return inputs["a"]

    inputs = {name: keras.KerasTensor((None, 2)) for name in ("a", "b")}
    with failing("unexpected keyword argument 'training'", "build_network"):
        keras.Sequential([First()])(inputs)


@only("jax")
def test_layers_within_do_not_know_that_they_are_trained():
    class Dropping(OwnLoss):
        def __init__(self):
            super().__init__()
            self.drop = keras.layers.Dropout(0.5)

        def call(self, x, training=False):
            return self.dense(x) - self.dense(self.drop(x))

    model = Dropping()
    model.compile("sgd")
    require(
        model.train_on_batch(np.ones((64, 2), "float32")) == 0.0,
        "models/bayesian_flow_network.py, call_network",
    )


def test_weights_of_data_without_targets_are_dropped():
    model = OwnLoss()
    model.compile("sgd")
    model.evaluate(X, sample_weight=np.ones(4, "float32"), verbose=0)
    require(model.had_weights is False, "inputs/arrays.py, check_training_data")


def test_callbacks_do_not_know_that_less_of_a_models_own_metric_is_better():
    model = OwnLoss()
    model.cost = keras.metrics.Mean(name="cost")
    model.compile("sgd")
    with failing("isn't able to automatically determine", "prefer_less"):
        stop = keras.callbacks.EarlyStopping(monitor="val_cost")
        model.fit(X, validation_data=(X,), callbacks=[stop], verbose=0)


@only("torch")
def test_a_compiled_model_names_torchs_own_optimizer():
    model = make_model()
    model.compile("adamw")
    module = model.get_compile_config()["optimizer"]["module"]
    require(module.startswith("keras.src.backend.torch"), "of_no_backend")


@only("jax", "tensorflow")
def test_the_rows_of_a_data_loaders_batch_are_taken_for_inputs_and_targets():
    torch = pytest.importorskip("torch")
    model = OwnLoss()
    model.compile("sgd")
    loader = torch.utils.data.DataLoader(torch.ones(4, 2), batch_size=4)
    with failing("expected to be in format|not iterable", "yield_tuples"):
        model.fit(loader, shuffle=False, verbose=0)


def test_the_loss_of_layers_in_float16_is_not_scaled():
    model = make_model("mixed_float16")
    model.compile("sgd")
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    require(not is_scaled, "scale_loss")


@only("jax")
@pytest.mark.parametrize("piece", ["unshare_buffers", "copy_values"])
def test_weights_that_are_assigned_averages_share_their_buffers(piece):
    model = make_model()
    model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    model.train_on_batch(X, Y)
    if piece == "unshare_buffers":
        model.optimizer.finalize_variable_values(model.trainable_variables)  # as `fit` ends
    else:
        averages = model.optimizer._model_variables_moving_average
        for weight, average in zip(model.trainable_variables, averages, strict=True):
            weight.assign(average)
    with failing("donate the same buffer twice", piece):
        model.train_on_batch(X, Y)


def test_a_model_has_no_lora_of_its_own():
    require(not hasattr(make_model(), "enable_lora"), "layers_with_kernels")


def test_a_config_compiles_its_model():
    model = make_model()
    model.compile("sgd", "mse")
    make = keras.saving.deserialize_keras_object
    is_compiled = make(keras.saving.serialize_keras_object(model)).compiled
    is_asked = "compile" in inspect.signature(make).parameters
    require(is_compiled and not is_asked, "presets/folder.py, make_uncompiled")


@pytest.mark.parametrize(
    "piece", ["layers_within", "layer_policies", "changed_layers", "change_layers"]
)
def test_a_models_own_config_tells_nothing_of_its_layers(piece):
    @keras.saving.register_keras_serializable("keras_bfn_tests")
    class TwoArguments(keras.Model):
        def __init__(self):
            inputs = keras.Input((2,))
            super().__init__(inputs, keras.layers.Dense(1)(inputs))

        def get_config(self):
            return {}

    model = TwoArguments()
    model.layers[-1].trainable = False
    copy = TwoArguments.from_config(model.get_config())
    require(copy.layers[-1].trainable and not hasattr(copy, "flatten_layers"), piece)


def test_weights_are_saved_with_the_state_of_the_optimizer(tmp_path):
    h5py = pytest.importorskip("h5py")
    model = make_model()
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        require("optimizer" in file, "presets/folder.py, save_weights")


def test_a_fit_that_was_resumed_is_not_forgotten(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = make_model()
    model.compile("sgd", "mse")
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=2, callbacks=[backup, Stop()], verbose=0)
    assert model.fit(X, Y, epochs=2, callbacks=[backup], verbose=0).epoch == [1]
    require(
        model.fit(X, Y, epochs=2, verbose=0).epoch == [1], "callbacks/resume.py, _initial_epoch"
    )


@only("torch")
@pytest.mark.filterwarnings("ignore")  # of PyTorch about its own code
def test_outputs_in_onnx_have_no_names(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")

    class Named(OwnLoss):
        def call(self, x):
            return {"next": self.dense(x["a"])}

    signature = [{"a": keras.InputSpec("float32", (None, 2), name="a")}]
    Named().export(tmp_path / "a.onnx", "onnx", verbose=False, input_signature=signature)
    (output,) = onnxruntime.InferenceSession(tmp_path / "a.onnx").get_outputs()
    require(output.name != "next", "_backend/exports.py, export_program")


@only("torch")
@pytest.mark.filterwarnings("ignore")  # of PyTorch about its own code
def test_outputs_in_dicts_cannot_be_exported_to_openvino(tmp_path):
    pytest.importorskip("openvino")

    class Named(OwnLoss):
        def call(self, x):
            return {"next": self.dense(x["a"])}

    signature = [{"a": keras.InputSpec("float32", (None, 2), name="a")}]
    with failing("dict at the output", "_backend/exports.py, convert_to_openvino"):
        Named().export(f"{tmp_path}/a.xml", "openvino", verbose=False, input_signature=signature)


@only("tensorflow")
def test_the_largest_float_is_found_by_operations_that_runtimes_lack():
    import tensorflow as tf

    program = tf.function(lambda x: ops.argmax(x, axis=-1))
    graph = program.get_concrete_function(tf.TensorSpec((2, 3))).graph
    types = {operation.type for operation in graph.get_operations()}
    require("Bitcast" in types, "_backend/operations.py, find_largest")


@only("jax")
def test_an_export_uses_an_argument_that_will_go(tmp_path):
    pytest.importorskip("tensorflow")
    signature = [keras.InputSpec("float32", (None, 2))]
    with failing(
        "native_serialization", "_backend/exports.py, export_by_keras"
    ):  # warnings are errors
        OwnLoss().export(tmp_path / "a", verbose=False, input_signature=signature)


@only("torch")
def test_dropout_without_a_seed_ignores_its_own_generator():
    dropout = keras.layers.Dropout(0.5)
    dropout(X, training=True)
    state = ops.convert_to_numpy(dropout.seed_generator.state)
    require(state[1] == 0, "_backend/generators.py, torch_generators")


def test_the_states_of_seed_generators_are_not_saved(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5, seed=0)])
    seed = model.layers[0].seed_generator
    seed.next()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[0].seed_generator
    states = [ops.convert_to_numpy(generator.state) for generator in (seed, loaded)]
    require((states[0] != states[1]).any(), "callbacks/resume.py, _variables")


@only("jax", "torch")
def test_with_workers_batches_of_the_last_epoch_come_first():
    class First(OwnLoss):
        def compute_loss(self, x=None, *args, **kwargs):
            return ops.mean(x) + 0.0 * super().compute_loss(x, *args, **kwargs)

    model, data = First(built=False), Epochs(workers=2)
    model.compile(keras.optimizers.SGD(0.0))
    losses = model.fit(data, epochs=2, shuffle=False, verbose=0).history["loss"]
    require(losses != [1.0, 2.0], "datasets/batches.py, workers=1")


def test_a_dataset_is_told_of_an_end_before_the_first_epoch():
    model, data = OwnLoss(), Epochs()
    model.compile("sgd")
    model.fit(data, verbose=0)
    require(data.told[0] == "end", "datasets/batches.py, _within_epoch")


@only("jax", "torch")
def test_a_dataset_is_told_of_an_epoch_in_which_the_model_is_built():
    model, data = OwnLoss(built=False), Epochs()
    model.compile("sgd")
    model.fit(data, verbose=0)
    is_told = data.told == ["begin", "end", "begin", "end"]
    require(is_told, "models/building.py, build_for")


def test_signals_can_be_enlarged_channels_last_only():
    with failing("data_format", "networks/image_levels.py, repeat"):
        keras.layers.UpSampling1D(2, data_format="channels_first")


def test_a_dict_can_be_mistaken_for_a_saved_object():
    saved = keras.saving.serialize_keras_object({"class_name": "a", "config": {"b": 1}})
    with failing("Could not locate class 'a'", "flows/flow.py, RESERVED"):
        keras.saving.deserialize_keras_object(saved)


def test_an_optimizers_averages_have_no_public_name():
    optimizer = keras.optimizers.SGD(use_ema=True)
    optimizer.build(make_model().trainable_variables)
    names = [name for name in dir(optimizer) if "average" in name]
    assert "_model_variables_moving_average" in names
    is_hidden = all(name.startswith("_") for name in names)
    require(is_hidden, "models/averaging.py, _model_variables_moving_average")


@only("jax", "tensorflow")
def test_a_compiled_function_outlasts_a_change_of_a_layer():
    model = make_model()
    before = model.predict_on_batch(X)
    model.layers[-1].activation = keras.activations.exponential
    after = model.predict_on_batch(X)
    require(np.array_equal(before, after), "models/programs.py, is_stale")


def test_models_in_a_dict_are_tracked():
    model = OwnLoss()
    model.programs = {}
    model.programs["other"] = make_model()
    require(len(model.weights) == 4, "models/bayesian_flow_network.py, programs")


@only("jax")
def test_predict_sorts_dicts():
    class Two(OwnLoss):
        def call(self, x):
            return {"b": x, "a": x}

    is_sorted = list(Two().predict(X, verbose=0)) == ["a", "b"]
    for piece in ("_parts.py, order_parts", "models/scoring.py, run"):
        require(is_sorted, piece)


@only("tensorflow")
def test_what_a_step_returns_in_several_processes_is_averaged_along_an_axis(monkeypatch):
    import tensorflow as tf
    from keras.src.backend.tensorflow import trainer

    monkeypatch.setattr(trainer, "_collective_all_reduce_multi_worker", lambda strategy: True)
    logs, strategy = {"loss": tf.constant(1.0)}, tf.distribute.get_strategy()
    with failing("Invalid reduction dimension", "averaged"):
        trainer.reduce_per_replica(logs, strategy, "mean")


@only("torch")
def test_keras_does_not_distribute_on_pytorch():
    with failing("has no attribute 'list_devices'", "devices.share_gradients"):
        keras.distribution.DataParallel()


PREDICT = """
import sys

import jax
import numpy as np

jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{sys.argv[1]}", 2, int(sys.argv[2]))
import keras

keras.utils.set_random_seed(0)
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).predict(np.ones((4, 2)), verbose=0)
"""


@pytest.mark.slow
@only("jax")
def test_several_processes_cannot_predict():
    port = free_port()
    command = [sys.executable, "-c", PREDICT, str(port)]
    processes = [
        subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in processes:
        _, error = process.communicate(timeout=300)
        is_so = process.returncode and "spans non-addressable" in error
        require(is_so, "_backend/processes.py, rows_of_process")


SOLVE_TWICE = """
import os

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import jax
import jax.numpy as jnp

def solve_twice(x):
    return [jnp.linalg.solve(x + i * jnp.eye(6), x) for i in (6, 7)]

x, solve_twice = jax.random.normal(jax.random.key(0), (4000, 6, 6)), jax.jit(solve_twice)
for _ in range(1000):
    jax.block_until_ready(solve_twice(x))
"""


@pytest.mark.slow
@only("jax")
def test_two_large_batches_of_matrices_wait_for_each_other_on_two_cores():
    try:
        # With one thread, as `python -m tests` asks for, nothing waits.
        environment = {name: value for name, value in os.environ.items() if name != "NPROC"}
        command = [sys.executable, "-c", SOLVE_TWICE]
        subprocess.run(command, env=environment, timeout=60, check=True)
    except subprocess.TimeoutExpired:
        return
    require(False, "_backend/operations.py, one_by_one")


@only("jax")
def test_a_metric_cannot_be_updated_in_call():
    class Metered(OwnLoss):
        def __init__(self):
            super().__init__()
            self.mean = keras.metrics.Mean()

        def call(self, x):
            self.mean.update_state(x)
            return self.dense(x)

    model = Metered()
    model.compile("sgd")
    with failing(
        "'NoneType' object is not callable", "models/bayesian_flow_network.py, compute_loss"
    ):
        model.fit(X, verbose=0)


def test_what_was_asked_of_the_compiler_is_not_saved():
    model = make_model()
    model.compile("sgd", jit_compile="auto")
    is_lost = model.get_compile_config()["jit_compile"] != "auto"
    require(is_lost, "models/trainer.py, get_compile_config")


@only("tensorflow")
def test_averages_replace_weights_by_their_place():
    weights = [keras.Variable(np.zeros(2)) for _ in range(2)]
    optimizer = keras.optimizers.SGD(use_ema=True)
    optimizer.build(weights)
    optimizer._model_variables_moving_average[0].assign([5.0, 5.0])
    optimizer.finalize_variable_values(weights[1:])
    require((ops.convert_to_numpy(weights[1]) == 5.0).all(), "build_optimizer")


@only("torch")
def test_a_functional_model_goes_by_the_order_of_a_dict_within_a_dict():
    inputs = {"parts": {name: keras.Input((1,)) for name in "ba"}}
    model = keras.Model(inputs, inputs["parts"]["a"] - inputs["parts"]["b"])
    numbers = {"parts": {"a": np.full((1, 1), 3.0), "b": np.full((1, 1), 1.0)}}
    require(float(model(numbers)[0, 0]) == -2.0, "in_order_of")


def test_inputs_in_a_flat_dict_must_have_its_names():
    inputs = {"a": keras.Input((2,))}
    with failing("must match the names", "symbolic"):  # warnings are errors
        keras.Model(inputs, inputs["a"])


@only("tensorflow")
def test_what_a_scan_gives_has_the_shape_of_its_carry():
    def step(carry, x):
        return carry + x, ops.sum(carry)

    with failing("Incompatible shape", "flows/priors.py, marginals"):
        ops.scan(step, ops.zeros(3), ops.ones((4, 3)))
