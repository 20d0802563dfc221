"""CloudWatch and the budget."""

from __future__ import annotations

from infra.lab.aws.kind import Kind, call, only

#: Filters of a stack are by its tag.
_BUDGET = (
    "{BudgetName: name, BudgetType: budgetType, TimeUnit: timeUnit, CostFilters: {TagKeyValue: costFilters[0].values}, "
    "BudgetLimit: {Amount: limitAmount, Unit: limitUnit}}"
)
_NOTICES = (
    "notifications[].{Notification: {NotificationType: notificationType, ComparisonOperator: comparisonOperator, "
    "Threshold: threshold, ThresholdType: thresholdType}, "
    "Subscribers: subscriberSnsTopicArns[].{SubscriptionType: 'SNS', Address: @}}"
)
_SAID = (
    "Budget.{BudgetName: BudgetName, BudgetType: BudgetType, TimeUnit: TimeUnit, "
    "costFilters: [{name: 'TagKeyValue', values: CostFilters.TagKeyValue}], "
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
        creates=[
            only(
                "create_budget",
                AccountId="'000000000000'",
                Budget=_BUDGET,
                NotificationsWithSubscribers=_NOTICES,
            )
        ],
        identity="name",
        reads=[
            (
                only("describe_budget", AccountId="'000000000000'", BudgetName="id"),
                _SAID,
            ),
            (
                only("describe_notifications_for_budget", AccountId="'000000000000'", BudgetName="id"),
                "{notifications: Notifications}",
            ),
        ],
        updates=[only("update_budget", AccountId="'000000000000'", NewBudget=_BUDGET)],
        deletes=[only("delete_budget", AccountId="'000000000000'", BudgetName="id")],
        renames={"name": "BudgetName"},
    ),
}
