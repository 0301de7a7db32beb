//! The data directory: made once, under another name until it is whole.

use std::{
    fs::{self, DirBuilder, File},
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;

use super::{DATABASE, USER, error::EmbeddedError, home::Home, server};
use crate::clock;

/// What an `initdb` that was killed still writes, it writes within this time.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(5);

/// Makes the data directory and the database in it, unless they are there.
pub(super) fn prepare(home: &Home, bin: &Path) -> Result<(), EmbeddedError> {
    let pgdata = home.pgdata();
    if pgdata.join("PG_VERSION").exists() {
        return Ok(());
    }
    let new = home.pgdata_new();
    clear(&new)?;
    DirBuilder::new().mode(0o700).create(&new).map_err(EmbeddedError::io("create", &new))?;
    home.account().own(&new)?;
    initialise(home, bin, &new)?;
    create_database(home, bin, &new)?;
    fs::rename(&new, &pgdata).map_err(EmbeddedError::io("put the new data directory at", &pgdata))?;
    File::open(home.dir()).and_then(|dir| dir.sync_all()).map_err(EmbeddedError::io("sync", home.dir()))
}

fn clear(new: &Path) -> Result<(), EmbeddedError> {
    let began = clock::instant();
    while new.exists() {
        match fs::remove_dir_all(new) {
            Err(error) if began.elapsed() > LEFTOVER_LIMIT => return Err(EmbeddedError::io("remove", new)(error)),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    Ok(())
}

fn initialise(home: &Home, bin: &Path, new: &Path) -> Result<(), EmbeddedError> {
    let mut command = server::program_of(home, &bin.join("initdb"), Signal::SIGKILL);
    command.arg("-D").arg(new).arg(format!("--username={USER}"));
    command.args(["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth-local=trust", "--auth-host=reject"]);
    run("initdb", &mut command, "")
}

fn create_database(home: &Home, bin: &Path, new: &Path) -> Result<(), EmbeddedError> {
    let mut command = server::program_of(home, &bin.join("postgres"), Signal::SIGKILL);
    command.arg("--single").arg("-D").arg(new).args(["-c", "exit_on_error=on", "template1"]);
    run("postgres", &mut command, &format!("create database {DATABASE};\n"))
}

fn run(program: &'static str, command: &mut Command, input: &str) -> Result<(), EmbeddedError> {
    let path = Path::new(command.get_program()).to_owned();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(EmbeddedError::io("run", &path))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input says why on its way out.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(EmbeddedError::io("wait for", &path))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    eprint!("{said}");
    Err(EmbeddedError::Program { program, reason: reason(&said).map_or_else(|| output.status.to_string(), str::to_owned) })
}

/// The last line that tells a fault; hints follow it.
pub(super) fn reason(said: &str) -> Option<&str> {
    let fault = said.lines().rfind(|line| ["error: ", "ERROR:", "FATAL:", "PANIC:"].iter().any(|word| line.contains(word)));
    fault.or_else(|| said.lines().rfind(|line| !line.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_is_told_and_not_the_hint() {
        assert_eq!(reason("x\ninitdb: error: no\nremoving contents\n\n"), Some("initdb: error: no"));
        assert_eq!(reason("cannot be\n\n"), Some("cannot be"));
        assert_eq!(reason(""), None);
    }
}
