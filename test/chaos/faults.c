/*
 * faults.c
 *		Faults of the operating system, for a server that this is preloaded into:
 *		a disk that is full, and a clock that jumps.
 *
 * The environment variable CQRS_FAULTS names a file that holds a Faults.  It
 * is mapped, so that whoever writes to it switches faults on and off in all
 * processes of the server at once.
 *
 * A disk is full for writes that make a file longer, and only for files of
 * the chosen kind.  The clock is the one that tells the time of day; the
 * monotonic clock goes on as ever, as it does on a real machine.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FULL_DATA 1
#define FULL_WAL 2

typedef struct Faults
{
	int64_t		clock_seconds;	/* added to the time of day */
	int32_t		full;			/* FULL_DATA, FULL_WAL */
	int32_t		error;			/* errno of a write that is refused */
} Faults;

static const Faults none;
static const volatile Faults *faults = &none;

static int	(*real_clock_gettime) (clockid_t, struct timespec *);
static int	(*real_gettimeofday) (struct timeval *, void *);
static ssize_t (*real_pwrite) (int, const void *, size_t, off_t);
static ssize_t (*real_pwritev) (int, const struct iovec *, int, off_t);
static int	(*real_posix_fallocate) (int, off_t, off_t);

#define RESOLVE(name) \
	(real_##name ? real_##name : (*(void **) &real_##name = dlsym(RTLD_NEXT, #name), real_##name))

__attribute__((constructor)) static void
map_faults(void)
{
	const char *path = getenv("CQRS_FAULTS");
	int			fd = path ? open(path, O_RDONLY) : -1;
	void	   *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(Faults), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		faults = map;
}

/*
 * Is there no room for this write?  Sets errno.
 */
static int
is_refused(int fd, off_t end)
{
	int			full = faults->full;
	char		link[64];
	char		path[PATH_MAX];
	ssize_t		length;
	struct stat st;

	if (full == 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || end <= st.st_size)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return 0;
	path[length] = '\0';
	if (!((full & FULL_DATA) && strstr(path, "/base/")) &&
		!((full & FULL_WAL) && strstr(path, "/pg_wal/")))
		return 0;
	errno = faults->error;
	return 1;
}

ssize_t
pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
	if (is_refused(fd, offset + size))
		return -1;
	return RESOLVE(pwrite) (fd, buffer, size, offset);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	off_t		end = offset;

	for (int i = 0; i < count; i++)
		end += parts[i].iov_len;
	if (is_refused(fd, end))
		return -1;
	return RESOLVE(pwritev) (fd, parts, count, offset);
}

/* gives the error, not errno */
int
posix_fallocate(int fd, off_t offset, off_t length)
{
	if (is_refused(fd, offset + length))
		return errno;
	return RESOLVE(posix_fallocate) (fd, offset, length);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int			result = RESOLVE(clock_gettime) (clock, ts);

	if (result == 0 && clock == CLOCK_REALTIME)
		ts->tv_sec += faults->clock_seconds;
	return result;
}

int
gettimeofday(struct timeval *tv, void *zone)
{
	int			result = RESOLVE(gettimeofday) (tv, zone);

	if (result == 0)
		tv->tv_sec += faults->clock_seconds;
	return result;
}

time_t
time(time_t *where)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (where)
		*where = ts.tv_sec;
	return ts.tv_sec;
}
