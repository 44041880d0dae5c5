-- What there is to see for whoever runs the shop.  In psql, add \watch 1.
SET ROLE shop_owner;
SELECT projection, state, events_behind, events_parked, last_error IS NOT NULL AS has_failed
FROM cqrs.projection_status ORDER BY projection;
SELECT name, accepted, rejected, replayed FROM cqrs.command_stats ORDER BY name;
SELECT name, calls, rejected FROM cqrs.query_stats ORDER BY name;

-- A picture of what leads to what, for mermaid; doc/shop.svg is the same, drawn
-- by graphviz.  Which command appends which events has been observed.
\pset tuples_only on
\pset format unaligned
SELECT cqrs_diagram();
