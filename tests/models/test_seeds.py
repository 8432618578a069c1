from automl.models.seeds import derive_seed


def test_seeds_differ_by_purpose_and_by_trial():
    seeds = {derive_seed(seed, purpose, index) for seed in range(20) for purpose in ("dropout", "augment") for index in range(3)}
    assert len(seeds) == 120
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_seed_is_the_same_in_every_process():
    assert derive_seed(7, "dropout", 0) == 7179622
