"""Distils a model into a student that generates in one to four network calls.

    KERAS_BACKEND=jax python examples/distil.py bfn_digits_classes --guidance 1 3
    KERAS_BACKEND=jax python examples/distil.py digits/model.keras

The model, the teacher, is a preset, a preset's folder, or a `.keras` file, of images or
texts, unconditional or given a class. With `--guidance LOW HIGH`, the student learns
all guidance scales between the two, and takes the scale as a condition. Otherwise it
learns the teacher without guidance.

Writes the student, `student.keras`, and samples: for images `calls.png`, of the student
in one, two and four calls and of the teacher in `--teacher-calls`; for texts
`calls.txt`.
"""

import argparse
import pathlib


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="the teacher: a preset, or a .keras file")
    parser.add_argument("--guidance", type=float, nargs=2, metavar=("LOW", "HIGH"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument(
        "--paths", type=int, default=512, help="paths of the teacher, per epoch"
    )
    parser.add_argument("--path-steps", type=int, default=24, help="steps of a path")
    parser.add_argument("--jumps", type=int, default=16, help="jumps from each path")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument(
        "--start", type=float, default=0.02, help="time of the first prediction"
    )
    parser.add_argument(
        "--rate", type=float, default=1e-3, help="the highest learning rate"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--teacher-calls", type=int, default=10)
    parser.add_argument(
        "--save-preset", type=pathlib.Path, help="preset folder to write"
    )
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("distilled")
    )
    args = parser.parse_args()
    if args.teacher_calls < 2:
        parser.error(
            f"--teacher-calls: must be at least 2, received {args.teacher_calls}"
        )
    return args


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()
    print(
        f"Distils {ARGS.model} into a student: several minutes on one CPU core for models "
        "of digits.",
        flush=True,
    )

import keras
import numpy as np
from matplotlib.figure import Figure
from progress import Progress

import keras_bfn
from keras_bfn.distillation import Distiller, JumpSampler, Trajectories, make_student

SHOWN_SCALE = 2.0  # the guidance scale of the samples that are written


def load(name):
    if name.endswith(".keras"):
        return keras.saving.load_model(name)
    return keras_bfn.BayesianFlowNetwork.from_preset(name)


def number_of_classes(model):
    classes = getattr(model.network, "conditions", None)
    if classes is not None and not isinstance(classes, int):
        raise SystemExit(
            "the teacher must be unconditional, or have a class as its condition"
        )
    return classes


def train(teacher, classes, args):
    """Returns a student, trained on new paths of the teacher in each epoch."""
    student = make_student(teacher, guided=args.guidance is not None)
    jumps = Trajectories(
        teacher,
        args.paths,
        args.path_steps,
        args.jumps,
        start=args.start,
        condition=None if classes is None else np.arange(classes),
        guidance_scale=args.guidance or 1.0,
        batch_size=args.batch_size,
        seed=args.seed,
    )
    distiller = Distiller(student)
    num_steps = args.epochs * jumps.num_batches
    distiller.compile(keras_bfn.recipes.adamw(num_steps, args.rate))
    with Progress("Training") as progress:
        distiller.fit(jumps, epochs=args.epochs, callbacks=[progress], verbose=0)
    return student


def draw_samples(teacher, student, classes, args):
    """Returns samples by title: of the student in 1, 2 and 4 calls, and of the teacher."""
    is_text = teacher.tokenizer is not None
    num_samples = 8 if is_text else 5 * (classes or 10)
    condition = None if classes is None else np.arange(num_samples) % classes
    guides = {"condition": condition}
    if args.guidance:
        guides["guidance_scale"] = SHOWN_SCALE

    def draw(model, num_steps, sampler):
        generate = model.generate_text if is_text else model.generate
        return generate(
            num_samples,
            num_steps=num_steps,
            sampler=sampler,
            seed=args.seed,
            verbose=0,
            **guides,
        )

    samples = {
        f"student, {num_calls} call{'s' * (num_calls > 1)}": draw(
            student, num_calls, JumpSampler(start=args.start)
        )
        for num_calls in (1, 2, 4)
    }
    title = f"teacher, {args.teacher_calls} calls"
    samples[title] = draw(teacher, args.teacher_calls - 1, "sde2")
    return samples


def write_samples(samples, is_text, columns, folder):
    """Writes `calls.txt` or `calls.png`, and returns its path."""
    if is_text:
        lines = [
            line for title, texts in samples.items() for line in (title, *texts, "")
        ]
        path = folder / "calls.txt"
        path.write_text("\n".join(lines))
        return path
    figure = Figure((16, 2.4), dpi=90, layout="constrained")
    for axes, (title, images) in zip(
        figure.subplots(1, 4), samples.items(), strict=True
    ):
        keras_bfn.visualization.draw_grid(axes, images, columns=columns)
        axes.set_title(title)
    path = folder / "calls.png"
    figure.savefig(path)
    return path


def main(args):
    args.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(args.seed)

    teacher = load(args.model)
    classes = number_of_classes(teacher)
    student = train(teacher, classes, args)
    student.save(args.output / "student.keras")
    if args.save_preset:
        student.save_to_preset(args.save_preset, half_precision=True)
    with Progress("Generating samples"):
        samples = draw_samples(teacher, student, classes, args)
    path = write_samples(
        samples, teacher.tokenizer is not None, classes or 10, args.output
    )
    print(f"Wrote student.keras and {path.name} to {args.output}/")


if __name__ == "__main__":
    main(ARGS)
