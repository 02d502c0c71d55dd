/* A handler for fatal signals, where nobody may trace the process: the AArch64 twin of handler_x86_64.S.
 *
 * Same idea, same record. The saved registers are those of struct sigcontext (asm/sigcontext.h), which begins
 * 176 bytes into ucontext_t.
 */
    .set claimed, 0
    .set thread, 8
    .set maps_length, 16
    .set stack_start, 24
    .set stack_length, 32
    .set complete, 40
    .set information, 64
    .set registers, 192
    .set code, 464
    .set stack_pages, 1         /* the stack, in pages of 4 KiB from the start of the record */
    .set maps_pages, 0x11
    .set stack_size, 0x10000
    .set maps_size, 0x40000

    .set saved, 184             /* x0 to x30, sp, pc, pstate */
    .set saved_sp, saved + 31 * 8
    .set saved_pc, saved + 32 * 8

    .set sys_openat, 56
    .set sys_close, 57
    .set sys_read, 63
    .set sys_pread, 67
    .set sys_tgkill, 131
    .set sys_getpid, 172
    .set sys_gettid, 178

    .text
handler:                        /* w0 signal, x1 siginfo_t, x2 ucontext_t */
    stp x29, x30, [sp, #-64]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    str x23, [sp, #48]
    ldr x19, handler + 4096
    mov w20, w0
    mov x21, x2
    mov x9, #1
1:  ldaxr x10, [x19]            /* one thread tells its story, the first */
    stlxr w11, x9, [x19]
    cbnz w11, 1b
    cbnz x10, die
    add x9, x19, #information
    mov x10, #16
2:  ldr x11, [x1], #8
    str x11, [x9], #8
    subs x10, x10, #1
    b.ne 2b
    add x9, x19, #registers
    add x1, x21, #saved
    mov x10, #34
3:  ldr x11, [x1], #8
    str x11, [x9], #8
    subs x10, x10, #1
    b.ne 3b
    mov x8, #sys_gettid
    svc #0
    str x0, [x19, #thread]

    mov x0, #-100               /* AT_FDCWD */
    adr x1, maps_path
    mov x2, #0
    mov x8, #sys_openat
    svc #0
    tbnz w0, #31, memory
    mov w22, w0
    mov x23, #0
more:
    mov w0, w22
    add x1, x19, #maps_pages, lsl #12
    add x1, x1, x23
    mov x2, #maps_size
    sub x2, x2, x23
    mov x8, #sys_read
    svc #0
    cmp x0, #0
    b.le read_all
    add x23, x23, x0
    b more
read_all:
    str x23, [x19, #maps_length]
    mov w0, w22
    mov x8, #sys_close
    svc #0

memory:                         /* read by the kernel, which does not fault */
    mov x0, #-100
    adr x1, memory_path
    mov x2, #0
    mov x8, #sys_openat
    svc #0
    tbnz w0, #31, tell
    mov w22, w0
    add x1, x19, #code
    mov x2, #16
    ldr x3, [x21, #saved_pc]
    mov x8, #sys_pread
    svc #0
    ldr x23, [x21, #saved_sp]
    sub x23, x23, #256          /* what a function that overflowed the stack has below it */
    mov w21, #64                /* after an overflow the stack begins some pages above it */
attempt:
    mov w0, w22
    add x1, x19, #stack_pages, lsl #12
    mov x2, #stack_size
    mov x3, x23
    mov x8, #sys_pread
    svc #0
    cmp x0, #0
    b.gt found
    add x23, x23, #4096
    and x23, x23, #0xfffffffffffff000
    subs w21, w21, #1
    b.ne attempt
    mov x0, #0
found:
    str x23, [x19, #stack_start]
    str x0, [x19, #stack_length]
    mov w0, w22
    mov x8, #sys_close
    svc #0
tell:
    mov x9, #1
    add x10, x19, #complete
    stlr x9, [x10]
die:                            /* blocked until the handler returns, and then without a handler */
    mov x8, #sys_gettid
    svc #0
    mov w23, w0
    mov x8, #sys_getpid
    svc #0
    mov w1, w23
    mov w2, w20
    mov x8, #sys_tgkill
    svc #0
    ldr x23, [sp, #48]
    ldp x21, x22, [sp, #32]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #64
    ret
maps_path:
    .asciz "/proc/self/maps"
memory_path:
    .asciz "/proc/self/mem"
