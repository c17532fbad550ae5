! SPDX-License-Identifier: LGPL-2.1-or-later
!
! vmokernelf.f90: the patterns of vmokernel.c in Fortran (mpi_f08), with its options and its output. Plain MPI, no shim inside.
!
!   vmokernelf --sizes 1048576 [--tests transpose,bucketsort] [--ms N] [--batches N]
!
! The same sizes, the same work and the same order in memory as in C; the matrix lies in blocks of columns, which Fortran
! stores in one piece. Every result is checked outside the measured time. Exit status 3 if a result was wrong.
include 'kernel.inc'

module patterns
  use measuring
  implicit none
  integer, parameter :: tile = 16, buckets = 1024, key_bits = 20, values = 2**key_bits
  integer(int64), parameter :: small = 2_int64**30 - 1	! of squares: sums stay below 2^63
  integer :: n			! transpose: columns of this rank; bucketsort: keys of it
  integer(int64) :: steps
  complex(real64), allocatable :: matrix(:, :), to_all(:, :, :), of_all(:, :, :)
  integer(int32), allocatable :: key(:), out(:), in(:), times(:)
  integer :: first(0:most_ranks), received
contains
  ! ---- transpose: FT's pattern; a matrix of n * ranks rows and columns
  integer(int64) function transpose_begin(bytes)
    integer(int64), intent(in) :: bytes
    integer :: i, j
    n = 1
    do while (16_int64 * (n + 1) * (n + 1) <= bytes)
      n = n + 1
    end do
    steps = 0
    allocate (matrix(n * ranks, n), to_all(n, n, ranks), of_all(n, n, ranks))
    to_all = 0
    of_all = 0
    do i = 1, n
      do j = 1, n * ranks	! the number's own place, column by column
        matrix(j, i) = cmplx(place(j, n * rank + i), 0, real64)
      end do
    end do
    transpose_begin = 16_int64 * n * n
  end function

  pure real(real64) function place(row, column)
    integer, intent(in) :: row, column
    place = real(int(column - 1, int64) * n * ranks + row - 1, real64)
  end function

  subroutine transpose_step()
    integer :: left, i, j, r
    do left = 1, n, tile	! tiles of columns: a cache line is filled while it is near
      do r = 1, ranks
        do j = 1, n
          do i = left, min(left + tile - 1, n)
            to_all(i, j, r) = matrix((r - 1) * n + j, i) + (0, 1)	! block for each rank, transposed
          end do
        end do
      end do
    end do
    call MPI_Alltoall(to_all, n * n, MPI_DOUBLE_COMPLEX, of_all, n * n, MPI_DOUBLE_COMPLEX, MPI_COMM_WORLD)
    do r = 1, ranks
      do i = 1, n
        matrix((r - 1) * n + 1:r * n, i) = of_all(:, i, r)
      end do
    end do
    steps = steps + 1
  end subroutine

  subroutine transpose_check()
    integer :: i, j
    real(real64) :: expected
    do i = 1, n
      do j = 1, n * ranks
        expected = merge(place(n * rank + i, j), place(j, n * rank + i), mod(steps, 2_int64) == 1)
        if (matrix(j, i) /= cmplx(expected, real(steps, real64), real64)) call wrong('transpose: a number is wrong')
      end do
    end do
  end subroutine

  subroutine transpose_end()
    deallocate (matrix, to_all, of_all)
  end subroutine

  ! ---- bucketsort: IS's pattern
  integer(int64) function next_random(state)
    integer(int64), intent(inout) :: state
    state = ieor(state, ishft(state, 13))
    state = ieor(state, ishft(state, -7))
    state = ieor(state, ishft(state, 17))
    next_random = ishft(state, -44)
  end function

  integer(int64) function bucketsort_begin(bytes)
    integer(int64), intent(in) :: bytes
    integer(int64) :: state, sum_of_four
    integer :: i, k
    n = int(bytes / 4) * ranks
    steps = 0
    state = 88172645463325252_int64 + rank * 7919
    allocate (key(0:n - 1), out(0:n - 1), in(0:2 * n - 1), times(0:values - 1))
    out = 0
    in = 0
    times = 0
    do i = 0, n - 1	! IS's: the mean of four
      sum_of_four = 0
      do k = 1, 4
        sum_of_four = sum_of_four + next_random(state)
      end do
      key(i) = int(ishft(sum_of_four, -2), int32)
    end do
    bucketsort_begin = bytes / 4 * 4
  end function

  pure integer function bucket_of(a_key)
    integer(int32), intent(in) :: a_key
    bucket_of = a_key / (values / buckets)
  end function

  ! As many keys for each rank as whole buckets allow.
  subroutine divide(all)
    integer, intent(in) :: all(0:buckets - 1)
    integer(int64) :: seen
    integer :: b, r
    seen = 0
    r = 0
    first(0) = 0
    do b = 0, buckets - 1
      seen = seen + all(b)
      do while (r + 1 < ranks)
        if (seen < int(n, int64) * (r + 1)) exit
        r = r + 1
        first(r) = b + 1
      end do
    end do
    first(r + 1:ranks) = buckets
  end subroutine

  subroutine sort_by_bucket(mine)
    integer, intent(in) :: mine(0:buckets - 1)
    integer :: place_of(0:buckets - 1), at, b, i
    at = 0
    do b = 0, buckets - 1
      place_of(b) = at
      at = at + mine(b)
    end do
    do i = 0, n - 1
      b = bucket_of(key(i))
      out(place_of(b)) = key(i)
      place_of(b) = place_of(b) + 1
    end do
  end subroutine

  subroutine count_values()
    integer :: i
    times = 0
    do i = 0, received - 1
      times(in(i)) = times(in(i)) + 1
    end do
  end subroutine

  subroutine change_two_keys()
    steps = steps + 1
    key(mod(steps, int(n, int64))) = int(mod(steps, int(values, int64)), int32)
    key(mod(steps * 31, int(n, int64))) = values - 1 - int(mod(steps, 1000_int64), int32)
  end subroutine

  subroutine bucketsort_step()
    integer :: mine(0:buckets - 1), all(0:buckets - 1), i, b
    call change_two_keys()
    mine = 0
    do i = 0, n - 1
      b = bucket_of(key(i))
      mine(b) = mine(b) + 1
    end do
    call MPI_Allreduce(mine, all, buckets, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD)
    call divide(all)
    call sort_by_bucket(mine)
    call exchange(mine)
    call count_values()
  end subroutine

  subroutine exchange(mine)
    integer, intent(in) :: mine(0:buckets - 1)
    integer, dimension(0:ranks - 1) :: to, from, to_at, from_at
    integer :: r
    do r = 0, ranks - 1
      to(r) = sum(mine(first(r):first(r + 1) - 1))
    end do
    call MPI_Alltoall(to, 1, MPI_INTEGER, from, 1, MPI_INTEGER, MPI_COMM_WORLD)
    do r = 0, ranks - 1
      to_at(r) = sum(to(:r - 1))
      from_at(r) = sum(from(:r - 1))
    end do
    received = sum(from)
    if (received > size(in)) call fail('bucketsort: keys are too uneven')
    call MPI_Alltoallv(out, to, to_at, MPI_INTEGER, in, from, from_at, MPI_INTEGER, MPI_COMM_WORLD)
  end subroutine

  ! Number, sum and sum of squares (of their last bits) of all keys, as they are and as they arrived.
  subroutine bucketsort_check()
    integer(int64) :: sums(6), all(6), last, last_before
    integer :: i, lowest
    sums = [int(n, int64), 0_int64, 0_int64, int(received, int64), 0_int64, 0_int64]
    do i = 0, n - 1
      sums(2) = sums(2) + key(i)
      sums(3) = sums(3) + iand(int(key(i), int64)**2, small)
    end do
    lowest = values
    last = -1
    do i = 0, values - 1
      if (times(i) == 0) cycle
      sums(5) = sums(5) + int(i, int64) * times(i)
      sums(6) = sums(6) + iand(int(i, int64)**2, small) * times(i)
      lowest = min(lowest, i)
      last = i
    end do
    call MPI_Allreduce(sums, all, 6, MPI_INTEGER8, MPI_SUM, MPI_COMM_WORLD)
    if (any(all(1:3) /= all(4:6))) call wrong('bucketsort: the keys are not those that were sorted')
    last_before = -1
    call MPI_Exscan(last, last_before, 1, MPI_INTEGER8, MPI_MAX, MPI_COMM_WORLD)
    if (rank > 0 .and. last_before >= lowest) call wrong('bucketsort: the order between ranks is wrong')
  end subroutine

  subroutine bucketsort_end()
    deallocate (key, out, in, times)
  end subroutine
end module

program vmokernelf
  use patterns
  implicit none
  type(kernel) :: kernels(2)
  kernels(1) = kernel('transpose', transpose_begin, transpose_step, transpose_check, transpose_end)
  kernels(2) = kernel('bucketsort', bucketsort_begin, bucketsort_step, bucketsort_check, bucketsort_end)
  call measure_all(kernels)
end program
