# Finds what an SQL text leaves to the search_path: functions, types, tables and
# operators without a schema, and the syntax that stands for such an operator.
#
# This is a reading of tokens, not a parser.  It knows the SQL that we write; it
# errs towards complaining.

package SqlNames;

use strict;
use warnings;

use Exporter qw(import);

use SqlLexer;

our @EXPORT = qw(unqualified);

sub set { return map { $_ => 1 } split ' ', $_[0] }

# Words that may stand before a parenthesis without being a function.
my %syntax = set(<<'END');
	all and any array as asc atomic between by case cast check coalesce conflict cross cube desc distinct else
	elsif end except exclude exists extract fetch filter first following for foreach from full generated greatest
	group grouping having if ilike immutable in inner intersect interval into is isnull join key last lateral least
	left like limit loop materialized merge natural not notnull nulls of offset on only or order outer over overlaps
	partition perform position preceding primary range references return returning returns right rollup row rows
	select set sets similar some symmetric table tablesample then to trim union unique update using values when
	where while window with within xmlelement xmlforest
END

# Types that the grammar knows, and so are never looked up.
my %grammar_type = set(<<'END');
	bigint bit boolean char character dec decimal double float int integer interval national nchar numeric real
	smallint time timestamp varchar
END

# Words after which an operand is expected, so that "-" is a sign.
my %before_operand = set('and by case default else if in limit not offset on or return returning select then to values when where');

# unqualified(SQL, LINE, PLPGSQL): a list of "LINE: what is wrong".
sub unqualified
{
	my ($sql, $line, $plpgsql) = @_;
	my @faults;
	my %known = known_relations($sql);

	foreach my $statement (sql_statements(sql_tokens($sql, $line)))
	{
		my $reader = {
			tokens => $statement,
			known => \%known,
			plpgsql => $plpgsql,
			faults => \@faults,
			parens => [ frame('') ]
		};
		read_statement($reader);
	}
	return @faults;
}

# What FROM may name without a schema: CTEs, transition tables.
sub known_relations
{
	my ($sql) = @_;
	my %known;
	my @tokens = sql_tokens($sql);

	foreach my $i (1 .. $#tokens)
	{
		my ($before, $token) = @tokens[ $i - 1, $i ];
		next unless $token->{kind} =~ /^(?:word|quoted)$/;
		next unless is_word($before, 'with', 'recursive') || $before->{kind} eq ',';
		my $j = $i + 1;
		$j = after_parens(\@tokens, $j) if $tokens[$j] && $tokens[$j]{kind} eq '(';
		next unless is_word($tokens[$j], 'as');
		$j++ while is_word($tokens[ $j + 1 ], 'not', 'materialized');
		next unless $tokens[ $j + 1 ] && $tokens[ $j + 1 ]{kind} eq '(';
		$known{ $token->{lower} } = 1;
	}
	return %known;
}

sub after_parens
{
	my ($tokens, $i) = @_;
	my $depth = 0;
	for (; $i < @$tokens; $i++)
	{
		$depth++ if $tokens->[$i]{kind} eq '(';
		$depth-- if $tokens->[$i]{kind} eq ')';
		return $i + 1 if $depth == 0;
	}
	return $i;
}

# One level of parentheses: the word before it, and which clause we are in.
sub frame { return { opener => $_[0], clause => '', target => 0, verb => '' } }

sub fault
{
	my ($reader, $token, $text) = @_;
	push @{ $reader->{faults} }, "$token->{line}: $text";
	return;
}

sub read_statement
{
	my ($reader) = @_;
	my $tokens = $reader->{tokens};

	for (my $i = 0; $i < @$tokens; $i++)
	{
		my $token = $tokens->[$i];
		my $before = $i ? $tokens->[ $i - 1 ] : undef;
		my $after = $tokens->[ $i + 1 ];
		my $frame = $reader->{parens}[-1];

		if (is_word($token, 'operator') && $after && $after->{kind} eq '(')
		{
			$i = read_operator($reader, $i);
		}
		elsif ($token->{kind} eq '(')
		{
			my $opener = $before && $before->{kind} eq 'word' ? $before->{lower} : '';
			push @{ $reader->{parens} }, frame($opener);
		}
		elsif ($token->{kind} eq ')')
		{
			pop @{ $reader->{parens} } if @{ $reader->{parens} } > 1;
		}
		elsif ($token->{kind} eq ',')
		{
			$frame->{target} = 1 if $frame->{clause} eq 'set';
			read_relation($reader, $i + 1) if $frame->{clause} eq 'from';
		}
		elsif ($token->{kind} eq 'operator')
		{
			read_bare_operator($reader, $i);
		}
		elsif ($token->{text} eq '::')
		{
			read_type($reader, $i + 1);
		}
		elsif ($token->{kind} eq 'word' || $token->{kind} eq 'quoted')
		{
			next if $before && $before->{kind} eq '.';
			read_word($reader, $i) if $token->{kind} eq 'word';
			read_function($reader, $i) if $after && $after->{kind} eq '(';
		}
	}
	return;
}

# OPERATOR(schema.name): returns the place of the closing parenthesis.
sub read_operator
{
	my ($reader, $i) = @_;
	my $tokens = $reader->{tokens};
	my $end = after_parens($tokens, $i + 1) - 1;

	fault($reader, $tokens->[$i], 'OPERATOR() without a schema')
	  unless grep { $_->{kind} eq '.' } @$tokens[ $i + 1 .. $end - 1 ];
	return $end;
}

sub read_bare_operator
{
	my ($reader, $i) = @_;
	my $tokens = $reader->{tokens};
	my ($token, $before, $after) = ($tokens->[$i], $i ? $tokens->[ $i - 1 ] : undef, $tokens->[ $i + 1 ]);
	my $frame = $reader->{parens}[-1];

	# count(*), SELECT *, t.*
	return if $token->{text} eq '*'
	  && (!$before || $before->{kind} =~ /^[(,.]$/ || is_word($before, qw(select distinct all returning perform)));

	# SET column = value
	if ($token->{text} eq '=' && $frame->{target})
	{
		$frame->{target} = 0;
		return;
	}

	# RAISE ... USING errcode = value, GET DIAGNOSTICS n = ROW_COUNT
	return if $token->{text} eq '=' && $reader->{plpgsql} && @{ $reader->{parens} } == 1
	  && grep { is_word($_, 'raise', 'get') } @$tokens[ 0 .. $i ];

	# The parser makes one constant of a sign and a number.
	return if $token->{text} eq '-' && $after && $after->{kind} eq 'number' && !$after->{space}
	  && (!$before || $before->{kind} =~ /^[(,\[]$/ || $before->{text} =~ /^(?::=|=>|\.\.)$/
		|| ($before->{kind} eq 'word' && $before_operand{ $before->{lower} })
		|| is_operator_end($tokens, $i - 1));

	fault($reader, $token, "operator $token->{text} without OPERATOR(schema.$token->{text})");
	return;
}

# Is this the closing parenthesis of OPERATOR(...)?
sub is_operator_end
{
	my ($tokens, $i) = @_;
	return 0 unless $tokens->[$i]{kind} eq ')';
	for (my $j = $i - 1; $j > 0 && $i - $j < 6; $j--)
	{
		return is_word($tokens->[ $j - 1 ], 'operator') if $tokens->[$j]{kind} eq '(';
	}
	return 0;
}

# Clauses, relations, and syntax behind which there is an operator.
sub read_word
{
	my ($reader, $i) = @_;
	my $tokens = $reader->{tokens};
	my ($token, $before, $after) = ($tokens->[$i], $i ? $tokens->[ $i - 1 ] : undef, $tokens->[ $i + 1 ]);
	my $frame = $reader->{parens}[-1];
	my $word = $token->{lower};

	if ($word =~ /^(?:select|insert|update|delete|merge|with|raise|perform)$/
		&& !is_word($before, qw(for key do then before after on)))
	{
		$frame->{verb} = $word unless $word eq 'update' && is_word($before, 'no');
		$frame->{clause} = '';
	}

	if ($word eq 'from')
	{
		return if is_word($before, 'distinct') && $i > 1 && is_word($tokens->[ $i - 2 ], 'is', 'not');
		return if $frame->{opener} =~ /^(?:extract|trim|substring|overlay)$/;
		$frame->{clause} = 'from';
		read_relation($reader, $i + 1);
	}
	elsif ($word eq 'join')
	{
		fault($reader, $token, 'NATURAL JOIN compares with an operator of the search_path')
		  if grep { is_word($_, 'natural') } @$tokens[ ($i > 3 ? $i - 3 : 0) .. $i ];
		read_relation($reader, $i + 1);
	}
	elsif ($word eq 'into' && is_word($before, 'insert', 'merge'))
	{
		read_relation($reader, $i + 1);
	}
	elsif ($word eq 'update' && !is_word($before, qw(for key do no then before after or on)))
	{
		read_relation($reader, $i + 1);
	}
	elsif ($word =~ /^(?:lock|truncate)$/ && !$before)
	{
		read_relation($reader, $i + (is_word($after, 'table') ? 2 : 1));
	}
	elsif ($word eq 'using' && $frame->{verb} eq 'delete')
	{
		$frame->{clause} = 'from';
		read_relation($reader, $i + 1);
	}
	elsif ($word eq 'using' && $frame->{verb} eq 'merge')
	{
		read_relation($reader, $i + 1);
	}
	elsif ($word eq 'using' && $frame->{clause} eq 'from' && $after && $after->{kind} eq '(')
	{
		fault($reader, $token, 'JOIN ... USING compares with an operator of the search_path');
	}
	elsif ($word eq 'set')
	{
		$frame->{clause} = 'set';
		$frame->{target} = 1;
	}
	elsif ($word =~ /^(?:where|group|having|order|limit|offset|returning|union|intersect|except|window|on|for|fetch)$/)
	{
		$frame->{target} = 0;
		$frame->{clause} = '' unless $word eq 'on';
	}

	read_hidden_operator($reader, $i);
	return;
}

sub read_hidden_operator
{
	my ($reader, $i) = @_;
	my $tokens = $reader->{tokens};
	my ($token, $before, $after) = ($tokens->[$i], $i ? $tokens->[ $i - 1 ] : undef, $tokens->[ $i + 1 ]);
	my $frame = $reader->{parens}[-1];
	my $word = $token->{lower};
	my $why = 'uses an operator of the search_path';

	if ($word eq 'in')
	{
		return if $frame->{opener} eq 'position';
		return if $reader->{plpgsql} && grep { is_word($_, 'for', 'foreach') } @$tokens[ ($i > 8 ? $i - 8 : 0) .. $i ];
		return unless $after && $after->{kind} eq '(';
		fault($reader, $token, "IN $why; write OPERATOR(pg_catalog.=) ANY (...)");
	}
	elsif ($word =~ /^(?:between|like|ilike|similar)$/)
	{
		fault($reader, $token, uc($word) . " $why");
	}
	elsif ($word eq 'nullif' && $after && $after->{kind} eq '(')
	{
		fault($reader, $token, "NULLIF $why");
	}
	elsif ($word eq 'distinct' && is_word($after, 'from') && is_word($before, 'is', 'not'))
	{
		fault($reader, $token, "IS DISTINCT FROM $why");
	}
	elsif ($word eq 'case' && $after && !is_word($after, 'when') && !is_word($before, 'end'))
	{
		fault($reader, $token, "CASE with an operand $why; write CASE WHEN");
	}
	elsif ($word eq 'as' && $frame->{opener} eq 'cast')
	{
		read_type($reader, $i + 1);
	}
	return;
}

# The name of a table, after FROM and the like.
sub read_relation
{
	my ($reader, $i) = @_;
	my $tokens = $reader->{tokens};
	$i++ while is_word($tokens->[$i], 'only', 'lateral');
	my ($token, $after) = @$tokens[ $i, $i + 1 ];

	return unless $token && $token->{kind} =~ /^(?:word|quoted)$/;
	return if $after && $after->{kind} =~ /^[.(]$/;
	return if is_word($token, qw(select values rows));
	return if $reader->{known}{ $token->{lower} };
	fault($reader, $token, "table $token->{text} without a schema");
	return;
}

# A word before a parenthesis.
sub read_function
{
	my ($reader, $i) = @_;
	my $tokens = $reader->{tokens};
	my ($token, $before) = ($tokens->[$i], $i ? $tokens->[ $i - 1 ] : undef);

	return if $token->{kind} eq 'word' && ($syntax{ $token->{lower} } || $grammar_type{ $token->{lower} });
	return if $token->{lower} eq 'nullif';

	# INSERT INTO t AS a (columns), FROM f() AS a (columns), FROM f() a (columns),
	# WITH a (columns) AS
	return if is_word($before, 'as', 'recursive', 'with');
	return if $before && $before->{kind} eq ')';
	return if $before && $before->{kind} =~ /^(?:word|quoted)$/ && $i > 1 && $tokens->[ $i - 2 ]{kind} eq '.';
	return if $reader->{known}{ $token->{lower} };

	fault($reader, $token, "function $token->{text} without a schema");
	return;
}

sub read_type
{
	my ($reader, $i) = @_;
	my ($token, $after) = @{ $reader->{tokens} }[ $i, $i + 1 ];

	return unless $token && $token->{kind} =~ /^(?:word|quoted)$/;
	return if $after && $after->{kind} eq '.';
	return if $token->{kind} eq 'word' && $grammar_type{ $token->{lower} };
	fault($reader, $token, "type $token->{text} without a schema");
	return;
}

1;
