"""The student of a model, which jumps along its teacher's paths."""

import re
from typing import Any, NoReturn

import keras
import numpy as np

from keras_bfn import orders
from keras_bfn._config import argument_names
from keras_bfn._parts import describe
from keras_bfn._typing import ArrayLike, Nest, Parts, Scale
from keras_bfn._validation import LARGEST, check_bool, check_real, mismatch, refusal
from keras_bfn.distillation.jump_sampler import JumpSampler
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.models.classifier_free import ClassifierFreeGuidance
from keras_bfn.networks import Network
from keras_bfn.orders import AnyOrderNetwork, Order, Together
from keras_bfn.samplers import NUM_STEPS, Sampler

SCALE = "guidance_scale"  # the condition of guided students
NEW_LAYERS = ("jump_dense_0", "jump_dense_1")


class Jumping:
    """Mixin of models whose networks only predict jumps: samples are all that they make.

    Raises:
        ValueError: if the network does not take `"t_next"`.

    Attributes:
        jumps: True.
    """

    jumps = True
    signature: Any

    def __init__(self, flow: Any, network: keras.Layer, *args, **kwargs) -> None:
        super().__init__(flow, network, *args, **kwargs)  # type: ignore[call-arg]
        if "t_next" not in self.signature.optional:
            raise refusal("network", "must take 't_next'", network)

    def generate(
        self,
        num_samples: int,
        num_steps: int = NUM_STEPS,
        sampler: str | Sampler | None = None,
        condition: Parts[ArrayLike] | None = None,
        guidance_scale: Scale | ClassifierFreeGuidance = 1.0,
        *args,
        **kwargs,
    ) -> Nest:
        """Generates samples with `num_steps` network calls, given what its teacher is given.

        Args:
            num_samples, num_steps, condition: as in the teacher's `generate`.
            sampler: `"jump"`, the default, or a `JumpSampler`.
            guidance_scale: as in the teacher's `generate`. A guided student takes a number, and has
                learnt the scales that its `Trajectories` had.
            *args, **kwargs: other arguments of the teacher's `generate`.

        Returns:
            As the teacher's `generate`.

        Raises:
            ValueError: if an argument is out of its range.

        Example:

        >>> student = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_student")
        >>> student.generate(2, num_steps=1, condition=[3, 8], guidance_scale=2.0).shape
        (2, 8, 8, 1)
        """
        taken = self.signature.condition
        if isinstance(taken, dict) and SCALE in taken:
            scale, guidance_scale = guidance_scale, 1.0
            condition = {} if condition is None else named(condition)
            if SCALE in condition:
                expected = f"must not contain {SCALE!r}, which is an argument of `generate`"
                raise mismatch("condition", expected, describe(condition))
            expected = "a finite number, for a student that takes the scale as a condition"
            scale = check_real(SCALE, scale, lambda x: abs(x) <= LARGEST, expected)
            condition = condition | {SCALE: np.full(1, scale)}
        return super().generate(  # type: ignore[misc]
            num_samples, num_steps, sampler, condition, guidance_scale, *args, **kwargs
        )

    def get_sampler(self, identifier: str | Sampler | None) -> Sampler:
        """Returns a `JumpSampler`: that of None and of `"jump"`, or the given one."""
        sampler = JumpSampler() if identifier in (None, "jump") else identifier
        if not isinstance(sampler, JumpSampler):
            expected = "must be 'jump', or a `JumpSampler`, for a student"
            raise refusal("sampler", expected, identifier)
        sampler.check_model(self)
        return sampler

    def fit(self, *args, **kwargs) -> NoReturn:
        """Raises a `ValueError`: a student only generates."""
        raise ValueError(
            "A student of `keras_bfn.distillation` only jumps. Call `generate`; train it by a "
            "`Distiller`; `fit`, score, encode and complete data with its teacher"
        )

    evaluate = train_on_batch = test_on_batch = code_length = loss_by_time = fit
    inpaint = encode = predict_state = fit

    def check_order(self, order: Any) -> Order:
        """Returns the order, or raises a `ValueError`: students jump all variables together."""
        found = orders.get(order)
        if type(found) is not Together:
            raise refusal("order", "must be 'together' for a student, which jumps", order)
        return found


@keras.saving.register_keras_serializable("keras_bfn")
class Student(Jumping, BayesianFlowNetwork):
    """The student of a `BayesianFlowNetwork`, as `make_student` returns it.

    It only jumps: a `Distiller` trains it, and `generate` samples by a `JumpSampler`. It is saved
    and exported as other models are.

    Args:
        flow, *args, **kwargs: as in `keras_bfn.BayesianFlowNetwork`.
        network: as there, with an input `"t_next"`, `(batch,)`.

    Raises:
        ValueError: as there; or if the network does not take `"t_next"`.

    Example:

    >>> student = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_student")
    >>> type(student).__name__
    'Student'
    """


@keras.saving.register_keras_serializable("keras_bfn")
class AnyOrderStudent(Jumping, AnyOrderNetwork):
    """The student of an `AnyOrderNetwork`, as `make_student` returns it.

    It only jumps: a `Distiller` trains it, and `generate` samples by a `JumpSampler`. It is saved
    and exported as other models are.

    Args:
        flow, *args, **kwargs: as in `keras_bfn.AnyOrderNetwork`.
        network: as there, with an input `"t_next"`, `(batch,)`.

    Raises:
        ValueError: as there; or if the network does not take `"t_next"`.

    Example:

    >>> student = keras_bfn.distillation.make_student(any_order_model)
    >>> type(student).__name__
    'AnyOrderStudent'
    """


def make_student(
    model: BayesianFlowNetwork, network: keras.Layer | None = None, guided: bool = False
) -> Student | AnyOrderStudent:
    """Returns a model that can learn to jump along the paths of another, its teacher.

    Its network also takes `"t_next"`, the time at which a jump arrives. At first it ignores this,
    and predicts what the teacher predicts. It only jumps: a `Distiller` trains it, `generate` uses
    the sampler `"jump"`, and `fit`, `evaluate` and `code_length` raise an error.

    Args:
        model: the teacher.
        network: a Keras model or layer for the student, which takes `"t_next"`, `(batch,)`, beside
            the inputs of the teacher's network; a subclassed one also needs an attribute
            `jumps = True`. By default a copy of the teacher's, with its weights, without its own
            dropout, and with all weights trainable, if that is a network of this package.
        guided: bool. Whether the copy learns the guidance scale, which its `generate` then takes as
            the teacher's does. Its network's condition is a dict of the teacher's, or of
            `"condition"`, and of `"guidance_scale"`, `(batch, 1)`.

    Returns:
        A `Student`, or for an `AnyOrderNetwork` an `AnyOrderStudent`, which is not compiled.

    Raises:
        ValueError: if the network does not take `"t_next"`, or the teacher's cannot be copied; or
            if `guided` is true for a teacher without a null condition.

    Example:

    >>> teacher = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits")
    >>> student = keras_bfn.distillation.make_student(teacher)
    >>> student.generate(2, num_steps=1).shape
    (2, 8, 8, 1)
    """
    if not isinstance(model, BayesianFlowNetwork):
        raise refusal("model", "must be a `keras_bfn.BayesianFlowNetwork`", model)
    null = model.null_condition
    if check_bool("guided", guided) and (null is None or network is not None):
        expected = "must be False for a teacher without a null condition, or with `network`"
        raise refusal("guided", expected, guided)
    if network is None:
        network = _copy(model.network, guided)
        null = named(null) if guided else null
    is_any_order = isinstance(model, AnyOrderNetwork)
    base: Any = AnyOrderNetwork if is_any_order else BayesianFlowNetwork
    arguments = {name: getattr(model, name) for name in argument_names(base)}
    arguments |= {"network": network, "null_condition": null}
    return (AnyOrderStudent if is_any_order else Student)(**arguments)


def named(condition):
    """Returns conditions by their names, for a network that takes one more."""
    return condition if isinstance(condition, dict) else {"condition": condition}


def _copy(network, guided):
    if not isinstance(network, Network):
        expected = "must be given, unless the teacher's network is one of `keras_bfn.networks`"
        raise refusal("network", expected, None)
    if network.jumps:
        raise refusal("model", "must not be a student, whose network takes 't_next'", network)
    config, new_layers = network.get_config() | {"jumps": True}, list(NEW_LAYERS)
    config.pop("changed_layers", None)  # of frozen layers, by numbers that new layers change
    if "dropout" in config:
        config["dropout"] = 0.0
    if guided:
        conditions = named(network.conditions)
        if SCALE in conditions:
            raise refusal("guided", f"must be False: the teacher takes a {SCALE!r}", guided)
        new_layers.append(f"condition_embedding_{len(conditions)}")
        config["conditions"] = conditions | {SCALE: (1,)}
    student = type(network).from_config(config)
    embedded = {layer.name for layer in student.layers}
    if not embedded.issuperset(new_layers):
        expected = "must be given, because a copy of the teacher's would not embed 't_next'"
        raise refusal("network", expected, None)
    if not copy_weights(network, student, new_layers):
        expected = "must be given, because the teacher's layers differ from those of its config"
        raise refusal("network", expected, None)
    if guided:
        layer = student.get_layer(new_layers[-1])
        layer.set_weights([0.0 * weight for weight in layer.get_weights()])
    return student


def copy_weights(source, network, new_layers):
    """Copies all weights but those of new layers; returns whether the other layers are alike."""
    theirs, ours = (ordered_layers(one, new_layers) for one in (source, network))
    if [_shapes(layer) for layer in theirs] != [_shapes(layer) for layer in ours]:
        return False
    for their, our in zip(theirs, ours, strict=True):
        our.set_weights(their.get_weights())
    return True


def ordered_layers(network, without=()):
    """Returns the layers that hold weights, by class and then in the order of their creation.

    Keras lists the layers of a network by their depth, which further inputs change.
    """

    def key(layer):
        name, number = re.fullmatch(r"(.*?)(?:_(\d+))?", layer.name).groups()
        return type(layer).__name__, name, -1 if number is None else int(number)

    return sorted((x for x in network.layers if x.weights and x.name not in without), key=key)


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]
