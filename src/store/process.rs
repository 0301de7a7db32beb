//! Who we are among the processes that share the database, and which of the others are dead.

use std::{fs, sync::OnceLock};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use super::{conn::Conn, lease::LASTS};

/// A process as it can be told apart from all others, past and present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Boot id and process namespace: processes with the same text can see each other.
    pub machine: String,
    /// Process id there.
    pub pid: i32,
    /// When the kernel started it, in ticks since boot: tells a reused pid.
    pub start_ticks: i64,
}

impl Identity {
    /// This process.
    pub fn own() -> Self {
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        Self { machine: machine().to_owned(), pid, start_ticks: start_ticks(pid).unwrap_or(0) }
    }

    /// Whether the process is surely dead: it ran where we can see, and is not there any more.
    pub fn is_dead(&self) -> bool {
        if self.machine != machine() {
            return false;
        }
        match start_ticks(self.pid) {
            Some(ticks) => ticks != self.start_ticks,
            // A system may hide other users' processes: only what the kernel does not know at all is dead.
            None => is_zombie(self.pid) || kill(Pid::from_raw(self.pid), None) == Err(Errno::ESRCH),
        }
    }
}

/// The kernel's boot id and our process namespace.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        named(boot.trim(), &namespace.to_string_lossy())
    })
}

/// Where the system does not tell both, nobody is ever known to be dead, and leases run out: of each other, two machines know nothing.
fn named(boot: &str, namespace: &str) -> String {
    if boot.is_empty() || namespace.is_empty() {
        return format!("unknown {:032x}", fastrand::u128(..));
    }
    format!("{boot} {namespace}")
}

/// A number for this boot of this machine; `None` where the system does not tell.
pub fn boot() -> Option<i64> {
    let boot: uuid::Uuid = machine().split_whitespace().next()?.parse().ok()?;
    Some(boot.as_u64_pair().0.cast_signed())
}

/// Dead, and not yet collected by its parent.
fn is_zombie(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| matches!(fields.split_whitespace().next(), Some("Z" | "X")))
}

/// Field 22 of `/proc/PID/stat` (proc(5)); `None` when there is no such process or it is a zombie.
fn start_ticks(pid: i32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Says that this process is a daemon and lives, and gives all of which that is so, in order.
pub async fn serve(conn: &mut Conn<'_>, process_id: i64) -> sqlx::Result<Vec<i64>> {
    sqlx::query!(
        "insert into hiersync_internal.daemon (process_id, until) values ($1, clock_timestamp() + make_interval(secs => $2))
         on conflict (process_id) do update set until = excluded.until",
        process_id,
        LASTS.as_secs_f64()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_scalar!("select process_id from hiersync_internal.daemon where until > clock_timestamp() order by process_id")
        .fetch_all(conn)
        .await
}

/// Says that this process is a daemon no more.
pub async fn leave(conn: &mut Conn<'_>, process_id: i64) -> sqlx::Result<()> {
    sqlx::query!("delete from hiersync_internal.daemon where process_id = $1", process_id).execute(conn).await?;
    Ok(())
}

/// Writes this process down and gives its number.
pub async fn register(conn: &mut Conn<'_>, own: &Identity) -> sqlx::Result<i64> {
    // Old ones are of no use: what they held has run out. A daemon that lives holds no lease, perhaps, and is of use all the same.
    sqlx::query!("delete from hiersync_internal.daemon where until < clock_timestamp() - interval '30 days'").execute(&mut *conn).await?;
    sqlx::query!(
        "delete from hiersync_internal.process p where started_at < clock_timestamp() - interval '30 days'
           and not exists (select 1 from hiersync_internal.lease l where l.process_id = p.process_id)
           and not exists (select 1 from hiersync_internal.daemon d where d.process_id = p.process_id)"
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_scalar!(
        "insert into hiersync_internal.process (machine, pid, start_ticks) values ($1, $2, $3) returning process_id",
        own.machine,
        own.pid,
        own.start_ticks
    )
    .fetch_one(conn)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_know_its_machine_shares_it_with_nobody() {
        assert_eq!(named("boot", "pid:[1]"), "boot pid:[1]");
        for (boot, namespace) in [("", "pid:[1]"), ("boot", ""), ("", "")] {
            assert_ne!(named(boot, namespace), named(boot, namespace), "{boot} {namespace}");
        }
    }

    #[test]
    fn a_living_process_is_not_dead_and_a_reused_pid_is() {
        let own = Identity::own();
        assert!(own.start_ticks > 0);
        assert!(!own.is_dead());
        assert!(Identity { start_ticks: own.start_ticks + 1, ..own.clone() }.is_dead());
        assert!(!Identity { machine: "elsewhere".into(), start_ticks: 1, ..own }.is_dead());
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("true").spawn().expect("true runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        while start_ticks(pid).is_some() {
            std::thread::yield_now();
        }
        child.wait().expect("it ended");
    }
}
