"""The collector is as it was after compiling, whatever happens meanwhile."""

from __future__ import annotations

import gc

import pytest

from constrain.garbage import collected_later


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_left_as_it_was(was_on: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        with collected_later():
            assert not gc.isenabled()
            with collected_later():
                assert not gc.isenabled()
            assert not gc.isenabled()
        assert gc.isenabled() is was_on
        with pytest.raises(KeyError), collected_later():
            raise KeyError
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
