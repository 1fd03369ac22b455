"""The student of a model, and the model that trains it."""

import re
from typing import Any, TypeVar

import keras
from keras import ops

from keras_bfn._config import argument_names
from keras_bfn._parts import check_has_event_shape, map_parts, sum_parts, sum_variables
from keras_bfn._typing import Nest, Tensor
from keras_bfn._validation import check_bool, refusal
from keras_bfn.datasets.batches import evaluation_of
from keras_bfn.models import BayesianFlowNetwork
from keras_bfn.models.arguments import check_swaps
from keras_bfn.models.bayesian_flow_network import Trainer, WeightedMean
from keras_bfn.networks import Network

NEW_LAYERS = ("jump_dense_0", "jump_dense_1")
Model = TypeVar("Model", bound=BayesianFlowNetwork)


def make_student(model: Model, network: keras.Layer | None = None, guided: bool = False) -> Model:
    """Returns a model that can learn to jump along the paths of another, its teacher.

    Its network also takes `"t_next"`, the time at which a jump arrives. At first it ignores this,
    and predicts what the teacher predicts. It only jumps: a `Distiller` trains it, `generate` uses
    the sampler `"jump"`, and `fit`, `evaluate` and `code_length` raise an error.

    Args:
        model: the teacher, a `keras_bfn.BayesianFlowNetwork`.
        network: a Keras model or layer for the student, which takes `"t_next"`, `(batch,)`, beside
            the inputs of the teacher's network; a subclassed one also needs an attribute
            `jumps = True`. By default a copy of the teacher's, with its weights, without its own
            dropout, and with all weights trainable, if that is a network of this package.
        guided: bool. Whether the copy takes the guidance scale as one more condition: its condition
            is a dict of the teacher's, or of `"condition"`, and of `"guidance_scale"`,
            `(batch, 1)`.

    Returns:
        A `keras_bfn.BayesianFlowNetwork`, which is not compiled.

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
    arguments = {name: getattr(model, name) for name in argument_names(BayesianFlowNetwork)}
    arguments |= {"network": network, "null_condition": null, "condition_dropout": 0.0}
    student = BayesianFlowNetwork(**arguments)
    if not student.signature.takes_jumps:
        raise refusal("network", "must take 't_next'", network)
    return student


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
        if "guidance_scale" in conditions:
            raise refusal("guided", "must be False: the teacher takes a 'guidance_scale'", guided)
        new_layers.append(f"condition_embedding_{len(conditions)}")
        config["conditions"] = conditions | {"guidance_scale": (1,)}
    student = type(network).from_config(config)
    embedded = {layer.name for layer in student.layers}
    if not embedded.issuperset(new_layers):
        expected = "must be given, because a copy of the teacher's would not embed 't_next'"
        raise refusal("network", expected, None)
    ours, theirs = ordered_layers(student, new_layers), ordered_layers(network)
    if [_shapes(layer) for layer in ours] != [_shapes(layer) for layer in theirs]:
        expected = "must be given, because the teacher's layers differ from those of its config"
        raise refusal("network", expected, None)
    for our, their in zip(ours, theirs, strict=True):
        our.set_weights(their.get_weights())
    if guided:
        layer = student.get_layer(new_layers[-1])
        layer.set_weights([0.0 * weight for weight in layer.get_weights()])
    return student


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


@keras.saving.register_keras_serializable("keras_bfn")
class Distiller(Trainer):
    """Trains a student to jump along its teacher's paths, by `fit` on `Trajectories`.

    Args:
        student: a model of `make_student`, whose weights are trained.
        **kwargs: `name`, as for every Keras model.

    Call arguments:
        inputs: dict of `"s"`, evidence, `(batch, *event_shape, flow.embedding_size)`, or a dict of
            the parts'; `"t"` and `"t_next"`, `(batch,)`; and for conditional models `"condition"`.

    Returns:
        The mean of the expected embedding from `t` to `t_next`, shaped as the evidence.

    Raises:
        ValueError: if the student's network does not take `"t_next"`.

    Example:

    ```python
    student = keras_bfn.distillation.make_student(model)
    distiller = keras_bfn.distillation.Distiller(student)
    jumps = keras_bfn.distillation.Trajectories(model)
    distiller.compile(keras_bfn.recipes.adamw(8 * jumps.num_batches))
    distiller.fit(jumps, epochs=8)
    student.generate(16, num_steps=2)
    student.save("student.keras")
    ```

    Reference: knowledge distillation of [Luhman and Luhman, 2021](https://arxiv.org/abs/2101.02388)
    along whole paths, as maps between any two times (flow maps,
    [Boffi et al., 2024](https://arxiv.org/abs/2406.07507)).
    """

    def __init__(self, student: BayesianFlowNetwork, **kwargs) -> None:
        super().__init__(dtype="float32", autocast=False, **kwargs)
        if not isinstance(student, BayesianFlowNetwork) or not student.signature.takes_jumps:
            raise refusal("student", "must be a model of `make_student`", student)
        check_has_event_shape(student)
        self.student, self._mean = student, WeightedMean()
        self.built = True

    @property
    def network(self) -> keras.Layer:
        """The network of the student."""
        return self.student.network

    def compile(self, optimizer: str | keras.optimizers.Optimizer = "adamw", **kwargs) -> None:
        """Configures the model for training.

        Args:
            optimizer: as in Keras.
            **kwargs: as in Keras, except `loss` and metrics: the loss is the squared error of the
                mean embedding times the flow's `gain`, per variable.

        Raises:
            ValueError: if an argument is invalid.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                expected = "must be left out: a distiller has its own loss, and no metrics"
                raise refusal(name, expected, kwargs[name])
        super().compile(optimizer, **kwargs)

    def build_optimizer(self) -> None:
        if self.student.built:
            super().build_optimizer()

    def fit(self, x: keras.utils.PyDataset, **kwargs) -> keras.callbacks.History:
        """Trains the student.

        A call that fails or is interrupted keeps the weights after the last complete step.

        Args:
            x: `Trajectories`.
            **kwargs: as in `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: if an argument is invalid, or the distiller is not compiled, or averages
                weights and was compiled before layers were frozen.
        """
        student = self.student
        if not isinstance(x, keras.utils.PyDataset):
            raise refusal("x", "must be `Trajectories`", x)
        check_swaps(kwargs.get("callbacks"))
        if not student.built:
            inputs, _ = x[0]
            rows = map_parts(lambda shape: (1, *shape), student.event_shape)
            student.build_for(rows, inputs.get("condition"))
        if not self.compiled:
            raise ValueError("Call `compile` before `fit`.")
        # Keras would shuffle batches by a generator whose state is not saved.
        return self._fit_in_whole_steps({"x": x, "shuffle": False} | kwargs)

    def evaluate(self, x: Any = None, *args, **kwargs) -> Any:
        """Scores jumps. The `epoch` of `Trajectories` stays as it is.

        Args:
            x: `Trajectories`, or inputs as in a call, with their targets as `y`.
            *args, **kwargs: as in `keras.Model.evaluate`.

        Returns:
            The mean loss, as in Keras.
        """
        with evaluation_of(x):
            return super().evaluate(x, *args, **kwargs)

    def call(self, inputs: Any, training: bool = False) -> Nest:
        student = self.student
        given = inputs["s"], inputs["t"], inputs.get("condition"), training
        predictions = student.predict_params(*given, t_next=inputs["t_next"])

        def expect(flow, one):
            output = flow.output_distribution(one.params, one.s, one.t)
            return flow.expected_embedding(output)

        return map_parts(expect, student.flow, predictions)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Returns the mean squared error per variable, times the flow's `gain`."""

        def error(flow, target, found):
            return flow.gain * sum_variables(ops.square(ops.subtract(found, target)))

        total = sum_parts(map_parts(error, self.student.flow, y, y_pred))
        per_variable = total / self.student.num_variables
        loss = self._mean(per_variable, per_variable, sample_weight)
        return loss + super().compute_loss(training=training) if self.losses else loss

    def get_config(self) -> dict[str, Any]:
        return {"student": keras.saving.serialize_keras_object(self.student), "name": self.name}
