"""Small transformers with a causal form, and what they are asked."""

import numpy as np

from keras_bfn.flows import DiscreteFlow, DiscretizedFlow
from keras_bfn.networks import Transformer

LENGTH, NUM_CLASSES = 4, 3
FLOW = DiscreteFlow(NUM_CLASSES, beta_1=3.0)
SMALL = {"width": 8, "num_layers": 2, "num_heads": 2, "kernel_size": 3}


def make_network(flow=FLOW, shape=(LENGTH,), causal=True, **options):
    network = Transformer(
        flow, shape, **{**SMALL, "times": "variables", "causal": causal, **options}
    )
    rng = np.random.default_rng(0)
    network.set_weights([0.4 * rng.standard_normal(w.shape) for w in network.get_weights()])
    return network


VARIANTS = {
    "plain": {},
    "as_the_paper": {"positions": "sinusoidal", "features": "plain", "shortcut": False},
    "without_attention": {"num_heads": 0, "kernel_size": 5},
    "without_neighbours": {"kernel_size": 1},
    "even_kernel": {"kernel_size": 4},
    "masked": {"masked": True},
    "classes": {"conditions": 3},
    "remat": {"remat": True},
    "shared_times": {"times": "shared"},
    "channels": {"shape": (LENGTH, 2)},
    "bins": {"flow": DiscretizedFlow(5, 0.1, prediction="data")},
}


def make_inputs(network, flow=FLOW, shape=(LENGTH,), num=2, **options):
    rng = np.random.default_rng(0)
    theta = rng.dirichlet(np.ones(max(flow.theta_size, 2)), (num, *shape)).astype("float32")
    inputs = {"theta": theta[..., : flow.theta_size]}
    inputs["t"] = rng.random((num, *shape) if network.times == "variables" else num).astype(
        "float32"
    )
    if options.get("masked"):
        inputs["mask"] = np.ones((num, *shape), bool)
    if options.get("conditions"):
        inputs["condition"] = np.arange(num, dtype="int32")
    return inputs
