"""A broker, a result backend and a pool of the image `shop`, of Millrace's components.

The namespace `shop` has an Issuer `shop` of cert-manager, and its authority as `ca.crt` in the Secret `authority-tls`.
"""

from __future__ import annotations

import pulumi
import pulumi_random as random
from pulumi_kubernetes.core import v1 as core

from app.contract import Role, broker_url
from infra.components.certificates import Issuer
from infra.components.files import content_hash
from infra.components.foreign_pool import ForeignPool
from infra.components.rabbitmq import RabbitMQ
from infra.components.redis import Redis
from infra.ground import Place
from infra.servers.rabbitmq.definitions import owners_file
from infra.settings import backends as settings
from infra.settings.scaling import Fixed
from infra.settings.values import Resources
from infra.settings.workloads import Application, Pool

place, registry = Place(namespace="shop", zones=3), pulumi.Config().require("registry")
small, large = Resources(cpu="50m", memory="256Mi"), Resources(cpu="250m", memory="1Gi")
issuer = Issuer(place, "shop")
words = {name: random.RandomPassword(name, length=43, special=False).result for name in ("shop", "nodes", "redis")}
users = words["shop"].apply(lambda password: owners_file({"shop": password}))
accepted = words["redis"].apply(lambda word: {role: {role.value: word} for role in (Role.WORKER, Role.PROBE)})

broker = RabbitMQ(place, settings.RabbitMQ(resources=large, storage="4Gi"), issuer, users, name="broker",
                  image=f"{registry}/millrace-rabbitmq:4.3", cookie=words["nodes"])  # fmt: skip
results = Redis(place, settings.Redis(resources=small, storage="1Gi"), issuer, accepted, {Role.PROBE: words["redis"]},
                name="results", image=f"{registry}/millrace-redis:8", max_clients=100)  # fmt: skip
url = words["shop"].apply(lambda word: broker_url("shop", word, broker.host))
files = {"broker_url": url, "redis_password": words["redis"]}
core.Secret("passwords", metadata={"name": "worker-shop-passwords", "namespace": "shop"}, string_data=files)
ForeignPool(place, Pool(name="shop", queue="shop", scaling=Fixed(replicas=2)), Application(image="shop:1"),
            secrets_hash=content_hash(files), after=[broker, results])  # fmt: skip
