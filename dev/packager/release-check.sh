#!/usr/bin/env bash
# Plays the build, rebuild and comparison of .github/workflows/release.yml for HEAD.
# Signing and publishing need GitHub and are left out; make test is CI's part.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT

want=$(sed -n '/"packageVersion"/,/defaultValue/s/.*"defaultValue": "\(.*\)".*/\1/p' azuredeploy.json)
grep -q "\"$want\"" createUiDefinition.json || { echo "createUiDefinition.json does not name $want, the packageVersion of azuredeploy.json" >&2; exit 1; }
tag=$(git tag --points-at HEAD | grep '^v' || true)
if [ -n "$tag" ] && [ "$tag" != "$want" ]; then
  echo "the template installs $want, and HEAD is tagged $tag: set packageVersion to the tag" >&2
  exit 1
fi
grep -q "^## ${want#v}" CHANGELOG.md || echo "note: CHANGELOG.md has no section ## ${want#v} yet" >&2

for place in first some/where/else; do
  echo "build in $place"
  mkdir -p "$tmp/$place"
  git clone -q . "$tmp/$place/repo"
  make --no-print-directory -C "$tmp/$place/repo" release >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
done
diff "$tmp/first/repo/dist/SHA256SUMS" "$tmp/some/where/else/repo/dist/SHA256SUMS"
(cd "$tmp/first/repo/dist" && sha256sum -c --strict --quiet SHA256SUMS)
cat "$tmp/first/repo/dist/SHA256SUMS"
echo "release-check: two builds of $(git rev-parse --short HEAD) give the same bytes"
