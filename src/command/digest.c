/*-------------------------------------------------------------------------
 *
 * digest.c
 *		Digests of payloads: was the same payload sent with this id before?
 *
 * NOTES
 *		128 bits, computed from the payload's parts, and from none that depends
 *		on the machine's byte order, as a row may be restored on another one.
 *		The digest tells mistakes, it does not withstand somebody who looks for
 *		two payloads with the same one: all that they could confuse is their own
 *		command.  With SHA-256 it would take several times as long, a noticeable
 *		part of a small command.
 *
 *		Stored digests are compared with new ones: this function may not change.
 *
 * Copyright (c) 2026, the cqrs developers
 *
 * IDENTIFICATION
 *		src/command/digest.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "command/ledger.h"

/* odd numbers without a pattern: of the square roots of 2, 3, 5 and 7 */
#define K1	UINT64CONST(0x6a09e667f3bcc909)
#define K2	UINT64CONST(0xbb67ae8584caa73b)
#define K3	UINT64CONST(0x3c6ef372fe94f82b)
#define K4	UINT64CONST(0xa54ff53a5f1d36f1)

/*
 * Two lanes of 64 bits take in a word at a time, each by steps that can be undone,
 * so that inputs of one length which differ in one place never collide.
 */
typedef struct Lanes
{
	uint64		a;
	uint64		b;
} Lanes;

static void take_in(Lanes *lanes, uint64 word);
static void take_in_string(Lanes *lanes, const char *string, int len);
static void take_in_numeric(Lanes *lanes, Numeric numeric);
static void take_in_value(Lanes *lanes, const JsonbValue *value);
static uint64 rotate(uint64 x, int bits);
static uint64 spread(uint64 x);

void
cqrs_ledger_digest(Jsonb *payload, uint8 *digest)
{
	Lanes		lanes = {K1, K2};
	JsonbIterator *it = JsonbIteratorInit(&payload->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		take_in(&lanes, token);
		if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			take_in_value(&lanes, &value);
		else if (token == WJB_BEGIN_ARRAY)
			take_in(&lanes, value.val.array.rawScalar);
	}

	lanes.a = spread(lanes.a);
	lanes.b = spread(lanes.b ^ rotate(lanes.a, 17));
	for (int k = 0; k < 8; k++)
	{
		digest[k] = (uint8) (lanes.a >> (8 * k));
		digest[8 + k] = (uint8) (lanes.b >> (8 * k));
	}
}

static void
take_in(Lanes *lanes, uint64 word)
{
	lanes->a = rotate(lanes->a ^ word, 29) * K3;
	lanes->b = (rotate(lanes->b, 31) + word * K4) * K1 ^ lanes->a;
}

static void
take_in_value(Lanes *lanes, const JsonbValue *value)
{
	take_in(lanes, value->type);
	switch (value->type)
	{
		case jbvNull:
			break;
		case jbvBool:
			take_in(lanes, value->val.boolean);
			break;
		case jbvString:
			take_in_string(lanes, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			take_in_numeric(lanes, value->val.numeric);
			break;
		default:
			elog(ERROR, "unexpected type of JSON value: %d", (int) value->type);
	}
}

static void
take_in_string(Lanes *lanes, const char *string, int len)
{
	take_in(lanes, len);
	for (int i = 0; i < len; i += 8)
	{
		uint64		word = 0;

		for (int k = 0; k < 8 && i + k < len; k++)
			word |= (uint64) (unsigned char) string[i + k] << (8 * k);
		take_in(lanes, word);
	}
}

/*
 * All of a numeric are words of 16 bits, whose first ones hold sign, scale and
 * weight; what is equal in text is equal in them.
 */
static void
take_in_numeric(Lanes *lanes, Numeric numeric)
{
	const char *data = VARDATA_ANY(numeric);
	int			n = VARSIZE_ANY_EXHDR(numeric) / sizeof(uint16);

	take_in(lanes, n);
	for (int i = 0; i < n; i += 4)
	{
		uint64		word = 0;

		for (int k = 0; k < 4 && i + k < n; k++)
		{
			uint16		digit;

			memcpy(&digit, data + (i + k) * sizeof(uint16), sizeof(uint16));
			word |= (uint64) digit << (16 * k);
		}
		take_in(lanes, word);
	}
}

static uint64
rotate(uint64 x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/*
 * Each bit of the result depends on all bits.
 */
static uint64
spread(uint64 x)
{
	for (int i = 0; i < 3; i++)
		x = (x ^ (x >> 32)) * K4;
	return x ^ (x >> 29);
}
