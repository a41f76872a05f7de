/*
 * slow-link DELAY-MICROSECONDS NAME NAME: two TAP devices, and a cable between them on which every frame takes that long. Says "ready" when both are there; they
 * last as long as it does, whatever network namespace they are moved to, and it no longer than who started it. One process, and timers of nanoseconds: what a
 * link costs the machine, the programs that are measured over it cannot have. Whatever they do, it comes first: a cable's delay does not depend on who
 * has the processors.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAME = 2048, FRAMES = 8192 };

/* What is under way from one end to the other, the oldest first. */
struct way {
	int from, to;
	unsigned first, count;
	struct { long long due; ssize_t size; char bytes[FRAME]; } *frames;
};

static int tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		err(1, "no TAP device %s", name);
	return fd;
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Like a cable, it loses what it has no room for. */
static void take(struct way *way, long long delay)
{
	while (way->count < FRAMES) {
		unsigned at = (way->first + way->count) % FRAMES;

		way->frames[at].size = read(way->from, way->frames[at].bytes, FRAME);
		if (way->frames[at].size <= 0)
			return;
		way->frames[at].due = now() + delay;
		way->count++;
	}
}

/* Nanoseconds until the next frame is due, -1 if none is under way. */
static long long deliver(struct way *way)
{
	while (way->count > 0) {
		long long left = way->frames[way->first].due - now();

		if (left > 0)
			return left;
		/* A device that is down takes nothing. */
		if (write(way->to, way->frames[way->first].bytes, way->frames[way->first].size) < 0) {}
		way->first = (way->first + 1) % FRAMES;
		way->count--;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct way ways[2] = { { 0 } };
	long long delay;

	if (argc != 4)
		errx(2, "usage: slow-link DELAY-MICROSECONDS NAME NAME");
	delay = atoll(argv[1]) * 1000;
	ways[0].from = ways[1].to = tap(argv[2]);
	ways[1].from = ways[0].to = tap(argv[3]);
	for (int i = 0; i < 2; i++)
		if (!(ways[i].frames = calloc(FRAMES, sizeof *ways[i].frames)))
			err(1, "no memory");
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 50 }) < 0)
		warn("the cable waits for a processor like all others");
	prctl(PR_SET_TIMERSLACK, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd polls[2] = { { ways[0].from, POLLIN, 0 }, { ways[1].from, POLLIN, 0 } };
		long long left[2];
		struct timespec wait;

		for (int i = 0; i < 2; i++) {
			take(&ways[i], delay);
			left[i] = deliver(&ways[i]);
		}
		if (left[0] < 0 || (left[1] >= 0 && left[1] < left[0]))
			left[0] = left[1];
		wait = (struct timespec){ left[0] / 1000000000, left[0] % 1000000000 };
		ppoll(polls, 2, left[0] < 0 ? NULL : &wait, NULL);
		/* It would be ready for ever, and this loop take a processor from what is measured. */
		if ((polls[0].revents | polls[1].revents) & POLLERR)
			errx(1, "a TAP device is gone");
	}
}
