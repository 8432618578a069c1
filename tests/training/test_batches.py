import threading

import numpy as np
import pytest

from automl.training.batches import count_steps, iterate, shuffled


def test_the_order_follows_from_seed_and_epoch():
    assert np.array_equal(shuffled(50, seed=1, epoch=2), shuffled(50, seed=1, epoch=2))
    orders = {tuple(shuffled(50, seed=seed, epoch=epoch)) for seed in (1, 2) for epoch in (1, 2)}
    assert len(orders) == 4
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize(("count", "size", "steps"), [(90, 32, 3), (64, 32, 2), (1, 32, 1), (0, 32, 0)])
def test_an_epoch_is_every_picture_once(colours, count, size, steps):
    order = shuffled(90, seed=5, epoch=1)[:count]
    batches = list(iterate(colours.train, order, size))
    assert len(batches) == steps == count_steps(count, size)
    if batches:
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        assert np.array_equal(labels, colours.train.labels[order])
        assert np.array_equal(images, colours.train.images[colours.train.rows[order]])
        assert np.array_equal(images.mean(axis=(1, 2)).argmax(axis=1), labels)


def test_an_error_of_the_reader_reaches_the_trial():
    class Broken:
        def batch(self, indices):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(iterate(Broken(), np.arange(4), 2))


def test_no_reader_is_left_behind(colours):
    batches = iterate(colours.train, np.arange(90), 10)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
