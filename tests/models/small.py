"""Small models and data for the tests of the model."""

import math

import keras
import numpy as np
from keras import layers

import keras_bfn
from keras_bfn.inputs.missing import fill_missing_variables

EVENT_SHAPE = (4, 4, 1)

FLOWS = {
    "binary": lambda: keras_bfn.flows.DiscreteFlow(num_classes=2, beta_1=4.0),
    "discrete": lambda: keras_bfn.flows.DiscreteFlow(num_classes=5, beta_1=2.0),
    "discretized": lambda: keras_bfn.flows.DiscretizedFlow(num_bins=17, sigma_1=0.05),
    "continuous": lambda: keras_bfn.flows.ContinuousFlow(sigma_1=0.05, num_bins=17),
}


def make_data(flow, num=24, seed=0):
    rng = np.random.default_rng(seed)
    low, high = flow.data_range
    if flow.discrete:
        return rng.integers(low, high + 1, (num, *EVENT_SHAPE)).astype("int32")
    return rng.uniform(low, high, (num, *EVENT_SHAPE)).astype("float32")


def make_network(flow, event_shape=EVENT_SHAPE, dtype=None):
    """A functional model with few weights: most of a test's time is compiling."""
    inputs = {
        "theta": keras.Input((*event_shape, flow.theta_size), name="theta"),
        "t": keras.Input((), name="t"),
    }
    theta, t = layers.Flatten()(inputs["theta"]), layers.Reshape((1,))(inputs["t"])
    x = layers.Dense(16, "relu", dtype=dtype)(layers.Concatenate()([theta, t]))
    x = layers.Dense(math.prod(event_shape) * flow.output_size, dtype=dtype)(x)
    return keras.Model(inputs, layers.Reshape((*event_shape, flow.output_size))(x))


def make_model(flow, seed=0, compiled=True, dtype=None, **kwargs):
    keras.utils.set_random_seed(0)
    model = keras_bfn.BayesianFlowNetwork(flow, make_network(flow, dtype=dtype), seed=seed)
    if compiled:
        model.compile(optimizer=keras.optimizers.AdamW(1e-3), **kwargs)
    return model


def make_text_model(tokenizer=None, length=12):
    """Of random weights; for the 27 letters of text8, unless there is another tokenizer."""
    keras.utils.set_random_seed(0)
    tokenizer = tokenizer or keras_bfn.datasets.Letters()
    flow = keras_bfn.flows.DiscreteFlow(tokenizer.num_classes, beta_1=2.0)
    network = make_network(flow, (length,))
    return keras_bfn.BayesianFlowNetwork(flow, network, tokenizer=tokenizer, seed=0)


def save_and_load(model, where, path):
    """The model that comes back from a `.keras` file, or from a preset."""
    if where == "file":
        model.save(path / "model.keras")
        return keras.saving.load_model(path / "model.keras")
    model.save_to_preset(path / "preset")
    return keras_bfn.BayesianFlowNetwork.from_preset(str(path / "preset"))


@keras.saving.register_keras_serializable("keras_bfn_tests")
class ConditionNetwork(keras.layers.Layer):
    """A plain layer, conditional on a class if it is given one."""

    def __init__(self, output_size, conditions=3, **kwargs):
        super().__init__(**kwargs)
        self.output_size = output_size
        self.conditions = conditions

    def build(self, input_shape):
        self.dense = keras.layers.Dense(self.output_size)
        self.dense.build(input_shape["theta"])
        if "condition" in input_shape:
            self.embedding = keras.layers.Embedding(self.conditions, self.output_size)
            self.embedding.build(input_shape["condition"])

    def call(self, inputs):
        outputs = self.dense(inputs["theta"]) + inputs["t"][:, None, None, None, None]
        if "condition" in inputs:
            outputs = outputs + self.embedding(inputs["condition"])[:, None, None, None, :]
        return outputs

    def get_config(self):
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "conditions": self.conditions,
        }


def predict_at(model, x, t, **options):
    """What a model predicts from evidence about data that it draws at a time."""
    x, observed = fill_missing_variables(model.flow, tree_to_tensors(x), model.allow_missing)
    return model.predict_params(model.sample_evidence(x, t), t, observed=observed, **options)


def tree_to_tensors(x):
    return keras.tree.map_structure(keras.ops.convert_to_tensor, x)
