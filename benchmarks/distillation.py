"""Samples of distilled students by network calls, beside those of their teachers.

    KERAS_BACKEND=jax python -m benchmarks.distillation digits
    KERAS_BACKEND=torch python -m benchmarks.distillation mnist --data-dir DIR \
        --dtype mixed_bfloat16
    KERAS_BACKEND=jax python -m benchmarks.distillation text --data moby_dick.txt
    KERAS_BACKEND=jax python -m benchmarks.distillation pair
    KERAS_BACKEND=jax python -m benchmarks.distillation mixture

The teachers are the presets `bfn_digits`, `bfn_mnist` (with a class for each sample) and
`bfn_text`, and exact posteriors: for `pair` of two dependent classes, and for `mixture` of a number
from one of two normal distributions. Prints, after the student's training, for each number of
calls: for images, the Fréchet distance in the features of a classifier
(`keras_bfn.metrics.SampleQuality`), the class imbalance, and the fraction of copies; for text, the
fraction of words that occur in the book, and of distinct words; for `pair` and `mixture`,
chi-squared of 20,000 samples, of 8 and 19 degrees of freedom. A copy is a sample that is closer to
a training image than 99% of held-out images are. Writes a picture, calls.png, for images.
"""

import argparse
import pathlib
import time

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure
from scipy import special

import keras_bfn
from benchmarks.samplers import digits_data, mnist_data
from keras_bfn.distillation import Distiller, JumpSampler, Trajectories, make_student
from keras_bfn.distillation.trajectories import PathSampler
from keras_bfn.metrics import SampleQuality, spelling_rate
from keras_bfn.samplers import SDE2Sampler
from keras_bfn.testing.samplers import JOINT_PRIOR, make_pair_model

# For each kind of data: the paths, the jumps, the batch size, and the epochs.
SMALL = {"num_paths": 4096, "num_steps": 24, "num_jumps": 16, "batch_size": 512}
RECIPES = {
    "digits": {
        "start": 0.02,
        "num_paths": 750,
        "num_steps": 24,
        "num_jumps": 16,
        "batch_size": 125,
        "epochs": 12,
    },
    "mnist": {
        "start": 0.05,
        "num_paths": 1024,
        "num_steps": 12,
        "num_jumps": 8,
        "batch_size": 128,
        "epochs": 10,
    },
    "text": {
        "start": 0.1,
        "num_paths": 256,
        "num_steps": 12,
        "num_jumps": 8,
        "batch_size": 32,
        "epochs": 30,
    },
    "pair": {"start": 0.05, "epochs": 12, **SMALL},
    "mixture": {"start": 0.01, "epochs": 24, **SMALL},
}
STUDENT_CALLS = (1, 2, 4)
NUM_SAMPLES = {"digits": 1500, "mnist": 1500, "text": 64, "pair": 20_000, "mixture": 20_000}
SEEDS = 2


class ImageMeasure:
    """The quality of images: Fréchet distance, class imbalance, and the fraction of copies."""

    titles = "Fréchet distance, class imbalance, copies"

    def __init__(self, train, test, epochs):
        self.quality = SampleQuality(*train, num_features=32, epochs=epochs)
        self.train = self.flatten(train[0])
        self.closest = np.quantile(self.distances(test[0][:1500]), 0.01)
        print(f"Held-out images: {self(test[0][:1500])}", flush=True)

    @staticmethod
    def flatten(images):
        return images.reshape(len(images), -1).astype("float32")

    def distances(self, images):
        """Returns the squared distance of each image to the nearest training image."""
        images = self.flatten(images)
        squares = np.square(self.train).sum(axis=1)
        nearest = [(squares - 2 * image @ self.train.T).min() + image @ image for image in images]
        return np.array(nearest)

    def __call__(self, images):
        copies = np.mean(self.distances(images) < self.closest)
        distance, imbalance = (
            measure(images)
            for measure in (self.quality.frechet_distance, self.quality.class_imbalance)
        )
        return np.array([distance, imbalance, copies])


class TextMeasure:
    """The fraction of words that occur in the book, and that of distinct words.

    Real text is scored against the rest of the book.
    """

    titles = "known words, distinct words"

    def __init__(self, path):
        self.text = keras_bfn.datasets.clean_text(pathlib.Path(path).read_text())
        held_out = self.text[-64 * 256 :]
        windows = [held_out[i : i + 256] for i in range(0, len(held_out), 256)]
        real = spelling_rate(windows, self.text[: -64 * 256])
        print(f"Real text: {[real, self.distinct(windows)]}", flush=True)

    @staticmethod
    def distinct(texts):
        words = [word for text in texts for word in text.split()[1:-1]]
        return len(set(words)) / len(words)

    def __call__(self, texts):
        return np.array([spelling_rate(texts, self.text), self.distinct(texts)])


def chi_squared(counts, probabilities):
    expected = counts.sum() * probabilities
    return np.array([np.sum((counts - expected) ** 2 / expected)])


class PairMeasure:
    """Chi-squared of pairs of classes."""

    titles = "chi-squared"

    def __call__(self, x):
        return chi_squared(np.bincount(x @ [3, 1], minlength=9), JOINT_PRIOR.ravel())


WEIGHTS, MEANS, STDS = np.array([0.3, 0.7]), np.array([-0.5, 0.4]), np.array([0.1, 0.15])


class MixturePosterior(keras.layers.Layer):
    """The exact posterior mean of numbers from a mixture of two normal distributions.

    For `ContinuousFlow(prediction="data")`.
    """

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def call(self, inputs):
        beta = self.flow.schedule.beta(inputs["t"])[:, None, None]
        s = (1.0 + beta) * inputs["theta"]  # from the mean of the input distribution
        means, precisions = MEANS.astype("float32"), STDS.astype("float32") ** -2
        posterior = (s + means * precisions) / (beta + precisions)  # for each of the two
        log_evidence = 0.5 * (
            (beta + precisions) * posterior**2
            - precisions * means**2
            + ops.log(precisions / (beta + precisions))
        )
        log_weights = np.log(WEIGHTS).astype("float32")
        odds = ops.softmax(log_weights + log_evidence, axis=-1)
        return ops.sum(odds * posterior, axis=-1, keepdims=True)


class MixtureMeasure:
    """Chi-squared in 20 bins that are equally likely."""

    titles = "chi-squared"

    def __call__(self, x):
        quantiles = (WEIGHTS * special.ndtr((x - MEANS) / STDS)).sum(axis=1)
        counts, _ = np.histogram(quantiles, bins=20, range=(0, 1))
        return chi_squared(counts, np.full(20, 0.05))


def load(args):
    """Returns the teacher, its measure, conditions to train with, and a condition per sample."""

    def preset(name):
        return keras_bfn.BayesianFlowNetwork.from_preset(name, dtype=args.dtype)

    if args.data_type == "digits":
        return preset("bfn_digits"), ImageMeasure(*digits_data(), epochs=40), None, None
    if args.data_type == "mnist":
        train, test = mnist_data(args.data_dir)
        condition = np.random.default_rng(0).choice(train[1], NUM_SAMPLES["mnist"])
        return preset("bfn_mnist"), ImageMeasure(train, test, epochs=4), train[1], condition
    if args.data_type == "text":
        return preset("bfn_text"), TextMeasure(args.data), None, None
    if args.data_type == "pair":
        return make_pair_model(), PairMeasure(), None, None
    flow = keras_bfn.flows.ContinuousFlow(sigma_1=0.005, prediction="data")
    model = keras_bfn.BayesianFlowNetwork(flow, MixturePosterior(flow), event_shape=(1,))
    return model, MixtureMeasure(), None, None


def generate(model, args, num_steps, sampler, condition, seed):
    num, options = NUM_SAMPLES[args.data_type], {"seed": seed, "verbose": 0}
    if args.data_type == "text":
        return model.generate_text(num, num_steps=num_steps, sampler=sampler, **options)
    return model.generate(num, num_steps, sampler, condition, batch_size=500, **options)


def distil(teacher, args, conditions):
    """Returns a student, trained by the recipe, and the processor seconds that it took."""
    recipe = RECIPES[args.data_type] | {"start": args.start}
    epochs = args.epochs or recipe["epochs"]
    del recipe["epochs"]
    network = None
    if args.data_type in ("pair", "mixture"):
        network = keras_bfn.networks.MLP(teacher.flow, teacher.event_shape, width=64, jumps=True)
    student = make_student(teacher, network)
    jumps = Trajectories(teacher, condition=conditions, **recipe)
    distiller = Distiller(student)
    make_optimizer = getattr(keras_bfn.recipes, args.optimizer)
    distiller.compile(make_optimizer(epochs * jumps.num_batches, args.rate))
    began = time.process_time()
    distiller.fit(jumps, epochs=epochs, verbose=2)
    return student, time.process_time() - began


def plot(panels, path):
    figure = Figure((3 * len(panels), 3.2), dpi=100, layout="constrained")
    for axes, (title, samples) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        keras_bfn.visualization.draw_grid(axes, samples[:25], columns=5)
        axes.set_title(title)
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_type", choices=RECIPES)
    parser.add_argument("--data", help="for text: the book")
    parser.add_argument("--data-dir", help="for mnist: as in tfds.load")
    parser.add_argument("--dtype", help="policy of the networks, such as mixed_bfloat16")
    parser.add_argument("--student", type=pathlib.Path, help="student.keras, instead of training")
    parser.add_argument("--teacher-calls", nargs="*", type=int, default=[5, 10, 20, 100])
    parser.add_argument("--epochs", type=int, help="default: depends on the data type")
    parser.add_argument("--start", type=float, help="of paths; default: depends on the data type")
    parser.add_argument("--optimizer", choices=["adamw", "muon"], default="adamw")
    parser.add_argument("--rate", type=float, default=1e-3, help="the highest learning rate")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("distillation"))
    args = parser.parse_args()
    if args.data_type == "text" and args.data is None:
        parser.error("text needs --data, the book")
    args.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)

    teacher, measure, conditions, condition = load(args)
    args.start = args.start or RECIPES[args.data_type]["start"]
    panels, start = [], args.start

    def report(name, model, num_steps, sampler):
        samples = [
            generate(model, args, num_steps, sampler, condition, seed) for seed in range(SEEDS)
        ]
        values = np.mean([measure(x) for x in samples], axis=0)
        print(f"{name:<56}" + "".join(f"{value:>10.3f}" for value in values), flush=True)
        panels.append((name, samples[0]))

    print(f"\n{'':<56}{measure.titles}", flush=True)
    log_spaced = SDE2Sampler(start=0.02, spacing="log_beta")
    paths = PathSampler(start=start, spacing="log_beta")
    teachers = {"sde2": "sde2", "sde2, log beta": log_spaced, "ode2, of paths": paths}
    for name, sampler in teachers.items():
        for calls in args.teacher_calls:
            report(f"teacher, {name}, {calls} calls", teacher, calls - 1, sampler)
    shown = panels[1:2]
    if args.student is None:
        student, seconds = distil(teacher, args, conditions)
        student.save(args.output / "student.keras")
        print(f"\nDistilled in {seconds:.0f} processor seconds. {measure.titles}:", flush=True)
    else:
        student = keras.saving.load_model(args.student)
    panels.clear()
    for spacing in ("log_beta", "t"):
        for fresh_noise in (False, True):
            for calls in STUDENT_CALLS[fresh_noise or spacing == "t" :]:
                sampler = JumpSampler(fresh_noise, start, spacing)
                name = f"student, {spacing}{', fresh noise' * fresh_noise}, {calls} calls"
                report(name, student, calls, sampler)
    if args.data_type == "text":
        for noise_scale in (0.9, 0.8):
            for calls in STUDENT_CALLS[1:]:
                sampler = JumpSampler(True, start, "t", noise_scale)
                name = f"student, t, fresh noise times {noise_scale}, {calls} calls"
                report(name, student, calls, sampler)
    if isinstance(measure, ImageMeasure):
        panels = [(title.replace("log_beta, ", ""), x) for title, x in panels]
        plot([*panels[: len(STUDENT_CALLS)], *shown], args.output / "calls.png")
        print(f"Wrote calls.png to {args.output}/")


if __name__ == "__main__":
    main()
