"""Cost of pictures by order, and completions of their lower halves, after equal steps.

    KERAS_BACKEND=jax python -m benchmarks.picture_orders digits --steps 1500
    KERAS_BACKEND=jax python -m benchmarks.picture_orders mnist --data-dir ~/tensorflow_datasets

`digits` are scikit-learn's, 8x8 with 17 levels; `mnist` is binarised once. Each row is one network,
trained in a mixture of orders for the same number of steps. If the mixture adds up to more than 1,
its batch is larger: "as many by messages" trains on as many examples by messages as the row with
shared times, and on the same number in other states. Test pictures are then sent together (by
messages), and coded directly in random order and row by row.

At the end, lower halves are generated given the upper halves: with particles by the first row's
network, and with `given=` by the last row's, in which each variable has its own time. Prints the
nats of the lower half, the Fréchet distance of the pictures to the training data, and the seconds.
With particles, the nats are those of the whole picture less their estimate for the upper half.
Writes a picture of both kinds of completions.
"""

import argparse
import itertools
import time
from typing import Any, NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_bfn
from benchmarks.orders import WAYS, make_model, orders_of
from benchmarks.samplers import digits_data, mnist_data
from keras_bfn import flows, networks, recipes
from keras_bfn.metrics import SampleQuality

PICTURE_WAYS = [way for way in WAYS if "right" not in way and way != "all"]


class Pictures(NamedTuple):
    """Pictures, and what is needed to learn them.

    Attributes:
        flow: the flow.
        make_network: function that takes `times`, and returns a network.
        optimizer: function that takes the number of steps, and returns an optimizer.
        train, test: tuples of integers of shape `(num, height, width, 1)` and labels.
    """

    flow: Any
    make_network: Any
    optimizer: Any
    train: Any
    test: Any


def digits(args):
    train, test = digits_data()
    flow = flows.DiscretizedFlow(num_bins=17, sigma_1=0.02, prediction="data")

    def make_network(times):
        return networks.MLP(flow, (8, 8, 1), width=256, num_blocks=3, times=times, dropout=0.1)

    return Pictures(flow, make_network, recipes.adamw, train, test)


def mnist(args):
    train, test = mnist_data(args.data_dir)
    flow = flows.fit_prior(flows.DiscreteFlow(num_classes=2, beta_1=7.0), train[0])

    def make_network(times):
        options = {"num_layers": 4, "num_coarse_layers": 3, "coarse_width": 96, "times": times}
        return networks.PatchTransformer(flow, (28, 28, 1), patch_size=2, width=64, **options)

    return Pictures(flow, make_network, recipes.muon, train, test)


DATA = {"digits": digits, "mnist": mnist}


def train(pictures, states, args):
    """Returns a model trained in a mixture of orders, or with shared times, and the seconds."""
    keras.utils.set_random_seed(0)
    network = pictures.make_network("shared" if states is None else "variables")
    model = make_model(pictures.flow, network, states)
    model.compile(pictures.optimizer(args.steps), loss="continuous_time")
    images = pictures.train[0]
    batch_size = round(args.batch * (1.0 if states is None else sum(states.values())))
    rows = np.random.default_rng(0).integers(0, len(images), args.steps * batch_size)
    start = time.process_time()
    model.fit(images[rows], batch_size=batch_size, shuffle=False, verbose=0)
    seconds = time.process_time() - start
    model.network.set_weights(averaged(model))
    return model, seconds


def averaged(model):
    """Returns the averaged weights of the network."""
    with model.averaged_weights():
        return model.network.get_weights()


def nats(model, x, args, **options):
    """Returns the cost of each example in nats, `(num,)`."""
    options = {"num_repeats": args.repeats, "batch_size": 256, "seed": 0, "verbose": 0} | options
    costs = model.code_length(x, **options)
    return costs["transmission"] + costs["reconstruction"]


def with_error(values):
    return f"{values.mean():.2f} +-{values.std() / len(values) ** 0.5:.2f}"


def complete(pictures, shared, own, args):
    """Prints the cost, quality and time of completions, and plots some."""
    quality = SampleQuality(*pictures.train)
    x = pictures.test[0][: args.completions]
    upper = np.broadcast_to(np.arange(x.shape[1])[:, None, None] < x.shape[1] // 2, x.shape[1:])
    known = np.broadcast_to(upper, x.shape)
    drawn = {"upper half": np.where(known, x, 0), "real": x}
    print(f"\nlower halves of {len(x)} pictures; real: {quality.frechet_distance(x):.2f}")
    whole = nats(shared, x, args)
    for num, twisted in itertools.product(args.particles, (True, False)):
        options = {"num_particles": num, "twisted": twisted, "batch_size": 256, "seed": 0}

        def inpaint(options=options):
            return shared.inpaint(x, known, args.calls, return_details=True, verbose=0, **options)

        inpaint()
        start = time.process_time()
        result = inpaint()
        seconds = time.process_time() - start
        name = f"{num} particles" if twisted else f"{num} particles, untwisted"
        drawn[name] = result.samples
        rest = whole + result.log_likelihood
        print_row(name, with_error(rest), quality, result.samples, seconds)
    ways = {"random": "given, random order", "together": "given, by messages"}
    for order, name in ways.items():
        cost = nats(own, x, args, known=upper, order=order)
        for calls in (args.calls, args.calls // 4):

            def generate(order=order, calls=calls):
                order = keras_bfn.orders.Random(calls) if order == "random" else order
                given = np.where(known, x, -1)
                options = {"given": given, "order": order, "batch_size": 256, "seed": 0}
                return own.generate(len(x), calls, "sde2", verbose=0, **options)

            generate()
            start = time.process_time()
            samples = generate()
            seconds = time.process_time() - start
            drawn[f"{name}, {calls}"] = samples
            print_row(f"{name}, {calls} calls", with_error(cost), quality, samples, seconds)
    figure = Figure((8, 0.75 * len(drawn)), dpi=120, layout="constrained")
    for axes, (name, images) in zip(figure.subplots(len(drawn), 1), drawn.items(), strict=True):
        axes.imshow(np.concatenate(images[:16, ..., 0], axis=1), cmap="gray")
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set(xticks=[], yticks=[])
    figure.savefig(args.picture)


def print_row(name, cost, quality, samples, seconds):
    distance = quality.frechet_distance(samples)
    print(f"{name:<34}{cost:>16} nats{distance:>9.2f}{seconds:>9.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=DATA)
    parser.add_argument("--data-dir", help="TensorFlow Datasets directory")
    parser.add_argument("--ways", nargs="+", choices=PICTURE_WAYS, default=PICTURE_WAYS)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=8, help="evaluations of each picture")
    parser.add_argument("--num-test", type=int, default=1000)
    parser.add_argument("--completions", type=int, default=256, help="number; 0: none")
    parser.add_argument("--particles", type=int, nargs="+", default=[4])
    parser.add_argument("--calls", type=int, default=40, help="network calls per completion")
    parser.add_argument("--picture", default="completions.png")
    args = parser.parse_args()
    pictures = DATA[args.data](args)
    x, models = pictures.test[0][: args.num_test], []
    print(f"{len(x)} test pictures, after {args.steps} steps of {args.batch}; nats per picture")
    print(f"{'trained by':<28}{'together':>20}{'random':>20}{'row by row':>20}{'seconds':>10}")
    for way in args.ways:
        states = WAYS[way]
        model, seconds = train(pictures, states, args)
        costs = [with_error(nats(model, x, args, **order)) for order in orders_of(states)]
        row = "".join(f"{cost:>20}" for cost in costs)
        print(f"{way:<28}{row:<60}{seconds:>10.0f}", flush=True)
        models.append(model)
    if args.completions:
        complete(pictures, models[0], models[-1], args)


if __name__ == "__main__":
    main()
