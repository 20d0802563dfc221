"""SQS and SNS."""

from __future__ import annotations

from infra.lab.aws.kind import Kind, call, only

_ATTRIBUTES = only("get_queue_attributes", QueueUrl="'$queueUrl'", AttributeNames="['All']")

KINDS = {
    "aws:sqs/queue:Queue": Kind(
        service="sqs",
        creates=[call("create_queue", QueueName="name")],
        identity="answer.QueueUrl",
        reads=[(only("get_queue_attributes", QueueUrl="id", AttributeNames="['All']"), "Attributes")],
        updates=[call("set_queue_attributes", QueueUrl="id")],
        deletes=[only("delete_queue", QueueUrl="id")],
        bag="Attributes",
        renames={
            "visibilityTimeoutSeconds": "VisibilityTimeout",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
            "kmsMasterKeyId": "KmsMasterKeyId",
            "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
            "redrivePolicy": "RedrivePolicy",
        },
        outputs={"arn": "said.QueueArn", "url": "id"},
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Kind(
        service="sqs",
        creates=[call("set_queue_attributes")],
        identity="queueUrl",
        reads=[(_ATTRIBUTES, "Attributes | (Policy && @)")],
        updates=[call("set_queue_attributes")],
        deletes=[only("set_queue_attributes", QueueUrl="id", Attributes="{Policy: ''}")],
        bag="Attributes",
        renames={"policy": "Policy"},
    ),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": Kind(
        service="sqs",
        creates=[call("set_queue_attributes")],
        identity="queueUrl",
        reads=[(_ATTRIBUTES, "Attributes | (RedriveAllowPolicy && @)")],
        updates=[call("set_queue_attributes")],
        deletes=[only("set_queue_attributes", QueueUrl="id", Attributes="{RedriveAllowPolicy: ''}")],
        bag="Attributes",
        renames={"redriveAllowPolicy": "RedriveAllowPolicy"},
    ),
    "aws:sns/topic:Topic": Kind(
        service="sns",
        creates=[call("create_topic")],
        identity="answer.TopicArn",
        reads=[(only("get_topic_attributes", TopicArn="id"), "Attributes")],
        updates=[
            only(
                "set_topic_attributes",
                TopicArn="id",
                AttributeName="'KmsMasterKeyId'",
                AttributeValue="kmsMasterKeyId",
            )
        ],
        deletes=[only("delete_topic", TopicArn="id")],
        bag="Attributes",
        renames={"kmsMasterKeyId": "KmsMasterKeyId"},
        outputs={"arn": "id"},
    ),
    "aws:sns/topicPolicy:TopicPolicy": Kind(
        service="sns",
        creates=[only("set_topic_attributes", TopicArn="arn", AttributeName="'Policy'", AttributeValue="policy")],
        identity="arn",
        reads=[(only("get_topic_attributes", TopicArn="id"), "Attributes")],
        updates=[only("set_topic_attributes", TopicArn="arn", AttributeName="'Policy'", AttributeValue="policy")],
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        service="sns",
        creates=[call("subscribe", TopicArn="topic", ReturnSubscriptionArn="`true`")],
        identity="answer.SubscriptionArn",
        reads=[(only("get_subscription_attributes", SubscriptionArn="id"), "Attributes")],
        deletes=[only("unsubscribe", SubscriptionArn="id")],
    ),
}
