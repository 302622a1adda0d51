"""For all tests."""

from __future__ import annotations

from hypothesis import settings

# The machines that run the tests are shared: how long one example takes says nothing. On top of hypothesis' own profile
# for CI, which gives the same examples every time.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")
