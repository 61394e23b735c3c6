"""docs/configuration.md as the code says it. ``python -m tests.architecture.configuration_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from omniroute.config import variables

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

HEAD = """# Configuration

Every setting is an environment variable; the most used are flags of `omniroute serve` too. A flag wins over its
variable, a variable over the default. A value that is not what it must be stops the start with a message naming the
variable. What can change while the gateway runs (keys, connections, heartbeat, attempts per request) is not here: it is
kept in the database and changed with `omniroute keys`, `omniroute providers` and `omniroute settings`.

This page is written by `make docs` from the code; a test compares the two.
"""

TITLES = {
    "process": (
        "Processes",
        "Also flags of `omniroute serve`: `--host`, `--port`, `--workers`, `--admin-bind`, `--data-dir`, "
        "`--drain-seconds`, `--log-level`, `--log-format`.",
    ),
    "edge": ("Edge: what clients may do", "Per worker. What happens at each bound is said beside it."),
    "upstream": (
        "Upstream: connections to providers",
        "Per worker. Timeouts of a provider are its connection's own: `omniroute providers add --timeout`.",
    ),
    "pipeline": ("Pipeline", ""),
}

TAIL = """
## Not settings

| variable | what it does |
| --- | --- |
| `OMNIROUTE_MASTER_KEY` | Key of the secrets at rest. Without it `master.key` (0600) is made in the data directory. |
| `OMNIROUTE_NO_SPEEDUPS` | Run on the plain-Python twins of the compiled parts; allows one worker. |
"""


def render() -> str:
    """The page."""
    lines = [HEAD]
    section = ""
    for variable in variables():
        if variable.section != section:
            section = variable.section
            title, remark = TITLES[section]
            lines.append(f"\n## {title}\n")
            if remark:
                lines.append(f"{remark}\n")
            lines += ["| variable | default | what it does |", "| --- | --- | --- |"]
        names = "<br>".join(f"`{name}`" for name in (variable.name, *variable.aliases))
        lines.append(f"| {names} | {f'`{variable.default}`' if variable.default else ''} | {variable.description} |")
    return "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(render())
