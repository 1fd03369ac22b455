r"""Simulation-based inference on the tasks of sbibm: classifier two-sample tests of posteriors.

    python -m benchmarks.posterior DIR --export
    KERAS_BACKEND=jax python -m benchmarks.posterior DIR --tasks two_moons slcp
    KERAS_BACKEND=jax python -m benchmarks.posterior DIR --simulations 1000 --batch-size 100 \
        --patience 40
    python -m benchmarks.posterior DIR --tasks two_moons slcp --model npe
    KERAS_BACKEND=jax python -m benchmarks.posterior DIR --tasks two_moons slcp --model bayesflow

The first writes a file `TASK.npz` for each task: 10,000 simulations, and the ten observations and
their reference posteriors that come with sbibm (`pip install --no-deps sbibm`, and `pyro-ppl`,
`pandas`, `torch`). The others read these files, train on the first `--simulations`, and print for
each task the accuracy of a classifier that separates samples from the reference (c2st): the mean
and the standard deviation over the observations. 0.5 is perfect. The classifier is that of sbibm,
on `--samples` samples of each. `--folds 1` trains it once for an observation, not on each of its
five folds. With `--patience`, ours holds out a tenth of the simulations, as `npe` and `fmpe` do.
Training stops if their cost has not fallen for so many epochs, and the averaged weights of the best
epoch are kept. `npe` and `fmpe` are those of the package `sbi`, and `bayesflow` is flow matching of
the package `bayesflow`, all by their defaults; `bayesflow` also standardises observations.
"""

import argparse
import importlib
import pathlib
import time
import warnings

import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

TASKS = ("two_moons", "gaussian_mixture", "slcp", "bernoulli_glm", "gaussian_linear")
PEAK_RATE = 2e-3
SPARE = 1.25  # samples of `bayesflow` outside the prior are dropped, as `sbi` does


def export(name, path, num_simulations):
    """Writes the file of a task of sbibm."""
    import torch

    module = importlib.import_module(f"sbibm.tasks.{name}.task")  # sbibm itself imports its peers
    (kind,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, module.Task) and value is not module.Task
    )
    task = kind()
    torch.manual_seed(0)
    parameters = task.get_prior()(num_simulations)
    numbers = range(1, 11)
    prior = task.get_prior_params()
    np.savez(
        path,
        parameters=parameters,
        observation=task.get_simulator()(parameters),
        observed=np.concatenate([task.get_observation(i) for i in numbers]),
        reference=np.stack([task.get_reference_posterior_samples(i) for i in numbers]),
        **{name: bound for name, bound in prior.items() if name in ("low", "high")},
    )


def train_ours(data, num_simulations, args):
    """Trains a model; returns a function from observations to samples of each posterior."""
    import keras

    from keras_bfn import orders, recipes, simulation

    simulations = {name: data[name][:num_simulations] for name in ("parameters", "observation")}
    bounds = {"parameters": (data["low"], data["high"])} if "low" in data else None
    keras.utils.set_random_seed(args.seed)
    model = simulation.make_model(simulations, bounds, dropout=args.dropout, seed=args.seed)
    num_held_out, options = 0, {}
    if args.patience is not None:
        num_held_out = num_simulations // 10
        held_out = {name: x[-num_held_out:] for name, x in simulations.items()}
        simulations = {name: x[:-num_held_out] for name, x in simulations.items()}
        monitor = {"monitor": "val_parameters_nats_per_example", "patience": args.patience}
        options = {
            "validation_data": held_out,
            "validation_batch_size": num_held_out,
            "callbacks": [
                keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
                keras.callbacks.EarlyStopping(**monitor, restore_best_weights=True),
            ],
        }
    num_steps = args.epochs * -(-(num_simulations - num_held_out) // args.batch_size)
    optimizer = recipes.adamw(num_steps, PEAK_RATE)
    # Validation scores the parameters given the observation.
    order = orders.Groups({"observation": 0, "parameters": 1}, coded_directly=False)
    model.compile(optimizer, num_repeats=10, order=order)
    model.fit(simulations, batch_size=args.batch_size, epochs=args.epochs, verbose=0, **options)

    def sample(observed):
        given = {"observation": observed}
        return model.sample(args.samples, given, args.sampler_steps, seed=0)["parameters"]

    return sample


def train_sbi(data, num_simulations, args):
    """The same by the package `sbi`."""
    import torch
    from sbi import inference

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    x, y = (torch.tensor(data[name][:num_simulations]) for name in ("parameters", "observation"))
    if "low" in data:
        prior = torch.distributions.Uniform(*(torch.tensor(data[name]) for name in ("low", "high")))
    else:
        prior = torch.distributions.Normal(x.mean(0), x.std(0))
    prior = torch.distributions.Independent(prior, 1)
    trainer = getattr(inference, args.model.upper())(prior, show_progress_bars=False)
    trainer.append_simulations(x, y).train()
    posterior = trainer.build_posterior()

    def sample(observed):
        shape, own = (args.samples,), {"show_progress_bars": False}
        return [posterior.sample(shape, x, **own).numpy() for x in torch.tensor(observed)]

    return sample


def train_bayesflow(data, num_simulations, args):
    """The same by flow matching of the package `bayesflow`."""
    import bayesflow
    import keras

    keras.utils.set_random_seed(args.seed)
    workflow = bayesflow.BasicWorkflow(
        inference_network=bayesflow.networks.FlowMatching(),
        inference_variables="parameters",
        inference_conditions="observation",
        standardize="all",
    )
    simulations = {name: data[name][:num_simulations] for name in ("parameters", "observation")}
    workflow.fit_offline(simulations, verbose=0)
    low, high = data.get("low", -np.inf), data.get("high", np.inf)

    def sample(observed):
        more = round(SPARE * args.samples)
        drawn = workflow.sample(num_samples=more, conditions={"observation": observed})
        return [
            samples[((samples >= low) & (samples <= high)).all(axis=1)][: args.samples]
            for samples in drawn["parameters"]
        ]

    return sample


def c2st(reference, samples, num_folds=5):
    """The accuracy of a classifier that separates the two: `sbibm.metrics.c2st` with five folds."""
    mean, std = reference.mean(axis=0), reference.std(axis=0, ddof=1)
    x = (np.concatenate([reference, samples]) - mean) / std
    labels = np.repeat([0.0, 1.0], [len(reference), len(samples)])
    size = 10 * x.shape[1]
    network = MLPClassifier((size, size), max_iter=10_000, random_state=1)
    folds = list(KFold(5, shuffle=True, random_state=1).split(x))[:num_folds]
    return cross_val_score(network, x, labels, cv=folds).mean()


TRAINERS = {
    "ours": train_ours,
    "npe": train_sbi,
    "fmpe": train_sbi,
    "bayesflow": train_bayesflow,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--export", action="store_true", help="write the files first")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--model", choices=tuple(TRAINERS), default="ours")
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--observations", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5, help="of the five of the classifier")
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--patience", type=int, help="epochs: see above")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--sampler-steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.directory.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore", module="sbi|zuko|nflows|pyknn")
    for name in args.tasks:
        path = args.directory / f"{name}.npz"
        if args.export:
            export(name, path, args.simulations)
            continue
        data, start = dict(np.load(path)), time.process_time()
        sample = TRAINERS[args.model](data, args.simulations, args)
        seconds, num = time.process_time() - start, args.observations
        pairs = zip(data["reference"], sample(data["observed"][:num]), strict=False)
        scores = [c2st(x[: args.samples], samples, args.folds) for x, samples in pairs]
        print(
            f"{name:<18} {args.model:<9} {args.simulations:>6} simulations "
            f"{np.mean(scores):.3f} +- {np.std(scores):.3f}, {seconds:.0f} s of processor time: "
            f"{' '.join(f'{score:.3f}' for score in scores)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
