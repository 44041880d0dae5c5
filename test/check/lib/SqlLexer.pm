# Splits SQL into tokens, as far as the checks need it.  A token is a hash:
#
#	kind	word, quoted, string, body, number, parameter, operator, or the
#			character itself: ( ) [ ] , ; . :
#	text	as written; for a string or a body what it contains
#	lower	the name in lower case (words), or as quoted
#	line	where it begins
#	space	whether blanks or a comment precede it

package SqlLexer;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(sql_tokens sql_statements is_word);

sub sql_tokens
{
	my ($sql, $line) = @_;
	my @tokens;
	my $space = 0;
	$line //= 1;

	my $add = sub {
		my ($kind, $text, $lower) = @_;
		push @tokens, { kind => $kind, text => $text, lower => $lower // '', line => $line, space => $space };
		$space = 0;
	};

	pos($sql) = 0;
	while (pos($sql) < length $sql)
	{
		my $begin = pos($sql);
		if ($sql =~ /\G(?:\s+|--[^\n]*)/gc) { $space = 1 }
		elsif ($sql =~ m,\G(/\*(?:(?>[^*/]+)|\*(?!/)|/(?!\*)|(?1))*\*/),gc) { $space = 1 }
		elsif ($sql =~ /\G\\[^\n]*/gc) { $space = 1 }	# a psql command
		elsif ($sql =~ /\G[eE]'((?:[^'\\]|\\.|'')*)'/gcs) { $add->('string', $1) }
		elsif ($sql =~ /\G(?:[bBxXnN]|[uU]&)?'((?:[^']|'')*)'/gc) { $add->('string', $1) }
		elsif ($sql =~ /\G\$(\w*)\$(.*?)\$\1\$/gcs) { $add->('body', $2) }
		elsif ($sql =~ /\G"((?:[^"]|"")*)"/gc) { $add->('quoted', "\"$1\"", $1) }
		elsif ($sql =~ /\G\$\d+/gc) { $add->('parameter', $&) }
		elsif ($sql =~ /\G(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][-+]?\d+)?/gc) { $add->('number', $&) }
		elsif ($sql =~ /\G[A-Za-z_\x80-\xff][\w\$\x80-\xff]*/gc) { $add->('word', $&, lc $&) }
		elsif ($sql =~ /\G(?:::|:=|=>|\.\.)/gc) { $add->('punctuation', $&) }
		elsif ($sql =~ m,\G(?:(?!--|/\*)[-+*/<>=~!@#%^&|`?])+,gc) { $add->('operator', $&) }
		elsif ($sql =~ /\G./gcs) { $add->($&, $&) }
		$line += substr($sql, $begin, pos($sql) - $begin) =~ tr/\n//;
	}
	return @tokens;
}

# The statements as array references of tokens, without their semicolons.
sub sql_statements
{
	my @statements = ([]);
	my $depth = 0;
	foreach my $token (@_)
	{
		$depth++ if $token->{kind} eq '(';
		$depth-- if $token->{kind} eq ')';
		if ($token->{kind} eq ';' && $depth <= 0)
		{
			push @statements, [];
			$depth = 0;
		}
		else
		{
			push @{ $statements[-1] }, $token;
		}
	}
	return grep { @$_ } @statements;
}

sub is_word
{
	my ($token, @words) = @_;
	return 0 unless $token && $token->{kind} eq 'word';
	return scalar grep { $token->{lower} eq $_ } @words;
}

1;
