"""Creates the AWS resources below Kubernetes: `pulumi up -s prod` in this folder. The file lists all of them."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.aws import brokers, ground, watched
from infra.aws.components.addons import Addons
from infra.aws.components.alarms import Alarms
from infra.aws.components.cache import Cache
from infra.aws.components.cluster import Cluster
from infra.aws.components.database import Database
from infra.aws.components.keys import Data
from infra.aws.components.nodes import Nodes
from infra.aws.components.pod_roles import PodRoles
from infra.aws.components.registry import Registry
from infra.aws.outputs import Outputs
from infra.aws.reach import CACHE, CONTROL_PLANE, DATABASE, NODES
from infra.aws.settings import load
from infra.servers.redis import CLIENTS
from infra.settings.images import IMAGES

stack = load.from_pulumi()
name, account, kept = stack.name, stack.account, stack.is_prod
provider = aws.Provider("aws", region=stack.region, allowed_account_ids=[account], default_tags={"tags": stack.tags})
opts = pulumi.ResourceOptions(providers=[provider])
base = ground.build(stack, opts=opts)
logs, keys = base.logs, base.keys

# Servers that keep state.
database = Database(name, account, stack.database, base.place(DATABASE, Data.DATABASE), logs=logs, kept=kept, opts=opts)
place = base.place(CACHE, Data.CACHE)
cache = Cache(name, stack.cache, CLIENTS, place, log_group=logs.name["cache"], kept=kept, opts=opts)
broker = brokers.build(stack, base, opts=opts)

# Kubernetes, where its images are, and what its pods may do.
registry = Registry(name, IMAGES, key_arn=keys[Data.IMAGES], kept=kept, opts=opts)
place = base.place(CONTROL_PLANE, Data.CLUSTER)
cluster = Cluster(name, account, stack.cluster, place, logs=logs, kept=kept, opts=opts)
nodes = Nodes(
    name, stack.cluster, cluster.name, base.network.subnet_of, base.place(NODES, Data.VOLUMES), stack.tags, opts
)
addons = Addons(name, stack.cluster.addons, cluster.name, cluster.arn, nodes.groups, opts)
PodRoles(name, brokers.service_accounts(stack), brokers.targets(broker, base), cluster.name, cluster.arn, opts)

# Alarms and the budget send emails.
alarms = [
    *watched.of_database(database.id, stack.database.storage_gib),
    *watched.of_cache(name, stack.cache.nodes),
    *broker.alarms,
]
Alarms(name, account, alarms, stack.watch.emails, stack.watch.monthly_usd, keys[Data.ALARMS], opts)
Outputs.of(stack.region, base, database, cache, broker, registry, cluster).export()
