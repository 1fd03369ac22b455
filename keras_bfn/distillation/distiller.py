"""The model that trains a student."""

from typing import Any

import keras
from keras import ops

from keras_bfn._parts import check_has_event_shape, map_parts, sum_parts, sum_variables
from keras_bfn._typing import Nest, Tensor
from keras_bfn._validation import refusal
from keras_bfn.distillation.student import AnyOrderStudent, Jumping, Student
from keras_bfn.models.arguments import check_swaps, evaluation_of
from keras_bfn.models.bayesian_flow_network import EVALUATED, WeightedMean
from keras_bfn.models.trainer import Trainer


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

    def __init__(self, student: Student | AnyOrderStudent, **kwargs) -> None:
        super().__init__(**kwargs)
        if not isinstance(student, Jumping):
            raise refusal("student", "must be a model of `make_student`", student)
        check_has_event_shape(student)
        self.student, self._mean = student, WeightedMean()
        self._evaluated = keras.metrics.Mean(EVALUATED, "float32")
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
        return self._fit({"x": x, "shuffle": False} | kwargs)

    def evaluate(self, x: Any = None, *args, **kwargs) -> Any:
        """Scores jumps. The `epoch` of `Trajectories` stays as it is.

        Args:
            x: `Trajectories`, or inputs as in a call, with their targets as `y`.
            *args, **kwargs: as in `keras.Model.evaluate`.

        Returns:
            The mean loss over all jumps, weighted by the `sample_weight`, if any.
        """
        with evaluation_of(x), self.keeping_weights():
            return super().evaluate(x, *args, **kwargs)

    def call(self, inputs: Any, training: bool = False) -> Nest:
        student = self.student
        s, t, t_next, condition = (inputs.get(name) for name in ("s", "t", "t_next", "condition"))
        predictions = student.predict_params(s, t, condition, training=training, t_next=t_next)

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
        """Returns the mean squared error per variable, times the flow's `gain`.

        In evaluation, it also updates the mean over all batches.
        """

        def error(flow, target, found):
            return flow.gain * sum_variables(ops.square(ops.subtract(found, target)))

        total = sum_parts(map_parts(error, self.student.flow, y, y_pred))
        per_variable = total / self.student.num_variables
        added = ops.reshape(sum(map(ops.sum, self.losses), 0.0), (1,))  # by the network
        if not training:
            self._evaluated.update_state(per_variable + added, sample_weight)
        loss = self._mean(per_variable, per_variable, sample_weight)
        return loss + self._mean(added, added) if self.losses else loss

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the loss, as in Keras, but averages that of evaluation by weight.

        Keras averages over batches, whose total weights may differ.
        """
        results = super().get_metrics_result()
        evaluated = results.pop(EVALUATED)
        results["loss"] = ops.where(self._evaluated.count > 0, evaluated, results["loss"])
        return results

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns."""
        return [name for name in super().metrics_names if name != EVALUATED]

    def get_config(self) -> dict[str, Any]:
        return {"student": keras.saving.serialize_keras_object(self.student), "name": self.name}
