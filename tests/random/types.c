/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* types.c: see types.h. Units, and walking over layouts; the constructors are in types_make.c. */
#include <stdlib.h>
#include <string.h>

#include "types_make.h"
#include "verify.h"

/* The units that are structures, in two shapes each: the same signature, other displacements. */
static struct layout record[2], mixed[2];

void layout_add(struct layout *l, MPI_Aint at, long bytes)
{
	struct piece *last = l->pieces ? &l->piece[l->pieces - 1] : NULL;

	if (bytes == 0)
		return;
	if (last && last->at + last->bytes == at) {
		last->bytes += bytes;
	} else {
		if ((l->pieces & (l->pieces - 1)) == 0) {	/* full: 0, 1, 2, 4, ... */
			l->piece = realloc(l->piece, (size_t)(l->pieces ? 2 * l->pieces : 1) * sizeof *l->piece);
			if (!l->piece)
				fail("out of memory");
		}
		l->piece[l->pieces++] = (struct piece){ at, bytes };
	}
	if (l->low > at || l->low == l->high)
		l->low = at;
	if (l->high < at + bytes || l->pieces == 1)
		l->high = at + bytes;
}

void layout_commit(struct layout *l)
{
	MPI_Aint lb;

	DO(MPI_Type_get_extent(l->type, &lb, &l->extent));
	DO(MPI_Type_commit(&l->type));
	l->own = true;
}

void layout_free(struct layout *l)
{
	if (l->own)
		DO(MPI_Type_free(&l->type));
	free(l->piece);
	*l = (struct layout){ .type = MPI_DATATYPE_NULL };
}

/* A structure of n basic elements, whose extent is made `extent`. */
static void structure(struct layout *l, int n, const MPI_Aint *at, const MPI_Datatype *basic, MPI_Aint extent)
{
	const int ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	MPI_Datatype raw;

	*l = (struct layout){ .units = 1 };
	DO(MPI_Type_create_struct(n, ones, at, basic, &raw));
	DO(MPI_Type_create_resized(raw, 0, extent, &l->type));
	DO(MPI_Type_free(&raw));
	for (int i = 0; i < n; i++) {
		int size;
		DO(MPI_Type_size(basic[i], &size));
		layout_add(l, at[i], size);
	}
	layout_commit(l);
}

void types_setup(void)
{
	static const MPI_Aint record_at[2][2] = { { 0, 8 }, { 16, 0 } };
	static const MPI_Aint mixed_at[2][4] = { { 0, 2, 4, 8 }, { 27, 24, 20, 8 } };
	const MPI_Datatype record_of[] = { MPI_INT, MPI_DOUBLE };
	const MPI_Datatype mixed_of[] = { MPI_BYTE, MPI_SHORT, MPI_INT, MPI_DOUBLE };

	for (int i = 0; i < 2; i++) {
		structure(&record[i], 2, record_at[i], record_of, i ? 24 : 16);
		structure(&mixed[i], 4, mixed_at[i], mixed_of, i ? 40 : 16);
	}
}

void types_cleanup(void)
{
	for (int i = 0; i < 2; i++) {
		layout_free(&record[i]);
		layout_free(&mixed[i]);
	}
}

int unit_elements(enum unit unit)
{
	return unit == U_RECORD ? 2 : unit == U_MIXED ? 4 : 1;
}

long unit_align(enum unit unit)
{
	return unit >= U_RECORD ? 8 : unit_bytes(unit);
}

void layout_unit(struct layout *l, struct rnd *r, enum unit unit)
{
	const MPI_Datatype basic[] = { MPI_BYTE, MPI_CHAR, MPI_SHORT, MPI_INT, MPI_LONG, MPI_DOUBLE };
	const struct layout *shape = unit == U_RECORD ? record : mixed;

	if (unit >= U_RECORD) {
		shape += rnd_below(r, 2);
		*l = (struct layout){ .type = shape->type, .extent = shape->extent, .units = 1 };
		for (long i = 0; i < shape->pieces; i++)
			layout_add(l, shape->piece[i].at, shape->piece[i].bytes);
		return;
	}
	*l = (struct layout){ .type = basic[unit], .extent = unit_bytes(unit), .units = 1 };
	layout_add(l, 0, unit_bytes(unit));
}

/* Calls `act` for each piece of the first `bytes` bytes. */
static inline void walk(const struct layout *l, long bytes, void (*act)(MPI_Aint at, long n, long done, void *arg), void *arg)
{
	long done = 0;

	for (MPI_Aint item = 0; done < bytes; item += l->extent)
		for (long i = 0; i < l->pieces && done < bytes; i++) {
			long n = l->piece[i].bytes < bytes - done ? l->piece[i].bytes : bytes - done;
			act(item + l->piece[i].at, n, done, arg);
			done += n;
		}
}

struct both {
	char *buf, *data;
	int value;
};

static void put_piece(MPI_Aint at, long n, long done, void *arg)
{
	struct both *b = arg;

	memcpy(b->buf + at, b->data + done, (size_t)n);
}

static void get_piece(MPI_Aint at, long n, long done, void *arg)
{
	struct both *b = arg;

	memcpy(b->data + done, b->buf + at, (size_t)n);
}

static void set_piece(MPI_Aint at, long n, long done, void *arg)
{
	struct both *b = arg;

	memset(b->buf + at, b->value, (size_t)n);
}

void layout_put(const struct layout *l, char *buf, const char *data, long bytes)
{
	walk(l, bytes, put_piece, &(struct both){ .buf = buf, .data = (char *)data });
}

void layout_get(const struct layout *l, const char *buf, char *data, long bytes)
{
	walk(l, bytes, get_piece, &(struct both){ .buf = (char *)buf, .data = data });
}

void layout_set(const struct layout *l, char *buf, int value, long bytes)
{
	walk(l, bytes, set_piece, &(struct both){ .buf = buf, .value = value });
}
