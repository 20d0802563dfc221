"""Tasks that leak or compute; mounted into the image's containers, which import them as `memory_tasks`."""
