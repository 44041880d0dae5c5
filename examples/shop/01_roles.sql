-- Who is who.  Run this file as the owner of the extension, the others as they
-- come: they change to the shop's own role where they need to.

-- The owner of the shop: tables, handlers, read models.  Workers log in as this
-- role; without a password and a line in pg_hba.conf nobody else can.  NOLOGIN
-- will do from PostgreSQL 17 on.
DO $$ BEGIN CREATE ROLE shop_owner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
SELECT cqrs_grant('shop_owner', right_name)
FROM unnest(ARRAY['send', 'query', 'emit', 'define', 'watch']) AS right_name;

-- The application: it may send commands and run queries, and do nothing else.
DO $$ BEGIN CREATE ROLE shop_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
SELECT cqrs_grant('shop_app', 'send');
SELECT cqrs_grant('shop_app', 'query');

-- Two schemas: what is written, which is the shop's own business, and what is
-- read.  The application gets into the second only.
CREATE SCHEMA shop_write AUTHORIZATION shop_owner;
CREATE SCHEMA shop AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA shop TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA shop GRANT SELECT ON TABLES TO shop_app;

-- What a new function may be executed by is nobody, until somebody says so.
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
