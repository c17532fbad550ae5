! SPDX-License-Identifier: LGPL-2.1-or-later
! Fortran's memory between sends: allocate and deallocate, reallocation by assignment, move_alloc, pointers, allocatable
! components, automatic arrays, and copies that the compiler makes of array sections and frees after the call.
!
! RUN: np=2 VMONECOPY_ADMISSION=1 expect="onecopy_bytes [1-9]" expect="hook_releases [1-9]"
! RUN: np=2 VMONECOPY_ADMISSION=2 expect="onecopy_bytes [1-9]"
! RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="late_bytes [1-9]"
! RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_CHECK=1 expect="checked_messages [1-9]" expect="\A(?![\s\S]*CHECK:)"
program fortran_memory
	use mpi
	implicit none
	type box
		double precision, allocatable :: part(:)
	end type
	integer, parameter :: rounds = 25, most = 80000
	double precision, allocatable :: a(:), b(:), got(:), square(:, :)
	double precision, pointer :: p(:)
	type(box), allocatable :: boxes(:)
	integer :: me, other, ierr, i, n, k

	call MPI_Init(ierr)
	call MPI_Comm_rank(MPI_COMM_WORLD, me, ierr)
	other = 1 - me
	allocate (got(most))
	do i = 1, rounds
		n = 8000 + 997 * mod(i, 13)
		allocate (a(n))
		call fill(a, me, i)
		do k = 1, 3
			call both(a, n, i)
		end do
		a = [a, a, a]			! longer: allocated anew
		call both(a(:n), n, i)
		call both(a(2*n + 1:), n, i)
		call move_alloc(a, b)
		call both(b, n, i)
		b = b(:n / 2 * 2)		! shorter
		call both(b(:n - 1), n - 1, i)
		deallocate (b)

		allocate (p(n))
		call fill(p, me, i + 100)
		call both(p, n, i + 100)
		call both(p, n, i + 100)
		deallocate (p)

		allocate (boxes(3))
		do k = 1, 3
			allocate (boxes(k)%part(n))
			call fill(boxes(k)%part, me, i + 100 * k)
			call both(boxes(k)%part, n, i + 100 * k)
		end do
		boxes(1) = boxes(2)
		call both(boxes(1)%part, n, i + 200)
		deallocate (boxes)

		allocate (square(4, n))
		square = -1
		call fill(square(2, :), me, i + 7)
		call fill_row(square, n)
		call both(square(2, :), n, i + 7)	! the compiler makes a copy and frees it
		deallocate (square)
		call automatic(n, i)
	end do
	if (me == 0) print '(a)', 'ok'
	call MPI_Finalize(ierr)

contains

	pure double precision function value(rank, turn, at)
		integer, intent(in) :: rank, turn, at
		value = 1d8 * rank + 1d5 * turn + at
	end function

	subroutine fill(x, rank, turn)
		double precision, intent(out) :: x(:)
		integer, intent(in) :: rank, turn
		integer :: j
		do j = 1, size(x)
			x(j) = value(rank, turn, j)
		end do
	end subroutine

	subroutine fill_row(x, m)
		integer, intent(in) :: m
		double precision, intent(inout) :: x(4, m)
		integer :: j
		do j = 1, m
			x(2, j) = value(me, i + 7, j)
		end do
	end subroutine

	subroutine automatic(m, turn)
		integer, intent(in) :: m, turn
		double precision :: local(m)
		call fill(local, me, turn + 3)
		call both(local, m, turn + 3)
	end subroutine

	! To the other rank, and the same from there.
	subroutine both(x, m, turn)
		integer, intent(in) :: m, turn
		double precision, intent(in) :: x(m)
		integer :: status(MPI_STATUS_SIZE), count, j
		got = -2
		if (me == 0) call MPI_Send(x, m, MPI_DOUBLE_PRECISION, other, 1, MPI_COMM_WORLD, ierr)
		call MPI_Recv(got, most, MPI_DOUBLE_PRECISION, other, 1, MPI_COMM_WORLD, status, ierr)
		if (me == 1) call MPI_Send(x, m, MPI_DOUBLE_PRECISION, other, 1, MPI_COMM_WORLD, ierr)
		call MPI_Get_count(status, MPI_DOUBLE_PRECISION, count, ierr)
		if (count /= m) call wrong('count', turn, count)
		do j = 1, m
			if (got(j) /= value(other, turn, j)) call wrong('element', turn, j)
		end do
		if (got(m + 1) /= -2) call wrong('beyond the end', turn, m)
	end subroutine

	subroutine wrong(what, turn, at)
		character(*), intent(in) :: what
		integer, intent(in) :: turn, at
		print '(a, 3i8, es20.10)', what, me, turn, at, got(at)
		call MPI_Abort(MPI_COMM_WORLD, 1, ierr)
	end subroutine
end program
