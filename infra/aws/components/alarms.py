"""Alarms of the managed servers, and the budget: people hear of them by mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import budgets, cloudwatch, sns

from infra.aws.components.part import Part
from infra.aws.documents import Statement, document, tls_only

PERIOD_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One metric above (or below) a threshold, for so many periods."""

    name: str
    why: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    threshold: float
    below: bool = False
    statistic: str = "Maximum"
    periods: int = 3
    #: Silence is a fault of servers; an empty queue has no metrics.
    silence_is_well: bool = False


class Alarms(Part):
    """A topic, its alarms and the budget's notices."""

    def __init__(
        self,
        name: str,
        account: str,
        alarms: Sequence[Alarm],
        emails: Sequence[str],
        monthly_usd: int,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """All of `alarms` go to all of `emails`."""
        super().__init__(f"{name}-alarms", opts=opts)
        topic = sns.Topic(name, name=name, kms_master_key_id=key_arn, opts=self.child())
        services = ("cloudwatch.amazonaws.com", "budgets.amazonaws.com")
        publish = Statement(
            sid="Publish",
            principals={"Service": services},
            actions=("sns:Publish",),
            resources=(topic.arn,),
            conditions={"StringEquals": {"aws:SourceAccount": account}},
        )
        policy = sns.TopicPolicy(
            name, arn=topic.arn, policy=document(publish, tls_only("sns", topic.arn)), opts=self.child()
        )
        for email in emails:
            sns.TopicSubscription(
                f"{name}-{email}", topic=topic.arn, protocol="email", endpoint=email, opts=self.child()
            )
        for alarm in alarms:
            cloudwatch.MetricAlarm(
                f"{name}-{alarm.name}",
                name=f"{name}-{alarm.name}",
                alarm_description=alarm.why,
                namespace=alarm.namespace,
                metric_name=alarm.metric,
                dimensions=alarm.dimensions,
                statistic=alarm.statistic,
                comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
                threshold=alarm.threshold,
                period=PERIOD_SECONDS,
                evaluation_periods=alarm.periods,
                treat_missing_data="notBreaching" if alarm.silence_is_well else "breaching",
                alarm_actions=[topic.arn],
                ok_actions=[topic.arn],
                opts=self.child(),
            )
        budgets.Budget(
            name,
            name=name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(monthly_usd),
            limit_unit="USD",
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:Environment${name.removeprefix('millrace-')}"]}],
            notifications=[
                {
                    "comparison_operator": "GREATER_THAN",
                    "threshold": threshold,
                    "threshold_type": "PERCENTAGE",
                    "notification_type": kind,
                    "subscriber_sns_topic_arns": [topic.arn],
                }
                for kind, threshold in (("FORECASTED", 100), ("ACTUAL", 80))
            ],
            opts=self.child(depends_on=[policy]),
        )
        self.register_outputs({})
