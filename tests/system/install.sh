#!/bin/sh
# Installs those Debian packages of packages.txt that are missing.
#
# Quick and without network when nothing is missing. As root it installs, as another user it tries sudo without a
# password; where neither works it prints what to install and ends well: the tests that need a missing program then
# skip and say so, or fail where CI=true (tests/requirements.py).
set -eu

here=$(dirname "$0")
missing=""
for package in $(grep -v '^#' "$here/packages.txt"); do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root="env"
elif sudo -n true 2>/dev/null; then
    as_root="sudo env"
else
    as_root=""
fi
if [ -z "$as_root" ] || ! command -v apt-get >/dev/null; then
    echo "tests: please install as root:$missing" >&2
    exit 0
fi

echo "tests: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A package may want to start its service; the tests start their own on private ports, so a failure there is harmless
# and shows as a message of apt-get only.
if ! { $as_root DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "tests: could not install$missing" >&2
    exit 1
fi
