# Work for perl: hashes, strings, regular expressions, sorting, fork.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
$| = 1;

my $state = 12345;

sub random_below {
    my ($limit) = @_;
    $state = ($state * 1103515245 + 12345) & 0x7fffffff;
    return ($state >> 8) % $limit;
}

sub show {
    my ($name, @data) = @_;
    print "$name ", sha256_hex(join("\0", @data)), "\n";
}

my %count;
for my $i (1 .. 300_000) {
    my $key = "key" . random_below(40_000);
    $count{$key} .= chr(97 + $i % 26);
    delete $count{"key" . random_below(40_000)} if $i % 3 == 0;
}
show("hash", map { "$_=$count{$_}" } sort keys %count);

my @rows = map { [ $_, random_below(1_000_000), "x" x random_below(80) ] } 1 .. 80_000;
show("sort", map { $_->[0] } sort { $a->[1] <=> $b->[1] || $a->[0] <=> $b->[0] } @rows);

my $text = join(" ", map { "user$_->[0]\@host$_->[1].example $_->[2]" } @rows[0 .. 40_000]);
my @found = $text =~ /user(\d+)\@(host\d+)\.example/g;
show("regex", @found);
(my $changed = $text) =~ s/(\w+)\@(\w+)/"$2 at " . reverse($1)/ge;
show("substitute", $changed);
show("split", map { lc } split /[\s@.]+/, $text);

my @nested;
for my $i (1 .. 2_000) {
    my %node = (id => $i, list => [ map { { v => $_, s => "s" x ($_ % 17) } } 1 .. 20 ]);
    push @nested, \%node;
    shift @nested if @nested > 700;
}
show("nested", map { my $n = $_; map { "$n->{id}:$_->{v}:$_->{s}" } @{ $n->{list} } } @nested);

for my $child (1 .. 4) {
    pipe(my $in, my $out) or die "pipe: $!";
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        close $in;
        my %own = map { $_ => $count{$_} x 2 } grep { length($_) % 4 == $child % 4 } keys %count;
        delete @count{ keys %own };
        print {$out} sha256_hex(join("\0", map { "$_=$own{$_}" } sort keys %own)), " ", scalar(keys %count), "\n";
        close $out;
        exit 0;
    }
    close $out;
    print "child $child ", <$in>;
    waitpid($pid, 0);
    die "child $child: status $?" if $?;
}
