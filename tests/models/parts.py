"""Small models of data of several kinds, and data for them."""

import math

import keras
import numpy as np
from keras import layers, ops

import keras_bfn
from keras_bfn.flows import ContinuousFlow, DiscreteFlow, DiscretizedFlow
from tests import exact

# The others compile each program of each model, for seconds: there, what says most is tested.
IS_TORCH = keras.backend.backend() == "torch"
NUM = 12
# Not in alphabetical order, each of another kind, another shape and another schedule.
FLOWS = {
    "size": ContinuousFlow(sigma_1=0.1),
    "image": DiscretizedFlow(num_bins=5, sigma_1=0.2),
    "label": DiscreteFlow(num_classes=3, beta_1=3.0),
}
EVENT_SHAPES = {"size": (), "image": (2, 3, 1), "label": ()}
NUM_VARIABLES, NUM_CLASSES = 8, 4
# One time for all variables, or one for each.
CLASSES = {"shared": keras_bfn.BayesianFlowNetwork, "variables": keras_bfn.AnyOrderNetwork}


def make_data(flow=FLOWS, event_shape=EVENT_SHAPES, num=NUM, seed=0):
    """Data of all parts of a dict of flows."""
    rng = np.random.default_rng(seed)

    def draw(flow, shape):
        low, high = flow.data_range
        if flow.discrete:
            return rng.integers(low, high + 1, (num, *shape)).astype("int32")
        return rng.uniform(low, high, (num, *shape)).astype("float32")

    return {name: draw(part, event_shape[name]) for name, part in flow.items()}


def without(values, *names):
    """The other parts."""
    return {name: value for name, value in values.items() if name not in names}


def first(values, num):
    """The first examples of each part."""
    return {name: value[:num] for name, value in values.items()}


@keras.saving.register_keras_serializable("keras_bfn_tests")
class PartsLayer(layers.Layer):
    """A plain layer for a dict of flows, in which every part sees all parts and all times."""

    def __init__(self, flow=FLOWS, event_shape=EVENT_SHAPES, conditions=None, **kwargs):
        super().__init__(**kwargs)
        self.flow, self.event_shape = flow, event_shape
        self.conditions = self.null_condition = conditions
        self.hidden = layers.Dense(8, "tanh")
        self.heads = {
            name: layers.Dense(self.size(name) * part.output_size) for name, part in flow.items()
        }
        if conditions is not None:
            self.embedding = layers.Embedding(conditions + 1, 8)

    def size(self, name):
        return math.prod(self.event_shape[name])

    def build(self, input_shape):
        is_own = isinstance(input_shape["t"], dict)
        num_times = sum(map(self.size, self.flow)) if is_own else 1
        numbers = sum(self.size(name) * part.theta_size for name, part in self.flow.items())
        self.hidden.build((None, numbers + num_times))
        for head in self.heads.values():
            head.build((None, 8))
        if "condition" in input_shape:
            self.embedding.build((None,))

    def call(self, inputs):
        flat = [
            ops.reshape(inputs["theta"][name], (-1, self.size(name) * part.theta_size))
            for name, part in self.flow.items()
        ]
        if isinstance(inputs["t"], dict):  # one for each variable
            flat += [ops.reshape(inputs["t"][name], (-1, self.size(name))) for name in self.flow]
        else:
            flat.append(inputs["t"][:, None])
        x = self.hidden(ops.concatenate(flat, axis=-1))
        if "condition" in inputs:
            x = x + self.embedding(ops.cast(inputs["condition"], "int32"))
        return {
            name: ops.reshape(self.heads[name](x), (-1, *self.event_shape[name], part.output_size))
            for name, part in self.flow.items()
        }

    def get_config(self):
        return {
            **super().get_config(),
            "flow": keras.saving.serialize_keras_object(self.flow),
            "event_shape": self.event_shape,
            "conditions": self.conditions,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "flow": keras.saving.deserialize_keras_object(config["flow"])})


def make_model(flow=FLOWS, event_shape=EVENT_SHAPES, times="shared", tokenizer=None, **kwargs):
    """A model of a dict of flows, built, whose network says something of everything."""
    keras.utils.set_random_seed(0)
    network = PartsLayer(flow, event_shape, **kwargs)
    model = CLASSES[times](flow, network, event_shape=event_shape, tokenizer=tokenizer, seed=0)
    shapes = {name: (None, *shape) for name, shape in event_shape.items()}
    model.build_for(shapes, None if network.conditions is None else np.zeros(1, "int32"))
    return model


# Two dependent parts, of three and of two classes.
PAIR_FLOWS = {"word": DiscreteFlow(3, beta_1=12.0), "flag": DiscreteFlow(2, beta_1=6.0)}
PAIR_SHAPES = {"word": (), "flag": (1,)}
JOINT_PRIOR = np.array([[0.3, 0.05], [0.1, 0.25], [0.02, 0.28]])


class PairNetwork(layers.Layer):
    """The exact marginals of both parts of `PAIR_FLOWS`, whatever their times."""

    def call(self, inputs):
        theta = inputs["theta"]
        word = ops.log(ops.maximum(theta["word"], 1e-30))
        chance = ops.clip(theta["flag"][:, 0, 0], 1e-7, 1.0 - 1e-7)
        flag = ops.stack([ops.log1p(-chance), ops.log(chance)], axis=-1)
        log_joint = ops.convert_to_tensor(np.log(JOINT_PRIOR), "float32")
        log_joint = log_joint + word[:, :, None] + flag[:, None, :]
        odds = ops.logsumexp(log_joint[..., 1], axis=1) - ops.logsumexp(log_joint[..., 0], axis=1)
        return {"word": ops.logsumexp(log_joint, axis=2), "flag": odds[:, None, None]}


def make_pair_model(times="shared"):
    return CLASSES[times](PAIR_FLOWS, PairNetwork(), event_shape=PAIR_SHAPES, seed=0)


def draw_pairs(num, seed=0):
    cells = np.random.default_rng(seed).choice(6, num, p=JOINT_PRIOR.ravel())
    return {"word": cells // 2, "flag": cells[:, None] % 2}


def cell_of(x):
    """The number of each example's cell of `JOINT_PRIOR`."""
    return 2 * np.asarray(x["word"]) + np.asarray(x["flag"])[:, 0]


def pair_entropy():
    return exact.entropy(JOINT_PRIOR)
