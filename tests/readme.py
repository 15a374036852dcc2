"""The parts of the README that follow from the code, and the commands that it tells people to type.

python tests/readme.py demo|test      prints a command as the README has it
python tests/readme.py write          writes the tables into the README anew
"""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def command(name: str) -> str:
    """Return the shell block behind the marker ``<!-- command: name -->``."""
    found = re.search(
        rf"<!-- command: {name} -->\n+```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    if found is None:
        raise SystemExit(f"README.md has no command {name!r}")
    return found[1]


def options_table() -> str:
    """Return the README's table of options, as `Options` and `Printing` have them."""
    from hdtf_async.options import Options, Printing, flag_of  # noqa: PLC0415 - CI asks before the install

    rows = ["| option | meaning | default |", "|---|---|---|"]
    for option in (*fields(Options), *fields(Printing)):
        flag = flag_of(option)
        takes = "\\|".join(flag.choices) or flag.metavar or ""
        names = ", ".join(f"`{name}`" for name in flag.names) + (f" {takes}" if takes else "")
        rows.append(f"| {names} | {flag.help} | {flag.shown_default} |")
    return "\n".join(rows)


def reasons_table() -> str:
    """Return the README's table of reasons, as `failures` has them."""
    from hdtf_async.failures import ADVICE  # noqa: PLC0415

    rows = ["| reason | what it means | what to do | the program | exit |", "|---|---|---|---|---|"]
    for reason, advice in ADVICE.items():
        rows.append(
            f"| `{reason}` | {advice.meaning} | {advice.remedy} | {advice.action} | {int(advice.exit_code)} |"
        )
    return "\n".join(rows)


TABLES = {"options": options_table, "reasons": reasons_table}


def with_tables(text: str) -> str:
    """Return the README's text with each table between its markers made anew."""
    for name, table in TABLES.items():
        marked = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        made = table().replace("\\", r"\\")
        text, found = re.subn(marked, rf"\g<1>{made}\n\g<2>", text, flags=re.DOTALL)
        if found != 1:
            raise SystemExit(f"README.md has {found} places for the table {name!r}, not one")
    return text


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(command(sys.argv[1]), end="")  # noqa: T201 - what it is for
