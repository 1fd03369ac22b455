"""The paper's CIFAR-10 experiment: 32x32 colour images, in bits per dimension.

    KERAS_BACKEND=jax python examples/cifar10.py    # the paper's recipe
    KERAS_BACKEND=jax python examples/cifar10.py --data-type continuous --num-bins 16
    KERAS_BACKEND=jax python examples/cifar10.py --preset small --data embedded

`--data` is a directory of TensorFlow Datasets (by default its own), into which CIFAR-10
is downloaded if it is missing. With `embedded`, the data are crops of two photographs
from scikit-learn, which are not CIFAR-10. `experiment.py` lists the files that a run
writes. To resume an interrupted run, repeat its command.
"""

from arguments import make_experiment_parser, parse_experiment

DURATIONS = {
    "paper": "This takes days, and is meant for GPUs.",
    "small": "This takes hours on a CPU core: lines of progress tell the remaining time.",
    "tiny": "A few minutes on one CPU core.",
}


def parse_arguments():
    parser = make_experiment_parser(
        __doc__, "TensorFlow Datasets directory, or 'embedded'"
    )
    parser.add_argument(
        "--data-type", choices=("continuous", "discretized"), default="discretized"
    )
    parser.add_argument("--num-bins", type=int, choices=(16, 256), default=256)
    return parse_experiment(parser, "cifar10", DURATIONS)


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()

import math

import experiment

import keras_bfn
from keras_bfn import datasets, flows, networks, recipes

IMAGE_SHAPE = (32, 32, 3)
# Bits per dimension in continuous time, for discretised data with 256 bins.
PAPER = {("discretized", 256): {None: 2.66}}
# For each preset: batch size, epochs, and number of training images (None: all).
SIZES = {"paper": (32, 647, None), "small": (32, 20, None), "tiny": (16, 1, 64)}


def build_model(args, steps):
    if args.preset == "paper":
        return keras_bfn.BayesianFlowNetwork.from_preset(
            f"bfn_cifar10_{args.data_type}_{args.num_bins}", load_weights=False
        )
    sigma_1 = math.sqrt(1e-3) if args.num_bins == 16 else 1e-3
    if args.data_type == "continuous":
        flow = flows.ContinuousFlow(sigma_1, num_bins=args.num_bins)
    else:
        flow = flows.DiscretizedFlow(args.num_bins, sigma_1)
    width, num_blocks = (32, 2) if args.preset == "small" else (8, 1)
    network = networks.UNet(
        flow,
        IMAGE_SHAPE,
        width=width,
        width_multipliers=(1, 2, 2),
        num_blocks=num_blocks,
    )
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=args.seed)
    model.compile(recipes.adamw(steps))
    return model


def main(args):
    experiment.begin(args)
    batch_size, epochs, limit = SIZES[args.preset]
    options = {
        "form": "numbers" if args.data_type == "continuous" else "bins",
        "num_bins": args.num_bins,
        "seed": args.seed,
        "limit": limit,
    }
    paper = PAPER.get((args.data_type, args.num_bins), {})
    if args.data == "embedded":
        name, paper = "crops of scikit-learn's two photographs (not CIFAR-10)", {}
        data = datasets.embedded_images(batch_size, **options)
    else:
        name = "CIFAR-10"
        data = datasets.cifar10(batch_size, data_dir=args.data, **options)
    scope, data = experiment.distribution(args, data)
    with scope:
        model = build_model(args, (args.epochs or epochs) * data.train.num_batches)

    def samples(directory, epochs):
        num_samples, num_steps = (4, 5) if args.preset == "tiny" else (64, 20)
        return keras_bfn.callbacks.SampleImages(
            directory, num_samples, num_steps, every=max(1, epochs // 20)
        )

    per_nat = 1 / (math.log(2) * math.prod(IMAGE_SHAPE))
    experiment.run(
        args,
        experiment.Experiment(
            "cifar10", name, data, model, "bits per dimension", per_nat, paper, samples
        ),
        epochs,
    )


if __name__ == "__main__":
    main(ARGS)
