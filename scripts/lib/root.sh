# Sourced by scripts/test: runs the tests in a root of a newer Debian release,
# for the PostgreSQL majors that this release does not have.
#
# The root is made once and kept in the cache.  A run sees it read-only, in a
# mount namespace of its own, with the checkout and a work directory mounted
# into it; mounts and servers go away with the run.

# shellcheck shell=bash

readonly ROOT_RECIPE=2			# raise it when a root must be made anew
readonly ROOT_MAX_DAYS=30		# security updates come with a new root

root_packages() {
	echo "postgresql-$1,postgresql-server-dev-$1,postgresql-$1-pgtap,libtap-parser-sourcehandler-pgtap-perl,libipc-run-perl,make,gcc,$(IFS=,; echo "${CLIENT_PACKAGES[*]}")"
}

# The archive that this machine takes its own packages from.
debian_mirror() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		awk -v release="$(this_release)" '$2 == release { print $1; exit }'
}

security_mirror() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		awk -v release="$(this_release)-security" '$2 == release { print $1; exit }'
}

# make_root MAJOR RELEASE DIRECTORY
make_root() {
	local mirror security script=
	mirror=$(debian_mirror)
	security=$(security_mirror)
	[[ $mirror ]] || die "could not find in apt's sources where this machine takes Debian's packages from"

	# A release that debootstrap has not heard of yet is built as sid is.
	[[ -e /usr/share/debootstrap/scripts/$2 ]] || script=/usr/share/debootstrap/scripts/sid
	debootstrap --variant=minbase --include="$(root_packages "$1")" "$2" "$3" "$mirror" ${script:+"$script"} || return

	mkdir -p "$3/mnt" "$3/var/tmp"
	printf 'Acquire::Check-Valid-Until "false";\n' >"$3/etc/apt/apt.conf.d/90check-valid-until"
	printf 'deb %s %s main\n' "$mirror" "$2" >"$3/etc/apt/sources.list"
	# Only a released Debian has a security archive with something in it.
	if [[ $security && $2 == trixie ]]; then
		printf 'deb %s %s-security main\n' "$security" "$2" >>"$3/etc/apt/sources.list"
	fi
	root_shell "$3" 'apt-get -q update && apt-get -q -y --no-install-recommends upgrade && apt-get clean' || return
	rm -rf "$3"/var/lib/apt/lists/* "$3"/usr/share/{doc,man,locale,info}
}

# root_shell ROOT COMMANDS: runs them in the root, which they may change.
root_shell() {
	unshare -m -p -f --kill-child --propagation private bash -euc '
		mount -t proc proc "$1/proc"
		cp /etc/resolv.conf "$1/etc/resolv.conf"
		DEBIAN_FRONTEND=noninteractive exec chroot "$1" bash -euc "$2"
	' root_shell "$1" "$2" </dev/null
}

# cached_root MAJOR RELEASE: the path of a root, made now if there is none.
# Prints nothing else: the work is reported on standard error.
cached_root() {
	local cache=${CQRS_CACHE:-/var/cache/cqrs-test} root log
	root=$cache/$2-$1-$ROOT_RECIPE
	log=$root.log
	mkdir -p "$cache"
	(
		flock 8
		if [[ -n $(find "$root.complete" -mtime "-$ROOT_MAX_DAYS" 2>/dev/null) ]]; then
			exit 0
		fi
		say "making a root of Debian $2 with PostgreSQL $1 in $root; this takes a minute or two, once" >&2
		rm -rf "$root" "$root.complete"
		if ! (make_root "$1" "$2" "$root") >"$log" 2>&1 8>&-; then
			tail -n 30 "$log" >&2
			die "could not make the root of Debian $2; all of the output is in $log"
		fi
		touch "$root.complete"
	) 8>"$cache/$2-$1.lock" || return
	printf '%s\n' "$root"
}

# older_in MAJOR WORK ROOT CHECKOUT: copies the PostgreSQL of this Debian to WORK/older,
# with cqrs installed in it, so that a test in ROOT can upgrade from it.  Libraries
# that the root does not have come along.
older_in() {
	local major=$1 older=$2/older root=$3 checkout=$4 lib=usr/lib/postgresql/$1 share=usr/share/postgresql/$1
	[[ -x /$lib/bin/postgres && -x /$lib/bin/pg_config ]] || return 0
	mkdir -p "$older/$lib" "$older/${share%/*}"
	tar -C "/$lib" --exclude=./lib/bitcode --exclude=./lib/llvmjit.so -cf - . | tar -C "$older/$lib" -xf -
	cp -a "/$share" "$older/$share"
	ldd "/$lib"/bin/{postgres,pg_ctl,pg_dump,psql} | awk '$3 ~ "^/" { print $3 }' | sort -u |
		while IFS= read -r library; do
			[[ -e $root$library ]] || cp -L "$library" "$older/$lib/lib/"
		done
	copy_tree "$checkout" "$2/older.src"
	make -s -C "$2/older.src" PG_CONFIG="/$lib/bin/pg_config" install DESTDIR="$older" >"$2/older.log" 2>&1 ||
		{ tail -n 20 "$2/older.log" >&2; die "could not build for PostgreSQL $major"; }
	rm -rf "$2/older.src"
	chmod -R a+rX "$older"
}

# test_in_root MAJOR CHECKOUT WORK ARGUMENTS: runs CHECKOUT's scripts/test with
# these arguments in the root of that major; WORK is its /var/tmp.  OLDER is a
# major of this Debian that it can be upgraded from, or empty.
test_in_root() {
	local major=$1 checkout=$2 work=$3 root
	shift 3
	install_packages debootstrap
	root=$(cached_root "$major" "$(release_of_major "$major")") || exit
	mkdir -p "$work"
	chmod 1777 "$work"
	if [[ $OLDER ]]; then
		older_in "$OLDER" "$work" "$root" "$checkout"
	fi
	[[ ! -e ${NODE_MODULES:-} ]] || cp -r "$NODE_MODULES" "$work/node_modules"

	OLDER=$OLDER unshare -m -p -f --kill-child --propagation private bash -euc '
		root=$1 checkout=$2 work=$3
		shift 3
		mount --bind "$root" "$root"
		mount --bind "$work" "$root/var/tmp"
		mount --bind -o ro "$checkout" "$root/mnt"
		mount -o remount,bind,ro "$root"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
		mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
		mount -t tmpfs tmpfs "$root/run"
		mount -t proc proc "$root/proc"
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/tmp CQRS_TEST_OUTSIDE="$work" CQRS_NODE_MODULES=/var/tmp/node_modules \
			${OLDER:+"CQRS_TEST_OLDER=/var/tmp/older/usr/lib/postgresql/$OLDER"} \
			${CQRS_TEST_SECONDS:+"CQRS_TEST_SECONDS=$CQRS_TEST_SECONDS"} bash /mnt/scripts/test "$@"
	' test_in_root "$root" "$checkout" "$work" "$@" </dev/null
}
