/*
 * The launcher: what stands between Aurora and a confined command. It makes the system calls of a list, one after the
 * other, and the last of them is execve(2). It knows no policy. The list is compiled by
 * src/process/confinement/start-plan.ts and lies at a fixed address, where the ELF image has a segment for it.
 *
 * It is a program of its own because most of what confines is per thread or refused to a process with threads, and Aurora's
 * runtime has some. It has no libc, no global variables and no memory of its own beyond a few words of stack.
 *
 * build.ts turns this file into src/process/confinement/launcher-image.ts.
 */
typedef long i64;
typedef unsigned long u64;
typedef int i32;
typedef unsigned int u32;

struct step {
  i64 args[6];
  u64 store;    /* where the result goes as 32 bits, or 0 */
  u64 text;     /* what this step is about, for the report */
  i32 number;   /* of the system call, or SPLIT */
  u32 indirect; /* bit i: args[i] is the address of a 32-bit value */
  i32 tolerate; /* 0: every error ends the start; -1: none does; else the one errno that does not */
  u32 textLength;
  u32 count; /* the call is made so often */
  u32 vary;  /* args[vary] is one more each time */
};

struct program {
  const struct step *steps;
  u32 length;
  u32 reportDescriptor;
};

#define PROGRAM ((const struct program *)0x2000002000UL)
#define EXIT_NOT_CONFINED 125
/*
 * Not a system call: goes on in a child. args: flags for clone(2) with its new namespaces, or 0 for none; names of the relay and
 * of the init; whether the child begins a session; where the list of children is (proc_pid_task(5)); how much memory all of it
 * may have for itself, in KiB, or 0 for any.
 */
#define SPLIT -1
/* How the command has ended. The init tells it to the relay, in memory that a step before has mapped. */
struct ending {
  i32 isKnown;
  i32 status;    /* as wait4(2) has it */
  i64 peakKib;   /* the largest resident size of the command and of what it has waited for */
  i32 isTooMuch; /* it was killed for its memory */
};
#define ENDING ((struct ending *)0x20000000UL)

#if defined(__x86_64__)
enum { WRITE = 1, EXIT_GROUP = 231, CLONE = 56, GETPID = 39, KILL = 62, WAIT4 = 61, PRCTL = 157, PPOLL = 271 };
enum { RT_SIGPROCMASK = 14, RT_SIGTIMEDWAIT = 128, PRLIMIT64 = 302, SETSID = 112, OPENAT = 257, READ = 0, CLOSE = 3 };
enum { GETDENTS64 = 217, CLOCK_GETTIME = 228 };
static inline i64 systemCall(i64 number, const i64 *a) {
  register i64 r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
  i64 result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
__asm__(".section .text.start,\"ax\"\n.globl _start\n_start: xor %ebp,%ebp\n and $-16,%rsp\n call start\n hlt\n.text\n");
#elif defined(__aarch64__)
enum { WRITE = 64, EXIT_GROUP = 94, CLONE = 220, GETPID = 172, KILL = 129, WAIT4 = 260, PRCTL = 167, PPOLL = 73 };
enum { RT_SIGPROCMASK = 135, RT_SIGTIMEDWAIT = 137, PRLIMIT64 = 261, SETSID = 157, OPENAT = 56, READ = 63, CLOSE = 57 };
enum { GETDENTS64 = 61, CLOCK_GETTIME = 113 };
static inline i64 systemCall(i64 number, const i64 *a) {
  register i64 x8 __asm__("x8") = number, x0 __asm__("x0") = a[0], x1 __asm__("x1") = a[1], x2 __asm__("x2") = a[2];
  register i64 x3 __asm__("x3") = a[3], x4 __asm__("x4") = a[4], x5 __asm__("x5") = a[5];
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".section .text.start,\"ax\"\n.globl _start\n_start: mov x29,#0\n mov x30,#0\n bl start\n brk #0\n.text\n");
#else
#error "no launcher for this architecture"
#endif

static __attribute__((noinline)) i64 call5(i64 number, i64 a0, i64 a1, i64 a2, i64 a3, i64 a4) {
  i64 a[6] = {a0, a1, a2, a3, a4};
  return systemCall(number, a);
}
static i64 call3(i64 number, i64 a0, i64 a1, i64 a2) { return call5(number, a0, a1, a2, 0, 0); }
static __attribute__((noreturn)) void end(i64 code) {
  for (;;) call3(EXIT_GROUP, code, 0, 0);
}

/* Writes "<label><number>\n" into the report. */
static void report(const struct program *program, const char *label, i64 number) {
  char text[48], digits[20];
  u32 length = 0, count = 0;
  while (*label) text[length++] = *label++;
  do digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  while (count) text[length++] = digits[--count];
  text[length++] = '\n';
  call3(WRITE, program->reportDescriptor, (i64)text, length);
}

/* Writes "<what the step is about>: errno <number>\n" and ends. */
static __attribute__((noreturn)) void fail(const struct program *program, const struct step *step, i64 error) {
  call3(WRITE, program->reportDescriptor, (i64)step->text, step->textLength);
  report(program, ": errno ", error);
  end(EXIT_NOT_CONFINED);
}

/* Writes what memory the command has had at most: its own parent's counts as well, for whoever looks from further away. */
static void reportPeak(const struct program *program, const struct ending *ending) {
  report(program, ending->isTooMuch ? "too much: KiB " : "peak: KiB ", ending->peakKib);
}

enum { SIGKILL = 9, SIGCHLD = 17, WNOHANG = 1, SIG_SETMASK = 2, RLIMIT_CORE = 4, POLLIN = 1 };
enum { PR_SET_PDEATHSIG = 1, PR_SET_NAME = 15, PR_SET_CHILD_SUBREAPER = 36, CLOSE_RANGE = 436, PIDFD_OPEN = 434 };
enum { AT_FDCWD = -100, O_CLOEXEC = 02000000, ROUND_NANOSECONDS = 25000000 };
/* So many looks at what is left behind, and so many in a row in which nothing has ended. */
enum { MAX_ROUNDS = 100000, MAX_IDLE_ROUNDS = 200 };
/* Who waits: outside the namespaces for the init; as the init; or, without namespaces, for the command and every orphan of it. */
enum role { RELAY, INIT, REAPER };

/* How often memory is looked at: soon again where it has changed, and the less often the longer it has not. */
enum { FIRST_LOOK_NANOSECONDS = 50000000, LAST_LOOK_NANOSECONDS = 800000000, CLOCK_MONOTONIC = 1 };
/* Processes below processes: what is deeper is not looked at. Each takes two descriptors, of which there may be 1024, and 1 KiB. */
enum { MAX_DEPTH = 400, MAX_STATUS = 4096 };

struct signalInfo {
  i32 number, error, code, padding;
  i32 pid; /* of the sender; 0 for one outside this pid namespace, and for the kernel */
  i32 rest[27];
};

/* Writes "/proc/<pid><rest>"; with pid 0 it is this process. */
static void pathOf(char *path, u64 pid, const char *rest) {
  char digits[20];
  u32 count = 0;
  for (const char *c = "/proc/"; *c; c++) *path++ = *c;
  for (; pid; pid /= 10) digits[count++] = (char)('0' + pid % 10);
  if (count == 0)
    for (const char *c = "self"; *c; c++) *path++ = *c;
  while (count) *path++ = digits[--count];
  while (*rest) *path++ = *rest++;
  *path = 0;
}

static u64 numberAt(const char *text) {
  u64 number = 0;
  for (; *text == ' ' || *text == '\t'; text++);
  for (; *text >= '0' && *text <= '9'; text++) number = number * 10 + (u64)(*text - '0');
  return number;
}

/* What stands behind a label at the beginning of a line; 0 where it is not there. */
static u64 valueOf(const char *text, const char *label) {
  for (; *text; text++) {
    u32 i = 0;
    for (; label[i] && text[i] == label[i]; i++);
    if (!label[i]) return numberAt(text + i);
  }
  return 0;
}

/* The memory that a process has for itself, in KiB, also what of it is swapped out (proc_pid_status(5)). */
static __attribute__((noinline)) u64 ownKib(u64 pid) {
  char path[64], text[MAX_STATUS];
  pathOf(path, pid, "/status");
  i64 descriptor = call3(OPENAT, AT_FDCWD, (i64)path, O_CLOEXEC);
  if (descriptor < 0) return 0;
  i64 length = call3(READ, descriptor, (i64)text, sizeof text - 1);
  call3(CLOSE, descriptor, 0, 0);
  text[length > 0 ? length : 0] = 0;
  return valueOf(text, "\nRssAnon:") + valueOf(text, "\nVmSwap:");
}

struct entry {
  u64 inode, offset;
  unsigned short length;
  unsigned char type;
  char name[];
};

/* The same of all processes below one: each thread has the children that it has forked. */
static u64 kibBelow(u64 pid, u32 depth) {
  char path[64], list[256];
  char names[512] __attribute__((aligned(8)));
  u64 sum = 0;
  if (depth == MAX_DEPTH) return 0;
  pathOf(path, pid, "/task");
  i64 threads = call3(OPENAT, AT_FDCWD, (i64)path, O_CLOEXEC);
  if (threads < 0) return 0;
  for (i64 filled; (filled = call3(GETDENTS64, threads, (i64)names, sizeof names)) > 0;)
    for (i64 at = 0; at < filled; at += ((struct entry *)&names[at])->length) {
      const char *name = ((struct entry *)&names[at])->name;
      if (*name == '.') continue;
      char rest[40] = "/task/";
      u32 end = 6;
      for (; *name; name++) rest[end++] = *name;
      for (const char *c = "/children"; *c; c++) rest[end++] = *c;
      rest[end] = 0;
      pathOf(path, pid, rest);
      i64 children = call3(OPENAT, AT_FDCWD, (i64)path, O_CLOEXEC);
      if (children < 0) continue;
      u64 child = 0;
      for (i64 length; (length = call3(READ, children, (i64)list, sizeof list)) > 0;)
        for (i64 i = 0; i < length; i++) {
          if (list[i] != ' ') {
            child = child * 10 + (u64)(list[i] - '0');
            continue;
          }
          sum += ownKib(child) + kibBelow(child, depth + 1);
          child = 0;
        }
      call3(CLOSE, children, 0, 0);
    }
  call3(CLOSE, threads, 0, 0);
  return sum;
}

/* When to look at memory again. */
struct watch {
  u64 limitKib; /* 0: never */
  u64 usedKib;
  i64 pause; /* nanoseconds */
  i64 due;   /* by the monotonic clock, in nanoseconds */
};

static i64 now(void) {
  i64 time[2] = {0, 0};
  call3(CLOCK_GETTIME, CLOCK_MONOTONIC, (i64)time, 0);
  return time[0] * 1000000000 + time[1];
}

/* Whether what is below this process has more memory than it may. Does nothing until it is due. */
static i32 hasTooMuch(struct watch *watch) {
  i64 time = now();
  if (time < watch->due) return 0;
  u64 used = kibBelow(0, 0);
  watch->pause = used == watch->usedKib ? watch->pause * 2 : FIRST_LOOK_NANOSECONDS;
  if (watch->pause > LAST_LOOK_NANOSECONDS) watch->pause = LAST_LOOK_NANOSECONDS;
  watch->usedKib = used;
  watch->due = time + watch->pause;
  return used > watch->limitKib;
}

/*
 * Waits for the child `pid` and, while it waits, passes on to it what was sent to this process by somebody. What a terminal
 * sends to its whole foreground group reaches the command without us. All signals are blocked, so that they wait here and, in a
 * pid namespace's init, are not dropped.
 *
 * Where memory has a limit, it ends as if killed as soon as more is seen: whatever is left is the caller's to kill.
 */
static void waitFor(i32 pid, enum role role, u64 limitKib, struct ending *ending) {
  u64 all = ~0UL;
  struct signalInfo info;
  struct watch watch = {limitKib, 0, FIRST_LOOK_NANOSECONDS, 0};
  for (;;) {
    if (limitKib && hasTooMuch(&watch)) {
      ending->status = SIGKILL;
      ending->isTooMuch = 1;
      ending->peakKib = (i64)watch.usedKib;
      return;
    }
    i64 pause[2] = {0, watch.pause};
    i64 number = call5(RT_SIGTIMEDWAIT, (i64)&all, (i64)&info, limitKib ? (i64)pause : 0, sizeof all, 0);
    if (number == SIGCHLD) {
      /* One SIGCHLD may stand for several; an init is the parent of every orphan. */
      i32 status;
      i64 usage[18]; /* struct rusage */
      for (i64 ended; (ended = call5(WAIT4, role == RELAY ? pid : -1, (i64)&status, WNOHANG, (i64)usage, 0)) > 0;) {
        if (ended != pid) continue;
        ending->status = status;
        ending->peakKib = usage[4]; /* ru_maxrss */
        return;
      }
    } else if (number > 0 && info.code <= 0 && (role != INIT || info.pid == 0))
      call3(KILL, pid, number, 0);
  }
}

/* Ends as the command has ended. */
static __attribute__((noreturn)) void endAs(i32 status) {
  u32 number = status & 0x7f;
  if (number == 0) end(status >> 8 & 0xff);
  u64 limits[2] = {0, 0}, none = 0;
  call5(PRLIMIT64, 0, RLIMIT_CORE, (i64)limits, 0, 0);
  call3(KILL, call3(GETPID, 0, 0, 0), number, 0);
  call5(RT_SIGPROCMASK, SIG_SETMASK, (i64)&none, 0, sizeof none, 0);
  end(128 + number);
}

/*
 * Kills what the command has left behind: all of it is or becomes a child of this process. What cannot be killed, because the
 * kernel is at work for it, is left. A chain of processes takes a round for each of them.
 */
static void killChildren(i64 list) {
  u64 all = ~0UL;
  i64 pause[2] = {0, ROUND_NANOSECONDS};
  for (u32 round = 0, idle = 0; round < MAX_ROUNDS && idle < MAX_IDLE_ROUNDS; round++) {
    char text[512];
    i64 descriptor = call3(OPENAT, AT_FDCWD, list, O_CLOEXEC);
    i64 length = call3(READ, descriptor, (i64)text, sizeof text);
    call3(CLOSE, descriptor, 0, 0);
    if (length <= 0) return;
    /* The last number may be cut off: it is met in the next round. */
    i64 pid = 0;
    for (i64 i = 0; i < length; i++) {
      if (text[i] != ' ') {
        pid = pid * 10 + text[i] - '0';
        continue;
      }
      call3(KILL, pid, SIGKILL, 0);
      pid = 0;
    }
    i32 status;
    while (call5(WAIT4, -1, (i64)&status, WNOHANG, 0, 0) > 0);
    idle = call5(RT_SIGTIMEDWAIT, (i64)&all, 0, (i64)pause, sizeof all, 0) < 0 ? idle + 1 : 0;
  }
}

/* Whoever waits for the end of a stream waits for the command's. */
static void closeAllBut(u32 descriptor) {
  call3(CLOSE_RANGE, 0, descriptor - 1, 0);
  call3(CLOSE_RANGE, descriptor + 1, ~0U, 0);
}

/* Without namespaces: whoever is orphaned below this process becomes its child, whatever session it has gone to. */
static void reap(const struct program *program, const struct step *step, const i64 *args) {
  call3(PRCTL, PR_SET_CHILD_SUBREAPER, 1, 0);
  i64 command = call5(CLONE, SIGCHLD, 0, 0, 0, 0);
  if (command < 0) fail(program, step, -command);
  if (command == 0) {
    if (args[3]) call3(SETSID, 0, 0, 0);
    return;
  }
  call3(PRCTL, PR_SET_NAME, args[1], 0);
  closeAllBut(program->reportDescriptor);
  struct ending ending = {0, 0, 0, 0};
  waitFor((i32)command, REAPER, (u64)args[5], &ending);
  killChildren(args[4]);
  reportPeak(program, &ending);
  endAs(ending.status);
}

/*
 * Three processes come of one: this one, outside, is the relay; its child is the init of a new pid namespace; and the init's
 * child goes on with the list. When the command ends, so does the init, and with it, by the kernel, everything that is left in
 * the namespace. The init ends when the relay does, too.
 */
static void split(const struct program *program, const struct step *step, const i64 *args) {
  if (args[5]) {
    /* A kernel that does not list children (CONFIG_PROC_CHILDREN) cannot be asked for their memory. */
    i64 list = call3(OPENAT, AT_FDCWD, args[4], O_CLOEXEC);
    if (list < 0) fail(program, step, -list);
    call3(CLOSE, list, 0, 0);
  }
  if (args[0] == 0) {
    reap(program, step, args);
    return;
  }
  i64 self = call3(PIDFD_OPEN, call3(GETPID, 0, 0, 0), 0, 0);
  if (self < 0) fail(program, step, -self);
  i64 init = call5(CLONE, args[0] | SIGCHLD, 0, 0, 0, 0);
  if (init < 0) fail(program, step, -init);
  if (init > 0) {
    call3(PRCTL, PR_SET_NAME, args[1], 0);
    closeAllBut(program->reportDescriptor);
    struct ending own = {0, 0, 0, 0};
    waitFor((i32)init, RELAY, 0, &own);
    if (!ENDING->isKnown) endAs(own.status);
    reportPeak(program, ENDING);
    endAs(ENDING->status);
  }
  call3(PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0);
  /* The relay may have ended before that: then its descriptor can be read. */
  struct { i32 descriptor; short events, happened; } look = {(i32)self, POLLIN, 0};
  i64 now[2] = {0, 0};
  if (call5(PPOLL, (i64)&look, 1, (i64)now, 0, 0) != 0) end(EXIT_NOT_CONFINED);
  /* Out of the relay's group, so that what is sent to that comes here once, from the relay. */
  if (args[3]) call3(SETSID, 0, 0, 0);
  i64 command = call5(CLONE, SIGCHLD, 0, 0, 0, 0);
  if (command < 0) fail(program, step, -command);
  if (command == 0) {
    if (args[3]) call3(SETSID, 0, 0, 0);
    return;
  }
  call3(PRCTL, PR_SET_NAME, args[2], 0);
  /* Whoever waits for the end of a stream waits for the command's. */
  call3(CLOSE_RANGE, 0, ~0U, 0);
  waitFor((i32)command, INIT, (u64)args[5], ENDING);
  ENDING->isKnown = 1;
  end(0);
}

__attribute__((used, noreturn)) void start(void) {
  const struct program *program = PROGRAM;
  for (u32 i = 0; i < program->length; i++) {
    const struct step *step = &program->steps[i];
    i64 a[6];
    for (u32 k = 0; k < 6; k++)
      a[k] = step->indirect >> k & 1 ? (i64) * (const i32 *)step->args[k] : step->args[k];
    for (u32 n = 0; n < step->count; n++, a[step->vary]++) {
      if (step->number == SPLIT) {
        split(program, step, a);
        continue;
      }
      i64 result = systemCall(step->number, a);
      if (step->store) *(i32 *)step->store = (i32)result;
      if (result < 0 && step->tolerate != -1 && step->tolerate != -result) fail(program, step, -result);
    }
  }
  /* A list that does not end in execve or exit is a fault of the compiler: never run on. */
  end(EXIT_NOT_CONFINED);
}
