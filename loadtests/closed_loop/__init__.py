"""What the scenarios of `locust -f loadtests/scenarios` share: users, shapes, arguments, and the check at the end."""
