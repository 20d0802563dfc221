"""Beat: sends what is due. Today that is one canary per queue, which shows how long work waits there."""
