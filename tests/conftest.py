"""Property tests are judged by what they find, and not by how busy the machine is. Each worker of xdist has its own lab."""

import os

from hypothesis import HealthCheck, settings

if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # gw0, gw1
    os.environ["LAB"] = str(1 + int(worker.removeprefix("gw")))  # before lab/place.py is imported

settings.register_profile(
    "any machine", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
