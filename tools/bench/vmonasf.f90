! SPDX-License-Identifier: LGPL-2.1-or-later
!
! vmonasf.f90: the patterns of vmonas.c in Fortran (mpi_f08), with its options and its output. Plain MPI, no shim inside.
!
!   vmonasf --sizes 1048576 [--tests halo,wavefront,cg] [--ms N] [--batches N]
!
! Arrays are allocated by the Fortran runtime, and halos are sections of columns, which Fortran stores in one piece. Every
! result has a closed form, and every number is checked outside the measured time. Exit status 3 if a result was wrong.
module kernels
  use mpi_f08
  use iso_fortran_env, only: int64, real64, error_unit
  implicit none
  integer, parameter :: columns = 16, blocks = 4, cycle_length = 30
  integer(int64), parameter :: mask = 2_int64**30 - 1	! sums and products below 2^63
  integer :: rank, ranks, n, errors = 0
  integer(int64) :: t
  real(real64), allocatable :: now(:, :), next(:, :)
  integer(int64), allocatable :: above(:, :), row(:, :), first(:, :)
  real(real64), allocatable :: x(:), r(:), p(:), q(:), of_partner(:)
  real(real64) :: rho
  integer :: iteration, turn
contains
  subroutine wrong(what)
    character(*), intent(in) :: what
    if (errors == 0) write (error_unit, '(a,i0,2a)') 'vmobench: rank ', rank, ': ', what
    errors = errors + 1
  end subroutine

  ! ---- halo: u(t, i, j) = i + 2 j + t; the exchanged lines are columns
  pure real(real64) function exact(at, i, j)
    integer(int64), intent(in) :: at
    integer, intent(in) :: i, j
    exact = real(i, real64) + 2 * real(rank * columns + j, real64) + real(at, real64)
  end function

  subroutine halo_begin()
    integer :: i, j
    allocate (now(n, 0:columns + 1), next(n, 0:columns + 1))
    t = 0
    do j = 0, columns + 1
      do i = 1, n
        now(i, j) = exact(t, i, j)
      end do
    end do
    next = now
  end subroutine

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
    now(:, 1:columns) = next(:, 1:columns)
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

  subroutine wavefront_begin()
    integer(int64) :: left(columns)
    integer :: r0, b
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
  end subroutine

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

  ! ---- conjugate gradients
  pure real(real64) function solution(i)
    integer, intent(in) :: i
    solution = 1 + real(mod(i * 7_int64 + rank * 3 + turn, 11_int64), real64)
  end function

  subroutine multiply(v)
    real(real64), intent(in) :: v(:)
    integer :: partner
    partner = ieor(rank, 1)
    if (partner < ranks) then
      call MPI_Sendrecv(v, n, MPI_DOUBLE_PRECISION, partner, 4, of_partner, n, MPI_DOUBLE_PRECISION, partner, 4, &
                        MPI_COMM_WORLD, MPI_STATUS_IGNORE)
    else
      of_partner = v
    end if
    q = 8 * v - cshift(v, 1) - cshift(v, -1) - 2 * of_partner
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

  subroutine cg_begin()
    allocate (x(n), r(n), p(n), q(n), of_partner(n))
    turn = 0
    call start_cycle()
  end subroutine

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

  subroutine finish()
    if (allocated(now)) deallocate (now, next)
    if (allocated(above)) deallocate (above, row, first)
    if (allocated(x)) deallocate (x, r, p, q, of_partner)
  end subroutine
end module

program vmonasf
  use kernels
  implicit none
  character(9), parameter :: names(3) = ['halo     ', 'wavefront', 'cg       ']
  character(256) :: sizes = '', tests = 'halo,wavefront,cg'
  integer :: ms = 300, batches = 5, k, wrong_in_all

  call options()
  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks)
  do k = 1, size(names)
    if (index(','//trim(tests)//',', ','//trim(names(k))//',') > 0) call each_size(k)
  end do
  call MPI_Allreduce(errors, wrong_in_all, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD)
  call MPI_Finalize()
  if (wrong_in_all > 0) stop 3
contains
  subroutine options()
    character(256) :: name, value
    integer :: i
    do i = 1, command_argument_count() - 1, 2
      call get_command_argument(i, name)
      call get_command_argument(i + 1, value)
      select case (name)
      case ('--sizes')
        sizes = value
      case ('--tests')
        tests = value
      case ('--ms')
        read (value, *) ms
      case ('--batches')
        read (value, *) batches
      case default
        error stop 'vmonasf: options: --sizes B,B [--tests NAME,NAME] [--ms N] [--batches N]'
      end select
    end do
  end subroutine

  subroutine each_size(kernel)
    integer, intent(in) :: kernel
    character(256) :: left
    integer :: comma, bytes
    left = sizes
    do while (len_trim(left) > 0)
      comma = index(left, ',')
      if (comma == 0) comma = len_trim(left) + 1
      read (left(:comma - 1), *) bytes
      left = left(comma + 1:)
      call measure(kernel, bytes)
    end do
  end subroutine

  real(real64) function batch(kernel, steps)
    integer, intent(in) :: kernel, steps
    real(real64) :: spent
    integer :: i
    call MPI_Barrier(MPI_COMM_WORLD)
    spent = MPI_Wtime()
    do i = 1, steps
      select case (kernel)
      case (1)
        call halo_step()
      case (2)
        call wavefront_step()
      case (3)
        call cg_step()
      end select
    end do
    spent = MPI_Wtime() - spent
    select case (kernel)
    case (1)
      call halo_check()
    case (2)
      call wavefront_check()
    case (3)
      call cg_check()
    end select
    call MPI_Allreduce(spent, batch, 1, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD)
    batch = batch / ranks / steps * 1e6_real64
  end function

  subroutine measure(kernel, bytes)
    integer, intent(in) :: kernel, bytes
    real(real64) :: us(batches)
    integer :: steps, i, all_errors
    n = bytes / 8
    select case (kernel)
    case (1)
      call halo_begin()
    case (2)
      call wavefront_begin()
    case (3)
      call cg_begin()
    end select
    steps = max(2, int(ms * 1e3_real64 / batches / batch(kernel, 8)))
    call MPI_Bcast(steps, 1, MPI_INTEGER, 0, MPI_COMM_WORLD)
    do i = 1, batches
      us(i) = batch(kernel, steps)
    end do
    call finish()
    call MPI_Allreduce(errors, all_errors, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD)
    if (rank == 0) write (*, '(a,i0,a,i0,a,i0,a,i0,a,f14.3,a,f14.3,a,i0,a)') &
      '{"vmobench":1,"test":"'//trim(names(kernel))//'","ranks":', ranks, ',"bytes":', bytes, ',"pair_bytes":', 8 * n, &
      ',"steps":', steps, ',"latency_us":{"median":', middle(us), ',"min":', minval(us), '},"errors":', all_errors, '}'
    flush (6)
  end subroutine

  real(real64) function middle(values)
    real(real64), intent(in) :: values(:)
    integer :: i
    middle = values(1)
    do i = 1, size(values)
      if (count(values < values(i)) <= (size(values) - 1) / 2 .and. count(values <= values(i)) > (size(values) - 1) / 2) &
        middle = values(i)
    end do
  end function
end program
