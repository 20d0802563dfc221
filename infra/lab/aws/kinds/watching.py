"""CloudWatch and the budget."""

from __future__ import annotations

from infra.lab.aws.kind import Kind, call, only

_BUDGET = (
    "{BudgetName: name, BudgetType: budgetType, TimeUnit: timeUnit, "
    "BudgetLimit: {Amount: limitAmount, Unit: limitUnit}}"
)

_SAID = (
    "Budget.{BudgetName: BudgetName, BudgetType: BudgetType, TimeUnit: TimeUnit, "
    "limitAmount: BudgetLimit.Amount, limitUnit: BudgetLimit.Unit}"
)

KINDS = {
    "aws:cloudwatch/logGroup:LogGroup": Kind(
        service="logs",
        creates=[
            call("create_log_group"),
            only("put_retention_policy", logGroupName="name", retentionInDays="retentionInDays"),
        ],
        identity="name",
        reads=[
            (only("describe_log_groups", logGroupNamePrefix="id"), "logGroups[?logGroupName=='$id'] | [0]"),
        ],
        updates=[only("put_retention_policy", logGroupName="name", retentionInDays="retentionInDays")],
        deletes=[only("delete_log_group", logGroupName="name")],
        renames={"name": "logGroupName"},
        outputs={"arn": "said.arn"},
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        service="cloudwatch",
        creates=[call("put_metric_alarm")],
        identity="name",
        reads=[(only("describe_alarms", AlarmNames="[id]"), "MetricAlarms[0]")],
        updates=[call("put_metric_alarm")],
        deletes=[only("delete_alarms", AlarmNames="[id]")],
        renames={"name": "AlarmName", "okActions": "OKActions"},
    ),
    "aws:budgets/budget:Budget": Kind(
        service="budgets",
        creates=[only("create_budget", AccountId="'000000000000'", Budget=_BUDGET)],
        identity="name",
        reads=[
            (
                only("describe_budget", AccountId="'000000000000'", BudgetName="id"),
                _SAID,
            )
        ],
        updates=[only("update_budget", AccountId="'000000000000'", NewBudget=_BUDGET)],
        deletes=[only("delete_budget", AccountId="'000000000000'", BudgetName="id")],
        renames={"name": "BudgetName"},
    ),
}
