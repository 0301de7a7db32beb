//! What the role may do in the database, and what the database can hold: asked before anything is made there.

use super::conn::Conn;

/// A database as a role finds it.
#[derive(Debug)]
pub(super) struct Found {
    /// The role.
    pub(super) user: String,
    /// Its encoding, as Postgres names it.
    pub(super) encoding: String,
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
