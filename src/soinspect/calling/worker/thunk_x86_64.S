/* Stands between the worker and a function under test (System V ABI, AMD64 supplement, 3.2 "Function Calling Sequence").
 *
 * Loads argument registers and stack words from the frame on the page after this code, plants sentinels in the
 * callee-saved registers, calls, and records every register that the ABI has an opinion on. Nothing that the function
 * may destroy is trusted afterwards: the frame is found relative to the instruction pointer. thunk.py holds the bytes
 * and the layout of the frame.
 */
    .intel_syntax noprefix
    .set frame, thunk + 4096
    .set function, 0
    .set integers, 8            /* rdi rsi rdx rcx r8 r9 */
    .set vector_count, 56
    .set vectors, 64            /* the low halves of xmm0 to xmm7 */
    .set stack_words, 128
    .set stack, 136
    .set sentinels, 144         /* rbx r12 r13 r14 r15 */
    .set own_rsp, 184
    .set own_mxcsr, 192
    .set own_x87, 196
    .set before, 200            /* rsp rbp */
    .set after, 216             /* rsp rbp rbx r12 r13 r14 r15 */
    .set returned, 272          /* rax rdx */
    .set flags, 288
    .set fpu, 512               /* FXSAVE area */

    .text
thunk:
    push rbp
    mov rbp, rsp
    push rbx
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8
    lea r11, [rip + frame]
    mov [r11 + own_rsp], rsp
    stmxcsr [r11 + own_mxcsr]
    fnstcw [r11 + own_x87]

    mov rcx, [r11 + stack_words]
    mov rsi, [r11 + stack]
    mov rax, rcx
    and rax, 1
    lea rdx, [rcx + rax]
    shl rdx, 3
    sub rsp, rdx
    mov rdi, rsp
    rep movsq
    mov [r11 + before], rsp
    mov [r11 + before + 8], rbp

    movq xmm0, [r11 + vectors]
    movq xmm1, [r11 + vectors + 8]
    movq xmm2, [r11 + vectors + 16]
    movq xmm3, [r11 + vectors + 24]
    movq xmm4, [r11 + vectors + 32]
    movq xmm5, [r11 + vectors + 40]
    movq xmm6, [r11 + vectors + 48]
    movq xmm7, [r11 + vectors + 56]
    mov rdi, [r11 + integers]
    mov rsi, [r11 + integers + 8]
    mov rdx, [r11 + integers + 16]
    mov rcx, [r11 + integers + 24]
    mov r8, [r11 + integers + 32]
    mov r9, [r11 + integers + 40]
    mov rax, [r11 + vector_count]
    mov rbx, [r11 + sentinels]
    mov r12, [r11 + sentinels + 8]
    mov r13, [r11 + sentinels + 16]
    mov r14, [r11 + sentinels + 24]
    mov r15, [r11 + sentinels + 32]
    call [r11 + function]

    mov [rip + frame + returned], rax
    mov [rip + frame + returned + 8], rdx
    mov [rip + frame + after], rsp
    mov [rip + frame + after + 8], rbp
    mov [rip + frame + after + 16], rbx
    mov [rip + frame + after + 24], r12
    mov [rip + frame + after + 32], r13
    mov [rip + frame + after + 40], r14
    mov [rip + frame + after + 48], r15
    mov rsp, [rip + frame + own_rsp]
    pushfq
    pop [rip + frame + flags]
    push 0x202
    popfq
    fxsave [rip + frame + fpu]
    fninit
    fldcw [rip + frame + own_x87]
    ldmxcsr [rip + frame + own_mxcsr]

    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret
