"""Parameters and strategies as one reads them."""

from typing import Any

from automl.records import Choice, Domain

_MAX_OPTIONS_SHOWN = 8


def describe_domain(domain: Domain) -> str:
    """A domain as one reads it: "0 to 5", "1e-05 to 0.01, log", "0 to 1 in steps of 0.25", "adam, sgd"."""
    if isinstance(domain, Choice):
        shown = ", ".join(str(option) for option in domain.options[:_MAX_OPTIONS_SHOWN])
        rest = len(domain.options) - _MAX_OPTIONS_SHOWN
        return f"{shown} and {rest} more" if rest > 0 else shown
    text = f"{domain.low:g} to {domain.high:g}"
    if domain.log:
        text += ", log"
    if domain.step is not None and not (domain.kind == "int" and domain.step == 1):
        text += f" in steps of {domain.step:g}"
    return text


def describe_strategy(name: str, options: dict[str, Any]) -> str:
    return f"{name} ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else name
