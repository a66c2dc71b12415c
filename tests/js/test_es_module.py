"""Bundles become functions: imports and exports are found, all else stays on its line."""

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stdb
from stdb.runtime.js.es_module import EsModule, to_function
from stdb.runtime.js.v8 import Isolate

STOCK = """\
import * as sys from "spacetime:sys@2.0";
import { moduleHooks, other as renamed } from "spacetime:sys@2.0";
import * as more from "spacetime:sys@2.1";
//#region something
const name = "import x from 'y'";
export { name as default, more, renamed };
//# sourceMappingURL=data:application/json;base64,e30=
"""


@pytest.fixture(scope="module")
def isolate() -> Iterator[Isolate]:
    isolate = Isolate()
    yield isolate
    isolate.close()


def run(isolate: Isolate, module: EsModule) -> dict[str, object]:
    """Run a module as V8 would see it; return what it exports, as JSON has it."""
    function = module.source.rpartition("\n")[0]
    text = isolate.evaluate(
        f"""
        $asked = [];
        ({function})(
          (specifier, names) => ($asked.push(specifier), {{ thing: 1, other: 2, default: 3 }}),
          (given) => $out = given);
        JSON.stringify({{ asked: $asked, ...$out }})
        """
    )
    found: dict[str, object] = json.loads(text)
    return found


def test_the_layout_of_bundlers_is_read() -> None:
    module = to_function(STOCK)
    assert module.imports == ("spacetime:sys@2.0", "spacetime:sys@2.1")
    assert module.exports == ("default", "more", "renamed")


def test_lines_stay_where_they_are() -> None:
    module = to_function(STOCK)
    assert module.source.splitlines()[4] == STOCK.splitlines()[4]
    assert module.source.splitlines()[0][: module.first_column].endswith("}); ")


@pytest.mark.parametrize(
    ("source", "exports"),
    [
        ("const a = 1, b = 2;\nexport { a, b as c };", {"a": 1, "c": 2}),
        ("export default 5", {"default": 5}),
        ("export default { deep: [1] };", {"default": {"deep": [1]}}),
        ("export const a = 1, b = [2, 3], c = 'x'", {"a": 1, "b": [2, 3], "c": "x"}),
        ("export let a = 1\na = 7", {"a": 7}),
        ("export let a = 1\n  , b = 2\nlet c = a, d = b", {"a": 1, "b": 2}),
        ("import d, { thing as t } from 'm'; export { d, t }", {"d": 3, "t": 1}),
        ("import { 'thing' as t } from \"m\"\nexport { t as 'a b' }", {"a b": 1}),
        ("const s = `export { ${'`'} ${`}`} }`;\nexport { s }", {"s": "export { ` } }"}),
        ("const r = /[/'\"]export {/.source\nexport { r }", {"r": "[/'\"]export {"}),
        ("const x = 8, g = 2;\nexport const y = x / g / 2", {"y": 2}),
        ("/* import a from 'b' */ // export default 1\nexport const k = 1", {"k": 1}),
        ("function f() { return { export: 1, import: 2 } }\nexport const v = f().export", {"v": 1}),
    ],
)  # fmt: skip
def test_any_module_is_read(isolate: Isolate, source: str, exports: dict[str, object]) -> None:
    found = run(isolate, to_function(source))
    found.pop("asked")
    assert found == exports


@pytest.mark.parametrize(
    "source",
    [
        "export function f() {}",
        "export async function f() {}",
        "export function* f() {}",
        "export class f { static x = 1 }",
        "export default function f() {}\nexport { f }",
    ],
)
def test_functions_and_classes_are_exported_by_their_names(source: str) -> None:
    assert "f" in to_function(source).exports


def test_an_anonymous_default_export_is_a_value(isolate: Isolate) -> None:
    assert "default" in to_function("export default function () { return 1 }").exports
    assert "default" in to_function("export default class extends Object {}").exports


def test_exports_stay_live(isolate: Isolate) -> None:
    module = to_function("export let n = 1;\nglobalThis.$bump = () => { n += 1 };")
    run(isolate, module)
    assert isolate.evaluate("$bump(); $out.n") == 2


def test_exports_are_in_the_order_of_code_units() -> None:
    assert to_function("let b, B, a1, é;\nexport { b, é, B, a1 }").exports == ("B", "a1", "b", "é")


def test_imports_are_looked_up_in_order(isolate: Isolate) -> None:
    found = run(
        isolate, to_function("import a from 'one';\nimport 'two';\nimport * as b from 'one'")
    )
    assert sorted(found["asked"]) == ["one", "one", "two"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("let a;\nexport * from 'x'", "line 2"),
        ("export { a } from 'x'", "line 1"),
        ("export const { a } = {}", "takes a value apart"),
        ("import a from 'x' with { type: 'json' }", "import attributes"),
        ("let s = 'never ends", "unfinished"),
        ("let s = `never ends ${", "unfinished"),
        ("/* never ends", "unfinished"),
        ("import", "unfinished"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(source: str, said: str) -> None:
    with pytest.raises(stdb.DefinitionError, match=re.escape(said)):
        to_function(source)


@given(st.text(alphabet="import export{}()[]\"'`$/*\\\n;,=>as from default x1", max_size=60))
def test_no_text_breaks_the_scanner(source: str) -> None:
    """Every text is read or refused: nothing else is raised, and nothing hangs."""
    try:
        module = to_function(source)
    except stdb.DefinitionError:
        return
    assert isinstance(module.source, str)


@given(st.binary(max_size=80))
def test_no_bytes_break_the_scanner(data: bytes) -> None:
    try:
        to_function(data.decode("utf-8", "surrogateescape"))
    except stdb.DefinitionError:
        return
