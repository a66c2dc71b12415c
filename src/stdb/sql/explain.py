"""Shows a plan as a tree: how each table is reached, by which index, how many rows are expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types.satn import satn
from . import typed as t

if TYPE_CHECKING:
    from .dml import PreparedWrite
    from .plan import Plan, Step
    from .run import PreparedQuery


def explain_query(prepared: PreparedQuery) -> str:
    """Return the plan of a query."""
    query = prepared.query
    words = _Words(query.fragments[0].sources, query)
    lines: list[str] = []
    depth = 0

    def put(text: str) -> None:
        nonlocal depth
        lines.append("  " * depth + text)
        depth += 1

    if query.limit is not None or query.offset is not None:
        put(_limit(query, words))
    if query.order:
        keys = [
            words.show(order.expr) + (" DESC" if order.descending else "") for order in query.order
        ]
        put(f"sort by {', '.join(keys)}")
    if query.distinct:
        put("distinct")
    if query.having is not None:
        put(f"having {words.show(query.having)}")
    if query.grouped:
        put(_group(query, prepared.plans, words))
    if len(prepared.plans) > 1:
        put(f"all of {len(prepared.plans)} variants")
    for plan, fragment in zip(prepared.plans, query.fragments, strict=True):
        words = _Words(fragment.sources, query)
        lines += ["  " * depth + line for line in _plan_lines(plan, words)]
    return "\n".join(lines)


def explain_write(write: PreparedWrite) -> str:
    """Return the plan of a statement that writes."""
    kind = type(write.write).__name__.lower()
    head = f"{kind} {write.table.name}"
    if write.plan is None or not hasattr(write.write, "fragment"):
        return head
    fragment = write.write.fragment
    lines = _plan_lines(write.plan, _Words(fragment.sources, t.Query([fragment], ())))
    return "\n".join([head, *("  " + line for line in lines)])


def _limit(query: t.Query, words: _Words) -> str:
    parts = []
    if query.limit is not None:
        parts.append(f"limit {words.show(query.limit)}")
    if query.offset is not None:
        parts.append(f"offset {words.show(query.offset)}")
    early = not query.order and not query.distinct and not query.grouped
    return " ".join(parts) + (" (stops early)" if early else "")


def _group(query: t.Query, plans: list[Plan], words: _Words) -> str:
    calls = [words.call(call) for call in query.aggregates]
    if query.keys:
        keys = ", ".join(words.show(key) for key in query.keys)
        return f"group by {keys}: {', '.join(calls)}"
    alone = calls == ["count(*)"] and len(plans) == 1 and len(plans[0].steps) == 1
    if alone and not plans[0].always:
        step = plans[0].steps[0]
        if step.access.kind == "scan" and not step.filters:
            return "count(*) (known without reading)"
    return f"aggregate: {', '.join(calls)}"


def _plan_lines(plan: Plan, words: _Words) -> list[str]:
    lines = []
    if plan.always:
        lines.append(f"if {_all(plan.always, words)}")
    for number, step in enumerate(plan.steps):
        lines.append("  " * number + _step(step, number, words))
    return lines


def _step(step: Step, number: int, words: _Words) -> str:
    name = step.table.name
    shown = name if step.alias == name else f"{name} as {step.alias}"
    access = step.access
    verb = "" if number == 0 else ("left join " if step.is_left else "join ")
    if access.kind == "scan":
        how = f"scan {shown}" if number == 0 else f"cross {shown}"
        verb = verb if step.is_left else ""
    elif access.kind == "hash":
        pairs = ", ".join(
            f"{words.show(column)} = {words.show(key)}"
            for column, key in zip(access.columns, access.keys, strict=True)
        )
        how = f"hash {shown} on {pairs}"
    else:
        how = f"{shown} by index {_index(step, words)}"
    line = f"{verb}{how}"
    filters = [*step.build_filters, *step.filters]
    if filters:
        line += f" {'on' if step.is_left else 'where'} {_all(filters, words)}"
    if step.late:
        line += f" where {_all(step.late, words)}"
    return f"{line} (about {max(round(step.rows), 0)} rows)"


def _index(step: Step, words: _Words) -> str:
    access = step.access
    index = step.table.indexes[access.index or 0]
    names = [str(step.table.shape.fields[p].name) for p in index.definition.columns]
    unique = "unique " if index.unique else ""
    if access.kind == "points":
        shown = f"{names[0]} in {len(access.keys)} values"
    else:
        parts = [
            f"{name} = {words.show(key)}" for name, key in zip(names, access.keys, strict=False)
        ]
        if access.kind == "range":
            after = names[len(access.keys)] if len(access.keys) < len(names) else ""
            for bound, sign in ((access.low, ">"), (access.high, "<")):
                if bound is not None:
                    operator = sign + ("=" if bound.inclusive else "")
                    parts.append(f"{after} {operator} {words.show(bound.value)}")
        shown = ", ".join(parts)
    return f"{unique}{index.definition.algorithm} ({', '.join(names)}): {shown}"


def _all(conditions: list[t.Expr], words: _Words) -> str:
    return " and ".join(words.show(condition) for condition in conditions)


class _Words:
    """Says expressions over `sources` for people; a grouped query's, over its groups."""

    def __init__(self, sources: list[t.Source], query: t.Query) -> None:
        self.sources = sources
        self.query = query

    def call(self, call: t.AggregateCall) -> str:
        """Return an aggregate for people."""
        argument = "*" if call.argument is None else self.show(call.argument)
        return f"{call.function}({'distinct ' if call.distinct else ''}{argument})"

    def show(self, expr: t.Expr) -> str:
        """Return an expression for people."""
        match expr:
            case t.Column(source=source, field=field):
                name = str(field.name)
                return f"{self.sources[source].alias}.{name}" if len(self.sources) > 1 else name
            case t.Const(shape=shape, value=value):
                return "NULL" if value is None else satn(shape, value)
            case t.Param(name=asked):
                return f"?{asked + 1}" if isinstance(asked, int) else f":{asked}"
            case t.Sender():
                return ":sender"
            case t.Compare(operator=operator, left=left, right=right):
                return f"{self.show(left)} {operator} {self.show(right)}"
            case t.Arithmetic(operator=operator, left=left, right=right):
                return f"({self.show(left)} {operator} {self.show(right)})"
            case t.Logic(word=word, terms=terms):
                return f"({f' {word} '.join(self.show(term) for term in terms)})"
            case t.In(operand=operand, items=items, negated=negated):
                shown = ", ".join(self.show(item) for item in items[:4])
                more = ", …" if len(items) > 4 else ""
                return f"{self.show(operand)} {'not ' if negated else ''}in ({shown}{more})"
            case t.InRows(columns=columns, rows=rows, negated=negated):
                names = ", ".join(self.show(column) for column in columns)
                return f"({names}) {'not ' if negated else ''}in {len(rows)} rows"
            case t.IsNull(operand=operand, negated=negated):
                return f"{self.show(operand)} is {'not ' if negated else ''}null"
            case t.Like(operand=operand, pattern=pattern, negated=negated):
                word = "not like" if negated else "like"
                return f"{self.show(operand)} {word} {self.show(pattern)}"
            case t.GroupKey(index=index):
                return self.show(self.query.keys[index])
            case t.Aggregate(index=index):
                return self.call(self.query.aggregates[index])
        return type(expr).__name__
