! SPDX-License-Identifier: LGPL-2.1-or-later
!
! vmonasf.f90: the patterns of vmonas.c in Fortran (mpi_f08), with its options and its output. Plain MPI, no shim inside.
!
!   vmonasf --sizes 1048576 [--tests halo,wavefront,cg] [--ms N] [--batches N]
!
! The same sizes and the same work as in C. Arrays are allocated by the Fortran runtime, and halos are sections of columns,
! which Fortran stores in one piece. Every result has a closed form, and every number is checked outside the measured time.
! Exit status 3 if a result was wrong.
include 'kernel.inc'

module patterns
  use measuring
  implicit none
  integer, parameter :: columns = 16, blocks = 4, cycle_length = 30
  integer(int64), parameter :: mask = 2_int64**30 - 1	! sums and products below 2^63
  integer :: n
  integer(int64) :: t
  real(real64), allocatable :: now(:, :), next(:, :), was(:, :)
  integer(int64), allocatable :: above(:, :), row(:, :), first(:, :)
  real(real64), allocatable :: x(:), r(:), p(:), q(:), of_partner(:)
  real(real64) :: rho
  integer :: iteration, turn
contains
  ! ---- halo: u(t, i, j) = i + 2 j + t; the exchanged lines are columns
  pure real(real64) function exact(at, i, j)
    integer(int64), intent(in) :: at
    integer, intent(in) :: i, j
    exact = real(i, real64) + 2 * real(rank * columns + j, real64) + real(at, real64)
  end function

  integer(int64) function halo_begin(bytes)
    integer(int64), intent(in) :: bytes
    integer :: i, j
    n = int(bytes / 8)
    allocate (now(n, 0:columns + 1), next(n, 0:columns + 1))
    t = 0
    do j = 0, columns + 1
      do i = 1, n
        now(i, j) = exact(t, i, j)
      end do
    end do
    next = now
    halo_begin = 8_int64 * n
  end function

  subroutine halo_step()
    type(MPI_Request) :: request(4)
    integer :: left, right, i, j
    left = merge(rank - 1, MPI_PROC_NULL, rank > 0)
    right = merge(rank + 1, MPI_PROC_NULL, rank + 1 < ranks)
    call MPI_Irecv(now(:, 0), n, MPI_DOUBLE_PRECISION, left, 1, MPI_COMM_WORLD, request(1))
    call MPI_Irecv(now(:, columns + 1), n, MPI_DOUBLE_PRECISION, right, 2, MPI_COMM_WORLD, request(2))
    call MPI_Isend(now(:, 1), n, MPI_DOUBLE_PRECISION, left, 2, MPI_COMM_WORLD, request(3))
    call MPI_Isend(now(:, columns), n, MPI_DOUBLE_PRECISION, right, 1, MPI_COMM_WORLD, request(4))
    call MPI_Waitall(4, request, MPI_STATUSES_IGNORE)
    if (.not. MPI_ASYNC_PROTECTS_NONBLOCKING) call MPI_F_sync_reg(now)
    do i = 1, n
      if (rank == 0) now(i, 0) = exact(t, i, 0)
      if (rank == ranks - 1) now(i, columns + 1) = exact(t, i, columns + 1)
    end do
    do j = 1, columns
      do i = 2, n - 1
        next(i, j) = (now(i - 1, j) + now(i + 1, j) + now(i, j - 1) + now(i, j + 1)) / 4 + 1
      end do
      next(1, j) = exact(t + 1, 1, j)
      next(n, j) = exact(t + 1, n, j)
    end do
    call move_alloc(now, was)
    call move_alloc(next, now)
    call move_alloc(was, next)
    t = t + 1
  end subroutine

  subroutine halo_check()
    integer :: i, j
    do j = 1, columns
      do i = 1, n
        if (now(i, j) /= exact(t, i, j)) call wrong('halo: a number is wrong')
      end do
    end do
  end subroutine

  subroutine halo_end()
    deallocate (now, next)
  end subroutine

  ! ---- wavefront: v(i, j) = v(i-1, j) + v(i, j-1), small enough numbers, edge t in sweep t
  subroutine sweep(from, to, left)
    integer(int64), intent(in) :: from(:)
    integer(int64), intent(inout) :: to(:), left(columns)
    integer :: i, j
    to = from
    do i = 1, columns
      do j = 1, n
        left(i) = iand(left(i) + to(j), mask)
        to(j) = left(i)
      end do
    end do
  end subroutine

  integer(int64) function wavefront_begin(bytes)
    integer(int64), intent(in) :: bytes
    integer(int64) :: left(columns)
    integer :: r0, b
    n = int(bytes / 8)
    allocate (above(n, blocks), row(n, blocks), first(n, blocks))
    t = 0
    above = 1
    do r0 = 0, rank
      left = 0
      do b = 1, blocks
        call sweep(above(:, b), first(:, b), left)
      end do
      above = first
    end do
    wavefront_begin = 8_int64 * n
  end function

  subroutine wavefront_step()
    integer(int64) :: left(columns)
    integer :: b
    t = t + 1
    left = 0
    do b = 1, blocks
      if (rank == 0) then
        above(:, b) = t
      else
        call MPI_Recv(above(:, b), n, MPI_INTEGER8, rank - 1, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE)
      end if
      call sweep(above(:, b), row(:, b), left)
      if (rank + 1 < ranks) call MPI_Send(row(:, b), n, MPI_INTEGER8, rank + 1, 3, MPI_COMM_WORLD)
    end do
  end subroutine

  subroutine wavefront_check()
    integer :: i, b
    do b = 1, blocks
      do i = 1, n
        if (row(i, b) /= iand(t * first(i, b), mask)) call wrong('wavefront: a number is wrong')
      end do
    end do
  end subroutine

  subroutine wavefront_end()
    deallocate (above, row, first)
  end subroutine

  ! ---- conjugate gradients
  pure real(real64) function solution(i)
    integer, intent(in) :: i
    solution = 1 + real(mod(i * 7_int64 + rank * 3 + turn, 11_int64), real64)
  end function

  subroutine multiply(v)
    real(real64), intent(in) :: v(n)
    integer :: partner, i
    partner = ieor(rank, 1)
    if (partner < ranks) then
      call MPI_Sendrecv(v, n, MPI_DOUBLE_PRECISION, partner, 4, of_partner, n, MPI_DOUBLE_PRECISION, partner, 4, &
                        MPI_COMM_WORLD, MPI_STATUS_IGNORE)
    else
      of_partner = v
    end if
    do i = 1, n
      q(i) = 8 * v(i) - v(merge(n, i - 1, i == 1)) - v(merge(1, i + 1, i == n)) - 2 * of_partner(i)
    end do
  end subroutine

  real(real64) function dot(a, b)
    real(real64), intent(in) :: a(:), b(:)
    real(real64) :: mine
    mine = dot_product(a, b)
    call MPI_Allreduce(mine, dot, 1, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD)
  end function

  subroutine start_cycle()
    integer :: i
    turn = turn + 1
    iteration = 0
    do i = 1, n
      x(i) = solution(i)
    end do
    call multiply(x)
    x = 0
    r = q
    p = q
    rho = dot(r, r)
  end subroutine

  integer(int64) function cg_begin(bytes)
    integer(int64), intent(in) :: bytes
    n = int(bytes / 8)
    allocate (x(n), r(n), p(n), q(n), of_partner(n))
    turn = 0
    call start_cycle()
    cg_begin = 8_int64 * n
  end function

  subroutine iterate()
    real(real64) :: alpha, before
    call multiply(p)
    alpha = rho / dot(p, q)
    before = rho
    x = x + alpha * p
    r = r - alpha * q
    rho = dot(r, r)
    p = r + rho / before * p
    iteration = iteration + 1
  end subroutine

  subroutine cg_step()
    if (iteration == cycle_length) call start_cycle()
    call iterate()
  end subroutine

  subroutine cg_check()
    integer :: i
    do while (iteration < cycle_length)
      call iterate()
    end do
    do i = 1, n
      if (.not. abs(x(i) - solution(i)) < 1e-5_real64) call wrong('cg: the solution is wrong')
    end do
  end subroutine

  subroutine cg_end()
    deallocate (x, r, p, q, of_partner)
  end subroutine
end module

program vmonasf
  use patterns
  implicit none
  type(kernel) :: kernels(3)
  kernels(1) = kernel('halo', halo_begin, halo_step, halo_check, halo_end)
  kernels(2) = kernel('wavefront', wavefront_begin, wavefront_step, wavefront_check, wavefront_end)
  kernels(3) = kernel('cg', cg_begin, cg_step, cg_check, cg_end)
  call measure_all(kernels)
end program
