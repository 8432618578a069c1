"""The files of a trial's folder, each written whole or not at all; `result.json` comes last and makes the trial finished."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from automl.data import Pictures
from automl.errors import TrialError
from automl.records import TrialResult, write_atomically

CONFIG = "config.json"
HISTORY = "history.csv"
RESULT = "result.json"
VALIDATION = "validation.npz"
WEIGHTS = "weights.h5"


def save_history(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row an epoch."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / HISTORY, text.getvalue())


def save_complete(
    folder: Path, result: TrialResult, pictures: Pictures, probabilities: NDArray[np.float32], weights: Sequence[tuple[str, NDArray[Any]]]
) -> None:
    """Write a complete trial's predictions of the validation pictures, its trained weights, each with its path, and its result."""
    predictions = io.BytesIO()
    names = np.array([str(name) for name in pictures.names], dtype=np.str_)
    np.savez_compressed(predictions, probabilities=probabilities, labels=np.asarray(pictures.labels), names=names)
    write_atomically(folder / VALIDATION, predictions.getvalue())
    write_atomically(folder / WEIGHTS, _pack(weights))
    result.save(folder / RESULT)


def save_incomplete(folder: Path, result: TrialResult) -> None:
    """Write the result of a pruned or failed trial, which keeps neither weights nor predictions, not of an earlier attempt either."""
    for name in (VALIDATION, WEIGHTS):
        (folder / name).unlink(missing_ok=True)
    result.save(folder / RESULT)


def load_weights(folder: Path, variables: Sequence[Any]) -> None:
    """Assign a trial's stored weights to the variables that its config trains, in the same order.

    Raises:
        TrialError: There are none, they cannot be read, or they are another network's; no variable is changed then.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise TrialError(
            f"{path} is missing: the trial is not complete, or its weights were deleted because it was not among the search.keep "
            f"best; `automl export` trains such a trial again"
        )
    try:
        with h5py.File(path, "r") as file:
            stored = [np.asarray(file[_key(index)]) for index in range(len(file))]
    except (OSError, KeyError) as error:
        raise TrialError(f"{path} cannot be read as a trial's weights ({error}); train the trial again") from error
    expected = [tuple(variable.shape) for variable in variables]
    received = [array.shape for array in stored]
    if expected != received:
        raise TrialError(f"{path} does not fit the network of {CONFIG}: {_difference(expected, received)}; are both of the same trial?")
    for variable, array in zip(variables, stored, strict=True):
        variable.assign(array)


def _pack(weights: Sequence[tuple[str, NDArray[Any]]]) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for index, (path, values) in enumerate(weights):
            dataset = file.create_dataset(_key(index), data=values)
            dataset.attrs["path"] = path  # for whoever looks into the file; names may be numbered by Keras
    return content.getvalue()


def _key(index: int) -> str:
    return f"{index:05d}"


def _difference(expected: Sequence[tuple[int, ...]], received: Sequence[tuple[int, ...]]) -> str:
    if len(expected) != len(received):
        return f"expected {len(expected)} arrays, but got {len(received)}"
    index = next(index for index, pair in enumerate(zip(expected, received, strict=True)) if pair[0] != pair[1])
    return f"expected shape {expected[index]} for array {index}, but got {received[index]}"
