"""Cases of the alerts on what Kubernetes' own exporters say; the pod that is deleted is the exporter's."""

from __future__ import annotations

from collections.abc import Iterator

from tests.integration.alerts.cases import Case, SeriesOf, of_alert
from tests.integration.alerts.series import Series, always, rising, until_deleted

DAY = 86400


def _exported(
    metric: str, values: str, *, replaced: bool, namespace: str = "namespace", **labels: str
) -> tuple[Series, ...]:
    own = {namespace: "millrace-data", **labels}
    if not replaced:
        return (Series(metric=metric, values=values, labels=own),)
    begin, _, _ = values.partition("x")
    return (
        Series(metric=metric, values=until_deleted(values), labels=own),
        Series(metric=metric, values=f"_x20 {begin}x40", number=2, labels=own),
    )


def _both(alert: str, metric: str, bad: str, good: str, **labels: str) -> Iterator[Case]:
    yield from of_alert(
        alert,
        fires=lambda _w: _exported(metric, bad, replaced=False, **labels),
        quiet=lambda _w: _exported(metric, good, replaced=False, **labels),
        after=lambda _w: _exported(metric, bad, replaced=True, **labels),
    )


def _replicas(current: float, *, replaced: bool = False) -> SeriesOf:
    labels = {"horizontalpodautoscaler": "worker-bulk"}
    prefix = "kube_horizontalpodautoscaler"
    return lambda _w: (
        *_exported(f"{prefix}_status_current_replicas", always(current), replaced=replaced, **labels),
        *_exported(f"{prefix}_spec_max_replicas", always(20), replaced=replaced, **labels),
    )


def _free(share: float, *, replaced: bool = False) -> SeriesOf:
    labels = {"persistentvolumeclaim": "data-rabbitmq-0"}
    return lambda _w: (
        *_exported("kubelet_volume_stats_available_bytes", always(share * 1000), replaced=replaced, **labels),
        *_exported("kubelet_volume_stats_capacity_bytes", always(1000), replaced=replaced, **labels),
    )


def exporters() -> Iterator[Case]:
    """Cases for a stack with one database."""
    expiry = "certmanager_certificate_expiration_timestamp_seconds"
    for namespace in ("namespace", "exported_namespace"):
        yield from _both(
            "CertificateExpiring", expiry, always(20 * DAY), always(30 * DAY), namespace=namespace, name="gateway"
        )
    condition = {"horizontalpodautoscaler": "worker-bulk", "condition": "ScalingActive", "status": "false"}
    yield from _both(
        "ScalerFailing", "kube_horizontalpodautoscaler_status_condition", always(1), always(0), **condition
    )
    errors = "keda_scaler_detail_errors_total"
    yield from _both(
        "ScalerFailing", errors, rising(2), always(9), namespace="exported_namespace", scaledObject="worker-interactive"
    )
    yield from of_alert("ScalerAtMaximum", fires=_replicas(20), quiet=_replicas(19), after=_replicas(20, replaced=True))
    migrate = {"job_name": "migrate-12345678"}
    yield from _both("MigrationStuck", "kube_job_failed", always(1), always(0), condition="true", **migrate)
    yield from _both("MigrationStuck", "kube_job_status_active", always(1), always(0), **migrate)
    yield from of_alert("VolumeFilling", fires=_free(0.1), quiet=_free(0.5), after=_free(0.1, replaced=True))
    yield from _both(
        "PodsRestart",
        "kube_pod_container_status_restarts_total",
        rising(1),
        always(7),
        container="worker",
        pod="worker-1",
    )
    done, made = "kube_cronjob_status_last_successful_time", "kube_cronjob_created"
    for metric in (done, made):
        yield from _both("BackupLate", metric, always(-3 * DAY), always(-DAY), cronjob="postgresql-backup")


def replicated() -> Iterator[Case]:
    """Cases for a stack whose database is CloudNativePG's."""
    backup, failed = (
        "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp",
        "cnpg_pg_stat_archiver_failed_count",
    )

    def shown(metric: str, values: str, *, first_deleted: bool = False) -> SeriesOf:
        first = until_deleted(values) if first_deleted else values
        return lambda _w: tuple(
            Series(metric=metric, values=text, process="postgresql", number=number)
            for number, text in ((1, first), (2, values))
        )

    for alert, metric, bad, good in (
        ("BackupLate", backup, always(-3 * DAY), always(-DAY)),
        ("ArchiveFailing", failed, rising(1), always(7)),
    ):
        yield from of_alert(
            alert, fires=shown(metric, bad), quiet=shown(metric, good), after=shown(metric, bad, first_deleted=True)
        )
