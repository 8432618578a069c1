"""Pictures: from a folder, table, arrays or built-in set to an audited, split data set that workers map into memory.

Neither Keras nor TensorFlow is ever imported here; a built-in set of Keras is fetched by a process of its own.
"""

from automl.data.audit import Audit, count_pictures, inspect
from automl.data.cache import cache_dir
from automl.data.dataset import Dataset, Pictures, open_dataset
from automl.data.decoder import read_picture
from automl.data.preparation import Preparation, prepare
from automl.data.sources.arrays import write_arrays
from automl.space.settings import BUILTINS

__all__ = [
    "BUILTINS",
    "Audit",
    "Dataset",
    "Pictures",
    "Preparation",
    "cache_dir",
    "count_pictures",
    "inspect",
    "open_dataset",
    "prepare",
    "read_picture",
    "write_arrays",
]
