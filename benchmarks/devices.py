"""The device that a backend uses: its name, its peak performance, its memory."""

import ctypes
import gc
import pathlib
import platform

import keras

# The makers' figures for dense matrix products, in TFLOP/s, in bfloat16 and in TF32, which GPUs use
# for float32. The first entry whose name is part of the card's name applies.
PEAKS = {
    "B200": (2250, 1125),
    "H200": (989, 495),
    "H100 PCIe": (756, 378),
    "H100 NVL": (835, 418),
    "H100": (989, 495),
    "A100": (312, 156),
    "L40S": (362, 183),
    "L4": (121, 60),
    "A10": (125, 62.5),
    "RTX 4090": (165, 82.6),
}


def processor():
    """Returns the name of the CPU, as far as the system states it."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpu_name(framework=None):
    """Returns the name of the GPU of a framework, by default the backend, or None without a GPU."""
    framework = framework or keras.backend.backend()
    if framework == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    if framework == "jax":
        import jax

        device = jax.devices()[0]
        return device.device_kind if device.platform == "gpu" else None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else None


def device_name():
    """Returns the name of the GPU, or, without one, of the CPU."""
    return gpu_name() or processor()


def peak_flops(name, dtype):
    """Returns a card's peak floating-point operations per second, or None if it is not in PEAKS."""
    for part, (in_bfloat16, in_float32) in PEAKS.items():
        if name and part in name:
            return 1e12 * (in_bfloat16 if dtype == "bfloat16" else in_float32)
    return None


class ProcessMemory:
    """The resident size of this process, in bytes, as Linux counts it."""

    def read(self, name):
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

    def now(self):
        return self.read("VmRSS:")

    def peak(self):
        """Returns the maximum since `reset`."""
        return self.read("VmHWM:")

    def reset(self):
        """Returns free memory to the system, and sets the peak to the current size."""
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        pathlib.Path("/proc/self/clear_refs").write_text("5")


class TorchMemory:
    """The memory that PyTorch has allocated on the GPU."""

    def __init__(self):
        import torch

        self.now = torch.cuda.memory_allocated
        self.peak = torch.cuda.max_memory_allocated
        self.reset = torch.cuda.reset_peak_memory_stats


class JaxMemory:
    """The memory that JAX has allocated on the GPU; the peak is since the start of the process."""

    def __init__(self):
        import jax

        self.device = jax.devices()[0]

    def now(self):
        return self.device.memory_stats()["bytes_in_use"]

    def peak(self):
        return self.device.memory_stats()["peak_bytes_in_use"]

    def reset(self):
        pass


class TensorFlowMemory:
    """The memory that TensorFlow's allocator has handed out, on the GPU or the CPU.

    On the CPU, the process keeps freed memory, so its resident size would not show what a second
    step takes.
    """

    def __init__(self, device):
        import tensorflow as tf

        self.config, self.device = tf.config.experimental, device

    def now(self):
        return self.config.get_memory_info(self.device)["current"]

    def peak(self):
        return self.config.get_memory_info(self.device)["peak"]

    def reset(self):
        gc.collect()
        self.config.reset_memory_stats(self.device)


def memory_of(framework):
    """Returns a counter of memory on the device that a framework uses."""
    has_gpu = gpu_name(framework) is not None
    if framework == "tensorflow":
        return TensorFlowMemory("GPU:0" if has_gpu else "CPU:0")
    if not has_gpu:
        return ProcessMemory()
    return {"torch": TorchMemory, "jax": JaxMemory}[framework]()
