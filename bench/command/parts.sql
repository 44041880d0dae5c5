-- Cost of the dispatch, in parts: microseconds per call, inside one transaction each.
DO $$
DECLARE
	payload constant jsonb := '{"order_id": 7, "product_id": 3, "qty": 2}';
	n constant int := 50000;
	began timestamptz;
	direct float8;
	send float8;
	typed float8;
	emit float8;
BEGIN
	began := clock_timestamp();
	FOR i IN 1..n LOOP PERFORM bench.nothing(payload); END LOOP;
	direct := extract(epoch FROM clock_timestamp() - began) * 1e6 / n;
	began := clock_timestamp();
	FOR i IN 1..n LOOP PERFORM cqrs_send('Nothing', payload); END LOOP;
	send := extract(epoch FROM clock_timestamp() - began) * 1e6 / n;
	began := clock_timestamp();
	FOR i IN 1..n LOOP PERFORM cqrs_send('NothingTyped', payload); END LOOP;
	typed := extract(epoch FROM clock_timestamp() - began) * 1e6 / n;
	began := clock_timestamp();
	FOR i IN 1..n LOOP PERFORM cqrs_emit('order-' || i, 'ItemAdded', payload); END LOOP;
	emit := extract(epoch FROM clock_timestamp() - began) * 1e6 / n;
	RAISE NOTICE 'direct call % us | through cqrs_send + % us, with its ledger row | typed payload + % us | one event % us',
		round(direct::numeric, 1), round((send - direct)::numeric, 1), round((typed - send)::numeric, 1), round(emit::numeric, 1);
END $$;
