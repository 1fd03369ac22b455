"""Trained models with other conditions, to be fine-tuned."""

import keras

from keras_bfn._config import argument_names
from keras_bfn._typing import Parts, Shape
from keras_bfn._validation import refusal
from keras_bfn.distillation.student import copy_weights
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.networks import Network

# The standard deviation of new embeddings of classes. Keras's is 0.03, with which a network is slow
# to tell the classes apart: a letter costs 54.3 nats after 300 steps on twelve, with this one 52.0.
SCALE = 0.5


def with_conditions(
    model: BayesianFlowNetwork,
    conditions: Parts[int | Shape],
    condition_dropout: Parts[float] = 0.1,
) -> BayesianFlowNetwork:
    """Returns a copy of a trained model that takes other conditions, to be fine-tuned on them.

    The layers that embed the conditions are new, and have random weights. All other weights are
    those of the model, which may have had other conditions, or none. All of them are trainable.

    Args:
        model: a model whose network is one of `keras_bfn.networks`.
        conditions: what the network takes instead, as in `keras_bfn.networks.Network`: an int K for
            K classes, a shape for numbers, or a dict of these. Conditions with a value for each
            position of a sequence or an image need other layers, so a copy cannot take them.
        condition_dropout: float in [0, 1), or a dict of floats, as in
            `keras_bfn.BayesianFlowNetwork`. Guidance (`guidance_scale`) needs it. Must be 0 for
            numbers, which have no value that means "none".

    Returns:
        A model of the same class, which is not compiled. The given model does not change.

    Raises:
        ValueError: if the network is not one of `keras_bfn.networks`, has LoRA or eight-bit
            weights, or would need other layers; or if an argument is out of range.

    Example, a model of ten digits that is trained on four letters:

    >>> digits = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")
    >>> letters = keras_bfn.presets.with_conditions(digits, 4)
    >>> letters.compile(keras_bfn.recipes.adamw(num_steps=300, peak_rate=3e-3))
    >>> letters.generate(4, num_steps=20, condition=[0, 1, 2, 3]).shape
    (4, 8, 8, 1)
    """
    old = getattr(model, "network", None)
    if not isinstance(model, BayesianFlowNetwork) or not isinstance(old, Network):
        expected = "must be a `BayesianFlowNetwork` with a network of `keras_bfn.networks`"
        raise refusal("model", expected, model)
    config = old.get_config() | {"conditions": conditions}
    config.pop("changed_layers", None)  # of frozen layers, by numbers that new layers change
    new = type(old).from_config(config)
    names = {layer.name for layer in (*old.layers, *new.layers)}
    if not copy_weights(old, new, [name for name in names if "condition_embedding" in name]):
        expected = (
            "must be classes or vectors, for a network without LoRA and eight-bit weights: all "
            "layers other than the conditions' must be as they were"
        )
        raise refusal("conditions", expected, conditions)
    for layer in new.layers:
        if isinstance(layer, keras.layers.Embedding) and "condition_embedding" in layer.name:
            layer.embeddings.assign(keras.random.normal(layer.embeddings.shape, stddev=SCALE))
    arguments = {name: getattr(model, name) for name in argument_names(type(model))}
    others = {"network": new, "null_condition": None, "condition_dropout": condition_dropout}
    return type(model)(**arguments | others)
