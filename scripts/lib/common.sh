# Sourced by the scripts of this directory: messages, packages, and running as
# a user who is not root.  Sets nothing but functions and read-only constants.

# shellcheck shell=bash

# PostgreSQL majors and the Debian releases that carry them.
readonly MAJORS='15 17 18'

# A PGDATA, PGOPTIONS or PGSERVICE of the caller must not reach our servers.
forget_pg_environment() {
	local name
	for name in $(compgen -e); do
		case $name in
			PG*) unset "$name" ;;
		esac
	done
	export LC_ALL=C.UTF-8
}

say() {
	printf '%s\n' "$*"
}

heading() {
	printf '\n== %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

release_of_major() {
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) return 1 ;;
	esac
}

# The major that this Debian carries; nothing when it carries none of ours.
major_of_this_release() {
	local major
	for major in $MAJORS; do
		[[ $(release_of_major "$major") != "$(this_release)" ]] || echo "$major"
	done
}

this_release() {
	(. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-unknown}")
}

# Settings of ours in the environment, NAME=VALUE, for those who start with another.
our_settings() {
	local name
	for name in $(compgen -e CQRS_); do
		printf '%s=%s\n' "$name" "${!name}"
	done
}

# become_root SCRIPT ARGUMENTS: starts the script again through sudo.
become_root() {
	((EUID == 0)) && return
	command -v sudo >/dev/null ||
		die "packages have to be installed and servers need a user of their own: run this as root or with sudo"
	local settings
	mapfile -t settings < <(our_settings)
	exec sudo env "${settings[@]}" bash "$@"
}

# --------------------------------------------------------------------------
# Packages
# --------------------------------------------------------------------------

missing_packages() {
	local package
	for package in "$@"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
			printf '%s\n' "$package"
	done
}

# Waits for another package manager to finish, five minutes at most.
apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# The lock on the package lists is one that apt does not wait for.
apt_update() {
	local attempt
	for attempt in 1 2 3; do
		apt_get update && return
		sleep $((attempt * 5))
	done
	return 1
}

# install_packages PACKAGE...: those that are missing.  The package lists are
# fetched only when the installation fails without: they are absent or old.
install_packages() {
	local missing log
	mapfile -t missing < <(missing_packages "$@")
	((${#missing[@]})) || return 0
	((EUID == 0)) || die "packages are missing: ${missing[*]}"

	say "installing ${missing[*]}"
	log=$(mktemp)
	if ! apt_get install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
		if ! apt_update >>"$log" 2>&1 ||
			! apt_get install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
			tail -n 40 "$log" >&2
			rm -f "$log"
			die "could not install the packages ${missing[*]}; the end of apt's output is above"
		fi
	fi
	rm -f "$log"
}

# --------------------------------------------------------------------------
# Running as somebody else
# --------------------------------------------------------------------------

# Servers refuse to run as root.  Debian's packages create this user; one who
# is not root is good enough as he is.
server_user() {
	if ((EUID == 0)); then
		echo postgres
	else
		id -un
	fi
}

# as_user COMMAND: runs it as the server's user.  Descriptor 9 holds a lock of
# the calling script, which a server left behind must not keep.
as_user() {
	if ((EUID == 0)); then
		runuser -u postgres -- "$@" 9>&-
	else
		"$@" 9>&-
	fi
}

# copy_tree FROM TO: the sources, without what was built in them, owned by the
# server's user.
copy_tree() {
	mkdir -p "$2"
	tar -C "$1" -cf - \
		--exclude=./.git --exclude=./.quickstart --exclude=./tmp_check --exclude=./tmp_check_iso \
		--exclude=./output_iso --exclude=./results --exclude='./regression.*' \
		--exclude=./test/chaos/client --exclude='*.o' --exclude='*.so' --exclude='*.bc' . |
		tar -C "$2" --no-same-owner -xf -
	find "$2/sql" -name 'cqrs--*.sql' ! -name 'cqrs--*--*.sql' -delete
	chown -R "$(server_user)" "$2"
}

# staged_settings MAJOR STAGE: settings of a server that finds extensions below
# STAGE, where "make install DESTDIR=STAGE" has put them, and those of the
# system besides.
staged_settings() {
	printf "dynamic_library_path = '%s/usr/lib/postgresql/%s/lib:\$libdir'\n" "$2" "$1"
	if (($1 >= 18)); then
		printf "extension_control_path = '%s/usr/share/postgresql/%s:\$system'\n" "$2" "$1"
	else
		printf "extension_destdir = '%s'\n" "$2"
	fi
}
