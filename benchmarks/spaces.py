"""The spaces of the comparison: the peers' own, in a space file's words, with no pruning; and `transfer-small.yaml` as it is shipped."""

from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent.parent / "search_spaces" / "transfer-small.yaml"
TRIALS, EPOCHS = 12, 8
BACKBONES = {"choice": [{"name": "MobileNet", "alpha": 0.25}, {"name": "MobileNetV2", "alpha": 0.35}]}


def peers_space(task: str, *, trials: int = TRIALS, views: int | None = None) -> dict[str, Any]:
    """What the peers search.

    Args:
        task: frozen trains heads only; mixed varies the unfreeze depth and the augmentation too.
        trials: Their number.
        views: Augmented views that are kept of each picture; None for new ones in every epoch.
    """
    is_mixed = task == "mixed"
    return {
        "study": task,
        "data": {"path": "photos", "image_size": 224},
        "model": {
            "backbone": BACKBONES,
            "unfreeze": {"int": [0, 3]} if is_mixed else 0,
            "head": {"dropout": {"float": [0.0, 0.5]}},
        },
        "augment": {"strength": {"float": [0.0, 1.0], "step": 0.25}, "flip": "horizontal"} if is_mixed else {},
        "train": {
            "epochs": EPOCHS,
            "learning_rate": {"float": [1e-4, 1e-2], "log": True},
            "cache": "exact" if views is None else {"views": views},
        },
        "search": {"trials": trials, "pruner": "none"},
    }
