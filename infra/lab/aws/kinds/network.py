"""EC2: network, security groups, endpoints, launch templates."""

from __future__ import annotations

from infra.lab.aws.kind import Call, Kind, call, only

_DEFAULT_OF_VPC = "[{Name: 'vpc-id', Values: [vpcId]}, {Name: 'group-name', Values: ['default']}]"
_DEFAULT_GROUP = "SecurityGroups[0].{vpcId: VpcId, egress: IpPermissionsEgress}"
_EVERYWHERE = "[{IpProtocol: '-1', IpRanges: [{CidrIp: '0.0.0.0/0'}]}]"
_CHANGED_RULE = (
    "[{SecurityGroupRuleId: id, SecurityGroupRule: {IpProtocol: ipProtocol, FromPort: fromPort, ToPort: toPort, "
    "ReferencedGroupId: referencedSecurityGroupId, PrefixListId: prefixListId, Description: description}}]"
)
_TAGS = only("create_tags", Resources="[id]", Tags="tags")


def _rule(direction: str) -> Kind:
    rule = "{IpProtocol: ipProtocol, FromPort: fromPort, ToPort: toPort, "
    pairs = "UserIdGroupPairs: [{GroupId: referencedSecurityGroupId, Description: description}][?GroupId], "
    lists = "PrefixListIds: [{PrefixListId: prefixListId, Description: description}][?PrefixListId]}"
    return Kind(
        service="ec2",
        creates=[
            only(
                f"authorize_security_group_{direction}",
                GroupId="securityGroupId",
                IpPermissions=f"[{rule}{pairs}{lists}]",
            )
        ],
        identity="answer.SecurityGroupRules[0].SecurityGroupRuleId",
        reads=[
            (
                only("describe_security_group_rules", SecurityGroupRuleIds="[id]"),
                "SecurityGroupRules[0] | (@ && merge(@, {referencedSecurityGroupId: ReferencedGroupInfo.GroupId}))",
            )
        ],
        updates=[
            only(
                "modify_security_group_rules",
                GroupId="securityGroupId",
                SecurityGroupRules=_CHANGED_RULE,
            )
        ],
        deletes=[
            only(f"revoke_security_group_{direction}", GroupId="securityGroupId", SecurityGroupRuleIds="[id]"),
        ],
        renames={"securityGroupId": "GroupId"},
        tag_type="security-group-rule",
    )


def _attribute(name: str, member: str) -> Call:
    return only("modify_vpc_attribute", VpcId="id", **{member: f"{{Value: {name}}}"})


def _attribute_read(attribute: str) -> tuple[Call, str]:
    member = attribute[0].upper() + attribute[1:]
    asked = only("describe_vpc_attribute", VpcId="id", Attribute=f"'{attribute}'")
    return asked, f"{{{attribute}: {member}.Value}}"


KINDS = {
    "aws:ec2/vpc:Vpc": Kind(
        service="ec2",
        creates=[
            call("create_vpc"),
            _attribute("enableDnsSupport", "EnableDnsSupport"),
            _attribute("enableDnsHostnames", "EnableDnsHostnames"),
        ],
        identity="answer.Vpc.VpcId",
        reads=[
            (only("describe_vpcs", VpcIds="[id]"), "Vpcs[0]"),
            _attribute_read("enableDnsSupport"),
            _attribute_read("enableDnsHostnames"),
        ],
        updates=[
            _attribute("enableDnsSupport", "EnableDnsSupport"),
            _attribute("enableDnsHostnames", "EnableDnsHostnames"),
            _TAGS,
        ],
        deletes=[only("delete_vpc", VpcId="id")],
        tag_type="vpc",
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Kind(
        # It is there with its network: the provider takes its rules away, and leaves it there at the end.
        service="ec2",
        creates=[
            only("describe_security_groups", Filters=_DEFAULT_OF_VPC),
            only(
                "revoke_security_group_egress",
                GroupId="id",
                IpPermissions="answer.SecurityGroups[0].IpPermissionsEgress",
            ),
        ],
        identity="answer.SecurityGroups[0].GroupId",
        reads=[(only("describe_security_groups", GroupIds="[id]"), _DEFAULT_GROUP)],
    ),
    "aws:ec2/routeTable:RouteTable": Kind(
        service="ec2",
        creates=[call("create_route_table")],
        identity="answer.RouteTable.RouteTableId",
        reads=[(only("describe_route_tables", RouteTableIds="[id]"), "RouteTables[0]")],
        updates=[_TAGS],
        deletes=[only("delete_route_table", RouteTableId="id")],
        tag_type="route-table",
    ),
    "aws:ec2/subnet:Subnet": Kind(
        service="ec2",
        creates=[call("create_subnet")],
        identity="answer.Subnet.SubnetId",
        reads=[(only("describe_subnets", SubnetIds="[id]"), "Subnets[0]")],
        updates=[
            only("modify_subnet_attribute", SubnetId="id", MapPublicIpOnLaunch="{Value: mapPublicIpOnLaunch}"),
            _TAGS,
        ],
        deletes=[only("delete_subnet", SubnetId="id")],
        tag_type="subnet",
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Kind(
        service="ec2",
        creates=[call("associate_route_table")],
        identity="answer.AssociationId",
        reads=[
            (
                only("describe_route_tables", RouteTableIds="[routeTableId]"),
                "RouteTables[0].Associations[?RouteTableAssociationId=='$id'] | [0]",
            )
        ],
        updates=[only("replace_route_table_association", AssociationId="id", RouteTableId="routeTableId")],
        deletes=[only("disassociate_route_table", AssociationId="id")],
    ),
    "aws:ec2/flowLog:FlowLog": Kind(
        service="ec2",
        creates=[call("create_flow_logs", ResourceIds="[vpcId]", ResourceType="'VPC'")],
        identity="answer.FlowLogIds[0]",
        reads=[(only("describe_flow_logs", FlowLogIds="[id]"), "FlowLogs[0] | (@ && merge(@, {vpcId: ResourceId}))")],
        deletes=[only("delete_flow_logs", FlowLogIds="[id]")],
        renames={"iamRoleArn": "DeliverLogsPermissionArn"},
        tag_type="vpc-flow-log",
    ),
    "aws:ec2/securityGroup:SecurityGroup": Kind(
        service="ec2",
        creates=[
            call("create_security_group"),
            # AWS gives a new group one rule: everything may leave. The provider takes it away.
            only("revoke_security_group_egress", GroupId="id", IpPermissions=_EVERYWHERE),
        ],
        identity="answer.GroupId",
        reads=[(only("describe_security_groups", GroupIds="[id]"), "SecurityGroups[0]")],
        updates=[_TAGS],
        deletes=[only("delete_security_group", GroupId="id")],
        renames={"name": "GroupName"},
        tag_type="security-group",
        autonamed=True,
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule("ingress"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule("egress"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Kind(
        service="ec2",
        creates=[call("create_vpc_endpoint", PolicyDocument="policy")],
        identity="answer.VpcEndpoint.VpcEndpointId",
        reads=[
            (
                only("describe_vpc_endpoints", VpcEndpointIds="[id]"),
                "VpcEndpoints[0] | (@ && merge(@, {securityGroupIds: Groups[].GroupId}))",
            )
        ],
        updates=[only("modify_vpc_endpoint", VpcEndpointId="id", PolicyDocument="policy"), _TAGS],
        deletes=[only("delete_vpc_endpoints", VpcEndpointIds="[id]")],
        renames={"policy": "PolicyDocument"},
        tag_type="vpc-endpoint",
        outputs={"prefixListId": "vpcEndpointType == 'Gateway' && 'pl-lab' || null"},
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Kind(
        service="ec2",
        creates=[call("create_launch_template", LaunchTemplateName="name", LaunchTemplateData="@")],
        identity="answer.LaunchTemplate.LaunchTemplateId",
        reads=[
            (only("describe_launch_templates", LaunchTemplateIds="[id]"), "LaunchTemplates[0]"),
            (
                only("describe_launch_template_versions", LaunchTemplateId="id", Versions="['$$Latest']"),
                "LaunchTemplateVersions[0].LaunchTemplateData",
            ),
        ],
        updates=[
            call("create_launch_template_version", LaunchTemplateId="id", LaunchTemplateData="@"),
        ],
        deletes=[only("delete_launch_template", LaunchTemplateId="id")],
        renames={"name": "LaunchTemplateName", "vpcSecurityGroupIds": "SecurityGroupIds"},
        tag_type="launch-template",
        outputs={"latestVersion": "said.LatestVersionNumber", "arn": "id"},
    ),
}
