# Sourced by scripts/test: builds that look at themselves while the tests run.
#
# BUILD_WITH are arguments of make for the extension, RUN_WITH is the beginning
# of the command line of everything that starts servers.

# shellcheck shell=bash

# Lines that have to be executed, in per cent.
readonly COVERAGE_MIN=90

BUILD_WITH=() RUN_WITH=()

# The option of scripts/test again.
instrument_option() {
	case $INSTRUMENT in
		coverage) echo --coverage ;;
		?*) echo "--sanitize $INSTRUMENT" ;;
	esac
}

prepare_instrument() {
	case $INSTRUMENT in
		coverage)
			# atomic: some counters are counted by signal handlers, too
			BUILD_WITH=('COPT=--coverage -O0 -fprofile-update=atomic' SHLIB_LINK=--coverage)
			;;
		undefined)
			# PostgreSQL's flags let numbers wrap; ours are not to
			BUILD_WITH=('COPT=-fsanitize=undefined -fno-sanitize-recover=undefined -fno-wrapv -fno-omit-frame-pointer'
				SHLIB_LINK=-fsanitize=undefined)
			RUN_WITH=(env UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1)
			;;
		address)
			local library
			[[ $MAJOR != 15 ]] || die "the address sanitizer does not get on with Debian's PostgreSQL 15; use --pg 17"
			library=$(gcc -print-file-name=libasan.so)
			BUILD_WITH=('COPT=-fsanitize=address -fno-omit-frame-pointer' SHLIB_LINK=-fsanitize=address)
			# The server is not built with it, so the library has to be there first.  What a
			# process has not freed at its end is not looked at: PostgreSQL never does that.
			RUN_WITH=(env "LD_PRELOAD=$(readlink -f "$library")"
				ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:handle_segv=0:detect_stack_use_after_return=0)
			;;
	esac
}

# What the suites before have executed of the C files.
suite_coverage() {
	local info=$WORK/coverage.info
	limited lcov --quiet --capture --no-external --directory "$SRC" --base-directory "$SRC" \
		--output-file "$info" || return
	limited genhtml --quiet --legend --prefix "$SRC" --output-directory "$WORK/coverage" "$info" || return
	coverage_report "$info" | as_user tee "$WORK/log/coverage.txt"
	grep -q '^covered enough' "$WORK/log/coverage.txt"
}

# Files from the least covered on, and the sum.  A header is in the list once for
# each file that includes it: a line counts once.
coverage_report() {
	awk -v min="$COVERAGE_MIN" -v src="$SRC/" '
		/^SF:/ { file = substr($0, 4); sub(src, "", file) }
		/^DA:/ {
			split(substr($0, 4), line, ",")
			key = file ":" line[1]
			if (!(key in hits))
				lines[file]++
			hits[key] += line[2]
			if (line[2] > 0 && !(key in seen))
			{
				seen[key]
				hit[file]++
			}
		}
		END {
			for (file in lines)
			{
				printf "%5.1f %% of %4d lines  %s\n", 100 * hit[file] / lines[file], lines[file], file | "sort -n"
				all += lines[file]
				all_hit += hit[file]
			}
			close("sort -n")
			if (all == 0)
				print "no line was counted"
			else
			{
				printf "%.1f %% of %d lines\n", 100 * all_hit / all, all
				print (100 * all_hit >= min * all ? "covered enough" : "covered too little: below " min " %")
			}
		}' "$1"
}

count_coverage() { grep -q '^covered enough' "$1" && echo 1 0 || echo 0 1; }
