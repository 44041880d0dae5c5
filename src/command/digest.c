/*-------------------------------------------------------------------------
 *
 * digest.c
 *		Digests of payloads: was the same payload sent with this id before?
 *
 * NOTES
 *		128 bits, computed from the payload's text, as a row may be restored on
 *		a machine with another byte order.  The digest tells mistakes, it does
 *		not withstand somebody who looks for two payloads with the same one: all
 *		that they could confuse is their own command.  With SHA-256 it would
 *		take twice as long, a noticeable part of a small command.
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

#include "base/compat.h"
#include "command/ledger.h"

/* odd numbers without a pattern: of the square roots of 2, 3, 5 and 7 */
#define K1	UINT64CONST(0x6a09e667f3bcc909)
#define K2	UINT64CONST(0xbb67ae8584caa73b)
#define K3	UINT64CONST(0x3c6ef372fe94f82b)
#define K4	UINT64CONST(0xa54ff53a5f1d36f1)

static void digest_bytes(const unsigned char *data, Size len, uint8 *digest);
static uint64 rotate(uint64 x, int bits);
static uint64 spread(uint64 x);

void
cqrs_ledger_digest(Jsonb *payload, uint8 *digest)
{
	char	   *string = JsonbToCString(NULL, &payload->root, VARSIZE_ANY_EXHDR(payload));

	digest_bytes((unsigned char *) string, strlen(string), digest);
	pfree(string);
}

/*
 * Two lanes of 64 bits take in eight bytes at a time, each by steps that can be
 * undone, so that inputs of one length which differ in one place never collide.
 */
static void
digest_bytes(const unsigned char *data, Size len, uint8 *digest)
{
	uint64		a = K1 ^ len;
	uint64		b = K2;

	for (Size i = 0; i < len; i += 8)
	{
		uint64		word = 0;

		for (int k = 0; k < 8 && i + k < len; k++)
			word |= (uint64) data[i + k] << (8 * k);
		a = rotate(a ^ word, 29) * K3;
		b = (rotate(b, 31) + word * K4) * K1 ^ a;
	}
	a = spread(a);
	b = spread(b ^ rotate(a, 17));

	for (int k = 0; k < 8; k++)
	{
		digest[k] = (uint8) (a >> (8 * k));
		digest[8 + k] = (uint8) (b >> (8 * k));
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
