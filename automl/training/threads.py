"""The number of threads that TensorFlow computes with; part of what makes a trial's figures repeatable."""


def use_threads(count: int) -> None:
    """Let TensorFlow use this many threads; has to come before its first operation.

    Args:
        count: 0 leaves the choice to TensorFlow.

    Raises:
        RuntimeError: TensorFlow has computed something already.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
