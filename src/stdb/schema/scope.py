"""What the validation of one module shares: its names, its types, and what was found wrong."""

from __future__ import annotations

from ..types.algebraic import Product
from .draft import Draft
from .names import check_identifier
from .reasons import Reasons
from .type_rules import TypeRules


class Scope:
    """A module while it is validated.

    Attributes
    ----------
    draft : Draft
    types : TypeRules
    namespace : str
        Where the module is mounted, as in ``lib.inner``; empty for the root.
    """

    def __init__(self, draft: Draft, reasons: Reasons, namespace: str = "") -> None:
        self.draft = draft
        self.reasons = reasons
        self.namespace = namespace
        self.types = TypeRules(draft.typespace, draft.policy, {raw.ty for raw in draft.types})
        self._taken: set[str] = set()

    def fail(
        self, kind: str, message: str, table: str | None = None, column: str | None = None
    ) -> None:
        """Note something that is wrong."""
        if self.namespace:
            message += f" (in submodule `{self.namespace}`)"
        self.reasons.add(kind, message, table, column)

    def canonical(self, what: str, source_name: str) -> str:
        """Return the canonical name of a ``Table`` or ``Function``."""
        explicit = self.draft.explicit_names.get((what, source_name))
        return self.draft.policy.snake(source_name) if explicit is None else explicit

    def identifier(
        self,
        name: str,
        source_name: str | None = None,
        table: str | None = None,
        column: str | None = None,
    ) -> bool:
        """Check a canonical name, and the source name that it was made from; note what is wrong."""
        for candidate in dict.fromkeys((source_name, name)):
            if candidate is None:
                continue
            problem = check_identifier(candidate)
            if problem is None:
                continue
            message = f"module contains invalid identifier: {problem.message}"
            if candidate != source_name and source_name is not None:
                message += f" (made from `{source_name}`)"
            self.fail("IdentifierError", message, table, column)
            return False
        return True

    def take(self, name: str, table: str | None = None) -> None:
        """Note that a name of the space that tables, views and their parts share is used."""
        if name in self._taken:
            self.fail("DuplicateName", f"the name `{name}` is used for multiple entities", table)
        self._taken.add(name)

    def check_use(
        self,
        location: str,
        type_: object,
        table: str | None = None,
        column: str | None = None,
    ) -> bool:
        """Check that generated clients can use a type; note what is wrong."""
        problem = self.types.use_problem(type_)
        if problem is not None:
            self.codegen_error(location, problem, table, column)
        return problem is None

    def codegen_error(
        self, location: str, problem: str, table: str | None = None, column: str | None = None
    ) -> None:
        """Note a type that generated clients cannot have."""
        self.fail("ClientCodegenError", f"error at {location}: {problem}", table, column)

    def row_product(self, ref: int) -> Product | None:
        """Return the product at `ref` as the source has it, if there is one."""
        types = self.draft.typespace.types
        found = types[ref] if ref < len(types) else None
        return found if isinstance(found, Product) else None
