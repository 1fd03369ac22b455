"""Types of the arguments and the results of the public API."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import keras
import numpy as np
from numpy.typing import ArrayLike as ArrayLike

from keras_bfn._random import Seed as Seed

T = TypeVar("T")

Array: TypeAlias = np.ndarray
# A tensor of the backend, or what it converts to one: the backends' tensors have no common class.
Tensor: TypeAlias = Any
# An argument for data of one kind, or a dict of the parts'. `dict[str, Flow]` would not accept a
# `dict[str, DiscreteFlow]`, so it is a `Mapping`.
Parts: TypeAlias = T | Mapping[str, T]
# A result for data of one kind, or a dict of the parts'. Which one depends on the model's flow, and
# a union would make each caller check it.
Nest: TypeAlias = Any
# Arrays as in `Parts`, with or without conditions; or a `tf.data.Dataset`, a `PyDataset`, a torch
# `DataLoader` or a generator of batches.
Data: TypeAlias = Any
# A frame of pandas or polars, none of which is required.
Frame: TypeAlias = Any

Shape: TypeAlias = Sequence[int]
# Of the inputs and outputs of a layer, with None where a size is unknown.
TensorShape: TypeAlias = tuple[Any, ...]
Path: TypeAlias = str | os.PathLike[str]
Verbose: TypeAlias = int | Literal["auto"]
# A number, or a function of the time.
Scale: TypeAlias = float | Callable[[Any], Any]
DataFormat: TypeAlias = Literal["channels_last", "channels_first"] | None
DType: TypeAlias = str | keras.DTypePolicy | None


class TokenizerLike(Protocol):
    """What `keras_bfn.datasets.Tokenizer` asks of a tokenizer that is not derived from it."""

    @property
    def num_classes(self) -> int: ...

    def encode(self, text: str, /) -> Any: ...

    def decode(self, tokens: Any, /) -> Any: ...
