"""``db.reducers``, ``conn.reducers``, ``db.procedures``: what a module declares, as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import unknown_name
from ..module import FunctionDeclaration, signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class _TypeText(str):
    """A type as one writes it in a module, shown without quotes in a signature."""

    __slots__ = ()
    __repr__ = str.__str__


class DeclaredFunction:
    """One function of a module to be called, with its own signature and documentation."""

    def __init__(
        self, declared: FunctionDeclaration, call: Callable[[Any, tuple[Any, ...]], Any]
    ) -> None:
        self._declared = declared
        self._call = call
        self.__name__ = declared.name
        self.__doc__ = declared.function.__doc__ or f"Call the {declared.kind} {declared.name!r}."
        import inspect

        own = list(inspect.signature(declared.function).parameters.values())[1:]
        self.__signature__ = inspect.Signature(
            [
                parameter.replace(annotation=_TypeText(declaration.shape))
                for parameter, declaration in zip(own, declared.parameters, strict=True)
            ]
        )

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run it; arguments by position or by keyword."""
        if named:
            args = self._declared.by_name(args, named)
        return self._call(self._declared, args)

    def __repr__(self) -> str:
        declared = self._declared
        return f"<{declared.kind} {signature(declared.name, declared.parameters)}>"


class DeclaredFunctions:
    """The functions of one kind of a database, by attribute or by name."""

    kind = "function"

    def __init__(
        self,
        declared: Mapping[str, FunctionDeclaration],
        call: Callable[[Any, tuple[Any, ...]], Any],
    ) -> None:
        self._declared = declared
        self._call = call

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        prefix = f"{name}."
        inner = {
            n.removeprefix(prefix): d for n, d in self._declared.items() if n.startswith(prefix)
        }
        return type(self)(inner, self._call) if inner else self[name]

    def __getitem__(self, name: str) -> DeclaredFunction:
        declared = self._declared.get(name)
        if declared is None:
            raise unknown_name(self.kind, name, self._declared)
        return DeclaredFunction(declared, self._call)

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    def __dir__(self) -> list[str]:
        return sorted(self._declared)

    def __repr__(self) -> str:
        shown = (signature(name, declared.parameters) for name, declared in self._declared.items())
        return f"<{self.kind}s {', '.join(shown)}>"


class Reducers(DeclaredFunctions):
    """The reducers of a database."""

    kind = "reducer"


class ProcedureFunctions(DeclaredFunctions):
    """The procedures of a database."""

    kind = "procedure"
