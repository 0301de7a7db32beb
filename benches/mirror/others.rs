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
        for (script, table, cases) in [
            ("script.py", "script.customer", ["script, first load", "script, nothing changed"]),
            ("dlt_merge.py", "dlt_mirror.customer", ["dlt, first load", "dlt, nothing changed"]),
        ] {
            for says in cases {
                lines.push(Line { says, rows, ..self.run(server, script, vendor).await });
                assert_eq!(count(server, table).await, i64::from(rows), "one that has lost rows measures nothing: {says}");
            }
        }
        lines
    }

    async fn run(&self, server: &Server, script: &str, vendor: &str) -> Line {
        server.settle().await;
        let before = used::up_to_now(server, UsageWho::RUSAGE_CHILDREN).await;
        let mut command = tokio::process::Command::new(self.0.path().join("environment/bin/python"));
        command.arg(sources().join(script)).args([vendor, &account::root_identifier(), &server.url]).arg(self.0.path());
        command.env("HOME", self.0.path()).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stdout(Stdio::null());
        let (wall, peak) = measured(command, &server.folder().join("other.log")).await;
        let used = used::up_to_now(server, UsageWho::RUSAGE_CHILDREN).await - before;
        Line { peak: Some(peak), ..Line::of(wall, used) }
    }
}

async fn count(server: &Server, table: &str) -> i64 {
    let rows = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(rows).fetch_one(&server.pool).await.unwrap()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mirror/others")
}

fn run(command: &mut Command) -> Result<(), String> {
    let ended = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if ended.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", String::from_utf8_lossy(&ended.stderr))) }
}
