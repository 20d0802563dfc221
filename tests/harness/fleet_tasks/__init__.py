"""Tasks for the tests of limits and calls; mounted into the image's containers, which import them as `fleet_tasks`."""
