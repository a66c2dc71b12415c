"""Results as data frames: pandas, Polars, Arrow. Each library is imported when it is asked for.

What a column becomes follows from its shape alone, so a result without rows has the same types as
one with a million. Where a library has no such type, the exact text stands in: for an integer of
256 bits in Arrow and Polars (of 128 bits inside a list or product), and everywhere for identities,
which nobody adds up.

=====================  ==========================  ========================  ===================
shape                  pandas                      Polars                    Arrow
=====================  ==========================  ========================  ===================
bool                   bool                        Boolean                   bool
i8 to u64              int8 to uint64              Int8 to UInt64            int8 to uint64
i128, u128             object (int)                Int128, UInt128           decimal256(39, 0)
i256, u256             object (int)                String                    string
f32, f64               float32, float64            Float32, Float64          float, double
str                    str                         String                    string
bytes                  object (bytes)              Binary                    binary
Identity and others    str                         String                    string
Timestamp              datetime64[us, UTC]         Datetime(us, UTC)         timestamp[us, UTC]
TimeDuration           timedelta64[us]             Duration(us)              duration[us]
enum                   category                    Enum                      dictionary<string>
list                   object (list)               List                      list
product                object (dict)               Struct                    struct
other sums             object (the value)          Struct                    struct
option                 nullable                    nullable                  nullable
=====================  ==========================  ========================  ===================

A struct for a sum has the field ``variant`` and one for each variant that carries something; all
of these but one are null. A present option inside an option is a struct with the field ``value``.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError
from ..types import shapes as sh
from ..types.sums import Ok

if TYPE_CHECKING:
    from collections.abc import Callable

Columns = tuple[tuple[str, sh.Shape], ...]

#: Parts of a value inside each other, beyond which a type has no end (a tree of its own kind).
_DEPTH_MAX: Final = 32
#: Integers wider than this have no type in Arrow and Polars.
_NUMBER_BITS_MAX: Final = 128


def _library(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(
            f'{name} is not installed; pip install "stdb[{extra}]" brings it', name=name
        ) from None


def _is_text(shape: sh.Shape, depth: int) -> bool:
    """Whether Arrow and Polars get its values as ``str(value)``."""
    if isinstance(shape, sh.Wrapped):
        return not _is_time(shape)
    # Polars refuses some integers of 128 bits inside lists and structs.
    bits_max = 64 if depth else _NUMBER_BITS_MAX
    return isinstance(shape, sh.Int) and shape.bits > bits_max


def _is_time(shape: sh.Shape) -> bool:
    return isinstance(shape, sh.Wrapped) and shape.attribute == "micros"


def _is_moment(shape: sh.Wrapped) -> bool:
    return shape.cls is sh.TIMESTAMP.cls


# -------------------------------------------------------------------------------- what sums become


def variants_of(shape: sh.Shape) -> list[tuple[str, sh.Shape]]:
    """Return the variants of a sum that becomes a struct, with what they carry."""
    match shape:
        case sh.Schedule():
            return [("interval", sh.TIME_DURATION), ("time", sh.TIMESTAMP)]
        case sh.Result(ok=ok, err=err):
            return [("ok", ok), ("err", err)]
        case sh.Tagged(variants=variants, classes=classes):
            names = [cls.__name__ for cls in classes]
            return [(n, inner) for n, (_, inner) in zip(names, variants, strict=True)]
    return []


def variant_field(variants: list[tuple[str, sh.Shape]]) -> str:
    """Return the name of the field that says which variant it is."""
    name = "variant"
    while any(variant == name for variant, _ in variants):
        name += "_"
    return name


def _open(shape: sh.Shape, value: Any) -> tuple[int, Any]:
    """Return the tag of a value of such a sum, and what it carries."""
    match shape:
        case sh.Schedule():
            return (0 if value.time is None else 1), value.moment
        case sh.Result():
            return (0 if value.__class__ is Ok else 1), value.value
    tag: int = value.__stdb_tag__
    return tag, getattr(value, "value", None)


# ------------------------------------------------------------------------------------ plain values


def _plain(shape: sh.Shape, depth: int = 0) -> Callable[[Any], Any] | None:
    """Return the function that gives a value as Arrow and Polars take it; None to leave it be."""
    match shape:
        case _ if _is_text(shape, depth):
            return str
        case sh.Wrapped():
            return lambda value: value.micros
        case sh.PlainEnum():
            return lambda value: value.name
        case sh.Option(some=some):
            inner = _plain(some, depth + shape.wraps)
            if shape.wraps:
                return lambda v: None if v is None else {"value": _apply(inner, v.value)}
            if inner is None:
                return None
            return partial(_plain_option, inner)
        case sh.Sequence(element=element):
            inner = _plain(element, depth + 1)
            return list if inner is None else partial(_plain_list, inner)
        case sh.Record(fields=fields):
            parts = [(f.attribute, _plain(f.shape, depth + 1)) for f in fields]
            return lambda value: {n: _apply(part, getattr(value, n)) for n, part in parts}
        case sh.Schedule() | sh.Result() | sh.Tagged():
            return _plain_sum(shape)
    return None


def _plain_sum(shape: sh.Shape) -> Callable[[Any], dict[str, Any]]:
    variants = variants_of(shape)
    field = variant_field(variants)
    parts = [_plain(inner, 1) for _, inner in variants]
    empty = {name: None for name, inner in variants if not isinstance(inner, sh.Unit)}

    def plain(value: Any) -> dict[str, Any]:
        tag, payload = _open(shape, value)
        name = variants[tag][0]
        fields = {field: name, **empty}
        if name in empty:
            fields[name] = _apply(parts[tag], payload)
        return fields

    return plain


def _plain_list(function: Callable[[Any], Any], values: Any) -> list[Any]:
    return list(map(function, values))


def _plain_option(function: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else function(value)


def _apply(function: Callable[[Any], Any] | None, value: Any) -> Any:
    return value if function is None else function(value)


def _plain_column(shape: sh.Shape, values: list[Any]) -> list[Any]:
    function = _plain(shape)
    return values if function is None else list(map(function, values))


def _refuse_endless(name: str, shape: sh.Shape, depth: int = 0) -> None:
    """Refuse a type that contains itself: a column of a frame has a type with an end."""
    if depth > _DEPTH_MAX:
        raise UsageError(
            f"column {name!r} has no place in a data frame: its type contains itself, or is more "
            f"than {_DEPTH_MAX} levels deep"
        )
    for inner in _inner_shapes(shape):
        _refuse_endless(name, inner, depth + 1)


def _inner_shapes(shape: sh.Shape) -> list[sh.Shape]:
    match shape:
        case sh.Option(some=some):
            return [some]
        case sh.Sequence(element=element):
            return [element]
        case sh.Record(fields=fields):
            return [field.shape for field in fields]
    return [inner for _, inner in variants_of(shape)]


# ------------------------------------------------------------------------------------------- Arrow


def to_arrow(columns: Columns, values: list[list[Any]]) -> Any:
    """Return a `pyarrow.Table` of columns of values."""
    pa = _library("pyarrow", "arrow")
    fields, arrays = [], []
    for (name, shape), column in zip(columns, values, strict=True):
        _refuse_endless(name, shape)
        array = _arrow_array(pa, shape, _plain_column(shape, column))
        arrays.append(array)
        nullable = isinstance(shape, sh.Option | sh.Unit)
        fields.append(pa.field(name, array.type, nullable=nullable))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _arrow_array(pa: Any, shape: sh.Shape, values: list[Any]) -> Any:
    some = shape.some if isinstance(shape, sh.Option) and not shape.wraps else shape
    if not isinstance(some, sh.PlainEnum):
        return pa.array(values, _arrow_type(pa, shape))
    # All names are in the dictionary, those that no row has too.
    names = [member.name for member in some.members]
    codes = {name: code for code, name in enumerate(names)}
    indices = pa.array([codes.get(value) for value in values], pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def _arrow_type(pa: Any, shape: sh.Shape, depth: int = 0) -> Any:
    def inside(inner: sh.Shape) -> Any:
        return _arrow_type(pa, inner, depth + 1)

    match shape:
        case sh.Bool():
            return pa.bool_()
        case sh.Float(bits=bits):
            return pa.float32() if bits == 32 else pa.float64()
        case sh.Text():
            return pa.string()
        case sh.Blob():
            return pa.binary()
        case _ if _is_text(shape, depth):
            return pa.string()
        case sh.Int(bits=128):
            return pa.decimal256(39, 0)
        case sh.Int(bits=bits, signed=signed):
            return getattr(pa, f"{'' if signed else 'u'}int{bits}")()
        case sh.Wrapped():
            return pa.timestamp("us", tz="UTC") if _is_moment(shape) else pa.duration("us")
        case sh.PlainEnum():
            # Inside other values: Arrow cannot fill a dictionary there when all are null.
            return pa.string()
        case sh.Option(some=some):
            if not shape.wraps:
                return _arrow_type(pa, some, depth)
            return pa.struct([pa.field("value", inside(some))])
        case sh.Sequence(element=element):
            return pa.list_(inside(element))
        case sh.Record(fields=fields):
            return pa.struct([pa.field(f.attribute, inside(f.shape)) for f in fields])
        case sh.Schedule() | sh.Result() | sh.Tagged():
            variants = variants_of(shape)
            parts = [pa.field(variant_field(variants), pa.string())]
            parts += [
                pa.field(name, inside(inner))
                for name, inner in variants
                if not isinstance(inner, sh.Unit)
            ]
            return pa.struct(parts)
    return pa.null()


# ------------------------------------------------------------------------------------------ Polars


def to_polars(columns: Columns, values: list[list[Any]]) -> Any:
    """Return a `polars.DataFrame` of columns of values."""
    pl = _library("polars", "polars")
    series = []
    for (name, shape), column in zip(columns, values, strict=True):
        _refuse_endless(name, shape)
        plain = _plain_column(shape, column)
        series.append(pl.Series(name, plain, dtype=_polars_type(pl, shape)))
    return pl.DataFrame(series)


def _polars_type(pl: Any, shape: sh.Shape, depth: int = 0) -> Any:
    def inside(inner: sh.Shape) -> Any:
        return _polars_type(pl, inner, depth + 1)

    match shape:
        case sh.Bool():
            return pl.Boolean
        case sh.Float(bits=bits):
            return pl.Float32 if bits == 32 else pl.Float64
        case sh.Text():
            return pl.String
        case sh.Blob():
            return pl.Binary
        case _ if _is_text(shape, depth):
            return pl.String
        case sh.Int(bits=bits, signed=signed):
            return getattr(pl, f"{'' if signed else 'U'}Int{bits}")
        case sh.Wrapped():
            return pl.Datetime("us", "UTC") if _is_moment(shape) else pl.Duration("us")
        case sh.PlainEnum(members=members):
            return pl.Enum([member.name for member in members])
        case sh.Option(some=some):
            if not shape.wraps:
                return _polars_type(pl, some, depth)
            return pl.Struct({"value": inside(some)})
        case sh.Sequence(element=element):
            return pl.List(inside(element))
        case sh.Record(fields=fields):
            return pl.Struct({f.attribute: inside(f.shape) for f in fields})
        case sh.Schedule() | sh.Result() | sh.Tagged():
            variants = variants_of(shape)
            parts = {variant_field(variants): pl.String}
            for name, inner in variants:
                if not isinstance(inner, sh.Unit):
                    parts[name] = inside(inner)
            return pl.Struct(parts)
    return pl.Null


# ------------------------------------------------------------------------------------------ pandas


def to_pandas(columns: Columns, values: list[list[Any]]) -> Any:
    """Return a `pandas.DataFrame` of columns of values."""
    pd = _library("pandas", "pandas")
    np = _library("numpy", "pandas")
    made = [
        pd.Series(_pandas_array(pd, np, shape, column))
        for (_, shape), column in zip(columns, values, strict=True)
    ]
    names = [name for name, _ in columns]
    frame = pd.concat(made, axis=1, keys=range(len(made))) if made else pd.DataFrame()
    frame.columns = pd.Index(names, dtype=object) if not names else pd.Index(names)
    return frame


def _pandas_array(pd: Any, np: Any, shape: sh.Shape, values: list[Any]) -> Any:
    optional = isinstance(shape, sh.Option) and not shape.wraps
    some = shape.some if isinstance(shape, sh.Option) and optional else shape
    match some:
        case sh.Bool() | sh.Float() | sh.Int() if not _is_wide(some):
            dtype = "bool" if isinstance(some, sh.Bool) else _numpy_name(some)
            if not optional:
                return np.array(values, dtype)
            missing = np.array([value is None for value in values], "bool")
            filled = np.array([0 if value is None else value for value in values], dtype)
            # Made so, a NaN stays a number and None is what is missing.
            return _nullable_class(pd, some)(filled, missing)
        case sh.Text():
            return pd.array(values, dtype="string" if optional else "str")
        case sh.Wrapped() if _is_time(some):
            return _pandas_times(pd, np, some, values)
        case sh.Wrapped():
            texts = [None if value is None else str(value) for value in values]
            return pd.array(texts, dtype="string" if optional else "str")
        case sh.PlainEnum(members=members):
            names = [None if value is None else value.name for value in values]
            return pd.Categorical(names, categories=[member.name for member in members])
    array = np.empty(len(values), dtype=object)
    array[:] = [_pandas_object(shape, value) for value in values]
    return array


def _is_wide(shape: sh.Shape) -> bool:
    return isinstance(shape, sh.Int) and shape.bits > 64


def _numpy_name(shape: sh.Int | sh.Float) -> str:
    if isinstance(shape, sh.Float):
        return f"float{shape.bits}"
    return f"{'' if shape.signed else 'u'}int{shape.bits}"


def _nullable_class(pd: Any, shape: sh.Shape) -> Any:
    if isinstance(shape, sh.Bool):
        return pd.arrays.BooleanArray
    return pd.arrays.IntegerArray if isinstance(shape, sh.Int) else pd.arrays.FloatingArray


def _pandas_times(pd: Any, np: Any, shape: sh.Wrapped, values: list[Any]) -> Any:
    kind = "datetime64[us]" if _is_moment(shape) else "timedelta64[us]"
    missing = np.datetime64("NaT", "us").view("int64")
    micros = [missing if value is None else value.micros for value in values]
    series = pd.Series(np.array(micros, "int64").view(kind))
    return series.dt.tz_localize("UTC") if _is_moment(shape) else series


def _pandas_object(shape: sh.Shape, value: Any) -> Any:
    """Return what an object column holds: lists and dicts for lists and products."""
    match shape:
        case sh.Option(some=some) if value is not None and not shape.wraps:
            return _pandas_object(some, value)
        case sh.Sequence(element=element):
            return [_pandas_object(element, item) for item in value]
        case sh.Record(fields=fields):
            return {
                f.attribute: _pandas_object(f.shape, getattr(value, f.attribute)) for f in fields
            }
    return value


__all__ = ["to_arrow", "to_pandas", "to_polars"]
