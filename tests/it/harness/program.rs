//! The real program, as a person or systemd runs it.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
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

    /// With the case's config, changed.
    pub fn edited(case: &Case, edit: impl FnOnce(String) -> String) -> Self {
        let program = Self::of(case);
        std::fs::write(program.config_file(), edit(case.config())).unwrap();
        program
    }

    /// With a further variable, or another value of one.
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self = self.without(variable);
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Without a variable.
    pub fn without(mut self, variable: &str) -> Self {
        self.variables.retain(|(name, _)| name != variable);
        self
    }

    /// The config file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("hiersync.toml")
    }

    /// The program with its config and an environment of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare_command();
        command.arg("--config").arg(self.config_file()).args(args);
        command
    }

    /// The program in its folder, without arguments.
    pub fn bare_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hiersync"));
        command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).current_dir(self.folder.path());
        command
    }

    /// Runs it to its end, while the simulated vendors go on answering.
    pub async fn run(&self, args: &[&str]) -> Ended {
        run(self.command(args)).await
    }
}

/// Runs a command to its end.
pub async fn run(command: Command) -> Ended {
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
    ended(&output)
}

fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}
