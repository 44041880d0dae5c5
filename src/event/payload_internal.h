/*-------------------------------------------------------------------------
 *
 * payload_internal.h
 *		What the files of the payload check share.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/event/payload_internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CQRS_PAYLOAD_INTERNAL_H
#define CQRS_PAYLOAD_INTERNAL_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

typedef enum CqrsShapeKind
{
	SHAPE_SCALAR,
	SHAPE_ARRAY,
	SHAPE_COMPOSITE
} CqrsShapeKind;

/*
 * Scalars that we convert ourselves, and the rest.
 */
typedef enum CqrsScalarKind
{
	SCALAR_BOOL,
	SCALAR_INT2,
	SCALAR_INT4,
	SCALAR_INT8,
	SCALAR_FLOAT,
	SCALAR_NUMERIC,
	SCALAR_TEXT,				/* text, varchar, char */
	SCALAR_UUID,
	SCALAR_DATE,
	SCALAR_TIMESTAMP,			/* with or without time zone */
	SCALAR_JSONB,
	SCALAR_JSON,
	SCALAR_ENUM,
	SCALAR_OTHER
} CqrsScalarKind;

/*
 * A type that a value is converted to, seen through its domains.
 */
typedef struct CqrsShape
{
	CqrsShapeKind kind;
	Oid			type;			/* as declared */
	Oid			base;			/* what the domains end in, or the type itself */
	int32		typmod;			/* of the base type */
	DomainConstraintRef *constraints;	/* NULL when there is no domain */

	/* how values of the base type are stored */
	int16		typlen;
	bool		typbyval;
	char		typalign;
	char		category;

	/* scalar */
	CqrsScalarKind scalar;
	FmgrInfo	input;
	Oid			ioparam;
	bool		has_times;
	int32		max_length;		/* of varchar(n), char(n), in characters; 0: unlimited */
	int			scale;			/* of numeric(p, s) ... */
	Numeric		limit;			/* ... and what is too large for it; NULL: unlimited */

	/* array */
	struct CqrsShape *element;
} CqrsShape;

typedef struct CqrsField
{
	const char *name;
	int			name_len;
	bool		dropped;
	bool		required;		/* a column that is NOT NULL */
	CqrsShape	shape;
} CqrsField;

/*
 * What we know of a composite type.  Good while "identifier" is the one that
 * the type cache has for the type and "generation" ours, and while any payload
 * is being checked.
 */
typedef struct CqrsComposite
{
	uint64		identifier;
	uint64		generation;
	MemoryContext context;		/* holds all of it */
	TupleDesc	desc;
	CqrsField  *fields;
} CqrsComposite;

/*
 * Where we are in a payload: a list on the C stack, from the leaf up.
 */
typedef struct CqrsPath
{
	const struct CqrsPath *parent;
	const char *name;			/* a field, or NULL for an element */
	int			name_len;
	int			index;			/* of the element, from 0 */
} CqrsPath;

/*
 * What has been found wrong so far.
 */
typedef struct CqrsFaults
{
	int			count;
	StringInfoData lines;		/* made when the first one is found */
} CqrsFaults;

/* payload_fault.c */
extern void cqrs_fault_add(CqrsFaults *faults, const CqrsPath *path, const char *fmt,...) pg_attribute_printf(3, 4);
extern bool cqrs_fault_unless_object(CqrsFaults *faults, Jsonb *payload);
pg_noreturn extern void cqrs_fault_raise(const CqrsFaults *faults, Oid type, const char *what, const char *name);
extern const char *cqrs_json_kind(const JsonbValue *value);

/* payload_type.c */
struct CqrsForeignCode;
extern const CqrsComposite *cqrs_composite_get(Oid type, struct CqrsForeignCode *foreign);
extern void cqrs_composite_pin(void);
extern void cqrs_composite_unpin(void);

/* payload_scalar.c, payload_number.c */
extern void cqrs_scalar_init(CqrsShape *shape, MemoryContext context);
extern bool cqrs_scalar_convert(CqrsShape *shape, const JsonbValue *value,
								Datum *result, char **fault);
extern bool cqrs_number_convert(CqrsShape *shape, const JsonbValue *value,
								Datum *result, char **fault);

/* payload_input.c */
extern bool cqrs_input_convert(CqrsShape *shape, char *string, Datum *result, char **fault);

#endif							/* CQRS_PAYLOAD_INTERNAL_H */
