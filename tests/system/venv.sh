#!/bin/sh
# Debian keeps Python's venv in a package of its own: install it, or say so.
set -eu
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing python3-venv ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
else
    echo "Python's venv module is missing; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
fi
