"""Counts what AWS bills, from what the program registers: `python -m infra.aws.bill prod`; prices are yours.

Traffic, requests, and what grows with use are not in it: no program knows them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from infra.aws.recorder import record_stack
from infra.render.recorder import Registered
from infra.settings.load import SettingsError


def quantities(registered: Iterable[Registered]) -> Counter[str]:
    """Units by what they are."""
    everything = tuple(one for one in registered if one.custom)
    template = next((one.inputs for one in everything if one.type.endswith(":LaunchTemplate")), {})
    disk = sum(int(one["ebs"]["volumeSize"]) for one in template.get("blockDeviceMappings", ()))
    found: Counter[str] = Counter()
    for one in everything:
        said = one.inputs
        match one.type.rpartition(":")[2]:
            case "VpcEndpoint" if said["vpcEndpointType"] == "Interface":
                found["interface endpoint, by zone and hour"] += len(said["subnetIds"])
            case "Cluster" if one.type.startswith("aws:eks/"):
                found["EKS control plane, by hour"] += 1
            case "NodeGroup":
                found[f"node {said['instanceTypes'][0]}, by hour, at least"] += said["scalingConfig"]["minSize"]
                found["gp3 of nodes, by GiB and month, at least"] += disk * said["scalingConfig"]["minSize"]
            case "Instance" if one.type.startswith("aws:rds/"):
                zones = 2 if said["multiAz"] else 1
                found[f"{said['instanceClass']} of RDS, by hour"] += zones
                found["gp3 of RDS, by GiB and month, at least"] += zones * said["allocatedStorage"]
            case "ReplicationGroup":
                found[f"{said['nodeType']} of ElastiCache, by hour"] += said["numCacheClusters"]
            case "Broker":
                found[f"{said['hostInstanceType']} of Amazon MQ, by hour"] += 3
            case "Key":
                found["KMS key, by month; a rotated one counts again, twice at most"] += 1
            case "MetricAlarm":
                found["CloudWatch alarm, by month"] += 1
            case _:
                pass
    return found


def main() -> None:
    """Print them."""
    try:
        [stack] = sys.argv[1:]
        for what, count in sorted(quantities(record_stack(stack)).items()):
            print(f"{count:>6}  {what}")  # noqa: T201 - the command's output
    except (SettingsError, ValueError) as error:
        sys.exit(str(error) if isinstance(error, SettingsError) else "usage: python -m infra.aws.bill STACK")


if __name__ == "__main__":
    main()
