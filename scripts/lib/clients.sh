# Sourced by scripts/test: what the programs of test/clients need besides
# Debian's packages.

# shellcheck shell=bash

readonly CLIENT_PACKAGES=(pgbouncer python3-psycopg python3-psycopg2 nodejs)

# find_node_modules: sets NODE_MODULES to a directory with what
# test/clients/package.json asks for, fetched now if it is not in the cache.
# Without it the suite runs as well, and fails.
find_node_modules() {
	local manifest=$CHECKOUT/test/clients/package.json directory
	if [[ ${CQRS_NODE_MODULES:-} ]]; then
		NODE_MODULES=$CQRS_NODE_MODULES
		return
	fi
	directory=${CQRS_CACHE:-/var/cache/cqrs-test}/node-$(md5sum <"$manifest" | cut -c1-8)
	NODE_MODULES=$directory/node_modules
	[[ ! -e $NODE_MODULES ]] || return 0
	[[ $INSTALL ]] || return 0
	command -v npm >/dev/null || install_packages npm
	say "fetching what test/clients needs from npm"
	mkdir -p "$directory.new"
	cp "$manifest" "$directory.new"
	if npm install --prefix "$directory.new" --no-audit --no-fund --no-package-lock >"$directory.log" 2>&1; then
		chmod -R a+rX "$directory.new"
		mv -T "$directory.new" "$directory" || rm -rf "$directory.new"
	else
		tail -n 20 "$directory.log" >&2
		rm -rf "$directory.new"
	fi
}
