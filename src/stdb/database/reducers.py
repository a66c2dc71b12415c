"""``db.reducers`` and ``conn.reducers``: reducers as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import unknown_name
from ..module import ReducerDeclaration, signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _TypeText(str):
    """A type as one writes it in a module, shown without quotes in a signature."""

    __slots__ = ()
    __repr__ = str.__str__


class ReducerFunction:
    """One reducer to be called, with its own signature and documentation."""

    def __init__(
        self,
        declared: ReducerDeclaration,
        call: Callable[[ReducerDeclaration, tuple[Any, ...]], None],
    ) -> None:
        self._declared = declared
        self._call = call
        self.__name__ = declared.name
        self.__doc__ = declared.function.__doc__ or f"Call the reducer {declared.name!r}."
        import inspect

        own = list(inspect.signature(declared.function).parameters.values())[1:]
        self.__signature__ = inspect.Signature(
            [
                parameter.replace(annotation=_TypeText(declaration.shape))
                for parameter, declaration in zip(own, declared.parameters, strict=True)
            ]
        )

    def __call__(self, *args: Any, **named: Any) -> None:
        """Run the reducer in a transaction; arguments by position or by keyword."""
        if named:
            args = self._declared.by_name(args, named)
        self._call(self._declared, args)

    def __repr__(self) -> str:
        return f"<reducer {signature(self._declared.name, self._declared.parameters)}>"


class Reducers:
    """The reducers of a database by attribute or by name."""

    def __init__(
        self,
        declared: dict[str, ReducerDeclaration],
        call: Callable[[ReducerDeclaration, tuple[Any, ...]], None],
    ) -> None:
        self._declared = declared
        self._call = call

    def __getattr__(self, name: str) -> ReducerFunction:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> ReducerFunction:
        declared = self._declared.get(name)
        if declared is None:
            raise unknown_name("reducer", name, self._declared)
        return ReducerFunction(declared, self._call)

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    def __dir__(self) -> list[str]:
        return sorted(self._declared)

    def __repr__(self) -> str:
        shown = (signature(name, declared.parameters) for name, declared in self._declared.items())
        return f"<reducers {', '.join(shown)}>"
