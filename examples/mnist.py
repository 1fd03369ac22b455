"""The paper's MNIST experiment: digits, binarised anew in every epoch, in nats per image.

    KERAS_BACKEND=jax python examples/mnist.py    # the paper's recipe
    KERAS_BACKEND=torch python examples/mnist.py --preset small --mixed-precision    # for a CPU
    KERAS_BACKEND=jax python examples/mnist.py --preset tiny --data embedded

`--data` is a directory of TensorFlow Datasets (by default its own), into which MNIST is
downloaded if it is missing. With `embedded`, the data are scikit-learn's 1,797 digits,
8x8, enlarged, which are not MNIST. `--network` selects the network of the presets
`small` and `tiny`: `patches` (`PatchTransformer`), which is given the class of half of
the images and is scored with and without it; or `mlp`. `experiment.py` lists the files
that a run writes. To resume an interrupted run, repeat its command.
"""

from arguments import make_experiment_parser, parse_experiment

DURATIONS = {
    "paper": "This takes days, and is meant for GPUs.",
    "small": "About 90 minutes on one CPU core (--network mlp: 50).",
    "tiny": "A few minutes on one CPU core.",
}


def parse_arguments():
    parser = make_experiment_parser(
        __doc__, "TensorFlow Datasets directory, or 'embedded'"
    )
    parser.add_argument("--network", choices=("patches", "mlp"), default="patches")
    return parse_experiment(parser, "mnist", DURATIONS)


if __name__ == "__main__":  # before the imports, which take seconds
    ARGS = parse_arguments()

import experiment
import numpy as np

import keras_bfn
from keras_bfn import datasets, flows, networks, recipes

IMAGE_SHAPE, NUM_CLASSES = (28, 28, 1), 10
# Nats per image by number of steps; None: continuous time.
PAPER = {10: 95.21, 25: 84.40, 50: 81.06, 100: 79.46, None: 77.87}
# For each preset: batch size, epochs by network, and number of training images (None:
# all).
SIZES = {
    "paper": (512, {"patches": 8621, "mlp": 8621}, None),
    "small": (128, {"patches": 28, "mlp": 130}, None),
    "tiny": (32, {"patches": 1, "mlp": 1}, 320),
}


def build_model(preset, network, data, steps, seed):
    if preset == "paper":
        return keras_bfn.BayesianFlowNetwork.from_preset(
            "bfn_mnist_binary", load_weights=False
        )
    if network == "mlp":
        flow = flows.DiscreteFlow(num_classes=2, beta_1=9.0)
        width = 512 if preset == "small" else 32
        network = networks.MLP(flow, IMAGE_SHAPE, width=width, num_blocks=3)
        model = keras_bfn.BayesianFlowNetwork(flow, network, seed=seed)
        model.compile(recipes.adamw(steps), loss="continuous_time")
        return model
    flow = flows.DiscreteFlow(num_classes=2, beta_1=7.0)
    # With this prior, the network need not learn how often pixels are white.
    batches = [data.train[i] for i in range(min(100, data.train.num_batches))]
    flow = flows.fit_prior(flow, np.concatenate([x for ((x, _),) in batches]))
    network = networks.PatchTransformer(
        flow,
        IMAGE_SHAPE,
        patch_size=2,
        width=64 if preset == "small" else 8,
        num_layers=4,
        num_coarse_layers=3,
        coarse_width=96 if preset == "small" else 8,
        conditions=NUM_CLASSES,
    )
    model = keras_bfn.BayesianFlowNetwork(
        flow, network, condition_dropout=0.5, seed=seed
    )
    model.compile(recipes.muon(steps))
    return model


def main(args):
    experiment.begin(args)
    batch_size, epochs, limit = SIZES[args.preset]
    conditional = args.preset != "paper" and args.network == "patches"
    options = {"seed": args.seed, "limit": limit, "labels": conditional}
    paper = PAPER
    if args.data == "embedded":
        name, paper = "scikit-learn's 8x8 digits, enlarged (not MNIST)", {}
        data = datasets.embedded_digits(batch_size, **options)
    else:
        name = "MNIST"
        data = datasets.mnist(batch_size, data_dir=args.data, **options)
    scope, data = experiment.distribution(args, data)
    epochs = epochs[args.network]
    with scope:
        steps = (args.epochs or epochs) * data.train.num_batches
        model = build_model(args.preset, args.network, data, steps, args.seed)

    def samples(directory, epochs):
        options = {"every": max(1, epochs // 20)}
        if conditional:  # one column per class
            options |= {
                "num_samples": 60,
                "condition": np.arange(60) % 10,
                "columns": 10,
            }
        return keras_bfn.callbacks.SampleImages(directory, **options)

    experiment.run(
        args,
        experiment.Experiment(
            "mnist", name, data, model, "nats per image", 1.0, paper, samples
        ),
        epochs,
    )


if __name__ == "__main__":
    main(ARGS)
