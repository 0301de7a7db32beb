//! The real program, as a person or systemd runs it.

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

use super::case::Case;

/// A config file in a folder of its own, and the program to run with it.
pub struct Program {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it complained.
    pub err: String,
}

impl Program {
    /// With the case's config.
    pub fn of(case: &Case) -> Self {
        Self::with_config(&case.config(), case.variables().iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// With this config and these variables.
    pub fn with_config(config: &str, variables: Vec<(String, String)>) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("hiersync.toml"), config).unwrap();
        Self { folder, variables }
    }

    /// The config file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("hiersync.toml")
    }

    /// The program with its config and an environment of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hiersync"));
        command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.arg("--config").arg(self.config_file()).args(args).stdin(Stdio::null()).current_dir(self.folder.path());
        command
    }

    /// Runs it to its end, while the simulated vendors go on answering.
    pub async fn run(&self, args: &[&str]) -> Ended {
        let mut command = tokio::process::Command::from(self.command(args));
        let output = command.output().await.unwrap();
        ended(&output)
    }

    /// Starts it.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// Waits for a child's end.
pub async fn wait(child: Child) -> Ended {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    ended(&output)
}

fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Sends a signal, such as `-9`.
pub fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
