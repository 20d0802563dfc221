#!/bin/sh
# Sets up what Millrace needs and does not find: uv and the Python environment; with `--docker` also Docker, Compose and the
# base image, with `--aws` the packages of infra/aws, which are large, and with `--peers` those of `make peers`. Safe to repeat;
# when all is there it says nothing and takes a second.
#
# On Debian as root it installs. Elsewhere it changes nothing outside the checkout and ~/.cache/millrace, and says what is
# missing and how to get it.
set -eu

cd "$(dirname "$0")/../.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/millrace"
base_image=debian:trixie-slim

say() { printf '%s\n' "bootstrap: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
can_install() { [ "$(id -u)" = 0 ] && have apt-get; }

# Names the step, runs it quietly, and shows what it said only when it fails.
step() {
    what=$1; shift
    say "$what ..."
    started=$(date +%s)
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2; rm -f "$log"
        say "failed: $what"
        exit 1
    fi
    rm -f "$log"
    say "done in $(($(date +%s) - started)) s"
}

missing=""
lacks() { missing="$missing
  - $1"; }

apt_install() {
    [ -n "$(find /var/lib/apt/lists -name '*Packages*' -mmin -1440 2>/dev/null | head -n 1)" ] || apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# --- Python and uv ---------------------------------------------------------------------------------------------------------

# Debian forbids pip outside a virtual environment (PEP 668), so uv gets one of its own, in the cache.
install_uv() { python3 -m venv "$cache/uv" && "$cache/uv/bin/pip" install --quiet --upgrade uv; }

python_environment() {
    PATH="$PATH:$cache/uv/bin"
    if ! have python3 || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        if can_install; then step "installing Python (about 15 s)" apt_install python3 python3-venv ca-certificates
        else lacks "Python 3.11 or later: from your system's packages"; return; fi
    fi
    if ! have uv; then
        if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
            if can_install; then step "installing python3-venv (about 10 s)" apt_install python3-venv ca-certificates
            else lacks "Python's venv module: on Debian and Ubuntu the package python3-venv"; return; fi
        fi
        mkdir -p "$cache"
        step "installing uv into $cache/uv (about 5 s)" install_uv
    fi
    # The stamp says for which lock file and which Python the environment was made.
    stamp=$(cat uv.lock pyproject.toml | cksum)
    if [ ! -x .venv/bin/python ] || [ "$(cat .venv/.millrace 2>/dev/null)" != "$stamp" ]; then
        # What is in no default group goes, so that its stamp goes too.
        rm -f .venv/.millrace-aws
        step "installing the Python packages of uv.lock (about 30 s)" uv sync --frozen
        printf '%s' "$stamp" > .venv/.millrace
    fi
    [ "$with_aws" = yes ] && [ "$(cat .venv/.millrace-aws 2>/dev/null)" != "$stamp" ] || return 0
    step "installing the packages of infra/aws (about 5 s)" uv sync --frozen --group aws
    printf '%s' "$stamp" > .venv/.millrace-aws
}

# The peers run in containers of the image, with its Python and beside its packages. So they go into a folder of their own.
peers_packages() {
    PATH="$PATH:$cache/uv/bin"
    folder="$cache/peers"
    locked=$(uv export --frozen --quiet --only-group peers --no-emit-project)
    [ "$(cat "$folder.lock" 2>/dev/null)" != "$locked" ] || return 0
    rm -rf "$folder"
    printf '%s\n' "$locked" > "$folder.txt"
    step "installing the packages of make peers (about 5 s)" uv pip install --require-hashes --requirements "$folder.txt" \
        --target "$folder" --python-version 3.13 --python-platform linux --only-binary :all:
    printf '%s' "$locked" > "$folder.lock"
}

# --- Docker ----------------------------------------------------------------------------------------------------------------

docker_answers() { docker version >/dev/null 2>&1; }

# Without an init system nothing starts the daemon. It outlives this script; its log is in the cache.
start_dockerd() {
    mkdir -p "$cache"
    if [ -d /run/systemd/system ]; then systemctl start docker
    else setsid nohup dockerd >"$cache/dockerd.log" 2>&1 </dev/null & fi
    for _ in $(seq 60); do docker_answers && return 0; sleep 0.5; done
    tail -n 20 "$cache/dockerd.log" 2>/dev/null
    return 1
}

# From Debian 13 on the client is a package of its own; Compose is docker-compose in both.
docker_packages() {
    packages="docker.io iptables"
    ! apt-cache show docker-cli >/dev/null 2>&1 || packages="$packages docker-cli"
    docker compose version >/dev/null 2>&1 || have docker-compose || packages="$packages docker-compose"
    printf '%s' "$packages"
}

have_base_image() { docker image inspect "$base_image" >/dev/null 2>&1; }

# Where no registry can be reached: the same base system from Debian's own packages, kept for the next time.
debootstrap_base_image() {
    mkdir -p "$cache"
    archive="$cache/trixie-slim.tar"
    if [ ! -s "$archive" ]; then
        tree=$(mktemp -d "$cache/trixie.XXXXXX")
        debootstrap --variant=minbase --include=ca-certificates trixie "$tree"
        rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc "$tree"/usr/share/man \
            "$tree"/usr/share/locale
        tar -C "$tree" --numeric-owner -cf "$archive.part" .
        mv "$archive.part" "$archive"
        rm -rf "$tree"
    fi
    docker import "$archive" "$base_image"
}

docker_environment() {
    if ! have docker || ! { docker compose version >/dev/null 2>&1 || have docker-compose; }; then
        if can_install; then
            # apt-cache needs the lists to know whether docker-cli is a package of its own.
            [ -n "$(find /var/lib/apt/lists -name '*Packages*' 2>/dev/null | head -n 1)" ] || step "reading the package lists (about 5 s)" apt-get update
            packages=$(docker_packages)
            # shellcheck disable=SC2086 - a list of packages
            step "installing$(printf ' %s' $packages) (about 20 s)" apt_install $packages
        else
            lacks "Docker with Compose: Docker Desktop, or your system's packages (Debian: docker.io docker-compose)"; return
        fi
    fi
    if ! docker_answers; then
        if can_install; then
            have iptables || step "installing iptables (about 5 s)" apt_install iptables
            step "starting dockerd (about 3 s)" start_dockerd
        else lacks "a running Docker that you may use: start it; on Linux join the group docker"; return; fi
    fi
    have_base_image && return
    say "pulling $base_image (about 10 s) ..."
    if timeout 60 docker pull --quiet "$base_image" >/dev/null 2>&1; then return; fi
    say "no registry answers"
    if can_install; then
        have debootstrap || [ -s "$cache/trixie-slim.tar" ] || step "installing debootstrap (about 5 s)" apt_install debootstrap
        step "making $base_image with debootstrap (about 40 s)" debootstrap_base_image
    else
        lacks "the image $base_image: \`docker pull $base_image\` failed; on Debian \`sudo $0 --docker\` makes it"
    fi
}

with_docker=no with_aws=no with_peers=no
for word in "$@"; do
    case $word in
        --docker) with_docker=yes ;;
        --aws) with_aws=yes ;;
        --peers) with_peers=yes ;;
        *) say "unknown option $word; known are --docker, --aws and --peers"; exit 2 ;;
    esac
done
python_environment
[ "$with_docker" = no ] || docker_environment
[ "$with_peers" = no ] || peers_packages

if [ -n "$missing" ]; then
    say "this is missing:$missing"
    exit 1
fi
