import csv

from automl.records import TrialConfig, TrialResult
from automl.results import leaderboard as module
from automl.results.leaderboard import LeaderboardWriter, flat, leaderboard, study_rows, to_csv
from automl.searches.events import SearchEnded, SearchStarted, Told
from automl.searches.folder import StudyFolder
from automl.searches.ranking import ranked


def result(number, value=None, outcome="complete", loss=0.5, **fields):
    fields = {"params": {"train.learning_rate": 0.001}} | fields
    metrics = {} if value is None else {"val_accuracy": value, "val_loss": loss}
    return TrialResult(number=number, outcome=outcome, value=value, metrics=metrics, **fields)


RESULTS = [
    result(0, 0.8),
    result(1, 0.9, loss=0.4),
    result(2, 0.4, outcome="pruned"),
    result(3, outcome="failed", cause="config", reason="the loss became NaN"),
    result(4, 0.9, loss=0.3, params={"model.unfreeze": 2}),
    result(5, outcome="failed", cause="config", reason="out of memory", counted=False),
]


def test_best_first_and_ties_by_loss():
    assert [r.number for r in ranked(RESULTS, "maximize")] == [4, 1, 0]
    assert [r.number for r in ranked(RESULTS, "minimize")] == [0, 4, 1]


def test_only_complete_trials_have_a_rank():
    rows = leaderboard(RESULTS, "maximize")
    assert [(row["rank"], row["trial"], row["state"]) for row in rows] == [
        (1, 4, "complete"), (2, 1, "complete"), (3, 0, "complete"), (None, 2, "pruned"), (None, 3, "failed"), (None, 5, "failed"),
    ]  # fmt: skip
    assert rows[4]["reason"] == "the loss became NaN"


def test_unfinished_trials_stand_at_the_end():
    config = TrialConfig.model_validate({"study": "s", "number": 9, "seed": 0, "data": {"path": "digits"}, "model": {"backbone": "cnn"}})
    assert leaderboard(RESULTS, "maximize", [config])[-1]["state"] == "unfinished"


def test_nothing_and_only_failures():
    assert leaderboard([], "maximize") == []
    assert to_csv([]).startswith("rank,trial,state,value")
    (row,) = leaderboard([RESULTS[3]], "maximize")
    assert (row["rank"], row["value"]) == (None, None)


def test_a_column_for_each_parameter_of_any_trial():
    header, lines = flat(leaderboard(RESULTS, "maximize"))
    assert header[6:8] == ["model.unfreeze", "train.learning_rate"]
    assert lines[0][6:8] == [2, None]
    parsed = list(csv.DictReader(to_csv(leaderboard(RESULTS, "maximize")).splitlines()))
    assert parsed[0]["model.unfreeze"] == "2"
    assert parsed[0]["train.learning_rate"] == ""


def make_study(path, results):
    folder = StudyFolder(path)
    for one in results:
        trial = folder.trial(one.number)
        trial.mkdir(parents=True)
        (trial / "weights.h5").touch()
        one.save(trial / "result.json")
    return folder


def test_rows_of_a_study_on_disk(tmp_path):
    folder = make_study(tmp_path / "s", RESULTS)
    assert study_rows(folder, "maximize") == leaderboard(RESULTS, "maximize")


def test_writer_keeps_the_weights_of_the_best(tmp_path):
    folder = make_study(tmp_path / "s", RESULTS)
    results = {one.number: one for one in RESULTS}
    writer = LeaderboardWriter(folder, "maximize", 2, results)
    writer(SearchEnded(done=6))
    assert folder.leaderboard.read_text() == to_csv(leaderboard(RESULTS, "maximize"))
    assert {n for n in results if module.weights_file(folder, n).exists()} == {1, 2, 3, 4, 5}


def test_writer_writes_seldom(tmp_path, monkeypatch):
    folder = make_study(tmp_path / "s", RESULTS)
    writes = []
    monkeypatch.setattr(module, "write_atomically", lambda path, content: writes.append(path))
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    writer = LeaderboardWriter(folder, "maximize", 2, {one.number: one for one in RESULTS})
    for moment in (100.0, 100.5, 101.9, 102.1):
        now[0] = moment
        writer(Told(RESULTS[0], done=1))
    assert len(writes) == 2


def test_a_fast_search_does_not_write_once_a_trial(tmp_path, monkeypatch):
    writes = []
    monkeypatch.setattr(module, "write_atomically", lambda path, content: writes.append(content))
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)
    results = {}
    writer = LeaderboardWriter(StudyFolder(tmp_path / "s"), "maximize", 2, results)
    for number in range(200):
        results[number] = result(number, number / 200)
        writer(Told(results[number], done=number + 1))
    assert len(writes) == 1
    writer(SearchEnded(done=200))
    assert writes[1] == to_csv(leaderboard(results.values(), "maximize"))


def test_what_is_written_step_by_step_is_the_whole_leaderboard(tmp_path):
    folder = make_study(tmp_path / "s", RESULTS)
    results = {}
    writer = LeaderboardWriter(folder, "maximize", 2, results)
    for one in [*RESULTS, RESULTS[1].model_copy(update={"counted": False})]:
        results[one.number] = one
        writer.write()
        assert folder.leaderboard.read_text() == to_csv(leaderboard(results.values(), "maximize"))


def test_opening_a_study_writes_what_a_killed_driver_left_behind(tmp_path):
    folder = make_study(tmp_path / "s", RESULTS)
    folder.leaderboard.write_text("rank,trial\n")
    writer = LeaderboardWriter(folder, "maximize", 2, {one.number: one for one in RESULTS})
    writer(SearchStarted(done=5, total=9, workers=1, seconds_before=0.0))
    assert folder.leaderboard.read_text() == to_csv(leaderboard(RESULTS, "maximize"))


def test_weights_are_looked_for_once(tmp_path, monkeypatch):
    looked_for = []
    weights_file = module.weights_file
    monkeypatch.setattr(module, "weights_file", lambda folder, number: looked_for.append(number) or weights_file(folder, number))
    results = {}
    writer = LeaderboardWriter(make_study(tmp_path / "s", []), "maximize", 2, results)
    (tmp_path / "s").mkdir()
    for number in range(6):
        results[number] = result(number, number / 10)
        writer.write()
    assert looked_for == [0, 1, 2, 3]
