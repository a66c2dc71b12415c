"""Strategies made from a module: rows that a table takes, arguments that a reducer takes."""

import enum
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from tests.types.strategies import shapes as any_shapes

import stdb.testing
from stdb import (
    Database,
    Err,
    Identity,
    Module,
    Ok,
    ReducerContext,
    Row,
    ScheduleAt,
    Timestamp,
    UnknownName,
    UsageError,
    index,
    primary_key,
    sum_type,
    u8,
    u64,
)
from stdb.testing import arguments, rows
from stdb.testing.strategies import values_of
from stdb.testing.values import any_value, simpler
from stdb.types import shapes as sh
from stdb.types.exact import exact

store = Module("store")


class Size(enum.Enum):
    SMALL = 0
    LARGE = 1


@sum_type
class Payment:
    cash: None
    card: str


@store.table()
class Order(Row):
    id: u64 = primary_key(auto_inc=True)
    buyer: Identity = index()
    size: Size
    payment: Payment
    notes: list[str]
    price: float
    count: u8
    due: ScheduleAt
    placed: Timestamp | None
    outcome: Ok[int] | Err[str]


@store.reducer
def order_by_post(ctx: ReducerContext, count: u8, notes: list[str], size: Size | None) -> None:
    ctx.log.info("%d", count)


@given(rows(Order))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_table_takes_the_rows_and_fills_in_generated_columns(order: Order) -> None:
    assert order.id == 0
    db = Database(store)
    with db.transaction() as tx:
        assert tx.db[Order].insert(order) == order.replace(id=1)
    db.check()


@given(rows(Order, id=st.integers(5, 6), count=7, size=st.just(Size.LARGE)))
@settings(max_examples=10)
def test_columns_may_be_given_as_strategies_or_values(order: Order) -> None:
    assert order.id in (5, 6)
    assert (order.count, order.size) == (7, Size.LARGE)


@given(arguments("order_by_post"))
def test_a_reducer_takes_the_arguments(args: tuple[object, ...]) -> None:
    assert Database(store).call_many("order_by_post", [args]) == [None]


@given(arguments("order_by_post", store, count=st.just(3)))
@settings(max_examples=10)
def test_parameters_may_be_given(args: tuple[object, ...]) -> None:
    assert args[0] == 3


def test_a_small_example_is_found_first() -> None:
    assert find(arguments("order_by_post", store), lambda args: True) == (0, (), None)


def test_a_name_that_several_modules_have_needs_the_module() -> None:
    other = Module("other store")

    @other.reducer
    def order_by_post(ctx: ReducerContext) -> None:
        pass

    with pytest.raises(UsageError, match="several modules have a reducer 'order_by_post' "):
        arguments("order_by_post")
    assert find(arguments("order_by_post", other), lambda args: True) == ()
    assert find(arguments("order_by_post", Database(other)), lambda args: True) == ()


def test_mistakes_are_told() -> None:
    with pytest.raises(UnknownName, match="did you mean 'order_by_post'"):
        arguments("order_by_pst", store)
    with pytest.raises(UnknownName, match="no reducer 'nothing like it'"):
        arguments("nothing like it")
    with pytest.raises(UnknownName, match="no parameter 'cnt'"):
        arguments("order_by_post", store, cnt=1)
    with pytest.raises(UnknownName, match="no column 'cnt' in Order"):
        rows(Order, cnt=1)
    with pytest.raises(UsageError, match="rows takes the class of a table's rows"):
        rows(Size)
    with pytest.raises(UsageError, match="is told by its name, 'order_by_post'"):
        arguments(order_by_post)  # type: ignore[arg-type]


# -- values, whatever the type -------------------------------------------------------------------


@given(any_shapes(), st.randoms(use_true_random=False), st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_values_of_every_shape_are_exact_and_so_are_simpler_ones(
    shape: sh.Shape, rng: object, data: st.DataObject
) -> None:
    for value in (data.draw(values_of(shape)), any_value(rng, shape)):  # type: ignore[arg-type]
        assert exact(shape, value) == value
        for number, other in enumerate(simpler(shape, value)):
            assert exact(shape, other) == other
            if number > 50:
                break


@given(any_shapes(), st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_making_a_value_simpler_comes_to_an_end(shape: sh.Shape, data: st.DataObject) -> None:
    """Whichever of the simpler ones is taken: here the last, which is the least simpler one."""
    value = data.draw(values_of(shape))
    for _ in range(300):
        others = list(simpler(shape, value))
        if not others:
            break
        assert value not in others
        value = others[data.draw(st.sampled_from((0, len(others) // 2, 0, 0)))]
    else:
        pytest.fail(f"{value!r} can always be made simpler")


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import stdb.testing\n"
        "stdb.testing.fuzz\n"
        "try:\n"
        "    stdb.testing.rows\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "stdb.testing.rows needs Hypothesis" in done.stdout
    assert 'pip install "stdb[testing]"' in done.stdout


def test_everything_exported_is_there() -> None:
    assert sorted(stdb.testing.__all__) == dir(stdb.testing)
    for name in stdb.testing.__all__:
        assert getattr(stdb.testing, name).__module__ == "stdb.testing"
        assert getattr(stdb.testing, name).__doc__
    with pytest.raises(AttributeError, match=r"stdb\.testing"):
        stdb.testing.nothing  # noqa: B018 - what is not there
