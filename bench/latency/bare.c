/*
 * bare.c
 *		What waking processes takes of the time from a commit until somebody knows.
 *
 * usage: bare RATE SECONDS
 *
 * Four processes that do nothing else hand a byte on as client, backend, worker, waiter
 * and client do: by a socket, by a signal, by a signal, by a socket, each asleep in poll
 * or epoll until then, as PostgreSQL's latches are.  Prints the milliseconds of each round.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000.0 + ts.tv_nsec / 1000000.0;
}

static void
sleep_until_ms(double at)
{
	struct timespec ts = {.tv_sec = (time_t) (at / 1000)};

	ts.tv_nsec = (long) ((at - ts.tv_sec * 1000.0) * 1000000);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void
send_byte(int fd)
{
	if (write(fd, "", 1) != 1)
		fail("write");
}

static void
receive_byte(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char		byte;

	poll(&pfd, 1, -1);
	if (read(fd, &byte, 1) != 1)
		exit(0);				/* the other end has gone */
}

/*
 * Hands on what comes by a socket as a signal.
 */
static void
be_backend(int from, pid_t to)
{
	for (;;)
	{
		receive_byte(from);
		kill(to, SIGURG);
	}
}

/*
 * Hands on what comes by a signal: as a signal, or by a socket when "to" is 0.
 */
static void
be_latched(pid_t to, int socket)
{
	sigset_t	set;
	int			signals;
	int			epoll = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	struct signalfd_siginfo info;

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	signals = signalfd(-1, &set, SFD_NONBLOCK);
	if (epoll < 0 || signals < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &event) < 0)
		fail("epoll");
	for (;;)
	{
		epoll_wait(epoll, &event, 1, -1);
		if (read(signals, &info, sizeof(info)) <= 0)
			continue;
		if (to != 0)
			kill(to, SIGURG);
		else
			send_byte(socket);
	}
}

int
main(int argc, char **argv)
{
	double		period = argc > 2 ? 1000.0 / atof(argv[1]) : 0;
	int			count = argc > 2 ? (int) (atof(argv[1]) * atof(argv[2])) : 0;
	int			out[2];
	int			in[2];
	sigset_t	set;
	pid_t		waiter;
	pid_t		worker;
	pid_t		backend;
	double		next;

	if (count <= 0)
	{
		fprintf(stderr, "usage: bare RATE SECONDS\n");
		return 1;
	}
	/* what is sent before somebody listens is not lost */
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, out) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, in) < 0)
		fail("socketpair");
	if ((waiter = fork()) == 0)
		be_latched(0, in[1]);
	if ((worker = fork()) == 0)
		be_latched(waiter, -1);
	if ((backend = fork()) == 0)
	{
		close(out[0]);
		be_backend(out[1], worker);
	}

	next = now_ms() + 100;
	for (int i = 0; i < count; i++)
	{
		double		sent;

		sleep_until_ms(next);
		next += period;
		sent = now_ms();
		send_byte(out[0]);
		receive_byte(in[0]);
		printf("%.4f\n", now_ms() - sent);
	}
	kill(waiter, SIGKILL);
	kill(worker, SIGKILL);
	kill(backend, SIGKILL);
	while (wait(NULL) > 0)
		;
	return 0;
}
