\set n random(1, :streams)
SELECT cqrs_emit('counter-' || :n, 'Counted');
