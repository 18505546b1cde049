"""Shows in this process."""

import gc

import pytest


@pytest.fixture(autouse=True)
def set_aside() -> None:
    """A show searches all there is for garbage before it begins: the other tests are none."""
    gc.freeze()
