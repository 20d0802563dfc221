"""The relay: takes messages from the outbox to the broker, and forgets them only when the broker has confirmed them."""
