"""Fetches one of Keras's data sets and writes it as an arrays.npz: `python -m automl.data.builtins mnist OUT.npz`.

Run as a process of its own; Keras keeps its download below KERAS_HOME.
"""

import importlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from automl.data.sources.arrays import write_arrays

_STALLED_SECONDS = 30
_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100_TEXT = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest
    fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse
    mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon
    ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table
    tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CLASSES: dict[str, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": _FASHION,
    "cifar10": _CIFAR10,
    "cifar100": tuple(_CIFAR100_TEXT.split()),
}


def fetch(name: str, out: Path) -> None:
    """Let Keras find or download the set, and write it.

    Raises:
        Exception: Whatever Keras raises when it has neither the files nor a network.
    """
    # Not whatever the user's keras.json names: TensorFlow is the backend that is surely installed.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    socket.setdefaulttimeout(_STALLED_SECONDS)
    module = importlib.import_module(f"keras.datasets.{name}")
    (x, y), (x_test, y_test) = module.load_data()
    write_arrays(out, x, y, classes=CLASSES[name], test=(x_test, y_test))


def main(arguments: Sequence[str]) -> int:
    """Run the command line `NAME OUT.npz`. A failure is left to Python, whose last line on stderr is the reason."""
    if len(arguments) != 2 or arguments[0] not in CLASSES:
        sys.stderr.write(f"usage: python -m automl.data.builtins {{{','.join(CLASSES)}}} OUT.npz\n")
        return 2
    fetch(arguments[0], Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
