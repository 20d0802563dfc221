"""What of an object counts, what is different, what is hidden, what goes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from infra.deploy.differences import Difference, differences
from infra.deploy.keeping import in_reverse
from infra.deploy.objects import Found, Ref, decoded, hide, secret_values, stored_form
from infra.deploy.plan import surplus
from infra.render.manifests import Manifest

VALUE = "a-secret-of-some-length"


def _manifest(kind: str, name: str, wave: int = 1, **body: Any) -> Manifest:
    metadata = {"name": name, "namespace": "millrace"}
    return Manifest(wave, {"apiVersion": "v1", "kind": kind, "metadata": metadata, **body}, "urn", protect=False)


def _found(kind: str, name: str, *, protected: bool = False, deleting: bool = False, version: str = "v1") -> Found:
    ref = Ref(version, kind, "millrace", name)
    return Found(ref, name, protected, owned=False, deleting=deleting, finalizers=(), appliers=frozenset())


def test_a_secret_is_applied_as_it_is_kept() -> None:
    """Keys of `stringData` would belong to nobody afterwards, and never go."""
    body = stored_form(_manifest("Secret", "x", stringData={"password": VALUE}))
    assert "stringData" not in body
    assert decoded(body) == {"password": VALUE}


def test_an_empty_list_is_applied_as_it_is_kept() -> None:
    """Not at all in built-in kinds. An empty object means something, such as `emptyDir: {}`."""
    spec = {"ingress": [], "egress": [{"to": []}], "podSelector": {}}
    policy = _manifest("NetworkPolicy", "x", apiVersion="networking.k8s.io/v1", spec=spec)
    assert stored_form(policy)["spec"] == {"egress": [{}], "podSelector": {}}
    custom = _manifest("ScaledObject", "x", apiVersion="keda.sh/v1alpha1", spec=spec)
    assert stored_form(custom)["spec"] == spec


def test_a_secrets_differences_name_its_keys_only() -> None:
    """Neither what was nor what comes."""
    before, after = (stored_form(_manifest("Secret", "x", stringData={"a": value})) for value in ("old value", VALUE))
    after["data"]["b"] = after["data"]["a"]
    assert differences(before, after) == (
        Difference("data.a", "(secret)", "(secret)"),
        Difference("data.b", "", "(secret)"),
    )


def test_differences_are_fields_with_what_was_and_what_comes() -> None:
    """What the server writes by itself is none; parts of lists go by name."""
    before = _manifest(
        "Pod", "x", spec={"containers": [{"name": "a", "image": "1"}], "args": ["x"]}, status={"a": 1}
    ).body
    after = _manifest("Pod", "x", spec={"containers": [{"name": "b"}, {"name": "a", "image": "2"}], "args": []}).body
    assert differences(before, after) == (
        Difference("spec.args.[0]", "x", ""),
        Difference("spec.containers.[a].image", "1", "2"),
        Difference("spec.containers.[b]", "", '{"name": "b"}'),
    )


@given(st.text(min_size=8), st.text(), st.text())
def test_what_is_hidden_is_in_no_text(secret: str, before: str, after: str) -> None:
    """Whatever it is in."""
    body = {"kind": "Secret", **stored_form(_manifest("Secret", "x", stringData={"key": secret}))}
    encoded = body["data"]["key"]
    found = hide(f"{before}|{encoded}|{after}", secret_values(body))
    assert encoded not in found


@pytest.mark.parametrize("value", ["neither base64 nor short", "////////", "ünïcödé-äöü", "a" * 9])
def test_values_that_are_not_what_they_should_be_are_hidden_too(value: str) -> None:
    """Those are the ones that an API server complains of, and quotes."""
    for field in ("data", "stringData"):
        body = {"kind": "Secret", field: {"key": value}}
        assert value not in hide(f"illegal data: {value}", secret_values(body))


def test_what_is_wanted_or_holds_data_is_not_surplus() -> None:
    """By group, kind and name: another version of an API is the same object."""
    wanted = [_manifest("ConfigMap", "kept"), _manifest("Ingress", "moved")]
    found = [
        _found("ConfigMap", "kept"),
        _found("ConfigMap", "gone"),
        _found("ConfigMap", "going", deleting=True),
        _found("ConfigMap", "protected", protected=True),
        _found("PersistentVolumeClaim", "disk"),
        _found("Ingress", "moved", version="v1beta1"),
    ]
    assert [one.uid for one in surplus(found, wanted)] == ["gone"]
    assert [one.uid for one in surplus(found, wanted, protected=True)] == ["gone", "protected", "disk"]


@pytest.mark.parametrize("value", [1, 7])
def test_the_last_wave_goes_first_and_what_nobody_knows_before_it(value: int) -> None:
    """So that no server goes before those who use it."""
    manifests = [
        _manifest("A", "first", wave=0),
        _manifest("A", "last", wave=value),
        _manifest("A", "beside", wave=value),
    ]
    found = [_found("A", name) for name in ("first", "last", "beside", "unknown")]
    order = [(wave, [one.uid for one in members]) for wave, members in in_reverse(found, manifests)]
    assert order == [(None, ["unknown"]), (value, ["beside", "last"]), (0, ["first"])]
