"""Tasks for the tests of chords; mounted into the image's containers, which import them as `chord_tasks`."""
