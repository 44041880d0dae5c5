\set n random(1, 100)
CALL emit_and_look_by_hand('counter-' || :n, false);
