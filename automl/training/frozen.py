"""The pass over the frozen part of a network: pictures in, features out, block by block on every thread.

On a processor the frozen part runs in LiteRT, whose kernels for one picture after the other are two to three times as fast as
TensorFlow's; each thread has an interpreter of its own, so a picture's features do not depend on the number of threads. On a
GPU, and for a network that LiteRT does not know, it runs in TensorFlow.
"""

import hashlib
import os
import queue
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from automl.data import Pictures
from automl.models.network import FrozenPart

BLOCK = 16
"""Pictures that one thread changes and passes on at a time; a shorter block is filled up, so that one shape is compiled."""
INTERPRETED = 8
"""Pictures a call of an interpreter; with more of them the caches of a processor overflow."""

Change = Callable[[NDArray[np.uint8], NDArray[np.int64]], NDArray[Any]]
"""Called with a block of pictures and their places in the split: the pictures as they are to be seen, float32 or uint8."""
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class FrozenPass:
    """Computes features.

    Args:
        part: What is computed; its weights are taken as they are now.

    Attributes:
        width: Numbers a picture.
        weights: A digest of the part's weights.
        engine: What computes: litert or tensorflow.
        pictures: How many have passed so far.
    """

    def __init__(self, part: FrozenPart) -> None:
        self.width = part.width
        self.weights = digest(part.model.weights)
        self.pictures = 0
        self._runs, self.engine = _compile(part)
        self._idle: queue.SimpleQueue[Run] = queue.SimpleQueue()
        for run in self._runs:
            self._idle.put(run)

    def blocks(self, pictures: Pictures, places: NDArray[np.int64], change: Change | None = None) -> Iterator[NDArray[np.float32]]:
        """The features of pictures in the given order, as blocks (n, width).

        Args:
            pictures: Where they are read from.
            places: Indices into `pictures`.
            change: Augmentation; None for the pictures as they are.
        """
        starts = deque(range(0, len(places), BLOCK))
        with ThreadPoolExecutor(len(self._runs), thread_name_prefix="frozen") as pool:
            waiting: deque[Future[NDArray[np.float32]]] = deque()
            try:
                while starts or waiting:
                    while starts and len(waiting) < 2 * len(self._runs):
                        start = starts.popleft()
                        waiting.append(pool.submit(self._one, pictures, places[start : start + BLOCK], change))
                    block = waiting.popleft().result()
                    self.pictures += len(block)
                    yield block
            finally:
                pool.shutdown(cancel_futures=True)

    def features(self, pictures: Pictures, places: NDArray[np.int64], change: Change | None = None) -> NDArray[np.float32]:
        """The same as one array."""
        return np.concatenate([np.empty((0, self.width), np.float32), *self.blocks(pictures, places, change)])

    def _one(self, pictures: Pictures, places: NDArray[np.int64], change: Change | None) -> NDArray[np.float32]:
        count = len(places)
        filled = np.resize(places, BLOCK)
        pixels, _ = pictures.batch(filled)
        seen = np.asarray(pixels if change is None else change(pixels, filled), np.float32)
        run = self._idle.get()
        try:
            features = run(seen)
        finally:
            self._idle.put(run)
        return features[:count]


def digest(variables: Any) -> str:
    """A short name for the values of some variables."""
    state = hashlib.blake2b(digest_size=16)
    for variable in variables:
        state.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return state.hexdigest()


def count_threads() -> int:
    """Threads that this process computes with."""
    chosen = int(tf.config.threading.get_intra_op_parallelism_threads())
    return chosen or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _compile(part: FrozenPart) -> tuple[list[Run], str]:
    """What computes one block, once for each thread that may do so at a time, and the name of the engine."""
    content = None if tf.config.get_visible_devices("GPU") else _convert(part)
    if content is None:
        function = tf.function(part, autograph=False)
        return [lambda pixels: np.asarray(function(pixels))], "tensorflow"
    return [_interpreter(content) for _ in range(count_threads())], "litert"


def _convert(part: FrozenPart) -> bytes | None:
    from tensorflow.lite.python.convert import ConverterError

    function = tf.function(part, input_signature=[tf.TensorSpec((INTERPRETED, *part.picture_shape), tf.float32)], autograph=False)
    traced = function.get_concrete_function()
    try:
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
    except (ConverterError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        print(f"TensorFlow computes the frozen part, which LiteRT does not know: {reason}", flush=True)  # noqa: T201 - to the trial's log
        return None


def _interpreter(content: bytes) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(pixels), INTERPRETED):
            interpreter.set_tensor(entry, pixels[start : start + INTERPRETED])
            interpreter.invoke()
            found.append(interpreter.get_tensor(exit_))
        return np.concatenate(found)

    return run
