#!/bin/sh
# Merges object files into one whose hidden symbols are local.
# usage: LD=... OBJCOPY=... merge_objects.sh OUTPUT INPUT...
set -eu
output=$1
shift
"${LD:-ld}" -r --force-group-allocation -o "$output.tmp" "$@"
# Inline functions of libstdc++ headers are not hidden. They must not be taken for, or from, a user's.
"${OBJCOPY:-objcopy}" --localize-hidden --wildcard --localize-symbol='_ZS*' \
  --localize-symbol='_ZNS*' --localize-symbol='_ZNKS*' "$output.tmp" "$output"
rm -f "$output.tmp"
