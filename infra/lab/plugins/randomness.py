"""Stands in for the plugin `pulumi-resource-random`: values made once, secret where the real one's are."""

from __future__ import annotations

import base64
import secrets
import string
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import bcrypt
from pulumi.provider.experimental import provider as rpc
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

from infra.lab.plugins.values import UNKNOWN, Properties, changes, plain, value

_CLASSES = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "numeric": string.digits,
    "special": "!@#$%&*()-_=+[]{}<>:?",
}
_SECRET = frozenset({"result", "bcryptHash", "base64", "hex"})
_INPUTS = "__inputs"
Made = tuple[str, Mapping[str, Any]]


class Random(rpc.Provider):
    """Whatever changes in the inputs makes a new value: nothing is updated in place."""

    async def configure(self, request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        """It has no settings."""
        return rpc.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        """Any difference is a replacement."""
        found = [str(change) for change in changes(plain(request.old_state)[_INPUTS], plain(request.new_inputs))]
        kind = rpc.PropertyDiffKind.UPDATE_REPLACE
        return rpc.DiffResponse(
            changes=bool(found),
            replaces=found,
            detailed_diff={path: rpc.PropertyDiff(kind, input_diff=True) for path in found},
        )

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        """Makes the value; a preview says only that there will be one."""
        kind = request.type.rpartition(":")[2]
        identity, outputs = _MAKERS[kind](plain(request.properties))
        if request.preview:
            identity, outputs = "", dict.fromkeys(outputs, UNKNOWN)
        secret = _SECRET if kind in {"RandomPassword", "RandomBytes"} else frozenset()
        made = {key: value(item, secret=key in secret) for key, item in outputs.items()}
        return rpc.CreateResponse(identity, _state(request.properties, made))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        """Nothing is held but in the state."""


def _state(inputs: Properties, made: Properties) -> dict[str, PropertyValue]:
    return {**inputs, **made, _INPUTS: PropertyValue(inputs)}


def _text(inputs: Mapping[str, Any]) -> str:
    classes = {**_CLASSES, "special": inputs.get("overrideSpecial") or _CLASSES["special"]}
    used = {name: letters for name, letters in classes.items() if inputs.get(name, True)}
    alphabet = "".join(used.values())
    while True:
        text = "".join(secrets.choice(alphabet) for _ in range(int(inputs["length"])))
        if all(sum(letter in used[name] for letter in text) >= inputs.get(f"min{name.title()}", 0) for name in used):
            return text


def _password(inputs: Mapping[str, Any]) -> Made:
    text = _text(inputs)
    return "none", {"result": text, "bcryptHash": bcrypt.hashpw(text.encode()[:72], bcrypt.gensalt(4)).decode()}


def _string(inputs: Mapping[str, Any]) -> Made:
    text = _text(inputs)
    return text, {"result": text}


def _bytes(inputs: Mapping[str, Any]) -> Made:
    made = secrets.token_bytes(int(inputs["length"]))
    return "none", {"base64": base64.b64encode(made).decode(), "hex": made.hex()}


def _id(inputs: Mapping[str, Any]) -> Made:
    made, prefix = secrets.token_bytes(int(inputs["byteLength"])), inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(made).decode().rstrip("=")
    number = str(int.from_bytes(made, "big"))
    forms = {"b64Std": base64.b64encode(made).decode(), "b64Url": url, "hex": made.hex(), "dec": number}
    return url, {key: prefix + form for key, form in forms.items()}


def _uuid(_: Mapping[str, Any]) -> Made:
    made = str(uuid.uuid4())
    return made, {"result": made}


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Made]] = {
    "RandomPassword": _password,
    "RandomString": _string,
    "RandomBytes": _bytes,
    "RandomId": _id,
    "RandomUuid": _uuid,
}


if __name__ == "__main__":
    main(sys.argv[1:], "4.21.4", Random())
