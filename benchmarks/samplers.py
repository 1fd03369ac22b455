"""Quality of samples by network calls, for every sampler, and the effect of guidance.

    KERAS_BACKEND=jax python -m benchmarks.samplers digits
    KERAS_BACKEND=jax python -m benchmarks.samplers mnist --model mnist.keras --data-dir DIR
    KERAS_BACKEND=torch python -m benchmarks.samplers mnist --samplers sde2 --calls 10 --no-guidance

`digits` samples the presets `bfn_digits` and, for guidance, `bfn_digits_classes`. `mnist` samples
the preset `bfn_mnist`, or a model made by `benchmarks.mnist_model`, given a class for each sample.
Quality is the Fréchet distance in the features of a classifier of the real images
(`keras_bfn.metrics.SampleQuality`), a mean over `--rounds` sets of samples. Writes a plot of it,
quality.png, and samples of 5 to 100 calls from the same seed, steps.png. "log beta" means steps
that are even in log(beta), from t = 0.02.
"""

import argparse
import pathlib

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_bfn
from benchmarks.mnist_model import binarize, load_mnist
from keras_bfn.metrics import SampleQuality
from keras_bfn.samplers import AncestralSampler, ODE2Sampler, SDE2Sampler

CALLS = (5, 10, 20, 50, 100)
SAMPLERS = {
    "ancestral": "ancestral",
    "sde1": "sde1",
    "sde2": "sde2",
    "sde2, noise 2": SDE2Sampler(noise=2.0),
    "sde2, noise 4": SDE2Sampler(noise=4.0),
    "ode1": "ode1",
    "ode2": "ode2",
    "ancestral, log beta": AncestralSampler(start=0.02, spacing="log_beta"),
    "sde2, log beta": SDE2Sampler(start=0.02, spacing="log_beta"),
    "sde2, noise 2, log beta": SDE2Sampler(2.0, start=0.02, spacing="log_beta"),
    "ode2, log beta": ODE2Sampler(start=0.02, spacing="log_beta"),
}
BATCH_SIZE = 500


def digits_data():
    data = load_digits()
    levels, labels = data.images[..., None].astype("int32"), data.target.astype("int32")
    order = np.random.default_rng(0).permutation(len(levels))
    levels, labels = levels[order], labels[order]
    return (levels[:1500], labels[:1500]), (levels[1500:], labels[1500:])


def mnist_data(data_dir):
    rng = np.random.default_rng(0)
    splits = []
    for split in ("train", "test"):
        levels, labels = load_mnist(split, data_dir)
        splits.append((binarize(levels, rng), labels))
    return splits


def measure_samplers(model, quality, condition, num_samples, rounds, names, all_calls):
    """Prints one row per sampler, and returns the distances by sampler and number of calls."""
    print(f"\nFréchet distance by network calls, {num_samples} samples, mean of {rounds} rounds:")
    print(f"{'':<26}" + "".join(f"{calls:>9}" for calls in all_calls), flush=True)
    distances = {}
    for name in names:
        for calls in all_calls:
            values = []
            for seed in range(rounds):
                samples = model.generate(
                    num_samples,
                    calls - 1,
                    SAMPLERS[name],
                    condition=condition,
                    seed=seed,
                    batch_size=BATCH_SIZE,
                    verbose=0,
                )
                values.append(quality.frechet_distance(samples))
            distances[name, calls] = np.mean(values)
        row = "".join(f"{distances[name, calls]:>9.3f}" for calls in all_calls)
        imbalance = quality.class_imbalance(samples)
        print(f"{name:<26}{row}    class imbalance at {calls}: {imbalance:.3f}", flush=True)
    return distances


def measure_guidance(model, quality, per_class):
    """Prints the fraction of samples that the classifier assigns to the requested class."""
    condition = np.repeat(np.arange(10, dtype="int32"), per_class)
    print(f"\nRead as the requested class, {per_class} samples each, sde2 with 20 steps:")
    print(f"{'scale':<8}" + "".join(f"{c:>7}" for c in range(10)) + "   distance", flush=True)
    for scale in (1.0, 2.0, 3.0):
        samples = model.generate(
            len(condition),
            20,
            "sde2",
            condition=condition,
            guidance_scale=scale,
            seed=0,
            batch_size=BATCH_SIZE,
            verbose=0,
        )
        read = quality.classes(samples).reshape(10, per_class)
        shares = (read == np.arange(10)[:, None]).mean(axis=1)
        row = "".join(f"{share:>7.1%}" for share in shares)
        print(f"{scale:<8}{row}   {quality.frechet_distance(samples):.3f}", flush=True)


def plot_quality(distances, floor, names, all_calls, path):
    figure = Figure((6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name in names:
        style = "--" if "log beta" in name else "-"
        values = [distances[name, calls] for calls in all_calls]
        axes.plot(all_calls, values, style, marker="o", label=name)
    axes.axhline(floor, color="gray", linestyle=":", label="held-out images")
    axes.set(xscale="log", yscale="log", xlabel="network calls", ylabel="Fréchet distance")
    axes.set_xticks(all_calls, all_calls)
    axes.minorticks_off()
    axes.legend()
    figure.savefig(path)


def plot_steps(model, condition, path):
    """Plots samples of few and of many calls, in one row of grids for each of three samplers."""
    names, all_calls, num = ("ancestral", "sde2", "sde2, log beta"), (5, 10, 20, 100), 25
    figure = Figure((3 * len(all_calls), 3.2 * len(names)), dpi=80, layout="constrained")
    grid = figure.subplots(len(names), len(all_calls))
    for row, name in enumerate(names):
        for column, calls in enumerate(all_calls):
            some = None if condition is None else np.arange(num, dtype="int32") % 10
            samples = model.generate(
                num, calls - 1, SAMPLERS[name], condition=some, seed=0, verbose=0
            )
            keras_bfn.visualization.draw_grid(grid[row, column], samples, columns=5)
            grid[row, column].set_title(f"{name}, {calls} calls")
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=("digits", "mnist"))
    parser.add_argument("--model", default="bfn_mnist", help="for mnist: .keras file or preset")
    parser.add_argument("--data-dir", help="for mnist: as in tfds.load")
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--no-guidance", action="store_true", help="skip the test of guidance")
    parser.add_argument("--calls", nargs="+", type=int, default=list(CALLS))
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("samplers"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    from_preset = keras_bfn.BayesianFlowNetwork.from_preset
    if args.data == "digits":
        train, test = digits_data()
        model, class_model = from_preset("bfn_digits"), from_preset("bfn_digits_classes")
        quality = SampleQuality(*train, num_features=32, epochs=40)
        condition = None
    else:
        train, test = mnist_data(args.data_dir)
        is_file = args.model.endswith(".keras")
        model = class_model = (keras.saving.load_model if is_file else from_preset)(args.model)
        quality = SampleQuality(*train, num_features=32, epochs=4)
        condition = np.random.default_rng(0).choice(train[1], args.samples)
    print(f"The classifier reads {quality.accuracy(*test):.1%} of held-out images correctly.")
    floor = quality.frechet_distance(test[0][: args.samples])
    count = min(args.samples, len(test[0]))
    print(f"Fréchet distance of {count} held-out images: {floor:.3f}", flush=True)

    if not args.no_guidance:
        measure_guidance(class_model, quality, per_class=args.samples // 10)
    chosen = args.samplers, args.calls
    distances = measure_samplers(model, quality, condition, args.samples, args.rounds, *chosen)
    plot_quality(distances, floor, *chosen, args.output / "quality.png")
    plot_steps(model, condition, args.output / "steps.png")
    print(f"\nWrote quality.png and steps.png to {args.output}/")


if __name__ == "__main__":
    main()
