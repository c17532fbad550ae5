! SPDX-License-Identifier: LGPL-2.1-or-later
!
! hints_f.f90: hints.c in Fortran. Rank 0 sends one array to rank 1 once, in place from the first time on.
!
!   mpifort -o hints_f vmonecopy.f90 hints_f.f90
!   mpirun -n 2 ./hints_f                              plain MPI
!   mpirun -n 2 vmonecopy run -- ./hints_f             with the library
program hints_f
  use mpi
  use vmonecopy
  use, intrinsic :: iso_c_binding
  implicit none
  integer, parameter :: count = 1048576
  integer, allocatable, target :: data(:)
  type(vmonecopy_counters) :: before, after
  character(:), allocatable :: why
  integer :: rank, ranks, ierror, rc, i, wrong
  integer(c_size_t) :: bytes

  call mpi_init(ierror)
  call mpi_comm_rank(mpi_comm_world, rank, ierror)
  call mpi_comm_size(mpi_comm_world, ranks, ierror)
  if (rank == 0) then
    if (vmonecopy_active(why)) then
      print '(a,i0,a)', "libvmonecopy ", vmonecopy_version(), " is active"
    else
      print '(2a)', "libvmonecopy is not active: ", why
    end if
  end if

  allocate(data(count))
  data = 0
  if (rank == 0) data = [(i, i = 1, count)]
  bytes = count * c_sizeof(data(1))

  rc = vmonecopy_get_counters(before)
  if (rank == 0 .and. ranks > 1) then
    rc = vmonecopy_prefer(c_loc(data), bytes, 1)
    call mpi_send(data, count, mpi_integer, 1, 0, mpi_comm_world, ierror)
    print '(a,i0)', "prefer ", rc
    rc = vmonecopy_get_counters(after)
    print '(i0,a,i0,a)', after%onecopy_bytes - before%onecopy_bytes, " bytes by one copy, ", &
          after%staged_bytes - before%staged_bytes, " staged"
    rc = vmonecopy_forget(c_loc(data), bytes)
    print '(a,i0)', "forget ", rc
  else if (rank == 1) then
    call mpi_recv(data, count, mpi_integer, 0, 0, mpi_comm_world, mpi_status_ignore, ierror)
  end if
  wrong = 0
  if (rank < 2) wrong = sum([(merge(0, 1, data(i) == i), i = 1, count)])
  if (wrong == 0) print '(a,i0,a)', "rank ", rank, ": right"
  call mpi_finalize(ierror)
  if (wrong /= 0) error stop "wrong data"
end program
