"""pytest shows the line of the test that made a mistake, not the frames of the handles below it."""

from operator import methodcaller

from callmocks.errors import CallmocksError

# Value of `__tracebackhide__` in a module: a defect's own exception is shown whole.
hide_frame = methodcaller("errisinstance", (AssertionError, CallmocksError))
