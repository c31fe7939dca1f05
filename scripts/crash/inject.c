/*
 * Runs a command and does one thing at the N-th of its system calls that change files below a directory: stop it, fail the
 * call, tear a write, cut the power. The calls are counted over all threads and processes that the command starts.
 *
 *   cc -O2 -o inject inject.c        Linux on x86-64 or aarch64; no library, and no root but for --mode cut-power
 *   inject --root DIR --mode MODE [--at N] [--errno E] [--mount DIR] [--log FILE] [--record FILE] [--timeout S] [--lie yes]
 *     -- CMD ARG...
 *
 * | mode | at call N |
 * | --- | --- |
 * | count | nothing: every call is only listed in the log |
 * | kill | the command gets SIGKILL before the call runs; what it has started goes on |
 * | kill-all | so does everything that it has started |
 * | torn | half of the bytes of a write are written, then as kill |
 * | short | half of the bytes of a write are written, and the program is told so |
 * | error | the call fails with --errno and is not run |
 * | error-on | it does, and so does every later call that takes space: a disk that stays full |
 * | cut-power | the file system at --mount is shut down without a flush (FS_IOC_SHUTDOWN), then as kill-all |
 * | record | as count; each call that was made goes to --record with its result and its bytes; with --at, the command is killed there |
 *
 * With --lie yes every flush returns 0 and does nothing: a disk that lies, which a power cut has to show.
 *
 * The command gets a seccomp filter that stops it at these calls only (SECCOMP_RET_TRACE), so that all others run at full
 * speed. What it leaves running when it ends stays traced by a process of ours, whose number is in the log: a filter whose
 * tracer has gone would fail every call. When that process ends, so does what it traces.
 *
 * The exit code is the command's own, 128 + N where signal N ended it, 124 after --timeout, 125 for trouble of our own.
 * The log has a line "N syscall path [-> path] [n=bytes]" for each call, and at the end "# points=N hit=0|1 tracer=PID rc=R".
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define SHUTDOWN_REQUEST _IOR('X', 125, uint32_t)
#define SHUTDOWN_WITHOUT_FLUSH 2
#define CLONE_FILE_REQUEST _IOW(0x94, 9, int)
#define CLONE_RANGE_REQUEST 0x4020940d

enum kind { WRITE, NAME, SYNC, OPEN, CONTROL };

/* Which argument is what; NONE where there is no such argument, HERE for a path that has no descriptor before it. */
enum { NONE = -1, HERE = -2 };

struct call {
  long number;
  const char *name;
  enum kind kind;
  int fd, dir, path, dir2, path2, count;
  bool takes_space;
};

#define ON_FD(n, kind, count, space) {SYS_##n, #n, kind, 0, NONE, NONE, NONE, NONE, count, space}
#define AT(n, kind, space) {SYS_##n, #n, kind, NONE, 0, 1, NONE, NONE, NONE, space}
#define TWO_AT(n) {SYS_##n, #n, NAME, NONE, 0, 1, 2, 3, NONE, true}
#define ON_PATH(n, kind, space) {SYS_##n, #n, kind, NONE, HERE, 0, NONE, NONE, NONE, space}
#define TWO_PATHS(n) {SYS_##n, #n, NAME, NONE, HERE, 0, HERE, 1, NONE, true}

static const struct call calls[] = {
    ON_FD(write, WRITE, 2, true),
    ON_FD(pwrite64, WRITE, 2, true),
    ON_FD(writev, WRITE, NONE, true),
    ON_FD(pwritev, WRITE, NONE, true),
    ON_FD(pwritev2, WRITE, NONE, true),
    ON_FD(ftruncate, NAME, NONE, false),
    ON_FD(fallocate, NAME, NONE, true),
    ON_FD(fchmod, NAME, NONE, false),
    ON_FD(fchown, NAME, NONE, false),
    ON_FD(fsync, SYNC, NONE, false),
    ON_FD(fdatasync, SYNC, NONE, false),
    ON_FD(sync_file_range, SYNC, NONE, false),
    ON_FD(syncfs, SYNC, NONE, false),
    ON_FD(ioctl, CONTROL, NONE, true),
    {SYS_sendfile, "sendfile", WRITE, 0, NONE, NONE, NONE, NONE, 3, true},
    {SYS_copy_file_range, "copy_file_range", WRITE, 2, NONE, NONE, NONE, NONE, 4, true},
    {SYS_splice, "splice", WRITE, 2, NONE, NONE, NONE, NONE, 4, true},
    AT(openat, OPEN, true),
    AT(openat2, OPEN, true),
    AT(mkdirat, NAME, true),
    AT(unlinkat, NAME, false),
    AT(mknodat, NAME, true),
    AT(fchmodat, NAME, false),
    AT(fchmodat2, NAME, false),
    AT(fchownat, NAME, false),
    AT(utimensat, NAME, false),
    {SYS_symlinkat, "symlinkat", NAME, NONE, 1, 2, NONE, NONE, NONE, true},
    TWO_AT(linkat),
    TWO_AT(renameat2),
    ON_PATH(truncate, NAME, false),
#ifdef __x86_64__
    TWO_AT(renameat),
    ON_PATH(open, OPEN, true),
    ON_PATH(creat, OPEN, true),
    ON_PATH(mkdir, NAME, true),
    ON_PATH(rmdir, NAME, false),
    ON_PATH(unlink, NAME, false),
    TWO_PATHS(rename),
    TWO_PATHS(link),
    {SYS_symlink, "symlink", NAME, NONE, HERE, 1, NONE, NONE, NONE, true},
    ON_PATH(chmod, NAME, false),
    ON_PATH(chown, NAME, false),
    ON_PATH(lchown, NAME, false),
    ON_PATH(mknod, NAME, true),
#endif
};
enum { CALLS = sizeof calls / sizeof *calls };

enum mode { COUNT, KILL, KILL_ALL, TORN, SHORT, ERROR, ERROR_ON, CUT_POWER, RECORD };
static const char *mode_names[] = {"count", "kill",     "kill-all",  "torn",  "short",
                                   "error", "error-on", "cut-power", "record"};
enum { MODES = sizeof mode_names / sizeof *mode_names };

static struct {
  char root[PATH_MAX];
  enum mode mode;
  long at;
  int error;
  const char *mount, *log, *record;
  int timeout_seconds;
  bool lies;
} option = {.error = EIO, .timeout_seconds = 60};

/* One traced thread, and the call that it is in. */
struct thread {
  pid_t id, process;
  enum { NOTHING, RECORD_RESULT, KILL_AFTER } at_exit;
  const struct call *call;
  uint64_t argument[6];
  char path[PATH_MAX], path2[PATH_MAX];
  long index;
  struct thread *next;
};
static struct thread *threads;

static FILE *log_file, *record_file;
static int mount_fd = -1;
static pid_t command;
static bool has_ended, has_hit;
static volatile sig_atomic_t has_timed_out;
static long points;

/* --- registers: all that differs between the machines --- */

typedef struct user_regs_struct registers;
#ifdef __x86_64__
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
static int get_registers(pid_t id, registers *r) { return ptrace(PTRACE_GETREGS, id, 0, r); }
static void set_registers(pid_t id, registers *r) { ptrace(PTRACE_SETREGS, id, 0, r); }
static long number_of(registers *r) { return r->orig_rax; }
static long result_of(registers *r) { return r->rax; }
static unsigned long long *argument_of(registers *r, int index) {
  unsigned long long *all[] = {&r->rdi, &r->rsi, &r->rdx, &r->r10, &r->r8, &r->r9};
  return all[index];
}
static void skip_call(pid_t id, registers *r, long result) {
  r->orig_rax = -1;
  r->rax = result;
  set_registers(id, r);
}
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
static int get_registers(pid_t id, registers *r) {
  struct iovec part = {r, sizeof *r};
  return ptrace(PTRACE_GETREGSET, id, NT_PRSTATUS, &part);
}
static void set_registers(pid_t id, registers *r) {
  struct iovec part = {r, sizeof *r};
  ptrace(PTRACE_SETREGSET, id, NT_PRSTATUS, &part);
}
static long number_of(registers *r) { return r->regs[8]; }
static long result_of(registers *r) { return r->regs[0]; }
static unsigned long long *argument_of(registers *r, int index) { return &r->regs[index]; }
static void skip_call(pid_t id, registers *r, long result) {
  int none = -1;
  struct iovec part = {&none, sizeof none};
  r->regs[0] = result;
  set_registers(id, r);
  ptrace(PTRACE_SETREGSET, id, NT_ARM_SYSTEM_CALL, &part);
}
#else
#error "only x86-64 and aarch64"
#endif

/* --- threads --- */

static pid_t process_of(pid_t id) {
  char name[64], line[256];
  pid_t process = id;
  snprintf(name, sizeof name, "/proc/%d/status", id);
  FILE *status = fopen(name, "re");
  if (!status) return process;
  while (fgets(line, sizeof line, status))
    if (sscanf(line, "Tgid: %d", &process) == 1) break;
  fclose(status);
  return process;
}

static struct thread *thread_of(pid_t id) {
  for (struct thread *one = threads; one; one = one->next)
    if (one->id == id) return one;
  struct thread *added = calloc(1, sizeof *added);
  added->id = id;
  added->process = process_of(id);
  added->next = threads;
  return threads = added;
}

static void forget_thread(pid_t id) {
  for (struct thread **place = &threads; *place; place = &(*place)->next)
    if ((*place)->id == id) {
      struct thread *gone = *place;
      *place = gone->next;
      free(gone);
      return;
    }
}

static void kill_all(void) {
  for (struct thread *one = threads; one; one = one->next) kill(one->process, SIGKILL);
}

static void on_alarm(int signal) {
  (void)signal;
  has_timed_out = 1;
  kill_all();
}

/* --- what a call is about --- */

static bool read_memory(pid_t id, uint64_t address, void *to, size_t size) {
  struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
  return process_vm_readv(id, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* Reads in pieces that do not cross a page, since the one behind the string may not be there. */
static void read_string(pid_t id, uint64_t address, char *to, size_t size) {
  size_t done = 0;
  to[0] = 0;
  while (address && done < size - 1) {
    size_t piece = 256 - (address + done) % 256;
    if (piece > size - 1 - done) piece = size - 1 - done;
    if (!read_memory(id, address + done, to + done, piece)) break;
    if (memchr(to + done, 0, piece)) return;
    done += piece;
  }
  to[done] = 0;
}

static void read_proc_link(pid_t id, const char *name, char *to) {
  char path[96];
  snprintf(path, sizeof path, "/proc/%d/%s", id, name);
  ssize_t size = readlink(path, to, PATH_MAX - 1);
  to[size > 0 ? size : 0] = 0;
  char *deleted = strstr(to, " (deleted)");
  if (deleted) *deleted = 0;
}

/* Takes "." and ".." out of an absolute path, by its text alone. */
static void normalize(char *path) {
  char copy[PATH_MAX], result[PATH_MAX] = "", *rest, *last;
  snprintf(copy, sizeof copy, "%s", path);
  for (char *part = strtok_r(copy, "/", &rest); part; part = strtok_r(0, "/", &rest)) {
    if (!strcmp(part, ".")) continue;
    if (strcmp(part, "..")) {
      strncat(result, "/", sizeof result - strlen(result) - 1);
      strncat(result, part, sizeof result - strlen(result) - 1);
    } else if ((last = strrchr(result, '/')))
      *last = 0;
  }
  strcpy(path, *result ? result : "/");
}

static void path_of(struct thread *one, int dir, int path, char *to) {
  char given[PATH_MAX], base[PATH_MAX], name[32];
  read_string(one->id, one->argument[path], given, sizeof given);
  if (given[0] == '/') {
    strcpy(to, given);
  } else {
    int fd = dir == HERE ? AT_FDCWD : (int)one->argument[dir];
    snprintf(name, sizeof name, "fd/%d", fd);
    read_proc_link(one->id, fd == AT_FDCWD ? "cwd" : name, base);
    snprintf(to, PATH_MAX, "%.2000s/%.2000s", base, given);
  }
  normalize(to);
}

static bool is_below(const char *path) {
  size_t size = strlen(option.root);
  return !strncmp(path, option.root, size) && (path[size] == '/' || !path[size]);
}

static uint64_t open_flags(struct thread *one) {
  uint64_t flags = 0;
  if (one->call->number == SYS_openat) return one->argument[2];
  if (one->call->number == SYS_openat2) read_memory(one->id, one->argument[2], &flags, sizeof flags);
#ifdef __x86_64__
  if (one->call->number == SYS_open) return one->argument[1];
  if (one->call->number == SYS_creat) return O_CREAT | O_TRUNC;
#endif
  return flags;
}

/* Whether the call changes anything below the root. Fills in what it is about. */
static bool is_point(struct thread *one, registers *r) {
  one->call = 0;
  for (int i = 0; i < CALLS; i++)
    if (calls[i].number == number_of(r)) one->call = &calls[i];
  if (!one->call) return false;
  for (int i = 0; i < 6; i++) one->argument[i] = *argument_of(r, i);
  one->path[0] = one->path2[0] = 0;
  if (one->call->fd != NONE) {
    char name[32];
    snprintf(name, sizeof name, "fd/%d", (int)one->argument[one->call->fd]);
    read_proc_link(one->id, name, one->path);
  } else {
    path_of(one, one->call->dir, one->call->path, one->path);
    if (one->call->path2 != NONE) path_of(one, one->call->dir2, one->call->path2, one->path2);
  }
  if (!is_below(one->path) && !is_below(one->path2)) return false;
  if (one->call->kind == CONTROL)
    return one->argument[1] == CLONE_FILE_REQUEST || one->argument[1] == CLONE_RANGE_REQUEST;
  if (one->call->kind == OPEN) {
    uint64_t flags = open_flags(one);
    one->argument[5] = flags;
    return (flags & O_TRUNC) || ((flags & O_CREAT) && access(one->path, F_OK));
  }
  return true;
}

/* --- what is done at a point --- */

static void log_point(struct thread *one) {
  if (!log_file) return;
  fprintf(log_file, "%ld %s %s", points, one->call->name, one->path);
  if (one->path2[0]) fprintf(log_file, " -> %s", one->path2);
  if (one->call->count != NONE) fprintf(log_file, " n=%llu", (unsigned long long)one->argument[one->call->count]);
  fputc('\n', log_file);
}

static void kill_command(void) {
  has_hit = true;
  if (option.mode == KILL_ALL || option.mode == CUT_POWER)
    kill_all();
  else
    kill(command, SIGKILL);
}

/* Returns whether the thread has to be stopped again when the call has been made. */
static bool at_point(struct thread *one, registers *r) {
  one->index = ++points;
  log_point(one);
  bool is_here = points == option.at;
  int count = one->call->count;
  if (option.lies && one->call->kind == SYNC) skip_call(one->id, r, 0);
  switch (option.mode) {
  case COUNT:
    return false;
  case RECORD:
    if (is_here) {
      kill_command();
      return false;
    }
    one->at_exit = RECORD_RESULT;
    return true;
  case CUT_POWER:
    if (is_here) {
      uint32_t how = SHUTDOWN_WITHOUT_FLUSH;
      if (ioctl(mount_fd, SHUTDOWN_REQUEST, &how)) return false;
      kill_command();
    }
    return false;
  case KILL:
  case KILL_ALL:
    if (is_here) kill_command();
    return false;
  case TORN:
  case SHORT:
    if (!is_here || count == NONE || one->argument[count] < 2) return false;
    has_hit = true;
    *argument_of(r, count) = one->argument[count] / 2;
    set_registers(one->id, r);
    if (option.mode == TORN) one->at_exit = KILL_AFTER;
    return option.mode == TORN;
  case ERROR:
  case ERROR_ON:
    if (is_here || (option.mode == ERROR_ON && points > option.at && one->call->takes_space)) {
      has_hit = true;
      skip_call(one->id, r, -option.error);
    }
    return false;
  }
  return false;
}

/* --- the record: one line for each call, its fields separated by tabs --- */

static void record_hex(const unsigned char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) fprintf(record_file, "%02x", bytes[i]);
}

/* The bytes that a write has put into its file, read back from there: so every kind of write looks the same. */
static void record_bytes(struct thread *one, long result) {
  char name[96], line[256];
  int fd = (int)one->argument[one->call->fd];
  long long position = 0;
  bool is_placed = !strncmp(one->call->name, "pwrite", 6);
  snprintf(name, sizeof name, "/proc/%d/fdinfo/%d", one->id, fd);
  FILE *info = fopen(name, "re");
  while (info && fgets(line, sizeof line, info))
    if (sscanf(line, "pos: %lld", &position) == 1) break;
  if (info) fclose(info);
  uint64_t offset = is_placed ? one->argument[3] : (uint64_t)(position - result);
  if (one->call->number == SYS_copy_file_range && one->argument[3]) {
    read_memory(one->id, one->argument[3], &offset, sizeof offset);
    offset -= result;
  }
  if (one->call->kind == CONTROL) {
    /* The whole file was cloned. */
    offset = 0;
    result = INT_MAX;
  }
  fprintf(record_file, "\t%llu\t", (unsigned long long)offset);
  snprintf(name, sizeof name, "/proc/%d/fd/%d", one->id, fd);
  int file = open(name, O_RDONLY | O_CLOEXEC);
  unsigned char bytes[65536];
  for (long done = 0; file >= 0 && done < result;) {
    size_t wanted = result - done < (long)sizeof bytes ? (size_t)(result - done) : sizeof bytes;
    ssize_t size = pread(file, bytes, wanted, offset + done);
    if (size <= 0) break;
    record_hex(bytes, size);
    done += size;
  }
  if (file >= 0) close(file);
}

static void record_result(struct thread *one, long result) {
  if (!record_file || result < 0) return;
  fprintf(record_file, "%ld\t%s\t%s\t%s\t%ld", one->index, one->call->name, one->path, one->path2, result);
  for (int i = 0; i < 6; i++) fprintf(record_file, "\t%llu", (unsigned long long)one->argument[i]);
  if (one->call->kind == WRITE || (one->call->kind == CONTROL && result == 0))
    record_bytes(one, result);
  else if (!strncmp(one->call->name, "symlink", 7)) {
    char target[PATH_MAX];
    read_string(one->id, one->argument[0], target, sizeof target);
    fprintf(record_file, "\t0\t");
    record_hex((unsigned char *)target, strlen(target));
  }
  fputc('\n', record_file);
}

/* --- the tracer --- */

static void install_filter(void) {
  struct sock_filter program[CALLS + 8];
  int size = 0;
  program[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  program[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0);
  program[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  program[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int i = 0; i < CALLS; i++)
    program[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, CALLS - i, 0);
  program[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  program[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  struct sock_fprog filter = {size, program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter)) {
    perror("inject: cannot install the filter");
    _exit(125);
  }
}

static void run_command(char **argv, int go) {
  char byte;
  if (read(go, &byte, 1) != 1) _exit(125);
  close(go);
  install_filter();
  execvp(argv[0], argv);
  perror(argv[0]);
  _exit(127);
}

static void report_end(int status, int report) {
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (has_timed_out) code = 124;
  has_ended = true;
  alarm(0);
  if (log_file) {
    fprintf(log_file, "# points=%ld hit=%d tracer=%d rc=%d\n", points, has_hit, getpid(), code);
    fclose(log_file);
    log_file = 0;
  }
  if (record_file) fclose(record_file);
  record_file = 0;
  if (write(report, &code, sizeof code) != sizeof code) _exit(125);
  close(report);
}

/* Goes on with a stopped thread: returns the request, and in `signal` what is delivered. */
static int handle_stop(struct thread *one, int status, int *signal) {
  int event = status >> 16;
  registers r;
  *signal = 0;
  if (event == PTRACE_EVENT_SECCOMP) {
    bool is_traced = !has_ended && !has_hit;
    if (option.mode == ERROR_ON || option.mode == RECORD) is_traced = !has_ended;
    if (!is_traced || get_registers(one->id, &r) || !is_point(one, &r)) return PTRACE_CONT;
    return at_point(one, &r) ? PTRACE_SYSCALL : PTRACE_CONT;
  }
  if (event == PTRACE_EVENT_STOP) {
    bool is_group_stop = WSTOPSIG(status) != SIGTRAP;
    return is_group_stop ? PTRACE_LISTEN : PTRACE_CONT;
  }
  if (event == PTRACE_EVENT_EXEC) {
    unsigned long former = one->id;
    ptrace(PTRACE_GETEVENTMSG, one->id, 0, &former);
    if ((pid_t)former != one->id) forget_thread(former);
    return PTRACE_CONT;
  }
  if (event) return PTRACE_CONT;
  if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
    if (one->at_exit == RECORD_RESULT && !get_registers(one->id, &r)) record_result(one, result_of(&r));
    if (one->at_exit == KILL_AFTER) kill_command();
    one->at_exit = NOTHING;
    return PTRACE_CONT;
  }
  *signal = WSTOPSIG(status);
  return PTRACE_CONT;
}

static int trace(char **argv, int report) {
  int go[2];
  if (pipe2(go, O_CLOEXEC)) return 125;
  command = fork();
  if (command == 0) {
    close(go[1]);
    close(report);
    run_command(argv, go[0]);
  }
  long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                 PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SEIZE, command, 0, options)) {
    perror("inject: cannot trace");
    kill(command, SIGKILL);
    return 125;
  }
  /* What stays running must not keep the caller's pipes open. */
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  alarm(option.timeout_seconds);
  thread_of(command);
  if (write(go[1], "g", 1) != 1) return 125;

  bool kills_all = option.mode == KILL_ALL || option.mode == CUT_POWER;
  for (int status, signal, end = 0;;) {
    pid_t id = waitpid(-1, &status, __WALL);
    if (id < 0) {
      if (errno == EINTR) continue;
      if (!has_ended) report_end(end, report);
      return 0;
    }
    if (!WIFSTOPPED(status)) {
      forget_thread(id);
      if (id != command) continue;
      end = status;
      /* Where everything was killed, the end is when nothing is there any more. */
      if (!has_hit || !kills_all) report_end(status, report);
      continue;
    }
    /* One that was being started when all were killed was not among them. */
    if (has_hit && kills_all) kill(process_of(id), SIGKILL);
    int request = handle_stop(thread_of(id), status, &signal);
    ptrace(request, id, 0, signal);
  }
}

static int parse(int argc, char **argv) {
  int i = 1;
  for (; i + 1 < argc && strcmp(argv[i], "--"); i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    int mode = 0;
    if (!strcmp(name, "--root") && realpath(value, option.root)) continue;
    if (!strcmp(name, "--mode")) {
      while (mode < MODES && strcmp(value, mode_names[mode])) mode++;
      option.mode = mode;
      if (mode < MODES) continue;
    }
    if (!strcmp(name, "--at") && (option.at = atol(value))) continue;
    if (!strcmp(name, "--errno") && (option.error = atoi(value))) continue;
    if (!strcmp(name, "--timeout") && (option.timeout_seconds = atoi(value))) continue;
    if (!strcmp(name, "--mount") && (option.mount = value)) continue;
    if (!strcmp(name, "--log") && (option.log = value)) continue;
    if (!strcmp(name, "--lie") && (option.lies = true)) continue;
    if (!strcmp(name, "--record") && (option.record = value)) continue;
    fprintf(stderr, "inject: cannot use %s %s\n", name, value);
    return 0;
  }
  return i + 1 < argc && option.root[0] ? i + 1 : 0;
}

int main(int argc, char **argv) {
  int first = parse(argc, argv), report[2], code = 125;
  if (!first) {
    fprintf(stderr, "usage: inject --root DIR --mode MODE [--at N] -- CMD ARG...\n");
    return 125;
  }
  if ((option.log && !(log_file = fopen(option.log, "we"))) ||
      (option.record && !(record_file = fopen(option.record, "we"))) ||
      (option.mount && (mount_fd = open(option.mount, O_RDONLY | O_CLOEXEC)) < 0) || pipe2(report, O_CLOEXEC)) {
    perror("inject");
    return 125;
  }
  pid_t tracer = fork();
  if (tracer == 0) {
    close(report[0]);
    setsid();
    _exit(trace(argv + first, report[1]));
  }
  close(report[1]);
  if (read(report[0], &code, sizeof code) != sizeof code) return 125;
  return code;
}
