! SPDX-License-Identifier: LGPL-2.1-or-later
! onecopy_languages.F90: the twin of onecopy_languages.c in Fortran.
!   -DLANG_MPIF: include 'mpif.h'   -DLANG_MPI: use mpi   -DLANG_F08: use mpi_f08
#if defined LANG_F08
#define REQUEST type(MPI_Request)
#else
#define REQUEST integer
#endif
#define W MPI_COMM_WORLD
#define IN b, n, MPI_DOUBLE_PRECISION, other, turn, W
#define OUT a, n, MPI_DOUBLE_PRECISION, other, turn, W

program languages
#if defined LANG_F08
	use mpi_f08
#elif defined LANG_MPI
	use mpi
#endif
	implicit none
#if defined LANG_MPIF
	include 'mpif.h'
#endif
	integer, parameter :: turns = 16, buffer_turns = 4
	integer :: me, other, turn, n, ierr, wrong = 0
	double precision, allocatable, asynchronous :: a(:), b(:)
	REQUEST :: r(2)

	call MPI_Init(ierr)
	call MPI_Comm_rank(W, me, ierr)
	other = 1 - me
	do turn = 0, turns - 1
		if (mod(turn, buffer_turns) == 0) then
			if (allocated(a)) deallocate(a, b)
			n = 60001 + 10000 * turn
			allocate(a(n), b(n))
		end if

		call fill(1)
		if (me == 0) call MPI_Send(OUT, ierr)
		call MPI_Recv(IN, MPI_STATUS_IGNORE, ierr)
		if (me == 1) call MPI_Send(OUT, ierr)
		call check(1)

		call fill(2)
		call MPI_Irecv(IN, r(1), ierr)
		call MPI_Isend(OUT, r(2), ierr)
		call MPI_Waitall(2, r, MPI_STATUSES_IGNORE, ierr)
		call check(2)

		call fill(3)
		call MPI_Sendrecv(a, n, MPI_DOUBLE_PRECISION, other, turn, &
		                  IN, MPI_STATUS_IGNORE, ierr)
		call check(3)
	end do
	deallocate(a, b)
	call MPI_Finalize(ierr)
	if (wrong > 0) then
		print *, 'rank', me, ':', wrong, 'wrong elements'
		error stop 1
	end if

contains
	double precision function value(rank, step, i)
		integer, intent(in) :: rank, step, i
		value = 1d7 * rank + 1d5 * turn + 1d9 * step + i
	end function

	subroutine fill(step)
		integer, intent(in) :: step
		integer :: i
		do i = 1, n
			a(i) = value(me, step, i)
			b(i) = -1
		end do
	end subroutine

	subroutine check(step)
		integer, intent(in) :: step
		integer :: i
		do i = 1, n
			if (b(i) /= value(other, step, i)) wrong = wrong + 1
		end do
	end subroutine
end program
