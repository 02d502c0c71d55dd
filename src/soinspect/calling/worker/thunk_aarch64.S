/* Stands between the worker and a function under test (AAPCS64, 6.1 "Machine Registers" and 6.8 "Subroutine Calls").
 *
 * The AArch64 twin of thunk_x86_64.S: same idea, same place of the frame, its own layout.
 */
    .set frame, thunk + 4096
    .set function, 0
    .set integers, 8            /* x0 to x7 */
    .set vectors, 72            /* d0 to d7 */
    .set stack_words, 136
    .set stack, 144
    .set result_address, 152    /* x8 */
    .set sentinels, 160         /* x19 to x28, d8 to d15 */
    .set own_sp, 304
    .set own_fpcr, 312
    .set before, 320            /* sp x29 */
    .set after, 336             /* sp x29 x19 to x28, d8 to d15 */
    .set returned, 496          /* x0 x1 */
    .set vector_returned, 512   /* q0 to q3 */
    .set fpcr_after, 576

    .text
thunk:
    stp x29, x30, [sp, #-176]!
    mov x29, sp
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    adr x9, frame
    mrs x10, fpcr
    str x10, [x9, #own_fpcr]
    mov x10, sp
    str x10, [x9, #own_sp]

    ldr x10, [x9, #stack_words]
    ldr x11, [x9, #stack]
    add x12, x10, #1
    and x12, x12, #0xfffffffffffffffe
    sub sp, sp, x12, lsl #3
    mov x13, sp
1:  cbz x10, 2f
    ldr x14, [x11], #8
    str x14, [x13], #8
    sub x10, x10, #1
    b 1b
2:  mov x10, sp
    stp x10, x29, [x9, #before]

    ldr x8, [x9, #result_address]
    ldp d0, d1, [x9, #vectors]
    ldp d2, d3, [x9, #vectors + 16]
    ldp d4, d5, [x9, #vectors + 32]
    ldp d6, d7, [x9, #vectors + 48]
    ldp x0, x1, [x9, #integers]
    ldp x2, x3, [x9, #integers + 16]
    ldp x4, x5, [x9, #integers + 32]
    ldp x6, x7, [x9, #integers + 48]
    ldp x19, x20, [x9, #sentinels]
    ldp x21, x22, [x9, #sentinels + 16]
    ldp x23, x24, [x9, #sentinels + 32]
    ldp x25, x26, [x9, #sentinels + 48]
    ldp x27, x28, [x9, #sentinels + 64]
    ldp d8, d9, [x9, #sentinels + 80]
    ldp d10, d11, [x9, #sentinels + 96]
    ldp d12, d13, [x9, #sentinels + 112]
    ldp d14, d15, [x9, #sentinels + 128]
    ldr x16, [x9, #function]
    blr x16

    adr x9, frame
    stp x0, x1, [x9, #returned]
    str q0, [x9, #vector_returned]
    str q1, [x9, #vector_returned + 16]
    str q2, [x9, #vector_returned + 32]
    str q3, [x9, #vector_returned + 48]
    mov x10, sp
    stp x10, x29, [x9, #after]
    stp x19, x20, [x9, #after + 16]
    stp x21, x22, [x9, #after + 32]
    stp x23, x24, [x9, #after + 48]
    stp x25, x26, [x9, #after + 64]
    stp x27, x28, [x9, #after + 80]
    stp d8, d9, [x9, #after + 96]
    stp d10, d11, [x9, #after + 112]
    stp d12, d13, [x9, #after + 128]
    stp d14, d15, [x9, #after + 144]
    mrs x10, fpcr
    str x10, [x9, #fpcr_after]
    ldr x10, [x9, #own_fpcr]
    msr fpcr, x10
    ldr x10, [x9, #own_sp]
    mov sp, x10

    ldp d14, d15, [sp, #144]
    ldp d12, d13, [sp, #128]
    ldp d10, d11, [sp, #112]
    ldp d8, d9, [sp, #96]
    ldp x27, x28, [sp, #80]
    ldp x25, x26, [sp, #64]
    ldp x23, x24, [sp, #48]
    ldp x21, x22, [sp, #32]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #176
    ret
