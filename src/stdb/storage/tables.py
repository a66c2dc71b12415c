"""All tables of a database as a reducer sees them, and those of one namespace.

``ctx.db.message``, ``ctx.db["message"]`` and ``ctx.db[Message]`` are the same handle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .handles import TableHandle

R = TypeVar("R")


class Tables:
    """The tables of a database: by attribute, by name, or (typed) by the class of their rows."""

    def __init__(
        self, handles: dict[str, TableHandle[Any]], by_class: dict[type, list[str]]
    ) -> None:
        self.__dict__["_handles"] = handles
        self.__dict__["_by_class"] = by_class
        self.__dict__["_namespaces"] = {}

    if TYPE_CHECKING:
        _handles: dict[str, TableHandle[Any]]
        _by_class: dict[type, list[str]]
        _namespaces: dict[str, Namespace]

    @overload
    def __getitem__(self, key: str) -> TableHandle[Any]: ...
    @overload
    def __getitem__(self, key: type[R]) -> TableHandle[R]: ...
    def __getitem__(self, key: Any) -> TableHandle[Any]:
        if isinstance(key, str):
            if key in self._handles:
                return self._handles[key]
            raise unknown_name("table", key, self._user_tables())
        names = self._by_class.get(key, [])
        if len(names) == 1:
            return self._handles[names[0]]
        if names:
            raise UsageError(f"several tables have rows of {key.__name__}: {', '.join(names)}")
        known = {cls.__name__ for cls in self._by_class}
        shown = getattr(key, "__name__", repr(key))
        if shown in known:
            raise UsageError(
                f"this {shown} is not the class that the database knows: it was declared again "
                "since; publish the new module, or use the class it was published with"
            )
        raise unknown_name("table with rows of", shown, known)

    def __getattr__(self, name: str) -> TableHandle[Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        if any(each.startswith(f"{name}.") for each in self._handles):
            # To checkers, who know no names of tables, every attribute is a table.
            return self._namespace(name)  # type: ignore[return-value]
        raise unknown_name("table", name, self._user_tables())

    def _namespace(self, name: str) -> Namespace:
        """Return the tables of an included module, also of one inside it: ``"auth.keys"``."""
        found = self._namespaces.get(name)
        if found is None:
            found = self._namespaces[name] = Namespace(self, f"{name}.")
        return found

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"tables are not assigned to: {name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._user_tables())

    def __contains__(self, name: object) -> bool:
        return name in self._handles or name in self._by_class

    def __len__(self) -> int:
        return len(self._user_tables())

    def _user_tables(self) -> list[str]:
        return [name for name in self._handles if not name.startswith("st_")]

    def __dir__(self) -> list[str]:
        return sorted(self._handles)

    def __repr__(self) -> str:
        return f"<tables {', '.join(self._user_tables())}>"


class Namespace(Tables):
    """The tables of an included module, under the names that it gives them itself.

    It looks at the tables of the whole anew each time, so it is good whatever is published.
    """

    def __init__(self, whole: Tables, prefix: str) -> None:
        super().__init__(whole._handles, whole._by_class)
        self.__dict__["_prefix"] = prefix

    if TYPE_CHECKING:
        _prefix: str

    @overload
    def __getitem__(self, key: str) -> TableHandle[Any]: ...
    @overload
    def __getitem__(self, key: type[R]) -> TableHandle[R]: ...
    def __getitem__(self, key: Any) -> TableHandle[Any]:
        prefix = self._prefix
        if isinstance(key, str):
            handle = self._handles.get(prefix + key)
            if handle is None:
                raise unknown_name("table", key, self._user_tables(), self._where())
            return handle
        names = [name for name in self._by_class.get(key, ()) if name.startswith(prefix)]
        if len(names) == 1:
            return self._handles[names[0]]
        shown = getattr(key, "__name__", repr(key))
        if names:
            raise UsageError(f"several tables have rows of {shown}: {', '.join(names)}")
        known = {
            cls.__name__
            for cls, tables in self._by_class.items()
            if any(name.startswith(prefix) for name in tables)
        }
        raise unknown_name("table with rows of", shown, known, self._where())

    def __getattr__(self, name: str) -> TableHandle[Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        handle = self._handles.get(self._prefix + name)
        if handle is not None:
            return handle
        if any(each.startswith(f"{self._prefix}{name}.") for each in self._handles):
            return self._namespace(name)  # type: ignore[return-value]
        raise unknown_name("table", name, self._user_tables(), self._where())

    def _namespace(self, name: str) -> Namespace:
        """Return the tables of a module that this one includes."""
        found = self._namespaces.get(name)
        if found is None:
            found = self._namespaces[name] = Namespace(self, f"{self._prefix}{name}.")
        return found

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            return self._prefix + name in self._handles
        held: Any = self._by_class
        return any(each.startswith(self._prefix) for each in held.get(name, ()))

    def _user_tables(self) -> list[str]:
        prefix = self._prefix
        return [name[len(prefix) :] for name in self._handles if name.startswith(prefix)]

    def _where(self) -> str:
        return f" in namespace {self._prefix.removesuffix('.')!r}"

    def __dir__(self) -> list[str]:
        return sorted(self._user_tables())


def adopt(tables: Tables, name: str, handle: TableHandle[Any]) -> None:
    """Make a new table's handle an attribute of `tables`, which has no public name of its own."""
    if not hasattr(Tables, name):
        tables.__dict__.setdefault(name, handle)


def disown(tables: Tables, name: str, handle: TableHandle[Any]) -> None:
    """Undo what `adopt` did: the table has gone."""
    if tables.__dict__.get(name) is handle:
        del tables.__dict__[name]


__all__ = ["Namespace", "Tables", "adopt", "disown"]
