"""How hypothesis works in this suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is no failure, and the same code gives the same result.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("steady"), derandomize=False)
settings.load_profile("steady")
