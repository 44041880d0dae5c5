#!/usr/bin/perl
#
# Prints calls of every function of the extension that can be called from SQL, with
# arguments that were not meant for it: nulls, extremes, odd arrays, malformed or
# merely mutated names, templates, tokens, payloads, rules.
#
#	generate.pl SEED COUNT <signatures
#
# Signatures are lines "kind|name|type|type...".  The same seed gives the same calls.

use strict;
use warnings;
use utf8;

my ($seed, $count) = @ARGV;
srand($seed);

sub pick { return $_[ int rand @_ ] }
sub literal { my $s = $_[0]; $s =~ s/'/''/g; $s =~ s/\0//g; return "'$s'" }

my @names = ('', ' ', 'running', 'inline', 'draft', 'paused', 'order-1', 'fuzz-1', 'ItemAdded', 'Everything', 'Plain', 'Other', 'Called', 'Inline', '*', 'Handle',
	'HandleAll', 'HandleVoid', 'Fail', 'Answer', 'AnswerRows', 'AnswerNone', 'send', 'query', 'emit', 'define', 'watch', 'fuzz', 'public', 'park', 'skip', 'stop',
	'async', 'c', 'q', 'running$1', '-', 'a-', '-a', 'a-b-c', '"', "'", '\\', '%s%n', '$1', "x\ny", "\x01", 'ä', "\x{1F600}", 'x' x 63, 'x' x 64, 'x' x 513, 'x' x 5000,
	'1-1-700', '1-1-1', '0-0-0', '1-1-99999999999999999999', '--', '1--1', '4294967296-1-1', 'pg_catalog', 'pg_temp', 'cqrs', 'cqrs.event', 'null', '{}', '[]');
my @json = ('null', '{}', '[]', '""', '1', 'true', '-0', '1e400', '1e-400', '1e200000', '{"a": null}', '{"order_id": 1, "name": "x", "qty": 2, "price": 3.5}',
	'{"order_id": 1, "order_id": 2}', '{"order_id": "1"}', '{"order_id": 9223372036854775808}', '{"order_id": 1.5}', '{"i2": 1, "i4": 2, "i8": 3, "n": 4.5, "n2": 999.99,
	"f4": 1.5, "f8": 2.5, "t": "t", "v": "vvvvv", "c": "ccc", "b": true, "u": "11111111-1111-1111-1111-111111111111", "d": "2024-02-29", "ts": "2024-02-29T10:11:12.123456",
	"tz": "2024-02-29T10:11:12+01:30", "iv": "1 day", "j": {"a": [1]}, "js": [1], "ba": "\\\\x00ff", "q": 1, "m": "good", "r": "[1,5)", "x": {"a": 1, "b": ["x"], "odd name": null},
	"xs": [{"a": 1}, null], "i4s": [1, null, 3], "ts2": [["a"], ["b"]], "e": "10.0.0.1", "nm": "n", "o": 1, "rc": "pg_class"}',
	'{"q": 1, "i4s": [[1, 2], [3]]}', '{"q": 1, "i4s": [[[[[[[1]]]]]]]}', '{"q": 0}', '{"q": 1, "x": []}', '{"q": 1, "xs": {"a": 1}}', '{"stream": "fuzz-2", "type": "Inline", "n": "x"}',
	'{"stream": "fuzz-3", "type": "Inline", "n": 5}', '{"code": "40001"}', '{"code": "XX000"}', '{"code": "57014"}', '{"n": 100}', '{"n": -1}', '{"\u0001": 1}', '{"boom": 1}',
	'[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]', '{"a":' x 200 . '1' . '}' x 200, '"' . 'x' x 10000 . '"');
my @rules = ('INSERT INTO d VALUES (event.position, 1, event.type)', 'INSERT INTO d (id) VALUES (event.version)',
	'UPDATE d SET a = a + 1, b = event.data->>\'x\' WHERE id = event.position AND a > 0', 'DELETE FROM d WHERE id = event.position', 'SELECT 1',
	'INSERT INTO d VALUES (event.order_id, event.qty, event.name) ON CONFLICT (id) DO UPDATE SET a = excluded.a + d.a WHERE d.b IS DISTINCT FROM excluded.b',
	'INSERT INTO d VALUES (event.order_id, event.qty * event.price, event.name) ON CONFLICT DO NOTHING', 'INSERT INTO d SELECT event.position, count(*), max(b) FROM d',
	'WITH x AS (INSERT INTO d VALUES (event.position, 1, NULL) RETURNING *) SELECT * FROM x', 'MERGE INTO d USING (SELECT event.position AS p) s ON d.id = s.p WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.p, 1, NULL)',
	'UPDATE d SET (a, b) = (SELECT 1, \'x\') WHERE id = event.position; DELETE FROM d WHERE id = 2;', 'INSERT INTO d VALUES (CASE event.type WHEN \'Plain\' THEN 1 ELSE event.position END, COALESCE(NULL, event.version::int), (event.data #>> \'{a,b}\'))',
	# of batches
	'INSERT INTO d SELECT position, version, type FROM events', 'INSERT INTO d SELECT e.position, count(*) OVER (), e.data::text FROM events e JOIN events f USING (position) ORDER BY 1 LIMIT 5',
	'UPDATE d SET a = x.n FROM (SELECT max(version) AS n FROM events) x', 'SELECT event', 'SELECT event.*', 'SELECT (event).position', 'SELECT event.nothing', '', ';', ';;', '--', '/*', 'INSERT INTO d VALUES (now()::text::int)',
	'COPY d FROM STDIN', 'CREATE TABLE x ()', 'COMMIT', 'EXPLAIN SELECT 1', 'SELECT $1', 'SELECT $1::int + event.position', 'VALUES (1), (event.position)', 'TABLE d', 'INSERT INTO d DEFAULT VALUES',
	'UPDATE d SET id = event.version WHERE id = event.position', 'SELECT * FROM d FOR UPDATE', 'SELECT 1 INTO x', 'UPDATE ONLY d AS t SET b = t.b || event.stream WHERE t.id = event.position OR false');
my @tables = ('', 'CREATE TABLE d (id bigint PRIMARY KEY, a int, b text)', 'CREATE TABLE d (id int PRIMARY KEY, a numeric(3,1) CHECK (a > 0), b varchar(3) NOT NULL DEFAULT \'x\')',
	'CREATE TABLE d (id bigint, a int, b text, PRIMARY KEY (id, b))', 'CREATE TABLE d (id bigint PRIMARY KEY, a int GENERATED ALWAYS AS (id::int) STORED, b text)',
	'CREATE TABLE d (id bigint PRIMARY KEY, a int, b text); CREATE INDEX ON d (b); CREATE VIEW v AS SELECT * FROM d; CREATE TABLE _h ()',
	'CREATE TABLE d (id bigint, a int, b text) PARTITION BY RANGE (id); CREATE TABLE d1 PARTITION OF d DEFAULT', 'CREATE TABLE x (', 'SELECT 1/0', 'DROP SCHEMA fuzz CASCADE',
	'CREATE TABLE d (id bigint PRIMARY KEY, a int REFERENCES d DEFERRABLE INITIALLY DEFERRED, b text UNIQUE)', 'CREATE MATERIALIZED VIEW d AS SELECT 1::bigint AS id', 'COMMIT', 'CREATE TEMP TABLE d (id int)');

# One to three small changes.
sub mutate
{
	my ($s) = @_;
	for (0 .. int rand 3)
	{
		my $at = int rand(1 + length $s);
		my $what = int rand 7;
		if ($what == 0) { substr($s, $at, 1) = '' if $at < length $s }
		elsif ($what == 1) { substr($s, $at, 0) = chr(1 + int rand 126) }
		elsif ($what == 2) { substr($s, $at, 0) = substr($s, int rand(1 + length $s), int rand 20) // '' }
		elsif ($what == 3) { $s = substr($s, 0, $at) }
		elsif ($what == 4) { substr($s, $at, 0) = pick('(', ')', ',', ';', '::', ' ', '"', "'", '-', '.', '$$', '{', '}', '[', ']', '\\', '*', 'NULL', 'event', 'event.', '9' x 30, '1e5') }
		elsif ($what == 5) { $s =~ s/(\d+)/pick(-1, 0, 1, 2**31, '9223372036854775807', '1e999', 'x')/e }
		elsif ($what == 6) { my @w = split /(\W+)/, $s; @w[ rand @w, rand @w ] = @w[ rand @w, rand @w ] if @w > 1; $s = join '', map { $_ // '' } @w }
	}
	return $s;
}

sub some { my $s = pick(@_); return rand() < 0.4 ? mutate($s) : $s }

my %values = (
	text => sub { literal(rand() < 0.9 ? some(@names) : pick(@rules, @tables)) },
	jsonb => sub { literal(some(@json)) },
	bigint => sub { pick(0, 1, 2, 10, -1, 1000, '2147483648', '9223372036854775807', "'-9223372036854775808'") },
	integer => sub { pick(0, 1, 2, 10, -1, 1000, 1001, 2147483647, "'-2147483648'") },
	uuid => sub { literal(pick('00000000-0000-0000-0000-000000000000', '11111111-1111-1111-1111-111111111111', 'ffffffff-ffff-ffff-ffff-ffffffffffff')) },
	interval => sub { literal(pick('0', '1ms', '10ms', '-1s', '1 month -30 days', '-178000000 years', '178000000 years', '1us')) },
	regprocedure => sub { pick("'fuzz.handle(jsonb)'", "'fuzz.handle_all(fuzz.everything)'", "'fuzz.answer(jsonb)'", "'fuzz.answer_none()'", "'fuzz.on_event(cqrs.event)'", "'cqrs_token()'", "'sum(int)'", 0, 1, 4294967295) },
	regtype => sub { pick("'fuzz.item'", "'fuzz.everything'", "'int'", "'fuzz.qty'", "'cqrs.event'", "'fuzz.item[]'", "'record'", "'anyelement'", 0, 4294967295) },
	regrole => sub { pick("'fuzz_role'", "'pg_monitor'", 0, 4294967295) },
	boolean => sub { pick('true', 'false') },
	'"char"' => sub { literal(pick('c', 'q', '', 'x')) },
	'text[]' => sub { array('text', sub { some(@names) }) },
	'jsonb[]' => sub { array('jsonb', sub { some(@json) }) },
);

sub array
{
	my ($type, $element) = @_;
	return pick("'{}'", "'{NULL}'", "'{{a,b},{c,d}}'", "'[5:6]={1,2}'", "'{{{{{{1}}}}}}'", "'{NULL,NULL}'") if rand() < 0.3;
	return "ARRAY[" . join(', ', map { rand() < 0.1 ? 'NULL' : literal($element->()) } 0 .. rand 4) . "]::${type}[]";
}

sub value
{
	my ($type) = @_;
	my $make = $values{$type};
	return 'NULL' if $type =~ /^any/;
	return "NULL::$type" if rand() < 0.12;
	# of types that have come since: what nearly any of them may be, or refuse
	return literal(pick('', '0', '{}', '(,)', '(,,,,,,,,,,)', some(@names))) . "::$type" unless $make;
	return $make->() . "::$type";
}

my @signatures = map { chomp; [ split /\|/ ] } <STDIN>;
die "no signatures\n" unless @signatures;

sub call
{
	my ($kind, $name, @types) = @{ pick(@signatures) };
	return "CALL $name(" . join(', ', map { value($_) } @types) . ')' if $kind eq 'p';
	my $call = "$name(" . join(', ', map { value($_) } @types) . ')';
	return rand() < 0.2 ? "SELECT * FROM $call AS x" : "SELECT $call";
}

# Mostly one of these, as it is: only what can be started is executed.
sub rule
{
	my $rule = rand() < 0.85 ? $rules[ pick(@_) ] : pick(@rules);
	return rand() < 0.25 ? mutate($rule) : $rule;
}

# A projection from mutated parts, and events for it.
sub projection
{
	my $type = pick('ItemAdded', 'Plain', 'Everything', '*');
	my @sql = ('SELECT cqrs_create_projection(\'made\', \'fuzz\', ' . literal(rand() < 0.9 ? $tables[ 1 + int rand 5 ] : some(@tables)) . ', mode => ' . literal(pick('async', 'async', 'inline')) . ')');
	push @sql, rand() < 0.8
	  ? "SELECT cqrs_on('made', '$type', " . literal(rule(0 .. 11)) . '::text)'
	  : "SELECT cqrs_on_batch('made', '{$type}', " . literal(rule(12 .. 14)) . ')'
	  for 0 .. rand 2;
	$_ =~ s/\bd\b/d_made/g foreach @sql;
	push @sql, "SELECT cqrs_explain('made')" if rand() < 0.3;
	push @sql, "SELECT cqrs_start('made')";
	push @sql, 'SELECT cqrs_emit(' . join(', ', literal(pick('order-1', 'made-1', 'made-2')), literal(pick('ItemAdded', 'Plain', 'Everything')), literal(some(@json))) . ')' for 0 .. rand 5;
	push @sql, "SELECT cqrs_catch_up('made')", "SELECT cqrs_retry_parked('made')", 'SELECT * FROM cqrs.projection_status', "SELECT cqrs_drop_projection('made')";
	return @sql;
}

binmode STDOUT, ':utf8';
# After an error psql goes back to before the statement, so that what comes next
# is executed, too.
print "\\set ON_ERROR_ROLLBACK on\nSET search_path = fuzz, public;\nSET client_min_messages = error;\nSET statement_timeout = '300ms';\n";
for (my $n = 0; $n < $count;)
{
	my @sql = rand() < 0.25 ? projection() : map { call() } 0 .. rand 4;
	my $transaction = !grep { /^CALL/ } @sql;

	@sql = grep { /^CALL/ } @sql unless $transaction;
	print "BEGIN;\n" if $transaction;
	print map { "$_\n;\n" } @sql;
	print "ROLLBACK;\n" if $transaction;
	$n += @sql;
}
