"""Hypothesis strategies made from what a module declares: rows of a table, arguments of a reducer.

Values are exact: a row that a strategy gives is one that a table takes. Small and ordinary ones
come first, since Hypothesis shrinks towards them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from ..errors import UsageError, shorten, unknown_name
from ..types import shapes as sh
from ..types.exact import NAN
from ..types.sums import Err, Ok, Some
from ..types.values import ScheduleAt
from .modules import find_reducer
from .values import SOME_TIMES, WRAP

if TYPE_CHECKING:
    from .modules import Testable

_TEXT_SIZE_MAX: Final = 20
_ITEMS_MAX: Final = 5


def rows(row_class: type[Any], **columns: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for rows of a table.

    A column that a sequence fills is 0, which asks for the next value of it.

    Parameters
    ----------
    row_class : type
        The class of the rows, as the module decorates it.
    **columns
        A strategy, or a value, for some of the columns.

    Examples
    --------
    >>> import stdb, stdb.testing
    >>> from hypothesis import given
    >>> chat = stdb.Module("chat")
    >>> @chat.table()
    ... class Message(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     text: str
    >>> db = stdb.Database(chat)
    >>> @given(stdb.testing.rows(Message))
    ... def test_messages_are_stored(message):
    ...     with db.transaction() as tx:
    ...         assert tx.db[Message].insert(message).text == message.text
    >>> test_messages_are_stored()
    """
    shape = getattr(row_class, "__stdb_shape__", None)
    if not isinstance(shape, sh.Record):
        raise UsageError(
            f"rows takes the class of a table's rows, with @module.table() above it, not "
            f"{shorten(row_class)}"
        )
    declaration = getattr(row_class, "__stdb_declaration__", None)
    declared = () if declaration is None else declaration.columns
    generated = {column.name for column in declared if column.auto_inc}
    known = {field.attribute: field.shape for field in shape.fields}
    for name in columns:
        if name not in known:
            raise unknown_name("column", name, known, f" in {row_class.__name__}")
    chosen = {
        name: _as_strategy(columns[name])
        if name in columns
        else st.just(0)
        if name in generated
        else values_of(column)
        for name, column in known.items()
    }
    return st.fixed_dictionaries(chosen).map(lambda made: row_class(**made))


def arguments(
    reducer: str, module: Testable | None = None, **parameters: Any
) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return a strategy for the arguments of a reducer, as a tuple to be passed on.

    Parameters
    ----------
    reducer : str
        Its name.
    module : Module, Database or path, optional
        Where it is; it may be left out while only one module has a reducer of that name.
    **parameters
        A strategy, or a value, for some of the parameters.

    Examples
    --------
    >>> import stdb, stdb.testing
    >>> from hypothesis import given
    >>> shop = stdb.Module("shop")
    >>> @shop.reducer
    ... def order_pizza(ctx: stdb.ReducerContext, size: stdb.u8, note: str) -> None:
    ...     if size > 50:
    ...         raise stdb.ReducerError("too large")
    >>> db = stdb.Database(shop)
    >>> @given(stdb.testing.arguments("order_pizza", shop))
    ... def test_large_pizzas_are_refused(args):
    ...     [error] = db.call_many("order_pizza", [args])
    ...     assert (error is not None) == (args[0] > 50)
    >>> test_large_pizzas_are_refused()
    """
    declared = find_reducer(reducer, module)
    known = [parameter.name for parameter in declared.parameters]
    for name in parameters:
        if name not in known:
            raise unknown_name("parameter", name, known, f" of reducer {reducer!r}")
    return st.tuples(
        *(
            _as_strategy(parameters[parameter.name])
            if parameter.name in parameters
            else values_of(parameter.shape)
            for parameter in declared.parameters
        )
    )


def _as_strategy(given: Any) -> st.SearchStrategy[Any]:
    return given if isinstance(given, st.SearchStrategy) else st.just(given)


@cache
def values_of(shape: sh.Shape) -> st.SearchStrategy[Any]:
    """Return a strategy for exact values of a shape."""
    match shape:
        case sh.Bool():
            return st.booleans()
        case sh.Int(low=low, high=high):
            return st.integers(max(low, -100), min(high, 100)) | st.integers(low, high)
        case sh.Float(bits=bits):
            return st.floats(width=32 if bits == 32 else 64).map(lambda x: x if x == x else NAN)
        case sh.Text():
            return st.text(max_size=_TEXT_SIZE_MAX)
        case sh.Blob():
            return st.binary(max_size=_TEXT_SIZE_MAX)
        case sh.Unit():
            return st.none()
        case sh.Wrapped():
            return _wrapped(shape)
        case sh.Schedule():
            return (values_of(sh.TIME_DURATION) | values_of(sh.TIMESTAMP)).map(ScheduleAt)
        case sh.Sequence(element=element):
            inner = st.deferred(lambda: values_of(element))
            return st.lists(inner, max_size=_ITEMS_MAX).map(tuple)
        case sh.Option(some=some, wraps=wraps):
            present = st.deferred(lambda: values_of(some))
            return st.none() | (present.map(Some) if wraps else present)
        case sh.Result(ok=ok, err=err):
            return st.deferred(lambda: values_of(ok)).map(Ok) | st.deferred(
                lambda: values_of(err)
            ).map(Err)
        case sh.Record(cls=cls, fields=fields):
            parts = {f.attribute: values_of(f.shape) for f in fields}
            return st.fixed_dictionaries(parts).map(lambda made: cls(**made))
        case sh.PlainEnum(members=members):
            return st.sampled_from(members)
        case sh.Tagged():
            return st.one_of([_variant(shape, tag) for tag in range(len(shape.variants))])
    raise TypeError(f"no values of {shape!r}")


def _wrapped(shape: sh.Wrapped) -> st.SearchStrategy[Any]:
    whole = sh.INTS[shape.bits, shape.signed]
    numbers = st.integers(whole.low, whole.high)
    if shape is sh.TIMESTAMP:
        numbers = st.integers(*SOME_TIMES) | numbers
    elif shape is sh.TIME_DURATION:
        numbers = st.integers(0, 3_600_000_000) | numbers
    elif shape is sh.UUID:
        return st.uuids()
    return numbers.map(WRAP[shape.cls])


def _variant(shape: sh.Tagged, tag: int) -> st.SearchStrategy[Any]:
    name, payload = shape.variants[tag]
    if isinstance(payload, sh.Unit):
        return st.just(getattr(shape.cls, str(name)))
    cls = shape.classes[tag]
    return st.deferred(lambda: values_of(payload)).map(cls)
