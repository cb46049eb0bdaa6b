"""The device that a job trains on: TensorFlow's threads and GPUs, and the device's name for the metrics."""

import contextlib
import ctypes

import tensorflow as tf

from few_weights.errors import StudyError
from few_weights.training.processor import processor_device


def prepare_tensorflow(threads: int, gpus: int) -> str:
    """Give TensorFlow its threads and GPUs, before its first operation.

    A run that asks for no GPU stays on the CPU even where there is one, so that a study has one device.

    Returns:
        The name of the device, for metrics and logs.

    Raises:
        StudyError: TensorFlow does not see as many GPUs as the job was given.
    """
    _keep_freed_memory()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    if gpus == 0:
        tf.config.set_visible_devices([], "GPU")
        return processor_device(threads)
    visible = tf.config.list_physical_devices("GPU")
    if len(visible) < gpus:
        raise StudyError(
            f"the profile gives this job {gpus} GPU(s), but TensorFlow sees {len(visible)}; is this "
            "TensorFlow built with CUDA, is the driver loaded, does the node have a GPU (nvidia-smi)? "
            "To train on the CPU, remove `gpu` from the profile"
        )
    for gpu in visible:
        # By default the first job takes all memory of a GPU, but several small jobs are to share it.
        tf.config.experimental.set_memory_growth(gpu, True)
    return tf.config.experimental.get_device_details(visible[0]).get("device_name", "GPU")


def _keep_freed_memory() -> None:
    """Let the C library keep what TensorFlow frees, if it is glibc.

    A step allocates and frees megabytes; by default each large block goes back to the system, which zeroes it
    again page by page at the next step: 3 to 8 % of the time of `cnn` and `vgg` from width 8 up.
    """
    trim_threshold, largest_mmaps = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(largest_mmaps, 0)
        mallopt(trim_threshold, 2**31 - 1)
