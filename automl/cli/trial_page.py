"""One trial on a page: config, curve, outcome, end of its log."""

from collections.abc import Sequence
from typing import Any

from automl.api import Trial
from automl.cli.console import Column, Row, duration, out_console, print_line, scalar, size, table, to_json, with_interval
from automl.cli.console import show as show_listing
from automl.cli.options import Format

MOST_EPOCHS = 16
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-~=+*#"
_PLAIN = ("epoch", "phase", "seconds")


def show(trial: Trial, form: Format) -> None:
    """Show a trial on stdout; JSON holds everything, CSV and Markdown the curve."""
    epochs = _epochs(trial)
    if form is Format.JSON:
        result = trial.result
        ended = None if result is None else result.model_dump(mode="json")
        print_line(to_json({"config": trial.config.model_dump(mode="json"), "result": ended, "history": epochs, "log": trial.log_tail()}))
    elif form is not Format.TABLE:
        show_listing(epochs, _columns(epochs, trial.config.metric), form, records=epochs)
    else:
        _page(trial, epochs)


def _epochs(trial: Trial) -> list[dict[str, Any]]:
    """The rows of history.csv; what a row does not have is None."""
    rows = trial.history().to_dict("records")
    return [{str(name): None if value != value else value for name, value in row.items()} for row in rows]


def _page(trial: Trial, epochs: list[dict[str, Any]]) -> None:
    for line in _outcome(trial):
        print_line(line)
    print_line("\nconfig")
    settings = flat(trial.config.model_dump(mode="json", exclude={"params", "study", "number"}))
    widest = max(map(len, settings))
    for name, value in settings.items():
        print_line(f"  {name:<{widest}}  {value}")
    if epochs:
        metric = trial.config.metric
        print_line(f"\n{metric} over {len(epochs)} epochs  {sparkline([epoch.get(metric) for epoch in epochs])}")
        console = out_console()
        console.print(table(thinned(epochs, trial), _columns(epochs, metric), console.width))
    log = trial.log_tail()
    if log:
        print_line(f"\nend of {trial.folder / 'log.txt'}")
        for line in log:
            print_line(f"  {line}")


def _outcome(trial: Trial) -> list[str]:
    result = trial.result
    if result is None:
        return [f"trial {trial.number}: not finished"]
    again = f", attempt {result.attempt}" if result.attempt > 1 else ""
    lines = [f"trial {trial.number}: {result.outcome}, {result.epochs} epochs in {duration(result.seconds)}{again}"]
    if result.value is not None:
        lines.append(f"{trial.config.metric} {with_interval(result.value, result.interval)} at epoch {result.best_epoch}")
    if result.reason:
        lines.append(f"reason: {result.reason}")
    if result.retry_of is not None:
        lines.append(f"a repetition of trial {result.retry_of} with half its batch")
    if result.metrics:
        lines.append(", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items()))
    if result.parameters is not None:
        lines.append(
            f"{result.parameters:,} weights, {result.trained_parameters or 0:,} of them trained"
            + (f"; model {size(result.model_bytes)}" if result.model_bytes is not None else "")
        )
    return lines


def flat(value: Any, name: str = "") -> dict[str, str]:
    """Nested settings under dotted names."""
    if isinstance(value, dict) and value:
        return {key: text for part, item in value.items() for key, text in flat(item, f"{name}.{part}" if name else str(part)).items()}
    return {name: "none" if value is None else str(value)}


def thinned(epochs: Sequence[dict[str, Any]], trial: Trial) -> list[dict[str, Any]]:
    """At most about sixteen epochs, the first, the last and the best among them."""
    if len(epochs) <= MOST_EPOCHS:
        return list(epochs)
    step = len(epochs) / MOST_EPOCHS
    wanted = {round(step * index) for index in range(MOST_EPOCHS)} | {0, len(epochs) - 1}
    best = trial.result.best_epoch if trial.result else None
    return [epoch for index, epoch in enumerate(epochs) if index in wanted or epoch.get("epoch") == best]


def sparkline(values: Sequence[float | None]) -> str:
    """A curve in one line of at most 40 characters; a point in place of what is not a number."""
    step = max(1.0, len(values) / 40)
    picked = [values[int(step * index)] for index in range(min(len(values), 40))]
    numbers = [value for value in picked if value is not None]
    if not numbers:
        return ""
    bars = _BARS if (out_console().encoding or "").lower().startswith("utf") else _ASCII_BARS
    low, span = min(numbers), max(numbers) - min(numbers)
    heights = [None if value is None else round((value - low) / span * (len(bars) - 1)) if span else 0 for value in picked]
    return "".join("·" if height is None else bars[height] for height in heights)


def _columns(epochs: Sequence[Row], metric: str) -> list[Column]:
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch))
    return [Column(name, _cell(name), name != "phase", _importance(name, metric)) for name in names]


def _importance(name: str, metric: str) -> int:
    if name in ("epoch", metric):
        return 10
    return 8 if name in ("loss", "val_loss", "phase", "learning_rate") else 5


def _cell(name: str) -> Any:
    def text(row: Row) -> str:
        value = row.get(name)
        return f"{value:.4f}" if isinstance(value, float) and name not in (*_PLAIN, "learning_rate") else scalar(value)

    return text
