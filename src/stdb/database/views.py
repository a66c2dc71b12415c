"""Views at work: their rows are kept, and computed anew when something that they read has changed.

What is kept is an *instance*: a view, and for a view that depends on who asks, one sender. Clients
that subscribe hold it; while one does, every transaction that changes what the instance read
computes it again before it commits, and fails when the view fails. A statement leaves behind what
it had computed for the next one; nobody pays for that: the first transaction that changes what it
read drops it.

What they read is kept in `stdb.storage.readers`.

A transaction that is undone leaves everything as it was: rows are put back like those of any
table, and `ViewTable.ended` tells which of the two states of an instance's read set is the one.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from ..errors import Error, ModuleError, UniqueConstraintViolation, ViewError, shorten
from ..module import Query
from ..runtime import log_panic
from ..runtime.view_context import AnonymousViewContext, ViewContext
from ..storage.read_set import ReadSet
from ..storage.readers import Readers
from ..storage.view_schema import noting_tables
from ..storage.view_table import ViewTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..module.views import ViewDeclaration
    from ..storage import Tables
    from ..storage.read_set import Entry
    from ..types.values import Identity
    from .core import Core

#: How many instances are kept that nobody subscribes to.
_UNUSED_MAX: Final = 256


class Instance:
    """The rows of a view for one caller, or for all.

    Attributes
    ----------
    count : int
        How many subscriptions hold it.
    entries : set of Entry
        What it is registered to have read.
    latest : set of Entry
        What it read when it was last computed; the same outside a transaction.
    is_gone : bool
        Whether its rows are not there (any more), as the open transaction has it.
    """

    __slots__ = ("count", "entries", "is_gone", "latest", "sender", "table")

    def __init__(self, table: ViewTable, sender: Identity | None) -> None:
        self.table = table
        self.sender = sender
        self.count = 0
        self.entries: set[Entry] = set()
        self.latest: set[Entry] = set()
        self.is_gone = True


class Views:
    """The views of one database.

    All methods but `unsubscribe` and `are_ready` need this thread's read-write transaction, unless
    they say otherwise.
    """

    def __init__(self, database: Core) -> None:
        self._database = database
        self._store = database._store
        self._state = database._store.state
        #: By the number of the view's table, which the view keeps when its code changes.
        self._instances: dict[tuple[int, Identity | None], Instance] = {}
        self._readers: Readers[Instance] = Readers()
        #: What an instance had read before the open transaction; None when it is new.
        self._unsettled: dict[Instance, set[Entry] | None] = {}
        #: Without subscriptions, the one that was used last at the end.
        self._unused: dict[Instance, None] = {}
        self._left: dict[Instance, None] = {}
        self._reads = ReadSet()
        self._tables: Tables | None = None
        self._version = -1

    # -- who wants rows --------------------------------------------------------------------------

    def subscribe(self, tables: Iterable[ViewTable], sender: Identity) -> None:
        """Keep the rows of views for `sender` up to date, until as many `unsubscribe`.

        In this thread's open transaction, or in one of its own.

        Raises
        ------
        ViewError
            One of them failed. Nothing is kept then.
        """
        wanted = list(dict.fromkeys(tables))
        if self._state.thread == get_ident():
            self._hold([self._materialize(table, sender) for table in wanted])
            return
        with self._store.writing():
            instances = [self._materialize(table, sender) for table in wanted]
        self._hold(instances)

    def _hold(self, instances: list[Instance]) -> None:
        for instance in instances:
            self._unused.pop(instance, None)
            self._left.pop(instance, None)
            instance.count += 1

    def unsubscribe(self, tables: Iterable[ViewTable], sender: Identity) -> None:
        """End what `subscribe` began. Any thread may call it, within a transaction or without.

        When the last has gone, the next transaction forgets the rows.
        """
        with self._state.lock:
            for table in dict.fromkeys(tables):
                instance = self._instances.get(_key(table, sender))
                if instance is not None and instance.count:
                    instance.count -= 1
                    if not instance.count:
                        self._left[instance] = None

    def are_ready(self, tables: Iterable[ViewTable], sender: Identity) -> bool:
        """Whether the rows are kept. The caller keeps writers out."""
        return all(_key(table, sender) in self._instances for table in tables)

    def provide(self, tables: Iterable[ViewTable], sender: Identity) -> None:
        """Compute the rows that a statement of the open transaction reads, unless they are kept.

        Raises
        ------
        ViewError
            A view failed.
        """
        for table in dict.fromkeys(tables):
            self._materialize(table, sender)
        while len(self._unused) > _UNUSED_MAX:
            self._drop(next(iter(self._unused)))

    def compute(self, tables: Iterable[ViewTable], sender: Identity) -> dict[str, ViewTable]:
        """Return tables with the rows of views, for one read: nothing is kept or changed.

        The caller keeps writers out.

        Raises
        ------
        ViewError
            A view failed.
        """
        made = {}
        for table in dict.fromkeys(tables):
            asked = sender if table.hidden else None
            rows = self._rows(table, asked)
            try:
                made[table.name] = table.twin(asked, rows)
            except Error as error:
                raise self._failed(table, asked, error) from error
        return made

    def succeed(self, before: Views) -> None:
        """Take over what is subscribed to from the views of another version of the module.

        Views that there are no longer, or that look otherwise, have lost their subscribers.

        Raises
        ------
        ViewError
            One of them failed.
        """
        tables = {table.table_id: table for table in self._store if isinstance(table, ViewTable)}
        for (table_id, sender), held in before._instances.items():
            if held.count and table_id in tables:
                instance = self._materialize(tables[table_id], sender)
                self._hold([instance])
                instance.count = held.count

    # -- keeping up ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the views up to date with what the open transaction has changed, as it commits.

        Raises
        ------
        ViewError
            One of them failed; the transaction is to be undone.
        """
        if self._left:
            for instance in list(self._left):
                self._drop(instance)
        stale = self._readers.affected(self._state.touched)
        if self._unsettled:
            # What failed within the transaction, and that was caught, is tried again.
            stale.update({each: None for each in self._unsettled if each.is_gone})
        for instance in stale:
            if instance.count:
                self._evaluate(instance)
            else:
                self._drop(instance)

    def _materialize(self, table: ViewTable, sender: Identity | None) -> Instance:
        """Return the instance with rows that are right at this moment of the transaction."""
        key = _key(table, sender)
        instance = self._instances.get(key)
        if instance is None:
            instance = Instance(table, key[1])
            table.ended = self._ended
            self._unsettled[instance] = None
            self._store.refresh = self.refresh
            self._evaluate(instance)
            self._instances[key] = instance
        elif instance.is_gone or not all(t.is_view for t in self._state.touched):
            # Something may have changed since it was computed.
            self._evaluate(instance)
        if not instance.count:
            # It is used now, so it is not to be dropped; whoever subscribes counts it later.
            self._left.pop(instance, None)
            self._unused.pop(instance, None)
            self._unused[instance] = None
        return instance

    def _evaluate(self, instance: Instance) -> None:
        """Compute an instance and put its rows in the place of the old ones."""
        table, sender = instance.table, instance.sender
        self._unsettled.setdefault(instance, instance.entries)
        table.touch()
        instance.is_gone = True
        rows = self._rows(table, sender)
        read = self._reads.entries
        new = read - instance.entries
        instance.entries = instance.entries | read
        instance.latest = read
        for entry in new:
            self._readers.add(instance, entry)
        try:
            table.replace_rows(sender, rows)
        except Error as error:
            raise self._failed(table, sender, error) from error
        instance.is_gone = False

    def _drop(self, instance: Instance) -> None:
        """Forget an instance, unless the transaction is undone."""
        self._unused.pop(instance, None)
        self._left.pop(instance, None)
        self._unsettled.setdefault(instance, instance.entries)
        instance.table.touch()
        instance.is_gone = True
        instance.table.replace_rows(instance.sender, [])
        instance.latest = set()

    # -- the end of a transaction ----------------------------------------------------------------

    def _ended(self, table: ViewTable, committed: bool) -> None:
        for instance in [each for each in self._unsettled if each.table is table]:
            before = self._unsettled[instance]
            if instance.is_gone if committed else before is None:
                self._forget(instance)
            else:
                keep = instance.latest if committed or before is None else before
                for entry in instance.entries - keep:
                    self._readers.remove(instance, entry)
                instance.entries = instance.latest = keep
                instance.is_gone = False
                if not instance.count and instance not in self._unused:
                    self._left[instance] = None
            self._unsettled.pop(instance, None)

    def _forget(self, instance: Instance) -> None:
        for entry in instance.entries:
            self._readers.remove(instance, entry)
        instance.entries = set()
        self._unused.pop(instance, None)
        self._left.pop(instance, None)
        self._instances.pop((instance.table.table_id, instance.sender), None)
        if not self._instances:
            self._store.refresh = None

    # -- calling a view --------------------------------------------------------------------------

    def _rows(self, table: ViewTable, sender: Identity | None) -> list[Any]:
        """Call a view, and return its rows; `_reads` then has what it read.

        In a read-only transaction other threads may do the same, and what is noted means nothing.
        """
        name = table.name
        declared = self._database._program.views.get(name)
        if declared is None:
            raise ViewError(
                f"view {name!r} has no code here: the database was opened without its module",
                view=name,
            )
        tables = self._tables
        if tables is None or self._version != self._store.schema_version:
            tables = self._tables = noting_tables(self._store, self._reads)
            self._version = self._store.schema_version
        self._reads.begin()
        database = self._database
        context: AnonymousViewContext
        if sender is None:
            context = AnonymousViewContext(tables, database._services, name, self._reads)
        else:
            context = ViewContext(tables, database._services, name, self._reads, sender=sender)
        try:
            return self._taken(declared, declared.function(context))
        except Exception as error:
            raise self._failed(table, sender, error) from error

    def _taken(self, declared: ViewDeclaration, returned: Any) -> list[Any]:
        """Return what a view returned as a list of rows."""
        if isinstance(returned, Query) or (
            declared.returns == "query" and isinstance(returned, str)
        ):
            queries = self._database._queries or self._database._make_queries()
            return queries.rows_of_view(str(returned), declared, self._reads)
        cls = declared.row.cls
        if declared.returns == "option":
            if isinstance(returned, list):
                raise ModuleError(
                    f"it returned a list, and declares {cls.__name__} | None: one row"
                )
            rows = [] if returned is None else [returned]
        elif returned is None:
            raise ModuleError("it returned None, and declares rows: is a return missing?")
        else:
            rows = returned if returned.__class__ is list else list(returned)
        for row in rows:
            if row.__class__ is not cls:
                raise ModuleError(
                    f"it returned {shorten(row)}, where {cls.__name__} is what it declares"
                )
        return rows

    def _failed(self, table: ViewTable, sender: Identity | None, error: Exception) -> ViewError:
        """Log what a view raised, and return what is to be raised of it."""
        logs = self._database._logs
        whose = "" if sender is None else f" for sender {sender.hex()[:16]}…"
        if isinstance(error, UniqueConstraintViolation) and error.table == table.name:
            key = table.view.columns[table.view.primary_key or 0].name
            value = error.value[-1] if table.hidden else error.value  # type: ignore[index]
            reason = f"returned two rows with the primary key {key} = {value!r}"
        elif isinstance(error, Error):
            reason = f"failed: {error}"
        else:
            reason = f"broke: {type(error).__name__}: {error}"
            log_panic(logs, table.name, error)
            return ViewError(f"view {table.name!r}{whose} {reason}", view=table.name)
        logs.write("Error", reason, function=table.name)
        return ViewError(f"view {table.name!r}{whose} {reason}", view=table.name)


def _key(table: ViewTable, sender: Identity | None) -> tuple[int, Identity | None]:
    return table.table_id, sender if table.hidden else None


__all__ = ["Views"]
