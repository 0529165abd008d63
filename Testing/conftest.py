"""What every test shares: property tests that do not depend on how busy the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None, print_blob=True)
settings.load_profile("steady")
