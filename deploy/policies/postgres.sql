-- The role that syncd reads Label Studio's database with, and all that it may do there. Run it in that database, as its owner:
--
--     psql -d labelstudio -f postgres.sql
--
-- and give the role a password (\password syncd) or a certificate. On a standby there is nothing to do: roles are replicated.
-- `capture: logical` wants more: ALTER ROLE syncd REPLICATION, and a publication; `syncd slot create` prints both.

CREATE ROLE syncd LOGIN NOINHERIT CONNECTION LIMIT 20;
ALTER ROLE syncd SET default_transaction_read_only = on;

GRANT USAGE ON SCHEMA public TO syncd;
GRANT SELECT ON task, task_completion, prediction, tasks_annotationdraft, task_comment_authors TO syncd;
GRANT SELECT ON project, data_import_fileupload, organization TO syncd;
GRANT SELECT (id, email, first_name, last_name) ON htx_user TO syncd;   -- not the passwords
