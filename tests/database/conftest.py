"""What the tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.helpers.migrating import WAYS, Migration
from tests.helpers.migration_table import check_kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=WAYS)
def migration(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Migration]:
    """A way from one module to another: each, for modules in Python and compiled ones.

    What the test does has to be what docs/migrations.md says of the change that it is marked with.
    """
    made = Migration(request.param, tmp_path)
    yield made
    made.close()
    mark = request.node.get_closest_marker("change")
    if mark is not None:
        check_kept(mark.args, made.breaks, made.refusals)
