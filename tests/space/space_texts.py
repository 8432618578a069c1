"""Reading a space from a text, and the problems that it is found to have."""

from pathlib import Path
from typing import Any

import pytest

from automl.errors import SpaceError
from automl.space import SearchSpace, load

SOUND = """\
data: {path: digits, image_size: 64}
model:
  backbone: {choice: [cnn, {name: MobileNet, alpha: {choice: [0.25, 0.5]}}]}
train:
  optimizer: {choice: [adam, sgd]}
"""


def read(text: str | bytes, folder: Path, **options: Any) -> SearchSpace:
    file = folder / "transfer.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(file, **options)


def problems(text: str | bytes, folder: Path, **options: Any) -> list[str]:
    with pytest.raises(SpaceError, match=r"\Atransfer\.yaml has \d+ problems?:\n") as caught:
        read(text, folder, **options)
    assert str(caught.value).split("\n  ")[1:] == list(caught.value.problems)
    return list(caught.value.problems)
