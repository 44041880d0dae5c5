\set n random(1, 100)
CALL cqrs_execute('Count', jsonb_build_object('n', :n::int), id => NULL, token => NULL, synced => NULL);
