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
  i32 number;   /* of the system call */
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

#define PROGRAM ((const struct program *)0x10002000UL)
#define EXIT_NOT_CONFINED 125

#if defined(__x86_64__)
enum { WRITE = 1, EXIT_GROUP = 231 };
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
enum { WRITE = 64, EXIT_GROUP = 94 };
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

static void write3(i64 descriptor, u64 text, u64 length) {
  i64 a[6] = {descriptor, (i64)text, (i64)length};
  systemCall(WRITE, a);
}

/* Writes "<what the step is about>: errno <number>\n" and ends. */
static void fail(const struct program *program, const struct step *step, i64 error) {
  char text[24];
  u32 at = sizeof text;
  text[--at] = '\n';
  do {
    text[--at] = (char)('0' + error % 10);
    error /= 10;
  } while (error);
  text[--at] = ' ';
  text[--at] = 'o', text[--at] = 'n', text[--at] = 'r', text[--at] = 'r', text[--at] = 'e';
  text[--at] = ' ', text[--at] = ':';
  write3(program->reportDescriptor, step->text, step->textLength);
  write3(program->reportDescriptor, (u64)&text[at], sizeof text - at);
  i64 a[6] = {EXIT_NOT_CONFINED};
  systemCall(EXIT_GROUP, a);
}

__attribute__((used, noreturn)) void start(void) {
  const struct program *program = PROGRAM;
  for (u32 i = 0; i < program->length; i++) {
    const struct step *step = &program->steps[i];
    i64 a[6];
    for (u32 k = 0; k < 6; k++)
      a[k] = step->indirect >> k & 1 ? (i64) * (const i32 *)step->args[k] : step->args[k];
    for (u32 n = 0; n < step->count; n++, a[step->vary]++) {
      i64 result = systemCall(step->number, a);
      if (step->store) *(i32 *)step->store = (i32)result;
      if (result < 0 && step->tolerate != -1 && step->tolerate != -result) fail(program, step, -result);
    }
  }
  /* A list that does not end in execve or exit is a fault of the compiler: never run on. */
  i64 a[6] = {EXIT_NOT_CONFINED};
  for (;;) systemCall(EXIT_GROUP, a);
}
