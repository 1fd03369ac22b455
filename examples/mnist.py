"""The paper's MNIST experiment: digits binarised anew in every epoch, in nats per image.

    KERAS_BACKEND=jax python examples/mnist.py    # the paper's recipe
    KERAS_BACKEND=jax python examples/mnist.py --preset small    # for a CPU
    KERAS_BACKEND=jax python examples/mnist.py --preset tiny --data embedded

`--data` is a directory of TensorFlow Datasets that holds MNIST (by default its own, into which it
is downloaded), or `embedded`: the 1,797 digits of scikit-learn, 8x8, enlarged, which are not MNIST.
`--network` is that of the presets `small` and `tiny`: `mlp` or `patches` (`PatchTransformer`).
See `experiment.py` for what a run leaves behind. The same command goes on where a run was killed.
"""

import experiment
import numpy as np
import recipe

import keras_bfn
from keras_bfn import datasets, flows, networks

IMAGE_SHAPE = (28, 28, 1)
# Nats per image by the number of steps; None is continuous time.
PAPER = {10: 95.21, 25: 84.40, 50: 81.06, 100: 79.46, None: 77.87}
# For each preset: the batch size, the epochs, and the training images used (None: all).
SIZES = {"paper": (512, 8621, None), "small": (128, 130, None), "tiny": (32, 1, 320)}
PATCHES_EPOCHS = 8  # of the small preset, in which they take about as long


def build_model(preset, network, data, steps, seed):
    if preset == "paper":
        return keras_bfn.BayesianFlowNetwork.from_preset("bfn_mnist_binary", load_weights=False)
    if network == "mlp":
        flow = flows.DiscreteFlow(num_classes=2, beta_1=9.0)
        width = 512 if preset == "small" else 32
        network = networks.MLP(flow, IMAGE_SHAPE, width=width, num_blocks=3)
        optimizer = recipe.adamw(steps)
    else:
        flow = flows.DiscreteFlow(num_classes=2, beta_1=7.0)
        # How often each pixel is white is what the network need not learn.
        x = np.concatenate([data.train[i] for i in range(min(100, data.train.num_batches))])
        flow = flows.fit_prior(flow, x, per_variable=True)
        width = 64 if preset == "small" else 8
        network = networks.PatchTransformer(
            flow, IMAGE_SHAPE, patch_size=2, width=width, num_layers=6
        )
        optimizer = recipe.muon(steps)
    model = keras_bfn.BayesianFlowNetwork(flow, network, seed=seed)
    model.compile(optimizer)
    return model


def main():
    parser = experiment.make_parser(__doc__, "a directory of TFDS, or 'embedded'")
    parser.add_argument("--network", choices=("mlp", "patches"), default="mlp")
    args = experiment.parse_arguments(parser, "mnist")
    batch_size, epochs, limit = SIZES[args.preset]
    if (args.preset, args.network) == ("small", "patches"):
        epochs = PATCHES_EPOCHS
    paper = PAPER
    if args.data == "embedded":
        name, paper = "scikit-learn's 8x8 digits, enlarged (not MNIST)", {}
        data = datasets.embedded_digits(batch_size, seed=args.seed, limit=limit)
    else:
        name = "MNIST"
        data = datasets.mnist(batch_size, data_dir=args.data, seed=args.seed, limit=limit)
    scope, data = experiment.distribution(args, data)
    with scope:
        steps = (args.epochs or epochs) * data.train.num_batches
        model = build_model(args.preset, args.network, data, steps, args.seed)

    def samples(directory, epochs):
        return keras_bfn.callbacks.SampleImages(directory, every=max(1, epochs // 20))

    experiment.run(
        args,
        experiment.Experiment("mnist", name, data, model, "nats per image", 1.0, paper, samples),
        epochs,
    )


if __name__ == "__main__":
    main()
