"""The first schema: jobs, outbox, inbox, effects, failures, dead letters, keys."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: The inbox is unique by key, which a partition by time could not enforce; 16 parts keep each index small.
_INBOX_PARTITIONS = 16

# Rows of these tables live for milliseconds or change all the time: vacuum them by count, not by a share of the table,
# and leave room on each page for the next version of a row (HOT updates).
_HOT = "WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000, " \
    "autovacuum_vacuum_cost_delay = 0)"

_TABLES = f"""
CREATE TABLE jobs (
    job_id uuid PRIMARY KEY, kind text NOT NULL, queue text NOT NULL, event_ids uuid[] NOT NULL,
    api_key_id text NOT NULL, correlation_id text NOT NULL, traceparent text NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (job_id);

CREATE TABLE outbox (
    message_id uuid PRIMARY KEY, job_id uuid, task_id uuid NOT NULL, task_name text NOT NULL, queue text NOT NULL,
    exchange text NOT NULL, routing_key text NOT NULL, properties json NOT NULL, body bytea NOT NULL
) PARTITION BY RANGE (message_id);

CREATE TABLE outbox_pending (
    message_id uuid PRIMARY KEY, queue text NOT NULL, attempts smallint NOT NULL,
    due_at timestamptz NOT NULL, available_at timestamptz NOT NULL
) {_HOT};
CREATE INDEX outbox_pending_by_queue ON outbox_pending (queue, message_id);

CREATE TABLE inbox (
    dedupe_key uuid PRIMARY KEY, job_id uuid, attempts smallint NOT NULL,
    executed_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY HASH (dedupe_key);

CREATE TABLE events (
    event_id uuid NOT NULL, job_id uuid, task_id uuid NOT NULL, user_id text NOT NULL, amount bigint NOT NULL,
    type text NOT NULL, occurred_at timestamptz NOT NULL, stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload jsonb NOT NULL
) PARTITION BY RANGE (stored_at);

CREATE TABLE accounts (
    account_id text PRIMARY KEY, event_count bigint NOT NULL, balance bigint NOT NULL
) {_HOT};

CREATE TABLE task_failures (
    failure_id uuid PRIMARY KEY, task_id uuid NOT NULL, task_name text NOT NULL, job_id uuid, queue text NOT NULL,
    attempt smallint NOT NULL, reason text NOT NULL, exception_type text NOT NULL, exception_message text NOT NULL,
    traceback text NOT NULL, worker text NOT NULL, version text NOT NULL, failed_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (failure_id);
CREATE INDEX task_failures_by_task ON task_failures (task_id);
CREATE INDEX task_failures_by_job ON task_failures (job_id);

CREATE TABLE dead_letters (
    dead_letter_id uuid PRIMARY KEY, fingerprint bytea NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('dead', 'replayed', 'discarded')),
    queue text NOT NULL, reason text NOT NULL, task_id uuid, task_name text, job_id uuid, event_ids uuid[] NOT NULL,
    exception_type text, exception_message text, attempts smallint NOT NULL, exchange text NOT NULL,
    routing_key text NOT NULL, properties json NOT NULL, body bytea NOT NULL,
    died_at timestamptz NOT NULL, archived_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letters_open ON dead_letters (archived_at) WHERE state = 'dead';
CREATE INDEX dead_letters_by_job ON dead_letters (job_id);

CREATE TABLE dead_letter_actions (
    action_id uuid PRIMARY KEY, dead_letter_id uuid NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
    action text NOT NULL CHECK (action IN ('replayed', 'discarded')),
    actor text NOT NULL, note text NOT NULL, message_id uuid, acted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letter_actions_by_letter ON dead_letter_actions (dead_letter_id);

CREATE TABLE idempotency_keys (
    api_key_id text NOT NULL, idempotency_key text NOT NULL, request_hash bytea NOT NULL, job_id uuid NOT NULL,
    expires_at timestamptz NOT NULL, PRIMARY KEY (api_key_id, idempotency_key)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE api_keys (
    api_key_id text PRIMARY KEY, secret_hash bytea NOT NULL, label text NOT NULL, scopes text[] NOT NULL,
    requests_per_second double precision NOT NULL CHECK (requests_per_second > 0),
    created_at timestamptz NOT NULL DEFAULT now(), revoked_at timestamptz
);
"""

# A row finds a home even when nobody made its day's partition; the alert on retention says so before it matters.
_DEFAULT_PARTITIONS = "".join(
    f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT;\n"
    for table in ("jobs", "outbox", "events", "task_failures")
) + "".join(
    f"CREATE TABLE inbox_{part:02} PARTITION OF inbox FOR VALUES WITH (MODULUS {_INBOX_PARTITIONS}, REMAINDER {part});\n"
    for part in range(_INBOX_PARTITIONS)
)

#: Least permissions, by role (contract.Role). The worker writes the outbox, because tasks send tasks.
_GRANTS = """
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO gateway, relay, worker, archiver, operator, auditor;
GRANT SELECT, INSERT ON jobs, outbox, outbox_pending TO gateway;
GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO gateway;
GRANT SELECT ON inbox, task_failures, dead_letters, api_keys TO gateway;
GRANT SELECT ON outbox TO relay;
GRANT SELECT, UPDATE, DELETE ON outbox_pending TO relay;
GRANT SELECT, INSERT ON dead_letters, task_failures TO relay;
GRANT SELECT, INSERT ON inbox, events, task_failures, outbox, outbox_pending TO worker;
GRANT SELECT, INSERT, UPDATE ON accounts TO worker;
GRANT SELECT ON task_failures TO archiver;
GRANT SELECT, INSERT ON dead_letters TO archiver;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO operator, auditor;
GRANT UPDATE ON dead_letters TO operator;
GRANT INSERT ON dead_letter_actions, outbox, outbox_pending TO operator;
GRANT INSERT, UPDATE ON api_keys TO operator;
REVOKE SELECT ON api_keys FROM auditor;
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(_TABLES)
    op.execute(_DEFAULT_PARTITIONS)
    op.execute(_GRANTS)


def downgrade() -> None:
    """Drop everything; the data goes with it."""
    op.execute(
        "DROP TABLE api_keys, idempotency_keys, dead_letter_actions, dead_letters, task_failures, accounts, events, "
        "inbox, outbox_pending, outbox, jobs"
    )
