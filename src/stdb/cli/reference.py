"""``docs/cli.md``: the reference of the command, made from the command itself.

``python -m stdb.cli.reference docs/cli.md`` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from .group import COMMANDS, command

_BEGIN: Final = """\
# The command `stdb`

`pip install "stdb[cli]"` brings it; `python -m stdb` is the same. It mirrors SpacetimeDB's
`spacetime`, over a directory of databases instead of a server. From an empty directory:

```sh
stdb init chat && cd chat
stdb publish chat
stdb call chat send_message '"hi"'
stdb sql chat "SELECT * FROM message"
```

**Where the databases are.** In `--dir`, else in the directory that `STDB_DIR` names, else in the
user's directory for data. `stdb list --json` tells. The owner of such a directory is made with it,
and every command works as the owner, unless `--as` or `--anonymous` says otherwise.

**Which database.** Its name, its identity (64 hex digits), or the path of its own directory: what
has a `/` in it or ends with `.stdb`, as `Database(module, path="chat.stdb")` makes it.

**Two processes.** One process has a database open to change it. Beside it, `sql` with a SELECT,
`logs`, `subscribe`, `describe`, `history`, `export` and `backup` work, and see what it commits;
`call`, other SQL, views of a module in Python, `import` and `publish` say that it is open
elsewhere.

**What ends how.** 0: done. 1: it did not work; the reason is on the error output, after `Error:`,
and nothing was changed. 2: the command is not called like that. 130: Ctrl-C. Questions are asked on
the error output and answered with `y` or `yes`; anything else, and the end of the input, is no.
Colours are for terminals only, and not where `NO_COLOR` is set.

**Completion.** `eval "$(_STDB_COMPLETE=bash_source stdb)"` in `~/.bashrc`; `zsh_source` and
`fish_source` for those shells.

What follows is what `stdb COMMAND --help` prints.
"""


def reference() -> str:
    """Return the page."""
    parts = [_BEGIN]
    root = click.Context(command, info_name="stdb", **command.context_settings)
    for name in COMMANDS:
        found = command.get_command(root, name)
        assert found is not None
        ctx = click.Context(
            found, parent=root, info_name=name, terminal_width=100, max_content_width=100
        )
        text = found.get_help(ctx)
        parts.append(f"\n## stdb {name}\n\n```text\n{text}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), "utf-8")
