"""The common part of `locust -f loadtests/scenarios`: users, shapes, arguments, and the check at the end."""
