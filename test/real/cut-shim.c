/*
 * LD_PRELOAD: counts the calls that change files below CUT_BELOW, over all threads, and kills the process with SIGKILL before call
 * number CUT_AT takes effect; CUT_AT=0 only counts. At its end the process writes the number into CUT_COUNT, if that is set.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static int is_below(const char *path)
{
	const char *below = getenv("CUT_BELOW");
	return below && path && strncmp(path, below, strlen(below)) == 0;
}

static int is_fd_below(int fd)
{
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return 0;
	path[length] = 0;
	return is_below(path);
}

static void step(void)
{
	const char *at = getenv("CUT_AT");
	long number = atomic_fetch_add(&calls, 1) + 1;
	if (at && atol(at) == number)
		kill(getpid(), SIGKILL);
}

__attribute__((destructor)) static void tell(void)
{
	const char *file = getenv("CUT_COUNT");
	if (!file || atomic_load(&calls) == 0)
		return;
	FILE *out = fopen(file, "w");
	if (!out)
		return;
	fprintf(out, "%ld\n", atomic_load(&calls));
	fclose(out);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRAP_OPEN(name)                                  \
	int name(const char *path, int flags, ...)       \
	{                                                \
		va_list more;                            \
		va_start(more, flags);                   \
		int mode = va_arg(more, int);            \
		va_end(more);                            \
		if ((flags & O_CREAT) && is_below(path)) \
			step();                          \
		return REAL(name)(path, flags, mode);    \
	}
WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_PATH(result, name, taken, passed)   \
	result name taken                        \
	{                                        \
		if (is_below(path))              \
			step();                  \
		return REAL(name) passed;        \
	}
WRAP_PATH(int, rename, (const char *from, const char *path), (from, path))
WRAP_PATH(int, symlink, (const char *target, const char *path), (target, path))
WRAP_PATH(int, link, (const char *from, const char *path), (from, path))
WRAP_PATH(int, unlink, (const char *path), (path))
WRAP_PATH(int, rmdir, (const char *path), (path))
WRAP_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP_PATH(int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP_PATH(int, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))

#define WRAP_FD(result, name, taken, passed)     \
	result name taken                        \
	{                                        \
		if (is_fd_below(fd))             \
			step();                  \
		return REAL(name) passed;        \
	}
WRAP_FD(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRAP_FD(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP_FD(ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
WRAP_FD(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off64_t at), (fd, bytes, size, at))
WRAP_FD(int, fsync, (int fd), (fd))
WRAP_FD(int, fdatasync, (int fd), (fd))
WRAP_FD(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP_FD(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP_FD(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
