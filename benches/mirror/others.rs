//! What others do with the same account: a script written by hand, and dlt. Both are Python's, installed by pip into a throw-away
//! environment. Where that is impossible they are left out, and it is said why.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::sys::resource::UsageWho;
use tempfile::TempDir;

use super::{account, program::measured, server::Server, table::Line, used};

/// Where the environment is, as long as it is held.
pub struct Others(TempDir);

impl Others {
    /// Installs them.
    pub fn install() -> Result<Self, String> {
        let folder = TempDir::new().unwrap();
        let environment = folder.path().join("environment");
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let requirements = sources().join("requirements.txt");
        run(Command::new(environment.join("bin/pip")).args(["--quiet", "install", "--requirement"]).arg(requirements))?;
        Ok(Self(folder))
    }

    /// A first load, and the same again: a line each for both.
    pub async fn lines(&self, server: &Server, vendor: &str, rows: u32) -> Vec<Line> {
        let mut lines = Vec::new();
        for (first, says) in [(true, "script, first load"), (false, "script, nothing changed")] {
            lines.push(self.line(server, ("script.py", &[vendor]), Line { says, rows, ..Line::default() }).await);
            count(server, "script.customer", rows, first).await;
        }
        for (first, says) in [(true, "dlt, first load"), (false, "dlt, nothing changed")] {
            lines.push(self.line(server, ("dlt_merge.py", &[vendor]), Line { says, rows, ..Line::default() }).await);
            count(server, "dlt_mirror.customer", rows, first).await;
        }
        lines
    }

    async fn line(&self, server: &Server, (script, more): (&str, &[&str]), line: Line) -> Line {
        server.settle().await;
        let before = used::up_to_now(server, UsageWho::RUSAGE_CHILDREN).await;
        let mut command = tokio::process::Command::new(self.0.path().join("environment/bin/python"));
        command.arg(sources().join(script)).args(more).arg(account::root_identifier()).arg(&server.url).arg(self.0.path());
        command.env("HOME", self.0.path()).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stdout(Stdio::null());
        let (wall, peak) = measured(command, &server.folder().join("other.log")).await;
        let used = used::up_to_now(server, UsageWho::RUSAGE_CHILDREN).await - before;
        Line { peak: Some(peak), says: line.says, rows: line.rows, ..Line::of(wall, used) }
    }
}

/// One that has lost rows measures nothing.
async fn count(server: &Server, table: &str, rows: u32, first: bool) {
    let found = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    let found: i64 = sqlx::query_scalar(found).fetch_one(&server.pool).await.unwrap();
    assert_eq!(found, i64::from(rows), "{table}, first load: {first}");
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mirror/others")
}

fn run(command: &mut Command) -> Result<(), String> {
    let ended = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if ended.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", String::from_utf8_lossy(&ended.stderr))) }
}
