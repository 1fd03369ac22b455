"""Compares the codec's file sizes with the loss, on thousands of real examples of each data type.

    KERAS_BACKEND=jax python -m benchmarks.codec_costs --data-dir ~/tensorflow_datasets
    KERAS_BACKEND=jax python -m benchmarks.codec_costs --text novel.txt
    KERAS_BACKEND=jax python -m benchmarks.codec_costs --cases "binary digits" --orders random

Each model is small and trained for a minute, because the question is not whether it needs few bits,
but whether it needs as many as its loss states. All files are decompressed and compared with the
data. Without `--data-dir`, MNIST is left out. Without `--text`, the text is the prose of Python's
help. With `--orders`, one model with a time for each variable codes in each of these orders.
"""

import argparse
import math

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_bfn
from keras_bfn import datasets, flows, networks

BATCH_SIZE, NUM_UPDATES = 64, 500
CASES = (
    "binary digits",
    "17 classes, digits",
    "17 bins, digits",
    "17 bins and a class",
    "binary MNIST",
    "256-bin MNIST",
    "27 letters",
)


def digits(levels):
    images = load_digits().images[..., None]
    if levels == 2:
        return (np.random.default_rng(0).uniform(size=images.shape) < images / 16).astype("int32")
    return images.astype("int32")


def digits_with_labels():
    x = {"image": digits(17), "label": load_digits().target.astype("int32")}
    flow = {
        "image": flows.DiscretizedFlow(17, sigma_1=0.02),
        "label": flows.DiscreteFlow(10, beta_1=3.0),
    }
    return x, flow


def mnist(form, num_bins, data_dir, num):
    test = datasets.mnist(1000, form, num_bins, data_dir=data_dir, limit=num).test
    return np.concatenate([test[i] for i in range(test.num_batches)])


def text(path, num):
    options = {"batch_size": num, "seq_length": 64, "steps_per_epoch": 1}
    data = datasets.text_file(path, **options) if path else datasets.embedded_text(**options)
    return data.train[0]


def make_case(name, args):
    """Returns the data and the flow of one of CASES."""
    if name == "binary digits":
        return digits(2), flows.DiscreteFlow(num_classes=2, beta_1=6.0)
    if name == "17 classes, digits":
        # With a smaller beta_1, confident errors of such a model would cost over 24 bits.
        return digits(17), flows.DiscreteFlow(17, beta_1=3.0)
    if name == "17 bins, digits":
        return digits(17), flows.DiscretizedFlow(17, sigma_1=0.02)
    if name == "17 bins and a class":
        return digits_with_labels()
    if name == "binary MNIST":
        return mnist("binary", 256, args.data_dir, args.num), flows.DiscreteFlow(2, beta_1=9.0)
    if name == "256-bin MNIST":
        x = mnist("bins", 256, args.data_dir, args.num)
        return x, flows.DiscretizedFlow(256, sigma_1=0.001)
    return text(args.text, args.num), flows.DiscreteFlow(27, beta_1=0.75)


def train(flow, x, is_sequence, any_order):
    keras.utils.set_random_seed(0)
    options = {"times": "variables" if any_order else "shared"}
    if isinstance(flow, dict):
        event_shape = {name: part.shape[1:] for name, part in x.items()}
        network = networks.MultiPart(
            flow, event_shape, width=64, num_blocks=1, mixer="mlp", **options
        )
    elif is_sequence:
        network = networks.Transformer(
            flow, x.shape[1], width=32, num_layers=1, num_heads=2, **options
        )
    else:
        network = networks.MLP(flow, x.shape[1:], width=64, num_blocks=1, **options)
    kind = keras_bfn.AnyOrderNetwork if any_order else keras_bfn.BayesianFlowNetwork
    model = kind(flow, network, seed=0)
    model.compile(keras.optimizers.AdamW(3e-3), loss="continuous_time")
    epochs = math.ceil(NUM_UPDATES * BATCH_SIZE / count(x))
    model.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def count(x):
    """Returns the number of examples."""
    return len(next(iter(x.values())) if isinstance(x, dict) else x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="TensorFlow Datasets directory with MNIST")
    parser.add_argument("--text", help="text file")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--num", type=int, default=2000, help="examples of MNIST and of text")
    parser.add_argument("--num-steps", type=int, default=10)
    parser.add_argument("--lanes", type=int, default=50)
    parser.add_argument("--orders", nargs="+", default=["together"], help="names of orders")
    args = parser.parse_args()
    print(f"{keras.backend.backend()}, {args.num_steps} messages, bits per example:")
    columns = f"{'examples':>9}{'file':>10}{'codec':>10}{'loss':>10}{'file/loss':>10}"
    print(f"{'':<32}{columns}{'codec/loss':>12}{'images/s':>10}")
    for name in args.cases:
        if name.endswith("MNIST") and not args.data_dir:
            continue
        x, flow = make_case(name, args)
        model = train(flow, x, name == "27 letters", any_order=args.orders != ["together"])
        for order in args.orders:
            print_row(name, model, x, order, args)


def print_row(name, model, x, order, args):
    codec = keras_bfn.codec.Codec(model, args.num_steps, args.lanes, order=order)
    data, report = codec.compress(x, return_report=True, verbose=0)
    back = codec.decompress(data, verbose=0)
    if not all(keras.tree.flatten(keras.tree.map_structure(np.array_equal, back, x))):
        raise AssertionError(f"{name}: the decompressed data differ from the input")
    # One evaluation of each example at each step.
    steps = args.num_steps if order == "together" else codec.order.count_groups(model.event_shape)
    options = {"order": order, "seed": codec.seed, "batch_size": 500, "verbose": 0}
    nats = model.code_length(x, args.num_steps, steps, **options)
    stated = (nats["transmission"] + nats["reconstruction"]).mean() / math.log(2)
    whole = report["total_bits"] / count(x)
    bits, speed = report["bits_per_example"], count(x) / report["seconds"]
    name = name if order == "together" else f"{name}, {order}"
    print(
        f"{name:<32}{count(x):>9}{whole:>10.2f}{bits:>10.2f}{stated:>10.2f}"
        f"{whole / stated:>10.4f}{bits / stated:>12.4f}{speed:>10.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
