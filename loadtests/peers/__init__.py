"""`make peers`: other ways to run a task for each request, measured beside Millrace on the same broker and database."""
