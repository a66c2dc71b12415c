"""`Module`: what an author writes. Tables, reducers, lifecycle reducers, procedures.

A module collects declarations. `Module.freeze` turns what is there into a `Program`: the raw
definition, validated like that of any compiled module, with the Python functions beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, overload
from weakref import WeakSet

import msgspec

from ..errors import DefinitionError, shorten
from ..types.annotations import Scope
from .functions import FunctionDeclaration, ReducerDeclaration, declare_reducer
from .outside import Outside
from .program import PYTHON, Program
from .rows import TableDeclaration, declare_indexes, declare_row
from .visibility import Visibility, caller

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..schema import ModuleDef
    from ..schema.raw_v10 import RawModuleDefV10
    from .file_module import FileModule
    from .procedures import ProcedureDeclaration
    from .views import ViewDeclaration

C = TypeVar("C")
F = TypeVar("F", bound="Callable[..., Any]")
D = TypeVar("D", bound="FunctionDeclaration | ViewDeclaration")
_Lifecycle = Literal["init", "client_connected", "client_disconnected"]


class Module(Visibility, Outside):
    """The tables and functions of an application, to be run by a `Database`.

    Parameters
    ----------
    name : str
        The default name of databases that run it.

    Examples
    --------
    >>> import stdb
    >>> chat = stdb.Module("chat")
    >>> @chat.table(public=True)
    ... class Message(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     text: str
    >>> @chat.reducer
    ... def send(ctx: stdb.ReducerContext, text: str) -> None:
    ...     ctx.db.message.insert(text=text)
    >>> chat
    <Module 'chat', 1 table, 1 reducer>
    """

    _made: ClassVar[WeakSet[Module]] = WeakSet()

    def __init__(self, name: str) -> None:
        if name.__class__ is not str or not name:
            raise DefinitionError(f"a module's name is a non-empty str, not {name!r}")
        self.name = name
        #: The archive of its source, when it came from a file (see `archive`); else empty.
        self.archive = b""
        Module._made.add(self)
        self._tables: dict[str, TableDeclaration] = {}
        self._reducers: dict[str, ReducerDeclaration] = {}
        #: Functions whose row class is not there yet -> its name, and what declares them.
        self._waiting: dict[Any, tuple[str, Scope, Callable[[], None]]] = {}
        self._set_up_visibility()
        self._set_up_outside()
        self._included: dict[str, Module] = {}

    @staticmethod
    def from_file(path: str | os.PathLike[str]) -> Module | FileModule:
        """Read a module: a compiled one, ``game.wasm``, or the source of one in Python.

        A Python module that comes from a file is stored with the databases that run it.

        Parameters
        ----------
        path : str or Path
            Its file; the suffix says what it is. For Python ``shop.py``, a package or a directory
            with a ``module.py``; where that makes several modules, ``shop.py:orders`` says which.

        Raises
        ------
        PublishError
            It cannot be read, needs what is not there, or is no such module.
        DefinitionError
            What it describes itself to be is not valid; ``reasons`` lists everything.
        UsageError
            A file of another kind.

        Examples
        --------
        >>> import pathlib, stdb, tempfile
        >>> source = "import stdb; shop = stdb.Module('shop')"
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     file = pathlib.Path(directory, "shop.py")
        ...     _ = file.write_text(source)
        ...     stdb.Module.from_file(file)
        <Module 'shop', 0 tables, 0 reducers>
        """
        from .source import from_file  # only who has a file needs it

        return from_file(path)

    @staticmethod
    def all() -> list[Module]:
        """Return the modules that there are in this process, by their names."""
        return sorted(Module._made, key=lambda module: module.name)

    def __repr__(self) -> str:
        tables, reducers = len(self._tables), len(self._reducers)
        return (
            f"<Module {self.name!r}, {tables} table{'s' * (tables != 1)}, "
            f"{reducers} reducer{'s' * (reducers != 1)}>"
        )

    # -- tables --------------------------------------------------------------------------------

    def table(
        self,
        name: str | None = None,
        *,
        public: bool = False,
        event: bool = False,
        scheduled: Callable[..., Any] | str | None = None,
        indexes: Iterable[object] = (),
    ) -> Callable[[type[C]], type[C]]:
        """Declare a table; the decorated class becomes the class of its rows.

        Parameters
        ----------
        name : str, optional
            The table's name; the class name in snake_case when not given.
        public : bool
            Whether every client may read it.
        event : bool
            Whether its rows live for one transaction only, to tell subscribers something.
        scheduled : callable or str, optional
            The reducer or procedure that each row calls, with the row, when its time has come.
            The row has a column of type `ScheduleAt` and a primary key of type ``u64``.
        indexes : iterable of index and unique, optional
            Indexes of this table beside those of the class, named after their columns:
            ``indexes=[index("player", "level")]`` is ``ctx.db.score.player_level``.

        Raises
        ------
        DefinitionError
            A column that cannot be.

        Examples
        --------
        >>> import stdb
        >>> game = stdb.Module("game")
        >>> @game.table(public=True)
        ... class PlayerScore(stdb.Row):
        ...     player: stdb.u64 = stdb.primary_key()
        ...     score: stdb.i32 = 0
        >>> stdb.Database(game).tables.player_score
        <table 'player_score' (player: u64, score: i32), 0 rows>
        """
        if name is not None and not isinstance(name, str):
            raise DefinitionError(
                f"write @{self.name}.table() with parentheses above the class; a name is a str, "
                f"not {name!r}"
            )
        scope = Scope(caller())

        def declare(cls: type[C]) -> type[C]:
            from ..schema.names import snake_case

            if not isinstance(cls, type):
                raise DefinitionError(
                    f"@{self.name}.table() stands above a class, not {shorten(cls)}"
                )
            row = declare_row(cls, scope)
            table_name = name or snake_case(cls.__name__)
            if scheduled is not None:
                from .scheduling import check_scheduled

                check_scheduled(scheduled, row, table_name, self.name)
            declaration = TableDeclaration(
                table_name,
                row,
                public,
                event,
                f"{cls.__module__}.{cls.__qualname__}",
                scheduled,
                declare_indexes(indexes, row, f"table {table_name!r}"),
            )
            before = self._tables.get(table_name)
            if before is not None and before.place != declaration.place:
                raise DefinitionError(
                    f"module {self.name!r} has a table {table_name!r} already, of {before.place}; "
                    f"give that of {declaration.place} another name: @{self.name}.table('…')"
                )
            self._tables[table_name] = declaration
            if table_name not in row.cls.__stdb_tables__:
                row.cls.__stdb_tables__.append(table_name)
            self._declare_waiting(row.cls)
            return row.cls

        return declare

    # -- reducers ------------------------------------------------------------------------------

    @overload
    def reducer(self, function: F, /) -> F: ...
    @overload
    def reducer(self, /, *, name: str | None = None, public: bool = True) -> Callable[[F], F]: ...
    def reducer(
        self, function: Any = None, /, *, name: str | None = None, public: bool = True
    ) -> Any:
        """Declare a reducer: a function that changes the tables, all of it or nothing.

        Parameters
        ----------
        function : callable
            ``(ctx: ReducerContext, …annotated parameters) -> None``. Stays callable as it is:
            a reducer that calls another one passes its context on.
        name : str, optional
            The function's own name when not given.
        public : bool
            Whether clients may call it; otherwise only the owner.

        Examples
        --------
        >>> import stdb
        >>> bank = stdb.Module("bank")
        >>> @bank.reducer
        ... def deposit(ctx: stdb.ReducerContext, amount: stdb.u64) -> None:
        ...     if amount == 0:
        ...         raise stdb.ReducerError("nothing to deposit")
        """
        scope = Scope(caller())

        def declare(function: F) -> F:
            def add() -> None:
                self._add(declare_reducer(function, scope, name=name, public=public))

            self._declare(function, scope, add)
            return function

        return declare if function is None else declare(function)

    @overload
    def init(self, function: F, /) -> F: ...
    @overload
    def init(self, /) -> Callable[[F], F]: ...
    def init(self, function: Any = None, /) -> Any:
        """Declare the reducer that runs once, when the database is made; the owner is the sender.

        When it fails there is no database.

        Examples
        --------
        >>> import stdb
        >>> club = stdb.Module("club")
        >>> @club.table()
        ... class Guest(stdb.Row):
        ...     identity: stdb.Identity = stdb.primary_key()
        >>> @club.init
        ... def open_doors(ctx: stdb.ReducerContext) -> None:
        ...     ctx.db[Guest].insert(identity=ctx.sender)
        >>> len(stdb.Database(club).tables.guest)
        1
        """
        return self._lifecycle("init", function, Scope(caller()))

    @overload
    def client_connected(self, function: F, /) -> F: ...
    @overload
    def client_connected(self, /) -> Callable[[F], F]: ...
    def client_connected(self, function: Any = None, /) -> Any:
        """Declare the reducer that runs when a client connects; a failure refuses the client.

        Examples
        --------
        >>> import stdb
        >>> club = stdb.Module("club")
        >>> @club.table()
        ... class Guest(stdb.Row):
        ...     identity: stdb.Identity = stdb.primary_key()
        >>> @club.client_connected
        ... def welcome(ctx: stdb.ReducerContext) -> None:
        ...     if len(ctx.db[Guest]) == 1:
        ...         raise stdb.ReducerError("we are full")
        ...     ctx.db[Guest].insert(identity=ctx.sender)
        >>> db = stdb.Database(club)
        >>> first = db.connect()
        >>> db.connect()
        Traceback (most recent call last):
        stdb.ReducerError: we are full
        """
        return self._lifecycle("client_connected", function, Scope(caller()))

    @overload
    def client_disconnected(self, function: F, /) -> F: ...
    @overload
    def client_disconnected(self, /) -> Callable[[F], F]: ...
    def client_disconnected(self, function: Any = None, /) -> Any:
        """Declare the reducer that runs when a client has gone; it cannot keep it.

        Examples
        --------
        >>> import stdb
        >>> club = stdb.Module("club")
        >>> @club.table()
        ... class Guest(stdb.Row):
        ...     identity: stdb.Identity = stdb.primary_key()
        >>> @club.client_connected
        ... def welcome(ctx: stdb.ReducerContext) -> None:
        ...     ctx.db[Guest].insert(identity=ctx.sender)
        >>> @club.client_disconnected
        ... def farewell(ctx: stdb.ReducerContext) -> None:
        ...     ctx.db[Guest].identity.delete(ctx.sender)
        >>> db = stdb.Database(club)
        >>> with db.connect():
        ...     len(db.tables.guest)
        1
        >>> len(db.tables.guest)
        0
        """
        return self._lifecycle("client_disconnected", function, Scope(caller()))

    def _lifecycle(self, lifecycle: _Lifecycle, function: Any, scope: Scope) -> Any:
        def declare(function: F) -> F:
            self._add(declare_reducer(function, scope, public=False, lifecycle=lifecycle))
            return function

        return declare if function is None else declare(function)

    def _declare(self, function: Any, scope: Scope, add: Callable[[], None]) -> None:
        """Declare a function now, or when the row class that it takes is there."""
        from .scheduling import awaited_row

        row_class = awaited_row(function, scope)
        if row_class is None:
            add()
        else:
            self._waiting[function] = (row_class, scope, add)

    def _declare_waiting(self, row_class: type[Any]) -> None:
        """Declare the functions that waited for a row class."""
        for function, (name, scope, add) in list(self._waiting.items()):
            if name == row_class.__name__:
                scope.names[name] = row_class
                add()
                del self._waiting[function]

    def _add(self, declaration: FunctionDeclaration) -> None:
        name = declaration.name
        functions: dict[str, FunctionDeclaration] = {**self._reducers, **self._procedures}
        before = functions.get(name)
        if before is not None and before.place != declaration.place:
            raise DefinitionError(
                f"module {self.name!r} has a {before.kind} {name!r} already, {before.place}; "
                f"give {declaration.place} another name"
            )
        if not isinstance(declaration, ReducerDeclaration):
            self._reducers.pop(name, None)
            self._procedures[name] = cast("ProcedureDeclaration", declaration)
            return
        if declaration.lifecycle is not None:
            for other in self._reducers.values():
                if other.lifecycle == declaration.lifecycle and other.name != name:
                    raise DefinitionError(
                        f"module {self.name!r} has its {declaration.lifecycle} reducer already: "
                        f"{other.place}; there is one at most"
                    )
        self._procedures.pop(name, None)
        self._reducers[name] = declaration

    # -- other modules ---------------------------------------------------------------------------

    def include(self, other: Module, /, *, namespace: str) -> None:
        """Take another module in, under a namespace: a part of an application, made once.

        Everything of it has the namespace before its name: ``ctx.db.auth.user``, ``auth.user`` in
        SQL, ``db.reducers.auth.login``. Its functions work on its own tables alone, as
        ``ctx.db.user``, whoever calls them. It may include others, and may be included twice.

        Parameters
        ----------
        other : Module
            As it is when a database takes this module. It has no lifecycle reducers; its HTTP
            routes and visibility filters are not used.
        namespace : str
            An identifier.

        Raises
        ------
        DefinitionError
            Something else has that name, or the modules would include each other.

        Examples
        --------
        >>> import stdb
        >>> auth, app = stdb.Module("auth"), stdb.Module("app")
        >>> @auth.table()
        ... class User(stdb.Row):
        ...     name: str = stdb.primary_key()
        >>> @auth.reducer
        ... def register(ctx: stdb.ReducerContext, name: str) -> None:
        ...     ctx.db[User].insert(User(name=name))
        >>> app.include(auth, namespace="auth")
        >>> db = stdb.Database(app)
        >>> db.reducers.auth.register("Ann")
        >>> db.sql("SELECT name FROM auth.user").scalar()
        'Ann'
        """
        from .including import check_included

        check_included(self, other, namespace)
        self._included[namespace] = other

    # -- the whole -----------------------------------------------------------------------------

    def definition(self) -> ModuleDef:
        """Return the validated definition of the module as it is now.

        Raises
        ------
        DefinitionError
            Something is wrong; ``reasons`` lists everything.
        """
        return self.freeze().definition

    def freeze(self) -> Program:
        """Return the module as it is now, validated, for a database to run."""
        from ..schema import encode_module_def, validate

        raw = self._raw()
        program = Program(
            validate(raw),
            shapes={},
            reducers={},
            procedures={},
            program_bytes=encode_module_def(raw) + self.archive,
            kind=PYTHON,
            views={},
            handlers=dict(self._handlers),
        )
        self._fill(program, program.definition, "")
        return program

    def _raw(self) -> RawModuleDefV10:
        """Return the raw definition of the module and those that it includes."""
        from .raw_definition import raw_definition
        from .scheduling import scheduled_name

        for _, _, add in self._waiting.values():
            add()
        self._check_class_names()
        for name in self._included.keys() & self._tables.keys():
            raise DefinitionError(
                f"module {self.name!r} has a table {name!r} and a namespace of that name: "
                f"ctx.db.{name} would mean both; rename one of them"
            )
        functions: list[FunctionDeclaration] = [
            *self._reducers.values(),
            *self._procedures.values(),
        ]
        scheduled = {
            table.name: scheduled_name(table, functions, self.name)
            for table in self._tables.values()
            if table.scheduled is not None
        }
        return raw_definition(
            self._tables.values(),
            self._reducers.values(),
            procedures=self._procedures.values(),
            scheduled=scheduled,
            views=self._views.values(),
            filters=self._filters,
            handlers=self._handlers,
            routes=self._routes,
            submodules={name: module._raw() for name, module in self._included.items()},
        )

    def _fill(self, program: Program, definition: ModuleDef, prefix: str) -> None:
        """Put what runs into `program`, under the names that it has in the database."""
        for name, table in self._tables.items():
            program.shapes[prefix + name] = table.row.shape
        program.reducers.update(_named(self._reducers, definition.reducers, prefix))
        program.procedures.update(_named(self._procedures, definition.procedures, prefix))
        program.views.update(_named(self._views, {}, prefix))
        for namespace, module in self._included.items():
            module._fill(program, definition.submodules[namespace], f"{prefix}{namespace}.")

    def _check_class_names(self) -> None:
        """Refuse two row classes of one name: types go by the names of their classes."""
        seen: dict[str, TableDeclaration] = {}
        for table in self._tables.values():
            other = seen.setdefault(table.row.shape.name, table)
            if other.row.cls is not table.row.cls:
                raise DefinitionError(
                    f"module {self.name!r}: tables {other.name!r} and {table.name!r} are of two "
                    f"classes {table.row.shape.name}; name the classes differently (or, in a "
                    f"notebook, begin with a new Module when a table gets another name)"
                )
        classes = {table.row.shape.name: table.row.cls for table in self._tables.values()}
        for view in self._views.values():
            if classes.setdefault(view.row.name, view.row.cls) is not view.row.cls:
                raise DefinitionError(
                    f"module {self.name!r}: view {view.name!r} returns rows of another class "
                    f"{view.row.name} than the one that has this name here; name it differently, "
                    "or, when the class was declared again since, declare the view again too"
                )


def _named(
    declared: Mapping[str, D], defined: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, D]]:
    """Yield functions under their names in the database.

    Validation may have made one private, as what is scheduled is. A function of an included module
    is given the context of its namespace.
    """
    for name, each in declared.items():
        made = each
        if name in defined and defined[name].is_private:
            made = msgspec.structs.replace(made, public=False)
        if prefix:
            from .including import narrowed, narrowed_view

            narrow = narrowed if isinstance(each, FunctionDeclaration) else narrowed_view
            function = narrow(each.function, prefix.removesuffix("."))
            made = msgspec.structs.replace(made, name=prefix + name, function=function)
        yield prefix + name, made
