# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two ranks exchange NumPy arrays and pickled objects, all of it looked at. See onecopy_mpi4py.sh."""
import mmap
import tempfile

from mpi4py import MPI
import numpy

ROUNDS = 40
comm = MPI.COMM_WORLD
me, other = comm.rank, 1 - comm.rank
assert MPI.Query_thread() == MPI.THREAD_MULTIPLE


def value(rank, turn, n):
    return numpy.arange(n, dtype='d') + 1e7 * rank + 1e5 * turn


def in_order(send, receive):
    """Rank 0 sends first, rank 1 receives first."""
    if me == 0:
        send()
        return receive()
    result = receive()
    send()
    return result


def arrays():
    """Four times each with the same array, then a new one of another size."""
    for turn in range(ROUNDS):
        if turn % 4 == 0:
            n = 40000 + 1000 * (turn % 7)
            a, b = numpy.empty(n), numpy.empty(n)
        a[:] = value(me, turn, n)
        b[:] = -1
        in_order(lambda: comm.Send(a, other, tag=turn), lambda: comm.Recv(b, other, tag=turn))
        assert (b == value(other, turn, n)).all(), ('Recv', turn)
        b[:] = -1
        MPI.Request.Waitall([comm.Irecv(b, other), comm.Isend(a, other)])
        assert (b == value(other, turn, n)).all(), ('Irecv', turn)
        b[:] = -1
        comm.Sendrecv(a, other, 1, b, other, 1)
        assert (b == value(other, turn, n)).all(), ('Sendrecv', turn)


def freed_each_time():
    """An array lives for three sends; the next one comes to lie in its place."""
    for turn in range(ROUNDS):
        a = value(me, turn, 50000)
        b = numpy.full(50000, -1.0)
        for _ in range(3):
            comm.Sendrecv(a, other, 2, b, other, 2)
            assert (b == value(other, turn, 50000)).all(), ('freed', turn)
        del a, b


def grown_in_place():
    """bytearray and ndarray.resize call realloc()."""
    data = bytearray(b'x' * 100000)
    array = numpy.zeros(20000)
    for turn in range(ROUNDS):
        data += bytes([turn]) * 20000
        array.resize(20000 + 3000 * turn, refcheck=False)
        array[-3000:] = turn
        expected_data, expected_array = bytes(data), array.copy()
        got_data, got_array = bytearray(len(data)), numpy.empty_like(array)
        for _ in range(3):
            comm.Sendrecv(data, other, 3, got_data, other, 3)
            comm.Sendrecv(array, other, 4, got_array, other, 4)
        assert got_data == expected_data and (got_array == expected_array).all(), ('grown', turn)


def views():
    """A view keeps its owner's memory; memory that Python maps itself; a file's."""
    with tempfile.TemporaryFile() as file:
        file.truncate(8 * 50000)
        for turn in range(ROUNDS // 4):
            owner = value(me, turn, 120000)
            parts = [owner[1001:51001], owner[60000:110000]]
            mapped = mmap.mmap(-1, 8 * 50000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            on_file = mmap.mmap(file.fileno(), 8 * 50000, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            for place in (mapped, on_file):
                parts.append(numpy.frombuffer(place))
                parts[-1][:] = parts[0]
            del owner, place
            got = numpy.empty(50000)
            for k, part in enumerate(parts):
                for _ in range(2):
                    got[:] = -1
                    comm.Sendrecv(part, other, 5, got, other, 5)
                    first = 60000 if k == 1 else 1001
                    assert (got == value(other, turn, 120000)[first:first + 50000]).all(), ('view', turn, k)
            del parts, part
            mapped.close()
            on_file.close()


def pickles():
    """comm.recv probes with Mprobe for the size, then receives with Mrecv."""
    for turn in range(ROUNDS):
        thing = {'rank': me, 'turn': turn, 'text': ['%d:%d' % (me, i) for i in range(20000)],
                 'array': value(me, turn, 30000)}
        got = in_order(lambda: comm.send(thing, other, tag=turn), lambda: comm.recv(source=other, tag=turn))
        assert got['rank'] == other and got['turn'] == turn and len(got['text']) == 20000
        assert got['text'][-1] == '%d:19999' % other and (got['array'] == value(other, turn, 30000)).all()
    # small and large ones in turn, in order, from any source
    things = [bytes([k]) * size for k, size in enumerate((10, 200000, 59, 60, 61, 62, 63, 64, 65, 1000000, 1))]
    if me == 0:
        for thing in things:
            comm.send(thing, other)
    else:
        for thing in things:
            status = MPI.Status()
            assert comm.recv(source=MPI.ANY_SOURCE, tag=MPI.ANY_TAG, status=status) == thing
            assert status.source == other


def nonblocking_pickles():
    for turn in range(ROUNDS):
        thing = [me, turn, b'y' * (100000 + turn)]
        request = comm.isend(thing, other, tag=turn)
        assert comm.recv(source=other, tag=turn) == [other, turn, b'y' * (100000 + turn)]
        request.wait()


arrays()
freed_each_time()
grown_in_place()
views()
pickles()
nonblocking_pickles()
