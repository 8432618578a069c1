"""Small pictures for the tests of this room."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from automl.data import Preparation, prepare

SHARES: dict[str, Any] = {"validation": 0.2, "test": 0.2, "seed": 0}


def noise(seed: int, width: int = 12, height: int = 10) -> Image.Image:
    """A picture that no other seed gives."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def paint(path: Path, seed: int, **options: Any) -> Path:
    """Save noise under this name, in the format that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise(seed).save(path, **options)
    return path


def paint_classes(root: Path, counts: Mapping[str, int], first_seed: int = 0) -> Path:
    """Class folders with so many different pictures each."""
    seed = first_seed
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            paint(root / name / f"{number}.png", seed)
            seed += 1
    return root


def prepared(path: Path | str, folder: Path, **options: Any) -> Preparation:
    """`prepare` with small settings."""
    return prepare(str(path), folder=folder, **{"image_sizes": [8], "resizes": ["stretch"], **SHARES, **options})
