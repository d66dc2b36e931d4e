/* What a power cut does to a process that is killed: writes that it did not sync are gone.
 *
 * Preloaded into every daemon of a test network. Before a write to a regular file under
 * LODE_UNSYNCED_ROOT reaches it, the bytes it replaces are noted in a journal; once fsync or
 * fdatasync of that file has returned, they are forgotten. When the same command line starts again
 * after a kill -9, what is still noted is put back before main() runs, last write first:
 *
 *   pwrite ─► note old bytes ─► write          fdatasync ─► returns ─► note "synced up to here"
 *   kill -9 ─► same command again ─► read notes ─► put back whatever no sync covered ─► main()
 *
 * Files are known by inode and time of birth, so a rename does not hide them. sync_file_range does not count as
 * a sync: it says nothing about the disk's cache or the file's size. Lost creations, renames,
 * removals and truncations at open are not modelled; standard output and error are left alone.
 *
 * LODE_UNSYNCED_JOURNALS: folder of the journals, one a command line. LODE_UNSYNCED_REPORT: file
 * that gets one line for every file put back, so that a test can tell that there were any.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTE_WRITE = 1, NOTE_SYNCED = 2 };

/* One note of the journal; `old` bytes follow a NOTE_WRITE. */
struct note {
    uint64_t kind;
    uint64_t file; /* see file_id */
    uint64_t at;   /* NOTE_WRITE: offset. NOTE_SYNCED: notes before this one are on the disk. */
    uint64_t size; /* NOTE_WRITE: length of the file before. */
    uint64_t old;  /* NOTE_WRITE: bytes that follow. */
};

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

static char root[4096];
static int journal = -1;
static uint64_t notes; /* written to the journal so far */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what) {
    fprintf(stderr, "unsynced: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void put(const void *bytes, size_t length) {
    const char *from = bytes;
    while (length > 0) {
        ssize_t n = real_write(journal, from, length);
        if (n < 0) {
            if (errno == EINTR) continue;
            die("journal");
        }
        from += n;
        length -= (size_t)n;
    }
}

/* The same for as long as the file lives, under any name; inode numbers alone are used again. */
static uint64_t file_id(int fd, const char *path) {
    struct statx sx;
    memset(&sx, 0, sizeof sx);
    int flags = AT_SYMLINK_NOFOLLOW | (fd >= 0 ? AT_EMPTY_PATH : 0);
    if (statx(fd >= 0 ? fd : AT_FDCWD, path, flags, STATX_INO | STATX_BTIME, &sx) != 0) die("statx");
    if (!(sx.stx_mask & STATX_BTIME)) {
        fprintf(stderr, "unsynced: this file system keeps no time of birth\n");
        _exit(99);
    }
    uint64_t born = (uint64_t)sx.stx_btime.tv_sec * 1000000000u + sx.stx_btime.tv_nsec;
    return (born ^ sx.stx_ino) * 0x9e3779b97f4a7c15ULL ^ sx.stx_ino;
}

/* Whether the descriptor is a regular file under the root. */
static int watched(int fd, struct stat *st) {
    char link[64], path[4096];
    if (journal < 0 || fd <= 2 || fd == journal || fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return strncmp(path, root, strlen(root)) == 0;
}

/* Notes what [at, at + length) holds, before it is replaced. The caller holds the lock. */
static void note_old(int fd, const struct stat *st, uint64_t at, uint64_t length) {
    uint64_t size = (uint64_t)st->st_size;
    uint64_t old = at >= size ? 0 : (at + length > size ? size - at : length);
    char *bytes = malloc(old + 1);
    if (!bytes) die("memory");
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    /* The descriptor may be open for writing only. */
    int again = open(link, O_RDONLY | O_CLOEXEC);
    if (again < 0) die("open");
    for (uint64_t got = 0; got < old;) {
        ssize_t n = pread(again, bytes + got, old - got, (off_t)(at + got));
        if (n < 0) die("read");
        if (n == 0) { old = got; break; }
        got += (uint64_t)n;
    }
    close(again);
    struct note note = {NOTE_WRITE, file_id(fd, ""), at, size, old};
    put(&note, sizeof note);
    put(bytes, old);
    notes++;
    free(bytes);
}

static uint64_t offset_of(int fd, const struct stat *st) {
    if (fcntl(fd, F_GETFL) & O_APPEND) return (uint64_t)st->st_size;
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (uint64_t)at;
}

#define NOTED(fd, at, length, call)                                \
    struct stat st;                                                \
    if (!watched(fd, &st)) return call;                            \
    pthread_mutex_lock(&lock);                                     \
    fstat(fd, &st);                                                \
    note_old(fd, &st, at, length);                                 \
    __typeof__(call) result = call;                                \
    int error = errno;                                             \
    pthread_mutex_unlock(&lock);                                   \
    errno = error;                                                 \
    return result

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t at) {
    NOTED(fd, (uint64_t)at, length, real_pwrite(fd, from, length, at));
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t at) {
    return pwrite64(fd, from, length, at);
}

ssize_t write(int fd, const void *from, size_t length) {
    NOTED(fd, offset_of(fd, &st), length, real_write(fd, from, length));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    NOTED(fd, offset_of(fd, &st), length, real_writev(fd, parts, count));
}

int ftruncate64(int fd, off64_t length) {
    NOTED(fd, (uint64_t)length, ~0ULL >> 1, real_ftruncate(fd, length));
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int synced(int fd, int (*real)(int)) {
    struct stat st;
    if (!watched(fd, &st)) return real(fd);
    pthread_mutex_lock(&lock);
    uint64_t before = notes;
    pthread_mutex_unlock(&lock);
    int result = real(fd);
    if (result == 0) {
        struct note note = {NOTE_SYNCED, file_id(fd, ""), before, 0, 0};
        pthread_mutex_lock(&lock);
        put(&note, sizeof note);
        notes++;
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

/* ---- putting back ---- */

struct known { struct note note; off_t bytes; };
static struct known *all;
static uint64_t count;
static const char *who;

static void report(const char *path, uint64_t lost) {
    const char *place = getenv("LODE_UNSYNCED_REPORT");
    if (!place) return;
    int fd = open(place, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    char line[1024];
    int n = snprintf(line, sizeof line, "lost %llu writes of %.400s: %.300s\n",
                     (unsigned long long)lost, path, who);
    if (fd < 0 || real_write(fd, line, (size_t)n) != n) die("report");
    close(fd);
}

static uint64_t durable_up_to(uint64_t file) {
    uint64_t up_to = 0;
    for (uint64_t i = 0; i < count; i++)
        if (all[i].note.kind == NOTE_SYNCED && all[i].note.file == file && all[i].note.at > up_to)
            up_to = all[i].note.at;
    return up_to;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)ftw;
    (void)st;
    if (type != FTW_F) return 0;
    int fd = -1;
    uint64_t lost = 0;
    uint64_t file = file_id(-1, path), durable = durable_up_to(file);
    for (uint64_t i = count; i-- > durable;) {
        struct note *note = &all[i].note;
        if (note->kind != NOTE_WRITE || note->file != file) continue;
        if (fd < 0 && (fd = open(path, O_WRONLY | O_CLOEXEC)) < 0) die(path);
        char *bytes = malloc(note->old + 1);
        if (!bytes || pread(journal, bytes, note->old, all[i].bytes) != (ssize_t)note->old)
            die("journal");
        if (note->old && real_pwrite(fd, bytes, note->old, (off64_t)note->at) != (ssize_t)note->old)
            die(path);
        if (real_ftruncate(fd, (off64_t)note->size) != 0) die(path);
        free(bytes);
        lost++;
    }
    if (fd >= 0) {
        close(fd);
        report(path, lost);
    }
    return 0;
}

static void put_back(const char *command) {
    off_t at = 0;
    uint64_t room = 0;
    struct note note;
    struct stat st;
    if (fstat(journal, &st) != 0) die("journal");
    while (pread(journal, &note, sizeof note, at) == (ssize_t)sizeof note) {
        if (count == room) {
            room = room ? room * 2 : 1024;
            all = realloc(all, room * sizeof *all);
            if (!all) die("memory");
        }
        at += (off_t)sizeof note;
        /* Killed while noting: the write itself never began. */
        if (note.kind == NOTE_WRITE && at + (off_t)note.old > st.st_size) break;
        all[count].note = note;
        all[count].bytes = at;
        count++;
        if (note.kind == NOTE_WRITE) at += (off_t)note.old;
    }
    who = command;
    if (count && nftw(root, visit, 16, FTW_PHYS) != 0) die(root);
    free(all);
    all = NULL;
}

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    const char *folder = getenv("LODE_UNSYNCED_JOURNALS");
    const char *under = getenv("LODE_UNSYNCED_ROOT");
    char command[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, command, sizeof command - 1);
    if (fd >= 0) close(fd);
    /* Only the daemons: `lode ROLE run …`. */
    if (!folder || !under || n <= 0) return;
    command[n] = 0;
    uint64_t hash = 1469598103934665603ULL;
    int words = 0, runs = 0;
    for (ssize_t i = 0; i < n; i++) {
        hash = (hash ^ (unsigned char)command[i]) * 1099511628211ULL;
        if (command[i] == 0) {
            words++;
            runs |= words == 2 && strcmp(command + i + 1, "run") == 0;
            command[i] = ' ';
        }
    }
    if (!runs) return;
    char *real = realpath(under, NULL);
    if (!real) die(under);
    snprintf(root, sizeof root, "%s/", real);
    free(real);
    char path[4200];
    snprintf(path, sizeof path, "%s/%016llx", folder, (unsigned long long)hash);
    int opened = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (opened < 0) die(path);
    journal = opened;
    put_back(command);
    if (real_ftruncate(journal, 0) != 0) die(path);
}
