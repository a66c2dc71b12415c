"""Sums as Python values: options, results, and classes of variants.

An option is the value or ``None``; inside another option the outer value is wrapped in `Some`, so
that ``Some(None)`` and ``None`` stay apart. A result is `Ok` or `Err`. Any other sum whose
variants carry something is a class made by `sum_type`; one whose variants carry nothing is an
`enum.Enum`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, dataclass_transform

import msgspec

from ..errors import DefinitionError

T_co = TypeVar("T_co", covariant=True)
C = TypeVar("C")


class Some(msgspec.Struct, Generic[T_co], frozen=True):
    """A present value of an option inside an option: ``Some(None)`` is not ``None``.

    Examples
    --------
    >>> import stdb
    >>> stdb.Some(None).value is None, stdb.Some(None) == None
    (True, False)
    """

    value: T_co


class Ok(msgspec.Struct, Generic[T_co], frozen=True):
    """The good outcome of a result; a column of results is annotated ``Ok[T] | Err[E]``.

    Examples
    --------
    >>> from stdb import Database, Err, Module, Ok, Row
    >>> lab = Module("lab")
    >>> @lab.table()
    ... class Trial(Row):
    ...     outcome: Ok[int] | Err[str]
    >>> with Database(lab).transaction() as tx:
    ...     tx.db[Trial].insert(outcome=Ok(7)).outcome.value
    7
    """

    value: T_co


class Err(msgspec.Struct, Generic[T_co], frozen=True):
    """The bad outcome of a result; a column of results is annotated ``Ok[T] | Err[E]``."""

    value: T_co


@dataclass_transform(frozen_default=True)
class Variant:
    """The base of a variant written as a class in a `sum_type`: an annotated `value`, or nothing.

    Written so, a type checker knows what the variant takes.
    """

    __slots__ = ()


def sum_type(cls: type[C]) -> type[C]:
    """Make a class of variants: each annotated name becomes a class that holds one ``value``.

    A variant annotated with ``None`` carries nothing; it is a value, not a class. Variants are
    numbered in the order of their definition. They are frozen, hashable and subclasses of `cls`.

    Raises
    ------
    DefinitionError
        No variants, more than 256, or a nested variant class with other fields than ``value``.

    Examples
    --------
    >>> import stdb
    >>> @stdb.sum_type
    ... class Figure:
    ...     Circle: stdb.f64
    ...     Empty: None
    >>> Figure.Circle(1.5)
    Figure.Circle(1.5)
    >>> match Figure.Circle(2.0):
    ...     case Figure.Circle(radius): print(radius)
    2.0
    >>> Figure.Empty
    Figure.Empty
    """
    payloads = _payloads(cls)
    if not 1 <= len(payloads) <= 256:
        raise DefinitionError(f"{cls.__name__} has {len(payloads)} variants; it needs 1 to 256")
    kept = {
        name: member
        for name, member in vars(cls).items()
        if name not in payloads and name not in ("__dict__", "__weakref__", "__annotations__")
    }
    base: Any = type(cls.__name__, cls.__bases__, {**kept, "__slots__": ()})
    base.__stdb_variants__ = tuple(payloads.items())
    base.__stdb_variant_classes__ = tuple(
        _variant_class(base, name, tag, carries=payload not in (None, "None", type(None)))
        for tag, (name, payload) in enumerate(payloads.items())
    )
    for variant in base.__stdb_variant_classes__:
        if not variant.__struct_fields__:
            variant.__stdb_unit__ = variant()
        setattr(base, variant.__name__, getattr(variant, "__stdb_unit__", variant))
    return base  # type: ignore[no-any-return]


def _payloads(cls: type[Any]) -> dict[str, object]:
    """Return the variants in order of definition: name -> annotation of the payload."""
    own = vars(cls)
    payloads: dict[str, object] = dict(own.get("__annotations__", {}))
    written = len(payloads)
    for name, member in own.items():
        if not (isinstance(member, type) and issubclass(member, Variant)):
            continue
        fields: dict[str, object] = dict(vars(member).get("__annotations__", {}))
        if set(fields) - {"value"}:
            raise DefinitionError(
                f"{cls.__name__}.{name} may have one field, `value`, not {', '.join(fields)}; "
                "for several, make a frozen dataclass and let `value` hold it"
            )
        payloads[name] = fields.get("value")
    if 0 < written < len(payloads):
        raise DefinitionError(
            f"{cls.__name__} has variants as annotations and as classes, whose order among each "
            "other is not known: write all of them one way"
        )
    return payloads


def _variant_class(base: type[Any], name: str, tag: int, *, carries: bool) -> type[Any]:
    qualname = f"{base.__qualname__}.{name}"

    def __repr__(self: Any) -> str:  # noqa: N807
        shown = f"{base.__name__}.{name}"
        return f"{shown}({self.value!r})" if carries else shown

    def __reduce__(self: Any) -> tuple[Any, ...]:  # noqa: N807
        return (_rebuild, (base, name, self.value)) if carries else (getattr, (base, name))

    namespace: dict[str, Any] = {
        "__module__": base.__module__,
        "__qualname__": qualname,
        "__doc__": f"The variant ``{name}`` of `{base.__name__}`.",
        "__repr__": __repr__,
        "__reduce__": __reduce__,
        "__annotations__": {"value": Any} if carries else {},
    }
    make: Any = type(msgspec.Struct)
    made: Any = make(name, (base, msgspec.Struct), namespace, frozen=True)
    made.__stdb_tag__ = tag
    return made  # type: ignore[no-any-return]


def _rebuild(base: Any, name: str, value: object) -> object:
    return getattr(base, name)(value)


class SumClass:
    """What `sum_type` leaves on a class; a sum class is recognised by it."""

    __stdb_variants__: ClassVar[tuple[tuple[str, object], ...]]
    __stdb_variant_classes__: ClassVar[tuple[type[Any], ...]]
    __stdb_unit__: ClassVar[Any]


def unit_variant(cls: Any) -> Any:
    """Return the one value of the class of a variant that carries nothing."""
    return cls.__stdb_unit__


def is_sum_class(annotation: object) -> bool:
    """Whether `annotation` is a class made by `sum_type`."""
    return isinstance(annotation, type) and "__stdb_variants__" in vars(annotation)
