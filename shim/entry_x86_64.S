/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry_x86_64.S: the exported MPI calls. One indirect jump each, once bound.
 *
 *   MPI_Send = PMPI_Send:  jmp *vmo_slots[Send] ---> bound: the flavour's function, or the MPI's own
 *                                  |
 *                                  +-> at first: lazy stub: r11 = index
 *                                        vmo_lazy: save arguments; vmo_bind(index); restore; jump
 *                                        to the function that it returned
 *
 * The jump goes to what vmo_bind returned and not through the slot again: while there is no MPI in
 * the process, and while binding itself calls the MPI, the slot stays lazy.
 *
 * Every target is reached by a jump with the caller's frame untouched: arguments on the stack stay
 * where they are, the shadow stack (CET) stays balanced, and a backtrace shows the caller.
 * Arguments wider than 128 bits (AVX) are not saved: no MPI call has any.
 */

	.set	vmo_index, 0

	.macro	vmo_entry name
	.text
	.p2align 4
	.globl	MPI_\name
	.globl	PMPI_\name
	.type	MPI_\name, @function
	.type	PMPI_\name, @function
MPI_\name:
PMPI_\name:
	.cfi_startproc
	endbr64
	jmp	*vmo_slots + 8 * vmo_index(%rip)
	.cfi_endproc
	.size	MPI_\name, . - MPI_\name
	.size	PMPI_\name, . - PMPI_\name

	.p2align 4
	.type	vmo_lazy_\name, @function
vmo_lazy_\name:
	.cfi_startproc
	endbr64
	movl	$vmo_index, %r11d
	jmp	vmo_lazy
	.cfi_endproc
	.size	vmo_lazy_\name, . - vmo_lazy_\name

	.data
	.quad	vmo_lazy_\name
	.set	vmo_index, vmo_index + 1
	.endm

	.data
	.p2align 6
	.globl	vmo_slots
	.hidden	vmo_slots
	.type	vmo_slots, @object
vmo_slots:
#define X(name) vmo_entry name
#include "calls.def"
#undef X
	.size	vmo_slots, . - vmo_slots

	.text
	.p2align 4
	.type	vmo_lazy, @function
vmo_lazy:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	andq	$-16, %rsp
	subq	$192, %rsp
	movq	%rdi, 0(%rsp)
	movq	%rsi, 8(%rsp)
	movq	%rdx, 16(%rsp)
	movq	%rcx, 24(%rsp)
	movq	%r8, 32(%rsp)
	movq	%r9, 40(%rsp)
	movq	%rax, 48(%rsp)			/* al: vector registers used, in a variadic call */
	movq	%r10, 56(%rsp)			/* static chain */
	movaps	%xmm0, 64(%rsp)
	movaps	%xmm1, 80(%rsp)
	movaps	%xmm2, 96(%rsp)
	movaps	%xmm3, 112(%rsp)
	movaps	%xmm4, 128(%rsp)
	movaps	%xmm5, 144(%rsp)
	movaps	%xmm6, 160(%rsp)
	movaps	%xmm7, 176(%rsp)
	movl	%r11d, %edi
	call	vmo_bind
	movq	%rax, %r11
	movaps	176(%rsp), %xmm7
	movaps	160(%rsp), %xmm6
	movaps	144(%rsp), %xmm5
	movaps	128(%rsp), %xmm4
	movaps	112(%rsp), %xmm3
	movaps	96(%rsp), %xmm2
	movaps	80(%rsp), %xmm1
	movaps	64(%rsp), %xmm0
	movq	56(%rsp), %r10
	movq	48(%rsp), %rax
	movq	40(%rsp), %r9
	movq	32(%rsp), %r8
	movq	24(%rsp), %rcx
	movq	16(%rsp), %rdx
	movq	8(%rsp), %rsi
	movq	0(%rsp), %rdi
	leave
	.cfi_restore %rbp
	.cfi_def_cfa %rsp, 8
	jmp	*%r11
	.cfi_endproc
	.size	vmo_lazy, . - vmo_lazy

	.section .note.GNU-stack, "", @progbits

	/* CET: this object bears IBT (1) and shadow stacks (2). */
	.section .note.gnu.property, "a", @note
	.p2align 3
	.long	4, 16, 5			/* name, descriptor bytes, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0		/* GNU_PROPERTY_X86_FEATURE_1_AND */
