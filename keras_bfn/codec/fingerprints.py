"""What an encoder and a decoder must have in common, in short."""

import importlib.metadata
import json
import platform

import keras
import numpy as np
from keras import ops

from keras_bfn._backend import backend_version
from keras_bfn.codec.container import digest


def of_array(x):
    """The digest of an array's shape and values, whatever the kind of integers.

    Of a dict of arrays, that of all parts.
    """
    if isinstance(x, dict):
        return digest(*(f"{name} {of_array(x[name])}".encode() for name in sorted(x)))
    values = np.ascontiguousarray(x)
    kind = "<i8" if values.dtype.kind in "iub" else "<f8"
    return digest(str(values.shape).encode(), values.astype(kind).tobytes())


def of_model(model):
    """The digest of the flow and the weights, the same on every backend."""
    # Not sorted: in their order the parts of a flow are coded.
    flow = json.dumps(keras.saving.serialize_keras_object(model.flow))
    weights = (of_array(ops.convert_to_numpy(weight)) for weight in model.network.weights)
    return digest(flow.encode(), "".join(weights).encode())


def of_environment():
    """All that the network's output may depend on, in its last digit, beside the network."""
    return {
        "backend": backend_version(),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "constriction": importlib.metadata.version("constriction"),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": str(ops.convert_to_tensor(np.zeros(1)).device),
    }


def differences(there):
    """In words, in what the environment of a file differs from this one; empty if in nothing."""
    here = of_environment()
    names = [name for name in here if here[name] != there.get(name)]
    words = "; ".join(f"{name}: {there.get(name)} then, {here[name]} now" for name in names)
    return f" ({words})" if words else ""
