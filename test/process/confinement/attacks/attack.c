/*
 * One attack per call: attack NAME OUTSIDE DATA VICTIM PORT. Exit code 0: it worked; else the errno that stopped it, or 255.
 * "victim OUTSIDE" is what is attacked: it opens sockets, says its port, and waits.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char *outside, *data;
static int victim, port;

static char *at(const char *directory, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}
static char *ofVictim(const char *name) {
  char *path;
  return asprintf(&path, "/proc/%d/%s", victim, name) < 0 ? NULL : path;
}
static int done(long result) { return result < 0 ? errno : 0; }
static int readAll(const char *path) {
  char byte;
  int fd = open(path, O_RDONLY);
  return fd < 0 ? errno : done(read(fd, &byte, 1));
}
static int list(const char *path) {
  DIR *d = opendir(path);
  return d == NULL ? errno : (readdir(d), 0);
}
static int opens(const char *path, int flags) { return done(open(path, flags, 0600)); }
static int executes(const char *path) {
  pid_t child = fork();
  if (child == 0) {
    execl(path, path, "exit", NULL);
    _exit(errno);
  }
  int status;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}
static struct sockaddr_in local(int p) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(p), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}
static struct sockaddr_un named(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, path, sizeof a.sun_path - 1);
  return a;
}
static struct sockaddr_un abstract(int pid, socklen_t *size) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "aurora-attack-%d", pid);
  *size = offsetof(struct sockaddr_un, sun_path) + 1 + n;
  return a;
}
static int connects(int type, int protocol, int p) {
  int fd = socket(AF_INET, type, protocol);
  struct sockaddr_in a = local(p);
  return fd < 0 ? errno : done(connect(fd, (void *)&a, sizeof a));
}
static int sendsPair(int type) {
  int pair[2];
  struct sockaddr_un a = named(at(outside, "datagram.sock"));
  return socketpair(AF_UNIX, type, 0, pair) < 0 ? errno : done(sendto(pair[0], "x", 1, 0, (void *)&a, sizeof a));
}
static int opensSocket(int family, int type, int protocol) { return done(socket(family, type, protocol)); }
static int namespaces(void *unused) { return (void)unused, 0; }

/* Of kernels that are newer than the headers. */
enum { STATMOUNT = 457, LISTMOUNT = 458, SETXATTRAT = 463, FILE_GETATTR = 468, FILE_SETATTR = 469 };
struct fileAttributes { u_int64_t flags; u_int32_t extentSize, extents, project, copyExtentSize; };
struct mountRequest { u_int32_t size, spare; u_int64_t mount, param, mountNamespace; };
#define ROOT_MOUNT (~0ULL)
#define PIDFD_GET_MOUNT_NAMESPACE _IO(0xFF, 3)
#define PIDFD_GET_INFO _IOWR(0xFF, 11, u_int64_t[8])

/* In a child: the filter kills for it. */
static int callsForeign(void) {
#ifdef __x86_64__
  pid_t child = fork();
  if (child == 0) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
    _exit(result > 0 ? 0 : ENOSYS);
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGSYS ? EPERM : ENOSYS;
  return WEXITSTATUS(status);
#else
  return ENOSYS;
#endif
}
static int executesFromMemory(const char *path) {
  char block[65536];
  int from = open(path, O_RDONLY), to = syscall(SYS_memfd_create, "program", 0);
  if (from < 0 || to < 0) return errno;
  for (long n; (n = read(from, block, sizeof block)) > 0;) write(to, block, n);
  return executes(at("/proc/self/fd", (sprintf(block, "%d", to), block)));
}
static int opensAnyFamily(void) {
  int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
  for (int family = 0; family < 64; family++)
    for (int i = 0; i < 4; i++)
      if (socket(family, types[i], 0) >= 0) return 0;
  return EACCES;
}

#define ATTACK(label) if (strcmp(name, label) == 0)

static int attack(const char *name) {
  char *secret = at(outside, "secret"), *mine = at(data, "mine"), buffer[4096];
  struct iovec here = {buffer, 8}, there = {(void *)&victim, 8};
  /* Files. */
  ATTACK("read") return readAll(secret);
  ATTACK("list") return list(outside);
  ATTACK("write") return opens(secret, O_WRONLY);
  ATTACK("append") return opens(secret, O_WRONLY | O_APPEND);
  ATTACK("create") return opens(at(outside, "new"), O_WRONLY | O_CREAT);
  ATTACK("tmpfile") return opens(outside, O_RDWR | O_TMPFILE);
  ATTACK("truncate") return done(truncate(secret, 1));
  ATTACK("unlink") return done(unlink(secret));
  ATTACK("mkdir") return done(mkdir(at(outside, "new"), 0700));
  ATTACK("rmdir") return done(rmdir(at(outside, "empty")));
  ATTACK("rename-there") return done(rename(secret, at(outside, "new")));
  ATTACK("rename-in") return done(rename(secret, at(data, "new")));
  ATTACK("rename-out") return done(rename(mine, at(outside, "new")));
  ATTACK("exchange") return done(renameat2(AT_FDCWD, mine, AT_FDCWD, secret, RENAME_EXCHANGE));
  ATTACK("link-in") return done(link(secret, at(data, "new")));
  ATTACK("link-out") return done(link(mine, at(outside, "new")));
  ATTACK("symlink") return done(symlink("/", at(outside, "new")));
  ATTACK("read-by-symlink") return symlink(secret, at(data, "way")) < 0 ? errno : readAll(at(data, "way"));
  ATTACK("read-by-dotdot") return readAll(at(data, "../../outside/secret"));
  ATTACK("read-by-proc-root") return readAll(at("/proc/self/root", secret + 1));
  ATTACK("fifo") return done(mkfifo(at(outside, "new"), 0600));
  ATTACK("device") return done(mknod(at(data, "new"), S_IFCHR | 0600, makedev(1, 1)));
  ATTACK("block-device") return done(mknod(at(data, "new"), S_IFBLK | 0600, makedev(7, 0)));
  ATTACK("execute") return executes(at(outside, "program"));
  ATTACK("execute-data") return executes(at(data, "program"));
  ATTACK("shadow") return readAll("/etc/shadow");
  ATTACK("sysctl") return opens("/proc/sys/kernel/hostname", O_WRONLY);
  ATTACK("kernel-log") return opens("/dev/kmsg", O_WRONLY);
  ATTACK("shared-memory") return readAll(at("/dev/shm", getenv("SHARED")));
  ATTACK("chmod") return done(chmod(secret, 0666));
  ATTACK("chown") return done(chown(secret, getuid(), getgid()));
  ATTACK("utimes") return done(utimes(secret, NULL));
  ATTACK("setxattr") return done(setxattr(secret, "user.aurora", "x", 1, 0));
  ATTACK("setxattrat") {
    struct { u_int64_t value; u_int32_t size, flags; } x = {(u_int64_t) "x", 1, 0};
    return done(syscall(SETXATTRAT, AT_FDCWD, secret, 0, "user.aurora", &x, sizeof x));
  }
  ATTACK("file-attributes") { struct fileAttributes a = {0}; return done(syscall(FILE_GETATTR, AT_FDCWD, secret, &a, sizeof a, 0)); }
  ATTACK("set-file-attributes") { struct fileAttributes a = {0}; return done(syscall(FILE_SETATTR, AT_FDCWD, secret, &a, sizeof a, 0)); }
  ATTACK("fchmod-by-path-descriptor") {
    int fd = open(secret, O_PATH);
    return done(chmod(at("/proc/self/fd", (sprintf(buffer, "%d", fd), buffer)), 0666));
  }
  ATTACK("inherited") { for (int fd = 3; fd < 64; fd++) if (read(fd, buffer, 1) == 1) return 0; return errno; }
  /* Exceptions: information, and what was there before. */
  ATTACK("stat") { struct stat s; return done(stat(secret, &s)); }
  ATTACK("access") return done(access(secret, R_OK));
  ATTACK("chdir") return done(chdir(outside));
  ATTACK("statfs") { struct statfs s; return done(statfs(outside, &s)); }
  ATTACK("inotify") return done(inotify_add_watch(inotify_init1(0), outside, IN_ALL_EVENTS));
  ATTACK("execute-from-memory") return executesFromMemory("/proc/self/exe");
  ATTACK("command-line") return readAll(ofVictim("cmdline"));
  ATTACK("premade-link") return opens(at(data, "premade"), O_WRONLY);
  ATTACK("process-facts") { u_int64_t info[8] = {1}; return done(ioctl(syscall(SYS_pidfd_open, victim, 0), PIDFD_GET_INFO, info)); }
  /* Sockets. */
  ATTACK("any-family") return opensAnyFamily();
  ATTACK("tcp-connect") return connects(SOCK_STREAM, 0, port);
  ATTACK("tcp-connect-other") return connects(SOCK_STREAM, 0, port + 1) == ECONNREFUSED ? 0 : errno;
  ATTACK("tcp-connect-other-ipv6") {
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(getenv("OTHER_PORT")))};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &a.sin6_addr);
    return fd < 0 ? errno : done(connect(fd, (void *)&a, sizeof a));
  }
  ATTACK("tcp-bind") {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = local(0);
    return fd < 0 ? errno : done(bind(fd, (void *)&a, sizeof a));
  }
  ATTACK("tcp-listen-unbound") { int fd = socket(AF_INET, SOCK_STREAM, 0); return fd < 0 ? errno : done(listen(fd, 1)); }
  ATTACK("tcp-fast-open") {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = local(atoi(getenv("OTHER_PORT")));
    return fd < 0 ? errno : done(sendto(fd, "x", 1, MSG_FASTOPEN, (void *)&a, sizeof a));
  }
  ATTACK("tcp-fast-open-message") {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = local(atoi(getenv("OTHER_PORT")));
    struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &here, .msg_iovlen = 1};
    return fd < 0 ? errno : done(sendmsg(fd, &m, MSG_FASTOPEN));
  }
  ATTACK("mptcp-connect") return connects(SOCK_STREAM, 262, port);
  ATTACK("udp-send") {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = local(port);
    return fd < 0 ? errno : done(sendto(fd, "x", 1, 0, (void *)&a, sizeof a));
  }
  ATTACK("udp-ipv6") return opensSocket(AF_INET6, SOCK_DGRAM, 0);
  ATTACK("raw-socket") return opensSocket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  ATTACK("packet-socket") return opensSocket(AF_PACKET, SOCK_RAW, 0);
  ATTACK("sctp") return opensSocket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  ATTACK("netlink") return opensSocket(AF_NETLINK, SOCK_RAW, 0);
  ATTACK("netlink-audit") return opensSocket(AF_NETLINK, SOCK_RAW, 9);
  ATTACK("vsock") return opensSocket(AF_VSOCK, SOCK_STREAM, 0);
  ATTACK("crypto-socket") return opensSocket(AF_ALG, SOCK_SEQPACKET, 0);
  ATTACK("unix-path") {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = named(at(outside, "stream.sock"));
    return fd < 0 ? errno : done(connect(fd, (void *)&a, sizeof a));
  }
  ATTACK("unix-datagram") {
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un a = named(at(outside, "datagram.sock"));
    return fd < 0 ? errno : done(sendto(fd, "x", 1, 0, (void *)&a, sizeof a));
  }
  ATTACK("unix-abstract") {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t size;
    struct sockaddr_un a = abstract(victim, &size);
    return fd < 0 ? errno : done(connect(fd, (void *)&a, size));
  }
  ATTACK("unix-pair-datagram") return sendsPair(SOCK_DGRAM);
  ATTACK("unix-pair-raw") return sendsPair(SOCK_RAW);
  ATTACK("unix-pair-stream") { int pair[2]; return done(socketpair(AF_UNIX, SOCK_STREAM, 0, pair)); }
  /* Other processes. */
  ATTACK("kill") return done(kill(victim, SIGCONT));
  ATTACK("thread-kill") return done(syscall(SYS_tgkill, victim, victim, SIGCONT));
  ATTACK("pidfd-signal") return done(syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, victim, 0), SIGCONT, NULL, 0));
  ATTACK("queue-signal") { union sigval v = {0}; return done(sigqueue(victim, SIGCONT, v)); }
  ATTACK("ptrace") return done(ptrace(PTRACE_SEIZE, victim, 0, 0));
  ATTACK("read-memory") return done(process_vm_readv(victim, &here, 1, &there, 1, 0));
  ATTACK("write-memory") return done(process_vm_writev(victim, &here, 1, &there, 1, 0));
  ATTACK("take-descriptor") return done(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, victim, 0), 1, 0));
  ATTACK("compare") return done(syscall(SYS_kcmp, victim, getpid(), 0, 0, 0));
  ATTACK("proc-memory") return opens(ofVictim("mem"), O_RDWR);
  ATTACK("proc-environment") return readAll(ofVictim("environ"));
  ATTACK("proc-root") return list(ofVictim("root/"));
  ATTACK("proc-directory") return list(ofVictim("cwd/"));
  ATTACK("proc-descriptors") return done(readlink(ofVictim("fd/0"), buffer, sizeof buffer));
  ATTACK("proc-oom-score") return opens(ofVictim("oom_score_adj"), O_WRONLY);
  ATTACK("proc-name") return opens(ofVictim("comm"), O_WRONLY);
  ATTACK("process-namespaces") return done(ioctl(syscall(SYS_pidfd_open, victim, 0), PIDFD_GET_MOUNT_NAMESPACE, 0));
  ATTACK("priority") return done(setpriority(PRIO_PROCESS, victim, 19));
  ATTACK("processors") { cpu_set_t s; sched_getaffinity(0, sizeof s, &s); return done(sched_setaffinity(victim, sizeof s, &s)); }
  ATTACK("scheduler") { struct sched_param p = {0}; return done(sched_setscheduler(victim, SCHED_BATCH, &p)); }
  ATTACK("io-priority") return done(syscall(SYS_ioprio_set, 1, victim, 2 << 13 | 7));
  ATTACK("limits") { struct rlimit l = {64, 64}; return done(prlimit(victim, RLIMIT_NOFILE, &l, NULL)); }
  /* The kernel. */
  ATTACK("mount") return mount("tmpfs", data, "tmpfs", 0, NULL) < 0 ? errno : (umount(data), 0);
  ATTACK("new-mount-api") return done(syscall(SYS_fsopen, "tmpfs", 0));
  ATTACK("list-mounts") {
    struct mountRequest r = {sizeof r, 0, ROOT_MOUNT, 0, 0};
    return done(syscall(LISTMOUNT, &r, buffer, 64, 0));
  }
  ATTACK("look-at-mount") {
    u_int64_t id;
    struct mountRequest r = {sizeof r, 0, ROOT_MOUNT, 0, 0};
    if (syscall(LISTMOUNT, &r, &id, 1, 0) < 0) return errno;
    r.mount = id, r.param = 1;
    return done(syscall(STATMOUNT, &r, buffer, sizeof buffer, 0));
  }
  ATTACK("quota") return done(syscall(SYS_quotactl, 0x800001 << 8, NULL, 0, NULL));
  ATTACK("foreign-architecture") return callsForeign();
  ATTACK("unshare-user") return done(unshare(CLONE_NEWUSER));
  ATTACK("unshare-mount") return done(unshare(CLONE_NEWNS));
  ATTACK("clone-user") return done(clone(namespaces, buffer + sizeof buffer, CLONE_NEWUSER | SIGCHLD, NULL));
  ATTACK("clone3-user") {
    u_int64_t args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long pid = syscall(SYS_clone3, args, sizeof args);
    if (pid == 0) _exit(0);
    return done(pid);
  }
  ATTACK("setns") return done(setns(open("/proc/self/ns/uts", O_RDONLY), 0));
  ATTACK("chroot") return done(chroot(data));
  ATTACK("bpf") { union bpf_attr a = {.map_type = 2, .key_size = 4, .value_size = 4, .max_entries = 1}; return done(syscall(SYS_bpf, 0, &a, sizeof a)); }
  ATTACK("add-key") return done(syscall(SYS_add_key, "user", "aurora", "x", 1, -1));
  ATTACK("keyctl") return done(syscall(SYS_keyctl, 0, -3, 1));
  ATTACK("perf") {
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
    return done(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
  }
  ATTACK("userfaultfd") return done(syscall(SYS_userfaultfd, 1));
  ATTACK("io-uring") { memset(buffer, 0, 120); return done(syscall(SYS_io_uring_setup, 1, buffer)); }
  ATTACK("handle") { int h[40] = {128}, m; return done(syscall(SYS_name_to_handle_at, AT_FDCWD, outside, h, &m, 0)); }
  ATTACK("fanotify") return done(syscall(SYS_fanotify_init, 0x200, 0));
  ATTACK("hostname") return gethostname(buffer, sizeof buffer) < 0 ? errno : done(sethostname(buffer, strlen(buffer)));
  ATTACK("kernel-messages") return done(syscall(SYS_syslog, 10, NULL, 0));
  ATTACK("set-clock") { struct timex t = {0}; adjtimex(&t); t.modes = ADJ_TICK; return done(adjtimex(&t)); }
  ATTACK("unload-module") return syscall(SYS_delete_module, "no-such-module", 0) < 0 && errno == ENOENT ? 0 : errno;
  ATTACK("kexec") return syscall(SYS_kexec_load, 0, 0, NULL, 99) < 0 && errno == EINVAL ? 0 : errno;
#ifdef SYS_iopl
  ATTACK("io-ports") return done(syscall(SYS_iopl, 3));
#endif
  ATTACK("shm-segment") { long id = syscall(SYS_shmget, 0, 4096, 0600); return id < 0 ? errno : done(syscall(SYS_shmctl, id, 0, NULL)); }
  ATTACK("semaphore") { long id = syscall(SYS_semget, 0, 1, 0600); return id < 0 ? errno : done(syscall(SYS_semctl, id, 0, 0, NULL)); }
  ATTACK("message-queue") { long id = syscall(SYS_msgget, 0, 0600); return id < 0 ? errno : done(syscall(SYS_msgctl, id, 0, NULL)); }
  ATTACK("posix-queue") {
    int queue = syscall(SYS_mq_open, getenv("SHARED"), O_CREAT | O_RDWR, 0600, NULL);
    return queue < 0 ? errno : done(syscall(SYS_mq_unlink, getenv("SHARED")));
  }
  ATTACK("line-discipline") { int n = 2; return ioctl(0, TIOCSETD, &n) < 0 && errno == ENOTTY ? 0 : errno; }
  ATTACK("terminal-input") return ioctl(0, TIOCSTI, "x") < 0 && errno == ENOTTY ? 0 : errno;
  /* Privileges. */
  ATTACK("set-id-chmod") return done(chmod(mine, 04700));
  ATTACK("set-id-fchmodat2") return done(syscall(452, AT_FDCWD, mine, 04700, 0));
  ATTACK("set-id-open") return done(open(at(data, "new"), O_CREAT | O_WRONLY, 04700));
  ATTACK("set-id-openat2") {
    u_int64_t how[3] = {O_CREAT | O_WRONLY, 04700, 0};
    return done(syscall(SYS_openat2, AT_FDCWD, at(data, "new"), how, sizeof how));
  }
  ATTACK("set-id-mknod") return done(mknod(at(data, "new"), S_IFREG | 02700, 0));
  ATTACK("new-privileges") return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : EPERM;
  ATTACK("other-user") return getuid() == 0 ? done(setresuid(12345, 12345, 12345)) : EPERM;
  ATTACK("capabilities") {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    return syscall(SYS_capget, &h, d) < 0 ? errno : d[0].effective | d[1].effective ? 0 : EPERM;
  }
  /* Limits: memory in MiB, processes, files and bytes are more than the test allows. */
  ATTACK("memory") {
    char *p = malloc(256 << 20);
    if (p == NULL) return errno;
    memset(p, 1, 256 << 20);
    /* It is not refused but seen. */
    sleep(3);
    return p[1 << 20] - 1;
  }
  ATTACK("fork-bomb") {
    int n = 0;
    setsid();
    for (; n < 60; n++) {
      pid_t child = fork();
      if (child < 0) break;
      if (child == 0) { pause(); _exit(0); }
    }
    int failed = n < 60 ? EAGAIN : 0;
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    return failed;
  }
  ATTACK("open-files") { for (int n = 0; n < 100; n++) if (dup(0) < 0) return errno; return 0; }
  ATTACK("large-file") {
    signal(SIGXFSZ, SIG_IGN);
    int fd = open(at(data, "large"), O_CREAT | O_WRONLY, 0600);
    /* Beyond what a service always may, for its logs. */
    return fd < 0 ? errno : done(pwrite(fd, "x", 1, 65 << 20));
  }
  ATTACK("exit") return 0;
  return 254;
}

static int listenOn(int family, int type, const struct sockaddr *a, socklen_t size) {
  int fd = socket(family, type, 0);
  if (fd < 0 || bind(fd, a, size) < 0 || (type == SOCK_STREAM && listen(fd, 100) < 0)) exit(1);
  return fd;
}

static void beVictim(void) {
  struct sockaddr_un stream = named(at(outside, "stream.sock")), datagram = named(at(outside, "datagram.sock"));
  socklen_t size;
  struct sockaddr_un hidden = abstract(getpid(), &size);
  listenOn(AF_UNIX, SOCK_STREAM, (void *)&stream, sizeof stream);
  int inbox = listenOn(AF_UNIX, SOCK_DGRAM, (void *)&datagram, sizeof datagram);
  listenOn(AF_UNIX, SOCK_STREAM, (void *)&hidden, size);
  int ports[2];
  for (int i = 0; i < 2; i++) {
    struct sockaddr_in a = local(0);
    int fd = listenOn(AF_INET, SOCK_STREAM, (void *)&a, sizeof a);
    socklen_t length = sizeof a;
    getsockname(fd, (void *)&a, &length);
    ports[i] = ntohs(a.sin_port);
  }
  printf("%d %d\n", ports[0], ports[1]);
  fflush(stdout);
  char byte;
  for (;;) read(inbox, &byte, 1);
}

int main(int argc, char **argv) {
  if (argc < 3) return argc == 2 ? 0 : 255;
  outside = argv[2];
  if (strcmp(argv[1], "victim") == 0) beVictim();
  if (argc < 6) return 255;
  data = argv[3], victim = atoi(argv[4]), port = atoi(argv[5]);
  int result = attack(argv[1]);
  return result < 0 || result > 255 ? 255 : result;
}
