"""A module in JavaScript, one function at a time, against the bare interface."""

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.raw_bundles import bundle, open_bundle

import stdb
from stdb.runtime.js.channel import BY_CALLBACK

pytest.importorskip("py_mini_racer")


@pytest.fixture(params=["memory", "callback"], autouse=True)
def crossing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs both ways: through shared memory, and by callback."""
    monkeypatch.setattr("stdb.runtime.js.lane.can_run_beside", lambda: request.param == "memory")


def run(tmp_path: Path, body: str, **options: Any) -> stdb.Database:
    """Run a reducer with this body, and return its database."""
    limits = options.pop("limits", stdb.Limits(time_s=20))
    text = bundle({"go": body}, **options)
    with open_bundle(tmp_path, text, limits=limits) as database:
        database.call("go")
        return database


def rows(database: stdb.Database) -> list[tuple[int, int]]:
    return sorted(tuple(row) for row in database.tables.account)


# -- the tables ----------------------------------------------------------------------------------


def test_rows_are_inserted_found_updated_and_deleted(tmp_path: Path) -> None:
    body = """
    const t = table("account"), i = index("account_id_idx_btree");
    for (let n = 1; n <= 4; n++) check(sys.datastore_insert_bsatn(t, row(n, n * 10), 16) === 0, "insert");
    check(sys.datastore_table_row_count(t) === 4n, "count");
    const key = new BigUint64Array([3n]).buffer, into = new ArrayBuffer(64);
    let it = sys.datastore_index_scan_point_bsatn(i, key, 8);
    check(sys.row_iter_bsatn_advance(it, into) === -16, "one row and no more");
    check(new DataView(into).getBigInt64(8, true) === 30n, "its value");
    check(thrown(() => sys.row_iter_bsatn_advance(it, into)).number === 6, "used up");
    sys.datastore_update_bsatn(t, i, row(3, 99), 16);
    check(sys.datastore_delete_by_index_scan_point_bsatn(i, new BigUint64Array([1n]).buffer, 8) === 1, "deleted");
    const relation = new Uint8Array(20);
    relation[0] = 1;
    relation.set(new Uint8Array(row(2, 20)), 4);
    check(sys.datastore_delete_all_by_eq_bsatn(t, relation.buffer, 20) === 1, "deleted by value");
    """
    assert rows(run(tmp_path, body)) == [(3, 99), (4, 40)]


def test_an_exception_takes_everything_back(tmp_path: Path) -> None:
    body = """
    sys.datastore_insert_bsatn(table("account"), row(1, 1), 16);
    throw new SenderError("no");
    """
    with open_bundle(tmp_path, bundle({"go": body})) as database:
        with pytest.raises(stdb.ReducerError, match=r"^no$"):
            database.call("go")
        assert rows(database) == []


def test_a_range_is_scanned_in_order(tmp_path: Path) -> None:
    body = """
    const t = table("account"), i = index("account_id_idx_btree");
    for (const n of [5, 1, 4, 2, 3]) sys.datastore_insert_bsatn(t, row(n, 0), 16);
    const bounds = new DataView(new ArrayBuffer(18));
    bounds.setUint8(0, 0); bounds.setBigUint64(1, 2n, true);
    bounds.setUint8(9, 1); bounds.setBigUint64(10, 5n, true);
    const it = sys.datastore_index_scan_range_bsatn(i, bounds.buffer, 0, 0, 9, 9);
    const into = new ArrayBuffer(1000), size = sys.row_iter_bsatn_advance(it, into);
    check(size === -48, `size ${size}`);
    const seen = [0, 16, 32].map((at) => new DataView(into).getBigUint64(at, true));
    check(seen.join() === "2,3,4", seen.join());
    check(sys.datastore_delete_by_index_scan_range_bsatn(i, bounds.buffer, 0, 0, 9, 9) === 3, "deleted");
    """
    assert rows(run(tmp_path, body)) == [(1, 0), (5, 0)]


def test_an_end_of_length_0_is_the_start(tmp_path: Path) -> None:
    body = """
    const t = table("account"), i = index("account_id_idx_btree");
    for (const n of [1, 2]) sys.datastore_insert_bsatn(t, row(n, 0), 16);
    const bounds = new DataView(new ArrayBuffer(9));
    bounds.setBigUint64(1, 2n, true);
    const it = sys.datastore_index_scan_range_bsatn(i, bounds.buffer, 0, 0, 9, 0);
    check(sys.row_iter_bsatn_advance(it, new ArrayBuffer(100)) === -16, "the one row");
    """
    run(tmp_path, body)


def test_many_rows_come_in_pieces(tmp_path: Path) -> None:
    body = """
    const t = table("account"), into = new ArrayBuffer(4096);
    for (let n = 0; n < 3000; n++) sys.datastore_insert_bsatn(t, row(n, n), 16);
    const it = sys.datastore_table_scan_bsatn(t);
    let total = 0, n = 0, steps = 0;
    do { n = sys.row_iter_bsatn_advance(it, into); total += Math.abs(n); steps++; } while (n > 0);
    check(total === 48000 && steps > 10, `${total} in ${steps}`);
    const again = sys.datastore_table_scan_bsatn(t);
    sys.row_iter_bsatn_advance(again, into);
    sys.row_iter_bsatn_close(again);
    check(thrown(() => sys.row_iter_bsatn_close(again)).number === 6, "closed");
    """
    run(tmp_path, body)


def test_a_buffer_that_is_too_small_is_told_the_size(tmp_path: Path) -> None:
    body = """
    const t = table("account");
    for (let n = 0; n < 3; n++) sys.datastore_insert_bsatn(t, row(n, n), 16);
    const it = sys.datastore_table_scan_bsatn(t);
    const told = thrown(() => sys.row_iter_bsatn_advance(it, new ArrayBuffer(7)));
    check(told.__buffer_too_small__ === 48 && !(told instanceof Error), JSON.stringify(told));
    check(sys.row_iter_bsatn_advance(it, new ArrayBuffer(48)) === -48, "now it fits");
    """
    run(tmp_path, body)


def test_an_iterator_waits_while_others_are_read(tmp_path: Path) -> None:
    body = """
    const t = table("account"), i = index("account_id_idx_btree"), into = new ArrayBuffer(100);
    for (let n = 1; n < 4; n++) sys.datastore_insert_bsatn(t, row(n, n * 7), 16);
    const key = (n) => new BigUint64Array([n]).buffer;
    const first = sys.datastore_index_scan_point_bsatn(i, key(1n), 8);
    const second = sys.datastore_index_scan_point_bsatn(i, key(2n), 8);
    const third = sys.datastore_index_scan_point_bsatn(i, key(9n), 8);
    sys.datastore_delete_by_index_scan_point_bsatn(i, key(1n), 8);
    check(sys.row_iter_bsatn_advance(first, into) === -16, "the row is as it was");
    check(new DataView(into).getBigInt64(8, true) === 7n, "the first");
    check(sys.row_iter_bsatn_advance(third, into) === 0, "nothing");
    check(sys.row_iter_bsatn_advance(second, into) === -16, "the second");
    check(new DataView(into).getBigInt64(8, true) === 14n, "its value");
    """
    run(tmp_path, body)


def blobs() -> stdb.Module:
    module = stdb.Module("blobs")

    @module.table(public=True)
    class Blob(stdb.Row):
        id: stdb.u64 = stdb.primary_key(auto_inc=True)
        data: bytes

    return module


def test_rows_of_any_size_go_both_ways(tmp_path: Path) -> None:
    """Longer ones than the shared memory go over in pieces."""
    body = """
    const t = table("blob"), i = index("blob_id_idx_btree");
    for (const size of [0, 1, 100, 5000, 524288, 2000003]) {
      const bytes = new Uint8Array(12 + size), view = new DataView(bytes.buffer);
      view.setUint32(8, size, true);
      for (let k = 0; k < size; k += 997) bytes[12 + k] = k % 251;
      check(sys.datastore_insert_bsatn(t, bytes.buffer, 12 + size) === 8, "its number comes back");
      const id = view.getBigUint64(0, true);
      const it = sys.datastore_index_scan_point_bsatn(i, new BigUint64Array([id]).buffer, 8);
      const into = new ArrayBuffer(2100000), n = -sys.row_iter_bsatn_advance(it, into);
      check(n === 12 + size, `${n} bytes of ${size}`);
      const back = new Uint8Array(into);
      for (let k = 0; k < size; k += 997) check(back[12 + k] === k % 251, `byte ${k} of ${size}`);
    }
    """
    database = run(tmp_path, body, module=blobs())
    assert [len(row.data) for row in database.tables.blob] == [0, 1, 100, 5000, 524288, 2000003]


def test_arguments_of_any_size_arrive(tmp_path: Path) -> None:
    body = """
    check(args instanceof DataView, "a view");
    const size = args.getUint32(0, true);
    check(args.byteLength === size + 4, `${args.byteLength}`);
    for (let k = 0; k < size; k++) check(args.getUint8(4 + k) === 97 + k % 26, `byte ${k}`);
    """
    text = bundle({"go": body}, parameters=", text: str")
    with open_bundle(tmp_path, text) as database:
        for size in (0, 1, 7, 124, 125, 4092, 4093, 300_000, 2_000_000):
            database.call("go", ("abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size])


def test_the_caller_and_the_time_arrive(tmp_path: Path) -> None:
    body = """
    const view = new DataView(new ArrayBuffer(16));
    check(typeof sender === "bigint" && typeof connection === "bigint", "bigints");
    check(sys.identity() > 0n && sys.identity() !== sender, "the database's own identity");
    sys.datastore_insert_bsatn(table("account"), row(sender & 0xffffffffffffffffn, timestamp), 16);
    """
    clock = stdb.ManualClock(stdb.Timestamp(123_456))
    with open_bundle(tmp_path, bundle({"go": body}), clock=clock) as database:
        people = [stdb.Identity((1 << 255) + n) for n in range(5)]
        for person in people:
            database.call("go", sender=person)
        assert rows(database) == [(n, 123_456) for n in range(5)]


# -- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        ('table("nothing")', 4),
        ('index("nothing")', 5),
        ("sys.datastore_table_row_count(9999)", 4),
        ("sys.datastore_table_scan_bsatn(9999)", 4),
        ("sys.datastore_index_scan_point_bsatn(9999, new ArrayBuffer(8), 8)", 5),
        ('sys.datastore_index_scan_point_bsatn(index("account_id_idx_btree"), new ArrayBuffer(3), 3)', 3),
        ("sys.row_iter_bsatn_advance(77, new ArrayBuffer(8))", 6),
        ("sys.row_iter_bsatn_close(77)", 6),
        ("sys.console_timer_end(5)", 7),
        ("sys.procedure_start_mut_tx()", 17),
        ("sys.procedure_commit_mut_tx()", 18),
        ("sys.procedure_abort_mut_tx()", 18),
        ('sys.datastore_update_bsatn(table("account"), index("account_id_idx_btree"), row(8, 1), 16)', 15),
        ('sys.datastore_insert_bsatn(table("account"), row(1, 2), 16)', 12),
    ],
)  # fmt: skip
def test_an_error_number_becomes_an_exception_of_the_modules_own_class(
    tmp_path: Path, expression: str, number: int
) -> None:
    body = f"""
    sys.datastore_insert_bsatn(table("account"), row(1, 1), 16);
    const error = thrown(() => {expression});
    check(error instanceof HostError && error.number === {number}, String(error && error.number));
    check(error.message.length > 5, error.message);
    """
    assert rows(run(tmp_path, body)) == [(1, 1)]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("sys.table_id_from_name(5)", "TypeError"),
        ("sys.datastore_table_row_count('1')", "TypeError"),
        ("sys.datastore_table_row_count(1.5)", "TypeError"),
        ("sys.datastore_table_row_count(-1)", "TypeError"),
        ("sys.datastore_table_row_count(2n)", "TypeError"),
        ("sys.datastore_table_row_count()", "TypeError"),
        ("sys.datastore_insert_bsatn(1, new Uint8Array(16), 16)", "TypeError"),
        ("sys.datastore_insert_bsatn(1, new SharedArrayBuffer(16), 16)", "TypeError"),
        ("sys.datastore_insert_bsatn(1, null, 16)", "TypeError"),
        ("sys.datastore_insert_bsatn(1, new ArrayBuffer(16), 17)", "RangeError"),
        ("sys.datastore_index_scan_range_bsatn(1, new ArrayBuffer(16), 4, 0, 8, 8)", "RangeError"),
        ("sys.get_jwt_payload(5)", "TypeError"),
        ("sys.get_jwt_payload(1n << 128n)", "TypeError"),
        ("sys.console_log(2, {})", "TypeError"),
        ("new sys.table_id_from_name('account')", "TypeError"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(
    tmp_path: Path, expression: str, kind: str
) -> None:
    run(tmp_path, f"const e = thrown(() => {expression}); check(e instanceof {kind}, String(e));")


def test_a_row_that_is_none_ends_the_call_whatever_it_catches(tmp_path: Path) -> None:
    text = bundle(
        {
            "go": """for (;;) try {
                sys.datastore_insert_bsatn(table("account"), new ArrayBuffer(3), 3);
            } catch { }""",
            "fine": """sys.datastore_insert_bsatn(table("account"), row(1, kept), 16);""",
        },
        head="let kept = 7;",
    )
    with open_bundle(tmp_path, text) as database:
        with pytest.raises(stdb.ModuleError, match="account"):
            database.call("go")
        database.call("fine")
        assert rows(database) == [(1, 7)]


@pytest.mark.parametrize(
    ("thrown", "said"),
    [
        ("new Error('oh')", "Uncaught Error: oh"),
        ("new class Odd extends TypeError { name = 'Odd' }('x')", "Uncaught Odd: x"),
        ("5", "Uncaught 5"),
        ("null", "Uncaught null"),
        ("undefined", "Uncaught undefined"),
        ("'text'", "Uncaught text"),
        ("Symbol('s')", "Uncaught Symbol(s)"),
        ("10n", "Uncaught 10"),
        ("{ a: 1 }", "Uncaught [object Object]"),
        ("Object.create(null)", "Uncaught"),
        ("new Proxy({}, { get() { throw 1 } })", "Uncaught"),
        ("{ get message() { throw 1 }, get stack() { throw 2 } }", "Uncaught"),
        ("Object.assign(new Error('m'), { stack: 7 })", "Uncaught Error: m"),
        ("Promise.reject(1)", "Uncaught"),
        ("function f() {}", "Uncaught"),
    ],
)
def test_whatever_is_thrown_is_a_module_error(tmp_path: Path, thrown: str, said: str) -> None:
    with open_bundle(tmp_path, bundle({"go": f"throw {thrown};", "fine": ""})) as database:
        with pytest.raises(stdb.ModuleError) as caught:
            database.call("go")
        assert said in str(caught.value)
        database.call("fine")


def test_the_error_tells_the_line(tmp_path: Path) -> None:
    text = bundle(
        {"go": "withdraw();"}, head="function withdraw() {\n  throw new RangeError('x');\n}"
    )
    line = text.splitlines().index("  throw new RangeError('x');") + 1
    with (
        open_bundle(tmp_path, text) as database,
        pytest.raises(stdb.ModuleError, match=rf"at withdraw \(spacetimedb_module:{line}:9\)"),
    ):
        database.call("go")


@pytest.mark.parametrize("value", ["5", "null", "{ tag: 'ok' }", "Promise.resolve()"])
def test_a_reducer_that_returns_something_fails(tmp_path: Path, value: str) -> None:
    with (
        open_bundle(tmp_path, bundle({"go": f"return {value};"})) as database,
        pytest.raises(stdb.ModuleError, match="other than `undefined`"),
    ):
        database.call("go")


# -- the language -------------------------------------------------------------------------------------


def test_globals_survive_ordinary_exceptions(tmp_path: Path) -> None:
    text = bundle(
        {"go": "if (++n === 2) throw new Error('x');", "tell": "check(n === 3, n)"},
        head="let n = 0;",
    )
    with open_bundle(tmp_path, text) as database:
        database.call("go")
        with pytest.raises(stdb.ModuleError):
            database.call("go")
        database.call("go")
        database.call("tell")


def test_what_settled_promises_do_belongs_to_the_call(tmp_path: Path) -> None:
    body = """
    (async () => {
      for (let i = 0; i < 12; i++) await undefined;
      sys.datastore_insert_bsatn(table("account"), row(1, 1), 16);
    })();
    """
    assert rows(run(tmp_path, body)) == [(1, 1)]


@pytest.mark.parametrize("size", [0, 8, 15, 17, 24])
@pytest.mark.parametrize("write", ["insert_bsatn(account, ", "update_bsatn(account, key, "])
def test_a_row_of_the_wrong_length_is_none(tmp_path: Path, size: int, write: str) -> None:
    """A row of integers alone, too, which is read without looking at each."""
    body = f"""
    const account = table("account"), key = index("account_id_idx_btree"), bytes = new Uint8Array(32);
    // The second of each goes the quick way.
    sys.datastore_insert_bsatn(account, row(0, 5), 16);
    sys.datastore_insert_bsatn(account, row(1, 5), 16);
    sys.datastore_update_bsatn(account, key, row(0, 6), 16);
    sys.datastore_update_bsatn(account, key, row(1, 6), 16);
    bytes[0] = {0 if write.startswith("update") else 9};
    sys.datastore_{write}bytes.buffer, {size});
    """
    with open_bundle(tmp_path, bundle({"go": body})) as database:
        with pytest.raises(stdb.ModuleError, match="'account'"):
            database.call("go")
        assert rows(database) == []


@pytest.mark.parametrize(
    "settled",
    [
        "Promise.resolve()",
        "(async () => {})()",
        "Array.fromAsync([])",
        "globalThis['\\u0050romise'].resolve()",
        "Function('return (a' + 'sync () => {})()')() /* async */",
    ],
)
def test_promises_of_any_kind_belong_to_the_call(tmp_path: Path, settled: str) -> None:
    """In a bundle that says so anywhere, for others nothing is waited for."""
    body = f"""
    {settled}.then(() => {{ sys.datastore_insert_bsatn(table("account"), row(1, 1), 16); }});
    """
    assert rows(run(tmp_path, body)) == [(1, 1)]


def test_what_a_hidden_promise_does_comes_too_late(tmp_path: Path) -> None:
    """Nothing in the text says that there is one."""
    body = """
    const hidden = globalThis["Prom" + "ise"];
    sys.datastore_insert_bsatn(table("account"), row(n++, 0), 16);
    const account = table("account");
    hidden.resolve().then(() => { sys.datastore_insert_bsatn(account, row(n + 100, 0), 16); });
    hidden.resolve().then(() => { sys21.datastore_clear(account); });
    """
    with open_bundle(tmp_path, bundle({"go": body}, head="let n = 0;")) as database:
        for _ in range(3):
            database.call("go")
            time.sleep(0.1)  # V8 rests, and does it then
        assert rows(database) == [(0, 0), (1, 0), (2, 0)]


def test_the_globals_are_those_of_spacetimedb(tmp_path: Path) -> None:
    body = """
    check(thrown(() => Math.random()) instanceof TypeError, "no chance");
    for (const name of ["fetch", "setTimeout", "process", "require", "crypto", "performance", "Deno"])
      check(!(name in globalThis), name);
    check(new TextEncoder().encoding === "utf-8", "encoding");
    check(new TextEncoder().encode("hä€😀\\ud800").join() === "104,195,164,226,130,172,240,159,152,128,239,191,189", "encoded");
    const decode = (bytes, options) => new TextDecoder("utf-8", options).decode(new Uint8Array(bytes));
    check(decode([104, 195, 164, 226, 130, 172, 240, 159, 152, 128]) === "hä€😀", "decoded");
    check(decode([239, 187, 191, 97]) === "\\ufeffa", "a byte order mark stays");
    check(decode([255, 97, 226, 130, 98, 237, 160, 128]) === "\\ufffda\\ufffdb\\ufffd\\ufffd\\ufffd", "replaced");
    check(thrown(() => decode([255], { fatal: true })) instanceof TypeError, "fatal");
    check(thrown(() => new TextDecoder("latin1")) instanceof RangeError, "only utf-8");
    check(thrown(() => new TextDecoder().decode()) instanceof TypeError, "nothing");
    check(thrown(() => new TextDecoder().decode(new Uint8Array(1), { stream: true })) instanceof TypeError, "stream");
    check(new TextDecoder().decode(new DataView(new Uint8Array([97, 98, 99]).buffer, 1)) === "bc", "a view");
    check(Function("return 1 + 1")() === 2, "code from text");
    check([1n, 2n].map(String).join() === "1,2" && typeof Symbol.dispose === "symbol", "modern");
    """
    run(tmp_path, body)


@pytest.mark.parametrize(
    "breakage",
    [
        "Array.prototype.push = Array.prototype.map = Array.prototype[Symbol.iterator] = () => { throw 1; };",
        "Promise.prototype.then = () => { throw 1; }; globalThis.Promise = class {};",
        "Object.defineProperty(Object.prototype, 'value', { get() { throw 1; }, set() { throw 2; } });",
        "Atomics.load = Atomics.store = Atomics.wait = () => { throw 1; };",
        "Uint8Array.prototype.__proto__.set = Uint8Array.prototype.__proto__.subarray = () => { throw 1; };",
        "Map.prototype.get = Map.prototype.set = Map.prototype.delete = Map.prototype.clear = () => { throw 1; };",
        "String.fromCharCode = String.prototype.charCodeAt = () => { throw 1; }; globalThis.String = 0;",
        "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 1; };",
        "Reflect.apply = Reflect.construct = () => { throw 1; }; globalThis.Reflect = undefined;",
        "Error.prepareStackTrace = () => { throw 1; }; Error.stackTraceLimit = -1; globalThis.Error = 5;",
        "for (const n of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[n]; } catch { }",
    ],
)
def test_a_module_that_breaks_the_language_breaks_only_itself(
    tmp_path: Path, breakage: str
) -> None:
    body = """
    const t = table("account");
    sys.datastore_insert_bsatn(t, row(n, 1), 16);
    const it = sys.datastore_table_scan_bsatn(t), into = new ArrayBuffer(4096);
    check(sys.row_iter_bsatn_advance(it, into) <= 0, "scanned");
    sys.console_log(2, "still here");
    n++;
    """
    text = bundle({"go": body, "fail": "throw new SenderError('no')"}, head="let n = 0;") + breakage
    with open_bundle(tmp_path, text) as database:
        database.call("go")
        with pytest.raises(stdb.ReducerError):
            database.call("fail")
        database.call("go")
        assert len(rows(database)) == 2
        assert [r.message for r in database.logs(level="info")].count("still here") == 2


# -- limits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loop",
    [
        "for (;;);",
        "for (;;) try { for (;;); } finally { continue; }",
        "for (;;) sys.datastore_table_row_count(table('account'));",
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
        "/(a+)+$/.test('a'.repeat(40) + 'b');",
    ],
)
def test_an_endless_loop_is_ended_and_the_next_call_works(tmp_path: Path, loop: str) -> None:
    body = "sys.datastore_insert_bsatn(table('account'), row(1, 1), 16);"
    text = bundle({"go": body + loop, "fine": body})
    with open_bundle(tmp_path, text, limits=stdb.Limits(time_s=0.3)) as database:
        began = time.monotonic()
        with pytest.raises(stdb.ModuleError, match=r"longer than 0\.3 s"):
            database.call("go")
        assert time.monotonic() - began < 10
        assert rows(database) == []
        database.call("fine")
        assert rows(database) == [(1, 1)]


def test_promises_without_end_do_not_keep_the_next_call_from_running(tmp_path: Path) -> None:
    text = bundle({"go": "(async () => { for (;;) await null; })();", "fine": ""})
    with open_bundle(tmp_path, text) as database:
        database.call("go")
        time.sleep(0.2)
        database.call("fine")
        database.call("fine")


@pytest.mark.parametrize(
    "bomb",
    [
        "const a = []; for (;;) a.push(new Array(1000).fill(1.5));",
        "const a = []; for (;;) a.push(`${a.length}x`.repeat(1e6).toUpperCase());",
        "const a = []; for (;;) a.push(new Uint8Array(1 << 24).fill(1));",
        "const m = new WebAssembly.Memory({ initial: 1 }); for (;;) { m.grow(64); new Uint8Array(m.buffer).fill(1); }",
    ],
)
def test_a_memory_bomb_is_ended_and_the_next_call_works(tmp_path: Path, bomb: str) -> None:
    body = "sys.datastore_insert_bsatn(table('account'), row(1, 1), 16);"
    text = bundle({"go": body + bomb, "fine": body})
    limits = stdb.Limits(time_s=30, memory_bytes=1 << 27)
    with open_bundle(tmp_path, text, limits=limits) as database:
        with pytest.raises(stdb.ModuleError):
            database.call("go")
        assert rows(database) == []
        database.call("fine")
        assert rows(database) == [(1, 1)]


def test_deep_recursion_is_an_exception_like_others(tmp_path: Path) -> None:
    body = "const f = () => f() + 1; check(thrown(f) instanceof RangeError, 'caught');"
    run(tmp_path, body)


def test_ctrl_c_ends_a_looping_reducer(tmp_path: Path) -> None:
    import _thread

    body = "sys.datastore_insert_bsatn(table('account'), row(1, 1), 16);"
    with open_bundle(tmp_path, bundle({"go": body + "for (;;);", "fine": body})) as database:
        timer = threading.Timer(0.3, _thread.interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            database.call("go")
        timer.join()
        assert rows(database) == []
        database.call("fine")
        assert rows(database) == [(1, 1)]
        database.check()


# -- many databases ---------------------------------------------------------------------------------------


def test_databases_do_not_know_each_other(tmp_path: Path) -> None:
    text = bundle({"go": "globalThis.mine = (globalThis.mine ?? 0) + 1; check(mine === 1, mine);"})
    for _ in range(3):
        with open_bundle(tmp_path, text) as database:
            database.call("go")


def test_a_bundle_may_be_called_from_many_threads(tmp_path: Path) -> None:
    body = (
        """sys.datastore_insert_bsatn(table("account"), row(args.getBigUint64(0, true), 0), 16);"""
    )
    text = bundle({"go": body}, parameters=", id: stdb.u64")
    with open_bundle(tmp_path, text) as database:

        def work(start: int) -> None:
            for n in range(50):
                database.call("go", start + n)

        threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(rows(database)) == 200
        database.check()


def test_an_idle_module_uses_no_processor(tmp_path: Path) -> None:
    with open_bundle(tmp_path, bundle({"go": ""})) as database:
        database.call("go")
        time.sleep(0.3)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.02
        database.call("go")


def test_a_closed_database_leaves_no_isolate(tmp_path: Path) -> None:
    from stdb.runtime.js.v8 import _library

    count = _library().c.mr_context_count
    before = count()
    for _ in range(3):
        with open_bundle(tmp_path, bundle({"go": ""})) as database:
            database.call("go")
    assert count() == before


def test_calls_that_wait_for_the_processor_go_by_callback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And go through memory again when that is possible again; results are the same all along."""
    monkeypatch.setattr("stdb.runtime.js.lane.can_run_beside", lambda: True)
    monkeypatch.setattr("stdb.runtime.js.lane._LOOKS_MAX", 0)
    monkeypatch.setattr("stdb.runtime.js.lane._SLOW_S", 0.0)
    body = "sys.datastore_insert_bsatn(table('account'), row(n++, 0), 16);"
    with open_bundle(tmp_path, bundle({"go": body}, head="let n = 0;")) as database:
        lane = database._program.stop.__self__._main._lane
        times = iter([0.005, 0.004, 0.005, 0.001])
        monkeypatch.setattr(lane, "_time_of_nothing", times.__next__)
        for _ in range(100):
            database.call("go")
        assert lane.words[BY_CALLBACK] == 0  # callbacks were tried, and are no better
        monkeypatch.setattr(lane, "_next_probe", 0.0)
        for _ in range(100):
            database.call("go")
        assert lane.words[BY_CALLBACK] == 1
        monkeypatch.setattr(lane, "_callbacks_until", 0.0)
        monkeypatch.setattr("stdb.runtime.js.lane._SLOW_S", 60.0)
        database.call("go")
        assert lane.words[BY_CALLBACK] == 0
        assert len(rows(database)) == 201


# -- loading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("throw new RangeError('at once')", "Uncaught RangeError: at once"),
        ("this is no JavaScript", "SyntaxError"),
        ("export const nothing = 1;", "must export schema as default export"),
        ("export default 5;", "not a Schema object"),
        ("export default {};", "Expected hooks function"),
        ("await new Promise(() => {}); export default {};", "top-level await"),
        ('import { nothing } from "spacetime:sys@2.0"; export default nothing;', "nothing"),
        ('import * as fs from "node:fs"; export default fs;', "node:fs"),
        ('import * as sys from "spacetime:sys@2.9"; export default sys;', "newer version"),
        ('import * as sys from "spacetime:sys@x"; export default sys;', "Invalid version"),
        ('import * as sys from "spacetime:other@2.0"; export default sys;', "spacetime:other"),
        (
            'import { register_hooks } from "spacetime:sys@2.0"; register_hooks({});',
            "register_hooks",
        ),
    ],
)
def test_a_bundle_that_cannot_be_loaded_is_refused_with_the_reason(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(stdb.PublishError, match=re.escape(said)):
        open_bundle(tmp_path, text)


def test_a_bundle_that_never_loads_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stdb.runtime.js.load.Limits", lambda: stdb.Limits(time_s=0.3))
    with pytest.raises(stdb.PublishError, match=r"longer than 0\.3 s"):
        open_bundle(tmp_path, "for (;;); export default 1;")


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ("__describe_module__: 5,", "`__describe_module__`"),
        ("__call_reducer__: undefined,", "`__call_reducer__`"),
        ("__sender_error_class__: null,", "`__sender_error_class__`"),
        ("__describe_module__: () => [1],", "must return a Uint8Array"),
        ("__describe_module__: () => new Uint8Array([9, 9]),", "description of itself"),
        ("__describe_module__: () => { throw new Error('no') },", "Uncaught Error: no"),
    ],
)
def test_hooks_that_are_none_are_refused(tmp_path: Path, hooks: str, said: str) -> None:
    with pytest.raises(stdb.PublishError, match=re.escape(said)):
        open_bundle(tmp_path, bundle({"go": ""}, hooks=hooks))


def test_a_later_call_that_never_ends_is_ended_too(tmp_path: Path) -> None:
    """The loop that takes calls is then in the middle of its work, not at its beginning."""
    text = bundle({"fine": "", "go": "for (;;);"})
    with open_bundle(tmp_path, text, limits=stdb.Limits(time_s=0.3)) as database:
        for _ in range(3):
            database.call("fine")
            with pytest.raises(stdb.ModuleError, match="longer than"):
                database.call("go")
        database.call("fine")


def test_an_idle_loop_takes_each_call_once(tmp_path: Path) -> None:
    """Calls come just when the loop ends for want of them."""
    body = "sys.datastore_insert_bsatn(table('account'), row(n++, 0), 16);"
    with open_bundle(tmp_path, bundle({"go": body}, head="let n = 0;")) as database:
        for count in range(60):
            database.call("go")
            time.sleep(0.0195 + 0.0001 * (count % 15))
        assert len(rows(database)) == 60


@pytest.mark.slow
def test_databases_that_come_and_go_leave_no_memory_behind(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    text = bundle({"go": "globalThis.kept = new Uint8Array(100000).fill(1);"})
    sizes = []
    for _ in range(300):
        with open_bundle(tmp_path, text) as database:
            database.call("go")
        sizes.append(resident())
    assert sizes[-1] - sizes[100] < 8_000_000
