"""What the unit tests share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Each test draws the same weights whenever it runs, so one that fails does so again."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
