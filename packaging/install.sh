#!/bin/sh
# Installs the built binary, the systemd unit, the configuration and the documentation. `make install` calls it.
# With DESTDIR it only writes below that folder and needs no privileges; an existing configuration is never replaced.
#
#   DESTDIR=    root of the tree to install into (packages)
#   PREFIX=     /usr/local
#   SYSCONFDIR= /etc
#   BIN=        bin/wayside
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr/local}
SYSCONFDIR=${SYSCONFDIR:-/etc}
BIN=${BIN:-$here/bin/wayside}

die() {
	echo "install: $*" >&2
	exit 1
}

[ -x "$BIN" ] || die "$BIN is not there: run \`make build\` first"
case $PREFIX in /*) ;; *) die "PREFIX=$PREFIX must be an absolute path" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

put() { # put MODE FROM TO
	mkdir -p "$(dirname "$DESTDIR$3")"
	install -m "$1" "$2" "$DESTDIR$3"
	echo "$DESTDIR$3"
}

put 755 "$BIN" "$PREFIX/bin/wayside"

sed "s|^ExecStart=/usr/bin/|ExecStart=$PREFIX/bin/|" "$here/packaging/systemd/wayside.service" >"$work/wayside.service"
put 644 "$work/wayside.service" "$PREFIX/lib/systemd/system/wayside.service"
put 644 "$here/packaging/systemd/wayside.sysusers" "$PREFIX/lib/sysusers.d/wayside.conf"

conf=$SYSCONFDIR/wayside/wayside.yaml
if [ -e "$DESTDIR$conf" ]; then
	put 644 "$here/packaging/wayside.yaml" "$conf.new"
	echo "install: $DESTDIR$conf is kept; the shipped one is beside it as wayside.yaml.new" >&2
else
	put 644 "$here/packaging/wayside.yaml" "$conf"
fi
mkdir -p "$DESTDIR$SYSCONFDIR/wayside/plugins"

for doc in "$here/README.md" "$here/CHANGELOG.md" "$here/LICENSE" "$here"/docs/*.md; do
	if [ -f "$doc" ]; then
		put 644 "$doc" "$PREFIX/share/doc/wayside/$(basename "$doc")"
	fi
done

for file in scrape.yml rules.yml rules_test.yml; do
	put 644 "$here/packaging/prometheus/$file" "$PREFIX/share/wayside/prometheus/$file"
done
for board in "$here"/packaging/grafana/*.json; do
	put 644 "$board" "$PREFIX/share/wayside/grafana/$(basename "$board")"
done
sed "s|path: /usr/share/|path: $PREFIX/share/|" "$here/packaging/grafana/provider.yaml" >"$work/provider.yaml"
put 644 "$work/provider.yaml" "$PREFIX/share/wayside/grafana/provider.yaml"

# Completions and manual pages come from the binary; one built for another machine cannot write them here.
if "$BIN" completion bash >"$work/bash" 2>/dev/null && "$BIN" completion zsh >"$work/zsh" 2>/dev/null &&
	"$BIN" completion fish >"$work/fish" 2>/dev/null && "$BIN" man "$work/man1" 2>/dev/null; then
	put 644 "$work/bash" "$PREFIX/share/bash-completion/completions/wayside"
	put 644 "$work/zsh" "$PREFIX/share/zsh/site-functions/_wayside"
	put 644 "$work/fish" "$PREFIX/share/fish/vendor_completions.d/wayside.fish"
	for page in "$work"/man1/*.1; do
		put 644 "$page" "$PREFIX/share/man/man1/$(basename "$page")"
	done
else
	echo "install: $BIN does not run here; no shell completions, no manual pages" >&2
fi
