"""Runs a script as if the processor were two devices: `two_devices.py script.py arguments`."""

import os
import pathlib
import runpy
import sys


def make_two_devices():
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import tensorflow as tf

        processor = tf.config.list_physical_devices("CPU")[0]
        device = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(processor, [device, device])


if __name__ == "__main__":
    make_two_devices()
    sys.argv = sys.argv[1:]
    sys.path[0] = str(pathlib.Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
