/* Preloaded into a process: logs in order what it does to the files of one directory,
 * and makes chosen calls fail.
 *
 * SYSCALLS_DIRECTORY is the directory, SYSCALLS_LOG the file for the log. A record is
 * the struct below, the path, and what was written. What the process writes to its
 * standard output is logged, too: there it says what it acknowledges.
 *
 * A write made in a way that is not here (say, through mmap) would be missing in the
 * images made from the log: such a test fails, it does not pass by mistake.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct record {
    char kind; /* open write truncate sync unlink rename answer, upper case: refused */
    int32_t thread, fd, path_bytes;
    int64_t offset, data_bytes;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static const char *directory;
static int log_fd = -1;
static long until_failure, every, failures;
static int failure;

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("SYSCALLS_LOG");
    directory = getenv("SYSCALLS_DIRECTORY");
    if (directory != NULL && log != NULL)
        log_fd = syscall(SYS_openat, AT_FDCWD, log, O_CREAT | O_WRONLY | O_APPEND, 0600);
}

/* The nth call from now fails with this error, then each `then_every`th if not 0. */
void fail_call(long nth, long then_every, int error) {
    pthread_mutex_lock(&turn);
    until_failure = nth, every = then_every, failure = error;
    pthread_mutex_unlock(&turn);
}

long failed_calls(void) { return failures; }

static int watched(const char *path) {
    return log_fd >= 0 && strncmp(path, directory, strlen(directory)) == 0;
}

static int watched_fd(int fd, char path[4096]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, 4095);
    path[length < 0 ? 0 : length] = 0;
    return watched(path);
}

static void record(char kind, int fd, const char *path, int64_t offset,
                   const void *data, size_t bytes) {
    int kept = errno;
    struct record head = {kind, syscall(SYS_gettid), fd, strlen(path), offset, bytes};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)path, strlen(path)}, {(void *)data, bytes}};
    if (writev(log_fd, parts, 3) != (ssize_t)(sizeof head + strlen(path) + bytes))
        abort();
    errno = kept;
}

static int refused(char kind, int fd, const char *path) {
    if (until_failure == 0 || --until_failure > 0)
        return 0;
    until_failure = every, failures++;
    record(kind - 'a' + 'A', fd, path, 0, NULL, 0);
    errno = failure;
    return 1;
}

/* Does a call in turn, so that the log has the order in which they happened. What is
 * logged may be said by what it answers, `done`. */
#define CALL(kind, fd, path, call, offset, data, bytes)                                \
    pthread_mutex_lock(&turn);                                                         \
    long done = refused(kind, fd, path) ? -1 : (call);                                 \
    if (done >= 0)                                                                     \
        record(kind, fd, path, offset, data, bytes);                                   \
    pthread_mutex_unlock(&turn);                                                       \
    return done

static int open_logged(const char *path, int flags, mode_t mode) {
    if (!(flags & O_CREAT) || !watched(path))
        return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    CALL('o', -1, path, syscall(SYS_openat, AT_FDCWD, path, flags, mode), done, NULL, 0);
}

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        va_list arguments;                                                             \
        va_start(arguments, flags);                                                    \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;   \
        va_end(arguments);                                                             \
        return open_logged(path, flags, mode);                                         \
    }
OPEN(open)
OPEN(open64)

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
    char path[4096];
    if (!watched_fd(fd, path))
        return syscall(SYS_pwrite64, fd, data, bytes, offset);
    CALL('w', fd, path, syscall(SYS_pwrite64, fd, data, bytes, offset), offset, data, done);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    return pwrite64(fd, data, bytes, offset);
}

ssize_t write(int fd, const void *data, size_t bytes) {
    char path[4096];
    if (fd == STDOUT_FILENO && log_fd >= 0) {
        pthread_mutex_lock(&turn);
        record('a', fd, "", 0, data, bytes);
        pthread_mutex_unlock(&turn);
    }
    if (!watched_fd(fd, path))
        return syscall(SYS_write, fd, data, bytes);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    CALL('w', fd, path, syscall(SYS_write, fd, data, bytes), offset, data, done);
}

int ftruncate64(int fd, off64_t length) {
    char path[4096];
    if (!watched_fd(fd, path))
        return syscall(SYS_ftruncate, fd, length);
    CALL('t', fd, path, syscall(SYS_ftruncate, fd, length), length, NULL, 0);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

#define SYNC(name)                                                                     \
    int name(int fd) {                                                                 \
        char path[4096];                                                               \
        if (!watched_fd(fd, path))                                                     \
            return syscall(SYS_##name, fd);                                            \
        CALL('s', fd, path, syscall(SYS_##name, fd), 0, NULL, 0);                      \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    if (!watched(path))
        return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    CALL('u', -1, path, syscall(SYS_unlinkat, AT_FDCWD, path, 0), 0, NULL, 0);
}

int rename(const char *path, const char *to) {
    if (!watched(path))
        return syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, 0);
    CALL('r', -1, path, syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, 0), 0, to,
         strlen(to));
}
