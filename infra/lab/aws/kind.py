"""A kind of resource as the stand-in applies it: which operations of AWS's API make, show, change and remove it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from infra.lab.aws.server import Server
from infra.lab.aws.shapes import Renames, find, fit, seen

#: Parts of the codes with which AWS says that something is not there.
_GONE = ("NotFound", "NoSuch", "NonExistent", "DoesNotExist", "404", "NotExist")
Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """An operation. `arguments` are expressions (jmespath) over the inputs, `id` and what the creation `answer`ed."""

    operation: str
    arguments: Mapping[str, str]
    #: Whether the other inputs are arguments as well, where the operation takes them.
    fitted: bool = True
    #: Of another service than the kind's.
    service: str = ""


def call(operation: str, **arguments: str) -> Call:
    """An operation that also takes the inputs."""
    return Call(operation, arguments)


def only(operation: str, **arguments: str) -> Call:
    """An operation that takes these arguments alone."""
    return Call(operation, arguments, fitted=False)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind. Expressions are jmespath's; `$key` in one is an input, or the `id`."""

    service: str
    #: The first one makes it, the others finish it.
    creates: Sequence[Call]
    #: Over the inputs and the first `answer`.
    identity: str
    #: Each with where the resource stands in its answer. A first one without a resource says that it is gone.
    reads: Sequence[tuple[Call, str]] = ()
    updates: Sequence[Call] = ()
    deletes: Sequence[Call] = ()
    renames: Renames = field(default_factory=dict)
    #: Outputs by name, over `said` (what the reads found), `id` and the inputs.
    outputs: Mapping[str, str] = field(default_factory=dict)
    #: The argument that takes inputs as a map from text to text, under the names that `renames` gives.
    bag: str = ""
    #: What EC2 calls it where it is given tags.
    tag_type: str = ""
    #: Inputs that the server takes and forgets: what it says of them does not count.
    forgotten: frozenset[str] = frozenset()
    #: Inputs of which the server says the same word in other letters.
    caseless: frozenset[str] = frozenset()
    #: The state in which AWS keeps what was deleted.
    ended: str = ""
    #: Pulumi names it where the program does not.
    autonamed: bool = False
    #: Why it is in the state and nowhere else: what the server lacks.
    state_only: str = ""

    def create(self, inputs: Properties, tags: Mapping[str, str], server: Server) -> str:
        """Make it; its identity."""
        pairs = [{"Key": key, "Value": text} for key, text in {**tags, **inputs.get("tags", {})}.items()]
        context: dict[str, Any] = {**inputs, "region": server.region, "tagSet": pairs}
        first, others = self.creates[:1], self.creates[1:]
        for one in first:
            context["answer"] = self._call(one, context, server, tags)
        context["id"] = str(_search(self.identity, context, context))
        for one in others:
            self._call(one, context, server)
        return str(context["id"])

    def read(self, identity: str, inputs: Properties, server: Server) -> Mapping[str, Any] | None:
        """What the server says of it; None: it is gone."""
        context = {**inputs, "id": identity}
        said: dict[str, Any] = {}
        for number, (one, place) in enumerate(self.reads):
            try:
                found = _search(place, self._call(one, context, server), context)
            except ClientError as error:
                if number == 0 and any(word in error.response["Error"]["Code"] for word in _GONE):
                    return None
                raise
            if number == 0 and (not found or (self.ended and self.ended in found.values())):
                return None
            said.update(found or {})
        return said

    def update(self, identity: str, old: Properties, new: Properties, server: Server) -> None:
        """Say what changed."""
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        for one in self.updates:
            if self._concerns(one, changed, server):
                self._call(one, {**new, "id": identity}, server)

    def delete(self, identity: str, inputs: Properties, server: Server) -> None:
        """Remove it; what is gone is gone."""
        for one in self.deletes:
            try:
                self._call(one, {**inputs, "id": identity}, server)
            except ClientError as error:
                if not any(word in error.response["Error"]["Code"] for word in _GONE):
                    raise

    def settled(self, inputs: Properties, said: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs as the server says them."""
        found = dict(seen(inputs, said, self.renames))
        return {key: inputs[key] if self._same(key, inputs[key], value) else value for key, value in found.items()}

    def _same(self, key: str, given: Any, said: Any) -> bool:
        return key in self.forgotten or (key in self.caseless and str(given).lower() == str(said).lower())

    def outcome(self, identity: str, inputs: Properties, said: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs."""
        context = {**inputs, "id": identity, "said": said}
        return {name: _search(place, context, context) for name, place in self.outputs.items()}

    def _concerns(self, one: Call, changed: set[str], server: Server) -> bool:
        """Does this operation say anything of what changed?"""
        words = set(re.findall(r"\w+|@", " ".join(one.arguments.values())))
        if words & {*changed, "@"} or not one.fitted:
            return bool(words & {*changed, "@"})
        model = server.client(self.service).meta.service_model
        shape = model.operation_model(server.operation(self.service, one.operation)).input_shape
        named = {key: key for key in changed}
        return self.bag in shape.members or any(find(member, named, self.renames) for member in shape.members)

    def _call(
        self, one: Call, context: Mapping[str, Any], server: Server, tags: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        service = one.service or self.service
        client, name = server.client(service), server.operation(service, one.operation)
        shape = client.meta.service_model.operation_model(name).input_shape
        arguments = fit(shape, context, self.renames, one.arguments) if one.fitted else {}
        for member, place in one.arguments.items():
            value = _search(place, context, context)
            if value is not None:
                arguments[member] = fit(shape.members[member], value, self.renames)
        if one.fitted and self.bag in shape.members:
            bag = {self.renames[key]: value for key, value in context.items() if key in self.renames}
            arguments[self.bag] = fit(shape.members[self.bag], bag, {})
        if tags:
            arguments.update(self._tagged(shape, {**tags, **context.get("tags", {})}))
        return dict(getattr(client, one.operation)(**arguments))

    def _tagged(self, shape: Any, tags: Mapping[str, str]) -> Properties:
        """The argument for tags, in whichever of AWS's forms this operation has it."""
        if self.tag_type:
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            return {"TagSpecifications": [{"ResourceType": self.tag_type, "Tags": pairs}]}
        for member in {"Tags", "tags", "ResourceTags"} & set(shape.members):
            kind = shape.members[member]
            if kind.type_name == "map":
                return {member: dict(tags)}
            key, value = list(kind.member.members)[:2]
            return {member: [{key: one, value: text} for one, text in tags.items()]}
        return {}


def _search(place: str, data: Any, context: Mapping[str, Any]) -> Any:
    words = {key: value for key, value in context.items() if isinstance(value, str)}
    return jmespath.search(Template(place).safe_substitute(words), data)
