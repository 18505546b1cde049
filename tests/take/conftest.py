"""A take of ten seconds, recorded once and harmed many times."""

from __future__ import annotations

import pytest
import take_parts


@pytest.fixture(scope="session")
def played(tmp_path_factory) -> take_parts.Played:
    """600 rows in 20 chunks; not to be written to."""
    return take_parts.play_take(tmp_path_factory.mktemp("played"), 600)


@pytest.fixture(scope="session")
def intact(played) -> bytes:
    """The bytes of its ``take.mcap``."""
    return played.record.read_bytes()


@pytest.fixture
def harmed(tmp_path):
    """A function that lays down a take with the given bytes and hands back its folder."""
    folder = tmp_path / "harmed.take"
    folder.mkdir()

    def write(data: bytes):
        (folder / "take.mcap").write_bytes(data)
        return folder

    return write
