/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shape.h: where the bytes of a message lie, if not in one piece.
 *
 *   strip    `repeat` blocks of `bytes`, `stride` apart, the first one `at` from the element's address
 *   element  strips, in the order of the message (MPI's type map)
 *   shape    `count` elements, `extent` apart
 *
 *     element 0                       element 1
 *     at      at+stride               at+extent
 *     |XXXX...|XXXX...|XXXX.....|     |XXXX...|XXXX...|XXXX.....|      one strip, repeat 3
 *
 *   MPI_Type_vector(1000, 1, 8, MPI_DOUBLE) is one strip; a matrix's column, resized and sent 100 times,
 *   too. A strip is also what travels: the sender of a message in place with gaps sends its shape along
 *   (wire.h), and the receiver copies from the one shape to the other, with nothing in between.
 *
 * Offsets are signed, because a type's lower bound may be negative, and relative to the buffer's address.
 *
 * A shape that came from a peer is used only after vmo_shape_bounds said that it lies where it may.
 * Threads: a shape is constant; a walk belongs to its caller. No malloc but in vmo_strips_add.
 */
#ifndef VMO_SHAPE_H
#define VMO_SHAPE_H

#include "vmo.h"

/* ABI: as in wire.h. */
struct vmo_strip {
	int64_t at;
	int64_t stride;
	uint64_t bytes;
	uint64_t repeat;
};
_Static_assert(sizeof(struct vmo_strip) == 32, "strips travel");

struct vmo_shape {
	const struct vmo_strip *strip;
	uint32_t strips;
	uint64_t count;
	int64_t extent;
};

struct vmo_bounds {
	uint64_t bytes;		/* of the message */
	int64_t low, high;	/* it lies in [low, high) */
};

/* False: it has an empty block, no block at all, or numbers beyond 2^62. */
bool vmo_shape_bounds(const struct vmo_shape *shape, struct vmo_bounds *out);

/* One piece of `bytes` from offset 0 on. */
#define VMO_ONE_PIECE(n) { .at = 0, .stride = 0, .bytes = (n), .repeat = 1 }

/* A growing list of strips; neighbours that make one strip, or one block, are joined. */
struct vmo_strips {
	struct vmo_strip *strip;	/* malloc */
	uint32_t strips, room;
};

#define VMO_STRIPS_MOST (1u << 17)

/* 0, -ENOMEM, or -E2BIG: more than VMO_STRIPS_MOST. Empty blocks are nothing. */
int vmo_strips_add(struct vmo_strips *list, const struct vmo_strip *strip);

/* A place in the message. */
struct vmo_walk {
	struct vmo_shape shape;
	uint64_t element, block, within;
	uint32_t strip;
};

static inline struct vmo_walk vmo_walk_from(const struct vmo_shape *shape)
{
	return (struct vmo_walk){ .shape = *shape };
}

/* The next blocks, at most `most` bytes of them (more than 0), and walks on; false at the end. */
bool vmo_walk_next(struct vmo_walk *walk, uint64_t most, struct vmo_strip *out);

/* Copies the next `bytes` of the message to `to`; or from `from` into its place. Both walk on. */
void vmo_gather(struct vmo_walk *walk, const void *base, void *to, uint64_t bytes);
void vmo_scatter(struct vmo_walk *walk, void *base, const void *from, uint64_t bytes);

/* Where a message goes: in one piece, or by a walk. */
struct vmo_sink {
	char *base;
	bool shaped;
	struct vmo_walk walk;
};

/* The next `bytes` of the message are these. */
void vmo_sink_put(struct vmo_sink *sink, const void *from, uint64_t bytes);

/* Memory [0, span) of a peer, as it can be read here: parts in order, without gaps. */
struct vmo_part {
	uint64_t begin, end;
	const char *at;
};

/*
 * Copies `bytes` of a message of this shape, which lies within the parts (vmo_shape_bounds), to the sink:
 * the one copy between two shapes.
 */
void vmo_shape_copy(const struct vmo_shape *shape, const struct vmo_part *part, uint32_t parts, struct vmo_sink *sink,
                    uint64_t bytes);

#endif
