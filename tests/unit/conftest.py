"""Examples that Hypothesis makes up have no deadline: a busy machine is no reason to be red."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("millrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millrace")
