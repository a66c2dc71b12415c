"""What makes a module wrong: HTTP routes, and modules mounted in it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schema.building import (
    ANY,
    GET,
    HANDLER,
    PERSON,
    brew,
    explicit,
    lifecycles,
    module,
    reason,
    reasons,
    routes,
    scheduled,
    snake,
    table,
    valid,
)

from stdb.schema import RawModuleDefV10, Variant
from stdb.schema.layout import NESTING_MAX
from stdb.schema.raw_v10 import (
    RawHttpHandlerV10,
    RawHttpRouteV10,
    RawReducerV10,
    RawSubmoduleV10,
)
from stdb.types.algebraic import (
    U8,
    product,
)

# ------------------------------------------------------------------------------------------ HTTP


def test_routes_are_kept_in_order_with_the_canonical_handler() -> None:
    made = valid(routes((GET, "/a"), (brew(), "/a"), (ANY, ""), (ANY, "/z-9_~/x")))
    assert [(r.handler_name, r.method, r.path) for r in made.http_routes] == [
        ("on_hook", "GET", "/a"),
        ("on_hook", "BREW", "/a"),
        ("on_hook", None, ""),
        ("on_hook", None, "/z-9_~/x"),
    ]
    assert made.http_handlers["on_hook"].accessor_name == "onHook"


def test_a_handler_has_a_name_of_its_own_among_handlers() -> None:
    handlers = (RawHttpHandlerV10("on_hook"), RawHttpHandlerV10("onHook"))
    found = reason(snake(PERSON, HttpHandlers=handlers))
    assert found.kind == "DuplicateHttpHandlerName"
    assert "`on_hook` is used for multiple HTTP handlers" in found.message


def test_a_handler_may_be_named_like_a_reducer() -> None:
    raw = snake(PERSON, HttpHandlers=HANDLER, Reducers=(RawReducerV10("on_hook"),))
    assert valid(raw).http_handlers.keys() == valid(raw).reducers.keys()


@pytest.mark.parametrize("path", ["a", "/A", "/a b", "/é", "/{id}", "/a.b", "/a?b", "/%20", "//:x"])
def test_a_path_starts_with_a_slash_and_has_plain_characters(path: str) -> None:
    found = reason(routes((GET, path)))
    assert found.kind == "InvalidHttpRoutePath"
    assert f"`{path}`" in found.message
    assert "a-z 0-9 - _ ~ /" in found.message


def test_a_route_names_a_handler() -> None:
    found = reason(routes((GET, "/a"), handler="nobody", Reducers=(RawReducerV10("nobody"),)))
    assert found.kind == "MissingHttpHandler"
    assert "`nobody`" in found.message


def test_a_route_may_name_a_handler_by_its_canonical_name() -> None:
    names = explicit(Function={"onHook": "Hook"})
    made = valid(routes((GET, "/a"), handler="Hook", ExplicitNames=names))
    assert made.http_routes[0].handler_name == "Hook"


def test_a_route_to_a_handler_with_a_wrong_name_is_not_wrong_itself() -> None:
    wrong = (RawHttpHandlerV10("a b"),)
    route = (RawHttpRouteV10("a b", GET, "/a"),)
    assert reason(module(HttpHandlers=wrong, HttpRoutes=route)).kind == "IdentifierError"


@pytest.mark.parametrize(
    ("first", "second"), [(GET, GET), (ANY, ANY), (ANY, GET), (GET, ANY), (brew(), brew())]
)
def test_a_route_differs_from_every_other(first: Variant, second: Variant) -> None:
    found = reason(routes((first, "/a"), (second, "/a")))
    assert found.kind == "DuplicateHttpRoute"
    assert "`/a`" in found.message
    shown = "any method" if second == ANY else "GET" if second == GET else "BREW"
    assert shown in found.message


# --------------------------------------------------------------------------- modules in modules


def mounted(*modules: tuple[str, RawModuleDefV10], **sections: Any) -> Any:
    return module(Submodules=tuple(RawSubmoduleV10(*each) for each in modules), **sections)


def test_a_submodule_has_types_policy_and_names_of_its_own() -> None:
    inner = snake(product(userID=U8), Tables=(table("MyTable"),))
    made = valid(mounted(("lib", inner), Tables=(table("MyTable"),)))
    assert list(made.tables) == ["MyTable"]
    lib = made.submodules["lib"]
    assert [c.name for c in lib.tables["my_table"].columns] == ["user_id"]


def test_what_is_wrong_with_a_submodule_is_wrong_with_the_module() -> None:
    found = reasons(mounted(("lib", mounted(("in_it", module(Tables=(table("t", 7),)))))))
    assert [(r.kind, r.table) for r in found] == [("InvalidProductTypeRef", "t")]
    assert found[0].message.endswith("(in submodule `lib.in_it`)")


def test_a_namespace_is_mounted_once() -> None:
    found = reason(mounted(("lib", RawModuleDefV10()), ("lib", RawModuleDefV10())))
    assert found.kind == "DuplicateName"
    assert "`lib`" in found.message


def test_a_namespace_may_be_named_like_a_table() -> None:
    assert valid(mounted(("lib", RawModuleDefV10()), Tables=(table("lib"),))).submodules


def test_a_namespace_has_at_most_63_bytes() -> None:
    assert valid(mounted(("n" * 63, RawModuleDefV10()))).submodules
    name = "n" * 61 + "é☃"[:1] + "n"
    found = reason(mounted((name, RawModuleDefV10())))
    assert found.kind == "NamespaceTooLong"
    assert f"`{name}` has 64 bytes" in found.message
    assert "63" in found.message


def test_a_submodule_has_no_lifecycle_reducers() -> None:
    inner = lifecycles(("Init", "f"))
    found = reason(mounted(("lib", mounted(("deep", inner)))))
    assert found.kind == "LifecycleInSubmodule"
    assert "Init" in found.message
    assert "`lib.deep`" in found.message


def test_the_routes_of_a_submodule_are_ignored() -> None:
    inner = routes((GET, "not a path"), (GET, "/a"))
    lib = valid(mounted(("lib", inner))).submodules["lib"]
    assert lib.http_routes == ()
    assert list(lib.http_handlers) == ["on_hook"]


def test_a_schedule_of_a_submodule_calls_its_own_functions() -> None:
    inner = scheduled(Reducers=())
    found = reason(mounted(("lib", inner), Reducers=(RawReducerV10("tick"),)))
    assert found.kind == "MissingScheduledFunction"


def test_submodules_nest_to_a_limit() -> None:
    raw = RawModuleDefV10()
    for _ in range(NESTING_MAX - 1):
        raw = RawModuleDefV10.of(Submodules=(RawSubmoduleV10("a", raw),))
    assert len(list(valid(raw).walk())) == NESTING_MAX
    found = reason(RawModuleDefV10.of(Submodules=(RawSubmoduleV10("a", raw),)))
    assert found.kind == "SubmodulesTooDeep"
