#!/bin/sh
# Install what the generator needs on the build host, and the virtual environment with the command.
#
# The host's versions of these packages don't reach the image: they resolve and fetch the locked
# packages, unpack the tools root, and boot what was built.
set -eu

step() { printf '==> %s\n' "$*" >&2; }
die() { printf 'setup: %s\nhint: %s\n' "$1" "$2" >&2; exit 1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

. /etc/os-release
case "${ID:-}:${VERSION_ID:-}" in
debian:12) packer=packer ;;
# Packer left Debian after 12: it comes from PATH, and only `make demo` and its tests need it.
debian:13) packer= ;;
*) die "this is ${PRETTY_NAME:-an unknown system}; Debian 12 or 13 is needed" "use a Debian 12 machine or container" ;;
esac

# apt: resolve and fetch; dpkg: unpack; mount, util-linux: namespaces; libfaketime: build --check; the
# rest: boot and reach it.
packages="ca-certificates debian-archive-keyring dpkg apt util-linux mount xz-utils zstd libfaketime
python3 python3-venv qemu-system-x86 qemu-utils ovmf systemd-container iproute2 openssh-client openssl $packer"

missing=
for package in $packages; do
	dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i' || missing="$missing $package"
done
if [ -n "$missing" ]; then
	step "installing:$missing"
	as_root apt-get -q -y update >&2
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing >&2
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	die "$($python --version) is too old" "set PYTHON to a Python of 3.11 or later"
[ -x .venv/bin/python ] || { step "making .venv"; "$python" -m venv .venv; }
step "installing the Python packages into .venv"
# Compiling every module of theirs takes a third of the time; Python compiles what it imports.
pip() { .venv/bin/python -m pip "$@" --quiet --disable-pip-version-check --no-compile >&2; }
pip install --editable '.[test]'
# The scanner of the TLS tests wants another version of cryptography than what they themselves use.
[ -x .venv/sslyze/bin/python ] || "$python" -m venv --without-pip .venv/sslyze
pip --python .venv/sslyze install 'sslyze>=6.3'
: >.venv/installed

if ! command -v packer >/dev/null; then
	printf 'setup: Packer is not installed; `make demo` and its tests need it\n' >&2
	printf 'hint: put a packer of 1.6.6 or later on PATH; Debian 12 has one in apt\n' >&2
fi
step "ready: .venv/bin/postolka; next: make demo, or make test"
