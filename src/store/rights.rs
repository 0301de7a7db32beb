//! What the role may do in the database, and what the database can hold: asked before anything is made there.

use super::conn::Conn;

/// A database as a role finds it.
#[derive(Debug)]
pub(super) struct Found {
    /// The role.
    pub(super) user: String,
    /// Its server's version, as `server_version_num`.
    pub(super) version_no: i32,
    /// The same in words.
    pub(super) version: String,
    /// Its encoding, as Postgres names it.
    pub(super) encoding: String,
    /// A schema of one of our names holds tables, and no account of our migrations.
    pub(super) is_foreign: bool,
    /// What an administrator must run first, as one line of SQL; `None`: nothing.
    pub(super) missing: Option<String>,
}

/// Looks.
pub(super) async fn look(conn: &mut Conn<'_>) -> sqlx::Result<Found> {
    sqlx::query_file_as!(Found, "src/store/sql/rights_look.sql").fetch_one(conn).await
}

/// Whoever makes the tables makes them as the schema's owner, where that is a role of theirs: then they are its other members', too.
pub(super) async fn become_owner(conn: &mut Conn<'_>) -> sqlx::Result<()> {
    let become_owner = "do $$
        declare
            owner text := (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'hiersync');
        begin
            if owner <> current_user and pg_has_role(owner, 'member') then
                execute format('set local role %I', owner);
            end if;
        exception when insufficient_privilege then null; -- a member that may not become it
        end
        $$";
    sqlx::query(become_owner).execute(conn).await?;
    Ok(())
}

/// What an administrator is to run so that BI tools can read by roles of their own: nothing where both are there and may.
pub async fn readers_lack(conn: &mut Conn<'_>) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select r.statement as "statement!" from hiersync_internal.reader_statements() r
           where not coalesce(
               has_schema_privilege(to_regrole('hiersync_reader'), 'hiersync_bi', 'usage')
               and has_schema_privilege(to_regrole('hiersync_pii_reader'), 'hiersync', 'usage')
               and has_table_privilege(to_regrole('hiersync_reader'), 'hiersync_bi.customer', 'select')
               and has_table_privilege(to_regrole('hiersync_pii_reader'), 'hiersync_bi.customer_person', 'select')
               and has_table_privilege(to_regrole('hiersync_pii_reader'), 'hiersync.customer', 'select')
               and has_function_privilege(to_regrole('hiersync_pii_reader'), 'hiersync.customer_at(timestamptz)', 'execute')
               and not exists (
                   select from unnest(array['customer_person', 'customer_identifier', 'reporting_person', 'change_field_value']) personal
                   where has_table_privilege(to_regrole('hiersync_reader'), 'hiersync_bi.' || personal, 'select')
               )
               -- A dump that is loaded for another owner has them not.
               and 2 = (
                   select count(*) from pg_default_acl d
                   where d.defaclrole = (select relowner from pg_class where oid = 'hiersync.source'::regclass) and d.defaclobjtype = 'r'
                     and d.defaclnamespace in ('hiersync'::regnamespace, 'hiersync_bi'::regnamespace)
               ), false
           )
             and not (r.statement = 'create role hiersync_reader nologin' and to_regrole('hiersync_reader') is not null)
             and not (r.statement = 'create role hiersync_pii_reader nologin' and to_regrole('hiersync_pii_reader') is not null)"#
    )
    .fetch_all(conn)
    .await
}
