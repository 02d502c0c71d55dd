/*
 * Turns the user's own Go host program into a host for soinspect: preloaded (LD_PRELOAD), it parks the program's
 * main.main and opens a plugin in that process, then carries out steps. Linux, x86-64, Go 1.17 and newer.
 *
 * A Go program that uses plugins exports all its functions, stripped or not. The constructor overwrites main.main by
 * a jump to park(); a thread of ours waits until the main goroutine has come there, so that the program's own
 * initialisers have run, and then calls Go functions as C code does: crosscall2 gives it a goroutine, on which
 * forward() loads the registers and jumps (no frame of ours stays on the Go stack, which moves) to
 * runtime.reflectcall. That calls any function with registers from, and results to, an abi.RegArgs.
 *
 * The request (see calling/gopreload.py) is read from $SOINSPECT_FD until the parent has closed its side; events go back
 * as lines of JSON.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define HIGH_DESCRIPTOR 900
#define MAX_STACK (64u << 20)  /* the default of 1 GB takes seconds to fill */
#define MAX_TEXT (256u << 10)  /* of one string that comes back */
#define MAX_WORDS 64           /* in one line of the request */

/* internal/abi.RegArgs on amd64. */
struct registers {
    uint64_t ints[9];
    uint64_t floats[15];
    void *pointers[9];
    uint8_t return_is_pointer[2];
};

/* What forward() takes from its argument, in this order. */
struct forwarded {
    void *function; /* a Go closure: the address of a word that holds the address of code */
    struct registers *registers;
};

struct go_string {
    const char *data;
    int64_t length;
};

typedef void crosscall(void (*)(void *), void *, int, size_t);

__attribute__((visibility("hidden"))) void *soinspect_gopark, *soinspect_reflectcall;
__attribute__((visibility("hidden"))) volatile int soinspect_parked;
static crosscall *crosscall2;
static int channel = -1;

extern void soinspect_park(void) __attribute__((visibility("hidden")));
extern void soinspect_forward(void *) __attribute__((visibility("hidden")));

/* Go's internal calling convention: integers in AX BX CX DI SI R8 R9. */
__asm__(
    ".text\n"
    ".hidden soinspect_park\n"
    ".globl soinspect_park\n"
    "soinspect_park:\n" /* gopark(unlockf, lock, reason, trace, skip) with zeros: nobody ever wakes it */
    "  movl $1, soinspect_parked(%rip)\n"
    "  xorl %eax, %eax\n"
    "  xorl %ebx, %ebx\n"
    "  xorl %ecx, %ecx\n"
    "  xorl %edi, %edi\n"
    "  xorl %esi, %esi\n"
    "  jmp *soinspect_gopark(%rip)\n"
    ".hidden soinspect_forward\n"
    ".globl soinspect_forward\n"
    "soinspect_forward:\n" /* reflectcall(type, function, arguments, size, offset, frame, registers) */
    "  movq 0(%rax), %rbx\n"
    "  movq 8(%rax), %r9\n"
    "  xorl %eax, %eax\n"
    "  xorl %ecx, %ecx\n"
    "  xorl %edi, %edi\n"
    "  xorl %esi, %esi\n"
    "  xorl %r8d, %r8d\n"
    "  jmp *soinspect_reflectcall(%rip)\n");

/* -- events -------------------------------------------------------------------------------------------------- */

static void put(const char *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(channel, data, size);
        if (n < 0 && errno != EINTR)
            return; /* the parent is gone */
        if (n > 0) {
            data += n;
            size -= n;
        }
    }
}

static void say(const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(text, size < (int)sizeof text ? size : (int)sizeof text - 1);
}

static void say_hex(const void *data, size_t size) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    put("\"", 1);
    for (size_t i = 0; i < size && i < MAX_TEXT; i++) {
        char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        put(pair, 2);
    }
    put("\"", 1);
}

static void fail(const char *event, int step, const char *what, const char *why) {
    say("{\"event\":\"%s\",\"step\":%d,\"raw\":[", event, step);
    char text[512];
    int size = snprintf(text, sizeof text, "%s%s", what, why ? why : "");
    say_hex(text, size < (int)sizeof text ? size : (int)sizeof text - 1);
    say("]}\n");
    _exit(0);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* -- calls --------------------------------------------------------------------------------------------------- */

static void go_call(void *code, struct registers *registers) {
    struct forwarded forwarded = {&code, registers};
    crosscall2(soinspect_forward, &forwarded, sizeof forwarded, 0);
}

/* The text of a non-nil error: the first method of its method table. */
static struct go_string error_text(uint64_t table, uint64_t data) {
    struct registers registers = {.ints = {data}};
    go_call(((void **)table)[3], &registers);
    return (struct go_string){(const char *)registers.ints[0], registers.ints[1]};
}

static void say_results(const char *kinds, struct registers *registers) {
    int integer = 0, number = 0;
    for (const char *kind = kinds; *kind; kind++) {
        if (kind != kinds)
            put(",", 1);
        if (*kind == 'i') {
            say_hex(&registers->ints[integer++], 8);
        } else if (*kind == 'f') {
            say_hex(&registers->floats[number++], 8);
        } else if (*kind == 's') {
            say_hex((void *)registers->ints[integer], registers->ints[integer + 1]);
            integer += 2;
        } else if (*kind == 'e') {
            if (registers->ints[integer] == 0) {
                put("null", 4);
            } else {
                struct go_string text = error_text(registers->ints[integer], registers->ints[integer + 1]);
                say_hex(text.data, text.length);
            }
            integer += 2;
        }
    }
}

/* -- the request --------------------------------------------------------------------------------------------- */

static int value_of(char digit) {
    return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/* Bytes written in hex, with a zero behind them; never freed, since Go may keep them. */
static char *unhex(const char *text, size_t *size) {
    *size = strlen(text) / 2;
    char *bytes = malloc(*size + 1);
    if (bytes == NULL)
        _exit(2);
    for (size_t i = 0; i < *size; i++)
        bytes[i] = (char)(value_of(text[2 * i]) << 4 | value_of(text[2 * i + 1]));
    bytes[*size] = 0;
    return bytes;
}

static void *library;

static void *find(const char *name, int step) {
    size_t size;
    void *address = dlsym(library, unhex(name, &size));
    if (address == NULL)
        fail("refused", step, "the symbol is missing: ", dlerror());
    return address;
}

/* open PATH INITTASK MEMORY */
static void open_plugin(char **words) {
    struct rlimit memory = {strtoull(words[3], NULL, 10), strtoull(words[3], NULL, 10)};
    setrlimit(RLIMIT_DATA, &memory);
    void *code = dlsym(RTLD_DEFAULT, "plugin.open");
    size_t size;
    char *path = unhex(words[1], &size);
    struct registers registers = {.ints = {(uint64_t)path, size}};
    say("{\"event\":\"opening\",\"step\":-1}\n");
    int64_t start = now();
    go_call(code, &registers);
    int64_t took = now() - start;
    if (registers.ints[1] != 0) {
        struct go_string text = error_text(registers.ints[1], registers.ints[2]);
        say("{\"event\":\"refused\",\"step\":-1,\"raw\":[");
        say_hex(text.data, text.length);
        say("]}\n");
        _exit(0);
    }
    library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    uint32_t *task = dlsym(library, unhex(words[2], &size));
    say("{\"event\":\"opened\",\"step\":-1,\"ns\":%lld,\"state\":%u}\n", (long long)took, task ? *task : 0);
}

/* call STEP SYMBOL RESULTS ARGUMENT...: i<bits> f<bits> s<text> */
static void call(char **words) {
    int step = atoi(words[1]), integer = 0, number = 0;
    struct registers registers = {.ints = {0}};
    void *code = find(words[2], step);
    for (char **word = words + 4; *word; word++) {
        if (**word == 's') {
            size_t size;
            registers.ints[integer++] = (uint64_t)unhex(*word + 1, &size);
            registers.ints[integer++] = size;
        } else if (**word == 'f') {
            registers.floats[number++] = strtoull(*word + 1, NULL, 16);
        } else {
            registers.ints[integer++] = strtoull(*word + 1, NULL, 16);
        }
    }
    say("{\"event\":\"calling\",\"step\":%d}\n", step);
    int64_t start = now();
    go_call(code, &registers);
    int64_t took = now() - start;
    say("{\"event\":\"returned\",\"step\":%d,\"ns\":%lld,\"raw\":[", step, (long long)took);
    say_results(words[3] + 1, &registers); /* the first letter is a filler: there may be no results */
    say("]}\n");
}

static void say_variable(const char *event, int step, void *address, const char *size) {
    say("{\"event\":\"%s\",\"step\":%d,\"raw\":[", event, step);
    if (*size == 's')
        say_hex(((struct go_string *)address)->data, ((struct go_string *)address)->length);
    else
        say_hex(address, atoi(size));
    say("]}\n");
}

/* read STEP SYMBOL SIZE, or s for a string */
static void read_variable(char **words) {
    say_variable("read", atoi(words[1]), find(words[2], atoi(words[1])), words[3]);
}

/* write STEP SYMBOL SIZE BYTES */
static void write_variable(char **words) {
    void *address = find(words[2], atoi(words[1]));
    size_t size;
    char *bytes = unhex(words[4] + 1, &size); /* the first letter is a filler: a text may be empty */
    if (*words[3] == 's')
        *(struct go_string *)address = (struct go_string){bytes, size};
    else
        memcpy(address, bytes, size);
    say_variable("assigned", atoi(words[1]), address, words[3]);
}

static char *read_request(void) {
    size_t size = 0, room = 1 << 16;
    char *text = malloc(room);
    for (;;) {
        if (text == NULL)
            _exit(2);
        ssize_t n = read(channel, text + size, room - size - 1);
        if (n <= 0)
            break;
        size += n;
        if (room - size < 2)
            text = realloc(text, room *= 2);
    }
    text[size] = 0;
    return text;
}

static void *work(void *request) {
    const struct timespec moment = {0, 200000}, settle = {0, 50000000};
    while (!soinspect_parked)
        nanosleep(&moment, NULL);
    uint64_t *max_stack = dlsym(RTLD_DEFAULT, "runtime.maxstacksize");
    if (max_stack != NULL)
        *max_stack = MAX_STACK;
    char *rest = NULL;
    for (char *line = strtok_r(request, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *words[MAX_WORDS] = {0}, *end = NULL;
        int n = 0;
        for (char *word = strtok_r(line, " ", &end); word && n < MAX_WORDS - 1; word = strtok_r(NULL, " ", &end))
            words[n++] = word;
        if (strcmp(words[0], "open") == 0)
            open_plugin(words);
        else if (strcmp(words[0], "call") == 0)
            call(words);
        else if (strcmp(words[0], "read") == 0)
            read_variable(words);
        else if (strcmp(words[0], "write") == 0)
            write_variable(words);
    }
    nanosleep(&settle, NULL); /* for goroutines that are about to panic */
    say("{\"event\":\"done\",\"step\":-1}\n");
    _exit(0);
}

/* -- start --------------------------------------------------------------------------------------------------- */

/* Make main.main a jump to soinspect_park: 13 bytes, and Go aligns functions to at least 16. */
static int divert(void *function) {
    unsigned char jump[] = {0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xff, 0xe3}; /* movabs $park, %r11; jmp *%r11 */
    void *target = (void *)soinspect_park;
    memcpy(jump + 2, &target, sizeof target);
    uintptr_t page = (uintptr_t)function & ~(uintptr_t)4095, end = (uintptr_t)function + sizeof jump;
    if (mprotect((void *)page, end - page, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return -1;
    memcpy(function, jump, sizeof jump);
    return mprotect((void *)page, end - page, PROT_READ | PROT_EXEC);
}

__attribute__((constructor)) static void begin(void) {
    const char *descriptor = getenv("SOINSPECT_FD");
    void *main_function = dlsym(RTLD_DEFAULT, "main.main");
    crosscall2 = (crosscall *)dlsym(RTLD_DEFAULT, "crosscall2");
    soinspect_gopark = dlsym(RTLD_DEFAULT, "runtime.gopark");
    soinspect_reflectcall = dlsym(RTLD_DEFAULT, "runtime.reflectcall");
    if (descriptor == NULL || !main_function || !crosscall2 || !soinspect_gopark || !soinspect_reflectcall)
        return; /* a program on the way to the host, such as a wrapper script's shell */
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    channel = fcntl(atoi(descriptor), F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR);
    if (channel < 0)
        channel = atoi(descriptor);
    else
        close(atoi(descriptor));
    unsetenv("SOINSPECT_FD");
    unsetenv("LD_PRELOAD");
    char *request = read_request();
    say("{\"event\":\"preloaded\",\"step\":-1}\n");
    pthread_t thread;
    if (divert(main_function) != 0 || pthread_create(&thread, NULL, work, request) != 0)
        fail("refused", -1, "the program's main function cannot be parked: ", strerror(errno));
}
