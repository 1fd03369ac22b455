"""How a model is built of its network, and again when something in it was replaced."""

import warnings
from typing import Any

import numpy as np

from keras_bfn import _keras, predictions
from keras_bfn._backend.devices import scope_of
from keras_bfn._parts import check_event_shape, map_parts
from keras_bfn._typing import Nest, Parts, Tensor, TensorShape
from keras_bfn._validation import check_choice
from keras_bfn.inputs import conditions
from keras_bfn.models.files import Files
from keras_bfn.models.programs import Programs
from keras_bfn.networks.network import make_symbolic_inputs


class Built(Files):
    """A model whose network may be built late: its shapes are those of the first data.

    Attributes:
        flow: a flow, or a dict of flows.
        network: the Keras model or layer.
        event_shape: the shape of an example, or a dict of shapes; None until it is known.
        signature: the `keras_bfn.predictions.Signature` of the network.
        programs: the model's compiled programs.
    """

    input_names: tuple[str, ...]
    flow: Nest
    event_shape: Nest
    signature: predictions.Signature
    programs: Programs
    built: bool
    _condition_dtypes: Any = None  # unknown, unless the network is built for a condition

    def build(self, input_shape: Any) -> None:
        """Creates the weights of an unbuilt network, and checks its output."""
        is_pair = not isinstance(input_shape, dict) and isinstance(
            input_shape[0], (tuple, list, dict)
        )
        data_shape, condition_shape = input_shape if is_pair else (input_shape, None)
        if self.event_shape is None:
            event_shape = map_parts(lambda shape: shape[1:], data_shape)
            self.event_shape = check_event_shape(self.flow, event_shape)
        inputs = self.symbolic_inputs()
        if condition_shape is not None:
            shapes = map_parts(lambda shape: shape[1:], condition_shape)
            dtypes = self._condition_dtypes or "float32"
            inputs["condition"] = _keras.symbolic("condition", shapes, dtypes)
        predictions.check_outputs(
            self.flow, self.event_shape, _keras.build_network(self.network, inputs)
        )
        # A `Sequential` has inputs only once it is built.
        self.signature = predictions.Signature(self.network, self.allow_missing, self.input_names)

    def symbolic_inputs(self) -> dict[str, Any]:
        """Returns symbolic inputs of the network, but for its condition."""
        taken = self.signature.optional
        return make_symbolic_inputs(self.flow, self.event_shape, self.time_shape, taken)

    def build_for(self, shape: Parts[TensorShape], condition: Parts[Tensor] | None = None) -> None:
        """Builds the model for data of this shape, or of the parts' shapes, if it is not built.

        Otherwise `fit` of Keras 3.15 would build it in an extra epoch, which a `PyDataset` counts.
        """
        if self.built:
            return
        if condition is not None:
            self._condition_dtypes = conditions.condition_dtypes(self, condition)
        # TensorFlow distributes variables that are created in the scope of its strategy.
        with scope_of(self):
            self.build(shape if condition is None else (shape, map_parts(np.shape, condition)))
        self.built = True

    def get_build_config(self) -> dict[str, Any] | None:
        config = super().get_build_config()
        return config and {**config, "condition_dtypes": self._condition_dtypes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        self._condition_dtypes = config.get("condition_dtypes")
        super().build_from_config(config)

    def quantize(self, mode: str | None = None, config: Any = None, **kwargs) -> None:
        """Quantizes the model, as in Keras, without a warning for each layer left unchanged.

        Convolutions over images stay as they are. A quantized model is for inference.

        Compiled programs are discarded. The optimizer's averaged weights are no longer available:
        to quantize these, save the model within `averaged_weights`, load it, and quantize it.

        Args:
            mode: `"int8"`, `"int4"` or `"float8"`. Keras calibrates `"gptq"` and `"awq"` on
                networks of tokens alone, so they are refused.
            config, **kwargs: as in `keras.Model.quantize`.

        Raises:
            ValueError: if there is no such mode, or it is called within `averaged_weights`.
        """
        if self._is_averaged:
            expected = "must not be called within `averaged_weights`: save the model there, load it"
            raise ValueError(f"`quantize` {expected}, and quantize the loaded model")
        check_choice("mode", mode or getattr(config, "mode", None), ("int8", "int4", "float8"))
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            super().quantize(mode, config, **kwargs)
        self.programs.clear()
