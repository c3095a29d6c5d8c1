#!/bin/sh
# One Packer step: build the image, boot it and send mail through it, and copy it out if that passed.
set -eu

rm -rf "$OUTPUT"
# Options are words of the caller's own.
# shellcheck disable=SC2086
image=$("$POSTOLKA" build $BUILD_OPTIONS)
"$POSTOLKA" accept --memory "$MEMORY" "$image"
mkdir -p "$OUTPUT"
cp --sparse=always "$image/disk.raw" "$OUTPUT/.disk.raw"
mv "$OUTPUT/.disk.raw" "$OUTPUT/disk.raw"
# Its bills of materials, provenance, inputs and checksums, which the disk doesn't depend on.
cp "$image"/*.json "$image/SHA256SUMS" "$OUTPUT"
[ -z "$SIGNING_KEY" ] || "$POSTOLKA" sign --key "$SIGNING_KEY" "$OUTPUT"
printf '%s\n' "$image" >"$OUTPUT/image"
