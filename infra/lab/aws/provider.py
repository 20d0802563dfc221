"""Stands in for the plugin `pulumi-resource-aws`: applies to a server that speaks AWS's protocol, and reads back.

As with the real one, the state holds what the server said of each input, and a difference between that and the program
is a change. A change of a property that AWS lets nobody change (`force_new`) replaces the resource. What it does not
have: the real provider's defaults, its checks of values, its waiting, and changes of tags of other services than EC2.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from pulumi.provider.experimental import provider as rpc
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

from infra.lab.aws.force_new import replaces
from infra.lab.aws.kind import Kind
from infra.lab.aws.kinds import KINDS
from infra.lab.aws.server import Server
from infra.lab.plugins.values import UNKNOWN, Change, Properties, changes, plain, value

VERSION = "7.51.1"
#: Where the server listens.
URL_VARIABLE = "MILLRACE_LAB_AWS_URL"
#: The one function that anybody asks.
_SECRET_FUNCTION = "aws:secretsmanager/getSecretVersion:getSecretVersion"  # noqa: S105 - its name
#: The inputs as the server says them, and what it never said anything of, in the state.
_SEEN, _ONLY_HERE = "__seen", "__onlyInState"
#: What a resource is called by.
_NAMES = frozenset({
    "brokerName", "bucket", "clusterName", "identifier", "name", "nodeGroupName", "queueUrl", "replicationGroupId",
    "userGroupId", "userId",
})  # fmt: skip


class Aws(rpc.Provider):
    """The resources of one account in one region."""

    def __init__(self, url: str) -> None:
        """`url` is the server's."""
        self._server = Server(url, "")
        self._tags: Mapping[str, str] = {}

    async def configure(self, request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        """The region, the tags of everything, and whose account it must be."""
        settings = {key: _parsed(item) for key, item in plain(request.args).items()}
        self._server = Server(self._server.url, settings["region"])
        self._tags = settings.get("defaultTags", {}).get("tags", {})
        account = self._server.client("sts").get_caller_identity()["Account"]
        allowed = settings.get("allowedAccountIds", [account])
        if account not in allowed:
            raise PermissionError(f"the server is account {account}, and the stack is of {', '.join(allowed)}")
        return rpc.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        """The inputs; with a name of Pulumi's making where a kind needs one."""
        inputs = dict(request.new_inputs)
        if _kind(request.type).autonamed and "name" not in inputs:
            before = plain(request.old_inputs).get("name")
            inputs["name"] = value(before or f"{request.name}-{request.random_seed.hex()[:7]}")
        return rpc.CheckResponse(inputs=inputs)

    async def diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        """What the program says against what the server said."""
        old, new = plain(request.old_state).get(_SEEN, {}), plain(request.new_inputs)
        found = {change: replaces(_type(request.type), change) for change in changes(old, new)}
        replacing = [str(change) for change, replaced in found.items() if replaced]
        return rpc.DiffResponse(
            changes=bool(found),
            replaces=replacing,
            # Two resources cannot have one name, where the program gives it.
            delete_before_replace=bool(replacing) and not _NAMES.isdisjoint(new),
            detailed_diff={
                str(change): rpc.PropertyDiff(_difference(change, replaced=replaced), input_diff=False)
                for change, replaced in found.items()
            },
        )

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        """Make it and look at it."""
        kind, inputs = _kind(request.type), plain(request.properties)
        if request.preview:
            return rpc.CreateResponse("", _previewed(kind, request.properties, {}))
        identity = kind.create(inputs, self._tags, self._server)
        return rpc.CreateResponse(identity, self._looked_at(kind, identity, request.properties))

    async def update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        """Change it and look at it."""
        kind = _kind(request.type)
        if request.preview:
            return rpc.UpdateResponse(_previewed(kind, request.news, request.olds))
        kind.update(request.resource_id, plain(request.olds)[_SEEN], plain(request.news), self._server)
        return rpc.UpdateResponse(self._looked_at(kind, request.resource_id, request.news))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        """Remove it."""
        kind = _kind(request.type)
        kind.delete(request.resource_id, plain(request.properties)[_SEEN], self._server)

    async def read(self, request: rpc.ReadRequest) -> rpc.ReadResponse:
        """What the server holds now, for `refresh`; an empty identity says that it is gone."""
        kind, inputs = _kind(request.type), request.inputs or request.properties
        if kind.reads and kind.read(request.resource_id, plain(inputs), self._server) is None:
            return rpc.ReadResponse("")
        return rpc.ReadResponse(request.resource_id, self._looked_at(kind, request.resource_id, inputs), dict(inputs))

    async def invoke(self, request: rpc.InvokeRequest) -> rpc.InvokeResponse:
        """What a secret holds now."""
        if request.tok != _SECRET_FUNCTION:
            raise LookupError(f"the stand-in knows no {request.tok}")
        arguments = plain(request.args)
        found = self._server.client("secretsmanager").get_secret_value(SecretId=arguments["secretId"])
        answer = {"secretString": value(found["SecretString"], secret=True), "arn": value(found["ARN"])}
        return rpc.InvokeResponse(answer)

    def _looked_at(self, kind: Kind, identity: str, inputs: Properties) -> dict[str, PropertyValue]:
        given = plain(inputs)
        said = kind.read(identity, given, self._server)
        if said is None and kind.reads:
            raise LookupError(f"{identity} is not there, although the server said that it was made")
        seen, outputs = kind.settled(given, said or {}), kind.outcome(identity, given, said or {})
        marked = {key: value(item, secret=_secret(inputs[key])) for key, item in seen.items()}
        return {
            **marked,
            **{key: value(item) for key, item in outputs.items()},
            _SEEN: PropertyValue(marked),
            _ONLY_HERE: value(kind.state_only),
        }


def _previewed(kind: Kind, inputs: Properties, old: Properties) -> dict[str, PropertyValue]:
    """The outputs are as they were, or nobody knows them yet."""
    outputs = {key: old.get(key, value(UNKNOWN)) for key in kind.outputs}
    return {**inputs, **outputs}


def _kind(token: str) -> Kind:
    try:
        return KINDS[_type(token)]
    except KeyError:
        raise LookupError(f"the stand-in knows no {token}: add it to infra/lab/aws/kinds") from None


def _type(chain: str) -> str:
    """The type alone, without those of the components that hold the resource."""
    return chain.rpartition("$")[2]


def _secret(item: PropertyValue) -> bool:
    inner = item.value
    if item.is_secret:
        return True
    if isinstance(inner, Mapping):
        return any(map(_secret, inner.values()))
    return isinstance(inner, tuple | list) and any(map(_secret, inner))


def _parsed(item: Any) -> Any:
    """The provider's own settings that are no text come as JSON."""
    return json.loads(item) if isinstance(item, str) and item[:1] in "{[" else item


def _difference(change: Change, *, replaced: bool) -> rpc.PropertyDiffKind:
    return rpc.PropertyDiffKind[f"{change.kind.value}_REPLACE" if replaced else change.kind.value]


if __name__ == "__main__":
    if URL_VARIABLE not in os.environ:
        sys.exit(f"this stands in for Pulumi's provider aws and has no server: set {URL_VARIABLE}")
    main(sys.argv[1:], VERSION, Aws(os.environ[URL_VARIABLE]))
