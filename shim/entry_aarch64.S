/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry_aarch64.S: the exported MPI calls; entry_x86_64.S tells how they work.
 *
 * x16 and x17 are the registers that a caller expects to lose on its way to a function in another
 * library, and a branch through them may land on `bti c`. The slot is read with acquire: a thread
 * that sees a bound slot also sees what the flavour set up before it.
 * Saved are the arguments: x0-x7, x8 (address of a returned struct), q0-q7.
 */

	.set	vmo_index, 0

	.macro	vmo_entry name
	.text
	.p2align 4
	.globl	MPI_\name
	.globl	PMPI_\name
	.type	MPI_\name, %function
	.type	PMPI_\name, %function
MPI_\name:
PMPI_\name:
	.cfi_startproc
	hint	#34				/* bti c */
	adrp	x16, vmo_slots + 8 * vmo_index
	add	x16, x16, :lo12:vmo_slots + 8 * vmo_index
	ldar	x17, [x16]
	br	x17
	.cfi_endproc
	.size	MPI_\name, . - MPI_\name
	.size	PMPI_\name, . - PMPI_\name

	.p2align 4
	.type	vmo_lazy_\name, %function
vmo_lazy_\name:
	.cfi_startproc
	hint	#34
	mov	w16, #vmo_index
	b	vmo_lazy
	.cfi_endproc
	.size	vmo_lazy_\name, . - vmo_lazy_\name

	.data
	.xword	vmo_lazy_\name
	.set	vmo_index, vmo_index + 1
	.endm

	.data
	.p2align 6
	.globl	vmo_slots
	.hidden	vmo_slots
	.type	vmo_slots, %object
vmo_slots:
#define X(name) vmo_entry name
#include "calls.def"
#undef X
	.size	vmo_slots, . - vmo_slots

	.text
	.p2align 4
	.type	vmo_lazy, %function
vmo_lazy:
	.cfi_startproc
	stp	x29, x30, [sp, #-224]!
	.cfi_def_cfa_offset 224
	.cfi_offset x29, -224
	.cfi_offset x30, -216
	mov	x29, sp
	stp	x0, x1, [sp, #16]
	stp	x2, x3, [sp, #32]
	stp	x4, x5, [sp, #48]
	stp	x6, x7, [sp, #64]
	str	x8, [sp, #80]
	stp	q0, q1, [sp, #96]
	stp	q2, q3, [sp, #128]
	stp	q4, q5, [sp, #160]
	stp	q6, q7, [sp, #192]
	mov	w0, w16
	bl	vmo_bind
	mov	x17, x0
	ldp	q6, q7, [sp, #192]
	ldp	q4, q5, [sp, #160]
	ldp	q2, q3, [sp, #128]
	ldp	q0, q1, [sp, #96]
	ldr	x8, [sp, #80]
	ldp	x6, x7, [sp, #64]
	ldp	x4, x5, [sp, #48]
	ldp	x2, x3, [sp, #32]
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #224
	.cfi_restore x29
	.cfi_restore x30
	.cfi_def_cfa_offset 0
	br	x17
	.cfi_endproc
	.size	vmo_lazy, . - vmo_lazy

	.section .note.GNU-stack, "", %progbits

	/* This object bears BTI (1). */
	.section .note.gnu.property, "a", %note
	.p2align 3
	.word	4, 16, 5			/* name, descriptor bytes, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.word	0xc0000000, 4, 1, 0		/* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
