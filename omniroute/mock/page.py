"""``GET /mock``: the grammar, told by the program that speaks it."""

from __future__ import annotations

from collections.abc import Iterable

from omniroute.mock.script import ALIASES, PARAMETERS


def page(paths: Iterable[str]) -> str:
    """``paths`` of the dialects, the grammar, the aliases and the control paths as plain text."""
    width = max(len(parameter.name) for parameter in PARAMETERS) + 11
    lines = [
        "omniroute mock: a scripted upstream. It answers",
        *(f"    {path}" for path in paths),
        "",
        "A script is key=value or key, separated by ; or , and stands in the X-Mock header or behind a model's ';':",
        "    echo;delay=200ms;rst-after=3",
        "",
        "Parameters (a piece is an event or a line of a stream, or a tenth of a whole body):",
    ]
    for parameter in PARAMETERS:
        shown = parameter.name if parameter.shape == "flag" else f"{parameter.name}={parameter.shape}"
        choices = f" One of: {', '.join(parameter.choices)}." if parameter.choices else ""
        lines.append(f"    {shown:<{width}}{parameter.meaning}{choices}")
    lines += ["", "Models that bring a script (every other name is an echo):"]
    lines += [f"    {name:<{width}}{script or 'answers at once'}" for name, script in ALIASES.items()]
    lines += [
        "",
        "GET /mock/counts?ids=1 tells what was served, GET /mock/last?model=M what was asked last;",
        "POST /mock/reset forgets both.",
        "",
    ]
    return "\n".join(lines)
