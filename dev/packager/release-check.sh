#!/usr/bin/env bash
# Plays the build, rebuild and comparison of .github/workflows/release.yml for HEAD.
# Signing and publishing need GitHub and are left out; make test is CI's part.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
if [ -n "$(git status --porcelain)" ]; then
  echo "note: a release is made of commits; what is not committed is left out" >&2
fi
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
first=$tmp/first/repo
second=$tmp/some/where/else/repo

git clone -q . "$first"
# Of several tags, as of a release after its candidates, the newest counts.
tag=$(git tag --points-at HEAD --sort=-version:refname 'v*' | head -n 1)
version=$(cd "$first" && go run ./dev/version -tag "$tag")
echo "template, buttons and CHANGELOG are of $version, HEAD is tagged ${tag:-nothing yet}"

git clone -q . "$second"
for repo in "$first" "$second"; do
  echo "build in ${repo#"$tmp"/}"
  make --no-print-directory -C "$repo" release >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
done
diff "$first/dist/SHA256SUMS" "$second/dist/SHA256SUMS"
cd "$first/dist"
sha256sum -c --strict --quiet SHA256SUMS
for archive in idn*.zip idn*.tar.gz; do
  parts=${archive%.zip}
  parts=${parts%.tar.gz}.cdx.json
  grep -q '"bomFormat": "CycloneDX"' "$parts" || { echo "$archive has no parts list $parts" >&2; exit 1; }
done
cat SHA256SUMS
echo "release-check: two builds of $version give the same bytes"
