# What the benchmarks recorded: lines of benchmark, case, variant, value.

package Results;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(read_results median number machine_of);

sub read_results
{
	my ($path) = @_;
	my %values;

	open my $file, '<', $path or die "could not read \"$path\": $!\n";
	while (<$file>)
	{
		chomp;
		my ($bench, $case, $variant, $value) = split /\t/, $_, -1;
		push @{ $values{$bench}{$case}{$variant} }, $value;
	}
	return \%values;
}

sub median
{
	my ($results, $bench, $case, $variant) = @_;
	my @values = sort { $a <=> $b } @{ $results->{$bench}{$case}{$variant} // [] };
	return $values[ $#values / 2 ];
}

sub machine_of { return (keys %{ $_[0]{machine} // {} })[0] // '' }

# 12345 -> "12,345 /s", 0.1234 -> "0.12 ms"
sub number
{
	my ($value, $unit) = @_;
	my $text = $value >= 100 ? sprintf('%.0f', $value) : $value >= 10 ? sprintf('%.1f', $value) : sprintf('%.2f', $value);
	1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
	return $unit eq '/s' ? "$text/s" : "$text $unit";
}

1;
