"""No plain text, and no TLS that believes everybody: looked for in every line of every manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.policy.model import Context, Finding, Manifest, ResourceRule
from infra.policy.texts import Text, texts


@dataclass(frozen=True)
class Pattern:
    """What is refused, and what to write instead."""

    regex: re.Pattern[str]
    advice: str


@dataclass(frozen=True)
class Allowed:
    """What looks refused and is not, and why."""

    regex: re.Pattern[str]
    reason: str


def _pattern(regex: str, advice: str) -> Pattern:
    return Pattern(re.compile(regex, re.IGNORECASE), advice)


def _allowed(regex: str, reason: str) -> Allowed:
    return Allowed(re.compile(regex, re.IGNORECASE), reason)


_YES = r"\s*[:=]\s*[\"']?(?:true|yes|on|1)\b"
_NO = r"\s*[:=]\s*[\"']?(?:false|no|none|off|0|optional)\b"

PLAIN = (
    _pattern(r"\bamqp://\S*", "use amqps://"),
    _pattern(r"\bredis(?:\+\w+)?://\S*", "use rediss:// with ssl_cert_reqs=required"),
    _pattern(r"\b(?:http|ws)://\S*", "use https:// (wss://)"),
    _pattern(r"\b(?:ldap|mqtt|nats|mongodb|ftp|smtp|telnet|tcp)://\S*", "use the protocol's form over TLS"),
    _pattern(r"\bpostgres(?:ql)?(?:\+\w+)?://(?!\S*sslmode=verify-full)\S*", "append sslmode=verify-full"),
    _pattern(r"\bscheme\s*[:=]\s*[\"']?http\b", "set the scheme to https"),
    _pattern(r"\bbackend-protocol=(?:http|grpc|auto_http)$", "set it to HTTPS: TLS goes on behind the ingress"),
    _pattern(r"\bssl-redirect=[\"']?false\b", "leave it out: plain requests are sent to HTTPS"),
    _pattern(r"^listeners\.tcp\.\S+\s*=.*|^(?:management|prometheus)\.tcp\.port\s*=.*", "listen on TLS only"),
    _pattern(r"^port\s+[1-9]\d*$|^tls-port\s+0$", "say port 0 and the port as tls-port"),
    _pattern(r"^ssl\s*=\s*[\"']?(?:off|false|no|0)\b", "set ssl = on"),
)

UNVERIFIED = (
    _pattern(r"(?<!client_tls_)sslmode\s*[:=]\s*[\"']?(?:disable|allow|prefer|require|verify-ca)\b", "use verify-full"),
    _pattern(r"client_tls_sslmode\s*=\s*(?:disable|allow|prefer)\b", "use require"),
    _pattern(r"\bCERT_(?:NONE|OPTIONAL)\b|cert_reqs" + _NO, "use CERT_REQUIRED"),
    _pattern(r"\bverify_none\b", "use verify_peer, with cacertfile"),
    _pattern(
        r"\b(?:unsafe_?ssl|insecure_?skip_?verify|(?:skip_?tls|tls_?skip)_?verify|tls_?insecure)" + _YES, "leave it out"
    ),
    _pattern(r"\b(?:check_hostname|verify|(?:ssl|tls)[_-]?verify|PYTHONHTTPSVERIFY)" + _NO, "leave it out"),
    _pattern(r"\bNODE_TLS_REJECT_UNAUTHORIZED=0", "leave it out; name our CA in NODE_EXTRA_CA_CERTS"),
    _pattern(r"\btls\s*[:=]\s*[\"']?disable\b", "use enable, with ca"),
    _pattern(r"\bcurl\b.*\s(?:--insecure|-[a-z]*k[a-z]*)\b|\bwget\b.*--no-check-certificate", "name our CA: --cacert"),
)

ALLOWED = (
    _allowed(r"://(?:[^/@\s]*@)?(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?:[:/\"']|$)", "it never leaves the pod"),
    _allowed(r"^http://(?:www\.w3\.org|json-schema\.org)/", "a name of a format, which nobody fetches"),
    _allowed(
        r"^(?:ssl_options|management\.ssl|prometheus\.ssl)\.verify\s*=\s*verify_none$",
        "RabbitMQ as the server: its clients prove themselves with a password, and check its certificate",
    ),
)


def _broken(text: Text, patterns: tuple[Pattern, ...]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for found in pattern.regex.finditer(text.assignment):
            if not any(allowed.regex.search(part) for allowed in ALLOWED for part in (found.group(), text.assignment)):
                yield _without_password(found.group()), pattern.advice


def _without_password(value: str) -> str:
    return re.sub(r"://[^/@\s]*@", "://…@", value)


def _plain(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for text in texts(manifest):
        for value, advice in _broken(text, PLAIN):
            yield Finding(manifest, text.path, value, advice)


def _unverified(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for text in texts(manifest):
        for value, advice in _broken(text, UNVERIFIED):
            yield Finding(manifest, text.path, value, advice)


RULES = (
    ResourceRule(
        name="no-plain-text",
        description="No address, listener or scheme without TLS, in any field, variable, argument or ConfigMap.",
        reason="Inside a cluster too the network is shared, and passwords cross it at every connection.",
        check=_plain,
    ),
    ResourceRule(
        name="tls-verified",
        description="No client takes any certificate: no verify_none, CERT_NONE, sslmode=require, unsafeSsl, curl -k.",
        reason="TLS that believes everybody protects from nobody.",
        check=_unverified,
    ),
)
