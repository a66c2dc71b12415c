"""What `stdb` exports is complete, documented and knows its public name."""

import inspect
import subprocess
import sys
import types

import pytest

import stdb

REQUIRED = {
    # what an author writes
    "Module", "ReducerContext", "Row", "column", "index", "primary_key", "unique",
    # column types
    "u8", "u16", "u32", "u64", "u128", "u256", "i8", "i16", "i32", "i64", "i128", "i256",
    "f32", "f64", "Err", "Ok", "Some", "sum_type",
    # values
    "ConnectionId", "Identity", "ScheduleAt", "TimeDuration", "Timestamp",
    # a database
    "Database", "ManualClock", "Transaction",
    # errors
    "ConstraintViolation", "DatabaseClosed", "DecodeError", "Disconnected", "Error",
    "InternalError", "ModuleError", "PermissionDenied", "PublishError", "ReducerError",
    "RowNotFound", "TransactionError", "TypeMismatch", "UniqueConstraintViolation", "UnknownName",
}  # fmt: skip


def exported(*kinds: type) -> list[str]:
    """The exported names of some kinds, apart from those that another library owns."""
    return [
        name
        for name in stdb.__all__
        if isinstance(value := getattr(stdb, name, None), kinds)
        and value.__module__.partition(".")[0] == "stdb"
    ]


def test_debug_is_there_without_an_import_of_its_own() -> None:
    code = "import stdb, sys; assert 'stdb.debug' not in sys.modules; print(stdb.debug.source)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("<function source"), done.stderr


def test_required_names_are_exported() -> None:
    assert REQUIRED - set(stdb.__all__) == set()


def test_all_is_without_repetition() -> None:
    """That it is sorted, ruff sees to."""
    assert len(stdb.__all__) == len(set(stdb.__all__))


def test_all_is_complete() -> None:
    """What is listed is there, and a public name that is there is listed, submodules apart."""
    public = {
        name
        for name, value in vars(stdb).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    listed = {name for name in stdb.__all__ if not name.startswith("_")}
    assert {name for name in listed if not hasattr(stdb, name)} == set()
    assert public - listed == set()


@pytest.mark.parametrize("name", exported(type, types.FunctionType))
def test_public_name_says_where_it_is_public(name: str) -> None:
    """So that tracebacks, pickles and documentation show `stdb.Module`."""
    value = getattr(stdb, name)
    assert value.__module__ == "stdb"
    assert value.__name__ == name


@pytest.mark.parametrize("name", exported(type, types.FunctionType))
def test_public_name_has_a_docstring(name: str) -> None:
    value = getattr(stdb, name)
    assert value.__doc__, f"stdb.{name} has no docstring"
    if isinstance(value, type):
        undocumented = [
            attribute
            for attribute, member in vars(value).items()
            if not attribute.startswith("_")
            and isinstance(member, types.FunctionType | classmethod | staticmethod | property)
            and not inspect.getdoc(getattr(value, attribute))
        ]
        assert undocumented == [], f"stdb.{name} has members without a docstring"


@pytest.mark.parametrize("name", exported(type))
def test_public_error_is_an_stdb_error(name: str) -> None:
    value = getattr(stdb, name)
    if issubclass(value, BaseException):
        assert issubclass(value, stdb.Error)
