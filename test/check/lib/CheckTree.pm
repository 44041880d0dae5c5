# What the checks share: finding files, reading C without being fooled by
# comments and strings, and reporting.  A check is a program that takes the tree
# to look at (default: the one it lies in), and prints TAP.

package CheckTree;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Find;

our @EXPORT = qw(tree files slurp rule finish lines_of c_code c_code_and_strings call_arguments);

my ($tests, $failures) = (0, 0);
my $tree = abs_path($ARGV[0] // dirname(abs_path($0)) . '/../..');

sub tree { return $tree }

# files(DIRECTORY, REGEXP): paths relative to the tree, sorted.
sub files
{
	my ($directory, $pattern) = @_;
	my @found;

	return () unless -d "$tree/$directory";
	find(
		{
			no_chdir => 1,
			wanted => sub {
				return unless -f $_;
				my $path = substr($_, length($tree) + 1);
				push @found, $path if $path =~ $pattern;
			}
		},
		"$tree/$directory");
	return sort @found;
}

sub slurp
{
	my ($path) = @_;
	open my $file, '<', "$tree/$path" or die "could not read \"$path\": $!\n";
	local $/;
	return scalar <$file> // '';
}

# The lines without their ends; empty ones at the end of the file count.
sub lines_of { return slurp($_[0]) =~ /^(.*)\n?/mg }

# rule(TEXT, FAULTS): one test, passed when there are no faults.
sub rule
{
	my ($text, @faults) = @_;
	$tests++;
	$failures++ if @faults;
	print @faults ? 'not ok' : 'ok', " $tests - $text\n";
	print "#   $_\n" foreach @faults;
	return;
}

sub finish
{
	print "1..$tests\n";
	exit($failures ? 1 : 0);
}

# c_code(TEXT): comments blanked and strings emptied; lines keep their numbers.
sub c_code
{
	my ($text) = @_;
	return blank($text, 0);
}

# The same, with the strings left as they are.
sub c_code_and_strings
{
	my ($text) = @_;
	return blank($text, 1);
}

sub blank
{
	my ($text, $keep_strings) = @_;
	$text =~ s{
		(/\*.*?\*/|//[^\n]*)
		| ("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
	}{
		my ($comment, $string) = ($1, $2);
		defined $comment ? $comment =~ s/[^\n]/ /gr
			: $keep_strings ? $string
			: substr($string, 0, 1) x 2
	}gsex;
	return $text;
}

# call_arguments(CODE, REGEXP): [line, what the regexp matched, text between the
# parentheses] of each call of a function whose name the regexp matches.
sub call_arguments
{
	my ($code, $pattern) = @_;
	my @calls;

	while ($code =~ /\b($pattern)\s*\(/g)
	{
		my ($name, $start, $depth) = ($1, pos($code), 1);
		my $end = $start;
		while ($depth > 0 && $end < length $code)
		{
			my $char = substr($code, $end++, 1);
			$depth++ if $char eq '(';
			$depth-- if $char eq ')';
		}
		my $line = 1 + (substr($code, 0, $start) =~ tr/\n//);
		push @calls, [ $line, $name, substr($code, $start, $end - $start - 1) ];
	}
	return @calls;
}

1;
