/*
 * A file system with one file, "disk", that is the image of a block device: every write, flush and discard that reaches it is
 * recorded in order. With a loop device on top it shows what a file system really sends to its disk, and when it asks for a
 * flush; the kernel needs neither device-mapper nor nbd for it, only FUSE. Speaks the kernel's protocol itself
 * (/dev/fuse, linux/fuse.h), so nothing but a C compiler is needed.
 *
 *   block-log IMAGE LOG DIRECTORY      needs root; runs until DIRECTORY is unmounted
 *
 * IMAGE is only read: what is written stays in memory. A record of LOG is one letter, the offset and the length (two
 * 64-bit numbers, little-endian), and for a write the bytes:
 *   W offset length bytes · Z offset length (reads as zero from now on) · F 0 0 (a flush has been asked for, and answered)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROOT = 1, DISK = 2, MAX_WRITE = 1 << 20 };

static char *image;
static uint64_t size;
static FILE *record;
static int device;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void append(char kind, uint64_t offset, uint64_t length, const char *bytes) {
  uint64_t head[2] = {offset, length};
  fputc(kind, record);
  fwrite(head, sizeof head, 1, record);
  if (bytes) fwrite(bytes, 1, length, record);
  if (fflush(record) != 0) fail("the record");
}

static void answer(uint64_t unique, int error, const void *data, size_t length) {
  struct fuse_out_header head = {
      .len = sizeof head + (error ? 0 : length), .error = -error, .unique = unique};
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, error ? 0 : length}};
  /* ENOENT: the caller was interrupted and does not wait any more. */
  if (writev(device, parts, 2) < 0 && errno != ENOENT) fail("/dev/fuse");
}

static struct fuse_attr attributes(uint64_t node) {
  struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
  attr.mode = node == ROOT ? S_IFDIR | 0700 : S_IFREG | 0600;
  attr.size = node == ROOT ? 0 : size;
  attr.blocks = attr.size / 512;
  return attr;
}

static int is_inside(uint64_t offset, uint64_t length) {
  return offset <= size && length <= size - offset;
}

static void handle(struct fuse_in_header *in, char *body) {
  switch (in->opcode) {
  case FUSE_INIT: {
    struct fuse_init_in *asked = (void *)body;
    struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                .minor = 31,
                                .max_readahead = asked->max_readahead,
                                .flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES,
                                .max_background = 64,
                                .congestion_threshold = 48,
                                .max_write = MAX_WRITE,
                                .time_gran = 1,
                                .max_pages = MAX_WRITE / 4096};
    return answer(in->unique, 0, &out, sizeof out);
  }
  case FUSE_LOOKUP: {
    if (in->nodeid != ROOT || strcmp(body, "disk") != 0) return answer(in->unique, ENOENT, NULL, 0);
    struct fuse_entry_out out = {.nodeid = DISK, .entry_valid = 3600, .attr_valid = 3600, .attr = attributes(DISK)};
    return answer(in->unique, 0, &out, sizeof out);
  }
  case FUSE_GETATTR:
  case FUSE_SETATTR: {
    struct fuse_attr_out out = {.attr_valid = 3600, .attr = attributes(in->nodeid)};
    return answer(in->unique, 0, &out, sizeof out);
  }
  case FUSE_OPEN:
  case FUSE_OPENDIR: {
    struct fuse_open_out out = {0};
    return answer(in->unique, 0, &out, sizeof out);
  }
  case FUSE_READ: {
    struct fuse_read_in *read = (void *)body;
    uint64_t length = read->offset >= size ? 0 : read->size;
    if (!is_inside(read->offset, length)) length = size - read->offset;
    return answer(in->unique, 0, image + read->offset, length);
  }
  case FUSE_WRITE: {
    struct fuse_write_in *write = (void *)body;
    if (!is_inside(write->offset, write->size)) return answer(in->unique, ENOSPC, NULL, 0);
    memcpy(image + write->offset, body + sizeof *write, write->size);
    append('W', write->offset, write->size, body + sizeof *write);
    struct fuse_write_out out = {.size = write->size};
    return answer(in->unique, 0, &out, sizeof out);
  }
  case FUSE_FALLOCATE: {
    struct fuse_fallocate_in *range = (void *)body;
    if (!(range->mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) || !is_inside(range->offset, range->length))
      return answer(in->unique, EOPNOTSUPP, NULL, 0);
    memset(image + range->offset, 0, range->length);
    append('Z', range->offset, range->length, NULL);
    return answer(in->unique, 0, NULL, 0);
  }
  case FUSE_FSYNC:
    append('F', 0, 0, NULL);
    return answer(in->unique, 0, NULL, 0);
  case FUSE_STATFS: {
    struct fuse_statfs_out out = {.st = {.blocks = size / 4096, .bsize = 4096, .namelen = 255, .frsize = 4096}};
    return answer(in->unique, 0, &out, sizeof out);
  }
  case FUSE_FLUSH:
  case FUSE_RELEASE:
  case FUSE_RELEASEDIR:
  case FUSE_READDIR:
    return answer(in->unique, 0, NULL, 0);
  case FUSE_FORGET:
  case FUSE_BATCH_FORGET:
  case FUSE_INTERRUPT:
    return;
  default:
    return answer(in->unique, ENOSYS, NULL, 0);
  }
}

int main(int count, char **words) {
  if (count != 4) return fprintf(stderr, "usage: block-log IMAGE LOG DIRECTORY\n"), 2;
  int source = open(words[1], O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (source < 0 || fstat(source, &stat) != 0) fail(words[1]);
  size = (uint64_t)stat.st_size;
  image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, source, 0);
  if (image == MAP_FAILED) fail("mmap");
  record = fopen(words[2], "we");
  if (!record) fail(words[2]);
  device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) fail("/dev/fuse");
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
  if (mount("block-log", words[3], "fuse", MS_NOSUID | MS_NODEV, options) != 0) fail("mount");
  size_t room = MAX_WRITE + 4096;
  char *buffer = malloc(room);
  for (;;) {
    ssize_t length = read(device, buffer, room);
    if (length < 0 && errno == ENODEV) return 0;
    if (length < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
    if (length < (ssize_t)sizeof(struct fuse_in_header)) fail("/dev/fuse");
    handle((void *)buffer, buffer + sizeof(struct fuse_in_header));
  }
}
