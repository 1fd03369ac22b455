"""What the paper's three experiments share: the training, the output directory, and the report.

A run's output directory holds config.json, metrics.csv, checkpoints to resume from,
samples from every few epochs, model.keras, results.json, and the plots loss.png and
loss_by_time.png. To resume an interrupted run, repeat its command.
"""

import contextlib
import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
from matplotlib.figure import Figure
from progress import Progress

import keras_bfn

STEPS = (10, 25, 50, 100, None)  # None: continuous time


@dataclasses.dataclass
class Experiment:
    """A data set, a model, and how to report on them.

    Args: name: string, the experiment's name in the output. data_name: string, a
        description of the data. data: `keras_bfn.datasets.Splits`. model: a compiled
        `BayesianFlowNetwork`. unit: string, the unit of code lengths, such as "nats per
        image". per_nat: float. One nat per example, in this unit. paper: dict from
        number of steps (None: continuous time) to the paper's figure in this unit;
            empty for data that are not in the paper.
        samples: function that takes a directory and a number of epochs, and returns the
            callback that writes samples.
        judge: function that takes the trained model and the data, and prints the
            quality of samples; or None.
    """

    name: str
    data_name: str
    data: keras_bfn.datasets.Splits
    model: keras_bfn.BayesianFlowNetwork
    unit: str
    per_nat: float
    paper: dict
    samples: Callable
    judge: Callable | None = None


def begin(args):
    """Sets the dtype policy and the seed, before the data and the model are made."""
    args.process = 0  # process 0 reports
    if args.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(args.seed)


def distribution(args, data):
    """Returns the context in which to make the model, and `Splits` to divide among the devices."""
    if not args.distribute:
        return contextlib.nullcontext(), data
    backend = keras.backend.backend()
    if backend == "jax":
        parallel = keras.distribution.DataParallel()
        keras.distribution.set_distribution(parallel)
        return contextlib.nullcontext(), _divide(data, parallel.num_model_replicas)
    if backend == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.MirroredStrategy()
        return strategy.scope(), _divide(data, strategy.num_replicas_in_sync)
    if "WORLD_SIZE" not in os.environ:
        raise SystemExit(
            "--distribute: PyTorch needs one process per device. Start N of them with "
            f"`torchrun --nproc-per-node N {sys.argv[0]} --distribute`"
        )
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo"
    )
    args.process, num_processes = (
        torch.distributed.get_rank(),
        torch.distributed.get_world_size(),
    )
    args.seed += (
        args.process
    )  # noise differs by process; initial weights are from the same seed
    return contextlib.nullcontext(), _share(data, args.process, num_processes)


def _share(data, process, num_processes):
    """Returns the `Splits` of one process: its part of the training examples and of each batch."""
    train = data.train
    _check_divides(train.batch_size, num_processes)
    num = (
        len(train.examples) // num_processes * num_processes
    )  # equally many batches for each
    share = keras_bfn.datasets.Batches(
        train.examples[:num][process::num_processes],
        train.transform,
        train.batch_size // num_processes,
        labels=None
        if train.labels is None
        else train.labels[:num][process::num_processes],
        seed=train.seed,
        steps_per_epoch=train.steps_per_epoch,
    )
    return data._replace(train=share)


def _check_divides(batch_size, num_devices):
    if batch_size % num_devices:
        raise SystemExit(
            f"--distribute: a batch of {batch_size} cannot be divided among {num_devices} devices"
        )


def _divide(data, num_devices):
    """Pads the validation examples to a multiple of the devices; those repeated count twice."""
    batch_size, validation = data.train.batch_size, data.validation
    _check_divides(batch_size, num_devices)
    num = len(validation.examples)
    rows = np.arange(-(-num // num_devices) * num_devices) % num
    filled = keras_bfn.datasets.Batches(
        validation.examples[rows],
        validation.transform,
        batch_size,
        labels=None if validation.labels is None else validation.labels[rows],
        training=False,
    )
    return data._replace(validation=filled)


def run(args, experiment, epochs):
    """Trains the model, or resumes training, and reports."""
    epochs = args.epochs or epochs
    data, model = experiment.data, experiment.model
    resume = keras_bfn.callbacks.Resume(args.output, data=data.train)
    if args.distribute and keras.backend.backend() == "torch":
        keras_bfn.devices.share_gradients(model.optimizer)
        if args.process:
            model.fit(data.train, epochs=epochs, callbacks=[resume], verbose=0)
            return
    print(
        f"{experiment.name} on {keras.backend.backend()}: {experiment.data_name}, {model.flow}"
    )
    print(
        f"{model.network.count_params():,} weights, {epochs} epochs of {data.train.num_batches}"
    )
    _write_config(args, experiment, epochs)

    # After `fit`, the model has the averaged weights.
    start = time.process_time()
    samples = experiment.samples(args.output / "samples", epochs)
    with Progress("Training") as progress:
        model.fit(
            data.train,
            validation_data=data.validation,
            epochs=epochs,
            callbacks=[samples, resume, progress],
            verbose=0,
        )
    print(f"Trained for {time.process_time() - start:.0f} seconds of processor time")
    model.save(args.output / "model.keras")

    if args.save_preset:
        in_float32(model).save_to_preset(args.save_preset, half_precision=True)

    x, labels = _examples(data.test, args.test_examples)
    if labels is not None:
        x = x, np.full_like(labels, model.null_condition)
    _plot_loss(resume.history, args.output / "loss.png")
    first = keras.tree.map_structure(lambda part: part[:1000], x)
    with Progress("Scoring by time"):
        profile = model.loss_by_time(
            first, batch_size=data.train.batch_size, seed=0, verbose=0
        )
    _plot_loss_by_time(profile, experiment, args.output / "loss_by_time.png")
    with Progress("Scoring test examples"):
        _report(args, experiment, x, labels)
    if experiment.judge is not None:
        with Progress("Generating samples"):
            experiment.judge(model, data)


def _examples(batches, limit):
    """Returns the first `limit` examples, and their labels or None."""
    parts = [batches[i] for i in range(batches.num_batches)]
    if batches.labels is None:
        return np.concatenate(parts)[:limit], None
    return np.concatenate([x for ((x, _),) in parts])[:limit], batches.labels[:limit]


def in_float32(model):
    """Returns a copy of the model with its network in float32, the dtype policy of presets."""
    network = model.network
    own = type(network).from_config({**network.get_config(), "dtype": "float32"})
    own.set_weights(network.get_weights())
    options = {
        "condition_dropout": model.condition_dropout,
        "tokenizer": model.tokenizer,
    }
    if isinstance(model, keras_bfn.AnyOrderNetwork):
        options["states"] = model.states
    copy = type(model)(model.flow, own, **options)
    copy.compile_from_config(model.get_compile_config())
    return copy


def _write_config(args, experiment, epochs):
    """Writes the run's config, and refuses to resume a run with another config."""
    config = {
        "experiment": experiment.name,
        "data": experiment.data_name,
        "preset": args.preset,
        "epochs": epochs,
        "batch_size": experiment.data.train.batch_size,
        "seed": args.seed,
        "mixed_precision": args.mixed_precision,
        "backend": keras.backend.backend(),
        "model": keras.saving.serialize_keras_object(experiment.model),
    }
    # As JSON reads it back: tuples become lists.
    config = json.loads(json.dumps(config))
    path = args.output / "config.json"
    args.output.mkdir(parents=True, exist_ok=True)
    if path.exists():
        before = json.loads(path.read_text())
        changed = [name for name in config if config[name] != before.get(name)]
        # The paper's learning rate is constant, so a run may have more epochs. Other
        # recipes end at a rate of 0.
        if set(changed) - {"epochs"}:
            raise SystemExit(
                f"--output: {args.output} contains a run with another {', '.join(changed)}; "
                "choose another directory"
            )
    path.write_text(json.dumps(config, indent=2))


def _report(args, experiment, x, labels):
    """Prints the code length of test examples by number of steps, and writes it to results.json."""
    num = len(x if labels is None else labels)
    print(
        f"\nCode length of {num} test examples in {experiment.unit} ({experiment.data_name}):"
    )
    print(f"{'steps':<13}{'here':>8}{'+-':>10}{'paper':>9}")
    cases = [("continuous" if n is None else str(n), x, n, {}) for n in STEPS]
    if labels is not None:  # in continuous time, too
        cases.append(("given class", (x[0], labels), None, {}))
    if isinstance(experiment.model, keras_bfn.AnyOrderNetwork):
        orders = ("left_to_right", "random")
        cases += [
            (order.replace("_", " "), x, None, {"order": order}) for order in orders
        ]
    results, batch_size = {}, experiment.data.train.batch_size
    for name, examples, num_steps, options in cases:
        nats = experiment.model.code_length(
            examples,
            num_steps,
            args.repeats,
            batch_size=batch_size,
            seed=0,
            verbose=0,
            **options,
        )
        values = experiment.per_nat * (nats["transmission"] + nats["reconstruction"])
        error = values.std() / math.sqrt(len(values))
        paper = experiment.paper.get(
            None if name == "continuous" else num_steps or name, ""
        )
        results[name] = {"mean": float(values.mean()), "standard_error": float(error)}
        line = f"{name:<13}{values.mean():>8.3f}{error:>10.3f}{paper:>9}"
        print(line.rstrip(), flush=True)
    (args.output / "results.json").write_text(json.dumps(results, indent=2))
    print(f"Wrote results.json, model.keras, samples and plots to {args.output}/")


def _plot_loss(history, path):
    figure = Figure((6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        values = [row[name] for row in history]
        # Markers show a single epoch, which makes no line.
        axes.plot([row["epoch"] for row in history], values, marker=".", label=label)
    axes.set(xlabel="epoch", ylabel="nats per variable, continuous time", yscale="log")
    axes.legend()
    figure.savefig(path)


def _plot_loss_by_time(profile, experiment, path):
    figure = Figure((6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.bar(
        profile["t"], experiment.per_nat * profile["loss"], width=1 / len(profile["t"])
    )
    axes.set(xlabel="t", ylabel=f"{experiment.unit}, per unit of time", xlim=(0, 1))
    figure.savefig(path)
