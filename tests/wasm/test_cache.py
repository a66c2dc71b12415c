"""What is kept of compiled modules on the disk, and the check of the library that runs them."""

import ctypes
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.wasm_modules import built
from wasmtime import _bindings

import stdb
from stdb.runtime.wasm import cache, capi
from stdb.runtime.wasm.engine import Engine, engine


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STDB_CACHE_DIR", str(tmp_path))
    return tmp_path / "wasm"


class Counting(Engine):
    """An engine that counts how often it compiles."""

    count = 0

    def compile(self, program: bytes) -> Any:
        self.count += 1
        return super().compile(program)


@pytest.fixture(scope="module")
def counting() -> Counting:
    return Counting(has_fuel=False)


def test_a_module_is_compiled_once(place: Path, counting: Counting) -> None:
    program = built("bank.c").read_bytes()
    before = counting.count
    for _ in range(3):
        cache.compiled(counting, program)
    assert counting.count == before + 1
    (file,) = place.iterdir()
    assert f"wasmtime-{counting.api.version}-epoch" in file.name
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_is_compiled_anew(place: Path, counting: Counting) -> None:
    program = built("bank.c").read_bytes()
    cache.compiled(counting, program)
    (file,) = place.iterdir()
    good = file.read_bytes()
    for damaged in (b"", good[:-1], good[:40], good[:32] + bytes(len(good) - 32)):
        file.write_bytes(damaged)
        before = counting.count
        cache.compiled(counting, program)
        assert counting.count == before + 1
        assert file.read_bytes() == good


def test_a_place_that_others_can_write_is_not_used(place: Path, counting: Counting) -> None:
    place.mkdir()
    place.chmod(0o777)
    before = counting.count
    for _ in range(2):
        cache.compiled(counting, built("bank.c").read_bytes())
    assert counting.count == before + 2
    assert list(place.iterdir()) == []


def test_a_cache_that_is_switched_off(monkeypatch: pytest.MonkeyPatch, counting: Counting) -> None:
    monkeypatch.setenv("STDB_CACHE_DIR", "")
    assert cache.cache_directory() is None
    before = counting.count
    cache.compiled(counting, built("bank.c").read_bytes())
    assert counting.count == before + 1


def test_the_cache_does_not_grow_for_ever(
    place: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_FILES_MAX", 3)
    place.mkdir(mode=0o700)
    for age in range(5):
        old = place / f"old-{age}.bin"
        old.write_bytes(b"")
        os.utime(old, (0, time.time() - 1000 - age))
    cache.compiled(counting, built("bank.c").read_bytes())
    assert sorted(p.name for p in place.glob("old*")) == ["old-0.bin", "old-1.bin"]


def test_fuel_has_code_of_its_own(place: Path) -> None:
    program = built("bank.c").read_bytes()
    for has_fuel in (False, True):
        cache.compiled(engine(has_fuel=has_fuel), program)
    assert len(list(place.iterdir())) == 2


# -- the library ---------------------------------------------------------------------------------


def test_another_layout_of_the_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint32), ("data", ctypes.c_void_p), ("more", ctypes.c_void_p))

    monkeypatch.setattr(_bindings, "wasm_byte_vec_t", Other)
    with pytest.raises(stdb.PublishError, match="wasm_byte_vec_t has 24 bytes, not 16") as e:
        capi.load.__wrapped__()
    assert "install another version" in str(e.value)
