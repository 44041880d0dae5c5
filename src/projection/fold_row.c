/*-------------------------------------------------------------------------
 *
 * fold_row.c
 *		Rows in memory, by primary key.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/projection/fold_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"

#include "base/compat.h"
#include "projection/fold_table.h"

#define FIRST_PLACES	1024

static uint32 hash_key(CqrsFoldTable *table, const Datum *key);
static uint64 word_of(CqrsFoldKey *key, Datum value);
static uint32 mix_word(uint64 word);
static CqrsFoldRow *new_row(CqrsFoldTable *table, uint32 hash, const Datum *key);
static void enlarge(CqrsFoldTable *table);
static int	compare_column(CqrsFoldKey *key, Datum a, Datum b);
static int64 integer_of(CqrsFoldKey *key, Datum value);
static Datum keep_in_spare(CqrsFoldTable *table, CqrsValueBuffers *buffers,
						   Form_pg_attribute att, Datum value);
static Size flat_size(Form_pg_attribute att, Datum *value, ExpandedObjectHeader **expanded);

/*
 * Forgets all rows.
 */
void
cqrs_fold_rows_begin(CqrsFoldTable *table)
{
	if (table->arena.context == NULL)
		cqrs_arena_init(&table->arena, table->engine->context, table->name);
	else
		cqrs_arena_reset(&table->arena);
	table->places = NULL;
	table->mask = 0;
	table->rows = NULL;
	table->nrows = table->rows_allocated = table->nfound = 0;
	table->used = false;
}

/*
 * The row with this key, or the place for one.
 */
CqrsFoldRow *
cqrs_fold_row_get(CqrsFoldTable *table, const Datum *key)
{
	uint32		hash = hash_key(table, key);
	CqrsFoldRow *row;
	uint32		i;

	if (table->nrows * 2 >= table->rows_allocated)
		enlarge(table);
	for (i = hash & table->mask; (row = table->places[i]) != NULL; i = (i + 1) & table->mask)
		if (row->hash == hash && cqrs_fold_row_has_key(table, row, key))
			return row;

	row = new_row(table, hash, key);
	table->places[i] = row;
	table->rows[table->nrows++] = row;
	return row;
}

/*
 * Order of the primary key.  A qsort_arg_comparator.
 */
int
cqrs_fold_row_compare(const void *a, const void *b, void *arg)
{
	CqrsFoldTable *table = (CqrsFoldTable *) arg;
	const CqrsFoldRow *x = *(CqrsFoldRow *const *) a;
	const CqrsFoldRow *y = *(CqrsFoldRow *const *) b;

	for (int i = 0; i < table->nkeys; i++)
	{
		CqrsFoldKey *key = &table->keys[i];
		int			result = compare_column(key, x->values[key->attno - 1],
											y->values[key->attno - 1]);

		if (result != 0)
			return result;
	}
	return 0;
}

/*
 * Is the order of the primary key that of the words of its rows?
 */
bool
cqrs_fold_has_word_keys(CqrsFoldTable *table)
{
	return table->nkeys == 1 && table->keys[0].is_integer;
}

uint64
cqrs_fold_row_word(CqrsFoldTable *table, const CqrsFoldRow *row)
{
	CqrsFoldKey *key = &table->keys[0];

	return (uint64) integer_of(key, row->values[key->attno - 1]) ^ (UINT64CONST(1) << 63);
}

/*
 * Takes over what has been found in the table.  Values that are stored out of
 * line stay there as long as they do not change.
 */
void
cqrs_fold_row_load(CqrsFoldTable *table, CqrsFoldRow *row, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	for (int i = 0; i < table->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(table->desc, i);

		row->values[i] = slot->tts_values[i];
		row->isnull[i] = slot->tts_isnull[i];
		if (!att->attbyval && !row->isnull[i])
		{
			Size		size = datumGetSize(row->values[i], false, att->attlen);
			char	   *copy = cqrs_arena_alloc(&table->arena, size);

			memcpy(copy, DatumGetPointer(row->values[i]), size);
			row->values[i] = PointerGetDatum(copy);
		}
	}
	row->tid = slot->tts_tid;
	row->size = cqrs_fold_page_size(slot);
	row->stored = row->present = true;
	row->unread = false;
}

/*
 * Gives n columns new values: values[0] to column columns[0], and so on; all
 * columns, in order, when "columns" is NULL.  The new values may point into
 * the old ones.
 */
void
cqrs_fold_row_store(CqrsFoldTable *table, CqrsFoldRow *row, const Datum *values,
					const bool *isnull, const AttrNumber *columns, int n)
{
	/* first put all new values beside the old ones */
	for (int i = 0; i < n; i++)
	{
		int			column = columns ? columns[i] - 1 : i;
		Form_pg_attribute att = TupleDescAttr(table->desc, column);

		if (!att->attbyval && !isnull[i] &&
			(row->isnull[column] ||
			 DatumGetPointer(values[i]) != DatumGetPointer(row->values[column])))
			keep_in_spare(table, &row->buffers[column], att, values[i]);
	}

	for (int i = 0; i < n; i++)
	{
		int			column = columns ? columns[i] - 1 : i;
		Form_pg_attribute att = TupleDescAttr(table->desc, column);

		if (att->attbyval || isnull[i])
			row->values[column] = isnull[i] ? (Datum) 0 : values[i];
		else if (row->isnull[column] ||
				 DatumGetPointer(values[i]) != DatumGetPointer(row->values[column]))
		{
			CqrsValueBuffers *buffers = &row->buffers[column];
			char	   *old = row->isnull[column] ? NULL : DatumGetPointer(row->values[column]);
			uint32		old_size = old ? buffers->size : 0;

			row->values[column] = PointerGetDatum(buffers->spare);
			buffers->size = buffers->spare_size;
			buffers->spare = old;
			buffers->spare_size = old_size;
		}
		row->isnull[column] = isnull[i];
	}
	row->present = row->changed = true;
}

void
cqrs_fold_row_delete(CqrsFoldRow *row)
{
	row->present = false;
	row->changed = true;
}

static uint32
hash_key(CqrsFoldTable *table, const Datum *key)
{
	uint32		result = 0;

	for (int i = 0; i < table->nkeys; i++)
	{
		CqrsFoldKey *k = &table->keys[i];
		uint32		hash;

		switch (k->kind)
		{
			case KEY_WORD:
				hash = mix_word(word_of(k, key[i]));
				break;
			case KEY_BYTES:
				hash = hash_bytes((unsigned char *) DatumGetPointer(key[i]), k->typlen);
				break;
			case KEY_TEXT:
				{
					text	   *value = DatumGetTextPP(key[i]);

					hash = hash_bytes((unsigned char *) VARDATA_ANY(value),
									  VARSIZE_ANY_EXHDR(value));
				}
				break;
			default:
				hash = DatumGetUInt32(FunctionCall1Coll(&k->hash, k->collation, key[i]));
				break;
		}
		result = (i == 0) ? hash : hash_combine(result, hash);
	}
	return result;
}

/*
 * The bits that count.  Those beyond the length of the type depend on who has made
 * the value: an oid is extended in one way by its input function and in another
 * one when it is read from a table.
 */
static uint64
word_of(CqrsFoldKey *key, Datum value)
{
	switch (key->typlen)
	{
		case sizeof(uint8):
			return DatumGetUInt8(value);
		case sizeof(uint16):
			return DatumGetUInt16(value);
		case sizeof(uint32):
			return DatumGetUInt32(value);
		default:
			return (uint64) value;
	}
}

/*
 * Spreads the bits of a word (the finalizer of splitmix64).
 */
static uint32
mix_word(uint64 word)
{
	word ^= word >> 30;
	word *= UINT64CONST(0xbf58476d1ce4e5b9);
	word ^= word >> 27;
	word *= UINT64CONST(0x94d049bb133111eb);
	return (uint32) (word ^ (word >> 31));
}

bool
cqrs_fold_row_has_key(CqrsFoldTable *table, CqrsFoldRow *row, const Datum *key)
{
	for (int i = 0; i < table->nkeys; i++)
	{
		CqrsFoldKey *k = &table->keys[i];
		Datum		value = row->values[k->attno - 1];
		bool		same;

		switch (k->kind)
		{
			case KEY_WORD:
				same = word_of(k, value) == word_of(k, key[i]);
				break;
			case KEY_BYTES:
				same = memcmp(DatumGetPointer(value), DatumGetPointer(key[i]), k->typlen) == 0;
				break;
			case KEY_TEXT:
				{
					text	   *x = DatumGetTextPP(value);
					text	   *y = DatumGetTextPP(key[i]);

					same = VARSIZE_ANY_EXHDR(x) == VARSIZE_ANY_EXHDR(y) &&
						memcmp(VARDATA_ANY(x), VARDATA_ANY(y), VARSIZE_ANY_EXHDR(x)) == 0;
				}
				break;
			default:
				same = DatumGetBool(FunctionCall2Coll(&k->equal, k->collation, value, key[i]));
				break;
		}
		if (!same)
			return false;
	}
	return true;
}

static CqrsFoldRow *
new_row(CqrsFoldTable *table, uint32 hash, const Datum *key)
{
	int			natts = table->desc->natts;
	CqrsFoldRow *row;

	row = cqrs_arena_alloc(&table->arena, MAXALIGN(sizeof(CqrsFoldRow)) +
						   natts * (sizeof(Datum) + sizeof(CqrsValueBuffers) + sizeof(bool)));
	memset(row, 0, sizeof(CqrsFoldRow));
	row->hash = hash;
	row->values = (Datum *) ((char *) row + MAXALIGN(sizeof(CqrsFoldRow)));
	row->buffers = (CqrsValueBuffers *) (row->values + natts);
	row->isnull = (bool *) (row->buffers + natts);
	memset(row->buffers, 0, natts * sizeof(CqrsValueBuffers));
	memset(row->isnull, true, natts * sizeof(bool));

	for (int i = 0; i < table->nkeys; i++)
	{
		CqrsFoldKey *k = &table->keys[i];
		Datum		value = key[i];

		if (!k->typbyval)
		{
			Size		size;
			char	   *copy;

			if (k->typlen == -1)
				value = PointerGetDatum(PG_DETOAST_DATUM(value));
			size = datumGetSize(value, false, k->typlen);
			copy = cqrs_arena_alloc(&table->arena, size);
			memcpy(copy, DatumGetPointer(value), size);
			value = PointerGetDatum(copy);
		}
		row->values[k->attno - 1] = value;
		row->isnull[k->attno - 1] = false;
	}
	return row;
}

/*
 * Makes the hash table twice as large.  At most half of the places are taken,
 * and "rows" has room for all that the hash table can take.
 */
static void
enlarge(CqrsFoldTable *table)
{
	uint32		size = table->places ? (table->mask + 1) * 2 : FIRST_PLACES;
	MemoryContext context = table->arena.context;

	if (table->places)
		pfree(table->places);
	table->places = MemoryContextAllocExtended(context, size * sizeof(CqrsFoldRow *),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (table->rows == NULL)
		table->rows = MemoryContextAllocHuge(context, size * sizeof(CqrsFoldRow *));
	else
		table->rows = repalloc_huge(table->rows, size * sizeof(CqrsFoldRow *));
	table->rows_allocated = size;
	table->mask = size - 1;

	for (int n = 0; n < table->nrows; n++)
	{
		uint32		i = table->rows[n]->hash & table->mask;

		while (table->places[i] != NULL)
			i = (i + 1) & table->mask;
		table->places[i] = table->rows[n];
	}
}

static int
compare_column(CqrsFoldKey *key, Datum a, Datum b)
{
	if (key->is_integer)
	{
		int64		x = integer_of(key, a);
		int64		y = integer_of(key, b);

		return (x > y) - (x < y);
	}
	return DatumGetInt32(FunctionCall2Coll(&key->compare, key->collation, a, b));
}

static int64
integer_of(CqrsFoldKey *key, Datum value)
{
	switch (key->typlen)
	{
		case sizeof(int16):
			return DatumGetInt16(value);
		case sizeof(int32):
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/*
 * Copies a value into the spare buffer, which gets larger by half at least, so
 * that a value that grows does not cost memory each time.
 */
static Datum
keep_in_spare(CqrsFoldTable *table, CqrsValueBuffers *buffers, Form_pg_attribute att, Datum value)
{
	ExpandedObjectHeader *expanded = NULL;
	Size		size = flat_size(att, &value, &expanded);

	if (buffers->spare_size < size)
	{
		Size		room = MAXALIGN(Max(size, 16));

		if (buffers->spare_size > 0 && room < buffers->spare_size + buffers->spare_size / 2)
			room = MAXALIGN(buffers->spare_size + buffers->spare_size / 2);
		buffers->spare = cqrs_arena_alloc(&table->arena, room);
		buffers->spare_size = room;
	}
	if (expanded)
		EOH_flatten_into(expanded, buffers->spare, size);
	else
		memcpy(buffers->spare, DatumGetPointer(value), size);
	return PointerGetDatum(buffers->spare);
}

/*
 * Size of the value in one piece.  A value that is stored out of line in the
 * table belongs to one column of one row, so we need a copy of it.
 */
static Size
flat_size(Form_pg_attribute att, Datum *value, ExpandedObjectHeader **expanded)
{
	if (att->attlen == -1 && VARATT_IS_EXTERNAL(DatumGetPointer(*value)))
	{
		if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(*value)))
		{
			*expanded = DatumGetEOHP(*value);
			return EOH_get_flat_size(*expanded);
		}
		*value = PointerGetDatum(detoast_external_attr((struct varlena *) DatumGetPointer(*value)));
	}
	return datumGetSize(*value, false, att->attlen);
}
