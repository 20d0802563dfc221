"""Every suite, in one table: what it proves, how long it takes, the commands that run it, the paths that it guards.

`make test` runs the parts of TEST, `make proof` the suites of PROOFS. Seconds are of two quiet cores with full caches.
The module is long because it is that table.
"""

from __future__ import annotations

from dataclasses import dataclass

Command = tuple[str, ...]

PYTHON = ".venv/bin/python"
#: Two workers: with three, clusters of three brokers started so slowly that tests of time-outs failed for that alone.
_TWO_WORKERS = ("-n", "2", "--no-loadscope-reorder")
#: Everything that the application's behaviour on real servers depends on.
_APPLICATION = (
    "app/",
    "compose.yaml",
    "infra/servers/",
    "infra/images/",
    "infra/local/",
    "loadtests/",
    "tests/harness/",
)
_DEPLOYMENT = ("infra/", "Pulumi", "app/contract.py")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tests that run together."""

    name: str
    proves: str
    #: What it usually takes, warm.
    seconds: int
    commands: tuple[Command, ...]
    #: Commands that prepare it while the suites before it run. `commands` repeat those that failed.
    beforehand: tuple[Command, ...] = ()
    #: Prefixes of paths; a change of one of these asks for this suite first.
    guards: tuple[str, ...] = ()
    #: It needs the cluster with staging on it, which stays until the core of e2e takes it down.
    on_cluster: bool = False
    #: CI runs it whatever was changed.
    always: bool = False
    #: Why CI does not run it.
    not_in_ci: str = ""


def _module(name: str, *words: str) -> Command:
    return (PYTHON, "-m", name, *words)


def _pytest(*words: str) -> Command:
    return _module("pytest", *words)


def _images(*words: str) -> Command:
    return _module("infra.local", "images", *words)


#: The engine and its provider for Kubernetes.
_PULUMI = ("pulumi", "pulumi-resource-kubernetes")
#: A cluster on this machine with staging on it, or what is there; and what the machine was like before.
_STAGING = (_module("tests.harness.machine"), _module("infra.lab.staging", "up"))


def _on_servers(name: str, seconds: int, proves: str, *words: str, guards: tuple[str, ...] = ()) -> Suite:
    commands = (_images("--all-versions"), _pytest(f"tests/proofs/{name}", "--timeout", "1800", *words))
    return Suite(
        name=name, proves=proves, seconds=seconds, commands=commands, guards=(f"tests/proofs/{name}/", *guards)
    )


def _on_cluster(name: str, seconds: int, proves: str, guards: tuple[str, ...] = (), *, not_in_ci: str = "") -> Suite:
    return Suite(
        name=name, proves=proves, seconds=seconds,
        commands=(*_STAGING, _pytest(f"tests/proofs/{name}", "--timeout", "1800")),
        guards=(f"tests/proofs/{name}/", *guards), on_cluster=True, not_in_ci=not_in_ci,
    )  # fmt: skip


#: `make test`, in this order.
TEST = (
    Suite(
        name="unit",
        proves="everything that needs no server, and the rendered stacks under their policies",
        seconds=120,
        commands=(_pytest("tests/unit", *_TWO_WORKERS, "--dist", "loadfile"),),
    ),
    Suite(
        name="integration",
        proves="the promises on real servers: campaign, crash points, poison, refusals, planted bugs",
        seconds=380,
        beforehand=(_images(),),
        commands=(_images(), _pytest("tests/integration", *_TWO_WORKERS, "--timeout", "1800")),
    ),
)

PROOFS = (
    _on_servers(
        "outages",
        335,
        "a minute without brokers, a broker node, Redis, PostgreSQL",
        guards=("app/relay/", "app/worker/", "app/brokers/", "infra/servers/"),
    ),
    _on_servers("faults", 310, "each fault and crash point by itself, with its own account", guards=_APPLICATION),
    _on_servers("rabbitmq40", 90, "lost nodes on RabbitMQ 4.0", guards=("infra/servers/rabbitmq/", "app/brokers/")),
    _on_servers(
        "rabbitmq",
        200,
        "RabbitMQ as Kubernetes runs it, each version: TLS, roles, stops, definitions",
        guards=("infra/servers/rabbitmq/", "infra/images/rabbitmq/"),
    ),
    _on_servers(
        "sentinel",
        135,
        "Redis under Sentinel: lost primaries, frozen ones, full memory",
        guards=("infra/servers/redis_conf.py", "infra/servers/sentinel.py", "infra/images/redis/"),
    ),
    _on_servers(
        "pgbouncer",
        230,
        "work through two PgBouncers, one of them lost or slow",
        guards=(
            "infra/servers/pgbouncer.py",
            "infra/servers/postgresql.py",
            "infra/images/pgbouncer/",
            "app/gateway/database.py",
            "app/storage/engine.py",
        ),
    ),
    _on_servers(
        "logins",
        60,
        "our logins on managed servers, created by their administrators, who are no superusers",
        guards=("app/logins.py", "infra/servers/postgresql.py", "infra/servers/rabbitmq/"),
    ),
    _on_servers("backup", 115, "dump and restore of PostgreSQL", guards=("infra/images/postgresql/", "app/storage/")),
    _on_servers(
        "pods",
        90,
        "the image under Kubernetes' secrets, signals and init containers",
        guards=("infra/images/app/", "app/wait.py"),
    ),
    Suite(
        name="first_task",
        proves="docs/first-task.md as it stands: a file and a queue make a task, in a copy of the tree",
        seconds=200,
        commands=(_images(), _pytest("tests/proofs/first_task", "--timeout", "1800")),
        guards=("app/kinds/", "app/gateway/", "docs/first-task.md", "tests/proofs/first_task/"),
    ),
    _on_servers(
        "laws",
        60,
        "batches and schedules that Hypothesis draws, with deaths and steps of the clock; every migration undone",
        guards=(
            "app/kinds/",
            "app/beat/",
            "app/brokers/bundles.py",
            "app/brokers/celery_app.py",
            "app/brokers/transactional.py",
            "app/contract.py",
            "app/storage/",
            "infra/images/postgresql/",
            "infra/servers/postgresql.py",
        ),
    ),
    _on_servers(
        "own_image",
        230,
        "tasks in an image built on ours: what Celery's users write and test, in a transaction and not; schedules",
        guards=("app/kinds/", "app/brokers/", "app/beat/", "docs/first-task.md", "docs/tasks.md"),
    ),
    _on_servers(
        "chords",
        300,
        "a chord ends once: a thousand members while worker and leader are killed, Redis restarted; results",
        guards=("app/results/", "app/kinds/", "app/brokers/", "infra/servers/redis.py", "tests/harness/chord"),
    ),
    _on_servers(
        "patterns_calls",
        420,
        "docs/patterns: rate limits, calls that happen once and warm caches, in six processes under kills",
        guards=("app/patterns/", "app/kinds/", "docs/patterns/", "tests/harness/fleet", "loadtests/mix/far_side.py"),
    ),
    _on_servers(
        "producers",
        60,
        "docs/producers.md as it stands: plain Celery of another service sends our tasks, and can do nothing else",
        guards=("app/brokers/", "infra/servers/rabbitmq/", "docs/producers.md"),
    ),
    _on_servers(
        "foreign_app",
        80,
        "docs/foreign-apps.md: an application that imports nothing of ours, unchanged and with late acknowledgement",
        guards=("infra/servers/rabbitmq/", "infra/local/compose_files.py", "docs/foreign-apps.md"),
    ),
    _on_servers(
        "patterns_uploads",
        190,
        "docs/patterns: uploads and long items, killed, repeated, damaged and without S3; what retention removes",
        guards=(
            "app/gateway/uploads.py",
            "app/gateway/object_store.py",
            "app/kinds/claims.py",
            "app/patterns/uploads.py",
            "app/storage/object",
            "app/tasks/word_counts.py",
            "infra/images/objectstore/",
            "infra/servers/object_store.py",
        ),
    ),
    _on_servers(
        "patterns_batches",
        260,
        "docs/patterns: counted batches, unique jobs and tasks in steps, killed, repeated and without Redis",
        guards=(
            "app/patterns/",
            "app/tasks/",
            "app/gateway/batch_records.py",
            "app/gateway/counted_batches.py",
            "app/gateway/batch_uploads.py",
            "app/storage/",
            "app/kinds/",
            "docs/patterns/",
            "tests/harness/step_tasks/",
        ),
    ),
    _on_servers(
        "patterns_memory",
        120,
        "docs/patterns/heavy-and-leaky.md: leaks contained, crashes counted, too much at once dead-lettered",
        guards=("app/worker/", "app/brokers/celery_app.py", "tests/harness/memory"),
    ),
    _on_servers(
        "patterns_control",
        200,
        "docs/patterns: queues and tasks paused through restarts, jobs and batches revoked, lost messages put back",
        guards=(
            "app/patterns/",
            "app/kinds/",
            "app/relay/",
            "app/storage/",
            "app/gateway/batch_records.py",
            "docs/patterns/",
            "tests/harness/control_tasks/",
        ),
    ),
    _on_servers(
        "patterns_order",
        170,
        "docs/patterns: order of one key's items, killed, repeated, poisoned; one sender's backlog, another's item",
        guards=("app/kinds/", "app/storage/", "app/relay/", "app/gateway/acceptance.py", "docs/patterns/"),
    ),
    _on_servers(
        "rotation",
        390,
        "every password rotated under load: no request fails, the ledger is exact, the old ones are refused (I10)",
        guards=("infra/servers/", "infra/local/secrets.py", "infra/images/postgresql/"),
    ),
    _on_servers(
        "runbooks",
        300,
        "diagnosis and verification of every runbook on the local stack, two incidents, the metrics that alerts read",
        guards=("runbooks/", "infra/observability/", "compose.yaml"),
    ),
    Suite(
        name="sqs",
        proves="docs/brokers.md on an emulator of SQS: executed once, poison archived, whatever SQS answers",
        seconds=280,
        commands=(_images("--broker", "sqs"), _pytest("tests/proofs/sqs", "--timeout", "900")),
        guards=(
            "app/brokers/",
            "app/worker/",
            "app/relay/",
            "infra/local/brokers.py",
            "infra/images/ministack/",
            "tests/proofs/sqs/",
            "tests/harness/sqs_",
        ),
    ),
    _on_servers(
        "redis_broker",
        120,
        "docs/brokers.md on Redis: executed once under kills of workers and broker, poison archived, rights, lost data",
        guards=(
            "app/brokers/",
            "app/worker/",
            "app/relay/",
            "infra/servers/redis_broker.py",
            "infra/servers/redis_conf.py",
            "infra/local/brokers.py",
            "tests/harness/redis_stack",
        ),
    ),
    _on_servers("loads", 105, "a load finds its rate in a trial, and ends when it is told to", guards=("loadtests/",)),
    _on_servers(
        "locust",
        150,
        "docs/load.md: plain Locust alone, with workers, by its web UI; what it says of lost jobs and a dead gateway",
        guards=("loadtests/closed_loop/", "loadtests/scenarios/", "app/gateway/"),
    ),
    _on_servers(
        "beat",
        160,
        "canaries through outages of broker and workers; the load's verdict counts them",
        guards=("app/beat/", "app/worker/", "loadtests/mix/schedules.py"),
    ),
    _on_servers(
        "drills",
        510,
        "experiments of chaos/ happen and are taken back, also when their runner is killed or hangs (I17, I18); "
        "on a stack that breaks a promise they are red",
        guards=("chaos/", "infra/images/netfault/", "loadtests/demo.py", "compose.yaml"),
    ),
    _on_servers("schemathesis", 40, "the gateway against its own OpenAPI document", guards=("app/gateway/",)),
    _on_servers(
        "jobs",
        100,
        "revoked and expired items, wherever their messages are and whatever runs meanwhile (A17)",
        guards=("app/gateway/jobs.py", "app/kinds/", "app/relay/", "app/storage/", "app/worker/"),
    ),
    Suite(
        name="push",
        proves="`make push` to a real registry: not as root, repeated, with a login, with an authority of its own",
        seconds=120,
        commands=(
            _module("infra.lab.toolchain", "registry"),
            _images(),
            _pytest("tests/proofs/push", "--timeout", "900"),
        ),
        guards=(
            "infra/local/images.py",
            "infra/local/pod_images.py",
            "infra/local/push.py",
            "infra/local/registry.py",
            "infra/local/stack_images.py",
            "infra/images/",
            "tests/proofs/push/",
        ),
    ),
    Suite(
        name="manifests",
        proves="the rendered stacks against schemas (kubeconform) and scanner (checkov)",
        seconds=35,
        commands=(
            _module("infra.lab.toolchain", "kubeconform"),
            _pytest("tests/proofs/manifests", "--timeout", "900"),
        ),
        guards=(*_DEPLOYMENT, "tests/proofs/manifests/"),
    ),
    Suite(
        name="aws",
        proves="infra/aws on Pulumi's mocks: settings, rules, scanners, security groups, rights of each role",
        seconds=50,
        commands=(("infra/local/bootstrap.sh", "--aws"), _pytest("tests/proofs/aws", "--timeout", "900")),
        guards=(
            "infra/aws/",
            "infra/checks/",
            "infra/connections.py",
            "infra/servers/redis.py",
            "Pulumi.prod-aws.yaml",
            "pyproject.toml",
            "tests/proofs/aws/",
        ),
    ),
    Suite(
        name="aws_engine",
        proves="infra/aws, and the main program on top, on the real engine and an emulator: settle, hide secrets, end",
        seconds=190,
        commands=(
            ("infra/local/bootstrap.sh", "--aws"),
            _module("infra.lab.toolchain", "pulumi"),
            _pytest("tests/proofs/aws_engine", "--timeout", "900"),
        ),
        guards=(
            "infra/aws/",
            "infra/backends.py",
            "infra/below.py",
            "infra/lab/aws/",
            "infra/lab/plugins/",
            "infra/managed.py",
            "Pulumi.prod-aws.yaml",
            "tests/proofs/aws_engine/",
        ),
    ),
    Suite(
        name="engine",
        proves="the program on the real Pulumi engine",
        seconds=250,
        commands=(_module("infra.lab.toolchain", "pulumi"), _pytest("tests/proofs/engine", "--timeout", "900")),
        guards=(*_DEPLOYMENT, "examples/", "tests/proofs/engine/"),
    ),
    Suite(
        name="api_server",
        proves="`pulumi up`, interrupted too, with the real provider on a real Kubernetes API server",
        seconds=240,
        commands=(
            _module("infra.lab.toolchain", "etcd", "kube-apiserver", "kube-controller-manager", *_PULUMI),
            _pytest("tests/proofs/api_server", *_TWO_WORKERS, "--dist", "loadfile", "--timeout", "900"),
        ),
        guards=(*_DEPLOYMENT, "tests/proofs/api_server/"),
    ),
    Suite(
        name="devcluster",
        proves="the three nodes of `make cluster`: network, policies, volumes, a lost node",
        seconds=110,
        commands=(_images(), _pytest("tests/proofs/devcluster")),
        guards=("infra/lab/devcluster/", "infra/lab/toolchain/", "tests/proofs/devcluster/"),
        not_in_ci="on a new machine its programs are not built so early; e2e starts the same cluster",
    ),
    _on_cluster(
        "e2e_nodes",
        320,
        "a lost node and three drains under load from outside",
        guards=("chaos/", "infra/components/", "infra/workloads.py"),
    ),
    _on_cluster(
        "e2e_brokers",
        385,
        "brokers restarted, killed, paused, parted under load, and the application rolled",
        guards=(
            "chaos/broker_faults.py",
            "chaos/partition.py",
            "infra/components/rabbitmq.py",
            "infra/images/rabbitmq/",
        ),
    ),
    _on_cluster(
        "e2e_scaling",
        485,
        "more work brings more pods; budgets are asked to their limit",
        guards=("infra/components/scalers.py", "infra/components/worker_pool.py", "infra/settings/scaling.py"),
    ),
    _on_cluster(
        "e2e_lifecycle",
        330,
        "a second deployment, a change, a bad image",
        guards=("infra/lab/staging/", "infra/components/"),
    ),
    _on_cluster(
        "e2e_rotation",
        480,
        "passwords of gateway and workers rotated by `pulumi up` under load, to their second logins and back",
        guards=("infra/components/passwords.py", "infra/settings/rotation.py", "infra/servers/logins.py"),
        not_in_ci="three deployments under one load take eight minutes",
    ),
    Suite(
        name="e2e",
        proves="public face, connections, accounts, a killed broker, destroy; nothing is left of the cluster",
        seconds=480,
        commands=(
            *_STAGING,
            _pytest("tests/proofs/e2e", "--timeout", "1800"),
            _pytest("tests/proofs/cluster_down"),
        ),
        guards=(*_DEPLOYMENT, "chaos/", "tests/proofs/e2e/", "tests/proofs/cluster_down/", "tests/harness/kubernetes/"),
        on_cluster=True,
        always=True,
    ),
)
