import errno
import os

import pytest

from automl.records import write_atomically


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_atomically(tmp_path / "result.json", "{}")
    assert raised.value.filename == str(tmp_path / "result.json")
    assert list(tmp_path.iterdir()) == []
