! SPDX-License-Identifier: LGPL-2.1-or-later
!
! module vmonecopy: include/vmonecopy.h for Fortran 2003 and later. Compile it with the program; no library is named
! and no C compiler is needed.
!
!   vmonecopy_version()                 10000 * major + 100 * minor + patch; 0: the library is not there
!   vmonecopy_active(why)               is this process active? why: a few words if it is not
!   vmonecopy_get_counters(counters)    a snapshot; 1, or 0 and zeros
!   vmonecopy_prefer(c_loc(array), bytes, rank)    this array will be sent to that rank of MPI_COMM_WORLD: 1, 0 or -errno
!   vmonecopy_forget(c_loc(array), bytes)          no more
!
! vmonecopy.h says what they mean. Fortran has no weak symbols, so each is looked up by dlsym (glibc 2.34 and later has it
! in libc; with older ones link with -ldl), in the program's global scope: RTLD_DEFAULT, which is a null pointer on Linux.
module vmonecopy
  use, intrinsic :: iso_c_binding
  implicit none
  private
  public :: vmonecopy_counters, vmonecopy_version, vmonecopy_active, vmonecopy_get_counters, vmonecopy_prefer, &
            vmonecopy_forget

  type, bind(c) :: vmonecopy_counters
    integer(c_size_t) :: size = 0       ! set by vmonecopy_get_counters
    integer(c_int64_t) :: onecopy_messages = 0, onecopy_bytes = 0
    integer(c_int64_t) :: staged_messages = 0, staged_bytes = 0
    integer(c_int64_t) :: fell_through_messages = 0, fell_through_bytes = 0
    integer(c_int64_t) :: received_messages = 0, received_bytes = 0
    integer(c_int64_t) :: bounced_bytes = 0, substitutions = 0, emulated = 0
  end type

  interface
    function dlsym(handle, name) bind(c, name="dlsym")
      import :: c_ptr, c_funptr, c_char
      type(c_ptr), value :: handle
      character(kind=c_char), intent(in) :: name(*)
      type(c_funptr) :: dlsym
    end function
    function strlen(text) bind(c, name="strlen")
      import :: c_ptr, c_size_t
      type(c_ptr), value :: text
      integer(c_size_t) :: strlen
    end function
  end interface

  abstract interface
    function version_fn() bind(c)
      import :: c_int
      integer(c_int) :: version_fn
    end function
    function active_fn(why) bind(c)
      import :: c_int, c_ptr
      type(c_ptr), intent(out) :: why
      integer(c_int) :: active_fn
    end function
    function counters_fn(counters) bind(c)
      import :: c_int, vmonecopy_counters
      type(vmonecopy_counters), intent(inout) :: counters
      integer(c_int) :: counters_fn
    end function
    function prefer_fn(buffer, bytes, rank) bind(c)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: buffer
      integer(c_size_t), value :: bytes
      integer(c_int), value :: rank
      integer(c_int) :: prefer_fn
    end function
    function forget_fn(buffer, bytes) bind(c)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: buffer
      integer(c_size_t), value :: bytes
      integer(c_int) :: forget_fn
    end function
  end interface

contains

  function symbol(name)
    character(*), intent(in) :: name
    type(c_funptr) :: symbol
    symbol = dlsym(c_null_ptr, "vmonecopy1_" // name // c_null_char)
  end function

  function vmonecopy_version() result(number)
    integer :: number
    procedure(version_fn), pointer :: call_it
    type(c_funptr) :: address
    number = 0
    address = symbol("version")
    if (.not. c_associated(address)) return
    call c_f_procpointer(address, call_it)
    number = call_it()
  end function

  function vmonecopy_active(why) result(is)
    character(:), allocatable, intent(out) :: why
    logical :: is
    procedure(active_fn), pointer :: call_it
    character(kind=c_char), pointer :: text(:)
    type(c_funptr) :: address
    type(c_ptr) :: reason
    integer :: i
    is = .false.
    why = "libvmonecopy.so is not preloaded"
    address = symbol("active")
    if (.not. c_associated(address)) return
    call c_f_procpointer(address, call_it)
    is = call_it(reason) == 1
    call c_f_pointer(reason, text, [strlen(reason)])
    why = repeat(" ", size(text))
    do i = 1, size(text)
      why(i:i) = text(i)
    end do
  end function

  function vmonecopy_get_counters(counters) result(rc)
    type(vmonecopy_counters), intent(out) :: counters
    integer :: rc
    procedure(counters_fn), pointer :: call_it
    type(c_funptr) :: address
    rc = 0
    counters%size = c_sizeof(counters)
    address = symbol("get_counters")
    if (.not. c_associated(address)) return
    call c_f_procpointer(address, call_it)
    rc = call_it(counters)
  end function

  function vmonecopy_prefer(buffer, bytes, rank) result(rc)
    type(c_ptr), intent(in) :: buffer
    integer(c_size_t), intent(in) :: bytes
    integer, intent(in) :: rank
    integer :: rc
    procedure(prefer_fn), pointer :: call_it
    type(c_funptr) :: address
    rc = 0
    address = symbol("prefer")
    if (.not. c_associated(address)) return
    call c_f_procpointer(address, call_it)
    rc = call_it(buffer, bytes, int(rank, c_int))
  end function

  function vmonecopy_forget(buffer, bytes) result(rc)
    type(c_ptr), intent(in) :: buffer
    integer(c_size_t), intent(in) :: bytes
    integer :: rc
    procedure(forget_fn), pointer :: call_it
    type(c_funptr) :: address
    rc = 0
    address = symbol("forget")
    if (.not. c_associated(address)) return
    call c_f_procpointer(address, call_it)
    rc = call_it(buffer, bytes)
  end function

end module
