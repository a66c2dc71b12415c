"""Bundles written by hand against the bare interface, for what no library would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import stdb
from stdb.schema import encode_module_def

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TEMPLATE = """\
import * as sys from "spacetime:sys@2.0";
import * as sys21 from "spacetime:sys@2.1";
const definition = new Uint8Array([{definition}]);
class SenderError extends Error {{}}
class HostError extends Error {{
  constructor(number, message) {{ super(message); this.number = number; }}
}}
{head}
const table = (name) => sys.table_id_from_name(name);
const index = (name) => sys.index_id_from_name(name);
const check = (condition, what) => {{ if (!condition) throw new SenderError(`not so: ${{what}}`); }};
const thrown = (f) => {{ try {{ f(); }} catch (error) {{ return error; }} return undefined; }};
const row = (id, value) => {{
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, BigInt(id), true);
  view.setBigInt64(8, BigInt(value), true);
  return view.buffer;
}};
const reducers = [
{reducers}
];
export default {{
  [sys.moduleHooks](namespace) {{
    return {{
      __describe_module__: () => definition,
      __get_error_constructor__: (number) => function (message) {{ return new HostError(number, message); }},
      __sender_error_class__: SenderError,
      __call_reducer__(id, sender, connection, timestamp, args) {{
        const run = reducers[id];
        return run(args, sender, connection, timestamp);
      }},
      __call_view__: () => {{ throw new Error("no views"); }},
      __call_view_anon__: () => {{ throw new Error("no views"); }},
      __call_procedure__: () => {{ throw new Error("no procedures"); }},
      {hooks}
    }};
  }},
}};
"""


def accounts() -> stdb.Module:
    """Return a module with one table, ``account (id: u64 primary key, value: i64)``."""
    module = stdb.Module("accounts")

    @module.table(public=True)
    class Account(stdb.Row):
        id: stdb.u64 = stdb.primary_key()
        value: stdb.i64

    return module


def bundle(
    reducers: Mapping[str, str],
    *,
    module: stdb.Module | None = None,
    parameters: str = "",
    head: str = "",
    hooks: str = "",
) -> str:
    """Return a bundle whose reducers, without parameters, have these bodies.

    In a body, `args`, `sender`, `connection` and `timestamp` are what the host gave, `sys` are the
    syscalls, and `table`, `index`, `check`, `thrown` and `row` helpers.
    """
    module = module or accounts()
    scope: dict[str, object] = {"stdb": stdb, "ReducerContext": stdb.ReducerContext}
    for name in reducers:
        source = f"def {name}(ctx: ReducerContext{parameters}) -> None: pass"
        exec(source, scope)
        module.reducer(scope[name])
    data = encode_module_def(module.definition().to_raw_v10())
    return _TEMPLATE.format(
        definition=",".join(map(str, data)),
        head=head,
        hooks=hooks,
        reducers=",\n".join(
            f"function {name}(args, sender, connection, timestamp) {{ {body} }}"
            for name, body in reducers.items()
        ),
    )


def open_bundle(path: Path, text: str, **options: object) -> stdb.Database:
    """Write a bundle to a file and open a database with it."""
    file = path / "bundle.js"
    file.write_text(text)
    return stdb.Database(file, **options)
