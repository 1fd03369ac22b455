"""Fingerprints of what an encoder and a decoder must have in common."""

import importlib.metadata
import json
import platform

import keras
import numpy as np
from keras import ops

from keras_bfn._backend.traits import backend_version
from keras_bfn.codec.container import digest


def of_array(x):
    """Returns the digest of an array's shape and values, whatever its integer type.

    For a dict of arrays, it is the digest of all parts.
    """
    if isinstance(x, dict):
        return digest(*(f"{name} {of_array(x[name])}".encode() for name in sorted(x)))
    values = np.ascontiguousarray(x)
    kind = "<i8" if values.dtype.kind in "iub" else "<f8"
    return digest(str(values.shape).encode(), values.astype(kind).tobytes())


def of_model(model):
    """Returns the digest of the flow and the weights, which is the same on every backend."""
    # Not sorted: the parts of a flow are coded in their order.
    flow = json.dumps(keras.saving.serialize_keras_object(model.flow))
    weights = (of_array(ops.convert_to_numpy(weight)) for weight in model.network.weights)
    return digest(flow.encode(), "".join(weights).encode())


def of_environment():
    """Returns what may change the last digit of the network's outputs, besides the network."""
    return {
        "backend": backend_version(),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "constriction": importlib.metadata.version("constriction"),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": str(ops.convert_to_tensor(np.zeros(1)).device),
    }


def differences(there):
    """Returns, in words, how a file's environment differs from this one; empty if it does not."""
    here = of_environment()
    names = [name for name in here if here[name] != there.get(name)]
    words = "; ".join(f"{name}: {there.get(name)} in the file, {here[name]} here" for name in names)
    return f" ({words})" if words else ""
