#!/usr/bin/perl
# Writes SQL that runs random cases through diff.run() (see harness.sql).
#
# usage: generate.pl SEED FIRST COUNT
#
# A case depends on the seed and its number only.
use strict;
use warnings;

my ($seed, $first, $count) = @ARGV;

# A generator of our own: the same numbers everywhere.
my $state;
sub rnd
{
	my ($n) = @_;
	$state = ($state * 1103515245 + 12345) % 2147483648;
	return int(($state >> 8) % $n);
}
sub chance { return rnd(100) < $_[0] }
sub pick { return $_[ rnd(scalar @_) ] }
sub quote { my ($s) = @_; $s =~ s/'/''/g; return "'$s'" }
sub array { return 'array[' . join(', ', map { quote($_) } @_) . ']::text[]' }

# type => [expressions for its key, from the event]
my %key_exprs = (
	'bigint' => [ '{k}', '{k}::bigint', "(event.data->>'k')::bigint", '{q}', '{k} + 1' ],
	'int' => [ '{k}', "(event.data->>'k')::int", '{k} % 3', '{n}' ],
	'smallint' => [ '{k}::smallint', '{k}' ],
	'diff.key' => [ '{k}', '({k} % 2)::diff.key' ],
	'text' => [ "'k' || {k}", "event.data->>'k'", 'event.stream', 'event.stream_id', '{s}', 'CASE WHEN {b} THEN upper({s}) ELSE {s} END' ],
	'varchar(8)' => [ "('v' || {k})::varchar(8)", "'v' || {k}" ],
	'char(4)' => [ "('c' || {k})::char(4)", 'event.stream_id' ],
	'uuid' => [ "md5('x' || {k})::uuid" ],
	'numeric' => [ '{k}::numeric', '{m}', '{k} / 2.0' ],
	'oid' => [ '(4294967295 - {k})::oid', '({k} % 3)::oid' ],
	'date' => [ "date '2020-01-01' + {k}" ],
	'float8' => [ '{k}::float8' ],
	'int[]' => [ 'array[{k}]' ],
	'timestamptz' => [ 'date_trunc(\'day\', event.recorded_at)', 'event.recorded_at' ],
	'diff.mood' => [ "(array['low', 'mid', 'high']::diff.mood[])[1 + {k} % 3]" ],
	'int4range' => [ 'int4range({k}, {k} + 2)', "int4range({k}, {k} + 1, '[]')" ],
	'interval' => [ "{k} * interval '24 hours'", "{k} * interval '1 day'" ],
	'bytea' => [ "decode(lpad({k}::text, 4, '0'), 'hex')" ],
	'boolean' => [ '{b}', '({k} > 1)' ],
);

# type => expressions for a value, from the event
my %values = (
	'int' => [ '{n}', '{k}', '0', 'NULL', '{n} * 2', "(event.data->>'n')::int", 'length({s})', 'diff.twice({n})', 'diff.plplus({n}, 1)', '{d}', 'event.version::int', '10 / {n}' ],
	'bigint' => [ '{q}', '{n}', 'event.position', '1', 'NULL' ],
	'text' => [ '{s}', "'x'", 'NULL', 'upper({s})', 'event.type', "{s} || {k}", 'event.metadata::text', "event.data->>'s'", 'repeat({s}, 50)', "repeat({s}, 900)", '{v}', 'event.command_id::text' ],
	'numeric' => [ '{m}', '{n}', '{m} * {n}', '0', 'NULL', 'round({m}, 1)' ],
	'numeric(6,2)' => [ '{m}', '{n}', '0', '{m} * {m}' ],
	'varchar(6)' => [ '{s}', "left({s}, 6)", "'abc'", 'NULL', '{v}' ],
	'jsonb' => [ '{j}', 'event.data', "'{}'", "jsonb_build_object('n', {n})", 'NULL' ],
	'int[]' => [ '{a}', "'{}'", 'array[{n}]', 'NULL' ],
	'boolean' => [ '{b}', 'true', 'NULL', '{n} > 3' ],
	'diff.positive' => [ '{d}', 'abs({n}) + 1', '1', '{k} + 1', '{n}' ],
	'diff.short_text' => [ '{s}', "'ok'", "'ok'", "left({s}, 4)", "CASE WHEN {n} = 3 THEN 'bad' ELSE 'ok' END", '{v}' ],
	'timestamptz' => [ '{t}', 'event.recorded_at', 'NULL' ],
	'diff.pair' => [ 'ROW({n}, {s})::diff.pair', 'NULL' ],
);

# type => expressions for a new value, from the old row ({c}) and the event
my %updates = (
	'int' => [ '{c} + {n}', '{c} + 1', 'coalesce({c}, 0) + {n}', '{c} * 2', 'greatest({c}, {n})', '{c} / nullif({n}, 0)', '{c} * {c} * {c}', 'diff.plplus({c}, {n})' ],
	'bigint' => [ '{c} + {q}', 'coalesce({c}, 0) + 1', '{c} - {n}' ],
	'text' => [ '{c} || {s}', "coalesce({c}, '') || {s}", 'left({c}, 3)', "CASE WHEN length({c}) > 5000 THEN right({c}, 7) ELSE {c} || {c} END", "CASE WHEN length({c}) > 2000 THEN '' ELSE {c} || repeat({s}, 300) END" ],
	'numeric' => [ '{c} + {m}', 'coalesce({c}, 0) + {n} * {m}', '{c} * 1.10' ],
	'numeric(6,2)' => [ '{c} + {m}', '{c} * 3' ],
	'varchar(6)' => [ '{c} || {s}', 'left({c} || {s}, 6)', 'left({c}, 2)' ],
	'jsonb' => [ '{c} || {j}', "coalesce({c}, '{}') || jsonb_build_object({s}, {n})", "{c} - 'x'", "jsonb_set({c}, '{y}', to_jsonb({n}))" ],
	'int[]' => [ '{c} || {n}', 'array_append({c}, {n})', '{c} || {a}' ],
	'boolean' => [ 'NOT {c}', '{c} OR {b}' ],
	'diff.positive' => [ '{c} + {n}', '{c} - 1' ],
	'diff.short_text' => [ '{c} || {s}' ],
	'timestamptz' => [ "{c} + interval '1 day'", 'greatest({c}, event.recorded_at)' ],
);

# type => parts of a column that can be assigned to, and what with
my %parts = (
	'int[]' => [ [ '[1]', '{n}' ], [ '[2]', 'coalesce({c}[1], 0) + {n}' ], [ '[{n}]', '{k}' ], [ '[1:2]', 'array[{n}, {k}]' ] ],
	'jsonb' => [ [ "['x']", 'to_jsonb({n})' ], [ "['y'][0]", 'to_jsonb({s})' ], [ "['z']", "{c}['x']" ] ],
	'diff.pair' => [ [ '.x', '({c}).x + {n}' ], [ '.x', '{k}' ], [ '.y', '({c}).y || {s}' ] ],
);

my %conditions = (
	'int' => [ '{c} > {n}', '{c} IS NOT NULL', '{c} < 100', '{c} % 2 = 0' ],
	'bigint' => [ '{c} <> {q}' ],
	'text' => [ '{c} <> {s}', "{c} LIKE 'a%'", 'length({c}) < 3000' ],
	'numeric' => [ '{c} < {m}', '{c} >= 0' ],
	'boolean' => [ '{c}', 'NOT {c}' ],
	'jsonb' => [ "{c} ? 'x'" ],
	'diff.pair' => [ '({c}).x > 0' ],
);

# The typed fields that an expression mentions are written {f}.
sub typed { my ($e) = @_; $e =~ s/\{([kqnmsbjadvt])\}/event.$1/g; return $e }

# The same for plain SQL with the event as $1.
sub plain
{
	my ($e) = @_;
	$e =~ s/\{([kqnmsbjadvt])\}/(jsonb_populate_record(NULL::diff.f_$1, (\$1).data)).$1/g;
	$e =~ s/event\.stream_id/substr((\$1).stream, length((\$1).category) + 2)/g;
	$e =~ s/event\.([a-z_]+)/(\$1).$1/g;
	return $e;
}

sub make_table
{
	my ($name) = @_;
	my %t = (name => $name, keys => [], columns => []);
	my $nkeys = chance(75) ? 1 : 2;
	my @ddl;

	for my $i (0 .. $nkeys - 1)
	{
		my $type = pick('bigint', 'bigint', 'int', 'int', 'text', sort keys %key_exprs);
		my $ddl = $type . collation($type);
		push @{ $t{keys} }, { name => "k$i", type => $type, ddl => $ddl };
		push @ddl, "k$i $ddl";
	}
	for my $i (0 .. 1 + rnd(4))
	{
		my $type = pick('int', 'int', 'text', 'text', 'numeric', sort keys %values);
		my $ddl = "c$i $type" . collation($type);
		$ddl .= ' NOT NULL' if chance(8);
		$ddl .= ' DEFAULT 7' if $type eq 'int' && chance(30);
		$ddl .= " DEFAULT 'dft'" if $type eq 'text' && chance(30);
		$ddl .= " CHECK (c$i < 200)" if $type eq 'int' && chance(20);
		$ddl .= " CHECK (length(c$i) < 40)" if $type eq 'text' && chance(15);
		push @{ $t{columns} }, { name => "c$i", type => $type };
		push @ddl, $ddl;
	}
	if (chance(15))
	{
		my ($int) = grep { $_->{type} eq 'int' } @{ $t{columns} };
		push @ddl, "g0 int GENERATED ALWAYS AS ($int->{name} + 1) STORED" if $int;
		$t{generated} = defined $int;
	}
	my $dropped = chance(10);
	splice(@ddl, rnd(scalar @ddl), 0, 'gone ' . pick('text', 'int')) if $dropped;
	my @names = map { $_->{name} } @{ $t{keys} };
	@names = reverse @names if chance(30);
	$t{pk} = chance(95);
	push @ddl, "CONSTRAINT ${name}_key PRIMARY KEY (" . join(', ', @names) . ')' . (chance(6) ? ' INCLUDE (c0)' : '') if $t{pk};
	return partitioned(\%t, @ddl) if chance(4);
	$t{ddl} = "CREATE TABLE $name (" . join(', ', @ddl) . ')'
	  . (chance(20) ? ' WITH (fillfactor = 50)' : '') . ';';

	$t{ddl} .= " ALTER TABLE $name DROP COLUMN gone;" if $dropped;
	my $c = pick(@{ $t{columns} });
	my ($text) = grep { $_->{type} eq 'text' } @{ $t{columns} };
	$t{ddl} .= " CREATE INDEX ON $name ($text->{name});" if $text && chance(20);
	$t{ddl} .= " CREATE INDEX ON $name ($c->{name});" if chance(20) && $c->{type} !~ /jsonb/;
	$t{ddl} .= " CREATE INDEX ON $name USING gin ($c->{name});" if chance(50) && $c->{type} =~ /jsonb|\[\]/;
	$t{ddl} .= " CREATE UNIQUE INDEX ON $name ($c->{name});" if chance(5) && $c->{type} !~ /jsonb/;
	$t{ddl} .= " ALTER TABLE $name ADD UNIQUE ($c->{name}) DEFERRABLE;" if chance(2) && $c->{type} !~ /jsonb/;
	$t{ddl} .= " ALTER TABLE $name ADD EXCLUDE USING hash ($c->{name} WITH =);" if chance(2) && $c->{type} !~ /pair/;
	$t{ddl} .= " CREATE TRIGGER shout BEFORE INSERT OR UPDATE OR DELETE ON $name FOR EACH ROW EXECUTE FUNCTION diff.shout();" if chance(4);
	return \%t;
}

sub partitioned
{
	my ($t, @ddl) = @_;

	$t->{ddl} = "CREATE TABLE $t->{name} (" . join(', ', grep { !/^gone/ } @ddl) . ') PARTITION BY HASH (k0);';
	$t->{ddl} .= " CREATE TABLE $t->{name}_$_ PARTITION OF $t->{name} FOR VALUES WITH (modulus 2, remainder $_);" for 0, 1;
	return $t;
}

# The second table refers to rows of the first one.
sub refer
{
	my ($parent, $child) = @_;
	my $key = $parent->{keys}[0];

	return if !$parent->{pk} || @{ $parent->{keys} } > 1 || !$values{ $key->{type} };
	push @{ $child->{columns} }, { name => 'f0', type => $key->{type}, values => [ @{ $key_exprs{ $key->{type} } }[ 0, 0 ], 'NULL' ] };
	$child->{ddl} .= " ALTER TABLE $child->{name} ADD COLUMN f0 $key->{ddl} REFERENCES $parent->{name}"
	  . pick('', '', ' ON DELETE CASCADE', ' ON DELETE SET NULL', ' ON UPDATE CASCADE') . ';';
}

sub collation
{
	my ($type) = @_;
	return '' if $type ne 'text' || chance(75);
	return ' COLLATE ' . pick('"C"', 'diff.ignores_case');
}

sub value_for { my ($c) = @_; return pick(@{ $c->{values} // $values{ $c->{type} } }) }

sub update_for
{
	my ($c, $prefix) = @_;
	return value_for($c) if $c->{values} || chance(35) || !$updates{ $c->{type} };
	my $e = pick(@{ $updates{ $c->{type} } });
	$e =~ s/\{c\}/$prefix$c->{name}/g;
	return $e;
}

sub set_list
{
	my ($t, $prefix, $excluded) = @_;
	my @set;
	my %done;

	# each of two columns gets the other's value
	if (chance(12))
	{
		my $a = pick(@{ $t->{columns} });
		my ($b) = grep { $_->{type} eq $a->{type} && $_->{name} ne $a->{name} } @{ $t->{columns} };
		if ($b)
		{
			push @set, [ $a->{name}, "$prefix$b->{name}" ], [ $b->{name}, "$prefix$a->{name}" ];
			@done{ $a->{name}, $b->{name} } = (1, 1);
		}
	}
	for my $i (0 .. rnd(3))
	{
		my $c = pick(@{ $t->{columns} });
		next if $done{ $c->{name} }++;
		my $e = update_for($c, $prefix);
		$e = "excluded.$c->{name}" if $excluded && chance(40);
		my ($other) = grep { $_->{type} eq $c->{type} && $_->{name} ne $c->{name} } @{ $t->{columns} };
		$e = "$prefix$other->{name}" if $other && chance(25);
		push @set, $parts{ $c->{type} } && chance(40) ? part_of($c, $prefix) : [ $c->{name}, $e ];
	}
	push @set, [ $t->{columns}[0]{name}, value_for($t->{columns}[0]) ] unless @set;
	push @set, [ 'g0', 'DEFAULT' ] if $t->{generated} && chance(10);
	if (chance(3)) { my $k = $t->{keys}[0]; push @set, [ $k->{name}, key_for($k) ] }
	return '(' . join(', ', map { $_->[0] } @set) . ') = ROW (' . join(', ', map { $_->[1] } @set) . ')' if chance(8);
	return join(', ', map { "$_->[0] = $_->[1]" } @set);
}

sub part_of
{
	my ($c, $prefix) = @_;
	my ($part, $e) = @{ pick(@{ $parts{ $c->{type} } }) };
	$e =~ s/\{c\}/$prefix$c->{name}/g;
	return [ "$c->{name}$part", $e ];
}

sub key_for { my ($k) = @_; return pick(@{ $key_exprs{ $k->{type} } }) }

# The key of a table tends to be computed alike in all statements.
sub usual_key
{
	my ($k) = @_;
	$k->{usual} //= $key_exprs{ $k->{type} }[0];
	$k->{usual} = key_for($k) if chance(5);
	return $k->{usual};
}

sub where
{
	my ($t) = @_;
	my @w = map {
		my $e = usual_key($_);
		chance(85) ? "$_->{name} = $e" : "$e = $_->{name}"
	} @{ $t->{keys} };
	pop @w if chance(6);
	if (chance(30))
	{
		my $c = pick(@{ $t->{columns} });
		if (my $list = $conditions{ $c->{type} })
		{
			my $e = pick(@$list);
			$e =~ s/\{c\}/$c->{name}/g;
			push @w, $e;
		}
	}
	push @w, 'g0 > {n}' if $t->{generated} && chance(20);
	push @w, pick('{b}', '{n} > 2', "event.data ? 'k'", '{s} IS NOT NULL') if chance(15);
	return @w ? join(' AND ', @w) : 'true';
}

sub insert
{
	my ($t) = @_;
	my @columns = @{ $t->{columns} };
	@columns = grep { chance(75) } @columns if chance(40);
	my @names = map { $_->{name} } @{ $t->{keys} }, @columns;
	my @values = ((map { usual_key($_) } @{ $t->{keys} }),
		(map { chance(5) ? 'DEFAULT' : value_for($_) } @columns));
	my $sql = "INSERT INTO $t->{name} (" . join(', ', @names) . ') VALUES (' . join(', ', @values) . ')';
	my $target = '(' . join(', ', map { $_->{name} } @{ $t->{keys} }) . ')';

	if ($t->{pk} && chance(70))
	{
		if (chance(35)) { $sql .= ' ON CONFLICT ' . (chance(50) ? $target : '') . ' DO NOTHING' }
		else
		{
			$target = "ON CONSTRAINT $t->{name}_key" if chance(10);
			my $set = set_list($t, "$t->{name}.", 1);
			$sql .= " ON CONFLICT $target DO UPDATE SET $set";
			if (chance(15))
			{
				my $c = pick(@{ $t->{columns} });
				$sql .= " WHERE $t->{name}.$c->{name} IS DISTINCT FROM excluded.$c->{name}";
			}
		}
	}
	return $sql;
}

sub other_statement
{
	my ($t, $u) = @_;
	my $c = pick(@{ $t->{columns} });
	my $d = pick(@{ $u->{columns} });
	my $k = join(', ', map { $_->{name} } @{ $t->{keys} });

	return pick(
		"UPDATE $t->{name} SET $c->{name} = " . update_for($c, '') . " WHERE $c->{name} IS NOT NULL",
		"DELETE FROM $t->{name} WHERE $c->{name} IS NULL AND {n} > 2",
		"UPDATE $t->{name} SET $c->{name} = " . value_for($c) . " WHERE (SELECT count(*) FROM $u->{name}) > {k}",
		($t->{ddl} =~ /g0/ ? () : "INSERT INTO $t->{name} SELECT * FROM $t->{name} ON CONFLICT DO NOTHING"),
		# one statement that changes a row twice has no certain result
		"WITH gone AS (DELETE FROM $u->{name} WHERE " . where($u) . " RETURNING 1) "
			. ($u->{name} eq $t->{name} ? 'SELECT count(*) FROM gone'
				: "UPDATE $t->{name} SET $c->{name} = $c->{name} WHERE EXISTS (SELECT FROM gone)"),
		"SELECT count(*) FROM $t->{name}",
		"DELETE FROM $t->{name} USING $u->{name} AS other WHERE $t->{name}.k0::text = other.k0::text AND {n} > 4",
		"INSERT INTO $t->{name} ($k) SELECT " . join(', ', map { usual_key($_) } @{ $t->{keys} }) . ' WHERE {n} > 1' . ($t->{pk} ? ' ON CONFLICT DO NOTHING' : ''),
		merge($t),
	);
}

sub merge
{
	my ($t) = @_;
	my $k = join(', ', map { $_->{name} } @{ $t->{keys} });
	my $key = join(', ', map { usual_key($_) . " AS $_->{name}" } @{ $t->{keys} });
	my $on = join(' AND ', map { "$t->{name}.$_->{name} = given.$_->{name}" } @{ $t->{keys} });
	my $c = pick(@{ $t->{columns} });

	return "MERGE INTO $t->{name} USING (SELECT $key) AS given ON $on WHEN MATCHED AND {n} > 7 THEN DELETE"
	  . " WHEN MATCHED THEN UPDATE SET $c->{name} = " . update_for($c, "$t->{name}.")
	  . ' WHEN NOT MATCHED THEN INSERT (' . $k . ') VALUES (' . join(', ', map { "given.$_->{name}" } @{ $t->{keys} }) . ')';
}

sub statement
{
	my ($t, $u) = @_;
	my $r = rnd(100);

	return insert($t) if $r < 40;
	return "DELETE FROM $t->{name} WHERE " . where($t) if $r < 52;
	return other_statement($t, $u) if $r < 58;
	return "UPDATE $t->{name} SET " . set_list($t, '', 0) . ' WHERE ' . where($t);
}

sub incompressible { return join('', map { sprintf('%06x', rnd(1 << 23)) } 1 .. $_[0] / 6) }

sub event_data
{
	my ($keys, $faults) = @_;
	my @f;
	my $long = chance(4);

	push @f, '"k": ' . (chance(97) ? rnd($keys) : pick('null', '"1"', '3000000000'));
	push @f, '"q": ' . pick(rnd(5), '5000000000', '12345678901234', '"7"') if chance(85);
	push @f, '"n": ' . (chance($faults) ? pick('"x"', '1.5', '99999999999', '"12"') : rnd(12) - 2) if chance(90);
	push @f, '"m": ' . (chance($faults) ? pick('"NaN"', '"y"', '1e400') : pick(rnd(100) . '.' . rnd(100), rnd(10), '0', '-3.50', '123456789012345678901.5')) if chance(90);
	push @f, '"s": ' . pick('"a"', '"b"', '"abc"', '"\u00e9t\u00e9"', '""', 'null', '5', '{"z": [1]}', $long ? '"' . incompressible(6000) . '"' : '"xyz"') if chance(90);
	push @f, '"b": ' . pick('true', 'false', 'null', '"t"') if chance(80);
	push @f, '"j": ' . pick('{"x": 1}', '{"y": [1, 2]}', '[]', 'null', '"str"', '{"a": {"b": null}}') if chance(80);
	push @f, '"a": ' . (chance($faults) ? pick('7', '"{1,2}"', '["q"]') : pick('[1, 2]', '[]', '[3]', '[null]')) if chance(80);
	push @f, '"d": ' . (chance($faults) ? pick('0', '-1', 'null') : 1 + rnd(9)) if chance(80);
	push @f, '"v": ' . pick('"ab"', '"abcd"', chance($faults) ? '"abcdef"' : '"c"') if chance(80);
	push @f, '"t": ' . pick('"2020-05-05 10:00Z"', '"2021-01-01T00:00:00+02:00"', chance($faults) ? '"never"' : 'null') if chance(60);
	return '{' . join(', ', @f) . '}';
}

# Typed fields that a rule mentions: they are all taken from the event first.
sub check_of
{
	my %seen;
	my @fields = grep { !$seen{$_}++ } map { /\{([kqnmsbjadvt])\}/g } @_;
	return '' unless @fields;
	return 'SELECT ' . join(', ', map { plain("{$_}") . " AS f_$_" } @fields);
}

sub make_case
{
	my ($number) = @_;
	$state = ($seed * 7919 + $number * 104729 + 12345) % 2147483648;
	rnd(2) for 1 .. 10;

	my @tables = map { make_table("t$_") } 1 .. (chance(60) ? 1 : 2);
	refer(@tables) if @tables == 2 && chance(40);
	my (@types, @kinds, @rules, @checks, @plain, @counts);
	my $functions = '';
	for my $type (grep { $_ ne '*' || chance(10) } 'A', 'B', 'C', '*')
	{
		my @statements;
		for (1 .. (chance(70) ? 1 : 2 + rnd(2)))
		{
			my $t = pick(@tables);
			my $s = ($type eq 'A' && !@statements && chance(70)) ? insert($t) : statement($t, pick(@tables));
			push @statements, $s;
		}
		# a rule for all types knows of no fields
		if ($type eq '*')
		{
			my %cast = (k => 'int', q => 'bigint', n => 'int', m => 'numeric', s => 'text', b => 'boolean', j => 'jsonb', a => 'int[]', d => 'int', v => 'text', t => 'timestamptz');
			s/\{([kqnmsbjadvt])\}/(event.data->>'$1')::$cast{$1}/g for @statements;
		}
		push @types, $type;
		push @plain, map { plain($_) } @statements;
		if (chance(8))
		{
			my $name = 'f_' . ($type eq '*' ? 'all' : lc $type);
			$functions .= " CREATE FUNCTION build.$name(cqrs.event) RETURNS void LANGUAGE sql AS \$f\$ "
			  . join('; ', map { plain($_) } @statements) . "; SELECT \$f\$;";
			push @kinds, 'function';
			push @rules, "build.$name(cqrs.event)";
			push @checks, '';
		}
		else
		{
			push @kinds, 'sql';
			push @rules, join('; ', map { typed($_) } @statements);
			push @checks, check_of(@statements);
		}
		push @counts, scalar @statements;
	}

	my $keys = 1 + rnd(5);
	my $faults = chance(40) ? 2 : 0;
	my $n = 3 + rnd(45);
	my (@events, @datas);
	for (1 .. $n)
	{
		push @events, pick('A', 'A', 'B', 'B', 'C', 'X');
		push @datas, event_data($keys, $faults);
	}
	return sprintf("SELECT * FROM diff.run(%s, %s, %s,\n %s, %s,\n %s,\n %s,\n %s,\n array[%s], %s, %s::jsonb[]);\n",
		quote("$seed/$number"), quote(join(' ', map { $_->{ddl} } @tables) . $functions),
		array(map { $_->{name} } @tables), array(@kinds), array(@types), array(@rules), array(@checks),
		array(@plain), join(', ', @counts), array(@events), array(@datas));
}

print make_case($_) for $first .. $first + $count - 1;
