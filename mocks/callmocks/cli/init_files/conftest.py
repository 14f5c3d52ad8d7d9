import pytest


@pytest.fixture(scope="session")
def callmocks_settings():
    """The mock providers of all tests; `callmocks docs skill` explains them."""
    return {"seed": 42, "world": "default", "now": "2026-03-02T12:00:00"}
