"""Secrets are references. A literal one is found by its name, by its form, or by looking like nothing else."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from infra.policy.manifests import kind, mapping
from infra.policy.model import Context, Finding, Manifest, ResourceRule, hidden
from infra.policy.texts import Text, texts

#: Names end so; `password_file` and `secretName` do not.
_KEY = r"(?:api|access|private|encryption|secret|signing)[_-]?key"
_WORDS = rf"(?:pass(?:word|wd|phrase)|(?<![a-z])pass|token|credentials?|cookie|{_KEY})"
_VARIABLE = re.compile(rf"(?:{_WORDS}|secret|(?<![a-z])key)$", re.IGNORECASE)
#: In files a `key` is anything: a routing key, a label's.
_LINE = re.compile(rf"(?:{_WORDS}|secret|requirepass|masterauth)$", re.IGNORECASE)
#: In custom resources `…Secret` is the name of one.
_FIELD = re.compile(rf"(?:{_WORDS}|(?:client|shared)_?secret|requirepass|masterauth)$", re.IGNORECASE)

_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z][\w.-]*)[\"']?\s*[:=]\s*[\"']?(?P<value>[^\s\"',;]+)")
_FLAG = re.compile(r"(?:^|\s)(?P<name>--[\w-]+|requirepass|masterauth)\s+(?P<value>[^\s-]\S*)")
_ACL = re.compile(r"^user\s.*\s>(?P<value>\S+)")
#: Not a secret itself: a path, a reference, a switch's value.
_HARMLESS = re.compile(
    r"^(?:\.*/|~/|\$[({]|\$\w+$|%\(|<|{{|file:|(?:true|false|none|null|yes|no|on|off)$)", re.IGNORECASE
)
#: In a script: what a function gives, what a list holds.
_CODE = re.compile(r"[(\[]")

_URL = re.compile(r"\b[a-z][\w+.-]*://[^/\s:@\"']*:(?P<value>[^/\s@\"']+)@", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")

_WORD = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_HEX = re.compile(r"^[0-9a-fA-F]{32,}$")
#: Digests are as random as keys and no secret.
_DIGEST_NAME = re.compile(r"check_?sum|digest|hash|sha\d|uid|fingerprint|cabundle|certificate", re.IGNORECASE)
#: Bits a character. English words in one have 3.5, random base64 of 20 characters 4.0 at least.
_RANDOM_BITS = 4.0

_BY_REFERENCE = "put it into a Secret and mount the Secret as a file"


def _named(text: Text) -> Iterator[str]:
    if (_VARIABLE if text.read_by_process else _FIELD).search(text.name):
        yield text.value
    inside = _LINE if text.read_by_process else _FIELD
    found = [match for pattern in (_ASSIGNMENT, _FLAG) for match in pattern.finditer(text.value)]
    yield from (match["value"] for match in found if inside.search(match["name"]) and not _CODE.search(match["value"]))
    yield from (match["value"] for match in _ACL.finditer(text.value))


def _no_literals(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for text in texts(manifest):
        for value in dict.fromkeys(_named(text)):
            if value and not _HARMLESS.search(value):
                yield Finding(manifest, text.path, hidden(value), _BY_REFERENCE)


def _no_url_passwords(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for text in texts(manifest):
        for found in _URL.finditer(text.value):
            if not _HARMLESS.search(found["value"]):
                yield Finding(manifest, text.path, hidden(found["value"]), "leave user and password out of the URL")


def _no_private_keys(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for text in texts(manifest):
        if _PEM.search(text.value):
            yield Finding(manifest, text.path, "a private key", "let cert-manager write it into a Secret")


def _bits(word: str) -> float:
    return -sum(n / len(word) * math.log2(n / len(word)) for n in Counter(word).values())


def _random(word: str) -> bool:
    if _HEX.match(word):
        return True
    mixed = all(any(test(letter) for letter in word) for test in (str.isupper, str.islower, str.isdigit))
    return mixed and _bits(word) >= _RANDOM_BITS


def _no_random(manifest: Manifest, _: Context) -> Iterator[Finding]:
    certificate = False
    for text in texts(manifest):
        certificate = "-----BEGIN CERTIFICATE" in text.value or (certificate and "-----END" not in text.value)
        if certificate or _DIGEST_NAME.search(text.name):
            continue
        for found in _WORD.finditer(text.value):
            is_digest = text.value[: found.start()].endswith(("sha256:", "sha512:"))
            if _random(found.group()) and not is_digest:
                yield Finding(manifest, text.path, hidden(found.group()), _BY_REFERENCE)


def _empty_secrets(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if kind(manifest) == "Secret":
        for field in ("data", "stringData"):
            for key, value in mapping(manifest.get(field)).items():
                advice = "render it without data; the deployment fills it in"
                yield Finding(manifest, f"{field}[{key}]", hidden(str(value)), advice)


RULES = (
    ResourceRule(
        name="no-literal-secrets",
        description="No variable, argument, field or ConfigMap line whose name is a secret's has a literal value.",
        reason="What stands in a manifest stands in Git, in the API server's audit log and in `kubectl describe`.",
        check=_no_literals,
    ),
    ResourceRule(
        name="no-passwords-in-urls",
        description="No URL holds a user and a password.",
        reason="URLs are logged by everything that uses them.",
        check=_no_url_passwords,
    ),
    ResourceRule(
        name="no-private-keys",
        description="No private key stands outside a Secret.",
        reason="Everybody who may list ConfigMaps would have it.",
        check=_no_private_keys,
    ),
    ResourceRule(
        name="no-random-strings",
        description="Nothing outside a Secret looks like a generated key; digests, by their names, may.",
        reason="A secret with a harmless name is still a secret.",
        check=_no_random,
    ),
    ResourceRule(
        name="secrets-without-data",
        description="A rendered Secret has no data.",
        reason="A render is looked at, kept and sent around; only the cluster and the encrypted state know secrets.",
        check=_empty_secrets,
    ),
)
