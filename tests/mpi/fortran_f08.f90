! SPDX-License-Identifier: LGPL-2.1-or-later
! mpi_f08: probes and matched receives show true sizes, MPI_STATUS(ES)_IGNORE, error codes, persistent
! receives, MPI_Request_get_status, cancelled receives, buffered sends and derived types (MPI 3.1, chapters 3 and 17).
!
! RUN: np=2 VMONECOPY=0
! RUN: np=2 expect="(onecopy|staged)_bytes [1-9]" expect="held_messages [1-9]"
! RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
! RUN: np=2 VMONECOPY_THRESHOLD=64
program fortran_f08
	use mpi_f08
	use, intrinsic :: iso_c_binding, only: c_ptr
	implicit none
	integer, parameter :: n = 20000
	double precision, asynchronous :: out(n), in(n), columns(2, n)
	type(MPI_Request) :: request(2)
	type(MPI_Status) :: status, statuses(2)
	type(MPI_Message) :: message
	type(MPI_Datatype) :: column
	type(MPI_Comm) :: comm
	integer :: me, other, ierr, count, class, i
	logical :: flag
	double precision, allocatable :: attached(:)

	call MPI_Init(ierr)
	call MPI_Comm_dup(MPI_COMM_WORLD, comm)
	call MPI_Comm_rank(comm, me)
	other = 1 - me
	do i = 1, 4
		call probed(10 * i)
		call matched(10 * i + 1)
		call ignored(10 * i + 2)
		call persistent(10 * i + 3)
		call derived(10 * i + 4)
		call cancelled(10 * i + 5)
		call buffered(10 * i + 6)
		call truncated(10 * i + 7)
	end do
	if (me == 0) print '(a)', 'ok'
	call MPI_Finalize()

contains

	subroutine check(good, what)
		logical, intent(in) :: good
		character(*), intent(in) :: what
		if (good) return
		print *, 'rank', me, ': wrong: ', what
		call MPI_Abort(MPI_COMM_WORLD, 1)
	end subroutine

	subroutine fill(tag)
		integer, intent(in) :: tag
		integer :: k
		in = -1
		do k = 1, n
			out(k) = k + 100000d0 * tag + 1d9 * me
		end do
	end subroutine

	subroutine verify(data, tag, what)
		double precision, intent(in) :: data(:)
		integer, intent(in) :: tag
		character(*), intent(in) :: what
		integer :: k
		do k = 1, size(data)
			call check(data(k) == k + 100000d0 * tag + 1d9 * other, what)
		end do
	end subroutine

	subroutine verify_status(st, tag, what)
		type(MPI_Status), intent(in) :: st
		integer, intent(in) :: tag
		character(*), intent(in) :: what
		call MPI_Get_count(st, MPI_DOUBLE_PRECISION, count)
		call check(count == n .and. st%MPI_SOURCE == other .and. st%MPI_TAG == tag, what)
		if (what == 'probe' .or. what == 'matched probe') return	! MPICH's leave that bit unset
		call MPI_Test_cancelled(st, flag)
		call check(.not. flag, what)
	end subroutine

	subroutine probed(tag)
		integer, intent(in) :: tag
		call fill(tag)
		call MPI_Isend(out, n, MPI_DOUBLE_PRECISION, other, tag, comm, request(1))
		call MPI_Probe(MPI_ANY_SOURCE, tag, comm, status)
		call verify_status(status, tag, 'probe')
		flag = .false.
		do while (.not. flag)
			call MPI_Iprobe(other, MPI_ANY_TAG, comm, flag, MPI_STATUS_IGNORE)
		end do
		call MPI_Recv(in, n, MPI_DOUBLE_PRECISION, other, tag, comm, status)
		call verify_status(status, tag, 'receive after probe')
		call verify(in, tag, 'probed')
		call MPI_Wait(request(1), MPI_STATUS_IGNORE)
	end subroutine

	subroutine matched(tag)
		integer, intent(in) :: tag
		call fill(tag)
		call MPI_Isend(out, n, MPI_DOUBLE_PRECISION, other, tag, comm, request(1))
		call MPI_Mprobe(other, tag, comm, message, status)
		call verify_status(status, tag, 'matched probe')
		call MPI_Imrecv(in, n, MPI_DOUBLE_PRECISION, message, request(2))
		call check(message == MPI_MESSAGE_NULL, 'message is null')
		call MPI_Waitall(2, request, statuses)
		call verify_status(statuses(2), tag, 'matched receive')
		call verify(in, tag, 'matched')
	end subroutine

	subroutine ignored(tag)
		integer, intent(in) :: tag
		call fill(tag)
		call MPI_Irecv(in, n, MPI_DOUBLE_PRECISION, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, request(1))
		call MPI_Isend(out, n, MPI_DOUBLE_PRECISION, other, tag, comm, request(2))
		call MPI_Waitall(2, request, MPI_STATUSES_IGNORE)
		call verify(in, tag, 'statuses ignored')
		call MPI_Sendrecv(out, n, MPI_DOUBLE_PRECISION, other, tag, in, n, MPI_DOUBLE_PRECISION, other, tag, comm, &
		                  MPI_STATUS_IGNORE)
		call verify(in, tag, 'status of sendrecv ignored')
	end subroutine

	subroutine persistent(tag)
		integer, intent(in) :: tag
		call fill(tag)
		call MPI_Recv_init(in, n, MPI_DOUBLE_PRECISION, other, tag, comm, request(1))
		call MPI_Start(request(1))
		call MPI_Isend(out, n, MPI_DOUBLE_PRECISION, other, tag, comm, request(2))
		flag = .false.
		do while (.not. flag)
			call MPI_Request_get_status(request(1), flag, status)
		end do
		call verify_status(status, tag, 'looked at')
		call MPI_Waitall(2, request, statuses)
		call verify_status(statuses(1), tag, 'persistent')
		call verify(in, tag, 'persistent')
		call MPI_Request_free(request(1))
	end subroutine

	! Every second element.
	subroutine derived(tag)
		integer, intent(in) :: tag
		call fill(tag)
		columns = -1
		call MPI_Type_vector(n, 1, 2, MPI_DOUBLE_PRECISION, column)
		call MPI_Type_commit(column)
		call MPI_Irecv(columns, 1, column, other, tag, comm, request(1))
		call MPI_Send(out, n, MPI_DOUBLE_PRECISION, other, tag, comm)
		call MPI_Wait(request(1), status)
		call MPI_Get_count(status, column, count)
		call check(count == 1, 'count of a derived type')
		call MPI_Get_elements(status, column, count)
		call check(count == n, 'elements of a derived type')
		call verify(columns(1, :), tag, 'derived')
		call check(all(columns(2, :) == -1), 'gaps')
		call MPI_Type_free(column)
	end subroutine

	subroutine cancelled(tag)
		integer, intent(in) :: tag
		in = -1
		call MPI_Irecv(in, n, MPI_DOUBLE_PRECISION, other, tag, comm, request(1))
		call MPI_Cancel(request(1))
		call MPI_Wait(request(1), status)
		call MPI_Test_cancelled(status, flag)
		call check(flag .and. all(in == -1), 'cancelled')
	end subroutine

	subroutine buffered(tag)
		integer, intent(in) :: tag
		type(c_ptr) :: address
		integer :: bytes
		call fill(tag)
		allocate(attached(n + MPI_BSEND_OVERHEAD))
		call MPI_Buffer_attach(attached, 8 * (n + MPI_BSEND_OVERHEAD))
		call MPI_Bsend(out, n, MPI_DOUBLE_PRECISION, other, tag, comm)
		call MPI_Recv(in, n, MPI_DOUBLE_PRECISION, other, tag, comm, status)
		call verify_status(status, tag, 'buffered')
		call verify(in, tag, 'buffered')
		call MPI_Buffer_detach(address, bytes)
		deallocate(attached)
	end subroutine

	! Of a blocking receive: Open MPI 4.1.4 hands neither statuses nor requests back to Fortran after an error.
	subroutine truncated(tag)
		integer, intent(in) :: tag
		call fill(tag)
		call MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN)
		call MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN)
		call MPI_Isend(out, n, MPI_DOUBLE_PRECISION, other, tag, comm, request(1))
		call MPI_Recv(in, n / 2, MPI_DOUBLE_PRECISION, other, tag, comm, status, ierr)
		call MPI_Error_class(ierr, class)
		call check(class == MPI_ERR_TRUNCATE, 'truncated')
		call MPI_Wait(request(1), MPI_STATUS_IGNORE)
		call MPI_Comm_set_errhandler(comm, MPI_ERRORS_ARE_FATAL)
		call MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL)
	end subroutine
end program
