"""The application in the pods: gateway, relay, workers and archiver, one image and several commands."""
