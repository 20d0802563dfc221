"""Variants that are right: each rule lets them through, and so do all others."""

from __future__ import annotations

from tests.unit.infra.policy.cases import (
    RANDOM,
    Case,
    broker,
    container_0,
    env,
    file,
    ingress_of,
    pre_stop,
    relay,
    rule_of,
    scaler,
    worker,
)
from tests.unit.infra.policy.stack import (
    APP,
    budget,
    certificate,
    changed,
    deployment,
    labels,
    peer,
    pod,
    policy,
    scaled_object,
    with_also,
    without,
)

KEPT = [
    Case("resources-said", without()),
    Case("server-memory-guaranteed", broker("template/spec/initContainers/0/resources/requests/memory", "1Mi")),
    Case("server-memory-guaranteed", container_0("resources/requests/memory", "1Mi")),
    Case("non-root", container_0("securityContext/runAsNonRoot", value=True)),
    Case("read-only-root", without()),
    Case("no-privilege-escalation", container_0("securityContext/privileged", value=False)),
    Case("no-capabilities", without()),
    Case("seccomp-runtime-default", container_0("securityContext/seccompProfile", {"type": "RuntimeDefault"})),
    Case("no-host", relay("volumes", [{"name": "a", "emptyDir": {}}, {"name": "b", "projected": {"sources": []}}])),
    Case("image-version", container_0("image", f"localhost:5000/app@sha256:{'a' * 64}")),
    Case("image-version", container_0("image", "localhost:5000/app:0.1.0"), environment="staging"),
    Case("image-digest", container_0("image", "localhost:5000/app:0.1.0"), environment="staging"),
    Case(
        "network-default-deny",
        [
            *without("deny"),
            policy("no-way-in", APP, policyTypes=["Ingress"]),
            policy("no-way-out", APP, policyTypes=["Egress"]),
        ],
    ),
    Case(
        "network-default-deny",
        with_also(
            policy(
                "dns",
                APP,
                policyTypes=["Egress"],
                egress=[{"to": [peer("dns", "kube-system")], "ports": [{"port": 53}]}],
            )
        ),
    ),
    Case("network-rules-narrow", rule_of(ports=[{"port": 35672, "endPort": 35682}, {"port": "amqps"}])),
    Case("network-no-internet", rule_of(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})),
    Case("network-and-not-or", rule_of(**{"from": [{"podSelector": {"matchLabels": labels("rabbitmq")}}]})),
    Case("services-inside", changed("broker-service", "spec/clusterIP", "None")),
    Case("services-inside", changed("gateway-service", "spec/type", "ClusterIP")),
    Case("ingress-to-gateway", without()),
    Case("ingress-reaches-gateway", ingress_of("alb", **{"alb.ingress.kubernetes.io/backend-protocol": "HTTPS"})),
    Case("ingress-reaches-gateway", ingress_of("skipper", **{"zalando.org/skipper-backend-protocol": "https"})),
    Case(
        "ingress-reaches-gateway",
        ingress_of("nginx", **{"nginx.org/ssl-services": "gateway", "nginx.org/client-max-body-size": "64m"}),
    ),
    Case(
        "ingress-reaches-gateway",
        ingress_of("traefik-internal", service={"traefik.ingress.kubernetes.io/service.serversscheme": "https"}),
    ),
    Case(
        "ingress-reaches-gateway",
        ingress_of(
            None,
            service={"cloud.google.com/app-protocols": '{"https":"HTTPS"}'},
            **{"kubernetes.io/ingress.class": "gce"},
        ),
    ),
    Case("no-plain-text", env(BROKER="amqps://rabbitmq:5671", API="https://gateway", BACKEND="rediss://redis:6379")),
    Case("no-plain-text", env(A="http://localhost:9000/", B="http://127.0.0.1:1/", XMLNS="http://www.w3.org/2000/svg")),
    Case("no-plain-text", env(DSN="postgresql+psycopg://pgbouncer:5432/millrace?sslmode=verify-full&x=1")),
    Case("no-plain-text", file("# amqp://rabbitmq:5672 was once")),
    Case("no-plain-text", file("port 0")),
    Case("tls-verified", env(PGSSLMODE="verify-full", CERT_REQS="required", UNSAFE_SSL="false")),
    Case("tls-verified", file("client_tls_sslmode = require")),
    Case("tls-verified", file("ssl_options.verify = verify_none")),
    Case(
        "tls-verified", container_0("args", ["curl", "--silent", "--key", "x", "--cacert", "ca.crt", "https://gateway"])
    ),
    Case("probes-present", container_0("readinessProbe", {"tcpSocket": {"port": 1}})),
    Case("ready-before-traffic", without("broker-service")),
    Case("probes-leave-the-broker-alone", container_0("args", ["celery", "inspect", "ping"])),
    Case("probes-over-tls", container_0("livenessProbe", {"httpGet": {"port": 1, "scheme": "HTTPS"}})),
    Case("grace-period-said", relay("terminationGracePeriodSeconds", 0)),
    Case("pre-stop-bounded", pre_stop("sh", "-c", "sleep 5; drain --timeout 30")),
    Case(
        "pre-stop-bounded", pre_stop("/usr/bin/timeout", "-k", "5", "50", "sh", "-c", "while true; do sleep 900; done")
    ),
    Case("pre-stop-bounded", container_0("lifecycle", {"preStop": {"sleep": {"seconds": 10}}})),
    Case("grace-covers-tasks", worker("terminationGracePeriodSeconds", 100)),
    Case("disruption-budget", [*without("relay", "relay-budget"), deployment("relay", replicas=1)]),
    Case(
        "disruption-budget",
        [
            *without("relay-budget"),
            budget(
                "relay",
                selector={
                    "matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": ["relay"]}]
                },
                maxUnavailable=1,
            ),
        ],
    ),
    Case("disruption-possible", changed("relay-budget", "spec/minAvailable", 2)),
    Case("disruption-possible", [*without("relay-budget"), budget("relay", maxUnavailable="1%")]),
    Case("disruption-quorum", without()),
    Case("scaler-owns-replicas", without()),
    Case("one-scaler", without()),
    Case("scaler-has-target", without()),
    Case("scaled-object-sound", scaler("minReplicaCount", 0)),
    Case(
        "scaled-object-sound",
        [
            *without("worker-scaler"),
            scaled_object(
                "worker-interactive",
                fallback=None,
                minReplicaCount=1,
                triggers=[{"type": "cpu", "metricType": "Utilization"}],
            ),
        ],
    ),
    Case("broker-starts-together", without()),
    Case("broker-odd", broker("replicas", 1), environment="staging"),
    Case("claims-retained", broker("persistentVolumeClaimRetentionPolicy", None), environment="staging"),
    Case("no-literal-secrets", env(POSTGRESQL_PASSWORD_FILE="/run/x", PGPASSFILE="/run/y", API_TOKEN="$(FROM_SECRET)")),
    Case("no-literal-secrets", file('"dead-letter-routing-key": "interactive.dead",\npassword = load(secret)')),
    Case("no-literal-secrets", env(IDEMPOTENCY_KEEP_SECONDS="86400", MAX_TOKENS="100", MILLRACE_SECRETS_DIR="/run")),
    Case(
        "no-literal-secrets",
        file("auth_type = scram-sha-256\npassword_encryption = scram-sha-256\nPGPASSWORD=$(cat /run/x)"),
    ),
    Case(
        "no-literal-secrets",
        relay(
            "volumes",
            [
                {
                    "name": "s",
                    "projected": {
                        "sources": [{"secret": {"name": "x", "items": [{"key": "password", "path": "password"}]}}]
                    },
                }
            ],
        ),
    ),
    Case(
        "no-passwords-in-urls",
        env(BROKER="amqps://relay@rabbitmq:5671/millrace", DSN="amqps://relay:$(PASSWORD)@rabbitmq"),
    ),
    Case("no-private-keys", file("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")),
    Case("no-random-strings", file(f"-----BEGIN CERTIFICATE-----\n{RANDOM * 3}\n-----END CERTIFICATE-----")),
    Case(
        "no-random-strings",
        env(CONFIG_CHECKSUM="0123456789abcdef" * 4, URL="https://gateway.millrace.svc.cluster.local/v1/Events2"),
    ),
    Case("secrets-without-data", without()),
    Case("certificate-key-rotated", with_also(certificate("flower"))),
    Case("issuer-own-namespace", with_also(certificate("flower"))),
    Case("certificate-usages", with_also(certificate("flower", usages=["client auth"]))),
    Case(
        "no-api-token",
        [
            *without("watcher"),
            deployment(
                "watcher", pod("watcher", serviceAccountName="watcher", automountServiceAccountToken=None), replicas=1
            ),
        ],
    ),
    Case("roles-narrow", without()),
    Case("namespace-restricted", without()),
]
