"""The examples in the docstrings of what `stdb` exposes do what they say.

pytest's own collector passes over methods of a class that says it lives in `stdb` while its code
stands in a module further down, which is all of the public classes.
"""

import doctest
import inspect
from collections.abc import Iterator

import pytest

import stdb

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    seen = set()
    for name in stdb.__all__:
        public = getattr(stdb, name)
        homes = inspect.getmro(public) if inspect.isclass(public) else (public,)
        for home in homes:
            if not getattr(home, "__module__", "").startswith("stdb"):
                continue
            # module=False: whatever module a method comes from, it is looked at.
            for test in finder.find(home, name, module=False, globs={}):  # type: ignore[arg-type]
                if test.examples and test.docstring not in seen:
                    seen.add(test.docstring)
                    yield test


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_example_does_what_it_says(example: doctest.DocTest) -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    outcome = runner.run(example, out=told.append)
    assert outcome.failed == 0, "".join(told)


def test_methods_are_among_them() -> None:
    names = {example.name for example in EXAMPLES}
    assert {"Database.connect", "Module.include", "TableHandle.insert", "Transaction.sql"} <= names
