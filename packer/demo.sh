#!/bin/sh
# `make demo`: an image by Packer, then a server from it that stays up for a first look.
set -eu
cd "$(dirname "$0")/.."
command -v packer >/dev/null || {
	printf 'demo: no packer on PATH\nhint: Debian 12 has Packer 1.6.6 in apt; elsewhere put 1.6.6 or later on PATH\n' >&2
	exit 1
}
packer build -var build_options=--temporary-lock packer/
exec .venv/bin/postolka demo "$(cat dist/image)"
