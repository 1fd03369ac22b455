"""Runs a script as if the processor were two devices: `two_devices.py script.py arguments`."""

import os
import pathlib
import runpy
import sys


def divide_processor(num):
    """Makes so many devices of the processor. The package may be imported before, and is."""
    import keras_bfn  # noqa: F401

    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={num}"
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import tensorflow as tf

        processor = tf.config.list_physical_devices("CPU")[0]
        device = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(processor, [device] * num)


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    sys.path[0] = str(pathlib.Path(sys.argv[0]).parent)
    divide_processor(2)
    runpy.run_path(sys.argv[0], run_name="__main__")
