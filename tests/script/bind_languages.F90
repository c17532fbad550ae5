! SPDX-License-Identifier: LGPL-2.1-or-later
! bind_languages.F90: the twin of bind_languages.c in Fortran.
!   -DLANG_MPIF: include 'mpif.h'   -DLANG_MPI: use mpi   -DLANG_F08: use mpi_f08
! With an argument it starts with MPI_Init_thread.
#if defined LANG_F08
#define REQUEST type(MPI_Request)
#define MESSAGE type(MPI_Message)
#define STATUS type(MPI_Status) :: st
#else
#define REQUEST integer
#define MESSAGE integer
#define STATUS integer :: st(MPI_STATUS_SIZE)
#endif
#define W MPI_COMM_WORLD
#define IN b, 8, MPI_INTEGER, other, 0, W
#define OUT a, 8, MPI_INTEGER, other, 0, W
#define IGN MPI_STATUS_IGNORE
#define ALL MPI_STATUSES_IGNORE

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
	integer :: me, other, i, ierr, provided, wrong = 0
	integer :: count, indx, indices(2)
	integer, asynchronous :: a(8), b(8)
	integer, target :: buffer(1024)
	logical :: flag
	REQUEST :: r(2), s(2)
	MESSAGE :: msg
	STATUS

	if (command_argument_count() > 0) then
		call MPI_Init_thread(MPI_THREAD_SINGLE, provided, ierr)
	else
		call MPI_Init(ierr)
	end if
	call MPI_Comm_rank(W, me, ierr)
	other = 1 - me
	a = [(100 * me + i, i = 1, 8)]
	call MPI_Buffer_attach(buffer, 4096, ierr)

	! blocking
	do i = 1, 5
		if (me == 0) call send(i)
		call MPI_Recv(IN, IGN, ierr); call check()
		if (me == 1) call send(i)
	end do
	call MPI_Sendrecv(a, 8, MPI_INTEGER, other, 0, IN, IGN, ierr); call check()
	b = a
	call MPI_Sendrecv_replace(b, 8, MPI_INTEGER, other, 0, other, 0, W, IGN, ierr); call check()

	! nonblocking
	call MPI_Irecv(IN, r(1), ierr)
	call MPI_Barrier(W, ierr)
	call MPI_Rsend(OUT, ierr)
	call MPI_Wait(r(1), IGN, ierr); call check()
	call MPI_Irecv(IN, r(1), ierr)
	call MPI_Barrier(W, ierr)
	call MPI_Irsend(OUT, r(2), ierr)
	call MPI_Waitall(2, r, ALL, ierr); call check()
	call MPI_Irecv(IN, r(1), ierr)
	call MPI_Isend(OUT, r(2), ierr)
	call MPI_Waitall(2, r, ALL, ierr); call check()
	call MPI_Irecv(IN, r(1), ierr)
	call MPI_Issend(OUT, r(2), ierr)
	call MPI_Waitall(2, r, ALL, ierr); call check()
	call MPI_Irecv(IN, r(1), ierr)
	call MPI_Ibsend(OUT, r(2), ierr)
	call MPI_Waitany(2, r, indx, IGN, ierr)
	call MPI_Waitany(2, r, indx, IGN, ierr); call check()
	call MPI_Irecv(b, 8, MPI_INTEGER, other, 99, W, r(1), ierr)
	call MPI_Cancel(r(1), ierr)
	call MPI_Wait(r(1), IGN, ierr)

	! probing
	call MPI_Iprobe(other, 98, W, flag, IGN, ierr)
	call MPI_Isend(OUT, r(1), ierr)
	call MPI_Probe(other, 0, W, IGN, ierr)
	call MPI_Recv(IN, IGN, ierr)
	call MPI_Wait(r(1), IGN, ierr); call check()
	call MPI_Isend(OUT, r(1), ierr)
	call MPI_Mprobe(other, 0, W, msg, IGN, ierr)
	call MPI_Mrecv(b, 8, MPI_INTEGER, msg, IGN, ierr)
	call MPI_Wait(r(1), IGN, ierr); call check()
	call MPI_Isend(OUT, r(1), ierr)
	call MPI_Probe(other, 0, W, IGN, ierr)
	call MPI_Improbe(other, 0, W, flag, msg, IGN, ierr)
	call MPI_Imrecv(b, 8, MPI_INTEGER, msg, r(2), ierr)
	call MPI_Waitall(2, r, ALL, ierr); call check()

	! persistent
	call MPI_Recv_init(IN, r(1), ierr)
	call MPI_Recv_init(buffer, 0, MPI_INTEGER, other, 1, W, r(2), ierr)
	call MPI_Startall(2, r, ierr)
	call MPI_Isend(OUT, s(1), ierr)
	call MPI_Isend(a, 0, MPI_INTEGER, other, 1, W, s(2), ierr)
	call MPI_Waitall(2, s, ALL, ierr)
	call MPI_Waitall(2, r, ALL, ierr); call check()
	call MPI_Start(r(1), ierr)
	call MPI_Isend(OUT, s(1), ierr)
	call MPI_Waitall(1, s, ALL, ierr)
	call MPI_Wait(r(1), IGN, ierr); call check()
	call MPI_Request_free(r(1), ierr)
	call MPI_Request_free(r(2), ierr)

	! nothing
	r(1) = MPI_REQUEST_NULL
	r(2) = MPI_REQUEST_NULL
	call MPI_Test(r(1), flag, IGN, ierr)
	call MPI_Testall(2, r, flag, ALL, ierr)
	call MPI_Testany(2, r, indx, flag, IGN, ierr)
	call MPI_Testsome(2, r, count, indices, ALL, ierr)
	call MPI_Waitsome(2, r, count, indices, ALL, ierr)
	! With MPI_STATUS_IGNORE, Open MPI's mpif.h answers by itself.
	call MPI_Request_get_status(r(1), flag, st, ierr)

	call MPI_Finalize(ierr)
	if (wrong /= 0) stop 1

contains

	subroutine send(which)
		integer, intent(in) :: which
		select case (which)
		case (1 : 3)
			call MPI_Send(OUT, ierr)
		case (4)
			call MPI_Ssend(OUT, ierr)
		case (5)
			call MPI_Bsend(OUT, ierr)
		end select
	end subroutine

	subroutine check()
		integer :: k
		do k = 1, 8
			if (b(k) /= 100 * other + k) wrong = wrong + 1
		end do
		b = -1
	end subroutine
end program
