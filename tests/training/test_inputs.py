import threading

import numpy as np
import pytest

from automl.training.inputs import Pixels, StoredFeatures, count_steps, prediction_chunks, shuffled, training_chunks


def test_the_order_follows_from_seed_and_epoch():
    assert np.array_equal(shuffled(50, seed=1, epoch=2), shuffled(50, seed=1, epoch=2))
    orders = {tuple(shuffled(50, seed=seed, epoch=epoch)) for seed in (1, 2) for epoch in (1, 2)}
    assert len(orders) == 4
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize(("count", "size", "steps"), [(90, 32, 3), (64, 32, 2), (1, 32, 1), (0, 32, 0)])
def test_an_epoch_is_every_picture_once(colours, count, size, steps):
    order = shuffled(90, seed=5, epoch=1)[:count]
    chunks = list(training_chunks(Pixels(colours.train), order, epoch=1, batch_size=size))
    assert count_steps(count, size) == steps
    assert len(chunks) == min(steps, 1), "small pictures come in one chunk"
    if chunks:
        images, labels = chunks[0]
        assert np.array_equal(labels, colours.train.labels[order])
        assert np.array_equal(images, colours.train.images[colours.train.rows[order]])
        assert np.array_equal(images.mean(axis=(1, 2)).argmax(axis=1), labels)


def test_a_chunk_is_a_whole_number_of_batches(colours, monkeypatch):
    monkeypatch.setattr("automl.training.inputs.CHUNK_BYTES", 4 * 8 * 8 * 3 * 25)
    sizes = [len(labels) for _, labels in training_chunks(Pixels(colours.train), np.arange(90), epoch=1, batch_size=10)]
    assert sizes == [20, 20, 20, 20, 10]


def test_each_epoch_takes_its_view_of_each_picture():
    features = np.arange(12, dtype=np.float32).reshape(6, 2)
    labels = np.array([0, 1, 0])
    stored = StoredFeatures(features, labels, view=lambda epoch: np.array([0, epoch % 2, 1]))
    assert stored.read(np.array([2, 1, 0]), 1).tolist() == [[10, 11], [8, 9], [0, 1]]
    assert stored.read(np.array([1]), 2).tolist() == [[2, 3]]
    (all_at_once,) = prediction_chunks(StoredFeatures(features[:3].astype(np.float16), labels))
    assert all_at_once.dtype == np.float32
    assert np.array_equal(all_at_once, features[:3])


def test_an_error_of_the_reader_reaches_the_trial(colours):
    def break_down(epoch):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(training_chunks(Pixels(colours.train, break_down), np.arange(4), epoch=1, batch_size=2))


def test_no_reader_is_left_behind(colours, monkeypatch):
    monkeypatch.setattr("automl.training.inputs.CHUNK_STEPS", 1)
    chunks = training_chunks(Pixels(colours.train), np.arange(90), epoch=1, batch_size=10)
    next(chunks)
    chunks.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("inputs")]
