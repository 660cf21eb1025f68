# Sourced by the commands beside it: find a Python 3.11 or newer, then run `python -m deploy`.
# Plain sh, because a bare Debian has no Python at all.

find_python() {
    for name in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

install_python() {
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo=$(command -v sudo) || return 1
    fi
    echo "Installing Python" >&2
    export DEBIAN_FRONTEND=noninteractive
    $sudo apt-get update -qq >/dev/null || return 1
    $sudo apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null || return 1
    # Ubuntu 22.04 calls its newer Python by its number only.
    find_python >/dev/null ||
        $sudo apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv >/dev/null
}

run() {
    root=$(cd "$(dirname "$0")/.." && pwd)
    python=$(find_python) || { install_python && python=$(find_python); } || {
        echo "cityops needs Python 3.11 or newer, and it could not be installed: run this as root or with sudo." >&2
        exit 1
    }
    # -P: this checkout, not the folder the caller happens to stand in.
    PYTHONPATH="$root" exec "$python" -P -m deploy "$@"
}
