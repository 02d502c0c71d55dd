/* A handler for fatal signals, where nobody may trace the process: it writes down what the monitor needs to explain
 * the end, and lets the signal have its default effect. Only system calls, no library: it may have died in malloc.
 *
 * The word at code + 4096 holds the address of the record (protocol.py, "The scene"); the offsets are the same there.
 */
    .set record_address, handler + 4096
    .set claimed, 0
    .set thread, 8
    .set maps_length, 16
    .set stack_start, 24
    .set stack_length, 32
    .set complete, 40
    .set information, 64
    .set registers, 192
    .set code, 464
    .set stack, 4096
    .set maps, 0x11000
    .set stack_size, 0x10000
    .set maps_size, 0x40000

    .set sys_read, 0
    .set sys_open, 2
    .set sys_close, 3
    .set sys_pread, 17
    .set sys_getpid, 39
    .set sys_gettid, 186
    .set sys_tgkill, 234

    .text
handler:                            /* rdi signal, rsi siginfo_t, rdx ucontext_t */
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    mov record_address(%rip), %r12
    mov %edi, %ebx
    mov %rdx, %r13
    mov $1, %eax
    xchg %rax, claimed(%r12)        /* one thread tells its story, the first */
    test %rax, %rax
    jnz die
    lea information(%r12), %rdi
    mov $16, %ecx
    cld
    rep movsq
    lea 40(%r13), %rsi              /* uc_mcontext.gregs: 23 of them, sys/ucontext.h */
    lea registers(%r12), %rdi
    mov $23, %ecx
    rep movsq
    mov $sys_gettid, %eax
    syscall
    mov %rax, thread(%r12)

    lea maps_path(%rip), %rdi
    xor %esi, %esi
    mov $sys_open, %eax
    syscall
    test %eax, %eax
    js memory
    mov %eax, %r14d
    xor %ebp, %ebp
more:
    mov %r14d, %edi
    lea maps(%r12,%rbp), %rsi
    mov $maps_size, %edx
    sub %ebp, %edx
    mov $sys_read, %eax
    syscall
    test %rax, %rax
    jle read_all
    add %rax, %rbp
    jmp more
read_all:
    mov %rbp, maps_length(%r12)
    mov $sys_close, %eax
    syscall

memory:                             /* read by the kernel, which does not fault */
    lea memory_path(%rip), %rdi
    xor %esi, %esi
    mov $sys_open, %eax
    syscall
    test %eax, %eax
    js tell
    mov %eax, %r14d
    mov 168(%r13), %r10             /* the program counter */
    lea code(%r12), %rsi
    mov $16, %edx
    mov %r14d, %edi
    mov $sys_pread, %eax
    syscall
    mov 160(%r13), %rbp             /* the stack pointer, and the red zone below it */
    sub $256, %rbp
    mov $64, %r13d                  /* after an overflow the stack begins some pages above it */
attempt:
    mov %rbp, %r10
    lea stack(%r12), %rsi
    mov $stack_size, %edx
    mov %r14d, %edi
    mov $sys_pread, %eax
    syscall
    test %rax, %rax
    jg found
    add $4096, %rbp
    and $-4096, %rbp
    dec %r13d
    jnz attempt
    xor %eax, %eax
found:
    mov %rbp, stack_start(%r12)
    mov %rax, stack_length(%r12)
    mov %r14d, %edi
    mov $sys_close, %eax
    syscall
tell:
    movq $1, complete(%r12)
die:                                /* blocked until the handler returns, and then without a handler */
    mov $sys_gettid, %eax
    syscall
    mov %eax, %ebp
    mov $sys_getpid, %eax
    syscall
    mov %eax, %edi
    mov %ebp, %esi
    mov %ebx, %edx
    mov $sys_tgkill, %eax
    syscall
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
maps_path:
    .asciz "/proc/self/maps"
memory_path:
    .asciz "/proc/self/mem"
