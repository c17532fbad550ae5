! SPDX-License-Identifier: LGPL-2.1-or-later
! A Fortran program with its run-time library, as users have it: an array there and back, changed on the way.
program fortran
  use mpi
  implicit none
  integer, parameter :: n = 200000
  integer :: rank, error, turn, i, status(MPI_STATUS_SIZE)
  double precision, allocatable :: x(:)

  call MPI_Init(error)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, error)
  allocate(x(n))
  x = 0
  do turn = 1, 20
    if (rank == 0) then
      x = [(dble(i) + turn, i = 1, n)]
      call MPI_Send(x, n, MPI_DOUBLE_PRECISION, 1, turn, MPI_COMM_WORLD, error)
      x = -1
      call MPI_Recv(x, n, MPI_DOUBLE_PRECISION, 1, turn, MPI_COMM_WORLD, status, error)
      do i = 1, n
        if (x(i) /= 2 * (dble(i) + turn)) then
          print *, 'traffic: wrong element ', i, ' in turn ', turn, x(i)
          call MPI_Abort(MPI_COMM_WORLD, 3, error)
        end if
      end do
    else if (rank == 1) then
      call MPI_Recv(x, n, MPI_DOUBLE_PRECISION, 0, turn, MPI_COMM_WORLD, status, error)
      x = 2 * x
      call MPI_Send(x, n, MPI_DOUBLE_PRECISION, 0, turn, MPI_COMM_WORLD, error)
    end if
  end do
  if (rank == 0) print '(a)', 'traffic: Fortran, 0 wrong'
  call MPI_Finalize(error)
end program
