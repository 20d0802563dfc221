"""Users, tokens and kubeconfigs."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

from infra.lab.devcluster import identity, pki
from infra.lab.devcluster.masters import Master


def test_every_user_has_a_token_of_its_own() -> None:
    """Of 256 bits."""
    users = [identity.admin(), identity.component("kube-proxy"), identity.node("node-1")]
    tokens = {user.token for user in users}
    assert len(tokens) == len(users)
    assert min(map(len, tokens)) >= 43


def test_a_token_is_not_told() -> None:
    """Not in a log or a traceback."""
    user = identity.admin()
    assert user.token not in repr(user)


def test_only_the_administrator_may_do_everything() -> None:
    """The list that the API server reads says so."""
    users = [identity.admin(), identity.component("kube-proxy"), identity.node("node-1")]
    rows = list(csv.reader(identity.token_file(users).splitlines()))
    assert [row[1] for row in rows if identity.MASTERS in row[3]] == ["admin"]


def test_every_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Keys, tokens and kubeconfigs, from their first byte on."""
    users = (identity.admin(), identity.component("kube-scheduler"))
    pki.write(Master(tmp_path, "127.0.0.1", 6443), users)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_kubeconfig_checks_the_server() -> None:
    """It carries the authority, and no leave to go without."""
    content = yaml.safe_load(identity.kubeconfig(identity.admin(), "https://127.0.0.1:1", "QQ=="))
    assert content["clusters"][0]["cluster"] == {"server": "https://127.0.0.1:1", "certificate-authority-data": "QQ=="}
